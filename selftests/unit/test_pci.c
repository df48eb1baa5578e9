// SPDX-License-Identifier: GPL-2.0
/* PCI: config space by ports and by memory, BARs that move, INTx, what the board's bridges do. */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "worker/pci.h"
#include "worker/platform.h"
#include "worker/q35.h"

static struct bus ports, memory;
static struct pci pci;
static struct q35 q35;
static struct pci_device device[2];
static bool gsi_level[24];
static int written, resets;

static void gsi(void *ctx, unsigned int n, bool level)
{
	(void)ctx;
	gsi_level[n] = level;
}

static uint64_t device_read(void *ctx, uint64_t offset, unsigned int width)
{
	(void)width;
	return (uintptr_t)ctx + offset;
}

static void on_write(struct pci_device *dev, unsigned int reg, unsigned int width)
{
	(void)dev;
	(void)reg;
	written += width;
}

static void on_reset(struct pci_device *dev)
{
	(void)dev;
	resets++;
}

static const struct pci_ops ops = { .written = on_write, .reset = on_reset };

static void set_up(void)
{
	memset(&ports, 0, sizeof(ports));
	memset(&memory, 0, sizeof(memory));
	memset(gsi_level, 0, sizeof(gsi_level));
	pci_init(&pci, &(struct pci_wires){ &ports, &memory, gsi, NULL });
	q35_init(&q35, &pci);
	for (int i = 0; i < 2; i++) {
		struct bus_range io = { .size = 64, .read = device_read, .ctx = (void *)(uintptr_t)(0x100 + i) };
		struct bus_range mem = { .size = 0x4000, .read = device_read, .ctx = (void *)(uintptr_t)(0x1000000 + i) };

		pci_init_device(&device[i], 0x1af4, 0x1042 + i, 0x018000, 1);
		device[i].ops = &ops;
		device[i].config[PCI_PIN] = 1;
		pci_add_bar(&device[i], 0, PCI_BAR_IO, &io);
		pci_add_bar(&device[i], 4, PCI_BAR_MEM64, &mem);
		pci_add(&pci, &device[i], 1 + 4 * i);	/* both on the same line */
	}
	pci_reset(&pci);
}

static uint32_t cf8(unsigned int slot, unsigned int reg)
{
	return 0x80000000U | slot << 11 | (reg & ~3U);
}

static uint32_t read_config(unsigned int slot, unsigned int reg, unsigned int width)
{
	bus_write(&ports, 0xcf8, 4, cf8(slot, reg));
	return bus_read(&ports, 0xcfc + (reg & 3), width);
}

static void write_config(unsigned int slot, unsigned int reg, unsigned int width, uint32_t value)
{
	bus_write(&ports, 0xcf8, 4, cf8(slot, reg));
	bus_write(&ports, 0xcfc + (reg & 3), width, value);
}

static uint64_t ecam(unsigned int slot, unsigned int reg)
{
	return PCI_ECAM_BASE + (slot << 15) + reg;
}

static void test_config(void)
{
	set_up();
	check("identity", read_config(1, 0, 4) == 0x10421af4 && read_config(0, 0, 4) == 0x29c08086 &&
	      read_config(31, 0, 4) == 0x29188086);
	check("bytes and words", read_config(1, 2, 2) == 0x1042 && read_config(1, 3, 1) == 0x10);
	check("nobody there", read_config(2, 0, 4) == 0xffffffff);
	bus_write(&ports, 0xcf8, 4, 0x80010000U | 1 << 11);
	check("other bus", bus_read(&ports, 0xcfc, 4) == 0xffffffff);
	bus_write(&ports, 0xcf8, 4, 0x80000100U | 1 << 11);
	check("other function", bus_read(&ports, 0xcfc, 4) == 0xffffffff);
	bus_write(&ports, 0xcf8, 4, 1 << 11);
	check("not enabled", bus_read(&ports, 0xcfc, 4) == 0xffffffff);
	check("address reads back", bus_read(&ports, 0xcf8, 4) == 1 << 11);
	check("by memory", bus_read(&memory, ecam(1, 0), 4) == 0x10421af4 &&
	      bus_read(&memory, ecam(2, 0), 4) == 0xffffffff && bus_read(&memory, ecam(1, 0x100), 4) == 0);
	written = 0;
	bus_write(&memory, ecam(1, 0), 4, 0);
	check("read-only", read_config(1, 0, 4) == 0x10421af4 && written == 4);
	bus_write(&memory, ecam(1, 0xfc), 8, ~0ULL);
	check("over the edge", written == 4);
}

static void test_bars(void)
{
	set_up();
	write_config(1, PCI_BAR0, 4, ~0U);
	write_config(1, PCI_BAR0 + 16, 4, ~0U);
	write_config(1, PCI_BAR0 + 20, 4, ~0U);
	check("sizing", read_config(1, PCI_BAR0, 4) == 0xffffffc1 && read_config(1, PCI_BAR0 + 4, 4) == 0 &&
	      read_config(1, PCI_BAR0 + 16, 4) == 0xffffc004 && read_config(1, PCI_BAR0 + 20, 4) == 0xffffffff);
	write_config(1, PCI_BAR0, 4, 0xc000);
	check("not enabled, not there", bus_read(&ports, 0xc004, 4) == 0xffffffff);
	write_config(1, PCI_COMMAND, 2, PCI_COMMAND_IO);
	check("there", bus_read(&ports, 0xc004, 4) == 0x104);
	write_config(1, PCI_BAR0 + 1, 1, 0xd0);
	check("moves", bus_read(&ports, 0xc004, 4) == 0xffffffff && bus_read(&ports, 0xd004, 4) == 0x104);
	write_config(5, PCI_BAR0, 4, 0xd000);
	write_config(5, PCI_COMMAND, 2, PCI_COMMAND_IO);
	check("overlap: the first answers", bus_read(&ports, 0xd004, 4) == 0x104);
	write_config(1, PCI_COMMAND, 2, 0);
	check("overlap ends", bus_read(&ports, 0xd004, 4) == 0x105);
	write_config(5, PCI_BAR0, 4, 0x10000);
	check("beyond the ports", bus_read(&ports, 0xd004, 4) == 0xffffffff && bus_read(&ports, 4, 4) == 0xffffffff);
	write_config(1, PCI_BAR0 + 16, 4, 0xfee00000);
	write_config(1, PCI_BAR0 + 20, 4, 1);
	write_config(1, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	check("64 bits", bus_read(&memory, 0x1fee00010, 4) == 0x1000010 && bus_read(&memory, 0xfee00010, 4) == 0xffffffff);
	write_config(1, PCI_BAR0 + 16, 4, ~0U);
	write_config(1, PCI_BAR0 + 20, 4, ~0U);
	check("top of the address space", bus_read(&memory, 0xffffffffffffc000, 4) == 0xffffffff);
	resets = 0;
	pci_reset(&pci);
	check("reset", resets == 2 && bus_read(&memory, 0x1fee00010, 4) == 0xffffffff && read_config(1, 4, 2) == 0);
	pci_assign(&pci);
	check("assigned", (read_config(1, PCI_BAR0, 4) & ~1U) >= 0xc000 && (read_config(5, PCI_BAR0 + 16, 4) & ~15U) >= 0xc0000000 &&
	      (read_config(1, PCI_BAR0, 4) != read_config(5, PCI_BAR0, 4)) && read_config(1, PCI_COMMAND, 2) == 3);
}

/* Every register of every device with every byte: no more is asked than that the ranges stay ranges. */
static void test_scribble(void)
{
	uint32_t seed = 1;

	set_up();
	for (int i = 0; i < 1000000; i++) {
		seed = seed * 1664525 + 1013904223;
		write_config((uint32_t[]){ 0, 1, 5, 31 }[seed >> 30], seed >> 8 & 0xfc, 4, seed * 2654435761U);
	}
	check("scribbled on", ports.count <= 3 && memory.count <= 3);
	pci_reset(&pci);
	check("and reset", ports.count == 1 && memory.count == 1 && read_config(0, 0x60, 4) == (PCI_ECAM_BASE | 5));
}

static void test_intx(void)
{
	set_up();
	pci_set_intx(&device[0], true);
	check("level", gsi_level[17] && !gsi_level[16] && (read_config(1, PCI_STATUS, 2) & PCI_STATUS_INTX));
	pci_set_intx(&device[1], true);
	pci_set_intx(&device[0], false);
	check("shared", gsi_level[17]);
	write_config(5, PCI_COMMAND, 2, PCI_COMMAND_NO_INTX);
	check("disabled", !gsi_level[17] && (read_config(5, PCI_STATUS, 2) & PCI_STATUS_INTX));
	write_config(31, 0x61, 1, 11);
	check("routed, quiet", !gsi_level[11]);
	write_config(5, PCI_COMMAND, 2, 0);
	check("routed to the 8259", gsi_level[17] && gsi_level[11]);
	write_config(31, 0x61, 1, 10);
	check("routed elsewhere", !gsi_level[11] && gsi_level[10]);
	write_config(31, 0x60, 1, 10);
	write_config(31, 0x61, 1, 0x80);
	check("routed nowhere", !gsi_level[10]);
	pci_reset(&pci);
	check("reset", !gsi_level[17]);
}

static void test_ecam(void)
{
	set_up();
	write_config(0, 0x64, 4, 0);
	write_config(0, 0x60, 4, 0xb0000001);
	check("moved", bus_read(&memory, 0xb0000000 + (1 << 15), 4) == 0x10421af4 &&
	      bus_read(&memory, ecam(1, 0), 4) == 0xffffffff);
	write_config(0, 0x60, 4, 0xb0000000);
	check("off", bus_read(&memory, 0xb0000000 + (1 << 15), 4) == 0xffffffff);
	pci_reset(&pci);
	check("on again", bus_read(&memory, ecam(1, 0), 4) == 0x10421af4);
}

int main(void)
{
	test_config();
	test_bars();
	test_scribble();
	test_intx();
	test_ecam();
	printf("%d passed, %d failed\n", passed, failed);
	return failed != 0;
}
