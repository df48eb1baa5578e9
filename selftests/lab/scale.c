// SPDX-License-Identifier: GPL-2.0
/*
 * What control costs, in nanoseconds of CPU time (with --icount: instructions):
 *
 *	scale run N COMMAND...		of a command: the median of N times
 *	scale list N			of a list of all VMs by netlink alone
 *	scale event N VM		of a change to a VM until a listener has the event
 *	scale others MS			of everything else on this CPU, in MS of time
 *
 * Each prints "CPU ELAPSED".
 */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/netlink.h"

#define TIMES_MAX	1000

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "scale: %s: %s\n", what, why);
	exit(1);
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t median(uint64_t *values, unsigned int count)
{
	qsort(values, count, sizeof(*values), by_size);
	return values[count / 2];
}

static uint64_t run_once(char **argv)
{
	struct rusage usage;
	pid_t pid = fork();
	int status;

	if (!pid) {
		if (!freopen("/dev/null", "w", stdout))
			_exit(127);
		execvp(argv[0], argv);
		_exit(127);
	}
	if (wait4(pid, &status, 0, &usage) != pid || status)
		fail(argv[0], "it failed");
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000ULL +
	       (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000ULL;
}

static struct husk_nl *nl, *listener;

static int on_vm(const struct husk_nl_vm *vm, void *arg)
{
	(void)vm;
	++*(unsigned int *)arg;
	return 0;
}

static void list_once(void)
{
	unsigned int count = 0;

	if (husk_nl_list(nl, on_vm, &count))
		fail("list", husk_nl_error(nl));
}

static void on_event(const struct husk_nl_event *event, void *arg)
{
	(void)event;
	++*(unsigned int *)arg;
}

static void event_once(uint32_t id)
{
	const struct husk_nl_set set = { .has_stats_ms = true };
	unsigned int events = 0;
	struct pollfd fd = { husk_nl_fd(listener), POLLIN, 0 };

	if (husk_nl_set(nl, id, &set))
		fail("set", husk_nl_error(nl));
	while (!events && poll(&fd, 1, 1000) > 0)
		if (husk_nl_read_events(listener, on_event, &events))
			fail("event", husk_nl_error(listener));
	if (!events)
		fail("event", "none came");
}

static void others(unsigned int ms)
{
	uint64_t begin = clock_ns(CLOCK_MONOTONIC), end = begin + ms * 1000000ULL, now = begin;
	uint64_t cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);

	while (now < end)
		now = clock_ns(CLOCK_MONOTONIC);
	cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	printf("%lld %llu\n", (long long)(now - begin - cpu), (unsigned long long)(now - begin));
}

int main(int argc, char **argv)
{
	static uint64_t cpu[TIMES_MAX], elapsed[TIMES_MAX];
	unsigned int count = argc > 2 ? atoi(argv[2]) : 0;
	struct husk_nl_vm vm = {};

	if (argc < 3 || !count)
		return 2;
	if (!strcmp(argv[1], "others")) {
		others(count);
		return 0;
	}
	if (husk_nl_open(&nl) || husk_nl_open(&listener) || husk_nl_subscribe(listener, HUSK_NL_LIFECYCLE))
		fail("netlink", "no connection");
	if (!strcmp(argv[1], "event") && husk_nl_show(nl, argv[3], &vm))
		fail(argv[3], husk_nl_error(nl));
	for (unsigned int i = 0; i < count && i < TIMES_MAX; i++) {
		uint64_t began = clock_ns(CLOCK_MONOTONIC), used = clock_ns(CLOCK_PROCESS_CPUTIME_ID), childs = 0;

		if (!strcmp(argv[1], "run"))
			childs = run_once(argv + 3);
		else if (!strcmp(argv[1], "list"))
			list_once();
		else
			event_once(vm.id);
		cpu[i] = childs ? childs : clock_ns(CLOCK_PROCESS_CPUTIME_ID) - used;
		elapsed[i] = clock_ns(CLOCK_MONOTONIC) - began;
	}
	printf("%llu %llu\n", (unsigned long long)median(cpu, count), (unsigned long long)median(elapsed, count));
	return 0;
}
