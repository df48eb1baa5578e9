// SPDX-License-Identifier: GPL-2.0
/* husk events: lifecycle events as they happen. */
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
#include "vm.h"

static const char events_usage[] =
	"usage: husk events [--count N] [--json]\n"
	"\n"
	"Print the VMs that are there, then lifecycle events as they happen, N of them or\n"
	"until Ctrl-C. Where events were lost it says so and prints what is there now.\n"
	"Needs root (CAP_NET_ADMIN).\n";

struct events {
	struct husk_nl *live, *ask;	/* the listener; for lists */
	uint64_t last;			/* number of the last event known of, 0: none */
	unsigned long left;		/* events to print, if limited */
	bool limited, json;
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

static void print_present(const struct events *e, const struct husk_nl_vm *vm)
{
	if (e->json) {
		printf("{\"event\": \"present\", ");
		vm_json(vm);
		printf("}\n");
		return;
	}
	print_time();
	printf("  %8s  %-14s  %s (id %" PRIu32 "), %s\n", "-", "present", vm->name, vm->id,
	       husk_vm_state_name(vm->state));
}

static void print_lost(const struct events *e, uint64_t from, uint64_t to)
{
	if (e->json) {
		printf("{\"event\": \"lost\", \"first_seq\": %" PRIu64 ", \"last_seq\": %" PRIu64 "}\n", from, to);
		return;
	}
	print_time();
	printf("  %8" PRIu64 "  %-14s  up to number %" PRIu64 "; what is there now follows\n", from, "LOST", to);
}

/*
 * Print what is there. The number comes first: the list shows the effect of all
 * events up to it, those after it are news. What has not been heard by now is
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
	if (e->synced && caps.event_seq > e->last)
		print_lost(e, e->last + 1, caps.event_seq);
	vm = vm_list(e->ask, &count);
	for (size_t i = 0; i < count; i++)
		print_present(e, &vm[i]);
	free(vm);
	e->last = caps.event_seq;
	e->synced = true;
}

static void print_event(const struct events *e, const struct husk_nl_event *event)
{
	struct text uuid;

	if (e->json) {
		printf("{\"seq\": %" PRIu64 ", \"event\": \"%s\", \"id\": %" PRIu32 ", \"name\": ",
		       event->seq, husk_life_name(event->kind), event->vm_id);
		json_string(event->name);
		printf(", \"uuid\": \"%s\", \"detail\": %" PRIu64 "}\n",
		       format_uuid(&uuid, event->uuid), event->detail);
		return;
	}
	print_time();
	printf("  %8" PRIu64 "  %-14s  %s (id %" PRIu32 ")", event->seq, husk_life_name(event->kind),
	       event->name, event->vm_id);
	switch (event->kind) {
	case HUSK_LIFE_VCPU_CREATED:
		printf(", vCPU %" PRIu64, event->detail);
		break;
	case HUSK_LIFE_STOP_REQUESTED:
		printf(", %" PRIu64 " ms", event->detail);
		break;
	case HUSK_LIFE_CRASHED:
		printf(", %s", husk_reason_name(event->detail));
		break;
	}
	printf("\n");
}

static void on_event(const struct husk_nl_event *event, void *arg)
{
	struct events *e = arg;

	if (event->seq <= e->last || (e->limited && !e->left))
		return;
	if (event->seq > e->last + 1) {
		print_lost(e, e->last + 1, event->seq - 1);
		e->synced = false;
	}
	e->last = event->seq;
	print_event(e, event);
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
	err = husk_nl_subscribe(e.live);
	if (err)
		vm_die(e.live, err, "listen", "");
	resync(&e);
	follow(&e);
	husk_nl_close(e.live);
	husk_nl_close(e.ask);
	return HUSK_STATUS_OK;
}
