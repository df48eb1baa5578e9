// SPDX-License-Identifier: GPL-2.0
/* husk debug VM exits: what the flight recorder of each vCPU has. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "format.h"
#include "stat.h"
#include "vm.h"

static const char debug_usage[] =
	"usage: husk debug [--vcpu N] [--json] VM exits\n"
	"\n"
	"Print the last 256 exits of each vCPU, oldest first: number, time before the last\n"
	"one, reason, the level that served it and how long that took (where the fast loop\n"
	"did not), rip, the hardware's exit code and information, and what was injected\n"
	"with the entry before it.\n"
	"  --vcpu N             of one vCPU only\n"
	"  --json               one object\n";

/* EVENTINJ types, APM2 15.20 */
static const char *event_name(int event)
{
	static const char *const names[] = { [0] = "intr", [2] = "nmi", [3] = "exception", [4] = "soft" };

	return event >= 0 && event < 5 && names[event] ? names[event] : "?";
}

struct debug {
	int vcpu;		/* -1: all */
	size_t count, room;
	struct husk_nl_last *last;
};

static int debug_add(const struct husk_nl_last *last, void *arg)
{
	struct debug *d = arg;

	if (d->vcpu >= 0 && last->vcpu != (uint32_t)d->vcpu)
		return 0;
	if (d->count == d->room) {
		d->room = d->room ? 2 * d->room : HUSK_FLIGHT_LEN;
		d->last = reallocarray(d->last, d->room, sizeof(*d->last));
		if (!d->last)
			die(HUSK_STATUS_FAIL, "out of memory");
	}
	d->last[d->count++] = *last;
	return 0;
}

/* The last entry of the same vCPU */
static const struct husk_nl_last *newest(const struct debug *d, size_t i)
{
	while (i + 1 < d->count && d->last[i + 1].vcpu == d->last[i].vcpu)
		i++;
	return &d->last[i];
}

static void print_exit(const struct debug *d, size_t i)
{
	const struct husk_nl_last *l = &d->last[i];
	struct text ago, took;

	if (!i || d->last[i - 1].vcpu != l->vcpu)
		printf("%svCPU %" PRIu32 "\n%10s  %8s  %-11s  %-6s  %8s  %-16s  %-4s  %s\n", i ? "\n" : "", l->vcpu,
		       "NUMBER", "AGO", "REASON", "LEVEL", "TOOK", "RIP", "CODE", "INFORMATION");
	printf("%10" PRIu32 "  %8s  %-11s  %-6s  %8s  %016" PRIx64 "  %4" PRIx32 "  %" PRIx64 " %" PRIx64, l->number,
	       format_ns(&ago, stat_ns(newest(d, i)->tsc - l->tsc, l->tsc_khz)), husk_reason_name(l->reason),
	       husk_level_name(l->level), l->ticks ? format_ns(&took, stat_ns(l->ticks, l->tsc_khz)) : "-",
	       l->rip, l->hw_reason, l->info0, l->info1);
	if (l->event >= 0)
		printf("  after %s %" PRIu32, event_name(l->event), l->vector);
	printf("\n");
}

static void print_exit_json(const struct husk_nl_last *l)
{
	printf("{\"vcpu\": %" PRIu32 ", \"number\": %" PRIu32 ", \"tsc\": %" PRIu64 ", \"reason\": \"%s\", \"level\": \"%s\""
	       ", \"ns\": %" PRIu64 ", \"rip\": \"%#" PRIx64 "\", \"hw_reason\": %" PRIu32
	       ", \"info\": [\"%#" PRIx64 "\", \"%#" PRIx64 "\"]", l->vcpu, l->number, l->tsc, husk_reason_name(l->reason),
	       husk_level_name(l->level), stat_ns(l->ticks, l->tsc_khz), l->rip, l->hw_reason, l->info0, l->info1);
	if (l->event >= 0)
		printf(", \"event\": \"%s\", \"vector\": %" PRIu32, event_name(l->event), l->vector);
	printf("}");
}

static void print_json(const struct husk_nl_vm *vm, const struct debug *d)
{
	printf("{\"id\": %" PRIu32 ", \"name\": ", vm->id);
	json_string(vm->name);
	printf(", \"tsc_khz\": %" PRIu32 ", \"last\": [", d->count ? d->last[0].tsc_khz : 0);
	for (size_t i = 0; i < d->count; i++) {
		printf(i ? ",\n  " : "\n  ");
		print_exit_json(&d->last[i]);
	}
	printf("]}\n");
}

static bool debug_parse(int argc, char **argv, struct debug *d)
{
	static const struct option options[] = {
		{ "vcpu", required_argument, NULL, 'v' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	bool json = false;
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'v':
			d->vcpu = strtoul(optarg, &end, 10);
			if (*optarg < '0' || *optarg > '9' || *end || d->vcpu > 1023)
				die(HUSK_STATUS_USAGE, "bad vCPU \"%s\": a number, 0 to 1023", optarg);
			break;
		case 'j':
			json = true;
			break;
		default:
			usage(debug_usage, c == 'h');
		}
	}
	if (argc - optind != 2 || strcmp(argv[optind + 1], "exits"))
		usage(debug_usage, false);
	return json;
}

int cmd_debug(int argc, char **argv)
{
	struct debug d = { .vcpu = -1 };
	bool json = debug_parse(argc, argv, &d);
	struct husk_nl *nl = vm_connect();
	struct husk_nl_vm vm;
	int err;

	vm_find(nl, argv[optind], &vm);
	err = husk_nl_exits(nl, vm.id, debug_add, &d);
	if (err)
		vm_die(nl, err, "read the exits of", argv[optind]);
	if (json)
		print_json(&vm, &d);
	for (size_t i = 0; !json && i < d.count; i++)
		print_exit(&d, i);
	if (!d.count)
		complain("no exit%s yet", d.vcpu < 0 ? "" : " of this vCPU");
	free(d.last);
	husk_nl_close(nl);
	return HUSK_STATUS_OK;
}
