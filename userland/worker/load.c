// SPDX-License-Identifier: GPL-2.0
/* Filling the RAM of a new machine. */
#include <string.h>

#include "worker/acpi.h"
#include "worker/machine.h"
#include "worker/platform.h"

/* Where a kernel looks for them: the ACPI root pointer from 0xe0000 on, the SMBIOS entry point from 0xf0000 on */
#define ACPI_ROOM	0x10000
#define SMBIOS_ENTRY	(BOOT_BIOS + ACPI_ROOM)
#define SMBIOS_TABLES	(SMBIOS_ENTRY + 32)

size_t machine_smbios(const struct machine *m, uint8_t *out, size_t room)
{
	const struct config *c = m->config;

	return smbios_tables(&(struct smbios){
		.uuid = c->uuid, .serial = c->serial, .cpus = c->cpus, .low = m->low, .high = m->high,
		.cpu_signature = m->cpu_signature, .cpu_features = m->cpu_features,
	}, out, room);
}

static enum husk_status write_tables(struct machine *m)
{
	size_t length = machine_smbios(m, m->ram + SMBIOS_TABLES, SMBIOS_ROOM);

	smbios_entry(m->ram + SMBIOS_TABLES, length, SMBIOS_TABLES, m->ram + SMBIOS_ENTRY);
	if (!length || !acpi_build(m->ram + BOOT_BIOS, ACPI_ROOM, BOOT_BIOS, m->config->cpus, m->chipset.pci.ecam.base, NULL))
		return fail(HUSK_STATUS_FAIL, "the ACPI and SMBIOS tables do not fit");
	return HUSK_STATUS_OK;
}

static void put16(struct machine *m, uint64_t gpa, uint16_t value)
{
	memcpy(m->ram + gpa, &value, sizeof(value));
}

/* What a BIOS leaves at 0x400, of it what kernels look at: a serial port, the end of conventional memory, twice. */
static void write_bios_data(struct machine *m)
{
	put16(m, 0x400, COM1_PORT);
	put16(m, 0x40e, BOOT_EBDA >> 4);
	put16(m, 0x413, BOOT_EBDA >> 10);
	put16(m, BOOT_EBDA, 1);		/* KiB from there on */
}

static enum husk_status load_kernel(struct machine *m)
{
	const struct config *c = m->config;
	struct boot_request rq = c->boot;
	struct boot_state state;
	const char *why;

	rq.ram = m->ram;
	rq.low = m->low;
	rq.high = m->high;
	rq.rsdp = BOOT_BIOS;
	why = c->loader->load(&rq, &state);
	if (why)
		return fail(HUSK_STATUS_INPUT, "--kernel %s: %s", c->kernel.path, why);
	return vcpu_set_boot_state(&m->vcpu[0], &state);
}

enum husk_status machine_load(struct machine *m)
{
	enum husk_status status;

	if (m->firmware.rom)
		return firmware_load(m);
	pci_assign(&m->chipset.pci);
	write_bios_data(m);
	status = write_tables(m);
	return status ? status : load_kernel(m);
}
