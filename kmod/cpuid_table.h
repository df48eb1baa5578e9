/* SPDX-License-Identifier: GPL-2.0 */
/* A guest's CPUID leaves, sorted and indexed. Pure logic: compiles in user space too. */
#ifndef HUSK_CPUID_TABLE_H
#define HUSK_CPUID_TABLE_H

#ifdef __KERNEL__
#include <linux/errno.h>
#include <linux/nospec.h>
#include <linux/sort.h>
#include <linux/string.h>
#include <linux/types.h>
#else
#include "unit_shim.h"
#endif
#include "uapi/husk.h"

#define HUSK_CPUID_FIRST	64	/* functions in a range */

enum { HUSK_CPUID_BASIC, HUSK_CPUID_EXTENDED, HUSK_CPUID_HYPERVISOR, HUSK_CPUID_RANGES };

struct husk_cpuid_table {
	u32 count;
	struct husk_cpuid_entry *entry;	/* sorted by function, index */
	u8 first[HUSK_CPUID_RANGES][HUSK_CPUID_FIRST];	/* index+1 of the first entry of 0x0+n, 0x80000000+n, 0x40000000+n */
	u32 max[HUSK_CPUID_RANGES];	/* highest function of the range, 0: the range is not there */
	bool repeat_basic;		/* out of range answers as the highest basic leaf (SDM 2A CPUID); AMD: zeros */
};

/*
 * Sort entry[count] in place and index it into table, which then refers to it.
 * 0, or -EINVAL: a function outside of the ranges, an unknown flag, an index
 * without HUSK_CPUID_INDEX, a duplicate. Changes nothing in table then.
 */
int husk_cpuid_table_build(struct husk_cpuid_table *table, struct husk_cpuid_entry *entry, u32 count);

/* The leaf for EAX = function, ECX = index; NULL: all zeros */
const struct husk_cpuid_entry *husk_cpuid_table_find(const struct husk_cpuid_table *table, u32 function, u32 index);

#endif
