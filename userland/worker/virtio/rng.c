// SPDX-License-Identifier: GPL-2.0
/* virtio-rng (virtio 1.2, 5.4): randomness from the host's kernel. */
#include <stdlib.h>
#include <sys/random.h>

#include "worker/config.h"
#include "worker/virtio/virtio.h"

#define QUEUE_SIZE	8
#define REQUEST_MAX	65536	/* bytes that a request gets, whatever it has room for */

static bool fill_one(void *ctx, struct pvio_chain *chain)
{
	struct virtio *v = ctx;
	size_t done = 0;

	for (unsigned int i = chain->out; i < (unsigned int)chain->out + chain->in && done < REQUEST_MAX; i++) {
		size_t room = chain->iov[i].iov_len < REQUEST_MAX - done ? chain->iov[i].iov_len : REQUEST_MAX - done;
		ssize_t n = getrandom(chain->iov[i].iov_base, room, 0);

		if (n <= 0)
			break;
		done += n;
		if ((size_t)n < room)
			break;		/* a signal; the rest has to be asked for */
	}
	virtio_put(v, 0, chain->head, done);
	return true;
}

static void rng_kick(struct virtio *v, unsigned int queue)
{
	virtio_serve(v, queue, fill_one);
}

static void rng_destroy(struct virtio *v)
{
	free(v);
}

static const struct virtio_class rng_class = {
	.id = 4, .name = "rng", .pci_class = 0x00ff00, .kick = rng_kick, .destroy = rng_destroy,
};

static enum husk_status rng_create(struct machine *m, void *options)
{
	struct virtio *v = calloc(1, sizeof(*v));

	(void)options;
	if (!v)
		return fail(HUSK_STATUS_FAIL, "out of memory");
	virtio_init(v, &rng_class, m, 0, 1, QUEUE_SIZE);
	v->backend = "worker";
	return virtio_add(v) < 0 ? fail(HUSK_STATUS_USAGE, "no free PCI slot for --rng") : HUSK_STATUS_OK;
}

enum husk_status option_rng(struct config *config, const char *text)
{
	(void)text;
	return config_add_device(config, rng_create, NULL);
}
