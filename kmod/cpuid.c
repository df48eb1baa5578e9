// SPDX-License-Identifier: GPL-2.0
/*
 * CPUID: the leaves that husk supports on this host, made once at load from an
 * allow-list; what a VM's user made of them; and the guest's instruction,
 * answered in the fast loop without ever executing CPUID.
 *
 * Not allowed, whatever the host has: VMX, SVM, MONITOR and MWAITX, PKU, LA57,
 * CET, AMX, MPX, XSAVES, processor trace, SGX, resource control, performance
 * counters, debug store, IBS, power and thermal control, the kinds of cores of
 * a hybrid CPU, and topology: a guest CPU is one package with one thread until
 * the worker says otherwise. Nor the TSC's rate (0x15): guests take it for the
 * APIC timer's too, which it is not.
 */
#include <linux/bits.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <asm/cpufeature.h>
#include <asm/fpu/types.h>
#include <asm/kvm_para.h>
#include <asm/processor.h>
#include <asm/processor-flags.h>

#include "hostcpu.h"
#include "msr.h"

enum { HUSK_EAX, HUSK_EBX, HUSK_ECX, HUSK_EDX };

#define B(n)	BIT(n)
#define ALL	(~0U)

/* Registers of a leaf that pass (allow) and that husk provides itself (force) */
struct husk_cpuid_row {
	u32 function, index;
	u32 flags;		/* HUSK_CPUID_INDEX */
	u32 allow[4], force[4];
};

/* FPU VME DE PSE TSC MSR PAE MCE CX8 SYSCALL/SEP PGE MCA CMOV PSE36 MMX FXSR: leaf 1 and, on AMD, 0x80000001 */
#define HUSK_CPUID_EDX_BOTH \
	(GENMASK(6, 0) | B(7) | B(8) | B(11) | B(13) | B(14) | B(15) | B(17) | B(23) | B(24))
/* APIC MTRR PAT: emulated */
#define HUSK_CPUID_EDX_OURS	(B(9) | B(12) | B(16))

static const struct husk_cpuid_row husk_cpuid_rows[] = {
	{ 0x00000000, .allow = { 0, ALL, ALL, ALL } },	/* EAX: husk_cpuid_fixup() */
	{ 0x00000001, .allow = {
		/* family; CLFLUSH size and brand index */
		ALL, GENMASK(15, 0),
		/* SSE3 PCLMUL SSSE3 FMA CX16 PCID SSE4.1 SSE4.2 MOVBE POPCNT AES XSAVE AVX F16C RDRAND */
		B(0) | B(1) | B(9) | B(12) | B(13) | B(17) | B(19) | B(20) | B(22) | B(23) | B(25) | B(26) |
		B(28) | B(29) | B(30),
		/* and CLFSH SSE SSE2 */
		HUSK_CPUID_EDX_BOTH | B(19) | B(25) | B(26) },
	  /* x2APIC, TSC deadline, hypervisor */
	  .force = { 0, 0, B(21) | B(24) | B(31), HUSK_CPUID_EDX_OURS } },
	{ 0x00000006, .force = { B(2), 0, 0, 0 } },	/* ARAT: our APIC timer never stops */
	{ 0x00000007, 0, HUSK_CPUID_INDEX, .allow = {
		0,
		/* FSGSBASE BMI1 HLE AVX2 FDP_EXCPTN_ONLY SMEP BMI2 ERMS INVPCID RTM ZERO_FCS_FDS AVX512F AVX512DQ
		 * RDSEED ADX SMAP AVX512_IFMA CLFLUSHOPT CLWB AVX512PF AVX512ER AVX512CD SHA AVX512BW AVX512VL */
		B(0) | B(3) | B(4) | B(5) | B(6) | B(7) | B(8) | B(9) | B(10) | B(11) | B(13) | B(16) | B(17) |
		B(18) | B(19) | B(20) | B(21) | B(23) | B(24) | GENMASK(31, 26),
		/* AVX512_VBMI UMIP AVX512_VBMI2 GFNI VAES VPCLMULQDQ VNNI BITALG VPOPCNTDQ RDPID CLDEMOTE MOVDIRI
		 * MOVDIR64B */
		B(1) | B(2) | B(6) | GENMASK(12, 8) | B(14) | B(22) | B(25) | B(27) | B(28),
		/* AVX512_4VNNIW 4FMAPS FSRM VP2INTERSECT MD_CLEAR SERIALIZE AVX512_FP16 IBRS+IBPB STIBP
		 * ARCH_CAPABILITIES SSBD */
		B(2) | B(3) | B(4) | B(8) | B(10) | B(14) | B(23) | B(26) | B(27) | B(29) | B(31) },
	  .force = { 0, B(1), 0, 0 } },			/* TSC_ADJUST: emulated */
	{ 0x00000007, 1, HUSK_CPUID_INDEX, .allow = {
		/* SHA512 SM3 SM4 AVX_VNNI AVX512_BF16 FZRM FSRS FSRCS AVX_IFMA */
		B(0) | B(1) | B(2) | B(4) | B(5) | B(10) | B(11) | B(12) | B(23), 0, 0,
		/* AVX_VNNI_INT8 AVX_NE_CONVERT AVX_VNNI_INT16 PREFETCHI */
		B(4) | B(5) | B(10) | B(14) } },
	{ 0x80000000, .allow = { 0, ALL, ALL, ALL } },
	{ 0x80000001, .allow = {
		ALL, 0,
		/* LAHF ABM SSE4A MISALIGNSSE 3DNOWPREFETCH XOP FMA4 TBM */
		B(0) | GENMASK(8, 5) | B(11) | B(16) | B(21),
		/* and NX MMXEXT PDPE1GB RDTSCP LM 3DNOWEXT 3DNOW */
		HUSK_CPUID_EDX_BOTH | HUSK_CPUID_EDX_OURS | B(20) | B(22) | B(26) | B(27) | B(29) | B(30) | B(31) } },
	{ 0x80000002, .allow = { ALL, ALL, ALL, ALL } },
	{ 0x80000003, .allow = { ALL, ALL, ALL, ALL } },
	{ 0x80000004, .allow = { ALL, ALL, ALL, ALL } },
	{ 0x80000005, .allow = { ALL, ALL, ALL, ALL } },	/* caches */
	{ 0x80000006, .allow = { ALL, ALL, ALL, ALL } },
	{ 0x80000007, .allow = { 0, 0, 0, B(8) } },		/* invariant TSC */
	{ 0x80000008, .allow = {
		0,
		/* CLZERO XSAVEERPTR IBPB IBRS STIBP STIBP_ALWAYS IBRS_PREFERRED SSBD SSB_NO BTC_NO */
		B(0) | B(2) | B(12) | B(14) | B(15) | B(17) | B(18) | B(24) | B(26) | B(29), 0, 0 } },
	{ 0x80000019, .allow = { ALL, ALL, 0, 0 } },		/* 1 GiB TLBs */
	{ 0x8000001a, .allow = { GENMASK(2, 0), 0, 0, 0 } },	/* preferred vector width */
	{ 0x80000021, .allow = {
		/* NO_NESTED_DATA_BP LFENCE_SERIALIZE VERW_CLEAR NULL_SEL_CLR_BASE IBPB_BRTYPE SRSO_NO SRSO_USER_KERNEL_NO */
		B(0) | B(2) | B(5) | B(6) | B(28) | B(29) | B(30), 0,
		/* TSA_SQ_NO TSA_L1_NO */
		B(1) | B(2), 0 } },
};

/* Bits that are there only if the guest can use what stands behind them */
#define HUSK_NEED_AVX		((u64)XFEATURE_MASK_YMM)
#define HUSK_NEED_AVX512	((u64)XFEATURE_MASK_AVX512)
#define HUSK_NEED_XSAVE		((u64)XFEATURE_MASK_FP)
#define HUSK_NEED_SPEC_CTRL	BIT_ULL(63)
#define HUSK_NEED_IBPB		BIT_ULL(62)
#define HUSK_NEED_ARCH_CAPS	BIT_ULL(61)

static const struct husk_cpuid_need {
	u32 function, index, reg, bits;
	u64 need;
} husk_cpuid_needs[] = {
	{ 0x00000001, 0, HUSK_ECX, B(26), HUSK_NEED_XSAVE },
	{ 0x00000001, 0, HUSK_ECX, B(12) | B(28) | B(29), HUSK_NEED_AVX },
	{ 0x00000007, 0, HUSK_EBX, B(5), HUSK_NEED_AVX },
	{ 0x00000007, 0, HUSK_EBX, B(16) | B(17) | B(21) | GENMASK(28, 26) | B(30) | B(31), HUSK_NEED_AVX512 },
	{ 0x00000007, 0, HUSK_ECX, B(9) | B(10), HUSK_NEED_AVX },
	{ 0x00000007, 0, HUSK_ECX, B(1) | B(6) | B(11) | B(12) | B(14), HUSK_NEED_AVX512 },
	{ 0x00000007, 0, HUSK_EDX, B(2) | B(3) | B(8) | B(23), HUSK_NEED_AVX512 },
	{ 0x00000007, 0, HUSK_EDX, B(26) | B(27) | B(31), HUSK_NEED_SPEC_CTRL },
	{ 0x00000007, 0, HUSK_EDX, B(29), HUSK_NEED_ARCH_CAPS },
	{ 0x00000007, 1, HUSK_EAX, B(0) | B(1) | B(2) | B(4) | B(23), HUSK_NEED_AVX },
	{ 0x00000007, 1, HUSK_EAX, B(5), HUSK_NEED_AVX512 },
	{ 0x00000007, 1, HUSK_EDX, B(4) | B(5) | B(10), HUSK_NEED_AVX },
	{ 0x80000001, 0, HUSK_ECX, B(11) | B(16), HUSK_NEED_AVX },
	{ 0x80000008, 0, HUSK_EBX, B(12), HUSK_NEED_IBPB },
	{ 0x80000008, 0, HUSK_EBX, B(14) | B(15) | B(17) | B(18) | B(24), HUSK_NEED_SPEC_CTRL },
};

/* Bits that a user can't give to a guest: husk has nothing behind them, and some would touch the host. */
static const struct husk_cpuid_deny {
	u32 function, index, reg, bits;
} husk_cpuid_denied[] = {
	{ 0x00000001, 0, HUSK_ECX, B(3) | B(5) | B(6) | B(27) },	/* MONITOR VMX SMX OSXSAVE */
	{ 0x00000007, 0, HUSK_EBX, B(2) | B(14) | B(25) },		/* SGX MPX PT */
	{ 0x00000007, 0, HUSK_ECX, B(3) | B(4) | B(5) | B(7) | B(16) },	/* PKU OSPKE WAITPKG SHSTK LA57 */
	{ 0x00000007, 0, HUSK_ECX, B(23) | B(29) | B(30) },		/* KEY_LOCKER ENQCMD SGX_LC */
	{ 0x00000007, 0, HUSK_EDX, B(20) | B(22) | B(24) | B(25) },	/* IBT AMX */
	{ 0x00000007, 1, HUSK_EAX, B(17) | B(21) | B(26) },		/* FRED AMX_FP16 LAM */
	{ 0x80000001, 0, HUSK_ECX, B(2) | B(12) | B(15) | B(29) },	/* SVM SKINIT LWP MONITORX */
	{ 0x8000000a, 0, HUSK_EAX, ALL }, { 0x8000000a, 0, HUSK_EBX, ALL },
	{ 0x8000000a, 0, HUSK_ECX, ALL }, { 0x8000000a, 0, HUSK_EDX, ALL },
	{ 0x8000001f, 0, HUSK_EAX, ALL },				/* SEV */
};

/* CR4 bits that stand behind a CPUID bit */
static const struct husk_cpuid_cr4 {
	u64 cr4;
	u32 function, reg, bit;
} husk_cpuid_cr4[] = {
	{ X86_CR4_VME | X86_CR4_PVI, 0x1, HUSK_EDX, 1 },
	{ X86_CR4_PCIDE, 0x1, HUSK_ECX, 17 },
	{ X86_CR4_OSXSAVE, 0x1, HUSK_ECX, 26 },
	{ X86_CR4_FSGSBASE, 0x7, HUSK_EBX, 0 },
	{ X86_CR4_SMEP, 0x7, HUSK_EBX, 7 },
	{ X86_CR4_SMAP, 0x7, HUSK_EBX, 20 },
	{ X86_CR4_UMIP, 0x7, HUSK_ECX, 2 },
};

/* The supported leaves, and the bits of CR4 that they allow; immutable after load */
static struct husk_cpuid_entry husk_cpuid_host[48];
static u32 husk_cpuid_host_count;
static u64 husk_cpuid_cr4_host;

static u32 *husk_cpuid_reg(struct husk_cpuid_entry *e, u32 reg)
{
	u32 *const regs[4] = { &e->eax, &e->ebx, &e->ecx, &e->edx };

	return regs[reg & 3];
}

static struct husk_cpuid_entry *husk_cpuid_add(u32 function, u32 index, u32 flags)
{
	struct husk_cpuid_entry *e = &husk_cpuid_host[husk_cpuid_host_count++];

	e->function = function;
	e->index = index;
	e->flags = flags;
	cpuid_count(function, index, &e->eax, &e->ebx, &e->ecx, &e->edx);
	return e;
}

/* 0xD: what of guest_xcr0; EBX of sub-leaves 0 and 1 is filled in at run time. */
static void husk_cpuid_setup_xsave(void)
{
	struct husk_cpuid_entry *e;
	int i;

	if (!husk_host.guest_xcr0)
		return;
	e = husk_cpuid_add(0xd, 0, HUSK_CPUID_INDEX);
	e->eax = husk_host.guest_xcr0;
	e->ebx = e->ecx = husk_host.xsave_size;
	e->edx = husk_host.guest_xcr0 >> 32;
	e = husk_cpuid_add(0xd, 1, HUSK_CPUID_INDEX);
	e->eax &= B(0) | B(1) | B(2);		/* XSAVEOPT XSAVEC XGETBV1, not XSAVES */
	e->ebx = e->ecx = e->edx = 0;
	for (i = 2; i < 8; i++) {
		if (!(husk_host.guest_xcr0 & BIT_ULL(i)))
			continue;
		e = husk_cpuid_add(0xd, i, HUSK_CPUID_INDEX);
		e->ecx &= B(1);
		e->edx = 0;
	}
}

#define HUSK_CACHES_MAX		8
#define HUSK_CACHE_TYPE		GENMASK(4, 0)	/* 0: no more */
#define HUSK_CACHE_SELF		GENMASK(13, 0)	/* what is not about who shares it (SDM 2A CPUID, leaf 4) */
#define HUSK_TOPOLOGY_SMT	(1 << 8)
#define HUSK_TOPOLOGY_CORE	(2 << 8)

/* Caches that nobody shares, and one thread in one core; EDX is filled in at run time. */
static void husk_cpuid_setup_intel(void)
{
	struct husk_cpuid_entry *e;
	u32 i;

	husk_cpuid_add(0x2, 0, 0);		/* caches and TLBs as descriptors */
	for (i = 0; i < HUSK_CACHES_MAX; i++) {
		e = husk_cpuid_add(0x4, i, HUSK_CPUID_INDEX);
		e->eax &= HUSK_CACHE_SELF;
		if (!(e->eax & HUSK_CACHE_TYPE))
			break;
	}
	for (i = 0; i < 2; i++) {
		e = husk_cpuid_add(0xb, i, HUSK_CPUID_INDEX);
		e->eax = e->edx = 0;
		e->ebx = 1;
		e->ecx = i | (i ? HUSK_TOPOLOGY_CORE : HUSK_TOPOLOGY_SMT);
	}
}

/*
 * The personality "kvm" (cpuid.rst), and by the convention of several hypervisors
 * how fast the TSC and the APIC timer's clock run, in kHz.
 */
#define HUSK_CPUID_TIMING	0x40000010
#define HUSK_APIC_KHZ		1000000

static void husk_cpuid_setup_pv(void)
{
	struct husk_cpuid_entry *e = &husk_cpuid_host[husk_cpuid_host_count];

	husk_cpuid_host_count += 3;
	e[0] = (struct husk_cpuid_entry){ .function = KVM_CPUID_SIGNATURE, .eax = HUSK_CPUID_TIMING };
	memcpy(&e[0].ebx, KVM_SIGNATURE, 4);
	memcpy(&e[0].ecx, KVM_SIGNATURE + 4, 4);
	memcpy(&e[0].edx, KVM_SIGNATURE + 8, 4);
	e[1] = (struct husk_cpuid_entry){ .function = KVM_CPUID_FEATURES, .eax = husk_pv_features() };
	e[2] = (struct husk_cpuid_entry){ .function = HUSK_CPUID_TIMING, .eax = tsc_khz, .ebx = HUSK_APIC_KHZ };
}

static void husk_cpuid_fixup(struct husk_cpuid_entry *e)
{
	switch (e->function) {
	case 0x0:
		e->eax = husk_host.guest_xcr0 ? 0xd : 0x7;
		break;
	case 0x7:
		if (!e->index)
			e->eax = cpuid_eax(7) ? 1 : 0;
		break;
	case 0x80000000:
		e->eax = min_t(u32, cpuid_eax(0x80000000), 0x80000021);
		break;
	case 0x80000008:	/* 48 bits of linear address: LA57 is hidden */
		e->eax = husk_host.phys_bits | 48 << 8;
		break;
	}
}

static void husk_cpuid_apply_needs(struct husk_cpuid_entry *e)
{
	u64 have = husk_host.guest_xcr0;
	u32 i;

	if (husk_host_has_spec_ctrl())
		have |= HUSK_NEED_SPEC_CTRL;
	if (boot_cpu_has(X86_FEATURE_IBPB))
		have |= HUSK_NEED_IBPB;
	if (husk_msr_has_arch_caps())
		have |= HUSK_NEED_ARCH_CAPS;
	for (i = 0; i < ARRAY_SIZE(husk_cpuid_needs); i++) {
		const struct husk_cpuid_need *n = &husk_cpuid_needs[i];

		if (n->function == e->function && n->index == e->index && (have & n->need) != n->need)
			*husk_cpuid_reg(e, n->reg) &= ~n->bits;
	}
}

static void husk_cpuid_setup_cr4(void)
{
	u32 i, j;

	for (i = 0; i < husk_cpuid_host_count; i++) {
		struct husk_cpuid_entry *e = &husk_cpuid_host[i];

		for (j = 0; j < ARRAY_SIZE(husk_cpuid_cr4); j++) {
			const struct husk_cpuid_cr4 *c = &husk_cpuid_cr4[j];

			if (c->function == e->function && !e->index && (*husk_cpuid_reg(e, c->reg) & BIT(c->bit)))
				husk_cpuid_cr4_host |= c->cr4;
		}
	}
}

/**
 * husk_cpuid_setup - make the supported leaves, after husk_host_setup()
 *
 * The only place that executes CPUID for guests. Process context, at load.
 */
void husk_cpuid_setup(void)
{
	u32 i, reg;

	/* and of 0xD, 2, 4 and 0xB, and the hypervisor's */
	BUILD_BUG_ON(ARRAY_SIZE(husk_cpuid_rows) + 8 + 1 + HUSK_CACHES_MAX + 2 + 3 > ARRAY_SIZE(husk_cpuid_host));
	husk_cpuid_host_count = 0;
	for (i = 0; i < ARRAY_SIZE(husk_cpuid_rows); i++) {
		const struct husk_cpuid_row *row = &husk_cpuid_rows[i];
		struct husk_cpuid_entry *e;

		if (row->function > cpuid_eax(row->function & 0x80000000) ||
		    (row->function == 7 && row->index > cpuid_eax(7)))
			continue;
		e = husk_cpuid_add(row->function, row->index, row->flags);
		for (reg = 0; reg < 4; reg++) {
			u32 *r = husk_cpuid_reg(e, reg);

			*r = (*r & row->allow[reg]) | row->force[reg];
		}
		husk_cpuid_fixup(e);
		husk_cpuid_apply_needs(e);
	}
	husk_cpuid_setup_xsave();
	if (husk_mode(HUSK_MODE_VMX))
		husk_cpuid_setup_intel();
	husk_cpuid_setup_pv();
	husk_cpuid_setup_cr4();
}

int husk_cpuid_supported(struct husk_cpuid_entry *out, u32 room)
{
	if (room < husk_cpuid_host_count)
		return -E2BIG;
	memcpy(out, husk_cpuid_host, husk_cpuid_host_count * sizeof(*out));
	return husk_cpuid_host_count;
}

/* ---- what a user gives to a VM ---- */

static void husk_cpuid_mask_xsave(struct husk_cpuid_entry *e)
{
	if (e->index > 1) {
		if (e->index < 63 && (husk_host.guest_xcr0 & BIT_ULL(e->index)))
			return;
		e->eax = e->ebx = e->ecx = e->edx = 0;
		return;
	}
	if (!e->index) {
		e->eax &= husk_host.guest_xcr0;
		e->edx &= husk_host.guest_xcr0 >> 32;
	} else {
		e->eax &= B(0) | B(1) | B(2);
		e->ecx = e->edx = 0;
	}
}

/* Most bits are the guest's own matter. Clear those that reach further. */
static void husk_cpuid_mask(struct husk_cpuid_entry *e)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(husk_cpuid_denied); i++) {
		const struct husk_cpuid_deny *d = &husk_cpuid_denied[i];

		if (d->function == e->function && d->index == e->index)
			*husk_cpuid_reg(e, d->reg) &= ~d->bits;
	}
	if (e->function == 0xd)
		husk_cpuid_mask_xsave(e);
	if (e->function == 0x1 && !husk_host.guest_xcr0)
		e->ecx &= ~(u32)B(26);
	if (e->function == 0x80000008 && (e->eax & 0xff) > husk_host.phys_bits)
		e->eax = (e->eax & ~0xffU) | husk_host.phys_bits;
}

/* The leaf with the features of the personality "kvm", or NULL: that is what it means only below the signature */
static struct husk_cpuid_entry *husk_cpuid_pv_leaf(const struct husk_cpuid_table *table)
{
	const struct husk_cpuid_entry *e = husk_cpuid_table_find(table, KVM_CPUID_SIGNATURE, 0);

	if (!e || memcmp(&e->ebx, KVM_SIGNATURE, 4) || memcmp(&e->ecx, KVM_SIGNATURE + 4, 4) ||
	    memcmp(&e->edx, KVM_SIGNATURE + 8, 4))
		return NULL;
	e = husk_cpuid_table_find(table, KVM_CPUID_FEATURES, 0);
	return e ? &table->entry[e - table->entry] : NULL;
}

/**
 * husk_cpuid_set - fix what the VM's guest sees
 * @vm: with vm->lock held and no vCPU yet
 * @entry: kvmalloc'ed; owned by the VM on success
 * @count: entries
 *
 * Return: 0 or -EINVAL (see husk_cpuid_table_build()).
 */
int husk_cpuid_set(struct husk_vm *vm, struct husk_cpuid_entry *entry, u32 count)
{
	struct husk_cpuid_table table;
	struct husk_cpuid_entry *pv;
	u32 i;
	int ret;

	lockdep_assert_held(&vm->lock);
	ret = husk_cpuid_table_build(&table, entry, count);
	if (ret)
		return ret;
	for (i = 0; i < count; i++)
		husk_cpuid_mask(&entry[i]);
	pv = husk_cpuid_pv_leaf(&table);
	if (pv)
		pv->eax &= husk_pv_features();
	vm->pv.features = pv ? pv->eax : 0;
	husk_cpuid_free(vm);
	vm->cpuid = table;
	return 0;
}

void husk_cpuid_free(struct husk_vm *vm)
{
	kvfree(vm->cpuid.entry);
	memset(&vm->cpuid, 0, sizeof(vm->cpuid));
}

bool husk_cpuid_has(struct husk_vm *vm, u32 function, u32 index, int reg, int bit)
{
	const struct husk_cpuid_entry *e = husk_cpuid_table_find(&vm->cpuid, function, index);
	u32 value;

	if (!e || function != e->function)
		return false;
	value = reg == HUSK_EAX ? e->eax : reg == HUSK_EBX ? e->ebx : reg == HUSK_ECX ? e->ecx : e->edx;
	return value & BIT(bit);
}

/* What the host lacks is masked by the supported leaves, what the user hid by the VM's. */
u64 husk_cr4_allowed(struct husk_vm *vm)
{
	u64 allowed = X86_CR4_TSD | X86_CR4_DE | X86_CR4_PSE | X86_CR4_PAE | X86_CR4_MCE | X86_CR4_PGE |
		      X86_CR4_PCE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(husk_cpuid_cr4); i++) {
		const struct husk_cpuid_cr4 *c = &husk_cpuid_cr4[i];

		if ((husk_cpuid_cr4_host & c->cr4) && husk_cpuid_has(vm, c->function, 0, c->reg, c->bit))
			allowed |= c->cr4;
	}
	return allowed;
}

/* ---- the instruction ---- */

/* What CPUID shows of the vCPU's own state */
static void husk_cpuid_dynamic(struct husk_vcpu *vcpu, struct husk_cpuid_entry *e)
{
	switch (e->function) {
	case 0x1:
		husk_fetch(vcpu, HUSK_SYS_CR);
		e->ebx = (e->ebx & ~GENMASK(31, 24)) | vcpu->id << 24;
		if ((e->ecx & B(26)) && (vcpu->sys.cr4 & X86_CR4_OSXSAVE))
			e->ecx |= B(27);
		break;
	case 0xb:
	case 0x1f:
		e->edx = vcpu->id;
		break;
	case 0xd:
		if (e->index == 0)
			e->ebx = husk_xsave_bytes(vcpu->xcr0, false);
		else if (e->index == 1 && (e->eax & B(1)))
			e->ebx = husk_xsave_bytes(vcpu->xcr0, true);
		break;
	case 0x8000001e:	/* extended APIC id, core id (APM3 E.4.17) */
		e->eax = vcpu->id;
		e->ebx = (e->ebx & ~GENMASK(7, 0)) | vcpu->id;
		break;
	}
}

void husk_cpuid(struct husk_vcpu *vcpu)
{
	u64 *gpr = vcpu->regs.gpr;
	const struct husk_cpuid_entry *found = husk_cpuid_table_find(&vcpu->vm->cpuid, gpr[0], gpr[1]);
	struct husk_cpuid_entry e = {};

	if (found) {
		e = *found;
		husk_cpuid_dynamic(vcpu, &e);
	}
	gpr[0] = e.eax;
	gpr[1] = e.ecx;
	gpr[2] = e.edx;
	gpr[3] = e.ebx;
}
