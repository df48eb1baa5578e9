/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What VMX offers on this machine: the IA32_VMX_x MSRs of all its CPUs, read
 * once at load (SDM 3D appendix A). Where CPUs differ, what all of them can do.
 * Compiles in user space too, for the checks of check.h.
 */
#ifndef HUSK_VMX_CAPS_H
#define HUSK_VMX_CAPS_H

#ifdef __KERNEL__
#include <linux/bits.h>
#include <linux/types.h>
#else
#include "unit_shim.h"
#endif

/* The words of VM-execution, exit and entry controls */
enum vmx_word {
	VMX_WORD_PIN,
	VMX_WORD_PROC,
	VMX_WORD_PROC2,
	VMX_WORD_EXIT,
	VMX_WORD_ENTRY,
	VMX_WORD_COUNT
};

/* IA32_VMX_BASIC, SDM 3D A.1 */
#define VMX_INFO_REVISION(b)		((u32)(b) & 0x7fffffff)
#define VMX_INFO_SIZE(b)		((u32)((b) >> 32) & 0x1fff)
#define VMX_INFO_MEMORY_TYPE(b)		((u32)((b) >> 50) & 0xf)
#define VMX_INFO_INS_OUTS		BIT_ULL(54)
#define VMX_INFO_TRUE_CONTROLS		BIT_ULL(55)
#define VMX_INFO_ANY_ERROR_CODE		BIT_ULL(56)

/* IA32_VMX_MISC, A.6 */
#define VMX_MISC_PREEMPTION_TIMER_RATE(m) ((u32)(m) & 0x1f)	/* TSC bit that counts */
#define VMX_MISC_STORE_LMA		BIT_ULL(5)
#define VMX_MISC_HLT			BIT_ULL(6)
#define VMX_MISC_SHUTDOWN		BIT_ULL(7)
#define VMX_MISC_WAIT_FOR_SIPI		BIT_ULL(8)
#define VMX_MISC_PT			BIT_ULL(14)
#define VMX_MISC_CR3_TARGETS(m)		((u32)((m) >> 16) & 0x1ff)
#define VMX_MISC_MSR_LIST(m)		(512 * (((u32)((m) >> 25) & 7) + 1))
#define VMX_MISC_VMWRITE_ALL		BIT_ULL(29)
#define VMX_MISC_ZERO_LENGTH		BIT_ULL(30)

/* IA32_VMX_EPT_VPID_CAP, A.10 */
#define VMX_EPT_CAP_EXECUTE_ONLY	BIT_ULL(0)
#define VMX_EPT_CAP_WALK_4		BIT_ULL(6)
#define VMX_EPT_CAP_WALK_5		BIT_ULL(7)
#define VMX_EPT_CAP_UC			BIT_ULL(8)
#define VMX_EPT_CAP_WB			BIT_ULL(14)
#define VMX_EPT_CAP_2M			BIT_ULL(16)
#define VMX_EPT_CAP_1G			BIT_ULL(17)
#define VMX_EPT_CAP_INVEPT		BIT_ULL(20)
#define VMX_EPT_CAP_ACCESSED_DIRTY	BIT_ULL(21)
#define VMX_EPT_CAP_ADVANCED_INFO	BIT_ULL(22)
#define VMX_EPT_CAP_SHADOW_STACK	BIT_ULL(23)
#define VMX_EPT_CAP_INVEPT_SINGLE	BIT_ULL(25)
#define VMX_EPT_CAP_INVEPT_ALL		BIT_ULL(26)

/**
 * struct vmx_caps - immutable after load
 * @revision: of a VMCS and of a VMXON region
 * @word: for each word of controls the bits that must be set (allowed-0) and
 *	those that may be set (allowed-1, includes the former)
 * @ept_vpid: VMX_EPT_CAP_x
 * @basic: IA32_VMX_BASIC
 * @misc: IA32_VMX_MISC; SDM 3D A.6
 * @cr0_must: bits that must be set in VMX operation (CR0_FIXED0); unrestricted
 *	guests are free of PE and PG
 * @cr0_may: bits that may be set (CR0_FIXED1)
 * @cr4_must: the same for CR4
 * @cr4_may: the same for CR4
 * @enabled: firmware lets all CPUs do VMXON outside of SMX
 * @alike: all CPUs take the same VMCS
 */
struct vmx_caps {
	u32 revision;
	struct { u32 must, may; } word[VMX_WORD_COUNT];
	u64 ept_vpid, basic, misc;
	u64 cr0_must, cr0_may, cr4_must, cr4_may;
	bool enabled, alike;
};

extern struct vmx_caps vmx_caps;

/* Fill vmx_caps. Process context, at load, on a machine whose CPUID says VMX. */
void vmx_caps_probe(void);

/* Does every CPU allow all of these bits? */
static inline bool vmx_caps_have(enum vmx_word word, u32 bits)
{
	return (vmx_caps.word[word].may & bits) == bits;
}

bool vmx_caps_adjust(enum vmx_word word, u32 wanted, u32 optional, u32 *value);

#endif
