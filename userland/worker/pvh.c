// SPDX-License-Identifier: GPL-2.0
/* ELF kernels with a PVH entry point (Xen's docs/misc/pvh.pandoc; Linux's xen/interface/hvm/start_info.h). */
#include <string.h>

#include "worker/elf.h"
#include "worker/info_block.h"

#define NOTE_NAME		"Xen"
#define NOTE_GUEST_OS		6
#define NOTE_PHYS32_ENTRY	18
#define START_MAGIC		0x336ec578
#define GUEST_LINUX		0x756e696c	/* "linu" */

struct start_info {
	uint32_t magic, version, flags, modules;
	uint64_t modlist, cmdline, rsdp;
	uint64_t memmap;		/* from version 1 on */
	uint32_t memmap_entries, reserved;
};

struct modlist_entry {
	uint64_t addr, size, cmdline, reserved;
};

struct memmap_entry {
	uint64_t addr, size;
	uint32_t type, reserved;
};

static bool entry_point(const struct boot_request *rq, struct elf *elf, uint32_t *entry)
{
	return elf_probe(rq) && !elf_parse(rq, elf) && elf_note(rq, elf, NOTE_NAME, NOTE_PHYS32_ENTRY, entry);
}

static bool pvh_probe(const struct boot_request *rq)
{
	struct elf elf;
	uint32_t entry;

	return entry_point(rq, &elf, &entry);
}

static const char *pvh_check(const struct boot_request *rq, struct boot_kernel *kernel)
{
	uint32_t entry, os = 0;
	struct elf elf;

	entry_point(rq, &elf, &entry);
	elf_note(rq, &elf, NOTE_NAME, NOTE_GUEST_OS, &os);
	kernel->is_linux = os == GUEST_LINUX;
	kernel->cmdline_max = kernel->is_linux ? 2047 : INFO_CMDLINE_MAX;
	return NULL;
}

static void add_memmap(struct info_block *block, const struct boot_request *rq, struct start_info *info)
{
	struct boot_e820 map[BOOT_E820_MAX];
	struct memmap_entry *entry;
	uint32_t addr;

	info->memmap_entries = boot_e820(rq->low, rq->high, map);
	entry = info_add(block, info->memmap_entries * sizeof(*entry), &addr);
	info->memmap = addr;
	for (uint32_t i = 0; i < info->memmap_entries; i++)
		entry[i] = (struct memmap_entry){ map[i].addr, map[i].size, map[i].type, 0 };
}

static void add_modules(struct info_block *block, const struct boot_request *rq, const uint32_t *addr,
			struct start_info *info)
{
	uint32_t at;
	struct modlist_entry *entry = info_add(block, rq->modules * sizeof(*entry), &at);

	info->modules = rq->modules;
	info->modlist = rq->modules ? at : 0;
	for (unsigned int i = 0; i < rq->modules; i++) {
		entry[i].addr = addr[i];
		entry[i].size = rq->module[i].image.size;
		entry[i].cmdline = info_add_string(block, rq->module[i].args, "");
	}
}

static uint32_t write_info(struct info_block *block, const struct boot_request *rq, const uint32_t *addr)
{
	uint32_t at;
	struct start_info *info = info_add(block, sizeof(*info), &at);

	info->magic = START_MAGIC;
	info->version = 1;
	info->cmdline = info_add_string(block, rq->cmdline, "");
	info->rsdp = rq->rsdp;
	add_memmap(block, rq, info);
	add_modules(block, rq, addr, info);
	return at;
}

static const char *pvh_load(const struct boot_request *rq, struct boot_state *state)
{
	uint32_t entry, gdt, addr[BOOT_MODULES];
	struct info_block block;
	uint8_t *table;
	const char *why;
	struct elf elf;
	uint64_t end;

	if (!entry_point(rq, &elf, &entry))
		return "the file changed since it was opened";
	why = elf_load(rq, &elf, &end);
	if (!why)
		why = boot_place_modules(rq, end, addr);
	if (why)
		return why;
	info_init(&block, rq->ram);
	table = info_add(&block, BOOT_GDT_SIZE, &gdt);
	boot_protected_mode(table, gdt, entry, state);
	state->general.gpr[3] = write_info(&block, rq, addr);	/* ebx */
	return block.full ? "the command lines of the kernel and its modules are too long" : NULL;
}

const struct loader loader_pvh = {
	.name = "PVH ELF",
	.takes_modules = true,
	.probe = pvh_probe,
	.check = pvh_check,
	.load = pvh_load,
};
