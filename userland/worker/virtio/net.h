/* SPDX-License-Identifier: GPL-2.0 */
/*
 * virtio-net, and where its frames go: a tap interface (net_tap.c), or passt, for those
 * without rights (net_passt.c). The machine's lock is held around every call.
 */
#ifndef HUSK_WORKER_NET_H
#define HUSK_WORKER_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "lib/status.h"
#include "worker/loop.h"

struct machine;

#define NET_HEADER	12		/* of virtio 1.x, before each frame */
#define NET_ETHERNET	14		/* of Ethernet, the least of a frame */
#define NET_FRAME_MAX	(65535 + NET_ETHERNET + NET_HEADER)
#define NET_FORWARD	256		/* room for the text of forwarded ports */

/* virtio 1.2, 5.1.3 */
#define NET_F_CSUM		(1ULL << 0)
#define NET_F_GUEST_CSUM	(1ULL << 1)
#define NET_F_MAC		(1ULL << 5)
#define NET_F_GUEST_TSO4	(1ULL << 7)
#define NET_F_GUEST_TSO6	(1ULL << 8)
#define NET_F_GUEST_ECN		(1ULL << 9)
#define NET_F_HOST_TSO4		(1ULL << 11)
#define NET_F_HOST_TSO6		(1ULL << 12)
#define NET_F_HOST_ECN		(1ULL << 13)
#define NET_F_MRG_RXBUF		(1ULL << 15)
#define NET_F_STATUS		(1ULL << 16)

struct net_backend;

/**
 * struct net_ops - a kind of network
 * @features: offloads it can do
 * @send: a frame with its header; false: not now, ->writable() will come
 * @receive: the next frame with its header; bytes, 0: none now
 * @listen: call ->readable() when there are frames, or don't
 * @offload: the features that the driver accepted
 */
struct net_ops {
	const char *name;
	uint64_t features;
	bool (*send)(struct net_backend *b, const struct iovec *iov, unsigned int count, size_t bytes);
	size_t (*receive)(struct net_backend *b, uint8_t *frame, size_t room);
	void (*listen)(struct net_backend *b, bool on);
	void (*offload)(struct net_backend *b, uint64_t features);
	void (*close)(struct net_backend *b);
};

/* What the user said */
struct net_options {
	const char *interface;		/* of tap; NULL: passt */
	char tcp[NET_FORWARD], udp[NET_FORWARD];	/* HOST:GUEST,... */
	uint8_t mac[6];
	bool has_mac;
	bool loopback;			/* of passt: the gateway's address is the host's loopback */
};

struct net_backend {
	const struct net_ops *ops;
	const struct net_options *options;
	struct loop *loop;
	void (*readable)(void *ctx);
	void (*writable)(void *ctx);
	void *ctx;
};

enum husk_status net_open_tap(struct net_backend **b, const struct net_options *options, struct loop *loop);
enum husk_status net_open_passt(struct net_backend **b, const struct net_options *options, struct loop *loop);

/* options: a struct net_options */
enum husk_status net_create(struct machine *m, void *options);

#endif
