// SPDX-License-Identifier: GPL-2.0
/* virtio-blk in the worker: requests (virtio 1.2, 5.2.6), by a struct disk. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "pvio/limit.h"
#include "worker/machine.h"
#include "worker/virtio/block.h"

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
	answer(w, r->queue, r->head, r->status, r->disk.error ? S_IOERR : S_OK, r->disk.error ? 0 : r->in_bytes);
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

static bool in_disk(const struct block_worker *w, uint64_t sector, uint64_t bytes)
{
	uint64_t sectors = w->disk->size / DISK_SECTOR;

	return !(bytes % DISK_SECTOR) && sector <= sectors && bytes / DISK_SECTOR <= sectors - sector;
}

/* Reads and writes: the iov of the request is filled in. */
static int parse_data(struct block_worker *w, const struct header *h, const struct pvio_chain *c, struct request *r)
{
	bool write = h->type == T_OUT;
	uint64_t length = write ? c->out_bytes - sizeof(*h) : c->in_bytes - 1;

	if (!in_disk(w, h->sector, length) || length > TRANSFER_MAX || (write && w->disk->options->readonly))
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
static int parse_range(struct block_worker *w, const struct header *h, const struct pvio_chain *c, struct request *r)
{
	bool zero = h->type == T_WRITE_ZEROES;
	struct range range;

	if (c->out_bytes != sizeof(*h) + sizeof(range) || !virtio_has(&w->block->virtio, zero ? BLOCK_F_WRITE_ZEROES : BLOCK_F_DISCARD))
		return S_UNSUPP;
	pvio_iov_from(c->iov, c->out, sizeof(*h), &range, sizeof(range));
	if (range.flags & ~(zero ? RANGE_UNMAP : 0U))
		return S_UNSUPP;
	r->disk.op = zero ? DISK_ZERO : DISK_TRIM;
	r->disk.offset = range.sector * DISK_SECTOR;
	r->disk.length = (uint64_t)range.sectors * DISK_SECTOR;
	r->disk.unmap = range.flags & RANGE_UNMAP;
	r->bytes = zero ? r->disk.length : 0;
	if (!in_disk(w, range.sector, r->disk.length) || r->disk.length > (zero ? DISK_ZERO_MAX : DISK_TRIM_MAX))
		return S_IOERR;
	return S_OK;
}

/* What the disk has to do for it: S_OK, or the answer */
static int parse(struct block_worker *w, const struct header *h, const struct pvio_chain *c, struct request *r)
{
	r->disk.through = block_write_through(w->block);
	switch (h->type) {
	case T_IN:
	case T_OUT:
		return parse_data(w, h, c, r);
	case T_DISCARD:
	case T_WRITE_ZEROES:
		return parse_range(w, h, c, r);
	case T_FLUSH:
		r->disk.op = DISK_FLUSH;
		return S_OK;
	default:
		return S_UNSUPP;
	}
}

static bool get_id(struct block_worker *w, const struct pvio_chain *c, uint8_t *status)
{
	char id[ID_LENGTH] = "";
	uint64_t n;

	if (w->disk->options->serial)
		memcpy(id, w->disk->options->serial, strnlen(w->disk->options->serial, ID_LENGTH));
	n = c->in_bytes - 1 < ID_LENGTH ? c->in_bytes - 1 : ID_LENGTH;
	pvio_iov_to(c->iov + c->out, c->in, 0, id, n);
	answer(w, w->serving, c->head, status, S_OK, n);
	return true;
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

/* Reads, writes and the like. false: not now */
static bool submit(struct block_worker *w, const struct header *h, const struct pvio_chain *c, uint8_t *status)
{
	struct request *r = calloc(1, sizeof(*r) + (c->out + c->in) * sizeof(r->iov[0]));
	int why = r ? parse(w, h, c, r) : S_IOERR;

	if (why || (!r->disk.length && r->disk.op != DISK_FLUSH)) {
		answer(w, w->serving, c->head, status, why, 0);
		free(r);
		return true;
	}
	if (!has_room(w, r->bytes) || held(w)) {
		w->stuck |= 1U << w->serving;
		free(r);
		return false;
	}
	r->head = c->head;
	r->queue = w->serving;
	r->status = status;
	w->bytes += r->bytes;
	if (pvio_limit_on(&w->limit))
		w->held_until = pvio_limit_take(&w->limit, now_ns(), r->disk.iovs ? r->bytes : 0);
	w->disk->ops->submit(w->disk, &r->disk);
	return true;
}

static bool take(void *ctx, struct pvio_chain *c)
{
	struct block_worker *w = block_of(ctx)->worker;
	struct header h;
	uint8_t *status;

	if (!c->in || c->out_bytes < sizeof(h)) {
		virtio_broken(&w->block->virtio);
		virtio_put(&w->block->virtio, w->serving, c->head, 0);
		return true;
	}
	pvio_iov_from(c->iov, c->out, 0, &h, sizeof(h));
	status = (uint8_t *)c->iov[c->out + c->in - 1].iov_base + c->iov[c->out + c->in - 1].iov_len - 1;
	if (h.type == T_GET_ID)
		return get_id(w, c, status);
	return submit(w, &h, c, status);
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
