// SPDX-License-Identifier: GPL-2.0
/*
 * virtio-vsock (virtio 1.2, 5.10) by the kernel's vhost-vsock: sockets between host and
 * guest. The kernel serves the two data queues; kicks and calls go by eventfds, which the
 * module signals and takes by itself: the worker is out of the way. What it can't take is
 * passed on here (a message that is masked; INTx). The queue of events is here, too: nothing
 * ever happens (a transport that is reset, say).
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "worker/config.h"
#include "worker/jail.h"
#include "worker/virtio/virtio.h"

#define QUEUE_SIZE	128
#define DATA_QUEUES	2
#define QUEUES		3
#define CID_MIN		3	/* below are the host's and reserved ones */
#define CID_MAX		0xfffffffeUL

struct vsock;

/* A queue that the kernel serves */
struct vsock_queue {
	struct vsock *vsock;
	unsigned int index;
	int kick;
	uint16_t port;		/* where the module signals @kick; 0: nowhere */
	struct watch call;
	uint32_t gsi;		/* of @call */
	bool direct;		/* the module takes @call */
};

struct vsock {
	struct virtio virtio;
	int vhost;
	bool running;
	struct vsock_queue queue[DATA_QUEUES];
};

static struct vsock *vsock_of(struct virtio *v)
{
	return (struct vsock *)v;
}

static void call_ready(void *ctx, uint32_t events)
{
	struct vsock_queue *q = ctx;
	uint64_t count;

	(void)events;
	if (read(q->call.fd, &count, sizeof(count)) == sizeof(count))
		virtio_interrupt(&q->vsock->virtio, q->vsock->virtio.queue[q->index].vector, 1);
}

static void vsock_kick(struct virtio *v, unsigned int queue)
{
	uint64_t one = 1;

	if (queue < DATA_QUEUES && write(vsock_of(v)->queue[queue].kick, &one, sizeof(one)) < 0)
		return;		/* the counter is full: it has been kicked */
}

static void set_port(struct vsock *s, struct vsock_queue *q, uint16_t port)
{
	int vm = s->virtio.machine->vm;

	if (q->port == port)
		return;
	if (q->port)
		husk_vm_ioeventfd(vm, q->kick, q->port, 0, 0, HUSK_IOEVENTFD_PIO | HUSK_IOEVENTFD_DEASSIGN);
	q->port = port && !husk_vm_ioeventfd(vm, q->kick, port, 0, 0, HUSK_IOEVENTFD_PIO) ? port : 0;
}

/* false: it is not to be had */
static bool take_call(struct vsock *s, struct vsock_queue *q)
{
	const struct msix_entry *entry = &s->virtio.msix.entry[s->virtio.queue[q->index].vector];
	struct machine *m = s->virtio.machine;

	if (!q->gsi)
		q->gsi = routes_new_gsi(&m->routes);
	if (!q->gsi || routes_set_message(&m->routes, m->vm, q->gsi, entry->address, entry->data) < 0)
		return false;
	return q->direct || !husk_vm_irqfd(m->vm, q->call.fd, q->gsi, 0, 0);
}

static void set_call(struct vsock *s, struct vsock_queue *q, bool open)
{
	struct machine *m = s->virtio.machine;
	bool direct = open && take_call(s, q);

	if (q->direct && !direct)
		husk_vm_irqfd(m->vm, q->call.fd, q->gsi, 0, HUSK_IRQFD_DEASSIGN);
	q->direct = direct;
	loop_change(&m->loop, &q->call, direct ? 0 : EPOLLIN);
}

/* Doorbells and messages are those of now. */
static void update(struct virtio *v)
{
	struct vsock *s = vsock_of(v);

	for (unsigned int i = 0; i < DATA_QUEUES; i++) {
		set_port(s, &s->queue[i], s->running ? virtio_doorbell(v, i) : 0);
		set_call(s, &s->queue[i], s->running && msix_open(&v->msix, v->queue[i].vector));
	}
}

static int set_memory(struct vsock *s)
{
	const struct machine *m = s->virtio.machine;
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region[2];
	} table = {
		.head.nregions = m->high ? 2 : 1,
		.region = {
			{ .guest_phys_addr = 0, .memory_size = m->low, .userspace_addr = (uintptr_t)m->ram },
			{ .guest_phys_addr = RAM_HIGH_BASE, .memory_size = m->high,
			  .userspace_addr = (uintptr_t)m->ram + m->low },
		},
	};

	return ioctl(s->vhost, VHOST_SET_MEM_TABLE, &table);
}

/* The parts of the ring are where pvio_ring_start() has found them to be in memory. */
static int set_queue(struct vsock *s, unsigned int i)
{
	const struct pvio_ring *ring = &s->virtio.queue[i].ring;
	struct vhost_vring_state num = { .index = i, .num = ring->size }, base = { .index = i, .num = 0 };
	struct vhost_vring_file kick = { .index = i, .fd = s->queue[i].kick };
	struct vhost_vring_file call = { .index = i, .fd = s->queue[i].call.fd };
	struct vhost_vring_addr addr = {
		.index = i,
		.desc_user_addr = (uintptr_t)ring->desc,
		.avail_user_addr = (uintptr_t)ring->avail,
		.used_user_addr = (uintptr_t)ring->used_part,
	};

	return ioctl(s->vhost, VHOST_SET_VRING_NUM, &num) < 0 || ioctl(s->vhost, VHOST_SET_VRING_BASE, &base) < 0 ||
	       ioctl(s->vhost, VHOST_SET_VRING_ADDR, &addr) < 0 || ioctl(s->vhost, VHOST_SET_VRING_KICK, &kick) < 0 ||
	       ioctl(s->vhost, VHOST_SET_VRING_CALL, &call) < 0 ? -1 : 0;
}

static void vsock_start(struct virtio *v)
{
	struct vsock *s = vsock_of(v);
	uint64_t features = v->accepted;
	int on = 1;

	for (unsigned int i = 0; i < DATA_QUEUES; i++)
		if (!v->queue[i].ring.running) {
			virtio_broken(v);
			return;
		}
	s->running = true;
	if (ioctl(s->vhost, VHOST_SET_FEATURES, &features) < 0 || set_queue(s, 0) < 0 || set_queue(s, 1) < 0 ||
	    ioctl(s->vhost, VHOST_VSOCK_SET_RUNNING, &on) < 0)
		virtio_broken(v);
	update(v);
}

/* When it returns, the kernel's thread has let go of the queues. */
static void vsock_stop(struct virtio *v)
{
	struct vsock *s = vsock_of(v);
	int off = 0;

	if (s->running)
		ioctl(s->vhost, VHOST_VSOCK_SET_RUNNING, &off);
	s->running = false;
	update(v);
}

static void vsock_show(struct virtio *v, struct show *show)
{
	uint64_t cid;

	memcpy(&cid, v->config, sizeof(cid));
	show_number(show, "cid", cid);
	show_text(show, "kicks", vsock_of(v)->queue[0].port ? "ioeventfd" : "worker");
	show_text(show, "calls", vsock_of(v)->queue[0].direct ? "irqfd" : "worker");
}

static void vsock_destroy(struct virtio *v)
{
	struct vsock *s = vsock_of(v);

	for (unsigned int i = 0; i < DATA_QUEUES; i++) {
		if (s->queue[i].call.fd < 0)
			continue;
		loop_remove(&v->machine->loop, &s->queue[i].call);
		close(s->queue[i].call.fd);
		close(s->queue[i].kick);
	}
	if (s->vhost >= 0)
		close(s->vhost);
	free(s);
}

static const struct virtio_class vsock_class = {
	.id = 19, .name = "vsock", .pci_class = 0x028000,
	.kick = vsock_kick, .start = vsock_start, .stop = vsock_stop,
	.vector_changed = update, .moved = update, .show = vsock_show, .destroy = vsock_destroy,
};

static enum husk_status open_queues(struct vsock *s)
{
	for (unsigned int i = 0; i < DATA_QUEUES; i++) {
		struct vsock_queue *q = &s->queue[i];

		q->vsock = s;
		q->index = i;
		q->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		q->call = (struct watch){ eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), EPOLLIN, call_ready, q };
		if (q->kick < 0 || q->call.fd < 0 || loop_add(&s->virtio.machine->loop, &q->call) < 0)
			return fail(HUSK_STATUS_FAIL, "--vsock: no eventfd: %s", strerror(errno));
	}
	return HUSK_STATUS_OK;
}

static enum husk_status open_vhost(struct vsock *s, uint64_t cid)
{
	uint64_t features;

	s->vhost = open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC);
	if (s->vhost < 0)
		return fail(HUSK_STATUS_HOST, "--vsock: /dev/vhost-vsock: %s%s", strerror(errno),
			    errno == ENOENT ? " (modprobe vhost_vsock)" : "");
	if (ioctl(s->vhost, VHOST_SET_OWNER, 0) < 0 || ioctl(s->vhost, VHOST_GET_FEATURES, &features) < 0 ||
	    set_memory(s) < 0)
		return fail(HUSK_STATUS_HOST, "--vsock: vhost-vsock: %s", strerror(errno));
	if (ioctl(s->vhost, VHOST_VSOCK_SET_GUEST_CID, &cid) < 0)
		return fail(HUSK_STATUS_INPUT, "--vsock %llu: %s", (unsigned long long)cid,
			    errno == EADDRINUSE ? "another VM has it" : strerror(errno));
	s->virtio.offered &= features;
	return HUSK_STATUS_OK;
}

static enum husk_status vsock_create(struct machine *m, void *options)
{
	uint64_t cid = *(uint64_t *)options;
	struct vsock *s = calloc(1, sizeof(*s));
	enum husk_status status;

	if (!s)
		return fail(HUSK_STATUS_FAIL, "out of memory");
	for (unsigned int i = 0; i < DATA_QUEUES; i++)
		s->queue[i].call.fd = -1;
	s->vhost = -1;
	virtio_init(&s->virtio, &vsock_class, m, 0, QUEUES, QUEUE_SIZE);
	s->virtio.backend = "kernel (vhost)";
	s->virtio.config_len = sizeof(cid);
	memcpy(s->virtio.config, &cid, sizeof(cid));
	status = open_vhost(s, cid);
	if (!status)
		status = open_queues(s);
	if (status)
		vsock_destroy(&s->virtio);
	else if (virtio_add(&s->virtio) < 0)
		status = fail(HUSK_STATUS_USAGE, "no free PCI slot for --vsock");
	return status;
}

enum husk_status option_vsock(struct config *config, const char *text)
{
	uint64_t *cid = malloc(sizeof(*cid));
	char *end;

	if (!cid)
		return fail(HUSK_STATUS_FAIL, "out of memory");
	errno = 0;
	*cid = strtoull(text, &end, 10);
	if (errno || !isdigit((unsigned char)*text) || *end || *cid < CID_MIN || *cid > CID_MAX)
		return fail(HUSK_STATUS_USAGE, "--vsock %s: give a number from %d to %lu", text, CID_MIN, CID_MAX);
	for (unsigned int i = 0; i < config->devices; i++)
		if (config->device[i].create == vsock_create)
			return fail(HUSK_STATUS_USAGE, "--vsock: once only");
	config->jail_devices |= JAIL_VHOST;
	return config_add_device(config, vsock_create, cid);
}
