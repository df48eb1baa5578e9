// SPDX-License-Identifier: GPL-2.0
/* Booting a Linux bzImage. */
#include <asm/bootparam.h>
#include <stdio.h>
#include <string.h>

#include "worker/bzimage.h"

#define HDR_OFFSET	0x1f1
#define HDR_MAGIC	0x53726448	/* "HdrS" */
#define ENTRY_64	0x200
#define MIB		(1ULL << 20)

#define BOOT_CS		0x10
#define BOOT_DS		0x18

static void read_header(const uint8_t *head, size_t len, struct setup_header *hdr)
{
	size_t hdr_len = 0x202 + head[0x201] - HDR_OFFSET;

	memset(hdr, 0, sizeof(*hdr));
	if (hdr_len > sizeof(*hdr))
		hdr_len = sizeof(*hdr);
	if (hdr_len > len - HDR_OFFSET)
		hdr_len = len - HDR_OFFSET;
	memcpy(hdr, head + HDR_OFFSET, hdr_len);
}

static bool has_header(const uint8_t *head, size_t len)
{
	struct setup_header hdr;

	if (len < 0x206)
		return false;
	read_header(head, len, &hdr);
	return hdr.boot_flag == 0xaa55 && hdr.header == HDR_MAGIC;
}

const char *bzimage_parse(const uint8_t *head, size_t head_len, uint64_t file_size, struct bzimage *kernel)
{
	struct setup_header hdr;
	uint64_t image;

	if (!has_header(head, head_len))
		return "it is not a Linux kernel image (bzImage, vmlinuz)";
	read_header(head, head_len, &hdr);
	if (hdr.version < 0x020c)
		return "its boot protocol is older than 2.12 (Linux 3.8); take a newer kernel";
	kernel->is_64 = hdr.xloadflags & XLF_KERNEL_64;
	kernel->version = hdr.version;
	kernel->setup_size = ((hdr.setup_sects ? hdr.setup_sects : 4) + 1) * 512ULL;
	if (kernel->setup_size >= file_size)
		return "it is truncated: the file ends inside the setup code";
	kernel->image_size = file_size - kernel->setup_size;
	image = hdr.syssize * 16ULL;
	/* The boot sector's checksum and a signature may follow syssize, nothing may be missing. */
	if (!image || image > kernel->image_size + 15)
		return "it is truncated: the file is shorter than its header says";
	if (hdr.pref_address < MIB || hdr.pref_address >= RAM_LOW_MAX || hdr.pref_address & 0xfff)
		return "its header has an impossible load address";
	kernel->load = hdr.pref_address;
	kernel->run_size = hdr.init_size > kernel->image_size ? hdr.init_size : kernel->image_size;
	kernel->initrd_max = hdr.initrd_addr_max ? hdr.initrd_addr_max : 0x37ffffff;
	kernel->cmdline_max = hdr.cmdline_size;
	if (kernel->cmdline_max > BOOT_CMDLINE_MAX - 1)
		kernel->cmdline_max = BOOT_CMDLINE_MAX - 1;
	return NULL;
}

const char *bzimage_place_initrd(const struct bzimage *kernel, uint64_t low, uint64_t size, uint64_t *addr)
{
	uint64_t floor = (kernel->load + kernel->run_size + 0xfff) & ~0xfffULL;
	uint64_t top = kernel->initrd_max + 1 < low ? kernel->initrd_max + 1 : low;

	*addr = 0;
	if (floor > low)
		return "too little memory for this kernel";
	if (!size)
		return NULL;
	if (size > top || top - size < floor)
		return "too little memory for this kernel and this initrd";
	*addr = (top - size) & ~0xfffULL;
	return *addr < floor ? "too little memory for this kernel and this initrd" : NULL;
}

/* The first 4 GiB one to one, in 2 MiB pages: every CPU with long mode has those. */
static void write_tables(uint8_t *ram)
{
	uint64_t *pml4 = (uint64_t *)(ram + BOOT_TABLES);
	uint64_t *pdpt = pml4 + 512;
	uint64_t *pd = pdpt + 512;

	memset(pml4, 0, 6 * 4096);
	pml4[0] = (BOOT_TABLES + 0x1000) | 3;
	for (uint64_t i = 0; i < 4; i++)
		pdpt[i] = (BOOT_TABLES + 0x2000 + i * 0x1000) | 3;
	for (uint64_t i = 0; i < 4 * 512; i++)
		pd[i] = i << 21 | 0x83;
}

static void write_gdt(uint8_t *ram)
{
	uint64_t *gdt = (uint64_t *)(ram + BOOT_GDT);

	gdt[0] = 0;
	gdt[1] = 0;
	gdt[BOOT_CS / 8] = 0x00af9b000000ffffULL;
	gdt[BOOT_DS / 8] = 0x00cf93000000ffffULL;
}

void bzimage_write(const struct boot_request *rq, const struct bzimage *kernel, uint64_t initrd)
{
	struct boot_params *zero = (struct boot_params *)(rq->ram + BOOT_PARAMS);
	struct boot_e820 map[BOOT_E820_MAX];

	memset(zero, 0, sizeof(*zero));
	read_header(rq->head, rq->head_len, &zero->hdr);
	zero->hdr.type_of_loader = 0xff;	/* no number assigned */
	zero->hdr.loadflags |= LOADED_HIGH;
	zero->hdr.loadflags &= ~CAN_USE_HEAP;
	zero->hdr.vid_mode = 0xffff;
	zero->hdr.ramdisk_image = initrd;
	zero->hdr.ramdisk_size = rq->initrd ? rq->initrd->size : 0;
	zero->hdr.cmd_line_ptr = BOOT_CMDLINE;
	zero->hdr.code32_start = kernel->load;
	zero->acpi_rsdp_addr = rq->rsdp;

	zero->e820_entries = boot_e820(rq->low, rq->high, map);
	for (int i = 0; i < zero->e820_entries; i++)
		zero->e820_table[i] = (struct boot_e820_entry){
			map[i].addr, map[i].size, map[i].type,
		};
	memcpy(rq->ram + BOOT_CMDLINE, rq->cmdline, strlen(rq->cmdline) + 1);
}

static void enter_64(const struct boot_request *rq, const struct bzimage *kernel, struct boot_state *state)
{
	static const struct husk_segment data = { .limit = ~0U, .selector = BOOT_DS, .attr = 0xc93 };
	static const struct husk_segment code = { .limit = ~0U, .selector = BOOT_CS, .attr = 0xa9b };
	struct husk_system *sys = &state->system;

	write_gdt(rq->ram);
	write_tables(rq->ram);
	memset(state, 0, sizeof(*state));
	state->general.rip = kernel->load + ENTRY_64;
	state->general.rflags = 2;

	sys->cs = code;
	sys->ds = sys->es = sys->ss = sys->fs = sys->gs = data;
	sys->tr = (struct husk_segment){ .limit = 0x67, .attr = 0x8b };
	sys->ldtr = (struct husk_segment){ .limit = 0xffff, .attr = 0x82 };
	sys->gdtr = (struct husk_table){ .base = BOOT_GDT, .limit = 4 * 8 - 1 };
	sys->cr0 = 0x80000031;		/* PG, NE, ET, PE */
	sys->cr3 = BOOT_TABLES;
	sys->cr4 = 0x20;		/* PAE */
	sys->efer = 0x500;		/* LMA, LME */
	sys->dr6 = 0xffff0ff0;
	sys->dr7 = 0x400;
	sys->xcr0 = 1;
}

static bool bzimage_probe(const struct boot_request *rq)
{
	return has_header(rq->head, rq->head_len);
}

static const char *bzimage_check(const struct boot_request *rq, struct boot_kernel *kernel)
{
	struct bzimage image;
	const char *why = bzimage_parse(rq->head, rq->head_len, rq->kernel->size, &image);

	kernel->cmdline_max = image.cmdline_max;
	kernel->is_linux = true;
	return why;
}

static const char *bzimage_load(const struct boot_request *rq, struct boot_state *state)
{
	uint64_t initrd, initrd_size = rq->initrd ? rq->initrd->size : 0;
	static char little[160];
	struct bzimage kernel;
	const char *why = bzimage_parse(rq->head, rq->head_len, rq->kernel->size, &kernel);

	if (why)
		return why;
	why = bzimage_place_initrd(&kernel, rq->low, initrd_size, &initrd);
	if (why) {
		snprintf(little, sizeof(little), "%s: it needs %llu MiB, --memory gives %llu", why,
			 (unsigned long long)(kernel.load + kernel.run_size + initrd_size + 2 * MIB) / MIB,
			 (unsigned long long)(rq->low + rq->high) / MIB);
		return little;
	}
	why = image_read(rq->kernel, kernel.setup_size, rq->ram + kernel.load, kernel.image_size);
	if (!why && initrd_size)
		why = image_read(rq->initrd, 0, rq->ram + initrd, initrd_size);
	bzimage_write(rq, &kernel, initrd);
	if (kernel.is_64)
		enter_64(rq, &kernel, state);
	else
		boot_protected_mode(rq->ram + BOOT_GDT, BOOT_GDT, kernel.load, state);
	state->general.gpr[6] = BOOT_PARAMS;	/* rsi */
	return why;
}

const struct loader loader_bzimage = {
	.name = "bzImage",
	.probe = bzimage_probe,
	.check = bzimage_check,
	.load = bzimage_load,
};
