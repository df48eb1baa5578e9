// SPDX-License-Identifier: GPL-2.0
/* Queues that the host kernel's vhost serves. */
#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "worker/machine.h"
#include "worker/virtio/vhost.h"

static void broken_ready(void *ctx, uint32_t events)
{
	struct vhost *h = ctx;
	uint64_t count;

	(void)events;
	if (read(h->broken.fd, &count, sizeof(count)) == sizeof(count) && h->running)
		virtio_broken(h->virtio);
}

void vhost_kick(struct vhost *h, unsigned int index)
{
	queue_fds_kick(&h->queue[index - h->queue[0].index]);
}

void vhost_update(struct vhost *h)
{
	for (struct queue_fds *q = h->queue; q < h->queue + VHOST_QUEUES; q++)
		queue_fds_update(q, h->running);
}

/* The parts of the ring are where pvio_ring_start() has found them to be in memory. */
static int set_ring(const struct vhost *h, unsigned int i)
{
	const struct pvio_ring *ring = &h->virtio->queue[h->queue[i].index].ring;
	struct vhost_vring_state num = { .index = i, .num = ring->size }, base = { .index = i, .num = 0 };
	struct vhost_vring_addr addr = {
		.index = i,
		.desc_user_addr = (uintptr_t)ring->desc,
		.avail_user_addr = (uintptr_t)ring->avail,
		.used_user_addr = (uintptr_t)ring->used_part,
	};

	return ioctl(h->fd, VHOST_SET_VRING_NUM, &num) < 0 || ioctl(h->fd, VHOST_SET_VRING_BASE, &base) < 0 ||
	       ioctl(h->fd, VHOST_SET_VRING_ADDR, &addr) < 0 ? -1 : 0;
}

bool vhost_ready(const struct vhost *h)
{
	const struct virtio_queue *queue = &h->virtio->queue[h->queue[0].index];

	return queue[0].ring.running && queue[1].ring.running;
}

int vhost_start(struct vhost *h, uint64_t features)
{
	if (!vhost_ready(h) || ioctl(h->fd, VHOST_SET_FEATURES, &features) < 0 || set_ring(h, 0) < 0 || set_ring(h, 1) < 0)
		return -1;
	h->running = true;
	return 0;
}

void vhost_stop(struct vhost *h)
{
	if (!h->running)
		return;
	h->running = false;
	vhost_update(h);
}

void vhost_show(const struct vhost *h, struct show *show)
{
	show_text(show, "kicks", h->queue[0].port ? "ioeventfd" : "worker");
	show_text(show, "calls", h->queue[0].direct ? "irqfd" : "worker");
}

static int set_memory(const struct vhost *h)
{
	const struct machine *m = h->virtio->machine;
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region[2];
	} table = {
		.head.nregions = m->high ? 2 : 1,
		.region = {
			{ .guest_phys_addr = 0, .memory_size = m->low, .userspace_addr = (uintptr_t)m->ram },
			{ .guest_phys_addr = RAM_HIGH_BASE, .memory_size = m->high,
			  .userspace_addr = (uintptr_t)m->ram + m->low },
		},
	};

	return ioctl(h->fd, VHOST_SET_MEM_TABLE, &table);
}

static int open_eventfds(struct vhost *h)
{
	h->broken = (struct watch){ eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), EPOLLIN, broken_ready, h };
	if (h->broken.fd < 0 || loop_add(&h->virtio->machine->loop, &h->broken) < 0)
		return -1;
	for (struct queue_fds *q = h->queue; q < h->queue + VHOST_QUEUES; q++)
		if (queue_fds_open(q) < 0)
			return -1;
	return 0;
}

/* The same ones for good: in the jail they can't be changed. */
static int set_eventfds(const struct vhost *h)
{
	for (unsigned int i = 0; i < VHOST_QUEUES; i++) {
		struct vhost_vring_file kick = { .index = i, .fd = h->queue[i].kick };
		struct vhost_vring_file call = { .index = i, .fd = h->queue[i].call.fd };
		struct vhost_vring_file broken = { .index = i, .fd = h->broken.fd };

		if (ioctl(h->fd, VHOST_SET_VRING_KICK, &kick) < 0 || ioctl(h->fd, VHOST_SET_VRING_CALL, &call) < 0 ||
		    ioctl(h->fd, VHOST_SET_VRING_ERR, &broken) < 0)
			return -1;
	}
	return 0;
}

enum husk_status vhost_open(struct vhost *h, const char *path, const char *module, const char *option)
{
	h->fd = open(path, O_RDWR | O_CLOEXEC);
	if (h->fd < 0 && errno == EACCES)
		return fail(HUSK_STATUS_HOST, "%s: %s: no right to it; root can give it to a group of yours (chgrp)", option, path);
	if (h->fd < 0)
		return fail(HUSK_STATUS_HOST, "%s: %s: %s (modprobe %s)", option, path, strerror(errno), module);
	if (open_eventfds(h) < 0)
		return fail(HUSK_STATUS_FAIL, "%s: no eventfd: %s", option, strerror(errno));
	if (ioctl(h->fd, VHOST_SET_OWNER, 0) < 0 || ioctl(h->fd, VHOST_GET_FEATURES, &h->features) < 0 ||
	    set_memory(h) < 0 || set_eventfds(h) < 0)
		return fail(HUSK_STATUS_HOST, "%s: %s: %s", option, path, strerror(errno));
	return HUSK_STATUS_OK;
}

void vhost_close(struct vhost *h)
{
	if (h->fd >= 0)
		close(h->fd);
	if (h->broken.fd >= 0) {
		loop_remove(&h->virtio->machine->loop, &h->broken);
		close(h->broken.fd);
	}
	for (struct queue_fds *q = h->queue; q < h->queue + VHOST_QUEUES; q++)
		queue_fds_close(q);
}

void vhost_init(struct vhost *h, struct virtio *v, unsigned int first)
{
	*h = (struct vhost){ .virtio = v, .fd = -1, .broken.fd = -1 };
	for (unsigned int i = 0; i < VHOST_QUEUES; i++)
		queue_fds_init(&h->queue[i], v, first + i);
}
