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
	{ "NAME", TABLE_CUT }, { "STATE", TABLE_LEFT }, { "CPU%", TABLE_RIGHT }, { "EXITS/s", TABLE_RIGHT },
	{ "FAST/s", TABLE_RIGHT | TABLE_SPARE }, { "KERNEL/s", TABLE_RIGHT | TABLE_SPARE },
	{ "WORKER/s", TABLE_RIGHT | TABLE_SPARE }, { "MAPPED", TABLE_RIGHT }, { "RESIDENT", TABLE_RIGHT | TABLE_SPARE },
#define X(id, name, column) { column, TABLE_RIGHT },
	TOP_IO(X)
#undef X
	{ }
};
_Static_assert(HUSK_LEVEL_COUNT == 3, "a column each");

static void cell_rate(struct table *table, bool known, double rate)
{
	struct text t;

	table_cell(table, "%s", known ? format_rate(&t, rate) : "-");
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
	if (r->cpu_known)
		table_cell(table, "%.1f", r->cpu);
	else
		table_cell(table, "-");
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
};

static int by_rate(const void *a, const void *b)
{
	const struct reason *x = a, *y = b;

	return x->all < y->all ? 1 : x->all > y->all ? -1 : (int)x->id - (int)y->id;
}

static void print_reasons(FILE *out, const struct top_vm *v, unsigned int width, size_t rows, const char *eol)
{
	struct table_column columns[HUSK_LEVEL_COUNT + 3] = { { "REASON", TABLE_LEFT }, { "EXITS/s", TABLE_RIGHT } };
	struct reason reason[HUSK_REASON_COUNT];
	struct table table;
	size_t count = 0;

	for (unsigned int i = 0; i < HUSK_REASON_COUNT; i++) {
		double all = 0;

		for (int l = 0; l < HUSK_LEVEL_COUNT; l++)
			all += v->rate.exits[i][l];
		if (all > 0)
			reason[count++] = (struct reason){ i, all };
	}
	qsort(reason, count, sizeof(reason[0]), by_rate);
	for (int l = 0; l < HUSK_LEVEL_COUNT; l++)
		columns[2 + l] = vm_columns[4 + l];
	table_init(&table, columns);
	for (size_t i = 0; i < count; i++) {
		table_cell(&table, "%s", husk_reason_name(reason[i].id));
		cell_rate(&table, true, reason[i].all);
		for (int l = 0; l < HUSK_LEVEL_COUNT; l++)
			cell_rate(&table, true, v->rate.exits[reason[i].id][l]);
	}
	fprintf(out, "%s%.*s%s", eol, width ? (int)width : 100, v->vm.name, eol);
	table_print(&table, out, width, 0, rows, eol);
	table_clear(&table);
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
		print_reasons(out, &round->vm[view->selected], width, reasons, eol);
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
	printf("]}\n");
}
