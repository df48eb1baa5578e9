/* SPDX-License-Identifier: GPL-2.0 */
/* Is a text JSON? As RFC 8259 has it, to the letter; for tests of what prints it. */
#ifndef SELFTESTS_JSON_H
#define SELFTESTS_JSON_H

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#define JSON_DEPTH	50

static const char *json_value(const char *at, int depth);

static inline const char *json_space(const char *at)
{
	return at ? at + strspn(at, " \t\n\r") : NULL;
}

/* Each answers what is behind it, NULL if it is not there */
static const char *json_text(const char *at)
{
	if (*at++ != '"')
		return NULL;
	for (; *at != '"'; at++) {
		if ((unsigned char)*at < 0x20)
			return NULL;
		if (*at != '\\')
			continue;
		at++;
		if (*at == 'u') {
			for (int i = 0; i < 4; i++)
				if (!isxdigit((unsigned char)*++at))
					return NULL;
		} else if (!*at || !strchr("\"\\/bfnrt", *at)) {
			return NULL;
		}
	}
	return at + 1;
}

static const char *json_digits(const char *at)
{
	size_t n = at ? strspn(at, "0123456789") : 0;

	return n ? at + n : NULL;
}

static const char *json_number(const char *at)
{
	at += *at == '-';
	at = *at == '0' ? at + 1 : json_digits(at);
	if (at && *at == '.')
		at = json_digits(at + 1);
	if (at && (*at == 'e' || *at == 'E'))
		at = json_digits(at + 1 + (at[1] == '+' || at[1] == '-'));
	return at;
}

static const char *json_members(const char *at, bool object, int depth)
{
	char end = object ? '}' : ']';

	at = json_space(at + 1);
	if (*at == end)
		return at + 1;
	for (;; at++) {
		if (object) {
			at = json_space(json_text(json_space(at)));
			if (!at || *at++ != ':')
				return NULL;
		}
		at = json_value(at, depth + 1);
		if (!at || *at == end)
			return at ? at + 1 : NULL;
		if (*at != ',')
			return NULL;
	}
}

/* With the space around it */
static const char *json_value(const char *at, int depth)
{
	static const char * const words[] = { "true", "false", "null" };

	at = json_space(at);
	if (depth > JSON_DEPTH)
		return NULL;
	if (*at == '{' || *at == '[')
		return json_space(json_members(at, *at == '{', depth));
	if (*at == '"')
		return json_space(json_text(at));
	for (int i = 0; i < 3; i++)
		if (!strncmp(at, words[i], strlen(words[i])))
			return json_space(at + strlen(words[i]));
	return json_space(json_number(at));
}

static inline bool json_valid(const char *text)
{
	const char *end = json_value(text, 0);

	return end && !*end;
}

#endif
