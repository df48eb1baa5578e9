/* SPDX-License-Identifier: GPL-2.0 */
/* The old devices of a PC that are not PCI: serial port, real-time clock, power management, reset. */
#ifndef HUSK_WORKER_CHIPSET_H
#define HUSK_WORKER_CHIPSET_H

#include "worker/bus.h"
#include "worker/pm.h"
#include "worker/rtc.h"
#include "worker/serial.h"

struct machine;

struct chipset {
	struct serial com1;
	struct pm pm;
	struct rtc rtc;
	uint8_t reset_control;
	struct bus_range ports[5];
};

void chipset_init(struct machine *m);
/* Power-on state */
void chipset_reset(struct machine *m);

#endif
