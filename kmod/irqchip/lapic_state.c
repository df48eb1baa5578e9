// SPDX-License-Identifier: GPL-2.0
/*
 * State class LAPIC: the registers of a local APIC for saving and loading. The
 * vCPU's mutex is held, and it does not run.
 */
#include "irqchip/apic_timer.h"
#include "irqchip/chips.h"

void husk_lapic_get_state(struct husk_vcpu *vcpu, struct husk_lapic_state *state)
{
	struct husk_lapic *l = vcpu->lapic;
	u32 reg;

	lapic_sync(l);
	husk_pv_eoi_settle_slow(vcpu);
	memset(state, 0, sizeof(*state));
	state->apic_base = l->base;
	/* First, since an expiry that is due shows in the registers. */
	state->tsc_deadline = husk_lapic_timer_read_deadline(l);
	state->timer_left = husk_lapic_timer_read_current(l);
	for (reg = 0; reg < LAPIC_REGS; reg++)
		state->regs[reg] = husk_lapic_read(l, reg);
}

/* Nothing but writable bits and those that are read back as constants */
static bool lapic_state_bits(const struct husk_lapic *l, const u32 *regs, u32 reg, u32 constant)
{
	return !(regs[reg] & ~(husk_lapic_writable(l, reg) | constant));
}

int husk_lapic_check_state(struct husk_vcpu *vcpu, const struct husk_lapic_state *state)
{
	const struct husk_lapic *l = vcpu->lapic;
	const u32 *regs = state->regs;
	bool x2apic = state->apic_base & APIC_BASE_EXTD;
	u32 reg;

	if (state->reserved || !husk_lapic_base_valid(l, state->apic_base))
		return -EINVAL;
	if (regs[LAPIC_ID] != (x2apic ? vcpu->id : vcpu->id << 24))
		return -EINVAL;
	if (regs[LAPIC_ISR] & 0xffff || regs[LAPIC_IRR] & 0xffff || regs[LAPIC_ESR] & ~0xe0U)
		return -EINVAL;
	if (!x2apic && !lapic_state_bits(l, regs, LAPIC_ICR2, 0))
		return -EINVAL;
	if (x2apic ? regs[LAPIC_LDR] != apic_x2_ldr(vcpu->id) : !lapic_state_bits(l, regs, LAPIC_LDR, 0))
		return -EINVAL;
	if (!lapic_state_bits(l, regs, LAPIC_TPR, 0) || !lapic_state_bits(l, regs, LAPIC_DFR, 0x0fffffff) ||
	    !lapic_state_bits(l, regs, LAPIC_SVR, 0) || !lapic_state_bits(l, regs, LAPIC_ICR, 0) ||
	    !lapic_state_bits(l, regs, LAPIC_DCR, 0))
		return -EINVAL;
	for (reg = LAPIC_LVTT; reg <= LAPIC_LVT_ERROR; reg++)
		if (!lapic_state_bits(l, regs, reg, 0))
			return -EINVAL;
	if (state->tsc_deadline && !l->has_deadline)
		return -EINVAL;
	return state->timer_left > regs[LAPIC_TMICT] ? -EINVAL : 0;
}

static void lapic_load_vectors(unsigned long *map, const u32 *regs)
{
	int w;

	for (w = 0; w < APIC_WORDS; w++)
		WRITE_ONCE(map[w], regs[2 * w] | (u64)regs[2 * w + 1] << 32);
}

void husk_lapic_set_state(struct husk_vcpu *vcpu, const struct husk_lapic_state *state)
{
	struct husk_lapic *l = vcpu->lapic;
	const u32 *regs = state->regs;
	int n;

	lapic_sync(l);
	husk_pv_eoi_settle_slow(vcpu);
	WRITE_ONCE(l->base, state->apic_base);
	WRITE_ONCE(l->svr, regs[LAPIC_SVR]);
	WRITE_ONCE(l->ldr, regs[LAPIC_LDR]);
	WRITE_ONCE(l->dfr, regs[LAPIC_DFR] | 0x0fffffff);
	l->tpr = regs[LAPIC_TPR];
	l->esr = regs[LAPIC_ESR];
	l->icr = regs[LAPIC_ICR];
	l->icr2 = regs[LAPIC_ICR2];
	for (n = 0; n < LVT_COUNT; n++)
		WRITE_ONCE(l->lvt[n], regs[LAPIC_LVTT + n] |
			   (l->svr & SVR_ENABLE || n == LVT_LINT0 ? 0 : LVT_MASKED));
	l->timer.dcr = regs[LAPIC_DCR];
	l->timer.shift = apic_divide_shift(l->timer.dcr);
	husk_lapic_clear_vectors(l);
	lapic_load_vectors(l->isr, regs + LAPIC_ISR);
	lapic_load_vectors(l->tmr, regs + LAPIC_TMR);
	lapic_load_vectors(l->irr, regs + LAPIC_IRR);
	for (n = 0; n < APIC_WORDS; n++)
		if (l->irr[n])
			set_bit(n, &l->attention);
	husk_lapic_count_isr(l);
	husk_lapic_choose(l);
	husk_lapic_timer_restore(l, regs[LAPIC_TMICT], state->timer_left, state->tsc_deadline);
	set_bit(HUSK_REQ_EVENT, &vcpu->requests);
}
