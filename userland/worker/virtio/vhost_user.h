/* SPDX-License-Identifier: GPL-2.0 */
/*
 * vhost-user, the front-end's side: a device whose queues another process serves, the back-end, which maps the
 * guest's memory (docs/interop/vhost-user.rst of QEMU). It is trusted with that memory and with what the device says, and
 * with nothing else: each of its answers has the length that was asked for, and comes in time, or the connection is over.
 */
#ifndef HUSK_WORKER_VHOST_USER_H
#define HUSK_WORKER_VHOST_USER_H

#include <stdbool.h>
#include <stdint.h>

#include "pvio/ring.h"

struct machine;

#define VHOST_USER_CONFIG_MAX	64	/* bytes */

struct vhost_user {
	int fd;			/* the connection; -1: none */
	uint64_t features;	/* the device's, that the back-end has */
	uint64_t protocol;	/* that of vhost-user which both know */
	unsigned int queues;	/* that it serves, at most */
	long long deadline;	/* ms: when it has answered all of the task */
};

/* A task begins, of some of what follows: it has a few seconds for all of it, not for each answer */
void vhost_user_task(struct vhost_user *u);
/* All of these answer 0, or -1 with errno: then the connection is of no use any more */
/* A task: the first words on a connection, which u->fd is, and the guest's memory. ENOTSUP: it lacks what we need */
int vhost_user_begin(struct vhost_user *u, const struct machine *m);
int vhost_user_get_config(const struct vhost_user *u, void *config, unsigned int size);
int vhost_user_set_config(const struct vhost_user *u, unsigned int offset, uint8_t value);
/* Before its queues start. features: those that the driver has accepted */
int vhost_user_set_features(const struct vhost_user *u, uint64_t features);
/* Go on where the ring stands */
int vhost_user_start(const struct vhost_user *u, unsigned int index, const struct pvio_ring *ring, int kick, int call);
/* Stop a queue; base: how many chains it has taken, some of which may still be in flight */
int vhost_user_stop(const struct vhost_user *u, unsigned int index, uint16_t *base);
/* Nobody has asked for words of its. false: the connection is over */
bool vhost_user_quiet(const struct vhost_user *u);

#endif
