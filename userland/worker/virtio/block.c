// SPDX-License-Identifier: GPL-2.0
/* virtio-blk (virtio 1.2, 5.2). */
#include <stdlib.h>
#include <string.h>

#include "worker/machine.h"
#include "worker/virtio/block.h"
#include "worker/virtio/disk.h"
#include "worker/virtio/virtio.h"

#define QUEUE_SIZE	DISK_REQUESTS
#define ID_LENGTH	20
#define IN_FLIGHT_MAX	(256ULL << 20)	/* bytes, unless it is one request: a reset waits for them */
#define TRANSFER_MAX	(1ULL << 30)	/* bytes of one; OVMF makes no larger ones either */

enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8, T_DISCARD = 11, T_WRITE_ZEROES = 13 };
enum { S_OK, S_IOERR, S_UNSUPP };

/* 5.2.6 */
struct header {
	uint32_t type, reserved;
	uint64_t sector;
};

struct range {
	uint64_t sector;
	uint32_t sectors, flags;
};
#define RANGE_UNMAP	1

struct block {
	struct virtio virtio;
	struct disk *disk;
	uint64_t bytes;		/* in flight */
	bool stopping;
	bool stuck;		/* chains wait until a request is done */
	/* done, since the VM began */
	uint64_t reads, read_bytes, writes, write_bytes, errors;
};

/* A request in flight */
struct request {
	struct disk_request disk;
	uint16_t head;
	uint8_t *status;
	uint64_t in_bytes;	/* of data */
	uint64_t bytes;		/* of data, either way */
	struct iovec iov[];
};

static struct block *block_of(struct virtio *v)
{
	return (struct block *)v;
}

static void answer(struct block *b, uint16_t head, uint8_t *to, uint8_t status, uint64_t in_bytes)
{
	*to = status;
	virtio_put(&b->virtio, 0, head, in_bytes + 1);
}

static void count(struct block *b, const struct request *r)
{
	if (r->disk.error) {
		b->errors++;
	} else if (r->disk.op == DISK_READ) {
		b->reads++;
		b->read_bytes += r->bytes;
	} else if (r->disk.op == DISK_WRITE) {
		b->writes++;
		b->write_bytes += r->bytes;
	}
}

static void block_done(void *ctx, struct disk_request *disk_request)
{
	struct request *r = (struct request *)disk_request;
	struct block *b = ctx;

	b->bytes -= r->bytes;
	count(b, r);
	answer(b, r->head, r->status, r->disk.error ? S_IOERR : S_OK, r->disk.error ? 0 : r->in_bytes);
	free(r);
}

static void block_kick(struct virtio *v, unsigned int queue);

static void block_reaped(void *ctx)
{
	struct block *b = ctx;

	virtio_notify(&b->virtio, 0);
	if (b->stuck && !b->stopping) {
		b->stuck = false;
		virtio_kick(&b->virtio, 0);
	}
}

/* Segments of the data: what is left of iov without the first skip and after length bytes */
static unsigned int cut(struct iovec *to, const struct iovec *iov, unsigned int count, uint64_t skip, uint64_t length)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < count && length; i++) {
		uint64_t bytes = iov[i].iov_len;

		if (skip >= bytes) {
			skip -= bytes;
			continue;
		}
		bytes -= skip;
		if (bytes > length)
			bytes = length;
		to[n++] = (struct iovec){ (char *)iov[i].iov_base + skip, bytes };
		length -= bytes;
		skip = 0;
	}
	return n;
}

static bool in_disk(const struct block *b, uint64_t sector, uint64_t bytes)
{
	uint64_t sectors = b->disk->size / DISK_SECTOR;

	return !(bytes % DISK_SECTOR) && sector <= sectors && bytes / DISK_SECTOR <= sectors - sector;
}

static bool write_through(const struct block *b)
{
	const struct block_config *c = (const struct block_config *)b->virtio.config;

	if (virtio_has(&b->virtio, BLOCK_F_CONFIG_WCE))
		return !c->writeback;
	return !virtio_has(&b->virtio, BLOCK_F_FLUSH);	/* 5.2.6.2 */
}

/* Reads and writes: the iov of the request is filled in. */
static int parse_data(struct block *b, const struct header *h, const struct pvio_chain *c, struct request *r)
{
	bool write = h->type == T_OUT;
	uint64_t length = write ? c->out_bytes - sizeof(*h) : c->in_bytes - 1;

	if (!in_disk(b, h->sector, length) || length > TRANSFER_MAX || (write && b->disk->options->readonly))
		return S_IOERR;
	r->disk.op = write ? DISK_WRITE : DISK_READ;
	r->disk.offset = h->sector * DISK_SECTOR;
	r->disk.length = length;
	r->disk.iov = r->iov;
	r->disk.iovs = write ? cut(r->iov, c->iov, c->out, sizeof(*h), length) :
			       cut(r->iov, c->iov + c->out, c->in, 0, length);
	r->in_bytes = write ? 0 : length;
	r->bytes = length;
	return S_OK;
}

/* Discard and write zeroes: one range, as max_..._seg says */
static int parse_range(struct block *b, const struct header *h, const struct pvio_chain *c, struct request *r)
{
	bool zero = h->type == T_WRITE_ZEROES;
	struct range range;

	if (c->out_bytes != sizeof(*h) + sizeof(range) || !virtio_has(&b->virtio, zero ? BLOCK_F_WRITE_ZEROES : BLOCK_F_DISCARD))
		return S_UNSUPP;
	pvio_iov_from(c->iov, c->out, sizeof(*h), &range, sizeof(range));
	if (range.flags & ~(zero ? RANGE_UNMAP : 0U))
		return S_UNSUPP;
	r->disk.op = zero ? DISK_ZERO : DISK_TRIM;
	r->disk.offset = range.sector * DISK_SECTOR;
	r->disk.length = (uint64_t)range.sectors * DISK_SECTOR;
	r->disk.unmap = range.flags & RANGE_UNMAP;
	r->bytes = zero ? r->disk.length : 0;
	if (!in_disk(b, range.sector, r->disk.length) || r->disk.length > (zero ? DISK_ZERO_MAX : DISK_TRIM_MAX))
		return S_IOERR;
	return S_OK;
}

/* What the disk has to do for it: S_OK, or the answer */
static int parse(struct block *b, const struct header *h, const struct pvio_chain *c, struct request *r)
{
	r->disk.through = write_through(b);
	switch (h->type) {
	case T_IN:
	case T_OUT:
		return parse_data(b, h, c, r);
	case T_DISCARD:
	case T_WRITE_ZEROES:
		return parse_range(b, h, c, r);
	case T_FLUSH:
		r->disk.op = DISK_FLUSH;
		return S_OK;
	default:
		return S_UNSUPP;
	}
}

static bool get_id(struct block *b, const struct pvio_chain *c, uint8_t *status)
{
	char id[ID_LENGTH] = "";
	uint64_t n;

	if (b->disk->options->serial)
		memcpy(id, b->disk->options->serial, strnlen(b->disk->options->serial, ID_LENGTH));
	n = c->in_bytes - 1 < ID_LENGTH ? c->in_bytes - 1 : ID_LENGTH;
	pvio_iov_to(c->iov + c->out, c->in, 0, id, n);
	answer(b, c->head, status, S_OK, n);
	return true;
}

static bool has_room(const struct block *b, uint64_t bytes)
{
	return b->disk->in_flight < DISK_REQUESTS && (!b->bytes || b->bytes + bytes <= IN_FLIGHT_MAX);
}

/* Reads, writes and the like. false: not now */
static bool submit(struct block *b, const struct header *h, const struct pvio_chain *c, uint8_t *status)
{
	struct request *r = calloc(1, sizeof(*r) + (c->out + c->in) * sizeof(r->iov[0]));
	int why = r ? parse(b, h, c, r) : S_IOERR;

	if (why || (!r->disk.length && r->disk.op != DISK_FLUSH)) {
		answer(b, c->head, status, why, 0);
		free(r);
		return true;
	}
	if (!has_room(b, r->bytes)) {
		b->stuck = true;
		free(r);
		return false;
	}
	r->head = c->head;
	r->status = status;
	b->bytes += r->bytes;
	b->disk->ops->submit(b->disk, &r->disk);
	return true;
}

static bool block_one(void *ctx, struct pvio_chain *c)
{
	struct block *b = ctx;
	struct header h;
	uint8_t *status;

	if (!c->in || c->out_bytes < sizeof(h)) {
		virtio_broken(&b->virtio);
		virtio_put(&b->virtio, 0, c->head, 0);
		return true;
	}
	pvio_iov_from(c->iov, c->out, 0, &h, sizeof(h));
	status = (uint8_t *)c->iov[c->out + c->in - 1].iov_base + c->iov[c->out + c->in - 1].iov_len - 1;
	if (h.type == T_GET_ID)
		return get_id(b, c, status);
	return submit(b, &h, c, status);
}

static void block_kick(struct virtio *v, unsigned int queue)
{
	struct block *b = block_of(v);

	virtio_serve(v, queue, block_one);
	b->disk->ops->commit(b->disk);
}

/* The memory of requests in flight is the guest's: before the device is reset they are done. */
static void block_stop(struct virtio *v)
{
	struct block *b = block_of(v);

	b->stopping = true;
	b->disk->ops->drain(b->disk);
	b->stopping = b->stuck = false;
	((struct block_config *)v->config)->writeback = 1;
}

/* 5.2.5.2: a cache that is switched off is empty first */
static void block_configured(struct virtio *v)
{
	struct block_config *c = (struct block_config *)v->config;

	c->writeback = !!c->writeback;
}

static void block_show(struct virtio *v, struct show *show)
{
	struct block *b = block_of(v);

	show_text(show, "file", b->disk->options->path);
	show_text(show, "format", b->disk->ops->name);
	show_number(show, "size", b->disk->size);
	show_number(show, "readonly", b->disk->options->readonly);
	show_number(show, "reads", b->reads);
	show_number(show, "read_bytes", b->read_bytes);
	show_number(show, "writes", b->writes);
	show_number(show, "write_bytes", b->write_bytes);
	show_number(show, "errors", b->errors);
}

static void block_destroy(struct virtio *v)
{
	struct block *b = block_of(v);

	b->disk->ops->close(b->disk);
	free(b);
}

static const struct virtio_class block_class = {
	.id = VIRTIO_ID_BLOCK, .name = "block", .pci_class = 0x010000,
	.kick = block_kick, .stop = block_stop, .configured = block_configured,
	.show = block_show, .destroy = block_destroy,
};

void block_fill_config(struct virtio *v, const struct disk *d)
{
	struct block_config *c = (struct block_config *)v->config;
	struct machine *m = v->machine;

	if (d->size > m->largest_disk)
		m->largest_disk = d->size;
	m->disks++;
	v->config_len = sizeof(*c);
	c->capacity = d->size / DISK_SECTOR;
	c->seg_max = QUEUE_SIZE - 2;
	c->blk_size = d->block;
	if (d->physical > d->block)
		c->physical_block_exp = __builtin_ctz(d->physical / d->block);
	c->min_io_size = d->physical > d->block ? d->physical / d->block : 1;
	c->writeback = 1;
	c->num_queues = 1;
	c->max_discard_sectors = DISK_TRIM_MAX / DISK_SECTOR;
	c->max_write_zeroes_sectors = DISK_ZERO_MAX / DISK_SECTOR;
	c->max_discard_seg = c->max_write_zeroes_seg = 1;
	c->discard_sector_alignment = (d->physical > d->block ? d->physical : d->block) / DISK_SECTOR;
	c->write_zeroes_may_unmap = 1;
}

enum husk_status block_create(struct machine *m, void *options)
{
	const struct disk_options *o = options;
	uint64_t features = BLOCK_F_SEG_MAX | BLOCK_F_BLK_SIZE | BLOCK_F_FLUSH | BLOCK_F_TOPOLOGY | BLOCK_F_CONFIG_WCE;
	struct block *b = calloc(1, sizeof(*b));
	enum husk_status status;

	if (!b)
		return fail(HUSK_STATUS_FAIL, "out of memory");
	status = o->format && !strcmp(o->format, "qcow2") ? disk_open_qcow2(&b->disk, o, &m->loop) :
							     disk_open_raw(&b->disk, o, &m->loop);
	if (status) {
		free(b);
		return status;
	}
	features |= o->readonly ? BLOCK_F_RO : BLOCK_F_DISCARD | BLOCK_F_WRITE_ZEROES;
	virtio_init(&b->virtio, &block_class, m, features, 1, QUEUE_SIZE);
	b->virtio.backend = "worker";
	b->disk->done = block_done;
	b->disk->reaped = block_reaped;
	b->disk->ctx = b;
	block_fill_config(&b->virtio, b->disk);
	b->virtio.config_writable[offsetof(struct block_config, writeback)] = 0xff;
	return virtio_add(&b->virtio) < 0 ? fail(HUSK_STATUS_USAGE, "no free PCI slot for the disk") : HUSK_STATUS_OK;
}
