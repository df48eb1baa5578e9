// SPDX-License-Identifier: GPL-2.0
/*
 * HUSK_DISK_RUN: the thread that serves a disk's queues. It is one of the owner's: its time
 * is charged to the VM, guest memory is where it is for the owner, and it ends with it.
 *
 * When there is nothing to do, the next request often comes soon: as a vCPU in HLT the
 * thread waits awake for a time that grows while that would have been enough, and meanwhile
 * the driver need not kick. Then it asks for kicks, looks once more, and sleeps.
 */
#include <linux/blkdev.h>
#include <linux/eventfd.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/moduleparam.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>

#include "compat.h"
#include "irqchip/irqchip.h"
#include "poll_ns.h"
#include "pvio/disk.h"

#define DISK_WEIGHT		64	/* chains of a queue, before others have their turn */
#define DISK_TURN		(HZ / 50)	/* jiffies, likewise */

static unsigned int disk_poll_ns = 50000;
module_param(disk_poll_ns, uint, 0644);
MODULE_PARM_DESC(disk_poll_ns, "a disk's thread polls at most so long, in ns, before it sleeps; 0: not at all");

void husk_disk_kick(struct husk_disk *disk)
{
	if (!xchg(&disk->called, true))
		rcuwait_wake_up(&disk->wait);
}

void disk_notify(struct disk_queue *q)
{
	if (!disk_ring_should_notify(q))
		return;
	q->disk->stats.calls++;
	if (q->call) {
		eventfd_signal(q->call);
	} else if (q->gsi >= 0) {
		husk_irq_set(q->disk->vm, q->gsi, HUSK_IRQ_IRQFD, true);
		husk_irq_set(q->disk->vm, q->gsi, HUSK_IRQ_IRQFD, false);
	}
}

static bool disk_held(struct disk_queue *q)
{
	if (!q->held_until)
		return false;
	if (ktime_get_ns() < q->held_until)
		return true;
	q->held_until = 0;
	return false;
}

/* Nothing is taken from it now, whether there is something or not. */
static bool disk_rests(struct disk_queue *q)
{
	return !q->on || q->stuck || disk_held(q);
}

/* true: there may be more. A request that is copied, or that the file system waits for, may be all of a turn. */
static bool disk_serve(struct disk_queue *q)
{
	unsigned long end = jiffies + DISK_TURN;
	unsigned int left;

	if (disk_rests(q) || !disk_ring_waits(q))
		return false;
	disk_ring_want_kicks(q, false);
	for (left = DISK_WEIGHT; left && !q->held_until; left--) {
		enum disk_took took = disk_take(q);

		q->stuck = took == DISK_FULL;
		if (took != DISK_TOOK)
			return false;
		if (time_after(jiffies, end) || signal_pending(current))
			break;
	}
	return true;
}

/* Everything once. true: there is more */
static bool disk_round(struct husk_disk *disk)
{
	struct blk_plug plug;
	bool more = false;
	u32 i;

	xchg(&disk->called, false);	/* before we look */
	blk_start_plug(&plug);
	disk_reap(disk);
	for (i = 0; i < disk->queues; i++)
		more |= disk_serve(&disk->queue[i]);
	blk_finish_plug(&plug);
	disk_reap(disk);
	for (i = 0; i < disk->queues; i++)
		if (disk->queue[i].busy) {
			disk_log_ring(&disk->queue[i]);
			disk_notify(&disk->queue[i]);
		}
	return more;
}

/* Queues that broke, which the owner does not know of yet */
static u32 disk_broken(const struct husk_disk *disk)
{
	u32 i, broken = 0;

	for (i = 0; i < disk->queues; i++)
		if (disk->queue[i].on && disk_ring_broken(&disk->queue[i]) && !disk->queue[i].told)
			broken |= BIT(i);
	return broken;
}

static bool disk_tell(struct husk_disk *disk, struct husk_disk_run *told)
{
	u32 i, size = told->size;

	*told = disk->failure;
	told->size = size;
	told->broken = disk_broken(disk);
	memset(&disk->failure, 0, sizeof(disk->failure));
	for (i = 0; i < disk->queues; i++)
		disk->queue[i].told |= !!(told->broken & BIT(i));
	return told->broken || told->error;
}

static bool disk_called(struct husk_disk *disk)
{
	return READ_ONCE(disk->called) || !llist_empty(&disk->done);
}

static bool disk_waits(struct husk_disk *disk)
{
	u32 i;

	if (disk_called(disk))
		return true;
	for (i = 0; i < disk->queues; i++)
		if (!disk_rests(&disk->queue[i]) && disk_ring_waits(&disk->queue[i]))
			return true;
	return false;
}

static bool disk_poll(struct husk_disk *disk, u64 end)
{
	do {
		if (disk_waits(disk)) {
			disk->stats.polls++;
			return true;
		}
		cpu_relax();
	} while (single_task_running() && !need_resched() && !signal_pending(current) && ktime_get_ns() < end);
	return false;
}

/* Have the drivers kick. true: there is something already, for which no kick may come */
static bool disk_want_kicks(struct husk_disk *disk)
{
	bool waits = false;
	u32 i;

	for (i = 0; i < disk->queues; i++)
		if (!disk_rests(&disk->queue[i])) {
			waits |= disk_ring_want_kicks(&disk->queue[i], true);
			disk_log_ring(&disk->queue[i]);
		}
	return waits;
}

/* When the first queue that is held takes requests again. KTIME_MAX: none is held */
static ktime_t disk_held_until(const struct husk_disk *disk)
{
	ktime_t first = KTIME_MAX;
	u32 i;

	for (i = 0; i < disk->queues; i++)
		if (disk->queue[i].on && disk->queue[i].held_until)
			first = min(first, ns_to_ktime(disk->queue[i].held_until));
	return first;
}

static void disk_sleep(struct husk_disk *disk, ktime_t until)
{
	prepare_to_rcuwait(&disk->wait);
	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (disk_called(disk) || signal_pending(current))
			break;
		if (!schedule_hrtimeout_range(until == KTIME_MAX ? NULL : &until, 0, HRTIMER_MODE_ABS))
			break;
	}
	finish_rcuwait(&disk->wait);
}

/* disk->lock is held, but not while it sleeps. */
static void disk_wait(struct husk_disk *disk)
{
	u64 start = ktime_get_ns();

	if (!(disk->poll_ns && disk_poll(disk, start + disk->poll_ns)) && !disk_want_kicks(disk)) {
		ktime_t until = disk_held_until(disk);

		disk->stats.sleeps++;
		mutex_unlock(&disk->lock);
		disk_sleep(disk, until);
		mutex_lock(&disk->lock);
	}
	husk_poll_adapt(&disk->poll_ns, ktime_get_ns() - start, READ_ONCE(disk_poll_ns));
}

/* A thread that is always busy keeps nobody from the lock for longer than a round: who waits for it is handed it. */
static void disk_let_in(struct husk_disk *disk)
{
	mutex_unlock(&disk->lock);
	cond_resched();
	mutex_lock(&disk->lock);
}

long disk_run(struct husk_disk *disk, struct husk_disk_run *told)
{
	long ret = 0;

	mutex_lock(&disk->lock);
	while (!disk_tell(disk, told) && disk->served) {
		bool more = disk_round(disk);

		if (READ_ONCE(disk->vm->dead))
			ret = -EIO;
		else if (signal_pending(current) || test_thread_flag(TIF_NOTIFY_RESUME))
			ret = -EINTR;
		if (ret)
			break;
		if (!more && !disk->failure.error && !disk_broken(disk))
			disk_wait(disk);
		disk_let_in(disk);
	}
	mutex_unlock(&disk->lock);
	return ret;
}
