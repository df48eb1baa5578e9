// SPDX-License-Identifier: GPL-2.0
/* A raw disk that the module serves. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "worker/machine.h"
#include "worker/virtio/disk_kernel.h"

/* ---- the thread ---- */

/* virtio 1.2, 5.2.6 */
static enum disk_op op(uint32_t type)
{
	static const enum disk_op ops[] = { [0] = DISK_READ, [1] = DISK_WRITE, [4] = DISK_FLUSH, [11] = DISK_TRIM, [13] = DISK_ZERO };

	return type < sizeof(ops) / sizeof(ops[0]) ? ops[type] : DISK_READ;
}

bool disk_kernel_take(const struct watch *watch)
{
	uint64_t count;

	return read(watch->fd, &count, sizeof(count)) == sizeof(count);
}

static void news_ready(void *ctx, uint32_t events)
{
	struct disk_kernel *k = ctx;
	struct husk_disk_run told;

	(void)events;
	if (!disk_kernel_take(&k->news))
		return;
	pthread_mutex_lock(&k->news_lock);
	told = k->told;
	memset(&k->told, 0, sizeof(k->told));
	pthread_mutex_unlock(&k->news_lock);
	if (told.error) {
		struct disk_request r = { .op = op(told.type), .offset = told.offset, .length = told.length, .error = told.error };

		disk_complain(&k->disk, &r);
	}
	if (told.broken && k->running)
		k->broken(k->ctx);
}

/* For the main thread. Who stops us has the machine's lock. */
static void pass_on(struct disk_kernel *k, const struct husk_disk_run *told)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&k->news_lock);
	k->told.broken |= told->broken;
	if (told->error) {
		uint32_t broken = k->told.broken;

		k->told = *told;
		k->told.broken = broken;
	}
	pthread_mutex_unlock(&k->news_lock);
	if (write(k->news.fd, &one, sizeof(one)) < 0)
		return;		/* the counter is full: it has been told */
}

#define RSEQ_BYTES	32	/* that glibc registers */

/* What glibc registers for each thread would have this one return from the module after each sleep. */
static void leave_rseq(void)
{
	syscall(SYS_rseq, (char *)__builtin_thread_pointer() + __rseq_offset, RSEQ_BYTES, RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
}

/* Until no queue is served. Signals are for others. */
static void *serve(void *ctx)
{
	struct disk_kernel *k = ctx;
	struct husk_disk_run told;
	int ret;

	pthread_setname_np(pthread_self(), "disk");
	leave_rseq();
	do {
		ret = husk_disk_run(k->fd, &told);
		if (!ret && (told.broken || told.error))
			pass_on(k, &told);
	} while ((ret < 0 && errno == EINTR) || (!ret && (told.broken || told.error)));
	return NULL;
}

/* Likewise, for what may take long */
static void *work(void *ctx)
{
	struct disk_kernel *k = ctx;

	pthread_setname_np(pthread_self(), "disk-flush");
	leave_rseq();
	while (husk_disk_work(k->fd) < 0 && errno == EINTR)
		;
	return NULL;
}

bool disk_kernel_run(struct disk_kernel *k)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	k->running = !pthread_create(&k->thread, &k->attr, serve, k);
	k->working = k->running && !pthread_create(&k->worker, &k->attr, work, k);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return k->running;
}

void disk_kernel_join(struct disk_kernel *k)
{
	if (k->running)
		pthread_join(k->thread, NULL);
	if (k->working)
		pthread_join(k->worker, NULL);
	k->running = k->working = false;
}

/* ---- the disk ---- */

void disk_kernel_limit(struct disk_kernel *k)
{
	const struct disk_limit *l = &k->disk.options->limit;
	struct husk_disk_limit arg = {
		.requests = l->requests, .requests_burst = l->requests_burst, .bytes = l->bytes, .bytes_burst = l->bytes_burst,
	};

	husk_disk_set_limit(k->fd, &arg);
}

enum husk_status disk_kernel_watch(struct disk_kernel *k, struct watch *watch, void (*ready)(void *ctx, uint32_t events), void *ctx)
{
	*watch = (struct watch){ eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), EPOLLIN, ready, ctx };
	if (watch->fd >= 0 && !loop_add(k->disk.loop, watch))
		return HUSK_STATUS_OK;
	return fail(HUSK_STATUS_FAIL, "--disk %s: no eventfd: %s", k->disk.options->path, strerror(errno));
}

void disk_kernel_unwatch(struct disk_kernel *k, struct watch *watch)
{
	if (watch->fd < 0)
		return;
	loop_remove(k->disk.loop, watch);
	close(watch->fd);
}

static enum husk_status create(struct disk_kernel *k, struct machine *m, unsigned int queues, unsigned int number)
{
	const struct disk_options *o = k->disk.options;
	struct husk_create_disk arg = {
		.flags = o->readonly ? HUSK_DISK_READONLY : 0, .fd = k->disk.fd, .queues = queues, .bytes = k->disk.size,
		.number = number,
	};

	if (o->serial)
		memcpy(arg.serial, o->serial, strnlen(o->serial, sizeof(arg.serial)));
	k->fd = husk_vm_create_disk(m->vm, &arg);
	if (k->fd < 0)
		return fail(HUSK_STATUS_INPUT, "--disk %s: the kernel does not serve it: %s", o->path, strerror(errno));
	return HUSK_STATUS_OK;
}

enum husk_status disk_kernel_open(struct disk_kernel *k, struct machine *m, const struct disk_options *options,
				  unsigned int queues, unsigned int number)
{
	enum husk_status status;
	cpu_set_t allowed;

	k->fd = k->news.fd = -1;
	pthread_mutex_init(&k->news_lock, NULL);
	pthread_attr_init(&k->attr);
	if (!sched_getaffinity(0, sizeof(allowed), &allowed))
		pthread_attr_setaffinity_np(&k->attr, sizeof(allowed), &allowed);
	status = disk_open_file(&k->disk, options);
	k->disk.loop = &m->loop;
	if (!status)
		status = create(k, m, queues, number);
	return status ? status : disk_kernel_watch(k, &k->news, news_ready, k);
}

void disk_kernel_close(struct disk_kernel *k)
{
	disk_kernel_unwatch(k, &k->news);
	if (k->fd >= 0)
		close(k->fd);
	if (k->disk.fd >= 0)
		close(k->disk.fd);
	pthread_attr_destroy(&k->attr);
	pthread_mutex_destroy(&k->news_lock);
}

/* ---- how long requests took ---- */

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

void disk_kernel_show(const struct disk_kernel *k, struct show *show)
{
	struct husk_disk_times times[HUSK_DISK_TIMES_COUNT] = {};
	struct husk_disk_stats stats;

	husk_disk_get_stats(k->fd, &stats, times);
	show_times(show, "read", &times[HUSK_DISK_TIMES_READ], stats.reads);
	show_times(show, "write", &times[HUSK_DISK_TIMES_WRITE], stats.writes);
}
