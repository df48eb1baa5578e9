// SPDX-License-Identifier: GPL-2.0
/*
 * A disk's front end for virtio: requests of a virtio block device (virtio 1.2, 5.2.6), from the
 * chain, and to the status byte. All that is looked at has been read, and nothing is read twice.
 */
#include "pvio/disk.h"

/* 5.2.3 */
#define F_FLUSH		BIT_ULL(9)
#define F_DISCARD	BIT_ULL(13)
#define F_WRITE_ZEROES	BIT_ULL(14)

enum { S_OK, S_IOERR, S_UNSUPP };

struct block_header {
	u32 type, reserved;
	u64 sector;
};

struct block_range {
	u64 sector;
	u32 sectors, flags;
};
#define RANGE_UNMAP	1

static void virtio_put(struct disk_queue *q, u16 head, u8 __user *to, u8 status, u32 bytes)
{
	pvio_copy_to(to, &status, 1);
	husk_log_written_user(q->disk->vm, to, 1);
	pvio_ring_put(&q->ring, head, bytes + 1);
}

void disk_virtio_answer(const struct disk_request *r, int error)
{
	virtio_put(r->queue, r->head, r->status, error ? S_IOERR : S_OK, !error && r->type == T_IN ? r->length : 0);
}

/* The segments of the data alone: without the header before it, or the status byte after. There is some. */
static struct iovec *virtio_data(struct pvio_chain *c, bool write, unsigned int *count)
{
	struct iovec *iov = c->iov + (write ? 0 : c->out);
	size_t skip = sizeof(struct block_header);

	if (!write) {
		*count = c->in - !--iov[c->in - 1].iov_len;
		return iov;
	}
	for (*count = c->out; skip >= iov->iov_len; iov++, (*count)--)
		skip -= iov->iov_len;
	iov->iov_base += skip;
	iov->iov_len -= skip;
	return iov;
}

static bool virtio_inside(const struct husk_disk *disk, u64 sector, u64 bytes)
{
	u64 sectors = disk->bytes / DISK_SECTOR;

	return !(bytes % DISK_SECTOR) && sector <= sectors && bytes / DISK_SECTOR <= sectors - sector;
}

static int virtio_parse_data(struct disk_queue *q, const struct block_header *h, const struct pvio_chain *c,
			     struct disk_request *r)
{
	r->offset = h->sector * DISK_SECTOR;
	r->length = h->type == T_OUT ? c->out_bytes - sizeof(*h) : c->in_bytes - 1;
	if (!virtio_inside(q->disk, h->sector, r->length) || r->length > DISK_TRANSFER_MAX ||
	    (h->type == T_OUT && q->disk->readonly))
		return S_IOERR;
	return S_OK;
}

static int virtio_parse_flush(struct disk_queue *q, const struct block_header *h, const struct pvio_chain *c,
			      struct disk_request *r)
{
	r->offset = 0;
	r->length = q->disk->bytes;
	return S_OK;
}

/* One range, as the device's configuration says */
static int virtio_parse_range(struct disk_queue *q, const struct block_header *h, const struct pvio_chain *c,
			      struct disk_request *r)
{
	bool zero = h->type == T_WRITE_ZEROES;
	struct block_range range;

	if (c->out_bytes != sizeof(*h) + sizeof(range) || q->disk->readonly ||
	    !(q->features & (zero ? F_WRITE_ZEROES : F_DISCARD)))
		return S_UNSUPP;
	pvio_iov_from(c->iov, c->out, sizeof(*h), &range, sizeof(range));
	if (range.flags & ~(zero ? RANGE_UNMAP : 0U))
		return S_UNSUPP;
	r->offset = range.sector * DISK_SECTOR;
	r->length = (u64)range.sectors * DISK_SECTOR;
	r->unmap = range.flags & RANGE_UNMAP;
	return virtio_inside(q->disk, range.sector, r->length) && r->length <= (zero ? DISK_ZEROES_MAX : DISK_DISCARD_MAX) ?
	       S_OK : S_IOERR;
}

static const struct virtio_type {
	u32 type;
	int (*parse)(struct disk_queue *q, const struct block_header *h, const struct pvio_chain *c, struct disk_request *r);
} virtio_types[] = {
	{ T_IN, virtio_parse_data },
	{ T_OUT, virtio_parse_data },
	{ T_FLUSH, virtio_parse_flush },
	{ T_DISCARD, virtio_parse_range },
	{ T_WRITE_ZEROES, virtio_parse_range },
};

static const struct virtio_type *virtio_type(u32 type)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(virtio_types); i++)
		if (virtio_types[i].type == type)
			return &virtio_types[i];
	return NULL;
}

static void virtio_get_id(struct disk_queue *q, const struct pvio_chain *c, u8 __user *status)
{
	size_t n = min_t(u64, c->in_bytes - 1, sizeof(q->disk->serial));
	u32 i;

	pvio_iov_to(c->iov + c->out, c->in, 0, q->disk->serial, n);
	for (i = 0; i < c->in; i++)
		husk_log_written_user(q->disk->vm, c->iov[c->out + i].iov_base, min_t(u64, c->iov[c->out + i].iov_len, n));
	virtio_put(q, c->head, status, S_OK, n);
}

/* It is the queue's only request that is free until it is taken. */
static bool virtio_start(struct disk_queue *q, const struct block_header *h, struct pvio_chain *c, u8 __user *status)
{
	const struct virtio_type *type = virtio_type(h->type);
	struct disk_request *r = q->free;
	const struct iovec *iov = NULL;
	unsigned int count = 0;
	int why = S_UNSUPP;

	if (!r)
		return false;
	if (type)
		why = type->parse(q, h, c, r);
	if (why || !r->length) {
		q->disk->stats.errors += why != S_OK;
		virtio_put(q, c->head, status, why, 0);
		return true;
	}
	r->type = h->type;
	r->head = c->head;
	r->status = status;
	r->through = !(q->features & F_FLUSH);
	if (h->type == T_IN || h->type == T_OUT)
		iov = virtio_data(c, h->type == T_OUT, &count);
	return disk_begin(q, r, iov, count);
}

static bool virtio_request(struct disk_queue *q, struct pvio_chain *c)
{
	const struct iovec *last = &c->iov[c->out + c->in - 1];
	u8 __user *status;
	struct block_header h;

	if (!c->in || c->out_bytes < sizeof(h)) {
		q->ring.broken = true;
		return true;
	}
	pvio_iov_from(c->iov, c->out, 0, &h, sizeof(h));
	status = last->iov_base + last->iov_len - 1;
	if (h.type == T_GET_ID)
		virtio_get_id(q, c, status);
	else
		return virtio_start(q, &h, c, status);
	return true;
}

enum disk_took disk_virtio_take(struct disk_queue *q)
{
	struct pvio_chain *chain = &q->disk->chain;

	if (pvio_ring_next(&q->ring, chain) != PVIO_CHAIN)
		return DISK_NONE;
	if (virtio_request(q, chain))
		return DISK_TOOK;
	pvio_ring_unget(&q->ring, 1);
	return DISK_FULL;
}

void disk_virtio_log(struct disk_queue *q)
{
	husk_log_written_user(q->disk->vm, q->ring.used_part, sizeof(struct pvio_used_elem) * q->ring.size + 6);
}
