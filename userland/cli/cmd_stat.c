// SPDX-License-Identifier: GPL-2.0
/* husk stat: how often a VM's exits came, by reason and level, and how long they took. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "format.h"
#include "stat.h"
#include "table.h"
#include "vm.h"

static const char stat_usage[] =
	"usage: husk stat [--vcpu N] [--interval S] [--count N] [--json] VM\n"
	"\n"
	"Print the exits of a VM since it began, by reason: how many each level served,\n"
	"the time that they took together, on average, and the times that half and 99 of\n"
	"100 did not exceed (to a power of two).\n"
	"  --vcpu N             of one vCPU only\n"
	"  --interval S         print what came since the last time, each S seconds, until\n"
	"                       Ctrl-C or the VM's end\n"
	"  --count N            so often\n"
	"  --json               one object a time, with the distributions\n";

struct stat_args {
	int vcpu;		/* -1: all */
	double interval;	/* seconds, 0: once */
	unsigned long count;	/* 0: no end */
	bool json;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	interrupted = number;
}

static double stat_number(const char *arg, const char *what, double least, double most)
{
	char *end;
	double value = strtod(arg, &end);

	if (end == arg || *end || !isfinite(value) || value < least || value > most)
		die(HUSK_STATUS_USAGE, "bad %s \"%s\": a number, %g to %.0f", what, arg, least, most);
	return value;
}

static void stat_parse(int argc, char **argv, struct stat_args *args)
{
	static const struct option options[] = {
		{ "vcpu", required_argument, NULL, 'v' },
		{ "interval", required_argument, NULL, 'i' },
		{ "count", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'v':
			args->vcpu = stat_number(optarg, "vCPU", 0, 1023);
			break;
		case 'i':
			args->interval = stat_number(optarg, "interval", 0.1, 86400);
			break;
		case 'c':
			args->count = stat_number(optarg, "count", 1, 1e9);
			break;
		case 'j':
			args->json = true;
			break;
		default:
			usage(stat_usage, c == 'h');
		}
	}
	if (argc - optind != 1 || (args->count && !args->interval))
		usage(stat_usage, false);
}

/* ---- a look at the counters ---- */

struct look {
	int vcpu;
	bool found;
	struct stat_sums *sums;
};

static int add_vcpu(const struct husk_nl_vcpu *vcpu, void *arg)
{
	struct look *look = arg;

	if (look->vcpu >= 0 && vcpu->id != (uint32_t)look->vcpu)
		return 0;
	look->found = true;
	stat_add_vcpu(look->sums, vcpu);
	return 0;
}

static int add_times(const struct husk_nl_times *times, void *arg)
{
	struct look *look = arg;

	if (look->vcpu < 0 || times->vcpu == (uint32_t)look->vcpu)
		stat_add_times(look->sums, times);
	return 0;
}

/* 0, or an error of the connection's */
static int stat_look(struct husk_nl *nl, uint32_t id, int vcpu, struct stat_sums *sums)
{
	struct look look = { .vcpu = vcpu, .sums = sums };
	int err;

	*sums = (struct stat_sums){};
	err = husk_nl_vcpus(nl, id, add_vcpu, &look);
	if (!err && vcpu >= 0 && !look.found)
		die(HUSK_STATUS_FAIL, "the VM has no vCPU %d (husk show lists them)", vcpu);
	return err ? err : husk_nl_times(nl, id, add_times, &look);
}

/* ---- output ---- */

static void print_table(const struct stat_sums *sums)
{
	static const struct table_column columns[] = {
		{ "EXIT", TABLE_LEFT }, { "FAST", TABLE_RIGHT }, { "KERNEL", TABLE_RIGHT }, { "WORKER", TABLE_RIGHT },
		{ "TIME", TABLE_RIGHT }, { "%", TABLE_RIGHT }, { "AVG", TABLE_RIGHT }, { "P50", TABLE_RIGHT },
		{ "P99", TABLE_RIGHT }, { }
	};
	uint64_t all = 0;
	struct table table;
	struct text t;

	for (int r = 0; r < HUSK_REASON_COUNT; r++)
		all += sums->reason[r].ticks;
	table_init(&table, columns);
	for (int r = 0; r < HUSK_REASON_COUNT; r++) {
		const struct husk_exit_stats *s = &sums->reason[r];
		uint64_t timed = stat_timed(s);

		if (!stat_count(s))
			continue;
		table_cell(&table, "%s", husk_reason_name(r));
		for (int l = 0; l < HUSK_LEVEL_COUNT; l++)
			table_cell(&table, "%" PRIu64, (uint64_t)s->exits[l]);
		table_cell(&table, "%s", format_ns(&t, stat_ns(s->ticks, sums->tsc_khz)));
		table_cell(&table, "%.1f", all ? 100.0 * s->ticks / all : 0);
		table_cell(&table, "%s", timed ? format_ns(&t, stat_avg_ns(s, sums->tsc_khz)) : "-");
		table_cell(&table, "%s", timed ? format_ns(&t, stat_percentile_ns(s, 50, sums->tsc_khz)) : "-");
		table_cell(&table, "%s", timed ? format_ns(&t, stat_percentile_ns(s, 99, sums->tsc_khz)) : "-");
	}
	table_finish(&table);
}

static void print_json(const struct husk_nl_vm *vm, const struct stat_sums *sums, uint64_t ns)
{
	printf("{\"id\": %" PRIu32 ", \"name\": ", vm->id);
	json_string(vm->name);
	printf(", \"time_ns\": %" PRIu64 ", \"tsc_khz\": %" PRIu32 ", \"exits\": ", ns, sums->tsc_khz);
	stat_json(sums, "\n  ");
	printf("}\n");
}

static void stat_print(const struct husk_nl_vm *vm, const struct stat_sums *sums, uint64_t ns, const struct stat_args *args)
{
	if (args->json)
		print_json(vm, sums, ns);
	else
		print_table(sums);
	fflush(stdout);
}

/* Each interval. 0 or an error: the VM has ended */
static int stat_repeat(struct husk_nl *nl, const struct husk_nl_vm *vm, const struct stat_args *args)
{
	const struct timespec wait = {
		.tv_sec = args->interval,
		.tv_nsec = (args->interval - floor(args->interval)) * 1e9,
	};
	struct stat_sums before, now, since;
	uint64_t from = vm_now(), to;
	int err = stat_look(nl, vm->id, args->vcpu, &before);

	for (unsigned long n = 0; !err && (!args->count || n < args->count); n++) {
		if (nanosleep(&wait, NULL) || interrupted)
			return 0;
		err = stat_look(nl, vm->id, args->vcpu, &now);
		if (err)
			break;
		to = vm_now();
		stat_difference(&since, &now, &before);
		if (n && !args->json)
			printf("\n");
		stat_print(vm, &since, to - from, args);
		if (ferror(stdout))
			return 0;
		before = now;
		from = to;
	}
	return err;
}

int cmd_stat(int argc, char **argv)
{
	const struct sigaction action = { .sa_handler = on_signal };
	struct stat_args args = { .vcpu = -1 };
	struct stat_sums sums;
	struct husk_nl_vm vm;
	struct husk_nl *nl;
	int err;

	stat_parse(argc, argv, &args);
	nl = vm_connect();
	vm_find(nl, argv[optind], &vm);
	if (args.interval) {
		sigaction(SIGINT, &action, NULL);
		sigaction(SIGTERM, &action, NULL);
		err = stat_repeat(nl, &vm, &args);
		if (err == -ENOENT)
			err = 0;	/* the VM has ended */
	} else {
		err = stat_look(nl, vm.id, args.vcpu, &sums);
		if (!err)
			stat_print(&vm, &sums, vm_now() - vm.created_ns, &args);
	}
	if (err)
		vm_die(nl, err, "read the counters of", argv[optind]);
	husk_nl_close(nl);
	return HUSK_STATUS_OK;
}
