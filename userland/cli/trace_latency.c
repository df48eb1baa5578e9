// SPDX-License-Identifier: GPL-2.0
/* husk trace --latency: how long exits took, a histogram for each VM, reason and level. */
#include <inttypes.h>
#include <string.h>

#include "cli.h"
#include "format.h"
#include "term.h"
#include "trace.h"

#define COLUMNS	80	/* where the lines have no end */
#define FIELDS	34	/* columns before the bar */
#define BAR_MIN	4

/* A bar of so many eighths of a column */
static void print_bar(FILE *out, uint64_t eighths, bool utf8)
{
	static const char * const part[] = { "", "\u258f", "\u258e", "\u258d", "\u258c", "\u258b", "\u258a", "\u2589" };
	uint64_t whole = utf8 ? eighths / 8 : (eighths + 7) / 8;

	while (whole--)
		fputs(utf8 ? "\u2588" : "#", out);
	if (utf8)
		fputs(part[eighths % 8], out);
}

/* What is not 0 has a bar. In double: it is about eighths of a column, and counts may be large. */
static uint64_t bar_length(uint64_t count, uint64_t most, unsigned int columns)
{
	uint64_t eighths = (double)count / most * columns * 8;

	return count && !eighths ? 1 : eighths;
}

void trace_histogram(FILE *out, const struct exits_value *v, unsigned int columns, bool utf8)
{
	unsigned int bar = columns > FIELDS + BAR_MIN ? columns - FIELDS : BAR_MIN;
	int first = 0, last = EXITS_SLOTS - 1;
	uint64_t most = 0;

	while (first < last && !v->slots[first])
		first++;
	while (last > first && !v->slots[last])
		last--;
	for (int i = first; i <= last; i++)
		if (v->slots[i] > most)
			most = v->slots[i];
	for (int i = first; i <= last && most; i++) {
		struct text from, end;

		fprintf(out, "%8s .. %-8s", format_ns(&from, i ? 1ULL << i : 0),
			i < EXITS_SLOTS - 1 ? format_ns(&end, 1ULL << (i + 1)) : "");
		fprintf(out, "%12" PRIu64, (uint64_t)v->slots[i]);
		if (v->slots[i]) {
			fputs("  ", out);
			print_bar(out, bar_length(v->slots[i], most, bar), utf8);
		}
		putc('\n', out);
	}
}

void trace_print_latency(struct trace_row *rows, size_t count, uint64_t lost, const struct trace_view *view)
{
	unsigned int columns = term_size().columns;
	struct text average, p50, p99, max;
	struct trace_label vm;

	trace_sort_rows(rows, count);
	for (size_t i = 0; i < count; i++) {
		const struct exits_value *v = &rows[i].value;

		printf("%s%s%s  %s  %s%s", i ? "\n" : "", term_colour(COLOUR_BOLD), trace_label(view->names, rows[i].key.vm, &vm),
		       husk_reason_name(rows[i].key.reason), husk_level_name(rows[i].key.level),
		       term_colour_end(COLOUR_BOLD));
		printf("  %llu exits, average %s, p50 %s, p99 %s, max %s\n", v->count,
		       format_ns(&average, v->count ? v->total_ns / v->count : 0), format_ns(&p50, trace_percentile(v, 50)),
		       format_ns(&p99, trace_percentile(v, 99)), format_ns(&max, v->max_ns));
		trace_histogram(stdout, v, columns ? columns : COLUMNS, term_utf8());
	}
	trace_complain(count, lost);
}
