// SPDX-License-Identifier: GPL-2.0
/* The terminal, see term.h. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "term.h"
#include "uapi/husk_netlink.h"

#define COLUMNS	80	/* of a terminal that does not say */
#define LINES	24

static unsigned int from_environment(const char *name, unsigned int otherwise)
{
	const char *text = getenv(name);
	long value = text ? strtol(text, NULL, 10) : 0;

	return value > 0 && value < 10000 ? value : otherwise;
}

struct term_size term_size(void)
{
	struct winsize w = {};

	if (!isatty(STDOUT_FILENO))
		return (struct term_size){};
	ioctl(STDOUT_FILENO, TIOCGWINSZ, &w);
	return (struct term_size){
		.columns = w.ws_col ? w.ws_col : from_environment("COLUMNS", COLUMNS),
		.lines = w.ws_row ? w.ws_row : from_environment("LINES", LINES),
	};
}

static bool wants_colours(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no && *no) && term && *term && strcmp(term, "dumb");
}

bool term_colours(void)
{
	static int known = -1;

	if (known < 0)
		known = wants_colours();
	return known;
}

const char *term_colour(enum colour colour)
{
	/* ECMA-48, 8.3.117 */
	static const char * const begin[] = {
		[COLOUR_NONE] = "", [COLOUR_RED] = "\033[31m", [COLOUR_GREEN] = "\033[32m", [COLOUR_YELLOW] = "\033[33m",
		[COLOUR_BOLD] = "\033[1m",
	};

	return term_colours() ? begin[colour] : "";
}

const char *term_colour_end(enum colour colour)
{
	return colour != COLOUR_NONE && term_colours() ? "\033[0m" : "";
}

bool term_utf8(void)
{
	/* the first of them that is set decides (setlocale(3)) */
	static const char * const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };

	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = getenv(names[i]);

		if (value && *value)
			return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
	}
	return false;
}

const char *term_ellipsis(void)
{
	return term_utf8() ? "\u2026" : "~";
}

enum colour term_state_colour(uint32_t state)
{
	static const enum colour colours[] = {
		[HUSK_VM_STATE_RUNNING] = COLOUR_GREEN, [HUSK_VM_STATE_PAUSED] = COLOUR_YELLOW,
		[HUSK_VM_STATE_DEAD] = COLOUR_RED,
	};

	return state < sizeof(colours) / sizeof(colours[0]) ? colours[state] : COLOUR_NONE;
}
