// SPDX-License-Identifier: GPL-2.0
/*
 * A disk's front end for a pvSCSI adapter: from a request in the ring (pvscsi_request.c) to what the disk is to do,
 * and back to a completion with its sense.
 */
#include <linux/slab.h>

#include "pvio/disk.h"
#include "pvio/pvscsi.h"
#include "pvio/scsi.h"

/* Only the disk's thread uses what comes after @unit, for the request that it takes. */
struct disk_pvscsi {
	struct pvscsi_ring ring;
	struct scsi_unit unit;
	struct pvscsi_request request;
	struct scsi_command command;
};

/* ---- answers ---- */

static void pvscsi_put(struct disk_queue *q, const struct pvscsi_completion *c)
{
	void __user *at = pvscsi_ring_put(&q->pvscsi->ring, c);

	husk_log_written_user(q->disk->vm, at, sizeof(*c));
}

static void pvscsi_put_sense(struct disk_queue *q, u64 context, u8 __user *to, u32 bytes, u32 code)
{
	const struct pvscsi_completion c = { .context = context, .sense_bytes = bytes, .scsi = SCSI_CHECK_CONDITION };
	u8 sense[SCSI_SENSE];

	scsi_fill_sense(sense, code);
	if (bytes) {
		pvio_copy_to(to, sense, bytes);
		husk_log_written_user(q->disk->vm, to, bytes);
	}
	pvscsi_put(q, &c);
}

void disk_pvscsi_answer(const struct disk_request *r, int error)
{
	const struct pvscsi_completion c = { .context = r->context, .bytes = r->type <= VIRTIO_BLK_T_OUT ? r->length : 0 };

	if (error)
		pvscsi_put_sense(r->queue, r->context, r->sense, r->sense_bytes, scsi_sense_of(error, r->type != VIRTIO_BLK_T_IN));
	else
		pvscsi_put(r->queue, &c);
}

/* The adapter's own word */
static void pvscsi_refuse(struct disk_queue *q, enum pvscsi_host why)
{
	const struct pvscsi_completion c = { .context = q->pvscsi->request.context, .host = why };

	q->disk->stats.errors += why != PVSCSI_HOST_NO_TARGET;
	pvscsi_put(q, &c);
}

static void pvscsi_fail(struct disk_queue *q)
{
	const struct pvscsi_request *from = &q->pvscsi->request;
	u32 bytes, sense = q->pvscsi->command.sense;
	u8 __user *to = pvscsi_sense(&q->pvscsi->ring, from, &bytes);

	q->disk->stats.errors += sense != SCSI_SENSE_OPCODE && sense != SCSI_SENSE_FIELD;
	pvscsi_put_sense(q, from->context, to, bytes, sense);
}

/* Of what is known without the disk */
static void pvscsi_reply(struct disk_queue *q)
{
	const struct scsi_command *c = &q->pvscsi->command;
	struct pvscsi_completion done = { .context = q->pvscsi->request.context };
	u64 left;
	u32 i;

	done.bytes = left = pvio_iov_to(c->iov, c->iovs, 0, c->answer, c->answered);
	for (i = 0; i < c->iovs && left; left -= min_t(u64, left, c->iov[i].iov_len), i++)
		husk_log_written_user(q->disk->vm, c->iov[i].iov_base, min_t(u64, left, c->iov[i].iov_len));
	pvscsi_put(q, &done);
}

/* ---- requests ---- */

/* What the disk's core calls it. 0: that is answered here */
static const u8 pvscsi_types[] = {
	[SCSI_READ] = VIRTIO_BLK_T_IN, [SCSI_WRITE] = VIRTIO_BLK_T_OUT, [SCSI_FLUSH] = VIRTIO_BLK_T_FLUSH,
	[SCSI_DISCARD] = VIRTIO_BLK_T_DISCARD, [SCSI_ZERO] = VIRTIO_BLK_T_WRITE_ZEROES,
};

static bool pvscsi_begin(struct disk_queue *q, struct disk_request *r, enum scsi_what what)
{
	const struct scsi_command *c = &q->pvscsi->command;
	bool data = what == SCSI_READ || what == SCSI_WRITE;

	r->type = pvscsi_types[what];
	r->offset = c->offset;
	r->length = c->length;
	r->through = c->through;
	r->unmap = c->unmap;
	r->context = q->pvscsi->request.context;
	r->head = r->context;
	r->sense = pvscsi_sense(&q->pvscsi->ring, &q->pvscsi->request, &r->sense_bytes);
	return disk_begin(q, r, c->iov, data ? c->iovs : 0);
}

static bool pvscsi_request(struct disk_queue *q, struct disk_request *r)
{
	struct disk_pvscsi *s = q->pvscsi;
	enum scsi_what what;
	enum pvscsi_host why = pvscsi_parse(&s->ring, &s->request, &s->unit, q->disk->chain.iov, &s->command, &what);

	if (why)
		pvscsi_refuse(q, why);
	else if (what == SCSI_FAILED)
		pvscsi_fail(q);
	else if (what == SCSI_DONE || what == SCSI_ANSWER)
		pvscsi_reply(q);
	else
		return pvscsi_begin(q, r, what);
	return true;
}

enum disk_took disk_pvscsi_take(struct disk_queue *q)
{
	struct disk_pvscsi *s = q->pvscsi;

	if (!q->free)
		return DISK_FULL;
	if (pvscsi_ring_next(&s->ring, &s->request) != PVIO_CHAIN)
		return DISK_NONE;
	if (pvscsi_request(q, q->free))
		return DISK_TOOK;
	pvscsi_ring_unget(&s->ring);
	return DISK_FULL;
}

bool disk_pvscsi_waits(const struct disk_queue *q)
{
	return pvscsi_ring_waits(&q->pvscsi->ring);
}

bool disk_pvscsi_broken(const struct disk_queue *q)
{
	return q->pvscsi->ring.broken;
}

bool disk_pvscsi_should_notify(struct disk_queue *q)
{
	return pvscsi_ring_should_notify(&q->pvscsi->ring);
}

void disk_pvscsi_log(struct disk_queue *q)
{
	husk_log_written_user(q->disk->vm, q->pvscsi->ring.state, PVSCSI_PAGE);
}

/* ---- begin and end ---- */

static bool pvscsi_start_valid(const struct husk_disk *disk, const struct husk_disk_start_pvscsi *arg)
{
	return !arg->reserved && arg->requests && arg->requests <= PVSCSI_RING_PAGES && is_power_of_2(arg->requests) &&
	       arg->completions && arg->completions <= PVSCSI_RING_PAGES && is_power_of_2(arg->completions) &&
	       arg->block >= PVIO_SECTOR && arg->block <= PVSCSI_PAGE && is_power_of_2(arg->block) && !(disk->bytes % arg->block) &&
	       arg->physical >= arg->block && arg->physical <= PVIO_DISCARD_MAX && is_power_of_2(arg->physical);
}

static void pvscsi_fill_unit(struct scsi_unit *unit, const struct husk_disk *disk, const struct husk_disk_start_pvscsi *arg)
{
	*unit = (struct scsi_unit){
		.blocks = disk->bytes / arg->block, .block = arg->block, .physical = arg->physical,
		.transfer_max = PVIO_TRANSFER_MAX, .discard_max = PVIO_DISCARD_MAX, .zeroes_max = PVIO_ZEROES_MAX,
		.readonly = disk->readonly,
	};
	memcpy(unit->serial, disk->serial, sizeof(unit->serial));
}

static int pvscsi_start_ring(struct disk_queue *q, struct pvscsi_ring *ring, const struct husk_disk_start_pvscsi *arg)
{
	u64 pages[1 + 2 * PVSCSI_RING_PAGES];

	if (copy_from_user(pages, u64_to_user_ptr(arg->pages), (1 + arg->requests + arg->completions) * sizeof(pages[0])))
		return -EFAULT;
	return pvscsi_ring_start(ring, &q->disk->memory, pages, arg->requests, arg->completions) ? -EFAULT : 0;
}

static int pvscsi_start_queue(struct disk_queue *q, const struct husk_disk_start_pvscsi *arg)
{
	struct disk_pvscsi *s;
	int ret;

	if (q->busy)
		return -EBUSY;
	s = kzalloc(sizeof(*s), GFP_KERNEL_ACCOUNT);
	if (!s)
		return -ENOMEM;
	pvscsi_fill_unit(&s->unit, q->disk, arg);
	ret = pvscsi_start_ring(q, &s->ring, arg);
	if (!ret)
		ret = disk_open_queue(q, min_t(u32, s->ring.requests, PVIO_RING_MAX));
	if (ret) {
		kfree(s);
		return ret;
	}
	q->pvscsi = s;
	return 0;
}

void disk_pvscsi_stop(struct disk_queue *q)
{
	kfree(q->pvscsi);
	q->pvscsi = NULL;
}

long husk_disk_start_pvscsi(void *object, void *p)
{
	struct husk_disk_start_pvscsi *arg = p;
	struct husk_disk *disk = object;
	struct disk_queue *q = disk_queue(disk, arg->index);
	int ret;

	if (!q || !pvscsi_start_valid(disk, arg))
		return -EINVAL;
	if (mutex_lock_killable(&disk->lock))
		return -EINTR;
	ret = pvscsi_start_queue(q, arg);
	mutex_unlock(&disk->lock);
	husk_disk_kick(disk);
	return ret;
}
