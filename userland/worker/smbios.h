/* SPDX-License-Identifier: GPL-2.0 */
/* The SMBIOS tables (DMTF DSP0134, 2.8): what a guest is told of its machine. Pure: bytes out. */
#ifndef HUSK_WORKER_SMBIOS_H
#define HUSK_WORKER_SMBIOS_H

#include <stddef.h>
#include <stdint.h>

#define SMBIOS_ENTRY_SIZE	31
#define SMBIOS_SERIAL_MAX	64
#define SMBIOS_ROOM		2048	/* enough for every machine */

/**
 * struct smbios - what varies
 * @uuid: in the order of RFC 4122
 * @serial: of the system, up to SMBIOS_SERIAL_MAX characters; "" for none
 * @cpus: number of vCPUs
 * @cpu_signature: EAX of CPUID leaf 1
 * @cpu_features: EDX of CPUID leaf 1
 * @low: bytes of RAM below 4 GiB
 * @high: bytes of RAM from 4 GiB on
 */
struct smbios {
	const uint8_t *uuid;
	const char *serial;
	unsigned int cpus;
	uint32_t cpu_signature, cpu_features;
	uint64_t low, high;
};

/* Write the tables; bytes written, 0 if they do not fit. */
size_t smbios_tables(const struct smbios *smbios, uint8_t *out, size_t room);
/* Write the entry point for tables of so many bytes at a guest address. */
void smbios_entry(const uint8_t *tables, size_t length, uint32_t address, uint8_t out[SMBIOS_ENTRY_SIZE]);

#endif
