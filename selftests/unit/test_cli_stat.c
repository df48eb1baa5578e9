// SPDX-License-Identifier: GPL-2.0
/* The arithmetic of husk stat. */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "cli/stat.h"

static void test_ns(void)
{
	check("ns_1", stat_ns(3000000, 3000000) == 1000000);
	check("ns_2", stat_ns(5, 0) == 0);
	/* a year of ticks does not overflow on the way */
	check("ns_3", stat_ns(3000000000ULL * 86400 * 365, 3000000) == 1000000000ULL * 86400 * 365);
}

static void test_percentile(void)
{
	struct husk_exit_stats s = {};

	check("percentile_1", stat_timed(&s) == 0);
	check("percentile_2", stat_percentile(&s, 50) == 0);
	s.times[4] = 98;	/* 16 .. 31 */
	s.times[10] = 1;
	s.times[31] = 1;
	check("percentile_3", stat_timed(&s) == 100);
	check("percentile_4", stat_percentile(&s, 0) == 31);
	check("percentile_5", stat_percentile(&s, 50) == 31);
	check("percentile_6", stat_percentile(&s, 97) == 31);
	check("percentile_7", stat_percentile(&s, 98) == 2047);
	check("percentile_8", stat_percentile(&s, 99) == 0xffffffff);
	check("percentile_9", stat_percentile(&s, 100) == 0xffffffff);
	/* the last of all is in a bucket that is not empty */
	s.times[31] = 0;
	check("percentile_10", stat_percentile(&s, 100) == 2047);
	s.times[10] = 0;
	check("percentile_11", stat_percentile(&s, 100) == 31);
	s.ticks = 98 * 20;
	check("percentile_ns", stat_percentile_ns(&s, 99, 500000) == 62);
	check("avg_ns", stat_avg_ns(&s, 500000) == 40 && stat_avg_ns(&s, 0) == 0);
	s.times[4] = 0;
	check("avg_none", stat_avg_ns(&s, 500000) == 0);
}

static void test_add(void)
{
	static struct husk_nl_vcpu vcpu;
	static struct husk_nl_times times;
	static struct stat_sums sums, both;

	vcpu.exits[3][0] = 5;
	vcpu.exits[3][2] = 2;
	times = (struct husk_nl_times){ .tsc_khz = 1000, .reason = 3, .ticks = 70, .times = { [3] = 6 } };
	stat_add_vcpu(&sums, &vcpu);
	stat_add_times(&sums, &times);
	check("add_1", sums.tsc_khz == 1000 && stat_count(&sums.reason[3]) == 7 && stat_timed(&sums.reason[3]) == 6);
	stat_add(&both, &sums);
	stat_add(&both, &sums);
	check("add_2", both.reason[3].exits[2] == 4 && both.reason[3].ticks == 140 && both.reason[3].times[3] == 12);
	check("add_3", !stat_count(&both.reason[4]));
}

static void test_difference(void)
{
	static struct stat_sums before, now, since;

	before.reason[3].exits[1] = 5;
	before.reason[3].ticks = 100;
	now = before;
	now.tsc_khz = 1000;
	now.reason[3].exits[1] += 2;
	now.reason[3].ticks += 40;
	now.reason[3].times[5] = 7;
	stat_difference(&since, &now, &before);
	check("difference_1", since.tsc_khz == 1000 && since.reason[3].exits[1] == 2);
	check("difference_2", since.reason[3].ticks == 40 && since.reason[3].times[5] == 7);
	check("difference_3", since.reason[4].ticks == 0);
}

int main(void)
{
	test_ns();
	test_percentile();
	test_add();
	test_difference();
	printf("# %d passed, %d failed\n", passed, failed);
	return failed != 0;
}
