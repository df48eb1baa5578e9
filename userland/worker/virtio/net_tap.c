// SPDX-License-Identifier: GPL-2.0
/* A network that is a tap interface of the host; the kernel takes and gives offloads by the header. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "worker/machine.h"
#include "worker/virtio/net.h"

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

static void tap_offload(struct net_backend *b, uint64_t features)
{
	static const struct {
		uint64_t feature;
		unsigned int flag;
	} map[] = {
		{ NET_F_GUEST_CSUM, TUN_F_CSUM },
		{ NET_F_GUEST_TSO4, TUN_F_TSO4 },
		{ NET_F_GUEST_TSO6, TUN_F_TSO6 },
		{ NET_F_GUEST_ECN, TUN_F_TSO_ECN },
	};
	unsigned long flags = 0;

	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
		if (features & map[i].feature)
			flags |= map[i].flag;
	/* It refuses what makes no sense, segments without checksums: then there are none. */
	if (ioctl(tap_of(b)->watch.fd, TUNSETOFFLOAD, flags) < 0)
		ioctl(tap_of(b)->watch.fd, TUNSETOFFLOAD, 0UL);
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
	.features = NET_F_CSUM | NET_F_GUEST_CSUM | NET_F_GUEST_TSO4 | NET_F_GUEST_TSO6 | NET_F_GUEST_ECN |
		    NET_F_HOST_TSO4 | NET_F_HOST_TSO6 | NET_F_HOST_ECN,
	.send = tap_send, .receive = tap_receive, .listen = tap_listen, .offload = tap_offload, .close = tap_close,
};

static enum husk_status attach(struct tap *tap, const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int header = NET_HEADER;

	strcpy(request.ifr_name, name);
	tap->watch.fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (tap->watch.fd < 0)
		return fail(HUSK_STATUS_HOST, "--net tap=%s: /dev/net/tun: %s (modprobe tun)", name, strerror(errno));
	if (ioctl(tap->watch.fd, TUNSETIFF, &request) < 0)
		return fail(HUSK_STATUS_HOST, "--net tap=%s: %s", name,
			    errno == EPERM ? "no right to it; root can make it yours: ip tuntap add NAME mode tap user YOU" :
			    errno == EBUSY ? "in use by another VM or program" :
			    errno == EINVAL ? "no tap interface" : strerror(errno));
	if (ioctl(tap->watch.fd, TUNSETVNETHDRSZ, &header) < 0)
		return fail(HUSK_STATUS_HOST, "--net tap=%s: TUNSETVNETHDRSZ: %s", name, strerror(errno));
	if (loop_add(tap->backend.loop, &tap->watch) < 0)
		return fail(HUSK_STATUS_FAIL, "--net tap=%s: no epoll entry: %s", name, strerror(errno));
	return HUSK_STATUS_OK;
}

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
	status = attach(tap, options->interface);
	if (status)
		tap_close(&tap->backend);
	else
		*b = &tap->backend;
	return status;
}
