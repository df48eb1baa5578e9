// SPDX-License-Identifier: GPL-2.0
/*
 * A disk's front end for virtio: from a chain to what the disk is to do (block.c), and to the status byte.
 */
#include "pvio/disk.h"

static void virtio_put(struct disk_queue *q, u16 head, u8 __user *to, u8 status, u32 bytes)
{
	pvio_copy_to(to, &status, 1);
	husk_log_written_user(q->disk->vm, to, 1);
	pvio_ring_put(&q->ring, head, bytes + 1);
}

/*
 * A read that is done has filled its memory; so has one that a program answered (HUSK_POLICY_HANDLED), by that program's
 * word: with fewer bytes a driver that looks at them would take it for one that failed.
 */
void disk_virtio_answer(const struct disk_request *r, int error)
{
	virtio_put(r->queue, r->head, r->status, error ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK,
		   !error && r->type == VIRTIO_BLK_T_IN ? r->length : 0);
}

static void virtio_get_id(struct disk_queue *q, u16 head, const struct pvio_block_request *from)
{
	size_t left = from->length;
	unsigned int i;

	pvio_iov_to(from->iov, from->iovs, 0, q->disk->serial, left);
	for (i = 0; i < from->iovs && left; left -= min(left, from->iov[i].iov_len), i++)
		husk_log_written_user(q->disk->vm, from->iov[i].iov_base, min(left, from->iov[i].iov_len));
	virtio_put(q, head, from->status, VIRTIO_BLK_S_OK, from->length);
}

/* It is the queue's only request that is free until it is taken. */
static bool virtio_begin(struct disk_queue *q, u16 head, const struct pvio_block_request *from)
{
	struct disk_request *r = q->free;

	if (!r)
		return false;
	r->type = from->type;
	r->head = head;
	r->status = from->status;
	r->offset = from->offset;
	r->length = from->length;
	r->unmap = from->unmap;
	r->through = !(q->block.features & PVIO_BLOCK_F(FLUSH));
	return disk_begin(q, r, from->iov, from->iovs);
}

static bool virtio_request(struct disk_queue *q, struct pvio_chain *c)
{
	struct pvio_block_request from;
	int status = pvio_block_parse(&q->block, c, &from);

	if (status < 0) {
		q->ring.broken = true;
	} else if (status != VIRTIO_BLK_S_OK || !from.length) {
		q->disk->stats.errors += status != VIRTIO_BLK_S_OK;
		virtio_put(q, c->head, from.status, status, 0);
	} else if (from.type == VIRTIO_BLK_T_GET_ID) {
		virtio_get_id(q, c->head, &from);
	} else {
		return virtio_begin(q, c->head, &from);
	}
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
