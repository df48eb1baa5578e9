// SPDX-License-Identifier: GPL-2.0
/* virtio-console (virtio 1.2, 5.3): one port, which is the terminal. */
#include <stdlib.h>
#include <string.h>

#include "worker/config.h"
#include "worker/virtio/console.h"
#include "worker/virtio/virtio.h"

#define QUEUE_SIZE	64
#define RX		0
#define TX		1
#define WRITE_MAX	65536	/* bytes taken from a request, whatever it has: the ring's size */

size_t virtio_console_receive(struct virtio *v, const uint8_t *data, size_t n)
{
	static struct pvio_chain chain;		/* by the machine's lock */
	struct pvio_ring *ring = &v->queue[RX].ring;
	unsigned int weight = VIRTIO_WEIGHT;
	size_t done = 0;

	if (!virtio_running(v) || !v->queue[RX].enabled)
		return 0;
	/* A driver may give buffers without room for as long as we take them. */
	for (; done < n && weight; weight--) {
		enum pvio_next next = pvio_ring_next(ring, &chain);
		size_t bytes;

		if (next == PVIO_BROKEN)
			virtio_broken(v);
		if (next == PVIO_BROKEN || (next == PVIO_EMPTY && !pvio_ring_want_kicks(ring, true)))
			break;
		if (next == PVIO_EMPTY)
			continue;
		bytes = pvio_iov_to(chain.iov + chain.out, chain.in, 0, data + done, n - done);
		virtio_put(v, RX, chain.head, bytes);
		done += bytes;
	}
	if (!weight)
		console_wake(v->machine->console);	/* again, after others */
	virtio_notify(v, RX);
	return done;
}

static bool print_one(void *ctx, struct pvio_chain *chain)
{
	struct virtio *v = ctx;
	size_t left = WRITE_MAX;

	for (unsigned int i = 0; i < chain->out && left; i++) {
		size_t n = chain->iov[i].iov_len < left ? chain->iov[i].iov_len : left;

		console_write(v->machine->console, chain->iov[i].iov_base, n);
		left -= n;
	}
	virtio_put(v, TX, chain->head, 0);
	return true;
}

static void console_kick(struct virtio *v, unsigned int queue)
{
	if (queue == TX) {
		virtio_serve(v, TX, print_one);
		return;
	}
	pvio_ring_want_kicks(&v->queue[RX].ring, false);
	console_wake(v->machine->console);	/* there is room for what is typed */
}

static void console_destroy(struct virtio *v)
{
	free(v);
}

static const struct virtio_class console_class = {
	.id = 3, .name = "console", .pci_class = 0x078000, .kick = console_kick, .destroy = console_destroy,
};

static enum husk_status console_create(struct machine *m, void *options)
{
	struct virtio *v = calloc(1, sizeof(*v));

	(void)options;
	if (!v)
		return fail(HUSK_STATUS_FAIL, "out of memory");
	virtio_init(v, &console_class, m, 0, 2, QUEUE_SIZE);
	v->backend = "worker";
	if (virtio_add(v) < 0)
		return fail(HUSK_STATUS_USAGE, "no free PCI slot for the console");
	m->virtio_console = v;
	return HUSK_STATUS_OK;
}

enum husk_status option_console(struct config *config, const char *text)
{
	if (!strcmp(text, "serial"))
		return HUSK_STATUS_OK;
	if (strcmp(text, "virtio"))
		return fail(HUSK_STATUS_USAGE, "--console %s: give serial or virtio", text);
	for (unsigned int i = 0; i < config->devices; i++)
		if (config->device[i].create == console_create)
			return fail(HUSK_STATUS_USAGE, "--console virtio: once only");
	return config_add_device(config, console_create, NULL);
}
