// SPDX-License-Identifier: GPL-2.0
#include <stddef.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "huskd/huskd.h"

#define EVENTS	16

static int epoll;
static struct epoll_event ready[EVENTS];
static int count;

long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

int loop_init(void)
{
	epoll = epoll_create1(EPOLL_CLOEXEC);
	return epoll < 0 ? -1 : 0;
}

int loop_add(struct watch *watch)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = watch };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, watch->fd, &event);
}

void loop_remove(struct watch *watch)
{
	if (watch->fd < 0)
		return;
	epoll_ctl(epoll, EPOLL_CTL_DEL, watch->fd, NULL);
	close(watch->fd);
	watch->fd = -1;
	/* it may be among those of this round */
	for (int i = 0; i < count; i++)
		if (ready[i].data.ptr == watch)
			ready[i].data.ptr = NULL;
}

void loop_round(int ms)
{
	count = epoll_wait(epoll, ready, EVENTS, ms);
	for (int i = 0; i < count; i++) {
		struct watch *watch = ready[i].data.ptr;

		if (watch)
			watch->ready(watch);
	}
	count = 0;
}
