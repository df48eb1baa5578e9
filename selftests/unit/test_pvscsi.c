// SPDX-License-Identifier: GPL-2.0
/*
 * A pvSCSI adapter's rings: indices, pages from anywhere, lists of segments; then a driver that writes anything,
 * while the device reads it. Built with ASan and UBSan. What must hold: segments are in guest memory, as many
 * bytes as were asked for and no more segments than there is room for, a call ends.
 *
 * test_pvscsi [FIRST-SEED [COUNT]]
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "pvio/pvscsi.c"
#include "check.h"

#define RAM	(64 * PVSCSI_PAGE)
#define STATE	5
#define DATA	(20 * PVSCSI_PAGE)
#define LIST	(40 * PVSCSI_PAGE)

static u8 *ram;
static struct pvio_memory memory;
static struct pvscsi_ring ring;
static struct iovec iov[PVIO_RING_MAX];
static atomic_bool over;

static u32 *state(unsigned int at)
{
	return (u32 *)(ram + STATE * PVSCSI_PAGE + at);
}

static struct pvscsi_request *request_at(unsigned int page, unsigned int i)
{
	return (struct pvscsi_request *)(ram + page * PVSCSI_PAGE + i * PVSCSI_REQUEST_BYTES);
}

/* Two pages of requests, not one behind the other, and one of completions */
static bool start(void)
{
	static const u64 pages[] = { STATE, 9, 7, 11 };

	return !pvscsi_ring_start(&ring, &memory, pages, 2, 1);
}

static void test_rings(void)
{
	static const u64 beyond[] = { STATE, RAM / PVSCSI_PAGE, 11 }, far[] = { 1ULL << 52, 9, 11 };
	struct pvscsi_completion c = { .context = 77 };
	struct pvscsi_request r;
	int bad = 0;

	check("start", start() && *state(8) == 6 && *state(20) == 7);
	check("empty", pvscsi_ring_next(&ring, &r) == PVIO_EMPTY && !pvscsi_ring_waits(&ring));
	for (u64 i = 0; i < 64; i++)
		request_at(i < 32 ? 9 : 7, i % 32)->context = i;
	*state(0) = 64;
	for (u64 i = 0; i < 64; i++)
		bad += pvscsi_ring_next(&ring, &r) != PVIO_CHAIN || r.context != i || *state(4) != i + 1;
	check("all", !bad && !pvscsi_ring_waits(&ring));
	pvscsi_ring_unget(&ring);
	check("unget", *state(4) == 63 && pvscsi_ring_next(&ring, &r) == PVIO_CHAIN && r.context == 63);
	check("quiet", !pvscsi_ring_should_notify(&ring));
	for (unsigned int i = 0; i < 129; i++)
		pvscsi_ring_put(&ring, &c);
	check("put", *state(12) == 129 && *(u64 *)(ram + 11 * PVSCSI_PAGE + 4096 - 32) == 77);
	check("notify", pvscsi_ring_should_notify(&ring) && !pvscsi_ring_should_notify(&ring));
	*state(0) = 65;
	check("goes_on", start() && ring.taken == 64 && ring.given == 129 && pvscsi_ring_next(&ring, &r) == PVIO_CHAIN && !r.context);
	*state(0) = 65 + 65;
	check("broken", pvscsi_ring_next(&ring, &r) == PVIO_BROKEN && ring.broken && !pvscsi_ring_waits(&ring));
	check("beyond", pvscsi_ring_start(&ring, &memory, beyond, 1, 1) < 0);
	check("far", pvscsi_ring_start(&ring, &memory, far, 1, 1) < 0);
}

static void set_element(unsigned int i, u64 addr, u32 length, u32 flags)
{
	((struct element *)(ram + LIST))[i] = (struct element){ addr, length, flags };
}

static void test_data(void)
{
	struct pvscsi_request r = { .data = DATA, .bytes = 8192 };

	start();
	check("plain", pvscsi_ring_data(&ring, &r, iov) == 1 && iov[0].iov_base == ram + DATA && iov[0].iov_len == 8192);
	r.bytes = 0;
	check("no_bytes", pvscsi_ring_data(&ring, &r, iov) == 0);
	r.bytes = RAM;
	check("too_many_bytes", pvscsi_ring_data(&ring, &r, iov) < 0);
	r.bytes = ~0ULL;
	check("endless", pvscsi_ring_data(&ring, &r, iov) < 0);
	r = (struct pvscsi_request){ .data = LIST, .bytes = 3000, .flags = PVSCSI_SG_LIST };
	set_element(0, DATA, 1000, 0);
	set_element(1, DATA + 8192, 0, 0);
	set_element(2, DATA + 4096, 5000, 0);
	check("list", pvscsi_ring_data(&ring, &r, iov) == 2 && iov[0].iov_len == 1000 && iov[1].iov_base == ram + DATA + 4096 &&
	      iov[1].iov_len == 2000);
	set_element(1, DATA, 0, 1);
	check("flags", pvscsi_ring_data(&ring, &r, iov) < 0);
	for (unsigned int i = 0; i < 512; i++)
		set_element(i, DATA + i, 8, 0);
	r.bytes = 8 * 256;
	check("most", pvscsi_ring_data(&ring, &r, iov) == 256 && iov[255].iov_base == ram + DATA + 255);
	r.bytes++;
	check("one_more", pvscsi_ring_data(&ring, &r, iov) < 0);
	memset(ram + LIST, 0, RAM - LIST);
	check("nothing", pvscsi_ring_data(&ring, &r, iov) < 0);
	r.data = RAM - 16;
	check("list_end", pvscsi_ring_data(&ring, &r, iov) < 0);
	r.data = RAM - 8;
	check("list_edge", pvscsi_ring_data(&ring, &r, iov) < 0);
	r.data = ~0ULL - 7;
	check("list_far", pvscsi_ring_data(&ring, &r, iov) < 0);
}

static u32 random32(u64 *s)
{
	*s = *s * 6364136223846793005ULL + 1442695040888963407ULL;
	return *s >> 32;
}

static u64 some_address(u64 *s)
{
	switch (random32(s) % 8) {
	case 0: return (u64)random32(s) << 32 | random32(s);
	case 1: return RAM - random32(s) % 64;
	default: return random32(s) % RAM;
	}
}

static void *scribble(void *arg)
{
	u64 s = 42;

	while (!atomic_load(&over))
		__atomic_store_n(&ram[random32(&s) % RAM], (u8)random32(&s), __ATOMIC_RELAXED);
	return arg;
}

static void fill_any(u64 *s)
{
	for (u32 at = 0; at < RAM; at += PVSCSI_REQUEST_BYTES) {
		struct pvscsi_request r = {
			.context = at, .data = some_address(s), .bytes = random32(s) % 16 ? random32(s) % 9000 : some_address(s),
			.flags = random32(s) % 32,
		};
		struct element e = { some_address(s), random32(s) % 4 ? random32(s) % 600 : random32(s), !(random32(s) % 64) };

		if (random32(s) % 2)
			memcpy(ram + at, &r, sizeof(r));
		for (unsigned int i = 0; i < 8 && r.data % 16; i++)
			memcpy(ram + at + 16 * i, &e, sizeof(e));
	}
}

/* true: its memory was right */
static bool take(const struct pvscsi_request *r, unsigned long *bad)
{
	int n = pvscsi_ring_data(&ring, r, iov);
	u64 bytes = 0;

	for (int i = 0; i < n; i++) {
		u8 *base = iov[i].iov_base;

		*bad += !iov[i].iov_len || base < ram || base + iov[i].iov_len > ram + RAM;
		bytes += iov[i].iov_len;
	}
	*bad += n > PVIO_RING_MAX || (n >= 0 && bytes != r->bytes);
	return n > 0;
}

static void run_seed(u64 seed, unsigned long *bad, unsigned long *taken)
{
	struct pvscsi_completion c = { .context = seed };
	struct pvscsi_request r;
	u64 s = seed, pages[9];

	fill_any(&s);
	for (unsigned int i = 0; i < 9; i++)
		pages[i] = random32(&s) % 64 ? random32(&s) % (RAM / PVSCSI_PAGE) : some_address(&s);
	if (pvscsi_ring_start(&ring, &memory, pages, 1 << random32(&s) % 3, 1 << random32(&s) % 3))
		return;
	for (unsigned int round = 0; round < 4; round++) {
		pvio_store32(ring.state, ring.taken + random32(&s) % (ring.requests + (random32(&s) % 4 == 0)));
		for (unsigned int i = 0; i <= ring.requests && pvscsi_ring_next(&ring, &r) == PVIO_CHAIN; i++) {
			*taken += take(&r, bad);
			pvscsi_ring_put(&ring, &c);
		}
		pvscsi_ring_should_notify(&ring);
	}
}

int main(int argc, char **argv)
{
	unsigned long first = argc > 1 ? strtoul(argv[1], NULL, 0) : 1, count = argc > 2 ? strtoul(argv[2], NULL, 0) : 300;
	unsigned long bad = 0, taken = 0;
	pthread_t thread;

	ram = aligned_alloc(PVSCSI_PAGE, RAM);
	memset(ram, 0, RAM);
	memory = (struct pvio_memory){ ram, RAM, 1ULL << 32, 0 };
	test_rings();
	memset(ram, 0, RAM);
	test_data();
	for (unsigned long i = 0; i < count; i++)
		run_seed(first + i, &bad, &taken);
	pthread_create(&thread, NULL, scribble, NULL);
	for (unsigned long i = 0; i < count; i++)
		run_seed(first + i, &bad, &taken);
	atomic_store(&over, true);
	pthread_join(thread, NULL);
	free(ram);
	check("fuzz", !bad);
	check("fuzz_depth", taken > count);
	printf("%d passed, %d failed\n", passed, failed);
	return failed != 0;
}
