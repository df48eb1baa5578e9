// SPDX-License-Identifier: GPL-2.0
/* Ranges of devices: who answers, how wide accesses are cut up, what overlaps. */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "worker/bus.h"

/* A device that remembers its last access, and answers with its letter and the offset */
struct probe {
	struct bus_range range;
	unsigned int accesses, width;
	uint64_t offset, value;
	uint8_t letter;
};

static uint64_t probe_read(void *ctx, uint64_t offset, unsigned int width)
{
	struct probe *p = ctx;

	p->accesses++;
	p->offset = offset;
	p->width = width;
	return 0xffffffff00000000ULL | (uint64_t)p->letter << 8 | offset;	/* too much, on purpose */
}

static void probe_write(void *ctx, uint64_t offset, unsigned int width, uint64_t value)
{
	struct probe *p = ctx;

	p->accesses++;
	p->offset = offset;
	p->width = width;
	p->value = value;
}

static void probe_init(struct probe *p, uint64_t base, uint64_t size, bool bytes, uint8_t letter)
{
	memset(p, 0, sizeof(*p));
	p->letter = letter;
	p->range = (struct bus_range){
		.base = base, .size = size, .bytes = bytes, .read = probe_read, .write = probe_write, .ctx = p,
	};
}

static void test_plain(void)
{
	static struct bus bus;
	struct probe a, b;

	probe_init(&a, 0x100, 0x10, false, 0xa);
	probe_init(&b, 0x110, 0x10, false, 0xb);
	bus_add(&bus, &a.range);
	bus_add(&bus, &b.range);
	check("first", bus_read(&bus, 0x100, 2) == 0x0a00 && a.width == 2);
	check("last", bus_read(&bus, 0x11c, 4) == 0x0b0c && b.offset == 0xc);
	bus_write(&bus, 0x108, 8, 0x1122334455667788);
	check("eight", a.value == 0x1122334455667788 && a.width == 8 && a.offset == 8);
	bus_write(&bus, 0x110, 1, 0xfff);
	check("write_cut", b.value == 0xff);
	check("nothing_before", bus_read(&bus, 0xff, 1) == 0xff && bus.unknown == 1);
	check("nothing_after", bus_read(&bus, 0x120, 8) == ~0ULL && bus.unknown == 2);
	a.accesses = b.accesses = 0;
	check("across", bus_read(&bus, 0x10e, 4) == 0xffffffff && !a.accesses && !b.accesses);
	check("over_the_end", bus_read(&bus, 0x11e, 4) == 0xffffffff && !b.accesses);
	check("wraps", bus_read(&bus, ~0ULL, 8) == ~0ULL && !a.accesses);
}

static void test_bytes(void)
{
	static struct bus bus;
	struct probe a, b, wide;

	probe_init(&a, 0x70, 2, true, 0);
	probe_init(&b, 0x72, 1, true, 0);
	probe_init(&wide, 0x73, 4, false, 0);
	bus_add(&bus, &a.range);
	bus_add(&bus, &b.range);
	bus_add(&bus, &wide.range);
	check("two_bytes", bus_read(&bus, 0x70, 2) == 0x0100 && a.accesses == 2 && a.width == 1);
	bus_write(&bus, 0x71, 4, 0x44332211);
	check("four_devices", a.value == 0x11 && b.value == 0x22 && !wide.accesses);
	check("no_byte_of_wide", bus_read(&bus, 0x72, 2) == 0xff00 && !wide.accesses);
	b.range.read = NULL;
	check("write_only", bus_read(&bus, 0x72, 1) == 0xff);
}

static void test_overlap(void)
{
	static struct bus bus;
	struct probe a, b, more[BUS_RANGES];
	int i, err = 0;

	probe_init(&a, 0x1000, 0x1000, false, 0xa);
	probe_init(&b, 0x1800, 0x1000, false, 0xb);
	bus_add(&bus, &a.range);
	bus_add(&bus, &b.range);
	check("first_hides", bus_read(&bus, 0x1800, 2) == (0x0a00 | 0x800));
	bus_remove(&bus, &a.range);
	check("uncovered", bus_read(&bus, 0x1800, 2) == 0x0b00);
	b.range.base = 0x5000;
	check("moved", bus_read(&bus, 0x5004, 2) == 0x0b04 && bus_read(&bus, 0x1800, 2) == 0xffff);
	for (i = 0; i < BUS_RANGES && !err; i++) {
		probe_init(&more[i], 0x10000 + 16 * i, 16, false, 1);
		err = bus_add(&bus, &more[i].range);
	}
	check("full", err == -1 && i == BUS_RANGES && bus.count == BUS_RANGES);
}

int main(void)
{
	test_plain();
	test_bytes();
	test_overlap();
	printf("# bus: %d passed, %d failed\n", passed, failed);
	return failed ? 1 : 0;
}
