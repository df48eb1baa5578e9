// SPDX-License-Identifier: GPL-2.0
/* The table of a guest's CPUID leaves: what is refused, look-up against a slow one, ranges by vendor. */
#include "unit_shim.h"
#define sort(base, n, size, cmp, swap) qsort(base, n, size, cmp)
#include "../../kmod/cpuid_table.c"

#define LEAF(f, a)	{ .function = (f), .eax = (a) }
#define SUB(f, i, a)	{ .function = (f), .index = (i), .flags = HUSK_CPUID_INDEX, .eax = (a) }

static int build(struct husk_cpuid_table *t, struct husk_cpuid_entry *e, u32 n)
{
	return husk_cpuid_table_build(t, e, n);
}

static void test_refused(void)
{
	static const struct { const char *what; struct husk_cpuid_entry e[2]; u32 n; } bad[] = {
		{ "no entry", { LEAF(0, 0) }, 0 },
		{ "beyond the basic range", { LEAF(0x40, 0) }, 1 },
		{ "beyond the extended range", { LEAF(0x80000040, 0) }, 1 },
		{ "in no range", { LEAF(0xc0000000, 0) }, 1 },
		{ "unknown flag", { { .function = 1, .flags = 2 } }, 1 },
		{ "reserved", { { .function = 1, .reserved = 1 } }, 1 },
		{ "index without the flag", { { .function = 1, .index = 1 } }, 1 },
		{ "duplicate leaf", { LEAF(1, 0), LEAF(1, 1) }, 2 },
		{ "duplicate sub-leaf", { SUB(7, 1, 0), SUB(7, 1, 1) }, 2 },
		{ "leaf with and without index", { LEAF(7, 0), SUB(7, 1, 1) }, 2 },
	};
	struct husk_cpuid_table t = {};
	struct husk_cpuid_entry e[2], many[HUSK_CPUID_MAX + 1] = {};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		memcpy(e, bad[i].e, sizeof(e));
		if (build(&t, e, bad[i].n) != -EINVAL)
			break;
	}
	unit_report(i == ARRAY_SIZE(bad), "cpuid-refused", "accepted: %s", i < ARRAY_SIZE(bad) ? bad[i].what : "");
	for (i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = (struct husk_cpuid_entry)SUB(7, i, i);
	unit_report(build(&t, many, HUSK_CPUID_MAX + 1) == -EINVAL, "cpuid-too-many", "accepted");
	unit_report(!build(&t, many, HUSK_CPUID_MAX) &&
		    husk_cpuid_table_find(&t, 7, 0) == NULL, "cpuid-no-base", "a leaf above the maximum was found");
}

static void test_find(void)
{
	struct husk_cpuid_entry e[HUSK_CPUID_MAX];
	struct husk_cpuid_table t;
	u32 n = 0, f, i, bad = 0;

	/* in falling order, to be sorted: three ranges full of leaves, two functions with sub-leaves */
	for (f = 0x3f; f + 1 > 0; f--)
		e[n++] = (struct husk_cpuid_entry)LEAF(f, f ? f * 3 : 0x3f);
	n -= 2;		/* without 0 and 1, added below */
	e[n++] = (struct husk_cpuid_entry)LEAF(0, 0x3f);
	e[n++] = (struct husk_cpuid_entry)LEAF(0x80000000, 0x80000008);
	for (i = 8; i > 0; i--)
		e[n++] = (struct husk_cpuid_entry)SUB(0x80000008, i * 2, 100 + i);
	e[n++] = (struct husk_cpuid_entry)LEAF(0x40000000, 0x40000001);
	e[n++] = (struct husk_cpuid_entry)LEAF(0x40000001, 77);
	if (build(&t, e, n)) {
		unit_report(false, "cpuid-find", "refused");
		return;
	}
	for (f = 2; f < 0x40; f++) {
		const struct husk_cpuid_entry *found = husk_cpuid_table_find(&t, f, f * 7);

		bad += !found || found->function != f || found->eax != f * 3;
	}
	for (i = 0; i < 32; i++) {
		const struct husk_cpuid_entry *found = husk_cpuid_table_find(&t, 0x80000008, i);
		bool there = i >= 2 && i <= 16 && !(i & 1);

		bad += there ? !found || found->eax != 100 + i / 2 : found != NULL;
	}
	bad += husk_cpuid_table_find(&t, 1, 0) != NULL;			/* a hole in the range */
	bad += husk_cpuid_table_find(&t, 0x40, 0) != NULL;
	bad += husk_cpuid_table_find(&t, 0x80000009, 0) != NULL;
	bad += husk_cpuid_table_find(&t, 0xffffffff, 0) != NULL;
	bad += husk_cpuid_table_find(&t, 0x40000002, 0) != NULL;
	bad += husk_cpuid_table_find(&t, 0x40000001, 5) == NULL;
	unit_report(!bad, "cpuid-find", "%u wrong answers", bad);
}

static void test_out_of_range(void)
{
	struct husk_cpuid_entry amd[] = { { .function = 0, .eax = 1, .ebx = 0x68747541 }, LEAF(1, 9) };
	struct husk_cpuid_entry intel[] = { { .function = 0, .eax = 1, .ebx = 0x756e6547 }, LEAF(1, 9) };
	struct husk_cpuid_entry wild[] = { { .function = 0, .eax = ~0U, .ebx = 0x756e6547 }, LEAF(1, 9) };
	const struct husk_cpuid_entry *found;
	struct husk_cpuid_table t;

	build(&t, amd, 2);
	unit_report(!husk_cpuid_table_find(&t, 2, 0) && !husk_cpuid_table_find(&t, 0x80000001, 0),
		    "cpuid-beyond-amd", "not zeros");
	build(&t, intel, 2);
	found = husk_cpuid_table_find(&t, 0x80000001, 0);
	unit_report(found && found->eax == 9 && !husk_cpuid_table_find(&t, 0x40000000, 0),
		    "cpuid-beyond-intel", "not the highest basic leaf");
	build(&t, wild, 2);
	unit_report(!husk_cpuid_table_find(&t, 0x1000, 0) && husk_cpuid_table_find(&t, 1, 0),
		    "cpuid-wild-maximum", "a leaf beyond the table was found");
	memset(&t, 0, sizeof(t));
	unit_report(!husk_cpuid_table_find(&t, 0, 0) && !husk_cpuid_table_find(&t, 0x80000000, 0),
		    "cpuid-empty", "an empty table has a leaf");
}

int main(void)
{
	test_refused();
	test_find();
	test_out_of_range();
	return unit_done();
}
