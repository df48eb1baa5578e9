/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The event loop: the main thread waits for descriptors and calls whoever
 * watches them, with the machine's lock held.
 */
#ifndef HUSK_WORKER_LOOP_H
#define HUSK_WORKER_LOOP_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#define LOOP_EVENTS	16	/* taken from the kernel at once */

/**
 * struct watch - a descriptor that somebody waits for
 * @fd: its number; the watcher closes it, after loop_remove()
 * @events: EPOLLIN, EPOLLOUT
 * @ready: called with what is ready, EPOLLERR and EPOLLHUP included
 */
struct watch {
	int fd;
	uint32_t events;
	void (*ready)(void *ctx, uint32_t events);
	void *ctx;
};

/* Something to be done soon by the main thread; on the list at most once */
struct work {
	void (*run)(void *ctx);
	void *ctx;
	bool queued;
	struct work *next;
};

struct loop {
	int epoll;
	pthread_mutex_t *lock;
	struct epoll_event ready[LOOP_EVENTS];	/* of this round */
	int count;
	struct work *first, **last;	/* by @lock */
	struct watch wake;		/* an eventfd: there is work */
};

/* All answer 0, or -1 with errno */
int loop_init(struct loop *loop, pthread_mutex_t *lock);
void loop_fini(struct loop *loop);
/* These five are called with the lock held, by any thread */
int loop_add(struct loop *loop, struct watch *watch);
int loop_change(struct loop *loop, struct watch *watch, uint32_t events);
void loop_remove(struct loop *loop, struct watch *watch);
void loop_defer(struct loop *loop, struct work *work);
/* It won't be run any more */
void loop_forget(struct loop *loop, struct work *work);
/* Call what is ready now. loop->epoll can be waited for. */
void loop_round(struct loop *loop);

#endif
