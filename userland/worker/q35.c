// SPDX-License-Identifier: GPL-2.0
/* The board's two PCI devices. */
#include <stddef.h>

#include "worker/platform.h"
#include "worker/q35.h"

#define INTEL		0x8086
#define Q35_HOST	0x29c0
#define ICH9_LPC	0x2918
#define CLASS_HOST	0x060000
#define CLASS_ISA	0x060100

/* Host bridge, 319966 chapter 5 */
#define PCIEXBAR	0x60
#define PCIEXBAR_ON	1
#define PCIEXBAR_LENGTH	6	/* 0: 256 buses, 2: 128, 4: 64 */

/* LPC bridge, 316972 chapter 13 */
#define PMBASE		0x40
#define ACPI_CNTL	0x44
#define ACPI_CNTL_ON	0x80
#define PIRQA		0x60
#define PIRQE		0x68
#define PIRQ_OFF	0x80

/* Registers that keep what is written to them: power-on value, writable bits */
struct reg {
	uint8_t at;
	uint32_t value, writable;
};

static const struct reg host_regs[] = {
	{ PCIEXBAR,	PCI_ECAM_BASE | 4 | PCIEXBAR_ON, 0xfc000007 },
	{ PCIEXBAR + 4, 0, 0x0000000f },
	{ 0x90, 0, 0x33333330 },	/* PAM0..3: the RAM below 1 MiB is always RAM */
	{ 0x94, 0, 0x00333333 },	/* PAM4..6, LAC */
	{ 0x9c, 0x00000200, 0x0000497f },	/* SMRAM 9Dh, ESMRAMC 9Eh: no SMM here */
};

static const struct reg lpc_regs[] = {
	{ PMBASE,	PM_EVENT_PORT | 1, 0 },		/* where it is, for good */
	{ ACPI_CNTL,	ACPI_CNTL_ON, 0x00000007 },
	{ PIRQA,	0x80808080, 0x8f8f8f8f },
	{ PIRQE,	0x80808080, 0x8f8f8f8f },
	{ 0x80, 0, 0x33ff0077 },	/* LPC I/O decode ranges and enables */
	{ 0xa0, 0, 0x0000ffff },	/* GEN_PMCON_1: SMI lock */
	{ 0xdc, 0, 0x0000003f },	/* BIOS_CNTL */
	{ 0xf0, 0, 0xffffc001 },	/* RCBA: the chipset's memory window, which has nothing in it */
};

static void add_regs(struct pci_device *dev, const struct reg *reg, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		pci_put32(dev, reg[i].at, reg[i].value);
		for (unsigned int b = 0; b < 4; b++)
			dev->writable[reg[i].at + b] = reg[i].writable >> 8 * b;
	}
}
#define ADD_REGS(dev, regs) add_regs(dev, regs, sizeof(regs) / sizeof((regs)[0]))

/* Anywhere below 64 GiB, as the guest likes: what is RAM stays RAM. There is one bus only. */
static void update_ecam(struct pci_device *dev)
{
	uint64_t value = pci_get32(dev, PCIEXBAR) | (uint64_t)pci_get32(dev, PCIEXBAR + 4) << 32;
	uint64_t size = 256ULL << 20 >> (value & PCIEXBAR_LENGTH) / 2;

	pci_set_ecam(dev->pci, value & PCIEXBAR_ON ? value & ~(size - 1) : 0);
}

static void host_written(struct pci_device *dev, unsigned int reg, unsigned int width)
{
	if (reg < PCIEXBAR + 8 && reg + width > PCIEXBAR)
		update_ecam(dev);
}

static const struct pci_ops host_ops = { .written = host_written, .reset = update_ecam };

/* PIRQA..D are the INTA..INTD of the bus, and so are PIRQE..H: the first that is on routes. */
static void update_routes(struct pci_device *dev)
{
	for (unsigned int i = 0; i < PCI_LINES; i++) {
		uint8_t route = dev->config[PIRQA + i];

		if (route & PIRQ_OFF)
			route = dev->config[PIRQE + i];
		pci_route(dev->pci, i, route & PIRQ_OFF ? PIRQ_OFF : route & 15);
	}
}

static void lpc_written(struct pci_device *dev, unsigned int reg, unsigned int width)
{
	if (reg < PIRQE + 4 && reg + width > PIRQA)
		update_routes(dev);
}

static const struct pci_ops lpc_ops = { .written = lpc_written, .reset = update_routes };

void q35_init(struct q35 *q35, struct pci *pci)
{
	pci_init_device(&q35->host, INTEL, Q35_HOST, CLASS_HOST, 0);
	q35->host.ops = &host_ops;
	q35->host.name = "host-bridge";
	ADD_REGS(&q35->host, host_regs);
	pci_add(pci, &q35->host, 0);

	pci_init_device(&q35->lpc, INTEL, ICH9_LPC, CLASS_ISA, 2);
	q35->lpc.ops = &lpc_ops;
	q35->lpc.name = "lpc";
	/* A bridge to ISA decodes always: PCI 3.0 6.2.2 */
	pci_put16(&q35->lpc, PCI_COMMAND, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	ADD_REGS(&q35->lpc, lpc_regs);
	pci_add(pci, &q35->lpc, Q35_LPC_SLOT);
}
