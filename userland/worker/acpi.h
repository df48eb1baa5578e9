/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ACPI tables: RSDP, XSDT, FADT, FACS, MADT, MCFG, DSDT (dsdt.asl). Only what exists is
 * described. Pure: bytes out.
 */
#ifndef HUSK_WORKER_ACPI_H
#define HUSK_WORKER_ACPI_H

#include <stddef.h>
#include <stdint.h>

/*
 * What depends on where the tables come to be: for a firmware, which places them. Offsets
 * are from the first table, the RSDP.
 */
#define ACPI_FIXUPS	16
struct acpi_fixups {
	unsigned int pointers, checksums;
	struct { uint32_t at, size; } pointer[ACPI_FIXUPS];
	struct { uint32_t at, start, length; } checksum[ACPI_FIXUPS];
};

/* Bytes of the RSDP; and with what is between it and the next table */
#define ACPI_RSDP_SIZE	36
#define ACPI_RSDP_ROOM	64

/*
 * Write all tables for a machine with so many vCPUs, which live at guest
 * address base (64-byte aligned), the RSDP first. Config space of PCI is at
 * address ecam. fixups: NULL if nobody asks. Answers the bytes written, 0 if they
 * do not fit into room.
 */
size_t acpi_build(uint8_t *out, size_t room, uint64_t base, unsigned int vcpus, uint64_t ecam,
		  struct acpi_fixups *fixups);

#endif
