// SPDX-License-Identifier: GPL-2.0
/* An address space of devices. */
#include <stddef.h>

#include "worker/bus.h"

int bus_add(struct bus *bus, struct bus_range *range)
{
	if (bus->count == BUS_RANGES)
		return -1;
	bus->range[bus->count++] = range;
	return 0;
}

void bus_remove(struct bus *bus, struct bus_range *range)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < bus->count; i++)
		if (bus->range[i] != range)
			bus->range[n++] = bus->range[i];
	bus->count = n;
}

static bool has(const struct bus_range *range, uint64_t addr)
{
	return addr - range->base < range->size;
}

static struct bus_range *find(struct bus *bus, uint64_t addr)
{
	for (unsigned int i = 0; i < bus->count; i++)
		if (has(bus->range[i], addr))
			return bus->range[i];
	return NULL;
}

/* The range that takes the access whole; NULL: nothing there, or it goes byte by byte */
static struct bus_range *find_whole(struct bus *bus, uint64_t addr, unsigned int width)
{
	struct bus_range *range = find(bus, addr);

	if (!range) {
		bus->unknown++;
		return NULL;
	}
	return width == 1 || (!range->bytes && range->size - (addr - range->base) >= width) ? range : NULL;
}

static uint64_t mask(unsigned int width)
{
	return ~0ULL >> (64 - 8 * width);
}

static uint64_t read_range(struct bus_range *range, uint64_t addr, unsigned int width)
{
	return range && range->read ? range->read(range->ctx, addr - range->base, width) & mask(width) : mask(width);
}

static struct bus_range *find_byte(struct bus *bus, uint64_t addr)
{
	struct bus_range *range = find(bus, addr);

	return range && range->bytes ? range : NULL;
}

uint64_t bus_read(struct bus *bus, uint64_t addr, unsigned int width)
{
	struct bus_range *range = find_whole(bus, addr, width);
	uint64_t value = 0;

	if (range)
		return read_range(range, addr, width);
	for (unsigned int i = 0; i < width; i++)
		value |= read_range(find_byte(bus, addr + i), addr + i, 1) << 8 * i;
	return value;
}

static void write_range(struct bus_range *range, uint64_t addr, unsigned int width, uint64_t value)
{
	if (range && range->write)
		range->write(range->ctx, addr - range->base, width, value & mask(width));
}

void bus_write(struct bus *bus, uint64_t addr, unsigned int width, uint64_t value)
{
	struct bus_range *range = find_whole(bus, addr, width);

	if (range) {
		write_range(range, addr, width, value);
		return;
	}
	for (unsigned int i = 0; i < width; i++)
		write_range(find_byte(bus, addr + i), addr + i, 1, value >> 8 * i);
}
