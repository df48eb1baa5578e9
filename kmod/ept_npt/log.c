// SPDX-License-Identifier: GPL-2.0
/*
 * The log of written pages: a bit a page for slots with HUSK_MEM_LOG_DIRTY.
 *
 * What tells of a guest's write is, in this order of preference:
 *  - the CPU's own list (page-modification logging, SDM 3C 29.3.6). Each stay
 *    hands its list over at its end, and a harvest first makes all vCPUs end theirs;
 *  - the dirty bits of the second level, looked through at harvest;
 *  - write faults: without dirty bits nothing is mapped writable until it is
 *    written, and a harvest takes the right away again.
 * In all three a harvest clears that bit of the entry (husk_pt_written()) together
 * with the log's and flushes all TLBs before it answers, and whoever empties an
 * entry takes its bit into the log (husk_mem_zap()).
 */
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "husk.h"
#include "vendor.h"

#define LOG_MAX_RAM	4	/* times the host's memory: the largest slot with a log */
/* Pages of a harvest before others may have the lock; a multiple of 64 */
#define LOG_CHUNK	(HUSK_MEM_ZAP_CHUNK >> PAGE_SHIFT)

/**
 * husk_log_create - an empty log
 * @length: of the slot
 *
 * Return: the log or NULL; quietly, since it is a user who says how large.
 */
struct husk_log *husk_log_create(u64 length)
{
	u64 pages = length >> PAGE_SHIFT;
	struct husk_log *log;

	/* A slot needs no memory behind it, its log does: no more than this, and none for which others must die. */
	if (pages > LOG_MAX_RAM * (u64)totalram_pages())
		return NULL;
	return kvzalloc(struct_size(log, bits, BITS_TO_LONGS(pages)),
			GFP_KERNEL_ACCOUNT | __GFP_NOWARN | __GFP_RETRY_MAYFAIL);
}

/**
 * husk_log_destroy - the reverse, as soon as nobody can write to it any more
 * @log: in no set of slots, or NULL
 */
void husk_log_destroy(struct husk_log *log)
{
	kvfree_rcu(log, rcu);
}

/* vCPUs made later look by themselves. */
static void log_switch(struct husk_vm *vm, int change)
{
	struct husk_mem *mem = &vm->mem;

	lockdep_assert_held(&vm->lock);
	WRITE_ONCE(mem->logged, mem->logged + change);
	if (husk_vendor->log)
		husk_vm_request_sync(vm, HUSK_REQ_LOG);
}

/**
 * husk_log_begin - a logged slot is about to be entered in the set
 * @vm: the VM, with vm->lock held
 *
 * From here on no vCPU writes without telling.
 */
void husk_log_begin(struct husk_vm *vm)
{
	log_switch(vm, 1);
}

/**
 * husk_log_end - a logged slot has left the set
 * @vm: the VM, with vm->lock held
 */
void husk_log_end(struct husk_vm *vm)
{
	log_switch(vm, -1);
}

/**
 * husk_log_set - note a page
 * @slot: it has a log
 * @gpa: in @slot
 *
 * mem->lock or RCU held. Any context.
 */
void husk_log_set(const struct husk_slot *slot, u64 gpa)
{
	u64 page = array_index_nospec((gpa - slot->gpa) >> PAGE_SHIFT, slot->length >> PAGE_SHIFT);

	if (!test_bit(page, slot->log->bits))
		set_bit(page, slot->log->bits);
}

/**
 * husk_log_page - note a page, if it is in a logged slot
 * @vm: the VM
 * @gpa: any value
 *
 * Any context.
 */
void husk_log_page(struct husk_vm *vm, u64 gpa)
{
	const struct husk_slot *slot;

	rcu_read_lock();
	slot = husk_slots_find(rcu_dereference(vm->mem.slots), gpa);
	if (slot && slot->log)
		husk_log_set(slot, gpa);
	rcu_read_unlock();
}

/* Move a part of the log to bits. mem->lock held for writing. */
static void log_take(struct husk_mem *mem, const struct husk_slot *slot, u64 first, u64 pages, unsigned long *bits)
{
	const struct husk_pt_format *format = husk_vendor->format;
	unsigned long *log = slot->log->bits + first / BITS_PER_LONG;
	u64 gpa = slot->gpa + (first << PAGE_SHIFT), end = gpa + (pages << PAGE_SHIFT);
	bool changed = false;
	u64 i;

	for (i = 0; i < BITS_TO_LONGS(pages); i++) {
		u64 at = gpa + (i * BITS_PER_LONG << PAGE_SHIFT);

		if (!READ_ONCE(log[i]))
			continue;
		bits[i] = xchg(&log[i], 0);
		/* The CPU's list has told of each dirty bit: no need to look elsewhere. */
		if (husk_vendor->log)
			changed |= husk_pt_harvest(format, mem->root, at,
						   min(at + (BITS_PER_LONG << PAGE_SHIFT), end), bits + i);
	}
	if (!husk_vendor->log)
		changed = husk_pt_harvest(format, mem->root, gpa, end, bits);
	if (changed)
		smp_store_release(&mem->zapped, mem->zapped + 1);
}

/* The answer did not reach the user. */
static void log_give_back(const struct husk_slot *slot, u64 first, u64 pages, const unsigned long *bits)
{
	unsigned long page;

	for_each_set_bit(page, bits, pages)
		set_bit(first + page, slot->log->bits);
}

static void log_harvest(struct husk_vm *vm, const struct husk_slot *slot, u64 first, u64 pages, unsigned long *bits)
{
	u64 at, count;

	if (husk_vendor->log)
		husk_vm_request_sync(vm, HUSK_REQ_LOG);
	for (at = 0; at < pages; at += count) {
		count = min(pages - at, LOG_CHUNK);
		write_lock(&vm->mem.lock);
		log_take(&vm->mem, slot, first + at, count, bits + at / BITS_PER_LONG);
		write_unlock(&vm->mem.lock);
		cond_resched();
	}
	husk_mem_flush(vm);
}

/**
 * husk_mem_harvest - HUSK_VM_HARVEST
 * @vm: the VM, with vm->lock held: slots stay, and harvests come one after the other
 * @arg: as the user gave it; @arg->dirty is filled in
 *
 * Return: 0, -EINVAL, -ENOENT, -EBUSY, -EFAULT or -ENOMEM (uapi/husk.h).
 */
int husk_mem_harvest(struct husk_vm *vm, struct husk_harvest *arg)
{
	const struct husk_slot *slot = husk_slots_by_id(rcu_dereference_protected(vm->mem.slots, lockdep_is_held(&vm->lock)),
							arg->slot);
	u64 first = arg->first, pages = arg->pages, in_slot;
	unsigned long *bits;
	int err = 0;

	BUILD_BUG_ON(LOG_CHUNK % 64 || BITS_PER_LONG != 64);
	if (arg->reserved || !pages || pages > HUSK_HARVEST_MAX || first % 64)
		return -EINVAL;
	if (!slot)
		return -ENOENT;
	if (!slot->log)
		return -EBUSY;
	in_slot = slot->length >> PAGE_SHIFT;
	if (first >= in_slot || pages > in_slot - first || (pages % 64 && pages != in_slot - first))
		return -EINVAL;
	bits = kvcalloc(BITS_TO_LONGS(pages), sizeof(*bits), GFP_KERNEL_ACCOUNT);
	if (!bits)
		return -ENOMEM;
	log_harvest(vm, slot, first, pages, bits);
	if (copy_to_user(u64_to_user_ptr(arg->bitmap), bits, BITS_TO_LONGS(pages) * sizeof(*bits))) {
		log_give_back(slot, first, pages, bits);
		err = -EFAULT;
	}
	arg->dirty = bitmap_weight(bits, pages);
	kvfree(bits);
	return err;
}
