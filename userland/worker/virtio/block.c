// SPDX-License-Identifier: GPL-2.0
/* virtio-blk (virtio 1.2, 5.2): the device. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "worker/machine.h"
#include "worker/virtio/block.h"

static void block_kick(struct virtio *v, unsigned int queue)
{
	block_of(v)->place->kick(block_of(v), queue);
}

static void block_start(struct virtio *v)
{
	if (!block_of(v)->place->start(block_of(v)))
		virtio_broken(v);
}

/* Go on where the rings stand */
static void restart(struct block *b)
{
	block_start(&b->virtio);
	for (unsigned int i = 0; i < b->virtio.queues; i++)
		virtio_kick(&b->virtio, i);
}

static void block_stop(struct virtio *v)
{
	block_of(v)->place->stop(block_of(v));
	((struct block_config *)v->config)->writeback = 1;
}

static void block_update(struct virtio *v)
{
	struct block *b = block_of(v);

	if (b->place->update)
		b->place->update(b);
}

bool block_write_through(const struct block *b)
{
	const struct block_config *c = (const struct block_config *)b->virtio.config;

	if (virtio_has(&b->virtio, PVIO_BLOCK_F(CONFIG_WCE)))
		return !c->writeback;
	return !virtio_has(&b->virtio, PVIO_BLOCK_F(FLUSH));
}

/* 5.2.5.2: a cache that is switched off is empty first */
static void block_configured(struct virtio *v)
{
	struct block_config *c = (struct block_config *)v->config;
	struct block *b = block_of(v);

	c->writeback = !!c->writeback;
	if (!virtio_running(v))
		return;
	b->place->stop(b);
	restart(b);
}

static void show_counts(struct block *b, struct show *show)
{
	struct block_counts counts = {};

	if (b->worker)
		block_in_worker.count(b, &counts);
	if (b->kernel)
		block_in_kernel.count(b, &counts);
	show_number(show, "reads", counts.reads);
	show_number(show, "read_bytes", counts.read_bytes);
	show_number(show, "writes", counts.writes);
	show_number(show, "write_bytes", counts.write_bytes);
	show_number(show, "errors", counts.errors);
}

static void block_show(struct virtio *v, struct show *show)
{
	struct block *b = block_of(v);

	show_number(show, "number", b->number);
	show_text(show, "file", b->options->path);
	show_text(show, "format", b->options->format ? b->options->format : "raw");
	show_number(show, "size", b->disk->size);
	show_number(show, "readonly", !!(v->offered & PVIO_BLOCK_F(RO)));
	if (b->place->count)
		show_counts(b, show);
	if (b->place->show)
		b->place->show(b, show);
}

static void close_all(struct block *b)
{
	if (b->worker)
		block_in_worker.close(b);
	if (b->kernel)
		block_in_kernel.close(b);
	if (b->vhost_user)
		block_by_vhost_user.close(b);
	free(b);
}

static void block_destroy(struct virtio *v)
{
	close_all(block_of(v));
}

static const struct virtio_class block_class = {
	.id = VIRTIO_ID_BLOCK, .name = "block", .pci_class = 0x010000,
	.kick = block_kick, .start = block_start, .stop = block_stop, .configured = block_configured,
	.vector_changed = block_update, .moved = block_update, .show = block_show, .destroy = block_destroy,
};

/* What the device says of the disk */
static void fill_config(struct virtio *v, const struct disk *d, unsigned int queues)
{
	struct block_config *c = (struct block_config *)v->config;

	v->config_len = sizeof(*c);
	c->capacity = d->size / PVIO_SECTOR;
	c->seg_max = DISK_REQUESTS - 2;
	c->blk_size = d->block;
	if (d->physical > d->block)
		c->physical_block_exp = __builtin_ctz(d->physical / d->block);
	c->min_io_size = d->physical > d->block ? d->physical / d->block : 1;
	c->writeback = 1;
	c->num_queues = queues;
	c->max_discard_sectors = PVIO_DISCARD_MAX / PVIO_SECTOR;
	c->max_write_zeroes_sectors = PVIO_ZEROES_MAX / PVIO_SECTOR;
	c->max_discard_seg = c->max_write_zeroes_seg = 1;
	c->discard_sector_alignment = (d->physical > d->block ? d->physical : d->block) / PVIO_SECTOR;
	c->write_zeroes_may_unmap = 1;
	v->config_writable[offsetof(struct block_config, writeback)] = 0xff;
}

/* The first place is that of the options, and the disk's sizes are what it says. */
static enum husk_status open_places(struct block *b)
{
	const struct disk_options *o = b->options;
	enum husk_status status = HUSK_STATUS_OK;

	if (disk_is_split(o))
		return block_vhost_user_open(b);
	if (o->in_kernel || o->movable)
		status = block_kernel_open(b);
	if (!status && (!o->in_kernel || o->movable))
		status = block_worker_open(b);
	if (status)
		return status;
	b->place = o->in_kernel ? &block_in_kernel : &block_in_worker;
	fill_config(&b->virtio, b->disk, o->queues);
	if (b->disk->size > b->virtio.machine->largest_disk)
		b->virtio.machine->largest_disk = b->disk->size;
	return HUSK_STATUS_OK;
}

enum husk_status block_create(struct machine *m, void *options)
{
	uint64_t features = PVIO_BLOCK_F(SEG_MAX) | PVIO_BLOCK_F(BLK_SIZE) | PVIO_BLOCK_F(FLUSH) | PVIO_BLOCK_F(TOPOLOGY) |
			    PVIO_BLOCK_F(CONFIG_WCE);
	struct disk_options *o = options;
	struct block *b = calloc(1, sizeof(*b));
	enum husk_status status;

	if (!b)
		return fail(HUSK_STATUS_FAIL, "out of memory");
	features |= o->readonly ? PVIO_BLOCK_F(RO) : PVIO_BLOCK_F(DISCARD) | PVIO_BLOCK_F(WRITE_ZEROES);
	if (o->queues > 1)
		features |= PVIO_BLOCK_F(MQ);
	virtio_init(&b->virtio, &block_class, m, features, o->queues, DISK_REQUESTS);
	b->options = o;
	b->number = m->disks;
	status = open_places(b);
	if (status) {
		close_all(b);
		return status;
	}
	b->virtio.backend = b->place->name;
	m->disks++;
	return virtio_add(&b->virtio) < 0 ? fail(HUSK_STATUS_USAGE, "no free PCI slot for the disk") : HUSK_STATUS_OK;
}

/* ---- changes while it runs ---- */

static struct block *find(struct machine *m, unsigned int number)
{
	for (unsigned int i = 0; i < m->virtio_count; i++)
		if (m->virtio[i]->class == &block_class && block_of(m->virtio[i])->number == number)
			return block_of(m->virtio[i]);
	return NULL;
}

static const char *move(struct block *b, const struct block_place *to)
{
	const struct block_place *from = b->place;
	if (to == from)
		return NULL;
	if (!b->kernel || !b->worker)
		return "it was started without movable";
	b->place = to;
	b->virtio.backend = to->name;
	if (!virtio_running(&b->virtio))
		return NULL;
	from->stop(b);
	restart(b);
	return virtio_running(&b->virtio) ? NULL : "it can't be served there: the guest has to reset it";
}

static const char *connect_to(struct block *b, int *fd)
{
	int taken = *fd;

	if (!b->vhost_user || taken < 0)
		return "where=vhost-user:SOCKET is for a disk that was started so";
	*fd = -1;
	return block_vhost_user_connect(b, taken);
}

static const char *change(struct block *b, const char *key, const char *value, int *fd)
{
	if (!value)
		return "give KEY=VALUE: where, iops, iops-burst, bps or bps-burst";
	if (strcmp(key, "where"))
		return b->place->limit ? disk_options_limit(&b->options->limit, key, value) : "who serves it knows no limits";
	if (!strcmp(value, block_in_kernel.name))
		return move(b, &block_in_kernel);
	if (!strcmp(value, block_by_vhost_user.name))
		return connect_to(b, fd);
	return !strcmp(value, block_in_worker.name) ? move(b, &block_in_worker) : "where: give worker or kernel";
}

const char *block_change(struct machine *m, unsigned int number, char *changes, int *fd)
{
	struct block *b = find(m, number);
	const char *why = NULL;
	char *key, *value;

	if (!b)
		why = "it has no such disk";
	while (!why && (key = strsep(&changes, ","))) {
		value = strchr(key, '=');
		if (value)
			*value++ = 0;
		why = change(b, key, value, fd);
	}
	if (b && b->place->limit)
		b->place->limit(b);
	return why;
}
