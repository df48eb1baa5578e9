// SPDX-License-Identifier: GPL-2.0
/* The event loop. */
#include <unistd.h>

#include "worker/loop.h"

int loop_init(struct loop *loop, pthread_mutex_t *lock)
{
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	loop->lock = lock;
	loop->count = 0;
	return loop->epoll < 0 ? -1 : 0;
}

void loop_fini(struct loop *loop)
{
	close(loop->epoll);
}

int loop_add(struct loop *loop, struct watch *watch)
{
	struct epoll_event event = { .events = watch->events, .data.ptr = watch };

	return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, watch->fd, &event);
}

int loop_change(struct loop *loop, struct watch *watch, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };

	if (watch->events == events)
		return 0;
	watch->events = events;
	return epoll_ctl(loop->epoll, EPOLL_CTL_MOD, watch->fd, &event);
}

/* What is ready in this round and was not called yet won't be. */
void loop_remove(struct loop *loop, struct watch *watch)
{
	epoll_ctl(loop->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
	for (int i = 0; i < loop->count; i++)
		if (loop->ready[i].data.ptr == watch)
			loop->ready[i].data.ptr = NULL;
}

void loop_round(struct loop *loop)
{
	int count = epoll_wait(loop->epoll, loop->ready, LOOP_EVENTS, 0);

	if (count <= 0)
		return;
	pthread_mutex_lock(loop->lock);
	loop->count = count;
	for (int i = 0; i < count; i++) {
		struct watch *watch = loop->ready[i].data.ptr;

		if (watch)
			watch->ready(watch->ctx, loop->ready[i].events);
	}
	loop->count = 0;
	pthread_mutex_unlock(loop->lock);
}
