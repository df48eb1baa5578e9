// SPDX-License-Identifier: GPL-2.0
/*
 * A guest that does harm, as far as it can: random values into every register of
 * every device, rings and descriptors of all kinds of wrong. A multiboot image; its
 * command line:
 *
 *	seed=N		same seed, same run (but for interrupts)
 *	ops=N		so many operations, then the end by port 0xf4, value 0
 *	end		may also reset or power off, and may let devices write anywhere
 *
 * It says "fuzz: seed N" and "fuzz: end" on the serial port.
 */
#include <stdbool.h>
#include <stdint.h>

#include "fuzz.h"

#define COM1		0x3f8
#define PIC1		0x20
#define PIC2		0xa0
#define APIC		0xfee00000
#define DEBUG_EXIT	0xf4
#define STORM		16		/* interrupts in one operation */

static struct {
	uint64_t seed;
	uint32_t ops, faults, interrupts, storm;
} fuzz;

/* ---- console ---- */

static void say(const char *text)
{
	for (; *text; text++)
		outb(COM1, *text);
}

static void say_number(uint32_t n)
{
	char digits[12], *p = digits + 11;

	*p = 0;
	do
		*--p = '0' + n % 10;
	while (n /= 10);
	say(p);
}

/* ---- faults and interrupts ---- */

void fuzz_fault(void)
{
	fuzz.faults++;
}

/* true: enough of them in this operation, a line that nobody lowers */
bool fuzz_interrupt(uint32_t vector)
{
	fuzz.interrupts++;
	if (chance(90)) {
		outb(PIC1, 0x20);
		outb(PIC2, 0x20);
		/* x2APIC mode faults on the page: try() of the operation would be lost */
		if (rdmsr(0x1b) & 0x400)
			wrmsr(0x80b, 0);
		else
			write32(APIC + 0xb0, 0);
	}
	(void)vector;
	return ++fuzz.storm > STORM;
}

static void set_gates(void)
{
	static struct { uint16_t low, selector, type, high; } idt[256];
	static struct { uint16_t limit; uint32_t base; } __attribute__((packed)) idtr;

	for (unsigned int i = 0; i < 256; i++) {
		uint32_t at = (uint32_t)isr_table + 32 * i;

		idt[i].low = at;
		idt[i].selector = 8;
		idt[i].type = 0x8e00;
		idt[i].high = at >> 16;
	}
	idtr.limit = sizeof(idt) - 1;
	idtr.base = (uint32_t)idt;
	asm volatile("lidt %0" : : "m"(idtr));
}

/* ---- ports ---- */

/* first, count; twice: more often */
static const struct { uint16_t base, count; } ports[] = {
	{ 0x20, 2 }, { 0xa0, 2 }, { 0x4d0, 2 }, { 0x40, 4 }, { 0x61, 1 }, { 0x70, 2 }, { 0x3f8, 8 }, { 0x60, 1 },
	{ 0x92, 1 }, { 0xb2, 2 }, { 0x402, 1 }, { 0x510, 12 }, { 0x600, 16 }, { 0xcf8, 8 }, { 0xe0, 8 }, { 0x2000, 24 },
	{ 0x20, 2 }, { 0x40, 4 }, { 0xcf8, 8 }, { 0xc000, 0x400 }, { 0, 0xffff },
};

/* What ends the run */
static bool ends(uint16_t port, uint32_t v)
{
	if (port >= DEBUG_EXIT - 3 && port <= DEBUG_EXIT)
		return true;
	if (fuzz_random.end)
		return false;
	return (port >= 0x600 && port < 0x608) || (port >= 0xcf6 && port <= 0xcf9) || (port >= 0x61 && port <= 0x64) || port == 0x92;
	(void)v;
}

static void op_port(void)
{
	unsigned int i = below(sizeof(ports) / sizeof(*ports));
	uint16_t port = ports[i].base + below(ports[i].count);
	uint32_t v = value();

	if (ends(port, v))
		return;
	switch (below(8)) {
	case 0: outb(port, v); break;
	case 1: outw(port, v); break;
	case 2: outl(port, v); break;
	case 3: inb(port); break;
	case 4: inw(port); break;
	case 5: inl(port); break;
	case 6: outs(port, dma(), below(600), below(3)); break;
	case 7: ins(port, RING_BASE + below(RING_SIZE - 4096), below(600), below(3)); break;
	}
}

/* ---- memory of devices ---- */

static const struct { uint32_t base, size; } windows[] = {
	{ 0xfee00000, 0x400 }, { 0xfee00000, 0x1000 }, { 0xfec00000, 0x40 }, { 0xfec00000, 0x1000 }, { 0xe0000000, 0x100000 },
	{ 0xe00f8000, 0x100 }, { 0xc0000000, 0x100000 }, { 0xff000000, 0x10000 }, { 0xfffc0000, 0x40000 }, { 0xa0000, 0x60000 },
	{ 0xc0000000, 0x3fff0000 },
};

static void op_memory(void)
{
	unsigned int i = below(sizeof(windows) / sizeof(*windows));
	uint32_t at = windows[i].base + below(windows[i].size), v = value();

	if (chance(80))
		at &= ~3U;
	switch (below(8)) {
	case 0: write8(at, v); break;
	case 1: write16(at, v); break;
	case 2: case 3: case 4: write32(at, v); break;
	case 5: read8(at); break;
	case 6: read32(at); break;
	case 7: asm volatile("orl %1, %0" : "+m"(*(uint32_t *)at) : "r"(v)); break;
	}
}

/* ---- the IOAPIC by its index, the APIC by its MSRs ---- */

static void op_ioapic(void)
{
	uint32_t v = value();

	/* An INIT ends the run */
	if ((v & 0x700) == 0x500 && !chance(5))
		v &= ~0x100U;
	write32(0xfec00000, below(0x42));
	if (chance(70))
		write32(0xfec00010, v);
	else
		read32(0xfec00010);
}

static void op_apic(void)
{
	/* vectors, destinations, shorthands: but INIT to itself is the end of the run */
	uint32_t low = value() & 0xfffff;

	if ((low & 0x700) == 0x500 || (low & 0x700) == 0x600)
		low &= ~0x400U;
	if (rdmsr(0x1b) & 0x400) {
		if (chance(30))
			wrmsr64(0x830, low, value());
		else
			wrmsr64(0x800 + below(0x40), value(), chance(5) ? value() : 0);
	} else {
		write32(APIC + 0x310, value());
		write32(APIC + 0x300, low);
	}
}

static void op_msr(void)
{
	static const uint32_t msrs[] = {
		0x10, 0x1b, 0x3a, 0x3b, 0x8b, 0xfe, 0x174, 0x175, 0x176, 0x179, 0x17a, 0x1a0, 0x1d9, 0x200, 0x201, 0x250, 0x277, 0x2ff, 0x6e0,
		0x11, 0x12, 0x4b564d00, 0x4b564d01, 0x4b564d02, 0x4b564d03, 0x4b564d04, 0x4b564d05, 0x4b564d06, 0x4b564d07,
		0x40000000, 0x40000001, 0xc0000080, 0xc0000081, 0xc0000100, 0xc0000102, 0xc0000103, 0xc0010015, 0xc0010117,
	};
	uint32_t msr = chance(80) ? msrs[below(sizeof(msrs) / sizeof(*msrs))] : value();

	if (chance(50))
		rdmsr(msr);
	else if (msr >= 0x4b564d00 && msr <= 0x4b564d07 && chance(60))
		wrmsr64(msr, dma() | 1, 0);
	else
		wrmsr64(msr, value(), chance(20) ? value() : 0);
}

static void op_hypercall(void)
{
	hypercall(below(16), value(), value(), value());
}

static void op_interrupts(void)
{
	interrupts();
}

static const struct { void (*run)(void); uint32_t weight; } ops[] = {
	{ op_port, 25 }, { op_memory, 20 }, { op_ioapic, 6 }, { op_apic, 8 }, { op_msr, 6 }, { op_hypercall, 2 }, { op_interrupts, 8 },
	{ fuzz_pci, 10 }, { fuzz_virtio, 30 }, { fuzz_fw_cfg, 3 }, { fuzz_pvscsi, 12 },
};

static unsigned int pick(void)
{
	uint32_t total = 0, n;
	unsigned int i;

	for (i = 0; i < sizeof(ops) / sizeof(*ops); i++)
		total += ops[i].weight;
	n = below(total);
	for (i = 0; n >= ops[i].weight; i++)
		n -= ops[i].weight;
	return i;
}

static void operation(void)
{
	fuzz.storm = 0;
	if (!try())
		ops[pick()].run();
}

/* ---- command line ---- */

static const char *option(const char *line, const char *name)
{
	for (const char *p = line; *p; p++) {
		unsigned int i = 0;

		while (name[i] && p[i] == name[i])
			i++;
		if (!name[i] && (p == line || p[-1] == ' '))
			return p + i;
	}
	return NULL;
}

static uint32_t number(const char *text, uint32_t otherwise)
{
	uint32_t n = 0;

	if (!text)
		return otherwise;
	for (; *text >= '0' && *text <= '9'; text++)
		n = n * 10 + *text - '0';
	return n;
}

void fuzz_main(uint32_t magic, const uint32_t *info)
{
	const char *line = magic == 0x2badb002 && info[0] & 4 ? (const char *)info[4] : "";

	fuzz.seed = number(option(line, "seed="), 1);
	fuzz.ops = number(option(line, "ops="), 10000);
	fuzz_random.end = option(line, "end");
	fuzz_random.state = fuzz.seed * 0x9e3779b97f4a7c15ULL + 1;
	set_gates();
	say("fuzz: seed ");
	say_number(fuzz.seed);
	say("\r\n");
	if (!try())
		fuzz_find_devices();
	for (uint32_t i = 0; i < fuzz.ops; i++)
		operation();
	asm volatile("cli");
	outb(COM1 + 3, 3);
	outb(COM1 + 4, 0);
	say("\r\nfuzz: end, faults ");
	say_number(fuzz.faults);
	say(", interrupts ");
	say_number(fuzz.interrupts);
	say("\r\n");
	outl(DEBUG_EXIT, 0);
}
