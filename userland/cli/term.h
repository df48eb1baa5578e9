/* SPDX-License-Identifier: GPL-2.0 */
/* What standard output is: a terminal or not, its size, whether it shows colours. */
#ifndef HUSK_CLI_TERM_H
#define HUSK_CLI_TERM_H

#include <stdbool.h>
#include <stdint.h>

enum colour { COLOUR_NONE, COLOUR_RED, COLOUR_GREEN, COLOUR_YELLOW, COLOUR_BOLD };

/* Columns and lines of the terminal; 0: it is none, and lines have no end */
struct term_size {
	unsigned int columns, lines;
};
struct term_size term_size(void);

/* Colours: on a terminal, unless NO_COLOR (no-color.org) is set or TERM is "dumb" */
bool term_colours(void);
/* What begins and ends text of a colour; "" without colours */
const char *term_colour(enum colour colour);
const char *term_colour_end(enum colour colour);

/* Does the locale say that text is UTF-8? */
bool term_utf8(void);

/* What stands for text that was cut, one column wide */
const char *term_ellipsis(void);

/* The colour of a VM's state */
enum colour term_state_colour(uint32_t state);

#endif
