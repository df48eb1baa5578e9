// SPDX-License-Identifier: GPL-2.0
/* husk top: tables and JSON. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "format.h"
#include "table.h"
#include "top.h"

/* ---- the VMs ---- */

static const struct table_column vm_columns[] = {
	{ "NAME", TABLE_CUT }, { "STATE", TABLE_LEFT }, { "CPU%", TABLE_RIGHT },
	{ "GUEST%", TABLE_RIGHT | TABLE_SPARE }, { "EXIT%", TABLE_RIGHT | TABLE_SPARE },
	{ "HALT%", TABLE_RIGHT | TABLE_SPARE }, { "EXITS/s", TABLE_RIGHT },
	{ "FAST/s", TABLE_RIGHT | TABLE_SPARE }, { "KERNEL/s", TABLE_RIGHT | TABLE_SPARE },
	{ "WORKER/s", TABLE_RIGHT | TABLE_SPARE }, { "MAPPED", TABLE_RIGHT }, { "RESIDENT", TABLE_RIGHT | TABLE_SPARE },
#define X(id, name, column) { column, TABLE_RIGHT },
	TOP_IO(X)
#undef X
	{ }
};
#define VM_LEVELS	7	/* where they begin */
_Static_assert(HUSK_LEVEL_COUNT == 3, "a column each");

static void cell_rate(struct table *table, bool known, double rate)
{
	struct text t;

	table_cell(table, "%s", known ? format_rate(&t, rate) : "-");
}

static void cell_percent(struct table *table, bool known, double percent)
{
	if (known)
		table_cell(table, "%.1f", percent);
	else
		table_cell(table, "-");
}

static void cell_ns(struct table *table, bool known, uint64_t ns)
{
	struct text t;

	table_cell(table, "%s", known ? format_ns(&t, ns) : "-");
}

static void cell_bytes(struct table *table, bool known, double bytes)
{
	struct text t;

	table_cell(table, "%s", known ? format_bytes(&t, bytes) : "-");
}

static void add_row(struct table *table, const struct top_vm *v, const char *mark)
{
	const struct top_rates *r = &v->rate;

	table_cell(table, "%s%s", mark, v->vm.name);
	table_coloured(table, term_state_colour(v->vm.state), "%s", husk_vm_state_name(v->vm.state));
	cell_percent(table, r->cpu_known, r->cpu);
	cell_percent(table, r->time.known, r->time.guest);
	cell_percent(table, r->time.known, r->time.exits);
	cell_percent(table, r->time.known, r->time.halted);
	cell_rate(table, r->exits_known, r->all);
	for (int l = 0; l < HUSK_LEVEL_COUNT; l++)
		cell_rate(table, r->exits_known, r->level[l]);
	cell_bytes(table, true, v->vm.mapped_pages * 4096);
	cell_bytes(table, v->resident, v->resident);
	for (int i = 0; i < TOP_IO_COUNT; i++)
		cell_bytes(table, r->io_known[i], r->io[i]);
}

/* ---- the exits of one, by reason ---- */

struct reason {
	unsigned int id;
	double all;
	uint64_t ticks;
};

/* What takes the most time comes first. */
static int by_time(const void *a, const void *b)
{
	const struct reason *x = a, *y = b;

	if (x->ticks != y->ticks)
		return x->ticks < y->ticks ? 1 : -1;
	return x->all < y->all ? 1 : x->all > y->all ? -1 : (int)x->id - (int)y->id;
}

static size_t find_reasons(const struct top_rates *rate, struct reason *reason)
{
	size_t count = 0;

	for (unsigned int i = 0; i < HUSK_REASON_COUNT; i++) {
		double all = 0;

		for (int l = 0; l < HUSK_LEVEL_COUNT; l++)
			all += rate->exits[i][l];
		if (all > 0)
			reason[count++] = (struct reason){ i, all, rate->since.reason[i].ticks };
	}
	qsort(reason, count, sizeof(reason[0]), by_time);
	return count;
}

/* Of the time of all vCPUs */
static double percent_of(const struct top_rates *rate, uint64_t ticks)
{
	return 100.0 * stat_ns(ticks, rate->since.tsc_khz) / rate->vcpus_ns;
}

static void add_reason(struct table *table, const struct top_rates *rate, const struct reason *reason)
{
	const struct husk_exit_stats *s = &rate->since.reason[reason->id];
	bool timed = rate->time.known && stat_timed(s);
	uint32_t tsc_khz = rate->since.tsc_khz;

	table_cell(table, "%s", husk_reason_name(reason->id));
	cell_rate(table, true, reason->all);
	for (int l = 0; l < HUSK_LEVEL_COUNT; l++)
		cell_rate(table, true, rate->exits[reason->id][l]);
	cell_percent(table, timed, timed ? percent_of(rate, s->ticks) : 0);
	cell_ns(table, timed, stat_avg_ns(s, tsc_khz));
	cell_ns(table, timed, stat_percentile_ns(s, 50, tsc_khz));
	cell_ns(table, timed, stat_percentile_ns(s, 99, tsc_khz));
}

static void print_name(FILE *out, const struct top_vm *v, unsigned int width)
{
	const struct top_time *time = &v->rate.time;
	char line[200];

	snprintf(line, sizeof(line), "%s", v->vm.name);
	if (time->known)
		snprintf(line, sizeof(line), "%s: guest %.1f%%, exits %.1f%%, halted %.1f%%", v->vm.name, time->guest, time->exits,
			 time->halted);
	fprintf(out, "%.*s", width ? (int)width : 100, line);
}

static void print_reasons(FILE *out, const struct top_vm *v, unsigned int width, size_t rows, const char *eol)
{
	struct table_column columns[] = {
		{ "REASON", TABLE_LEFT }, { "EXITS/s", TABLE_RIGHT }, [2 + HUSK_LEVEL_COUNT] = { "TIME%", TABLE_RIGHT },
		{ "AVG", TABLE_RIGHT }, { "P50", TABLE_RIGHT }, { "P99", TABLE_RIGHT }, { }
	};
	struct reason reason[HUSK_REASON_COUNT];
	size_t count = find_reasons(&v->rate, reason);
	struct table table;

	for (int l = 0; l < HUSK_LEVEL_COUNT; l++)
		columns[2 + l] = vm_columns[VM_LEVELS + l];
	table_init(&table, columns);
	for (size_t i = 0; i < count; i++)
		add_reason(&table, &v->rate, &reason[i]);
	fprintf(out, "%s", eol);
	print_name(out, v, width);
	fprintf(out, "%s", eol);
	table_print(&table, out, width, 0, rows, eol);
	table_clear(&table);
}

/* Of the lines a third at most is for programs, which have a heading and an empty one above it. */
static void print_one(FILE *out, const struct top_round *round, const struct top_vm *v, unsigned int width, size_t lines,
		      const char *eol)
{
	size_t policies = top_policies_of(round, v->vm.id), most = lines / 3;

	if (policies > most)
		policies = most;
	print_reasons(out, v, width, policies ? lines - policies - 2 : lines, eol);
	if (policies)
		top_print_policies(out, round, v->vm.id, width, policies, eol);
}

void top_print(FILE *out, const struct top_view *view, unsigned int width, size_t first, size_t rows, size_t reasons)
{
	/* A line is cleared before it is written: after a full one the cursor is still in its last column. */
	const char *eol = view->live ? "\r\n\033[K" : "\n";
	const struct top_round *round = view->round;
	struct table table;

	table_init(&table, vm_columns);
	for (size_t i = 0; i < round->count; i++)
		add_row(&table, &round->vm[i], !view->live ? "" : i == view->selected ? ">" : " ");
	table_print(&table, out, width, first, rows, eol);
	table_clear(&table);
	if (view->selected < round->count && reasons)
		print_one(out, round, &round->vm[view->selected], width, reasons, eol);
}

/* ---- JSON ---- */

static void json_rate(const char *name, bool known, double rate)
{
	if (known)
		printf(", \"%s\": %.2f", name, rate);
	else
		printf(", \"%s\": null", name);
}

static void json_exits(const struct top_rates *r)
{
	const char *comma = "";

	json_rate("exits_per_s", r->exits_known, r->all);
	for (int l = 0; l < HUSK_LEVEL_COUNT; l++) {
		char name[32];

		snprintf(name, sizeof(name), "%s_per_s", husk_level_name(l));
		json_rate(name, r->exits_known, r->level[l]);
	}
	printf(", \"exits\": [");
	for (int i = 0; i < HUSK_REASON_COUNT; i++) {
		for (int l = 0; l < HUSK_LEVEL_COUNT; l++) {
			if (r->exits[i][l] <= 0)
				continue;
			printf("%s{\"reason\": \"%s\", \"level\": \"%s\", \"per_s\": %.2f}", comma, husk_reason_name(i),
			       husk_level_name(l), r->exits[i][l]);
			comma = ", ";
		}
	}
	printf("]");
}

static void json_times(const struct top_rates *r)
{
	uint32_t tsc_khz = r->since.tsc_khz;
	const char *comma = "";

	json_rate("guest_percent", r->time.known, r->time.guest);
	json_rate("exit_percent", r->time.known, r->time.exits);
	json_rate("halted_percent", r->time.known, r->time.halted);
	printf(", \"times\": [");
	for (int i = 0; r->time.known && i < HUSK_REASON_COUNT; i++) {
		const struct husk_exit_stats *s = &r->since.reason[i];

		if (!stat_timed(s))
			continue;
		printf("%s{\"reason\": \"%s\", \"percent\": %.2f, \"avg_ns\": %" PRIu64 ", \"p50_ns\": %" PRIu64
		       ", \"p99_ns\": %" PRIu64 ", \"max_ns\": %" PRIu64 "}", comma, husk_reason_name(i), percent_of(r, s->ticks),
		       stat_avg_ns(s, tsc_khz), stat_percentile_ns(s, 50, tsc_khz), stat_percentile_ns(s, 99, tsc_khz),
		       stat_percentile_ns(s, 100, tsc_khz));
		comma = ", ";
	}
	printf("]");
}

static void json_vm(const struct top_vm *v)
{
	static const char * const names[] = {
#define X(id, name, column) name "_per_s",
		TOP_IO(X)
#undef X
	};

	printf("{");
	vm_json(&v->vm);
	json_rate("cpu_percent", v->rate.cpu_known, v->rate.cpu);
	json_exits(&v->rate);
	json_times(&v->rate);
	if (v->resident)
		printf(", \"resident_bytes\": %" PRIu64, v->resident);
	else
		printf(", \"resident_bytes\": null");
	for (int i = 0; i < TOP_IO_COUNT; i++)
		json_rate(names[i], v->rate.io_known[i], v->rate.io[i]);
	printf("}");
}

void top_print_json(const struct top_round *round, uint64_t interval_ns)
{
	printf("{\"time_ns\": %" PRIu64 ", \"interval_ns\": %" PRIu64 ", \"vms\": [", round->time_ns, interval_ns);
	for (size_t i = 0; i < round->count; i++) {
		printf(i ? ", " : "");
		json_vm(&round->vm[i]);
	}
	printf("], \"policies\": ");
	top_json_policies(round);
	printf("}\n");
}
