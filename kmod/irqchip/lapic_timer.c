// SPDX-License-Identifier: GPL-2.0
/*
 * The local APIC timer: one-shot, periodic and TSC-deadline (SDM 3A 11.5.4).
 *
 * The vCPU's thread owns the timer. It keeps the next expiry as a guest TSC
 * value, and something that makes it look at that moment or an earlier one:
 *
 *  - Where the CPU can end a stay at a given time (HUSK_MODE_PREEMPT_TIMER),
 *    vcpu->deadline, which each entry looks at; the exit is a leaf. A vCPU that
 *    is not in the guest looks at its next entry; only one that sleeps needs an
 *    hrtimer (husk_lapic_timer_block).
 *  - Elsewhere an hrtimer always; its callback only asks the vCPU to look.
 *
 * The hrtimer is lazy: a new expiry that is not earlier than what it is set for
 * costs a compare, and one that was withdrawn costs nothing: when it fires
 * before the expiry, it is set again.
 *
 * An expiry is noticed at that look or when the guest touches the timer,
 * whichever is first (lapic_timer_settle). While LVTT is masked nothing is set
 * at all.
 */
#include "irqchip/apic_timer.h"
#include "irqchip/chips.h"
#include "traced.h"

static u32 lapic_timer_mode(const struct husk_lapic *l)
{
	return l->lvt[LVT_TIMER] & (LVT_TIMER_PERIODIC | LVT_TIMER_DEADLINE);
}

static enum hrtimer_restart lapic_timer_expired(struct hrtimer *hrtimer)
{
	struct husk_lapic *l = container_of(hrtimer, struct husk_lapic, timer.hrtimer);

	WRITE_ONCE(l->timer.armed, 0);
	husk_vcpu_request(l->vcpu, HUSK_REQ_TIMER);
	return HRTIMER_NORESTART;
}

static noinline void lapic_timer_arm_slow(struct husk_lapic *l, u64 now)
{
	struct husk_lapic_timer *t = &l->timer;
	u64 ns = apic_timer_arm_ns(t->target - now, l->tsc_to_ns);

	/* First: the callback, which may run at once, clears it. */
	WRITE_ONCE(t->armed, t->target);
	hrtimer_start(&t->hrtimer, ktime_add_ns(ktime_get(), ns), HRTIMER_MODE_ABS_PINNED_HARD);
}

/*
 * Have the hrtimer fire at t->target, which is after now, or before. When the
 * callback runs beside this, HUSK_REQ_TIMER makes the thread come here again.
 */
static void lapic_timer_arm_hrtimer(struct husk_lapic *l, u64 now)
{
	struct husk_lapic_timer *t = &l->timer;
	u64 armed = READ_ONCE(t->armed);

	if (!t->target || (armed && armed <= t->target))
		return;
	if (!(l->lvt[LVT_TIMER] & LVT_MASKED))
		lapic_timer_arm_slow(l, now);
}

/* Have the thread look at t->target, which is after now, or before. */
static void lapic_timer_arm(struct husk_lapic *l, u64 now)
{
	struct husk_lapic_timer *t = &l->timer;
	struct husk_vcpu *vcpu = l->vcpu;

	if (!husk_mode(HUSK_MODE_PREEMPT_TIMER))
		lapic_timer_arm_hrtimer(l, now);
	else if (t->target && !(l->lvt[LVT_TIMER] & LVT_MASKED))
		vcpu->deadline = apic_timer_deadline(t->target, now, vcpu->tsc_offset);
	else
		vcpu->deadline = 0;
}

static __always_inline void lapic_timer_reload(struct husk_lapic *l, u64 now)
{
	struct husk_lapic_timer *t = &l->timer;

	if (lapic_timer_mode(l) == LVT_TIMER_PERIODIC)
		t->target = apic_timer_next(t->target, t->period, now);
	else
		t->target = 0;
	husk_lapic_deliver_lvt(l, LVT_TIMER, true);
}

static noinline void lapic_timer_expire_traced(struct husk_lapic *l, u64 now)
{
	/* the mode's two bits are HUSK_TRACE_TIMERS */
	trace_husk_timer(l->vcpu->vm->id, l->vcpu->id, lapic_timer_mode(l) / LVT_TIMER_PERIODIC, l->lvt[LVT_TIMER] & 0xff,
			 now - l->timer.target);
	lapic_timer_reload(l, now);
}

static noinline void lapic_timer_expire(struct husk_lapic *l, u64 now)
{
	if (trace_husk_timer_enabled())
		lapic_timer_expire_traced(l, now);
	else
		lapic_timer_reload(l, now);
}

/* Bring the timer to now; an expiry on the way is delivered, several periods count as one. */
static void lapic_timer_settle(struct husk_lapic *l, u64 now)
{
	u64 target = l->timer.target;

	if (target && apic_timer_expired(target, now, lapic_timer_mode(l) & LVT_TIMER_DEADLINE))
		lapic_timer_expire(l, now);
}

void husk_lapic_timer_fired(struct husk_vcpu *vcpu)
{
	struct husk_lapic *l = vcpu->lapic;
	u64 now = husk_guest_tsc(vcpu);

	lapic_timer_settle(l, now);
	lapic_timer_arm(l, now);
}

void husk_lapic_timer_block(struct husk_vcpu *vcpu)
{
	struct husk_lapic *l = vcpu->lapic;
	u64 now = husk_guest_tsc(vcpu);

	lapic_timer_settle(l, now);
	lapic_timer_arm(l, now);
	lapic_timer_arm_hrtimer(l, now);
}

static void lapic_timer_set_period(struct husk_lapic *l)
{
	struct husk_lapic_timer *t = &l->timer;

	t->period = apic_timer_period(t->tmict, t->shift, l->ns_to_tsc,
				      lapic_timer_mode(l) == LVT_TIMER_PERIODIC);
}

/* ---- registers ---- */

void husk_lapic_timer_write_deadline(struct husk_lapic *l, u64 value)
{
	struct husk_lapic_timer *t = &l->timer;
	u64 armed = READ_ONCE(t->armed);
	u64 now;

	/* In the other modes the MSR does nothing (SDM 3A 11.5.4.1). */
	if (unlikely(lapic_timer_mode(l) != LVT_TIMER_DEADLINE))
		return;
	/* While the hrtimer is ahead, so was the old expiry: none is lost. */
	if (!husk_mode(HUSK_MODE_PREEMPT_TIMER) && armed && (armed <= value || !value)) {
		t->target = value;
		return;
	}
	now = husk_guest_tsc(l->vcpu);
	if (unlikely(t->target && t->target <= now))
		lapic_timer_expire(l, now);
	t->target = value;
	if (unlikely(value && value <= now))
		lapic_timer_expire(l, now);	/* a deadline in the past, at once */
	lapic_timer_arm(l, now);
}

u64 husk_lapic_timer_read_deadline(struct husk_lapic *l)
{
	if (lapic_timer_mode(l) != LVT_TIMER_DEADLINE)
		return 0;
	lapic_timer_settle(l, husk_guest_tsc(l->vcpu));
	return l->timer.target;
}

void husk_lapic_timer_write_initial(struct husk_lapic *l, u32 value)
{
	struct husk_lapic_timer *t = &l->timer;
	u64 now;

	if (lapic_timer_mode(l) & LVT_TIMER_DEADLINE)
		return;
	now = husk_guest_tsc(l->vcpu);
	lapic_timer_settle(l, now);
	t->tmict = value;
	t->target = 0;
	if (value) {
		lapic_timer_set_period(l);
		t->offset = l->vcpu->tsc_offset;
		t->target = apic_timer_after(now, t->period);
	}
	lapic_timer_arm(l, now);
}

u32 husk_lapic_timer_read_current(struct husk_lapic *l)
{
	struct husk_lapic_timer *t = &l->timer;
	u64 now;

	if (!t->target || (lapic_timer_mode(l) & LVT_TIMER_DEADLINE))
		return 0;
	now = husk_guest_tsc(l->vcpu);
	lapic_timer_settle(l, now);
	return t->target ? apic_timer_count(t->target - now, l->tsc_to_ns, t->shift, t->tmict) : 0;
}

/* Go on with count left of the initial count */
static void lapic_timer_resume(struct husk_lapic *l, u32 left, u64 now)
{
	struct husk_lapic_timer *t = &l->timer;

	lapic_timer_set_period(l);
	t->offset = l->vcpu->tsc_offset;
	t->target = apic_timer_after(now, apic_timer_period(left, t->shift, l->ns_to_tsc, false));
	lapic_timer_arm(l, now);
}

void husk_lapic_timer_write_divide(struct husk_lapic *l, u32 value)
{
	u32 left = husk_lapic_timer_read_current(l);

	l->timer.dcr = value;
	l->timer.shift = apic_divide_shift(value);
	if (left)
		lapic_timer_resume(l, left, husk_guest_tsc(l->vcpu));
}

void husk_lapic_timer_write_lvt(struct husk_lapic *l, u32 value)
{
	struct husk_lapic_timer *t = &l->timer;
	u64 now = husk_guest_tsc(l->vcpu);
	u32 old = lapic_timer_mode(l);

	lapic_timer_settle(l, now);
	WRITE_ONCE(l->lvt[LVT_TIMER], value);
	/* Going to or from TSC-deadline mode disarms (SDM 3A 11.5.4.1). */
	if ((old ^ value) & LVT_TIMER_DEADLINE) {
		t->target = 0;
		t->tmict = 0;
	} else if (t->tmict && lapic_timer_mode(l) != old) {
		lapic_timer_set_period(l);
	}
	lapic_timer_arm(l, now);
}

/* ---- life ---- */

void husk_lapic_timer_init(struct husk_lapic *l)
{
	hrtimer_setup(&l->timer.hrtimer, lapic_timer_expired, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_PINNED_HARD);
}

void husk_lapic_timer_fini(struct husk_lapic *l)
{
	hrtimer_cancel(&l->timer.hrtimer);
}

/* Counts and divider to 0. An hrtimer or a vcpu->deadline that is still set makes it look for nothing. */
void husk_lapic_timer_reset(struct husk_lapic *l)
{
	struct husk_lapic_timer *t = &l->timer;

	t->target = 0;
	t->tmict = 0;
	t->dcr = 0;
	t->shift = apic_divide_shift(0);
}

/* LVTT and the divider are loaded already; left is the current count */
void husk_lapic_timer_restore(struct husk_lapic *l, u32 initial, u32 left, u64 deadline)
{
	struct husk_lapic_timer *t = &l->timer;
	u64 now = husk_guest_tsc(l->vcpu);

	t->target = 0;
	t->tmict = initial;
	if (lapic_timer_mode(l) == LVT_TIMER_DEADLINE) {
		t->target = deadline;
		lapic_timer_settle(l, now);
		lapic_timer_arm(l, now);
	} else if (initial && left) {
		lapic_timer_resume(l, left, now);
	}
}

/*
 * Counts go on at the moment they would have; a deadline is met by the new TSC.
 * What the hrtimer is set for means another moment now: set it again.
 */
void husk_lapic_tsc_changed(struct husk_vcpu *vcpu)
{
	struct husk_lapic *l = vcpu->lapic;
	struct husk_lapic_timer *t = &l->timer;
	u64 now = husk_guest_tsc(vcpu);

	if (t->target && !(lapic_timer_mode(l) & LVT_TIMER_DEADLINE))
		t->target += vcpu->tsc_offset - t->offset;
	t->offset = vcpu->tsc_offset;
	WRITE_ONCE(t->armed, 0);
	lapic_timer_settle(l, now);
	lapic_timer_arm(l, now);
}

/* Interrupts must come to the CPU where the vCPU runs, so the hrtimer goes along. */
void husk_lapic_moved(struct husk_vcpu *vcpu)
{
	struct hrtimer *hrtimer = &vcpu->lapic->timer.hrtimer;

	if (!hrtimer_active(hrtimer))
		return;
	/* Not if its callback runs just now: that needs no place. */
	if (hrtimer_try_to_cancel(hrtimer) == 1)
		hrtimer_start_expires(hrtimer, HRTIMER_MODE_ABS_PINNED_HARD);
}
