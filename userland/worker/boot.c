// SPDX-License-Identifier: GPL-2.0
/* What the loaders share: the choice between them, the memory map, 32-bit entry, modules. */
#include <string.h>

#include "worker/boot.h"
#include "worker/platform.h"

#define PAGE	4096ULL
#define CS_32	0x10		/* as Linux's 32-bit boot protocol wants them */
#define DS_32	0x18

/* The first that knows a file is its loader. Xen is a multiboot and a PVH image, and wants modules. */
static const struct loader * const loaders[] = { &loader_bzimage, &loader_multiboot, &loader_pvh };

/* File type by its first bytes, for a message that helps. */
static const char *not_a_kernel(const struct boot_request *rq)
{
	if (rq->head_len >= 4 && !memcmp(rq->head, "\177ELF", 4))
		return "it is an ELF file without a multiboot header or a PVH note; of a Linux kernel give the bzImage (vmlinuz)";
	if (rq->head_len >= 2 && rq->head[0] == 0x1f && rq->head[1] == 0x8b)
		return "it is a gzip file (an initrd?); give a bzImage (vmlinuz), or unpack it";
	return "it is not a kernel image (bzImage, multiboot, PVH)";
}

const struct loader *boot_loader(const struct boot_request *rq, const char **why)
{
	for (unsigned int i = 0; i < sizeof(loaders) / sizeof(loaders[0]); i++)
		if (loaders[i]->probe(rq))
			return loaders[i];
	*why = not_a_kernel(rq);
	return NULL;
}

int boot_e820(uint64_t low, uint64_t high, struct boot_e820 map[BOOT_E820_MAX])
{
	int n = 0;

	map[n++] = (struct boot_e820){ 0, BOOT_EBDA, BOOT_E820_RAM };
	map[n++] = (struct boot_e820){ BOOT_EBDA, 0xa0000 - BOOT_EBDA, BOOT_E820_RESERVED };
	map[n++] = (struct boot_e820){ BOOT_BIOS, BOOT_BIOS_END - BOOT_BIOS, BOOT_E820_RESERVED };
	map[n++] = (struct boot_e820){ BOOT_BIOS_END, low - BOOT_BIOS_END, BOOT_E820_RAM };
	map[n++] = (struct boot_e820){ PCI_ECAM_BASE, PCI_ECAM_SIZE, BOOT_E820_RESERVED };
	if (high)
		map[n++] = (struct boot_e820){ RAM_HIGH_BASE, high, BOOT_E820_RAM };
	return n;
}

void boot_protected_mode(uint8_t *gdt, uint64_t gdt_base, uint32_t entry, struct boot_state *state)
{
	static const struct husk_segment code = { .limit = ~0U, .selector = CS_32, .attr = 0xc9b };
	static const struct husk_segment data = { .limit = ~0U, .selector = DS_32, .attr = 0xc93 };
	static const uint64_t descriptors[BOOT_GDT_SIZE / 8] = {
		[CS_32 / 8] = 0x00cf9b000000ffffULL,
		[DS_32 / 8] = 0x00cf93000000ffffULL,
	};
	struct husk_system *sys = &state->system;

	memcpy(gdt, descriptors, sizeof(descriptors));
	memset(state, 0, sizeof(*state));
	state->general.rip = entry;
	state->general.rflags = 2;
	sys->cs = code;
	sys->ds = sys->es = sys->ss = sys->fs = sys->gs = data;
	sys->tr = (struct husk_segment){ .limit = 0x67, .attr = 0x8b };
	sys->ldtr = (struct husk_segment){ .limit = 0xffff, .attr = 0x82 };
	sys->gdtr = (struct husk_table){ .base = gdt_base, .limit = BOOT_GDT_SIZE - 1 };
	sys->cr0 = 0x31;		/* NE, ET, PE */
	sys->dr6 = 0xffff0ff0;
	sys->dr7 = 0x400;
	sys->xcr0 = 1;
}

const char *boot_place_modules(const struct boot_request *rq, uint64_t at, uint32_t addr[BOOT_MODULES])
{
	const char *why = NULL;

	for (unsigned int i = 0; i < rq->modules && !why; i++) {
		const struct image *image = &rq->module[i].image;

		at = (at + PAGE - 1) & ~(PAGE - 1);
		if (at > rq->low || image->size > rq->low - at)
			return "too little memory for the kernel and its modules; give more by --memory";
		addr[i] = at;
		why = image_read(image, 0, rq->ram + at, image->size);
		at += image->size;
	}
	return why;
}
