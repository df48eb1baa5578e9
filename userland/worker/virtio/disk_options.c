// SPDX-License-Identifier: GPL-2.0
/* --disk FILE[,format=raw|qcow2][,backing][,readonly][,serial=TEXT] */
#include <stdlib.h>
#include <string.h>

#include "worker/config.h"
#include "worker/jail.h"
#include "worker/virtio/block.h"
#include "worker/virtio/disk.h"
#include "worker/virtio/option.h"

static const char *set_format(void *to, const char *value)
{
	struct disk_options *o = to;

	o->format = value;
	return strcmp(value, "raw") && strcmp(value, "qcow2") ? "give raw or qcow2" : NULL;
}

static const char *set_readonly(void *to, const char *value)
{
	struct disk_options *o = to;

	(void)value;
	o->readonly = true;
	return NULL;
}

static const char *set_backing(void *to, const char *value)
{
	struct disk_options *o = to;

	(void)value;
	o->backing = true;
	return NULL;
}

static const char *set_serial(void *to, const char *value)
{
	struct disk_options *o = to;

	o->serial = value;
	return strlen(value) > 20 ? "give at most 20 characters" : NULL;
}

enum husk_status option_disk(struct config *config, const char *text)
{
	static const struct option_key keys[] = {
		{ "format", false, set_format },
		{ "readonly", true, set_readonly },
		{ "backing", true, set_backing },
		{ "serial", false, set_serial },
		{ },
	};
	struct disk_options *o = calloc(1, sizeof(*o));
	enum husk_status status;

	if (!o)
		return fail(HUSK_STATUS_FAIL, "out of memory");
	config->disks++;
	status = option_parse("disk", text, &o->path, keys, o);
	config->jail_devices |= o->format && !strcmp(o->format, "qcow2") ? JAIL_CHILD : JAIL_DISK;
	return status ? status : config_add_device(config, block_create, o);
}
