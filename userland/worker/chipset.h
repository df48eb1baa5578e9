/* SPDX-License-Identifier: GPL-2.0 */
/* The devices that every machine has: serial port, real-time clock, power management, reset, the board's PCI. */
#ifndef HUSK_WORKER_CHIPSET_H
#define HUSK_WORKER_CHIPSET_H

#include "lib/status.h"
#include "worker/bus.h"
#include "worker/loop.h"
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
	struct watch rtc_timer;
	bool rtc_timer_set;
	uint8_t reset_control, port_a;
	struct pci pci;
	struct q35 q35;
	struct bus_range ports[6];
};

/* On failure one line is printed; chipset_fini() is due in any case */
enum husk_status chipset_init(struct machine *m);
void chipset_fini(struct machine *m);
/* Power-on state */
void chipset_reset(struct machine *m);

#endif
