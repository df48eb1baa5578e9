// SPDX-License-Identifier: GPL-2.0
/*
 * ioeventfd: a guest's write to a port or address signals an eventfd, and the
 * guest goes on: a doorbell. That is how a guest wakes vhost. Or it wakes a disk's
 * thread, without an eventfd between them.
 *
 * A set is sorted by address, width and value, read under RCU, and replaced when
 * it changes. No write fits two entries, so the one that it fits, if there is
 * one, is the last that is not above it: a binary search, ten looks at most.
 */
#include <linux/eventfd.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "irqchip/irqchip.h"
#include "pvio/disk.h"
#include "trace.h"

struct ioeventfd {
	u64 addr;
	u64 data;		/* 0 unless it is compared */
	struct eventfd_ctx *eventfd;	/* or NULL, and it is */
	struct husk_disk *disk;	/* which undoes it when it ends */
	u8 width;		/* 0: any */
	bool match;		/* compare data */
};

struct husk_ioeventfd_set {
	struct rcu_head rcu;
	u32 count;
	struct ioeventfd entry[];
};

/* ---- use ---- */

/* Is the entry above this write in the order of the set? */
static bool ioeventfd_above(const struct ioeventfd *e, u64 addr, u8 width, u64 data)
{
	if (e->addr != addr)
		return e->addr > addr;
	if (e->width != width)
		return e->width > width;
	return e->data > data;
}

/* Index of the first entry above it */
static u32 ioeventfd_place(const struct husk_ioeventfd_set *set, u64 addr, u8 width, u64 data)
{
	u32 low = 0, high = set->count;

	while (low < high) {
		u32 middle = (low + high) / 2;

		if (ioeventfd_above(&set->entry[middle], addr, width, data))
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static bool ioeventfd_fits(const struct ioeventfd *e, u64 addr, u8 width, u64 data)
{
	return e->addr == addr && (!e->width || e->width == width) && (!e->match || e->data == data);
}

static void ioeventfd_ring(const struct ioeventfd *e)
{
	if (e->disk)
		husk_disk_kick(e->disk);
	else
		eventfd_signal(e->eventfd);
}

/**
 * husk_ioeventfd_write - does a guest's write signal an eventfd?
 * @vcpu: the writer; its thread is here
 * @space: ports or memory
 * @addr: first byte
 * @width: 1, 2, 4 or 8
 * @data: zero-extended
 *
 * Interrupts on or off, no lock.
 *
 * Return: true: that was all.
 */
bool husk_ioeventfd_write(struct husk_vcpu *vcpu, enum husk_ioeventfd_space space, u64 addr, u8 width, u64 data)
{
	const struct husk_ioeventfd_set *set;
	bool hit = false;
	u32 place;

	rcu_read_lock();
	set = rcu_dereference(vcpu->vm->ioeventfds[space]);
	place = set ? ioeventfd_place(set, addr, width, data) : 0;
	if (place && ioeventfd_fits(&set->entry[place - 1], addr, width, data)) {
		ioeventfd_ring(&set->entry[place - 1]);
		trace_husk_doorbell(vcpu->vm->id, vcpu->id, space, addr, width, data);
		hit = true;
	}
	rcu_read_unlock();
	return hit;
}

/* ---- change ---- */

/* Could a write fit both? */
static bool ioeventfd_clash(const struct ioeventfd *a, const struct ioeventfd *b)
{
	if (a->addr != b->addr)
		return false;
	if (!a->width || !b->width)
		return true;
	return a->width == b->width && (!a->match || !b->match || a->data == b->data);
}

static bool ioeventfd_equal(const struct ioeventfd *a, const struct ioeventfd *b)
{
	return a->addr == b->addr && a->width == b->width && a->match == b->match && a->data == b->data &&
	       a->eventfd == b->eventfd && a->disk == b->disk;
}

static struct husk_ioeventfd_set *ioeventfd_alloc(u32 count)
{
	struct husk_ioeventfd_set *set = kvmalloc(struct_size(set, entry, count), GFP_KERNEL_ACCOUNT);

	if (set)
		set->count = count;
	return set;
}

static struct husk_ioeventfd_set *ioeventfd_set(struct husk_vm *vm, struct husk_ioeventfd_set __rcu **at)
{
	return rcu_dereference_protected(*at, lockdep_is_held(&vm->lock));
}

/* Takes over the eventfd on success. */
static int ioeventfd_assign(struct husk_vm *vm, struct husk_ioeventfd_set __rcu **at, const struct ioeventfd *add)
{
	struct husk_ioeventfd_set *old = ioeventfd_set(vm, at), *new;
	u32 i, place, count = old ? old->count : 0;

	for (i = 0; i < count; i++)
		if (ioeventfd_clash(&old->entry[i], add))
			return -EEXIST;
	if (count >= HUSK_IOEVENTFDS_MAX)
		return -ENOSPC;
	new = ioeventfd_alloc(count + 1);
	if (!new)
		return -ENOMEM;
	place = old ? ioeventfd_place(old, add->addr, add->width, add->data) : 0;
	if (old) {
		memcpy(new->entry, old->entry, place * sizeof(*add));
		memcpy(new->entry + place + 1, old->entry + place, (count - place) * sizeof(*add));
	}
	new->entry[place] = *add;
	rcu_assign_pointer(*at, new);
	if (old)
		kvfree_rcu(old, rcu);
	return 0;
}

static void ioeventfd_put(const struct ioeventfd *e)
{
	if (e->eventfd)
		eventfd_ctx_put(e->eventfd);
}

/* Without entries there is no set. */
static int ioeventfd_deassign(struct husk_vm *vm, struct husk_ioeventfd_set __rcu **at, const struct ioeventfd *remove)
{
	struct husk_ioeventfd_set *old = ioeventfd_set(vm, at), *new = NULL;
	u32 i, count = old ? old->count : 0;

	for (i = 0; i < count && !ioeventfd_equal(&old->entry[i], remove); i++)
		;
	if (i == count)
		return -ENOENT;
	if (count > 1) {
		new = ioeventfd_alloc(count - 1);
		if (!new)
			return -ENOMEM;
		memcpy(new->entry, old->entry, i * sizeof(*remove));
		memcpy(new->entry + i, old->entry + i + 1, (count - 1 - i) * sizeof(*remove));
	}
	rcu_assign_pointer(*at, new);
	synchronize_rcu();	/* before the eventfd goes */
	ioeventfd_put(&old->entry[i]);
	kvfree(old);
	return 0;
}

static bool ioeventfd_valid(const struct husk_ioeventfd *arg)
{
	bool port = arg->flags & HUSK_IOEVENTFD_PIO, match = arg->flags & HUSK_IOEVENTFD_MATCH;

	switch (arg->width) {
	case 0:
		if (match)
			return false;
		break;
	case 8:
		if (port)
			return false;
		break;
	case 1: case 2: case 4:
		if (arg->data >> 8 * arg->width)
			return false;
		break;
	default:
		return false;
	}
	if (arg->data && !match)
		return false;
	return arg->addr + arg->width >= arg->addr && (!port || (arg->addr < 0x10000 && arg->addr + arg->width <= 0x10000));
}

static long ioeventfd_change(struct husk_vm *vm, const struct husk_ioeventfd *arg, const struct ioeventfd *e)
{
	struct husk_ioeventfd_set __rcu **at;

	at = &vm->ioeventfds[arg->flags & HUSK_IOEVENTFD_PIO ? HUSK_IOEVENTFD_PORTS : HUSK_IOEVENTFD_MEMORY];
	return arg->flags & HUSK_IOEVENTFD_DEASSIGN ? ioeventfd_deassign(vm, at, e) : ioeventfd_assign(vm, at, e);
}

/* While the file is held the disk does not end. */
static long ioeventfd_disk(struct husk_vm *vm, const struct husk_ioeventfd *arg, struct ioeventfd *e)
{
	struct file *file;
	long ret;

	e->disk = husk_disk_get(vm, arg->fd, &file);
	if (IS_ERR(e->disk))
		return PTR_ERR(e->disk);
	ret = ioeventfd_change(vm, arg, e);
	fput(file);
	return ret;
}

/**
 * husk_ioeventfd - HUSK_VM_IOEVENTFD
 * @vm: vm->lock is held
 * @arg: the kernel's copy
 *
 * Return: 0, or -EBADF, -EINVAL, -EEXIST, -ENOENT, -ENOSPC, -ENOMEM.
 */
long husk_ioeventfd(struct husk_vm *vm, const struct husk_ioeventfd *arg)
{
	struct ioeventfd e = {
		.addr = arg->addr, .width = arg->width, .data = arg->data, .match = arg->flags & HUSK_IOEVENTFD_MATCH,
	};
	long ret;

	if (!ioeventfd_valid(arg))
		return -EINVAL;
	if (arg->flags & HUSK_IOEVENTFD_DIRECT)
		return ioeventfd_disk(vm, arg, &e);
	e.eventfd = eventfd_ctx_fdget(arg->fd);
	if (IS_ERR(e.eventfd))
		return PTR_ERR(e.eventfd);
	ret = ioeventfd_change(vm, arg, &e);
	if (ret || (arg->flags & HUSK_IOEVENTFD_DEASSIGN))
		eventfd_ctx_put(e.eventfd);
	return ret;
}

/**
 * husk_ioeventfd_forget - a disk ends
 * @vm: vm->lock is held
 * @disk: the disk; nobody rings it after a grace period
 *
 * The set shrinks in place: an entry goes by those above it moving down, which no reader may see. So readers have
 * none meanwhile: a doorbell is rung at the worker then, as one that is nobody's.
 */
void husk_ioeventfd_forget(struct husk_vm *vm, const struct husk_disk *disk)
{
	int space;
	u32 i, kept;

	for (space = 0; space < HUSK_IOEVENTFD_SPACES; space++) {
		struct husk_ioeventfd_set *set = ioeventfd_set(vm, &vm->ioeventfds[space]);

		for (i = 0; set && i < set->count && set->entry[i].disk != disk; i++)
			;
		if (!set || i == set->count)
			continue;
		RCU_INIT_POINTER(vm->ioeventfds[space], NULL);
		synchronize_rcu();
		for (kept = i; i < set->count; i++)
			if (set->entry[i].disk != disk)
				set->entry[kept++] = set->entry[i];
		set->count = kept;
		if (kept)
			rcu_assign_pointer(vm->ioeventfds[space], set);
		else
			kvfree(set);
	}
}

/* The VM has no fd any more. */
void husk_ioeventfd_fini(struct husk_vm *vm)
{
	int space;
	u32 i;

	for (space = 0; space < HUSK_IOEVENTFD_SPACES; space++) {
		struct husk_ioeventfd_set *set = rcu_dereference_protected(vm->ioeventfds[space], true);

		for (i = 0; set && i < set->count; i++)
			ioeventfd_put(&set->entry[i]);
		kvfree(set);
	}
}
