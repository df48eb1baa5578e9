/* SPDX-License-Identifier: GPL-2.0 */
/* A tap interface of the host; the kernel takes and gives offloads by the header before each frame. */
#ifndef HUSK_WORKER_TAP_H
#define HUSK_WORKER_TAP_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/status.h"
#include "worker/show.h"

/* Open queues 0..queues-1 of it; all but the first are off. On failure one line is printed, and fd[] has what is open, or -1. */
enum husk_status tap_open(const char *name, int *fd, unsigned int queues);
/* The offloads that it can do, as NET_F_x. fd: of queue 0 */
uint64_t tap_features(int fd);
/* To the guest come such packets as it accepts. features: NET_F_x */
void tap_offload(int fd, uint64_t features);
/* Does it give frames to the queue? */
void tap_use_queue(int fd, bool on);

/* What the guest has received and sent by it since it was opened, as the host counts */
enum { TAP_RECEIVED, TAP_RECEIVED_BYTES, TAP_SENT, TAP_SENT_BYTES, TAP_COUNTS };

struct tap_count {
	int fd;				/* of a counter; -1: there is none */
	uint64_t before;
};

/* Where the host has no sysfs, nothing is counted. */
void tap_open_counts(const char *name, struct tap_count counts[TAP_COUNTS]);
void tap_show_counts(const struct tap_count counts[TAP_COUNTS], struct show *show);
void tap_close_counts(struct tap_count counts[TAP_COUNTS]);

#endif
