// SPDX-License-Identifier: GPL-2.0
/* The event loop. */
#include <sys/eventfd.h>
#include <unistd.h>

#include "worker/loop.h"

/* What is deferred meanwhile waits for the next round: others are served between. */
static void run_work(void *ctx, uint32_t events)
{
	struct loop *loop = ctx;
	struct work *last = NULL;
	uint64_t count;

	(void)events;
	if (read(loop->wake.fd, &count, sizeof(count)) < 0)
		return;
	for (struct work *work = loop->first; work; work = work->next)
		last = work;
	while (last && loop->first) {
		struct work *work = loop->first;
		bool end = work == last;

		loop_forget(loop, work);
		work->run(work->ctx);
		if (end)
			return;
	}
}

int loop_init(struct loop *loop, pthread_mutex_t *lock)
{
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	loop->lock = lock;
	loop->count = 0;
	loop->first = NULL;
	loop->last = &loop->first;
	loop->wake = (struct watch){ eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), EPOLLIN, run_work, loop };
	return loop->epoll < 0 || loop->wake.fd < 0 || loop_add(loop, &loop->wake) < 0 ? -1 : 0;
}

void loop_fini(struct loop *loop)
{
	close(loop->wake.fd);
	close(loop->epoll);
}

void loop_defer(struct loop *loop, struct work *work)
{
	uint64_t one = 1;

	if (work->queued)
		return;
	work->queued = true;
	work->next = NULL;
	*loop->last = work;
	loop->last = &work->next;
	/* It can only fail if the counter is full, and then the loop is awake. */
	if (write(loop->wake.fd, &one, sizeof(one)) < 0)
		return;
}

void loop_forget(struct loop *loop, struct work *work)
{
	struct work **at = &loop->first;

	if (!work->queued)
		return;
	while (*at != work)
		at = &(*at)->next;
	*at = work->next;
	if (loop->last == &work->next)
		loop->last = at;
	work->queued = false;
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
	pthread_mutex_lock(loop->lock);
	loop->count = epoll_wait(loop->epoll, loop->ready, LOOP_EVENTS, 0);
	for (int i = 0; i < loop->count; i++) {
		struct watch *watch = loop->ready[i].data.ptr;

		if (watch)
			watch->ready(watch->ctx, loop->ready[i].events);
	}
	loop->count = 0;
	pthread_mutex_unlock(loop->lock);
}
