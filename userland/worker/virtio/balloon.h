/* SPDX-License-Identifier: GPL-2.0 */
/* virtio-balloon. */
#ifndef HUSK_WORKER_BALLOON_H
#define HUSK_WORKER_BALLOON_H

#include <stdint.h>

struct machine;

/*
 * Ask the guest to give back so many bytes in all, 0: to take all again. The machine's
 * lock is held. Answers NULL, or why not.
 */
const char *balloon_set(struct machine *m, uint64_t bytes);

#endif
