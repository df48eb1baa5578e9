// SPDX-License-Identifier: GPL-2.0
/* husk doctor: can this host run VMs? One line each, with what to do. */
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli.h"
#include "doctor.h"
#include "lib/tools.h"
#include "lib/netlink.h"
#include "term.h"

static const struct {
	const char *name;
	enum husk_status status;
} verdicts[] = {
#define X(id, name, status) { name, status },
	DOCTOR_VERDICTS(X)
#undef X
};

void doctor_say(struct doctor *d, enum verdict verdict, const char *subject, const char *todo, const char *fmt, ...)
{
	static const enum colour colours[] = {
		[DOCTOR_OK] = COLOUR_GREEN, [DOCTOR_WARN] = COLOUR_YELLOW, [DOCTOR_FAIL] = COLOUR_RED,
	};
	char text[700];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (verdict > d->worst)
		d->worst = verdict;
	if (!d->json) {
		printf("%s%-4s%s  %-11s  %s%s%s\n", term_colour(colours[verdict]), verdicts[verdict].name,
		       term_colour_end(colours[verdict]), subject, text, todo ? ": " : "", todo ? todo : "");
		return;
	}
	printf("%s\n  {\"check\": \"%s\", \"verdict\": \"%s\", \"text\": ", d->lines++ ? "," : "", subject,
	       verdicts[verdict].name);
	json_string(text);
	printf(", \"todo\": ");
	if (todo)
		json_string(todo);
	else
		printf("null");
	printf("}");
}

static bool check_module(struct doctor *d)
{
	struct utsname host;
	char version[100], todo[200];

	if (doctor_there("/sys/module/husk")) {
		/* CONFIG_MODULE_SRCVERSION_ALL, or a module with a version */
		doctor_read("/sys/module/husk/srcversion", version, sizeof(version), true);
		doctor_say(d, DOCTOR_OK, "module", NULL, "husk.ko is loaded%s%s", *version ? ", of the sources " : "", version);
		return true;
	}
	uname(&host);
	snprintf(todo, sizeof(todo), "as root, 'insmod husk.ko'; it must be built for kernel %.65s; if insmod fails, "
		 "'dmesg | tail' has one line that says why", host.release);
	doctor_say(d, DOCTOR_FAIL, "module", todo, "husk.ko is not loaded");
	return false;
}

static void modes_text(char *text, size_t room, __u64 modes)
{
	size_t n = 0;

	*text = 0;
	for (unsigned int i = 0; i < HUSK_MODE_COUNT && n < room; i++)
		if (modes >> i & 1)
			n += snprintf(text + n, room - n, "%s%s", n ? " " : "", husk_mode_name(i));
}

#define BIT(mode)	(1ULL << HUSK_MODE_##mode)
/* What husk would use of a CPU of that kind, to be quicker */
#define COMMON_MODES	(BIT(TLB_TAG) | BIT(FLUSH_ASID) | BIT(HUGE_2M) | BIT(HUGE_1G) | BIT(AD_BITS) | BIT(PAUSE_FILTER) | \
			 BIT(XSAVE) | BIT(NRIPS))
#define SVM_MODES	(COMMON_MODES | BIT(DECODE) | BIT(CLEAN_BITS))
#define VMX_MODES	(COMMON_MODES | BIT(TPR_SHADOW) | BIT(APIC_ACCEL) | BIT(PREEMPT_TIMER) | BIT(PML))

static void check_modes(struct doctor *d, const struct husk_caps *caps)
{
	char modes[500];

	modes_text(modes, sizeof(modes), caps->modes_usable);
	doctor_say(d, DOCTOR_OK, "modes", NULL, "%s", modes);
	modes_text(modes, sizeof(modes), caps->modes & ~caps->modes_usable);
	if (*modes)
		doctor_say(d, DOCTOR_WARN, "masked", "load husk.ko without mask=", "there, but masked by the module's parameter: %s", modes);
	modes_text(modes, sizeof(modes), ~caps->modes & (caps->modes & BIT(VMX) ? VMX_MODES : SVM_MODES));
	if (*modes)
		doctor_say(d, DOCTOR_INFO, "missing", NULL, "the CPU has no %s; husk does without, but slower", modes);
}

static void check_caps(struct doctor *d, const struct husk_caps *caps)
{
	static const char build[] = "build both from one source, or install both from one package";

	if (caps->abi_version == HUSK_ABI_VERSION)
		doctor_say(d, DOCTOR_OK, "abi", NULL, "version %u", caps->abi_version);
	else
		doctor_say(d, DOCTOR_FAIL, "abi", build, "version %u; this program speaks %u", caps->abi_version, HUSK_ABI_VERSION);
	check_modes(d, caps);
	doctor_say(d, DOCTOR_OK, "limits", NULL, "%u VMs, %u vCPUs a VM, %u memory slots a VM, guest addresses of %u bits",
		   caps->max_vms, caps->max_vcpus, caps->max_slots, caps->guest_phys_bits);
	if (caps->foreign_virt)
		doctor_say(d, DOCTOR_INFO, "foreign", NULL, "another hypervisor uses the CPU's virtualization right now; husk borrows it");
}

/* Whose device it is */
static void check_group(struct doctor *d)
{
	struct group *husk = getgrnam("husk");
	struct stat st;

	if (stat(HUSK_DEVICE, &st) < 0)
		return;
	if (st.st_mode & 0006)
		doctor_say(d, DOCTOR_WARN, "group", "as root, 'chmod 660 " HUSK_DEVICE "'", "each user of this host may use " HUSK_DEVICE);
	else if (!husk)
		doctor_say(d, DOCTOR_INFO, "group", "as root, 'groupadd --system husk; chgrp husk " HUSK_DEVICE "', for others than root",
			   "there is no group husk");
	else if (st.st_gid != husk->gr_gid)
		doctor_say(d, DOCTOR_INFO, "group", "as root, 'chgrp husk " HUSK_DEVICE "', for others than root",
			   HUSK_DEVICE " is not of the group husk");
	else
		doctor_say(d, DOCTOR_OK, "group", NULL, HUSK_DEVICE " is of the group husk, whose members may use it");
}

static void check_device(struct doctor *d)
{
	struct husk_caps caps;
	int dev = husk_open();

	if (dev < 0) {
		doctor_say(d, DOCTOR_FAIL, "rights", "run as root, or have root put you into the group husk ('usermod -aG husk "
			   "USER', then log in anew)", HUSK_DEVICE ": %s", strerror(errno));
		check_group(d);
		return;
	}
	doctor_say(d, DOCTOR_OK, "rights", NULL, "you may use " HUSK_DEVICE);
	check_group(d);
	if (husk_get_caps(dev, &caps) < 0)
		doctor_say(d, DOCTOR_FAIL, "abi", "build both from one source", "husk.ko and this program do not fit together");
	else
		check_caps(d, &caps);
	close(dev);
}

static void check_daemon(struct doctor *d)
{
	struct husk_nl_caps *caps = calloc(1, sizeof(*caps));
	struct husk_nl *nl = NULL;

	if (!caps)
		die(HUSK_STATUS_FAIL, "out of memory");
	if (husk_nl_open(&nl) || husk_nl_caps(nl, caps))
		doctor_say(d, DOCTOR_WARN, "netlink", "build husk.ko and this program from one source", "husk.ko does not answer: %s",
			   husk_nl_error(nl));
	else if (caps->daemon_pid)
		doctor_say(d, DOCTOR_OK, "huskd", NULL, "the daemon runs, pid %" PRIu32, caps->daemon_pid);
	else
		doctor_say(d, DOCTOR_INFO, "huskd", "as root, 'systemctl start huskd', or 'huskd' without systemd",
			   "no daemon runs; only VMs that have a definition need it");
	husk_nl_close(nl);
	free(caps);
}

/* Is the program where execvp() would look? */
static bool in_path(const char *program)
{
	const char *at = getenv("PATH");
	char file[4096];

	while (at && *at) {
		size_t n = strcspn(at, ":");

		snprintf(file, sizeof(file), "%.*s/%s", (int)n, at, program);
		if (!access(file, X_OK))
			return true;
		at += n;
		at += *at == ':';
	}
	return false;
}

static void say_optional(struct doctor *d, const char *subject, const char *use, const char *why, const char *get)
{
	if (why)
		doctor_say(d, DOCTOR_INFO, subject, get, "%s; %s needs it", why, use);
	else
		doctor_say(d, DOCTOR_OK, subject, NULL, "there, for %s", use);
}

static void check_programs(struct doctor *d)
{
	static const struct {
		const char *program, *use, *get;
	} programs[] = {
		{ "passt", "--net user", "install the package passt" },
		{ "qemu-nbd", "a qcow2 --disk", "install the package qemu-utils" },
	};

	for (unsigned int i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		say_optional(d, programs[i].program, programs[i].use,
			     in_path(programs[i].program) ? NULL : "not installed", programs[i].get);
}

static void check_firmware(struct doctor *d)
{
	char use[64], get[64];

	for (unsigned int i = 0; i < HUSK_FIRMWARE; i++) {
		const struct husk_firmware *f = &husk_firmware[i];

		snprintf(use, sizeof(use), "%s--firmware %s", i ? "" : "a --disk alone or ", f->name);
		snprintf(get, sizeof(get), "install the package %s", f->name);
		say_optional(d, f->name, use, husk_firmware_path(f) ? NULL : "not installed", get);
	}
}

static void check_devices(struct doctor *d)
{
	static const struct {
		const char *subject, *device, *use, *get;
	} devices[] = {
		{ "tun", "/dev/net/tun", "--net tap", "as root, 'modprobe tun'" },
		{ "vhost-net", "/dev/vhost-net", "--net tap,where=kernel", "as root, 'modprobe vhost_net'" },
		{ "vsock", "/dev/vhost-vsock", "--vsock", "as root, 'modprobe vhost_vsock'" },
	};

	for (unsigned int i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		const char *why = NULL, *get = devices[i].get;
		char text[100];

		if (access(devices[i].device, R_OK | W_OK) < 0) {
			if (errno == EACCES)
				get = "run as root, or have root give it to a group of yours (chgrp)";
			snprintf(text, sizeof(text), "%s: %s", devices[i].device, strerror(errno));
			why = text;
		}
		say_optional(d, devices[i].subject, devices[i].use, why, get);
	}
}

int cmd_doctor(int argc, char **argv)
{
	struct doctor d = {};

	parse_plain(argc, argv,
		    "usage: husk doctor [--json]\n"
		    "\n"
		    "Check this host, a line for each check: ok, info (what some options need, or what\n"
		    "is worth knowing), warn (VMs run, but worse, or less safe) or fail (they do not),\n"
		    "and what to do. Status 4 if there is a fail.\n", &d.json, 0, 0);
	if (d.json)
		printf("[");
	doctor_host(&d);
	if (check_module(&d)) {
		check_device(&d);
		check_daemon(&d);
	}
	check_programs(&d);
	check_firmware(&d);
	check_devices(&d);
	if (d.json)
		printf("\n]\n");
	return verdicts[d.worst].status;
}
