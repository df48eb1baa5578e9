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
 * Write all tables for a machine with so many vCPUs, which live at guest
 * address base (64-byte aligned), the RSDP first. Answers the bytes written,
 * 0 if they do not fit into room.
 */
size_t acpi_build(uint8_t *out, size_t room, uint64_t base, unsigned int vcpus);

#endif
