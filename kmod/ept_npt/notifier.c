// SPDX-License-Identifier: GPL-2.0
/*
 * The mmu_notifier: Linux tells us before it takes away or changes pages of
 * the worker. Between start and end of such an invalidation no fault maps
 * anything of its range.
 */
#include <linux/mm.h>
#include <linux/sched.h>

#include "husk.h"
#include "vendor.h"

static struct husk_vm *notifier_vm(struct mmu_notifier *notifier)
{
	return container_of(notifier, struct husk_vm, mem.notifier);
}

static const struct husk_slots *notifier_slots(struct husk_mem *mem)
{
	return rcu_dereference_protected(mem->slots, lockdep_is_held(&mem->lock));
}

/*
 * The slots may be replaced between the rounds: what went away was unmapped
 * and flushed before, and what is new can't be mapped while in_progress covers it.
 * Tables stay: freeing them is for slot changes, where sleeping is allowed.
 */
static void notifier_zap(struct husk_vm *vm, unsigned long start, unsigned long end, bool may_sleep)
{
	struct husk_mem *mem = &vm->mem;
	u64 gpa = 0, gpa_end;
	bool more;

	do {
		write_lock(&mem->lock);
		more = husk_slots_next(notifier_slots(mem), start, end, &gpa, &gpa_end);
		if (more) {
			gpa_end = min(gpa_end, (gpa | (HUSK_MEM_ZAP_CHUNK - 1)) + 1);
			husk_mem_zap(vm, gpa, gpa_end, NULL);
			gpa = gpa_end;
		}
		write_unlock(&mem->lock);
		if (may_sleep)
			cond_resched();
	} while (more);
	husk_mem_flush(vm);
}

/**
 * husk_mem_invalidate_begin - no fault maps anything of a range from here on
 * @mem: the memory
 * @start: first byte of the worker's range
 * @end: the byte after it
 *
 * Faults there are tried again until husk_mem_invalidate_end().
 */
void husk_mem_invalidate_begin(struct husk_mem *mem, unsigned long start, unsigned long end)
{
	write_lock(&mem->lock);
	if (!mem->in_progress++) {
		mem->range_start = start;
		mem->range_end = end;
	} else {
		mem->range_start = min(mem->range_start, start);
		mem->range_end = max(mem->range_end, end);
	}
	write_unlock(&mem->lock);
}

/**
 * husk_mem_invalidate_end - the reverse
 * @mem: the memory
 */
void husk_mem_invalidate_end(struct husk_mem *mem)
{
	write_lock(&mem->lock);
	mem->in_progress--;
	write_unlock(&mem->lock);
}

static int notifier_range_start(struct mmu_notifier *notifier, const struct mmu_notifier_range *range)
{
	struct husk_vm *vm = notifier_vm(notifier);

	husk_mem_invalidate_begin(&vm->mem, range->start, range->end);
	notifier_zap(vm, range->start, range->end, mmu_notifier_range_blockable(range));
	return 0;
}

static void notifier_range_end(struct mmu_notifier *notifier, const struct mmu_notifier_range *range)
{
	husk_mem_invalidate_end(&notifier_vm(notifier)->mem);
}

static bool notifier_age(struct mmu_notifier *notifier, unsigned long start, unsigned long end, bool clear)
{
	struct husk_mem *mem = &notifier_vm(notifier)->mem;
	bool young = false;
	u64 gpa = 0, gpa_end;

	read_lock(&mem->lock);
	while (husk_slots_next(notifier_slots(mem), start, end, &gpa, &gpa_end)) {
		young |= husk_pt_age(husk_vendor->format, mem->root, gpa, gpa_end, clear);
		gpa = gpa_end;
	}
	read_unlock(&mem->lock);
	return young;
}

/* No flush even here, as x86 does for its own tables: the error is a page that looks idle for a while. */
static husk_young_t notifier_clear_flush_young(struct mmu_notifier *notifier, struct mm_struct *mm,
					       unsigned long start, unsigned long end)
{
	return notifier_age(notifier, start, end, true);
}

static husk_young_t notifier_clear_young(struct mmu_notifier *notifier, struct mm_struct *mm,
					 unsigned long start, unsigned long end)
{
	return notifier_age(notifier, start, end, true);
}

static husk_young_t notifier_test_young(struct mmu_notifier *notifier, struct mm_struct *mm,
					unsigned long address)
{
	return notifier_age(notifier, address, address + PAGE_SIZE, false);
}

/* The worker's memory ends; nobody runs in it any more */
static void notifier_release(struct mmu_notifier *notifier, struct mm_struct *mm)
{
	notifier_zap(notifier_vm(notifier), 0, ULONG_MAX, true);
}

const struct mmu_notifier_ops husk_mem_notifier_ops = {
	.invalidate_range_start = notifier_range_start,
	.invalidate_range_end = notifier_range_end,
	.clear_flush_young = notifier_clear_flush_young,
	.clear_young = notifier_clear_young,
	.test_young = notifier_test_young,
	.release = notifier_release,
};
