/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Arithmetic of the paravirtual clock (Documentation/virt/kvm/x86/msr.rst,
 * MSR_KVM_SYSTEM_TIME_NEW): nanoseconds = ((ticks << shift) * mul) >> 32, a negative
 * shift being one to the right. Pure; also compiled by selftests/unit.
 */
#ifndef HUSK_PVCLOCK_MATH_H
#define HUSK_PVCLOCK_MATH_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include "unit_shim.h"
#endif

#define PVCLOCK_NS	1000000000ULL

/*
 * The factor for hz, which is not 0. As many bits of it as there is room for: at
 * 3 GHz the clock is then wrong by less than 20 ms a year.
 */
static inline void pvclock_scale(u64 hz, u32 *mul, s8 *shift)
{
	s8 s = 0;

	/* mul = (10^9 << 32 - s) / hz is to have its highest bit at 31 */
	while (s < 31 && (PVCLOCK_NS << (32 - s)) / hz > 0xffffffffULL)
		s++;
	while (s > -2 && (PVCLOCK_NS << (33 - s)) / hz <= 0xffffffffULL)
		s--;
	*mul = (PVCLOCK_NS << (32 - s)) / hz;
	*shift = s;
}

/* How far a counter went back, by more than least, 0: it did not. Less is another CPU's counter. */
static inline u64 pvclock_back(u64 last, u64 now, u64 least)
{
	return now < last && last - now > least ? last - now : 0;
}

/* As guests do it */
static inline u64 pvclock_ns(u64 ticks, u32 mul, s8 shift)
{
	ticks = shift < 0 ? ticks >> -shift : ticks << shift;
	return (u64)(((unsigned __int128)ticks * mul) >> 32);
}

#endif
