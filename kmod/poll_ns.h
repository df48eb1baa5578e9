/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How long to wait awake for what often comes at once, before one sleeps: a time that grows while that would have been
 * enough, and is nothing once the wait was longer than it may be at most.
 */
#ifndef HUSK_POLL_NS_H
#define HUSK_POLL_NS_H

#include <linux/minmax.h>
#include <linux/types.h>

#define HUSK_POLL_FIRST_NS	10000U

/* It has waited for so many ns, awake or not: choose how long to do so awake next time. */
static inline void husk_poll_adapt(u32 *poll_ns, u64 waited, u32 most)
{
	if (waited > most)
		*poll_ns = 0;
	else if (waited > *poll_ns)
		*poll_ns = min(max(2 * *poll_ns, HUSK_POLL_FIRST_NS), most);
}

#endif
