// SPDX-License-Identifier: GPL-2.0
/* husk doctor: can this host run VMs? One line each, with what to do. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli.h"
#include "lib/libhusk.h"

enum verdict { GOOD, NOTE, BAD };

static const char * const verdicts[] = { "ok", "note", "bad" };

struct doctor {
	bool json;
	int lines;
	bool bad;
};

static void say(struct doctor *d, enum verdict verdict, const char *subject, const char *text)
{
	d->bad |= verdict == BAD;
	if (!d->json) {
		printf("%-4s  %-8s  %s\n", verdicts[verdict], subject, text);
		return;
	}
	printf("%s\n  {\"check\": ", d->lines++ ? "," : "");
	json_string(subject);
	printf(", \"verdict\": ");
	json_string(verdicts[verdict]);
	printf(", \"text\": ");
	json_string(text);
	printf("}");
}

/* Is word among the flags of the first CPU? */
static bool cpu_flag(const char *flags, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = flags; (at = strstr(at, word)); at += n)
		if ((at == flags || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\n' || !at[n]))
			return true;
	return false;
}

static void read_flags(char *flags, size_t room)
{
	FILE *f = fopen("/proc/cpuinfo", "re");

	*flags = 0;
	while (f && fgets(flags, room, f))
		if (!strncmp(flags, "flags", 5))
			break;
	if (f)
		fclose(f);
	if (strncmp(flags, "flags", 5))
		*flags = 0;
}

static void check_cpu(struct doctor *d)
{
	char flags[8192];

	read_flags(flags, sizeof(flags));
	if (cpu_flag(flags, "svm"))
		say(d, GOOD, "cpu", "AMD-V (svm) is there");
	else if (cpu_flag(flags, "vmx"))
		say(d, GOOD, "cpu", "Intel VT-x (vmx) is there");
	else
		say(d, BAD, "cpu", "neither svm nor vmx: switch on virtualization in the firmware's set-up, "
		    "or, inside a VM, nested virtualization");
	if (cpu_flag(flags, "svm") && !cpu_flag(flags, "npt"))
		say(d, BAD, "paging", "no nested paging (npt): husk can't work on this CPU");
	if (cpu_flag(flags, "vmx") && !cpu_flag(flags, "ept"))
		say(d, BAD, "paging", "no EPT: husk can't work on this CPU");
	if (cpu_flag(flags, "fred") && cpu_flag(flags, "vmx"))
		say(d, NOTE, "fred", "this CPU has FRED, which husk does not know with VT-x: "
		    "boot the host with fred=off");
}

static void check_kvm(struct doctor *d)
{
	if (!access("/sys/module/kvm_amd", F_OK))
		say(d, GOOD, "kvm", "kvm_amd is loaded; both can be used side by side");
	else if (!access("/sys/module/kvm_intel", F_OK))
		say(d, GOOD, "kvm", "kvm_intel is loaded; both can be used side by side");
	else
		say(d, GOOD, "kvm", "not loaded; not needed");
}

static bool check_module(struct doctor *d)
{
	struct utsname host;
	char text[400];

	if (!access("/sys/module/husk", F_OK)) {
		say(d, GOOD, "module", "husk.ko is loaded");
		return true;
	}
	uname(&host);
	snprintf(text, sizeof(text), "husk.ko is not loaded: as root, 'insmod husk.ko'; it must be built for "
		 "kernel %s; if insmod fails, 'dmesg | tail' has one line that says why", host.release);
	say(d, BAD, "module", text);
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

static void check_caps(struct doctor *d, const struct husk_caps *caps)
{
	char text[600], modes[500];

	snprintf(text, sizeof(text), "version %u%s", caps->abi_version, caps->abi_version == HUSK_ABI_VERSION ?
		 "" : ", this program speaks another: build both from one source");
	say(d, caps->abi_version == HUSK_ABI_VERSION ? GOOD : BAD, "abi", text);
	modes_text(modes, sizeof(modes), caps->modes_usable);
	say(d, GOOD, "modes", modes);
	modes_text(modes, sizeof(modes), caps->modes & ~caps->modes_usable);
	if (*modes) {
		snprintf(text, sizeof(text), "there, but masked by the module parameter mask=: %s", modes);
		say(d, NOTE, "masked", text);
	}
	snprintf(text, sizeof(text), "%u VMs, %u vCPUs a VM, %u memory slots a VM, guest addresses of %u bits",
		 caps->max_vms, caps->max_vcpus, caps->max_slots, caps->guest_phys_bits);
	say(d, GOOD, "limits", text);
	if (caps->foreign_virt)
		say(d, NOTE, "foreign", "another hypervisor uses the CPU's virtualization right now; husk borrows it");
}

static void check_device(struct doctor *d)
{
	struct husk_caps caps;
	int dev = husk_open();

	if (dev < 0) {
		say(d, BAD, "rights", husk_open_error(errno));
		return;
	}
	say(d, GOOD, "rights", "you may use " HUSK_DEVICE);
	if (husk_get_caps(dev, &caps) < 0)
		say(d, BAD, "abi", "husk.ko and this program do not fit together: build both from one source");
	else
		check_caps(d, &caps);
	close(dev);
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
	char text[300];

	if (why)
		snprintf(text, sizeof(text), "%s; %s needs it: %s", why, use, get);
	else
		snprintf(text, sizeof(text), "there, for %s", use);
	say(d, why ? NOTE : GOOD, subject, text);
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
	struct doctor d = { 0 };

	parse_plain(argc, argv, "usage: husk doctor [--json]\n\nCheck this host, say what to do. Status 4 if VMs can't run.\n",
		    &d.json, 0, 0);
	if (d.json)
		printf("[");
	check_cpu(&d);
	check_kvm(&d);
	if (check_module(&d))
		check_device(&d);
	check_programs(&d);
	check_firmware(&d);
	check_devices(&d);
	if (d.json)
		printf("\n]\n");
	return d.bad ? HUSK_STATUS_HOST : HUSK_STATUS_OK;
}
