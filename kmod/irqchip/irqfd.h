/* SPDX-License-Identifier: GPL-2.0 */
/* eventfds that are interrupts: irqfd.c */
#ifndef HUSK_IRQFD_H
#define HUSK_IRQFD_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

/**
 * struct husk_irqfds - the irqfds of a VM
 * @lock: protects the lists and @count
 * @active: those that are assigned
 * @resample: those of @active that wait for EOIs; also read under RCU
 * @dead: those whose eventfd was closed, for @work
 * @count: in @active
 * @resamples: in @resample
 * @work: ends @dead
 */
struct husk_irqfds {
	spinlock_t lock;
	struct list_head active, resample, dead;
	u32 count, resamples;
	struct work_struct work;
};

#endif
