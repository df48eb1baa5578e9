// SPDX-License-Identifier: GPL-2.0
/* The thread of a disk that the module serves. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "worker/virtio/disk_thread.h"

/* virtio 1.2, 5.2.6 */
static enum disk_op op(uint32_t type)
{
	static const enum disk_op ops[] = { [0] = DISK_READ, [1] = DISK_WRITE, [4] = DISK_FLUSH, [11] = DISK_TRIM, [13] = DISK_ZERO };

	return type < sizeof(ops) / sizeof(ops[0]) ? ops[type] : DISK_READ;
}

static void news_ready(void *ctx, uint32_t events)
{
	struct disk_thread *t = ctx;
	struct husk_disk_run told;
	uint64_t count;

	(void)events;
	if (read(t->news.fd, &count, sizeof(count)) != sizeof(count))
		return;
	pthread_mutex_lock(&t->news_lock);
	told = t->told;
	memset(&t->told, 0, sizeof(t->told));
	pthread_mutex_unlock(&t->news_lock);
	if (told.error) {
		struct disk_request r = { .op = op(told.type), .offset = told.offset, .length = told.length, .error = told.error };

		disk_complain(t->disk, &r);
	}
	if (told.broken && t->running)
		t->broken(t->ctx);
}

/* For the main thread. Who stops us has the machine's lock. */
static void pass_on(struct disk_thread *t, const struct husk_disk_run *told)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&t->news_lock);
	t->told.broken |= told->broken;
	if (told->error) {
		uint32_t broken = t->told.broken;

		t->told = *told;
		t->told.broken = broken;
	}
	pthread_mutex_unlock(&t->news_lock);
	if (write(t->news.fd, &one, sizeof(one)) < 0)
		return;		/* the counter is full: it has been told */
}

/* Until no queue is served. Signals are for others. */
static void *serve(void *ctx)
{
	struct disk_thread *t = ctx;
	struct husk_disk_run told;
	int ret;

	pthread_setname_np(pthread_self(), "disk");
	do {
		ret = husk_disk_run(t->fd, &told);
		if (!ret && (told.broken || told.error))
			pass_on(t, &told);
	} while ((ret < 0 && errno == EINTR) || (!ret && (told.broken || told.error)));
	return NULL;
}

int disk_thread_start(struct disk_thread *t)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&t->thread, &t->attr, serve, t);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	t->running = !err;
	return err ? -1 : 0;
}

void disk_thread_join(struct disk_thread *t)
{
	if (t->running)
		pthread_join(t->thread, NULL);
	t->running = false;
}

int disk_thread_init(struct disk_thread *t)
{
	cpu_set_t allowed;

	pthread_mutex_init(&t->news_lock, NULL);
	pthread_attr_init(&t->attr);
	if (!sched_getaffinity(0, sizeof(allowed), &allowed))
		pthread_attr_setaffinity_np(&t->attr, sizeof(allowed), &allowed);
	t->news = (struct watch){ eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), EPOLLIN, news_ready, t };
	return t->news.fd < 0 ? -1 : loop_add(t->disk->loop, &t->news);
}

void disk_thread_fini(struct disk_thread *t)
{
	if (t->news.fd >= 0) {
		loop_remove(t->disk->loop, &t->news);
		close(t->news.fd);
	}
	pthread_attr_destroy(&t->attr);
	pthread_mutex_destroy(&t->news_lock);
}

/* Not above it: so many in a hundred */
static uint64_t percentile(const struct husk_disk_times *t, uint64_t count, unsigned int percent)
{
	uint64_t left = count * percent / 100;

	for (int i = 0; i < HUSK_DISK_BUCKETS; i++) {
		if (t->times[i] > left)
			return (2ULL << i) - 1;
		left -= t->times[i];
	}
	return 0;
}

static void show_times(struct show *show, const char *name, const struct husk_disk_times *t, uint64_t count)
{
	static const unsigned int percents[] = { 50, 99 };
	char key[32];

	for (unsigned int i = 0; i < 2 && count; i++) {
		snprintf(key, sizeof(key), "%s_p%u_ns", name, percents[i]);
		show_number(show, key, percentile(t, count, percents[i]));
	}
}

void disk_thread_show(const struct disk_thread *t, struct show *show)
{
	struct husk_disk_times times[HUSK_DISK_TIMES_COUNT] = {};
	struct husk_disk_stats stats;

	husk_disk_get_stats(t->fd, &stats, times);
	show_text(show, "file", t->disk->options->path);
	show_text(show, "format", "raw");
	show_number(show, "size", t->disk->size);
	show_number(show, "readonly", t->disk->options->readonly);
	show_number(show, "reads", stats.reads);
	show_number(show, "read_bytes", stats.read_bytes);
	show_number(show, "writes", stats.writes);
	show_number(show, "write_bytes", stats.write_bytes);
	show_number(show, "errors", stats.errors);
	show_times(show, "read", &times[HUSK_DISK_TIMES_READ], stats.reads);
	show_times(show, "write", &times[HUSK_DISK_TIMES_WRITE], stats.writes);
}
