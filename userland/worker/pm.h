/* SPDX-License-Identifier: GPL-2.0 */
/* ACPI fixed hardware: PM1a event and control block, PM timer (ACPI 6.4, 4.8.3). The machine's lock is held around every call. */
#ifndef HUSK_WORKER_PM_H
#define HUSK_WORKER_PM_H

#include <stdbool.h>
#include <stdint.h>

struct pm {
	void (*irq)(void *ctx, bool level);
	void *ctx;
	uint16_t status, enable, control;
	bool irq_level;
};

void pm_init(struct pm *pm, void (*irq)(void *ctx, bool level), void *ctx);
/* offset from PM_EVENT_PORT */
uint32_t pm_read(struct pm *pm, unsigned int offset, unsigned int width);
/* true: the guest asked for soft-off */
bool pm_write(struct pm *pm, unsigned int offset, unsigned int width, uint32_t value);
void pm_press_power_button(struct pm *pm);

#endif
