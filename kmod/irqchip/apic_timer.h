/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Arithmetic of the local APIC timer. Pure; also compiled by selftests/unit.
 *
 * All times are guest TSC values: the deadline of TSC-deadline mode is one, and
 * a count of the APIC's bus clock (1 GHz, so one nanosecond) is turned into TSC
 * ticks once, when it is written. So the common register writes need neither
 * the host's clock nor a division; nanoseconds appear only where the hrtimer is
 * armed.
 */
#ifndef HUSK_APIC_TIMER_H
#define HUSK_APIC_TIMER_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include "unit_shim.h"
#endif

/* A guest can't make a periodic timer faster than this */
#define APIC_TIMER_MIN_PERIOD_NS	20000ULL
/* The hrtimer is set for at least and at most this much later */
#define APIC_TIMER_MIN_ARM_NS		1000ULL
#define APIC_TIMER_MAX_ARM_NS		(1ULL << 42)
/* TSC ticks after which the guest is left at the latest: the preemption timer has 32 bits, at whichever rate */
#define APIC_TIMER_MAX_STAY		(1ULL << 31)

/* Factor for apic_scale(): multiplies by to/from, both below 2^31, from not 0 */
static inline u64 apic_ratio(u64 to, u64 from)
{
	return (to << 32) / from;
}

/* value * ratio without overflow; saturates */
static inline u64 apic_scale(u64 value, u64 ratio)
{
	unsigned __int128 product = ((unsigned __int128)value * ratio) >> 32;

	return product >> 64 ? ~0ULL : (u64)product;
}

/* Divide configuration register to a shift of 0..7 (SDM 3A 11.5.4) */
static inline u8 apic_divide_shift(u32 dcr)
{
	return (((dcr & 3) | (dcr & 8) >> 1) + 1) & 7;
}

/* now + ticks; wraps with the TSC, but is never 0 (which means that no expiry is set) */
static inline u64 apic_timer_after(u64 now, u64 ticks)
{
	u64 target = now + ticks;

	return target ? target : 1;
}

/* A deadline is compared as the number it is; a count goes on when the TSC wraps. */
static inline bool apic_timer_expired(u64 target, u64 now, bool deadline)
{
	return deadline ? now >= target : (s64)(now - target) >= 0;
}

/**
 * apic_timer_period - an initial count in TSC ticks
 * @count: initial count, not 0
 * @shift: of the divider
 * @ns_to_tsc: ratio
 * @periodic: apply the lower bound
 */
static inline u64 apic_timer_period(u32 count, u8 shift, u64 ns_to_tsc, bool periodic)
{
	u64 ns = (u64)count << shift;
	u64 ticks;

	if (periodic && ns < APIC_TIMER_MIN_PERIOD_NS)
		ns = APIC_TIMER_MIN_PERIOD_NS;
	ticks = apic_scale(ns, ns_to_tsc);
	return ticks ? ticks : 1;
}

/* The first expiry after now of a periodic timer whose last one, target, is not after now */
static inline u64 apic_timer_next(u64 target, u64 period, u64 now)
{
	return apic_timer_after(now, period - (now - target) % period);
}

/**
 * apic_timer_count - the current count
 * @left: TSC ticks until the expiry, not 0
 * @tsc_to_ns: ratio
 * @shift: of the divider
 * @initial: the initial count, which is not exceeded
 *
 * Rounded up, so that it is not 0 before the expiry.
 */
static inline u32 apic_timer_count(u64 left, u64 tsc_to_ns, u8 shift, u32 initial)
{
	u64 count = (apic_scale(left, tsc_to_ns) >> shift) + 1;

	return count < initial ? count : initial;
}

/* How far ahead to set the hrtimer for left ticks. It may fire early: the expiry is decided by the TSC. */
static inline u64 apic_timer_arm_ns(u64 left, u64 tsc_to_ns)
{
	u64 ns = apic_scale(left, tsc_to_ns);

	if (ns < APIC_TIMER_MIN_ARM_NS)
		return APIC_TIMER_MIN_ARM_NS;
	return ns < APIC_TIMER_MAX_ARM_NS ? ns : APIC_TIMER_MAX_ARM_NS;
}

/* The host TSC at which the guest is to be left for target, which is after now; not 0 */
static inline u64 apic_timer_deadline(u64 target, u64 now, u64 tsc_offset)
{
	u64 left = target - now;

	return apic_timer_after(now - tsc_offset, left < APIC_TIMER_MAX_STAY ? left : APIC_TIMER_MAX_STAY);
}

#endif
