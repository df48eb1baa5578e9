/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The one walker over second-level page tables. EPT and NPT differ as data
 * (struct husk_pt_format). It allocates and frees nothing: tables come in and
 * go out through its arguments, so that it also runs in user space for tests.
 *
 * Rules: an entry that is not present is 0. With the tables' lock held for
 * reading, entries change only by compare-and-swap and only grow (a table or
 * leaf appears, a right is added); whatever shrinks holds it for writing. The
 * CPU may set accessed and dirty bits at any time.
 *
 * There is no split: a leaf that must become smaller is zapped, and the next
 * faults map it in pieces. Likewise a table that is in the way of a leaf.
 */
#ifndef HUSK_EPT_NPT_TABLE_H
#define HUSK_EPT_NPT_TABLE_H

#ifdef __KERNEL__
#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/bits.h>
#include <linux/mem_encrypt.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/types.h>
#else
#include "unit_shim.h"
#endif

/**
 * struct husk_pt_format - bits of a second-level page-table entry
 * @levels: of tables; 4: guest physical addresses of 48 bits, 5: of 57
 * @present: an entry with none of these bits is empty (EPT: read, write, execute)
 * @table: bits of an entry that points to a table
 * @leaf: bits of any leaf: present or read, execute, memory type write-back
 * @huge: the bit that makes a leaf of an entry at level 2 (2 MiB) and 3 (1 GiB)
 * @write: the write right
 * @exec: the execute right, in @leaf too, if it is a bit that gives it; else 0
 * @accessed: set by the CPU on use, 0 if it has no such bit
 * @dirty: set by the CPU on a write, 0 if it has no such bit
 */
struct husk_pt_format {
	u8 levels;
	u64 present, table, leaf, huge, write, exec, accessed, dirty;
};

extern const struct husk_pt_format husk_npt_format;
extern const struct husk_pt_format husk_npt_format_la57;	/* on hosts with CR4.LA57 */
extern const struct husk_pt_format husk_ept_format, husk_ept_format_no_ad;

/* Where to note written pages: bit n of bits is for the page at gpa + n * 4096 */
struct husk_pt_log {
	u64 gpa;
	unsigned long *bits;
};

enum husk_pt_result {
	HUSK_PT_OK,
	HUSK_PT_SAME,		/* a leaf for that frame was there; rights may have been added */
	HUSK_PT_NEED_TABLE,	/* call again with a spare table */
	HUSK_PT_CONFLICT,	/* a leaf above, a table or another frame is in the way: zap first */
};

/* Bytes that an entry of that level maps */
static inline u64 husk_pt_size(int level)
{
	return 1ULL << (12 + 9 * (level - 1));
}

/*
 * The bit that tells a written leaf. Where the CPU has no dirty bits that is the
 * write right: whoever maps logged memory gives it to what is written only.
 */
static inline u64 husk_pt_written(const struct husk_pt_format *format)
{
	return format->dirty ? format->dirty : format->write;
}

/* A leaf for the frame at hpa, which is aligned to its size */
static inline u64 husk_pt_leaf(const struct husk_pt_format *format, int level, u64 hpa, bool write)
{
	return format->leaf | __sme_set(hpa) | (level > 1 ? format->huge : 0) |
	       (write ? format->write : 0);
}

/* Put a leaf into an entry if that is empty; tables' lock held for reading or writing */
static inline bool husk_pt_add(u64 *entry, u64 leaf)
{
	u64 old = 0;

	return try_cmpxchg(entry, &old, leaf);
}

enum husk_pt_result husk_pt_walk(const struct husk_pt_format *format, u64 *root, u64 gpa,
				 int level, u64 **spare, u64 **entry);
enum husk_pt_result husk_pt_set(const struct husk_pt_format *format, u64 *entry, int level,
				u64 leaf);
u64 husk_pt_zap(const struct husk_pt_format *format, u64 *root, u64 gpa, u64 end, u64 **dead,
		const struct husk_pt_log *log);
u64 *husk_pt_pop_dead(u64 **dead);
bool husk_pt_age(const struct husk_pt_format *format, u64 *root, u64 gpa, u64 end, bool clear);
bool husk_pt_harvest(const struct husk_pt_format *format, u64 *root, u64 gpa, u64 end, unsigned long *bits);

#endif
