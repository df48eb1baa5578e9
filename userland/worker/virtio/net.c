// SPDX-License-Identifier: GPL-2.0
/* virtio-net (virtio 1.2, 5.1): one pair of queues. */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "worker/machine.h"
#include "worker/virtio/net.h"
#include "worker/virtio/virtio.h"

#define QUEUE_SIZE	256
#define RX		0
#define TX		1
#define RX_WEIGHT	64	/* frames for the guest, before others have their turn */
#define NUM_BUFFERS	10	/* place in the header */

/* 5.1.4 */
struct net_config {
	uint8_t mac[6];
	uint16_t status;
	uint16_t max_pairs, mtu;
};
#define LINK_UP	1

struct net {
	struct virtio virtio;
	struct net_backend *backend;
	uint8_t frame[NET_FRAME_MAX];	/* on its way to the guest */
	size_t frame_len;		/* 0: none */
	/* frames and their bytes, to and from the guest, since the VM began */
	uint64_t received, received_bytes, sent, sent_bytes;
};

static struct net *net_of(struct virtio *v)
{
	return (struct net *)v;
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
static enum given give_frame(struct net *n)
{
	static struct pvio_chain chain;		/* by the machine's lock */
	struct pvio_ring *ring = &n->virtio.queue[RX].ring;
	bool merge = virtio_has(&n->virtio, NET_F_MRG_RXBUF);
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
static void give_frames(struct net *n)
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
		virtio_broken(&n->virtio);
	virtio_notify(&n->virtio, RX);
}

static void net_readable(void *ctx)
{
	struct net *n = ctx;

	if (virtio_running(&n->virtio) && n->virtio.queue[RX].enabled)
		give_frames(n);
	else
		n->backend->ops->listen(n->backend, false);
}

/* ---- from the guest ---- */

static bool send_one(void *ctx, struct pvio_chain *chain)
{
	struct net *n = ctx;

	/* No network takes a runt, and passt ends at one. */
	if (chain->out_bytes >= NET_HEADER + NET_ETHERNET && chain->out_bytes <= NET_FRAME_MAX) {
		if (!n->backend->ops->send(n->backend, chain->iov, chain->out, chain->out_bytes))
			return false;
		n->sent++;
		n->sent_bytes += chain->out_bytes - NET_HEADER;
	}
	virtio_put(&n->virtio, TX, chain->head, 0);
	return true;
}

static void net_writable(void *ctx)
{
	struct net *n = ctx;

	virtio_kick(&n->virtio, TX);
}

static void net_kick(struct virtio *v, unsigned int queue)
{
	struct net *n = net_of(v);

	if (queue == TX) {
		virtio_serve(v, TX, send_one);
		return;
	}
	pvio_ring_want_kicks(&v->queue[RX].ring, false);
	give_frames(n);
}

static void net_start(struct virtio *v)
{
	net_of(v)->backend->ops->offload(net_of(v)->backend, v->accepted);
}

static void net_stop(struct virtio *v)
{
	struct net *n = net_of(v);

	n->backend->ops->listen(n->backend, false);
	n->frame_len = 0;
}

static void net_show(struct virtio *v, struct show *show)
{
	const uint8_t *mac = v->config;
	struct net *n = net_of(v);
	char text[18];

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	show_text(show, "mac", text);
	show_text(show, "network", n->backend->ops->name);
	if (n->backend->options->interface)
		show_text(show, "interface", n->backend->options->interface);
	show_number(show, "received", n->received);
	show_number(show, "received_bytes", n->received_bytes);
	show_number(show, "sent", n->sent);
	show_number(show, "sent_bytes", n->sent_bytes);
}

static void net_destroy(struct virtio *v)
{
	struct net *n = net_of(v);

	n->backend->ops->close(n->backend);
	free(n);
}

static const struct virtio_class net_class = {
	.id = 1, .name = "net", .pci_class = 0x020000,
	.kick = net_kick, .start = net_start, .stop = net_stop, .show = net_show, .destroy = net_destroy,
};

/* An address that the same VM has again the next time: locally administered, from its name (FNV-1a) */
static void make_mac(uint8_t mac[6], const char *name, unsigned int index)
{
	uint64_t hash = 0xcbf29ce484222325ULL + index;

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 0x100000001b3ULL;
	mac[0] = 0x52;
	for (int i = 1; i < 6; i++)
		mac[i] = hash >> 8 * i;
}

enum husk_status net_create(struct machine *m, void *options)
{
	const struct net_options *o = options;
	struct net *n = calloc(1, sizeof(*n));
	struct net_config *config;
	enum husk_status status;

	if (!n)
		return fail(HUSK_STATUS_FAIL, "out of memory");
	status = o->interface ? net_open_tap(&n->backend, o, &m->loop) : net_open_passt(&n->backend, o, &m->loop);
	if (status) {
		free(n);
		return status;
	}
	virtio_init(&n->virtio, &net_class, m, n->backend->ops->features | NET_F_MAC | NET_F_STATUS | NET_F_MRG_RXBUF,
		    2, QUEUE_SIZE);
	n->virtio.backend = "worker";
	n->virtio.config_len = sizeof(*config);
	config = (struct net_config *)n->virtio.config;
	if (o->has_mac)
		memcpy(config->mac, o->mac, 6);
	else
		make_mac(config->mac, m->config->name, m->virtio_count);
	config->status = LINK_UP;
	config->max_pairs = 1;
	n->backend->readable = net_readable;
	n->backend->writable = net_writable;
	n->backend->ctx = n;
	return virtio_add(&n->virtio) < 0 ? fail(HUSK_STATUS_USAGE, "no free PCI slot for the network") : HUSK_STATUS_OK;
}
