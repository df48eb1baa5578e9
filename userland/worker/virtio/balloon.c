// SPDX-License-Identifier: GPL-2.0
/*
 * virtio-balloon (virtio 1.2, 5.5): memory that the guest gives back when asked to, and,
 * by itself, memory that it does not use now (free page reporting).
 */
#include <stdlib.h>

#include "worker/config.h"
#include "worker/virtio/balloon.h"
#include "worker/virtio/virtio.h"

#define QUEUE_SIZE	128
#define PAGE		4096ULL
#define PAGES_MAX	4096	/* of a request, whatever it has */
#define WEIGHT		16	/* requests at a time: each may be all of the guest's memory */

#define F_DEFLATE_ON_OOM	(1ULL << 2)
#define F_REPORTING		(1ULL << 5)

/* 5.5.2. Queues of features that are not offered are left out, so reporting is the third (as Linux counts them). */
enum { INFLATE, DEFLATE, REPORTING, QUEUES };

struct balloon_config {
	uint32_t num_pages, actual;
};

static void release(struct virtio *v, uint64_t gpa, uint64_t length)
{
	uint8_t *ram = pvio_map(&v->machine->guest, gpa, length, true);

	if (ram)
		ram_release(v->machine, ram, length);
}

/* Page numbers; neighbours are released together. */
static bool inflate_one(void *ctx, struct pvio_chain *chain)
{
	static uint32_t numbers[PAGES_MAX];	/* by the machine's lock */
	size_t pages = pvio_iov_from(chain->iov, chain->out, 0, numbers, sizeof(numbers)) / sizeof(numbers[0]);
	struct virtio *v = ctx;
	uint64_t first = 0, count = 0;

	for (size_t i = 0; i < pages; i++) {
		uint32_t page = numbers[i];

		if (count && (page == first + count || page + 1ULL == first)) {
			first = page < first ? page : first;
			count++;
			continue;
		}
		release(v, first * PAGE, count * PAGE);
		first = page;
		count = 1;
	}
	release(v, first * PAGE, count * PAGE);
	virtio_put(v, INFLATE, chain->head, 0);
	return true;
}

/* Nothing to do: the pages come back when they are used. */
static bool deflate_one(void *ctx, struct pvio_chain *chain)
{
	virtio_put(ctx, DEFLATE, chain->head, 0);
	return true;
}

/* Free pages are the segments that the device may write (5.5.6.7.2). */
static bool report_one(void *ctx, struct pvio_chain *chain)
{
	const struct machine *m = ((struct virtio *)ctx)->machine;

	/* The same memory several times over is nobody's free memory. */
	if (chain->in_bytes > m->low + m->high)
		chain->in = 0;
	for (unsigned int i = chain->out; i < (unsigned int)chain->out + chain->in; i++) {
		uintptr_t start = ((uintptr_t)chain->iov[i].iov_base + PAGE - 1) & ~(PAGE - 1);
		uintptr_t end = ((uintptr_t)chain->iov[i].iov_base + chain->iov[i].iov_len) & ~(PAGE - 1);

		if (end > start)
			ram_release(m, (void *)start, end - start);
	}
	virtio_put(ctx, REPORTING, chain->head, 0);
	return true;
}

static void balloon_kick(struct virtio *v, unsigned int queue)
{
	static bool (*const one[QUEUES])(void *ctx, struct pvio_chain *chain) = {
		[INFLATE] = inflate_one, [DEFLATE] = deflate_one, [REPORTING] = report_one,
	};

	virtio_serve(v, queue, one[queue]);
}

static void balloon_show(struct virtio *v, struct show *show)
{
	const struct balloon_config *c = (const struct balloon_config *)v->config;

	show_number(show, "wanted", c->num_pages * PAGE);
	show_number(show, "size", c->actual * PAGE);
	show_text(show, "free_page_reporting", virtio_has(v, F_REPORTING) ? "on" : "off");
}

static void balloon_destroy(struct virtio *v)
{
	free(v);
}

static const struct virtio_class balloon_class = {
	.id = 5, .name = "balloon", .pci_class = 0x00ff00, .weight = WEIGHT,
	.kick = balloon_kick, .show = balloon_show, .destroy = balloon_destroy,
};

const char *balloon_set(struct machine *m, uint64_t bytes)
{
	for (unsigned int i = 0; i < m->virtio_count; i++) {
		struct balloon_config *c = (struct balloon_config *)m->virtio[i]->config;

		if (m->virtio[i]->class != &balloon_class)
			continue;
		if (bytes >= m->config->memory)
			return "give less than the memory that the VM has";
		c->num_pages = bytes / PAGE;
		virtio_config_changed(m->virtio[i]);
		return NULL;
	}
	return "the VM has no balloon: it was started without --balloon";
}

static enum husk_status balloon_create(struct machine *m, void *options)
{
	struct virtio *v = calloc(1, sizeof(*v));

	(void)options;
	if (!v)
		return fail(HUSK_STATUS_FAIL, "out of memory");
	virtio_init(v, &balloon_class, m, F_DEFLATE_ON_OOM | F_REPORTING, QUEUES, QUEUE_SIZE);
	v->backend = "worker";
	v->config_len = sizeof(struct balloon_config);
	for (unsigned int i = 0; i < sizeof(uint32_t); i++)
		v->config_writable[offsetof(struct balloon_config, actual) + i] = 0xff;
	return virtio_add(v) < 0 ? fail(HUSK_STATUS_USAGE, "no free PCI slot for --balloon") : HUSK_STATUS_OK;
}

enum husk_status option_balloon(struct config *config, const char *text)
{
	(void)text;
	for (unsigned int i = 0; i < config->devices; i++)
		if (config->device[i].create == balloon_create)
			return fail(HUSK_STATUS_USAGE, "--balloon: once only");
	return config_add_device(config, balloon_create, NULL);
}
