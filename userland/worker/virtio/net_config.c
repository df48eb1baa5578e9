// SPDX-License-Identifier: GPL-2.0
/* virtio-net: what it says of itself (virtio 1.2, 5.1.4), and its control queue (5.1.6.5), wherever its frames are moved. */
#include <stdio.h>
#include <string.h>

#include "worker/machine.h"
#include "worker/virtio/net.h"

#define QUEUE_SIZE	256

struct net_config {
	uint8_t mac[6];
	uint16_t status;
	uint16_t max_pairs, mtu;
};
#define LINK_UP		1
#define ANNOUNCE	2	/* in status: the driver is to say where it is, and then that it has done so */

/* What the driver may have us change by GUEST_OFFLOADS_SET, of what it has accepted */
#define GUEST_OFFLOADS	(NET_F_GUEST_CSUM | NET_F_GUEST_TSO4 | NET_F_GUEST_TSO6 | NET_F_GUEST_ECN | NET_F_GUEST_UFO | \
			 NET_F_GUEST_USO4 | NET_F_GUEST_USO6)

static struct net_config *config_of(struct net *n)
{
	return (struct net_config *)n->virtio.config;
}

/* ---- the control queue ---- */

static bool announced(struct net *n, uint64_t data)
{
	(void)data;
	config_of(n)->status &= ~ANNOUNCE;
	return true;
}

static bool set_pairs(struct net *n, uint64_t pairs)
{
	if (!pairs || pairs > n->options->queues)
		return false;
	n->pairs = pairs;
	n->place->use_pairs(n, pairs);
	return true;
}

static bool set_offloads(struct net *n, uint64_t features)
{
	if (features & ~(n->virtio.accepted & GUEST_OFFLOADS))
		return false;
	n->place->offload(n, features);
	return true;
}

static const struct {
	uint8_t class, command;
	uint8_t length;			/* of the data */
	uint64_t feature;
	bool (*run)(struct net *n, uint64_t data);
} commands[] = {
	{ 3, 0, 0, NET_F_GUEST_ANNOUNCE, announced },
	{ 4, 0, 2, NET_F_MQ, set_pairs },
	{ 5, 0, 8, NET_F_GUEST_OFFLOADS, set_offloads },
};

static bool run_command(struct net *n, const struct pvio_chain *c)
{
	struct {
		uint8_t class, command;
		uint8_t data[sizeof(uint64_t)];
	} __attribute__((packed)) request = { 0 };
	uint64_t data;

	if (c->out_bytes < 2 || c->out_bytes > sizeof(request))
		return false;
	pvio_iov_from(c->iov, c->out, 0, &request, c->out_bytes);
	memcpy(&data, request.data, sizeof(data));
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (commands[i].class == request.class && commands[i].command == request.command)
			return virtio_has(&n->virtio, commands[i].feature) && c->out_bytes == 2U + commands[i].length &&
			       commands[i].run(n, data);
	return false;
}

/* It comes after all pairs that the driver knows of (5.1.2). */
static unsigned int control_queue(const struct net *n)
{
	return 2 * (virtio_has(&n->virtio, NET_F_MQ) ? n->options->queues : 1);
}

static bool control_one(void *ctx, struct pvio_chain *c)
{
	struct net *n = ctx;
	uint8_t failed = !run_command(n, c);

	virtio_put(&n->virtio, control_queue(n), c->head, pvio_iov_to(c->iov + c->out, c->in, 0, &failed, sizeof(failed)));
	return true;
}

bool net_control(struct net *n, unsigned int queue)
{
	if (!virtio_has(&n->virtio, NET_F_CTRL_VQ) || queue != control_queue(n))
		return false;
	virtio_serve(&n->virtio, queue, control_one);
	return true;
}

/* ---- life ---- */

void net_start(struct net *n)
{
	config_of(n)->status = LINK_UP;
	n->pairs = 1;
	n->place->offload(n, n->virtio.accepted);
}

void net_show(const struct net *n, struct show *show, const char *network)
{
	const uint8_t *mac = n->virtio.config;
	char text[18];

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	show_text(show, "mac", text);
	show_text(show, "network", network);
	if (n->options->interface)
		show_text(show, "interface", n->options->interface);
}

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

void net_init(struct net *n, const struct virtio_class *class, const struct net_place *place, struct machine *m,
	      const struct net_options *o, uint64_t features)
{
	struct net_config *config = config_of(n);

	features |= NET_F_MAC | NET_F_STATUS | NET_F_MRG_RXBUF | NET_F_CTRL_VQ | NET_F_GUEST_ANNOUNCE;
	if (features & GUEST_OFFLOADS)
		features |= NET_F_GUEST_OFFLOADS;
	if (o->queues > 1)
		features |= NET_F_MQ;
	virtio_init(&n->virtio, class, m, features, 2 * o->queues + 1, QUEUE_SIZE);
	n->place = place;
	n->options = o;
	n->pairs = 1;
	n->virtio.config_len = sizeof(*config);
	if (o->has_mac)
		memcpy(config->mac, o->mac, 6);
	else
		make_mac(config->mac, m->config->name, m->virtio_count);
	config->status = LINK_UP;
	config->max_pairs = o->queues;
}

unsigned int net_announce(struct machine *m)
{
	unsigned int cards = 0;

	for (unsigned int i = 0; i < m->virtio_count; i++) {
		struct virtio *v = m->virtio[i];

		if (v->class->id != VIRTIO_ID_NET || !virtio_running(v) || !virtio_has(v, NET_F_GUEST_ANNOUNCE))
			continue;
		config_of((struct net *)v)->status |= ANNOUNCE;
		virtio_config_changed(v);
		cards++;
	}
	return cards;
}
