// SPDX-License-Identifier: GPL-2.0
/*
 * virtio-blk whose queues the module serves: see HUSK_VM_CREATE_DISK. A thread of ours does it
 * inside of the kernel; doorbells wake it, and it interrupts, without the worker. What
 * the module can't take is passed on here (a message that is masked; INTx).
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "worker/machine.h"
#include "worker/virtio/block.h"

struct kernel_queue {
	struct block *block;
	unsigned int index;
	bool served;			/* the module has it */
	uint16_t port;			/* of the doorbell that the module has; 0: none */
	uint32_t gsi;			/* 0: not needed yet */
	bool direct;			/* the module interrupts by @gsi */
	struct watch call;		/* signalled by the module otherwise */
};

struct block_kernel {
	struct disk disk;
	int fd;
	bool running;
	pthread_t thread;		/* while @running */
	pthread_attr_t attr;		/* of @thread: where it may run, which is not where --pin has a vCPU that makes it */
	struct watch news;		/* by @thread: there is some */
	pthread_mutex_t news_lock;	/* of: */
	struct husk_disk_run told;
	struct kernel_queue queue[HUSK_DISK_QUEUES_MAX];
};

/* true: it has been signalled */
static bool take(const struct watch *watch)
{
	uint64_t count;

	return read(watch->fd, &count, sizeof(count)) == sizeof(count);
}

static void call_ready(void *ctx, uint32_t events)
{
	struct kernel_queue *q = ctx;
	struct virtio *v = &q->block->virtio;

	(void)events;
	if (take(&q->call) && virtio_running(v))
		virtio_interrupt(v, v->queue[q->index].vector, 1);
}

/* virtio 1.2, 5.2.6 */
static enum disk_op op(uint32_t type)
{
	static const enum disk_op ops[] = { [0] = DISK_READ, [1] = DISK_WRITE, [4] = DISK_FLUSH, [11] = DISK_TRIM, [13] = DISK_ZERO };

	return type < sizeof(ops) / sizeof(ops[0]) ? ops[type] : DISK_READ;
}

static void news_ready(void *ctx, uint32_t events)
{
	struct block *b = ctx;
	struct block_kernel *k = b->kernel;
	struct husk_disk_run told;

	(void)events;
	if (!take(&k->news))
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
		virtio_broken(&b->virtio);
}

static void kernel_kick(struct block *b, unsigned int queue)
{
	(void)queue;
	husk_disk_kick(b->kernel->fd);
}

static void set_port(struct block_kernel *k, struct kernel_queue *q, uint16_t port)
{
	const __u32 flags = HUSK_IOEVENTFD_PIO | HUSK_IOEVENTFD_DIRECT;
	int vm = q->block->virtio.machine->vm;

	if (q->port == port)
		return;
	if (q->port)
		husk_vm_ioeventfd(vm, k->fd, q->port, 0, 0, flags | HUSK_IOEVENTFD_DEASSIGN);
	q->port = port && !husk_vm_ioeventfd(vm, k->fd, port, 0, 0, flags) ? port : 0;
}

/* The message goes by a route. false: there is none to be had */
static bool set_route(struct kernel_queue *q)
{
	struct virtio *v = &q->block->virtio;
	const struct msix_entry *entry = &v->msix.entry[v->queue[q->index].vector];
	struct machine *m = v->machine;

	if (!q->gsi)
		q->gsi = routes_new_gsi(&m->routes);
	return q->gsi && !routes_set_message(&m->routes, m->vm, q->gsi, entry->address, entry->data);
}

/* The doorbells and the messages are those of now. */
static void kernel_update(struct block *b)
{
	struct block_kernel *k = b->kernel;

	for (unsigned int i = 0; i < b->virtio.queues; i++) {
		struct kernel_queue *q = &k->queue[i];

		q->direct = msix_open(&b->virtio.msix, b->virtio.queue[i].vector) && set_route(q);
		husk_disk_set_call(k->fd, i, q->direct ? HUSK_DISK_CALL_GSI : HUSK_DISK_CALL_EVENTFD, q->gsi, q->call.fd);
		set_port(k, q, q->served ? virtio_doorbell(&b->virtio, i) : 0);
	}
}

/* For the main thread. Who stops us has the machine's lock. */
static void pass_on(struct block_kernel *k, const struct husk_disk_run *told)
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

/* Until the queue is stopped. Signals are for others. */
static void *serve(void *ctx)
{
	struct block_kernel *k = ctx;
	struct husk_disk_run told;
	int ret;

	pthread_setname_np(pthread_self(), "disk");
	do {
		ret = husk_disk_run(k->fd, &told);
		if (!ret && (told.broken || told.error))
			pass_on(k, &told);
	} while ((ret < 0 && errno == EINTR) || (!ret && (told.broken || told.error)));
	return NULL;
}

static int start_thread(struct block_kernel *k)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&k->thread, &k->attr, serve, k);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err ? -1 : 0;
}

/* The ring goes on where the module has stopped. */
static void stop_queues(struct block *b)
{
	struct block_kernel *k = b->kernel;

	for (unsigned int i = 0; i < b->virtio.queues; i++) {
		struct pvio_ring *ring = &b->virtio.queue[i].ring;
		struct husk_disk_stop arg = { .index = i };

		if (!k->queue[i].served)
			continue;
		k->queue[i].served = false;
		set_port(k, &k->queue[i], 0);	/* who kicks now waits for the machine's lock, and kicks the next place */
		if (husk_disk_stop(k->fd, &arg) < 0)
			continue;
		ring->last_avail = arg.last_avail;
		ring->used = ring->told = arg.used;
	}
}

static bool start_queue(struct block *b, unsigned int index)
{
	const struct pvio_ring *ring = &b->virtio.queue[index].ring;
	struct husk_disk_start arg = {
		.index = index, .entries = ring->size, .last_avail = ring->last_avail, .used = ring->used,
		.features = b->virtio.accepted & ~(block_write_through(b) ? BLOCK_F_FLUSH : 0),
		.desc = ring->desc_gpa, .avail = ring->avail_gpa, .used_part = ring->used_gpa,
	};

	b->kernel->queue[index].served = ring->running && !husk_disk_start(b->kernel->fd, &arg);
	return b->kernel->queue[index].served;
}

static void kernel_limit(struct block *b)
{
	const struct disk_limit *l = &b->options->limit;
	struct husk_disk_limit arg = {
		.requests = l->requests, .requests_burst = l->requests_burst, .bytes = l->bytes, .bytes_burst = l->bytes_burst,
	};

	husk_disk_set_limit(b->kernel->fd, &arg);
}

static bool kernel_start(struct block *b)
{
	struct block_kernel *k = b->kernel;
	bool fine = true;

	kernel_limit(b);
	for (unsigned int i = 0; i < b->virtio.queues; i++)
		if (b->virtio.queue[i].enabled)
			fine &= start_queue(b, i);
	if (!fine || start_thread(k) < 0) {
		stop_queues(b);
		return false;
	}
	k->running = true;
	kernel_update(b);
	return true;
}

/* When the queues have stopped nothing is in flight, and the thread comes back. */
static void kernel_stop(struct block *b)
{
	struct block_kernel *k = b->kernel;

	if (!k->running)
		return;
	k->running = false;
	stop_queues(b);
	pthread_join(k->thread, NULL);
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

static void kernel_count(struct block *b, struct block_counts *c)
{
	struct husk_disk_stats stats;

	husk_disk_get_stats(b->kernel->fd, &stats, NULL);
	c->reads += stats.reads;
	c->read_bytes += stats.read_bytes;
	c->writes += stats.writes;
	c->write_bytes += stats.write_bytes;
	c->errors += stats.errors;
}

static void kernel_show(struct block *b, struct show *show)
{
	struct husk_disk_times times[HUSK_DISK_TIMES_COUNT] = {};
	struct husk_disk_stats stats;

	husk_disk_get_stats(b->kernel->fd, &stats, times);
	show_times(show, "read", &times[HUSK_DISK_TIMES_READ], stats.reads);
	show_times(show, "write", &times[HUSK_DISK_TIMES_WRITE], stats.writes);
	show_text(show, "kicks", b->kernel->queue[0].port ? "direct" : "worker");
	show_text(show, "calls", b->kernel->queue[0].direct ? "direct" : "worker");
}

static void close_watch(struct block *b, struct watch *watch)
{
	if (watch->fd < 0)
		return;
	loop_remove(&b->virtio.machine->loop, watch);
	close(watch->fd);
}

static void kernel_close(struct block *b)
{
	struct block_kernel *k = b->kernel;

	for (unsigned int i = 0; i < b->virtio.queues; i++)
		close_watch(b, &k->queue[i].call);
	close_watch(b, &k->news);
	if (k->fd >= 0)
		close(k->fd);
	if (k->disk.fd >= 0)
		close(k->disk.fd);
	pthread_attr_destroy(&k->attr);
	pthread_mutex_destroy(&k->news_lock);
	free(k);
	b->kernel = NULL;
}

const struct block_place block_in_kernel = {
	.name = "kernel", .start = kernel_start, .stop = kernel_stop, .kick = kernel_kick, .update = kernel_update,
	.limit = kernel_limit, .count = kernel_count, .show = kernel_show, .close = kernel_close,
};

static enum husk_status open_watch(struct block *b, struct watch *watch, void (*ready)(void *ctx, uint32_t events), void *ctx)
{
	*watch = (struct watch){ eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), EPOLLIN, ready, ctx };
	if (watch->fd >= 0 && !loop_add(&b->virtio.machine->loop, watch))
		return HUSK_STATUS_OK;
	return fail(HUSK_STATUS_FAIL, "--disk %s: no eventfd: %s", b->options->path, strerror(errno));
}

static enum husk_status create_disk(struct block *b)
{
	const struct disk_options *o = b->options;
	struct husk_create_disk arg = {
		.flags = o->readonly ? HUSK_DISK_READONLY : 0, .fd = b->kernel->disk.fd, .queues = b->virtio.queues,
		.bytes = b->kernel->disk.size, .number = b->number,
	};

	if (o->serial)
		memcpy(arg.serial, o->serial, strnlen(o->serial, sizeof(arg.serial)));
	b->kernel->fd = husk_vm_create_disk(b->virtio.machine->vm, &arg);
	if (b->kernel->fd < 0)
		return fail(HUSK_STATUS_INPUT, "--disk %s: the kernel does not serve it: %s", o->path, strerror(errno));
	return HUSK_STATUS_OK;
}

/* The main thread makes the device, and is not pinned. */
static void set_attr(struct block_kernel *k)
{
	cpu_set_t allowed;

	pthread_attr_init(&k->attr);
	if (!sched_getaffinity(0, sizeof(allowed), &allowed))
		pthread_attr_setaffinity_np(&k->attr, sizeof(allowed), &allowed);
}

static enum husk_status open_all(struct block *b)
{
	struct block_kernel *k = b->kernel;
	enum husk_status status = disk_open_file(&k->disk, b->options);

	if (!status)
		status = create_disk(b);
	for (unsigned int i = 0; i < b->virtio.queues && !status; i++)
		status = open_watch(b, &k->queue[i].call, call_ready, &k->queue[i]);
	return status ? status : open_watch(b, &k->news, news_ready, b);
}

enum husk_status block_kernel_open(struct block *b)
{
	struct block_kernel *k = calloc(1, sizeof(*k));
	enum husk_status status;

	if (!k)
		return fail(HUSK_STATUS_FAIL, "out of memory");
	b->kernel = k;
	k->fd = k->disk.fd = k->news.fd = -1;
	for (unsigned int i = 0; i < HUSK_DISK_QUEUES_MAX; i++)
		k->queue[i] = (struct kernel_queue){ .block = b, .index = i, .call.fd = -1 };
	pthread_mutex_init(&k->news_lock, NULL);
	set_attr(k);
	status = open_all(b);
	if (status)
		kernel_close(b);
	else
		b->disk = &k->disk;
	return status;
}
