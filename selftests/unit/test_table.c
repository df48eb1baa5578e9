// SPDX-License-Identifier: GPL-2.0
/*
 * The second-level table walker against a simple model: random maps, zaps and
 * agings with 4 KiB, 2 MiB and 1 GiB leaves, in NPT's format and in EPT's; and
 * the log of written pages.
 */
#include "unit_shim.h"

#define __va(x)		((void *)(unsigned long)(x))
#define __pa(x)		((u64)(unsigned long)(x))
#define SME_BIT		BIT_ULL(51)	/* as on a host with memory encryption */
#define __sme_set(x)	((u64)(x) | SME_BIT)
#define __sme_clr(x)	((u64)(x) & ~SME_BIT)
#define try_cmpxchg(p, old, new) \
	__atomic_compare_exchange_n(p, old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
#define xchg(p, new)	__atomic_exchange_n(p, new, __ATOMIC_SEQ_CST)

static void set_bit(u64 n, unsigned long *bits)
{
	bits[n / 64] |= 1UL << n % 64;
}

#include "../../kmod/ept_npt/table.c"

/* The model: 3 GiB from a gpa that is not the start of anything large */
#define MODEL_BASE	((5ULL << 39) + (7ULL << 30))
#define MODEL_PAGES	(3UL << 18)

struct model_page {
	u32 frame;		/* 0: not mapped; 4 KiB frame number otherwise */
	u8 level;
	bool write, young;
};

static struct model_page *model;
static const struct husk_pt_format *format;
static u64 *root;
static long tables, wrong;

static u64 *table_new(void)
{
	tables++;
	return memset(aligned_alloc(4096, 4096), 0, 4096);
}

static void tables_free(u64 **dead)
{
	u64 *table;

	while ((table = husk_pt_pop_dead(dead))) {
		free(table);
		tables--;
	}
}

/* What a CPU sees at gpa: the leaf entry or 0, and its level */
static u64 cpu_walk(u64 gpa, int *level)
{
	u64 *table = root;

	for (*level = 4; *level; (*level)--) {
		u64 entry = table[gpa >> (12 + 9 * (*level - 1)) & 511];

		if (!(entry & format->present))
			return 0;
		if (!(entry & SME_BIT))
			wrong++;
		if (*level == 1 || entry & format->huge)
			return entry;
		table = __va(entry & ~SME_BIT & GENMASK_ULL(51, 12));
	}
	return 0;
}

static u64 frame_of(u64 entry, int level, u64 gpa)
{
	return ((entry & ~SME_BIT & GENMASK_ULL(51, 12)) + (gpa & (husk_pt_size(level) - 1))) >> 12;
}

static void check_page(unsigned long page)
{
	u64 gpa = MODEL_BASE + ((u64)page << 12);
	struct model_page *m = &model[page];
	int level;
	u64 entry = cpu_walk(gpa, &level);

	if (!entry != !m->frame) {
		wrong++;
	} else if (entry) {
		wrong += frame_of(entry, level, gpa) != m->frame || level != m->level;
		wrong += !(entry & format->write) != !m->write || !(entry & format->accessed) != !(m->young && format->accessed);
	}
}

static int random_level(void)
{
	int dice = random() % 100;

	return dice < 70 ? 1 : dice < 97 ? 2 : 3;
}

static void map_random(void)
{
	int level = random_level();
	unsigned long count = husk_pt_size(level) >> 12;
	/* mostly in one corner, so that maps meet each other */
	unsigned long page = (random() % (random() & 1 ? 2048 : MODEL_PAGES)) & ~(count - 1);
	u64 gpa = MODEL_BASE + ((u64)page << 12);
	u32 frame = (0x100000 + page) ^ (random() % 20 ? 0 : 1U << 27);
	bool write = random() & 1, clash = false, fresh = true;
	enum husk_pt_result ret;
	u64 *spare = NULL, *entry;

	for (unsigned long i = page; i < page + count; i++) {
		fresh &= !model[i].frame;
		clash |= model[i].frame && (model[i].level != level || model[i].frame != frame + i - page);
	}
	while ((ret = husk_pt_walk(format, root, gpa, level, &spare, &entry)) == HUSK_PT_NEED_TABLE)
		spare = table_new();
	if (spare)
		wrong++;	/* asked for a table and did not take it */
	if (ret == HUSK_PT_OK)
		ret = husk_pt_set(format, entry, level,
				  husk_pt_leaf(format, level, (u64)frame << 12, write) | format->accessed);
	if (ret == HUSK_PT_CONFLICT) {
		/* An empty table is in the way of a huge leaf, too: not a clash of the model. */
		wrong += !clash && level == 1;
		return;
	}
	wrong += clash || (ret == HUSK_PT_OK) != fresh;
	for (unsigned long i = page; i < page + count; i++) {
		model[i] = (struct model_page){ .frame = frame + i - page, .level = level, .young = true,
						.write = write || model[i].write };
	}
}

static void zap_random(bool prune)
{
	unsigned long page = random() % (random() & 1 ? 2048 : MODEL_PAGES);
	unsigned long last = page + 1 + random() % (random() & 3 ? 700 : 300000);
	u64 *dead = NULL, pages = 0, zapped;

	if (last > MODEL_PAGES)
		last = MODEL_PAGES;
	for (unsigned long i = page; i < last; i++) {
		unsigned long count, first;

		if (!model[i].frame)
			continue;
		count = husk_pt_size(model[i].level) >> 12;
		first = i & ~(count - 1);
		memset(&model[first], 0, count * sizeof(*model));
		pages += count;
	}
	zapped = husk_pt_zap(format, root, MODEL_BASE + ((u64)page << 12), MODEL_BASE + ((u64)last << 12),
			     prune ? &dead : NULL, NULL);
	wrong += zapped != pages;
	tables_free(&dead);
}

static void age_random(void)
{
	unsigned long page = random() % (random() & 1 ? 2048 : MODEL_PAGES);
	unsigned long last = page + 1 + random() % 2000;
	bool clear = random() & 1, young = false, can_tell = format->accessed;

	if (last > MODEL_PAGES)
		last = MODEL_PAGES;
	for (unsigned long i = page; i < last; i++) {
		unsigned long count, first;

		if (!model[i].frame)
			continue;
		young |= model[i].young && can_tell;
		count = husk_pt_size(model[i].level) >> 12;
		first = i & ~(count - 1);
		for (unsigned long j = first; clear && j < first + count; j++)
			model[j].young = false;
	}
	wrong += husk_pt_age(format, root, MODEL_BASE + ((u64)page << 12), MODEL_BASE + ((u64)last << 12),
			     clear) != young;
}

static void test_random(const char *name)
{
	u64 *dead = NULL;

	wrong = 0;
	tables = 0;
	root = table_new();
	model = calloc(MODEL_PAGES, sizeof(*model));
	for (int round = 0; round < 6000; round++) {
		int dice = random() % 100;

		if (dice < 85)
			map_random();
		else if (dice < 92)
			zap_random(dice & 1);
		else
			age_random();
		for (int i = 0; i < 20; i++)
			check_page(random() % (i & 1 ? 2048 : MODEL_PAGES));
	}
	for (unsigned long i = 0; i < MODEL_PAGES; i++)
		check_page(i);
	unit_report(!wrong, name, "%ld differences from the model", wrong);

	husk_pt_zap(format, root, 0, 1ULL << 48, &dead, NULL);
	tables_free(&dead);
	unit_report(tables == 1 && pt_is_empty(root), "table_prune", "%ld tables are left", tables - 1);
	free(root);
	free(model);
}

/* A dead table looks empty to a CPU that still walks it. */
static void test_dead(void)
{
	u64 *spare, *entry, *level1, *dead = NULL;

	tables = 0;
	root = table_new();
	for (spare = NULL; husk_pt_walk(format, root, 0, 1, &spare, &entry) == HUSK_PT_NEED_TABLE;)
		spare = table_new();
	husk_pt_set(format, entry, 1, husk_pt_leaf(format, 1, 0x5000, true));
	level1 = entry;
	unit_report(husk_pt_walk(format, root, 1ULL << 30, 2, &spare, &entry) == HUSK_PT_NEED_TABLE,
		    "table_need", "no table was asked for");
	unit_report(husk_pt_zap(format, root, 0, 4096, &dead, NULL) == 1 && tables == 4 &&
		    !(level1[0] & format->present) && !root[0], "table_dead",
		    "an unlinked table has a present entry");
	tables_free(&dead);
	unit_report(tables == 1, "table_dead_free", "%ld tables are left", tables - 1);
	free(root);
}

/* A table below, a leaf above and another frame are refused; rights only grow. */
static void test_conflicts(void)
{
	u64 *spare, *entry, *huge, *dead = NULL;

	tables = 0;
	root = table_new();
	for (spare = NULL; husk_pt_walk(format, root, 0x3000, 1, &spare, &entry) == HUSK_PT_NEED_TABLE;)
		spare = table_new();
	husk_pt_set(format, entry, 1, husk_pt_leaf(format, 1, 0x5000, false));
	unit_report(husk_pt_set(format, entry, 1, husk_pt_leaf(format, 1, 0x5000, true)) == HUSK_PT_SAME &&
		    husk_pt_set(format, entry, 1, husk_pt_leaf(format, 1, 0x5000, false)) == HUSK_PT_SAME &&
		    *entry & format->write, "table_rights", "a right got lost");
	unit_report(husk_pt_set(format, entry, 1, husk_pt_leaf(format, 1, 0x6000, true)) == HUSK_PT_CONFLICT,
		    "table_other_frame", "another frame was accepted");
	husk_pt_walk(format, root, 0, 2, &spare, &huge);
	unit_report(husk_pt_set(format, huge, 2, husk_pt_leaf(format, 2, 0x200000, true)) == HUSK_PT_CONFLICT,
		    "table_below", "a table was overwritten by a leaf");
	husk_pt_zap(format, root, 0, 1 << 21, &dead, NULL);
	tables_free(&dead);

	for (spare = NULL; husk_pt_walk(format, root, 0, 2, &spare, &huge) == HUSK_PT_NEED_TABLE;)
		spare = table_new();
	unit_report(husk_pt_set(format, huge, 2, husk_pt_leaf(format, 2, 0x200000, true)) == HUSK_PT_OK &&
		    husk_pt_walk(format, root, 0x3000, 1, &spare, &entry) == HUSK_PT_CONFLICT,
		    "table_above", "a walk went through a leaf");
	unit_report(husk_pt_zap(format, root, 0x3000, 0x4000, &dead, NULL) == 512 && !*huge, "table_zap_part",
		    "part of a huge leaf was left");
	husk_pt_zap(format, root, 0, 1ULL << 48, &dead, NULL);
	tables_free(&dead);
	free(root);
}

/* ---- the log of written pages: 4 KiB leaves over three tables ---- */

#define LOG_BASE	((3ULL << 39) + (1ULL << 30) - (100ULL << 12))
#define LOG_PAGES	1100

static bool log_mapped[LOG_PAGES], log_written[LOG_PAGES];

static u64 log_gpa(unsigned long page)
{
	return LOG_BASE + ((u64)page << 12);
}

/* As the fault path does: the write right of a logged page waits for a write if that is how one is seen */
static void log_map(unsigned long page, bool write)
{
	u64 *spare = NULL, *entry, leaf;

	while (husk_pt_walk(format, root, log_gpa(page), 1, &spare, &entry) == HUSK_PT_NEED_TABLE)
		spare = table_new();
	leaf = husk_pt_leaf(format, 1, (u64)(page + 1) << 12, write || format->dirty);
	husk_pt_set(format, entry, 1, leaf | (write ? husk_pt_written(format) : 0));
	log_mapped[page] = true;
	log_written[page] |= write;
}

/* A CPU's write: it finds the right, or there is a fault */
static void log_write(unsigned long page)
{
	int level;
	u64 *spare = NULL, *entry, old = cpu_walk(log_gpa(page), &level);

	if (!old || !(old & format->write)) {
		log_map(page, true);
	} else {
		husk_pt_walk(format, root, log_gpa(page), 1, &spare, &entry);
		*entry |= format->dirty;
		log_written[page] = true;
	}
}

static void log_harvest(unsigned long page, unsigned long last)
{
	unsigned long bits[LOG_PAGES / 64 + 1] = {}, found[LOG_PAGES / 64 + 1];
	bool changed = false;

	memset(bits, 0, sizeof(bits));
	bits[0] = 1;		/* stays */
	memcpy(found, bits, sizeof(bits));
	for (unsigned long i = page; i < last; i++) {
		if (log_written[i])
			set_bit(i - page, found);
		changed |= log_written[i];
		log_written[i] = false;
	}
	wrong += husk_pt_harvest(format, root, log_gpa(page), log_gpa(last), bits) != changed;
	wrong += !!memcmp(bits, found, sizeof(bits));
}

static void log_zap(unsigned long page, unsigned long last)
{
	unsigned long bits[LOG_PAGES / 64 + 1] = {}, found[LOG_PAGES / 64 + 1] = {};
	const struct husk_pt_log log = { .gpa = LOG_BASE, .bits = bits };
	u64 *dead = NULL, pages = 0;

	for (unsigned long i = page; i < last; i++) {
		if (log_written[i])
			set_bit(i, found);
		pages += log_mapped[i];
		log_mapped[i] = log_written[i] = false;
	}
	wrong += husk_pt_zap(format, root, log_gpa(page), log_gpa(last), &dead, &log) != pages;
	wrong += !!memcmp(bits, found, sizeof(bits));
	tables_free(&dead);
}

static void test_log(const char *name)
{
	wrong = 0;
	tables = 0;
	root = table_new();
	for (int round = 0; round < 20000; round++) {
		unsigned long page = random() % LOG_PAGES, last = page + 1 + random() % (LOG_PAGES - page);
		int dice = random() % 1000;

		if (dice < 300)
			log_map(page, false);
		else if (dice < 980)
			log_write(page);
		else if (dice < 992)
			log_harvest(page, last);
		else
			log_zap(page, last);
	}
	log_harvest(0, LOG_PAGES);
	for (unsigned long i = 0; i < LOG_PAGES; i++) {
		int level;
		u64 entry = cpu_walk(log_gpa(i), &level);

		wrong += !entry != !log_mapped[i] || (entry && level != 1) || entry & husk_pt_written(format);
	}
	log_zap(0, LOG_PAGES);
	unit_report(!wrong && tables == 1, name, "%ld differences from the model, %ld tables left", wrong, tables - 1);
	free(root);
}

/* A CPU refuses an EPT entry with a reserved bit or a wrong mix of rights: SDM 3C 29.3.3.1 */
static bool ept_well_formed(u64 entry, int level)
{
	bool leaf = level == 1 || entry & BIT_ULL(7);

	entry &= ~SME_BIT;
	if (!(entry & 7))
		return true;
	if (!(entry & 1) || (level == 4 && leaf))
		return false;
	if (leaf)
		return (entry >> 3 & 7) == 6 && !(entry & (husk_pt_size(level) - 1) & ~0xfffULL);
	return !(entry & GENMASK_ULL(7, 3));
}

static void test_ept(const struct husk_pt_format *f, const char *name)
{
	u64 small = husk_pt_leaf(f, 1, 0x5000, false), huge = husk_pt_leaf(f, 2, 0x200000, true);
	u64 data = huge & ~f->exec;	/* as on CPUs with iTLB multihit */
	bool good = ept_well_formed(small, 1) && ept_well_formed(huge, 2) && ept_well_formed(data, 2) &&
		    ept_well_formed(husk_pt_leaf(f, 3, 1 << 30, true), 3);
	int level;

	for (level = 2; level <= 4; level++)
		good &= ept_well_formed(f->table | 0x6000, level);
	/* R X, WB, ignore PAT; and W, huge */
	good &= (small & ~SME_BIT) == 0x5075 && (huge & ~SME_BIT) == 0x2000f7 && (data & 7) == 3;
	unit_report(good, name, "entries %llx %llx", (unsigned long long)small, (unsigned long long)huge);
}

int main(void)
{
	srandom(2);
	format = &husk_npt_format;
	test_random("table_random_npt");
	test_log("table_log_npt");
	test_dead();
	test_conflicts();
	format = &husk_ept_format;
	test_random("table_random_ept");
	test_log("table_log_ept");
	test_dead();
	test_conflicts();
	test_ept(format, "table_ept");
	format = &husk_ept_format_no_ad;
	test_random("table_random_ept_no_ad");
	test_log("table_log_ept_no_ad");
	test_ept(format, "table_ept_no_ad");
	return unit_done();
}
