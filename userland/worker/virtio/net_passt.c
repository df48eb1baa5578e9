// SPDX-License-Identifier: GPL-2.0
/*
 * A network for those without rights: passt, a child, makes sockets of the guest's
 * connections. Over a stream socket go frames, each behind its length (passt(1)).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/machine.h"
#include "worker/virtio/child.h"
#include "worker/virtio/net.h"

#define LENGTH	4	/* of a length */

struct passt {
	struct net_backend backend;
	struct watch watch;
	pid_t pid;
	bool gone;
	int log;		/* what passt says */
	/* a frame that the socket took a part of */
	uint8_t out[LENGTH + NET_FRAME_MAX];
	size_t out_at, out_len;
	/* a frame of which a part has come */
	uint8_t in[LENGTH + NET_FRAME_MAX];
	size_t in_len;
};

static struct passt *passt_of(struct net_backend *b)
{
	return (struct passt *)b;
}

/* The guest sees a network on which nothing comes. */
static void give_up(struct passt *p)
{
	if (p->gone)
		return;
	p->gone = true;
	p->out_len = p->out_at = 0;
	loop_remove(p->backend.loop, &p->watch);
	fail(HUSK_STATUS_FAIL, "the guest's network is dead, passt is gone: %s", child_said(p->log, "it said nothing"));
}

static void set_events(struct passt *p, uint32_t set, uint32_t clear)
{
	if (!p->gone)
		loop_change(p->backend.loop, &p->watch, (p->watch.events & ~clear) | set);
}

static void flush(struct passt *p)
{
	while (p->out_at < p->out_len) {
		ssize_t n = send(p->watch.fd, p->out + p->out_at, p->out_len - p->out_at, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) {
			give_up(p);
			return;
		}
		if (n < 0) {
			set_events(p, EPOLLOUT, 0);
			return;
		}
		p->out_at += n;
	}
	p->out_at = p->out_len = 0;
	set_events(p, 0, EPOLLOUT);
}

/* The virtio header says nothing here: no offload was offered. */
static bool passt_send(struct net_backend *b, const struct iovec *iov, unsigned int count, size_t bytes)
{
	struct passt *p = passt_of(b);
	uint32_t length = htonl(bytes - NET_HEADER);
	size_t skip = NET_HEADER;

	if (p->gone)
		return true;
	if (p->out_len)
		return false;
	memcpy(p->out, &length, LENGTH);
	p->out_len = LENGTH;
	for (unsigned int i = 0; i < count; i++) {
		size_t part = iov[i].iov_len, less = skip < part ? skip : part;

		memcpy(p->out + p->out_len, (uint8_t *)iov[i].iov_base + less, part - less);
		p->out_len += part - less;
		skip -= less;
	}
	flush(p);
	return true;
}

/* Bytes that have come, up to so many; false: they have not */
static bool fill(struct passt *p, size_t want)
{
	ssize_t n;

	while (p->in_len < want) {
		n = recv(p->watch.fd, p->in + p->in_len, want - p->in_len, MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (!n || (n < 0 && errno != EAGAIN))
			give_up(p);
		if (n <= 0)
			return false;
		p->in_len += n;
	}
	return true;
}

static size_t passt_receive(struct net_backend *b, uint8_t *frame, size_t room)
{
	struct passt *p = passt_of(b);
	uint32_t length;

	if (p->gone || !fill(p, LENGTH))
		return 0;
	memcpy(&length, p->in, LENGTH);
	length = ntohl(length);
	if (length < NET_ETHERNET || length > room - NET_HEADER) {
		give_up(p);
		return 0;
	}
	if (!fill(p, LENGTH + length))
		return 0;
	memset(frame, 0, NET_HEADER);
	memcpy(frame + NET_HEADER, p->in + LENGTH, length);
	p->in_len = 0;
	return NET_HEADER + length;
}

static void passt_listen(struct net_backend *b, bool on)
{
	set_events(passt_of(b), on ? EPOLLIN : 0, on ? 0 : EPOLLIN);
}

static void passt_offload(struct net_backend *b, uint64_t features)
{
	(void)b;
	(void)features;
}

static void passt_ready(void *ctx, uint32_t events)
{
	struct passt *p = ctx;

	if (events & (EPOLLERR | EPOLLHUP)) {
		give_up(p);
		return;
	}
	if (events & EPOLLOUT) {
		flush(p);
		if (!p->out_len)
			p->backend.writable(p->backend.ctx);
	}
	if (events & EPOLLIN)
		p->backend.readable(p->backend.ctx);
}

/* It ends when its only connection does. */
static void passt_close(struct net_backend *b)
{
	struct passt *p = passt_of(b);

	if (p->watch.fd >= 0) {
		if (!p->gone)
			loop_remove(b->loop, &p->watch);
		close(p->watch.fd);
	}
	if (p->pid > 0)
		waitpid(p->pid, NULL, 0);
	if (p->log >= 0)
		close(p->log);
	free(p);
}

static const struct net_ops passt_ops = {
	.name = "user",
	.send = passt_send, .receive = passt_receive, .listen = passt_listen, .offload = passt_offload,
	.close = passt_close,
};

static enum husk_status start(struct passt *p, const struct net_options *o)
{
	const char *argv[] = {
		"passt", "--foreground", "--quiet", "--fd", "3",
		"--tcp-ports", o->tcp[0] ? o->tcp : "none", "--udp-ports", o->udp[0] ? o->udp : "none",
		o->loopback ? NULL : "--no-map-gw", NULL,
	};
	int pair[2], log = child_log();

	if (log < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return fail(HUSK_STATUS_FAIL, "--net user: no socket: %s", strerror(errno));
	p->watch.fd = pair[0];
	p->pid = child_start(argv, pair[1], false, log);
	close(pair[1]);
	p->log = log;
	if (p->pid < 0)
		return fail(HUSK_STATUS_FAIL, "--net user: no process for passt: %s", strerror(errno));
	if (loop_add(p->backend.loop, &p->watch) < 0)
		return fail(HUSK_STATUS_FAIL, "--net user: no epoll entry: %s", strerror(errno));
	return HUSK_STATUS_OK;
}

enum husk_status net_open_passt(struct net_backend **b, const struct net_options *options, struct loop *loop)
{
	struct passt *p = calloc(1, sizeof(*p));
	enum husk_status status;

	if (!p)
		return fail(HUSK_STATUS_FAIL, "out of memory");
	p->backend.ops = &passt_ops;
	p->backend.options = options;
	p->backend.loop = loop;
	p->log = -1;
	p->watch = (struct watch){ -1, 0, passt_ready, p };
	status = start(p, options);
	if (status)
		passt_close(&p->backend);
	else
		*b = &p->backend;
	return status;
}
