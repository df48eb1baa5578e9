/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What VMX offers on this machine: the IA32_VMX_x MSRs of all its CPUs, read
 * once at load (SDM 3D appendix A). Where CPUs differ, what all of them can do.
 */
#ifndef HUSK_VMX_CAPS_H
#define HUSK_VMX_CAPS_H

#include <linux/bits.h>
#include <linux/types.h>

/* The words of VM-execution, exit and entry controls */
enum vmx_word {
	VMX_WORD_PIN,
	VMX_WORD_PROC,
	VMX_WORD_PROC2,
	VMX_WORD_EXIT,
	VMX_WORD_ENTRY,
	VMX_WORD_COUNT
};

/* IA32_VMX_EPT_VPID_CAP; SDM 3D A.10 */
#define VMX_EPT_CAP_WALK_4		BIT_ULL(6)
#define VMX_EPT_CAP_WB			BIT_ULL(14)
#define VMX_EPT_CAP_2M			BIT_ULL(16)
#define VMX_EPT_CAP_1G			BIT_ULL(17)
#define VMX_EPT_CAP_INVEPT		BIT_ULL(20)
#define VMX_EPT_CAP_AD			BIT_ULL(21)
#define VMX_EPT_CAP_EXIT_INFO		BIT_ULL(22)	/* advanced information for EPT violations */
#define VMX_EPT_CAP_INVEPT_SINGLE	BIT_ULL(25)
#define VMX_EPT_CAP_INVEPT_ALL		BIT_ULL(26)
#define VMX_VPID_CAP_INVVPID		BIT_ULL(32)
#define VMX_VPID_CAP_ADDRESS		BIT_ULL(40)
#define VMX_VPID_CAP_SINGLE		BIT_ULL(41)
#define VMX_VPID_CAP_ALL		BIT_ULL(42)

/**
 * struct vmx_caps - immutable after load
 * @revision: of a VMCS and of a VMXON region
 * @word: for each word of controls the bits that must be set (allowed-0) and
 *	those that may be set (allowed-1, includes the former)
 * @ept_vpid: VMX_EPT_CAP_x and VMX_VPID_CAP_x
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
