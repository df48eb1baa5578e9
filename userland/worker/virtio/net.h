/* SPDX-License-Identifier: GPL-2.0 */
/*
 * virtio-net: what it says of itself, and its control queue (net_config.c), and who moves the frames. That is
 * the worker (net.c), to a tap interface (net_tap.c), or to passt, for those without rights (net_passt.c); or
 * the kernel's vhost, to a tap interface (net_kernel.c). The machine's lock is held around every call.
 */
#ifndef HUSK_WORKER_NET_H
#define HUSK_WORKER_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "lib/status.h"
#include "worker/loop.h"
#include "worker/virtio/virtio.h"

#define NET_HEADER	12		/* of virtio 1.x, before each frame */
#define NET_ETHERNET	14		/* of Ethernet, the least of a frame */
#define NET_FRAME_MAX	(65535 + NET_ETHERNET + NET_HEADER)
#define NET_FORWARD	256		/* room for the text of forwarded ports */
#define NET_PAIRS	8		/* of queues, at most */
_Static_assert(2 * NET_PAIRS + 1 <= VIRTIO_QUEUES, "one for control");

/* virtio 1.2, 5.1.3 */
#define NET_F_CSUM		(1ULL << 0)
#define NET_F_GUEST_CSUM	(1ULL << 1)
#define NET_F_GUEST_OFFLOADS	(1ULL << 2)
#define NET_F_MAC		(1ULL << 5)
#define NET_F_GUEST_TSO4	(1ULL << 7)
#define NET_F_GUEST_TSO6	(1ULL << 8)
#define NET_F_GUEST_ECN		(1ULL << 9)
#define NET_F_GUEST_UFO		(1ULL << 10)
#define NET_F_HOST_TSO4		(1ULL << 11)
#define NET_F_HOST_TSO6		(1ULL << 12)
#define NET_F_HOST_ECN		(1ULL << 13)
#define NET_F_HOST_UFO		(1ULL << 14)
#define NET_F_MRG_RXBUF		(1ULL << 15)
#define NET_F_STATUS		(1ULL << 16)
#define NET_F_CTRL_VQ		(1ULL << 17)
#define NET_F_GUEST_ANNOUNCE	(1ULL << 21)
#define NET_F_MQ		(1ULL << 22)
#define NET_F_GUEST_USO4	(1ULL << 54)
#define NET_F_GUEST_USO6	(1ULL << 55)
#define NET_F_HOST_USO		(1ULL << 56)

/* 5.1.2: receive and transmit queues take turns, the control queue is the last. */
#define NET_RX(pair)		(2 * (pair))
#define NET_TX(pair)		(2 * (pair) + 1)

struct net_backend;

/**
 * struct net_ops - a kind of network
 * @send: a frame with its header; false: not now, ->writable() will come
 * @receive: the next frame with its header; bytes, 0: none now
 * @listen: call ->readable() when there are frames, or don't
 * @offload: the features that the driver accepted
 */
struct net_ops {
	const char *name;
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
	bool in_kernel;			/* vhost serves it */
	unsigned int queues;		/* pairs of them */
};

struct net_backend {
	const struct net_ops *ops;
	const struct net_options *options;
	uint64_t features;		/* offloads it can do */
	struct loop *loop;
	void (*readable)(void *ctx);
	void (*writable)(void *ctx);
	void *ctx;
};

enum husk_status net_open_tap(struct net_backend **b, const struct net_options *options, struct loop *loop);
enum husk_status net_open_passt(struct net_backend **b, const struct net_options *options, struct loop *loop);

struct net;

/**
 * struct net_place - who moves the frames
 * @offload: the driver accepts such packets: NET_F_GUEST_x
 * @use_pairs: the driver wants so many pairs of queues to be used, 1..NET_PAIRS. NULL: there is one
 */
struct net_place {
	void (*offload)(struct net *n, uint64_t features);
	void (*use_pairs)(struct net *n, unsigned int pairs);
};

/* What both places have first. */
struct net {
	struct virtio virtio;
	const struct net_place *place;
	const struct net_options *options;
	unsigned int pairs;		/* in use */
};

/* features: offloads */
void net_init(struct net *n, const struct virtio_class *class, const struct net_place *place, struct machine *m,
	      const struct net_options *options, uint64_t features);
/* As it is before the driver says something; for virtio_class.start */
void net_start(struct net *n);
/* Was that a kick of the control queue? Then it has been served. */
bool net_control(struct net *n, unsigned int queue);
/* What both have to show. network: of which kind it is */
void net_show(const struct net *n, struct show *show, const char *network);
/* Have the guest's driver tell the network where it is. How many cards there are whose driver does it */
unsigned int net_announce(struct machine *m);

/* options: a struct net_options */
enum husk_status net_create(struct machine *m, void *options);
enum husk_status net_kernel_create(struct machine *m, void *options);

#endif
