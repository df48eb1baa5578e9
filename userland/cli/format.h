/* SPDX-License-Identifier: GPL-2.0 */
/* Values as people read them. Each function writes to and answers its buffer. */
#ifndef HUSK_CLI_FORMAT_H
#define HUSK_CLI_FORMAT_H

#include <stdint.h>

struct text {
	char s[40];
};

const char *format_bytes(struct text *t, uint64_t bytes);	/* 256.0M */
const char *format_ns(struct text *t, uint64_t ns);		/* 1.25us */
const char *format_age(struct text *t, uint64_t ns);		/* 2d03:04:05 */
const char *format_uuid(struct text *t, const uint8_t uuid[16]);

#endif
