// SPDX-License-Identifier: GPL-2.0
/* The device's side of a split virtqueue. */
#include "pvio/ring.h"

/* virtio 1.2, 2.7.5 */
#define DESC_NEXT	1
#define DESC_WRITE	2
#define DESC_INDIRECT	4

#define AVAIL_NO_INTERRUPT	1
#define USED_NO_NOTIFY		1

/* 2.7.6, 2.7.8: flags, idx, then the entries, then a word for the event index */
#define PART_FLAGS	0
#define PART_IDX	2
#define PART_ENTRIES	4

static u16 avail_idx(const struct pvio_ring *ring)
{
	return pvio_load16(ring->avail + PART_IDX);
}

static u16 used_event(const struct pvio_ring *ring)
{
	return pvio_load16(ring->avail + PART_ENTRIES + 2 * ring->size);
}

static void set_avail_event(struct pvio_ring *ring, u16 value)
{
	pvio_store16(ring->used_part + PART_ENTRIES + sizeof(struct pvio_used_elem) * ring->size, value);
}

static enum pvio_next broken(struct pvio_ring *ring)
{
	ring->broken = true;
	return PVIO_BROKEN;
}

/* 2.7: alignment of the parts. Power of two: so that indices wrap with their 16 bits */
static bool parts_aligned(const struct pvio_ring *ring)
{
	return ring->size && ring->size <= PVIO_RING_MAX && !(ring->size & (ring->size - 1)) &&
	       !(ring->desc_gpa & 15) && !(ring->avail_gpa & 1) && !(ring->used_gpa & 3);
}

int pvio_ring_start(struct pvio_ring *ring, const struct pvio_memory *memory)
{
	ring->broken = true;
	ring->running = false;
	if (!parts_aligned(ring))
		return -1;
	ring->memory = memory;
	ring->desc = pvio_map(memory, ring->desc_gpa, sizeof(struct pvio_desc) * ring->size, false);
	ring->avail = pvio_map(memory, ring->avail_gpa, PART_ENTRIES + 2 * ring->size + 2, false);
	ring->used_part = pvio_map(memory, ring->used_gpa,
				   PART_ENTRIES + sizeof(struct pvio_used_elem) * ring->size + 2, true);
	if (!ring->desc || !ring->avail || !ring->used_part)
		return -1;
	ring->last_avail = ring->used = ring->told = 0;
	ring->broken = false;
	ring->running = true;
	return 0;
}

void pvio_ring_stop(struct pvio_ring *ring)
{
	ring->running = ring->broken = false;
}

static struct pvio_desc load_desc(const u8 __guest *table, unsigned int index)
{
	const u8 __guest *at = table + index * sizeof(struct pvio_desc);
	u64 addr = pvio_load64(at), rest = pvio_load64(at + 8);

	return (struct pvio_desc){ .addr = addr, .len = (u32)rest, .flags = rest >> 32, .next = rest >> 48 };
}

/* Append a segment. Those that the device writes come last (2.7.4.2). */
static int add_segment(const struct pvio_ring *ring, struct pvio_chain *chain, const struct pvio_desc *desc)
{
	unsigned int n = chain->out + chain->in;
	void __guest *data;

	if (!(desc->flags & DESC_WRITE) && chain->in)
		return -1;
	if (!desc->len)
		return 0;
	data = pvio_map(ring->memory, desc->addr, desc->len, desc->flags & DESC_WRITE);
	if (!data || n == PVIO_RING_MAX)
		return -1;
	chain->iov[n].iov_base = data;
	chain->iov[n].iov_len = desc->len;
	if (desc->flags & DESC_WRITE) {
		chain->in++;
		chain->in_bytes += desc->len;
	} else {
		chain->out++;
		chain->out_bytes += desc->len;
	}
	return 0;
}

/* Follow a chain through a table of so many descriptors, each at most once. */
static int walk(const struct pvio_ring *ring, struct pvio_chain *chain, const u8 __guest *table, unsigned int size,
		struct pvio_desc desc, bool indirect)
{
	unsigned int left = size;

	for (;;) {
		if (!left-- || (indirect && (desc.flags & DESC_INDIRECT)))
			return -1;
		if (desc.flags & DESC_INDIRECT) {
			const u8 __guest *inner = pvio_map(ring->memory, desc.addr, desc.len, false);
			unsigned int count = desc.len / sizeof(desc);

			/* 2.7.5.3.1: a table, and the end of its chain */
			if (!ring->indirect || !inner || !count || count > PVIO_RING_MAX || desc.len % sizeof(desc) ||
			    (desc.addr & 7) || (desc.flags & DESC_NEXT))
				return -1;
			return walk(ring, chain, inner, count, load_desc(inner, 0), true);
		}
		if (add_segment(ring, chain, &desc) < 0)
			return -1;
		if (!(desc.flags & DESC_NEXT))
			return 0;
		if (desc.next >= size)
			return -1;
		desc = load_desc(table, desc.next);
	}
}

enum pvio_next pvio_ring_next(struct pvio_ring *ring, struct pvio_chain *chain)
{
	u16 waiting;

	if (ring->broken || !ring->running)
		return PVIO_BROKEN;
	waiting = avail_idx(ring) - ring->last_avail;
	if (!waiting)
		return PVIO_EMPTY;
	if (waiting > ring->size)
		return broken(ring);
	pvio_rmb();	/* the entries are read after the index that covers them */
	chain->head = pvio_load16(ring->avail + PART_ENTRIES + 2 * (ring->last_avail & (ring->size - 1)));
	if (chain->head >= ring->size)
		return broken(ring);
	chain->out = chain->in = 0;
	chain->out_bytes = chain->in_bytes = 0;
	if (walk(ring, chain, ring->desc, ring->size, load_desc(ring->desc, chain->head), false) < 0)
		return broken(ring);
	ring->last_avail++;
	return PVIO_CHAIN;
}

void pvio_ring_unget(struct pvio_ring *ring, unsigned int count)
{
	ring->last_avail -= count;
}

void pvio_ring_fill(struct pvio_ring *ring, unsigned int index, u16 head, u32 written)
{
	unsigned int at = (ring->used + index) & (ring->size - 1);
	u8 __guest *elem = ring->used_part + PART_ENTRIES + sizeof(struct pvio_used_elem) * at;

	if (!ring->running)
		return;
	pvio_store32(elem, head);
	pvio_store32(elem + 4, written);
}

void pvio_ring_publish(struct pvio_ring *ring, unsigned int count)
{
	if (!ring->running)
		return;
	pvio_wmb();	/* the driver sees the entries when it sees the index */
	ring->used += count;
	pvio_store16(ring->used_part + PART_IDX, ring->used);
}

void pvio_ring_put(struct pvio_ring *ring, u16 head, u32 written)
{
	pvio_ring_fill(ring, 0, head, written);
	pvio_ring_publish(ring, 1);
}

/* 2.7.7.2: did the index pass what the driver waits for? */
static bool index_passed(u16 event, u16 now, u16 before)
{
	return (u16)(now - event - 1) < (u16)(now - before);
}

bool pvio_ring_should_notify(struct pvio_ring *ring)
{
	u16 before = ring->told;

	if (!ring->running || ring->used == before)
		return false;
	ring->told = ring->used;
	pvio_mb();	/* the index is seen before what the driver wishes is read */
	if (ring->event_index)
		return index_passed(used_event(ring), ring->used, before);
	return !(pvio_load16(ring->avail + PART_FLAGS) & AVAIL_NO_INTERRUPT);
}

bool pvio_ring_want_kicks(struct pvio_ring *ring, bool want)
{
	if (ring->broken || !ring->running)
		return false;
	/* With event indices there is no "none at all": an old index is as good. */
	if (!ring->event_index)
		pvio_store16(ring->used_part + PART_FLAGS, want ? 0 : USED_NO_NOTIFY);
	else if (want)
		set_avail_event(ring, ring->last_avail);
	if (!want)
		return false;
	pvio_mb();	/* the wish is seen before the index is looked at again */
	return avail_idx(ring) != ring->last_avail;
}

bool pvio_ring_waits(const struct pvio_ring *ring)
{
	return ring->running && !ring->broken && avail_idx(ring) != ring->last_avail;
}

enum pvio_served pvio_ring_serve(struct pvio_ring *ring, struct pvio_chain *chain, unsigned int weight,
				 bool (*one)(void *ctx, struct pvio_chain *chain), void *ctx)
{
	pvio_ring_want_kicks(ring, false);
	while (weight) {
		switch (pvio_ring_next(ring, chain)) {
		case PVIO_BROKEN:
			return PVIO_DEAD;
		case PVIO_EMPTY:
			if (!pvio_ring_want_kicks(ring, true))
				return PVIO_IDLE;
			pvio_ring_want_kicks(ring, false);
			weight--;	/* an index that the driver moves to and fro is no way to keep us */
			break;
		case PVIO_CHAIN:
			if (!one(ctx, chain)) {
				pvio_ring_unget(ring, 1);
				return PVIO_STUCK;
			}
			weight--;
			break;
		}
	}
	return PVIO_MORE;
}

static size_t copy(const struct iovec *iov, unsigned int count, size_t skip, u8 *bytes, size_t length, bool to)
{
	size_t done = 0;

	for (unsigned int i = 0; i < count && done < length; i++) {
		size_t n = iov[i].iov_len;

		if (skip >= n) {
			skip -= n;
			continue;
		}
		n -= skip;
		if (n > length - done)
			n = length - done;
		if (to)
			pvio_copy_to((u8 __guest *)iov[i].iov_base + skip, bytes + done, n);
		else
			pvio_copy_from(bytes + done, (u8 __guest *)iov[i].iov_base + skip, n);
		done += n;
		skip = 0;
	}
	return done;
}

size_t pvio_iov_from(const struct iovec *iov, unsigned int count, size_t skip, void *to, size_t length)
{
	return copy(iov, count, skip, to, length, false);
}

size_t pvio_iov_to(const struct iovec *iov, unsigned int count, size_t skip, const void *from, size_t length)
{
	return copy(iov, count, skip, (u8 *)from, length, true);
}
