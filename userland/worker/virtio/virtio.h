/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A virtio 1.x device: features, status, queues, interrupts. Every device file gives a
 * struct virtio_class; transport.c puts it on the PCI bus. The machine's lock is held
 * around every call.
 */
#ifndef HUSK_WORKER_VIRTIO_H
#define HUSK_WORKER_VIRTIO_H

#include <linux/virtio_ids.h>

#include "pvio/ring.h"
#include "worker/loop.h"
#include "worker/msix.h"
#include "worker/show.h"

struct machine;
struct virtio;

#define VIRTIO_QUEUES	17	/* at most, of a device */
#define VIRTIO_CONFIG	64	/* bytes of device configuration, at most */
#define VIRTIO_WEIGHT	256	/* struct virtio_class: weight, of most */
#define VIRTIO_NO_VECTOR 0xffff

/* virtio 1.2, chapter 6 */
#define VIRTIO_FEATURE_INDIRECT	(1ULL << 28)
#define VIRTIO_FEATURE_EVENT_INDEX	(1ULL << 29)
#define VIRTIO_FEATURE_VERSION_1	(1ULL << 32)

/* 2.1 */
#define VIRTIO_ACKNOWLEDGE	1
#define VIRTIO_DRIVER		2
#define VIRTIO_DRIVER_OK	4
#define VIRTIO_FEATURES_OK	8
#define VIRTIO_NEEDS_RESET	0x40
#define VIRTIO_FAILED		0x80

/**
 * struct virtio_class - a type of device
 * @id: virtio 1.2, chapter 5
 * @name: for 'husk show'
 * @pci_class: class, subclass, interface
 * @weight: chains of a queue, before others have their turn; 0: VIRTIO_WEIGHT
 * @kick: the driver made chains available in a queue (or may have); the device runs
 * @start: the driver is ready; every queue is kicked after. May be NULL
 * @stop: let go of all chains: nothing is in flight when it returns. May be NULL
 * @configured: the driver wrote into the device's configuration. May be NULL
 * @vector_changed: a message of MSI-X may be another one now. May be NULL
 * @moved: the doorbells are at other ports now. May be NULL
 * @show: more about the device. May be NULL
 * @destroy: @stop was called
 */
struct virtio_class {
	uint16_t id;
	const char *name;
	uint32_t pci_class;
	unsigned int weight;
	void (*kick)(struct virtio *v, unsigned int queue);
	void (*start)(struct virtio *v);
	void (*stop)(struct virtio *v);
	void (*configured)(struct virtio *v);
	void (*vector_changed)(struct virtio *v);
	void (*moved)(struct virtio *v);
	void (*show)(struct virtio *v, struct show *show);
	void (*destroy)(struct virtio *v);
};

struct virtio_queue {
	struct pvio_ring ring;
	uint16_t size_max;
	uint16_t vector;
	bool enabled;
	bool more;		/* to be kicked again by the loop */
};

struct virtio {
	const struct virtio_class *class;	/* immutable, as the next six */
	struct machine *machine;
	uint64_t offered;
	unsigned int queues;
	unsigned int config_len;
	uint8_t config_writable[VIRTIO_CONFIG];
	const char *backend;		/* what the data goes to, for 'husk show' */

	uint8_t config[VIRTIO_CONFIG];
	uint8_t config_power_on[VIRTIO_CONFIG];
	uint64_t accepted;
	uint32_t offered_select, accepted_select;
	uint16_t queue_select, config_vector;
	uint8_t status, isr, generation;
	struct virtio_queue queue[VIRTIO_QUEUES];
	struct work work;
	struct pci_device pci;
	struct msix msix;
	unsigned int pci_cfg;		/* place of that capability */
};

/* Set up before virtio_add(): the class, its features (the ring's come by themselves), queues of a size */
void virtio_init(struct virtio *v, const struct virtio_class *class, struct machine *m, uint64_t features,
		 unsigned int queues, unsigned int queue_size);
/* Put it into the next free slot. -1: none */
int virtio_add(struct virtio *v);
/* Stop it: as it was before the driver came */
void virtio_reset(struct virtio *v);
void virtio_destroy(struct virtio *v);

static inline bool virtio_has(const struct virtio *v, uint64_t feature)
{
	return v->accepted & feature;
}

static inline bool virtio_running(const struct virtio *v)
{
	return (v->status & (VIRTIO_DRIVER_OK | VIRTIO_NEEDS_RESET)) == VIRTIO_DRIVER_OK;
}

/* Serve a queue by weight, then interrupt if wanted; what is left over comes back as a kick. */
enum pvio_served virtio_serve(struct virtio *v, unsigned int queue, bool (*one)(void *ctx, struct pvio_chain *chain));
/* Give a chain back later; then, once for several, the interrupt */
void virtio_put(struct virtio *v, unsigned int queue, uint16_t head, uint32_t written);
void virtio_notify(struct virtio *v, unsigned int queue);
/* The device has changed its own configuration. */
void virtio_config_changed(struct virtio *v);
/* The driver did what no driver does: it has to reset the device. */
void virtio_broken(struct virtio *v);

/* virtio.c, for the transport */
void virtio_set_status(struct virtio *v, uint8_t status);
void virtio_enable_queue(struct virtio *v, unsigned int queue);
void virtio_kick(struct virtio *v, unsigned int queue);
/* transport.c, for virtio.c */
int virtio_attach(struct virtio *v);
void virtio_interrupt(struct virtio *v, uint16_t vector, uint8_t isr);
/* transport.c, for devices whose queues the kernel serves: the port of a queue's doorbell; 0: it is nowhere */
uint16_t virtio_doorbell(const struct virtio *v, unsigned int queue);

#endif
