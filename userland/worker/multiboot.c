// SPDX-License-Identifier: GPL-2.0
/* Multiboot, version 1 (the specification is 0.6.96; its sections are cited): ELF, or placed by its header's addresses. */
#include <string.h>

#include "worker/elf.h"
#include "worker/info_block.h"

#define MAGIC		0x1badb002
#define MAGIC_EAX	0x2badb002
#define FLAG_ADDRESSES	(1U << 16)	/* 3.1.3: the header says where to load */
#define FLAGS_KNOWN	(FLAG_ADDRESSES | 7)	/* modules on pages, memory map, video mode (which is not there) */
#define FLAGS_REQUIRED	0xffffU		/* 3.1.2: who does not know one of these must refuse */

struct header {
	uint32_t magic, flags, checksum;
	uint32_t header, load, load_end, bss_end, entry;	/* with FLAG_ADDRESSES */
};

/* 3.3: what EBX points to; members after mmap_addr that are not offered are left out */
struct info {
	uint32_t flags;
	uint32_t mem_lower, mem_upper;		/* KiB */
	uint32_t boot_device;
	uint32_t cmdline;
	uint32_t mods_count, mods_addr;
	uint32_t syms[4];
	uint32_t mmap_length, mmap_addr;
	uint32_t drives_length, drives_addr;
	uint32_t config_table;
	uint32_t loader_name;
	uint32_t apm_table;
};
#define INFO_MEMORY	(1U << 0)
#define INFO_CMDLINE	(1U << 2)
#define INFO_MODS	(1U << 3)
#define INFO_MMAP	(1U << 6)
#define INFO_LOADER	(1U << 9)

struct module {
	uint32_t start, end, string, reserved;
};

struct mmap_entry {
	uint32_t size;		/* of what follows */
	uint64_t addr, length;
	uint32_t type;
} __attribute__((packed));

/* 3.1: in the first 8192 bytes, aligned to 4. offset of the header, or -1 */
static int find_header(const struct boot_request *rq, struct header *header)
{
	memset(header, 0, sizeof(*header));
	for (size_t at = 0; at + 12 <= rq->head_len; at += 4) {
		size_t left = rq->head_len - at;

		memcpy(header, rq->head + at, left < sizeof(*header) ? left : sizeof(*header));
		if (header->magic == MAGIC && !(header->magic + header->flags + header->checksum))
			return at;
	}
	return -1;
}

static bool multiboot_probe(const struct boot_request *rq)
{
	struct header header;

	return find_header(rq, &header) >= 0;
}

static const char *multiboot_check(const struct boot_request *rq, struct boot_kernel *kernel)
{
	struct header header;

	find_header(rq, &header);
	kernel->cmdline_max = INFO_CMDLINE_MAX;
	if (header.flags & FLAGS_REQUIRED & ~FLAGS_KNOWN)
		return "its multiboot header asks for a feature that is not here";
	if (!(header.flags & FLAG_ADDRESSES) && !elf_probe(rq))
		return "its multiboot header has no addresses, and it is not an ELF file";
	return NULL;
}

/* 3.1.3: by the addresses in the header, which is itself at header.header */
static const char *load_flat(const struct boot_request *rq, const struct header *h, uint64_t header_at,
			     uint32_t *entry, uint64_t *end)
{
	uint64_t offset = header_at - (h->header - h->load), size;

	if (h->load > h->header || h->header - h->load > header_at)
		return "its multiboot header's addresses do not fit together";
	size = h->load_end ? (uint64_t)h->load_end - h->load : rq->kernel->size - offset;
	if ((h->load_end && h->load_end < h->load) || size > rq->kernel->size - offset)
		return "it is truncated: the file ends before the end of what is to be loaded";
	*end = h->load + size;
	if (h->bss_end > *end)
		*end = h->bss_end;
	if (!elf_loadable(h->load, *end - h->load, rq->low))
		return "it does not fit into RAM below 0x90000 or from 1 MiB on; more may be given by --memory";
	*entry = h->entry;
	return image_read(rq->kernel, offset, rq->ram + h->load, size);
}

static const char *load_elf(const struct boot_request *rq, uint32_t *entry, uint64_t *end)
{
	struct elf elf;
	const char *why = elf_parse(rq, &elf);

	if (!why)
		why = elf_load(rq, &elf, end);
	if (!why)
		*entry = elf_physical(&elf, elf.entry);
	return why;
}

static void add_mmap(struct info_block *block, const struct boot_request *rq, struct info *info)
{
	struct boot_e820 map[BOOT_E820_MAX];
	int n = boot_e820(rq->low, rq->high, map);
	struct mmap_entry *entry;

	info->mmap_length = n * sizeof(*entry);
	entry = info_add(block, info->mmap_length, &info->mmap_addr);
	for (int i = 0; i < n; i++)
		entry[i] = (struct mmap_entry){ sizeof(*entry) - 4, map[i].addr, map[i].size, map[i].type };
}

static void add_modules(struct info_block *block, const struct boot_request *rq, const uint32_t *addr, struct info *info)
{
	struct module *module = info_add(block, rq->modules * sizeof(*module), &info->mods_addr);

	info->mods_count = rq->modules;
	for (unsigned int i = 0; i < rq->modules; i++) {
		const struct boot_module *from = &rq->module[i];

		module[i].start = addr[i];
		module[i].end = addr[i] + from->image.size;
		module[i].string = info_add_string(block, from->image.path, from->args);
	}
}

/* The names of files come first in the command lines, as of other loaders: kernels take them for argv[0] */
static uint32_t write_info(struct info_block *block, const struct boot_request *rq, const uint32_t *addr)
{
	uint32_t at;
	struct info *info = info_add(block, sizeof(*info), &at);

	info->flags = INFO_MEMORY | INFO_CMDLINE | INFO_MODS | INFO_MMAP | INFO_LOADER;
	info->mem_lower = BOOT_EBDA / 1024;
	info->mem_upper = (rq->low - BOOT_BIOS_END) / 1024;
	info->cmdline = info_add_string(block, rq->kernel->path, rq->cmdline);
	info->loader_name = info_add_string(block, "husk", "");
	add_mmap(block, rq, info);
	add_modules(block, rq, addr, info);
	return at;
}

static const char *multiboot_load(const struct boot_request *rq, struct boot_state *state)
{
	uint32_t entry = 0, gdt, addr[BOOT_MODULES];
	struct info_block block;
	struct header header;
	int at = find_header(rq, &header);
	uint64_t end = 0;
	const char *why;
	uint8_t *table;

	why = header.flags & FLAG_ADDRESSES ? load_flat(rq, &header, at, &entry, &end) : load_elf(rq, &entry, &end);
	if (!why)
		why = boot_place_modules(rq, end > BOOT_BIOS_END ? end : BOOT_BIOS_END, addr);
	if (why)
		return why;
	info_init(&block, rq->ram);
	table = info_add(&block, BOOT_GDT_SIZE, &gdt);
	boot_protected_mode(table, gdt, entry, state);
	state->general.gpr[0] = MAGIC_EAX;
	state->general.gpr[3] = write_info(&block, rq, addr);	/* ebx */
	return block.full ? "the command lines of the kernel and its modules are too long" : NULL;
}

const struct loader loader_multiboot = {
	.name = "multiboot",
	.takes_modules = true,
	.probe = multiboot_probe,
	.check = multiboot_check,
	.load = multiboot_load,
};
