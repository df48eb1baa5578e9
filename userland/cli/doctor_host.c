// SPDX-License-Identifier: GPL-2.0
/* husk doctor: the host's CPU, kernel, memory and what holds VMs in. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cli.h"
#include "doctor.h"
#include "format.h"

#define KERNEL_MAJOR	6	/* the oldest that husk.ko is built for, kmod/compat.h */
#define KERNEL_MINOR	1
#define VULNERABILITIES	"/sys/devices/system/cpu/vulnerabilities"

const char *doctor_root = "";

int doctor_read(const char *path, char *text, size_t room, bool line)
{
	char whole[300];
	size_t n = 0;
	FILE *f;

	snprintf(whole, sizeof(whole), "%s%s", doctor_root, path);
	*text = 0;
	f = fopen(whole, "re");
	if (!f)
		return -1;
	n = fread(text, 1, room - 1, f);
	text[n] = 0;
	fclose(f);
	if (line)
		text[strcspn(text, "\n")] = 0;
	return 0;
}

bool doctor_there(const char *path)
{
	char whole[300];

	snprintf(whole, sizeof(whole), "%s%s", doctor_root, path);
	return !access(whole, F_OK);
}

/* Is word one of text's, which spaces, commas or newlines separate? */
static bool has_word(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = text; (at = strstr(at, word)); at += n)
		if ((at == text || strchr(" ,\t", at[-1])) && (!at[n] || strchr(" ,\n", at[n])))
			return true;
	return false;
}

/* ---- the CPU ---- */

static void check_cpu(struct doctor *d)
{
	static const char bios[] = "switch on virtualization in the firmware's set-up, or, inside a VM, nested virtualization";
	static char info[16384];
	char *flags;
	bool svm, vmx;

	doctor_read("/proc/cpuinfo", info, sizeof(info), false);
	flags = strstr(info, "\nflags\t");
	if (flags)
		flags[1 + strcspn(flags + 1, "\n")] = 0;
	else
		flags = "";
	svm = has_word(flags, "svm");
	vmx = has_word(flags, "vmx");
	if (svm)
		doctor_say(d, DOCTOR_OK, "cpu", NULL, "AMD-V (svm) is there");
	else if (vmx)
		doctor_say(d, DOCTOR_OK, "cpu", NULL, "Intel VT-x (vmx) is there");
	else
		doctor_say(d, DOCTOR_FAIL, "cpu", bios, "neither svm nor vmx");
	if ((svm && !has_word(flags, "npt")) || (vmx && !has_word(flags, "ept")))
		doctor_say(d, DOCTOR_FAIL, "paging", "use a CPU that has it; inside a VM, have its hypervisor offer it",
			   "no nested paging (%s): husk can't work", svm ? "npt" : "ept");
	if (vmx && has_word(flags, "fred"))
		doctor_say(d, DOCTOR_WARN, "fred", "boot the host with fred=off", "this CPU has FRED, which husk does not know with VT-x");
	if (has_word(flags, "hypervisor"))
		doctor_say(d, DOCTOR_INFO, "nested", NULL, "this host is itself a VM: each exit costs several of its hypervisor's");
}

/* "Mitigation: ...; SMT vulnerable" is no "Vulnerable": what is left of it is a question of who the guests are. */
static void check_vulnerability(struct doctor *d, const char *name, unsigned int *good, bool *smt)
{
	char path[200], text[200];

	snprintf(path, sizeof(path), VULNERABILITIES "/%.100s", name);
	if (doctor_read(path, text, sizeof(text), true) < 0)
		return;
	if (!strncmp(text, "Vulnerable", 10) || strstr(text, "VMX: vulnerable"))
		doctor_say(d, DOCTOR_WARN, "mitigations",
			   "boot without mitigations=off, with a current kernel and microcode; else run guests that you trust only",
			   "%s: %s", name, text);
	else
		++*good;
	*smt |= strstr(text, "SMT vulnerable") != NULL;
}

static void check_mitigations(struct doctor *d)
{
	char whole[300];
	struct dirent **entry;
	unsigned int good = 0;
	bool smt = false;
	int n;

	snprintf(whole, sizeof(whole), "%s" VULNERABILITIES, doctor_root);
	n = scandir(whole, &entry, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		if (entry[i]->d_name[0] != '.')
			check_vulnerability(d, entry[i]->d_name, &good, &smt);
		free(entry[i]);
	}
	if (n >= 0)
		free(entry);
	if (good)
		doctor_say(d, DOCTOR_OK, "mitigations", NULL, "%u of the CPU's known flaws do not affect it or are mitigated", good);
	if (smt)
		doctor_say(d, DOCTOR_INFO, "smt", "boot with nosmt if guests must not trust each other",
			   "two threads of a core share what some of these flaws tell");
}

/* ---- the kernel ---- */

static void check_kernel(struct doctor *d)
{
	struct utsname host;
	int major = 0, minor = 0;
	char text[200];

	uname(&host);
	if (sscanf(host.release, "%d.%d", &major, &minor) == 2 &&
	    (major < KERNEL_MAJOR || (major == KERNEL_MAJOR && minor < KERNEL_MINOR)))
		doctor_say(d, DOCTOR_FAIL, "kernel", "boot a newer one", "Linux %s: husk needs %d.%d", host.release, KERNEL_MAJOR,
			   KERNEL_MINOR);
	else
		doctor_say(d, DOCTOR_OK, "kernel", NULL, "Linux %s", host.release);
	if (doctor_there("/sys/kernel/btf/vmlinux"))
		doctor_say(d, DOCTOR_OK, "btf", NULL, "the kernel's types are there, for programs of your own on the tracepoints");
	else
		doctor_say(d, DOCTOR_INFO, "btf", "use a kernel with CONFIG_DEBUG_INFO_BTF",
			   "the kernel has no BTF, which BPF programs of your own on the tracepoints may need");
	if ((!doctor_read("/sys/module/module/parameters/sig_enforce", text, sizeof(text), true) && *text == 'Y') ||
	    (!doctor_read("/sys/kernel/security/lockdown", text, sizeof(text), true) && !strstr(text, "[none]")))
		doctor_say(d, DOCTOR_WARN, "signature", "sign husk.ko with a key that the kernel knows (mokutil --import), or switch "
			   "Secure Boot off", "the kernel loads signed modules only");
}

/* What KVM's VMs are is its own affair; that there are some shows its module's count of users. */
static void check_kvm(struct doctor *d)
{
	static const char * const modules[] = { "kvm_amd", "kvm_intel" };
	char path[60], text[40];

	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/sys/module/%s/refcnt", modules[i]);
		if (doctor_read(path, text, sizeof(text), true) < 0)
			continue;
		doctor_say(d, DOCTOR_OK, "kvm", NULL, "%s is loaded, %s; both can be used side by side", modules[i],
			   atoi(text) ? "and VMs of its own run" : "no VM of its own runs");
		return;
	}
	doctor_say(d, DOCTOR_OK, "kvm", NULL, "not loaded; not needed");
}

/* ---- memory ---- */

static unsigned long number_in(const char *path)
{
	char text[40];

	return doctor_read(path, text, sizeof(text), true) < 0 ? 0 : strtoul(text, NULL, 10);
}

static void check_memory(struct doctor *d)
{
	unsigned long pages = number_in("/proc/sys/vm/nr_hugepages"), sum = 0;
	char text[4096], *line, *at = text;
	struct text bytes;

	if (doctor_read("/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof(text), true) < 0)
		doctor_say(d, DOCTOR_WARN, "hugepages", "use a kernel with CONFIG_TRANSPARENT_HUGEPAGE",
			   "no transparent huge pages: guests' memory is in small pages, and slower");
	else if (strstr(text, "[never]"))
		doctor_say(d, DOCTOR_WARN, "hugepages",
			   "as root, 'echo madvise >/sys/kernel/mm/transparent_hugepage/enabled'",
			   "transparent huge pages are switched off: guests' memory is in small pages, and slower");
	else
		doctor_say(d, DOCTOR_OK, "hugepages", NULL, "guests' memory may have transparent huge pages");
	if (pages)
		doctor_say(d, DOCTOR_INFO, "reserved", "if nothing else uses them, as root, 'echo 0 >/proc/sys/vm/nr_hugepages'",
			   "%lu huge pages are reserved, which husk does not use", pages);
	if (doctor_read("/proc/swaps", text, sizeof(text), false) < 0)
		return;
	strsep(&at, "\n");
	while ((line = strsep(&at, "\n"))) {
		unsigned long kib = 0;

		if (sscanf(line, "%*s %*s %lu", &kib) == 1)
			sum += kib;
	}
	doctor_say(d, DOCTOR_INFO, "swap", NULL, sum ? "%s; guests' memory may go there, as any process's" :
		   "none%.0s; guests' memory that is used can't go anywhere else", format_bytes(&bytes, sum << 10));
}

static void check_iommu(struct doctor *d)
{
	char whole[300];
	struct dirent **entry;
	int n, count = 0;

	snprintf(whole, sizeof(whole), "%s/sys/class/iommu", doctor_root);
	n = scandir(whole, &entry, NULL, NULL);
	for (int i = 0; i < n; i++) {
		count += entry[i]->d_name[0] != '.';
		free(entry[i]);
	}
	if (n >= 0)
		free(entry);
	doctor_say(d, DOCTOR_INFO, "iommu", NULL, "%s; husk gives no device of the host to a guest", count ? "there" : "none");
}

/* ---- what holds a VM's process in ---- */

static void check_jail(struct doctor *d)
{
	char text[300];

	if (doctor_read("/sys/fs/cgroup/cgroup.controllers", text, sizeof(text), true) < 0)
		doctor_say(d, DOCTOR_WARN, "cgroup", "boot with systemd.unified_cgroup_hierarchy=1, or mount it: 'mount -t cgroup2 none /sys/fs/cgroup'",
			   "no cgroup v2 at /sys/fs/cgroup: VMs' processes can't be limited");
	else if (!has_word(text, "memory") || !has_word(text, "cpu"))
		doctor_say(d, DOCTOR_WARN, "cgroup", "boot without cgroup_disable=, and with cgroups v1 not using them",
			   "cgroup v2 without memory or cpu (%s): VMs' processes can't be limited", text);
	else
		doctor_say(d, DOCTOR_OK, "cgroup", NULL, "cgroup v2 with memory and cpu");
	if (doctor_read("/sys/kernel/security/lsm", text, sizeof(text), true) < 0)
		doctor_say(d, DOCTOR_INFO, "landlock", "as root, 'mount -t securityfs none /sys/kernel/security'",
			   "not known: /sys/kernel/security/lsm: %s", strerror(errno));
	else if (!has_word(text, "landlock"))
		doctor_say(d, DOCTOR_WARN, "landlock", "boot with lsm=landlock,... before the others",
			   "not among the kernel's security modules (%s): a VM's process has one wall less around it", text);
	else
		doctor_say(d, DOCTOR_OK, "landlock", NULL, "there");
}

void doctor_host(struct doctor *d)
{
	check_cpu(d);
	check_mitigations(d);
	check_kernel(d);
	check_memory(d);
	check_iommu(d);
	check_jail(d);
	check_kvm(d);
}
