// SPDX-License-Identifier: GPL-2.0
/*
 * virtio-blk whose queue the module serves: see HUSK_VM_CREATE_DISK. A thread of ours does it
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

struct block_kernel {
	struct virtio virtio;
	struct disk disk;
	int file, fd;
	bool running;
	pthread_t thread;		/* while @running */
	pthread_attr_t attr;		/* of @thread: where it may run, which is not where --pin has a vCPU that makes it */
	uint16_t port;			/* of the doorbell that the module has; 0: none */
	uint32_t gsi;			/* 0: not needed yet */
	bool direct;			/* the module interrupts by @gsi */
	struct watch call;		/* signalled by the module otherwise */
	struct watch news;		/* by @thread: there is some */
	pthread_mutex_t news_lock;	/* of: */
	struct husk_disk_run told;
};

static struct block_kernel *block_of(struct virtio *v)
{
	return (struct block_kernel *)v;
}

/* true: it has been signalled */
static bool take(const struct watch *watch)
{
	uint64_t count;

	return read(watch->fd, &count, sizeof(count)) == sizeof(count);
}

static void call_ready(void *ctx, uint32_t events)
{
	struct block_kernel *b = ctx;

	(void)events;
	if (take(&b->call) && virtio_running(&b->virtio))
		virtio_interrupt(&b->virtio, b->virtio.queue[0].vector, 1);
}

/* virtio 1.2, 5.2.6 */
static enum disk_op op(uint32_t type)
{
	static const enum disk_op ops[] = { [0] = DISK_READ, [1] = DISK_WRITE, [4] = DISK_FLUSH, [11] = DISK_TRIM, [13] = DISK_ZERO };

	return type < sizeof(ops) / sizeof(ops[0]) ? ops[type] : DISK_READ;
}

static void news_ready(void *ctx, uint32_t events)
{
	struct block_kernel *b = ctx;
	struct husk_disk_run told;

	(void)events;
	if (!take(&b->news))
		return;
	pthread_mutex_lock(&b->news_lock);
	told = b->told;
	memset(&b->told, 0, sizeof(b->told));
	pthread_mutex_unlock(&b->news_lock);
	if (told.error) {
		struct disk_request r = { .op = op(told.type), .offset = told.offset, .length = told.length, .error = told.error };

		disk_complain(&b->disk, &r);
	}
	if (told.broken && b->running)
		virtio_broken(&b->virtio);
}

static void block_kick(struct virtio *v, unsigned int queue)
{
	(void)queue;
	husk_disk_kick(block_of(v)->fd);
}

static void set_port(struct block_kernel *b, uint16_t port)
{
	const __u32 flags = HUSK_IOEVENTFD_PIO | HUSK_IOEVENTFD_DIRECT;
	int vm = b->virtio.machine->vm;

	if (b->port == port)
		return;
	if (b->port)
		husk_vm_ioeventfd(vm, b->fd, b->port, 0, 0, flags | HUSK_IOEVENTFD_DEASSIGN);
	b->port = port && !husk_vm_ioeventfd(vm, b->fd, port, 0, 0, flags) ? port : 0;
}

/* The message goes by a route. false: there is none to be had */
static bool set_route(struct block_kernel *b)
{
	const struct msix_entry *entry = &b->virtio.msix.entry[b->virtio.queue[0].vector];
	struct machine *m = b->virtio.machine;

	if (!b->gsi)
		b->gsi = routes_new_gsi(&m->routes);
	return b->gsi && !routes_set_message(&m->routes, m->vm, b->gsi, entry->address, entry->data);
}

static void set_call(struct block_kernel *b, bool open)
{
	b->direct = open && set_route(b);
	husk_disk_set_call(b->fd, 0, b->direct ? HUSK_DISK_CALL_GSI : HUSK_DISK_CALL_EVENTFD, b->gsi, b->call.fd);
}

/* The doorbell and the message are those of now. */
static void update(struct virtio *v)
{
	struct block_kernel *b = block_of(v);

	set_call(b, msix_open(&v->msix, v->queue[0].vector));
	set_port(b, b->running ? virtio_doorbell(v, 0) : 0);
}

/* For the main thread. Who stops us has the machine's lock. */
static void pass_on(struct block_kernel *b, const struct husk_disk_run *told)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&b->news_lock);
	b->told.broken |= told->broken;
	if (told->error) {
		uint32_t broken = b->told.broken;

		b->told = *told;
		b->told.broken = broken;
	}
	pthread_mutex_unlock(&b->news_lock);
	if (write(b->news.fd, &one, sizeof(one)) < 0)
		return;		/* the counter is full: it has been told */
}

/* Until the queue is stopped. Signals are for others. */
static void *serve(void *ctx)
{
	struct block_kernel *b = ctx;
	struct husk_disk_run told;
	int ret;

	pthread_setname_np(pthread_self(), "disk");
	do {
		ret = husk_disk_run(b->fd, &told);
		if (!ret && (told.broken || told.error))
			pass_on(b, &told);
	} while ((ret < 0 && errno == EINTR) || (!ret && (told.broken || told.error)));
	return NULL;
}

static int start_thread(struct block_kernel *b)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&b->thread, &b->attr, serve, b);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err ? -1 : 0;
}

static void stop_queue(struct block_kernel *b)
{
	struct husk_disk_stop queue = {};

	husk_disk_stop(b->fd, &queue);
}

static void block_start(struct virtio *v)
{
	const struct pvio_ring *ring = &v->queue[0].ring;
	struct block_kernel *b = block_of(v);
	struct husk_disk_start arg = {
		.entries = ring->size, .features = v->accepted,
		.desc = ring->desc_gpa, .avail = ring->avail_gpa, .used_part = ring->used_gpa,
	};

	if (!ring->running || husk_disk_start(b->fd, &arg) < 0) {
		virtio_broken(v);
		return;
	}
	if (start_thread(b) < 0) {
		stop_queue(b);
		virtio_broken(v);
		return;
	}
	b->running = true;
	update(v);
}

/* When the queue has stopped nothing is in flight, and the thread comes back. */
static void block_stop(struct virtio *v)
{
	struct block_kernel *b = block_of(v);

	if (!b->running)
		return;
	b->running = false;
	stop_queue(b);
	pthread_join(b->thread, NULL);
	update(v);
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

static void block_show(struct virtio *v, struct show *show)
{
	struct husk_disk_times times[HUSK_DISK_TIMES_COUNT] = {};
	struct block_kernel *b = block_of(v);
	struct husk_disk_stats stats;

	husk_disk_get_stats(b->fd, &stats, times);
	show_text(show, "file", b->disk.options->path);
	show_text(show, "format", "raw");
	show_number(show, "size", b->disk.size);
	show_number(show, "readonly", b->disk.options->readonly);
	show_number(show, "reads", stats.reads);
	show_number(show, "read_bytes", stats.read_bytes);
	show_number(show, "writes", stats.writes);
	show_number(show, "write_bytes", stats.write_bytes);
	show_number(show, "errors", stats.errors);
	show_times(show, "read", &times[HUSK_DISK_TIMES_READ], stats.reads);
	show_times(show, "write", &times[HUSK_DISK_TIMES_WRITE], stats.writes);
	show_text(show, "kicks", b->port ? "direct" : "worker");
	show_text(show, "calls", b->direct ? "direct" : "worker");
}

static void close_watch(struct block_kernel *b, struct watch *watch)
{
	if (watch->fd < 0)
		return;
	loop_remove(&b->virtio.machine->loop, watch);
	close(watch->fd);
}

static void block_destroy(struct virtio *v)
{
	struct block_kernel *b = block_of(v);

	close_watch(b, &b->call);
	close_watch(b, &b->news);
	if (b->fd >= 0)
		close(b->fd);
	if (b->file >= 0)
		close(b->file);
	pthread_attr_destroy(&b->attr);
	pthread_mutex_destroy(&b->news_lock);
	free(b);
}

static const struct virtio_class block_class = {
	.id = VIRTIO_ID_BLOCK, .name = "block", .pci_class = 0x010000,
	.kick = block_kick, .start = block_start, .stop = block_stop, .vector_changed = update, .moved = update,
	.show = block_show, .destroy = block_destroy,
};

static enum husk_status open_watch(struct block_kernel *b, struct watch *watch, void (*ready)(void *ctx, uint32_t events))
{
	*watch = (struct watch){ eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), EPOLLIN, ready, b };
	if (watch->fd >= 0 && !loop_add(&b->virtio.machine->loop, watch))
		return HUSK_STATUS_OK;
	return fail(HUSK_STATUS_FAIL, "--disk %s: no eventfd: %s", b->disk.options->path, strerror(errno));
}

static enum husk_status create_disk(struct block_kernel *b)
{
	const struct disk_options *o = b->disk.options;
	struct husk_create_disk arg = {
		.flags = o->readonly ? HUSK_DISK_READONLY : 0, .fd = b->file, .queues = 1,
		.bytes = b->disk.size, .number = b->virtio.machine->disks,
	};

	if (o->serial)
		memcpy(arg.serial, o->serial, strnlen(o->serial, sizeof(arg.serial)));
	b->fd = husk_vm_create_disk(b->virtio.machine->vm, &arg);
	if (b->fd < 0)
		return fail(HUSK_STATUS_INPUT, "--disk %s: the kernel does not serve it: %s", o->path, strerror(errno));
	return HUSK_STATUS_OK;
}

/* The main thread makes the device, and is not pinned. */
static void set_attr(struct block_kernel *b)
{
	cpu_set_t allowed;

	pthread_attr_init(&b->attr);
	if (!sched_getaffinity(0, sizeof(allowed), &allowed))
		pthread_attr_setaffinity_np(&b->attr, sizeof(allowed), &allowed);
}

static enum husk_status open_all(struct block_kernel *b, const struct disk_options *o)
{
	enum husk_status status = disk_open_file(&b->disk, o, &b->file);

	if (!status)
		status = create_disk(b);
	if (!status)
		status = open_watch(b, &b->call, call_ready);
	if (!status)
		status = open_watch(b, &b->news, news_ready);
	return status;
}

enum husk_status block_kernel_create(struct machine *m, void *options)
{
	uint64_t features = BLOCK_F_SEG_MAX | BLOCK_F_BLK_SIZE | BLOCK_F_FLUSH | BLOCK_F_TOPOLOGY;
	struct block_kernel *b = calloc(1, sizeof(*b));
	const struct disk_options *o = options;
	enum husk_status status;

	if (!b)
		return fail(HUSK_STATUS_FAIL, "out of memory");
	b->file = b->fd = b->call.fd = b->news.fd = -1;
	pthread_mutex_init(&b->news_lock, NULL);
	set_attr(b);
	features |= o->readonly ? BLOCK_F_RO : BLOCK_F_DISCARD | BLOCK_F_WRITE_ZEROES;
	virtio_init(&b->virtio, &block_class, m, features, 1, DISK_REQUESTS);
	b->virtio.backend = "kernel";
	status = open_all(b, o);
	if (status) {
		block_destroy(&b->virtio);
		return status;
	}
	block_fill_config(&b->virtio, &b->disk);
	return virtio_add(&b->virtio) < 0 ? fail(HUSK_STATUS_USAGE, "no free PCI slot for the disk") : HUSK_STATUS_OK;
}
