// SPDX-License-Identifier: GPL-2.0
/* What husk lets guests see of a host's CPUID: an Intel and an AMD host that have everything. */
#include "guest_cpu_shim.h"

#define XFEATURE_MASK_FP	1
#define XFEATURE_MASK_YMM	4
#define XFEATURE_MASK_AVX512	0xe0

static bool intel, arch_caps;

/* Four caches shared by eight threads, of a package of 64 */
#define CACHE(type, level)	((type) | (level) << 5 | 1 << 8 | 7 << 14 | 63U << 26)
static const u32 cache_eax[] = { CACHE(1, 1), CACHE(2, 1), CACHE(3, 2), CACHE(3, 3), 0 };

static void cpuid_count(u32 f, u32 i, u32 *a, u32 *b, u32 *c, u32 *d)
{
	*a = *b = *c = *d = ~0U;
	switch (f) {
	case 0x0:
		*a = intel ? 0x20 : 0x10;
		*b = intel ? 0x756e6547 : 0x68747541;
		break;
	case 0x1:
		*a = intel ? 0x806c1 : 0xa20f10;
		*b = 0x05100800;
		break;
	case 0x4:
		*a = i < ARRAY_SIZE(cache_eax) ? cache_eax[i] : 0;
		*b = 0x1c0003f;
		break;
	case 0x7:
		*a = 2;
		break;
	case 0x80000000:
		*a = intel ? 0x80000008 : 0x80000023;
		break;
	}
}

static u32 cpuid_eax(u32 f)
{
	u32 a, b, c, d;

	cpuid_count(f, 0, &a, &b, &c, &d);
	return a;
}

static u32 husk_xsave_bytes(u64 xcr0, bool compacted)
{
	return 576 + xcr0;
}

static bool husk_msr_has_arch_caps(void)
{
	return arch_caps;
}

/* ASYNC_PF is none of ours */
static u32 pv_features = 1 << 3 | 1 << 5;
static const u32 tsc_khz = 2500000;

u32 husk_pv_features(void)
{
	return pv_features;
}

#define HUSK_MSR_H
#include "../../kmod/cpuid_table.c"
#include "../../kmod/cpuid.c"

static struct husk_vm vm;
static struct husk_vcpu vcpu = { .vm = &vm, .id = 5, .sys.cr4 = X86_CR4_OSXSAVE, .xcr0 = 7 };

/* The leaves of such a host, given to a VM as they are */
static void boot(bool is_intel)
{
	struct husk_cpuid_entry *entry = calloc(HUSK_CPUID_MAX, sizeof(*entry));
	int count;

	intel = is_intel;
	husk_host.guest_xcr0 = 0xe7;
	husk_host.xsave_size = 2696;
	husk_host.phys_bits = 46;
	host_modes = BIT_ULL(is_intel ? HUSK_MODE_VMX : HUSK_MODE_SVM);
	husk_cpuid_cr4_host = 0;
	husk_cpuid_setup();
	count = husk_cpuid_supported(entry, HUSK_CPUID_MAX);
	if (husk_cpuid_set(&vm, entry, count))
		unit_report(false, "cpuid-host", "the supported leaves were refused");
}

static const u64 *guest(u32 function, u32 index)
{
	static u64 r[4];
	u64 *gpr = vcpu.regs.gpr;

	gpr[0] = function;
	gpr[1] = index;
	husk_cpuid(&vcpu);
	r[HUSK_EAX] = gpr[0];
	r[HUSK_EBX] = gpr[3];
	r[HUSK_ECX] = gpr[1];
	r[HUSK_EDX] = gpr[2];
	return r;
}

static void test_hidden(const char *name)
{
	static const struct { u32 f, i, reg, bits; } hidden[] = {
		/* DTES64 MONITOR DS-CPL VMX SMX EIST TM2 SDBG PDCM DCA */
		{ 1, 0, HUSK_ECX, GENMASK(8, 2) | BIT(10) | BIT(11) | BIT(15) | BIT(18) },
		{ 1, 0, HUSK_EDX, BIT(21) | BIT(22) | BIT(27) | BIT(28) | BIT(29) | BIT(31) },	/* DS ACPI SS HTT TM PBE */
		{ 6, 0, HUSK_EAX, ~(u32)BIT(2) }, { 6, 0, HUSK_ECX, ~0U },
		{ 7, 0, HUSK_EBX, BIT(2) | BIT(12) | BIT(14) | BIT(15) | BIT(25) },		/* SGX RDT MPX RDT PT */
		/* PKU OSPKE WAITPKG SHSTK TME LA57 MAWAU KEY_LOCKER BUS_LOCK ENQCMD SGX_LC PKS */
		{ 7, 0, HUSK_ECX, GENMASK(5, 3) | BIT(7) | BIT(13) | GENMASK(21, 16) | BIT(23) | GENMASK(31, 29) },
		/* UINTR, SRBDS_CTRL, RTM aborts, hybrid, PCONFIG, LBR, IBT, AMX, L1D_FLUSH, CORE_CAPABILITIES */
		{ 7, 0, HUSK_EDX, BIT(5) | BIT(9) | BIT(11) | BIT(13) | BIT(15) | GENMASK(20, 18) | BIT(22) |
				  BIT(24) | BIT(25) | BIT(28) | BIT(30) },
		{ 7, 1, HUSK_EAX, BIT(17) | BIT(21) | BIT(22) | BIT(26) },			/* FRED AMX_FP16 HRESET LAM */
		{ 0x80000001, 0, HUSK_ECX, BIT(2) | BIT(12) | BIT(15) | BIT(29) },		/* SVM SKINIT LWP MONITORX */
		{ 0x80000008, 0, HUSK_EBX, BIT(3) | BIT(4) | BIT(6) | BIT(8) | BIT(9) },	/* INVLPGB RDPRU MBA MCOMMIT WBNOINVD */
	};
	static const u32 empty[] = { 0x3, 0x5, 0x8, 0x9, 0xa, 0xc };
	u32 i, bad = 0;

	for (i = 0; i < ARRAY_SIZE(hidden); i++)
		bad += !!((u32)guest(hidden[i].f, hidden[i].i)[hidden[i].reg] & hidden[i].bits);
	for (i = 0; i < ARRAY_SIZE(empty); i++) {
		const u64 *r = guest(empty[i], 0);

		bad += !!(r[0] | r[1] | r[2] | r[3]);
	}
	bad += !!((u32)guest(1, 0)[HUSK_EBX] & GENMASK(23, 16));
	unit_report(!bad, name, "%u bits or leaves are not hidden", bad);
}

static void test_own(const char *name)
{
	bool good = (guest(1, 0)[HUSK_EBX] >> 24) == 5 && (guest(1, 0)[HUSK_ECX] & BIT(27)) &&
		    (guest(1, 0)[HUSK_ECX] & BIT(31)) && (guest(7, 0)[HUSK_EBX] & BIT(1)) &&
		    (guest(0xd, 0)[HUSK_EBX]) == 576 + 7 && (guest(0x80000008, 0)[HUSK_EAX] & 0xffff) == (48 << 8 | 46);

	unit_report(good, name, "the vCPU's own values are wrong");
}

static void test_intel(void)
{
	u32 i, bad = 0;

	boot(true);
	test_hidden("cpuid-intel-hidden");
	test_own("cpuid-intel-own");
	unit_report(guest(0, 0)[HUSK_EBX] == 0x756e6547 && guest(0, 0)[HUSK_EAX] == 0xd &&
		    guest(1, 0)[HUSK_EAX] == 0x806c1, "cpuid-intel-name", "not the host's");
	for (i = 0; i < ARRAY_SIZE(cache_eax); i++)
		bad += guest(4, i)[HUSK_EAX] != (cache_eax[i] & 0x3fff);
	bad += guest(4, i)[HUSK_EAX] != 0;
	unit_report(!bad, "cpuid-intel-caches", "%u differ, or are shared", bad);
	for (i = 0; i < 2; i++) {
		const u64 *r = guest(0xb, i);

		bad += r[HUSK_EAX] || r[HUSK_EBX] != 1 || r[HUSK_ECX] != (i | (i + 1) << 8) || r[HUSK_EDX] != 5;
	}
	bad += guest(0xb, 2)[HUSK_EBX] || guest(0xb, 2)[HUSK_ECX] >> 8;
	unit_report(!bad, "cpuid-intel-topology", "not one thread");
	/* beyond the highest leaf: as the highest */
	unit_report(guest(0x15, 0)[HUSK_EAX] == 0xe7 && guest(0x1f, 0)[HUSK_EAX] == 0xe7, "cpuid-intel-beyond",
		    "not the highest basic leaf");
}

/* Bits that promise an MSR are there if husk has it. */
static void test_promises(void)
{
	bool none, all;

	host_flags = 0;
	arch_caps = false;
	boot(true);
	none = !(guest(7, 0)[HUSK_EDX] & (BIT(26) | BIT(27) | BIT(29) | BIT(31)));
	host_flags = BIT(X86_FEATURE_IBPB) | BIT(HOST_SPEC_CTRL);
	arch_caps = true;
	boot(true);
	all = (guest(7, 0)[HUSK_EDX] & BIT(26)) && (guest(7, 0)[HUSK_EDX] & BIT(29));
	unit_report(none && all, "cpuid-promises", "with nothing behind them: %d, hidden: %d", !none, !all);
}

static void test_amd(void)
{
	arch_caps = false;
	boot(false);
	test_hidden("cpuid-amd-hidden");
	test_own("cpuid-amd-own");
	unit_report(!guest(2, 0)[HUSK_EAX] && !guest(4, 0)[HUSK_EAX] && !guest(0xb, 0)[HUSK_EBX] &&
		    !guest(0x8000000a, 0)[HUSK_EDX] && !guest(0x8000001f, 0)[HUSK_EAX] && !guest(0x1f, 0)[HUSK_EAX],
		    "cpuid-amd-none", "a leaf that AMD has not, or for nested guests");
}

/* What a user adds for himself */
static void test_denied(void)
{
	struct husk_cpuid_entry *e = calloc(3, sizeof(*e));
	u32 bad;

	e[0] = (struct husk_cpuid_entry){ .function = 0, .eax = 7, .ebx = 0x756e6547 };
	e[1] = (struct husk_cpuid_entry){ .function = 1, .ecx = ~0U };
	e[2] = (struct husk_cpuid_entry){ .function = 7, .flags = HUSK_CPUID_INDEX, .ebx = ~0U, .ecx = ~0U, .edx = ~0U };
	vcpu.sys.cr4 = 0;
	bad = husk_cpuid_set(&vm, e, 3);
	bad += !!(guest(1, 0)[HUSK_ECX] & (BIT(3) | BIT(5) | BIT(6) | BIT(27)));
	bad += !!(guest(7, 0)[HUSK_EBX] & (BIT(2) | BIT(14) | BIT(25)));
	bad += !!(guest(7, 0)[HUSK_ECX] & (GENMASK(5, 3) | BIT(7) | BIT(16) | BIT(23) | BIT(29) | BIT(30)));
	bad += !!(guest(7, 0)[HUSK_EDX] & (BIT(20) | BIT(22) | BIT(24) | BIT(25)));
	bad += !!(husk_cr4_allowed(&vm) & (X86_CR4_VMXE | X86_CR4_SMXE | X86_CR4_PKE | X86_CR4_LA57));
	unit_report(!bad, "cpuid-denied", "%u", bad);
	husk_cpuid_free(&vm);
}

/* The personality: what is not supported is masked, and without its signature the leaf is another's */
static void test_pv(void)
{
	struct husk_cpuid_entry given[] = {
		{ .function = 0, .eax = 1 },
		{ .function = 0x40000000, .eax = 0x40000001, .ebx = 0x4b4d564b, .ecx = 0x564b4d56, .edx = 0x4d },
		{ .function = 0x40000001, .eax = ~0U, .edx = 1 },
	};
	struct husk_cpuid_entry *entry;
	u32 bad, i;

	boot(true);
	bad = guest(0x40000000, 0)[HUSK_EAX] != 0x40000010 || guest(0x40000000, 0)[HUSK_EBX] != 0x4b4d564b;
	bad += guest(0x40000001, 0)[HUSK_EAX] != pv_features || vm.pv.features != pv_features;
	bad += guest(0x40000010, 0)[HUSK_EAX] != tsc_khz || guest(0x40000010, 0)[HUSK_EBX] != 1000000;
	for (i = 0; i < 3; i++) {	/* all; another's signature; no features */
		entry = malloc(sizeof(given));
		memcpy(entry, given, sizeof(given));
		if (i == 1)
			entry[1].ecx++;
		if (i == 2)
			entry[2].function++;
		bad += !!husk_cpuid_set(&vm, entry, ARRAY_SIZE(given));
		bad += vm.pv.features != (i ? 0 : pv_features);
		bad += guest(0x40000001, 0)[HUSK_EAX] != (i == 0 ? pv_features : i == 1 ? 0xffffffff : 0);
	}
	unit_report(!bad, "cpuid-pv", "%u wrong answers", bad);
}

int main(void)
{
	test_promises();
	test_intel();
	test_amd();
	test_denied();
	test_pv();
	return unit_done();
}
