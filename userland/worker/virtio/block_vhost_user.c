// SPDX-License-Identifier: GPL-2.0
/*
 * virtio-blk whose queues another process serves, by vhost-user. The driver's doorbells go to it, and its interrupts come
 * from it, without the worker, which sees no request. So when it dies while requests are in flight, nobody knows which of
 * them are done, and the driver has to reset the device; when none is, they wait for the next back-end.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "worker/export_page.h"
#include "worker/machine.h"
#include "worker/virtio/block.h"
#include "worker/virtio/kicker.h"
#include "worker/virtio/queue_fds.h"
#include "worker/virtio/vhost_user.h"

#define DRAIN_MS	5000	/* for requests in flight, when it stops */

/* What we tell the driver of, if the back-end has it */
#define FEATURES	(PVIO_BLOCK_F(SIZE_MAX) | PVIO_BLOCK_F(SEG_MAX) | PVIO_BLOCK_F(GEOMETRY) | PVIO_BLOCK_F(RO) | \
			 PVIO_BLOCK_F(BLK_SIZE) | PVIO_BLOCK_F(FLUSH) | PVIO_BLOCK_F(TOPOLOGY) | PVIO_BLOCK_F(CONFIG_WCE) | \
			 PVIO_BLOCK_F(MQ) | PVIO_BLOCK_F(DISCARD) | PVIO_BLOCK_F(WRITE_ZEROES) | \
			 VIRTIO_FEATURE_INDIRECT | VIRTIO_FEATURE_EVENT_INDEX | VIRTIO_FEATURE_VERSION_1)

struct block_vhost_user {
	struct block *block;
	struct disk disk;		/* its sizes */
	struct vhost_user user;
	struct watch watch;		/* of the connection */
	bool running;			/* the driver wants it served */
	bool replaced;			/* by a back-end that has come as a connection: we know no name of it */
	struct queue_fds queue[HUSK_DISK_QUEUES_MAX];
	struct kicker kicker;
};

/* Of the avail or the used ring (virtio 1.2, 2.7.6, 2.7.8) */
static uint16_t index_of(const uint8_t *part)
{
	return pvio_load16(part + 2);
}

/* The ring goes on behind the last chain that was given back. true: none was in flight */
static bool take_ring(struct pvio_ring *ring)
{
	ring->used = ring->told = ring->last_avail = index_of(ring->used_part);
	return index_of(ring->avail) == ring->used;
}

static void update(struct block *b)
{
	struct block_vhost_user *u = b->vhost_user;

	for (unsigned int i = 0; i < b->virtio.queues; i++)
		queue_fds_update(&u->queue[i], u->running && u->user.fd >= 0 && b->virtio.queue[i].ring.running);
}

/* The interrupt for what was given back last was not sent, perhaps. */
static void interrupt_all(struct block *b)
{
	for (unsigned int i = 0; i < b->virtio.queues; i++)
		if (b->virtio.queue[i].ring.running && b->virtio.queue[i].ring.used)
			virtio_interrupt(&b->virtio, b->virtio.queue[i].vector, 1);
}

static void hang_up(struct block_vhost_user *u)
{
	if (u->watch.fd >= 0)
		loop_remove(&u->block->virtio.machine->loop, &u->watch);
	if (u->user.fd >= 0)
		close(u->user.fd);
	u->watch.fd = u->user.fd = -1;
}

/* The connection is over. */
static void gone(struct block *b, const char *why)
{
	struct block_vhost_user *u = b->vhost_user;
	bool idle = true;

	hang_up(u);
	for (unsigned int i = 0; i < b->virtio.queues && u->running; i++)
		if (b->virtio.queue[i].ring.running)
			idle &= take_ring(&b->virtio.queue[i].ring);
	update(b);
	fail(HUSK_STATUS_FAIL, "disk %s: the back-end is gone: %s: %s 'husk disk %s %u where=%s' names another", b->options->path, why,
	     idle ? "requests wait;" : "the guest has to reset the disk;", b->virtio.machine->config->name, b->number,
	     b->options->vm ? "vm:NAME" : "vhost-user:SOCKET");
	if (!u->running)
		return;
	interrupt_all(b);
	if (!idle)
		virtio_broken(&b->virtio);
}

static void connection_ready(void *ctx, uint32_t events)
{
	struct block *b = ctx;

	if (events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP))
		gone(b, "it has closed the connection");
	else if (!vhost_user_quiet(&b->vhost_user->user))
		gone(b, "it speaks unasked");
}

static void vhost_user_kick(struct block *b, unsigned int queue)
{
	kicker_kick(&b->vhost_user->kicker, queue);
}

/* The driver's choice of a cache */
static int set_cache(struct block *b)
{
	const struct block_config *c = (const struct block_config *)b->virtio.config;

	if (!virtio_has(&b->virtio, PVIO_BLOCK_F(CONFIG_WCE)))
		return 0;
	return vhost_user_set_config(&b->vhost_user->user, offsetof(struct block_config, writeback), c->writeback);
}

static int start_queues(struct block *b)
{
	struct block_vhost_user *u = b->vhost_user;

	vhost_user_task(&u->user);
	if (vhost_user_set_features(&u->user, b->virtio.accepted) < 0 || set_cache(b) < 0)
		return -1;
	for (unsigned int i = 0; i < b->virtio.queues; i++)
		if (b->virtio.queue[i].enabled && vhost_user_start(&u->user, i, &b->virtio.queue[i].ring, u->queue[i].kick, u->queue[i].call.fd) < 0)
			return -1;
	return 0;
}

/* Without a back-end requests wait for one. */
static bool vhost_user_place_start(struct block *b)
{
	struct block_vhost_user *u = b->vhost_user;

	if (kicker_start(&u->kicker) < 0)
		return false;
	u->running = true;
	if (u->user.fd < 0)
		return true;
	if (start_queues(b) < 0) {
		gone(b, strerror(errno));
	} else {
		update(b);
		interrupt_all(b);
	}
	return true;
}

/* A moment later; false: it is too late, or there is nobody to wait for */
static bool wait_more(const struct block_vhost_user *u, long long deadline)
{
	static const struct timespec pause = { .tv_nsec = 200000 };

	nanosleep(&pause, NULL);
	return machine_now_ms() < deadline && vhost_user_quiet(&u->user);
}

static bool in_flight(const struct block *b)
{
	for (unsigned int i = 0; i < b->virtio.queues; i++) {
		const struct pvio_ring *ring = &b->virtio.queue[i].ring;

		if (ring->running && index_of(ring->avail) != index_of(ring->used_part))
			return true;
	}
	return false;
}

/*
 * Have it do all there is. A back-end made with QEMU's library is of no use any more when it is stopped with requests in flight: it
 * forgets whom to tell of them, and takes that for an error. The driver's doorbells are ours meanwhile, so
 * little is added: who rings waits for the machine's lock.
 */
static void settle(struct block *b)
{
	struct block_vhost_user *u = b->vhost_user;
	long long deadline = machine_now_ms() + DRAIN_MS;

	for (unsigned int i = 0; i < b->virtio.queues && in_flight(b); i++)
		kicker_kick(&u->kicker, i);
	while (in_flight(b) && wait_more(u, deadline))
		;
}

/* Until what it has taken is given back. -1: it is not */
static int drain(const struct block_vhost_user *u, const struct pvio_ring *ring, uint16_t base)
{
	while (index_of(ring->used_part) != base)
		if (!wait_more(u, u->user.deadline)) {
			errno = ETIMEDOUT;
			return -1;
		}
	return 0;
}

static int stop_queues(struct block *b)
{
	struct block_vhost_user *u = b->vhost_user;
	uint16_t base[HUSK_DISK_QUEUES_MAX];

	for (unsigned int i = 0; i < b->virtio.queues; i++)
		queue_fds_update(&u->queue[i], false);
	settle(b);
	vhost_user_task(&u->user);
	for (unsigned int i = 0; i < b->virtio.queues; i++)
		if (b->virtio.queue[i].ring.running && vhost_user_stop(&u->user, i, &base[i]) < 0)
			return -1;
	for (unsigned int i = 0; i < b->virtio.queues; i++) {
		struct pvio_ring *ring = &b->virtio.queue[i].ring;

		if (!ring->running)
			continue;
		if (drain(u, ring, base[i]) < 0)
			return -1;
		take_ring(ring);
	}
	return 0;
}

/* Where requests stay in flight, or nobody answers, the connection ends: the memory will be another's. */
static void vhost_user_place_stop(struct block *b)
{
	struct block_vhost_user *u = b->vhost_user;

	if (!u->running)
		return;
	if (u->user.fd >= 0 && stop_queues(b) < 0)
		gone(b, strerror(errno));
	u->running = false;
	update(b);
}

static void vhost_user_place_show(struct block *b, struct show *show)
{
	const struct block_vhost_user *u = b->vhost_user;

	if (!u->replaced)
		show_text(show, b->options->vm ? "vm" : "socket", b->options->vm ? b->options->vm : b->options->peer);
	show_text(show, "back_end", u->user.fd >= 0 ? "connected" : "gone");
	show_text(show, "kicks", u->queue[0].port ? "direct" : "worker");
	show_text(show, "calls", u->queue[0].direct ? "direct" : "worker");
}

static void vhost_user_place_close(struct block *b)
{
	struct block_vhost_user *u = b->vhost_user;

	hang_up(u);
	kicker_close(&u->kicker);
	for (unsigned int i = 0; i < b->virtio.queues; i++)
		queue_fds_close(&u->queue[i]);
	free(u);
	b->vhost_user = NULL;
}

const struct block_place block_by_vhost_user = {
	.name = "vhost-user", .start = vhost_user_place_start, .stop = vhost_user_place_stop, .kick = vhost_user_kick, .update = update,
	.show = vhost_user_place_show, .close = vhost_user_place_close,
};

/* What it says of its disk, where ours is made of it: NULL, or why it won't do */
static const char *read_config(struct block *b, struct vhost_user *user, struct block_config *c)
{
	if (vhost_user_get_config(user, c, sizeof(*c)) < 0)
		return strerror(errno);
	if (!(user->features & VIRTIO_FEATURE_VERSION_1))
		return "it knows no virtio 1.0";
	if (user->queues < b->virtio.queues ||
	    (b->virtio.queues > 1 && (!(user->features & PVIO_BLOCK_F(MQ)) || c->num_queues < b->virtio.queues)))
		return "it has fewer queues";
	if (c->capacity > UINT64_MAX / PVIO_SECTOR)
		return "it has an impossible size";
	c->num_queues = b->virtio.queues;
	return NULL;
}

/* A connection that is not ours yet: NULL, or why it can't be. fd: ours from now on */
static const char *begin(struct block *b, struct vhost_user *user, struct block_config *c, int fd)
{
	const char *why;

	memset(c, 0, sizeof(*c));
	*user = (struct vhost_user){ .fd = fd };
	why = vhost_user_begin(user, b->virtio.machine) < 0 ? strerror(errno) : read_config(b, user, c);
	if (why)
		close(fd);
	return why;
}

static int take_over(struct block_vhost_user *u, const struct vhost_user *user)
{
	u->user = *user;
	u->watch = (struct watch){ user->fd, EPOLLIN | EPOLLRDHUP, connection_ready, u->block };
	return loop_add(&u->block->virtio.machine->loop, &u->watch);
}

static void fill(struct block *b, const struct block_config *c)
{
	struct block_vhost_user *u = b->vhost_user;
	struct virtio *v = &b->virtio;

	v->offered = u->user.features & FEATURES & ~(v->queues > 1 ? 0 : PVIO_BLOCK_F(MQ));
	v->config_len = sizeof(*c);
	memcpy(v->config, c, sizeof(*c));
	((struct block_config *)v->config)->writeback = 1;
	if (v->offered & PVIO_BLOCK_F(CONFIG_WCE))
		v->config_writable[offsetof(struct block_config, writeback)] = 0xff;
	u->disk.size = c->capacity * PVIO_SECTOR;
	b->disk = &u->disk;
}

/* Of the same size, with all that the driver was told of */
static bool fits(const struct block *b, const struct vhost_user *user, const struct block_config *c)
{
	return c->capacity * PVIO_SECTOR == b->disk->size && !(b->virtio.offered & ~user->features);
}

/* The old one, if it is there, does what it has begun. */
static const char *replace(struct block *b, const struct vhost_user *user)
{
	struct block_vhost_user *u = b->vhost_user;
	const char *why = NULL;

	vhost_user_place_stop(b);
	hang_up(u);
	u->replaced = true;
	if (take_over(u, user) < 0) {
		why = strerror(errno);
		hang_up(u);
	}
	if (!virtio_running(&b->virtio))
		return why;
	vhost_user_place_start(b);
	for (unsigned int i = 0; i < b->virtio.queues; i++)
		virtio_kick(&b->virtio, i);
	return why;
}

const char *block_vhost_user_connect(struct block *b, int fd)
{
	struct block_config c;
	struct vhost_user user;
	const char *why = begin(b, &user, &c, fd);

	if (why)
		return why;
	if (fits(b, &user, &c))
		return replace(b, &user);
	close(fd);
	return "it has another disk, or can do less";
}

static enum husk_status open_all(struct block *b)
{
	struct block_vhost_user *u = b->vhost_user;
	const char *path = b->options->path, *peer = b->options->peer, *vm = b->options->vm, *why;
	struct block_config c;
	struct vhost_user user;
	int fd;

	if (vm && b->virtio.machine->config->memory > EXPORT_WINDOW)
		return fail(HUSK_STATUS_INPUT, "--disk %s: a VM can serve another one of %u MiB of memory at most", path, EXPORT_WINDOW >> 20);
	fd = vm ? husk_export_connect(vm) : husk_unix_connect(peer);
	if (fd < 0)
		return fail(HUSK_STATUS_INPUT, "--disk %s: no back-end at %s: %s", path, vm ? vm : peer, strerror(errno));
	why = begin(b, &user, &c, fd);
	if (why)
		return fail(HUSK_STATUS_INPUT, "--disk %s: the back-end won't do: %s", path, why);
	if (take_over(u, &user) < 0)
		return fail(HUSK_STATUS_FAIL, "--disk %s: %s", path, strerror(errno));
	for (unsigned int i = 0; i < b->virtio.queues; i++)
		if (queue_fds_open(&u->queue[i]) < 0)
			return fail(HUSK_STATUS_FAIL, "--disk %s: no eventfd: %s", path, strerror(errno));
	if (kicker_open(&u->kicker, u->queue) < 0)
		return fail(HUSK_STATUS_FAIL, "--disk %s: no eventfd: %s", path, strerror(errno));
	fill(b, &c);
	return HUSK_STATUS_OK;
}

enum husk_status block_vhost_user_open(struct block *b)
{
	struct block_vhost_user *u = calloc(1, sizeof(*u));

	if (!u)
		return fail(HUSK_STATUS_FAIL, "out of memory");
	b->vhost_user = u;
	u->block = b;
	u->user.fd = u->watch.fd = u->disk.fd = u->kicker.wake = -1;
	u->disk.options = b->options;
	for (unsigned int i = 0; i < HUSK_DISK_QUEUES_MAX; i++)
		queue_fds_init(&u->queue[i], &b->virtio, i);
	b->place = &block_by_vhost_user;
	return open_all(b);
}
