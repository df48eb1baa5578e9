/* SPDX-License-Identifier: GPL-2.0 */
/* The script by which a firmware places the ACPI tables (fw_cfg's linker/loader). Pure: bytes out. */
#ifndef HUSK_WORKER_TABLE_LOADER_H
#define HUSK_WORKER_TABLE_LOADER_H

#include <stddef.h>
#include <stdint.h>

#include "worker/acpi.h"

#define TABLE_LOADER_STEP	128	/* bytes of a command */
#define TABLE_LOADER_ROOM	((2 + 2 * ACPI_FIXUPS) * TABLE_LOADER_STEP)
#define TABLE_LOADER_RSDP	"etc/acpi/rsdp"
#define TABLE_LOADER_TABLES	"etc/acpi/tables"

/*
 * The commands for tables made with base -ACPI_RSDP_ROOM, whose first ACPI_RSDP_ROOM bytes
 * are one file and the rest another; bytes written.
 */
size_t table_loader_build(const struct acpi_fixups *fixups, uint8_t out[TABLE_LOADER_ROOM]);

#endif
