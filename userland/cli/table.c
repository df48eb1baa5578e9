// SPDX-License-Identifier: GPL-2.0
/* Tables, see table.h. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "table.h"

#define GAP	2	/* between columns */

void table_init(struct table *t, const struct table_column *column)
{
	*t = (struct table){ .column = column };
	while (t->columns < TABLE_COLUMNS && column[t->columns].title)
		t->columns++;
}

static void add(struct table *t, enum colour colour, const char *fmt, va_list ap)
{
	if (t->cells == t->room) {
		t->room = t->room ? 2 * t->room : 64;
		t->cell = reallocarray(t->cell, t->room, sizeof(*t->cell));
		if (!t->cell)
			die(HUSK_STATUS_FAIL, "out of memory");
	}
	t->cell[t->cells].colour = colour;
	if (vasprintf(&t->cell[t->cells].text, fmt, ap) < 0)
		die(HUSK_STATUS_FAIL, "out of memory");
	t->cells++;
}

void table_cell(struct table *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(t, COLOUR_NONE, fmt, ap);
	va_end(ap);
}

void table_coloured(struct table *t, enum colour colour, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(t, colour, fmt, ap);
	va_end(ap);
}

void table_clear(struct table *t)
{
	for (size_t i = 0; i < t->cells; i++)
		free(t->cell[i].text);
	free(t->cell);
	t->cell = NULL;
	t->cells = t->room = 0;
}

/* The widest column that may be cut and is not at its least; columns if there is none */
static unsigned int widest(const struct table *t, const unsigned int *width)
{
	unsigned int found = t->columns, most = TABLE_CUT_MIN;

	for (unsigned int c = 0; c < t->columns; c++) {
		if ((t->column[c].flags & TABLE_CUT) && width[c] > most) {
			most = width[c];
			found = c;
		}
	}
	return found;
}

/* Leave columns out until the lines have at most @limit columns. Answers how many they have. */
static unsigned int spare(const struct table *t, unsigned int sum, unsigned int limit, unsigned int *width)
{
	for (unsigned int c = t->columns; c-- && sum > limit;) {
		if (t->column[c].flags & TABLE_SPARE) {
			sum -= width[c] + GAP;
			width[c] = 0;
		}
	}
	return sum;
}

/* Widths of columns for lines of @limit, of all rows, so that nothing moves when they scroll. 0: it is left out */
static void measure(const struct table *t, unsigned int limit, unsigned int *width)
{
	unsigned int sum = GAP * (t->columns - 1), c;

	for (c = 0; c < t->columns; c++)
		width[c] = strlen(t->column[c].title);
	for (size_t i = 0; i < t->cells; i++) {
		unsigned int n = strlen(t->cell[i].text);

		c = i % t->columns;
		if (n > width[c])
			width[c] = n;
	}
	for (c = 0; c < t->columns; c++)
		sum += width[c];
	if (!limit)
		return;
	sum = spare(t, sum, limit, width);
	for (; sum > limit && (c = widest(t, width)) < t->columns; sum--)
		width[c]--;
}

struct line {
	FILE *out;
	unsigned int left;	/* columns */
	unsigned int pending;	/* spaces before the next text: none are left at a line's end */
};

/* Text in a field of its own; what does not fit into the field or the line ends with an ellipsis. */
static void put(struct line *l, const char *text, unsigned int width, bool right, enum colour colour)
{
	unsigned int n = strlen(text), shown = n < width ? n : width, pad = width - shown;
	bool cut;

	l->pending += right ? pad : 0;
	if (!shown || l->pending >= l->left) {
		l->pending += right ? 0 : pad;
		return;
	}
	if (shown > l->left - l->pending)
		shown = l->left - l->pending;
	cut = shown < n;
	fprintf(l->out, "%*s%s%.*s%s%s", l->pending, "", term_colour(colour), (int)(shown - cut), text,
		cut ? term_ellipsis() : "", term_colour_end(colour));
	l->left -= l->pending + shown;
	l->pending = right ? 0 : pad;
}

static void print_row(const struct table *t, FILE *out, const unsigned int *width, unsigned int limit,
		      const struct table_cell *cell, const char *eol)
{
	struct line l = { .out = out, .left = limit ? limit : ~0U };

	for (unsigned int c = 0; c < t->columns; c++) {
		if (!width[c])
			continue;
		put(&l, cell ? cell[c].text : t->column[c].title, width[c], t->column[c].flags & TABLE_RIGHT,
		    cell ? cell[c].colour : COLOUR_BOLD);
		l.pending += GAP;
	}
	fputs(eol, out);
}

void table_print(const struct table *t, FILE *out, unsigned int limit, size_t first, size_t rows, const char *eol)
{
	unsigned int width[TABLE_COLUMNS];
	size_t all = t->cells / t->columns;

	measure(t, limit, width);
	print_row(t, out, width, limit, NULL, eol);
	for (size_t i = first; i < all && i - first < rows; i++)
		print_row(t, out, width, limit, t->cell + i * t->columns, eol);
}

void table_finish(struct table *t)
{
	table_print(t, stdout, term_size().columns, 0, ~(size_t)0, "\n");
	table_clear(t);
}
