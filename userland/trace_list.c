// SPDX-License-Identifier: GPL-2.0
/*
 * trace_list man|layout: the list of tracepoints (uapi/husk_trace.h) as the middle
 * of the manual page husk-trace(7), or as the layout that the kernel must show,
 * the way selftests/lab/trace.golden has it. Runs at build time and in tests.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "uapi/husk.h"
#include "uapi/husk_netlink.h"
#include "uapi/husk_trace.h"

struct field {
	const char *type, *name, *names, *what;
};

struct event {
	const char *name, *what;
	const struct field *field;
};

struct number {
	unsigned int number;
	const char *name, *what;
};

/* ---- the list as data ---- */

#define F(show, type, name, what)	{ #type, #name, #show, what },
#define X(name, FIELDS, what) \
	static const struct field fields_##name[] = { { "u32", "vm", "DEC", "VM" }, FIELDS(F) { NULL, NULL, NULL, NULL } };
HUSK_TRACEPOINTS(X)
#undef X
#undef F

static const struct event events[] = {
#define X(name, FIELDS, what)	{ "husk_" #name, what, fields_##name },
	HUSK_TRACEPOINTS(X)
#undef X
};

#define N(number, name, what)	{ number, name, what },
#define X(id, name, what)	{ HUSK_REASON_##id, name, what },
static const struct number reasons[] = { HUSK_REASONS(X) { 0, NULL, NULL } };
#undef X
#define X(id, name, what)	{ HUSK_LEVEL_##id, name, what },
static const struct number levels[] = { HUSK_LEVELS(X) { 0, NULL, NULL } };
#undef X
#define X(id, name, what)	{ HUSK_LIFE_##id, name, what },
static const struct number lives[] = { HUSK_EVENTS(X) { 0, NULL, NULL } };
#undef X
static const struct number types[] = { HUSK_TRACE_TYPES(N) { 0, NULL, NULL } };
static const struct number deliveries[] = { HUSK_TRACE_DELIVERIES(N) { 0, NULL, NULL } };
static const struct number dests[] = { HUSK_TRACE_DESTS(N) { 0, NULL, NULL } };
static const struct number faults[] = { HUSK_TRACE_FAULTS(N) { 0, NULL, NULL } };
static const struct number timers[] = { HUSK_TRACE_TIMERS(N) { 0, NULL, NULL } };
static const struct number waits[] = { HUSK_TRACE_WAITS(N) { 0, NULL, NULL } };
static const struct number requests[] = { HUSK_TRACE_REQUESTS(N) { 0, NULL, NULL } };
static const struct number spaces[] = { HUSK_TRACE_SPACES(N) { 0, NULL, NULL } };

static const struct names {
	const char *show, *title;
	const struct number *number;
} names[] = {
	{ "REASON", "reason", reasons }, { "LEVEL", "level", levels }, { "LIFE", "kind", lives },
	{ "TYPE", "type of husk_inject", types }, { "DELIVERY", "mode of husk_ipi", deliveries },
	{ "DEST", "to of husk_ipi", dests }, { "FAULT", "result of husk_fault2", faults },
	{ "TIMER", "mode of husk_timer", timers }, { "WAIT", "state of husk_halt", waits },
	{ "SPACE", "space of husk_doorbell", spaces }, { "REQUEST", "type of husk_virtio_begin and husk_virtio_end", requests },
};

#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

/* ---- what is printed of it ---- */

/* EVENT TYPE FIELD OFFSET SIZE: the kernel puts fields one after the other, aligned, after 8 bytes that all have */
static void print_layout(void)
{
	const struct field *f;
	size_t i, at, size;

	for (i = 0; i < COUNT(events); i++) {
		for (f = events[i].field, at = 8; f->name; f++, at += size) {
			size = strstr(f->type, "64") ? 8 : 4;
			at = (at + size - 1) & ~(size - 1);
			printf("%s %s %s %zu %zu\n", events[i].name, f->type, f->name, at, size);
		}
	}
}

/* A sentence begins on a line of its own, as mdoc wants it. */
static void print_text(const char *text)
{
	for (; *text; text++)
		putchar(text[0] == ' ' && text[-1] == '.' ? '\n' : text[0]);
	putchar('\n');
}

static void print_events(void)
{
	const struct field *f;
	size_t i;

	puts(".Bl -tag -width Ds");
	for (i = 0; i < COUNT(events); i++) {
		printf(".It Ic husk:%s\n", events[i].name);
		print_text(events[i].what);
		puts(".Bl -column u32 function -compact");
		for (f = events[i].field; f->name; f++)
			printf(".It %s Ta Va %s Ta %s\n", f->type, f->name, f->what);
		puts(".El");
	}
	puts(".El");
}

static void print_names(void)
{
	const struct number *n;
	size_t i;

	for (i = 0; i < COUNT(names); i++) {
		printf(".Ss %s\n.Bl -column 00 reset-requested -compact\n", names[i].title);
		for (n = names[i].number; n->name; n++)
			printf(".It %u Ta Cm %s Ta %s\n", n->number, n->name, n->what);
		puts(".El");
	}
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "man")) {
		print_events();
		puts(".Sh NAMES OF NUMBERS");
		print_names();
	} else if (argc == 2 && !strcmp(argv[1], "layout")) {
		print_layout();
	} else {
		fprintf(stderr, "usage: trace_list man|layout\n");
		return 2;
	}
	return 0;
}
