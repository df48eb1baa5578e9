// SPDX-License-Identifier: GPL-2.0
/*
 * The table of ports. A port that is not in it has no device: reads are all
 * ones, writes go nowhere, and the access is counted. Ports of the interrupt
 * controllers and the 8254 never come here, the kernel has them.
 */
#include <stdlib.h>

#include "worker/ioports.h"
#include "worker/machine.h"
#include "worker/platform.h"

struct ioport_range {
	uint16_t first, last;
	/* offset from first; called once for each byte unless wide is set */
	uint32_t (*read)(struct machine *m, uint16_t offset, uint8_t width);
	void (*write)(struct machine *m, uint16_t offset, uint8_t width, uint32_t data);
	bool wide;
};

static uint32_t com1_read(struct machine *m, uint16_t offset, uint8_t width)
{
	(void)width;
	return serial_read(&m->com1, offset);
}

static void com1_write(struct machine *m, uint16_t offset, uint8_t width, uint32_t data)
{
	(void)width;
	serial_write(&m->com1, offset, data);
}

static uint32_t rtc_port_read(struct machine *m, uint16_t offset, uint8_t width)
{
	(void)width;
	return rtc_read(&m->rtc, offset);
}

static void rtc_port_write(struct machine *m, uint16_t offset, uint8_t width, uint32_t data)
{
	(void)width;
	rtc_write(&m->rtc, offset, data);
}

static uint32_t pm_port_read(struct machine *m, uint16_t offset, uint8_t width)
{
	return pm_read(&m->pm, offset, width);
}

static void pm_port_write(struct machine *m, uint16_t offset, uint8_t width, uint32_t data)
{
	if (pm_write(&m->pm, offset, width, data))
		machine_end(m, END_POWEROFF);
}

static uint32_t reset_port_read(struct machine *m, uint16_t offset, uint8_t width)
{
	(void)offset;
	(void)width;
	return m->reset_control;
}

/* Bit 2 asks for a reset, bit 1 says which kind: there is only one here. */
static void reset_port_write(struct machine *m, uint16_t offset, uint8_t width, uint32_t data)
{
	(void)offset;
	(void)width;
	m->reset_control = data & 0x0a;
	if (data & 4)
		machine_end(m, END_RESET);
}

/* There is no keyboard controller, but its reset command is known everywhere. */
static void i8042_write(struct machine *m, uint16_t offset, uint8_t width, uint32_t data)
{
	(void)offset;
	(void)width;
	if (data == 0xfe)
		machine_end(m, END_RESET);
}

/* Sorted by port */
static const struct ioport_range ranges[] = {
	{ I8042_COMMAND, I8042_COMMAND, NULL, i8042_write, false },
	{ RTC_PORT, RTC_PORT + RTC_PORTS - 1, rtc_port_read, rtc_port_write, false },
	{ COM1_PORT, COM1_PORT + COM1_PORTS - 1, com1_read, com1_write, false },
	{ PM_EVENT_PORT, PM_EVENT_PORT + PM_PORTS - 1, pm_port_read, pm_port_write, true },
	{ RESET_PORT, RESET_PORT, reset_port_read, reset_port_write, false },
};

static int compare(const void *key, const void *element)
{
	uint16_t port = *(const uint16_t *)key;
	const struct ioport_range *range = element;

	return port < range->first ? -1 : port > range->last;
}

static const struct ioport_range *find(uint16_t port)
{
	return bsearch(&port, ranges, sizeof(ranges) / sizeof(ranges[0]), sizeof(ranges[0]), compare);
}

static uint32_t read_bytes(struct machine *m, uint16_t port, uint8_t width)
{
	uint32_t data = 0;

	for (int i = 0; i < width; i++) {
		const struct ioport_range *range = find(port + i);
		uint8_t byte = 0xff;

		if (range && range->read && !range->wide)
			byte = range->read(m, port + i - range->first, 1);
		data |= (uint32_t)byte << (8 * i);
	}
	return data;
}

static void write_bytes(struct machine *m, uint16_t port, uint8_t width, uint32_t data)
{
	for (int i = 0; i < width; i++) {
		const struct ioport_range *range = find(port + i);

		if (range && range->write && !range->wide)
			range->write(m, port + i - range->first, 1, data >> (8 * i) & 0xff);
	}
}

void ioport_access(struct machine *m, uint16_t port, uint8_t width, bool write, uint32_t *data)
{
	const struct ioport_range *range = find(port);

	if (!range)
		m->unknown_ports++;
	if (range && range->wide && write)
		range->write(m, port - range->first, width, *data);
	else if (range && range->wide)
		*data = range->read(m, port - range->first, width);
	else if (write)
		write_bytes(m, port, width, *data);
	else
		*data = read_bytes(m, port, width);
}
