// SPDX-License-Identifier: GPL-2.0
/* Names the field that makes a VM entry fail: how the rules are run, and the tests they share. */
#include "vmx/check_rules.h"

const char *vmcs_field_name(u32 field)
{
#define VMCS_NAME(name, encoding, text) case name: return text;
	switch (field) {
	VMCS_FIELDS(VMCS_NAME)
	}
#undef VMCS_NAME
	return "unknown field";
}

static u64 check_limit(const struct vmx_check *c, u64 offset)
{
	return *(const u64 *)((const char *)c->limits + offset);
}

bool vmx_legal_zero(const struct vmx_check *c, u64 value, u64 bits)
{
	return !(value & bits);
}

bool vmx_legal_nonzero(const struct vmx_check *c, u64 value, u64 arg)
{
	return value;
}

bool vmx_legal_ones(const struct vmx_check *c, u64 value, u64 bits)
{
	return (value & bits) == bits;
}

bool vmx_legal_exactly(const struct vmx_check *c, u64 value, u64 wanted)
{
	return value == wanted;
}

static bool check_holds(const struct vmx_check *c, u64 condition)
{
	u32 bits = condition;

	return (c->word[condition >> 32] & bits) == bits;
}

bool vmx_legal_need(const struct vmx_check *c, u64 value, u64 condition)
{
	return check_holds(c, condition);
}

/* A physical address with these low bits 0 */
bool vmx_legal_address(const struct vmx_check *c, u64 value, u64 low)
{
	return !(value & low) && !(value >> c->limits->phys_bits);
}

bool vmx_legal_canonical(const struct vmx_check *c, u64 value, u64 arg)
{
	u8 shift = 64 - c->limits->linear_bits;

	return (u64)((s64)(value << shift) >> shift) == value;
}

/* UC WC WT WP WB UC- are 0 1 4 5 6 7, SDM 3A 12.12.2 */
bool vmx_legal_pat(const struct vmx_check *c, u64 value, u64 arg)
{
	int i;

	for (i = 0; i < 64; i += 8) {
		u8 type = value >> i;

		if (type > 7 || type == 2 || type == 3)
			return false;
	}
	return true;
}

/* Bits 9:6 are reserved, SUPPRESS and TRACKER exclude each other */
bool vmx_legal_s_cet(const struct vmx_check *c, u64 value, u64 arg)
{
	return !(value & 0x3c0) && (value & 0xc00) != 0xc00 && vmx_legal_canonical(c, value, 0);
}

/* 16 bytes for each MSR, within the physical-address width to the last one */
bool vmx_legal_msr_area(const struct vmx_check *c, u64 value, u64 count_field)
{
	u64 count = c->read(c->ctx, count_field);

	return !count || (vmx_legal_address(c, value, 0xf) &&
			  vmx_legal_address(c, value + count * 16 - 1, 0));
}

bool vmx_legal_within(const struct vmx_check *c, u64 value, u64 offset)
{
	return !(value & ~check_limit(c, offset));
}

bool vmx_legal_allowed(const struct vmx_check *c, u64 value, u64 offset)
{
	u64 limit = check_limit(c, offset);
	u32 ones = limit, may = limit >> 32;

	return (value & ones) == ones && !(value & ~(u64)may);
}

bool vmx_legal_cr3(const struct vmx_check *c, u64 value, u64 arg)
{
	return vmx_legal_address(c, value & ~c->limits->cr3, 0);
}

/* CD and NW are never checked; @unchecked: more such bits */
bool vmx_legal_cr0(const struct vmx_check *c, u64 value, u64 unchecked)
{
	u64 mask = ~(unchecked | CR0_CD_BIT | CR0_NW_BIT);

	return !(~value & c->limits->cr0_fixed0 & mask) && !(value & ~c->limits->cr0_fixed1 & mask);
}

bool vmx_legal_cr4(const struct vmx_check *c, u64 value, u64 arg)
{
	return !(~value & c->limits->cr4_fixed0) && !(value & ~c->limits->cr4_fixed1);
}

static void check_load_controls(struct vmx_check *c)
{
	u32 *word = c->word, event;

	word[W_PIN] = c->read(c->ctx, VMCS_PIN_BASED_CONTROLS);
	word[W_PROC] = c->read(c->ctx, VMCS_PROC_BASED_CONTROLS);
	if (word[W_PROC] & VMX_PROC_SECONDARY)
		word[W_PROC2] = c->read(c->ctx, VMCS_PROC_BASED_CONTROLS2);
	if (word[W_PROC] & VMX_PROC_TERTIARY)
		word[W_PROC3] = c->read(c->ctx, VMCS_PROC_BASED_CONTROLS3);
	word[W_EXITC] = c->read(c->ctx, VMCS_EXIT_CONTROLS);
	word[W_ENTRY] = c->read(c->ctx, VMCS_ENTRY_CONTROLS);
	event = c->read(c->ctx, VMCS_ENTRY_INTR_INFO);
	if (event & VMX_INTR_VALID)
		word[W_EVENT] = event;
}

static void check_load_segments(struct vmx_check *c)
{
	u32 i;

	for (i = 0; i < VMCS_SEGMENTS; i++) {
		c->segs[i].selector = c->read(c->ctx, VMCS_GUEST_SELECTOR(i));
		c->segs[i].base = c->read(c->ctx, VMCS_GUEST_BASE(i));
		c->segs[i].limit = c->read(c->ctx, VMCS_GUEST_LIMIT(i));
		c->segs[i].ar = c->read(c->ctx, VMCS_GUEST_AR(i));
	}
}

/* The state that rules depend on, from the guest's and the host's registers */
static u32 check_state_registers(const struct vmx_check *c)
{
	u64 cr0 = c->read(c->ctx, VMCS_GUEST_CR0), cr4 = c->read(c->ctx, VMCS_GUEST_CR4);
	bool ia32e = c->word[W_ENTRY] & VMX_ENTRY_IA32E;
	u32 state;

	state = c->read(c->ctx, VMCS_GUEST_RFLAGS) & RFLAGS_VM ? S_VIRTUAL_8086 : S_NOT_VIRTUAL_8086;
	state |= ia32e && c->segs[VMCS_CS].ar & VMX_AR_L ? S_CODE64 : S_NOT_CODE64;
	if (!ia32e)
		state |= S_NOT_IA32E;
	if (!(c->word[W_PROC2] & VMX_PROC2_UNRESTRICTED_GUEST))
		state |= S_RESTRICTED;
	if (!(cr0 & CR0_PE_BIT))
		state |= S_REAL;
	if (cr0 & CR0_PG_BIT)
		state |= S_PAGING;
	if (cr0 & CR0_PG_BIT && cr4 & CR4_PAE_BIT && !ia32e && c->word[W_PROC2] & VMX_PROC2_EPT)
		state |= S_PDPTES;
	if (cr4 & CR4_CET_BIT)
		state |= S_CET;
	if (c->read(c->ctx, VMCS_HOST_CR4) & CR4_CET_BIT)
		state |= S_HOST_CET;
	return state;
}

/* The same, from the event to inject and from what blocks events */
static u32 check_state_events(const struct vmx_check *c)
{
	u32 blocking = c->read(c->ctx, VMCS_GUEST_INTERRUPTIBILITY);
	u32 type = c->word[W_EVENT] & VMX_INTR_TYPE, state = 0;

	if (c->word[W_EVENT]) {
		if (type == VMX_INTR_EXTERNAL)
			state |= S_INTERRUPT;
		if (type == VMX_INTR_NMI)
			state |= S_NMI;
		if (type >= VMX_INTR_SOFTWARE_INTERRUPT && type <= VMX_INTR_SOFTWARE_EXCEPTION)
			state |= S_SOFTWARE;
	}
	if (blocking & (VMX_BLOCKING_STI | VMX_BLOCKING_MOV_SS))
		state |= S_SHADOW | S_SHADOW_OR_HLT;
	if (c->read(c->ctx, VMCS_GUEST_ACTIVITY_STATE) == VMX_ACTIVITY_HLT)
		state |= S_SHADOW_OR_HLT;
	if (c->word[W_PROC2] & VMX_PROC2_VMFUNC &&
	    c->read(c->ctx, VMCS_VM_FUNCTION_CONTROLS) & VMX_VMFUNC_EPTP_SWITCH)
		state |= S_EPTP_SWITCHING;
	return state;
}

static bool check_fails(const struct vmx_check *c, const struct vmx_rule *rule, u32 field,
			struct vmx_failed_check *failed)
{
	u64 value = c->read(c->ctx, field);

	if (rule->legal(c, value, rule->arg))
		return false;
	*failed = (struct vmx_failed_check){ field, vmcs_field_name(field), value, rule->text };
	return true;
}

/* CS and TR have no use for the unusable bit */
static bool check_skips(const struct vmx_check *c, const struct vmx_rule *rule, u32 seg)
{
	if (!(rule->segs & (1U << seg)))
		return true;
	return rule->segs & SEG_USABLE && seg != VMCS_CS && seg != VMCS_TR &&
	       c->segs[seg].ar & VMX_AR_UNUSABLE;
}

static bool check_segments_fail(struct vmx_check *c, const struct vmx_rule *rule,
				struct vmx_failed_check *failed)
{
	u32 i;

	for (i = 0; i < VMCS_SEGMENTS; i++) {
		c->seg = &c->segs[i];
		if (!check_skips(c, rule, i) && check_fails(c, rule, rule->field + 2 * i, failed))
			return true;
	}
	return false;
}

static bool check_rules_fail(struct vmx_check *c, const struct vmx_rule *rule,
			     struct vmx_failed_check *failed)
{
	for (; rule->legal; rule++) {
		if (!check_holds(c, rule->when))
			continue;
		if (rule->segs ? check_segments_fail(c, rule, failed) :
				 check_fails(c, rule, rule->field, failed))
			return true;
	}
	return false;
}

bool vmx_check_entry(u64 (*read)(void *ctx, u32 field), void *ctx,
		     const struct vmx_check_limits *limits, u32 what,
		     struct vmx_failed_check *failed)
{
	struct vmx_check c = { .read = read, .ctx = ctx, .limits = limits };

	check_load_controls(&c);
	check_load_segments(&c);
	c.word[W_STATE] = check_state_registers(&c) | check_state_events(&c);
	if (what & VMX_CHECK_CONTROLS && check_rules_fail(&c, vmx_control_rules, failed))
		return true;
	if (what & VMX_CHECK_HOST && check_rules_fail(&c, vmx_host_rules, failed))
		return true;
	return what & VMX_CHECK_GUEST && check_rules_fail(&c, vmx_guest_rules, failed);
}
