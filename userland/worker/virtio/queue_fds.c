// SPDX-License-Identifier: GPL-2.0
/* The doorbell and the interrupt of a queue as two eventfds. */
#include <sys/eventfd.h>
#include <unistd.h>

#include "worker/machine.h"
#include "worker/virtio/queue_fds.h"

/*
 * Each signal is an edge, and the counter stays: a read of it could wait. The other end has the same open file, and can
 * take O_NONBLOCK from it, and the count before us.
 */
#define CALL_EVENTS	(EPOLLIN | EPOLLET)

static void call_ready(void *ctx, uint32_t events)
{
	struct queue_fds *q = ctx;

	(void)events;
	if (virtio_running(q->virtio))
		virtio_interrupt(q->virtio, q->virtio->queue[q->index].vector, 1);
}

void queue_fds_kick(const struct queue_fds *q)
{
	const uint64_t one = 1;

	if (write(q->kick, &one, sizeof(one)) < 0)
		return;		/* the counter is full: it has been kicked */
}

static void set_port(struct queue_fds *q, uint16_t port)
{
	int vm = q->virtio->machine->vm;

	if (q->port == port)
		return;
	if (q->port)
		husk_vm_ioeventfd(vm, q->kick, q->port, 0, 0, HUSK_IOEVENTFD_PIO | HUSK_IOEVENTFD_DEASSIGN);
	q->port = port && !husk_vm_ioeventfd(vm, q->kick, port, 0, 0, HUSK_IOEVENTFD_PIO) ? port : 0;
}

/* false: the module can't take it */
static bool take_call(struct queue_fds *q)
{
	struct virtio *v = q->virtio;
	const struct msix_entry *entry = &v->msix.entry[v->queue[q->index].vector];
	struct machine *m = v->machine;

	if (!q->gsi)
		q->gsi = routes_new_gsi(&m->routes);
	if (!q->gsi || routes_set_message(&m->routes, m->vm, q->gsi, entry->address, entry->data) < 0)
		return false;
	return q->direct || !husk_vm_irqfd(m->vm, q->call.fd, q->gsi, 0, 0);
}

static void set_call(struct queue_fds *q, bool open)
{
	struct machine *m = q->virtio->machine;
	bool direct = open && take_call(q);

	if (q->direct && !direct)
		husk_vm_irqfd(m->vm, q->call.fd, q->gsi, 0, HUSK_IRQFD_DEASSIGN);
	q->direct = direct;
	loop_change(&m->loop, &q->call, direct ? 0 : CALL_EVENTS);
}

void queue_fds_update(struct queue_fds *q, bool running)
{
	const struct virtio *v = q->virtio;

	set_port(q, running ? virtio_doorbell(v, q->index) : 0);
	set_call(q, running && msix_open(&v->msix, v->queue[q->index].vector));
}

void queue_fds_init(struct queue_fds *q, struct virtio *v, unsigned int index)
{
	*q = (struct queue_fds){ .virtio = v, .index = index, .kick = -1, .call.fd = -1 };
}

int queue_fds_open(struct queue_fds *q)
{
	q->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	q->call = (struct watch){ eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), CALL_EVENTS, call_ready, q };
	return q->kick < 0 || q->call.fd < 0 ? -1 : loop_add(&q->virtio->machine->loop, &q->call);
}

void queue_fds_close(struct queue_fds *q)
{
	if (q->call.fd >= 0) {
		loop_remove(&q->virtio->machine->loop, &q->call);
		close(q->call.fd);
	}
	if (q->kick >= 0)
		close(q->kick);
}
