// SPDX-License-Identifier: GPL-2.0
/* What husk doctor makes of hosts that are only files. */
#include <ftw.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "cli/doctor.h"

static char root[] = "/tmp/husk-doctor-XXXXXX";
static char said[16384];
static bool untold;	/* a warning without what to do */

void doctor_say(struct doctor *d, enum verdict verdict, const char *subject, const char *todo, const char *fmt, ...)
{
	size_t n = strlen(said);
	va_list ap;

	(void)d;
	n += snprintf(said + n, sizeof(said) - n, "%c %s: ", "oiwf"[verdict], subject);
	va_start(ap, fmt);
	n += vsnprintf(said + n, sizeof(said) - n, fmt, ap);
	va_end(ap);
	snprintf(said + n, sizeof(said) - n, ": %s\n", todo ? todo : "");
	untold |= verdict >= DOCTOR_WARN && !todo;
}

/* A file, with the folders above it; text NULL: none such */
static void file(const char *path, const char *text)
{
	char whole[400];
	FILE *f;

	snprintf(whole, sizeof(whole), "%s%s", root, path);
	unlink(whole);
	if (!text)
		return;
	for (char *at = whole + 1; (at = strchr(at, '/')); at++) {
		*at = 0;
		mkdir(whole, 0700);
		*at = '/';
	}
	f = fopen(whole, "w");
	if (!f || fputs(text, f) < 0 || fclose(f))
		_exit(1);
}

static void expect(const char *name, const char *line)
{
	struct doctor d = {};

	*said = 0;
	doctor_host(&d);
	check_why(name, strstr(said, line), said);
}

static int drop(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

#define CPU(flags)	"processor\t: 0\nvendor_id\t: x\nflags\t\t: fpu " flags " sse\nbugs\t\t: svm vmx\n"

static void test_cpu(void)
{
	file("/proc/cpuinfo", CPU("svm npt"));
	expect("cpu_amd", "o cpu: AMD-V");
	check("cpu_paging", !strstr(said, "paging:"));
	file("/proc/cpuinfo", CPU("vmx ept"));
	expect("cpu_intel", "o cpu: Intel");
	file("/proc/cpuinfo", CPU("svmx vmx_no"));
	expect("cpu_none", "f cpu: neither");
	file("/proc/cpuinfo", CPU("svm npt_not hypervisor"));
	expect("cpu_no_npt", "f paging: no nested paging (npt)");
	check("cpu_nested", strstr(said, "i nested:"));
	file("/proc/cpuinfo", CPU("vmx ept fred"));
	expect("cpu_fred", "w fred:");
	file("/proc/cpuinfo", NULL);
	expect("cpu_unknown", "f cpu:");
	file("/proc/cpuinfo", CPU("svm npt"));
}

static void test_mitigations(void)
{
	const char *at = "/sys/devices/system/cpu/vulnerabilities/mds";

	file(at, "Not affected\n");
	file("/sys/devices/system/cpu/vulnerabilities/l1tf", "Mitigation: PTE Inversion; VMX: conditional cache flushes, SMT vulnerable\n");
	expect("mitigated", "o mitigations: 2 of");
	check("mitigated_smt", strstr(said, "i smt:") && !strstr(said, "w mitigations"));
	file(at, "Vulnerable: Clear CPU buffers attempted, no microcode\n");
	expect("vulnerable", "w mitigations: mds: Vulnerable: Clear");
	file(at, "Mitigation: PTE Inversion; VMX: vulnerable\n");
	expect("vulnerable_vmx", "w mitigations: mds: Mitigation");
	file(at, NULL);
}

static void test_kernel(void)
{
	expect("kernel", "kernel: Linux");
	check("kernel_unsigned", !strstr(said, "signature"));
	file("/sys/kernel/security/lockdown", "none [integrity] confidentiality\n");
	expect("lockdown", "w signature:");
	file("/sys/kernel/security/lockdown", "[none] integrity confidentiality\n");
	file("/sys/module/module/parameters/sig_enforce", "Y\n");
	expect("sig_enforce", "w signature:");
	file("/sys/module/module/parameters/sig_enforce", "N\n");
	expect("kvm_none", "o kvm: not loaded");
	check("kernel_not_locked", !strstr(said, "signature"));
	file("/sys/module/kvm_intel/refcnt", "0\n");
	expect("kvm_idle", "o kvm: kvm_intel is loaded, no VM");
	file("/sys/module/kvm_intel/refcnt", "12\n");
	expect("kvm_runs", "o kvm: kvm_intel is loaded, and VMs");
}

static void test_memory(void)
{
	expect("thp_none", "w hugepages: no transparent");
	file("/sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n");
	expect("thp_never", "w hugepages: transparent");
	file("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
	file("/proc/sys/vm/nr_hugepages", "7\n");
	file("/proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n/dev/sda2 partition 1048576 0 -2\n/swap\\040file file 524288 0 -3\n");
	expect("swap", "i swap: 1.5G;");
	check("thp", strstr(said, "o hugepages:") && strstr(said, "i reserved: 7 huge"));
	file("/proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n");
	expect("swap_none", "i swap: none;");
}

static void test_jail(void)
{
	expect("cgroup_none", "w cgroup: no cgroup v2");
	file("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n");
	expect("cgroup", "o cgroup:");
	file("/sys/fs/cgroup/cgroup.controllers", "cpuset io memory_x pids\n");
	expect("cgroup_less", "w cgroup: cgroup v2 without");
	expect("landlock_unknown", "i landlock: not known");
	file("/sys/kernel/security/lsm", "lockdown,capability,landlock,yama");
	expect("landlock", "o landlock:");
	file("/sys/kernel/security/lsm", "lockdown,capability,yama");
	expect("landlock_none", "w landlock: not among");
	file("/sys/class/iommu/dmar0", "");
	expect("iommu", "i iommu: there");
}

int main(void)
{
	if (!mkdtemp(root)) {
		printf("skip cli_doctor: no folder in /tmp\n");
		return 0;
	}
	doctor_root = root;
	test_cpu();
	test_mitigations();
	test_kernel();
	test_memory();
	test_jail();
	check("what_to_do", !untold);
	nftw(root, drop, 16, FTW_DEPTH | FTW_PHYS);
	printf("# %d passed, %d failed\n", passed, failed);
	return failed != 0;
}
