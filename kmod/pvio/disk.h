/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A disk: the queues of a virtio block device, or the rings of a pvSCSI adapter, over a file, served in the kernel.
 *
 * disk.c is the object and its commands, disk_run.c the thread that serves the queues, disk_work.c the one for what may take long,
 * disk_request.c what a request does, disk_watch.c what is told of it. How a request comes from
 * the guest, and how it is answered, is the front end's: disk_virtio.c, disk_pvscsi.c. What it
 * asks for is found out without the kernel: block.c, pvscsi_request.c.
 */
#ifndef HUSK_PVIO_DISK_H
#define HUSK_PVIO_DISK_H

#include <linux/fs.h>
#include <linux/llist.h>
#include <linux/mutex.h>
#include <linux/rcuwait.h>
#include <linux/wait.h>

#include "policy.h"
#include "pvio/block.h"
#include "pvio/limit.h"

#define DISK_FEW	4	/* segments of a read, for which nothing is allocated */

struct husk_disk;
struct disk_queue;

/**
 * struct disk_request - a request in flight
 * @iocb: of a read or write
 * @done: in the disk's, when it is done; before, of what is no read or write, in the disk's works
 * @next: the next one that is free
 * @iov: guest memory that a read writes; @few, or allocated
 * @iovs: number of segments
 * @status: virtio's: where the guest is told how it went
 * @context: pvSCSI's: the driver's name for it
 * @sense: likewise: where the guest is told what went wrong, in so many bytes
 * @offset: in the file
 * @length: bytes of it
 * @result: when it is done: an error, or how many of the bytes of a read or write
 * @type: what the guest asked for, in virtio's terms: VIRTIO_BLK_T_...
 * @head: of the chain; of a pvSCSI request the low bits of @context, for tracers
 * @unmap: zeroes may become a hole
 * @through: stable when it is done
 * @ask_again: a program is to see how it went
 * @start: when it was taken, in ns
 */
struct disk_request {
	struct kiocb iocb;
	struct llist_node done;
	struct disk_request *next;
	struct disk_queue *queue;
	struct iovec *iov;
	u32 iovs;
	struct iovec few[DISK_FEW];
	union {
		u8 __user *status;
		struct {
			u64 context;
			u8 __user *sense;
			u32 sense_bytes;
		};
	};
	u64 offset, length;
	long result;
	u32 type;
	u16 head;
	bool unmap, through, ask_again;
	u64 start;
};

/**
 * struct disk_queue - a queue; all by disk->lock
 * @on: it is served
 * @busy: likewise, or it is being stopped
 * @stuck: a chain waits until a request is done
 * @told: the owner knows that it is broken
 * @bytes: of data in flight
 * @held_until: nothing is taken before that time, in ns; 0: that is over
 * @works: requests that are neither a read nor a write
 * @pvscsi: the front end is that, and @ring and @block are not in use; NULL: it is virtio
 * @pool: as many requests as the ring has entries, while @busy; of pvSCSI, up to PVIO_RING_MAX
 * @free: those not in flight
 * @call: an eventfd; or NULL: @gsi, unless that is negative
 */
struct disk_queue {
	struct husk_disk *disk;
	struct pvio_ring ring;
	struct pvio_block block;
	struct disk_pvscsi *pvscsi;
	bool on, busy, stuck, told;
	u32 in_flight, works;
	u64 bytes, held_until;
	struct disk_request *pool, *free;
	struct eventfd_ctx *call;
	int gsi;
};

/**
 * struct husk_disk - a disk
 * @lock: of the queues. Held by the thread while it works, not while it sleeps, and not
 *	by those who only kick. May be held while the host's disk is waited for
 * @runner: held by the thread
 * @worker: by the one that does what may take long
 * @done: requests that are done, put there in any context
 * @works: for the thread that does what may take long; put there with the lock held
 * @later: of these, what it has taken; by @worker
 * @has_worker: there is that thread; by lock
 * @called: something may have come since the thread looked last; xchg
 * @wait, @work_wait: the threads sleep here
 * @drained: who waits for requests
 * @chain: what is being parsed; by lock
 * @served: number of queues that are on; by lock
 * @poll_ns: how long the thread waits awake; by lock
 * @stats, @times: by lock
 * @limit: by lock
 * @asked: what programs are asked about; by lock
 * @failure: the first request that failed, for the owner; by lock
 */
struct husk_disk {
	struct husk_vm *vm;		/* immutable, with a reference, as the next six */
	struct file *file;
	struct pvio_memory memory;
	u64 bytes;
	u32 number;
	char serial[20];
	bool readonly;

	struct mutex lock, runner, worker;
	struct llist_head done, works;
	struct llist_node *later;
	bool called, has_worker;
	struct rcuwait wait, work_wait;
	wait_queue_head_t drained;
	struct pvio_chain chain;
	u32 served;
	u32 poll_ns;
	struct husk_disk_stats stats;
	struct husk_disk_times times[HUSK_DISK_TIMES_COUNT];
	struct pvio_limit limit;
	struct husk_asked asked;
	struct husk_disk_run failure;
	u32 queues;			/* immutable */
	struct disk_queue queue[];
};

/* disk.c: for HUSK_VM_CREATE_DISK, under vm->lock; and its file again, with a reference, or NULL */
long husk_disk_create(struct husk_vm *vm, struct husk_create_disk *arg, struct file **file);
struct husk_disk *husk_disk_get(struct husk_vm *vm, int fd, struct file **file);
struct disk_queue *disk_queue(struct husk_disk *disk, u32 index);
/* With disk->lock held: its ring, or rings, are there; with room for so many requests it is served */
int disk_open_queue(struct disk_queue *q, u32 requests);
/* Any context: look at the queues */
void husk_disk_kick(struct husk_disk *disk);

/* disk_run.c, with disk->lock held: interrupt, if the driver wants it */
void disk_notify(struct disk_queue *queue);
long disk_run(struct husk_disk *disk, struct husk_disk_run *told);

/* The front end, with disk->lock held: take a request. FULL: not before another one is done */
enum disk_took { DISK_NONE, DISK_TOOK, DISK_FULL };
enum disk_took disk_virtio_take(struct disk_queue *queue);
void disk_virtio_answer(const struct disk_request *r, int error);
/* After the device's part of the ring was written to */
void disk_virtio_log(struct disk_queue *queue);

/* disk_pvscsi.c: the same, and what else a ring is asked */
enum disk_took disk_pvscsi_take(struct disk_queue *queue);
void disk_pvscsi_answer(const struct disk_request *r, int error);
void disk_pvscsi_log(struct disk_queue *queue);
bool disk_pvscsi_waits(const struct disk_queue *queue);
bool disk_pvscsi_broken(const struct disk_queue *queue);
bool disk_pvscsi_should_notify(struct disk_queue *queue);
void disk_pvscsi_stop(struct disk_queue *queue);
long husk_disk_start_pvscsi(void *object, void *arg);

/* The front end of a queue: virtio's costs no call more than if it were the only one. */
static inline enum disk_took disk_take(struct disk_queue *q)
{
	return unlikely(q->pvscsi) ? disk_pvscsi_take(q) : disk_virtio_take(q);
}

static inline void disk_answer(const struct disk_request *r, int error)
{
	if (unlikely(r->queue->pvscsi))
		disk_pvscsi_answer(r, error);
	else
		disk_virtio_answer(r, error);
}

static inline void disk_log_ring(struct disk_queue *q)
{
	if (unlikely(q->pvscsi))
		disk_pvscsi_log(q);
	else
		disk_virtio_log(q);
}

static inline bool disk_ring_waits(const struct disk_queue *q)
{
	return unlikely(q->pvscsi) ? disk_pvscsi_waits(q) : pvio_ring_waits(&q->ring);
}

static inline bool disk_ring_broken(const struct disk_queue *q)
{
	return unlikely(q->pvscsi) ? disk_pvscsi_broken(q) : q->ring.broken;
}

static inline bool disk_ring_should_notify(struct disk_queue *q)
{
	return unlikely(q->pvscsi) ? disk_pvscsi_should_notify(q) : pvio_ring_should_notify(&q->ring);
}

/* pvSCSI's driver always kicks. */
static inline bool disk_ring_want_kicks(struct disk_queue *q, bool want)
{
	return unlikely(q->pvscsi) ? want && disk_pvscsi_waits(q) : pvio_ring_want_kicks(&q->ring, want);
}

/*
 * disk_request.c, with disk->lock held: do what a request says that is free, and of which the front end has
 * filled in what was asked for, with guest memory of so many segments. false: not now
 */
bool disk_begin(struct disk_queue *queue, struct disk_request *r, const struct iovec *iov, unsigned int count);
/* What it has allocated; in any mm */
void disk_drop_data(struct disk_request *r);
/* Give back what is done; in the VM's mm */
void disk_reap(struct husk_disk *disk);
/* For disk_work.c: it is done, in the thread that took it; or in any context, without the lock */
void disk_end(struct disk_request *r);
void disk_done(struct disk_request *r, long result);
/* A transfer on our own account. -EIOCBQUEUED: complete will be called */
ssize_t disk_submit(struct kiocb *iocb, struct iov_iter *iter, u64 offset, bool through,
		    void (*complete)(struct kiocb *iocb, long result), struct file *file);
struct page *disk_buffer(gfp_t gfp);

/* disk_work.c: what is no read or write, with disk->lock held; the thread for that, with disk->worker */
void disk_begin_work(struct disk_request *r);
long disk_work(struct husk_disk *disk);
/* Nobody does it any more: it is not in flight */
void disk_drop_works(struct husk_disk *disk);

/* disk_watch.c. false: it is not to be done, but answered with the errno. Again: the errno that it is answered with */
bool disk_ask(struct disk_request *r, int *error);
int disk_ask_again(struct disk_request *r, int error, u64 ns);
void disk_trace_begin(const struct disk_request *r);
void disk_trace_end(const struct disk_request *r, int error, u64 ns);

#endif
