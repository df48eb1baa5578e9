// SPDX-License-Identifier: GPL-2.0
/* ACPI fixed hardware. */
#include <string.h>
#include <time.h>

#include "worker/platform.h"
#include "worker/pm.h"

enum { STATUS = 0, ENABLE = 2, CONTROL = PM_CONTROL_PORT - PM_EVENT_PORT,
       TIMER = PM_TIMER_PORT - PM_EVENT_PORT };

#define STS_PWRBTN	0x0100
#define EN_MASK		0x0721		/* timer, global lock, power button, sleep button, RTC */
#define CNT_SCI_EN	0x0001
#define CNT_SLP_TYP(c)	((c) >> 10 & 7)
#define CNT_SLP_EN	0x2000
#define TIMER_HZ	3579545

static void update_irq(struct pm *pm)
{
	bool level = pm->status & pm->enable;

	if (level == pm->irq_level)
		return;
	pm->irq_level = level;
	pm->irq(pm->ctx, level);
}

static uint32_t timer_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * TIMER_HZ + (uint64_t)now.tv_nsec * TIMER_HZ / 1000000000;
}

uint32_t pm_read(struct pm *pm, unsigned int offset, unsigned int width)
{
	uint32_t regs[3];
	uint64_t bits;

	regs[0] = pm->status | (uint32_t)pm->enable << 16;
	regs[1] = pm->control | CNT_SCI_EN;
	regs[2] = offset + width > TIMER ? timer_now() : 0;

	bits = regs[offset / 4] | (offset / 4 < 2 ? (uint64_t)regs[offset / 4 + 1] << 32 : 0);
	return bits >> (offset % 4 * 8) & (0xffffffffU >> (32 - 8 * width));
}

static bool write_register(struct pm *pm, unsigned int reg, uint16_t value)
{
	switch (reg) {
	case STATUS:
		pm->status &= ~value;	/* a one clears */
		break;
	case ENABLE:
		pm->enable = value & EN_MASK;
		break;
	case CONTROL:
		pm->control = value & ~CNT_SLP_EN;
		return (value & CNT_SLP_EN) && CNT_SLP_TYP(value) == PM_SLP_TYP_S5;
	}
	return false;
}

/* Registers are 16 bits wide; ACPICA may write two at once. Bytes are not written by anyone. */
bool pm_write(struct pm *pm, unsigned int offset, unsigned int width, uint32_t value)
{
	bool off = false;

	if (width < 2 || offset & 1)
		return false;
	for (unsigned int i = 0; i < width; i += 2)
		off |= write_register(pm, offset + i, value >> (8 * i));
	update_irq(pm);
	return off;
}

void pm_press_power_button(struct pm *pm)
{
	pm->status |= STS_PWRBTN;
	update_irq(pm);
}

void pm_init(struct pm *pm, void (*irq)(void *ctx, bool level), void *ctx)
{
	memset(pm, 0, sizeof(*pm));
	pm->irq = irq;
	pm->ctx = ctx;
}
