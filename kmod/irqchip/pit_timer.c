// SPDX-License-Identifier: GPL-2.0
/*
 * The 8254 in time: ticks from CLOCK_MONOTONIC, channel 0's output to GSI 0 by
 * an hrtimer, and port 61h (gate and output of channel 2, speaker, refresh).
 *
 * Interrupts that could not be raised in time are dropped, not made up for; so
 * neither a long pause nor an absurd rate makes a storm.
 */
#include "irqchip/chips.h"

#define PIT_MIN_INTERVAL_NS	200000
#define PIT_REFRESH_NS		15085	/* half a period of the refresh request, channel 1 in a PC/AT */

#define PORT61_GATE2		BIT(0)
#define PORT61_WRITABLE		0x0f
#define PORT61_REFRESH		BIT(4)
#define PORT61_OUT2		BIT(5)

static u64 pit_timer_tick(struct husk_pit_timer *t)
{
	return husk_pit_ticks(ktime_get_ns() - t->epoch);
}

/* Set the hrtimer for t->due. Locked. */
static void pit_timer_start(struct husk_pit_timer *t)
{
	u64 earliest = ktime_get_ns() + PIT_MIN_INTERVAL_NS;

	if (t->due == PIT_NEVER || t->stopped)
		return;
	hrtimer_start(&t->hrtimer, ns_to_ktime(max(t->epoch + husk_pit_ns(t->due), earliest)),
		      HRTIMER_MODE_ABS_PINNED_HARD);
}

/* Is an interrupt due? Then the next one is that after now. Locked. */
static bool pit_timer_advance(struct husk_pit_timer *t, u64 tick)
{
	if (tick < t->due)
		return false;
	t->due = husk_pit_next_rise(&t->pit, 0, tick);
	return true;
}

/* OUT of channel 0 rose. Not locked: the line has locks of its own. */
static void pit_timer_pulse(struct husk_pit_timer *t)
{
	husk_irq_set(t->vm, 0, HUSK_IRQ_PIT, true);
	husk_irq_set(t->vm, 0, HUSK_IRQ_PIT, false);
}

static enum hrtimer_restart pit_timer_expired(struct hrtimer *hrtimer)
{
	struct husk_pit_timer *t = container_of(hrtimer, struct husk_pit_timer, hrtimer);
	unsigned long flags;
	bool fire;

	raw_spin_lock_irqsave(&t->lock, flags);
	/* It may have been programmed anew while this waited for the lock. */
	fire = pit_timer_advance(t, pit_timer_tick(t)) && !t->stopped;
	pit_timer_start(t);
	raw_spin_unlock_irqrestore(&t->lock, flags);
	if (fire)
		pit_timer_pulse(t);
	return HRTIMER_NORESTART;
}

/* ---- registers ---- */

static u8 pit_timer_read61(struct husk_pit_timer *t, u64 tick)
{
	u8 value = t->port61;

	if (ktime_get_ns() / PIT_REFRESH_NS & 1)
		value |= PORT61_REFRESH;
	if (husk_pit_out(&t->pit, 2, tick))
		value |= PORT61_OUT2;
	return value;
}

bool husk_pit_timer_owns(u16 port)
{
	return (port & ~3) == 0x40 || port == 0x61;
}

u8 husk_pit_timer_read(struct husk_vm *vm, u16 port)
{
	struct husk_pit_timer *t = &vm->irqchip->pit;
	unsigned long flags;
	u64 tick;
	u8 value;

	raw_spin_lock_irqsave(&t->lock, flags);
	tick = pit_timer_tick(t);
	value = port == 0x61 ? pit_timer_read61(t, tick) : husk_pit_read(&t->pit, port, tick);
	raw_spin_unlock_irqrestore(&t->lock, flags);
	return value;
}

/* Does it program channel 0? A latch command does not. */
static bool pit_timer_programs(u16 port, u8 value)
{
	return port == 0x40 || (port == 0x43 && !(value & 0xc0) && (value & 0x30));
}

void husk_pit_timer_write(struct husk_vm *vm, u16 port, u8 value)
{
	struct husk_pit_timer *t = &vm->irqchip->pit;
	unsigned long flags;
	bool fire = false;
	u64 tick;

	raw_spin_lock_irqsave(&t->lock, flags);
	tick = pit_timer_tick(t);
	if (port == 0x61) {
		t->port61 = value & PORT61_WRITABLE;
		husk_pit_set_gate(&t->pit, 2, value & PORT61_GATE2, tick);
	} else if (!pit_timer_programs(port, value)) {
		husk_pit_write(&t->pit, port, value, tick);
	} else {
		fire = pit_timer_advance(t, tick);	/* of the old count */
		husk_pit_write(&t->pit, port, value, tick);
		t->due = husk_pit_next_rise(&t->pit, 0, tick);
		pit_timer_start(t);
	}
	raw_spin_unlock_irqrestore(&t->lock, flags);
	if (fire)
		pit_timer_pulse(t);
}

u64 husk_pit_timer_save(struct husk_vm *vm, struct husk_pit *pit, u8 *port61)
{
	struct husk_pit_timer *t = &vm->irqchip->pit;
	unsigned long flags;
	bool fire;
	u64 tick;
	int n;

	raw_spin_lock_irqsave(&t->lock, flags);
	tick = pit_timer_tick(t);
	fire = pit_timer_advance(t, tick);	/* what is due is not in the state */
	for (n = 0; n < 3; n++)
		husk_pit_out(&t->pit, n, tick);	/* a new count may have begun */
	*pit = t->pit;
	*port61 = t->port61;
	raw_spin_unlock_irqrestore(&t->lock, flags);
	if (fire)
		pit_timer_pulse(t);
	return tick;
}

void husk_pit_timer_load(struct husk_vm *vm, const struct husk_pit *pit, u8 port61)
{
	struct husk_pit_timer *t = &vm->irqchip->pit;
	unsigned long flags;
	u64 tick;

	raw_spin_lock_irqsave(&t->lock, flags);
	tick = pit_timer_tick(t);
	t->pit = *pit;
	t->port61 = port61;
	husk_pit_resume(&t->pit, tick);
	t->due = husk_pit_next_rise(&t->pit, 0, tick);
	pit_timer_start(t);
	raw_spin_unlock_irqrestore(&t->lock, flags);
}

void husk_pit_timer_reset(struct husk_vm *vm)
{
	struct husk_pit_timer *t = &vm->irqchip->pit;
	unsigned long flags;

	raw_spin_lock_irqsave(&t->lock, flags);
	husk_pit_reset(&t->pit);
	t->port61 = 0;
	t->due = PIT_NEVER;
	raw_spin_unlock_irqrestore(&t->lock, flags);
}

void husk_pit_timer_init(struct husk_vm *vm)
{
	struct husk_pit_timer *t = &vm->irqchip->pit;

	raw_spin_lock_init(&t->lock);
	t->vm = vm;
	t->epoch = ktime_get_ns() - husk_pit_ns(PIT_PHASES);
	hrtimer_setup(&t->hrtimer, pit_timer_expired, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_PINNED_HARD);
	husk_pit_timer_reset(vm);
}

/* For good. The callback does not start again once it has seen @stopped. */
void husk_pit_timer_stop(struct husk_vm *vm)
{
	struct husk_pit_timer *t = &vm->irqchip->pit;
	unsigned long flags;

	raw_spin_lock_irqsave(&t->lock, flags);
	t->stopped = true;
	raw_spin_unlock_irqrestore(&t->lock, flags);
	hrtimer_cancel(&t->hrtimer);
}
