/* SPDX-License-Identifier: GPL-2.0 */
/* The arithmetic of exits' times, for husk stat. */
#ifndef HUSK_CLI_STAT_H
#define HUSK_CLI_STAT_H

#include <stdint.h>

#include "uapi/husk.h"

/* Of one vCPU or several */
struct stat_sums {
	uint32_t tsc_khz;	/* 0: nothing was timed */
	struct husk_exit_stats reason[HUSK_REASON_COUNT];
};

uint64_t stat_ns(uint64_t ticks, uint32_t tsc_khz);
/* How many exits were timed: those of the worker's are when it comes back */
uint64_t stat_timed(const struct husk_exit_stats *s);
/* Upper bound, in ticks, of the bucket that so many of a hundred end in */
uint64_t stat_percentile(const struct husk_exit_stats *s, unsigned int percent);
/* now - before; the counters only grow */
void stat_difference(struct stat_sums *since, const struct stat_sums *now, const struct stat_sums *before);

#endif
