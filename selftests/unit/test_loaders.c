// SPDX-License-Identifier: GPL-2.0
/*
 * Kernels in ELF and multiboot formats: loaded right, refused with one line where something
 * is wrong with them, and mangled by a seeded fuzzer, built with the address sanitizer.
 */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <asm/bootparam.h>

#include "check.h"
#include "worker/info_block.h"

#define LOW		(16ULL << 20)
#define FILE_SIZE	12288
#define ROUNDS		60000

static uint8_t file[FILE_SIZE], head[BOOT_HEAD], *ram;
static struct image image = { .path = "kernel" };

/* What the fuzzer starts from: program headers at 64, a multiboot header at 1024, notes at 2048, code from 4096 on */
static Elf32_Phdr *segment(int i)
{
	return (Elf32_Phdr *)(file + 64) + i;
}

static Elf32_Ehdr *good_elf(void)
{
	Elf32_Ehdr *h = (Elf32_Ehdr *)file;

	memset(file, 0, sizeof(file));
	memcpy(h->e_ident, "\177ELF\1\1\1", 7);
	h->e_type = ET_EXEC;
	h->e_entry = 0xc0100010;
	h->e_phoff = 64;
	h->e_phnum = 2;
	h->e_phentsize = sizeof(Elf32_Phdr);
	*segment(0) = (Elf32_Phdr){ PT_LOAD, 4096, 0xc0100000, 0x100000, 4096, 8192, 5, 4096 };
	*segment(1) = (Elf32_Phdr){ PT_LOAD, 8192, 0xc0110000, 0x110000, 4096, 4096, 6, 4096 };
	for (int i = 4096; i < FILE_SIZE; i++)
		file[i] = i >> 4 | 1;
	return h;
}

static uint32_t *add_multiboot(uint32_t flags)
{
	uint32_t *header = (uint32_t *)(file + 1024);

	header[0] = 0x1badb002;
	header[1] = flags;
	header[2] = -(header[0] + flags);
	return header;
}

static uint32_t *good_multiboot(void)
{
	good_elf();
	return add_multiboot(3);
}

/* By addresses: the header at 1024 is at 0x100400, so the file begins at 0x100000 */
static uint32_t *good_flat(void)
{
	uint32_t *header;

	good_elf();
	memset(file, 0, 4);
	header = add_multiboot(1 << 16);
	header[3] = 0x100400;		/* header */
	header[4] = 0x100000;		/* load */
	header[5] = 0x102000;		/* load end */
	header[6] = 0x104000;		/* bss end */
	header[7] = 0x100020;		/* entry */
	return header;
}

static Elf32_Nhdr *good_pvh(void)
{
	static const uint32_t note[] = { 4, 4, 18, 0x006e6558, 0x100020 };

	good_elf()->e_phnum = 3;
	*segment(2) = (Elf32_Phdr){ PT_NOTE, 2048, 0, 0, sizeof(note), sizeof(note), 4, 4 };
	memcpy(file + 2048, note, sizeof(note));
	return (Elf32_Nhdr *)(file + 2048);
}

static void good_bzimage(void)
{
	struct setup_header *hdr = (struct setup_header *)(file + 0x1f1);

	good_elf();
	memset(file, 0, 4096);
	hdr->setup_sects = 1;
	hdr->boot_flag = 0xaa55;
	hdr->header = 0x53726448;
	hdr->version = 0x020f;
	hdr->xloadflags = XLF_KERNEL_64;
	hdr->syssize = (FILE_SIZE - 1024) / 16;
	hdr->pref_address = 0x200000;
	hdr->init_size = 0x100000;
	hdr->cmdline_size = 2047;
	file[0x201] = 0x66;
}

static const char *boot(size_t size, const struct boot_module *module, unsigned int modules, const char *cmdline,
			struct boot_state *state)
{
	struct boot_request rq = {
		.kernel = &image, .head = head, .head_len = size < BOOT_HEAD ? size : BOOT_HEAD,
		.module = module, .modules = modules, .cmdline = cmdline, .ram = ram, .low = LOW,
	};
	struct boot_kernel kernel = {};
	const struct loader *loader;
	const char *why;

	image.size = size;
	if (ftruncate(image.fd, size) < 0 || pwrite(image.fd, file, size, 0) != (ssize_t)size)
		abort();
	memcpy(head, file, sizeof(head));
	loader = boot_loader(&rq, &why);
	if (!loader)
		return why;
	why = loader->check(&rq, &kernel);
	if (!why && strlen(cmdline) > kernel.cmdline_max)
		return "command line";
	return why ? why : loader->load(&rq, state);
}

static const char *boot_plain(struct boot_state *state)
{
	madvise(ram, LOW, MADV_DONTNEED);
	return boot(FILE_SIZE, NULL, 0, "", state);
}

static void refused(const char *name, const char *word)
{
	struct boot_state state;
	const char *why = boot_plain(&state);

	check_why(name, why && strstr(why, word) && !strchr(why, '\n'), why ? why : "was accepted");
}

static void test_good(void)
{
	struct boot_state state;
	const char *why;
	uint32_t *info;

	good_multiboot();
	why = boot_plain(&state);
	info = (uint32_t *)(ram + state.general.gpr[3]);
	check_why("multiboot ELF", !why && state.general.rip == 0x100010 && state.general.gpr[0] == 0x2badb002 &&
	      info >= (uint32_t *)(ram + 0x90000) && info[2] == LOW / 1024 - 1024 && state.system.cr0 == 0x31 &&
	      !memcmp(ram + 0x110000, file + 8192, 4096), why);
	good_flat();
	why = boot_plain(&state);
	check_why("multiboot by addresses", !why && state.general.rip == 0x100020 && !memcmp(ram + 0x100000, file, 8192) &&
	      !ram[0x102000], why);
	good_flat()[5] = 0;
	why = boot_plain(&state);
	check_why("multiboot, the whole file", !why && !memcmp(ram + 0x100000, file, FILE_SIZE), why);
	good_pvh();
	why = boot_plain(&state);
	check_why("PVH", !why && state.general.rip == 0x100020 && *(uint32_t *)(ram + state.general.gpr[3]) == 0x336ec578, why);
	good_bzimage();
	why = boot_plain(&state);
	check_why("bzImage", !why && state.general.rip == 0x200200, why);
}

static void test_bad_elf(void)
{
	good_multiboot();
	segment(1)->p_paddr = 0x101000;
	refused("overlapping segments", "overlap");
	good_multiboot();
	segment(1)->p_paddr = LOW - 100;
	refused("segment beyond RAM", "not in RAM");
	good_multiboot();
	segment(1)->p_paddr = 0xfffff000;
	refused("segment wraps", "not in RAM");
	good_multiboot();
	segment(1)->p_paddr = 0x8f800;
	refused("segment over the information", "not in RAM");
	good_multiboot();
	segment(1)->p_paddr = 0xe0000;
	refused("segment over the tables", "not in RAM");
	good_multiboot();
	segment(1)->p_memsz = 0xffffffff;
	refused("huge segment", "not in RAM");
	good_multiboot();
	segment(1)->p_filesz = 5000;
	refused("more in the file than in memory", "more bytes");
	good_multiboot();
	segment(1)->p_offset = FILE_SIZE - 100;
	refused("truncated segment", "truncated");
	good_multiboot();
	segment(1)->p_offset = 0xfffff000;
	refused("segment beyond the file", "truncated");
	good_multiboot();
	((Elf32_Ehdr *)file)->e_phnum = 0xffff;
	refused("huge number of segments", "program headers");
	good_multiboot();
	((Elf32_Ehdr *)file)->e_phoff = 0xfffffff0;
	refused("segments beyond the file", "truncated");
	good_multiboot();
	((Elf32_Ehdr *)file)->e_phentsize = 1;
	refused("small program headers", "program headers");
	good_multiboot();
	((Elf32_Ehdr *)file)->e_type = ET_DYN;
	refused("not at fixed addresses", "fixed addresses");
	good_elf();
	refused("ELF file of another kind", "ELF file without");
	good_pvh()->n_namesz = 0xffffffff;
	refused("huge note", "ELF file without");
	memset(file, 0, sizeof(file));
	refused("zeroes", "not a kernel image");
}

static void test_bad_multiboot(void)
{
	good_multiboot()[2]++;
	refused("wrong checksum", "ELF file without");
	good_elf();
	add_multiboot(1 << 5);
	refused("feature that is not here", "feature");
	good_flat()[4] = 0x100404;
	refused("header before its image", "fit together");
	good_flat()[4] = 0xff000;
	refused("image before its file", "fit together");
	good_flat()[5] = 0x90000;
	refused("end before the beginning", "truncated");
	good_flat()[5] = 0x104001;
	refused("truncated", "truncated");
	good_flat()[6] = 0xfffffff0;
	refused("bss beyond RAM", "RAM");
	good_flat()[3] = 0xfffff400;
	good_flat()[4] = 0xfffff000;
	refused("image beyond RAM", "");
}

static void test_modules(void)
{
	static char text[100000];
	struct boot_module module[2] = { { image, "first" }, { image, "" } };
	struct boot_state state;
	const char *why;
	uint32_t *info, *mods;

	good_multiboot();
	module[0].image.size = 5000;
	module[1].image.size = 100;
	why = boot(FILE_SIZE, module, 2, "words", &state);
	info = (uint32_t *)(ram + state.general.gpr[3]);
	mods = (uint32_t *)(ram + info[6]);
	check_why("modules", !why && info[5] == 2 && mods[0] == 0x111000 && mods[1] == 0x111000 + 5000 &&
	      mods[4] == 0x113000 && !strcmp((char *)ram + mods[2], "kernel first") &&
	      !strcmp((char *)ram + info[4], "kernel words") && !memcmp(ram + mods[0], file, 5000), why);
	module[1].image.size = LOW;
	why = boot(FILE_SIZE, module, 2, "", &state);
	check_why("module larger than RAM", why && strstr(why, "too little memory"), why);
	module[1].image.size = ~0ULL;
	why = boot(FILE_SIZE, module, 2, "", &state);
	check_why("module of any size", why && strstr(why, "too little memory"), why);
	module[1].image.size = FILE_SIZE + 1;
	why = boot(FILE_SIZE, module, 2, "", &state);
	check_why("module that shrank", why && strstr(why, "shorter"), why);
	module[1].image.size = 1;
	memset(text, 'a', sizeof(text) - 1);
	module[1].args = text;
	why = boot(FILE_SIZE, module, 2, "", &state);
	check_why("long arguments", why && strstr(why, "too long"), why);
	text[60000] = 0;
	module[0].args = text;
	why = boot(FILE_SIZE, module, 2, "", &state);
	check_why("many long arguments", why && strstr(why, "too long"), why);
	text[INFO_CMDLINE_MAX + 1] = 0;
	why = boot(FILE_SIZE, module, 1, text, &state);
	check_why("long command line", why && strstr(why, "command line"), why);
}

static void mangle(size_t *size)
{
	static const uint32_t values[] = { 0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffff000, 0x100000, LOW, LOW - 1, FILE_SIZE };
	static const uint16_t places[] = { 0, 64, 1024, 2048, 0x1f0 };

	for (int n = 1 + rand() % 6; n > 0; n--) {
		size_t at = places[rand() % 5] + rand() % 128;

		if (rand() % 2)
			file[at] = rand();
		else
			memcpy(file + (at & ~3UL), &values[rand() % 10], 4);
	}
	if (rand() % 8 == 0)
		*size = rand() % FILE_SIZE;
}

/* The address sanitizer is the judge: RAM ends at a page without access */
static void test_fuzz(unsigned int seed)
{
	static uint32_t *(*const multiboot[])(void) = { good_multiboot, good_flat };
	struct boot_module module[2] = { { image, "a" }, { image, "b" } };
	int accepted = 0;

	srand(seed);
	for (int i = 0; i < ROUNDS; i++) {
		size_t size = FILE_SIZE;
		struct boot_state state;

		if (i % 4 < 2)
			multiboot[i % 2]();
		else if (i % 4 == 2)
			good_pvh();
		else
			good_bzimage();
		mangle(&size);
		module[0].image.size = rand() % FILE_SIZE;
		module[1].image.size = (uint64_t)rand() << rand() % 32;
		accepted += !boot(size, module, rand() % 3, "cmdline", &state);
	}
	check_why("fuzz", accepted > ROUNDS / 50 && accepted < ROUNDS, "all or none were accepted");
}

int main(int argc, char **argv)
{
	ram = mmap(NULL, LOW + 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(ram, LOW, PROT_READ | PROT_WRITE);
	image.fd = memfd_create("kernel", 0);
	test_good();
	test_bad_elf();
	test_bad_multiboot();
	test_modules();
	test_fuzz(argc > 1 ? atoi(argv[1]) : 1);
	printf("%d passed, %d failed\n", passed, failed);
	return failed != 0;
}
