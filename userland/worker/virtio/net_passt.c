// SPDX-License-Identifier: GPL-2.0
/*
 * A network for those without rights: passt makes sockets of the guest's connections.
 * Over a stream socket go frames, each behind its length (passt(1)). What we start ends
 * when all is set up, and leaves the passt proper behind, which is nobody's child then:
 * it ends with the socket.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "worker/machine.h"
#include "worker/virtio/child.h"
#include "worker/virtio/net.h"

#define LENGTH	4	/* of a length */
#define GONE_MS	1000

struct passt {
	struct net_backend backend;
	struct watch watch;
	bool gone;
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
	fail(HUSK_STATUS_FAIL, "the guest's network is dead: passt is gone");
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

/* It ends when its only connection does. Its ports are free when its side is closed, too. */
static void passt_close(struct net_backend *b)
{
	struct passt *p = passt_of(b);
	struct pollfd end = { p->watch.fd, POLLIN, 0 };

	if (p->watch.fd >= 0) {
		if (!p->gone)
			loop_remove(b->loop, &p->watch);
		shutdown(p->watch.fd, SHUT_WR);
		while (poll(&end, 1, GONE_MS) > 0 && recv(p->watch.fd, p->in, sizeof(p->in), MSG_DONTWAIT) > 0)
			;
		close(p->watch.fd);
	}
	free(p);
}

static const struct net_ops passt_ops = {
	.name = "user",
	.send = passt_send, .receive = passt_receive, .listen = passt_listen, .offload = passt_offload,
	.close = passt_close,
};

/*
 * passt is content with a port that is free for either of IPv4 and IPv6, and if one of
 * several is free. A UDP port without SO_REUSEADDR, with which both would have it.
 */
static enum husk_status check_port(const char *proto, int type, unsigned long port)
{
	/* The members that struct sockaddr_in has are at the same places */
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0), err = 0;

	if (fd < 0) {
		any.sin6_family = AF_INET;
		fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	}
	if (type == SOCK_STREAM)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0)
		err = errno;
	close(fd);
	return err ? fail(HUSK_STATUS_FAIL, "--net user: port %s:%lu of the host: %s", proto, port, strerror(err)) :
		     HUSK_STATUS_OK;
}

/* list: HOST:GUEST,... */
static enum husk_status check_ports(const char *proto, int type, const char *list)
{
	enum husk_status status = HUSK_STATUS_OK;

	while (!status && *list) {
		status = check_port(proto, type, strtoul(list, NULL, 10));
		list += strcspn(list, ",");
		list += strspn(list, ",");
	}
	return status;
}

static enum husk_status start(struct passt *p, const struct net_options *o)
{
	const char *argv[] = {
		"passt", "--quiet", "--fd", "3",
		"--tcp-ports", o->tcp[0] ? o->tcp : "none", "--udp-ports", o->udp[0] ? o->udp : "none",
		o->loopback ? NULL : "--no-map-gw", NULL,
	};
	enum husk_status status = HUSK_STATUS_OK;
	int pair[2], log = child_log();
	pid_t pid;

	if (log < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return fail(HUSK_STATUS_FAIL, "--net user: no socket: %s", strerror(errno));
	p->watch.fd = pair[0];
	pid = child_start(argv, pair[1], 0, log);
	if (pid < 0)
		status = fail(HUSK_STATUS_FAIL, "--net user: no process for passt: %s", strerror(errno));
	else if (child_end(pid))
		status = fail(HUSK_STATUS_FAIL, "--net user: no network: %s", child_said(log, "passt does not start"));
	close(pair[1]);
	close(log);
	if (!status && loop_add(p->backend.loop, &p->watch) < 0)
		status = fail(HUSK_STATUS_FAIL, "--net user: no epoll entry: %s", strerror(errno));
	return status;
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
	p->watch = (struct watch){ -1, 0, passt_ready, p };
	status = check_ports("tcp", SOCK_STREAM, options->tcp);
	if (!status)
		status = check_ports("udp", SOCK_DGRAM, options->udp);
	if (!status)
		status = start(p, options);
	if (status)
		passt_close(&p->backend);
	else
		*b = &p->backend;
	return status;
}
