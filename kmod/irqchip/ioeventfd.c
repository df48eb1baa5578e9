// SPDX-License-Identifier: GPL-2.0
/*
 * ioeventfd: a guest's write to a port or address signals an eventfd, and the
 * guest goes on: a doorbell. That is how a guest wakes vhost. Or it wakes a disk's
 * thread, without an eventfd between them.
 *
 * A set is a hash table by address, width and value, at most half full, read under RCU and
 * replaced when it changes. A write has three keys at most, as entries compare its value, its width, or neither:
 * what it costs does not depend on the number of entries.
 */
#include <linux/eventfd.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "irqchip/irqchip.h"
#include "pvio/disk.h"
#include "trace.h"

/* What of a write an entry compares beside the address; a kind is that and the width (0: any) */
#define KIND_VALUE	0x100

struct ioeventfd {
	u64 addr;
	u64 data;		/* 0 unless it is compared */
	struct eventfd_ctx *eventfd;	/* or NULL, and it is */
	struct husk_disk *disk;	/* which takes itself out when it ends; with neither the place is nobody's */
	u16 kind;
	bool taken;
};

struct husk_ioeventfd_set {
	struct rcu_head rcu;
	u32 mask;		/* places less one, a power of two less one */
	bool value, width, any;	/* are there entries of these kinds? */
	u8 space;
	struct ioeventfd entry[];
};

/* ---- use ---- */

static __always_inline u32 ioeventfd_hash(u64 addr, u64 data)
{
	return (addr + (data << 32)) * 0x9e3779b97f4a7c15ULL >> 40;
}

/* Return: the entry, or a free place, which is all zero */
static __always_inline const struct ioeventfd *
ioeventfd_seek(const struct husk_ioeventfd_set *set, u64 addr, u16 kind, u64 data)
{
	u32 i = ioeventfd_hash(addr, data);

	for (;; i++) {
		const struct ioeventfd *e = &set->entry[i & set->mask];

		if (e->addr == addr && e->kind == kind && (!(kind & KIND_VALUE) || e->data == data))
			return e;
		if (!e->taken)
			return e;
	}
}

static __always_inline bool ioeventfd_ring(const struct ioeventfd *e)
{
	struct husk_disk *disk = READ_ONCE(e->disk);

	if (disk)
		husk_disk_kick(disk);
	else if (e->eventfd)
		eventfd_signal(e->eventfd);
	else
		return false;
	return true;
}

/* No write fits two entries. */
static __always_inline bool ioeventfd_write(const struct husk_ioeventfd_set *set, u64 addr, u8 width, u64 data)
{
	if (set->width && ioeventfd_ring(ioeventfd_seek(set, addr, width, 0)))
		return true;
	if (set->any && ioeventfd_ring(ioeventfd_seek(set, addr, 0, 0)))
		return true;
	return set->value && ioeventfd_ring(ioeventfd_seek(set, addr, width | KIND_VALUE, data));
}

static noinline __cold bool
ioeventfd_traced(struct husk_vcpu *vcpu, const struct husk_ioeventfd_set *set, u64 addr, u8 width, u64 data)
{
	bool hit = ioeventfd_write(set, addr, width, data);

	if (hit)
		trace_husk_doorbell(vcpu->vm->id, vcpu->id, set->space, addr, width, data);
	return hit;
}

/**
 * husk_ioeventfd_write_fast - does a guest's write signal an eventfd?
 * @vcpu: the writer; its thread is here
 * @set: the VM's doorbells in ports or in memory
 * @addr: first byte
 * @width: 1, 2, 4 or 8
 * @data: zero-extended
 *
 * Interrupts are off, which RCU waits for. No lock.
 *
 * Return: true: that was all.
 */
bool husk_ioeventfd_write_fast(struct husk_vcpu *vcpu, const struct husk_ioeventfd_set *set, u64 addr, u8 width, u64 data)
{
	if (trace_husk_doorbell_enabled())
		return ioeventfd_traced(vcpu, set, addr, width, data);
	return ioeventfd_write(set, addr, width, data);
}

/* The same with interrupts on; there need be no set. */
bool husk_ioeventfd_write(struct husk_vcpu *vcpu, enum husk_ioeventfd_space space, u64 addr, u8 width, u64 data)
{
	const struct husk_ioeventfd_set *set;
	bool hit;

	rcu_read_lock_sched();
	set = rcu_dereference_sched(vcpu->vm->ioeventfds[space]);
	hit = set && husk_ioeventfd_write_fast(vcpu, set, addr, width, data);
	rcu_read_unlock_sched();
	return hit;
}

/* ---- change ---- */

static bool ioeventfd_alive(const struct ioeventfd *e)
{
	return e->eventfd || e->disk;
}

/* Could a write fit both? */
static bool ioeventfd_clash(const struct ioeventfd *a, const struct ioeventfd *b)
{
	u8 width = a->kind, other = b->kind;

	if (a->addr != b->addr)
		return false;
	if (!width || !other)
		return true;
	return width == other && (!(a->kind & b->kind & KIND_VALUE) || a->data == b->data);
}

static bool ioeventfd_equal(const struct ioeventfd *a, const struct ioeventfd *b)
{
	return a->addr == b->addr && a->kind == b->kind && a->data == b->data && a->eventfd == b->eventfd && a->disk == b->disk;
}

static void ioeventfd_add(struct husk_ioeventfd_set *set, const struct ioeventfd *e)
{
	u32 i = ioeventfd_hash(e->addr, e->data);

	while (set->entry[i & set->mask].taken)
		i++;
	i &= set->mask;
	set->entry[i] = *e;
	set->entry[i].taken = true;
	set->any |= !e->kind;
	set->width |= e->kind && !(e->kind & KIND_VALUE);
	set->value |= !!(e->kind & KIND_VALUE);
}

static struct husk_ioeventfd_set *ioeventfd_set(struct husk_vm *vm, enum husk_ioeventfd_space space)
{
	return rcu_dereference_protected(vm->ioeventfds[space], lockdep_is_held(&vm->lock));
}

/* A copy of a set, or an empty one, with room for one more */
static struct husk_ioeventfd_set *
ioeventfd_copy(const struct husk_ioeventfd_set *old, u32 count, const struct ioeventfd *without, enum husk_ioeventfd_space space)
{
	u32 i, places = roundup_pow_of_two(2 * (count + 1));
	struct husk_ioeventfd_set *set = kvzalloc(struct_size(set, entry, places), GFP_KERNEL_ACCOUNT);

	if (!set)
		return NULL;
	set->mask = places - 1;
	set->space = space;
	for (i = 0; old && i <= old->mask; i++)
		if (ioeventfd_alive(&old->entry[i]) && &old->entry[i] != without)
			ioeventfd_add(set, &old->entry[i]);
	return set;
}

/* Takes over the eventfd on success. */
static int ioeventfd_assign(struct husk_vm *vm, enum husk_ioeventfd_space space, const struct ioeventfd *add)
{
	struct husk_ioeventfd_set *old = ioeventfd_set(vm, space), *new;
	u32 i, count = 0;

	for (i = 0; old && i <= old->mask; i++) {
		if (!ioeventfd_alive(&old->entry[i]))
			continue;
		if (ioeventfd_clash(&old->entry[i], add))
			return -EEXIST;
		count++;
	}
	if (count >= HUSK_IOEVENTFDS_MAX)
		return -ENOSPC;
	new = ioeventfd_copy(old, count, NULL, space);
	if (!new)
		return -ENOMEM;
	ioeventfd_add(new, add);
	rcu_assign_pointer(vm->ioeventfds[space], new);
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
static int ioeventfd_deassign(struct husk_vm *vm, enum husk_ioeventfd_space space, const struct ioeventfd *remove)
{
	struct husk_ioeventfd_set *old = ioeventfd_set(vm, space), *new = NULL;
	const struct ioeventfd *found = NULL;
	u32 i, count = 0;

	for (i = 0; old && i <= old->mask; i++) {
		count += ioeventfd_alive(&old->entry[i]);
		if (old->entry[i].taken && ioeventfd_equal(&old->entry[i], remove))
			found = &old->entry[i];
	}
	if (!found)
		return -ENOENT;
	if (count > 1) {
		new = ioeventfd_copy(old, count, found, space);
		if (!new)
			return -ENOMEM;
	}
	rcu_assign_pointer(vm->ioeventfds[space], new);
	synchronize_rcu();	/* before the eventfd goes */
	ioeventfd_put(found);
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
	enum husk_ioeventfd_space space = arg->flags & HUSK_IOEVENTFD_PIO ? HUSK_IOEVENTFD_PORTS : HUSK_IOEVENTFD_MEMORY;

	return arg->flags & HUSK_IOEVENTFD_DEASSIGN ? ioeventfd_deassign(vm, space, e) : ioeventfd_assign(vm, space, e);
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
		.addr = arg->addr, .data = arg->data,
		.kind = arg->width | (arg->flags & HUSK_IOEVENTFD_MATCH ? KIND_VALUE : 0),
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
 * Its places stay taken, so that others are found, until the set changes.
 */
void husk_ioeventfd_forget(struct husk_vm *vm, const struct husk_disk *disk)
{
	int space;
	u32 i;

	for (space = 0; space < HUSK_IOEVENTFD_SPACES; space++) {
		struct husk_ioeventfd_set *set = ioeventfd_set(vm, space);

		for (i = 0; set && i <= set->mask; i++)
			if (set->entry[i].disk == disk)
				WRITE_ONCE(set->entry[i].disk, NULL);
	}
}

/* The VM has no fd any more. */
void husk_ioeventfd_fini(struct husk_vm *vm)
{
	int space;
	u32 i;

	for (space = 0; space < HUSK_IOEVENTFD_SPACES; space++) {
		struct husk_ioeventfd_set *set = rcu_dereference_protected(vm->ioeventfds[space], true);

		for (i = 0; set && i <= set->mask; i++)
			ioeventfd_put(&set->entry[i]);
		kvfree(set);
	}
}
