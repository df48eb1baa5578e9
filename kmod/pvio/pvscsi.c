// SPDX-License-Identifier: GPL-2.0
/* The device's side of a pvSCSI adapter's rings. */
#include "pvio/pvscsi.h"

#define PER_PAGE_REQUESTS	(PVSCSI_PAGE / PVSCSI_REQUEST_BYTES)
#define PER_PAGE_COMPLETIONS	(PVSCSI_PAGE / sizeof(struct pvscsi_completion))

/* struct PVSCSIRingsState */
enum {
	STATE_REQUEST_MADE = 0, STATE_REQUEST_TAKEN = 4, STATE_REQUEST_LOG2 = 8,
	STATE_COMPLETION_MADE = 12, STATE_COMPLETION_LOG2 = 20,
};

#define BYTES_MAX	(1ULL << 30)	/* of a request's memory */
#define ELEMENTS_MAX	(2 * PVIO_RING_MAX)	/* of a list, those of no length too */
#define ELEMENTS_ONCE	16

/* struct PVSCSISGElement. That a list goes on elsewhere is said by a flag of which only the name is known. */
struct element {
	u64 addr;
	u32 length;
	u32 flags;
};

static u8 __guest *map_page(const struct pvio_memory *memory, u64 number, bool write)
{
	return number >> 52 ? NULL : pvio_map(memory, number * PVSCSI_PAGE, PVSCSI_PAGE, write);
}

static u32 log2_of(u32 entries)
{
	u32 log = 0;

	while (entries >> (log + 1))
		log++;
	return log;
}

static bool map_pages(struct pvscsi_ring *ring, const u64 *pages, u32 requests, u32 completions)
{
	ring->state = map_page(ring->memory, *pages++, true);
	if (!ring->state)
		return false;
	for (u32 i = 0; i < requests; i++) {
		ring->request[i] = map_page(ring->memory, *pages++, false);
		if (!ring->request[i])
			return false;
	}
	for (u32 i = 0; i < completions; i++) {
		ring->completion[i] = map_page(ring->memory, *pages++, true);
		if (!ring->completion[i])
			return false;
	}
	return true;
}

int pvscsi_ring_start(struct pvscsi_ring *ring, const struct pvio_memory *memory, const u64 *pages, u32 requests,
		      u32 completions)
{
	ring->memory = memory;
	ring->broken = true;
	if (!map_pages(ring, pages, requests, completions))
		return -1;
	ring->requests = requests * PER_PAGE_REQUESTS;
	ring->completions = completions * PER_PAGE_COMPLETIONS;
	ring->taken = pvio_load32(ring->state + STATE_REQUEST_TAKEN);
	ring->given = ring->told = pvio_load32(ring->state + STATE_COMPLETION_MADE);
	pvio_store32(ring->state + STATE_REQUEST_LOG2, log2_of(ring->requests));
	pvio_store32(ring->state + STATE_COMPLETION_LOG2, log2_of(ring->completions));
	ring->broken = false;
	return 0;
}

static u32 waiting(const struct pvscsi_ring *ring)
{
	return pvio_load32(ring->state + STATE_REQUEST_MADE) - ring->taken;
}

bool pvscsi_ring_waits(const struct pvscsi_ring *ring)
{
	return !ring->broken && waiting(ring);
}

enum pvio_next pvscsi_ring_next(struct pvscsi_ring *ring, struct pvscsi_request *request)
{
	u32 at = ring->taken & (ring->requests - 1), count;

	if (ring->broken)
		return PVIO_BROKEN;
	count = waiting(ring);
	if (!count)
		return PVIO_EMPTY;
	if (count > ring->requests) {
		ring->broken = true;
		return PVIO_BROKEN;
	}
	pvio_rmb();	/* a request is read after the index that covers it */
	pvio_copy_from(request, ring->request[at / PER_PAGE_REQUESTS] + at % PER_PAGE_REQUESTS * PVSCSI_REQUEST_BYTES,
		       sizeof(*request));
	pvio_store32(ring->state + STATE_REQUEST_TAKEN, ++ring->taken);
	return PVIO_CHAIN;
}

void pvscsi_ring_unget(struct pvscsi_ring *ring)
{
	pvio_store32(ring->state + STATE_REQUEST_TAKEN, --ring->taken);
}

/* That there is room is the driver's to see to: it has memory for so many only, and overwrites its own. */
void __guest *pvscsi_ring_put(struct pvscsi_ring *ring, const struct pvscsi_completion *completion)
{
	u32 at = ring->given & (ring->completions - 1);
	u8 __guest *to = ring->completion[at / PER_PAGE_COMPLETIONS] + at % PER_PAGE_COMPLETIONS * sizeof(*completion);

	pvio_copy_to(to, completion, sizeof(*completion));
	pvio_wmb();	/* the driver sees it when it sees the index */
	pvio_store32(ring->state + STATE_COMPLETION_MADE, ++ring->given);
	return to;
}

bool pvscsi_ring_should_notify(struct pvscsi_ring *ring)
{
	bool some = ring->given != ring->told;

	ring->told = ring->given;
	return some;
}

/* One more segment; none if it has no length. -1: it is not guest memory, or there are too many */
static int add_segment(const struct pvscsi_ring *ring, struct iovec *iov, int count, u64 addr, u64 length, bool write)
{
	if (!length)
		return count;
	if (count == PVIO_RING_MAX)
		return -1;
	iov[count].iov_base = pvio_map(ring->memory, addr, length, write);
	iov[count].iov_len = length;
	return iov[count].iov_base ? count + 1 : -1;
}

/* Some of the list that lie in one page. Their number; 0: they are not guest memory */
static u32 load_elements(const struct pvscsi_ring *ring, u64 addr, struct element *list)
{
	u32 n = (PVSCSI_PAGE - addr % PVSCSI_PAGE) / sizeof(*list);
	const u8 __guest *from;

	if (n > ELEMENTS_ONCE)
		n = ELEMENTS_ONCE;
	from = n ? pvio_map(ring->memory, addr, n * sizeof(*list), false) : NULL;
	if (!from)
		return 0;
	pvio_copy_from(list, from, n * sizeof(*list));
	return n;
}

static int list_data(const struct pvscsi_ring *ring, u64 addr, u64 left, struct iovec *iov, bool write)
{
	struct element list[ELEMENTS_ONCE];
	int count = 0;

	for (u32 seen = 0; left && seen < ELEMENTS_MAX; seen += ELEMENTS_ONCE) {
		u32 n = load_elements(ring, addr, list);

		if (!n)
			return -1;
		for (u32 i = 0; i < n && left; i++) {
			u64 length = list[i].length < left ? list[i].length : left;

			if (list[i].flags)
				return -1;
			count = add_segment(ring, iov, count, list[i].addr, length, write);
			if (count < 0)
				return -1;
			left -= length;
		}
		addr += n * sizeof(*list);
	}
	return left ? -1 : count;
}

int pvscsi_ring_data(const struct pvscsi_ring *ring, const struct pvscsi_request *request, struct iovec *iov)
{
	bool write = !(request->flags & PVSCSI_TO_DEVICE);

	if (request->bytes > BYTES_MAX)
		return -1;
	if (request->flags & PVSCSI_SG_LIST)
		return list_data(ring, request->data, request->bytes, iov, write);
	return add_segment(ring, iov, 0, request->data, request->bytes, write);
}
