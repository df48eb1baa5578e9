// SPDX-License-Identifier: GPL-2.0
/* The CLI's tables, JSON strings and what it makes of a terminal's width. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "cli/cli.h"
#include "cli/table.h"

void die(enum husk_status status, const char *fmt, ...)
{
	(void)fmt;
	exit(status);
}

static const struct table_column columns[] = {
	{ "ID", TABLE_RIGHT }, { "NAME", TABLE_CUT }, { "PID", TABLE_RIGHT }, { "NOTE", TABLE_LEFT }, { }
};

static void expect(const char *name, unsigned int width, size_t first, size_t rows, const char *wanted)
{
	struct table table;
	char *out;
	size_t n;
	FILE *f = open_memstream(&out, &n);

	table_init(&table, columns);
	table_cell(&table, "7");
	table_cell(&table, "a-long-name");
	table_cell(&table, "%d", 12345);
	table_coloured(&table, COLOUR_RED, "x");
	table_cell(&table, "12");
	table_cell(&table, "b");
	table_cell(&table, "1");
	table_cell(&table, "note");
	table_print(&table, f, width, first, rows, "|\n");
	table_clear(&table);
	fclose(f);
	check_why(name, !strcmp(out, wanted), out);
	free(out);
}

/* A and B may be left out */
static void expect_spare(const char *name, unsigned int width, const char *wanted)
{
	static const struct table_column spare[] = {
		{ "NAME", TABLE_CUT }, { "A", TABLE_RIGHT | TABLE_SPARE }, { "B", TABLE_RIGHT | TABLE_SPARE },
		{ "C", TABLE_RIGHT }, { }
	};
	struct table table;
	char *out;
	size_t n;
	FILE *f = open_memstream(&out, &n);

	table_init(&table, spare);
	table_cell(&table, "long-one");
	table_cell(&table, "11");
	table_cell(&table, "2");
	table_cell(&table, "3");
	table_print(&table, f, width, 0, 9, "|\n");
	table_clear(&table);
	fclose(f);
	check_why(name, !strcmp(out, wanted), out);
	free(out);
}

/* What json_string() or json_ascii() prints */
static void expect_print(const char *name, void (*print)(const char *text), const char *text, const char *wanted)
{
	FILE *real = stdout;
	char *out;
	size_t n;

	stdout = open_memstream(&out, &n);
	print(text);
	fclose(stdout);
	stdout = real;
	check_why(name, !strcmp(out, wanted), out);
	free(out);
}

int main(void)
{
	/* whatever runs the test has: no colours, an ellipsis of one byte */
	setenv("NO_COLOR", "1", 1);
	setenv("LC_ALL", "C", 1);
	expect("table_wide", 0, 0, 9, "ID  NAME           PID  NOTE|\n 7  a-long-name  12345  x|\n12  b                1  note|\n");
	expect("table_just_fits", 28, 0, 9, "ID  NAME           PID  NOTE|\n 7  a-long-name  12345  x|\n12  b                1  note|\n");
	expect("table_name_cut", 24, 0, 9, "ID  NAME       PID  NOTE|\n 7  a-long~  12345  x|\n12  b            1  note|\n");
	expect("table_line_cut", 20, 0, 9, "ID  NAME      PID  ~|\n 7  a-lon~  12345  x|\n12  b           1  ~|\n");
	expect("table_line_cut_more", 14, 0, 9, "ID  NAME|\n 7  a-lon~  1~|\n12  b|\n");
	expect("table_one_column", 1, 0, 9, "~|\n|\n~|\n");
	expect("table_rows", 0, 1, 1, "ID  NAME           PID  NOTE|\n12  b                1  note|\n");
	expect("table_no_rows", 0, 0, 0, "ID  NAME           PID  NOTE|\n");
	expect_spare("table_spare_none", 18, "NAME       A  B  C|\nlong-one  11  2  3|\n");
	expect_spare("table_spare_one", 17, "NAME       A  C|\nlong-one  11  3|\n");
	expect_spare("table_spare_two", 14, "NAME      C|\nlong-one  3|\n");
	expect_spare("table_spare_cut", 10, "NAME     C|\nlong-o~  3|\n");
	expect_print("json_plain", json_string, "a\"b\\c d", "\"a\\\"b\\\\c d\"");
	expect_print("json_control", json_string, "\033[2J\n\177", "\"\\u001b[2J\\u000a\\u007f\"");
	expect_print("json_utf8", json_string, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\\u00e9\\u20ac\\ud83d\\ude00\"");
	expect_print("json_c1", json_string, "\xc2\x9b" "2J", "\"\\u009b2J\"");
	expect_print("json_no_utf8", json_string, "\x9b\xc0\xaf\xed\xa0\x80\xf5", "\"\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\"");
	expect_print("json_short", json_string, "\xe2\x82", "\"\\ufffd\\ufffd\"");
	expect_print("json_ascii", json_ascii, "{\"a\": \"\\u0041\xc3\xa9\x9b\177\"}\n", "{\"a\": \"\\u0041\\u00e9\\ufffd\\u007f\"}\n");
	printf("%d passed, %d failed\n", passed, failed);
	return !!failed;
}
