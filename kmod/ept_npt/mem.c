// SPDX-License-Identifier: GPL-2.0
/*
 * Guest memory: its life, its slots, and what the other files here share.
 */
#include <linux/gfp.h>
#include <linux/mem_encrypt.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "husk.h"
#include "vendor.h"

/* Pages that the local APIC and the IOAPIC answer for, SDM 3A 11.4.1, 11.10 */
static const u64 mem_chip_pages[] = { 0xfec00000, 0xfee00000 };

static u64 mem_gpa_limit(void)
{
	u32 bits = 12 + 9 * husk_vendor->format->levels;

	return 1ULL << min(bits, husk_host.phys_bits);
}

/**
 * husk_mem_alloc_table - a zeroed page-table page, charged to the caller's cgroup
 * @vm: the VM
 *
 * May sleep. Return: the table or NULL.
 */
u64 *husk_mem_alloc_table(struct husk_vm *vm)
{
	u64 *table = (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);

	if (table)
		atomic_long_inc(&vm->mem.table_pages);
	return table;
}

void husk_mem_free_table(struct husk_vm *vm, u64 *table)
{
	if (!table)
		return;
	free_page((unsigned long)table);
	atomic_long_dec(&vm->mem.table_pages);
}

/**
 * husk_mem_free_dead - free tables that no CPU walks any more
 * @vm: the VM, flushed after the tables were unlinked
 * @dead: list made by husk_pt_zap()
 */
void husk_mem_free_dead(struct husk_vm *vm, u64 *dead)
{
	u64 *table;

	while ((table = husk_pt_pop_dead(&dead)))
		husk_mem_free_table(vm, table);
}

/**
 * husk_mem_flush - no vCPU uses what was zapped so far, when this returns
 * @vm: the VM
 *
 * Interrupts on. Doesn't sleep. Also flushes what others have zapped and not
 * flushed yet, so that who finds his range empty can trust that.
 */
void husk_mem_flush(struct husk_vm *vm)
{
	struct husk_mem *mem = &vm->mem;
	unsigned long zapped = smp_load_acquire(&mem->zapped);
	long flushed = atomic_long_read_acquire(&mem->flushed);

	if ((long)(zapped - flushed) <= 0)
		return;
	atomic64_inc(&mem->flushes);
	husk_vm_request_sync(vm, HUSK_REQ_FLUSH);
	while ((long)(zapped - flushed) > 0 &&
	       !atomic_long_try_cmpxchg_release(&mem->flushed, &flushed, zapped))
		;
}

/**
 * husk_mem_zap - empty the leaves of a range
 * @vm: the VM
 * @gpa: first byte
 * @end: the byte after the range, which lies in one slot
 * @dead: NULL or list for the tables that became empty, as husk_pt_zap()
 *
 * mem->lock held for writing. The caller flushes after it.
 */
void husk_mem_zap(struct husk_vm *vm, u64 gpa, u64 end, u64 **dead)
{
	struct husk_mem *mem = &vm->mem;
	const struct husk_slot *slot;
	struct husk_pt_log log;
	u64 pages;

	lockdep_assert_held_write(&mem->lock);
	slot = husk_slots_find(rcu_dereference_protected(mem->slots, lockdep_is_held(&mem->lock)), gpa);
	if (slot && slot->log) {
		log = (struct husk_pt_log) { .gpa = slot->gpa, .bits = slot->log->bits };
		end = min(end, slot->gpa + slot->length);	/* whatever the caller says: the log ends there */
	}
	pages = husk_pt_zap(husk_vendor->format, mem->root, gpa, end, dead, slot && slot->log ? &log : NULL);
	atomic_long_sub(pages, &mem->mapped_pages);
	/* Tables count: CPUs cache the entries that point to them. */
	if (pages || (dead && *dead))
		smp_store_release(&mem->zapped, mem->zapped + 1);
}

/* Unmap a range with its tables */
static void mem_drop_range(struct husk_vm *vm, u64 gpa, u64 length)
{
	u64 end = gpa + length, *dead = NULL, next;

	for (; gpa < end; gpa = next) {
		next = min((gpa | (HUSK_MEM_ZAP_CHUNK - 1)) + 1, end);
		write_lock(&vm->mem.lock);
		husk_mem_zap(vm, gpa, next, &dead);
		write_unlock(&vm->mem.lock);
		cond_resched();
	}
	husk_mem_flush(vm);
	husk_mem_free_dead(vm, dead);
}

/**
 * husk_mem_init - give a VM its empty memory
 * @vm: the VM, with vm->mm set; the caller runs in that mm
 *
 * Return: 0, -ENOMEM or -EINTR.
 */
int husk_mem_init(struct husk_vm *vm)
{
	struct husk_mem *mem = &vm->mem;
	struct husk_slots *slots;
	int err = -ENOMEM;

	rwlock_init(&mem->lock);
	slots = kzalloc(sizeof(*slots), GFP_KERNEL_ACCOUNT);
	if (!slots)
		return -ENOMEM;
	RCU_INIT_POINTER(mem->slots, slots);

	mem->root = husk_mem_alloc_table(vm);
	if (!mem->root)
		goto free_slots;
	mem->root_hpa = __sme_set(__pa(mem->root));

	mem->notifier.ops = &husk_mem_notifier_ops;
	err = mmu_notifier_register(&mem->notifier, vm->mm);
	if (err)
		goto free_root;
	return 0;

free_root:
	husk_mem_free_table(vm, mem->root);
free_slots:
	kfree(slots);
	return err;
}

/**
 * husk_mem_fini - the reverse
 * @vm: the VM; its vCPUs are gone
 */
void husk_mem_fini(struct husk_vm *vm)
{
	struct husk_mem *mem = &vm->mem;
	struct husk_slots *slots = rcu_dereference_protected(mem->slots, true);
	u32 i;

	mmu_notifier_unregister(&mem->notifier, vm->mm);
	for (i = 0; i < slots->count; i++) {
		mem_drop_range(vm, slots->slot[i].gpa, slots->slot[i].length);
		husk_log_destroy(slots->slot[i].log);
	}
	husk_mem_free_table(vm, mem->root);
	WARN_ON_ONCE(atomic_long_read(&mem->table_pages) || atomic_long_read(&mem->mapped_pages));
	kfree_rcu(slots, rcu);
}

static int mem_check_slot(const struct husk_memory *arg)
{
	u64 limit = mem_gpa_limit();
	int i;

	if (arg->flags & ~(HUSK_MEM_READONLY | HUSK_MEM_LOG_DIRTY))
		return -EOPNOTSUPP;
	if (arg->slot >= husk_max_slots || arg->slot >= HUSK_MAX_SLOTS || arg->reserved)
		return -EINVAL;
	if ((arg->gpa | arg->length | arg->hva) & ~PAGE_MASK)
		return -EINVAL;
	if (arg->gpa > limit || arg->length > limit - arg->gpa)
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(mem_chip_pages); i++)
		if (mem_chip_pages[i] >= arg->gpa && mem_chip_pages[i] - arg->gpa < arg->length)
			return -EINVAL;
	if (!access_ok((void __user *)(unsigned long)arg->hva, arg->length))
		return -EINVAL;
	return 0;
}

/*
 * The old slot goes as if the worker took that memory away. It stays in the set
 * until all of it is unmapped and flushed: the notifier looks there for what it
 * has to unmap. So nothing is mapped when a log begins.
 */
static void mem_publish(struct husk_vm *vm, struct husk_slots *old, struct husk_slots *new,
			const struct husk_slot *slot)
{
	const struct husk_slot *gone = husk_slots_by_id(old, slot->id);
	struct husk_mem *mem = &vm->mem;

	if (gone) {
		husk_mem_invalidate_begin(mem, gone->hva, gone->hva + gone->length);
		mem_drop_range(vm, gone->gpa, gone->length);
	}
	if (slot->log)
		husk_log_begin(vm);
	write_lock(&mem->lock);
	rcu_assign_pointer(mem->slots, new);
	WRITE_ONCE(mem->slots_generation, mem->slots_generation + 1);
	write_unlock(&mem->lock);
	if (gone)
		husk_mem_invalidate_end(mem);
	if (gone && gone->log) {
		husk_log_end(vm);
		husk_log_destroy(gone->log);
	}
	kfree_rcu(old, rcu);
}

/**
 * husk_mem_set_slot - make, replace or delete a slot
 * @vm: the VM, with vm->lock held; the caller runs in vm->mm
 * @arg: as the user gave it
 *
 * Return: 0, -EINVAL, -EOPNOTSUPP, -EEXIST, -ENOENT (uapi/husk.h) or -ENOMEM.
 */
int husk_mem_set_slot(struct husk_vm *vm, const struct husk_memory *arg)
{
	struct husk_slot slot = {
		.gpa = arg->gpa,
		.length = arg->length,
		.hva = arg->hva,
		.flags = arg->flags,
		.id = arg->slot,
	};
	struct husk_slots *old, *new;
	int err;

	lockdep_assert_held(&vm->lock);
	err = mem_check_slot(arg);
	if (err)
		return err;
	old = rcu_dereference_protected(vm->mem.slots, lockdep_is_held(&vm->lock));
	new = kzalloc(struct_size(new, slot, old->count + 1), GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;
	err = husk_slots_replace(old, &slot, new);
	if (!err && arg->length && arg->flags & HUSK_MEM_LOG_DIRTY) {
		slot.log = husk_log_create(arg->length);
		if (slot.log)
			husk_slots_replace(old, &slot, new);
		else
			err = -ENOMEM;
	}
	if (err) {
		kfree(new);
		return err;
	}
	mem_publish(vm, old, new, &slot);
	return 0;
}

/**
 * husk_mem_bytes - sum of the slots
 * @vm: the VM
 *
 * Return: bytes.
 */
u64 husk_mem_bytes(struct husk_vm *vm)
{
	const struct husk_slots *slots;
	u64 bytes = 0;
	u32 i;

	rcu_read_lock();
	slots = rcu_dereference(vm->mem.slots);
	for (i = 0; i < slots->count; i++)
		bytes += slots->slot[i].length;
	rcu_read_unlock();
	return bytes;
}
