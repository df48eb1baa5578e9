// SPDX-License-Identifier: GPL-2.0
/* A network that is a tap interface of the host, by the worker. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker/machine.h"
#include "worker/virtio/net.h"
#include "worker/virtio/tap.h"

struct tap {
	struct net_backend backend;
	struct watch watch;
};

static struct tap *tap_of(struct net_backend *b)
{
	return (struct tap *)b;
}

/* What the interface does not take is lost, as on a wire: it may be down, or the header nonsense. */
static bool tap_send(struct net_backend *b, const struct iovec *iov, unsigned int count, size_t bytes)
{
	(void)bytes;
	while (writev(tap_of(b)->watch.fd, iov, count) < 0 && errno == EINTR)
		;
	return true;
}

static size_t tap_receive(struct net_backend *b, uint8_t *frame, size_t room)
{
	ssize_t n = read(tap_of(b)->watch.fd, frame, room);

	return n > NET_HEADER ? n : 0;
}

static void tap_listen(struct net_backend *b, bool on)
{
	loop_change(b->loop, &tap_of(b)->watch, on ? EPOLLIN : 0);
}

static void set_offload(struct net_backend *b, uint64_t features)
{
	tap_offload(tap_of(b)->watch.fd, features);
}

static void tap_ready(void *ctx, uint32_t events)
{
	struct tap *tap = ctx;

	/* an interface that was deleted is ready for ever */
	if (events & (EPOLLERR | EPOLLHUP))
		loop_remove(tap->backend.loop, &tap->watch);
	else
		tap->backend.readable(tap->backend.ctx);
}

static void tap_close(struct net_backend *b)
{
	struct tap *tap = tap_of(b);

	if (tap->watch.fd >= 0) {
		loop_remove(b->loop, &tap->watch);
		close(tap->watch.fd);
	}
	free(tap);
}

static const struct net_ops tap_ops = {
	.name = "tap",
	.send = tap_send, .receive = tap_receive, .listen = tap_listen, .offload = set_offload, .close = tap_close,
};

enum husk_status net_open_tap(struct net_backend **b, const struct net_options *options, struct loop *loop)
{
	struct tap *tap = calloc(1, sizeof(*tap));
	enum husk_status status;

	if (!tap)
		return fail(HUSK_STATUS_FAIL, "out of memory");
	tap->backend.ops = &tap_ops;
	tap->backend.options = options;
	tap->backend.loop = loop;
	tap->watch = (struct watch){ -1, 0, tap_ready, tap };
	status = tap_open(options->interface, &tap->watch.fd, 1);
	if (!status && loop_add(loop, &tap->watch) < 0)
		status = fail(HUSK_STATUS_FAIL, "--net tap=%s: no epoll entry: %s", options->interface, strerror(errno));
	tap->backend.features = status ? 0 : tap_features(tap->watch.fd);
	if (status)
		tap_close(&tap->backend);
	else
		*b = &tap->backend;
	return status;
}
