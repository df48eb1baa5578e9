// SPDX-License-Identifier: GPL-2.0
/*
 * What of SVM husk can use on this machine.
 */
#include <linux/kernel.h>
#include <asm/msr-index.h>
#include <asm/processor.h>

#include "hostcpu.h"
#include "vendor.h"

static u32 svm_asids;

/* Where the CPU says that it has a feature. reg: 0 eax 1 ebx 2 ecx 3 edx */
struct svm_mode_bit {
	u8 mode;
	u8 reg;
	u8 bit;
	u32 function;
};

/* CPUID 0x8000000A EDX: APM3 E.4.9 */
static const struct svm_mode_bit svm_mode_bits[] = {
	{ HUSK_MODE_NESTED_PAGING,	3, 0,	0x8000000a },
	{ HUSK_MODE_NRIPS,		3, 3,	0x8000000a },
	{ HUSK_MODE_TSC_SCALING,	3, 4,	0x8000000a },
	{ HUSK_MODE_CLEAN_BITS,		3, 5,	0x8000000a },
	{ HUSK_MODE_FLUSH_ASID,		3, 6,	0x8000000a },
	{ HUSK_MODE_DECODE,		3, 7,	0x8000000a },
	{ HUSK_MODE_PAUSE_FILTER,	3, 10,	0x8000000a },
	{ HUSK_MODE_APIC_ACCEL,		3, 13,	0x8000000a },
	{ HUSK_MODE_VGIF,		3, 16,	0x8000000a },
	{ HUSK_MODE_HUGE_1G,		3, 26,	0x80000001 },
	{ HUSK_MODE_XSAVE,		2, 27,	0x00000001 },
};

static bool svm_there(void)
{
	return husk_mode_cpuid_bit(0x80000001, 2, 2);	/* CPUID 0x80000001 ECX[2] SVM */
}

static u64 svm_probe(u32 *tags)
{
	u64 present = 0;
	u32 i;

	svm_asids = *tags = cpuid_ebx(0x8000000a);
	for (i = 0; i < ARRAY_SIZE(svm_mode_bits); i++) {
		const struct svm_mode_bit *b = &svm_mode_bits[i];

		if (husk_mode_cpuid_bit(b->function, b->reg, b->bit))
			present |= BIT_ULL(b->mode);
	}
	if (svm_asids > 1)
		present |= BIT_ULL(HUSK_MODE_TLB_TAG);
	/* With nested paging come real mode without help, 2 MiB leaves, and A/D bits (APM2 15.25) */
	if (present & BIT_ULL(HUSK_MODE_NESTED_PAGING))
		present |= BIT_ULL(HUSK_MODE_UNRESTRICTED) | BIT_ULL(HUSK_MODE_HUGE_2M) | BIT_ULL(HUSK_MODE_AD_BITS);
	return present;
}

static const char *svm_refusal(void)
{
	u64 vm_cr;

	/* APM2 15.4: VM_CR.SVMDIS (bit 4) is set by firmware and locked */
	if (!husk_host_rdmsr_safe(MSR_VM_CR, &vm_cr) && (vm_cr & BIT(4)))
		return "AMD-V is disabled by the firmware: enable \"SVM\" in its set-up";
	if (!(husk_modes.present & BIT_ULL(HUSK_MODE_NESTED_PAGING)))
		return "this CPU has no nested paging (NPT), which husk needs: use a newer one, or in a virtual machine give it +npt";
	if (svm_asids < 2)
		return "this CPU reports no ASID for guests: the hypervisor under this machine is broken";
	return NULL;
}

const struct husk_probe husk_svm_probe = {
	.mode = HUSK_MODE_SVM,
	.tags = "asids",
	.brand = "AMD-V",
	.setting = "SVM",
	.there = svm_there,
	.probe = svm_probe,
	.refusal = svm_refusal,
};
