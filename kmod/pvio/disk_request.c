// SPDX-License-Identifier: GPL-2.0
/*
 * What a request does, whoever made it: from its front end, which understands what the guest
 * asked for, back to that.
 *
 * Reads and writes are direct I/O on guest memory itself: the file system pins the
 * pages when it takes the request, and tells us in any context when it is done. What
 * may take long without that (flushes, discards, zeroes) is another thread's: disk_work.c.
 */
#include <linux/bvec.h>
#include <linux/gfp.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "compat.h"
#include "pvio/disk.h"
#include "trace.h"

#define IN_FLIGHT_MAX	(256ULL << 20)	/* bytes of all of a queue, unless it is one: who stops the queue waits for them */
#define LOG_PIECE	(1U << 20)
#define WORKS_MAX	4		/* of a queue: others have flushes, too */
#define COPY_ORDER	4		/* of the buffer for what is copied, if there is such a one */

/* ---- the end ---- */

static bool disk_is_data(const struct disk_request *r)
{
	return r->type == VIRTIO_BLK_T_IN || r->type == VIRTIO_BLK_T_OUT;
}

static void disk_count(struct husk_disk *disk, const struct disk_request *r, int error, u64 ns)
{
	struct husk_disk_stats *s = &disk->stats;
	struct husk_disk_times *times = &disk->times[HUSK_DISK_TIMES_OTHER];

	if (error) {
		s->errors++;
		return;
	}
	if (r->type == VIRTIO_BLK_T_IN) {
		times = &disk->times[HUSK_DISK_TIMES_READ];
		s->reads++;
		s->read_bytes += r->length;
	} else if (r->type == VIRTIO_BLK_T_OUT) {
		times = &disk->times[HUSK_DISK_TIMES_WRITE];
		s->writes++;
		s->write_bytes += r->length;
	} else if (r->type == VIRTIO_BLK_T_FLUSH) {
		s->flushes++;
	} else {
		s->ranges++;
	}
	times->ns += ns;
	times->times[min(__fls(ns | 1), HUSK_DISK_BUCKETS - 1UL)]++;
}

/* ---- the log of written pages: as it is when the write is over ---- */

/* In pieces: each is one RCU section, and there may be a GiB, each page of which many slots show. */
static void disk_log_data(struct disk_request *r)
{
	size_t at;
	u32 i;

	for (i = 0; i < r->iovs; i++)
		for (at = 0; at < r->iov[i].iov_len; at += LOG_PIECE) {
			husk_log_written_user(r->queue->disk->vm, r->iov[i].iov_base + at,
					      min_t(size_t, r->iov[i].iov_len - at, LOG_PIECE));
			cond_resched();
		}
}

/* What a read writes is needed when it is done, and the chain is another one by then. */
static int disk_keep_data(struct disk_request *r, const struct iovec *iov, unsigned int count)
{
	r->iov = r->few;
	r->iovs = 0;
	if (r->type != VIRTIO_BLK_T_IN)
		return 0;
	if (count > DISK_FEW)
		r->iov = kmalloc_array(count, sizeof(*iov), GFP_KERNEL_ACCOUNT);
	if (!r->iov)
		return -ENOMEM;
	memcpy(r->iov, iov, count * sizeof(*iov));
	r->iovs = count;
	return 0;
}

void disk_drop_data(struct disk_request *r)
{
	if (r->iov != r->few)
		kfree(r->iov);
}

/* Its errno. A transfer that is short met the end of a file that was longer before, or of its file system's space. */
static int disk_error(const struct disk_request *r)
{
	if (r->result < 0)
		return -r->result;
	return disk_is_data(r) && r->result != r->length ? EIO : 0;
}

/* How it went: to the owner, if it is the first that failed, to programs, and to tracers. The errno for the guest */
static int disk_tell_end(struct disk_request *r)
{
	struct husk_disk *disk = r->queue->disk;
	u64 ns = ktime_get_ns() - r->start;
	int error = disk_error(r);

	if (error && !disk->failure.error)
		disk->failure = (struct husk_disk_run) {
			.error = error, .type = r->type, .offset = r->offset, .length = r->length,
		};
	if (unlikely(r->ask_again))
		error = disk_ask_again(r, error, ns);
	disk_count(disk, r, error, ns);
	if (trace_husk_virtio_end_enabled())
		disk_trace_end(r, error, ns);
	return error;
}

void disk_end(struct disk_request *r)
{
	bool data = disk_is_data(r);
	struct disk_queue *q = r->queue;
	int error;

	disk_log_data(r);
	disk_drop_data(r);
	error = disk_tell_end(r);
	disk_answer(r, error);
	r->next = q->free;
	q->free = r;
	if (data)
		q->bytes -= r->length;
	else
		q->works--;
	q->in_flight--;
	q->disk->stats.in_flight--;
	q->stuck = false;
	if (!q->on)
		wake_up(&q->disk->drained);
}

void disk_reap(struct husk_disk *disk)
{
	struct llist_node *done = llist_reverse_order(llist_del_all(&disk->done));
	struct disk_request *r, *next;

	llist_for_each_entry_safe(r, next, done, done)
		disk_end(r);
}

/* The disk is freed no earlier than we are through with it: husk_disk_release() waits for readers of RCU. */
void disk_done(struct disk_request *r, long result)
{
	struct husk_disk *disk = r->queue->disk;

	rcu_read_lock();
	r->result = result;
	if (llist_add(&r->done, &disk->done)) {
		rcuwait_wake_up(&disk->wait);
		if (wq_has_sleeper(&disk->drained))
			wake_up(&disk->drained);
	}
	rcu_read_unlock();
}

/* ---- reads and writes ---- */

static void disk_complete(struct kiocb *iocb, long result)
{
	if (iocb->ki_flags & IOCB_WRITE)
		kiocb_end_write(iocb);
	disk_done(container_of(iocb, struct disk_request, iocb), result);
}

/* As io_uring does. */
ssize_t disk_submit(struct kiocb *iocb, struct iov_iter *iter, u64 offset, bool through,
		    void (*complete)(struct kiocb *iocb, long result), struct file *file)
{
	init_sync_kiocb(iocb, file);
	iocb->ki_pos = offset;
	iocb->ki_complete = complete;
	iocb->ki_flags |= IOCB_DIRECT | (through ? IOCB_DSYNC : 0);
	if (iov_iter_rw(iter) == READ)
		return vfs_iocb_iter_read(file, iocb, iter);
	iocb->ki_flags |= IOCB_WRITE;
	return vfs_iocb_iter_write(file, iocb, iter);
}

/* Compound: file systems take references to its parts, and give them back. */
struct page *disk_buffer(gfp_t gfp)
{
	struct page *page = alloc_pages(gfp | __GFP_COMP | __GFP_NORETRY | __GFP_NOWARN, COPY_ORDER);

	return page ? page : alloc_page(gfp);
}

/* One piece, by a buffer of ours. Bytes, or an error */
static ssize_t disk_copy_piece(struct disk_request *r, struct page *page, struct iov_iter *data, size_t n, u64 offset)
{
	struct bio_vec vec = { .bv_page = page, .bv_len = n };
	bool write = r->type == VIRTIO_BLK_T_OUT;
	struct iov_iter iter;
	struct kiocb iocb;
	ssize_t ret;

	if (write && copy_from_iter(page_address(page), n, data) != n)
		return -EFAULT;
	iov_iter_bvec(&iter, write ? ITER_SOURCE : ITER_DEST, &vec, 1, n);
	ret = disk_submit(&iocb, &iter, offset, r->through, NULL, r->queue->disk->file);
	if (!write && ret > 0 && copy_to_iter(page_address(page), ret, data) != ret)
		return -EFAULT;
	return ret;
}

/* The device can't reach the buffer as it lies. That is rare: a boot loader, perhaps. */
static long disk_copy(struct disk_request *r, struct iov_iter *data)
{
	struct page *page = disk_buffer(GFP_KERNEL);
	ssize_t ret = 0;
	u64 done;

	if (!page)
		return -ENOMEM;
	r->queue->disk->stats.copied++;
	for (done = 0; done < r->length; done += ret) {
		ret = fatal_signal_pending(current) ? -EINTR :
		      disk_copy_piece(r, page, data, min_t(u64, r->length - done, page_size(page)), r->offset + done);
		if (ret <= 0)
			break;
	}
	put_page(page);
	return ret < 0 ? ret : done;
}

static void disk_transfer(struct disk_request *r, const struct iovec *iov, unsigned int n)
{
	bool write = r->type == VIRTIO_BLK_T_OUT;
	struct iov_iter iter;
	ssize_t ret;

	iov_iter_init(&iter, write ? ITER_SOURCE : ITER_DEST, iov, n, r->length);
	ret = disk_keep_data(r, iov, n);
	if (!ret && iov_iter_alignment(&iter) & (PVIO_SECTOR - 1))
		ret = -EINVAL;
	else if (!ret)
		ret = disk_submit(&r->iocb, &iter, r->offset, r->through, disk_complete, r->queue->disk->file);
	if (ret == -EINVAL) {	/* or the file wants more than that */
		iov_iter_init(&iter, write ? ITER_SOURCE : ITER_DEST, iov, n, r->length);
		ret = disk_copy(r, &iter);
	}
	if (ret == -EIOCBQUEUED)
		return;
	r->result = ret;
	disk_end(r);
}

/* ---- the begin ---- */

static bool disk_has_room(const struct disk_queue *q, const struct disk_request *r)
{
	if (!disk_is_data(r))
		return q->works < WORKS_MAX;
	return !q->bytes || q->bytes + r->length <= IN_FLIGHT_MAX;
}

/* It counts for the limit; to tracers and programs. false: by word of these it is answered */
static bool disk_tell_begin(struct disk_request *r)
{
	struct disk_queue *q = r->queue;
	int error;

	r->start = ktime_get_ns();
	if (pvio_limit_on(&q->disk->limit))
		q->held_until = pvio_limit_take(&q->disk->limit, r->start, disk_is_data(r) ? r->length : 0);
	if (trace_husk_virtio_begin_enabled())
		disk_trace_begin(r);
	r->ask_again = false;
	if (!trace_husk_policy_enabled() || disk_ask(r, &error))
		return true;
	q->disk->stats.errors += error != 0;
	if (trace_husk_virtio_end_enabled())
		disk_trace_end(r, error, 0);
	disk_answer(r, error);
	return false;
}

bool disk_begin(struct disk_queue *q, struct disk_request *r, const struct iovec *iov, unsigned int count)
{
	r->queue = q;
	if (!disk_has_room(q, r))
		return false;
	if (!disk_tell_begin(r))
		return true;
	q->free = r->next;
	q->bytes += disk_is_data(r) ? r->length : 0;
	q->in_flight++;
	q->disk->stats.in_flight++;
	if (disk_is_data(r))
		disk_transfer(r, iov, count);
	else
		disk_begin_work(r);
	return true;
}
