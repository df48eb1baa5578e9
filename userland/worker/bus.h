/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An address space of devices: which range of ports, or of memory, is whose.
 * The machine's lock is held around every call.
 */
#ifndef HUSK_WORKER_BUS_H
#define HUSK_WORKER_BUS_H

#include <stdbool.h>
#include <stdint.h>

#define BUS_RANGES	128

/**
 * struct bus_range - a device's registers
 * @base: where they are now
 * @size: in bytes
 * @bytes: registers are a byte wide: a wider access comes as one for each byte,
 *	and may reach into the next range. Otherwise it comes as it is, if all of
 *	it is in the range
 * @read: NULL: reads as all ones. @offset is from @base, @width 1, 2, 4 or 8
 * @write: NULL: ignored
 * @name: for 'husk show'; NULL: not listed
 */
struct bus_range {
	uint64_t base, size;
	bool bytes;
	uint64_t (*read)(void *ctx, uint64_t offset, unsigned int width);
	void (*write)(void *ctx, uint64_t offset, unsigned int width, uint64_t value);
	void *ctx;
	const char *name;
};

struct bus {
	struct bus_range *range[BUS_RANGES];
	unsigned int count;
	uint64_t unknown;		/* accesses where nothing is */
};

/* Where ranges overlap, as a guest may have it, the one added first answers. -1: too many */
int bus_add(struct bus *bus, struct bus_range *range);
void bus_remove(struct bus *bus, struct bus_range *range);
/* width 1, 2, 4 or 8. What nobody answers reads as all ones. */
uint64_t bus_read(struct bus *bus, uint64_t addr, unsigned int width);
void bus_write(struct bus *bus, uint64_t addr, unsigned int width, uint64_t value);

#endif
