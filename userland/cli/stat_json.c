// SPDX-License-Identifier: GPL-2.0
/* Exits' counts and times as JSON, the same for husk stat and husk show. */
#include <inttypes.h>
#include <stdio.h>

#include "lib/netlink.h"
#include "stat.h"

static void json_reason(const struct husk_exit_stats *s, const char *name, uint32_t tsc_khz)
{
	int buckets = HUSK_TIME_BUCKETS;

	printf("{\"reason\": \"%s\"", name);
	for (int l = 0; l < HUSK_LEVEL_COUNT; l++)
		printf(", \"%s\": %" PRIu64, husk_level_name(l), (uint64_t)s->exits[l]);
	printf(", \"total_ns\": %" PRIu64 ", \"avg_ns\": %" PRIu64 ", \"p50_ns\": %" PRIu64 ", \"p99_ns\": %" PRIu64
	       ", \"max_ns\": %" PRIu64 ", \"log2_ticks\": [", stat_ns(s->ticks, tsc_khz), stat_avg_ns(s, tsc_khz),
	       stat_percentile_ns(s, 50, tsc_khz), stat_percentile_ns(s, 99, tsc_khz), stat_percentile_ns(s, 100, tsc_khz));
	while (buckets > 1 && !s->times[buckets - 1])
		buckets--;
	for (int i = 0; i < buckets; i++)
		printf("%s%" PRIu64, i ? ", " : "", (uint64_t)s->times[i]);
	printf("]}");
}

void stat_json(const struct stat_sums *sums, const char *indent)
{
	const char *comma = "";

	printf("[");
	for (int r = 0; r < HUSK_REASON_COUNT; r++) {
		if (!stat_count(&sums->reason[r]))
			continue;
		printf("%s%s", comma, indent);
		json_reason(&sums->reason[r], husk_reason_name(r), sums->tsc_khz);
		comma = ",";
	}
	printf("]");
}
