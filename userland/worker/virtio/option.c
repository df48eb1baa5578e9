// SPDX-License-Identifier: GPL-2.0
/* Options of the form VALUE[,KEY=VALUE][,KEY]... */
#include <stdlib.h>
#include <string.h>

#include "worker/machine.h"
#include "worker/virtio/option.h"

static enum husk_status set_key(const char *option, char *item, const struct option_key *keys, void *to)
{
	char *value = strchr(item, '=');
	const char *why;

	if (value)
		*value++ = 0;
	while (keys->name && strcmp(keys->name, item))
		keys++;
	if (!keys->name)
		return fail(HUSK_STATUS_USAGE, "--%s: nothing is called \"%s\"; 'husk run --help' tells more", option, item);
	if (keys->flag != !value)
		return fail(HUSK_STATUS_USAGE, "--%s: %s takes %s value", option, item, keys->flag ? "no" : "a");
	why = keys->set(to, value);
	return why ? fail(HUSK_STATUS_USAGE, "--%s: %s%s%s: %s", option, item, value ? "=" : "", value ? value : "", why) :
		     HUSK_STATUS_OK;
}

enum husk_status option_parse(const char *option, const char *text, const char **first,
			      const struct option_key *keys, void *to)
{
	enum husk_status status = HUSK_STATUS_OK;
	char *rest = strdup(text), *item;

	if (!rest)
		return fail(HUSK_STATUS_FAIL, "out of memory");
	*first = strsep(&rest, ",");
	if (!**first)
		return fail(HUSK_STATUS_USAGE, "--%s \"%s\": nothing stands first; 'husk run --help' tells more", option, text);
	while (!status && (item = strsep(&rest, ",")))
		status = set_key(option, item, keys, to);
	return status;
}
