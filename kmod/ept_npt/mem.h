/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guest memory: slots, the second-level page table, the mmu_notifier that
 * keeps it honest. EPT and NPT differ as data (struct husk_pt_format).
 *
 * The second level is a cache of the worker's own page table. A fault looks up
 * the slot, reads the worker's page table as the CPU would, and copies what it
 * finds, all under mem->lock for reading; if the entry there is missing it has
 * Linux handle that as a fault of the worker, and looks again. The notifier
 * takes mem->lock for writing before Linux changes an entry. So no page
 * reference is ever held, and a right that the worker's page table does not
 * give can't reach the guest.
 */
#ifndef HUSK_EPT_NPT_MEM_H
#define HUSK_EPT_NPT_MEM_H

#include <linux/atomic.h>
#include <linux/mmu_notifier.h>
#include <linux/spinlock.h>
#include <linux/types.h>

#include "slots.h"
#include "table.h"

struct husk_vm;
struct husk_vcpu;
struct husk_memory;
struct husk_harvest;

/* A bit a page of a slot. Set by atomic bit operations, cleared with mem->lock held for writing */
struct husk_log {
	struct rcu_head rcu;
	unsigned long bits[];
};

/**
 * struct husk_mem - the memory of a VM
 * @lock: read: fault handlers (entries are installed by cmpxchg); write: zap,
 *	slot change. Taken under the host's page table locks, so nothing that
 *	takes those or sleeps may be called with it held
 * @slots: replaced whole, under vm->lock and @lock for writing. Read under
 *	@lock, or under RCU where the answer may be one moment old
 * @slots_generation: counts replacements of @slots; written under vm->lock
 * @root: the highest table; immutable
 * @root_hpa: its physical address as the CPU takes it (with the host's memory
 *	encryption bit); immutable
 * @notifier: on the creator's mm
 * @in_progress: invalidations between start and end, by @lock
 * @range_start: first byte of the worker's memory that they concern, by @lock
 * @range_end: the byte after it
 * @logged: number of logged slots, by vm->lock
 * @zapped: number of zaps, and of harvests that changed an entry, by @lock
 * @flushed: the zaps up to this number are flushed. Whoever must be sure that
 *	nothing of a range is left flushes if another's zap is not flushed yet
 * @table_pages: page-table pages in use, the root counted
 * @mapped_pages: 4 KiB units mapped
 * @flushes: TLB flushes of the whole VM asked for
 */
struct husk_mem {
	rwlock_t lock;
	struct husk_slots __rcu *slots;
	u32 slots_generation;
	u64 *root;
	u64 root_hpa;
	struct mmu_notifier notifier;
	unsigned long in_progress;
	unsigned long range_start, range_end;
	unsigned int logged;
	unsigned long zapped;
	atomic_long_t flushed;
	atomic_long_t table_pages;
	atomic_long_t mapped_pages;
	atomic64_t flushes;
};

int husk_mem_init(struct husk_vm *vm);
void husk_mem_fini(struct husk_vm *vm);
/* HUSK_VM_SET_MEMORY, under vm->lock. Errors as the uapi says. */
int husk_mem_set_slot(struct husk_vm *vm, const struct husk_memory *arg);

/* HUSK_VM_HARVEST, under vm->lock */
int husk_mem_harvest(struct husk_vm *vm, struct husk_harvest *arg);
/* A page of a logged slot was written by the kernel, or the CPU says so. Any gpa, any context. */
void husk_log_page(struct husk_vm *vm, u64 gpa);

/* What a second-level fault turned out to be */
enum husk_fault {
	HUSK_FAULT_MAPPED,	/* enter again */
	HUSK_FAULT_NO_SLOT,	/* outside of the slots: MMIO */
	HUSK_FAULT_READONLY,	/* write to a read-only slot: MMIO write */
	HUSK_FAULT_HWPOISON,	/* the host page is poisoned */
	HUSK_FAULT_BAD,		/* the backing is gone or not permitted */
	HUSK_FAULT_SIGNAL,	/* a signal is pending; return to the worker */
};
/* Map what backs gpa. Process context, interrupts on, may sleep. access: HUSK_ACCESS_x */
enum husk_fault husk_mem_fault(struct husk_vcpu *vcpu, u64 gpa, u32 access);
u64 husk_mem_bytes(struct husk_vm *vm);	/* sum of the slots */

/* ---- inside ept_npt ---- */

/* How much is zapped before others may have the lock: bounds its hold to about 0.1 ms */
#define HUSK_MEM_ZAP_CHUNK	(64ULL << 20)

extern const struct mmu_notifier_ops husk_mem_notifier_ops;

struct husk_log *husk_log_create(u64 length);
void husk_log_destroy(struct husk_log *log);
void husk_log_begin(struct husk_vm *vm);
void husk_log_end(struct husk_vm *vm);
void husk_log_set(const struct husk_slot *slot, u64 gpa);
u64 *husk_mem_alloc_table(struct husk_vm *vm);
void husk_mem_free_table(struct husk_vm *vm, u64 *table);
void husk_mem_free_dead(struct husk_vm *vm, u64 *dead);
void husk_mem_flush(struct husk_vm *vm);
void husk_mem_zap(struct husk_vm *vm, u64 gpa, u64 end, u64 **dead);
void husk_mem_invalidate_begin(struct husk_mem *mem, unsigned long start, unsigned long end);
void husk_mem_invalidate_end(struct husk_mem *mem);

#endif
