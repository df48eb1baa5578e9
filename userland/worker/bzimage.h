/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Booting a Linux bzImage by the 64-bit protocol, or the 32-bit one for a kernel that
 * has no other (Documentation/arch/x86/boot.rst). Pure: bytes in, bytes out.
 */
#ifndef HUSK_WORKER_BZIMAGE_H
#define HUSK_WORKER_BZIMAGE_H

#include "worker/boot.h"

/**
 * struct bzimage - what a bzImage's setup header says
 * @setup_size: bytes of the file before the 64-bit kernel
 * @image_size: bytes of the 64-bit kernel
 * @load: guest physical address to load it to
 * @run_size: bytes from @load that it needs before it knows the memory map
 * @initrd_max: highest address that a byte of the initrd may have
 * @cmdline_max: longest command line, without its NUL
 * @version: of the boot protocol
 * @is_64: it has a 64-bit entry point
 */
struct bzimage {
	uint64_t setup_size;
	uint64_t image_size;
	uint64_t load;
	uint64_t run_size;
	uint64_t initrd_max;
	uint32_t cmdline_max;
	uint16_t version;
	bool is_64;
};

/* Read the header in the first BOOT_HEAD bytes of a file (fewer if the file is
 * shorter). NULL, or what is wrong with it. */
const char *bzimage_parse(const uint8_t *head, size_t head_len, uint64_t file_size, struct bzimage *kernel);

/* Where the initrd goes: *addr, 0 if there is none. NULL, or why it does not fit. */
const char *bzimage_place_initrd(const struct bzimage *kernel, uint64_t low, uint64_t size, uint64_t *addr);

/* Write zero page and command line. */
void bzimage_write(const struct boot_request *rq, const struct bzimage *kernel, uint64_t initrd);

#endif
