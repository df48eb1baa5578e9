/* SPDX-License-Identifier: GPL-2.0 */
/* How the checks of check.h are written down: one row each. */
#ifndef HUSK_VMX_CHECK_RULES_H
#define HUSK_VMX_CHECK_RULES_H

#include "vmx/check.h"

#ifdef __KERNEL__
#include <linux/kernel.h>
#include <linux/stddef.h>
#endif

/* Words of bits on which a rule may depend */
enum check_word {
	W_ALWAYS,
	W_PIN, W_PROC, W_PROC2, W_PROC3, W_EXITC, W_ENTRY,	/* the controls in force */
	W_EVENT,		/* VM-entry interruption information if valid, else 0 */
	W_STATE,		/* S_x */
	W_WORDS
};

#define S_VIRTUAL_8086		BIT(0)
#define S_NOT_VIRTUAL_8086	BIT(1)
#define S_RESTRICTED		BIT(2)	/* not "unrestricted guest" */
#define S_NOT_IA32E		BIT(3)
#define S_CODE64		BIT(4)	/* IA-32e mode and CS.L */
#define S_NOT_CODE64		BIT(5)
#define S_PAGING		BIT(6)	/* CR0.PG */
#define S_PDPTES		BIT(7)	/* PAE paging with EPT */
#define S_CET			BIT(8)	/* CR4.CET */
#define S_INTERRUPT		BIT(9)	/* the event is an external interrupt */
#define S_NMI			BIT(10)
#define S_SOFTWARE		BIT(11)	/* INT n, INT1, INT3, INTO */
#define S_SHADOW		BIT(12)	/* blocking by STI or by MOV SS */
#define S_SHADOW_OR_HLT		BIT(13)
#define S_EPTP_SWITCHING	BIT(14)
#define S_HOST_CET		BIT(15)	/* host's CR4.CET */
#define S_REAL			BIT(16)	/* not CR0.PE */

/* A condition: all these bits of that word are 1 */
#define COND(word, bits)	((u64)(W_##word) << 32 | (u32)(bits))
#define ALWAYS			0

struct vmx_segment {
	u64 base;
	u32 limit, ar;
	u16 selector;
};

struct vmx_check {
	u64 (*read)(void *ctx, u32 field);
	void *ctx;
	const struct vmx_check_limits *limits;
	u32 word[W_WORDS];
	struct vmx_segment segs[VMCS_SEGMENTS];
	const struct vmx_segment *seg;		/* the one a segment rule is asked about */
};

/**
 * struct vmx_rule - one check
 * @field: its encoding; for a segment rule the one of ES
 * @segs: segment registers it holds for, SEG_USABLE: if usable; 0: no segment rule
 * @when: COND(), or ALWAYS
 * @legal: does the field's value obey
 * @arg: for @legal
 * @text: what it says
 */
struct vmx_rule {
	u32 field;
	u16 segs;
	u64 when;
	bool (*legal)(const struct vmx_check *c, u64 value, u64 arg);
	u64 arg;
	const char *text;
};

#define SEG(name)	(1U << VMCS_##name)
#define SEG_USABLE	0x8000U
#define SEG_DATA	(SEG(DS) | SEG(ES) | SEG(FS) | SEG(GS) | SEG_USABLE)
#define SEG_STACK_DATA	(SEG(SS) | SEG_DATA)
#define SEG_CODE_DATA	(SEG(CS) | SEG_STACK_DATA)
#define SEG_SYSTEM	(SEG(TR) | SEG(LDTR) | SEG_USABLE)
#define SEG_ALL		(SEG_CODE_DATA | SEG_SYSTEM)

extern const struct vmx_rule vmx_control_rules[], vmx_host_rules[], vmx_guest_rules[];

/* tests that several rules use, with their argument */
#define ZERO(bits)	vmx_legal_zero, (bits)
#define ONES(bits)	vmx_legal_ones, (bits)
#define EXACTLY(v)	vmx_legal_exactly, (v)
#define NEED(word, bits) vmx_legal_need, COND(word, bits)
#define ADDRESS(bits)	vmx_legal_address, (bits)
#define CANONICAL	vmx_legal_canonical, 0
#define PAT		vmx_legal_pat, 0
#define CET		vmx_legal_s_cet, 0
#define MSR_AREA(count)	vmx_legal_msr_area, (count)
#define WITHIN(member)	vmx_legal_within, offsetof(struct vmx_check_limits, member)
#define ALLOWED(member)	vmx_legal_allowed, offsetof(struct vmx_check_limits, member)
#define BY(test)	vmx_legal_##test, 0

#define HIGH_HALF	0xffffffff00000000ULL
#define CANONICAL_TEXT	"must be canonical"

bool vmx_legal_zero(const struct vmx_check *c, u64 value, u64 arg);
bool vmx_legal_nonzero(const struct vmx_check *c, u64 value, u64 arg);
bool vmx_legal_ones(const struct vmx_check *c, u64 value, u64 arg);
bool vmx_legal_exactly(const struct vmx_check *c, u64 value, u64 arg);
bool vmx_legal_need(const struct vmx_check *c, u64 value, u64 arg);
bool vmx_legal_address(const struct vmx_check *c, u64 value, u64 arg);
bool vmx_legal_canonical(const struct vmx_check *c, u64 value, u64 arg);
bool vmx_legal_pat(const struct vmx_check *c, u64 value, u64 arg);
bool vmx_legal_s_cet(const struct vmx_check *c, u64 value, u64 arg);
bool vmx_legal_msr_area(const struct vmx_check *c, u64 value, u64 arg);
bool vmx_legal_within(const struct vmx_check *c, u64 value, u64 arg);
bool vmx_legal_allowed(const struct vmx_check *c, u64 value, u64 arg);
bool vmx_legal_cr3(const struct vmx_check *c, u64 value, u64 arg);
bool vmx_legal_cr0(const struct vmx_check *c, u64 value, u64 arg);
bool vmx_legal_cr4(const struct vmx_check *c, u64 value, u64 arg);

/* bits that are not in the uapi's processor-flags.h of every kernel, or not there */
#define CR0_PE_BIT	BIT_ULL(0)
#define CR0_WP_BIT	BIT_ULL(16)
#define CR0_NW_BIT	BIT_ULL(29)
#define CR0_CD_BIT	BIT_ULL(30)
#define CR0_PG_BIT	BIT_ULL(31)
#define CR4_PAE_BIT	BIT_ULL(5)
#define CR4_PCIDE_BIT	BIT_ULL(17)
#define CR4_CET_BIT	BIT_ULL(23)
#define EFER_LME_BIT	BIT_ULL(8)
#define EFER_LMA_BIT	BIT_ULL(10)
#define RFLAGS_TF	BIT_ULL(8)
#define RFLAGS_IF	BIT_ULL(9)
#define RFLAGS_VM	BIT_ULL(17)
#define DEBUGCTL_BTF	BIT_ULL(1)

#endif
