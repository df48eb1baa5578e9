/* SPDX-License-Identifier: GPL-2.0 */
/* Of MSRs, what more than msr.c needs. */
#ifndef HUSK_MSR_H
#define HUSK_MSR_H

/* Does a guest have IA32_ARCH_CAPABILITIES here */
bool husk_msr_has_arch_caps(void);

#define HUSK_MTRR_VARIABLE	8

/* Places in vcpu->misc_msrs: MSRs that husk keeps and no hardware does. */
enum {
	HUSK_MISC_SPEC_CTRL,
	HUSK_MISC_HWCR,
	HUSK_MISC_MISC_ENABLE,
	HUSK_MISC_MCG_STATUS,
	HUSK_MISC_MTRR_FIX64K,
	HUSK_MISC_MTRR_FIX16K,		/* 2 */
	HUSK_MISC_MTRR_FIX4K = HUSK_MISC_MTRR_FIX16K + 2,	/* 8 */
	HUSK_MISC_MTRR_VARIABLE = HUSK_MISC_MTRR_FIX4K + 8,	/* pairs of base and mask */
	HUSK_MISC_COUNT = HUSK_MISC_MTRR_VARIABLE + 2 * HUSK_MTRR_VARIABLE,
};

#endif
