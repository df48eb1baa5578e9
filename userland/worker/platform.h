/* SPDX-License-Identifier: GPL-2.0 */
/* Ports and interrupts of the machine that a guest sees; the ACPI tables tell the guest. Numbers only: dsdt.asl includes it. */
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

#define CONTROL_A_PORT	0x92
#define CONTROL_A20	0x02

#define RESET_PORT	0xcf9
#define RESET_VALUE	0x06	/* hard reset, do it */

/*
 * PCI. BARs are put into the first window; the second one is for a firmware that
 * begins at the top. The memory-mapped config space is between the two. iasl wants
 * plain numbers, so each window is written with its last address and its size.
 */
#define PCI_CONFIG_PORT	0xcf8
#define PCI_CONFIG_PORTS 8
#define PCI_PORTS_BASE	0xc000
#define PCI_PORTS_END	0x10000
#define PCI_MEMORY_BASE	0xc0000000
#define PCI_MEMORY_LAST	0xdfffffff
#define PCI_MEMORY_SIZE	0x20000000
#define PCI_ECAM_BASE	0xe0000000
#define PCI_ECAM_SIZE	0x100000
#define PCI_HIGH_BASE	0xe1000000
#define PCI_HIGH_LAST	0xfebfffff
#define PCI_HIGH_SIZE	0x1dc00000
#define PCI_GSI		16		/* of the bus's INTA; INTB..D follow */

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
