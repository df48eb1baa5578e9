// SPDX-License-Identifier: GPL-2.0
/* Checks of a VM entry on the guest state: SDM 3C 27.3.1. */
#include "vmx/check_rules.h"

/* access rights: types of segments, SDM 3A tables 3-1 and 3-2 */
#define TYPE_ACCESSED		BIT(0)
#define TYPE_READABLE		BIT(1)
#define TYPE_CODE		BIT(3)
#define TYPE_STACK		3	/* read, write, accessed; also of a 16-bit busy TSS */
#define TYPE_STACK_DOWN		7	/* the same, expand down */
#define TYPE_CONFORMING		13
#define TYPE_BUSY_TSS		11

/* ---- control registers, debug registers, MSRs: 27.3.1.1 ---- */

static bool vmx_legal_guest_cr0(const struct vmx_check *c, u64 value, u64 arg)
{
	bool unrestricted = c->word[W_PROC2] & VMX_PROC2_UNRESTRICTED_GUEST;

	return vmx_legal_cr0(c, value, unrestricted ? CR0_PE_BIT | CR0_PG_BIT : 0);
}

static bool vmx_legal_guest_lma(const struct vmx_check *c, u64 value, u64 arg)
{
	return !!(value & EFER_LMA_BIT) == !!(c->word[W_ENTRY] & VMX_ENTRY_IA32E);
}

static bool vmx_legal_guest_lme(const struct vmx_check *c, u64 value, u64 arg)
{
	return !(c->word[W_STATE] & S_PAGING) || !!(value & EFER_LMA_BIT) == !!(value & EFER_LME_BIT);
}

static bool vmx_legal_bndcfgs(const struct vmx_check *c, u64 value, u64 arg)
{
	return !(value & 0xffc) && vmx_legal_canonical(c, value & ~0xfffULL, 0);
}

/* ---- segment registers: 27.3.1.2 ---- */

static bool vmx_legal_ss_rpl(const struct vmx_check *c, u64 value, u64 arg)
{
	return (value & 3) == (c->segs[VMCS_CS].selector & 3);
}

static bool vmx_legal_base_8086(const struct vmx_check *c, u64 value, u64 arg)
{
	return value == (u64)c->seg->selector << 4;
}

/* Code, accessed; an unrestricted guest's may be data: real mode after protected mode */
static bool vmx_legal_cs_type(const struct vmx_check *c, u64 value, u64 arg)
{
	u8 type = value & VMX_AR_TYPE;

	if (type == TYPE_STACK)
		return c->word[W_PROC2] & VMX_PROC2_UNRESTRICTED_GUEST;
	return type & TYPE_CODE && type & TYPE_ACCESSED;
}

static bool vmx_legal_ss_type(const struct vmx_check *c, u64 value, u64 arg)
{
	u8 type = value & VMX_AR_TYPE;

	return type == TYPE_STACK || type == TYPE_STACK_DOWN;
}

static bool vmx_legal_data_type(const struct vmx_check *c, u64 value, u64 arg)
{
	return value & TYPE_ACCESSED && (!(value & TYPE_CODE) || value & TYPE_READABLE);
}

static bool vmx_legal_cs_dpl(const struct vmx_check *c, u64 value, u64 arg)
{
	u8 type = value & VMX_AR_TYPE, dpl = VMX_AR_DPL(value), stack = VMX_AR_DPL(c->segs[VMCS_SS].ar);

	if (type == TYPE_STACK)
		return dpl == 0;
	return type >= TYPE_CONFORMING ? dpl <= stack : dpl == stack;
}

static bool vmx_legal_ss_dpl(const struct vmx_check *c, u64 value, u64 arg)
{
	return VMX_AR_DPL(value) == (c->segs[VMCS_SS].selector & 3);
}

static bool vmx_legal_ss_dpl_zero(const struct vmx_check *c, u64 value, u64 arg)
{
	bool real = c->word[W_STATE] & S_REAL, data = (c->segs[VMCS_CS].ar & VMX_AR_TYPE) == TYPE_STACK;

	return VMX_AR_DPL(value) == 0 || !(real || data);
}

static bool vmx_legal_data_dpl(const struct vmx_check *c, u64 value, u64 arg)
{
	return (value & VMX_AR_TYPE) > TYPE_BUSY_TSS || VMX_AR_DPL(value) >= (c->seg->selector & 3);
}

/* With 4-KByte units bits 11:0 of the limit are 1, with bytes bits 31:20 are 0 */
static bool vmx_legal_granularity(const struct vmx_check *c, u64 value, u64 arg)
{
	return value & VMX_AR_G ? (c->seg->limit & 0xfff) == 0xfff : !(c->seg->limit >> 20);
}

static bool vmx_legal_tr_type(const struct vmx_check *c, u64 value, u64 arg)
{
	u8 type = value & VMX_AR_TYPE;

	return type == TYPE_BUSY_TSS || (type == TYPE_STACK && !(c->word[W_ENTRY] & VMX_ENTRY_IA32E));
}

static bool vmx_legal_ldtr_type(const struct vmx_check *c, u64 value, u64 arg)
{
	return (value & VMX_AR_TYPE) == 2;
}

/* ---- RIP and RFLAGS: 27.3.1.4 ---- */

/* Bits from the linear-address width on are alike; the bit below need not be */
static bool vmx_legal_rip64(const struct vmx_check *c, u64 value, u64 arg)
{
	u64 high = value >> c->limits->linear_bits;

	return !high || high == ~0ULL >> c->limits->linear_bits;
}

/* ---- activity, interruptibility, pending debug exceptions: 27.3.1.5 ---- */

static bool vmx_legal_activity(const struct vmx_check *c, u64 value, u64 arg)
{
	static const u64 supported[] = {
		[VMX_ACTIVITY_HLT] = VMX_MISC_HLT, [VMX_ACTIVITY_SHUTDOWN] = VMX_MISC_SHUTDOWN,
		[VMX_ACTIVITY_WAIT_FOR_SIPI] = VMX_MISC_WAIT_FOR_SIPI,
	};

	if (value == VMX_ACTIVITY_ACTIVE)
		return true;
	return value <= VMX_ACTIVITY_WAIT_FOR_SIPI && c->limits->misc & supported[value];
}

static bool vmx_legal_activity_cpl(const struct vmx_check *c, u64 value, u64 arg)
{
	return value != VMX_ACTIVITY_HLT || VMX_AR_DPL(c->segs[VMCS_SS].ar) == 0;
}

/* Which events end the state that the guest would be in */
static bool vmx_legal_activity_event(const struct vmx_check *c, u64 value, u64 arg)
{
	u32 type = c->word[W_EVENT] & VMX_INTR_TYPE;
	u8 vector = c->word[W_EVENT] & VMX_INTR_VECTOR;
	bool debug = type == VMX_INTR_HARDWARE_EXCEPTION && vector == 1;
	bool machine_check = type == VMX_INTR_HARDWARE_EXCEPTION && vector == 18;

	switch (value) {
	case VMX_ACTIVITY_HLT:
		return type == VMX_INTR_EXTERNAL || type == VMX_INTR_NMI || debug || machine_check ||
		       (type == VMX_INTR_OTHER_EVENT && vector == 0);
	case VMX_ACTIVITY_SHUTDOWN:
		return type == VMX_INTR_NMI || machine_check;
	case VMX_ACTIVITY_WAIT_FOR_SIPI:
		return false;
	}
	return true;
}

static bool vmx_legal_blocking_both(const struct vmx_check *c, u64 value, u64 arg)
{
	return !(value & VMX_BLOCKING_STI) || !(value & VMX_BLOCKING_MOV_SS);
}

static bool vmx_legal_blocking_sti(const struct vmx_check *c, u64 value, u64 arg)
{
	return !(value & VMX_BLOCKING_STI) || c->read(c->ctx, VMCS_GUEST_RFLAGS) & RFLAGS_IF;
}

static bool vmx_legal_blocking_nmi(const struct vmx_check *c, u64 value, u64 arg)
{
	return !(value & VMX_BLOCKING_NMI) || !(c->word[W_PIN] & VMX_PIN_VIRTUAL_NMIS);
}

static bool vmx_legal_blocking_enclave(const struct vmx_check *c, u64 value, u64 arg)
{
	return !(value & VMX_BLOCKING_ENCLAVE) || !(value & VMX_BLOCKING_MOV_SS);
}

/* Bit 11 exists on CPUs with bus-lock detection (IA32_DEBUGCTL bit 2) */
static bool vmx_legal_pending_reserved(const struct vmx_check *c, u64 value, u64 arg)
{
	u64 defined = VMX_PENDING_DEBUG_B | VMX_PENDING_DEBUG_ENABLED | VMX_PENDING_DEBUG_BS | VMX_PENDING_DEBUG_RTM;

	if (c->limits->debugctl & BIT(2))
		defined |= VMX_PENDING_DEBUG_BUS_LOCK;
	return !(value & ~defined);
}

/* A single step is pending where one was made: TF and not BTF */
static bool vmx_legal_pending_step(const struct vmx_check *c, u64 value, u64 arg)
{
	bool step = c->read(c->ctx, VMCS_GUEST_RFLAGS) & RFLAGS_TF &&
		    !(c->read(c->ctx, VMCS_GUEST_DEBUGCTL) & DEBUGCTL_BTF);

	return !!(value & VMX_PENDING_DEBUG_BS) == step;
}

static bool vmx_legal_pending_rtm(const struct vmx_check *c, u64 value, u64 arg)
{
	return !(value & VMX_PENDING_DEBUG_RTM) ||
	       (value == (VMX_PENDING_DEBUG_RTM | VMX_PENDING_DEBUG_ENABLED) &&
		!(c->read(c->ctx, VMCS_GUEST_INTERRUPTIBILITY) & VMX_BLOCKING_MOV_SS));
}

static bool vmx_legal_link_pointer(const struct vmx_check *c, u64 value, u64 arg)
{
	return value == ~0ULL || vmx_legal_address(c, value, 0xfff);
}

/* If present: bits 2:1, 8:5 and those beyond the width are reserved, 27.3.1.6 */
static bool vmx_legal_pdpte(const struct vmx_check *c, u64 value, u64 arg)
{
	return !(value & 1) || vmx_legal_address(c, value, 0x1e6);
}

#define PDPTE_TEXT	"bits 2:1, 8:5 and bits beyond the physical-address width must be 0 if present"
#define PRESENT_TEXT	"P (bit 7) must be 1"
#define RESERVED_TEXT	"bits 11:8 and 31:17 must be 0"
#define G_TEXT		"G must be 1 if a bit of the limit's 31:20 is 1, and 0 if one of 11:0 is 0"

const struct vmx_rule vmx_guest_rules[] = {
	/* SDM 3C 27.3.1.1 */
	{ VMCS_GUEST_CR0, 0, ALWAYS, BY(guest_cr0), "a bit is not as IA32_VMX_CR0_FIXED0 and FIXED1 demand" },
	{ VMCS_GUEST_CR0, 0, COND(STATE, S_PAGING), ONES(CR0_PE_BIT), "PG needs PE" },
	{ VMCS_GUEST_CR4, 0, ALWAYS, BY(cr4), "a bit is not as IA32_VMX_CR4_FIXED0 and FIXED1 demand" },
	{ VMCS_GUEST_CR0, 0, COND(STATE, S_CET), ONES(CR0_WP_BIT), "WP must be 1 if CR4.CET is" },
	{ VMCS_GUEST_DEBUGCTL, 0, COND(ENTRY, VMX_ENTRY_LOAD_DEBUG), WITHIN(debugctl), "a reserved bit is 1" },
	{ VMCS_GUEST_CR0, 0, COND(ENTRY, VMX_ENTRY_IA32E), ONES(CR0_PG_BIT), "PG must be 1 for an IA-32e mode guest" },
	{ VMCS_GUEST_CR4, 0, COND(ENTRY, VMX_ENTRY_IA32E), ONES(CR4_PAE_BIT), "PAE must be 1 for an IA-32e mode guest" },
	{ VMCS_GUEST_CR4, 0, COND(STATE, S_NOT_IA32E), ZERO(CR4_PCIDE_BIT),
	  "PCIDE must be 0 but for an IA-32e mode guest" },
	{ VMCS_GUEST_CR3, 0, ALWAYS, BY(cr3), "bits beyond the physical-address width must be 0" },
	{ VMCS_GUEST_DR7, 0, COND(ENTRY, VMX_ENTRY_LOAD_DEBUG), ZERO(HIGH_HALF), "bits 63:32 must be 0" },
	{ VMCS_GUEST_SYSENTER_ESP, 0, ALWAYS, CANONICAL, CANONICAL_TEXT },
	{ VMCS_GUEST_SYSENTER_EIP, 0, ALWAYS, CANONICAL, CANONICAL_TEXT },
	{ VMCS_GUEST_PERF_GLOBAL_CTRL, 0, COND(ENTRY, VMX_ENTRY_LOAD_PERF_GLOBAL_CTRL), WITHIN(perf_global_ctrl),
	  "a reserved bit is 1" },
	{ VMCS_GUEST_PAT, 0, COND(ENTRY, VMX_ENTRY_LOAD_PAT), PAT, "each byte must be 0, 1, 4, 5, 6 or 7" },
	{ VMCS_GUEST_EFER, 0, COND(ENTRY, VMX_ENTRY_LOAD_EFER), WITHIN(efer), "a reserved bit is 1" },
	{ VMCS_GUEST_EFER, 0, COND(ENTRY, VMX_ENTRY_LOAD_EFER), BY(guest_lma),
	  "LMA must equal \"IA-32e mode guest\"" },
	{ VMCS_GUEST_EFER, 0, COND(ENTRY, VMX_ENTRY_LOAD_EFER), BY(guest_lme),
	  "LME must equal LMA if CR0.PG is 1" },
	{ VMCS_GUEST_BNDCFGS, 0, COND(ENTRY, VMX_ENTRY_LOAD_BNDCFGS), BY(bndcfgs),
	  "bits 11:2 must be 0 and the address canonical" },
	{ VMCS_GUEST_S_CET, 0, COND(ENTRY, VMX_ENTRY_LOAD_CET), CET,
	  "bits 9:6 must be 0, bits 11:10 not both 1, the address canonical" },
	{ VMCS_GUEST_INTR_SSP_TABLE, 0, COND(ENTRY, VMX_ENTRY_LOAD_CET), CANONICAL, CANONICAL_TEXT },
	{ VMCS_GUEST_UINV, 0, COND(ENTRY, VMX_ENTRY_LOAD_UINV), ZERO(0xff00), "bits 15:8 must be 0" },
	{ VMCS_GUEST_PKRS, 0, COND(ENTRY, VMX_ENTRY_LOAD_PKRS), ZERO(HIGH_HALF), "bits 63:32 must be 0" },

	/* 27.3.1.2: selectors, bases, limits */
	{ VMCS_GUEST_TR_SELECTOR, 0, ALWAYS, ZERO(4), "the TI flag (bit 2) must be 0" },
	{ VMCS_GUEST_ES_SELECTOR, SEG(LDTR) | SEG_USABLE, ALWAYS, ZERO(4), "the TI flag (bit 2) must be 0" },
	{ VMCS_GUEST_SS_SELECTOR, 0, COND(STATE, S_NOT_VIRTUAL_8086 | S_RESTRICTED), BY(ss_rpl),
	  "RPL must equal the one of CS without \"unrestricted guest\"" },
	{ VMCS_GUEST_ES_BASE, SEG_CODE_DATA & ~SEG_USABLE, COND(STATE, S_VIRTUAL_8086), BY(base_8086),
	  "must be the selector shifted left by 4 in virtual-8086 mode" },
	{ VMCS_GUEST_ES_BASE, SEG(FS) | SEG(GS) | SEG(TR), ALWAYS, CANONICAL, CANONICAL_TEXT },
	{ VMCS_GUEST_ES_BASE, SEG(LDTR) | SEG_USABLE, ALWAYS, CANONICAL, CANONICAL_TEXT },
	{ VMCS_GUEST_ES_BASE, SEG(CS) | SEG(SS) | SEG(DS) | SEG(ES) | SEG_USABLE, ALWAYS, ZERO(HIGH_HALF),
	  "bits 63:32 must be 0" },
	{ VMCS_GUEST_ES_LIMIT, SEG_CODE_DATA & ~SEG_USABLE, COND(STATE, S_VIRTUAL_8086), EXACTLY(0xffff),
	  "must be FFFFh in virtual-8086 mode" },

	/* access rights */
	{ VMCS_GUEST_ES_AR, SEG_CODE_DATA & ~SEG_USABLE, COND(STATE, S_VIRTUAL_8086), EXACTLY(0xf3),
	  "must be F3h in virtual-8086 mode" },
	{ VMCS_GUEST_CS_AR, 0, COND(STATE, S_NOT_VIRTUAL_8086), BY(cs_type),
	  "the type must be 9, 11, 13 or 15, or 3 with \"unrestricted guest\"" },
	{ VMCS_GUEST_ES_AR, SEG(SS) | SEG_USABLE, COND(STATE, S_NOT_VIRTUAL_8086), BY(ss_type),
	  "the type must be 3 or 7" },
	{ VMCS_GUEST_ES_AR, SEG_DATA, COND(STATE, S_NOT_VIRTUAL_8086), BY(data_type),
	  "the type must be accessed, and readable if code" },
	{ VMCS_GUEST_ES_AR, SEG_CODE_DATA, COND(STATE, S_NOT_VIRTUAL_8086), ONES(VMX_AR_S), "S (bit 4) must be 1" },
	{ VMCS_GUEST_CS_AR, 0, COND(STATE, S_NOT_VIRTUAL_8086), BY(cs_dpl),
	  "DPL must be 0 for type 3, the one of SS for 9 and 11, not above it for 13 and 15" },
	{ VMCS_GUEST_SS_AR, 0, COND(STATE, S_NOT_VIRTUAL_8086 | S_RESTRICTED), BY(ss_dpl),
	  "DPL must equal the selector's RPL without \"unrestricted guest\"" },
	{ VMCS_GUEST_SS_AR, 0, COND(STATE, S_NOT_VIRTUAL_8086), BY(ss_dpl_zero),
	  "DPL must be 0 in real mode and if the type of CS is 3" },
	{ VMCS_GUEST_ES_AR, SEG_DATA, COND(STATE, S_NOT_VIRTUAL_8086 | S_RESTRICTED), BY(data_dpl),
	  "DPL must not be below the selector's RPL without \"unrestricted guest\"" },
	{ VMCS_GUEST_ES_AR, SEG_CODE_DATA, COND(STATE, S_NOT_VIRTUAL_8086), ONES(VMX_AR_P), PRESENT_TEXT },
	{ VMCS_GUEST_ES_AR, SEG_CODE_DATA, COND(STATE, S_NOT_VIRTUAL_8086), ZERO(VMX_AR_RESERVED), RESERVED_TEXT },
	{ VMCS_GUEST_CS_AR, 0, COND(STATE, S_CODE64 | S_NOT_VIRTUAL_8086), ZERO(VMX_AR_DB), "D must be 0 if L is 1" },
	{ VMCS_GUEST_ES_AR, SEG_CODE_DATA, COND(STATE, S_NOT_VIRTUAL_8086), BY(granularity), G_TEXT },
	{ VMCS_GUEST_TR_AR, 0, ALWAYS, BY(tr_type), "the type must be 11, or 3 outside IA-32e mode" },
	{ VMCS_GUEST_ES_AR, SEG(LDTR) | SEG_USABLE, ALWAYS, BY(ldtr_type), "the type must be 2" },
	{ VMCS_GUEST_ES_AR, SEG_SYSTEM, ALWAYS, ZERO(VMX_AR_S), "S (bit 4) must be 0" },
	{ VMCS_GUEST_ES_AR, SEG_SYSTEM, ALWAYS, ONES(VMX_AR_P), PRESENT_TEXT },
	{ VMCS_GUEST_ES_AR, SEG_SYSTEM, ALWAYS, ZERO(VMX_AR_RESERVED), RESERVED_TEXT },
	{ VMCS_GUEST_ES_AR, SEG_SYSTEM, ALWAYS, BY(granularity), G_TEXT },
	{ VMCS_GUEST_TR_AR, 0, ALWAYS, ZERO(VMX_AR_UNUSABLE), "TR must be usable" },

	/* 27.3.1.3 */
	{ VMCS_GUEST_GDTR_BASE, 0, ALWAYS, CANONICAL, CANONICAL_TEXT },
	{ VMCS_GUEST_IDTR_BASE, 0, ALWAYS, CANONICAL, CANONICAL_TEXT },
	{ VMCS_GUEST_GDTR_LIMIT, 0, ALWAYS, ZERO(0xffff0000), "bits 31:16 must be 0" },
	{ VMCS_GUEST_IDTR_LIMIT, 0, ALWAYS, ZERO(0xffff0000), "bits 31:16 must be 0" },

	/* 27.3.1.4 */
	{ VMCS_GUEST_RIP, 0, COND(STATE, S_NOT_CODE64), ZERO(HIGH_HALF), "bits 63:32 must be 0 outside 64-bit mode" },
	{ VMCS_GUEST_RIP, 0, COND(STATE, S_CODE64), BY(rip64), "bits beyond the linear-address width must be alike" },
	{ VMCS_GUEST_RFLAGS, 0, ALWAYS, ZERO(~0x3f7fd7ULL), "bits 63:22, 15, 5 and 3 must be 0" },
	{ VMCS_GUEST_RFLAGS, 0, ALWAYS, ONES(2), "bit 1 must be 1" },
	{ VMCS_GUEST_RFLAGS, 0, COND(ENTRY, VMX_ENTRY_IA32E), ZERO(RFLAGS_VM), "VM must be 0 in IA-32e mode" },
	{ VMCS_GUEST_RFLAGS, 0, COND(STATE, S_REAL), ZERO(RFLAGS_VM), "VM must be 0 in real mode" },
	{ VMCS_GUEST_RFLAGS, 0, COND(STATE, S_INTERRUPT), ONES(RFLAGS_IF), "IF must be 1 to inject an interrupt" },
	{ VMCS_GUEST_SSP, 0, COND(ENTRY, VMX_ENTRY_LOAD_CET), ZERO(3), "bits 1:0 must be 0" },

	/* 27.3.1.5 */
	{ VMCS_GUEST_ACTIVITY_STATE, 0, ALWAYS, BY(activity), "must be 0 to 3 and one of IA32_VMX_MISC bits 8:6" },
	{ VMCS_GUEST_ACTIVITY_STATE, 0, ALWAYS, BY(activity_cpl), "must not be HLT if the DPL of SS is not 0" },
	{ VMCS_GUEST_ACTIVITY_STATE, 0, COND(STATE, S_SHADOW), EXACTLY(VMX_ACTIVITY_ACTIVE),
	  "must be active with blocking by STI or MOV SS" },
	{ VMCS_GUEST_ACTIVITY_STATE, 0, COND(EVENT, VMX_INTR_VALID), BY(activity_event),
	  "the event to inject does not end this state" },
	{ VMCS_GUEST_INTERRUPTIBILITY, 0, ALWAYS, ZERO(VMX_BLOCKING_RESERVED), "bits 31:5 must be 0" },
	{ VMCS_GUEST_INTERRUPTIBILITY, 0, ALWAYS, BY(blocking_both), "STI and MOV SS cannot block both" },
	{ VMCS_GUEST_INTERRUPTIBILITY, 0, ALWAYS, BY(blocking_sti), "STI cannot block if RFLAGS.IF is 0" },
	{ VMCS_GUEST_INTERRUPTIBILITY, 0, COND(STATE, S_INTERRUPT), ZERO(VMX_BLOCKING_STI | VMX_BLOCKING_MOV_SS),
	  "STI and MOV SS must not block an interrupt to inject" },
	{ VMCS_GUEST_INTERRUPTIBILITY, 0, COND(STATE, S_NMI), ZERO(VMX_BLOCKING_MOV_SS),
	  "MOV SS must not block an NMI to inject" },
	{ VMCS_GUEST_INTERRUPTIBILITY, 0, ALWAYS, ZERO(VMX_BLOCKING_SMI), "SMIs must not be blocked outside SMM" },
	{ VMCS_GUEST_INTERRUPTIBILITY, 0, COND(STATE, S_NMI), BY(blocking_nmi),
	  "NMIs must not be blocked to inject one with \"virtual NMIs\"" },
	{ VMCS_GUEST_INTERRUPTIBILITY, 0, ALWAYS, BY(blocking_enclave), "enclave interruption excludes blocking by MOV SS" },
	{ VMCS_GUEST_PENDING_DEBUG, 0, ALWAYS, BY(pending_reserved), "a reserved bit is 1" },
	{ VMCS_GUEST_PENDING_DEBUG, 0, COND(STATE, S_SHADOW_OR_HLT), BY(pending_step),
	  "BS must be what TF and not BTF is, with blocking by STI or MOV SS or in HLT" },
	{ VMCS_GUEST_PENDING_DEBUG, 0, ALWAYS, BY(pending_rtm),
	  "with RTM only bit 12 may be 1, and must, and MOV SS must not block" },
	{ VMCS_LINK_POINTER, 0, ALWAYS, BY(link_pointer),
	  "must be all ones, or bits 11:0 and bits beyond the physical-address width 0" },

	/* 27.3.1.6 */
	{ VMCS_GUEST_PDPTE0, 0, COND(STATE, S_PDPTES), BY(pdpte), PDPTE_TEXT },
	{ VMCS_GUEST_PDPTE1, 0, COND(STATE, S_PDPTES), BY(pdpte), PDPTE_TEXT },
	{ VMCS_GUEST_PDPTE2, 0, COND(STATE, S_PDPTES), BY(pdpte), PDPTE_TEXT },
	{ VMCS_GUEST_PDPTE3, 0, COND(STATE, S_PDPTES), BY(pdpte), PDPTE_TEXT },

	/* 27.3.1.5 again: not all CPUs ask for it, so nothing else may be wrong */
	{ VMCS_GUEST_INTERRUPTIBILITY, 0, COND(STATE, S_NMI), ZERO(VMX_BLOCKING_STI),
	  "STI must not block an NMI to inject, on some CPUs" },
	{ }
};
