// SPDX-License-Identifier: GPL-2.0
/* MSI-X. */
#include <string.h>

#include "worker/msix.h"

#define CAP_ID		0x11
#define CONTROL		2	/* in the capability */
#define CONTROL_ENABLE	0x8000
#define CONTROL_MASKED	0x4000	/* all of them */
#define TABLE		4
#define PBA		8
#define ENTRY_MASKED	1

static uint16_t control(const struct msix *msix)
{
	return pci_get16(msix->dev, msix->cap + CONTROL);
}

bool msix_enabled(const struct msix *msix)
{
	return control(msix) & CONTROL_ENABLE;
}

bool msix_open(const struct msix *msix, unsigned int vector)
{
	return vector < msix->count && !(msix->entry[vector].control & ENTRY_MASKED) &&
	       (control(msix) & (CONTROL_ENABLE | CONTROL_MASKED)) == CONTROL_ENABLE;
}

void msix_notify(struct msix *msix, unsigned int vector)
{
	if (msix_open(msix, vector))
		msix->ops->send(msix->ctx, msix->entry[vector].address, msix->entry[vector].data);
	else if (vector < msix->count && msix_enabled(msix))
		msix->pending |= 1U << vector;
}

/* Something was unmasked, perhaps: send what has waited for it. */
static void changed(struct msix *msix)
{
	for (unsigned int i = 0; i < msix->count; i++)
		if ((msix->pending & 1U << i) && msix_open(msix, i)) {
			msix->pending &= ~(1U << i);
			msix_notify(msix, i);
		}
	if (msix->ops->changed)
		msix->ops->changed(msix->ctx);
}

void msix_written(struct msix *msix, unsigned int reg, unsigned int width)
{
	if (reg < msix->cap + CONTROL + 2 && reg + width > msix->cap + CONTROL)
		changed(msix);
}

/* The table's dword, or NULL if there is none at offset */
static uint32_t *dword_at(struct msix *msix, uint64_t offset)
{
	uint32_t *table = (uint32_t *)msix->entry;

	return offset / sizeof(struct msix_entry) < msix->count ? &table[offset / 4] : NULL;
}

static uint32_t read_dword(struct msix *msix, uint64_t offset)
{
	const uint32_t *dword = dword_at(msix, offset);

	if (dword)
		return *dword;
	return offset == MSIX_PBA ? msix->pending : 0;
}

/* Software shall use aligned accesses of 4 or 8 bytes (6.8.2): others read as 0 and write nothing. */
static bool access_fine(uint64_t offset, unsigned int width)
{
	return (width == 4 || width == 8) && offset % width == 0;
}

static uint64_t table_read(void *ctx, uint64_t offset, unsigned int width)
{
	uint64_t value;

	if (!access_fine(offset, width))
		return 0;
	value = read_dword(ctx, offset);
	if (width == 8)
		value |= (uint64_t)read_dword(ctx, offset + 4) << 32;
	return value;
}

static void table_write(void *ctx, uint64_t offset, unsigned int width, uint64_t value)
{
	struct msix *msix = ctx;
	uint32_t *dword;

	if (!access_fine(offset, width))
		return;
	for (unsigned int i = 0; i < width; i += 4) {
		dword = dword_at(msix, offset + i);
		if (dword)
			*dword = value >> 8 * i;
	}
	changed(msix);
}

void msix_reset(struct msix *msix)
{
	memset(msix->entry, 0, sizeof(msix->entry));
	for (unsigned int i = 0; i < MSIX_VECTORS; i++)
		msix->entry[i].control = ENTRY_MASKED;
	msix->pending = 0;
}

void msix_init(struct msix *msix, struct pci_device *dev, unsigned int bar, unsigned int vectors,
	       const struct msix_ops *ops, void *ctx)
{
	struct bus_range range = { .size = MSIX_BAR_SIZE, .read = table_read, .write = table_write, .ctx = msix };

	msix->dev = dev;
	msix->ops = ops;
	msix->ctx = ctx;
	msix->count = vectors;
	msix->cap = pci_add_cap(dev, CAP_ID, 12);
	pci_put16(dev, msix->cap + CONTROL, vectors - 1);
	pci_put32(dev, msix->cap + TABLE, bar);
	pci_put32(dev, msix->cap + PBA, MSIX_PBA | bar);
	dev->writable[msix->cap + CONTROL + 1] = (CONTROL_ENABLE | CONTROL_MASKED) >> 8;
	pci_add_bar(dev, bar, PCI_BAR_MEM32, &range);
	msix_reset(msix);
}
