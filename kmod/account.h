/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What each exit leaves behind: its entry in the flight recorder, and its count
 * and time by reason. On the path of each exit: every instruction counts.
 *
 * All in the vCPU's thread: husk_exit_next() and husk_exit_begin() around the
 * entry, then for exits that the fast loop serves husk_exit_end_fast(); for
 * others husk_exit_count(), and husk_exit_end_slow() when the service is over.
 */
#ifndef HUSK_ACCOUNT_H
#define HUSK_ACCOUNT_H

#include <linux/bitops.h>
#include <linux/jump_label.h>
#include <asm/msr.h>

#include "husk.h"
#include "trace.h"

DECLARE_STATIC_KEY_TRUE(husk_stats_on);		/* module parameter stats */

void husk_exit_trace(struct husk_vcpu *vcpu);
/* The exit took more than 2^32 ticks, or fewer than none: the TSC of another CPU may be behind. */
void husk_exit_time_long(struct husk_vcpu *vcpu, u64 ticks);

/* Before an entry: the flight recorder's next place, marked as not served */
static __always_inline void husk_exit_next(struct husk_vcpu *vcpu)
{
	u32 seq = ++vcpu->stats->entries;
	struct husk_flight *f = vcpu->flight = &vcpu->stats->flight[seq % HUSK_FLIGHT_LEN];

	*(u64 *)&f->sequence = seq;	/* and reason, level, vector, event */
	static_assert(offsetof(struct husk_flight, ticks) - offsetof(struct husk_flight, sequence) == 8);
}

static __always_inline void husk_exit_begin(struct husk_vcpu *vcpu)
{
	struct husk_flight *f = vcpu->flight;
	u32 *tsc = (u32 *)&f->tsc;

	asm volatile("rdtsc" : "=a" (tsc[0]), "=d" (tsc[1]));
	f->rip = vcpu->regs.rip;
	f->info0 = vcpu->exit.info[0];
	f->info1 = vcpu->exit.info[1];
	f->hw_reason = vcpu->exit.hw_reason;
}

/* Of it, reason[0] is vcpu->stats->reason[reason]; compilers take more instructions to get there. */
static __always_inline struct husk_stats *husk_exit_stats(struct husk_vcpu *vcpu, unsigned long reason)
{
	unsigned long at;

	asm("imulq %2, %1, %0" : "=r" (at) : "r" (reason), "i" (sizeof(struct husk_exit_stats)));
	at += (unsigned long)vcpu->stats;
	OPTIMIZER_HIDE_VAR(at);
	return (struct husk_stats *)at;
}

static __always_inline void husk_exit_end_fast(struct husk_vcpu *vcpu)
{
	unsigned long reason = vcpu->exit.reason;
	struct husk_flight *f = vcpu->flight;

	static_assert(HUSK_LEVEL_FAST == 0);	/* as husk_exit_next() has set it */
	f->reason = reason;
	if (static_branch_likely(&husk_stats_on)) {
		struct husk_stats *stats = husk_exit_stats(vcpu, reason);
		/* Interrupts are off, so 32 bits will do. The last bit is for the bucket's sake. */
		u64 ticks = ((u32)rdtsc() - (u32)f->tsc) | 1;

		stats->reason[0].exits[HUSK_LEVEL_FAST]++;
		stats->reason[0].ticks += ticks;
		stats->reason[0].times[__fls(ticks)]++;
	}
	if (trace_husk_exit_enabled())
		husk_exit_trace(vcpu);
}

/* Not before its end: the reason may have become a finer one (FAULT2 to MMIO). */
static __always_inline void husk_exit_count(struct husk_vcpu *vcpu, u8 level)
{
	unsigned long reason = vcpu->exit.reason;
	struct husk_flight *f = vcpu->flight;

	f->reason = reason;
	f->level = level;
	if (static_branch_likely(&husk_stats_on))
		husk_exit_stats(vcpu, reason)->reason[0].exits[level]++;
}

static __always_inline void husk_exit_end_slow(struct husk_vcpu *vcpu)
{
	if (static_branch_likely(&husk_stats_on)) {
		struct husk_stats *stats = husk_exit_stats(vcpu, vcpu->exit.reason);
		u64 ticks = rdtsc() - vcpu->flight->tsc;

		if (unlikely(ticks >> 32)) {
			husk_exit_time_long(vcpu, ticks);
		} else {
			vcpu->flight->ticks = ticks;
			ticks |= 1;
			stats->reason[0].ticks += ticks;
			stats->reason[0].times[__fls(ticks)]++;
		}
	}
	if (trace_husk_exit_enabled())
		husk_exit_trace(vcpu);
}

#endif
