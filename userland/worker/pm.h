/* SPDX-License-Identifier: GPL-2.0 */
/* ACPI fixed hardware: PM1a event and control block, PM timer (ACPI 6.4, 4.8.3). */
#ifndef HUSK_WORKER_PM_H
#define HUSK_WORKER_PM_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct pm {
	pthread_mutex_t lock;	/* the power button is pressed from another thread */
	void (*irq)(void *ctx, bool level);
	void *ctx;
	uint16_t status, enable, control;	/* by lock */
	bool irq_level;				/* by lock */
};

void pm_init(struct pm *pm, void (*irq)(void *ctx, bool level), void *ctx);
void pm_fini(struct pm *pm);
/* offset from PM_EVENT_PORT */
uint32_t pm_read(struct pm *pm, unsigned int offset, unsigned int width);
/* true: the guest asked for soft-off */
bool pm_write(struct pm *pm, unsigned int offset, unsigned int width, uint32_t value);
void pm_press_power_button(struct pm *pm);

#endif
