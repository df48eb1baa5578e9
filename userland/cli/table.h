/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A table of text: its columns are as wide as what is in them. On a terminal that
 * is too narrow the columns that may be left out are, then those that may be cut are
 * cut, then the lines.
 */
#ifndef HUSK_CLI_TABLE_H
#define HUSK_CLI_TABLE_H

#include <stddef.h>
#include <stdio.h>

#include "term.h"

#define TABLE_COLUMNS	20
#define TABLE_CUT_MIN	6	/* what is left of a column that was cut, at least */

enum table_flags {
	TABLE_LEFT = 0,
	TABLE_RIGHT = 1,	/* numbers */
	TABLE_CUT = 2,		/* may be cut */
	TABLE_SPARE = 4,	/* may be left out, before any is cut; the last one goes first */
};

struct table_column {
	const char *title;
	unsigned int flags;
};

struct table_cell {
	char *text;
	enum colour colour;
};

struct table {
	const struct table_column *column;
	unsigned int columns;
	struct table_cell *cell;
	size_t cells, room;
};

/* The end of the columns is where no title is */
void table_init(struct table *t, const struct table_column *column);
/* The next cell; a row is as many as there are columns. ASCII without control characters */
void table_cell(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void table_coloured(struct table *t, enum colour colour, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Lines of at most so many columns, 0: any; at most so many rows from first on. Each ends with eol. */
void table_print(const struct table *t, FILE *out, unsigned int width, size_t first, size_t rows, const char *eol);
/* All of it on standard output, fit for what that is; the table is empty then */
void table_finish(struct table *t);
void table_clear(struct table *t);

#endif
