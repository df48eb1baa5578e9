/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The device's side of a split virtqueue (virtio 1.2, 2.7), with indirect descriptors
 * and event indices. Written for the kernel and for user space: a pvio_port.h, of which each
 * has its own, says how guest memory is reached.
 *
 * The driver is the guest, and hostile: each of its words is read once, into a variable
 * of ours, and bounded there; no loop is longer than the ring. A ring whose driver breaks
 * the rules is broken and stays so until it is stopped.
 *
 * No lock: the caller lets one thread at a time in.
 */
#ifndef PVIO_RING_H
#define PVIO_RING_H

#include "pvio_port.h"

#define PVIO_RING_MAX	256	/* entries of a ring, segments of a chain */

/* What virtio 1.2 calls the struct virtq's parts; little-endian, as the CPU is */
struct pvio_desc {
	u64 addr;
	u32 len;
	u16 flags;
	u16 next;
};

struct pvio_used_elem {
	u32 id;
	u32 len;
};

/**
 * struct pvio_ring - one queue
 * @size: entries, a power of two; the driver's choice, bounded by the device
 * @desc_gpa, @avail_gpa, @used_gpa: guest addresses of its three parts
 * @indirect, @event_index: features that were negotiated
 *
 * These are set before pvio_ring_start() and not changed after; the rest is ours.
 *
 * @last_avail: number of chains taken
 * @used: number of chains given back
 * @told: @used when the driver was last considered for an interrupt
 */
struct pvio_ring {
	u16 size;
	u64 desc_gpa, avail_gpa, used_gpa;
	bool indirect, event_index;

	const struct pvio_memory *memory;
	u8 __guest *desc;
	u8 __guest *avail;
	u8 __guest *used_part;
	u16 last_avail, used, told;
	bool running, broken;
};

/* A request: first what the device reads, then what it writes */
struct pvio_chain {
	u16 head;
	u16 out, in;		/* number of segments of each */
	u64 out_bytes, in_bytes;
	struct iovec iov[PVIO_RING_MAX];
};

enum pvio_next { PVIO_EMPTY, PVIO_CHAIN, PVIO_BROKEN };

/*
 * The parts must be in guest memory, and aligned: -1 if not, and the ring is broken. It begins with all
 * indices 0: a caller that goes on where another stopped sets last_avail, used and told after.
 */
int pvio_ring_start(struct pvio_ring *ring, const struct pvio_memory *memory);
void pvio_ring_stop(struct pvio_ring *ring);
/* Take the next chain that the driver made available */
enum pvio_next pvio_ring_next(struct pvio_ring *ring, struct pvio_chain *chain);
/* Put back the chains taken last: pvio_ring_next() will answer them again. */
void pvio_ring_unget(struct pvio_ring *ring, unsigned int count);
/* Give a chain back, with so many bytes written into it */
void pvio_ring_put(struct pvio_ring *ring, u16 head, u32 written);
/* The same for several that the driver has to see at once: fill in 0..count-1, then publish count */
void pvio_ring_fill(struct pvio_ring *ring, unsigned int index, u16 head, u32 written);
void pvio_ring_publish(struct pvio_ring *ring, unsigned int count);
/* Does the driver want an interrupt for what was given back since the last call? */
bool pvio_ring_should_notify(struct pvio_ring *ring);
/* Ask the driver for kicks, or not to. True: there is a chain already, for which no kick may come */
bool pvio_ring_want_kicks(struct pvio_ring *ring, bool want);
/* Is there a chain to take? */
bool pvio_ring_waits(const struct pvio_ring *ring);

/*
 * How a queue is served: with kicks off, up to @weight chains, then kicks on and
 * another look. @one answers false if it can't take the chain now: then it is put back.
 */
enum pvio_served {
	PVIO_IDLE,	/* nothing left; the driver will kick */
	PVIO_STUCK,	/* @one did not take it; no kick will come */
	PVIO_MORE,	/* the weight is used up; call again, others first */
	PVIO_DEAD,	/* broken, or not running */
};
enum pvio_served pvio_ring_serve(struct pvio_ring *ring, struct pvio_chain *chain, unsigned int weight,
				 bool (*one)(void *ctx, struct pvio_chain *chain), void *ctx);

/* Copy to or from the segments first..first+count of a chain; bytes that fitted */
size_t pvio_iov_from(const struct iovec *iov, unsigned int count, size_t skip, void *to, size_t length);
size_t pvio_iov_to(const struct iovec *iov, unsigned int count, size_t skip, const void *from, size_t length);

#endif
