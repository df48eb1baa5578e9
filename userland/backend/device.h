/* SPDX-License-Identifier: GPL-2.0 */
/* The PCI device of --export, from the guest's user space: see worker/export_page.h */
#ifndef HUSK_BACKEND_DEVICE_H
#define HUSK_BACKEND_DEVICE_H

#include "worker/export_page.h"

struct device {
	struct export_page *page;
	volatile uint32_t *doorbells;
	uint8_t *window;
};

/* NULL, or what is missing, with errno */
const char *device_open(struct device *d);
/* config, features and queues are filled in */
void device_ready(struct device *d);
uint32_t device_change(const struct device *d);
void device_seen(struct device *d, uint32_t change);
/* Interrupt the client */
void device_ring(struct device *d, unsigned int queue);

#endif
