/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The console's output: a ring that the devices fill and the main thread
 * hands to whoever is connected. It holds the last 64 KiB, which a new
 * connection gets first.
 */
#ifndef HUSK_WORKER_CONSOLE_H
#define HUSK_WORKER_CONSOLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONSOLE_RING	65536

struct console {
	pthread_mutex_t lock;
	uint8_t ring[CONSOLE_RING];	/* by lock */
	uint64_t head;			/* by lock: bytes ever written */
	bool announced;			/* by lock: the reader has been woken and did not look yet */
	int wake_fd;			/* immutable: an eventfd */
};

int console_init(struct console *c);
/* Any thread */
void console_write(struct console *c, const uint8_t *data, size_t n);
void console_wake(struct console *c);
/*
 * Copy what was written after *cursor, at most n bytes; what the ring no
 * longer holds is skipped. Answers the number of bytes; *cursor is the number
 * of the first of them.
 */
size_t console_read(struct console *c, uint64_t *cursor, uint8_t *out, size_t n);
/* The reader is about to look: true if there was output since the last time. */
bool console_looked(struct console *c);

#endif
