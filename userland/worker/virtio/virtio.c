// SPDX-License-Identifier: GPL-2.0
/* What all virtio devices share. */
#include <string.h>

#include "worker/machine.h"
#include "worker/virtio/virtio.h"

#define ISR_QUEUE	1
#define ISR_CONFIG	2

static void set_ring(struct virtio *v, struct virtio_queue *q)
{
	q->ring.indirect = virtio_has(v, VIRTIO_FEATURE_INDIRECT);
	q->ring.event_index = virtio_has(v, VIRTIO_FEATURE_EVENT_INDEX);
}

static void reset_queue(struct virtio_queue *q)
{
	pvio_ring_stop(&q->ring);
	memset(&q->ring, 0, sizeof(q->ring));
	q->ring.size = q->size_max;
	q->vector = VIRTIO_NO_VECTOR;
	q->enabled = q->more = false;
}

void virtio_reset(struct virtio *v)
{
	if (v->status && v->class->stop)
		v->class->stop(v);
	for (unsigned int i = 0; i < v->queues; i++)
		reset_queue(&v->queue[i]);
	v->status = v->isr = v->generation = 0;
	v->accepted = 0;
	v->offered_select = v->accepted_select = 0;
	v->queue_select = 0;
	v->config_vector = VIRTIO_NO_VECTOR;
	pci_set_intx(&v->pci, false);
}

void virtio_kick(struct virtio *v, unsigned int queue)
{
	if (queue < v->queues && v->queue[queue].enabled && virtio_running(v))
		v->class->kick(v, queue);
}

/* Its turn again, for queues whose weight was used up */
static void more(void *ctx)
{
	struct virtio *v = ctx;

	for (unsigned int i = 0; i < v->queues; i++)
		if (v->queue[i].more) {
			v->queue[i].more = false;
			virtio_kick(v, i);
		}
}

enum pvio_served virtio_serve(struct virtio *v, unsigned int queue, bool (*one)(void *ctx, struct pvio_chain *chain))
{
	static struct pvio_chain chain;		/* by the machine's lock */
	struct virtio_queue *q = &v->queue[queue];
	unsigned int weight = v->class->weight ? v->class->weight : VIRTIO_WEIGHT;
	enum pvio_served served = pvio_ring_serve(&q->ring, &chain, weight, one, v);

	if (served == PVIO_MORE) {
		q->more = true;
		loop_defer(&v->machine->loop, &v->work);
	} else if (served == PVIO_DEAD && q->ring.broken) {
		virtio_broken(v);
	}
	virtio_notify(v, queue);
	return served;
}

void virtio_put(struct virtio *v, unsigned int queue, uint16_t head, uint32_t written)
{
	pvio_ring_put(&v->queue[queue].ring, head, written);
}

void virtio_notify(struct virtio *v, unsigned int queue)
{
	if (pvio_ring_should_notify(&v->queue[queue].ring))
		virtio_interrupt(v, v->queue[queue].vector, ISR_QUEUE);
}

void virtio_config_changed(struct virtio *v)
{
	v->generation++;
	if (v->status & VIRTIO_DRIVER_OK)
		virtio_interrupt(v, v->config_vector, ISR_CONFIG);
}

void virtio_broken(struct virtio *v)
{
	if (v->status & VIRTIO_NEEDS_RESET)
		return;
	v->status |= VIRTIO_NEEDS_RESET;
	virtio_config_changed(v);
}

/* The driver's last word on features (2.2.2); it looks whether we agree. */
static bool features_fine(const struct virtio *v)
{
	return !(v->accepted & ~v->offered) && virtio_has(v, VIRTIO_FEATURE_VERSION_1);
}

static void start(struct virtio *v)
{
	if (v->class->start)
		v->class->start(v);
	for (unsigned int i = 0; i < v->queues; i++)
		virtio_kick(v, i);
}

void virtio_set_status(struct virtio *v, uint8_t status)
{
	uint8_t set = status & ~v->status;

	if (!status) {
		virtio_reset(v);
		return;
	}
	if ((set & VIRTIO_FEATURES_OK) && !features_fine(v))
		status &= ~VIRTIO_FEATURES_OK;
	/* Bits go by a reset only; the device's own is not the driver's. */
	v->status |= status & ~VIRTIO_NEEDS_RESET;
	if ((set & VIRTIO_DRIVER_OK) && (v->status & VIRTIO_FEATURES_OK) && virtio_running(v))
		start(v);
}

void virtio_enable_queue(struct virtio *v, unsigned int queue)
{
	struct virtio_queue *q = &v->queue[queue];

	if (q->enabled || !(v->status & VIRTIO_FEATURES_OK))
		return;
	set_ring(v, q);
	q->enabled = true;
	if (q->ring.size > q->size_max || pvio_ring_start(&q->ring, &v->machine->guest) < 0)
		virtio_broken(v);
}

void virtio_init(struct virtio *v, const struct virtio_class *class, struct machine *m, uint64_t features,
		 unsigned int queues, unsigned int queue_size)
{
	memset(v, 0, sizeof(*v));
	v->class = class;
	v->machine = m;
	v->offered = features | VIRTIO_FEATURE_VERSION_1 | VIRTIO_FEATURE_INDIRECT | VIRTIO_FEATURE_EVENT_INDEX;
	v->queues = queues;
	v->work = (struct work){ .run = more, .ctx = v };
	for (unsigned int i = 0; i < queues; i++)
		v->queue[i].size_max = queue_size;
}

int virtio_add(struct virtio *v)
{
	struct machine *m = v->machine;

	memcpy(v->config_power_on, v->config, sizeof(v->config));
	if (m->virtio_count == MACHINE_VIRTIO || virtio_attach(v) < 0)
		return -1;
	virtio_reset(v);
	m->virtio[m->virtio_count++] = v;
	return 0;
}

void virtio_destroy(struct virtio *v)
{
	virtio_reset(v);
	loop_forget(&v->machine->loop, &v->work);
	v->class->destroy(v);
}
