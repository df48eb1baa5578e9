// SPDX-License-Identifier: GPL-2.0
/*
 * The walker over second-level page tables; rules in table.h.
 */
#include "table.h"

#define PT_ENTRIES	512
#define PT_ADDR		GENMASK_ULL(51, 12)

/*
 * Nested paging in AMD's format: as long-mode page tables, APM2 15.25.5. The
 * CPU makes every nested access as a user access, so U/S is set in all entries.
 */
const struct husk_pt_format husk_npt_format = {
	.levels = 4,
	.present = BIT_ULL(0),
	.table = BIT_ULL(0) | BIT_ULL(1) | BIT_ULL(2),
	.leaf = BIT_ULL(0) | BIT_ULL(2),
	.huge = BIT_ULL(7),
	.write = BIT_ULL(1),
	.accessed = BIT_ULL(5),
	.dirty = BIT_ULL(6),
};

/* The CPU walks NPT with as many levels as the host's own tables have (APM2 15.25.3). */
const struct husk_pt_format husk_npt_format_la57 = {
	.levels = 5,
	.present = BIT_ULL(0),
	.table = BIT_ULL(0) | BIT_ULL(1) | BIT_ULL(2),
	.leaf = BIT_ULL(0) | BIT_ULL(2),
	.huge = BIT_ULL(7),
	.write = BIT_ULL(1),
	.accessed = BIT_ULL(5),
	.dirty = BIT_ULL(6),
};

/*
 * EPT, SDM 3C 29.3.2: read, write, execute; in leaves the memory type, always
 * write-back, and "ignore PAT": what husk maps is memory, so the guest's PAT
 * and MTRRs have no say. EPTP bit 6 switches the accessed and dirty bits on.
 */
const struct husk_pt_format husk_ept_format = {
	.levels = 4,
	.present = BIT_ULL(0) | BIT_ULL(1) | BIT_ULL(2),
	.table = BIT_ULL(0) | BIT_ULL(1) | BIT_ULL(2),
	.leaf = BIT_ULL(0) | BIT_ULL(2) | 6ULL << 3 | BIT_ULL(6),
	.huge = BIT_ULL(7),
	.write = BIT_ULL(1),
	.exec = BIT_ULL(2),
	.accessed = BIT_ULL(8),
	.dirty = BIT_ULL(9),
};

/* For a CPU that has no such bits, or with mask=ad_bits */
const struct husk_pt_format husk_ept_format_no_ad = {
	.levels = 4,
	.present = BIT_ULL(0) | BIT_ULL(1) | BIT_ULL(2),
	.table = BIT_ULL(0) | BIT_ULL(1) | BIT_ULL(2),
	.leaf = BIT_ULL(0) | BIT_ULL(2) | 6ULL << 3 | BIT_ULL(6),
	.huge = BIT_ULL(7),
	.write = BIT_ULL(1),
	.exec = BIT_ULL(2),
};

static unsigned int pt_index(u64 gpa, int level)
{
	return (gpa >> (12 + 9 * (level - 1))) & (PT_ENTRIES - 1);
}

static u64 pt_frame(u64 entry)
{
	return __sme_clr(entry) & PT_ADDR;
}

static u64 *pt_child(u64 entry)
{
	return __va(pt_frame(entry));
}

static bool pt_is_leaf(const struct husk_pt_format *format, u64 entry, int level)
{
	return level == 1 || entry & format->huge;
}

/**
 * husk_pt_walk - find the entry for a guest physical address
 * @format: of the entries
 * @root: the table of the highest level
 * @gpa: guest physical address below 2^48
 * @level: of the entry wanted, 1 to 3
 * @spare: a zeroed page or NULL inside; taken (set to NULL) if a table was missing
 * @entry: out, the entry
 *
 * Tables' lock held for reading or writing.
 *
 * Return: HUSK_PT_OK; HUSK_PT_NEED_TABLE if a table is missing and there is no
 * spare; HUSK_PT_CONFLICT if a leaf of a higher level is in the way.
 */
enum husk_pt_result husk_pt_walk(const struct husk_pt_format *format, u64 *root, u64 gpa,
				 int level, u64 **spare, u64 **entry)
{
	u64 *table = root;
	int at;

	for (at = format->levels; at > level; at--) {
		u64 *link = &table[pt_index(gpa, at)];
		u64 old = READ_ONCE(*link);

		if (!old) {
			u64 new;

			if (!*spare)
				return HUSK_PT_NEED_TABLE;
			new = format->table | __sme_set(__pa(*spare));
			if (try_cmpxchg(link, &old, new)) {
				*spare = NULL;
				old = new;
			}
		}
		if (pt_is_leaf(format, old, at))
			return HUSK_PT_CONFLICT;
		table = pt_child(old);
	}
	*entry = &table[pt_index(gpa, level)];
	return HUSK_PT_OK;
}

/**
 * husk_pt_set - put a leaf into an entry, or add its rights to what is there
 * @format: of the entries
 * @entry: as husk_pt_walk() found it
 * @level: of @entry
 * @leaf: from husk_pt_leaf(); accessed and dirty may be added
 *
 * Tables' lock held for reading or writing. An added right needs no flush: the
 * CPU looks at the tables again before it reports a fault (AMD), or forgets the
 * translation as it reports it (SDM 3C 29.4.3.1).
 *
 * Return: HUSK_PT_OK if the entry was empty, HUSK_PT_SAME or HUSK_PT_CONFLICT.
 */
enum husk_pt_result husk_pt_set(const struct husk_pt_format *format, u64 *entry, int level,
				u64 leaf)
{
	u64 old = READ_ONCE(*entry);
	u64 new;

	do {
		new = old | leaf;
		if (old && (!pt_is_leaf(format, old, level) || pt_frame(old) != pt_frame(leaf)))
			return HUSK_PT_CONFLICT;
		if (new == old)
			return HUSK_PT_SAME;
	} while (!try_cmpxchg(entry, &old, new));
	return old ? HUSK_PT_SAME : HUSK_PT_OK;
}

static bool pt_is_empty(const u64 *table)
{
	int i;

	for (i = 0; i < PT_ENTRIES; i++)
		if (table[i])
			return false;
	return true;
}

/* The CPU may set the dirty bit up to the moment when the entry is empty. */
static void pt_zap_leaf(const struct husk_pt_format *format, u64 *entry, u64 gpa, const struct husk_pt_log *log)
{
	if (!log)
		WRITE_ONCE(*entry, 0);
	else if (xchg(entry, 0) & husk_pt_written(format))
		set_bit((gpa - log->gpa) >> 12, log->bits);
}

static u64 pt_zap_table(const struct husk_pt_format *format, u64 *table, int level,
			u64 gpa, u64 end, u64 **dead, const struct husk_pt_log *log)
{
	u64 size = husk_pt_size(level), pages = 0, next;

	for (; gpa < end; gpa = next) {
		u64 *entry = &table[pt_index(gpa, level)];
		u64 old = READ_ONCE(*entry);
		u64 *child;

		next = min((gpa | (size - 1)) + 1, end);
		if (!old)
			continue;
		if (pt_is_leaf(format, old, level)) {
			pt_zap_leaf(format, entry, gpa, log);
			pages += size >> 12;
			continue;
		}
		child = pt_child(old);
		pages += pt_zap_table(format, child, level - 1, gpa, next, dead, log);
		if (dead && pt_is_empty(child)) {
			WRITE_ONCE(*entry, 0);
			/*
			 * CPUs may still walk this table. A page-aligned
			 * address has no present bit: an empty entry to them.
			 */
			WRITE_ONCE(child[0], (unsigned long)*dead);
			*dead = child;
		}
	}
	return pages;
}

/**
 * husk_pt_zap - empty all leaves that overlap a range
 * @format: of the entries
 * @root: the table of the highest level
 * @gpa: first byte
 * @end: the byte after the range, at most 2^48
 * @dead: NULL, or list of tables: those that became empty are unlinked and put
 *	on it. They may be freed after a flush (husk_pt_pop_dead())
 * @log: NULL, or where written pages are noted; then all leaves are of level 1
 *
 * Tables' lock held for writing. The caller flushes.
 *
 * Return: number of 4 KiB pages that were mapped by the leaves.
 */
u64 husk_pt_zap(const struct husk_pt_format *format, u64 *root, u64 gpa, u64 end, u64 **dead,
		const struct husk_pt_log *log)
{
	return pt_zap_table(format, root, format->levels, gpa, end, dead, log);
}

/**
 * husk_pt_pop_dead - take a table from the list that husk_pt_zap() made
 * @dead: the list
 *
 * Return: a table without users, or NULL.
 */
u64 *husk_pt_pop_dead(u64 **dead)
{
	u64 *table = *dead;

	if (table)
		*dead = (u64 *)(unsigned long)table[0];
	return table;
}

/* What a look at the leaves of a range is for */
struct pt_scan {
	u64 bit;			/* which leaves are meant */
	bool clear;			/* take it from them; else the first ends the scan */
	const struct husk_pt_log *log;	/* NULL, or where to note them */
};

/* Was one found? */
static bool pt_scan_table(const struct husk_pt_format *format, u64 *table, int level,
			  u64 gpa, u64 end, const struct pt_scan *scan)
{
	u64 size = husk_pt_size(level), next;
	bool found = false;

	for (; gpa < end; gpa = next) {
		u64 *entry = &table[pt_index(gpa, level)];
		u64 old = READ_ONCE(*entry);

		next = min((gpa | (size - 1)) + 1, end);
		if (!old)
			continue;
		if (!pt_is_leaf(format, old, level)) {
			found |= pt_scan_table(format, pt_child(old), level - 1, gpa, next, scan);
		} else if (old & scan->bit) {
			found = true;
			if (scan->log)
				set_bit((gpa - scan->log->gpa) >> 12, scan->log->bits);
			while (scan->clear && !try_cmpxchg(entry, &old, old & ~scan->bit))
				;
		}
		if (found && !scan->clear)
			return true;
	}
	return found;
}

/**
 * husk_pt_age - was a range used since the last time?
 * @format: of the entries
 * @root: the table of the highest level
 * @gpa: first byte
 * @end: the byte after the range, at most 2^48
 * @clear: start a new time
 *
 * Tables' lock held for reading or writing. A CPU that has the translation in
 * its TLB sets no accessed bit until it is evicted; the host's own page tables
 * are aged with the same error.
 *
 * Return: true if a leaf in the range was used; false if the CPU can't tell.
 */
bool husk_pt_age(const struct husk_pt_format *format, u64 *root, u64 gpa, u64 end, bool clear)
{
	const struct pt_scan scan = { .bit = format->accessed, .clear = clear };

	return pt_scan_table(format, root, format->levels, gpa, end, &scan);
}

/**
 * husk_pt_harvest - which pages were written since the last time?
 * @format: of the entries
 * @root: the table of the highest level
 * @gpa: first byte, page-aligned
 * @end: the byte after the range, at most 2^48
 * @bits: bit n is set if the page at @gpa + n * 4096 was written; others stay
 *
 * Tables' lock held for writing; all leaves are of level 1. Starts a new time, for
 * CPUs without dirty bits by taking the write right away. The caller flushes:
 * until then a CPU may write without telling.
 *
 * Return: true if an entry changed.
 */
bool husk_pt_harvest(const struct husk_pt_format *format, u64 *root, u64 gpa, u64 end, unsigned long *bits)
{
	const struct husk_pt_log log = { .gpa = gpa, .bits = bits };
	const struct pt_scan scan = { .bit = husk_pt_written(format), .clear = true, .log = &log };

	return pt_scan_table(format, root, format->levels, gpa, end, &scan);
}
