// SPDX-License-Identifier: GPL-2.0
/* fw_cfg: how a firmware asks for what it needs to know. */
#include <endian.h>
#include <string.h>

#include "worker/fw_cfg.h"

#define FILE_KEY	0x20		/* number of the first file */
#define KEY_MASK	0xbfff		/* bit 14 was for writing, once */
#define NOTHING		0xffff

#define DMA_SIGNATURE	0x51454d5520434647ULL	/* "QEMU CFG" */
#define DMA_ERROR	1U
#define DMA_READ	2U
#define DMA_SKIP	4U
#define DMA_SELECT	8U
#define DMA_WRITE	16U		/* no item can be written */

struct dma_request {			/* big-endian */
	uint32_t control, length;
	uint64_t address;
};

struct directory_entry {		/* big-endian */
	uint32_t size;
	uint16_t key, reserved;
	char name[FW_CFG_NAME];
};
_Static_assert(sizeof(struct directory_entry) == 64, "of a file directory");

static const struct fw_cfg_file *find_file(const struct fw_cfg *fw, uint16_t key)
{
	unsigned int i = key - FILE_KEY;

	return key >= FILE_KEY && i < fw->files ? &fw->file[i] : NULL;
}

static struct fw_cfg_item find(const struct fw_cfg *fw, uint16_t key)
{
	const struct fw_cfg_file *file = find_file(fw, key);

	if (file)
		return (struct fw_cfg_item){ key, file->data, file->size };
	for (unsigned int i = 0; i < fw->items; i++)
		if (fw->item[i].key == key)
			return fw->item[i];
	return (struct fw_cfg_item){ key, NULL, 0 };
}

static void select_item(struct fw_cfg *fw, uint16_t key)
{
	const struct fw_cfg_file *file;

	fw->key = key & KEY_MASK;
	fw->at = 0;
	file = find_file(fw, fw->key);
	if (file && fw->ops->selected)
		fw->ops->selected(fw->ctx, file->name);
}

/* The next bytes of the item; zeroes after its end. to: NULL to skip them */
static void take(struct fw_cfg *fw, uint8_t *to, uint32_t length)
{
	struct fw_cfg_item item = find(fw, fw->key);
	uint32_t left = item.size - fw->at, n = length < left ? length : left;

	if (to) {
		if (n)
			memcpy(to, (const uint8_t *)item.data + fw->at, n);
		memset(to + n, 0, length - n);
	}
	fw->at += n;
}

static uint64_t port_read(void *ctx, uint64_t offset, unsigned int width)
{
	struct fw_cfg *fw = ctx;
	uint8_t byte;

	if (offset != 1 || width != 1)
		return ~0ULL;
	take(fw, &byte, 1);
	return byte;
}

static void port_write(void *ctx, uint64_t offset, unsigned int width, uint64_t value)
{
	if (!offset && width == 2)
		select_item(ctx, value);
}

static uint32_t transfer(struct fw_cfg *fw, uint32_t control, uint64_t address, uint32_t length)
{
	uint8_t *to = NULL;

	if (control & DMA_SELECT)
		select_item(fw, control >> 16);
	if (control & DMA_WRITE && !(control & DMA_READ))
		return DMA_ERROR;
	if (!length || !(control & (DMA_READ | DMA_SKIP)))
		return 0;
	if (control & DMA_READ) {
		to = fw->ops->memory(fw->ctx, address, length);
		if (!to)
			return DMA_ERROR;
	}
	take(fw, to, length);
	return 0;
}

/* A request that is not in RAM is nobody's: there is no place for its error either */
static void serve_dma(struct fw_cfg *fw, uint64_t gpa)
{
	uint8_t *place = fw->ops->memory(fw->ctx, gpa, sizeof(struct dma_request));
	struct dma_request request;
	uint32_t result;

	if (!place)
		return;
	memcpy(&request, place, sizeof(request));
	result = htobe32(transfer(fw, be32toh(request.control), be64toh(request.address), be32toh(request.length)));
	memcpy(place, &result, sizeof(result));
}

static uint64_t dma_read(void *ctx, uint64_t offset, unsigned int width)
{
	uint64_t value = htobe64(DMA_SIGNATURE);

	(void)ctx;
	(void)width;
	return value >> 8 * offset;
}

/* The low half starts the request */
static void dma_write(void *ctx, uint64_t offset, unsigned int width, uint64_t value)
{
	struct fw_cfg *fw = ctx;
	uint64_t address;

	if (width != 4 || offset % 4)
		return;
	if (!offset) {
		fw->dma_high = be32toh(value);
		return;
	}
	address = (uint64_t)fw->dma_high << 32 | be32toh(value);
	fw->dma_high = 0;
	serve_dma(fw, address);
}

bool fw_cfg_add_item(struct fw_cfg *fw, uint16_t key, const void *data, uint32_t size)
{
	if (fw->items == FW_CFG_ITEMS)
		return false;
	fw->item[fw->items++] = (struct fw_cfg_item){ key, data, size };
	return true;
}

/* Entries are in the order in which the files came: firmwares search them all */
static void list_file(struct fw_cfg *fw)
{
	const struct fw_cfg_file *file = &fw->file[fw->files - 1];
	struct directory_entry entry = { htobe32(file->size), htobe16(FILE_KEY + fw->files - 1), 0, "" };
	uint32_t count = htobe32(fw->files);

	memcpy(entry.name, file->name, sizeof(entry.name));
	memcpy(fw->directory, &count, sizeof(count));
	memcpy(fw->directory + 4 + (fw->files - 1) * sizeof(entry), &entry, sizeof(entry));
}

bool fw_cfg_add_file(struct fw_cfg *fw, const char *name, const void *data, uint32_t size)
{
	struct fw_cfg_file *file = &fw->file[fw->files];

	for (unsigned int i = 0; i < fw->files; i++)
		if (!strcmp(fw->file[i].name, name))
			return true;
	if (fw->files == FW_CFG_FILES || strlen(name) >= FW_CFG_NAME)
		return false;
	fw->files++;
	memset(file->name, 0, sizeof(file->name));
	strcpy(file->name, name);
	file->data = data;
	file->size = size;
	list_file(fw);
	return true;
}

void fw_cfg_reset(struct fw_cfg *fw)
{
	static const uint32_t id = 1 | 2;	/* the plain interface, and DMA */

	fw->items = fw->files = 0;
	fw->key = NOTHING & KEY_MASK;
	fw->at = 0;
	fw->dma_high = 0;
	memset(fw->directory, 0, sizeof(fw->directory));
	fw_cfg_add_item(fw, FW_CFG_SIGNATURE, "QEMU", 4);
	fw_cfg_add_item(fw, FW_CFG_ID, &id, sizeof(id));
	fw_cfg_add_item(fw, FW_CFG_FILE_DIR, fw->directory, sizeof(fw->directory));
}

void fw_cfg_init(struct fw_cfg *fw, const struct fw_cfg_ops *ops, void *ctx, struct bus *ports)
{
	fw->ops = ops;
	fw->ctx = ctx;
	fw->ports = (struct bus_range){ FW_CFG_PORT, 2, false, port_read, port_write, fw, "fw-cfg" };
	fw->dma = (struct bus_range){ FW_CFG_DMA_PORT, 8, false, dma_read, dma_write, fw, "fw-cfg" };
	fw_cfg_reset(fw);
	bus_add(ports, &fw->ports);
	bus_add(ports, &fw->dma);
}
