// SPDX-License-Identifier: GPL-2.0
/* --disk FILE[,format=raw|qcow2][,backing][,readonly][,serial=TEXT][,where=worker|kernel] */
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

static bool qcow2(const struct disk_options *o)
{
	return o->format && !strcmp(o->format, "qcow2");
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

static const char *set_where(void *to, const char *value)
{
	struct disk_options *o = to;

	o->in_kernel = !strcmp(value, "kernel");
	return o->in_kernel || !strcmp(value, "worker") ? NULL : "give worker or kernel";
}

enum husk_status option_disk(struct config *config, const char *text)
{
	static const struct option_key keys[] = {
		{ "format", false, set_format },
		{ "readonly", true, set_readonly },
		{ "backing", true, set_backing },
		{ "serial", false, set_serial },
		{ "where", false, set_where },
		{ },
	};
	struct disk_options *o = calloc(1, sizeof(*o));
	enum husk_status status;

	if (!o)
		return fail(HUSK_STATUS_FAIL, "out of memory");
	config->disks++;
	status = option_parse("disk", text, &o->path, keys, o);
	if (status)
		return status;
	if (o->in_kernel && qcow2(o))
		return fail(HUSK_STATUS_USAGE, "--disk %s: where=kernel is for raw files", text);
	if (!o->in_kernel)
		config->jail_devices |= qcow2(o) ? JAIL_CHILD : JAIL_DISK;
	return config_add_device(config, o->in_kernel ? block_kernel_create : block_create, o);
}
