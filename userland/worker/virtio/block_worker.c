// SPDX-License-Identifier: GPL-2.0
/* virtio-blk in the worker: requests (virtio 1.2, 5.2.6), by a struct disk. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "pvio/block.h"
#include "pvio/limit.h"
#include "worker/machine.h"
#include "worker/virtio/block.h"

#define IN_FLIGHT_MAX	(256ULL << 20)	/* bytes, unless it is one request: a reset waits for them */

struct block_worker {
	struct block *block;
	struct disk *disk;
	uint64_t bytes;			/* in flight */
	bool stopping;
	unsigned int serving;		/* the queue whose chain is looked at */
	uint32_t stuck;			/* bits of queues whose chains wait until a request is done, or it is time */
	struct pvio_limit limit;
	uint64_t held_until;		/* by it, in ns; 0: it does not hold */
	struct watch timer;		/* for that */
	struct block_counts counts;
};

/* A request in flight */
struct request {
	struct disk_request disk;
	uint16_t head, queue;
	uint8_t *status;
	uint64_t in_bytes;	/* of data */
	uint64_t bytes;		/* of data, either way */
	struct iovec iov[];
};

static void answer(struct block_worker *w, unsigned int queue, uint16_t head, uint8_t *to, uint8_t status, uint64_t in_bytes)
{
	*to = status;
	virtio_put(&w->block->virtio, queue, head, in_bytes + 1);
}

static void count(struct block_counts *c, const struct request *r)
{
	if (r->disk.error) {
		c->errors++;
	} else if (r->disk.op == DISK_READ) {
		c->reads++;
		c->read_bytes += r->bytes;
	} else if (r->disk.op == DISK_WRITE) {
		c->writes++;
		c->write_bytes += r->bytes;
	}
}

static void request_done(void *ctx, struct disk_request *disk_request)
{
	struct request *r = (struct request *)disk_request;
	struct block_worker *w = ctx;

	w->bytes -= r->bytes;
	count(&w->counts, r);
	answer(w, r->queue, r->head, r->status, r->disk.error ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK, r->disk.error ? 0 : r->in_bytes);
	free(r);
}

static void kick_stuck(struct block_worker *w)
{
	uint32_t stuck = w->stuck;

	if (w->stopping)
		return;
	w->stuck = 0;
	for (unsigned int i = 0; stuck; i++, stuck >>= 1)
		if (stuck & 1)
			virtio_kick(&w->block->virtio, i);
}

static void requests_reaped(void *ctx)
{
	struct block_worker *w = ctx;

	for (unsigned int i = 0; i < w->block->virtio.queues; i++)
		virtio_notify(&w->block->virtio, i);
	kick_stuck(w);
}

static void get_id(struct block_worker *w, uint16_t head, const struct pvio_block_request *from)
{
	char id[VIRTIO_BLK_ID_BYTES] = "";

	if (w->disk->options->serial)
		memcpy(id, w->disk->options->serial, strnlen(w->disk->options->serial, sizeof(id)));
	pvio_iov_to(from->iov, from->iovs, 0, id, from->length);
	answer(w, w->serving, head, from->status, VIRTIO_BLK_S_OK, from->length);
}

static bool has_room(const struct block_worker *w, uint64_t bytes)
{
	return w->disk->in_flight < DISK_REQUESTS && (!w->bytes || w->bytes + bytes <= IN_FLIGHT_MAX);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * PVIO_SECOND_NS + now.tv_nsec;
}

/* The limit does not let it: the timer kicks then. */
static bool held(struct block_worker *w)
{
	struct itimerspec when = { .it_value = { w->held_until / PVIO_SECOND_NS, w->held_until % PVIO_SECOND_NS } };

	if (!w->held_until)
		return false;
	if (now_ns() < w->held_until && !timerfd_settime(w->timer.fd, TFD_TIMER_ABSTIME, &when, NULL))
		return true;
	w->held_until = 0;
	return false;
}

static void timer_ready(void *ctx, uint32_t events)
{
	struct block_worker *w = ctx;
	uint64_t count;

	(void)events;
	if (read(w->timer.fd, &count, sizeof(count)) == sizeof(count))
		kick_stuck(w);
}

static const enum disk_op ops[] = {
	[VIRTIO_BLK_T_IN] = DISK_READ, [VIRTIO_BLK_T_OUT] = DISK_WRITE, [VIRTIO_BLK_T_FLUSH] = DISK_FLUSH,
	[VIRTIO_BLK_T_DISCARD] = DISK_TRIM, [VIRTIO_BLK_T_WRITE_ZEROES] = DISK_ZERO,
};

/* What the disk has to do for it */
static struct request *request_for(const struct block_worker *w, uint16_t head, const struct pvio_block_request *from)
{
	struct request *r = malloc(sizeof(*r) + from->iovs * sizeof(r->iov[0]));

	if (!r)
		return NULL;
	*r = (struct request){
		.head = head, .queue = w->serving, .status = from->status,
		.in_bytes = from->type == VIRTIO_BLK_T_IN ? from->length : 0,
		.disk = {
			.op = ops[from->type], .offset = from->offset, .length = from->type == VIRTIO_BLK_T_FLUSH ? 0 : from->length,
			.iov = r->iov, .iovs = from->iovs, .through = block_write_through(w->block), .unmap = from->unmap,
		},
	};
	memcpy(r->iov, from->iov, from->iovs * sizeof(r->iov[0]));
	return r;
}

/* Reads, writes and the like. false: not now */
static bool submit(struct block_worker *w, uint16_t head, const struct pvio_block_request *from)
{
	uint64_t bytes = from->iovs || from->type == VIRTIO_BLK_T_WRITE_ZEROES ? from->length : 0;
	struct request *r;

	if (!has_room(w, bytes) || held(w)) {
		w->stuck |= 1U << w->serving;
		return false;
	}
	r = request_for(w, head, from);
	if (!r) {
		answer(w, w->serving, head, from->status, VIRTIO_BLK_S_IOERR, 0);
		return true;
	}
	r->bytes = bytes;
	w->bytes += bytes;
	if (pvio_limit_on(&w->limit))
		w->held_until = pvio_limit_take(&w->limit, now_ns(), from->iovs ? bytes : 0);
	w->disk->ops->submit(w->disk, &r->disk);
	return true;
}

static bool take(void *ctx, struct pvio_chain *c)
{
	struct block_worker *w = block_of(ctx)->worker;
	const struct pvio_block disk = {
		.bytes = w->disk->size, .features = w->block->virtio.accepted, .readonly = w->disk->options->readonly,
	};
	struct pvio_block_request from;
	int status = pvio_block_parse(&disk, c, &from);

	if (status < 0) {
		virtio_broken(&w->block->virtio);
		virtio_put(&w->block->virtio, w->serving, c->head, 0);
	} else if (status != VIRTIO_BLK_S_OK || !from.length) {
		answer(w, w->serving, c->head, from.status, status, 0);
	} else if (from.type == VIRTIO_BLK_T_GET_ID) {
		get_id(w, c->head, &from);
	} else {
		return submit(w, c->head, &from);
	}
	return true;
}

/* ---- the place ---- */

static void worker_kick(struct block *b, unsigned int queue)
{
	b->worker->serving = queue;
	virtio_serve(&b->virtio, queue, take);
	b->worker->disk->ops->commit(b->worker->disk);
}

static void worker_limit(struct block *b)
{
	const struct disk_limit *l = &b->options->limit;

	pvio_limit_set(&b->worker->limit, l->requests, l->requests_burst, l->bytes, l->bytes_burst);
	b->worker->held_until = 0;
	kick_stuck(b->worker);
}

/* The queues are kicked by who has us start. */
static bool worker_start(struct block *b)
{
	worker_limit(b);
	return true;
}

/* The memory of requests in flight is the guest's. */
static void worker_stop(struct block *b)
{
	struct block_worker *w = b->worker;

	w->stopping = true;
	w->disk->ops->drain(w->disk);
	w->stopping = false;
	w->stuck = 0;
}

static void worker_count(struct block *b, struct block_counts *c)
{
	const struct block_counts *own = &b->worker->counts;

	c->reads += own->reads;
	c->read_bytes += own->read_bytes;
	c->writes += own->writes;
	c->write_bytes += own->write_bytes;
	c->errors += own->errors;
}

static void worker_close(struct block *b)
{
	struct block_worker *w = b->worker;

	if (w->disk)
		w->disk->ops->close(w->disk);
	if (w->timer.fd >= 0) {
		loop_remove(&b->virtio.machine->loop, &w->timer);
		close(w->timer.fd);
	}
	free(w);
	b->worker = NULL;
}

const struct block_place block_in_worker = {
	.name = "worker", .start = worker_start, .stop = worker_stop, .kick = worker_kick, .limit = worker_limit,
	.count = worker_count, .close = worker_close,
};

static enum husk_status open_timer(struct block *b, struct block_worker *w)
{
	w->timer = (struct watch){ timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), EPOLLIN, timer_ready, w };
	if (w->timer.fd >= 0 && !loop_add(&b->virtio.machine->loop, &w->timer))
		return HUSK_STATUS_OK;
	return fail(HUSK_STATUS_FAIL, "--disk %s: no timer: %s", b->options->path, strerror(errno));
}

enum husk_status block_worker_open(struct block *b)
{
	const struct disk_options *o = b->options;
	struct loop *loop = &b->virtio.machine->loop;
	struct block_worker *w = calloc(1, sizeof(*w));
	enum husk_status status;

	if (!w)
		return fail(HUSK_STATUS_FAIL, "out of memory");
	b->worker = w;
	w->block = b;
	w->timer.fd = -1;
	status = o->format && !strcmp(o->format, "qcow2") ? disk_open_qcow2(&w->disk, o, loop) :
							     disk_open_raw(&w->disk, o, loop, b->kernel ? b->disk : NULL);
	if (!status)
		status = open_timer(b, w);
	if (status) {
		worker_close(b);
		return status;
	}
	w->disk->done = request_done;
	w->disk->reaped = requests_reaped;
	w->disk->ctx = w;
	if (!b->disk)
		b->disk = w->disk;
	return HUSK_STATUS_OK;
}
