/* SPDX-License-Identifier: GPL-2.0 */
/* Ports and interrupts of the machine that a guest sees; the ACPI tables tell the guest. */
#ifndef HUSK_WORKER_PLATFORM_H
#define HUSK_WORKER_PLATFORM_H

#define COM1_PORT	0x3f8
#define COM1_PORTS	8
#define COM1_IRQ	4

#define RTC_PORT	0x70
#define RTC_PORTS	2
#define RTC_IRQ		8
#define RTC_CENTURY	0x32	/* index of the century byte */

#define I8042_DATA	0x60
#define I8042_COMMAND	0x64

#define RESET_PORT	0xcf9
#define RESET_VALUE	0x06	/* hard reset, do it */

#define PCI_PORT	0xcf8
#define PCI_PORTS	8

/* ACPI 6.4, 4.8.3: event block (status, enable), control block, timer */
#define PM_EVENT_PORT	0x600
#define PM_CONTROL_PORT	0x604
#define PM_TIMER_PORT	0x608
#define PM_PORTS	12
#define PM_IRQ		9
#define PM_SLP_TYP_S5	5

#define LAPIC_BASE	0xfee00000U
#define IOAPIC_BASE	0xfec00000U

#endif
