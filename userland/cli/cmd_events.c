// SPDX-License-Identifier: GPL-2.0
/* husk events: lifecycle events, faults and statistics as they come. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "format.h"
#include "term.h"
#include "vm.h"

static const char events_usage[] =
	"usage: husk events [--count N] [--stats] [--json]\n"
	"\n"
	"Print the VMs that are there, then lifecycle events and faults as they happen, N\n"
	"of them or until Ctrl-C; with --stats the statistics of VMs that send them (husk\n"
	"set --stats), too. Where events were lost it says so and prints what is there\n"
	"now. Needs root (CAP_NET_ADMIN).\n";

static const char *const groups[HUSK_NL_GROUPS] = {
	[HUSK_NL_LIFECYCLE] = "lifecycle", [HUSK_NL_FAULTS] = "faults", [HUSK_NL_STATS] = "stats",
};

struct events {
	struct husk_nl *live, *ask;	/* the listener; for lists */
	uint64_t last[HUSK_NL_GROUPS];	/* number of the last message known of, 0: none */
	unsigned long left;		/* events to print, if limited */
	bool limited, json, stats;
	bool synced;			/* the list was printed after the last known loss */
};

static void print_time(void)
{
	struct timespec now;
	struct tm tm;
	char text[32];

	clock_gettime(CLOCK_REALTIME, &now);
	strftime(text, sizeof(text), "%F %T", localtime_r(&now.tv_sec, &tm));
	printf("%s.%03ld", text, now.tv_nsec / 1000000);
}

/* After the time: number, kind and VM, in columns */
static void print_columns(const char *number, const char *kind, enum colour colour)
{
	print_time();
	printf("  %8s  %s%-14s%s  ", number, term_colour(colour), kind, term_colour_end(colour));
}

static void print_present(const struct events *e, const struct husk_nl_vm *vm)
{
	if (e->json) {
		printf("{\"event\": \"present\", ");
		vm_json(vm);
		printf("}\n");
		return;
	}
	print_columns("-", "present", COLOUR_NONE);
	printf("%s (id %" PRIu32 "), %s%s%s\n", vm->name, vm->id, term_colour(term_state_colour(vm->state)),
	       husk_vm_state_name(vm->state), term_colour_end(term_state_colour(vm->state)));
}

static void print_lost(const struct events *e, enum husk_nl_group group, uint64_t to)
{
	uint64_t from = e->last[group] + 1;
	struct text number;

	if (e->json) {
		printf("{\"event\": \"lost\", \"group\": \"%s\", \"first_seq\": %" PRIu64 ", \"last_seq\": %" PRIu64 "}\n",
		       groups[group], from, to);
		return;
	}
	print_columns(format_number(&number, from), "LOST", COLOUR_RED);
	printf("%s up to number %" PRIu64 "%s\n", groups[group], to,
	       group == HUSK_NL_STATS ? "; the next one has it all" : "; what is there now follows");
}

/*
 * Print what is there. The numbers come first: the list shows the effect of all
 * events up to them, those after them are news. What has not been heard by now is
 * taken for lost, and skipped should it come after all.
 */
static void resync(struct events *e)
{
	struct husk_nl_caps caps;
	struct husk_nl_vm *vm;
	size_t count;
	int err;

	err = husk_nl_caps(e->ask, &caps);
	if (err)
		vm_die(e->ask, err, "read the module's state", "");
	if (e->synced && caps.event_seq > e->last[HUSK_NL_LIFECYCLE])
		print_lost(e, HUSK_NL_LIFECYCLE, caps.event_seq);
	if (e->synced && caps.fault_seq > e->last[HUSK_NL_FAULTS])
		print_lost(e, HUSK_NL_FAULTS, caps.fault_seq);
	vm = vm_list(e->ask, &count);
	for (size_t i = 0; i < count; i++)
		print_present(e, &vm[i]);
	free(vm);
	e->last[HUSK_NL_LIFECYCLE] = caps.event_seq;
	e->last[HUSK_NL_FAULTS] = caps.fault_seq;
	e->synced = true;
}

/* ---- one event ---- */

/* What all kinds begin with; name is the event's */
static void print_head(const struct events *e, const struct husk_nl_event *event, const char *name)
{
	bool crashed = event->group == HUSK_NL_LIFECYCLE && event->life.kind == HUSK_LIFE_CRASHED;
	struct text uuid, number;

	if (e->json) {
		printf("{\"seq\": %" PRIu64 ", \"group\": \"%s\", \"event\": \"%s\", \"id\": %" PRIu32 ", \"name\": ",
		       event->seq, groups[event->group], name, event->vm_id);
		json_string(event->name);
		printf(", \"uuid\": \"%s\"", format_uuid(&uuid, event->uuid));
		return;
	}
	print_columns(format_number(&number, event->seq), name,
		      crashed || event->group == HUSK_NL_FAULTS ? COLOUR_RED : COLOUR_NONE);
	printf("%s (id %" PRIu32 ")", event->name, event->vm_id);
}

static void print_detail(uint32_t kind, uint64_t detail)
{
	static const char *const limits[] = { "?", "CPU time", "exits", "CPU time and exits" };

	switch (kind) {
	case HUSK_LIFE_VCPU_CREATED:
		printf(", vCPU %" PRIu64, detail);
		break;
	case HUSK_LIFE_DESTROYED:
		if (detail)
			printf(", its process died of signal %" PRIu64, detail);
		break;
	case HUSK_LIFE_STOP_REQUESTED:
		printf(", %" PRIu64 " ms", detail);
		break;
	case HUSK_LIFE_CRASHED:
		printf(", %s", husk_reason_name(detail));
		break;
	case HUSK_LIFE_NMI:
		if (detail == UINT32_MAX)
			printf(", all vCPUs");
		else
			printf(", vCPU %" PRIu64, detail);
		break;
	case HUSK_LIFE_HELD:
		printf(", over its limit of %s", limits[detail & 3]);
		break;
	}
}

static void print_life(const struct events *e, const struct husk_nl_event *event)
{
	print_head(e, event, husk_life_name(event->life.kind));
	if (e->json)
		printf(", \"detail\": %" PRIu64 "}\n", event->life.detail);
	else
		print_detail(event->life.kind, event->life.detail);
	if (!e->json)
		printf("\n");
}

static void print_fault(const struct events *e, const struct husk_nl_event *event)
{
	print_head(e, event, "fault");
	if (event->fault.signal)
		printf(e->json ? ", \"signal\": %" PRIu32 : ", its process died of signal %" PRIu32, event->fault.signal);
	printf(e->json ? ", \"vcpu\": %" PRIu32 ", \"exit\": \"%s\", \"reason\": \"%s\", \"rip\": \"%#" PRIx64 "\""
			 ", \"hw_reason\": %" PRIu64 ", \"info\": [\"%#" PRIx64 "\", \"%#" PRIx64 "\"], \"last\": [" :
			 ", vCPU %" PRIu32 ": %s, behind it %s at rip %#" PRIx64 ", hardware reason %" PRIu64
			 ", info %#" PRIx64 " %#" PRIx64 "; last exits (number, reason, level, rip, information):\n",
	       event->fault.vcpu, husk_exit_name(event->fault.exit), husk_reason_name(event->fault.reason),
	       event->fault.rip, event->fault.hw_reason, event->fault.info0, event->fault.info1);
	for (uint32_t i = 0; i < event->fault.lasts; i++) {
		const struct husk_nl_last *l = &event->fault.last[i];

		if (e->json)
			printf("%s{\"number\": %" PRIu32 ", \"reason\": \"%s\", \"level\": \"%s\", \"rip\": \"%#" PRIx64
			       "\", \"info\": [\"%#" PRIx64 "\", \"%#" PRIx64 "\"]}", i ? ", " : "", l->number,
			       husk_reason_name(l->reason), husk_level_name(l->level), l->rip, l->info0, l->info1);
		else
			printf("    %10" PRIu32 "  %-11s %-6s %016" PRIx64 "  %" PRIx64 " %" PRIx64 "\n", l->number,
			       husk_reason_name(l->reason), husk_level_name(l->level), l->rip, l->info0, l->info1);
	}
	if (e->json)
		printf("]}\n");
}

static void print_stats_json(const struct husk_nl_event *event)
{
	const char *comma = "";

	printf(", \"time_ns\": %" PRIu64 ", \"run_ns\": %" PRIu64 ", \"held_ns\": %" PRIu64 ", \"halted_ns\": %" PRIu64
	       ", \"entries\": %" PRIu64 ", \"user_returns\": %" PRIu64 ", \"injections\": %" PRIu64 ", \"exits\": [",
	       event->stats.time_ns, event->stats.run_ns, event->stats.held_ns, event->stats.halted_ns,
	       event->stats.entries, event->stats.user_returns, event->stats.injections);
	for (int r = 0; r < HUSK_REASON_COUNT; r++)
		for (int l = 0; l < HUSK_LEVEL_COUNT; l++) {
			if (!event->stats.exits[r][l])
				continue;
			printf("%s{\"reason\": \"%s\", \"level\": \"%s\", \"count\": %" PRIu64 "}", comma,
			       husk_reason_name(r), husk_level_name(l), event->stats.exits[r][l]);
			comma = ", ";
		}
	printf("]}\n");
}

static void print_stats(const struct events *e, const struct husk_nl_event *event)
{
	struct text run, halted, held;

	print_head(e, event, "stats");
	if (e->json) {
		print_stats_json(event);
		return;
	}
	printf(": CPU %s, halted %s, held %s, %" PRIu64 " exits", format_ns(&run, event->stats.run_ns),
	       format_ns(&halted, event->stats.halted_ns), format_ns(&held, event->stats.held_ns), event->stats.entries);
	for (int l = 0; l < HUSK_LEVEL_COUNT; l++) {
		uint64_t sum = 0;

		for (int r = 0; r < HUSK_REASON_COUNT; r++)
			sum += event->stats.exits[r][l];
		printf(", %s %" PRIu64, husk_level_name(l), sum);
	}
	printf("\n");
}

static void (*const print[HUSK_NL_GROUPS])(const struct events *e, const struct husk_nl_event *event) = {
	[HUSK_NL_LIFECYCLE] = print_life, [HUSK_NL_FAULTS] = print_fault, [HUSK_NL_STATS] = print_stats,
};

static void on_event(const struct husk_nl_event *event, void *arg)
{
	struct events *e = arg;
	uint64_t *last = &e->last[event->group];
	bool first = event->group == HUSK_NL_STATS && !*last;

	if (event->seq <= *last || (e->limited && !e->left))
		return;
	if (event->seq > *last + 1 && !first) {
		print_lost(e, event->group, event->seq - 1);
		/* Of statistics the next ones say all. */
		if (event->group != HUSK_NL_STATS)
			e->synced = false;
	}
	*last = event->seq;
	print[event->group](e, event);
	if (e->limited)
		e->left--;
}

static void follow(struct events *e)
{
	struct pollfd fd = { .fd = husk_nl_fd(e->live), .events = POLLIN };
	bool overrun = false;
	int err;

	while (!e->limited || e->left) {
		err = husk_nl_read_events(e->live, on_event, e);
		if (err == -ENOBUFS) {
			overrun = true;	/* told once; what is queued came before the loss */
		} else if (err == -EAGAIN && (overrun || !e->synced)) {
			resync(e);
			overrun = false;
		} else if (err == -EAGAIN) {
			poll(&fd, 1, -1);
		} else if (err && err != -EINTR) {
			vm_die(e->live, err, "read events", "");
		}
	}
}

static void events_parse(int argc, char **argv, struct events *e)
{
	static const struct option options[] = {
		{ "count", required_argument, NULL, 'n' },
		{ "stats", no_argument, NULL, 's' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'n':
			errno = 0;
			e->left = strtoul(optarg, &end, 10);
			if (*optarg < '0' || *optarg > '9' || *end || errno || !e->left)
				die(HUSK_STATUS_USAGE, "bad count \"%s\": a whole number from 1", optarg);
			e->limited = true;
			break;
		case 's':
			e->stats = true;
			break;
		case 'j':
			e->json = true;
			break;
		default:
			usage(events_usage, c == 'h');
		}
	}
	if (optind != argc)
		usage(events_usage, false);
}

int cmd_events(int argc, char **argv)
{
	struct events e = {};
	int err;

	events_parse(argc, argv, &e);
	setvbuf(stdout, NULL, _IOLBF, 0);
	e.live = vm_connect();
	e.ask = vm_connect();
	/* Listen first, then look: nothing can happen unseen between the two. */
	err = husk_nl_subscribe(e.live, HUSK_NL_LIFECYCLE);
	if (!err)
		err = husk_nl_subscribe(e.live, HUSK_NL_FAULTS);
	if (!err && e.stats)
		err = husk_nl_subscribe(e.live, HUSK_NL_STATS);
	if (err)
		vm_die(e.live, err, "listen", "");
	resync(&e);
	follow(&e);
	husk_nl_close(e.live);
	husk_nl_close(e.ask);
	return HUSK_STATUS_OK;
}
