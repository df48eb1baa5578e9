// SPDX-License-Identifier: GPL-2.0
/*
 * The fault path: a guest touched what the second level does not map. How it
 * works, and why it needs no page reference, is said in mem.h.
 *
 * A page is marked dirty when it is mapped writable, not when it is zapped:
 * at zap time Linux may already have written it back, and without a reference
 * the page may not be touched. Nothing is lost: whoever cleans a page takes
 * the write right from the worker's entry first, and so from the guest's.
 * Reclaim learns of the guest's use by the accessed bits (notifier.c).
 */
#include <linux/irqflags.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/pgtable.h>
#include <linux/sched/signal.h>
#include <asm/cpufeature.h>

#include "husk.h"
#include "vendor.h"

/* Rounds until the guest is entered again anyway, so that signals and requests are seen */
#define FAULT_ROUNDS	8

/* Pages mapped by one fault at most: those around it that the worker has already. Power of two. */
#define FAULT_AROUND	16

/* What one look at the worker's page table came to */
enum fault_step {
	FAULT_DONE,
	FAULT_NO_SLOT,
	FAULT_READONLY,
	FAULT_FORBIDDEN,	/* not memory */
	FAULT_ABSENT,		/* the worker's entry is not there or lacks the right */
	FAULT_INVALIDATED,	/* it is about to change */
	FAULT_NEED_TABLE,
	FAULT_CONFLICT,		/* what is mapped there has another size */
};

/* One leaf of the worker's page table */
struct fault_leaf {
	unsigned long pfn;	/* of the page wanted, not of the leaf */
	pte_t *pte;		/* of level 1 only */
	int level;
	bool read, write;
	bool special;		/* no page of Linux behind it, except perhaps the page of zeros */
};

struct fault_ctx {
	struct husk_vm *vm;
	u64 gpa, hva;		/* page-aligned; hva is set by the first step that finds a slot */
	bool write;
	int level_max;		/* of a leaf */
	int level;		/* tried last */
	u64 *spare;		/* a table in stock */
};

static void fault_read_pte(struct fault_leaf *leaf, pte_t *ptep)
{
	pte_t pte = READ_ONCE(*ptep);

	leaf->pte = ptep;
	leaf->level = 1;
	leaf->read = pte_access_permitted(pte, false);
	leaf->write = pte_access_permitted(pte, true);
	leaf->pfn = pte_pfn(pte);
	leaf->special = pte_special(pte);
}

static void fault_huge_leaf(struct fault_leaf *leaf, int level, unsigned long pfn,
			    unsigned long hva, bool read, bool write)
{
	leaf->pte = NULL;
	leaf->level = level;
	leaf->read = read;
	leaf->write = write;
	leaf->pfn = pfn + ((hva & (husk_pt_size(level) - 1)) >> PAGE_SHIFT);
	leaf->special = !pfn_valid(pfn) || PageReserved(pfn_to_page(pfn));
}

/*
 * Read the worker's page table as the CPU would. Interrupts are off, which
 * keeps the tables from being freed (as in gup_fast). false: nothing there.
 */
static bool fault_read_host(struct mm_struct *mm, unsigned long hva, struct fault_leaf *leaf)
{
	pgd_t pgd = READ_ONCE(*pgd_offset(mm, hva));
	p4d_t p4d;
	pud_t pud;
	pmd_t pmd;

	if (!pgd_present(pgd))
		return false;
	p4d = READ_ONCE(*p4d_offset(&pgd, hva));
	if (!p4d_present(p4d))
		return false;

	pud = READ_ONCE(*pud_offset(&p4d, hva));
	if (!(pud_flags(pud) & _PAGE_PRESENT))
		return false;
	if (pud_flags(pud) & _PAGE_PSE) {
		fault_huge_leaf(leaf, 3, pud_pfn(pud), hva, pud_access_permitted(pud, false),
				pud_access_permitted(pud, true));
		return true;
	}

	pmd = READ_ONCE(*pmd_offset(&pud, hva));
	if (!(pmd_flags(pmd) & _PAGE_PRESENT))
		return false;
	if (pmd_flags(pmd) & _PAGE_PSE) {
		fault_huge_leaf(leaf, 2, pmd_pfn(pmd), hva, pmd_access_permitted(pmd, false),
				pmd_access_permitted(pmd, true));
		return true;
	}

	fault_read_pte(leaf, pte_offset_kernel(&pmd, hva));
	return true;
}

/*
 * On such CPUs a guest that executes from a page while its size changes can stop
 * the machine (iTLB multihit): there code runs from leaves of 4 KiB only, larger
 * ones can't be executed.
 */
static bool fault_huge_noexec(void)
{
	return boot_cpu_has_bug(X86_BUG_ITLB_MULTIHIT);
}

/* The largest leaf, up to the worker's, that slot and CPU allow around gpa */
static int fault_level(const struct husk_slot *slot, u64 gpa, u64 hva, int level)
{
	if (level == 3 && !husk_mode(HUSK_MODE_HUGE_1G))
		level = 2;
	if (level == 2 && !husk_mode(HUSK_MODE_HUGE_2M))
		level = 1;
	if (slot->log)
		level = 1;	/* a bit for each page */
	for (; level > 1; level--) {
		u64 size = husk_pt_size(level);
		u64 first = gpa & ~(size - 1);

		if (!((gpa ^ hva) & (size - 1)) && first >= slot->gpa &&
		    first - slot->gpa + size <= slot->length)
			break;
	}
	return level;
}

/* Of a page, or of its neighbours. Without dirty bits a logged page is writable once it is written. */
static bool fault_may_write(const struct husk_slot *slot, bool write)
{
	return !(slot->flags & HUSK_MEM_READONLY) && (write || !slot->log || husk_vendor->format->dirty);
}

static bool fault_invalidated(const struct husk_mem *mem, u64 hva, u64 size)
{
	return unlikely(mem->in_progress) && hva < mem->range_end && hva + size > mem->range_start;
}

/* The page stays while mem->lock is held: it is mapped by the worker, see mem.h. */
static void fault_mark_dirty(unsigned long pfn)
{
	struct folio *folio = page_folio(pfn_to_page(pfn));

	if (!folio_test_dirty(folio))
		folio_set_dirty(folio);
}

/* Map one page or huge page; the number of 4 KiB pages that are new, or -1 for a conflict */
static long fault_install(u64 *entry, int level, const struct fault_leaf *leaf, bool write, u64 bits)
{
	const struct husk_pt_format *format = husk_vendor->format;
	u64 size = husk_pt_size(level);
	u64 hpa = ((u64)leaf->pfn << PAGE_SHIFT) & ~(size - 1);
	u64 new = husk_pt_leaf(format, level, hpa, write) | bits;

	if (level > 1 && fault_huge_noexec())
		new &= ~format->exec;
	if (write)
		fault_mark_dirty(leaf->pfn);
	switch (husk_pt_set(format, entry, level, new)) {
	case HUSK_PT_OK:
		return size >> PAGE_SHIFT;
	case HUSK_PT_SAME:
		return 0;
	default:
		return -1;
	}
}

/*
 * Map a page that the guest did not ask for: without the accessed bit, so that
 * aging does not see it as used. Not one that the worker gave up with
 * MADV_FREE: to mark that dirty would be to keep it.
 */
static bool fault_install_neighbour(u64 *entry, pte_t pte, bool may_write)
{
	unsigned long pfn = pte_pfn(pte);
	struct folio *folio;
	bool write;

	if (!pte_access_permitted(pte, false) || pte_special(pte))
		return false;
	folio = page_folio(pfn_to_page(pfn));
	if (folio_test_anon(folio) && !folio_test_swapbacked(folio))
		return false;
	write = may_write && pte_access_permitted(pte, true);
	if (write && !folio_test_dirty(folio))
		folio_set_dirty(folio);
	return husk_pt_add(entry, husk_pt_leaf(husk_vendor->format, 1, (u64)pfn << PAGE_SHIFT, write));
}

/*
 * Map pages around the one that faulted, if the worker's page table has them
 * at hand. All are in the same table here and there.
 */
static long fault_map_around(struct fault_ctx *ctx, const struct husk_slot *slot, u64 *entry,
			     pte_t *pte)
{
	bool may_write = fault_may_write(slot, false);
	long index = (ctx->gpa >> PAGE_SHIFT) & (FAULT_AROUND - 1);
	long host_index = (ctx->hva >> PAGE_SHIFT) & (PTRS_PER_PTE - 1);
	long before, after, i, pages = 0;

	before = min_t(u64, index, (ctx->gpa - slot->gpa) >> PAGE_SHIFT);
	after = min_t(u64, FAULT_AROUND - 1 - index,
		      ((slot->gpa + slot->length - ctx->gpa) >> PAGE_SHIFT) - 1);
	before = min(before, host_index);
	after = min(after, PTRS_PER_PTE - 1 - host_index);
	if (fault_invalidated(&ctx->vm->mem, ctx->hva - (before << PAGE_SHIFT),
			      (before + 1 + after) << PAGE_SHIFT))
		return 0;

	for (i = -before; i <= after; i++)
		if (!READ_ONCE(entry[i]) &&
		    fault_install_neighbour(entry + i, READ_ONCE(pte[i]), may_write))
			pages++;
	return pages;
}

/* Copy what the worker's page table says. mem->lock held for reading, interrupts off. */
static enum fault_step fault_copy(struct fault_ctx *ctx, const struct husk_slot *slot)
{
	const struct husk_pt_format *format = husk_vendor->format;
	struct husk_mem *mem = &ctx->vm->mem;
	struct fault_leaf leaf;
	u64 *entry, size;
	long pages;

	if (!fault_read_host(ctx->vm->mm, ctx->hva, &leaf) || !leaf.read ||
	    (ctx->write && !leaf.write))
		return FAULT_ABSENT;
	if (leaf.special && (leaf.write || !is_zero_pfn(leaf.pfn)))
		return FAULT_FORBIDDEN;
	ctx->level = fault_level(slot, ctx->gpa, ctx->hva, min(leaf.level, ctx->level_max));
	size = husk_pt_size(ctx->level);
	if (fault_invalidated(mem, ctx->hva & ~(size - 1), size))
		return FAULT_INVALIDATED;

	switch (husk_pt_walk(format, mem->root, ctx->gpa, ctx->level, &ctx->spare, &entry)) {
	case HUSK_PT_NEED_TABLE:
		return FAULT_NEED_TABLE;
	case HUSK_PT_CONFLICT:
		return FAULT_CONFLICT;
	default:
		break;
	}
	pages = fault_install(entry, ctx->level, &leaf, leaf.write && fault_may_write(slot, ctx->write),
			      format->accessed | (ctx->write ? format->dirty : 0));
	if (pages < 0)
		return FAULT_CONFLICT;
	if (slot->log && ctx->write)
		husk_log_set(slot, ctx->gpa);	/* the CPU won't: the dirty bit is set */
	if (leaf.pte)
		pages += fault_map_around(ctx, slot, entry, leaf.pte);
	if (pages)
		atomic_long_add(pages, &mem->mapped_pages);
	return FAULT_DONE;
}

static enum fault_step fault_try(struct fault_ctx *ctx)
{
	struct husk_mem *mem = &ctx->vm->mem;
	const struct husk_slot *slot;
	enum fault_step step;

	read_lock(&mem->lock);
	slot = husk_slots_find(rcu_dereference_protected(mem->slots, lockdep_is_held(&mem->lock)),
			       ctx->gpa);
	if (!slot) {
		step = FAULT_NO_SLOT;
	} else if (ctx->write && slot->flags & HUSK_MEM_READONLY) {
		step = FAULT_READONLY;
	} else {
		ctx->hva = husk_slot_hva(slot, ctx->gpa);
		local_irq_disable();
		step = fault_copy(ctx, slot);
		local_irq_enable();
	}
	read_unlock(&mem->lock);
	return step;
}

/*
 * Have Linux handle this as a fault of the worker at that address. MAPPED: the
 * worker's page table has it now, or will at the next try.
 */
static enum husk_fault fault_host(struct mm_struct *mm, unsigned long hva, bool write)
{
	struct vm_area_struct *vma;
	vm_fault_t ret;

	mmap_read_lock(mm);
	vma = vma_lookup(mm, hva);
	if (!vma || !(vma->vm_flags & (write ? VM_WRITE : VM_READ)) ||
	    vma->vm_flags & (VM_IO | VM_PFNMAP)) {
		mmap_read_unlock(mm);
		return HUSK_FAULT_BAD;
	}
	ret = handle_mm_fault(vma, hva, FAULT_FLAG_DEFAULT | (write ? FAULT_FLAG_WRITE : 0), NULL);
	/* with either of these the lock was dropped inside */
	if (!(ret & (VM_FAULT_RETRY | VM_FAULT_COMPLETED)))
		mmap_read_unlock(mm);

	if (ret & (VM_FAULT_HWPOISON | VM_FAULT_HWPOISON_LARGE))
		return HUSK_FAULT_HWPOISON;
	if (ret & VM_FAULT_ERROR)
		return HUSK_FAULT_BAD;
	if (ret & VM_FAULT_RETRY && signal_pending(current))
		return HUSK_FAULT_SIGNAL;
	return HUSK_FAULT_MAPPED;
}

/* Take away what is mapped with another size; the next round finds the place empty. */
static void fault_clear_conflict(struct fault_ctx *ctx)
{
	struct husk_mem *mem = &ctx->vm->mem;
	u64 size = husk_pt_size(ctx->level);
	u64 gpa = ctx->gpa & ~(size - 1);
	const struct husk_slot *slot;
	u64 *dead = NULL;

	write_lock(&mem->lock);
	/* The slots may have changed since the conflict was found. */
	slot = husk_slots_find(rcu_dereference_protected(mem->slots, lockdep_is_held(&mem->lock)), gpa);
	if (slot && gpa + size <= slot->gpa + slot->length)
		husk_mem_zap(ctx->vm, gpa, gpa + size, &dead);
	write_unlock(&mem->lock);
	husk_mem_flush(ctx->vm);
	husk_mem_free_dead(ctx->vm, dead);
}

/* One round. true: the answer is in *fault */
static bool fault_round(struct fault_ctx *ctx, enum husk_fault *fault)
{
	switch (fault_try(ctx)) {
	case FAULT_NO_SLOT:
		*fault = HUSK_FAULT_NO_SLOT;
		return true;
	case FAULT_READONLY:
		*fault = HUSK_FAULT_READONLY;
		return true;
	case FAULT_FORBIDDEN:
		*fault = HUSK_FAULT_BAD;
		return true;
	case FAULT_ABSENT:
		*fault = fault_host(ctx->vm->mm, ctx->hva, ctx->write);
		return *fault != HUSK_FAULT_MAPPED;
	case FAULT_NEED_TABLE:
		ctx->spare = husk_mem_alloc_table(ctx->vm);
		*fault = ctx->spare ? HUSK_FAULT_MAPPED : HUSK_FAULT_BAD;
		return !ctx->spare;
	case FAULT_CONFLICT:
		/* It may be a table for code: a huge leaf in its place would be in its way soon. */
		if (ctx->level > 1 && fault_huge_noexec())
			ctx->level_max = ctx->level - 1;
		else
			fault_clear_conflict(ctx);
		return false;
	default:
		/* done, or invalidated: then the guest faults again when that may be over */
		*fault = HUSK_FAULT_MAPPED;
		return true;
	}
}

/**
 * husk_mem_fault - map what backs a guest physical address
 * @vcpu: the vCPU that faulted; the caller is its thread
 * @gpa: the address, any value
 * @access: HUSK_ACCESS_x
 *
 * Process context, interrupts on, no lock held; may sleep.
 *
 * Return: see enum husk_fault. MAPPED may be said of a page that is not mapped
 * when the host is busy with it: the guest faults once more.
 */
enum husk_fault husk_mem_fault(struct husk_vcpu *vcpu, u64 gpa, u32 access)
{
	struct fault_ctx ctx = {
		.vm = vcpu->vm,
		.gpa = gpa & PAGE_MASK,
		.write = access & HUSK_ACCESS_WRITE,
		.level_max = (access & HUSK_ACCESS_EXEC) && fault_huge_noexec() ? 1 : 3,
	};
	enum husk_fault fault = HUSK_FAULT_MAPPED;
	int round;

	for (round = 0; round < FAULT_ROUNDS; round++)
		if (fault_round(&ctx, &fault))
			break;
	husk_mem_free_table(ctx.vm, ctx.spare);
	return fault;
}
