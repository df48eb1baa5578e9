// SPDX-License-Identifier: GPL-2.0
/* bzImage headers, good and bad, the memory map, the placement of the initrd. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <asm/bootparam.h>

#include "check.h"
#include "worker/bzimage.h"

#define FILE_SIZE	(1 << 20)
static uint8_t head[BOOT_HEAD];

static struct setup_header *good_header(void)
{
	struct setup_header *hdr = (struct setup_header *)(head + 0x1f1);

	memset(head, 0, sizeof(head));
	hdr->setup_sects = 27;
	hdr->boot_flag = 0xaa55;
	hdr->jump = 0x6aeb;
	hdr->header = 0x53726448;
	hdr->version = 0x020f;
	hdr->xloadflags = XLF_KERNEL_64;
	hdr->syssize = (FILE_SIZE - 28 * 512) / 16;
	hdr->pref_address = 0x1000000;
	hdr->init_size = 0x3000000;
	hdr->initrd_addr_max = 0x7fffffff;
	hdr->cmdline_size = 2047;
	return hdr;
}

static void refused(const char *name, size_t len, uint64_t size, const char *word)
{
	struct bzimage kernel;
	const char *why = bzimage_parse(head, len, size, &kernel);

	check_why(name, why && strstr(why, word), why ? why : "was accepted");
}

static void test_header(void)
{
	struct bzimage kernel;
	struct setup_header *hdr;
	const char *why;

	good_header();
	why = bzimage_parse(head, sizeof(head), FILE_SIZE, &kernel);
	check_why("good header", !why && kernel.load == 0x1000000 && kernel.setup_size == 28 * 512 &&
	      kernel.cmdline_max == 2047 && kernel.run_size == 0x3000000, why);

	for (size_t len = 0; len < 0x206; len++)
		if (!bzimage_parse(head, len, len, &kernel)) {
			check_why("short file", 0, "was accepted");
			return;
		}
	check_why("short file", 1, NULL);
	refused("truncated in the setup code", sizeof(head), 4096, "truncated");
	refused("truncated in the kernel", sizeof(head), FILE_SIZE / 2, "truncated");

	good_header()->header = 0;
	refused("bad magic", sizeof(head), FILE_SIZE, "not a Linux kernel");
	good_header()->boot_flag = 0;
	refused("bad boot flag", sizeof(head), FILE_SIZE, "not a Linux kernel");
	good_header()->version = 0x020b;
	refused("old protocol", sizeof(head), FILE_SIZE, "older");
	good_header()->xloadflags = 0;
	why = bzimage_parse(head, sizeof(head), FILE_SIZE, &kernel);
	check_why("32-bit kernel", !why && !kernel.is_64, why);
	hdr = good_header();
	hdr->setup_sects = 255;
	refused("huge setup_sects", sizeof(head), 100 * 1024, "truncated");
	good_header()->syssize = 0xffffffff;
	refused("huge syssize", sizeof(head), FILE_SIZE, "truncated");
	good_header()->pref_address = 0xfffffffffffff000;
	refused("load address wraps", sizeof(head), FILE_SIZE, "load address");
	good_header()->pref_address = 0x1000;
	refused("load address too low", sizeof(head), FILE_SIZE, "load address");
	good_header()->cmdline_size = 0xffffffff;
	why = bzimage_parse(head, sizeof(head), FILE_SIZE, &kernel);
	check_why("command line bounded", !why && kernel.cmdline_max < BOOT_CMDLINE_MAX, why);
}

static void test_any_header(void)
{
	struct bzimage kernel;
	uint64_t addr;

	srand(1);
	for (int i = 0; i < 200000; i++) {
		uint64_t low = (1 + rand() % 3072) * (1ULL << 20), size = (uint64_t)rand() << 4;

		good_header();
		for (int n = rand() % 8; n > 0; n--)
			head[0x1f1 + rand() % 0x78] = rand();
		if (bzimage_parse(head, sizeof(head), FILE_SIZE, &kernel) ||
		    bzimage_place_initrd(&kernel, low, size, &addr))
			continue;
		if (kernel.load + kernel.image_size > low ||
		    (size && (addr + size > low || addr < kernel.load + kernel.run_size))) {
			check_why("mangled headers", 0, "placed outside of RAM");
			return;
		}
	}
	check_why("mangled headers", 1, NULL);
}

static void test_e820(void)
{
	static const uint64_t sizes[][2] = {
		{ 64 << 20, 0 }, { RAM_LOW_MAX, 0 }, { RAM_LOW_MAX, 1ULL << 40 },
	};

	for (size_t i = 0; i < 3; i++) {
		struct boot_e820 map[BOOT_E820_MAX];
		int n = boot_e820(sizes[i][0], sizes[i][1], map), good = n <= BOOT_E820_MAX;
		uint64_t end = 0, ram = 0;

		for (int j = 0; j < n; j++) {
			good &= map[j].addr >= end && map[j].size > 0;
			end = map[j].addr + map[j].size;
			ram += map[j].type == 1 ? map[j].size : 0;
			good &= !(map[j].type == 1 && map[j].addr < 0x100000 && end > 0x9fc00);
		}
		good &= ram == sizes[i][0] + sizes[i][1] - 0x100000 + BOOT_EBDA;
		check_why("e820", good, "overlap, disorder or wrong sum");
	}
}

static void test_place(void)
{
	struct bzimage kernel;
	uint64_t addr;
	const char *why;

	good_header();
	bzimage_parse(head, sizeof(head), FILE_SIZE, &kernel);
	why = bzimage_place_initrd(&kernel, 256 << 20, 12345678, &addr);
	check_why("initrd at the top", !why && !(addr & 0xfff) && addr + 12345678 <= 256 << 20 &&
	      addr + 12345678 > (256 << 20) - 4096, why);
	why = bzimage_place_initrd(&kernel, RAM_LOW_MAX, 4096, &addr);
	check_why("initrd below its limit", !why && addr + 4096 == 0x80000000, why);
	check_why("no initrd", !bzimage_place_initrd(&kernel, 256 << 20, 0, &addr) && !addr, NULL);
	check_why("no room for the kernel", bzimage_place_initrd(&kernel, 32 << 20, 0, &addr) != NULL, NULL);
	check_why("no room for the initrd", bzimage_place_initrd(&kernel, 65 << 20, 2 << 20, &addr) != NULL, NULL);
	check_why("initrd as large as an integer", bzimage_place_initrd(&kernel, 256 << 20, ~0ULL, &addr) != NULL, NULL);
}

static void test_write(void)
{
	uint8_t *ram = calloc(1, 1 << 20);
	struct image initrd = { .size = 4096 };
	struct bzimage kernel;
	struct boot_params *zero = (struct boot_params *)(ram + BOOT_PARAMS);
	struct boot_request rq = {
		.head = head, .head_len = sizeof(head), .ram = ram, .low = 256 << 20,
		.initrd = &initrd, .rsdp = BOOT_BIOS, .cmdline = "console=ttyS0",
	};

	good_header();
	bzimage_parse(head, sizeof(head), FILE_SIZE, &kernel);
	bzimage_write(&rq, &kernel, 0x8000000);
	check_why("zero page", zero->hdr.header == 0x53726448 && zero->e820_entries == 5 &&
	      zero->hdr.ramdisk_image == 0x8000000 && zero->hdr.ramdisk_size == 4096 && zero->acpi_rsdp_addr == BOOT_BIOS &&
	      !strcmp((char *)ram + zero->hdr.cmd_line_ptr, "console=ttyS0"), NULL);
	free(ram);
}

int main(void)
{
	test_header();
	test_any_header();
	test_e820();
	test_place();
	test_write();
	printf("%d passed, %d failed\n", passed, failed);
	return failed != 0;
}
