// SPDX-License-Identifier: GPL-2.0
/*
 * Boots a Linux kernel by libhusk, and writes what it says on its early serial console.
 *
 *	cc -o boot boot.c $(pkg-config --cflags --libs libhusk)
 *	./boot /boot/vmlinuz-$(uname -r)
 *
 * There is no disk: the kernel panics when it has no root, and resets its machine.
 */
#include <asm/bootparam.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <husk/libhusk.h>

#define MEMORY		(256UL << 20)
#define UART		0x3f8
#define UART_LCR	(UART + 3)	/* bit 7: UART's first two ports are the divisor's */
#define UART_LSR	(UART + 5)	/* 0x60: all is sent */

/* Where things are in the guest's first megabyte */
enum { TABLES = 0x1000, PARAMS = 0x4000, CMDLINE = 0x5000, GDT = 0x6000 };

static const char arguments[] = "earlyprintk=serial,ttyS0,115200,keep panic=-1 reboot=triple";

static void die(const char *what, const char *why)
{
	fprintf(stderr, "boot: %s: %s\n", what, why);
	exit(1);
}

/* Any of libhusk's functions that answer -1 with errno */
static int must(int ret, const char *what)
{
	if (ret < 0)
		die(what, strerror(errno));
	return ret;
}

/* The file is a boot sector, setup code for BIOSes and the kernel (Documentation/arch/x86/boot.rst). Answers where that is. */
static uint64_t load(uint8_t *ram, const char *path)
{
	struct boot_params *params = (void *)(ram + PARAMS);
	static uint8_t image[64 << 20];
	struct setup_header *header = (void *)(image + 0x1f1);
	FILE *file = fopen(path, "rb");
	size_t size, setup;

	if (!file)
		die(path, strerror(errno));
	size = fread(image, 1, sizeof(image), file);
	fclose(file);
	setup = ((header->setup_sects ? header->setup_sects : 4) + 1) * 512;
	if (header->header != 0x53726448 || size < setup || !(header->xloadflags & XLF_KERNEL_64))
		die(path, "not a 64-bit Linux kernel");
	if (header->pref_address < 1 << 20 || header->init_size > MEMORY || size - setup > header->init_size ||
	    header->pref_address > MEMORY - header->init_size)
		die(path, "too large for this machine");
	memcpy(ram + header->pref_address, image + setup, size - setup);
	memcpy(ram + CMDLINE, arguments, sizeof(arguments));
	memcpy(&params->hdr, header, sizeof(*header));
	params->hdr.type_of_loader = 0xff;
	params->hdr.cmd_line_ptr = CMDLINE;
	params->e820_table[params->e820_entries++] = (struct boot_e820_entry){ 0, 0x9f000, 1 };
	params->e820_table[params->e820_entries++] = (struct boot_e820_entry){ 1 << 20, MEMORY - (1 << 20), 1 };
	return header->pref_address;
}

/* The 64-bit entry: long mode, memory mapped one to one, flat segments, the parameters' address in RSI */
static void enter(int vcpu, uint8_t *ram, uint64_t entry)
{
	const struct husk_segment data = { .selector = 0x18, .limit = ~0U, .attr = 0xc93 };
	struct husk_system system = {
		.cs = { .selector = 0x10, .limit = ~0U, .attr = 0xa9b },
		.ds = data, .es = data, .ss = data, .fs = data, .gs = data,
		.tr = { .limit = 0x67, .attr = 0x8b },
		.ldtr = { .limit = 0xffff, .attr = 0x82 },
		.gdtr = { .base = GDT, .limit = 4 * 8 - 1 },
		.cr0 = 0x80000031, .cr3 = TABLES, .cr4 = 0x20, .efer = 0x500,
		.dr6 = 0xffff0ff0, .dr7 = 0x400, .xcr0 = 1,
	};
	struct husk_general general = { .rip = entry, .rflags = 2, .gpr[6] = PARAMS };
	const uint64_t gdt[] = { 0, 0, 0x00af9b000000ffff, 0x00cf93000000ffff };
	uint64_t *table = (void *)(ram + TABLES);

	memcpy(ram + GDT, gdt, sizeof(gdt));
	table[0] = (TABLES + 0x1000) | 3;
	table[512] = (TABLES + 0x2000) | 3;
	for (uint64_t i = 0; i < 512; i++)
		table[1024 + i] = i << 21 | 0x83;
	must(husk_vcpu_set(vcpu, HUSK_STATE_SYSTEM, &system), "system registers");
	must(husk_vcpu_set(vcpu, HUSK_STATE_GENERAL, &general), "general registers");
}

/* The one device: a serial port that is always ready. Elsewhere nothing answers. */
static void port(struct husk_run *run)
{
	static uint8_t lcr;

	if (!run->pio.write)
		run->pio.data = run->pio.port == UART_LSR ? 0x60U : run->pio.port == UART_LCR ? lcr : ~0U;
	else if (run->pio.port == UART_LCR)
		lcr = run->pio.data;
	else if (run->pio.port == UART && !(lcr & 0x80))
		putchar(run->pio.data & 0xff);
}

int main(int argc, char **argv)
{
	uint8_t *ram = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct husk_cpuid_entry cpuid[HUSK_CPUID_MAX];
	__u32 count = HUSK_CPUID_MAX;
	int dev = husk_open(), vm, vcpu;
	struct husk_run *run;

	if (argc != 2 || ram == MAP_FAILED)
		die("usage", "boot BZIMAGE");
	if (dev < 0)
		die(HUSK_DEVICE, husk_open_error(errno));
	vm = must(husk_vm_create(dev, "", NULL, NULL, NULL), "VM");
	must(husk_vm_set_memory(vm, 0, 0, ram, MEMORY, 0), "memory");
	must(husk_get_cpuid(dev, cpuid, &count), "CPUID");
	must(husk_vm_set_cpuid(vm, cpuid, count), "CPUID");
	vcpu = must(husk_vm_create_vcpu(vm, 0), "vCPU");
	run = husk_vcpu_map_run(vcpu);
	if (!run)
		die("run page", strerror(errno));
	enter(vcpu, ram, load(ram, argv[1]) + 0x200);
	for (;;) {
		if (husk_vcpu_run(vcpu) < 0) {
			if (errno != EINTR)
				die("run", strerror(errno));
		} else if (run->exit == HUSK_EXIT_PIO) {
			port(run);
		} else if (run->exit == HUSK_EXIT_MMIO) {
			if (!run->mmio.write)
				run->mmio.data = ~0ULL;
		} else if (run->exit == HUSK_EXIT_SHUTDOWN) {	/* a triple fault: the reset that was asked for */
			return fflush(stdout) ? 1 : 0;
		} else {
			die("the guest ended", husk_exit_name(run->exit));
		}
	}
}
