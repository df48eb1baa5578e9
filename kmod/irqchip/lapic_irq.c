// SPDX-License-Identifier: GPL-2.0
/*
 * Local APIC: accepting, ranking and acknowledging interrupts; messages between
 * APICs (SDM 3A 11.6, 11.8).
 *
 * Anyone may set a bit in irr; only the vCPU's thread clears one. A setter sets
 * the irr bit first, then the bit of its word in attention; a clearer that
 * emptied a word clears the attention bit first, then looks at the word again.
 * So a word with a bit in it always has its attention bit, at the latest when
 * the setter is through; and while attention is 0, husk_irq_pending() is one
 * load and a compare.
 */
#include <linux/nospec.h>

#include "irqchip/chips.h"
#include "traced.h"

/* ---- vectors ---- */

/* As husk_vcpu_request(), without a kick when the vCPU's own thread is here */
static void lapic_request(struct husk_lapic *l, int req, bool own)
{
	if (own)
		set_bit(req, &l->vcpu->requests);
	else
		husk_vcpu_request(l->vcpu, req);
}

static void lapic_set_irr(struct husk_lapic *l, u8 vector, bool level, bool own)
{
	if (unlikely(level))
		set_bit(vector, l->tmr);
	else if (unlikely(test_bit(vector, l->tmr)))
		clear_bit(vector, l->tmr);
	/* Already there: whoever set it makes the vCPU look, or it has looked. */
	if (test_and_set_bit(vector, l->irr))
		return;
	set_bit(vector / 64, &l->attention);
	lapic_request(l, HUSK_REQ_EVENT, own);
}

static void lapic_drop_attention(struct husk_lapic *l, int word)
{
	clear_bit(word, &l->attention);
	smp_mb__after_atomic();
	if (READ_ONCE(l->irr[word]))
		set_bit(word, &l->attention);
}

static void lapic_clear_irr(struct husk_lapic *l, u8 vector)
{
	clear_bit(vector, l->irr);
	if (!READ_ONCE(l->irr[vector / 64]))
		lapic_drop_attention(l, vector / 64);
}

static int lapic_highest_irr(struct husk_lapic *l)
{
	unsigned long words = READ_ONCE(l->attention) & LAPIC_ATT_IRR;
	unsigned long map;
	int w;

	for (; words; words &= ~BIT(w)) {
		w = apic_highest_bit(words);
		map = READ_ONCE(l->irr[w]);
		if (map)
			return w * 64 + apic_highest_bit(map);
	}
	return -1;
}

static void lapic_update_ppr(struct husk_lapic *l)
{
	WRITE_ONCE(l->ppr, apic_ppr(l->tpr, l->isr_high));
}

/* isr was loaded as a whole */
void husk_lapic_count_isr(struct husk_lapic *l)
{
	l->isr_high = apic_highest(l->isr);
	lapic_update_ppr(l);
}

/* Forget all interrupts. A message that comes meanwhile may survive, as if it came after. */
void husk_lapic_clear_vectors(struct husk_lapic *l)
{
	int w;

	for (w = 0; w < APIC_WORDS; w++) {
		WRITE_ONCE(l->irr[w], 0);
		lapic_drop_attention(l, w);
		WRITE_ONCE(l->tmr[w], 0);
		l->isr[w] = 0;
	}
	clear_bit(LAPIC_ATT_EXTINT, &l->attention);
	l->offered = false;
	husk_lapic_count_isr(l);
}

/* ---- what the guest may take now ---- */

/*
 * The 8259's INT line reaches the CPU by LINT0 programmed as ExtINT (virtual
 * wire mode), or directly while the APIC is globally disabled (SDM 3A 11.4.3).
 */
static bool lapic_extint(struct husk_lapic *l, unsigned long attention)
{
	u32 lint0 = READ_ONCE(l->lvt[LVT_LINT0]);

	if (attention & BIT(LAPIC_ATT_EXTINT))
		return true;
	if (!(attention & BIT(LAPIC_ATT_INTR)))
		return false;
	return !lapic_enabled(l) || (!(lint0 & LVT_MASKED) && (lint0 >> 8 & 7) == APIC_EXTINT);
}

static noinline int lapic_candidate_of(struct husk_lapic *l, unsigned long attention)
{
	int vector;

	if (unlikely(l->offered))
		husk_pv_eoi_settle(l->vcpu);
	if (attention & ~LAPIC_ATT_IRR && lapic_extint(l, attention))
		return LAPIC_FROM_PIC;
	if (l->live)
		return -1;	/* handed over before the next entry */
	vector = lapic_highest_irr(l);
	return apic_deliverable(vector, READ_ONCE(l->ppr)) ? vector : -1;
}

static int lapic_candidate(struct husk_lapic *l)
{
	unsigned long attention = READ_ONCE(l->attention);

	return likely(!attention) ? -1 : lapic_candidate_of(l, attention);
}

/* After a change that may let a pending interrupt through. The vCPU's thread only. */
void husk_lapic_recheck(struct husk_lapic *l)
{
	if (lapic_candidate(l) >= 0)
		set_bit(HUSK_REQ_EVENT, &l->vcpu->requests);
}

int husk_irq_pending(struct husk_vcpu *vcpu)
{
	int vector = lapic_candidate(vcpu->lapic);

	return vector == LAPIC_FROM_PIC ? husk_irqchip_pic_vector(vcpu->vm) : vector;
}

bool husk_irq_waits(struct husk_vcpu *vcpu)
{
	lapic_sync(vcpu->lapic);
	return lapic_candidate(vcpu->lapic) >= 0;
}

int husk_irq_ack(struct husk_vcpu *vcpu)
{
	struct husk_lapic *l = vcpu->lapic;
	int vector = lapic_candidate(l);

	if (vector == LAPIC_FROM_PIC) {
		clear_bit(LAPIC_ATT_EXTINT, &l->attention);
		return husk_irqchip_pic_ack(vcpu->vm);
	}
	if (vector < 0)
		return -1;
	lapic_clear_irr(l, vector);
	__set_bit(vector, l->isr);
	if (l->pv_eoi && l->isr_high < 0 && !READ_ONCE(l->attention) && !test_bit(vector, l->tmr))
		husk_pv_eoi_offer(vcpu, vector);
	/* Nothing as high was in service, or it would not have been let through. */
	l->isr_high = vector;
	lapic_update_ppr(l);
	return vector;
}

/* Of a level-triggered interrupt, unless the guest wants to do that by itself (SDM 3A 11.8.5) */
noinline void husk_lapic_broadcast_eoi(struct husk_lapic *l, u8 vector)
{
	if (!(l->svr & SVR_NO_BROADCAST))
		husk_ioapic_eoi(l->vcpu->vm, vector);
}

void husk_lapic_eoi(struct husk_lapic *l)
{
	int vector = l->isr_high;

	if (unlikely(vector < 0))
		return;
	__clear_bit(vector, l->isr);
	husk_lapic_count_isr(l);
	if (trace_husk_eoi_enabled())
		husk_traced_eoi(l->vcpu, vector);
	if (unlikely(test_bit(vector, l->tmr)))
		husk_lapic_broadcast_eoi(l, vector);
	husk_lapic_recheck(l);
}

void husk_lapic_set_tpr(struct husk_lapic *l, u8 tpr)
{
	l->tpr = tpr;
	lapic_update_ppr(l);
	husk_lapic_recheck(l);
}

u8 husk_lapic_tpr_threshold(struct husk_vcpu *vcpu)
{
	struct husk_lapic *l = vcpu->lapic;
	int vector;

	if (likely(!READ_ONCE(l->attention)) || l->live)
		return 0;
	vector = lapic_highest_irr(l);
	if (!apic_deliverable(vector, apic_ppr(0, l->isr_high)) || apic_deliverable(vector, l->ppr))
		return 0;
	return vector >> 4;
}

u8 husk_lapic_get_cr8(struct husk_vcpu *vcpu)
{
	return vcpu->lapic->tpr >> 4;
}

u8 husk_lapic_read_cr8(struct husk_vcpu *vcpu)
{
	lapic_sync(vcpu->lapic);
	return husk_lapic_get_cr8(vcpu);
}

/* TPR 3:0 is cleared as by MOV to CR8 (SDM 3A 11.8.6), but only by a change of the class */
void husk_lapic_set_cr8(struct husk_vcpu *vcpu, u8 cr8)
{
	struct husk_lapic *l = vcpu->lapic;

	lapic_sync(l);
	if (l->tpr >> 4 != (cr8 & 15))
		husk_lapic_set_tpr(l, cr8 << 4);
}

/* ---- accepting ---- */

/* Log an error; the first since ESR was written interrupts (SDM 3A 11.5.3) */
void husk_lapic_error(struct husk_lapic *l, int bit, bool own)
{
	if (READ_ONCE(l->esr_pending)) {
		set_bit(bit, &l->esr_pending);
		return;
	}
	if (!test_and_set_bit(bit, &l->esr_pending))
		husk_lapic_deliver_lvt(l, LVT_ERROR, own);
}

/**
 * husk_lapic_accept - a message has arrived
 * @l: the APIC; it is globally enabled
 * @msg: mode, vector and trigger count
 * @own: the caller is the vCPU's thread
 *
 * Any context, no lock.
 *
 * Return: false if it was refused.
 */
bool husk_lapic_accept(struct husk_lapic *l, const struct lapic_msg *msg, bool own)
{
	switch (msg->mode) {
	case APIC_FIXED:
	case APIC_LOWEST:
		if (!(READ_ONCE(l->svr) & SVR_ENABLE))
			return false;
		if (unlikely(msg->vector < 16)) {
			husk_lapic_error(l, ESR_RECEIVE_ILLEGAL, own);
			return false;
		}
		lapic_set_irr(l, msg->vector, msg->level, own);
		return true;
	case APIC_NMI:
		set_bit(LAPIC_EV_NMI, &l->events);
		lapic_request(l, HUSK_REQ_EVENT, own);
		return true;
	case APIC_INIT:
		/* A SIPI that came before it counts no more. */
		clear_bit(LAPIC_EV_SIPI, &l->events);
		set_bit(LAPIC_EV_INIT, &l->events);
		lapic_request(l, HUSK_REQ_INIT, own);
		return true;
	case APIC_SIPI:
		WRITE_ONCE(l->sipi_vector, msg->vector);
		smp_mb__before_atomic();	/* pairs with the try_cmpxchg in husk_lapic_take_sipi() */
		set_bit(LAPIC_EV_SIPI, &l->events);
		lapic_request(l, HUSK_REQ_INIT, own);
		return true;
	case APIC_EXTINT:
		set_bit(LAPIC_ATT_EXTINT, &l->attention);
		lapic_request(l, HUSK_REQ_EVENT, own);
		return true;
	default:	/* there is no system management mode */
		return false;
	}
}

/* Fire a local vector table entry. Fixed and NMI are what a source of ours can be. */
void husk_lapic_deliver_lvt(struct husk_lapic *l, int entry, bool own)
{
	u32 lvt = READ_ONCE(l->lvt[entry]);
	struct lapic_msg msg = { .vector = lvt, .mode = lvt >> 8 & 7 };

	if (lvt & LVT_MASKED)
		return;
	if (msg.mode == APIC_FIXED || msg.mode == APIC_NMI)
		husk_lapic_accept(l, &msg, own);
}

void husk_lapic_set_lint0(struct husk_vm *vm, bool level)
{
	struct husk_vcpu *vcpu = smp_load_acquire(&vm->vcpus[0]);
	struct husk_lapic *l;

	if (!vcpu)
		return;
	l = vcpu->lapic;
	if (!level) {
		clear_bit(LAPIC_ATT_INTR, &l->attention);
		return;
	}
	if (test_and_set_bit(LAPIC_ATT_INTR, &l->attention))
		return;
	if (lapic_enabled(l))
		husk_lapic_deliver_lvt(l, LVT_LINT0, false);
	if (lapic_extint(l, BIT(LAPIC_ATT_INTR)))
		husk_vcpu_request(vcpu, HUSK_REQ_EVENT);
}

/* ---- sending ---- */

/* Destination shorthand and what of 64 bits has no meaning */
#define ICR_NOT_IN_SET	(GENMASK_ULL(63, 32) | BIT(19) | BIT(18))

static struct husk_lapic *lapic_get(struct husk_vm *vm, u32 id)
{
	struct husk_vcpu *vcpu;

	if (id >= HUSK_MAX_VCPUS)
		return NULL;
	vcpu = smp_load_acquire(&vm->vcpus[array_index_nospec(id, HUSK_MAX_VCPUS)]);
	return vcpu && lapic_enabled(vcpu->lapic) ? vcpu->lapic : NULL;
}

static bool lapic_matches(struct husk_lapic *l, const struct lapic_msg *msg)
{
	struct apic_target target = {
		.id = l->vcpu->id,
		.x2apic = lapic_x2apic(l),
		.ldr = READ_ONCE(l->ldr),
		.dfr = READ_ONCE(l->dfr),
	};

	return apic_match(&target, msg->dest, msg->logical, msg->wide);
}

static u8 lapic_priority(const struct husk_lapic *l)
{
	return READ_ONCE(l->live) ? READ_ONCE(*(u8 *)(l->page + 16 * LAPIC_PPR)) : READ_ONCE(l->ppr);
}

/* Of all destinations the one with the lowest processor priority (SDM 3A 11.6.2.4) */
static bool lapic_send_lowest(struct husk_vm *vm, struct husk_lapic *src, const struct lapic_msg *msg)
{
	u32 id, count = READ_ONCE(vm->irqchip->nr_ids);
	struct husk_lapic *l, *best = NULL;

	for (id = 0; id < count; id++) {
		l = lapic_get(vm, id);
		if (!l || !(READ_ONCE(l->svr) & SVR_ENABLE) || !lapic_matches(l, msg))
			continue;
		if (!best || lapic_priority(l) >> 4 < lapic_priority(best) >> 4)
			best = l;
	}
	return best && husk_lapic_accept(best, msg, best == src);
}

bool husk_lapic_send(struct husk_vm *vm, struct husk_lapic *src, const struct lapic_msg *msg)
{
	u32 id, count = READ_ONCE(vm->irqchip->nr_ids);
	struct husk_lapic *l;
	bool accepted = false;

	if (!msg->logical && !apic_is_broadcast(msg->dest, msg->wide)) {
		l = lapic_get(vm, msg->dest);
		return l && husk_lapic_accept(l, msg, l == src);
	}
	if (msg->lowest)
		return lapic_send_lowest(vm, src, msg);
	for (id = 0; id < count; id++) {
		l = lapic_get(vm, id);
		if (l && lapic_matches(l, msg))
			accepted |= husk_lapic_accept(l, msg, l == src);
	}
	return accepted;
}

/* HUSK_TRACE_DESTS; the three in the middle are the ICR's shorthands */
enum { LAPIC_TO_PHYSICAL, LAPIC_TO_LOGICAL, LAPIC_TO_SELF, LAPIC_TO_ALL, LAPIC_TO_OTHERS, LAPIC_TO_SET };

static noinline void lapic_trace_ipi(struct husk_lapic *l, const struct lapic_msg *msg, u32 to, u64 set)
{
	trace_husk_ipi(l->vcpu->vm->id, l->vcpu->id, msg->mode, msg->vector, to, msg->dest, set);
}

static void lapic_send_others(struct husk_lapic *src, const struct lapic_msg *msg)
{
	struct husk_vm *vm = src->vcpu->vm;
	u32 id, count = READ_ONCE(vm->irqchip->nr_ids);
	struct husk_lapic *l;

	for (id = 0; id < count; id++) {
		l = lapic_get(vm, id);
		if (l && l != src)
			husk_lapic_accept(l, msg, false);
	}
}

void husk_lapic_self_ipi(struct husk_lapic *l, u8 vector)
{
	struct lapic_msg msg = { .vector = vector };

	if (unlikely(vector < 16)) {
		husk_lapic_error(l, ESR_SEND_ILLEGAL, true);
		return;
	}
	if (trace_husk_ipi_enabled())
		lapic_trace_ipi(l, &msg, LAPIC_TO_SELF, 0);
	husk_lapic_accept(l, &msg, true);
}

/* From outside, not by another vCPU */
int husk_irq_nmi(struct husk_vm *vm, u32 id)
{
	static const struct lapic_msg msg = { .mode = APIC_NMI };
	struct husk_vcpu *vcpu;
	u32 i, sent = 0;

	/* Also to a local APIC that is switched off: its LINT1 is the CPU's NMI pin then (SDM 3A 11.4.3). */
	for (i = 0; i < HUSK_MAX_VCPUS; i++) {
		vcpu = id == HUSK_NMI_ALL || id == i ? smp_load_acquire(&vm->vcpus[i]) : NULL;
		sent += vcpu && husk_lapic_accept(vcpu->lapic, &msg, false);
	}
	return sent ? 0 : -ENOENT;
}

/**
 * husk_lapic_send_set - one message to many (KVM_HC_SEND_IPI)
 * @vcpu: the sender; its thread is here
 * @low: bit n: the APIC with id @first + n
 * @high: the same from @first + 64
 * @first: any value
 * @icr: low half of an ICR, with mode fixed or NMI and no destination
 *
 * Return: how many have accepted it, or -EINVAL (which is KVM_EINVAL).
 */
s64 husk_lapic_send_set(struct husk_vcpu *vcpu, u64 low, u64 high, u64 first, u64 icr)
{
	struct lapic_msg msg = { .vector = icr, .mode = icr >> 8 & 7 };
	u64 map[2] = { low, high };
	struct husk_lapic *l;
	s64 sent = 0;
	int w, bit;

	if ((icr & ICR_NOT_IN_SET) || first >> 32 || (msg.mode != APIC_FIXED && msg.mode != APIC_NMI))
		return -EINVAL;
	for (w = 0; w < 2; w++) {
		msg.dest = first + w * 64;
		if (map[w] && trace_husk_ipi_enabled())
			lapic_trace_ipi(vcpu->lapic, &msg, LAPIC_TO_SET, map[w]);
		for (; map[w]; map[w] &= map[w] - 1) {
			bit = apic_highest_bit(map[w] & -map[w]);
			if (first + w * 64 + bit >= HUSK_MAX_VCPUS)
				break;
			l = lapic_get(vcpu->vm, first + w * 64 + bit);
			sent += l && husk_lapic_accept(l, &msg, l == vcpu->lapic);
		}
	}
	return sent;
}

/**
 * husk_lapic_write_icr - a write of the interrupt command register
 * @l: the sender; its vCPU's thread is here
 * @low: bits 31:0
 * @dest: destination, 32 bits of an x2APIC, 8 of an xAPIC
 *
 * IPIs are edge triggered whatever bit 15 says (SDM 3A 11.6.1); with bit 14
 * clear it marks an INIT level de-assert, which does nothing.
 */
void husk_lapic_write_icr(struct husk_lapic *l, u32 low, u32 dest)
{
	struct lapic_msg msg = {
		.dest = dest,
		.vector = low,
		.mode = low >> 8 & 7,
		.logical = low & BIT(11),
		.wide = lapic_x2apic(l),
	};

	msg.lowest = msg.mode == APIC_LOWEST;
	if (msg.mode == APIC_EXTINT || msg.mode == APIC_RESERVED3)
		return;
	if (msg.mode == APIC_INIT && (low & BIT(15)) && !(low & BIT(14)))
		return;
	if ((msg.mode == APIC_FIXED || msg.mode == APIC_LOWEST) && msg.vector < 16) {
		husk_lapic_error(l, ESR_SEND_ILLEGAL, true);
		return;
	}
	if (trace_husk_ipi_enabled())
		lapic_trace_ipi(l, &msg, low >> 18 & 3 ? LAPIC_TO_LOGICAL + (low >> 18 & 3) : msg.logical, 0);
	switch (low >> 18 & 3) {
	case 0:
		husk_lapic_send(l->vcpu->vm, l, &msg);
		return;
	case 1:
		husk_lapic_accept(l, &msg, true);
		return;
	case 2:
		husk_lapic_accept(l, &msg, true);
		fallthrough;
	default:
		lapic_send_others(l, &msg);
	}
}

/* ---- for the vCPU's thread ---- */

bool husk_lapic_take_nmi(struct husk_vcpu *vcpu)
{
	unsigned long *events = &vcpu->lapic->events;

	return test_bit(LAPIC_EV_NMI, events) && test_and_clear_bit(LAPIC_EV_NMI, events);
}

bool husk_lapic_take_init(struct husk_vcpu *vcpu)
{
	return test_and_clear_bit(LAPIC_EV_INIT, &vcpu->lapic->events);
}

/* Not one that came after another INIT: that is taken first, and would forget it. */
int husk_lapic_take_sipi(struct husk_vcpu *vcpu)
{
	struct husk_lapic *l = vcpu->lapic;
	unsigned long events = READ_ONCE(l->events);

	do {
		if ((events & (BIT(LAPIC_EV_INIT) | BIT(LAPIC_EV_SIPI))) != BIT(LAPIC_EV_SIPI))
			return -1;
	} while (!try_cmpxchg(&l->events, &events, events & ~BIT(LAPIC_EV_SIPI)));
	return READ_ONCE(l->sipi_vector);
}
