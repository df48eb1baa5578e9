/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An 8254: three counters, all modes. Pure state machine over time in ticks of
 * its 1.193182 MHz clock; also compiled by selftests/unit. The caller
 * serializes and gives ticks that never go back.
 */
#ifndef HUSK_PIT_H
#define HUSK_PIT_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include "unit_shim.h"
#endif

#define PIT_HZ		1193182ULL
#define PIT_NEVER	(~0ULL)
#define PIT_PHASES	(1ULL << 18)	/* husk_pit_phase() is below; ticks begin there, so that none comes before tick 0 */

struct husk_pit_channel {
	u64 start;	/* tick at which the count began, while @counting */
	u64 frozen;	/* ticks counted when the gate stopped the count */
	u32 count;	/* initial count in binary, 1..65536; 0: none since the control word */
	u32 next;	/* count for the next cycle or trigger, 0: none */
	u16 latch;
	u8 status;
	u8 access;	/* 1 low byte, 2 high byte, 3 both */
	u8 mode;	/* 0..5 */
	bool bcd;
	bool gate;
	bool counting;	/* false: stopped by the gate, or not yet triggered */
	bool latched, status_latched;
	bool read_high, write_high;	/* access 3: the high byte is next */
	u8 low;		/* access 3: low byte that was written */
};

struct husk_pit {
	struct husk_pit_channel channel[3];
};

/* Nanoseconds to whole ticks, and ticks to nanoseconds rounded up */
static inline u64 husk_pit_ticks(u64 ns)
{
	return ns / 1000000000 * PIT_HZ + ns % 1000000000 * PIT_HZ / 1000000000;
}

static inline u64 husk_pit_ns(u64 ticks)
{
	return ticks / PIT_HZ * 1000000000 + (ticks % PIT_HZ * 1000000000 + PIT_HZ - 1) / PIT_HZ;
}

void husk_pit_reset(struct husk_pit *pit);
/* Ticks that the count has gone on for, without whole rounds that make no difference */
u64 husk_pit_phase(const struct husk_pit_channel *c, u64 tick);
/* @frozen was set in all of them: those that count go on from there */
void husk_pit_resume(struct husk_pit *pit, u64 tick);
/* port 40h..43h */
u8 husk_pit_read(struct husk_pit *pit, u16 port, u64 tick);
void husk_pit_write(struct husk_pit *pit, u16 port, u8 value, u64 tick);
void husk_pit_set_gate(struct husk_pit *pit, int n, bool gate, u64 tick);
bool husk_pit_out(struct husk_pit *pit, int n, u64 tick);
/* Tick of the first rising edge of OUT after tick, or PIT_NEVER */
u64 husk_pit_next_rise(struct husk_pit *pit, int n, u64 tick);

#endif
