// SPDX-License-Identifier: GPL-2.0
/* husk set: limits of a live VM, and how often it sends its statistics. */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "vm.h"

static const char set_usage[] =
	"usage: husk set [--cpu-limit PERCENT] [--exit-limit N] [--stats S] [--json] VM\n"
	"\n"
	"Change what a VM, by name or id, may use, and what it tells:\n"
	"  --cpu-limit PERCENT  CPU time of its vCPUs together, in percent of one CPU; 0: no limit\n"
	"  --exit-limit N       exits a second of all its vCPUs; 0: no limit\n"
	"  --stats S            send its statistics each S seconds (0.1 to 3600), for husk events\n"
	"                       --stats; 0: no longer\n"
	"Over a limit its vCPUs wait. A VM's user can't change what root has set.\n"
	"Without an option, print what is set.\n";

static double number(const char *arg, const char *what, double most)
{
	char *end;
	double value = strtod(arg, &end);

	if (end == arg || *end || !isfinite(value) || value < 0 || value > most)
		die(HUSK_STATUS_USAGE, "bad %s \"%s\": a number, 0 to %.0f", what, arg, most);
	return value;
}

static uint32_t whole(const char *arg, const char *what, double most)
{
	double value = number(arg, what, most);

	if (value != floor(value))
		die(HUSK_STATUS_USAGE, "bad %s \"%s\": a whole number, 0 to %.0f", what, arg, most);
	return value;
}

static void set_parse(int argc, char **argv, struct husk_nl_set *set, bool *json)
{
	static const struct option options[] = {
		{ "cpu-limit", required_argument, NULL, 'c' },
		{ "exit-limit", required_argument, NULL, 'e' },
		{ "stats", required_argument, NULL, 's' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	double s;
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			set->has_cpu_limit = true;
			set->cpu_limit = whole(optarg, "limit of CPU time", HUSK_CPU_LIMIT_MAX);
			break;
		case 'e':
			set->has_exit_limit = true;
			set->exit_limit = whole(optarg, "limit of exits", HUSK_EXIT_LIMIT_MAX);
			break;
		case 's':
			set->has_stats_ms = true;
			s = number(optarg, "interval", HUSK_STATS_MAX_MS / 1000);
			if (s && s * 1000 < HUSK_STATS_MIN_MS)
				die(HUSK_STATUS_USAGE, "bad interval \"%s\": 0.1 seconds at least", optarg);
			set->stats_ms = s * 1000;
			break;
		case 'j':
			*json = true;
			break;
		default:
			usage(set_usage, c == 'h');
		}
	}
	if (argc - optind != 1)
		usage(set_usage, false);
}

static void print_limit(const char *name, uint32_t value, const char *unit)
{
	if (value)
		printf("%-11s %u%s\n", name, value, unit);
	else
		printf("%-11s none\n", name);
}

static void print_set(const struct husk_nl_vm *vm, bool json)
{
	if (json) {
		printf("{\"id\": %u, \"name\": ", vm->id);
		json_string(vm->name);
		printf(", \"cpu_limit\": %u, \"exit_limit\": %u, \"stats_ms\": %u}\n", vm->cpu_limit, vm->exit_limit,
		       vm->stats_ms);
		return;
	}
	print_limit("cpu-limit", vm->cpu_limit, "% of a CPU");
	print_limit("exit-limit", vm->exit_limit, " a second");
	print_limit("stats", vm->stats_ms, " ms");
}

int cmd_set(int argc, char **argv)
{
	struct husk_nl_set set = {};
	struct husk_nl_vm vm;
	struct husk_nl *nl;
	bool json = false;
	int err;

	set_parse(argc, argv, &set, &json);
	nl = vm_connect();
	vm_find(nl, argv[optind], &vm);
	if (set.has_cpu_limit || set.has_exit_limit || set.has_stats_ms) {
		err = husk_nl_set(nl, vm.id, &set);
		if (!err && json)
			err = husk_nl_show_id(nl, vm.id, &vm);
		if (err)
			vm_die(nl, err, "change", argv[optind]);
		if (json)
			print_set(&vm, true);
	} else {
		print_set(&vm, json);
	}
	husk_nl_close(nl);
	return HUSK_STATUS_OK;
}
