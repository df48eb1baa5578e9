/* SPDX-License-Identifier: GPL-2.0 */
/* Options of the form VALUE[,KEY=VALUE][,KEY]... */
#ifndef HUSK_WORKER_OPTION_H
#define HUSK_WORKER_OPTION_H

#include "lib/status.h"

/**
 * struct option_key - one KEY
 * @flag: it has no value
 * @set: NULL, or why the value (NULL for a flag) is wrong
 */
struct option_key {
	const char *name;
	bool flag;
	const char *(*set)(void *to, const char *value);
};

/*
 * Cut text at its commas: *first is what comes before the first one, the rest goes to
 * keys, which end with a NULL name. The copy that is made lives as long as the process.
 * option: for the message.
 */
enum husk_status option_parse(const char *option, const char *text, const char **first,
			      const struct option_key *keys, void *to);

#endif
