// SPDX-License-Identifier: GPL-2.0
/* The arithmetic of exits' times. */
#include "stat.h"

uint64_t stat_ns(uint64_t ticks, uint32_t tsc_khz)
{
	return tsc_khz ? (unsigned __int128)ticks * 1000000 / tsc_khz : 0;
}

void stat_add_vcpu(struct stat_sums *sums, const struct husk_nl_vcpu *vcpu)
{
	for (int r = 0; r < HUSK_REASON_COUNT; r++)
		for (int l = 0; l < HUSK_LEVEL_COUNT; l++)
			sums->reason[r].exits[l] += vcpu->exits[r][l];
}

void stat_add_times(struct stat_sums *sums, const struct husk_nl_times *times)
{
	struct husk_exit_stats *sum = &sums->reason[times->reason];

	sums->tsc_khz = times->tsc_khz;
	sum->ticks += times->ticks;
	for (int i = 0; i < HUSK_TIME_BUCKETS; i++)
		sum->times[i] += times->times[i];
}

uint64_t stat_count(const struct husk_exit_stats *s)
{
	uint64_t sum = 0;

	for (int l = 0; l < HUSK_LEVEL_COUNT; l++)
		sum += s->exits[l];
	return sum;
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

	if (all && left == all)
		left--;		/* the last one */
	for (int i = 0; i < HUSK_TIME_BUCKETS; i++) {
		if (s->times[i] > left)
			return (2ULL << i) - 1;
		left -= s->times[i];
	}
	return all ? (2ULL << (HUSK_TIME_BUCKETS - 1)) - 1 : 0;
}

uint64_t stat_avg_ns(const struct husk_exit_stats *s, uint32_t tsc_khz)
{
	uint64_t timed = stat_timed(s);

	return timed ? stat_ns(s->ticks / timed, tsc_khz) : 0;
}

uint64_t stat_percentile_ns(const struct husk_exit_stats *s, unsigned int percent, uint32_t tsc_khz)
{
	return stat_ns(stat_percentile(s, percent), tsc_khz);
}

void stat_add(struct stat_sums *sum, const struct stat_sums *other)
{
	for (int r = 0; r < HUSK_REASON_COUNT; r++) {
		const struct husk_exit_stats *o = &other->reason[r];
		struct husk_exit_stats *s = &sum->reason[r];

		s->ticks += o->ticks;
		for (int l = 0; l < HUSK_LEVEL_COUNT; l++)
			s->exits[l] += o->exits[l];
		for (int i = 0; i < HUSK_TIME_BUCKETS; i++)
			s->times[i] += o->times[i];
	}
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
