// SPDX-License-Identifier: GPL-2.0
/*
 * The walk through the guest's own page tables, as the CPU would do it
 * (SDM 3A chapter 4, APM2 chapter 5). Every entry is guest-written: it is read
 * once, and its address is used only through the caller's operations.
 */
#include <asm/processor-flags.h>

#include "emulate.h"

#define PTE_PRESENT	BIT_ULL(0)
#define PTE_WRITE	BIT_ULL(1)
#define PTE_USER	BIT_ULL(2)
#define PTE_ACCESSED	BIT_ULL(5)
#define PTE_DIRTY	BIT_ULL(6)
#define PTE_HUGE	BIT_ULL(7)
#define PTE_NX		BIT_ULL(63)

/* Page-fault error code, SDM 3A 4.7 */
#define PF_PRESENT	BIT(0)
#define PF_WRITE	BIT(1)
#define PF_USER		BIT(2)
#define PF_RESERVED	BIT(3)
#define PF_FETCH	BIT(4)

#define WALK_LEVELS	5
#define WALK_RETRIES	4	/* walks that may lose the race for an accessed or dirty bit */

/*
 * A paging format as data. @huge has bit N for each level N whose entry may be
 * a leaf by its PS bit. @pdpt: level 3 is PAE's, without rights and A bit
 * (SDM 3A table 4-8).
 */
struct walk_format {
	u8 levels, width, index_bits, huge;
	bool pdpt;
	u64 root_mask;
};

static const struct walk_format walk_legacy = {
	.levels = 2, .width = 4, .index_bits = 10, .root_mask = GENMASK_ULL(31, 12),
};

static const struct walk_format walk_legacy_pse = {
	.levels = 2, .width = 4, .index_bits = 10, .huge = BIT(2), .root_mask = GENMASK_ULL(31, 12),
};

static const struct walk_format walk_pae = {
	.levels = 3, .width = 8, .index_bits = 9, .huge = BIT(2), .pdpt = true, .root_mask = GENMASK_ULL(31, 5),
};

static const struct walk_format walk_long4 = {
	.levels = 4, .width = 8, .index_bits = 9, .huge = BIT(2) | BIT(3), .root_mask = GENMASK_ULL(51, 12),
};

static const struct walk_format walk_long5 = {
	.levels = 5, .width = 8, .index_bits = 9, .huge = BIT(2) | BIT(3), .root_mask = GENMASK_ULL(51, 12),
};

/* One walk: the entries it went through, for the accessed bits */
struct walk {
	const struct husk_walk_mode *mode;
	const struct walk_format *format;
	const struct husk_walk_ops *ops;
	void *ctx;
	u64 gva;
	u32 access;
	u64 entry[WALK_LEVELS + 1], entry_gpa[WALK_LEVELS + 1];	/* by level */
	int level;		/* of the leaf */
	u64 rights;		/* PTE_WRITE, PTE_USER: of all levels; PTE_NX: of any */
};

static const struct walk_format *walk_format_of(const struct husk_walk_mode *mode)
{
	if (!(mode->cr4 & X86_CR4_PAE))
		return mode->cr4 & X86_CR4_PSE ? &walk_legacy_pse : &walk_legacy;
	if (!(mode->efer & EFER_LMA))
		return &walk_pae;
	return mode->cr4 & X86_CR4_LA57 ? &walk_long5 : &walk_long4;
}

static bool walk_is_leaf(const struct walk *w, int level, u64 entry)
{
	if (level == 1)
		return true;
	if (!(entry & PTE_HUGE) || !(w->format->huge & BIT(level)))
		return false;
	return level != 3 || w->mode->has_1g;
}

/* Bits that must be zero in an entry of the 32-bit format: only a 4 MiB leaf has any (SDM 3A table 4-4) */
static u64 walk_reserved_legacy(const struct walk *w, bool leaf, int level)
{
	u32 high = w->mode->phys_bits > 40 ? 40 : w->mode->phys_bits;

	if (!leaf || level != 2)
		return 0;
	return BIT_ULL(21) | (high < 40 ? GENMASK_ULL(20, high > 32 ? high - 19 : 13) : 0);
}

/* The same for 64-bit entries */
static u64 walk_reserved(const struct walk *w, int level, bool leaf)
{
	u64 reserved = 0;

	if (w->format->width == 4)
		return walk_reserved_legacy(w, leaf, level);
	if (w->mode->phys_bits < 52)
		reserved = GENMASK_ULL(51, w->mode->phys_bits);
	if (w->format->levels == 3)
		reserved |= GENMASK_ULL(62, 52);
	if (!(w->mode->efer & EFER_NX))
		reserved |= PTE_NX;
	/* Bits 8:5, but QEMU's CPU sets the accessed bit 5 in its walks. */
	if (w->format->pdpt && level == 3)
		return reserved | PTE_NX | GENMASK_ULL(8, 6) | GENMASK_ULL(2, 1);
	if (leaf && level > 1)
		return reserved | GENMASK_ULL(12 + 9 * (level - 1) - 1, 13);
	if (!leaf && level > 2)
		reserved |= PTE_HUGE;
	return reserved;
}

/* The frame that a leaf of @span + 1 bytes points to */
static u64 walk_frame(const struct walk *w, int level, u64 entry, u64 span)
{
	if (w->format->width == 8)
		return entry & GENMASK_ULL(51, 12) & ~span;
	if (level == 1)
		return entry & GENMASK_ULL(31, 12);
	/* PSE-36: bits 20:13 are address bits 39:32 */
	return (entry & GENMASK_ULL(31, 22)) | (entry & GENMASK_ULL(20, 13)) << 19;
}

/* Do the rights of a complete walk allow the access? (SDM 3A 4.6) */
static bool walk_allows(const struct husk_walk_mode *mode, u64 rights, u32 access)
{
	if (access & HUSK_ACCESS_USER) {
		if (!(rights & PTE_USER))
			return false;
	} else if (rights & PTE_USER) {
		if (access & HUSK_ACCESS_EXEC ? mode->cr4 & X86_CR4_SMEP :
		    (mode->cr4 & X86_CR4_SMAP) && !mode->smap_off)
			return false;
	}
	if ((access & HUSK_ACCESS_EXEC) && (rights & PTE_NX))
		return false;
	if ((access & HUSK_ACCESS_WRITE) && !(rights & PTE_WRITE))
		return !(access & HUSK_ACCESS_USER) && !(mode->cr0 & X86_CR0_WP);
	return true;
}

/* Read one level. 0: go on to the next, 1: fault with *error, 2: it is the leaf, -EFAULT */
static int walk_level(struct walk *w, u64 table, int level, u32 *error)
{
	const struct walk_format *f = w->format;
	u32 shift = 12 + f->index_bits * (level - 1);
	u64 index = (w->gva >> shift) & ((f->pdpt && level == 3) ? 3 : BIT_ULL(f->index_bits) - 1);
	u64 entry = 0;
	bool leaf;

	w->entry_gpa[level] = table + index * f->width;
	if (w->ops->read(w->ctx, w->entry_gpa[level], &entry, f->width))
		return -EFAULT;
	w->entry[level] = entry;
	*error = 0;
	if (!(entry & PTE_PRESENT))
		return 1;
	leaf = walk_is_leaf(w, level, entry);
	*error = PF_PRESENT | PF_RESERVED;
	if (entry & walk_reserved(w, level, leaf))
		return 1;
	if (!(f->pdpt && level == 3)) {
		w->rights &= entry | ~(PTE_WRITE | PTE_USER);
		w->rights |= entry & PTE_NX;
	}
	return leaf ? 2 : 0;
}

/* Set accessed in all entries used and dirty in the leaf, where they are not set: 0, -EAGAIN, -EFAULT */
static int walk_set_accessed(struct walk *w)
{
	int level;

	for (level = w->format->levels; level >= w->level; level--) {
		u64 old = w->entry[level], new = old | PTE_ACCESSED;
		int ret;

		if (w->format->pdpt && level == 3)
			continue;
		if (level == w->level && (w->access & HUSK_ACCESS_WRITE))
			new |= PTE_DIRTY;
		if (new == old)
			continue;
		ret = w->ops->update(w->ctx, w->entry_gpa[level], old, new, w->format->width);
		if (ret)
			return ret;
	}
	return 0;
}

static int walk_once(struct walk *w, u64 *gpa, u32 *error)
{
	u64 table = w->mode->cr3 & w->format->root_mask;
	int level, ret = 0;
	u64 span;

	w->rights = PTE_WRITE | PTE_USER;
	for (level = w->format->levels; level; level--) {
		ret = walk_level(w, table, level, error);
		if (ret)
			break;
		table = w->entry[level] & GENMASK_ULL(51, 12);
	}
	if (ret != 2)
		return ret;
	*error = PF_PRESENT;
	if (!walk_allows(w->mode, w->rights, w->access))
		return 1;
	w->level = level;
	span = BIT_ULL(12 + w->format->index_bits * (level - 1)) - 1;
	*gpa = walk_frame(w, level, w->entry[level], span) | (w->gva & span);
	return walk_set_accessed(w);
}

/*
 * The common case in few instructions: 4- or 5-level tables that allow the
 * access, with nothing to set in them and no bit that could be reserved.
 * false: not known, to be walked with care.
 */
static bool walk_plain(const struct husk_walk_mode *mode, u64 gva, u32 access,
		       const struct husk_walk_ops *ops, void *ctx, u64 *gpa)
{
	u64 entry = mode->cr3, all = ~0ULL, any = 0, offset;
	u64 reserved = GENMASK_ULL(51, 0) & ~(BIT_ULL(mode->phys_bits) - 1);
	u32 shift = mode->cr4 & X86_CR4_LA57 ? 48 : 39;

	for (;; shift -= 9) {
		if (ops->read(ctx, (entry & GENMASK_ULL(51, 12)) + ((gva >> shift) & 511) * 8, &entry, 8))
			return false;
		if ((entry & (PTE_PRESENT | PTE_ACCESSED)) != (PTE_PRESENT | PTE_ACCESSED))
			return false;
		all &= entry;
		any |= entry;
		if (shift == 12 || (entry & PTE_HUGE))
			break;
	}
	offset = BIT_ULL(shift) - 1;
	if (shift != 12 && (shift > 30 || (shift == 30 && !mode->has_1g) || (entry & offset & ~0x1fffULL)))
		return false;
	if ((any & reserved) || ((any & PTE_NX) && !(mode->efer & EFER_NX)))
		return false;
	if (((access & HUSK_ACCESS_WRITE) && !(entry & PTE_DIRTY)) ||
	    !walk_allows(mode, (all & (PTE_WRITE | PTE_USER)) | (any & PTE_NX), access))
		return false;
	*gpa = (entry & GENMASK_ULL(51, 12) & ~offset) | (gva & offset);
	return true;
}

/* Any tables. As husk_walk(). */
static noinline int walk_with_care(const struct husk_walk_mode *mode, u64 gva, u32 access,
				   const struct husk_walk_ops *ops, void *ctx, u64 *gpa,
				   struct husk_walk_fault *fault)
{
	struct walk w = { .mode = mode, .ops = ops, .ctx = ctx, .gva = gva, .access = access };
	bool nx = (mode->cr4 & X86_CR4_PAE) && (mode->efer & EFER_NX);
	int retries, ret = -EAGAIN;
	u32 error = 0;

	w.format = walk_format_of(mode);
	for (retries = 0; ret == -EAGAIN && retries < WALK_RETRIES; retries++)
		ret = walk_once(&w, gpa, &error);
	if (ret != 1)
		return ret;
	if (access & HUSK_ACCESS_WRITE)
		error |= PF_WRITE;
	if (access & HUSK_ACCESS_USER)
		error |= PF_USER;
	if ((access & HUSK_ACCESS_EXEC) && (nx || (mode->cr4 & X86_CR4_SMEP)))
		error |= PF_FETCH;
	fault->error = error;
	fault->cr2 = gva;
	return 1;
}

int husk_walk(const struct husk_walk_mode *mode, u64 gva, u32 access,
	      const struct husk_walk_ops *ops, void *ctx, u64 *gpa, struct husk_walk_fault *fault)
{
	if (!(mode->cr0 & X86_CR0_PG)) {
		*gpa = gva & GENMASK_ULL(31, 0);
		return 0;
	}
	if ((mode->efer & EFER_LMA) && walk_plain(mode, gva, access, ops, ctx, gpa))
		return 0;
	return walk_with_care(mode, gva, access, ops, ctx, gpa, fault);
}
