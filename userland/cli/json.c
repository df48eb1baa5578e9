// SPDX-License-Identifier: GPL-2.0
/* JSON strings of bytes that anyone may have chosen. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "cli.h"

#define NO_CHARACTER	0xfffdu		/* what stands for bytes that are no UTF-8 */

/* One character of UTF-8 (RFC 3629, 3), or NO_CHARACTER and one byte. Answers its length. */
static size_t decode(const unsigned char *s, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = *s < 0x80 ? 1 : *s >> 5 == 6 ? 2 : *s >> 4 == 14 ? 3 : *s >> 3 == 30 ? 4 : 0;
	uint32_t c;

	*code = NO_CHARACTER;
	if (n < 2) {
		if (n)
			*code = *s;
		return 1;
	}
	c = *s & (0x7f >> n);
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 1;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || c >> 11 == 0x1b)
		return 1;
	*code = c;
	return n;
}

static void put_escaped(FILE *out, uint32_t c)
{
	if (c < 0x10000)
		fprintf(out, "\\u%04x", c);
	else	/* RFC 8259, 7: as two surrogates */
		fprintf(out, "\\u%04x\\u%04x", 0xd7c0 + (c >> 10), 0xdc00 + (c & 0x3ff));
}

/* What is not printable ASCII is escaped: no byte of it reaches a terminal. */
void json_string_to(FILE *out, const char *s)
{
	const unsigned char *at = (const unsigned char *)s;
	uint32_t c;

	putc('"', out);
	while (*at) {
		at += decode(at, &c);
		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", (int)c);
		else if (c >= 0x20 && c < 0x7f)
			putc((int)c, out);
		else
			put_escaped(out, c);
	}
	putc('"', out);
}

void json_string(const char *s)
{
	json_string_to(stdout, s);
}

void json_ascii(const char *json)
{
	const unsigned char *at = (const unsigned char *)json;
	uint32_t c;

	while (*at) {
		at += decode(at, &c);
		if (c < 0x7f)
			putchar((int)c);
		else
			put_escaped(stdout, c);
	}
}
