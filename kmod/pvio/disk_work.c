// SPDX-License-Identifier: GPL-2.0
/*
 * HUSK_DISK_WORK: the thread that does what may take long: flushes, discards, zeroes. So it is one of the owner's, too,
 * as to rights, limits and time, and reads and writes go on meanwhile. Without one the disk's other thread does it.
 *
 * A flush covers what was told to be done before it was made available: so it waits for nothing, and one of the file
 * is one for all that have come by then.
 */
#include <linux/bvec.h>
#include <linux/falloc.h>
#include <linux/gfp.h>
#include <linux/sched/signal.h>

#include "compat.h"
#include "pvio/disk.h"

/* Zeroes to write where the file makes none itself */
static long disk_write_zeroes(struct disk_request *r)
{
	struct page *page;
	ssize_t ret = 0;
	u64 done;

	page = disk_buffer(GFP_KERNEL | __GFP_ZERO);
	if (!page)
		return -ENOMEM;
	for (done = 0; done < r->length; done += ret) {
		struct bio_vec vec = { .bv_page = page, .bv_len = min_t(u64, r->length - done, page_size(page)) };
		struct iov_iter iter;
		struct kiocb iocb;

		iov_iter_bvec(&iter, ITER_SOURCE, &vec, 1, vec.bv_len);
		ret = disk_submit(&iocb, &iter, r->offset + done, false, NULL, r->queue->disk->file);
		if (ret <= 0)
			break;
	}
	put_page(page);
	return ret < 0 ? ret : done == r->length ? 0 : -EIO;
}

static long disk_zero(struct disk_request *r)
{
	struct file *file = r->queue->disk->file;
	long ret = -EOPNOTSUPP;

	if (!r->unmap)
		ret = vfs_fallocate(file, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, r->offset, r->length);
	if (ret == -EOPNOTSUPP)
		ret = vfs_fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, r->offset, r->length);
	if (ret == -EOPNOTSUPP)
		ret = disk_write_zeroes(r);
	return ret || !r->through ? ret : vfs_fsync(file, 1);
}

/* A hint (5.2.6.2): what the file can't do is done. */
static long disk_discard(struct disk_request *r)
{
	long ret = vfs_fallocate(r->queue->disk->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, r->offset, r->length);

	return ret == -EOPNOTSUPP ? 0 : ret;
}

static long disk_do(struct disk_request *r)
{
	switch (r->type) {
	case VIRTIO_BLK_T_FLUSH:
		return vfs_fsync(r->queue->disk->file, 1);
	case VIRTIO_BLK_T_DISCARD:
		return disk_discard(r);
	default:
		return disk_zero(r);
	}
}

void disk_begin_work(struct disk_request *r)
{
	struct husk_disk *disk = r->queue->disk;

	r->iov = r->few;
	r->iovs = 0;
	r->queue->works++;
	if (!disk->has_worker) {
		r->result = disk_do(r);
		disk_end(r);
	} else if (llist_add(&r->done, &disk->works)) {
		rcuwait_wake_up(&disk->work_wait);
	}
}

/* ---- the thread ---- */

/* Flushes: the others are for later. */
static struct llist_node *disk_sort_works(struct husk_disk *disk)
{
	struct llist_node *flushes = NULL, **last = &disk->later;
	struct disk_request *r, *next;

	while (*last)
		last = &(*last)->next;
	llist_for_each_entry_safe(r, next, llist_reverse_order(llist_del_all(&disk->works)), done) {
		if (r->type == VIRTIO_BLK_T_FLUSH) {
			r->done.next = flushes;
			flushes = &r->done;
		} else {
			r->done.next = NULL;
			*last = &r->done;
			last = &r->done.next;
		}
	}
	return flushes;
}

/* All flushes, and one of the others. true: there is more */
static bool disk_work_round(struct husk_disk *disk)
{
	struct llist_node *flushes = disk_sort_works(disk);
	struct disk_request *r, *next;
	long ret;

	if (flushes) {
		ret = vfs_fsync(disk->file, 1);
		llist_for_each_entry_safe(r, next, flushes, done)
			disk_done(r, ret);
	}
	if (disk->later) {
		r = llist_entry(disk->later, struct disk_request, done);
		disk->later = r->done.next;
		disk_done(r, disk_do(r));
	}
	return disk->later || !llist_empty(&disk->works);
}

static void disk_wait_work(struct husk_disk *disk)
{
	prepare_to_rcuwait(&disk->work_wait);
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (!llist_empty(&disk->works) || !READ_ONCE(disk->served) || signal_pending(current))
			break;
		schedule();
	}
	finish_rcuwait(&disk->work_wait);
}

/* No queue is served, or not for long, and all is done. What comes yet the other thread does */
static bool disk_work_ends(struct husk_disk *disk, bool dead)
{
	bool ends;

	mutex_lock(&disk->lock);
	ends = (dead || !disk->served) && !disk->later && llist_empty(&disk->works);
	disk->has_worker = !ends;
	mutex_unlock(&disk->lock);
	return ends;
}

long disk_work(struct husk_disk *disk)
{
	for (;;) {
		bool dead = READ_ONCE(disk->vm->dead), more;

		if (disk_work_ends(disk, dead))
			return dead ? -EIO : 0;
		more = disk_work_round(disk);
		if (signal_pending(current) || test_thread_flag(TIF_NOTIFY_RESUME))
			return -EINTR;
		if (!more)
			disk_wait_work(disk);
		cond_resched();
	}
}

void disk_drop_works(struct husk_disk *disk)
{
	struct llist_node *at;

	for (at = llist_del_all(&disk->works); at; at = at->next)
		disk->stats.in_flight--;
	for (at = disk->later; at; at = at->next)
		disk->stats.in_flight--;
	disk->later = NULL;
}
