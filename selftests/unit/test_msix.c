// SPDX-License-Identifier: GPL-2.0
/* MSI-X: the table's accesses, masks by vector and by function, what is pending. */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "worker/msix.h"

#define BAR	0xc0000000ULL

static struct bus ports, memory;
static struct pci pci;
static struct pci_device dev;
static struct msix msix;
static unsigned int sent, changes;
static uint64_t last_address;
static uint32_t last_data;

static void gsi(void *ctx, unsigned int n, bool level)
{
	(void)ctx;
	(void)n;
	(void)level;
}

static void send(void *ctx, uint64_t address, uint32_t data)
{
	(void)ctx;
	sent++;
	last_address = address;
	last_data = data;
}

static void changed(void *ctx)
{
	(void)ctx;
	changes++;
}

static const struct msix_ops msix_ops = { .send = send, .changed = changed };

static void written(struct pci_device *d, unsigned int reg, unsigned int width)
{
	(void)d;
	msix_written(&msix, reg, width);
}

static const struct pci_ops ops = { .written = written };

static void config(unsigned int reg, unsigned int width, uint32_t value)
{
	bus_write(&ports, 0xcf8, 4, 0x80000800 | (reg & ~3U));
	bus_write(&ports, 0xcfc + (reg & 3), width, value);
}

static void control(uint16_t value)
{
	config(msix.cap + 2, 2, value);
}

static void set_up(void)
{
	memset(&ports, 0, sizeof(ports));
	memset(&memory, 0, sizeof(memory));
	memset(&msix, 0, sizeof(msix));
	pci_init(&pci, &(struct pci_wires){ &ports, &memory, gsi, NULL });
	pci_init_device(&dev, 0x1af4, 0x1041, 0, 1);
	dev.ops = &ops;
	msix_init(&msix, &dev, 1, 3, &msix_ops, NULL);
	pci_add(&pci, &dev, 1);
	config(PCI_BAR0 + 4, 4, BAR);
	config(PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	for (unsigned int i = 0; i < 3; i++) {
		bus_write(&memory, BAR + 16 * i, 8, 0xfee00000 + i);
		bus_write(&memory, BAR + 16 * i + 8, 4, 0x40 + i);
		bus_write(&memory, BAR + 16 * i + 12, 4, 0);
	}
	sent = changes = 0;
}

static bool pending(unsigned int i)
{
	return bus_read(&memory, BAR + MSIX_PBA, 4) >> i & 1;
}

int main(void)
{
	set_up();
	check("capability", dev.config[msix.cap] == 0x11 && pci_get16(&dev, msix.cap + 2) == 2 &&
	      pci_get32(&dev, msix.cap + 4) == 1 && pci_get32(&dev, msix.cap + 8) == (MSIX_PBA | 1));
	msix_notify(&msix, 1);
	check("off: lost", !sent && !pending(1));
	control(0x8000);
	msix_notify(&msix, 1);
	check("sent", sent == 1 && last_address == 0xfee00001 && last_data == 0x41 && changes);
	msix_notify(&msix, 3);
	msix_notify(&msix, 0xffff);
	check("no such vector", sent == 1);

	bus_write(&memory, BAR + 16 + 12, 4, 1);
	msix_notify(&msix, 1);
	check("masked", sent == 1 && pending(1) && !pending(0));
	bus_write(&memory, BAR + 16 + 8, 4, 0x99);
	bus_write(&memory, BAR + 16 + 12, 4, 0);
	check("unmasked: the new data", sent == 2 && last_data == 0x99 && !pending(1));

	control(0xc000);
	msix_notify(&msix, 2);
	check("all masked", sent == 2 && pending(2));
	control(0x8000);
	check("all unmasked", sent == 3 && last_data == 0x42);

	check("64-bit read", bus_read(&memory, BAR + 32 + 8, 8) == 0x42);
	bus_write(&memory, BAR + 2, 1, 0x55);
	bus_write(&memory, BAR + 2, 4, 0x55);
	check("odd writes", bus_read(&memory, BAR, 8) == 0xfee00000 && bus_read(&memory, BAR + 2, 2) == 0);
	bus_write(&memory, BAR + 48, 8, ~0ULL);
	bus_write(&memory, BAR + MSIX_PBA, 8, ~0ULL);
	check("beyond the table", bus_read(&memory, BAR + 48, 8) == 0 && !pending(0));
	msix_reset(&msix);
	pci_reset(&pci);
	check("reset", !msix_enabled(&msix) && !msix_open(&msix, 0));
	printf("%d passed, %d failed\n", passed, failed);
	return failed != 0;
}
