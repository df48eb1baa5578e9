/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The local APIC's logic without its state: 256-bit vectors, priorities,
 * destination matching. Pure; also compiled by selftests/unit.
 */
#ifndef HUSK_APIC_MATH_H
#define HUSK_APIC_MATH_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include "unit_shim.h"
#endif

#define APIC_WORDS		4	/* of 64 vectors each */
#define APIC_BROADCAST8		0xffU
#define APIC_BROADCAST32	0xffffffffU

/* Index of the highest bit of a word that is not 0 */
static inline int apic_highest_bit(unsigned long word)
{
	return 63 - __builtin_clzl(word);
}

/* Highest vector in a 256-bit map, or -1 */
static inline int apic_highest(const unsigned long *map)
{
	int w;

	if (!(map[0] | map[1] | map[2] | map[3]))
		return -1;	/* as after most EOIs */
	for (w = APIC_WORDS - 1; w >= 0; w--)
		if (map[w])
			return w * 64 + apic_highest_bit(map[w]);
	return -1;
}

/**
 * apic_ppr - processor priority (SDM 3A 11.8.3.1)
 * @tpr: task priority
 * @isr_high: highest vector in service, or -1
 */
static inline u8 apic_ppr(u8 tpr, int isr_high)
{
	u8 isr_class = isr_high < 0 ? 0 : isr_high & 0xf0;

	return (tpr & 0xf0) >= isr_class ? tpr : isr_class;
}

/* Does a vector (or -1) exceed the processor priority? */
static inline bool apic_deliverable(int vector, u8 ppr)
{
	return vector >= 0 && (vector & 0xf0) > (ppr & 0xf0);
}

/* LDR of an x2APIC, derived from its id (SDM 3A 11.12.10.2) */
static inline u32 apic_x2_ldr(u32 id)
{
	return (id >> 4) << 16 | 1U << (id & 15);
}

/**
 * struct apic_target - what a destination is compared with
 * @id: APIC id
 * @ldr: logical destination register; of an xAPIC the id is in 31:24
 * @dfr: xAPIC destination format, bits 31:28: 15 flat, 0 cluster
 * @x2apic: the target is in x2APIC mode
 */
struct apic_target {
	u32 id;
	u32 ldr;
	u32 dfr;
	bool x2apic;
};

static inline bool apic_is_broadcast(u32 dest, bool wide)
{
	return dest == (wide ? APIC_BROADCAST32 : APIC_BROADCAST8);
}

/* SDM 3A 11.6.2.2 (xAPIC: flat and cluster) and 11.12.10.2 (x2APIC) */
static inline bool apic_match_logical(const struct apic_target *t, u32 dest)
{
	u32 id;

	if (t->x2apic)
		return dest >> 16 == t->ldr >> 16 && (dest & t->ldr & 0xffff);
	if (dest > 0xff)
		return false;
	id = t->ldr >> 24;
	switch (t->dfr >> 28) {
	case 15:
		return id & dest;
	case 0:
		return id >> 4 == dest >> 4 && (id & dest & 15);
	default:
		return false;
	}
}

/**
 * apic_match - is a message's destination this APIC?
 * @t: this APIC
 * @dest: destination field
 * @logical: destination mode
 * @wide: @dest has 32 bits (from an x2APIC); else 8, and 0xff is the broadcast
 */
static inline bool apic_match(const struct apic_target *t, u32 dest, bool logical, bool wide)
{
	if (apic_is_broadcast(dest, wide))
		return true;
	return logical ? apic_match_logical(t, dest) : dest == t->id;
}

#endif
