// SPDX-License-Identifier: GPL-2.0
/* Names of guest addresses, by a file of lines "ADDRESS TYPE NAME [MODULE]". */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "trace.h"

/* No function is longer: what is further behind the last symbol before it is none's. */
#define FUNCTION_MAX	0x10000

struct symbol {
	uint64_t address;
	char type;
	char *name;
};

struct trace_symbols {
	size_t count, room;
	struct symbol *symbol;
};

static void add(struct trace_symbols *s, uint64_t address, char type, const char *name, const char *module)
{
	struct symbol *new;

	if (s->count == s->room) {
		s->room = s->room ? 2 * s->room : 4096;
		s->symbol = reallocarray(s->symbol, s->room, sizeof(*s->symbol));
		if (!s->symbol)
			die(HUSK_STATUS_FAIL, "out of memory");
	}
	new = &s->symbol[s->count++];
	*new = (struct symbol){ .address = address, .type = type };
	if (asprintf(&new->name, "%s%s", name, module) < 0)
		die(HUSK_STATUS_FAIL, "out of memory");
	/* a line of its own, and one frame of a stack */
	for (char *c = new->name; *c; c++)
		if (*c <= ' ' || *c > '~' || *c == ';')
			*c = '?';
}

/* false: the line is not such a one */
static bool parse_line(struct trace_symbols *s, char *line)
{
	char *type, *name, *module, *end, *rest;
	uint64_t address;

	address = strtoull(line, &end, 16);
	if (!isxdigit((unsigned char)*line) || *end != ' ')
		return false;
	type = strtok_r(end, " \t\n", &rest);
	name = strtok_r(NULL, " \t\n", &rest);
	module = strtok_r(NULL, " \t\n", &rest);
	if (!name || type[1])
		return false;
	add(s, address, *type, name, module ? module : "");
	return true;
}

static bool is_text(const struct symbol *symbol)
{
	return strchr("tTwW", symbol->type);
}

/* Of several at one address a function is the first, and a global one, which a person knows better. */
static int rank(const struct symbol *symbol)
{
	return is_text(symbol) ? islower((unsigned char)symbol->type) ? 1 : 0 : 2;
}

static int by_address(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	if (rank(x) != rank(y))
		return rank(x) - rank(y);
	return strcmp(x->name, y->name);
}

struct trace_symbols *trace_symbols_read(FILE *file, struct trace_error *error)
{
	struct trace_symbols *s = calloc(1, sizeof(*s));
	unsigned long number = 0, bad = 0;
	char *line = NULL;
	size_t room = 0;

	if (!s)
		die(HUSK_STATUS_FAIL, "out of memory");
	while (!bad && getline(&line, &room, file) >= 0) {
		number++;
		if (!parse_line(s, line))
			bad = number;
	}
	free(line);
	if (s->count)
		qsort(s->symbol, s->count, sizeof(*s->symbol), by_address);
	if (bad)
		snprintf(error->text, sizeof(error->text), "line %lu is not \"ADDRESS TYPE NAME\"", bad);
	else if (!s->count)
		snprintf(error->text, sizeof(error->text), "it has no symbols");
	else if (!s->symbol[s->count - 1].address)
		snprintf(error->text, sizeof(error->text), "all addresses are 0: read /proc/kallsyms as the guest's root");
	else
		return s;
	trace_symbols_free(s);
	return NULL;
}

void trace_symbols_free(struct trace_symbols *s)
{
	for (size_t i = 0; s && i < s->count; i++)
		free(s->symbol[i].name);
	free(s ? s->symbol : NULL);
	free(s);
}

const char *trace_symbol(const struct trace_symbols *s, uint64_t rip)
{
	size_t low = 0, high = s ? s->count : 0, middle;

	/* the first symbol behind rip */
	while (low < high) {
		middle = low + (high - low) / 2;
		if (s->symbol[middle].address <= rip)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || rip - s->symbol[low - 1].address >= FUNCTION_MAX)
		return NULL;
	while (low > 1 && s->symbol[low - 2].address == s->symbol[low - 1].address)
		low--;
	/* data, or a per-CPU variable's offset, is no code */
	return is_text(&s->symbol[low - 1]) ? s->symbol[low - 1].name : NULL;
}
