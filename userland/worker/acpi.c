// SPDX-License-Identifier: GPL-2.0
/* The ACPI tables' layout: ACPI 6.4, chapter 5.2. */
#include <string.h>

#include "worker/acpi.h"
#include "worker/platform.h"

#define PACKED __attribute__((packed))

struct acpi_rsdp {
	char signature[8];
	uint8_t checksum;
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum;
	uint8_t reserved[3];
} PACKED;

_Static_assert(sizeof(struct acpi_rsdp) == ACPI_RSDP_SIZE, "RSDP of ACPI 2");

struct acpi_header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
	uint32_t oem_revision;
	char creator[4];
	uint32_t creator_revision;
} PACKED;

struct acpi_address {
	uint8_t space;		/* 1: I/O ports */
	uint8_t bits, offset;
	uint8_t access;		/* 1 byte, 2 word, 3 dword */
	uint64_t address;
} PACKED;

struct acpi_fadt {
	struct acpi_header header;
	uint32_t facs, dsdt;
	uint8_t reserved0, profile;
	uint16_t sci_irq;
	uint32_t smi_command;
	uint8_t acpi_enable, acpi_disable, s4bios, pstate;
	uint32_t pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control, pm_timer;
	uint32_t gpe0, gpe1;
	uint8_t pm1_event_len, pm1_control_len, pm2_control_len, pm_timer_len;
	uint8_t gpe0_len, gpe1_len, gpe1_base, cst;
	uint16_t c2_latency, c3_latency, flush_size, flush_stride;
	uint8_t duty_offset, duty_width, day_alarm, month_alarm, century;
	uint16_t boot_arch;
	uint8_t reserved1;
	uint32_t flags;
	struct acpi_address reset;
	uint8_t reset_value;
	uint16_t arm_boot_arch;
	uint8_t minor;
	uint64_t x_facs, x_dsdt;
	struct acpi_address x_pm1a_event, x_pm1b_event, x_pm1a_control, x_pm1b_control;
	struct acpi_address x_pm2_control, x_pm_timer, x_gpe0, x_gpe1, sleep_control, sleep_status;
	char hypervisor[8];
} PACKED;
_Static_assert(sizeof(struct acpi_fadt) == 276, "FADT of ACPI 6");

/* FADT flags, table 5.10 */
#define FADT_WBINVD		(1U << 0)
#define FADT_PROC_C1		(1U << 2)
#define FADT_NO_SLP_BUTTON	(1U << 5)
#define FADT_NO_FIX_RTC		(1U << 6)
#define FADT_TMR_VAL_EXT	(1U << 8)
#define FADT_RESET_REG_SUP	(1U << 10)
/* IA-PC boot architecture flags, table 5.11: no 8042 */
#define BOOT_LEGACY_DEVICES	(1U << 0)
#define BOOT_NO_VGA		(1U << 2)

struct acpi_facs {
	char signature[4];
	uint32_t length;
	uint32_t hardware_signature, waking_vector, global_lock, flags;
	uint64_t x_waking_vector;
	uint8_t version, reserved[31];
} PACKED;

struct acpi_madt {
	struct acpi_header header;
	uint32_t lapic_base;
	uint32_t flags;		/* 1: a pair of 8259 is there */
} PACKED;

/* PCI Firmware 3.0, 4.1.2 */
struct acpi_mcfg {
	struct acpi_header header;
	uint64_t reserved;
	uint64_t base;
	uint16_t segment;
	uint8_t first_bus, last_bus;
	uint32_t reserved1;
} PACKED;

struct madt_lapic {
	uint8_t type, length, uid, apic_id;
	uint32_t flags;
} PACKED;

struct madt_ioapic {
	uint8_t type, length, id, reserved;
	uint32_t base, first_gsi;
} PACKED;

struct madt_override {
	uint8_t type, length, bus, irq;
	uint32_t gsi;
	uint16_t flags;
} PACKED;

struct madt_lapic_nmi {
	uint8_t type, length, uid;
	uint16_t flags;
	uint8_t lint;
} PACKED;

/* Tables are laid out one after the other; the next one starts at len. */
struct builder {
	uint8_t *out;
	uint64_t base;
	size_t room, len;
	struct acpi_fixups *fixups;
};

static uint8_t checksum(const void *data, size_t n)
{
	const uint8_t *p = data;
	uint8_t sum = 0;

	while (n--)
		sum += *p++;
	return -sum;
}

/* Reserve n zeroed bytes at an aligned place; NULL if there is no room. */
static void *reserve(struct builder *b, size_t n, size_t align)
{
	size_t start = (b->len + align - 1) & ~(align - 1);

	if (start + n > b->room)
		return NULL;
	b->len = start + n;
	return memset(b->out + start, 0, n);
}

static uint64_t address_of(const struct builder *b, const void *table)
{
	return b->base + ((const uint8_t *)table - b->out);
}

/* A checksum over the bytes from start on, which at is one of */
static void set_checksum(struct builder *b, uint8_t *at, void *start, size_t length)
{
	struct acpi_fixups *f = b->fixups;

	*at = 0;
	*at = checksum(start, length);
	f->checksum[f->checksums].at = at - b->out;
	f->checksum[f->checksums].start = (uint8_t *)start - b->out;
	f->checksum[f->checksums++].length = length;
}

/* A pointer of 4 or 8 bytes to a table */
static void set_pointer(struct builder *b, void *at, size_t size, const void *table)
{
	struct acpi_fixups *f = b->fixups;
	uint64_t address = address_of(b, table);

	memcpy(at, &address, size);
	f->pointer[f->pointers].at = (uint8_t *)at - b->out;
	f->pointer[f->pointers++].size = size;
}

/* Fill in the header of a table whose content is complete. */
static void finish(struct builder *b, void *table, size_t length, const char *signature, uint8_t revision)
{
	struct acpi_header *h = table;

	memcpy(h->signature, signature, 4);
	h->length = length;
	h->revision = revision;
	memcpy(h->oem_id, "HUSK  ", 6);
	memcpy(h->oem_table_id, "HUSK    ", 8);
	h->oem_revision = 1;
	memcpy(h->creator, "HUSK", 4);
	h->creator_revision = 1;
	set_checksum(b, &h->checksum, table, length);
}

/* dsdt.asl, compiled */
extern const uint8_t _binary_dsdt_aml_start[], _binary_dsdt_aml_end[];

static struct acpi_header *build_dsdt(struct builder *b)
{
	size_t n = _binary_dsdt_aml_end - _binary_dsdt_aml_start;
	struct acpi_header *dsdt = reserve(b, n, 16);

	if (!dsdt)
		return NULL;
	memcpy(dsdt, _binary_dsdt_aml_start, n);
	finish(b, dsdt, n, "DSDT", 2);
	return dsdt;
}

static struct acpi_address port(uint16_t number, uint8_t bytes)
{
	return (struct acpi_address){
		.space = 1, .bits = bytes * 8, .access = bytes == 4 ? 3 : bytes, .address = number,
	};
}

static struct acpi_fadt *build_fadt(struct builder *b, const void *facs, const void *dsdt)
{
	struct acpi_fadt *fadt = reserve(b, sizeof(*fadt), 16);

	if (!fadt)
		return NULL;
	set_pointer(b, &fadt->facs, sizeof(fadt->facs), facs);
	set_pointer(b, &fadt->dsdt, sizeof(fadt->dsdt), dsdt);
	set_pointer(b, &fadt->x_dsdt, sizeof(fadt->x_dsdt), dsdt);
	fadt->sci_irq = PM_IRQ;
	/* No SMI command: the machine is in ACPI mode always. */
	fadt->pm1a_event = PM_EVENT_PORT;
	fadt->pm1_event_len = 4;
	fadt->x_pm1a_event = port(PM_EVENT_PORT, 4);
	fadt->x_pm1a_event.access = 2;
	fadt->pm1a_control = PM_CONTROL_PORT;
	fadt->pm1_control_len = 2;
	fadt->x_pm1a_control = port(PM_CONTROL_PORT, 2);
	fadt->pm_timer = PM_TIMER_PORT;
	fadt->pm_timer_len = 4;
	fadt->x_pm_timer = port(PM_TIMER_PORT, 4);
	fadt->c2_latency = fadt->c3_latency = 0xfff;	/* too long: neither state exists */
	fadt->century = RTC_CENTURY;
	fadt->boot_arch = BOOT_LEGACY_DEVICES | BOOT_NO_VGA;
	fadt->flags = FADT_WBINVD | FADT_PROC_C1 | FADT_NO_SLP_BUTTON | FADT_NO_FIX_RTC |
		      FADT_TMR_VAL_EXT | FADT_RESET_REG_SUP;
	fadt->reset = port(RESET_PORT, 1);
	fadt->reset_value = RESET_VALUE;
	fadt->minor = 4;
	memcpy(fadt->hypervisor, "HUSK    ", 8);
	finish(b, fadt, sizeof(*fadt), "FACP", 6);
	return fadt;
}

static struct acpi_facs *build_facs(struct builder *b)
{
	struct acpi_facs *facs = reserve(b, sizeof(*facs), 64);

	if (!facs)
		return NULL;
	memcpy(facs->signature, "FACS", 4);
	facs->length = sizeof(*facs);
	facs->version = 2;
	return facs;
}

/* Interrupt source overrides: the 8254 is on pin 2; the SCI is level, active high. */
static int add_overrides(struct builder *b)
{
	static const struct madt_override overrides[] = {
		{ 2, sizeof(overrides[0]), 0, 0, 2, 0 },
		{ 2, sizeof(overrides[0]), 0, PM_IRQ, PM_IRQ, 0xd },
	};
	void *place = reserve(b, sizeof(overrides), 1);

	if (!place)
		return -1;
	memcpy(place, overrides, sizeof(overrides));
	return 0;
}

static struct acpi_madt *build_madt(struct builder *b, unsigned int vcpus)
{
	struct acpi_madt *madt = reserve(b, sizeof(*madt), 16);
	struct madt_ioapic *ioapic;
	struct madt_lapic_nmi *nmi;

	if (!madt)
		return NULL;
	madt->lapic_base = LAPIC_BASE;
	madt->flags = 1;
	for (unsigned int i = 0; i < vcpus; i++) {
		struct madt_lapic *lapic = reserve(b, sizeof(*lapic), 1);

		if (!lapic)
			return NULL;
		*lapic = (struct madt_lapic){ 0, sizeof(*lapic), i, i, 1 };
	}
	ioapic = reserve(b, sizeof(*ioapic), 1);
	if (!ioapic || add_overrides(b))
		return NULL;
	*ioapic = (struct madt_ioapic){ 1, sizeof(*ioapic), 0, 0, IOAPIC_BASE, 0 };
	nmi = reserve(b, sizeof(*nmi), 1);
	if (!nmi)
		return NULL;
	*nmi = (struct madt_lapic_nmi){ 4, sizeof(*nmi), 0xff, 0, 1 };
	finish(b, madt, b->out + b->len - (uint8_t *)madt, "APIC", 5);
	return madt;
}

static struct acpi_mcfg *build_mcfg(struct builder *b, uint64_t ecam)
{
	struct acpi_mcfg *mcfg = reserve(b, sizeof(*mcfg), 16);

	if (!mcfg)
		return NULL;
	mcfg->base = ecam;
	mcfg->last_bus = PCI_ECAM_SIZE / 0x100000 - 1;
	finish(b, mcfg, sizeof(*mcfg), "MCFG", 1);
	return mcfg;
}

static struct acpi_header *build_xsdt(struct builder *b, const void *const *tables, size_t count)
{
	struct acpi_header *xsdt = reserve(b, sizeof(*xsdt) + count * sizeof(uint64_t), 16);

	if (!xsdt)
		return NULL;
	for (size_t i = 0; i < count; i++)
		set_pointer(b, (uint8_t *)(xsdt + 1) + i * sizeof(uint64_t), sizeof(uint64_t), tables[i]);
	finish(b, xsdt, sizeof(*xsdt) + count * sizeof(uint64_t), "XSDT", 1);
	return xsdt;
}

static void fill_rsdp(struct builder *b, struct acpi_rsdp *rsdp, const void *xsdt)
{
	memcpy(rsdp->signature, "RSD PTR ", 8);
	memcpy(rsdp->oem_id, "HUSK  ", 6);
	rsdp->revision = 2;
	rsdp->length = sizeof(*rsdp);
	set_pointer(b, &rsdp->xsdt, sizeof(rsdp->xsdt), xsdt);
	set_checksum(b, &rsdp->checksum, rsdp, 20);	/* the ACPI 1.0 part */
	set_checksum(b, &rsdp->extended_checksum, rsdp, sizeof(*rsdp));
}

size_t acpi_build(uint8_t *out, size_t room, uint64_t base, unsigned int vcpus, uint64_t ecam,
		  struct acpi_fixups *fixups)
{
	struct acpi_fixups ignored;
	struct builder b = { .out = out, .base = base, .room = room, .fixups = fixups ? fixups : &ignored };
	struct acpi_rsdp *rsdp = reserve(&b, sizeof(*rsdp), 16);
	struct acpi_facs *facs = build_facs(&b);
	struct acpi_header *dsdt, *xsdt;
	const void *tables[3];

	b.fixups->pointers = b.fixups->checksums = 0;
	dsdt = build_dsdt(&b);
	if (!rsdp || !facs || !dsdt)
		return 0;
	tables[0] = build_fadt(&b, facs, dsdt);
	tables[1] = build_madt(&b, vcpus);
	tables[2] = build_mcfg(&b, ecam);
	if (!tables[0] || !tables[1] || !tables[2])
		return 0;
	xsdt = build_xsdt(&b, tables, 3);
	if (!xsdt)
		return 0;
	fill_rsdp(&b, rsdp, xsdt);
	return b.len;
}
