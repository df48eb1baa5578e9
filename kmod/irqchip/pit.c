// SPDX-License-Identifier: GPL-2.0
/*
 * Intel 8254 programmable interval timer (data sheet 231164-005). Nothing
 * counts here: a counter's value and output are computed from the time at which
 * its count began. Pure state machine: no lock, no call to the kernel.
 *
 * A new count is taken at once where the chip takes it at the next clock pulse.
 */
#include "pit.h"

/* Modes 1 and 5 start by a rising gate, 2 and 3 repeat, 0 and 4 stop while the gate is low. */
static bool pit_triggered(const struct husk_pit_channel *c)
{
	return c->mode == 1 || c->mode == 5;
}

static bool pit_periodic(const struct husk_pit_channel *c)
{
	return c->mode == 2 || c->mode == 3;
}

static u64 pit_elapsed(const struct husk_pit_channel *c, u64 tick)
{
	return c->counting ? tick - c->start : c->frozen;
}

/* A periodic counter takes a new count when its cycle ends. */
static void pit_settle(struct husk_pit_channel *c, u64 tick)
{
	if (!c->next || !pit_periodic(c) || !c->counting || tick - c->start < c->count)
		return;
	c->start += c->count;
	c->count = c->next;
	c->next = 0;
}

static bool pit_level(const struct husk_pit_channel *c, u64 tick)
{
	u64 elapsed = pit_elapsed(c, tick);

	if (!c->count)
		return c->mode != 0;
	switch (c->mode) {
	case 0:
		return elapsed >= c->count;
	case 1:
		return !c->counting || elapsed >= c->count;
	case 2:
		return !c->counting || elapsed % c->count != c->count - 1;
	case 3:
		return !c->counting || elapsed % c->count < (c->count + 1) / 2;
	case 4:
		return elapsed != c->count;
	default:
		return !c->counting || elapsed != c->count;
	}
}

static u16 pit_to_bcd(u32 value)
{
	return value % 10 | value / 10 % 10 << 4 | value / 100 % 10 << 8 | value / 1000 % 10 << 12;
}

static u32 pit_from_bcd(u16 value)
{
	return (value & 15) + (value >> 4 & 15) * 10 + (value >> 8 & 15) * 100 + (value >> 12) * 1000;
}

/* The counting element, as it is read */
static u16 pit_value(const struct husk_pit_channel *c, u64 tick)
{
	u32 modulus = c->bcd ? 10000 : 65536;
	u64 elapsed = pit_elapsed(c, tick);
	u32 phase, half, value;

	if (!c->count)
		return 0;
	phase = elapsed % c->count;
	half = (c->count + 1) / 2;
	switch (c->mode) {
	case 2:
		value = c->count - phase;
		break;
	case 3:		/* counts down by two, twice a cycle */
		value = (c->count & ~1U) - 2 * (phase < half ? phase : phase - half);
		break;
	default:	/* goes on through 0 */
		value = c->count + modulus - elapsed % modulus;
	}
	value %= modulus;
	return c->bcd ? pit_to_bcd(value) : value;
}

static void pit_load(struct husk_pit_channel *c, u16 value, u64 tick)
{
	u32 count = c->bcd ? pit_from_bcd(value) : value;

	if (!count)
		count = c->bcd ? 10000 : 65536;
	if (c->count && pit_periodic(c) && c->counting) {
		c->start += (tick - c->start) / c->count * c->count;
		c->next = count;
		return;
	}
	if (c->count && pit_triggered(c)) {
		c->next = count;
		return;
	}
	c->count = count;
	c->next = 0;
	c->frozen = 0;
	c->start = tick;
	c->counting = c->gate && !pit_triggered(c);
}

static void pit_gate_rise(struct husk_pit_channel *c, u64 tick)
{
	if (!c->count)
		return;
	if (pit_triggered(c) || pit_periodic(c)) {
		if (c->next)
			c->count = c->next;
		c->next = 0;
		c->frozen = 0;
	}
	c->start = tick - c->frozen;
	c->counting = true;
}

static void pit_gate_fall(struct husk_pit_channel *c, u64 tick)
{
	if (pit_triggered(c) || !c->counting)
		return;
	c->frozen = tick - c->start;
	c->counting = false;
}

void husk_pit_set_gate(struct husk_pit *pit, int n, bool gate, u64 tick)
{
	struct husk_pit_channel *c = &pit->channel[n];

	pit_settle(c, tick);
	if (gate && !c->gate)
		pit_gate_rise(c, tick);
	else if (!gate && c->gate)
		pit_gate_fall(c, tick);
	c->gate = gate;
}

bool husk_pit_out(struct husk_pit *pit, int n, u64 tick)
{
	pit_settle(&pit->channel[n], tick);
	return pit_level(&pit->channel[n], tick);
}

u64 husk_pit_next_rise(struct husk_pit *pit, int n, u64 tick)
{
	struct husk_pit_channel *c = &pit->channel[n];
	u64 rise;

	pit_settle(c, tick);
	if (!c->count || !c->counting)
		return PIT_NEVER;
	if (pit_periodic(c))
		return c->start + ((tick - c->start) / c->count + 1) * c->count;
	rise = c->start + c->count + (c->mode >= 4);
	return rise > tick ? rise : PIT_NEVER;
}

u64 husk_pit_phase(const struct husk_pit_channel *c, u64 tick)
{
	u64 elapsed = pit_elapsed(c, tick);
	u64 last = (u64)c->count + 2;	/* after it a count that does not repeat only goes round */

	if (!c->count)
		return 0;
	if (pit_periodic(c))
		return elapsed % c->count;
	return elapsed < last ? elapsed : last + (elapsed - last) % (c->bcd ? 10000 : 65536);
}

void husk_pit_resume(struct husk_pit *pit, u64 tick)
{
	int n;

	for (n = 0; n < 3; n++)
		pit->channel[n].start = tick - pit->channel[n].frozen;
}

/* ---- registers ---- */

static void pit_latch_count(struct husk_pit_channel *c, u64 tick)
{
	if (c->latched)
		return;
	pit_settle(c, tick);
	c->latch = pit_value(c, tick);
	c->latched = true;
}

static void pit_latch_status(struct husk_pit_channel *c, u64 tick)
{
	if (c->status_latched)
		return;
	pit_settle(c, tick);
	c->status = pit_level(c, tick) << 7 | (!c->count || c->next) << 6 |
		    c->access << 4 | c->mode << 1 | c->bcd;
	c->status_latched = true;
}

static void pit_read_back(struct husk_pit *pit, u8 value, u64 tick)
{
	int n;

	for (n = 0; n < 3; n++) {
		if (!(value & 2 << n))
			continue;
		if (!(value & 0x20))
			pit_latch_count(&pit->channel[n], tick);
		if (!(value & 0x10))
			pit_latch_status(&pit->channel[n], tick);
	}
}

static void pit_control(struct husk_pit *pit, u8 value, u64 tick)
{
	struct husk_pit_channel *c;
	bool gate;

	if (value >> 6 == 3) {
		pit_read_back(pit, value, tick);
		return;
	}
	c = &pit->channel[value >> 6];
	if (!(value >> 4 & 3)) {
		pit_latch_count(c, tick);
		return;
	}
	gate = c->gate;
	*c = (struct husk_pit_channel) {
		.gate = gate,
		.access = value >> 4 & 3,
		/* 6 and 7 are 2 and 3 */
		.mode = (value >> 1 & 7) > 5 ? value >> 1 & 3 : value >> 1 & 7,
		.bcd = value & 1,
	};
}

void husk_pit_write(struct husk_pit *pit, u16 port, u8 value, u64 tick)
{
	int n = port & 3;
	struct husk_pit_channel *c;

	if (n == 3) {
		pit_control(pit, value, tick);
		return;
	}
	c = &pit->channel[n];
	pit_settle(c, tick);
	switch (c->access) {
	case 1:
		pit_load(c, value, tick);
		break;
	case 2:
		pit_load(c, value << 8, tick);
		break;
	case 3:
		c->write_high = !c->write_high;
		if (!c->write_high) {
			pit_load(c, value << 8 | c->low, tick);
			break;
		}
		c->low = value;
		if (c->mode == 0)	/* the first byte stops the count */
			c->count = 0;
	}
}

u8 husk_pit_read(struct husk_pit *pit, u16 port, u64 tick)
{
	int n = port & 3;
	struct husk_pit_channel *c;
	bool high;
	u16 value;

	if (n == 3)
		return 0xff;	/* the control register can't be read */
	c = &pit->channel[n];
	if (c->status_latched) {
		c->status_latched = false;
		return c->status;
	}
	pit_settle(c, tick);
	value = c->latched ? c->latch : pit_value(c, tick);
	high = c->access == 2 || (c->access == 3 && c->read_high);
	if (c->access == 3)
		c->read_high = !c->read_high;
	if (c->access != 3 || high)
		c->latched = false;
	return high ? value >> 8 : value;
}

/* As a BIOS finds it: no counter programmed; the gates of 0 and 1 are tied high. */
void husk_pit_reset(struct husk_pit *pit)
{
	int n;

	for (n = 0; n < 3; n++)
		pit->channel[n] = (struct husk_pit_channel) { .gate = n != 2, .access = 3, .mode = n ? 3 : 0 };
}
