// SPDX-License-Identifier: GPL-2.0
/* Values as people read them, see format.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "format.h"

const char *format_bytes(struct text *t, uint64_t bytes)
{
	static const char units[] = "BKMGTPE";
	double value = bytes;
	int unit = 0;

	while (value >= 1024) {
		value /= 1024;
		unit++;
	}
	snprintf(t->s, sizeof(t->s), unit ? "%.1f%c" : "%.0f%c", value, units[unit]);
	return t->s;
}

const char *format_ns(struct text *t, uint64_t ns)
{
	static const char * const units[] = { "us", "ms", "s" };
	double value = ns / 1000.0;
	int unit = 0;

	while (value >= 1000 && unit < 2) {
		value /= 1000;
		unit++;
	}
	if (ns < 1000)
		snprintf(t->s, sizeof(t->s), "%" PRIu64 "ns", ns);
	else
		snprintf(t->s, sizeof(t->s), "%.*f%s", value < 10 ? 2 : value < 100 ? 1 : 0, value, units[unit]);
	return t->s;
}

const char *format_age(struct text *t, uint64_t ns)
{
	uint64_t s = ns / 1000000000, days = s / 86400;
	unsigned int rest = s % 86400;
	int n = 0;

	if (days)
		n = snprintf(t->s, sizeof(t->s), "%" PRIu64 "d", days);
	snprintf(t->s + n, sizeof(t->s) - n, "%02u:%02u:%02u", rest / 3600, rest / 60 % 60, rest % 60);
	return t->s;
}

const char *format_rate(struct text *t, double rate)
{
	static const char * const units[] = { "", "k", "M", "G" };
	int unit = 0;

	while (rate >= 99999.5 && unit < 3) {
		rate /= 1000;
		unit++;
	}
	snprintf(t->s, sizeof(t->s), "%.*f%s", !unit && rate > 0 && rate < 9.95, rate, units[unit]);
	return t->s;
}

const char *format_number(struct text *t, uint64_t number)
{
	snprintf(t->s, sizeof(t->s), "%" PRIu64, number);
	return t->s;
}

const char *format_uuid(struct text *t, const uint8_t uuid[16])
{
	int i, n = 0;

	for (i = 0; i < 16; i++)
		n += snprintf(t->s + n, sizeof(t->s) - n, "%s%02x",
			      i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
	return t->s;
}

const char *format_plain(char *text, bool lines)
{
	for (char *c = text; *c; c++)
		if ((*c < 0x20 || *c > 0x7e) && !(lines && *c == '\n'))
			*c = '?';
	return text;
}

/* The character after a string's closing quote, or NULL */
static const char *skip_string(const char *at)
{
	for (; *at != '"'; at++)
		if ((unsigned char)*at < 0x20 || (*at == '\\' && !*++at))
			return NULL;
	return at + 1;
}

bool format_is_object(const char *text)
{
	const char *at = text;
	int depth = 0;

	if (*at != '{')
		return false;
	do {
		if ((unsigned char)*at < 0x20 && *at != '\n')
			return false;
		switch (*at++) {
		case '"':
			at = skip_string(at);
			break;
		case '{': case '[':
			depth++;
			break;
		case '}': case ']':
			depth--;
			break;
		}
	} while (at && depth);
	return at && !at[strspn(at, "\n")];
}
