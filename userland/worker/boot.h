/* SPDX-License-Identifier: GPL-2.0 */
/* What a machine can boot into: kernels of several formats, and where things are in the guest's memory. */
#ifndef HUSK_WORKER_BOOT_H
#define HUSK_WORKER_BOOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "uapi/husk.h"
#include "worker/image.h"

/* Guest physical memory: RAM, a hole for devices below 4 GiB, RAM. */
#define RAM_LOW_MAX	0xc0000000ULL
#define RAM_HIGH_BASE	0x100000000ULL

/* What the worker puts into the first MiB */
#define BOOT_PARAMS	0x7000ULL
#define BOOT_GDT	0x8000ULL
#define BOOT_TABLES	0x9000ULL	/* PML4, PDPT, four page directories */
#define BOOT_CMDLINE	0x20000ULL
#define BOOT_CMDLINE_MAX 0x10000U	/* with its NUL */
#define BOOT_INFO	0x90000ULL	/* of multiboot and PVH: all that the kernel is told */
#define BOOT_EBDA	0x9fc00ULL	/* end of usable conventional memory */
#define BOOT_BIOS	0xe0000ULL	/* reserved; the ACPI tables, RSDP first */
#define BOOT_BIOS_END	0x100000ULL

#define BOOT_HEAD	8192		/* bytes of a file by which its format is known */
#define BOOT_MODULES	32

struct boot_module {
	struct image image;
	const char *args;		/* "" for none */
};

/**
 * struct boot_request - what is to be booted, into what memory
 * @kernel: its file
 * @head: the first bytes of it
 * @head_len: BOOT_HEAD, or less if the file is shorter
 * @initrd: or NULL
 * @module: what follows the kernel
 * @modules: their number
 * @cmdline: the command line
 * @ram: guest address 0
 * @low: bytes of RAM below 4 GiB
 * @high: bytes of RAM from 4 GiB on
 * @rsdp: address of the ACPI root pointer
 *
 * @ram and what follows are known only when a kernel is loaded.
 */
struct boot_request {
	const struct image *kernel;
	const uint8_t *head;
	size_t head_len;
	const struct image *initrd;
	const struct boot_module *module;
	unsigned int modules;
	const char *cmdline;
	uint8_t *ram;
	uint64_t low, high;
	uint64_t rsdp;
};

/* What a loader finds out about a kernel before there is memory to load it to */
struct boot_kernel {
	uint32_t cmdline_max;		/* longest command line, without its NUL */
	bool is_linux;			/* it knows Linux's command line */
};

/* How the first vCPU begins */
struct boot_state {
	struct husk_general general;
	struct husk_system system;
};

/* A format of kernels. The functions answer NULL, or what is wrong in a line for the user. */
struct loader {
	const char *name;
	bool takes_modules;
	bool (*probe)(const struct boot_request *rq);
	const char *(*check)(const struct boot_request *rq, struct boot_kernel *kernel);
	const char *(*load)(const struct boot_request *rq, struct boot_state *state);
};

extern const struct loader loader_bzimage, loader_multiboot, loader_pvh;

/* The loader for a kernel, or NULL with *why */
const struct loader *boot_loader(const struct boot_request *rq, const char **why);

struct boot_e820 {
	uint64_t addr, size;
	uint32_t type;		/* BOOT_E820_x */
};
#define BOOT_E820_RAM		1
#define BOOT_E820_RESERVED	2
#define BOOT_E820_MAX		8

/* The memory map for so many bytes of RAM below and above 4 GiB; number of entries. */
int boot_e820(uint64_t low, uint64_t high, struct boot_e820 map[BOOT_E820_MAX]);

/* Registers for 32-bit code in protected mode with flat segments and no paging; the GDT is at gdt. */
#define BOOT_GDT_SIZE	32
void boot_protected_mode(uint8_t *gdt, uint64_t gdt_base, uint32_t entry, struct boot_state *state);

/* Read modules one after the other into RAM, from page-aligned *at on; addr[i] tells where. */
const char *boot_place_modules(const struct boot_request *rq, uint64_t at, uint32_t addr[BOOT_MODULES]);

#endif
