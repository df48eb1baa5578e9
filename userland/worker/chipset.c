// SPDX-License-Identifier: GPL-2.0
/* The devices that every machine has: their ports and interrupts. */
#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "worker/machine.h"
#include "worker/platform.h"

static uint64_t com1_read(void *ctx, uint64_t offset, unsigned int width)
{
	struct machine *m = ctx;

	(void)width;
	return serial_read(&m->chipset.com1, offset);
}

static void com1_write(void *ctx, uint64_t offset, unsigned int width, uint64_t value)
{
	struct machine *m = ctx;

	(void)width;
	serial_write(&m->chipset.com1, offset, value);
}

static uint64_t rtc_port_read(void *ctx, uint64_t offset, unsigned int width)
{
	struct machine *m = ctx;

	(void)width;
	return rtc_read(&m->chipset.rtc, offset);
}

static void rtc_port_write(void *ctx, uint64_t offset, unsigned int width, uint64_t value)
{
	struct machine *m = ctx;

	(void)width;
	rtc_write(&m->chipset.rtc, offset, value);
}

static uint64_t pm_port_read(void *ctx, uint64_t offset, unsigned int width)
{
	struct machine *m = ctx;

	return pm_read(&m->chipset.pm, offset, width);
}

static void pm_port_write(void *ctx, uint64_t offset, unsigned int width, uint64_t value)
{
	struct machine *m = ctx;

	if (pm_write(&m->chipset.pm, offset, width, value))
		machine_end(m, END_POWEROFF);
}

static uint64_t reset_port_read(void *ctx, uint64_t offset, unsigned int width)
{
	struct machine *m = ctx;

	(void)offset;
	(void)width;
	return m->chipset.reset_control;
}

/* Bit 2 asks for a reset, bit 1 says which kind: there is only one here. */
static void reset_port_write(void *ctx, uint64_t offset, unsigned int width, uint64_t value)
{
	struct machine *m = ctx;

	(void)offset;
	(void)width;
	m->chipset.reset_control = value & 0x0a;
	if (value & 4)
		machine_end(m, END_RESET);
}

/* System control port A: bit 0 resets, bit 1 is the A20 gate, which stays open. */
static uint64_t port_a_read(void *ctx, uint64_t offset, unsigned int width)
{
	struct machine *m = ctx;

	(void)offset;
	(void)width;
	return m->chipset.port_a;
}

static void port_a_write(void *ctx, uint64_t offset, unsigned int width, uint64_t value)
{
	struct machine *m = ctx;

	(void)offset;
	(void)width;
	m->chipset.port_a = value & ~1;
	if (value & 1)
		machine_end(m, END_RESET);
}

/* There is no keyboard controller, but its reset command is known everywhere. */
static void i8042_write(void *ctx, uint64_t offset, unsigned int width, uint64_t value)
{
	(void)offset;
	(void)width;
	if (value == 0xfe)
		machine_end(ctx, END_RESET);
}

static const struct bus_range ports[] = {
	{ I8042_COMMAND, 1, true, NULL, i8042_write, NULL, NULL },
	{ CONTROL_A_PORT, 1, true, port_a_read, port_a_write, NULL, NULL },
	{ RTC_PORT, RTC_PORTS, true, rtc_port_read, rtc_port_write, NULL, "rtc" },
	{ COM1_PORT, COM1_PORTS, true, com1_read, com1_write, NULL, "serial" },
	{ PM_EVENT_PORT, PM_PORTS, false, pm_port_read, pm_port_write, NULL, "acpi-pm" },
	{ RESET_PORT, 1, true, reset_port_read, reset_port_write, NULL, "reset" },
};
_Static_assert(sizeof(ports) == sizeof(((struct chipset *)0)->ports), "one for each");

static void com1_out(void *ctx, uint8_t byte)
{
	struct machine *m = ctx;

	console_write(m->console, &byte, 1);
}

static void com1_irq(void *ctx, bool level)
{
	struct machine *m = ctx;

	husk_vm_irq_line(m->vm, COM1_IRQ, level);
}

static void com1_hungry(void *ctx)
{
	struct machine *m = ctx;

	console_wake(m->console);
}

static void pm_irq(void *ctx, bool level)
{
	struct machine *m = ctx;

	husk_vm_irq_line(m->vm, PM_IRQ, level);
}

static int64_t clock_ns(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static int64_t rtc_realtime(void *ctx)
{
	(void)ctx;
	return clock_ns(CLOCK_REALTIME);
}

static int64_t rtc_monotonic(void *ctx)
{
	(void)ctx;
	return clock_ns(CLOCK_MONOTONIC);
}

static void rtc_irq(void *ctx, bool level)
{
	struct machine *m = ctx;

	husk_vm_irq_line(m->vm, RTC_IRQ, level);
}

static void rtc_set_timer(void *ctx, int64_t delay)
{
	struct machine *m = ctx;
	struct itimerspec when = {
		.it_value = { .tv_sec = delay / 1000000000, .tv_nsec = delay % 1000000000 },
	};

	/* A guest that asks for no interrupt writes registers often, too. */
	if (delay || m->chipset.rtc_timer_set)
		timerfd_settime(m->chipset.rtc_timer.fd, 0, &when, NULL);
	m->chipset.rtc_timer_set = delay;
}

static void rtc_timer_ready(void *ctx, uint32_t events)
{
	struct machine *m = ctx;
	uint64_t count;

	(void)events;
	/* It may have been set anew since it was ready. */
	if (read(m->chipset.rtc_timer.fd, &count, sizeof(count)) == sizeof(count))
		rtc_timer(&m->chipset.rtc);
}

static const struct rtc_ops rtc_ops = {
	.realtime = rtc_realtime, .monotonic = rtc_monotonic, .irq = rtc_irq, .timer = rtc_set_timer,
};

static void pci_irq(void *ctx, unsigned int gsi, bool level)
{
	struct machine *m = ctx;

	husk_vm_irq_line(m->vm, gsi, level);
}

static const struct serial_ops com1_ops = {
	.out = com1_out, .irq = com1_irq, .hungry = com1_hungry,
};

void chipset_reset(struct machine *m)
{
	serial_init(&m->chipset.com1, &com1_ops, m);
	pm_init(&m->chipset.pm, pm_irq, m);
	rtc_init(&m->chipset.rtc, &rtc_ops, m);
	m->chipset.reset_control = 0;
	m->chipset.port_a = CONTROL_A20;
	pci_reset(&m->chipset.pci);
}

enum husk_status chipset_init(struct machine *m)
{
	m->chipset.rtc_timer = (struct watch){
		.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
		.events = EPOLLIN, .ready = rtc_timer_ready, .ctx = m,
	};
	if (m->chipset.rtc_timer.fd < 0 || loop_add(&m->loop, &m->chipset.rtc_timer) < 0)
		return fail(HUSK_STATUS_FAIL, "no timer for the real-time clock: %s", strerror(errno));
	for (unsigned int i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		m->chipset.ports[i] = ports[i];
		m->chipset.ports[i].ctx = m;
		bus_add(&m->ports, &m->chipset.ports[i]);
	}
	/* after the reset port, which is among those of PCI */
	pci_init(&m->chipset.pci, &(struct pci_wires){ &m->ports, &m->memory, pci_irq, m });
	q35_init(&m->chipset.q35, &m->chipset.pci);
	chipset_reset(m);
	return HUSK_STATUS_OK;
}

void chipset_fini(struct machine *m)
{
	if (m->chipset.rtc_timer.fd < 0)
		return;
	loop_remove(&m->loop, &m->chipset.rtc_timer);
	close(m->chipset.rtc_timer.fd);
}
