/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The set of memory slots: which gpa is backed by which address of the
 * worker. Pure data; locking is the caller's (mem.h).
 */
#ifndef HUSK_EPT_NPT_SLOTS_H
#define HUSK_EPT_NPT_SLOTS_H

#ifdef __KERNEL__
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/nospec.h>
#include <linux/types.h>
#else
#include "unit_shim.h"
#endif

#define HUSK_MAX_SLOTS	64

struct husk_log;

struct husk_slot {
	u64 gpa, length;	/* length > 0; gpa + length does not wrap */
	u64 hva;
	u32 flags;		/* HUSK_MEM_x */
	u32 id;			/* the user's number for it */
	struct husk_log *log;	/* with HUSK_MEM_LOG_DIRTY, else NULL; lives as long as a set has the slot */
};

/* An immutable set, sorted by gpa without overlap; replaced whole */
struct husk_slots {
	struct rcu_head rcu;
	u32 count;
	struct husk_slot slot[];
};

/* The worker's address of gpa, which lies in slot. Safe when the CPU speculates that it does. */
static inline u64 husk_slot_hva(const struct husk_slot *slot, u64 gpa)
{
	return slot->hva + array_index_nospec(gpa - slot->gpa, slot->length);
}

const struct husk_slot *husk_slots_find(const struct husk_slots *slots, u64 gpa);
const struct husk_slot *husk_slots_by_id(const struct husk_slots *slots, u32 id);
int husk_slots_replace(const struct husk_slots *old, const struct husk_slot *slot,
		       struct husk_slots *new);
bool husk_slots_next(const struct husk_slots *slots, u64 start, u64 end,
		     u64 *gpa, u64 *gpa_end);

#endif
