// SPDX-License-Identifier: GPL-2.0
/*
 * A local APIC that the CPU virtualizes (SDM 3C chapter 30): a guest that has
 * it enabled in x2APIC mode reads and writes the registers that matter, and
 * takes interrupts, without an exit.
 *
 * The CPU keeps TPR, PPR, ISR and IRR in a page, at their xAPIC offsets. At any
 * moment either the page has them (@live) or struct husk_lapic does.
 * husk_lapic_pull() brings them to the struct for the code that knows only
 * that, and husk_lapic_hand_over() to the page before the next entry; most
 * exits need neither. While the page has them, husk_lapic.irr is what was sent
 * to the APIC and not handed over yet, so senders see no difference.
 *
 * What the CPU wants to know beside the page follows from it: RVI and SVI are
 * the highest vectors in IRR and ISR (SDM 3C 30.2.2, 30.1.4). Its SELF IPI does
 * not clear the vector's bit in TMR: a vector that a level-triggered pin has, too,
 * gets one EOI message too many. No system shares them so.
 */
#include "irqchip/chips.h"
#include "traced.h"
#include "vendor.h"

/* Registers that are constant in x2APIC mode and may be read from the page, too */
static const u8 lapic_constant[] = { LAPIC_ID, LAPIC_VERSION, LAPIC_LDR };

static u32 *lapic_page_reg(const struct husk_lapic *l, u32 reg)
{
	return l->page + 16 * reg;
}

/* 64 vectors of ISR or IRR */
static unsigned long lapic_page_word(const struct husk_lapic *l, u32 reg, int w)
{
	return *lapic_page_reg(l, reg + 2 * w) | (u64)*lapic_page_reg(l, reg + 2 * w + 1) << 32;
}

static void lapic_page_set_word(struct husk_lapic *l, u32 reg, int w, unsigned long map)
{
	*lapic_page_reg(l, reg + 2 * w) = map;
	*lapic_page_reg(l, reg + 2 * w + 1) = map >> 32;
}

/* 0: there is none */
static u8 lapic_page_highest(const struct husk_lapic *l, u32 reg)
{
	int w;

	for (w = APIC_WORDS - 1; w >= 0; w--) {
		unsigned long map = lapic_page_word(l, reg, w);

		if (map)
			return w * 64 + apic_highest_bit(map);
	}
	return 0;
}

/* ---- between the page and the struct ---- */

/* See lapic_sync() */
void husk_lapic_pull(struct husk_lapic *l)
{
	unsigned long map;
	int w;

	WRITE_ONCE(l->live, false);
	l->tpr = *lapic_page_reg(l, LAPIC_TPR);
	for (w = 0; w < APIC_WORDS; w++) {
		l->isr[w] = lapic_page_word(l, LAPIC_ISR, w);
		map = lapic_page_word(l, LAPIC_IRR, w);
		if (!map)
			continue;
		for (; map; map &= map - 1)
			set_bit(w * 64 + apic_highest_bit(map & -map), l->irr);
		set_bit(w, &l->attention);
	}
	husk_lapic_count_isr(l);
	set_bit(HUSK_REQ_EVENT, &l->vcpu->requests);
}

static void lapic_push(struct husk_lapic *l)
{
	int w;

	*lapic_page_reg(l, LAPIC_TPR) = l->tpr;
	*lapic_page_reg(l, LAPIC_PPR) = l->ppr;
	for (w = 0; w < APIC_WORDS; w++) {
		lapic_page_set_word(l, LAPIC_ISR, w, l->isr[w]);
		lapic_page_set_word(l, LAPIC_IRR, w, 0);
	}
	WRITE_ONCE(l->live, true);
}

/**
 * husk_lapic_hand_over - let the CPU deliver what is pending
 * @vcpu: its thread, on HUSK_REQ_EVENT, before an entry
 *
 * Does nothing to an APIC that the CPU does not virtualize.
 */
void husk_lapic_hand_over(struct husk_vcpu *vcpu)
{
	struct husk_lapic *l = vcpu->lapic;
	struct husk_apic_view view;
	unsigned long words;
	int w;

	if (likely(!l->accel))
		return;
	words = READ_ONCE(l->attention) & LAPIC_ATT_IRR;
	if (l->live && !words)
		return;
	if (!l->live)
		lapic_push(l);
	for (; words; words &= ~BIT(w)) {
		w = apic_highest_bit(words);
		clear_bit(w, &l->attention);
		smp_mb__after_atomic();
		lapic_page_set_word(l, LAPIC_IRR, w, lapic_page_word(l, LAPIC_IRR, w) | xchg(&l->irr[w], 0));
	}
	view.irr = lapic_page_highest(l, LAPIC_IRR);
	view.isr = lapic_page_highest(l, LAPIC_ISR);
	for (w = 0; w < APIC_WORDS; w++)
		view.eoi_exit[w] = READ_ONCE(l->tmr[w]);
	husk_vendor->apic(vcpu, &view);
}

/* ---- when ---- */

/**
 * husk_lapic_virtualize - the CPU can virtualize this local APIC
 * @vcpu: not yet published; its APIC is in xAPIC mode
 * @page: zeroed, for the registers; the vendor's, until the vCPU is destroyed
 */
void husk_lapic_virtualize(struct husk_vcpu *vcpu, void *page)
{
	vcpu->lapic->page = page;
}

/* After a change of the base or of SVR. A disabled APIC accepts nothing: the CPU does not know that. */
void husk_lapic_choose(struct husk_lapic *l)
{
	bool accel = l->page && lapic_x2apic(l) && (l->svr & SVR_ENABLE);
	u32 n;

	if (likely(accel == l->accel))
		return;
	lapic_sync(l);
	l->accel = accel;
	if (!accel) {
		husk_vendor->apic(l->vcpu, NULL);
		return;
	}
	for (n = 0; n < ARRAY_SIZE(lapic_constant); n++)
		*lapic_page_reg(l, lapic_constant[n]) = husk_lapic_read(l, lapic_constant[n]);
	set_bit(HUSK_REQ_EVENT, &l->vcpu->requests);
}

/**
 * husk_lapic_exit - the CPU did a write to a register, but for what others have to do
 * @vcpu: after HUSK_REASON_APIC_ACCESS
 *
 * EOI of a level-triggered interrupt, and a bad vector in SELF IPI. rip is
 * behind the instruction.
 */
void husk_lapic_exit(struct husk_vcpu *vcpu)
{
	struct husk_lapic *l = vcpu->lapic;

	if (vcpu->exit.apic.offset == 16 * LAPIC_EOI && trace_husk_eoi_enabled())
		husk_traced_eoi(vcpu, vcpu->exit.apic.vector);
	if (vcpu->exit.apic.offset == 16 * LAPIC_SELF_IPI)
		husk_lapic_self_ipi(l, *lapic_page_reg(l, LAPIC_SELF_IPI));
	else if (vcpu->exit.apic.offset == 16 * LAPIC_EOI && test_bit(vcpu->exit.apic.vector, l->tmr))
		husk_lapic_broadcast_eoi(l, vcpu->exit.apic.vector);
}
