/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The worker's kicks of queues that another process serves. That has the same eventfds open: it can take O_NONBLOCK
 * from one and fill its counter, and then a write waits for as long as it likes. So a thread writes, which nobody waits for.
 */
#ifndef HUSK_WORKER_KICKER_H
#define HUSK_WORKER_KICKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "worker/virtio/queue_fds.h"

struct kicker {
	const struct queue_fds *queue;
	pthread_t thread;
	int wake;		/* the thread's; nobody else has it */
	bool running;		/* there is the thread */
	bool ends;		/* it is to end; atomic */
	uint32_t wanted;	/* queues to kick; atomic */
};

/* No thread yet. -1: no eventfd is to be had */
int kicker_open(struct kicker *k, const struct queue_fds *queue);
/* In the jail: the thread is to be there, too. -1: it can't be made */
int kicker_start(struct kicker *k);
void kicker_kick(struct kicker *k, unsigned int queue);
/* Before queue_fds_close() */
void kicker_close(struct kicker *k);

#endif
