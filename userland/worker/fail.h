/* SPDX-License-Identifier: GPL-2.0 */
/* One line for the user about what went wrong. */
#ifndef HUSK_WORKER_FAIL_H
#define HUSK_WORKER_FAIL_H

#include "lib/status.h"

/* Print "husk: MESSAGE" on stderr, answer status. */
enum husk_status fail(enum husk_status status, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The last of these lines, cut after 255 characters; "" if there was none */
const char *fail_last(void);

#endif
