// SPDX-License-Identifier: GPL-2.0
/* The arithmetic of exits' times, for husk stat. */
#include "stat.h"

uint64_t stat_ns(uint64_t ticks, uint32_t tsc_khz)
{
	return tsc_khz ? (unsigned __int128)ticks * 1000000 / tsc_khz : 0;
}

uint64_t stat_timed(const struct husk_exit_stats *s)
{
	uint64_t sum = 0;

	for (int i = 0; i < HUSK_TIME_BUCKETS; i++)
		sum += s->times[i];
	return sum;
}

uint64_t stat_percentile(const struct husk_exit_stats *s, unsigned int percent)
{
	uint64_t all = stat_timed(s), left = all / 100 * percent + all % 100 * percent / 100;

	for (int i = 0; i < HUSK_TIME_BUCKETS; i++) {
		if (s->times[i] > left)
			return (2ULL << i) - 1;
		left -= s->times[i];
	}
	return all ? (2ULL << (HUSK_TIME_BUCKETS - 1)) - 1 : 0;
}

void stat_difference(struct stat_sums *since, const struct stat_sums *now, const struct stat_sums *before)
{
	since->tsc_khz = now->tsc_khz;
	for (int r = 0; r < HUSK_REASON_COUNT; r++) {
		const struct husk_exit_stats *n = &now->reason[r], *b = &before->reason[r];
		struct husk_exit_stats *s = &since->reason[r];

		s->ticks = n->ticks - b->ticks;
		for (int l = 0; l < HUSK_LEVEL_COUNT; l++)
			s->exits[l] = n->exits[l] - b->exits[l];
		for (int i = 0; i < HUSK_TIME_BUCKETS; i++)
			s->times[i] = n->times[i] - b->times[i];
	}
}
