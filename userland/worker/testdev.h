/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Devices for test kernels, as public test suites use them: --debug-exit and --testdev.
 * The machine's lock is held around every access.
 */
#ifndef HUSK_WORKER_TESTDEV_H
#define HUSK_WORKER_TESTDEV_H

#include <stdint.h>

#include "worker/bus.h"

struct machine;

#define TESTDEV_MEMORY_SIZE	0x10000
#define TESTDEV_RANGES		5

struct testdev {
	struct bus_range range[TESTDEV_RANGES];
	uint32_t scratch;
	uint8_t memory[TESTDEV_MEMORY_SIZE];
};

/* Put on the buses what the user asked for. */
void testdev_init(struct machine *m);
void testdev_reset(struct machine *m);

#endif
