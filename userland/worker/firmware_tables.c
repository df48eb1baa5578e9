// SPDX-License-Identifier: GPL-2.0
/* What a firmware is told: files of fw_cfg and CMOS memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/machine.h"
#include "worker/platform.h"
#include "worker/table_loader.h"

#define KIB		(1ULL << 10)
#define MIB		(1ULL << 20)
#define ACPI_ROOM	(32 * KIB)
#define ORDER_LINE	48		/* bytes of a line of the boot order, at most */

/* CMOS memory, as SeaBIOS reads it; sizes are little-endian */
enum { CMOS_LOW = 0x15, CMOS_EXTENDED = 0x17, CMOS_EXTENDED2 = 0x30, CMOS_ABOVE_16M = 0x34, CMOS_ORDER = 0x3d,
       CMOS_ABOVE_4G = 0x5b, CMOS_CPUS = 0x5f };
#define ORDER_DISK_CD	0x32

/* Guests of the firmware are told the same as those of direct boots: one generator for each table */
struct firmware_tables {
	uint8_t acpi[ACPI_ROOM];
	size_t acpi_size;
	uint8_t loader[TABLE_LOADER_ROOM];
	size_t loader_size;
	uint8_t smbios[SMBIOS_ROOM];
	size_t smbios_size;
	uint8_t smbios_entry[SMBIOS_ENTRY_SIZE];
	struct { uint64_t addr, size; uint32_t type; } __attribute__((packed)) e820[2];
	uint64_t ram_size, serial_console;
	uint16_t cpus;
	uint32_t boot_fail_wait;
	char order[MACHINE_VIRTIO * ORDER_LINE];
	size_t order_size;
	uint8_t irq0_override;
};

static bool build_acpi(struct machine *m)
{
	struct firmware_tables *t = m->firmware.tables;
	struct acpi_fixups fixups;

	t->acpi_size = acpi_build(t->acpi, sizeof(t->acpi), -(uint64_t)ACPI_RSDP_ROOM, m->config->cpus,
				  m->chipset.pci.ecam.base, &fixups);
	t->loader_size = table_loader_build(&fixups, t->loader);
	return t->acpi_size;
}

/* The firmware has placed PCI's config space by now */
void firmware_selected(struct machine *m, const char *name)
{
	if (!strcmp(name, TABLE_LOADER_TABLES))
		build_acpi(m);
}

static void put_cmos(struct machine *m, uint8_t index, uint64_t value, unsigned int bytes)
{
	for (unsigned int i = 0; i < bytes; i++)
		m->chipset.rtc.ram[index + i] = value >> 8 * i;
}

static void fill_cmos(struct machine *m)
{
	uint64_t extended = (m->low - MIB) / KIB;

	if (extended > 0xffff)
		extended = 0xffff;
	put_cmos(m, CMOS_LOW, 640, 2);
	put_cmos(m, CMOS_EXTENDED, extended, 2);
	put_cmos(m, CMOS_EXTENDED2, extended, 2);
	put_cmos(m, CMOS_ABOVE_16M, m->low > 16 * MIB ? (m->low - 16 * MIB) / (64 * KIB) : 0, 2);
	put_cmos(m, CMOS_ABOVE_4G, m->high / (64 * KIB), 3);
	put_cmos(m, CMOS_ORDER, ORDER_DISK_CD, 1);
	put_cmos(m, CMOS_CPUS, m->config->cpus - 1, 1);
}

/* The disks in their order, which is that of their slots, as paths of Open Firmware */
static void fill_boot_order(struct machine *m)
{
	struct firmware_tables *t = m->firmware.tables;
	size_t n = 0;

	for (unsigned int i = 0; i < PCI_SLOTS; i++) {
		const struct pci_device *dev = m->chipset.pci.device[i];

		if (dev && dev->boot_disk)
			n += snprintf(t->order + n, ORDER_LINE, "%s/pci@i0cf8/scsi@%x/%s", n ? "\n" : "", dev->slot, dev->boot_disk);
	}
	t->order_size = n ? n + 1 : 0;		/* with its NUL */
}

static void fill_tables(struct machine *m)
{
	struct firmware_tables *t = m->firmware.tables;

	t->smbios_size = machine_smbios(m, t->smbios, sizeof(t->smbios));
	smbios_entry(t->smbios, t->smbios_size, 0, t->smbios_entry);
	t->e820[0].size = m->low;
	t->e820[1].addr = RAM_HIGH_BASE;
	t->e820[1].size = m->high;
	t->e820[0].type = t->e820[1].type = BOOT_E820_RAM;
	t->ram_size = m->low + m->high;
	t->serial_console = COM1_PORT;
	t->cpus = m->config->cpus;
	t->boot_fail_wait = ~0U;	/* for ever: nothing becomes bootable by waiting */
	fill_boot_order(m);
	t->irq0_override = 1;		/* the 8254 is on pin 2 of the IOAPIC */
}

/* What the user gave comes first, and takes the place of ours */
static bool add_files(struct machine *m)
{
	const struct firmware_tables *t = m->firmware.tables;
	const struct config *c = m->config;
	struct fw_cfg *fw = &m->firmware.fw_cfg;
	bool good = true;

	for (unsigned int i = 0; i < c->firmware_files; i++)
		good &= fw_cfg_add_file(fw, c->firmware_file[i].name, c->firmware_file[i].data, c->firmware_file[i].size);
	good &= fw_cfg_add_item(fw, FW_CFG_UUID, c->uuid, sizeof(c->uuid)) &&
		fw_cfg_add_item(fw, FW_CFG_RAM_SIZE, &t->ram_size, sizeof(t->ram_size)) &&
		fw_cfg_add_item(fw, FW_CFG_CPUS, &t->cpus, sizeof(t->cpus)) &&
		fw_cfg_add_item(fw, FW_CFG_MAX_CPUS, &t->cpus, sizeof(t->cpus)) &&
		fw_cfg_add_item(fw, FW_CFG_IRQ0_OVERRIDE, &t->irq0_override, 1);
	return good && fw_cfg_add_file(fw, "etc/e820", t->e820, m->high ? 2 * sizeof(t->e820[0]) : sizeof(t->e820[0])) &&
	       fw_cfg_add_file(fw, TABLE_LOADER_RSDP, t->acpi, ACPI_RSDP_SIZE) &&
	       fw_cfg_add_file(fw, TABLE_LOADER_TABLES, t->acpi + ACPI_RSDP_ROOM, t->acpi_size - ACPI_RSDP_ROOM) &&
	       fw_cfg_add_file(fw, "etc/table-loader", t->loader, t->loader_size) &&
	       fw_cfg_add_file(fw, "etc/smbios/smbios-anchor", t->smbios_entry, sizeof(t->smbios_entry)) &&
	       fw_cfg_add_file(fw, "etc/smbios/smbios-tables", t->smbios, t->smbios_size) &&
	       fw_cfg_add_file(fw, "etc/sercon-port", &t->serial_console, sizeof(t->serial_console)) &&
	       (!t->order_size || fw_cfg_add_file(fw, "bootorder", t->order, t->order_size)) &&
	       fw_cfg_add_file(fw, "etc/boot-fail-wait", &t->boot_fail_wait, sizeof(t->boot_fail_wait));
}

enum husk_status firmware_tell(struct machine *m)
{
	struct firmware *f = &m->firmware;

	fill_cmos(m);
	fill_tables(m);
	fw_cfg_reset(&f->fw_cfg);
	if (!build_acpi(m) || !f->tables->smbios_size || !add_files(m))
		return fail(HUSK_STATUS_FAIL, "the firmware's tables do not fit");
	return HUSK_STATUS_OK;
}

enum husk_status firmware_tell_init(struct machine *m)
{
	m->firmware.tables = calloc(1, sizeof(*m->firmware.tables));
	return m->firmware.tables ? HUSK_STATUS_OK : fail(HUSK_STATUS_FAIL, "out of memory");
}
