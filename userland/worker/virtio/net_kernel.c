// SPDX-License-Identifier: GPL-2.0
/*
 * virtio-net whose frames the host kernel's vhost-net moves: between a queue of a tap interface and a pair of the guest's
 * queues, an instance of vhost for each. The worker has the control queue alone.
 */
#include <linux/vhost.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "worker/machine.h"
#include "worker/virtio/net.h"
#include "worker/virtio/tap.h"
#include "worker/virtio/vhost.h"

struct net_kernel {
	struct net net;
	int tap[NET_PAIRS];
	struct tap_count counts[TAP_COUNTS];
	struct vhost vhost[NET_PAIRS];
};

static struct net_kernel *kernel_of(struct virtio *v)
{
	return (struct net_kernel *)v;
}

/* tap -1: none, and the thread of vhost has let go of the queues when it returns */
static int set_backend(const struct vhost *h, int tap)
{
	struct vhost_vring_file file = { .fd = tap };
	int err = 0;

	for (file.index = 0; file.index < VHOST_QUEUES && !err; file.index++)
		err = ioctl(h->fd, VHOST_NET_SET_BACKEND, &file);
	return err;
}

static int start_pair(struct net_kernel *n, unsigned int pair)
{
	struct vhost *h = &n->vhost[pair];

	return vhost_start(h, n->net.virtio.accepted & h->features) < 0 ? -1 : set_backend(h, n->tap[pair]);
}

static void stop_pair(struct vhost *h)
{
	if (!h->running)
		return;
	set_backend(h, -1);
	vhost_stop(h);
}

static void kernel_update(struct virtio *v)
{
	struct net_kernel *n = kernel_of(v);

	for (unsigned int i = 0; i < n->net.options->queues; i++)
		if (n->vhost[i].running)
			vhost_update(&n->vhost[i]);
}

/* Without MQ other queues are no pairs. Of those that the driver has not enabled it wants none. */
static void kernel_start(struct virtio *v)
{
	unsigned int pairs = virtio_has(v, NET_F_MQ) ? kernel_of(v)->net.options->queues : 1;
	struct net_kernel *n = kernel_of(v);

	net_start(&n->net);
	for (unsigned int i = 0; i < pairs; i++)
		if ((!i || vhost_ready(&n->vhost[i])) && start_pair(n, i) < 0)
			virtio_broken(v);
	kernel_update(v);
}

static void use_pairs(struct net *net, unsigned int pairs)
{
	struct net_kernel *n = kernel_of(&net->virtio);

	for (unsigned int i = 1; i < net->options->queues; i++)
		tap_use_queue(n->tap[i], i < pairs);
}

static void kernel_stop(struct virtio *v)
{
	struct net_kernel *n = kernel_of(v);

	for (unsigned int i = 0; i < n->net.options->queues; i++)
		stop_pair(&n->vhost[i]);
	n->net.pairs = 1;
	use_pairs(&n->net, 1);
}

static void kernel_kick(struct virtio *v, unsigned int queue)
{
	struct net_kernel *n = kernel_of(v);

	if (!net_control(&n->net, queue) && queue < NET_RX(n->net.options->queues))
		vhost_kick(&n->vhost[queue / 2], queue);
}

static void kernel_offload(struct net *net, uint64_t features)
{
	tap_offload(kernel_of(&net->virtio)->tap[0], features);
}

static void kernel_show(struct virtio *v, struct show *show)
{
	struct net_kernel *n = kernel_of(v);

	net_show(&n->net, show, "tap");
	show_number(show, "pairs", n->net.options->queues);
	show_number(show, "pairs_used", n->net.pairs);
	tap_show_counts(n->counts, show);
	vhost_show(&n->vhost[0], show);
}

static void kernel_destroy(struct virtio *v)
{
	struct net_kernel *n = kernel_of(v);

	for (unsigned int i = 0; i < NET_PAIRS; i++) {
		vhost_close(&n->vhost[i]);
		if (n->tap[i] >= 0)
			close(n->tap[i]);
	}
	tap_close_counts(n->counts);
	free(n);
}

static const struct virtio_class kernel_class = {
	.id = VIRTIO_ID_NET, .name = "net", .pci_class = 0x020000,
	.kick = kernel_kick, .start = kernel_start, .stop = kernel_stop, .vector_changed = kernel_update, .moved = kernel_update,
	.show = kernel_show, .destroy = kernel_destroy,
};

static const struct net_place kernel_place = { .offload = kernel_offload, .use_pairs = use_pairs };

static enum husk_status open_pairs(struct net_kernel *n, struct machine *m, const struct net_options *o)
{
	enum husk_status status = tap_open(o->interface, n->tap, o->queues);
	char option[64];

	if (status)
		return status;
	tap_open_counts(o->interface, n->counts);
	net_init(&n->net, &kernel_class, &kernel_place, m, o, tap_features(n->tap[0]));
	snprintf(option, sizeof(option), "--net tap=%s,where=kernel", o->interface);
	for (unsigned int i = 0; i < o->queues && !status; i++)
		status = vhost_open(&n->vhost[i], "/dev/vhost-net", "vhost_net", option);
	return status;
}

enum husk_status net_kernel_create(struct machine *m, void *options)
{
	struct net_kernel *n = calloc(1, sizeof(*n));
	enum husk_status status;

	if (!n)
		return fail(HUSK_STATUS_FAIL, "out of memory");
	for (unsigned int i = 0; i < NET_PAIRS; i++) {
		n->tap[i] = -1;
		vhost_init(&n->vhost[i], &n->net.virtio, NET_RX(i));
	}
	for (int i = 0; i < TAP_COUNTS; i++)
		n->counts[i].fd = -1;
	status = open_pairs(n, m, options);
	if (status) {
		kernel_destroy(&n->net.virtio);
		return status;
	}
	n->net.virtio.backend = "kernel (vhost)";
	return virtio_add(&n->net.virtio) < 0 ? fail(HUSK_STATUS_USAGE, "no free PCI slot for the network") : HUSK_STATUS_OK;
}
