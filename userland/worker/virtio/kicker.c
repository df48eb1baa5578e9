// SPDX-License-Identifier: GPL-2.0
/* A thread that kicks. */
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "worker/virtio/kicker.h"

static void *run(void *ctx)
{
	struct kicker *k = ctx;
	uint64_t count;

	pthread_setname_np(pthread_self(), "disk-kick");
	while (!__atomic_load_n(&k->ends, __ATOMIC_ACQUIRE)) {
		uint32_t wanted = __atomic_exchange_n(&k->wanted, 0, __ATOMIC_ACQ_REL);

		for (; wanted && !__atomic_load_n(&k->ends, __ATOMIC_ACQUIRE); wanted &= wanted - 1)
			queue_fds_kick(&k->queue[__builtin_ctz(wanted)]);
		if (read(k->wake, &count, sizeof(count)) < 0)
			continue;	/* a signal */
	}
	return NULL;
}

static void wake(const struct kicker *k)
{
	const uint64_t one = 1;

	if (write(k->wake, &one, sizeof(one)) < 0)
		return;
}

int kicker_open(struct kicker *k, const struct queue_fds *queue)
{
	*k = (struct kicker){ .queue = queue, .wake = eventfd(0, EFD_CLOEXEC) };
	return k->wake < 0 ? -1 : 0;
}

int kicker_start(struct kicker *k)
{
	sigset_t most, before;

	if (k->running)
		return 0;
	sigfillset(&most);
	sigdelset(&most, SIGUSR1);	/* ends a write */
	pthread_sigmask(SIG_SETMASK, &most, &before);
	k->running = !pthread_create(&k->thread, NULL, run, k);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return k->running ? 0 : -1;
}

void kicker_kick(struct kicker *k, unsigned int queue)
{
	__atomic_fetch_or(&k->wanted, 1U << queue, __ATOMIC_ACQ_REL);
	wake(k);
}

/* A signal that comes just before the write is lost on it: the next one is not. */
static void end(struct kicker *k)
{
	static const struct timespec pause = { .tv_nsec = 1000000 };

	__atomic_store_n(&k->ends, true, __ATOMIC_RELEASE);
	wake(k);
	while (pthread_tryjoin_np(k->thread, NULL)) {
		pthread_kill(k->thread, SIGUSR1);
		nanosleep(&pause, NULL);
	}
	k->running = false;
}

void kicker_close(struct kicker *k)
{
	if (k->running)
		end(k);
	if (k->wake >= 0)
		close(k->wake);
	k->wake = -1;
}
