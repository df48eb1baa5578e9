/* SPDX-License-Identifier: GPL-2.0 */
/* The devices that every machine has: serial port, real-time clock, power management, reset, the board's PCI. */
#ifndef HUSK_WORKER_CHIPSET_H
#define HUSK_WORKER_CHIPSET_H

#include "worker/bus.h"
#include "worker/pci.h"
#include "worker/pm.h"
#include "worker/q35.h"
#include "worker/rtc.h"
#include "worker/serial.h"

struct machine;

struct chipset {
	struct serial com1;
	struct pm pm;
	struct rtc rtc;
	uint8_t reset_control, port_a;
	struct pci pci;
	struct q35 q35;
	struct bus_range ports[6];
};

void chipset_init(struct machine *m);
/* Power-on state */
void chipset_reset(struct machine *m);

#endif
