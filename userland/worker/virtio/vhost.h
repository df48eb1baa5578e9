/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Queues that the host kernel's vhost serves: vsock's (vsock.c) and, with where=kernel, a network's (net_kernel.c).
 * Kicks and calls go by eventfds, see queue_fds.h: the worker is out of the way.
 */
#ifndef HUSK_WORKER_VHOST_H
#define HUSK_WORKER_VHOST_H

#include "worker/fail.h"
#include "worker/virtio/queue_fds.h"

#define VHOST_QUEUES	2	/* of one instance, of both kinds */

/* An instance of vhost: one open file, which serves two of the device's queues, one after the other */
struct vhost {
	struct virtio *virtio;
	int fd;
	uint64_t features;	/* that it can do */
	bool running;
	struct watch broken;	/* the driver did what no driver does */
	struct queue_fds queue[VHOST_QUEUES];
};

/* Before all others, also vhost_close(). first: of the device's queues */
void vhost_init(struct vhost *h, struct virtio *v, unsigned int first);
/*
 * Open path, which is of the host's module, and tell it the guest's memory, before the worker is in its jail. option: for the
 * message. In any case vhost_close() is due.
 */
enum husk_status vhost_open(struct vhost *h, const char *path, const char *module, const char *option);
void vhost_close(struct vhost *h);

/* Has the driver enabled both queues? */
bool vhost_ready(const struct vhost *h);
/* Before the caller has it run: where the rings are. features: those negotiated that vhost has to know. -1: it refuses them */
int vhost_start(struct vhost *h, uint64_t features);
/* After the caller has had it stop; nothing happens if it did not run. */
void vhost_stop(struct vhost *h);
/* Doorbells and messages are those of now. */
void vhost_update(struct vhost *h);
/* A kick that the module did not take. index: of the device's queues */
void vhost_kick(struct vhost *h, unsigned int index);
/* How kicks and calls go now, for 'husk show' */
void vhost_show(const struct vhost *h, struct show *show);

#endif
