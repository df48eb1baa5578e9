// SPDX-License-Identifier: GPL-2.0
/* Limits of a disk, as the user gives them. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/tools.h"
#include "pvio/limit.h"
#include "worker/virtio/disk.h"

/* A number, or a size for the keys of bytes; 0: no limit */
static const struct limit_key {
	const char *name;
	size_t at;
	bool size;
} limit_keys[] = {
	{ "iops", offsetof(struct disk_limit, requests), false },
	{ "iops-burst", offsetof(struct disk_limit, requests_burst), false },
	{ "bps", offsetof(struct disk_limit, bytes), true },
	{ "bps-burst", offsetof(struct disk_limit, bytes_burst), true },
};

static const char *parse_limit(const struct limit_key *key, const char *value, uint64_t *number)
{
	char none[] = "", *end = none;

	if (!strcmp(value, "0"))
		*number = 0;
	else if (key->size)
		*number = husk_parse_size(value);
	else
		*number = *value >= '0' && *value <= '9' ? strtoull(value, &end, 10) : 0;
	if (!*number && strcmp(value, "0"))
		return key->size ? "give a size, for example 10M" : "give a number";
	return !key->size && *end ? "give a number" : NULL;
}

const char *disk_options_limit(struct disk_limit *limit, const char *key, const char *value)
{
	struct disk_limit new = *limit;
	const char *why;

	for (size_t i = 0; i < sizeof(limit_keys) / sizeof(limit_keys[0]); i++) {
		if (strcmp(limit_keys[i].name, key))
			continue;
		why = parse_limit(&limit_keys[i], value, (uint64_t *)((char *)&new + limit_keys[i].at));
		if (!why && !pvio_limit_valid(new.requests, new.requests_burst, new.bytes, new.bytes_burst))
			why = "give iops up to 1000000000, bps from 4K to 1T";
		if (!why)
			*limit = new;
		return why;
	}
	return "give where, iops, iops-burst, bps or bps-burst";
}
