// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's own access to guest memory, by gpa, through the worker's
 * mapping of it: the caller's mm is the VM's. So a page that is not there is
 * an ordinary page fault, and the worker's rights hold.
 */
#include <linux/align.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/uaccess.h>

#include "husk.h"

/*
 * Where gpa is in the worker, and how much of len is there in one piece. Slots
 * were checked with access_ok() when they were made.
 */
static void __user *access_find(struct husk_vm *vm, u64 gpa, bool write, u32 *len)
{
	const struct husk_slot *slot;
	void __user *user = NULL;

	rcu_read_lock();
	slot = husk_slots_find(rcu_dereference(vm->mem.slots), gpa);
	if (slot && !(write && slot->flags & HUSK_MEM_READONLY)) {
		user = (void __user *)(unsigned long)husk_slot_hva(slot, gpa);
		*len = min_t(u64, *len, slot->gpa + slot->length - gpa);
	}
	rcu_read_unlock();
	return user;
}

/**
 * husk_gpa_to_user - where guest memory is in the worker
 * @vm: the VM
 * @gpa: any value
 *
 * Any context. Return: the worker's address, or NULL outside of the slots.
 */
const void __user *husk_gpa_to_user(struct husk_vm *vm, u64 gpa)
{
	u32 piece = 1;

	return access_find(vm, gpa, false, &piece);
}

/**
 * husk_gpa_to_user_write - where guest memory is in the worker, to be written to
 * @vm: the VM
 * @gpa: any value
 *
 * Any context. Who writes calls husk_log_written() after it.
 *
 * Return: the worker's address, or NULL outside of the slots and in READONLY ones.
 */
void __user *husk_gpa_to_user_write(struct husk_vm *vm, u64 gpa)
{
	u32 piece = 1;

	return access_find(vm, gpa, true, &piece);
}

/**
 * husk_gpa_range_to_user - where a piece of guest memory is in the worker
 * @vm: the VM
 * @gpa: any value
 * @len: bytes; 0 as 1
 * @write: it is to be written to
 *
 * Any context. Return: the worker's address, or NULL unless all of it is in one slot (and not a READONLY one).
 */
void __user *husk_gpa_range_to_user(struct husk_vm *vm, u64 gpa, u32 len, bool write)
{
	u32 piece = len;
	void __user *user = access_find(vm, gpa, write, &piece);

	return piece == len ? user : NULL;
}

/*
 * Up to 16 bytes in one piece without the general copy: page-table entries and
 * instructions are most of what is read. false: any other length, or a fault.
 */
static __always_inline bool access_read_small(void *data, const void __user *user, u32 len)
{
	u64 first, last;

	if (len == 8) {
		if (__get_user(first, (const u64 __user *)user))
			return false;
		memcpy(data, &first, 8);
		return true;
	}
	if (len == 4) {
		u32 word;

		if (__get_user(word, (const u32 __user *)user))
			return false;
		memcpy(data, &word, 4);
		return true;
	}
	if (len < 8 || len > 16 || __get_user(first, (const u64 __user *)user) ||
	    __get_user(last, (const u64 __user *)(user + len - 8)))
		return false;
	memcpy(data, &first, 8);
	memcpy(data + len - 8, &last, 8);
	return true;
}

/**
 * husk_read_gpa - read guest memory
 * @vm: the VM; the caller runs in vm->mm
 * @gpa: any value; the range may cross slots
 * @data: out
 * @len: bytes
 *
 * May sleep. Return: 0 or -EFAULT.
 */
int husk_read_gpa(struct husk_vm *vm, u64 gpa, void *data, u32 len)
{
	while (len) {
		u32 piece = len;
		void __user *user = access_find(vm, gpa, false, &piece);

		if (!user)
			return -EFAULT;
		if (!access_read_small(data, user, piece) && __copy_from_user(data, user, piece))
			return -EFAULT;
		gpa += piece;
		data += piece;
		len -= piece;
	}
	return 0;
}

/**
 * husk_log_written - after a write to guest memory
 * @vm: the VM
 * @gpa: any value
 * @len: bytes
 *
 * Any context. What counts are the slots at that time: without the barrier the
 * look at logged could come first, and miss a log that is older than the write.
 */
void husk_log_written(struct husk_vm *vm, u64 gpa, u32 len)
{
	u64 page;

	smp_mb();
	if (likely(!READ_ONCE(vm->mem.logged)))
		return;
	for (page = gpa & PAGE_MASK; page < gpa + len; page += PAGE_SIZE)
		husk_log_page(vm, page);
}

static void access_log_slot(struct husk_vm *vm, const struct husk_slot *slot, u64 start, u64 end)
{
	u64 at;

	start = max(start, slot->hva);
	end = min(end, slot->hva + slot->length);
	for (at = start & PAGE_MASK; at < end; at += PAGE_SIZE)
		husk_log_page(vm, slot->gpa + (at - slot->hva));
}

/**
 * husk_log_written_user - after a write to guest memory, by the worker's address
 * @vm: the VM
 * @user: any value
 * @len: bytes
 *
 * As husk_log_written().
 */
void husk_log_written_user(struct husk_vm *vm, const void __user *user, u64 len)
{
	const struct husk_slots *slots;
	u32 i;

	smp_mb();
	if (likely(!READ_ONCE(vm->mem.logged)))
		return;
	rcu_read_lock();
	slots = rcu_dereference(vm->mem.slots);
	for (i = 0; i < slots->count; i++)
		if (slots->slot[i].log)
			access_log_slot(vm, &slots->slot[i], (unsigned long)user, (unsigned long)user + len);
	rcu_read_unlock();
}

/* A word in one piece: a guest that reads it meanwhile sees the old or the new one. As access_read_small() */
static __always_inline bool access_write_small(void __user *user, const void *data, u32 len)
{
	u32 word;

	if (len == 1)
		return !__put_user(*(const u8 *)data, (u8 __user *)user);
	if (len == 4) {
		memcpy(&word, data, 4);
		return !__put_user(word, (u32 __user *)user);
	}
	return false;
}

/**
 * husk_write_gpa - write guest memory
 * @vm: the VM; the caller runs in vm->mm
 * @gpa: any value; the range may cross slots, of which none may be READONLY
 * @data: what to write
 * @len: bytes
 *
 * May sleep. Return: 0, or -EFAULT (a part may be written).
 */
int husk_write_gpa(struct husk_vm *vm, u64 gpa, const void *data, u32 len)
{
	while (len) {
		u32 piece = len;
		void __user *user = access_find(vm, gpa, true, &piece);
		unsigned long left;

		if (!user)
			return -EFAULT;
		left = access_write_small(user, data, piece) ? 0 : __copy_to_user(user, data, piece);
		husk_log_written(vm, gpa, piece);	/* or a part of it */
		if (left)
			return -EFAULT;
		gpa += piece;
		data += piece;
		len -= piece;
	}
	return 0;
}

/**
 * husk_read_gpa_atomic - read guest memory where sleeping is not allowed
 * @vm: the VM; the caller is a thread of vm->mm
 * @gpa: any value; the range lies in one slot
 * @data: out
 * @len: bytes
 *
 * Return: 0, or -EFAULT, also if the page is not there right now.
 */
int husk_read_gpa_atomic(struct husk_vm *vm, u64 gpa, void *data, u32 len)
{
	u32 piece = len;
	void __user *user = access_find(vm, gpa, false, &piece);
	bool read;

	if (!user || piece != len)
		return -EFAULT;
	pagefault_disable();
	read = access_read_small(data, user, len) || !__copy_from_user_inatomic(data, user, len);
	pagefault_enable();
	return read ? 0 : -EFAULT;
}

/* 0: replaced, 1: another value was there, -EFAULT. The inner macro wants a label of its own. */
#define access_cmpxchg(type, user, old, new) ({					\
	type access_old = (old);						\
	__try_cmpxchg_user((type __user *)(user), &access_old, (type)(new),	\
			   access_fault_##type);				\
})

/**
 * husk_cmpxchg_gpa - replace a word of guest memory if it is what it was
 * @vm: the VM; the caller runs in vm->mm
 * @gpa: a multiple of @width
 * @old: the value that must be there
 * @new: the value to write
 * @width: 1, 2, 4 or 8 bytes
 *
 * May sleep. Return: 0, -EAGAIN if @old was not there, -EFAULT.
 */
int husk_cmpxchg_gpa(struct husk_vm *vm, u64 gpa, u64 old, u64 new, u32 width)
{
	u32 piece = width;
	void __user *user;
	int ret;

	if (!IS_ALIGNED(gpa, width))
		return -EFAULT;
	user = access_find(vm, gpa, true, &piece);
	if (!user)
		return -EFAULT;
	switch (width) {
	case 1:
		ret = access_cmpxchg(u8, user, old, new);
		break;
	case 2:
		ret = access_cmpxchg(u16, user, old, new);
		break;
	case 4:
		ret = access_cmpxchg(u32, user, old, new);
		break;
	case 8:
		ret = access_cmpxchg(u64, user, old, new);
		break;
	default:
		ret = -EFAULT;
	}
	if (!ret)
		husk_log_written(vm, gpa, width);
	return ret > 0 ? -EAGAIN : ret;
}
