/* SPDX-License-Identifier: GPL-2.0 */
/* Booting by a firmware: its ROM below 4 GiB, and what it asks for by fw_cfg. */
#ifndef HUSK_WORKER_FIRMWARE_H
#define HUSK_WORKER_FIRMWARE_H

#include "lib/status.h"
#include "worker/fw_cfg.h"
#include "worker/smbios.h"

struct machine;
struct config;
struct firmware_tables;

#define FIRMWARE_USER_FILES	16
/* A firmware puts PCI's config space where RAM would be otherwise: it knows of no machine with more */
#define FIRMWARE_LOW_MAX	0xb0000000ULL

/* A file that the user gives to the firmware */
struct firmware_file {
	char name[FW_CFG_NAME];
	const void *data;
	uint32_t size;
};

struct firmware {
	uint8_t *rom;			/* NULL: the machine boots a kernel */
	uint64_t rom_size;
	struct firmware_tables *tables;	/* what is behind the files of fw_cfg */
	struct fw_cfg fw_cfg;
	struct bus_range log_port;
	uint64_t logged;		/* bytes */
};

/* The option's check when all are known: finds the file, looks at its size */
enum husk_status firmware_check(struct config *c);
/* Map the ROM, put the devices on the bus. */
enum husk_status firmware_create(struct machine *m);
void firmware_destroy(struct machine *m);
/* What a power-on finds: the ROM's copy below 1 MiB, CMOS memory, files */
enum husk_status firmware_load(struct machine *m);

/* firmware_tables.c: what it is told, by fw_cfg and CMOS memory; the guest is about to read that file */
enum husk_status firmware_tell_init(struct machine *m);
enum husk_status firmware_tell(struct machine *m);
void firmware_selected(struct machine *m, const char *name);

#endif
