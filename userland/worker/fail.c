// SPDX-License-Identifier: GPL-2.0
/* One line for the user about what went wrong. */
#include <stdarg.h>
#include <stdio.h>

#include "worker/fail.h"

static char last[256];

enum husk_status fail(enum husk_status status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(last, sizeof(last), fmt, ap);
	va_end(ap);
	fputs("husk: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return status;
}

const char *fail_last(void)
{
	return last;
}
