// SPDX-License-Identifier: GPL-2.0
/* --disk FILE[,format=raw|qcow2][,backing][,readonly][,serial=TEXT][,where=worker|kernel|vhost-user:SOCKET|vm:NAME][,movable][,bus=virtio|pvscsi][,queues=N][,iops=N]... */
#include <stdlib.h>
#include <string.h>

#include "uapi/husk.h"
#include "worker/config.h"
#include "worker/jail.h"
#include "worker/pvscsi/pvscsi.h"
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

static const char *set_movable(void *to, const char *value)
{
	struct disk_options *o = to;

	(void)value;
	o->movable = true;
	return NULL;
}

static const char *set_queues(void *to, const char *value)
{
	struct disk_options *o = to;
	char *end;

	o->queues = strtoul(value, &end, 10);
	return *value < '0' || *value > '9' || *end || !o->queues || o->queues > HUSK_DISK_QUEUES_MAX ? "give 1 to 16" : NULL;
}

static const char *set_iops(void *to, const char *value)
{
	return disk_options_limit(&((struct disk_options *)to)->limit, "iops", value);
}

static const char *set_iops_burst(void *to, const char *value)
{
	return disk_options_limit(&((struct disk_options *)to)->limit, "iops-burst", value);
}

static const char *set_bps(void *to, const char *value)
{
	return disk_options_limit(&((struct disk_options *)to)->limit, "bps", value);
}

static const char *set_bps_burst(void *to, const char *value)
{
	return disk_options_limit(&((struct disk_options *)to)->limit, "bps-burst", value);
}

/* What follows that; NULL: the text begins otherwise */
static const char *after(const char *text, const char *begin)
{
	return strncmp(text, begin, strlen(begin)) ? NULL : text + strlen(begin);
}

static bool has(const char *text)
{
	return text && *text;
}

static const char *set_where(void *to, const char *value)
{
	struct disk_options *o = to;

	o->in_kernel = !strcmp(value, "kernel");
	o->in_worker = !strcmp(value, "worker");
	o->peer = after(value, "vhost-user:");
	o->vm = after(value, "vm:");
	return o->in_kernel || o->in_worker || has(o->peer) || has(o->vm) ? NULL : "give worker, kernel, vhost-user:SOCKET or vm:NAME";
}

static const char *set_bus(void *to, const char *value)
{
	struct disk_options *o = to;

	o->pvscsi = !strcmp(value, "pvscsi");
	return o->pvscsi || !strcmp(value, "virtio") ? NULL : "give virtio or pvscsi";
}

/* What the back-end alone can know of */
static bool has_own(const struct disk_options *o)
{
	return o->format || o->readonly || o->backing || o->serial || o->movable || o->limit.requests || o->limit.requests_burst ||
	       o->limit.bytes || o->limit.bytes_burst;
}

/* What does not go together: NULL, or why */
static const char *check(const struct disk_options *o)
{
	if (disk_is_split(o) && has_own(o))
		return "with where=vhost-user or vm only queues can be given: the rest is the back-end's";
	if (o->pvscsi && (o->in_worker || o->movable || disk_is_split(o)))
		return "bus=pvscsi is for where=kernel, and not movable";
	if (o->pvscsi && o->queues > 1)
		return "bus=pvscsi has one queue";
	if (o->pvscsi && qcow2(o))
		return "bus=pvscsi is for raw files";
	return (o->in_kernel || o->movable) && qcow2(o) ? "where=kernel and movable are for raw files" : NULL;
}

/* What the worker keeps, and may do in its jail */
static void set_needs(struct config *config, const struct disk_options *o)
{
	if (disk_is_split(o)) {
		config->shared_ram = true;
		config->jail_devices |= JAIL_VHOST_USER;
	} else if (!o->in_kernel || o->movable) {
		config->jail_devices |= qcow2(o) ? JAIL_CHILD : JAIL_DISK;
	}
}

enum husk_status option_disk(struct config *config, const char *text)
{
	static const struct option_key keys[] = {
		{ "format", false, set_format },
		{ "readonly", true, set_readonly },
		{ "backing", true, set_backing },
		{ "serial", false, set_serial },
		{ "where", false, set_where },
		{ "movable", true, set_movable },
		{ "queues", false, set_queues },
		{ "iops", false, set_iops },
		{ "iops-burst", false, set_iops_burst },
		{ "bps", false, set_bps },
		{ "bps-burst", false, set_bps_burst },
		{ "bus", false, set_bus },
		{ },
	};
	struct disk_options *o = calloc(1, sizeof(*o));
	enum husk_status status;
	const char *why;

	if (!o)
		return fail(HUSK_STATUS_FAIL, "out of memory");
	config->disks++;
	o->queues = 1;
	status = option_parse("disk", text, &o->path, keys, o);
	if (status)
		return status;
	why = check(o);
	if (why)
		return fail(HUSK_STATUS_USAGE, "--disk %s: %s", text, why);
	o->in_kernel |= o->pvscsi;
	set_needs(config, o);
	return config_add_device(config, o->pvscsi ? pvscsi_create : block_create, o);
}
