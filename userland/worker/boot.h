/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Booting a Linux bzImage by the 64-bit protocol
 * (Documentation/arch/x86/boot.rst). Pure: bytes in, bytes out.
 */
#ifndef HUSK_WORKER_BOOT_H
#define HUSK_WORKER_BOOT_H

#include <stddef.h>
#include <stdint.h>

#include "uapi/husk.h"

/* Guest physical memory: RAM, a hole for devices below 4 GiB, RAM. */
#define RAM_LOW_MAX	0xc0000000ULL
#define RAM_HIGH_BASE	0x100000000ULL

/* What the worker puts into the first MiB */
#define BOOT_PARAMS	0x7000ULL
#define BOOT_GDT	0x8000ULL
#define BOOT_TABLES	0x9000ULL	/* PML4, PDPT, four page directories */
#define BOOT_CMDLINE	0x20000ULL
#define BOOT_CMDLINE_MAX 0x10000U	/* with its NUL */
#define BOOT_EBDA	0x9fc00ULL	/* end of usable conventional memory */
#define BOOT_BIOS	0xe0000ULL	/* reserved; the ACPI tables, RSDP first */
#define BOOT_BIOS_END	0x100000ULL

#define BOOT_HEAD	4096		/* bytes of the file that boot_parse() needs */

/**
 * struct boot_kernel - what a bzImage's setup header says
 * @setup_size: bytes of the file before the 64-bit kernel
 * @image_size: bytes of the 64-bit kernel
 * @load: guest physical address to load it to
 * @run_size: bytes from @load that it needs before it knows the memory map
 * @initrd_max: highest address that a byte of the initrd may have
 * @cmdline_max: longest command line, without its NUL
 * @version: of the boot protocol
 */
struct boot_kernel {
	uint64_t setup_size;
	uint64_t image_size;
	uint64_t load;
	uint64_t run_size;
	uint64_t initrd_max;
	uint32_t cmdline_max;
	uint16_t version;
};

/* Read the header in the first BOOT_HEAD bytes of a file (fewer if the file is
 * shorter). NULL, or what is wrong with it. */
const char *boot_parse(const uint8_t *head, size_t head_len, uint64_t file_size,
		       struct boot_kernel *kernel);

struct boot_e820 {
	uint64_t addr, size;
	uint32_t type;		/* BOOT_E820_x */
};
#define BOOT_E820_RAM		1
#define BOOT_E820_RESERVED	2
#define BOOT_E820_MAX		8

/* The memory map for so many bytes of RAM below and above 4 GiB; number of entries. */
int boot_e820(uint64_t low, uint64_t high, struct boot_e820 map[BOOT_E820_MAX]);

/* Where the initrd goes: *addr, 0 if there is none. NULL, or why it does not fit. */
const char *boot_place_initrd(const struct boot_kernel *kernel, uint64_t low, uint64_t size,
			      uint64_t *addr);

/**
 * struct boot_setup - one boot
 * @head: the first bytes of the bzImage, as for boot_parse()
 * @low, @high: bytes of RAM below and above 4 GiB
 * @rsdp: address of the ACPI root pointer
 */
struct boot_setup {
	const uint8_t *head;
	size_t head_len;
	const struct boot_kernel *kernel;
	uint64_t low, high;
	uint64_t initrd, initrd_size;
	uint64_t rsdp;
	const char *cmdline;
};

/* Write zero page, command line, GDT and page tables into ram (guest address 0). */
void boot_write(uint8_t *ram, const struct boot_setup *setup);

/* Registers at the 64-bit entry point. */
void boot_registers(const struct boot_kernel *kernel, struct husk_general *regs,
		    struct husk_system *sys);

#endif
