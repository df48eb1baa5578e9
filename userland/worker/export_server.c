// SPDX-License-Identifier: GPL-2.0
/* --export: vhost-user, the back-end's side, for the client's worker. The guest does the rest. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "worker/export.h"
#include "worker/machine.h"
#include "worker/virtio/block.h"

#define PROTOCOL	(P_MQ | P_REPLY_ACK | P_CONFIG)

/* What became of a message */
enum verdict { DONE, REPLY_SENT, LATER, REFUSED };

static enum verdict reply(struct export *e, uint32_t size)
{
	ssize_t length = HEAD + size;

	e->msg.flags = VERSION | REPLY;
	e->msg.size = size;
	return send(e->client.fd, &e->msg, length, MSG_NOSIGNAL | MSG_DONTWAIT) == length ? REPLY_SENT : REFUSED;
}

static enum verdict reply_number(struct export *e, uint64_t number)
{
	e->msg.number = number;
	return reply(e, sizeof(e->msg.number));
}

static enum verdict get_features(struct export *e)
{
	return reply_number(e, export_features(e) | F_PROTOCOL_FEATURES);
}

static enum verdict set_features(struct export *e)
{
	e->page->features = e->msg.number & export_features(e);
	return DONE;
}

static enum verdict set_owner(struct export *e)
{
	(void)e;
	return DONE;
}

static enum verdict get_protocol(struct export *e)
{
	return reply_number(e, PROTOCOL);
}

static enum verdict set_protocol(struct export *e)
{
	e->protocol = e->msg.number & PROTOCOL;
	return DONE;
}

static enum verdict get_queues(struct export *e)
{
	return reply_number(e, export_queues(e));
}

static enum verdict get_config(struct export *e)
{
	if (e->msg.config.offset || e->msg.config.size > EXPORT_CONFIG || e->msg.size != 12 + e->msg.config.size)
		return REFUSED;
	memcpy(e->msg.config.bytes, e->page->config, e->msg.config.size);
	return reply(e, e->msg.size);
}

static enum verdict set_config(struct export *e)
{
	if (e->msg.config.offset != offsetof(struct block_config, writeback) || e->msg.config.size != 1 || e->msg.size != 13)
		return REFUSED;
	e->page->writeback = !!e->msg.config.bytes[0];
	return DONE;
}

/* One part from address 0 on */
static enum verdict set_memory(struct export *e)
{
	if (e->msg.size < 40 || e->msg.memory.count != 1 || e->msg.memory.region[0].gpa ||
	    export_map(e, e->fd, e->msg.memory.region[0].offset, e->msg.memory.region[0].size) < 0)
		return REFUSED;
	e->client_base = e->msg.memory.region[0].address;
	export_changed(e);
	return DONE;
}

/* NULL: there is no such queue */
static struct export_queue *queue_of(struct export *e, uint32_t index)
{
	return index < export_queues(e) ? &e->line[index].queue : NULL;
}

static enum verdict set_num(struct export *e)
{
	struct export_queue *q = queue_of(e, e->msg.state.index);

	if (!q || !e->msg.state.number || e->msg.state.number > PVIO_RING_MAX)
		return REFUSED;
	q->entries = e->msg.state.number;
	return DONE;
}

static enum verdict set_base(struct export *e)
{
	struct export_queue *q = queue_of(e, e->msg.state.index);

	if (!q || e->msg.state.number > UINT16_MAX)
		return REFUSED;
	q->base = e->msg.state.number;
	return DONE;
}

static enum verdict set_addr(struct export *e)
{
	struct export_queue *q = queue_of(e, e->msg.addr.index);

	if (!q)
		return REFUSED;
	/* Whether they are in its memory, the guest sees for itself: they are what any driver could have said. */
	q->desc = e->msg.addr.desc - e->client_base;
	q->avail = e->msg.addr.avail - e->client_base;
	q->used = e->msg.addr.used - e->client_base;
	return DONE;
}

static enum verdict set_kick(struct export *e)
{
	if (!queue_of(e, e->msg.number & 0xff))
		return REFUSED;
	if (export_set_kick(e, e->msg.number & 0xff, e->fd) < 0)
		return REFUSED;
	e->fd = -1;
	return DONE;
}

static enum verdict set_call(struct export *e)
{
	int fd = e->fd;

	if (!queue_of(e, e->msg.number & 0xff) || fd < 0)
		return REFUSED;
	e->fd = -1;
	return export_set_call(e, e->msg.number & 0xff, fd) < 0 ? REFUSED : DONE;
}

static enum verdict set_enable(struct export *e)
{
	struct export_queue *q = queue_of(e, e->msg.state.index), *now;

	if (!q || !e->memory)
		return REFUSED;
	now = &e->page->queue[e->msg.state.index];
	q->running = e->msg.state.number == 1;
	*now = *q;
	export_changed(e);
	return DONE;
}

/* The guest says where it has stopped. */
static enum verdict get_base(struct export *e)
{
	struct export_queue *q = queue_of(e, e->msg.state.index);

	if (!q)
		return REFUSED;
	q->running = e->page->queue[e->msg.state.index].running = 0;
	export_changed(e);
	return LATER;
}

static enum verdict stopped(struct export *e)
{
	e->msg.state.number = __atomic_load_n(&e->page->stopped_at[e->msg.state.index % EXPORT_QUEUES], __ATOMIC_RELAXED);
	return reply(e, sizeof(e->msg.state));
}

static const struct {
	uint32_t request, size;		/* of the payload; 0: @run looks */
	enum verdict (*run)(struct export *e);
} requests[] = {
	{ GET_FEATURES, 0, get_features },
	{ SET_FEATURES, 8, set_features },
	{ SET_OWNER, 0, set_owner },
	{ SET_MEM_TABLE, 0, set_memory },
	{ SET_VRING_NUM, 8, set_num },
	{ SET_VRING_ADDR, 40, set_addr },
	{ SET_VRING_BASE, 8, set_base },
	{ GET_VRING_BASE, 8, get_base },
	{ SET_VRING_KICK, 8, set_kick },
	{ SET_VRING_CALL, 8, set_call },
	{ GET_PROTOCOL_FEATURES, 0, get_protocol },
	{ SET_PROTOCOL_FEATURES, 8, set_protocol },
	{ GET_QUEUE_NUM, 0, get_queues },
	{ SET_VRING_ENABLE, 8, set_enable },
	{ GET_CONFIG, 0, get_config },
	{ SET_CONFIG, 0, set_config },
};

static enum verdict run(struct export *e)
{
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		if (requests[i].request == e->msg.request)
			return requests[i].size && requests[i].size != e->msg.size ? REFUSED : requests[i].run(e);
	return REFUSED;
}

static void drop_fd(struct export *e)
{
	if (e->fd >= 0)
		close(e->fd);
	e->fd = -1;
}

void export_hang_up(struct export *e)
{
	if (e->client.fd < 0)
		return;
	loop_remove(&e->machine->loop, &e->client);
	close(e->client.fd);
	e->client.fd = -1;
	drop_fd(e);
	e->waits = false;
	e->have = 0;
	export_leave(e);
}

static void finish(struct export *e, enum verdict verdict, bool acknowledge)
{
	if (verdict == DONE && acknowledge)
		verdict = reply_number(e, 0);
	drop_fd(e);
	e->have = 0;
	if (verdict == REFUSED)
		export_hang_up(e);
}

static void handle(struct export *e)
{
	bool acknowledge = e->protocol & P_REPLY_ACK && e->msg.flags & NEED_REPLY;
	enum verdict verdict = (e->msg.flags & VERSION_MASK) == VERSION ? run(e) : REFUSED;

	e->waits = verdict == LATER;
	if (e->waits)
		loop_change(&e->machine->loop, &e->client, 0);
	else
		finish(e, verdict, acknowledge);
}

/* What is there of a message, up to its end; a descriptor that comes with it, the first of them. -1: the client is gone */
static int receive(struct export *e)
{
	union { struct cmsghdr head; char room[CMSG_SPACE(sizeof(int))]; } rights;
	size_t want = e->have < HEAD ? HEAD : HEAD + e->msg.size;
	struct iovec iov = { (char *)&e->msg + e->have, want - e->have };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &rights, .msg_controllen = CMSG_LEN(sizeof(int)) };
	ssize_t n = recvmsg(e->client.fd, &hdr, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
	if (hdr.msg_controllen >= CMSG_LEN(sizeof(int)) && rights.head.cmsg_type == SCM_RIGHTS) {
		drop_fd(e);
		memcpy(&e->fd, CMSG_DATA(&rights.head), sizeof(int));
	}
	e->have += n;
	return e->have >= HEAD && e->msg.size > sizeof(e->msg) - HEAD ? -1 : 1;
}

static void client_ready(void *ctx, uint32_t events)
{
	struct export *e = ctx;

	if (events & (EPOLLHUP | EPOLLERR) || (!e->waits && receive(e) < 0)) {
		export_hang_up(e);
		export_look(e);
		return;
	}
	if (!e->waits && e->have >= HEAD && e->have == HEAD + e->msg.size)
		handle(e);
	if (e->client.fd < 0)
		export_look(e);
}

static void listener_ready(void *ctx, uint32_t events)
{
	struct export *e = ctx;

	(void)events;
	e->client = (struct watch){ accept4(e->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), EPOLLIN, client_ready, e };
	if (e->client.fd < 0)
		return;
	e->protocol = 0;
	memset(&e->msg, 0, sizeof(e->msg));
	if (loop_add(&e->machine->loop, &e->client) < 0) {
		close(e->client.fd);
		e->client.fd = -1;
	}
	export_look(e);
}

/* A client at a time, and when the guest has let go of the one before it; the others wait. */
void export_look(struct export *e)
{
	bool take = e->client.fd < 0 && !e->memory && __atomic_load_n(&e->page->ready, __ATOMIC_ACQUIRE);

	if (e->waits && export_seen(e)) {
		e->waits = false;
		loop_change(&e->machine->loop, &e->client, EPOLLIN);
		finish(e, stopped(e), false);
	}
	if (e->listener.fd >= 0)
		loop_change(&e->machine->loop, &e->listener, take ? EPOLLIN : 0);
}

/* Beside the control socket, and for the same user */
enum husk_status export_listen(struct export *e)
{
	const struct config *c = e->machine->config;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int stem = strlen(c->control) - strlen(".sock");
	mode_t mask;
	int err;

	if (stem + strlen(".disk") >= sizeof(addr.sun_path))
		return fail(HUSK_STATUS_USAGE, "--export: the path of its socket is too long");
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.*s.disk", stem, c->control);
	e->listener = (struct watch){ socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), 0, listener_ready, e };
	if (e->listener.fd < 0)
		return fail(HUSK_STATUS_FAIL, "--export: no socket: %s", strerror(errno));
	/* The kernel gave us the name, so a file that is there is of a worker that died. */
	unlink(addr.sun_path);
	mask = umask(0177);
	err = bind(e->listener.fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(e->listener.fd, 4) < 0 ||
	      (c->owner != geteuid() && chown(addr.sun_path, c->owner, -1) < 0) || loop_add(&e->machine->loop, &e->listener) < 0 ? errno : 0;
	umask(mask);
	return err ? fail(HUSK_STATUS_FAIL, "--export: %s: %s", addr.sun_path, strerror(err)) : HUSK_STATUS_OK;
}
