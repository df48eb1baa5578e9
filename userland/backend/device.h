/* SPDX-License-Identifier: GPL-2.0 */
/* The PCI device of --export, from the guest's user space: see worker/export_page.h */
#ifndef HUSK_BACKEND_DEVICE_H
#define HUSK_BACKEND_DEVICE_H

#include <stdbool.h>

#include "worker/export_page.h"

struct device {
	struct export_page *page;
	volatile uint32_t *doorbells;
	uint8_t *window;
	int irq;	/* of uio_pci_generic; -1: no interrupts */
	int config;
	bool masked;	/* by that, at the interrupt */
};

/* NULL, or what is missing, with errno */
const char *device_open(struct device *d);
/* config, features and queues are filled in */
void device_ready(struct device *d);
uint32_t device_change(const struct device *d);
void device_seen(struct device *d, uint32_t change);
/* Ask for an interrupt: after this there will be one for what comes. false: there are none */
bool device_arm(struct device *d);
/* Wait for it, a second at most */
void device_wait(struct device *d);
/* Interrupt the client */
void device_ring(struct device *d, unsigned int queue);

#endif
