// SPDX-License-Identifier: GPL-2.0
/* The guest page walk: formats, rights, reserved bits, accessed and dirty bits. */
#include "../../kmod/guest_walk.c"

#define RAM		(1 << 20)
#define ROOT		0x10000
#define P		PTE_PRESENT
#define W		PTE_WRITE
#define U		PTE_USER
#define A		PTE_ACCESSED
#define D		PTE_DIRTY
#define PS		PTE_HUGE

#define CR0		(X86_CR0_PG | X86_CR0_PE)
#define READ		HUSK_ACCESS_READ
#define WRITE		HUSK_ACCESS_WRITE
#define EXEC		HUSK_ACCESS_EXEC
#define USER		HUSK_ACCESS_USER

static u8 ram[RAM];
static int lost_races;	/* updates that fail from now on */
static int updates;

static int ram_read(void *ctx, u64 gpa, void *data, u32 len)
{
	(void)ctx;
	if (gpa > RAM - len)
		return -EFAULT;
	memcpy(data, ram + gpa, len);
	return 0;
}

static int ram_update(void *ctx, u64 gpa, u64 old, u64 new, u32 width)
{
	u64 now = 0;

	(void)ctx;
	if (gpa > RAM - width)
		return -EFAULT;
	if (lost_races) {
		lost_races--;
		return -EAGAIN;
	}
	memcpy(&now, ram + gpa, width);
	if (now != old)
		return -EAGAIN;
	memcpy(ram + gpa, &new, width);
	updates++;
	return 0;
}

static const struct husk_walk_ops ram_ops = { .read = ram_read, .update = ram_update };

static u64 get(u64 gpa, u32 width)
{
	u64 value = 0;

	memcpy(&value, ram + gpa, width);
	return value;
}

static void put(u64 gpa, u64 value, u32 width)
{
	memcpy(ram + gpa, &value, width);
}

/* Modes of the tests, by the number of levels; 2 with PSE and 36 address bits */
static struct husk_walk_mode mode_of(int levels)
{
	struct husk_walk_mode mode = {
		.cr0 = CR0, .cr3 = ROOT, .phys_bits = levels == 2 ? 36 : 40, .has_1g = true,
	};

	if (levels == 2)
		mode.cr4 = X86_CR4_PSE;
	if (levels > 2) {
		mode.cr4 = X86_CR4_PAE;
		mode.efer = EFER_NX;
	}
	if (levels > 3)
		mode.efer |= EFER_LMA;
	if (levels == 5)
		mode.cr4 |= X86_CR4_LA57;
	return mode;
}

static u64 entry_gpa(int levels, int level, u64 gva)
{
	int bits = levels == 2 ? 10 : 9, width = levels == 2 ? 4 : 8;
	u64 index = (gva >> (12 + bits * (level - 1))) & ((levels == 3 && level == 3) ? 3 : (1 << bits) - 1);

	return ROOT + (u64)(levels - level) * 0x1000 + index * width;
}

/* Tables for one page: all levels down to leaf with the bits given; answers the leaf entry's gpa */
static u64 map(int levels, int leaf, u64 gva, u64 table_bits, u64 leaf_entry)
{
	int width = levels == 2 ? 4 : 8, level;

	memset(ram, 0, sizeof(ram));
	for (level = levels; level > leaf; level--)
		put(entry_gpa(levels, level, gva), (ROOT + (u64)(levels - level + 1) * 0x1000) |
		    (levels == 3 && level == 3 ? P : table_bits), width);
	put(entry_gpa(levels, leaf, gva), leaf_entry, width);
	lost_races = 0;
	updates = 0;
	return entry_gpa(levels, leaf, gva);
}

static const u64 gvas[] = { [2] = 0xc0401234, [3] = 0xc0401234, [4] = 0xffff888012345678, [5] = 0xff11888012345678 };

static void test_formats(void)
{
	static const struct { int levels, leaf; u64 entry, span; const char *name; } rows[] = {
		{ 2, 1, 0x7000, 0xfff, "32-bit" }, { 2, 2, 0x01400000, 0x3fffff, "32-bit-4m" },
		{ 3, 1, 0x8765432000, 0xfff, "pae" }, { 3, 2, 0x8765400000, 0x1fffff, "pae-2m" },
		{ 4, 1, 0x8765432000, 0xfff, "long" }, { 4, 2, 0x8765400000, 0x1fffff, "long-2m" },
		{ 4, 3, 0x8740000000, 0x3fffffff, "long-1g" }, { 5, 1, 0x8765432000, 0xfff, "long5" },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct husk_walk_mode mode = mode_of(rows[i].levels);
		u64 gva = gvas[rows[i].levels], gpa = 0, leaf;
		struct husk_walk_fault fault;
		u32 width = rows[i].levels == 2 ? 4 : 8;
		int ret;

		leaf = map(rows[i].levels, rows[i].leaf, gva, P | W, rows[i].entry | P | W | (rows[i].leaf > 1 ? PS : 0));
		ret = husk_walk(&mode, gva, WRITE, &ram_ops, NULL, &gpa, &fault);
		unit_report(!ret && gpa == (rows[i].entry | (gva & rows[i].span)) && (get(leaf, width) & (A | D)) == (A | D),
			    rows[i].name, "ret %d gpa %llx leaf %llx", ret, (long long)gpa, (long long)get(leaf, width));
	}
}

static void test_special(void)
{
	struct husk_walk_mode mode = mode_of(2);
	struct husk_walk_fault fault;
	u64 gpa = 0, gva = gvas[2];
	int ret;

	mode.cr0 = X86_CR0_PE;
	ret = husk_walk(&mode, 0xfee00020, WRITE | USER, &ram_ops, NULL, &gpa, &fault);
	unit_report(!ret && gpa == 0xfee00020, "no-paging", "ret %d gpa %llx", ret, (long long)gpa);

	mode = mode_of(2);
	map(2, 2, gva, 0, 0x01400000 | 0x5ULL << 13 | P | PS);
	ret = husk_walk(&mode, gva, READ, &ram_ops, NULL, &gpa, &fault);
	unit_report(!ret && gpa == (0x501400000 | (gva & 0x3fffff)), "pse-36", "ret %d gpa %llx", ret, (long long)gpa);

	mode.cr4 = 0;	/* without PSE the bit is ignored and a table follows */
	map(2, 1, gva, P | W | PS, 0x7000 | P);
	ret = husk_walk(&mode, gva, READ, &ram_ops, NULL, &gpa, &fault);
	unit_report(!ret && gpa == 0x7234, "no-pse", "ret %d gpa %llx", ret, (long long)gpa);

	mode = mode_of(4);
	map(4, 1, gvas[4], P, 0x7000 | P);
	mode.cr3 = RAM;
	ret = husk_walk(&mode, gvas[4], READ, &ram_ops, NULL, &gpa, &fault);
	unit_report(ret == -EFAULT, "root-outside", "ret %d", ret);
}

/* One row: a leaf and table entries, an access, control bits; the error code or -1 */
static const struct right {
	const char *name;
	int levels;
	u64 table, leaf;
	u32 access;
	u64 cr0, cr4;
	bool smap_off;
	int error;
} rights[] = {
	{ "not-present", 4, P | W | U, 0, READ, 0, 0, false, 0 },
	{ "not-present-user-write", 4, P | W | U, 0, WRITE | USER, 0, 0, false, 6 },
	{ "not-present-fetch", 4, P | W | U, 0, EXEC, 0, 0, false, 16 },
	{ "table-not-present", 4, 0, P, READ, 0, 0, false, 0 },
	{ "user-read", 4, P | U, P | U, READ | USER, 0, 0, false, -1 },
	{ "user-on-supervisor", 4, P | U, P, READ | USER, 0, 0, false, 5 },
	{ "user-on-supervisor-table", 4, P, P | U, READ | USER, 0, 0, false, 5 },
	{ "user-write-readonly", 4, P | W | U, P | U, WRITE | USER, 0, 0, false, 7 },
	{ "user-write-readonly-table", 4, P | U, P | W | U, WRITE | USER, 0, 0, false, 7 },
	{ "write-readonly-no-wp", 4, P | W, P, WRITE, 0, 0, false, -1 },
	{ "write-readonly-wp", 4, P | W, P, WRITE, X86_CR0_WP, 0, false, 3 },
	{ "fetch-nx", 4, P | W, P | PTE_NX, EXEC, 0, 0, false, 17 },
	{ "fetch-nx-table", 4, P | W | PTE_NX, P, EXEC, 0, 0, false, 17 },
	{ "read-nx", 4, P | W, P | PTE_NX, READ, 0, 0, false, -1 },
	{ "smep", 4, P | U, P | U, EXEC, 0, X86_CR4_SMEP, false, 17 },
	{ "smep-supervisor-page", 4, P | U, P, EXEC, 0, X86_CR4_SMEP, false, -1 },
	{ "no-smep", 4, P | U, P | U, EXEC, 0, 0, false, -1 },
	{ "user-fetch-smep", 4, P | U, P | U, EXEC | USER, 0, X86_CR4_SMEP, false, -1 },
	{ "smap", 4, P | U, P | U, READ, 0, X86_CR4_SMAP, false, 1 },
	{ "smap-ac", 4, P | U, P | U, READ, 0, X86_CR4_SMAP, true, -1 },
	{ "smap-write", 4, P | U | W, P | U | W, WRITE, 0, X86_CR4_SMAP, false, 3 },
	{ "smap-fetch", 4, P | U, P | U, EXEC, 0, X86_CR4_SMAP, false, -1 },
	{ "pae-user", 3, P | U, P | U, READ | USER, 0, 0, false, -1 },
	{ "pae-nx", 3, P, P | PTE_NX, EXEC, 0, 0, false, 17 },
	{ "32-bit-user", 2, P | U, P, READ | USER, 0, 0, false, 5 },
	{ "32-bit-fetch", 2, P | U, P, EXEC | USER, 0, 0, false, 5 },
	{ "32-bit-fetch-smep", 2, P | U, P | U, EXEC, 0, X86_CR4_SMEP, false, 17 },
	/* Reserved bits */
	{ "address-bit-40", 4, P, P | BIT_ULL(40), READ, 0, 0, false, 9 },
	{ "address-bit-51-table", 4, P | BIT_ULL(51), P, READ | USER, 0, 0, false, 13 },
	{ "available-bit-52", 4, P, P | BIT_ULL(52), READ, 0, 0, false, -1 },
	{ "pae-bit-52", 3, P, P | BIT_ULL(52), READ, 0, 0, false, 9 },
};

static void test_rights(void)
{
	u32 i;

	for (i = 0; i < ARRAY_SIZE(rights); i++) {
		const struct right *r = &rights[i];
		struct husk_walk_mode mode = mode_of(r->levels);
		struct husk_walk_fault fault = { 0 };
		u64 gva = gvas[r->levels], gpa, leaf;
		u32 width = r->levels == 2 ? 4 : 8;
		int ret;

		mode.cr0 |= r->cr0;
		mode.cr4 |= r->cr4;
		mode.smap_off = r->smap_off;
		leaf = map(r->levels, 1, gva, r->table, r->leaf);
		ret = husk_walk(&mode, gva, r->access, &ram_ops, NULL, &gpa, &fault);
		unit_report(r->error < 0 ? !ret : ret == 1 && fault.error == (u32)r->error && fault.cr2 == gva && !updates,
			    r->name, "ret %d error %u updates %d leaf %llx", ret, fault.error, updates,
			    (long long)get(leaf, width));
	}
}

/* Reserved bits of large leaves and of upper tables: P | RSVD */
static void test_reserved(void)
{
	static const struct { const char *name; int levels, level; u64 entry; bool no_1g, no_nx; bool fault; } rows[] = {
		{ "2m-bit-13", 4, 2, P | PS | BIT_ULL(13), false, false, true },
		{ "2m-pat-bit-12", 4, 2, P | PS | BIT_ULL(12), false, false, false },
		{ "1g-bit-29", 4, 3, P | PS | BIT_ULL(29), false, false, true },
		{ "1g-not-there", 4, 3, P | PS, true, false, true },
		{ "pml4-large", 4, 4, P | PS, false, false, true },
		{ "pml5-large", 5, 5, P | PS, false, false, true },
		{ "nx-off", 4, 2, P | PS | PTE_NX, false, true, true },
		{ "nx-on", 4, 2, P | PS | PTE_NX, false, false, false },
		{ "pdpte-write", 3, 3, P | W, false, false, true },
		{ "pdpte-nx", 3, 3, P | PTE_NX, false, false, true },
		{ "4m-bit-21", 2, 2, P | PS | BIT_ULL(21), false, false, true },
		{ "4m-bit-17", 2, 2, P | PS | BIT_ULL(17), false, false, true },
		{ "4m-bit-16", 2, 2, P | PS | BIT_ULL(16), false, false, false },
	};
	u32 i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct husk_walk_mode mode = mode_of(rows[i].levels);
		struct husk_walk_fault fault = { 0 };
		u64 gva = gvas[rows[i].levels], gpa;
		int ret;

		mode.has_1g = !rows[i].no_1g;
		if (rows[i].no_nx)
			mode.efer &= ~EFER_NX;
		map(rows[i].levels, rows[i].level, gva, P | W, rows[i].entry);
		ret = husk_walk(&mode, gva, READ, &ram_ops, NULL, &gpa, &fault);
		unit_report(rows[i].fault ? ret == 1 && fault.error == 9 : !ret, rows[i].name,
			    "ret %d error %u", ret, fault.error);
	}
}

static void test_accessed(void)
{
	struct husk_walk_mode mode = mode_of(4);
	struct husk_walk_fault fault;
	u64 gva = gvas[4], gpa, leaf;
	int ret;

	leaf = map(4, 1, gva, P | W, 0x7000 | P | W);
	ret = husk_walk(&mode, gva, READ, &ram_ops, NULL, &gpa, &fault);
	unit_report(!ret && updates == 4 && (get(leaf, 8) & (A | D)) == A && get(entry_gpa(4, 4, gva), 8) & A,
		    "accessed", "ret %d updates %d", ret, updates);
	ret = husk_walk(&mode, gva, READ, &ram_ops, NULL, &gpa, &fault);
	unit_report(!ret && updates == 4, "accessed-once", "ret %d updates %d", ret, updates);
	ret = husk_walk(&mode, gva, WRITE, &ram_ops, NULL, &gpa, &fault);
	unit_report(!ret && updates == 5 && (get(leaf, 8) & D) && !(get(entry_gpa(4, 2, gva), 8) & D),
		    "dirty", "ret %d updates %d", ret, updates);

	map(3, 1, gvas[3], P | W, 0x7000 | P);
	mode = mode_of(3);
	ret = husk_walk(&mode, gvas[3], READ, &ram_ops, NULL, &gpa, &fault);
	unit_report(!ret && updates == 2 && get(entry_gpa(3, 3, gvas[3]), 8) == (0x11000 | P), "pdpte-accessed",
		    "ret %d updates %d", ret, updates);

	mode = mode_of(4);
	map(4, 1, gva, P | W, 0x7000 | P);
	lost_races = 2;
	ret = husk_walk(&mode, gva, READ, &ram_ops, NULL, &gpa, &fault);
	unit_report(!ret && gpa == 0x7678, "race-lost", "ret %d", ret);
	map(4, 1, gva, P | W, 0x7000 | P);
	lost_races = 1000;
	ret = husk_walk(&mode, gva, READ, &ram_ops, NULL, &gpa, &fault);
	unit_report(ret == -EAGAIN && lost_races == 1000 - WALK_RETRIES, "race-bounded", "ret %d left %d", ret, lost_races);
}

int main(void)
{
	test_formats();
	test_special();
	test_rights();
	test_reserved();
	test_accessed();
	return unit_done();
}
