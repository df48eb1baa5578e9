// SPDX-License-Identifier: GPL-2.0
/* The device's side of a virtqueue, against a driver's side that is written here. */
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "pvio/ring.c"

#define SIZE	8
#define RAM	65536
#define DESC	0x1000
#define AVAIL	0x2000
#define USED	0x3000
#define INDIRECT 0x4000
#define DATA	0x8000
#define HIGH	0x100000000ULL

static u8 ram[2 * RAM];
static const struct pvio_memory memory = { ram, RAM, HIGH, RAM };
static struct pvio_ring ring;
static struct pvio_chain chain;
static u16 next_avail;

static void put(u64 at, const void *value, size_t n)
{
	memcpy(ram + at, value, n);
}

static u16 get16(u64 at)
{
	u16 value;

	memcpy(&value, ram + at, 2);
	return value;
}

static void put16(u64 at, u16 value)
{
	put(at, &value, 2);
}

static void desc_at(u64 table, unsigned int i, u64 addr, u32 len, u16 flags, u16 next)
{
	struct pvio_desc d = { addr, len, flags, next };

	put(table + i * 16, &d, 16);
}

static void desc(unsigned int i, u64 addr, u32 len, u16 flags, u16 next)
{
	desc_at(DESC, i, addr, len, flags, next);
}

static void offer(u16 head)
{
	put16(AVAIL + 4 + 2 * (next_avail % SIZE), head);
	put16(AVAIL + 2, ++next_avail);
}

static void set_up(bool event_index)
{
	memset(ram, 0, sizeof(ram));
	next_avail = 0;
	ring = (struct pvio_ring){ .size = SIZE, .desc_gpa = DESC, .avail_gpa = AVAIL, .used_gpa = USED,
		.indirect = true, .event_index = event_index };
	pvio_ring_start(&ring, &memory);
}

static void test_start(void)
{
	static const struct { u16 size; u64 desc, avail, used; int good; } cases[] = {
		{ 8, DESC, AVAIL, USED, 1 },
		{ 0, DESC, AVAIL, USED, 0 },
		{ 3, DESC, AVAIL, USED, 0 },
		{ 512, DESC, AVAIL, USED, 0 },
		{ 8, DESC + 8, AVAIL, USED, 0 },
		{ 8, DESC, AVAIL + 1, USED, 0 },
		{ 8, DESC, AVAIL, USED + 2, 0 },
		{ 8, RAM - 128, AVAIL, USED, 1 },
		{ 8, RAM - 112, AVAIL, USED, 0 },
		{ 8, DESC, RAM - 20, USED, 0 },
		{ 8, DESC, AVAIL, RAM - 68, 0 },
		{ 8, HIGH, HIGH + AVAIL, HIGH + USED, 1 },
		{ 8, ~0ULL & ~15ULL, AVAIL, USED, 0 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct pvio_ring r = { .size = cases[i].size, .desc_gpa = cases[i].desc,
			.avail_gpa = cases[i].avail, .used_gpa = cases[i].used };
		int good = (pvio_ring_start(&r, &memory) == 0) == cases[i].good;

		good &= pvio_ring_next(&r, &chain) == (cases[i].good ? PVIO_EMPTY : PVIO_BROKEN);
		check("start", good);
	}
}

static void test_chain(void)
{
	set_up(false);
	check("empty", pvio_ring_next(&ring, &chain) == PVIO_EMPTY);
	desc(5, DATA, 16, DESC_NEXT, 2);
	desc(2, HIGH + 8, 512, DESC_NEXT | DESC_WRITE, 7);
	desc(7, DATA + 0x100, 1, DESC_WRITE, 0);
	offer(5);
	check("chain", pvio_ring_next(&ring, &chain) == PVIO_CHAIN && chain.head == 5 && chain.out == 1 && chain.in == 2 &&
	      chain.out_bytes == 16 && chain.in_bytes == 513 && chain.iov[0].iov_base == ram + DATA &&
	      chain.iov[1].iov_base == ram + RAM + 8 && chain.iov[2].iov_len == 1);
	pvio_ring_unget(&ring, 1);
	check("put back", pvio_ring_next(&ring, &chain) == PVIO_CHAIN && chain.head == 5);
	check("taken once", pvio_ring_next(&ring, &chain) == PVIO_EMPTY);
	pvio_ring_put(&ring, 5, 513);
	check("given back", get16(USED + 2) == 1 && get16(USED + 4) == 5 && get16(USED + 8) == 513);
	desc(0, DATA, 0, DESC_NEXT, 1);
	desc(1, DATA, 4, 0, 0);
	offer(0);
	check("segment of no bytes", pvio_ring_next(&ring, &chain) == PVIO_CHAIN && chain.out == 1 && chain.out_bytes == 4);
}

static void test_indirect(void)
{
	set_up(false);
	desc(3, INDIRECT, 48, DESC_INDIRECT, 0);
	desc_at(INDIRECT, 0, DATA, 4, DESC_NEXT, 2);
	desc_at(INDIRECT, 2, DATA + 4, 4, DESC_WRITE, 0);
	offer(3);
	check("indirect", pvio_ring_next(&ring, &chain) == PVIO_CHAIN && chain.head == 3 && chain.out == 1 && chain.in == 1);
	desc(0, DATA, 4, DESC_NEXT, 3);
	offer(0);
	check("indirect at the end", pvio_ring_next(&ring, &chain) == PVIO_CHAIN && chain.out == 2 && chain.in == 1);
}

/* A single wrong thing in each: the ring is broken, and stays so. */
static void test_broken(void)
{
	static const struct { const char *name; struct pvio_desc first, inner; u16 head, ahead; bool plain; } cases[] = {
		{ "loop", { DATA, 4, DESC_NEXT, 0 }, {}, 0, 1, false },
		{ "next beyond", { DATA, 4, DESC_NEXT, SIZE }, {}, 0, 1, false },
		{ "head beyond", { DATA, 4, 0, 0 }, {}, SIZE, 1, false },
		{ "index too far", { DATA, 4, 0, 0 }, {}, 0, SIZE + 1, false },
		{ "not in memory", { RAM - 3, 4, 0, 0 }, {}, 0, 1, false },
		{ "wraps", { ~0ULL, 4, 0, 0 }, {}, 0, 1, false },
		{ "in before out", { DATA, 4, DESC_WRITE | DESC_NEXT, 1 }, {}, 0, 1, false },
		{ "indirect not negotiated", { INDIRECT, 16, DESC_INDIRECT, 0 }, { DATA, 4, 0, 0 }, 0, 1, true },
		{ "indirect with next", { INDIRECT, 16, DESC_INDIRECT | DESC_NEXT, 1 }, { DATA, 4, 0, 0 }, 0, 1, false },
		{ "indirect in indirect", { INDIRECT, 16, DESC_INDIRECT, 0 }, { INDIRECT, 16, DESC_INDIRECT, 0 }, 0, 1, false },
		{ "indirect of odd length", { INDIRECT, 24, DESC_INDIRECT, 0 }, { DATA, 4, 0, 0 }, 0, 1, false },
		{ "indirect of none", { INDIRECT, 0, DESC_INDIRECT, 0 }, { DATA, 4, 0, 0 }, 0, 1, false },
		{ "indirect too long", { INDIRECT, 16 * 257, DESC_INDIRECT, 0 }, { DATA, 4, 0, 0 }, 0, 1, false },
		{ "indirect not in memory", { RAM, 16, DESC_INDIRECT, 0 }, { DATA, 4, 0, 0 }, 0, 1, false },
		{ "indirect loop", { INDIRECT, 16, DESC_INDIRECT, 0 }, { DATA, 4, DESC_NEXT, 0 }, 0, 1, false },
		{ "indirect next beyond", { INDIRECT, 16, DESC_INDIRECT, 0 }, { DATA, 4, DESC_NEXT, 1 }, 0, 1, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int good;

		set_up(false);
		ring.indirect = !cases[i].plain;
		put(DESC, &cases[i].first, 16);
		desc(1, DATA, 4, 0, 0);
		put(INDIRECT, &cases[i].inner, 16);
		put16(AVAIL + 4, cases[i].head);
		put16(AVAIL + 2, cases[i].ahead);
		good = pvio_ring_next(&ring, &chain) == PVIO_BROKEN;
		set_up(false);
		desc(0, DATA, 4, 0, 0);
		offer(0);
		ring.broken = true;
		good &= pvio_ring_next(&ring, &chain) == PVIO_BROKEN && !pvio_ring_want_kicks(&ring, true);
		check(cases[i].name, good);
	}
}

/* A chain of the ring and of an indirect table, each short enough, both too long */
static void test_too_long(void)
{
	set_up(false);
	ring.size = 256;
	pvio_ring_start(&ring, &memory);
	for (int i = 0; i < 200; i++)
		desc(i, DATA, 1, DESC_NEXT, i + 1);
	for (int i = 0; i < 56; i++)
		desc_at(INDIRECT, i, DATA, 1, i < 55 ? DESC_NEXT : 0, i + 1);
	desc(200, INDIRECT, 16 * 56, DESC_INDIRECT, 0);
	put16(AVAIL + 4, 0);
	put16(AVAIL + 2, 1);
	check("as many segments as there may be", pvio_ring_next(&ring, &chain) == PVIO_CHAIN && chain.out == PVIO_RING_MAX);
	pvio_ring_unget(&ring, 1);
	desc_at(INDIRECT, 55, DATA, 1, DESC_NEXT, 56);
	desc_at(INDIRECT, 56, DATA, 1, 0, 0);
	desc(200, INDIRECT, 16 * 57, DESC_INDIRECT, 0);
	check("one more", pvio_ring_next(&ring, &chain) == PVIO_BROKEN);
}

static void test_notify(void)
{
	set_up(false);
	check("nothing to tell", !pvio_ring_should_notify(&ring));
	pvio_ring_put(&ring, 0, 0);
	check("tell", pvio_ring_should_notify(&ring) && !pvio_ring_should_notify(&ring));
	put16(AVAIL, 1);
	pvio_ring_put(&ring, 0, 0);
	check("not wanted", !pvio_ring_should_notify(&ring));

	set_up(true);
	put16(AVAIL + 4 + 2 * SIZE, 2);
	pvio_ring_put(&ring, 0, 0);
	check("event index ahead", !pvio_ring_should_notify(&ring));
	pvio_ring_put(&ring, 0, 0);
	pvio_ring_put(&ring, 0, 0);
	check("event index passed", pvio_ring_should_notify(&ring));
	ring.used = ring.told = 0xffff;
	put16(AVAIL + 4 + 2 * SIZE, 0xffff);
	pvio_ring_put(&ring, 0, 0);
	check("event index wraps", pvio_ring_should_notify(&ring));
}

static void test_kicks(void)
{
	set_up(false);
	pvio_ring_want_kicks(&ring, false);
	check("no kicks", get16(USED) == 1);
	check("kicks", !pvio_ring_want_kicks(&ring, true) && get16(USED) == 0);
	desc(0, DATA, 4, 0, 0);
	offer(0);
	check("one came meanwhile", pvio_ring_want_kicks(&ring, true));
	set_up(true);
	desc(0, DATA, 4, 0, 0);
	offer(0);
	pvio_ring_next(&ring, &chain);
	check("kick index", !pvio_ring_want_kicks(&ring, true) && get16(USED + 4 + 8 * SIZE) == 1);
}

static unsigned int taken, most;

static bool take(void *ctx, struct pvio_chain *c)
{
	(void)ctx;
	if (taken == most)
		return false;
	taken++;
	pvio_ring_put(&ring, c->head, 0);
	return true;
}

static void test_serve(void)
{
	set_up(true);
	for (int i = 0; i < 6; i++) {
		desc(i, DATA, 4, 0, 0);
		offer(i);
	}
	taken = 0;
	most = 5;
	check("weight", pvio_ring_serve(&ring, &chain, 2, take, NULL) == PVIO_MORE && taken == 2);
	check("stuck", pvio_ring_serve(&ring, &chain, 9, take, NULL) == PVIO_STUCK && taken == 5);
	most = 9;
	check("idle", pvio_ring_serve(&ring, &chain, 9, take, NULL) == PVIO_IDLE && taken == 6);
	put16(AVAIL + 2, next_avail + 100);
	check("dead", pvio_ring_serve(&ring, &chain, 9, take, NULL) == PVIO_DEAD);
	pvio_ring_stop(&ring);
	pvio_ring_put(&ring, 3, 0);
	check("stopped", pvio_ring_serve(&ring, &chain, 9, take, NULL) == PVIO_DEAD && get16(USED + 2) == 6);
	for (int i = 0; i < 3; i++) {	/* through all 16 bits of the indices */
		set_up(false);
		desc(0, DATA, 4, 0, 0);
		taken = 0;
		most = ~0U;
		for (int n = 0; n < 70000; n++) {
			offer(0);
			pvio_ring_serve(&ring, &chain, 4, take, NULL);
		}
		check("wraps", taken == 70000 && get16(USED + 2) == (u16)70000);
	}
}

static void test_copy(void)
{
	u8 a[4] = "abcd", b[3] = "efg", out[8] = "";
	struct iovec iov[] = { { a, 4 }, { b, 3 } };

	check("gather", pvio_iov_from(iov, 2, 2, out, 8) == 5 && !memcmp(out, "cdefg", 5));
	check("scatter", pvio_iov_to(iov, 2, 3, "XYZ", 3) == 3 && a[3] == 'X' && b[1] == 'Z' && b[2] == 'g');
	check("beyond", pvio_iov_from(iov, 2, 7, out, 1) == 0);
}

int main(void)
{
	test_start();
	test_chain();
	test_indirect();
	test_broken();
	test_too_long();
	test_notify();
	test_kicks();
	test_serve();
	test_copy();
	printf("%d passed, %d failed\n", passed, failed);
	return failed != 0;
}
