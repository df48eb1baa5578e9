/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The doorbell and the interrupt of a queue that somebody else serves, as two eventfds: the module signals the one and
 * takes the other by itself, without the worker. What it can't take is passed on by the loop (a message that is
 * masked; INTx).
 */
#ifndef HUSK_WORKER_QUEUE_FDS_H
#define HUSK_WORKER_QUEUE_FDS_H

#include "worker/virtio/virtio.h"

struct queue_fds {
	struct virtio *virtio;
	unsigned int index;	/* of the device's queues */
	int kick;
	uint16_t port;		/* where the module signals @kick; 0: nowhere */
	struct watch call;
	uint32_t gsi;		/* of @call; 0: not needed yet */
	bool direct;		/* the module takes @call */
};

/* Before all others; then close() may be called */
void queue_fds_init(struct queue_fds *q, struct virtio *v, unsigned int index);
/* -1: no eventfd is to be had */
int queue_fds_open(struct queue_fds *q);
void queue_fds_close(struct queue_fds *q);
/* Doorbells and messages are those of now. running: somebody serves the queue */
void queue_fds_update(struct queue_fds *q, bool running);
/* A kick that the module did not take */
void queue_fds_kick(const struct queue_fds *q);

#endif
