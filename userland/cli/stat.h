/* SPDX-License-Identifier: GPL-2.0 */
/* Exits' counts and times, for husk stat, show and top: the arithmetic (stat.c), as JSON (stat_json.c). */
#ifndef HUSK_CLI_STAT_H
#define HUSK_CLI_STAT_H

#include <stdint.h>

#include "lib/netlink.h"

/* Of one vCPU or several */
struct stat_sums {
	uint32_t tsc_khz;	/* 0: nothing was timed */
	struct husk_exit_stats reason[HUSK_REASON_COUNT];
};

/* Add what the kernel module says of a vCPU: how often, and how long. */
void stat_add_vcpu(struct stat_sums *sums, const struct husk_nl_vcpu *vcpu);
void stat_add_times(struct stat_sums *sums, const struct husk_nl_times *times);

uint64_t stat_ns(uint64_t ticks, uint32_t tsc_khz);
uint64_t stat_count(const struct husk_exit_stats *s);
/* How many exits were timed: those of the worker's are when it comes back */
uint64_t stat_timed(const struct husk_exit_stats *s);
/* Upper bound, in ticks, of the bucket that so many of a hundred end in */
uint64_t stat_percentile(const struct husk_exit_stats *s, unsigned int percent);
/* In ns: the mean; what so many of a hundred do not exceed, 100 for the longest one's bucket */
uint64_t stat_avg_ns(const struct husk_exit_stats *s, uint32_t tsc_khz);
uint64_t stat_percentile_ns(const struct husk_exit_stats *s, unsigned int percent, uint32_t tsc_khz);
/* sum + other */
void stat_add(struct stat_sums *sum, const struct stat_sums *other);
/* now - before; the counters only grow */
void stat_difference(struct stat_sums *since, const struct stat_sums *now, const struct stat_sums *before);

/* The reasons that there were exits for, as an array; before each of its objects goes indent */
void stat_json(const struct stat_sums *sums, const char *indent);

#endif
