// SPDX-License-Identifier: GPL-2.0
/* What husk trace prints: the table of a summary, a line for each live exit. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "format.h"
#include "trace.h"
#include "vm.h"

/* ---- summary ---- */

uint64_t trace_percentile(const struct exits_value *v, unsigned int percent)
{
	uint64_t left = v->count / 100 * percent + v->count % 100 * percent / 100, bound;

	for (int i = 0; i < EXITS_SLOTS; i++) {
		if (v->slots[i] > left) {
			bound = (2ULL << i) - 1;
			return bound < v->max_ns ? bound : v->max_ns;
		}
		left -= v->slots[i];
	}
	return v->max_ns;
}

static int by_time(const void *a, const void *b)
{
	const struct trace_row *x = a, *y = b;

	if (x->value.total_ns != y->value.total_ns)
		return x->value.total_ns < y->value.total_ns ? 1 : -1;
	return x->value.count < y->value.count ? 1 : -1;
}

void trace_sort_rows(struct trace_row *rows, size_t count)
{
	qsort(rows, count, sizeof(*rows), by_time);
}

static void print_rows(const struct trace_row *rows, size_t count, struct trace_names *names)
{
	struct trace_label vm;
	struct text total, average, p50, p99, max;

	printf("%-16s  %-11s  %-6s  %10s  %8s  %8s  %8s  %8s  %8s\n",
	       "VM", "REASON", "LEVEL", "COUNT", "TOTAL", "AVG", "P50", "P99", "MAX");
	for (size_t i = 0; i < count; i++) {
		const struct exits_value *v = &rows[i].value;

		printf("%-16s  %-11s  %-6s  %10llu  %8s  %8s  %8s  %8s  %8s\n",
		       trace_label(names, rows[i].key.vm, &vm), husk_reason_name(rows[i].key.reason),
		       husk_level_name(rows[i].key.level), v->count, format_ns(&total, v->total_ns),
		       format_ns(&average, v->count ? v->total_ns / v->count : 0),
		       format_ns(&p50, trace_percentile(v, 50)), format_ns(&p99, trace_percentile(v, 99)),
		       format_ns(&max, v->max_ns));
	}
}

static void print_rows_json(const struct trace_row *rows, size_t count, struct trace_names *names)
{
	for (size_t i = 0; i < count; i++) {
		const struct exits_value *v = &rows[i].value;
		int slots = EXITS_SLOTS;

		printf("%s\n  {\"vm\": %u, \"name\": ", i ? "," : "", rows[i].key.vm);
		json_string(trace_name(names, rows[i].key.vm));
		printf(", \"reason\": \"%s\", \"level\": \"%s\", \"count\": %llu, \"total_ns\": %llu"
		       ", \"max_ns\": %llu, \"p50_ns\": %" PRIu64 ", \"p99_ns\": %" PRIu64 ", \"log2_ns\": [",
		       husk_reason_name(rows[i].key.reason), husk_level_name(rows[i].key.level),
		       v->count, v->total_ns, v->max_ns, trace_percentile(v, 50), trace_percentile(v, 99));
		while (slots > 1 && !v->slots[slots - 1])
			slots--;
		for (int s = 0; s < slots; s++)
			printf("%s%llu", s ? ", " : "", v->slots[s]);
		printf("]}");
	}
}

void trace_complain(size_t count, uint64_t lost)
{
	if (!count)
		complain("no VM had such an exit");
	if (lost)
		complain("%" PRIu64 " exits are not in what is printed: too many different ones (--vm and others choose)", lost);
}

void trace_print_summary(struct trace_row *rows, size_t count, uint64_t lost, uint64_t ns,
			 const struct trace_view *view)
{
	trace_sort_rows(rows, count);
	if (view->json) {
		printf("{\"duration_ns\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"exits\": [", ns, lost);
		print_rows_json(rows, count, view->names);
		printf(count ? "\n]}\n" : "]}\n");
		return;
	}
	print_rows(rows, count, view->names);
	trace_complain(count, lost);
}

/* ---- live ---- */

static void print_record_json(const struct exits_record *r, const struct trace_view *view)
{
	const char *symbol = trace_symbol(view->symbols, r->rip);

	printf("{\"time_ns\": %llu, \"vm\": %u, \"name\": ", r->time_ns, r->vm);
	json_string(trace_name(view->names, r->vm));
	printf(", \"vcpu\": %u, \"reason\": \"%s\", \"level\": \"%s\", \"rip\": %llu, \"info0\": %llu"
	       ", \"info1\": %llu, \"ns\": %llu",
	       r->vcpu, husk_reason_name(r->reason), husk_level_name(r->level),
	       r->rip, r->info0, r->info1, r->ns);
	trace_decode_json(stdout, r, view->vendor);
	if (symbol) {
		printf(", \"symbol\": ");
		json_string(symbol);
	}
	puts("}");
}

static void print_time(uint64_t since_ns)
{
	printf("%5" PRIu64 ".%06" PRIu64 "  ", since_ns / 1000000000, since_ns / 1000 % 1000000);
}

void trace_print_record(const struct exits_record *r, uint64_t since_ns, const struct trace_view *view)
{
	const char *symbol = trace_symbol(view->symbols, r->rip);
	struct trace_label vm;
	struct text t;

	if (view->json) {
		print_record_json(r, view);
		return;
	}
	print_time(since_ns);
	printf("%s/%u", trace_label(view->names, r->vm, &vm), r->vcpu);
	printf("  %-11s %-6s %8s  rip=%016llx%s%s", husk_reason_name(r->reason),
	       husk_level_name(r->level), format_ns(&t, r->ns), r->rip, symbol ? " " : "", symbol ? symbol : "");
	trace_decode_text(stdout, r, view->vendor);
	putchar('\n');
}

void trace_print_lost(uint64_t lost, uint64_t since_ns, const struct trace_view *view)
{
	if (view->json) {
		printf("{\"lost\": %" PRIu64 "}\n", lost);
		return;
	}
	print_time(since_ns);
	printf("LOST %" PRIu64 " exits: they came faster than they could be printed\n", lost);
}
