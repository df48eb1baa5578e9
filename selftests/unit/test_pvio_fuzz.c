// SPDX-License-Identifier: GPL-2.0
/*
 * A virtqueue whose driver writes anything, while the device reads it: seeded random rings,
 * and a thread that changes them meanwhile. Built with ASan and UBSan. What must hold:
 * segments are in guest memory, a chain has at most as many as its iov, a call ends.
 *
 * test_pvio_fuzz [FIRST-SEED [COUNT]]
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "pvio/ring.c"

#define LOW	16384
#define HIGH	8192
#define HIGH_BASE 0x100000000ULL

static u8 *ram;
static struct pvio_memory memory;
static atomic_bool over;
static unsigned long chains, bad;

static u32 random32(u64 *state)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return *state >> 32;
}

/* Mostly what a driver could mean, sometimes anything */
static u64 some_address(u64 *s)
{
	switch (random32(s) % 8) {
	case 0: return (u64)random32(s) << 32 | random32(s);
	case 1: return HIGH_BASE + random32(s) % (HIGH + 64);
	case 2: return LOW - random32(s) % 64;
	default: return random32(s) % LOW;
	}
}

static void some_desc(u64 *s, u64 at)
{
	static const u16 flags[8] = { 0, 0, DESC_NEXT, DESC_NEXT, DESC_WRITE, DESC_WRITE, DESC_WRITE | DESC_NEXT, DESC_INDIRECT };
	struct pvio_desc d = {
		.addr = some_address(s) & (random32(s) % 4 ? ~15ULL : ~0ULL),
		.len = random32(s) % 16 ? (random32(s) % 64) * (random32(s) % 2 ? 16 : 1) : random32(s),
		.flags = random32(s) % 16 ? flags[random32(s) % 8] : random32(s),
		.next = random32(s) % 8 ? random32(s) % 8 : random32(s),
	};

	memcpy(ram + at, &d, sizeof(d));
}

static void *scribble(void *arg)
{
	u64 s = 42;

	(void)arg;
	while (!atomic_load(&over))
		__atomic_store_n(&ram[random32(&s) % (LOW + HIGH)], (u8)random32(&s), __ATOMIC_RELAXED);
	return NULL;
}

static bool one(void *ctx, struct pvio_chain *chain)
{
	struct pvio_ring *ring = ctx;
	u64 bytes = 0;
	u8 sum = 0;

	chains++;
	if (chain->out + chain->in > PVIO_RING_MAX || chain->head >= ring->size)
		bad++;
	for (unsigned int i = 0; i < (unsigned int)chain->out + chain->in; i++) {
		u8 *base = chain->iov[i].iov_base;
		size_t n = chain->iov[i].iov_len;

		if (!n || base < ram || base + n > ram + LOW + HIGH || (base < ram + LOW && base + n > ram + LOW))
			bad++;
		sum += *(volatile u8 *)base + *(volatile u8 *)(base + n - 1);
		bytes += n;
	}
	if (bytes != chain->out_bytes + chain->in_bytes)
		bad++;
	if (sum % 16 == 0)
		return false;
	pvio_ring_put(ring, chain->head, sum);
	return true;
}

static void run_seed(u64 seed)
{
	static struct pvio_chain chain;
	u64 s = seed;
	struct pvio_ring ring = {
		.size = random32(&s) % 8 ? 1U << (3 + random32(&s) % 6) : random32(&s),
		.desc_gpa = some_address(&s) & (random32(&s) % 8 ? ~15ULL : ~0ULL),
		.avail_gpa = some_address(&s) & (random32(&s) % 8 ? ~1ULL : ~0ULL),
		.used_gpa = some_address(&s) & (random32(&s) % 8 ? ~3ULL : ~0ULL),
		.indirect = random32(&s) % 2, .event_index = random32(&s) % 2,
	};
	bool running;

	for (u64 at = 0; at < LOW + HIGH; at += 16)
		some_desc(&s, at);
	running = !pvio_ring_start(&ring, &memory);
	for (int round = 0; round < 8; round++) {
		if (running && random32(&s) % 4)
			pvio_store16(ring.avail + PART_IDX, ring.last_avail + random32(&s) % 8);
		if (running)
			pvio_store16(ring.avail + PART_ENTRIES + 2 * (ring.last_avail & (ring.size - 1)), random32(&s) % ring.size);
		pvio_ring_serve(&ring, &chain, 1 + random32(&s) % 64, one, &ring);
		pvio_ring_should_notify(&ring);
		if (ring.broken && running)
			running = !pvio_ring_start(&ring, &memory);
	}
}

int main(int argc, char **argv)
{
	unsigned long first = argc > 1 ? strtoul(argv[1], NULL, 0) : 1;
	unsigned long count = argc > 2 ? strtoul(argv[2], NULL, 0) : 20000;
	pthread_t thread;

	ram = malloc(LOW + HIGH);
	memory = (struct pvio_memory){ ram, LOW, HIGH_BASE, HIGH };
	for (unsigned long i = 0; i < count; i++)
		run_seed(first + i);
	pthread_create(&thread, NULL, scribble, NULL);
	for (unsigned long i = 0; i < count; i++)
		run_seed(first + i);
	atomic_store(&over, true);
	pthread_join(thread, NULL);
	free(ram);
	printf("%s pvio_fuzz%s\n# %lu seeds from %lu, %lu chains\n", bad ? "not ok" : "ok",
	       bad ? ": a segment outside of memory, or too many" : "", count, first, chains);
	if (chains < count / 2)
		printf("not ok pvio_fuzz_depth: hardly a chain was right\n");
	return bad || chains < count / 2;
}
