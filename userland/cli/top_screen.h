/* SPDX-License-Identifier: GPL-2.0 */
/* The whole screen of a terminal, and its keys. */
#ifndef HUSK_CLI_TOP_SCREEN_H
#define HUSK_CLI_TOP_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum screen_key { SCREEN_TIME, SCREEN_QUIT, SCREEN_UP, SCREEN_DOWN, SCREEN_SORT, SCREEN_REDRAW };

bool screen_usable(void);
/* Take the screen; it is given back by screen_leave(), at the latest when we exit. */
void screen_enter(void);
void screen_leave(void);
/* Wait for a key, a signal, or until then by CLOCK_BOOTTIME. */
enum screen_key screen_wait(uint64_t until_ns);
void screen_write(const char *text, size_t n);

#endif
