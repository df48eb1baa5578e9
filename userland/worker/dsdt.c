// SPDX-License-Identifier: GPL-2.0
/* The DSDT: AML (ACPI 6.4 chapter 20) of the soft-off state and the devices. */
#include <string.h>

#include "worker/acpi.h"
#include "worker/platform.h"

struct aml {
	uint8_t *out;
	size_t room, len;	/* len > room: it did not fit */
};

static void put(struct aml *a, const void *data, size_t n)
{
	if (a->len + n <= a->room)
		memcpy(a->out + a->len, data, n);
	a->len += n;
}

static void put_byte(struct aml *a, uint8_t byte)
{
	put(a, &byte, 1);
}

/*
 * A package: opcode, PkgLength, content. The length counts itself and is
 * always written in its two-byte form (20.2.4), so up to 4095 bytes.
 */
static size_t open_package(struct aml *a)
{
	size_t start = a->len;

	put(a, "\0\0", 2);
	return start;
}

static void close_package(struct aml *a, size_t start)
{
	size_t n = a->len - start;

	if (a->len > a->room)
		return;
	a->out[start] = 0x40 | (n & 0xf);
	a->out[start + 1] = n >> 4;
}

static void put_name(struct aml *a, const char *name)
{
	put_byte(a, 0x08);		/* NameOp */
	put(a, name, 4);
}

static void put_integer(struct aml *a, uint32_t value)
{
	if (value < 2) {
		put_byte(a, value);	/* ZeroOp, OneOp */
	} else if (value < 0x100) {
		put_byte(a, 0x0a);	/* BytePrefix */
		put_byte(a, value);
	} else {
		put_byte(a, 0x0c);	/* DWordPrefix */
		put(a, &value, 4);
	}
}

/* \_S5: what to write to SLP_TYP for soft off */
static void put_s5(struct aml *a)
{
	size_t package;

	put_name(a, "_S5_");
	put_byte(a, 0x12);		/* PackageOp */
	package = open_package(a);
	put_byte(a, 4);
	put_integer(a, PM_SLP_TYP_S5);
	put_integer(a, PM_SLP_TYP_S5);
	put_integer(a, 0);
	put_integer(a, 0);
	close_package(a, package);
}

struct isa_device {
	const char *name;
	uint8_t hid[4];			/* compressed EISA id, 19.3.4 */
	uint16_t port;
	uint8_t ports, irq;
};

/* Resource descriptors: 6.4.2.5 I/O port, 6.4.2.1 IRQ, 6.4.2.9 end tag */
static void put_crs(struct aml *a, const struct isa_device *dev)
{
	const uint8_t crs[] = {
		0x47, 0x01, dev->port & 0xff, dev->port >> 8, dev->port & 0xff, dev->port >> 8,
		0x01, dev->ports,
		0x22, (1U << dev->irq) & 0xff, (1U << dev->irq) >> 8,
		0x79, 0x00,
	};
	size_t buffer;

	put_name(a, "_CRS");
	put_byte(a, 0x11);		/* BufferOp */
	buffer = open_package(a);
	put_integer(a, sizeof(crs));
	put(a, crs, sizeof(crs));
	close_package(a, buffer);
}

static void put_device(struct aml *a, const struct isa_device *dev)
{
	size_t body;

	put(a, "\x5b\x82", 2);		/* DeviceOp */
	body = open_package(a);
	put(a, dev->name, 4);
	put_name(a, "_HID");
	put_byte(a, 0x0c);
	put(a, dev->hid, 4);
	put_name(a, "_UID");
	put_integer(a, 0);
	put_crs(a, dev);
	close_package(a, body);
}

size_t acpi_dsdt(uint8_t *out, size_t room)
{
	static const struct isa_device devices[] = {
		{ "COM1", { 0x41, 0xd0, 0x05, 0x01 }, COM1_PORT, COM1_PORTS, COM1_IRQ },
		{ "RTC0", { 0x41, 0xd0, 0x0b, 0x00 }, RTC_PORT, RTC_PORTS, RTC_IRQ },
	};
	struct aml a = { .out = out, .room = room };
	size_t scope;

	put_s5(&a);
	put_byte(&a, 0x10);		/* ScopeOp */
	scope = open_package(&a);
	put(&a, "\\_SB_", 5);
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++)
		put_device(&a, &devices[i]);
	close_package(&a, scope);
	return a.len <= room ? a.len : 0;
}
