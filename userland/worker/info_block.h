/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The block at BOOT_INFO: what a multiboot or PVH kernel is told, piece by piece,
 * up to the end of conventional memory.
 */
#ifndef HUSK_WORKER_INFO_BLOCK_H
#define HUSK_WORKER_INFO_BLOCK_H

#include "worker/boot.h"

struct info_block {
	uint8_t *ram;
	uint32_t next;		/* address of the next piece */
	bool full;		/* one did not fit */
};

#define INFO_CMDLINE_MAX	16384U

void info_init(struct info_block *block, uint8_t *ram);
/* A zeroed piece of so many bytes, aligned to 8, and its address; where it does not fit, one that nobody reads. */
void *info_add(struct info_block *block, size_t size, uint32_t *addr);
/* The address of "first second", or of "first" if the second is empty */
uint32_t info_add_string(struct info_block *block, const char *first, const char *second);

#endif
