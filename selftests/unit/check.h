/* SPDX-License-Identifier: GPL-2.0 */
/* What a unit test of the worker's parts prints: "ok NAME", or "not ok NAME: why"; the sums are for its last line. */
#ifndef UNIT_CHECK_H
#define UNIT_CHECK_H

#include <stdbool.h>
#include <stdio.h>

static int passed, failed;

static inline void check_why(const char *name, bool good, const char *why)
{
	if (good) {
		passed++;
		printf("ok %s\n", name);
	} else {
		failed++;
		printf("not ok %s: %s\n", name, why ? why : "another answer was expected");
	}
}

static inline void check(const char *name, bool good)
{
	check_why(name, good, NULL);
}

#endif
