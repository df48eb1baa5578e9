// SPDX-License-Identifier: GPL-2.0
/* What husk trace lets through: the texts of its options, for the BPF program's configuration. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "trace.h"

_Static_assert(HUSK_REASON_COUNT <= 64 && HUSK_LEVEL_COUNT <= 64, "the masks of struct exits_config");

#define NS_MAX	1e18

static bool fail(struct trace_error *error, const char *what, const char *text, const char *wanted)
{
	snprintf(error->text, sizeof(error->text), "%s \"%.80s\": %s", what, text, wanted);
	return false;
}

bool trace_filter_vcpu(struct exits_config *config, const char *text, struct trace_error *error)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || value > UINT32_MAX)
		return fail(error, "bad vCPU", text, "its number, from 0 on");
	config->one_vcpu = 1;
	config->vcpu = value;
	return true;
}

typedef const char *name_fn(uint32_t value);

/* Names that commas separate, as bits of a mask */
static bool parse_names(uint64_t *mask, const char *text, name_fn *name, uint32_t count, const char *what,
			struct trace_error *error)
{
	size_t n, used;
	uint32_t i;

	for (;; text += n + 1) {
		n = strcspn(text, ",");
		for (i = 0; i < count; i++)
			if (strlen(name(i)) == n && !memcmp(name(i), text, n))
				break;
		if (i == count)
			break;
		*mask |= 1ULL << i;
		if (!text[n])
			return true;
	}
	used = snprintf(error->text, sizeof(error->text), "unknown %s \"%.*s\": one of", what, n < 80 ? (int)n : 80, text);
	for (i = 0; i < count && used < sizeof(error->text); i++)
		used += snprintf(error->text + used, sizeof(error->text) - used, "%s %s", i ? "," : "", name(i));
	return false;
}

bool trace_filter_reasons(struct exits_config *config, const char *text, struct trace_error *error)
{
	uint64_t mask = config->reasons;

	if (!parse_names(&mask, text, husk_reason_name, HUSK_REASON_COUNT, "reason", error))
		return false;
	config->reasons = mask;
	return true;
}

bool trace_filter_levels(struct exits_config *config, const char *text, struct trace_error *error)
{
	uint64_t mask = config->levels;

	if (!parse_names(&mask, text, husk_level_name, HUSK_LEVEL_COUNT, "level", error))
		return false;
	config->levels = mask;
	return true;
}

/* Hexadecimal, with or without 0x */
static bool parse_address(const char *text, const char **end, uint64_t *value)
{
	static const char digits[] = "0123456789abcdefABCDEF";
	const char *at = text + (strncasecmp(text, "0x", 2) ? 0 : 2);
	size_t n = strspn(at, digits);

	*end = at + n;
	*value = strtoull(at, NULL, 16);
	return n && n <= 16;
}

bool trace_filter_rip(struct exits_config *config, const char *text, struct trace_error *error)
{
	static const char wanted[] = "two hexadecimal addresses, FROM-TO, where TO is the first one behind";
	const char *at = text;
	uint64_t from, end;

	if (!parse_address(at, &at, &from) || *at++ != '-' || !parse_address(at, &at, &end) || *at || from >= end)
		return fail(error, "bad range", text, wanted);
	config->rip_from = from;
	config->rip_end = end;
	return true;
}

bool trace_filter_slower(struct exits_config *config, const char *text, struct trace_error *error)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = { { "ns", 1 }, { "us", 1e3 }, { "ms", 1e6 }, { "s", 1e9 } };
	char *end;
	double value = strtod(text, &end);

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (end == text || strcmp(end, units[i].name))
			continue;
		value *= units[i].ns;
		if (!isfinite(value) || value < 1 || value > NS_MAX)
			break;
		config->slower_ns = value;
		return true;
	}
	return fail(error, "bad time", text, "a number above 0 with a unit, as 50us; ns, us, ms or s");
}
