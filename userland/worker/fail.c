// SPDX-License-Identifier: GPL-2.0
/* One line for the user about what went wrong. */
#include <stdarg.h>
#include <stdio.h>

#include "worker/fail.h"

enum husk_status fail(enum husk_status status, const char *fmt, ...)
{
	va_list ap;

	fputs("husk: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return status;
}
