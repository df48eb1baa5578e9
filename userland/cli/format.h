/* SPDX-License-Identifier: GPL-2.0 */
/* Values as people read them. Each function writes to and answers its buffer. */
#ifndef HUSK_CLI_FORMAT_H
#define HUSK_CLI_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

struct text {
	char s[40];
};

const char *format_bytes(struct text *t, uint64_t bytes);	/* 256.0M */
const char *format_ns(struct text *t, uint64_t ns);		/* 1.25us */
const char *format_age(struct text *t, uint64_t ns);		/* 2d03:04:05 */
const char *format_rate(struct text *t, double rate);		/* 1.5, 1234, 123k */
const char *format_number(struct text *t, uint64_t number);
const char *format_uuid(struct text *t, const uint8_t uuid[16]);

/*
 * What another user may have written, for our terminal: in place, '?' for all
 * but printable ASCII and, where it has lines, their ends.
 */
const char *format_plain(char *text, bool lines);
/* Is what another user wrote one JSON object to its end, without control characters? Then nothing of it looks like ours. */
bool format_is_object(const char *text);

#endif
