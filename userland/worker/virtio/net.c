// SPDX-License-Identifier: GPL-2.0
/* virtio-net (virtio 1.2, 5.1) whose frames the worker moves: one pair of queues. */
#include <stdlib.h>

#include "worker/machine.h"
#include "worker/virtio/net.h"

#define RX		NET_RX(0)
#define TX		NET_TX(0)
#define RX_WEIGHT	64	/* frames for the guest, before others have their turn */
#define NUM_BUFFERS	10	/* place in the header */

struct net_worker {
	struct net net;
	struct net_backend *backend;
	uint8_t frame[NET_FRAME_MAX];	/* on its way to the guest */
	size_t frame_len;		/* 0: none */
	/* frames and their bytes, to and from the guest, since the VM began */
	uint64_t received, received_bytes, sent, sent_bytes;
};

static struct net_worker *worker_of(struct virtio *v)
{
	return (struct net_worker *)v;
}

/* ---- to the guest ---- */

static uint8_t *byte_at(const struct iovec *iov, unsigned int count, size_t offset)
{
	for (unsigned int i = 0; i < count; i++) {
		if (offset < iov[i].iov_len)
			return (uint8_t *)iov[i].iov_base + offset;
		offset -= iov[i].iov_len;
	}
	return NULL;
}

enum given { GIVEN, NO_BUFFERS, DEAD };

/*
 * Put the frame into buffers: one, or as many as it takes if the driver can do that. The
 * driver sees all of them at once, and in the first one's header how many they are.
 */
static enum given give_frame(struct net_worker *n)
{
	static struct pvio_chain chain;		/* by the machine's lock */
	struct pvio_ring *ring = &n->net.virtio.queue[RX].ring;
	bool merge = virtio_has(&n->net.virtio, NET_F_MRG_RXBUF);
	uint8_t *number[2] = { NULL, NULL };
	unsigned int count = 0, looks = 0;
	size_t done = 0;

	while (done < n->frame_len) {
		enum pvio_next next = pvio_ring_next(ring, &chain);
		size_t bytes;

		/* Wanted is a kick for more than there are, taken ones included. */
		if (next == PVIO_EMPTY && pvio_ring_want_kicks(ring, true) && looks++ < ring->size)
			continue;
		if (next != PVIO_CHAIN) {
			pvio_ring_unget(ring, count);
			return next == PVIO_BROKEN ? DEAD : NO_BUFFERS;
		}
		if (!count)
			for (int i = 0; i < 2; i++)
				number[i] = byte_at(chain.iov + chain.out, chain.in, NUM_BUFFERS + i);
		bytes = pvio_iov_to(chain.iov + chain.out, chain.in, 0, n->frame + done, n->frame_len - done);
		pvio_ring_fill(ring, count++, chain.head, bytes);
		done += bytes;
		if (!merge || count == ring->size)
			break;		/* what did not fit is lost */
	}
	for (int i = 0; i < 2; i++)
		if (number[i])
			*number[i] = count >> 8 * i;
	pvio_ring_publish(ring, count);
	n->received++;
	n->received_bytes += n->frame_len - NET_HEADER;
	n->frame_len = 0;
	return GIVEN;
}

/* Frames until there are no more, or no buffers: then the driver kicks when it has some. */
static void give_frames(struct net_worker *n)
{
	enum given given = GIVEN;

	for (int i = 0; i < RX_WEIGHT && given == GIVEN; i++) {
		if (!n->frame_len)
			n->frame_len = n->backend->ops->receive(n->backend, n->frame, sizeof(n->frame));
		if (!n->frame_len)
			break;
		given = give_frame(n);
	}
	n->backend->ops->listen(n->backend, given == GIVEN);
	if (given == DEAD)
		virtio_broken(&n->net.virtio);
	virtio_notify(&n->net.virtio, RX);
}

static void net_readable(void *ctx)
{
	struct net_worker *n = ctx;

	if (virtio_running(&n->net.virtio) && n->net.virtio.queue[RX].enabled)
		give_frames(n);
	else
		n->backend->ops->listen(n->backend, false);
}

/* ---- from the guest ---- */

static bool send_one(void *ctx, struct pvio_chain *chain)
{
	struct net_worker *n = ctx;

	/* No network takes a runt, and passt ends at one. */
	if (chain->out_bytes >= NET_HEADER + NET_ETHERNET && chain->out_bytes <= NET_FRAME_MAX) {
		if (!n->backend->ops->send(n->backend, chain->iov, chain->out, chain->out_bytes))
			return false;
		n->sent++;
		n->sent_bytes += chain->out_bytes - NET_HEADER;
	}
	virtio_put(&n->net.virtio, TX, chain->head, 0);
	return true;
}

static void net_writable(void *ctx)
{
	struct net_worker *n = ctx;

	virtio_kick(&n->net.virtio, TX);
}

static void worker_kick(struct virtio *v, unsigned int queue)
{
	struct net_worker *n = worker_of(v);

	if (net_control(&n->net, queue))
		return;
	if (queue == TX) {
		virtio_serve(v, TX, send_one);
		return;
	}
	if (queue != RX)
		return;
	pvio_ring_want_kicks(&v->queue[RX].ring, false);
	give_frames(n);
}

static void worker_offload(struct net *n, uint64_t features)
{
	struct net_backend *b = worker_of(&n->virtio)->backend;

	b->ops->offload(b, features);
}

static void worker_start(struct virtio *v)
{
	net_start(&worker_of(v)->net);
}

static void worker_stop(struct virtio *v)
{
	struct net_worker *n = worker_of(v);

	n->backend->ops->listen(n->backend, false);
	n->frame_len = 0;
}

static void worker_show(struct virtio *v, struct show *show)
{
	struct net_worker *n = worker_of(v);

	net_show(&n->net, show, n->backend->ops->name);
	show_number(show, "received", n->received);
	show_number(show, "received_bytes", n->received_bytes);
	show_number(show, "sent", n->sent);
	show_number(show, "sent_bytes", n->sent_bytes);
}

static void worker_destroy(struct virtio *v)
{
	struct net_worker *n = worker_of(v);

	n->backend->ops->close(n->backend);
	free(n);
}

static const struct virtio_class worker_class = {
	.id = VIRTIO_ID_NET, .name = "net", .pci_class = 0x020000,
	.kick = worker_kick, .start = worker_start, .stop = worker_stop, .show = worker_show, .destroy = worker_destroy,
};

static const struct net_place worker_place = { .offload = worker_offload };

enum husk_status net_create(struct machine *m, void *options)
{
	const struct net_options *o = options;
	struct net_worker *n = calloc(1, sizeof(*n));
	enum husk_status status;

	if (!n)
		return fail(HUSK_STATUS_FAIL, "out of memory");
	status = o->interface ? net_open_tap(&n->backend, o, &m->loop) : net_open_passt(&n->backend, o, &m->loop);
	if (status) {
		free(n);
		return status;
	}
	net_init(&n->net, &worker_class, &worker_place, m, o, n->backend->features);
	n->net.virtio.backend = "worker";
	n->backend->readable = net_readable;
	n->backend->writable = net_writable;
	n->backend->ctx = n;
	return virtio_add(&n->net.virtio) < 0 ? fail(HUSK_STATUS_USAGE, "no free PCI slot for the network") : HUSK_STATUS_OK;
}
