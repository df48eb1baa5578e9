// SPDX-License-Identifier: GPL-2.0
/*
 * virtio-blk whose queues the module serves: see HUSK_VM_CREATE_DISK. A thread of ours does it
 * inside of the kernel; doorbells wake it, and it interrupts, without the worker. What
 * the module can't take is passed on here (a message that is masked; INTx).
 */
#include <stdlib.h>

#include "worker/machine.h"
#include "worker/virtio/block.h"
#include "worker/virtio/disk_kernel.h"

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
	struct disk_kernel kernel;
	struct kernel_queue queue[HUSK_DISK_QUEUES_MAX];
};

static void call_ready(void *ctx, uint32_t events)
{
	struct kernel_queue *q = ctx;
	struct virtio *v = &q->block->virtio;

	(void)events;
	if (disk_kernel_take(&q->call) && virtio_running(v))
		virtio_interrupt(v, v->queue[q->index].vector, 1);
}

static void ring_broken(void *ctx)
{
	struct block *b = ctx;

	virtio_broken(&b->virtio);
}

static void kernel_kick(struct block *b, unsigned int queue)
{
	(void)queue;
	husk_disk_kick(b->kernel->kernel.fd);
}

static void set_port(struct block_kernel *k, struct kernel_queue *q, uint16_t port)
{
	const __u32 flags = HUSK_IOEVENTFD_PIO | HUSK_IOEVENTFD_DIRECT;
	int vm = q->block->virtio.machine->vm;

	if (q->port == port)
		return;
	if (q->port)
		husk_vm_ioeventfd(vm, k->kernel.fd, q->port, 0, 0, flags | HUSK_IOEVENTFD_DEASSIGN);
	q->port = port && !husk_vm_ioeventfd(vm, k->kernel.fd, port, 0, 0, flags) ? port : 0;
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
		husk_disk_set_call(k->kernel.fd, i, q->direct ? HUSK_DISK_CALL_GSI : HUSK_DISK_CALL_EVENTFD, q->gsi, q->call.fd);
		set_port(k, q, q->served ? virtio_doorbell(&b->virtio, i) : 0);
	}
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
		if (husk_disk_stop(k->kernel.fd, &arg) < 0)
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
		.features = b->virtio.accepted & ~(block_write_through(b) ? PVIO_BLOCK_F(FLUSH) : 0),
		.desc = ring->desc_gpa, .avail = ring->avail_gpa, .used_part = ring->used_gpa,
	};

	b->kernel->queue[index].served = ring->running && !husk_disk_start(b->kernel->kernel.fd, &arg);
	return b->kernel->queue[index].served;
}

static void kernel_limit(struct block *b)
{
	disk_kernel_limit(&b->kernel->kernel);
}

static bool kernel_start(struct block *b)
{
	struct block_kernel *k = b->kernel;
	bool fine = true;

	kernel_limit(b);
	for (unsigned int i = 0; i < b->virtio.queues; i++)
		if (b->virtio.queue[i].enabled)
			fine &= start_queue(b, i);
	if (!fine || !disk_kernel_run(&k->kernel)) {
		stop_queues(b);
		return false;
	}
	kernel_update(b);
	return true;
}

/* When the queues have stopped nothing is in flight, and the thread comes back. */
static void kernel_stop(struct block *b)
{
	struct block_kernel *k = b->kernel;

	if (!k->kernel.running)
		return;
	stop_queues(b);
	disk_kernel_join(&k->kernel);
}

static void kernel_count(struct block *b, struct block_counts *c)
{
	struct husk_disk_stats stats;

	husk_disk_get_stats(b->kernel->kernel.fd, &stats, NULL);
	c->reads += stats.reads;
	c->read_bytes += stats.read_bytes;
	c->writes += stats.writes;
	c->write_bytes += stats.write_bytes;
	c->errors += stats.errors;
}

static void kernel_show(struct block *b, struct show *show)
{
	disk_kernel_show(&b->kernel->kernel, show);
	show_text(show, "kicks", b->kernel->queue[0].port ? "direct" : "worker");
	show_text(show, "calls", b->kernel->queue[0].direct ? "direct" : "worker");
}

static void kernel_close(struct block *b)
{
	struct block_kernel *k = b->kernel;

	for (unsigned int i = 0; i < b->virtio.queues; i++)
		disk_kernel_unwatch(&k->kernel, &k->queue[i].call);
	disk_kernel_close(&k->kernel);
	free(k);
	b->kernel = NULL;
}

const struct block_place block_in_kernel = {
	.name = "kernel", .start = kernel_start, .stop = kernel_stop, .kick = kernel_kick, .update = kernel_update,
	.limit = kernel_limit, .count = kernel_count, .show = kernel_show, .close = kernel_close,
};

enum husk_status block_kernel_open(struct block *b)
{
	struct block_kernel *k = calloc(1, sizeof(*k));
	enum husk_status status;

	if (!k)
		return fail(HUSK_STATUS_FAIL, "out of memory");
	b->kernel = k;
	for (unsigned int i = 0; i < HUSK_DISK_QUEUES_MAX; i++)
		k->queue[i] = (struct kernel_queue){ .block = b, .index = i, .call.fd = -1 };
	k->kernel.broken = ring_broken;
	k->kernel.ctx = b;
	status = disk_kernel_open(&k->kernel, b->virtio.machine, b->options, b->virtio.queues, b->number);
	for (unsigned int i = 0; i < b->virtio.queues && !status; i++)
		status = disk_kernel_watch(&k->kernel, &k->queue[i].call, call_ready, &k->queue[i]);
	if (status)
		kernel_close(b);
	else
		b->disk = &k->kernel.disk;
	return status;
}
