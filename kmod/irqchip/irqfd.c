// SPDX-License-Identifier: GPL-2.0
/*
 * irqfd: signals of an eventfd raise a GSI, with no system call on the way. That
 * is how vhost interrupts a guest.
 *
 * We sit on the eventfd's wait queue and inject in its wake-up: routes are under
 * RCU, chips under raw locks, and a vCPU is only asked, so that never sleeps.
 *
 * An irqfd ends by HUSK_VM_IRQFD, with the VM, or because the eventfd was closed.
 * Who takes it off the list of active ones, by the lock, ends it. The wake-up of
 * a close holds the wait queue's lock, under which nobody can leave the queue:
 * it hands the irqfd to the VM's work. Leaving the queue takes that lock, so no
 * wake-up is under way after it.
 *
 * Locks: vm->lock > the eventfd's > irqfds.lock > the chips'. No eventfd is
 * signalled under a lock of husk's.
 */
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/poll.h>
#include <linux/rculist.h>
#include <linux/slab.h>

#include "irqchip/irqchip.h"

struct irqfd {
	struct list_head node;		/* of active or dead, by irqfds.lock; or alone */
	struct list_head resample_node;	/* of resample, likewise; read under RCU */
	bool active;			/* by irqfds.lock */
	struct husk_vm *vm;		/* all else is immutable once it is published */
	u32 gsi;
	struct eventfd_ctx *trigger;
	struct eventfd_ctx *resample;	/* or NULL */
	wait_queue_entry_t wait;	/* in the queue of @trigger */
	poll_table poll;
};

/* ---- from the eventfd to the GSI ---- */

/* Any context. A GSI without a route loses it. */
static void irqfd_inject(const struct irqfd *irqfd)
{
	if (irqfd->resample) {
		husk_irq_set(irqfd->vm, irqfd->gsi, HUSK_IRQ_RESAMPLE, true);
		return;
	}
	husk_irq_set(irqfd->vm, irqfd->gsi, HUSK_IRQ_IRQFD, true);
	husk_irq_set(irqfd->vm, irqfd->gsi, HUSK_IRQ_IRQFD, false);
}

/* Nobody else will end it after this. */
static void irqfd_retire(struct irqfd *irqfd)
{
	struct husk_irqfds *all = &irqfd->vm->irqfds;

	lockdep_assert_held(&all->lock);
	irqfd->active = false;
	list_del_init(&irqfd->node);
	if (irqfd->resample) {
		list_del_rcu(&irqfd->resample_node);
		all->resamples--;
	}
	all->count--;
}

/* The last file of the eventfd is being closed. */
static void irqfd_hang_up(struct irqfd *irqfd)
{
	struct husk_irqfds *all = &irqfd->vm->irqfds;
	unsigned long flags;

	spin_lock_irqsave(&all->lock, flags);
	if (irqfd->active) {
		irqfd_retire(irqfd);
		list_add_tail(&irqfd->node, &all->dead);
		schedule_work(&all->work);
	}
	spin_unlock_irqrestore(&all->lock, flags);
}

/* Under the eventfd's lock, interrupts off. The count is ours, so that it never overflows. */
static int irqfd_wake(wait_queue_entry_t *wait, unsigned int mode, int sync, void *key)
{
	struct irqfd *irqfd = container_of(wait, struct irqfd, wait);
	__poll_t events = key_to_poll(key);
	u64 count;

	if (events & EPOLLIN) {
		eventfd_ctx_do_read(irqfd->trigger, &count);
		irqfd_inject(irqfd);
	}
	if (events & EPOLLHUP)
		irqfd_hang_up(irqfd);
	return events & EPOLLIN ? 1 : 0;	/* 1: nobody else needs to wake for it */
}

static void irqfd_queue(struct file *file, wait_queue_head_t *queue, poll_table *poll)
{
	struct irqfd *irqfd = container_of(poll, struct irqfd, poll);

	/* Before all other waiters, who would find it read. Newer kernels leave it to the caller to be the only one woken. */
	irqfd->wait.flags |= WQ_FLAG_EXCLUSIVE;
	add_wait_queue_priority(queue, &irqfd->wait);
}

/* ---- from the EOI to the eventfd ---- */

/**
 * husk_irqfd_acked - the guest ended interrupts that came by inputs of a chip
 * @vm: the VM
 * @chip: HUSK_ROUTE_IOAPIC and so on
 * @inputs: a bit each
 *
 * Any context, but under no lock of husk's. All are lowered before the first is
 * signalled, since a device may raise its line again at once. In the fast loop
 * interrupts are off meanwhile, and each eventfd may be another VM's irqfd: that
 * is why HUSK_RESAMPLES_MAX is small.
 */
void husk_irqfd_acked(struct husk_vm *vm, enum husk_route_kind chip, u32 inputs)
{
	struct list_head *all = &vm->irqfds.resample;
	struct irqfd *irqfd;

	if (likely(list_empty(all)))
		return;
	rcu_read_lock();
	list_for_each_entry_rcu(irqfd, all, resample_node)
		if (husk_routes_reach(vm, irqfd->gsi, chip, inputs))
			husk_irq_set(vm, irqfd->gsi, HUSK_IRQ_RESAMPLE, false);
	list_for_each_entry_rcu(irqfd, all, resample_node)
		if (husk_routes_reach(vm, irqfd->gsi, chip, inputs))
			eventfd_signal(irqfd->resample);
	rcu_read_unlock();
}

/* ---- end ---- */

/* If no other irqfd keeps the line, it falls. */
static void irqfd_lower(struct irqfd *irqfd)
{
	struct husk_irqfds *all = &irqfd->vm->irqfds;
	struct irqfd *other;

	spin_lock_irq(&all->lock);
	list_for_each_entry(other, &all->resample, resample_node)
		if (other->gsi == irqfd->gsi)
			goto out;
	husk_irq_set(irqfd->vm, irqfd->gsi, HUSK_IRQ_RESAMPLE, false);
out:
	spin_unlock_irq(&all->lock);
}

static void irqfd_free(struct irqfd *irqfd)
{
	eventfd_ctx_put(irqfd->trigger);
	if (irqfd->resample)
		eventfd_ctx_put(irqfd->resample);
	kfree(irqfd);
}

/* End those that were retired. */
static void irqfds_end(struct list_head *retired)
{
	struct irqfd *irqfd, *next;
	bool read = false;
	u64 count;

	list_for_each_entry(irqfd, retired, node) {
		eventfd_ctx_remove_wait_queue(irqfd->trigger, &irqfd->wait, &count);
		if (!irqfd->resample)
			continue;
		irqfd_lower(irqfd);
		read = true;
	}
	if (read)
		synchronize_rcu();	/* husk_irqfd_acked() */
	list_for_each_entry_safe(irqfd, next, retired, node)
		irqfd_free(irqfd);
}

static void irqfds_work(struct work_struct *work)
{
	struct husk_irqfds *all = container_of(work, struct husk_irqfds, work);
	LIST_HEAD(retired);

	spin_lock_irq(&all->lock);
	list_splice_init(&all->dead, &retired);
	spin_unlock_irq(&all->lock);
	irqfds_end(&retired);
}

/* ---- the command ---- */

static struct irqfd *irqfds_find(struct husk_irqfds *all, const struct eventfd_ctx *trigger)
{
	struct irqfd *irqfd;

	lockdep_assert_held(&all->lock);
	list_for_each_entry(irqfd, &all->active, node)
		if (irqfd->trigger == trigger)
			return irqfd;
	return NULL;
}

static int irqfd_publish(struct irqfd *irqfd)
{
	struct husk_irqfds *all = &irqfd->vm->irqfds;
	int ret = 0;

	spin_lock_irq(&all->lock);
	if (irqfds_find(all, irqfd->trigger)) {
		ret = -EBUSY;
	} else if (all->count >= HUSK_GSI_COUNT || (irqfd->resample && all->resamples >= HUSK_RESAMPLES_MAX)) {
		ret = -ENOSPC;
	} else {
		irqfd->active = true;
		list_add_tail(&irqfd->node, &all->active);
		if (irqfd->resample) {
			list_add_tail_rcu(&irqfd->resample_node, &all->resample);
			all->resamples++;
		}
		all->count++;
	}
	spin_unlock_irq(&all->lock);
	return ret;
}

/* What is held of @file keeps the eventfd open, so that nothing ends the irqfd before it waits. */
static int irqfd_assign(struct husk_vm *vm, const struct husk_irqfd *arg, struct file *file)
{
	struct irqfd *irqfd = kzalloc(sizeof(*irqfd), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!irqfd)
		return -ENOMEM;
	irqfd->vm = vm;
	irqfd->gsi = arg->gsi;
	irqfd->trigger = eventfd_ctx_fileget(file);
	if (IS_ERR(irqfd->trigger)) {
		ret = PTR_ERR(irqfd->trigger);
		goto free;
	}
	if (arg->flags & HUSK_IRQFD_RESAMPLE) {
		irqfd->resample = eventfd_ctx_fdget(arg->resample);
		if (IS_ERR(irqfd->resample)) {
			ret = PTR_ERR(irqfd->resample);
			goto put_trigger;
		}
	}
	ret = irqfd_publish(irqfd);
	if (ret)
		goto put_resample;
	init_waitqueue_func_entry(&irqfd->wait, irqfd_wake);
	init_poll_funcptr(&irqfd->poll, irqfd_queue);
	/* A signal that came before is not lost. */
	if (vfs_poll(file, &irqfd->poll) & EPOLLIN)
		irqfd_inject(irqfd);
	return 0;

put_resample:
	if (irqfd->resample)
		eventfd_ctx_put(irqfd->resample);
put_trigger:
	eventfd_ctx_put(irqfd->trigger);
free:
	kfree(irqfd);
	return ret;
}

static int irqfd_deassign(struct husk_vm *vm, const struct husk_irqfd *arg, struct file *file)
{
	struct eventfd_ctx *trigger = eventfd_ctx_fileget(file);
	struct husk_irqfds *all = &vm->irqfds;
	struct irqfd *irqfd;
	LIST_HEAD(retired);

	if (IS_ERR(trigger))
		return PTR_ERR(trigger);
	spin_lock_irq(&all->lock);
	irqfd = irqfds_find(all, trigger);
	if (irqfd && irqfd->gsi == arg->gsi) {
		irqfd_retire(irqfd);
		list_add(&irqfd->node, &retired);
	}
	spin_unlock_irq(&all->lock);
	eventfd_ctx_put(trigger);
	if (list_empty(&retired))
		return -ENOENT;
	irqfds_end(&retired);
	return 0;
}

/**
 * husk_irqfd - HUSK_VM_IRQFD
 * @vm: vm->lock is held
 * @arg: the kernel's copy
 *
 * Return: 0, or -EBADF, -EINVAL, -EBUSY, -ENOENT, -ENOSPC, -ENOMEM.
 */
long husk_irqfd(struct husk_vm *vm, const struct husk_irqfd *arg)
{
	struct file *file;
	int ret;

	if (arg->reserved || arg->gsi >= HUSK_GSI_COUNT || (arg->resample && !(arg->flags & HUSK_IRQFD_RESAMPLE)))
		return -EINVAL;
	file = fget(arg->fd);
	if (!file)
		return -EBADF;
	if (arg->flags & HUSK_IRQFD_DEASSIGN)
		ret = irqfd_deassign(vm, arg, file);
	else
		ret = irqfd_assign(vm, arg, file);
	fput(file);
	return ret;
}

/* ---- life ---- */

void husk_irqfd_init(struct husk_vm *vm)
{
	struct husk_irqfds *all = &vm->irqfds;

	spin_lock_init(&all->lock);
	INIT_LIST_HEAD(&all->active);
	INIT_LIST_HEAD(&all->resample);
	INIT_LIST_HEAD(&all->dead);
	INIT_WORK(&all->work, irqfds_work);
}

/* The VM has no fd any more; its vCPUs and chips are still there. */
void husk_irqfd_fini(struct husk_vm *vm)
{
	struct husk_irqfds *all = &vm->irqfds;
	struct irqfd *irqfd, *next;
	LIST_HEAD(retired);

	spin_lock_irq(&all->lock);
	list_for_each_entry_safe(irqfd, next, &all->active, node) {
		irqfd_retire(irqfd);
		list_add_tail(&irqfd->node, &retired);
	}
	spin_unlock_irq(&all->lock);
	flush_work(&all->work);	/* what was closed before */
	irqfds_end(&retired);
}
