// SPDX-License-Identifier: GPL-2.0
/* Sorting and look-up of a guest's CPUID leaves. Pure logic: see selftests/unit. */
#include "cpuid_table.h"

static int husk_cpuid_range(u32 function)
{
	switch (function >> 30) {
	case 0: return HUSK_CPUID_BASIC;
	case 1: return HUSK_CPUID_HYPERVISOR;
	case 2: return HUSK_CPUID_EXTENDED;
	default: return -1;
	}
}

static int husk_cpuid_compare(const void *left, const void *right)
{
	const struct husk_cpuid_entry *a = left, *b = right;

	if (a->function != b->function)
		return a->function < b->function ? -1 : 1;
	if (a->index != b->index)
		return a->index < b->index ? -1 : 1;
	return 0;
}

static bool husk_cpuid_entry_ok(const struct husk_cpuid_entry *e)
{
	if (husk_cpuid_range(e->function) < 0 || (e->function & 0x3fffffff) >= HUSK_CPUID_FIRST)
		return false;
	if ((e->flags & ~HUSK_CPUID_INDEX) || e->reserved)
		return false;
	return (e->flags & HUSK_CPUID_INDEX) || !e->index;
}

/* Does entry follow prev in a sorted table of well-formed leaves? */
static bool husk_cpuid_pair_ok(const struct husk_cpuid_entry *prev, const struct husk_cpuid_entry *e)
{
	if (prev->function != e->function)
		return true;
	return prev->index != e->index && (prev->flags & e->flags & HUSK_CPUID_INDEX);
}

int husk_cpuid_table_build(struct husk_cpuid_table *table, struct husk_cpuid_entry *entry, u32 count)
{
	const struct husk_cpuid_entry *base;
	u32 i;
	int range;

	if (!count || count > HUSK_CPUID_MAX)
		return -EINVAL;
	for (i = 0; i < count; i++)
		if (!husk_cpuid_entry_ok(&entry[i]))
			return -EINVAL;
	sort(entry, count, sizeof(*entry), husk_cpuid_compare, NULL);
	for (i = 1; i < count; i++)
		if (!husk_cpuid_pair_ok(&entry[i - 1], &entry[i]))
			return -EINVAL;

	memset(table, 0, sizeof(*table));
	table->count = count;
	table->entry = entry;
	for (i = count; i-- > 0; )
		table->first[husk_cpuid_range(entry[i].function)][entry[i].function & 0x3fffffff] = i + 1;
	for (range = 0; range < HUSK_CPUID_RANGES; range++)
		if (table->first[range][0])
			table->max[range] = entry[table->first[range][0] - 1].eax;
	base = husk_cpuid_table_find(table, 0, 0);
	table->repeat_basic = base && base->ebx == 0x756e6547;	/* "Genu" of GenuineIntel */
	return 0;
}

static const struct husk_cpuid_entry *husk_cpuid_table_scan(const struct husk_cpuid_table *table, u32 range,
							    u32 function, u32 index)
{
	u32 n = array_index_nospec(function & (HUSK_CPUID_FIRST - 1), HUSK_CPUID_FIRST);
	const struct husk_cpuid_entry *e, *end = table->entry + table->count;

	if (!table->first[range][n])
		return NULL;
	for (e = table->entry + table->first[range][n] - 1; e < end && e->function == function; e++)
		if (e->index == index || !(e->flags & HUSK_CPUID_INDEX))
			return e;
	return NULL;
}

const struct husk_cpuid_entry *husk_cpuid_table_find(const struct husk_cpuid_table *table, u32 function, u32 index)
{
	int range = husk_cpuid_range(function);
	u32 basic = table->max[HUSK_CPUID_BASIC];

	if (range >= 0 && function <= table->max[range] && (function & 0x3fffffff) < HUSK_CPUID_FIRST)
		return husk_cpuid_table_scan(table, range, function, index);
	/* The hypervisor's range is ours to define: zeros where the user gave nothing. */
	if (range == HUSK_CPUID_HYPERVISOR || !table->repeat_basic || basic >= HUSK_CPUID_FIRST)
		return NULL;
	return husk_cpuid_table_scan(table, HUSK_CPUID_BASIC, basic, index);
}
