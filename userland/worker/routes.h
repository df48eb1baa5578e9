/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where the VM's GSIs go. A VM begins with those of a PC; each message that the kernel is to
 * send by itself, for an irqfd or a disk, takes one more. The machine's lock is held around every call.
 */
#ifndef HUSK_WORKER_ROUTES_H
#define HUSK_WORKER_ROUTES_H

#include <stdint.h>

#include "lib/libhusk.h"

#define ROUTES_MESSAGES	64
#define ROUTES_MAX	(15 + 23 + ROUTES_MESSAGES)

struct routes {
	struct husk_route route[ROUTES_MAX];
	unsigned int count;
	uint32_t next_gsi;
};

void routes_init(struct routes *routes);
/* A GSI for a message; 0: none is left */
uint32_t routes_new_gsi(struct routes *routes);
/* Send the GSI to a message. -1 with errno: then it goes where it went */
int routes_set_message(struct routes *routes, int vm, uint32_t gsi, uint64_t address, uint32_t data);

#endif
