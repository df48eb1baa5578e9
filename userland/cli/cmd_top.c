// SPDX-License-Identifier: GPL-2.0
/* husk top: what VMs use, as it goes on. */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "term.h"
#include "top.h"
#include "top_screen.h"

static const char top_usage[] =
	"usage: husk top [--interval S] [--count N] [--sort KEY] [--batch] [--json] [VM]\n"
	"\n"
	"Show what your VMs use, all of them or one, a second each: CPU time, where the time of\n"
	"their vCPUs goes (in the guest, in exits, halted), exits, in all and by who served them,\n"
	"memory that the guest has touched and that its process has, bytes of disks and networks;\n"
	"and the exits of one by reason, with their times, and programs that decide them. Root\n"
	"sees all VMs.\n"
	"  --interval S  seconds between two rounds, 0.1 to 3600 (2)\n"
	"  --count N     end after so many rounds\n"
	"  --sort cpu|exits|memory|io|name\n"
	"                what has most comes first (cpu)\n"
	"  --batch       print each round below the last; so it is where output is no terminal\n"
	"  --json        an object on a line for each round\n"
	"On a terminal: up and down select a VM, s sorts by the next key, q ends.\n";

struct top {
	struct husk_nl *nl;
	uint32_t only;			/* the one VM's id, 0: all */
	uint64_t interval_ns;
	unsigned long left;		/* rounds, if limited */
	bool limited, batch, json;
	unsigned int order;		/* in top_orders */
	uint32_t selected;		/* id; 0: the first one */
	size_t first;			/* the first row on the screen */
	struct top_round now, before;
};

static double interval(const char *arg)
{
	char *end;
	double s = strtod(arg, &end);

	if (end == arg || *end || !isfinite(s) || s < 0.1 || s > 3600)
		die(HUSK_STATUS_USAGE, "bad interval \"%s\": a number of seconds, 0.1 to 3600", arg);
	return s;
}

static unsigned int order(const char *arg)
{
	for (unsigned int i = 0; i < TOP_ORDERS; i++)
		if (!strcmp(top_orders[i].name, arg))
			return i;
	die(HUSK_STATUS_USAGE, "bad key \"%s\": cpu, exits, memory, io or name", arg);
}

static unsigned long rounds(const char *arg)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(arg, &end, 10);
	if (*arg < '0' || *arg > '9' || *end || errno || !n)
		die(HUSK_STATUS_USAGE, "bad count \"%s\": a whole number from 1", arg);
	return n;
}

static const char *top_parse(int argc, char **argv, struct top *top)
{
	static const struct option options[] = {
		{ "interval", required_argument, NULL, 'i' },
		{ "count", required_argument, NULL, 'n' },
		{ "sort", required_argument, NULL, 's' },
		{ "batch", no_argument, NULL, 'b' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'i':
			top->interval_ns = interval(optarg) * 1e9;
			break;
		case 'n':
			top->left = rounds(optarg);
			top->limited = true;
			break;
		case 's':
			top->order = order(optarg);
			break;
		case 'b':
			top->batch = true;
			break;
		case 'j':
			top->json = true;
			break;
		default:
			usage(top_usage, c == 'h');
		}
	}
	if (argc - optind > 1)
		usage(top_usage, false);
	return argv[optind];
}

/* ---- rounds ---- */

static void count_some(struct top *top, size_t first, size_t count)
{
	for (size_t i = first; i < top->now.count && i - first < count; i++) {
		top_count(top->nl, &top->now.vm[i], &top->before);
		top_rate(&top->now.vm[i], &top->now, &top->before);
	}
}

/* A new list, with what costs little; and all of it, if it is sorted by that */
static void next_round(struct top *top)
{
	int err;

	top_free(&top->before);
	top->before = top->now;
	top_sort(&top->before, NULL);
	err = top_list(top->nl, top->only, &top->now);
	if (err) {
		screen_leave();
		vm_die(top->nl, err, "list VMs", "");
	}
	top_policies(top->nl, &top->now, &top->before);
	if (top_orders[top->order].counted)
		count_some(top, 0, top->now.count);
	for (size_t i = 0; i < top->now.count; i++)
		top_rate(&top->now.vm[i], &top->now, &top->before);
	top_sort(&top->now, top_orders[top->order].fn);
}

/* ---- without a screen ---- */

static void print_plain(struct top *top)
{
	const struct top_view view = { .round = &top->now, .selected = top->only ? 0 : top->now.count };

	if (top->json)
		top_print_json(&top->now, top->now.time_ns - top->before.time_ns);
	else
		top_print(stdout, &view, term_size().columns, 0, top->now.count, HUSK_REASON_COUNT);
	if (!top->json && (!top->limited || top->left > 1))
		printf("\n");
	fflush(stdout);
}

static void run_plain(struct top *top)
{
	for (; !top->limited || top->left; top->left--) {
		uint64_t due = top->now.time_ns + top->interval_ns;
		struct timespec until = { .tv_sec = due / 1000000000, .tv_nsec = due % 1000000000 };

		while (clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &until, NULL) == EINTR)
			;
		next_round(top);
		count_some(top, 0, top->now.count);
		print_plain(top);
		if (ferror(stdout))
			die(HUSK_STATUS_FAIL, "can't write the output: %m");
	}
}

/* ---- on a screen ---- */

static size_t selected_row(const struct top *top)
{
	for (size_t i = 0; top->selected && i < top->now.count; i++)
		if (top->now.vm[i].vm.id == top->selected)
			return i;
	return 0;
}

static void print_head(FILE *out, const struct top *top, unsigned int width)
{
	double cpu = 0;
	char line[200];

	for (size_t i = 0; i < top->now.count; i++)
		cpu += top->now.vm[i].rate.cpu;
	snprintf(line, sizeof(line), "husk top: %zu VM%s, CPU %.1f%%, each %gs, by %s; up/down, s: sort, q: quit",
		 top->now.count, top->now.count == 1 ? "" : "s", cpu, top->interval_ns / 1e9, top_orders[top->order].name);
	fprintf(out, "\033[K%.*s\r\n\033[K\r\n\033[K", (int)width, line);
}

/* The screen: two lines and the heading, VMs, then a third for the exits of the one selected, with three lines above them */
static void redraw(struct top *top)
{
	struct top_view view = { .round = &top->now, .selected = selected_row(top), .live = true };
	struct term_size size = term_size();
	size_t room = size.lines > 4 ? size.lines - 4 : 1, reasons = room > 9 ? room / 3 : 0, rows, n;
	char *text;
	FILE *out = open_memstream(&text, &n);

	if (!out)
		die(HUSK_STATUS_FAIL, "out of memory");
	rows = reasons ? room - reasons - 3 : room;
	/* what the VMs do not need */
	if (reasons && top->now.count < rows) {
		reasons += rows - top->now.count;
		rows = top->now.count;
	}
	if (view.selected < top->first)
		top->first = view.selected;
	if (view.selected >= top->first + rows)
		top->first = rows ? view.selected - rows + 1 : 0;
	count_some(top, top->first, rows);
	fprintf(out, "\033[H");
	print_head(out, top, size.columns);
	top_print(out, &view, size.columns, top->first, rows, reasons);
	fprintf(out, "\033[J");
	fclose(out);
	screen_write(text, n);
	free(text);
}

static void move(struct top *top, int by)
{
	size_t row = selected_row(top);

	if ((by < 0 && !row) || (by > 0 && row + 1 >= top->now.count))
		return;
	top->selected = top->now.vm[row + by].vm.id;
}

/* A key: false ends it */
static bool act(struct top *top, enum screen_key key)
{
	switch (key) {
	case SCREEN_QUIT:
		return false;
	case SCREEN_UP:
		move(top, -1);
		break;
	case SCREEN_DOWN:
		move(top, 1);
		break;
	case SCREEN_SORT:
		top->order = (top->order + 1) % TOP_ORDERS;
		top_sort(&top->now, top_orders[top->order].fn);
		break;
	default:
		break;
	}
	return true;
}

static void run_live(struct top *top)
{
	enum screen_key key;

	screen_enter();
	for (;;) {
		redraw(top);
		key = screen_wait(top->now.time_ns + top->interval_ns);
		if (!act(top, key))
			break;
		if (key != SCREEN_TIME)
			continue;
		if (top->limited && !--top->left)
			break;
		next_round(top);
	}
	screen_leave();
}

int cmd_top(int argc, char **argv)
{
	struct top top = { .interval_ns = 2000000000 };
	const char *name = top_parse(argc, argv, &top);
	struct husk_nl_vm vm;

	top.nl = vm_connect();
	if (name) {
		vm_find(top.nl, name, &vm);
		top.only = vm.id;
	}
	next_round(&top);
	if (top.batch || top.json || !screen_usable()) {
		count_some(&top, 0, top.now.count);
		run_plain(&top);
	} else {
		run_live(&top);
	}
	top_free(&top.now);
	top_free(&top.before);
	husk_nl_close(top.nl);
	return HUSK_STATUS_OK;
}
