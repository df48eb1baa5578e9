/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fw_cfg: how a firmware asks for what it needs to know (docs/specs/fw_cfg.rst of QEMU, whose
 * interface it is and whose name is the signature). Items by number, files by name. The machine's
 * lock is held around every call.
 */
#ifndef HUSK_WORKER_FW_CFG_H
#define HUSK_WORKER_FW_CFG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "worker/bus.h"

#define FW_CFG_PORT		0x510	/* 16 bits: which item; the byte behind it: data */
#define FW_CFG_DMA_PORT		0x514	/* 8 bytes, big-endian: address of a request */
#define FW_CFG_FILES		48
#define FW_CFG_NAME		56	/* with its NUL */

/* Items with numbers of their own */
#define FW_CFG_SIGNATURE	0x00
#define FW_CFG_ID		0x01
#define FW_CFG_UUID		0x02
#define FW_CFG_RAM_SIZE		0x03
#define FW_CFG_CPUS		0x05
#define FW_CFG_BOOT_MENU	0x0e
#define FW_CFG_MAX_CPUS		0x0f
#define FW_CFG_FILE_DIR		0x19
#define FW_CFG_IRQ0_OVERRIDE	0x8002
#define FW_CFG_ITEMS		12

struct fw_cfg_item {
	uint16_t key;
	const void *data;
	uint32_t size;
};

struct fw_cfg_file {
	char name[FW_CFG_NAME];
	const void *data;
	uint32_t size;
};

/**
 * struct fw_cfg_ops - what the device asks of the machine
 * @memory: bytes of guest memory, or NULL if they are not all in RAM
 * @selected: the guest is about to read a file from its beginning: its content, not
 *	its size, may be made anew. May be NULL
 */
struct fw_cfg_ops {
	uint8_t *(*memory)(void *ctx, uint64_t gpa, uint64_t length);
	void (*selected)(void *ctx, const char *name);
};

struct fw_cfg {
	const struct fw_cfg_ops *ops;
	void *ctx;
	struct bus_range ports, dma;
	struct fw_cfg_item item[FW_CFG_ITEMS];
	unsigned int items;
	struct fw_cfg_file file[FW_CFG_FILES];
	unsigned int files;
	uint8_t directory[4 + FW_CFG_FILES * 64];
	uint16_t key;			/* what is read now */
	uint32_t at;
	uint32_t dma_high;
};

void fw_cfg_init(struct fw_cfg *fw, const struct fw_cfg_ops *ops, void *ctx, struct bus *ports);
/* Without items and files, nothing selected */
void fw_cfg_reset(struct fw_cfg *fw);
/* Data stays the caller's. A file whose name is there is not added. false: too many */
bool fw_cfg_add_item(struct fw_cfg *fw, uint16_t key, const void *data, uint32_t size);
bool fw_cfg_add_file(struct fw_cfg *fw, const char *name, const void *data, uint32_t size);

#endif
