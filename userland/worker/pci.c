// SPDX-License-Identifier: GPL-2.0
/* PCI: config space, base address registers, INTx. */
#include <string.h>

#include "worker/pci.h"
#include "worker/platform.h"

#define BAR_REG(index)	(PCI_BAR0 + 4 * (index))

uint16_t pci_get16(const struct pci_device *dev, unsigned int reg)
{
	return dev->config[reg] | dev->config[reg + 1] << 8;
}

uint32_t pci_get32(const struct pci_device *dev, unsigned int reg)
{
	return pci_get16(dev, reg) | (uint32_t)pci_get16(dev, reg + 2) << 16;
}

void pci_put16(struct pci_device *dev, unsigned int reg, uint16_t value)
{
	dev->config[reg] = value;
	dev->config[reg + 1] = value >> 8;
}

void pci_put32(struct pci_device *dev, unsigned int reg, uint32_t value)
{
	pci_put16(dev, reg, value);
	pci_put16(dev, reg + 2, value >> 16);
}

/* ---- base address registers ---- */

static uint64_t bar_address(const struct pci_device *dev, unsigned int index)
{
	const struct pci_bar *bar = &dev->bar[index];
	uint64_t address = pci_get32(dev, BAR_REG(index)) & ~(bar->kind == PCI_BAR_IO ? 3ULL : 15ULL);

	if (bar->kind == PCI_BAR_MEM64)
		address |= (uint64_t)pci_get32(dev, BAR_REG(index + 1)) << 32;
	return address;
}

/* A register that was never set, or that the sizing of it has left at its top, is no address. */
static bool bar_usable(const struct pci_bar *bar, uint64_t address)
{
	uint64_t end = address + bar->range.size;

	if (bar->kind == PCI_BAR_IO)
		return address && end <= 0x10000;
	return address && end > address;
}

static void bar_place(struct pci_device *dev, unsigned int index)
{
	struct pci_bar *bar = &dev->bar[index];
	struct bus *bus = bar->kind == PCI_BAR_IO ? dev->pci->wires.ports : dev->pci->wires.memory;
	unsigned int enable = bar->kind == PCI_BAR_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
	uint64_t address = bar_address(dev, index);
	bool wanted = (pci_get16(dev, PCI_COMMAND) & enable) && bar_usable(bar, address);

	if (bar->mapped == wanted && (!wanted || address == bar->range.base))
		return;
	if (bar->mapped)
		bus_remove(bus, &bar->range);
	bar->range.base = address;
	bar->mapped = wanted && !bus_add(bus, &bar->range);
	if (dev->ops && dev->ops->moved)
		dev->ops->moved(dev);
}

static void place_bars(struct pci_device *dev)
{
	for (unsigned int i = 0; i < PCI_BARS; i++)
		if (dev->bar[i].kind != PCI_BAR_NONE)
			bar_place(dev, i);
}

void pci_add_bar(struct pci_device *dev, unsigned int index, enum pci_bar_kind kind, const struct bus_range *range)
{
	static const uint32_t type[] = { [PCI_BAR_IO] = 1, [PCI_BAR_MEM32] = 0, [PCI_BAR_MEM64] = 4 };
	uint64_t writable = ~(range->size - 1);

	dev->bar[index].kind = kind;
	dev->bar[index].range = *range;
	pci_put32(dev, BAR_REG(index), type[kind]);
	for (unsigned int i = 0; i < (kind == PCI_BAR_MEM64 ? 8 : 4); i++)
		dev->writable[BAR_REG(index) + i] = writable >> 8 * i;
	dev->writable[PCI_COMMAND] |= kind == PCI_BAR_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
}

/* ---- INTx ---- */

/* Lines of the slots are twisted: neighbours' INTA go to different inputs. */
static unsigned int line_of(const struct pci_device *dev)
{
	return dev->slot % PCI_LINES;
}

unsigned int pci_gsi(const struct pci_device *dev)
{
	return PCI_GSI + line_of(dev);
}

static bool routed_level(const struct pci *pci, uint8_t irq)
{
	bool level = false;

	for (unsigned int i = 0; i < PCI_LINES; i++)
		level |= pci->route[i] == irq && pci->asserted[i];
	return level;
}

static void drive_route(struct pci *pci, uint8_t irq)
{
	if (irq < 16)
		pci->wires.gsi(pci->wires.ctx, irq, routed_level(pci, irq));
}

static void update_intx(struct pci_device *dev)
{
	struct pci *pci = dev->pci;
	bool level = dev->intx && !(pci_get16(dev, PCI_COMMAND) & PCI_COMMAND_NO_INTX);
	unsigned int line = line_of(dev);

	if (level == dev->asserted)
		return;
	dev->asserted = level;
	pci->asserted[line] += level ? 1 : -1;
	if (pci->asserted[line] != level)
		return;		/* another device drives it as well */
	pci->wires.gsi(pci->wires.ctx, PCI_GSI + line, level);
	drive_route(pci, pci->route[line]);
}

void pci_set_intx(struct pci_device *dev, bool level)
{
	dev->intx = level;
	dev->config[PCI_STATUS] = (dev->config[PCI_STATUS] & ~PCI_STATUS_INTX) | (level ? PCI_STATUS_INTX : 0);
	update_intx(dev);
}

void pci_route(struct pci *pci, unsigned int line, uint8_t irq)
{
	uint8_t old = pci->route[line];

	if (old == irq)
		return;
	pci->route[line] = irq;
	drive_route(pci, old);
	drive_route(pci, irq);
}

/* ---- config space ---- */

static void config_write(struct pci_device *dev, unsigned int reg, unsigned int width, uint64_t value)
{
	for (unsigned int i = reg; i < reg + width; i++, value >>= 8)
		dev->config[i] = (dev->config[i] & ~dev->writable[i]) | (value & dev->writable[i]);
	if (reg < PCI_CAPS) {
		place_bars(dev);
		update_intx(dev);
	}
	if (dev->ops && dev->ops->written)
		dev->ops->written(dev, reg, width);
}

static uint64_t config_read(struct pci_device *dev, unsigned int reg, unsigned int width)
{
	uint64_t value = 0;

	if (dev->ops && dev->ops->read)
		dev->ops->read(dev, reg, width);
	for (unsigned int i = 0; i < width; i++)
		value |= (uint64_t)dev->config[reg + i] << 8 * i;
	return value;
}

/* Bus 0, function 0; NULL: nothing there */
static struct pci_device *device_at(struct pci *pci, unsigned int bdf)
{
	return bdf >> 8 || bdf & 7 ? NULL : pci->device[bdf >> 3];
}

static uint64_t space_read(struct pci *pci, unsigned int bdf, unsigned int reg, unsigned int width)
{
	struct pci_device *dev = device_at(pci, bdf);

	if (!dev)
		return ~0ULL;
	/* No extended capabilities: PCIe 3.0 7.9.1 */
	return reg + width <= PCI_CONFIG ? config_read(dev, reg, width) : 0;
}

static void space_write(struct pci *pci, unsigned int bdf, unsigned int reg, unsigned int width, uint64_t value)
{
	struct pci_device *dev = device_at(pci, bdf);

	if (dev && reg + width <= PCI_CONFIG)
		config_write(dev, reg, width, value);
}

#define ADDRESS_ENABLE	0x80000000U

static uint64_t ports_read(void *ctx, uint64_t offset, unsigned int width)
{
	struct pci *pci = ctx;

	if (offset < 4)
		return offset == 0 && width == 4 ? pci->address : ~0ULL;
	if (!(pci->address & ADDRESS_ENABLE))
		return ~0ULL;
	return space_read(pci, pci->address >> 8 & 0xffff, (pci->address & 0xfc) + (offset & 3), width);
}

static void ports_write(void *ctx, uint64_t offset, unsigned int width, uint64_t value)
{
	struct pci *pci = ctx;

	if (offset < 4) {
		if (offset == 0 && width == 4)
			pci->address = value & 0x80fffffc;
	} else if (pci->address & ADDRESS_ENABLE) {
		space_write(pci, pci->address >> 8 & 0xffff, (pci->address & 0xfc) + (offset & 3), width, value);
	}
}

/* PCIe 3.0 7.2.2: bus, device and function, register in the address */
static uint64_t ecam_read(void *ctx, uint64_t offset, unsigned int width)
{
	return space_read(ctx, offset >> 12, offset & 0xfff, width);
}

static void ecam_write(void *ctx, uint64_t offset, unsigned int width, uint64_t value)
{
	space_write(ctx, offset >> 12, offset & 0xfff, width, value);
}

void pci_set_ecam(struct pci *pci, uint64_t base)
{
	if (pci->ecam.base == base)
		return;
	if (pci->ecam.base)
		bus_remove(pci->wires.memory, &pci->ecam);
	pci->ecam.base = base;
	if (base && bus_add(pci->wires.memory, &pci->ecam) < 0)
		pci->ecam.base = 0;
}

/* ---- devices ---- */

void pci_init_device(struct pci_device *dev, uint16_t vendor, uint16_t device, uint32_t class_code, uint8_t revision)
{
	memset(dev, 0, sizeof(*dev));
	pci_put16(dev, PCI_VENDOR, vendor);
	pci_put16(dev, PCI_DEVICE, device);
	pci_put32(dev, PCI_REVISION, class_code << 8 | revision);
	pci_put16(dev, PCI_SUBVENDOR, vendor);
	dev->writable[PCI_COMMAND] = PCI_COMMAND_MASTER;
	dev->writable[PCI_COMMAND + 1] = PCI_COMMAND_NO_INTX >> 8;
	dev->writable[PCI_LINE] = 0xff;
	dev->caps_end = PCI_HEADER;
}

unsigned int pci_add_cap(struct pci_device *dev, uint8_t id, unsigned int length)
{
	unsigned int at = dev->caps_end;

	if (at + length > PCI_CONFIG)
		return 0;
	dev->config[at] = id;
	dev->config[dev->last_cap ? dev->last_cap + 1 : PCI_CAPS] = at;
	dev->config[PCI_STATUS] |= PCI_STATUS_CAPS;
	dev->last_cap = at;
	dev->caps_end = (at + length + 3) & ~3U;
	return at;
}

int pci_add(struct pci *pci, struct pci_device *dev, unsigned int slot)
{
	if (slot >= PCI_SLOTS || pci->device[slot])
		return -1;
	dev->pci = pci;
	dev->slot = slot;
	memcpy(dev->power_on, dev->config, sizeof(dev->config));
	pci->device[slot] = dev;
	return 0;
}

static void reset_device(struct pci_device *dev)
{
	memcpy(dev->config, dev->power_on, sizeof(dev->config));
	pci_set_intx(dev, false);
	place_bars(dev);
	if (dev->ops && dev->ops->reset)
		dev->ops->reset(dev);
}

void pci_reset(struct pci *pci)
{
	pci->address = 0;
	for (unsigned int i = 0; i < PCI_SLOTS; i++)
		if (pci->device[i])
			reset_device(pci->device[i]);
}

void pci_destroy(struct pci *pci)
{
	for (unsigned int i = 0; i < PCI_SLOTS; i++) {
		struct pci_device *dev = pci->device[i];

		if (!dev || !dev->ops || !dev->ops->destroy)
			continue;
		pci->device[i] = NULL;
		dev->ops->destroy(dev);
	}
}

/* Where the next BAR of a kind goes: each at a multiple of its size */
struct assign {
	uint64_t port, memory;
};

static void assign_bar(struct pci_device *dev, unsigned int index, struct assign *next)
{
	struct pci_bar *bar = &dev->bar[index];
	uint64_t *place = bar->kind == PCI_BAR_IO ? &next->port : &next->memory, at;
	uint64_t limit = bar->kind == PCI_BAR_IO ? PCI_PORTS_END : PCI_MEMORY_LAST + 1ULL;

	at = (*place + bar->range.size - 1) & ~(bar->range.size - 1);
	if (at + bar->range.size > limit)
		return;
	*place = at + bar->range.size;
	pci_put32(dev, BAR_REG(index), pci_get32(dev, BAR_REG(index)) | at);
	dev->config[PCI_COMMAND] |= bar->kind == PCI_BAR_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
}

void pci_assign(struct pci *pci)
{
	struct assign next = { PCI_PORTS_BASE, PCI_MEMORY_BASE };

	for (unsigned int slot = 0; slot < PCI_SLOTS; slot++) {
		struct pci_device *dev = pci->device[slot];

		if (!dev)
			continue;
		for (unsigned int i = 0; i < PCI_BARS; i++)
			if (dev->bar[i].kind != PCI_BAR_NONE)
				assign_bar(dev, i, &next);
		place_bars(dev);
	}
}

void pci_init(struct pci *pci, const struct pci_wires *wires)
{
	static const struct bus_range ports = {
		.base = PCI_CONFIG_PORT, .size = PCI_CONFIG_PORTS, .read = ports_read, .write = ports_write, .name = "pci",
	};
	static const struct bus_range ecam = { .size = PCI_ECAM_SIZE, .read = ecam_read, .write = ecam_write, .name = "pci-ecam" };

	memset(pci, 0, sizeof(*pci));
	pci->wires = *wires;
	memset(pci->route, 0x80, sizeof(pci->route));
	pci->config_ports = ports;
	pci->ecam = ecam;
	pci->config_ports.ctx = pci->ecam.ctx = pci;
	bus_add(wires->ports, &pci->config_ports);
}
