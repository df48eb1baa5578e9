// SPDX-License-Identifier: GPL-2.0
/* The log of written pages: HUSK_MEM_LOG_DIRTY and HUSK_VM_HARVEST. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "flat.h"

#define LOG_SLOT	5
#define LOG_PAGES	1700UL		/* more than three of the CPU's lists hold, and no multiple of 64 */
#define LOG_WORDS	((LOG_PAGES + 63) / 64)
#define PAGE		4096UL

/* A guest with LOG_PAGES at FAULT_GPA in a slot of its own */
struct logged {
	struct guest g;
	u8 *area;
	u64 bits[LOG_WORDS];	/* of the last harvest */
};

static int log_slot(struct logged *l, u64 pages, u32 flags)
{
	return l->g.vm.be->memory(&l->g.vm, LOG_SLOT, FAULT_GPA, pages * PAGE, l->area, flags);
}

static int harvest(struct logged *l, u64 first, u64 pages, void *bitmap, u64 *dirty)
{
	struct husk_harvest arg = {
		.size = sizeof(arg), .slot = LOG_SLOT, .first = first, .pages = pages, .bitmap = (uintptr_t)bitmap,
	};
	int ret = ioctl(l->g.vm.fd, HUSK_VM_HARVEST, &arg) ? -errno : 0;

	if (dirty)
		*dirty = arg.dirty;
	return ret;
}

static bool reported(const struct logged *l, u64 page)
{
	return l->bits[page / 64] >> page % 64 & 1;
}

static void harvest_all(struct logged *l)
{
	u64 dirty, count = 0;

	memset(l->bits, 0xff, sizeof(l->bits));
	EXPECT(harvest(l, 0, LOG_PAGES, l->bits, &dirty), 0);
	for (u64 i = 0; i < LOG_WORDS; i++)
		count += __builtin_popcountll(l->bits[i]);
	EXPECT(dirty, count);
}

/* The harvest has exactly the pages first, first + step ... */
static void expect_pages(struct logged *l, u64 first, u64 count, u64 step)
{
	harvest_all(l);
	for (u64 page = 0; page < LOG_WORDS * 64; page++) {
		bool want = page >= first && page < first + count * step && (page - first) % step == 0;

		if (reported(l, page) != want) {
			flat_fail("page %llu is %sreported", (unsigned long long)page, want ? "not " : "");
			return;
		}
	}
}

static void expect_none(struct logged *l)
{
	expect_pages(l, 0, 0, 1);
}

/* Have the guest do something, and come back */
static void guest_do(struct logged *l, u64 op, u64 page, u64 count, u64 step)
{
	struct log_box *box = (void *)(l->g.vm.ram + SCRATCH_GPA);
	struct vmm_exit exit;

	*box = (struct log_box) { op, FAULT_GPA + page * PAGE, count, step * PAGE };
	exit = guest_run_raw(&l->g, true);
	if (exit.kind != VMM_PIO || exit.addr != PORT_SYNC)
		flat_fail("operation %llu: exit kind %d error %d", (unsigned long long)op, exit.kind, exit.error);
}

static struct logged *log_start(u32 flags)
{
	struct logged *l = calloc(1, sizeof(*l));

	/* room for 2 MiB pages: guest and host addresses alike in their low bits */
	l->area = mmap((void *)0x600000000000, LOG_PAGES * PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	guest_create(&l->g, GUEST_write_pages, 0);
	EXPECT(log_slot(l, LOG_PAGES, flags), 0);
	guest_run_raw(&l->g, true);
	return l;
}

static void log_finish(struct logged *l)
{
	((struct log_box *)(l->g.vm.ram + SCRATCH_GPA))->op = LOG_END;
	guest_run(&l->g);
	guest_destroy(&l->g);
	munmap(l->area, LOG_PAGES * PAGE);
	free(l);
}

static void log_pattern(void)
{
	struct logged *l = log_start(HUSK_MEM_LOG_DIRTY);

	expect_none(l);
	for (int host = 0; host < 2; host++) {	/* pages that the host has not yet, and that it has */
		guest_do(l, LOG_READ, 0, LOG_PAGES, 1);
		expect_none(l);
		guest_do(l, LOG_WRITE, 3, 50, 7);
		expect_pages(l, 3, 50, 7);
		expect_none(l);
		guest_do(l, LOG_READ, 0, LOG_PAGES, 1);
		expect_none(l);
		guest_do(l, LOG_WRITE, 3, 50, 7);
		guest_do(l, LOG_WRITE, 3, 50, 7);
		expect_pages(l, 3, 50, 7);
		guest_do(l, LOG_WRITE, LOG_PAGES - 1, 1, 1);
		expect_pages(l, LOG_PAGES - 1, 1, 1);
		EXPECT(log_slot(l, LOG_PAGES, HUSK_MEM_LOG_DIRTY), 0);
		memset(l->area, 1, LOG_PAGES * PAGE);
		expect_none(l);			/* the worker's own writes are not logged */
	}
	log_finish(l);
}

/* Parts of the log, each cleared by itself; and what can't be delivered stays */
static void log_parts(void)
{
	struct logged *l = log_start(HUSK_MEM_LOG_DIRTY);
	u64 part[2], dirty;

	guest_do(l, LOG_WRITE, 0, 256, 1);
	EXPECT(harvest(l, 0, LOG_PAGES, (void *)8, NULL), -EFAULT);
	EXPECT(harvest(l, 64, 128, part, &dirty), 0);
	EXPECT(dirty, 128);
	EXPECT(part[0] & part[1], -1);
	EXPECT(harvest(l, 64, 128, part, &dirty), 0);
	EXPECT(dirty, 0);
	EXPECT(part[0] | part[1], 0);
	harvest_all(l);
	EXPECT(l->bits[0], -1);
	EXPECT(l->bits[1] | l->bits[2], 0);
	EXPECT(l->bits[3], -1);
	expect_none(l);
	log_finish(l);
}

/* More pages than the CPU's list holds; and what a write to a page costs, which tells the source of the log */
static void log_full(void)
{
	struct logged *l = log_start(HUSK_MEM_LOG_DIRTY);
	const struct husk_stats *stats = guest_stats(&l->g);
	u64 modes = modes_usable(&l->g), faults, full;

	for (int round = 0; round < 3; round++) {
		faults = stats_exits(stats, HUSK_REASON_FAULT2);
		full = stats_exits(stats, HUSK_REASON_LOG_FULL);
		guest_do(l, LOG_WRITE, 0, LOG_PAGES, 1);
		expect_pages(l, 0, LOG_PAGES, 1);
	}
	full = stats_exits(stats, HUSK_REASON_LOG_FULL) - full;
	faults = stats_exits(stats, HUSK_REASON_FAULT2) - faults;
	if (modes & 1ULL << HUSK_MODE_PML && modes & 1ULL << HUSK_MODE_AD_BITS)
		CHECK(full && full <= LOG_PAGES / 512 && faults < 100);
	else if (modes & (1ULL << HUSK_MODE_AD_BITS | 1ULL << HUSK_MODE_SVM))
		CHECK(!full && faults < 100);
	else
		CHECK(!full && faults >= LOG_PAGES);
	guest_do(l, LOG_WRITE, 1, LOG_PAGES / 2, 2);
	expect_pages(l, 1, LOG_PAGES / 2, 2);
	expect_none(l);
	log_finish(l);
}

/* On and off over memory that is mapped already, by huge pages where they can be had */
static void log_switched(void)
{
	struct logged *l = log_start(0);

	madvise(l->area, LOG_PAGES * PAGE, MADV_HUGEPAGE);
	memset(l->area, 1, LOG_PAGES * PAGE);
	guest_do(l, LOG_WRITE, 0, LOG_PAGES, 1);
	EXPECT(harvest(l, 0, LOG_PAGES, l->bits, NULL), -EBUSY);
	EXPECT(log_slot(l, LOG_PAGES, HUSK_MEM_LOG_DIRTY), 0);
	expect_none(l);
	guest_do(l, LOG_WRITE, 10, 30, 20);
	expect_pages(l, 10, 30, 20);
	guest_do(l, LOG_WRITE, 0, LOG_PAGES, 1);
	EXPECT(log_slot(l, LOG_PAGES, 0), 0);
	EXPECT(harvest(l, 0, LOG_PAGES, l->bits, NULL), -EBUSY);
	guest_do(l, LOG_WRITE, 0, LOG_PAGES, 1);
	EXPECT(log_slot(l, LOG_PAGES, HUSK_MEM_LOG_DIRTY), 0);
	guest_do(l, LOG_READ, 0, LOG_PAGES, 1);
	expect_none(l);
	guest_do(l, LOG_WRITE, 11, 30, 20);
	EXPECT(log_slot(l, 0, 0), 0);
	EXPECT(harvest(l, 0, 64, l->bits, NULL), -ENOENT);
	EXPECT(log_slot(l, LOG_PAGES, HUSK_MEM_LOG_DIRTY), 0);
	expect_none(l);
	log_finish(l);
}

/* What the kernel writes for the guest: string moves from a device, over a page boundary too */
static void log_emulated(void)
{
	struct logged *l = log_start(HUSK_MEM_LOG_DIRTY);

	for (int round = 0; round < 2; round++) {
		guest_do(l, LOG_MOVE, 20, 64, 0);
		expect_pages(l, 20, 1, 1);
		guest_do(l, LOG_MOVE, 40, PAGE + 8, 0);
		expect_pages(l, 40, 2, 1);
		guest_do(l, LOG_INS, 300, 8, 0);
		expect_pages(l, 300, 1, 1);
		expect_none(l);
	}
	log_finish(l);
}

/* The host takes pages away that were written: that is not forgotten with their entries */
static void log_zapped(void)
{
	struct logged *l = log_start(HUSK_MEM_LOG_DIRTY);

	/* There, and mapped writable: the writes are no faults, where the CPU has dirty bits */
	memset(l->area, 1, 400 * PAGE);
	guest_do(l, LOG_READ, 0, 400, 1);
	guest_do(l, LOG_WRITE, 1, 100, 3);
	CHECK(!mprotect(l->area, 400 * PAGE, PROT_READ));
	CHECK(!mprotect(l->area, 400 * PAGE, PROT_READ | PROT_WRITE));
	guest_do(l, LOG_READ, 0, 400, 1);
	expect_pages(l, 1, 100, 3);
	guest_do(l, LOG_WRITE, 2, 100, 3);
	CHECK(!madvise(l->area, 400 * PAGE, MADV_DONTNEED));
	expect_pages(l, 2, 100, 3);
	expect_none(l);
	log_finish(l);
}

/* ---- a harvest while the guest runs ---- */

#define STORM_ROUNDS	60UL
#define STORM_WRITES	20000

static volatile bool storm_end;
static u8 *storm_copy;

/* As a migration does it: harvest, copy what was written, again */
static void copy_round(struct logged *l)
{
	harvest_all(l);
	for (u64 page = 0; page < LOG_PAGES; page++)
		if (reported(l, page))
			memcpy(storm_copy + page * PAGE, l->area + page * PAGE, PAGE);
}

static void *storm_harvest(void *arg)
{
	while (!storm_end) {
		copy_round(arg);
		usleep(300);
	}
	return NULL;
}

static void *storm_zap(void *arg)
{
	struct logged *l = arg;
	unsigned int seed = flat_seed;

	while (!storm_end) {
		u8 *at = l->area + rand_r(&seed) % (LOG_PAGES - 8) * PAGE;

		/* takes the guest's entries away, and neither content nor right */
		mprotect(at, 8 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
		mprotect(at, 8 * PAGE, PROT_READ | PROT_WRITE);
		usleep(500);
	}
	return NULL;
}

static void storm(void *(*second)(void *))
{
	struct logged *l = log_start(HUSK_MEM_LOG_DIRTY);
	pthread_t thread[2];
	u64 sum = 0;

	storm_copy = calloc(LOG_PAGES, PAGE);
	pthread_create(&thread[0], NULL, storm_harvest, l);
	if (second)
		pthread_create(&thread[1], NULL, second, l);
	/* other pages each time: the last write to a page is what gets lost if any does */
	for (u64 round = 0; round < STORM_ROUNDS; round++)
		guest_do(l, LOG_STORM, round * (LOG_PAGES / STORM_ROUNDS), STORM_WRITES, LOG_PAGES / STORM_ROUNDS);
	storm_end = true;
	pthread_join(thread[0], NULL);
	if (second)
		pthread_join(thread[1], NULL);
	copy_round(l);
	for (u64 page = 0; page < LOG_PAGES; page++) {
		sum += *(u64 *)(l->area + page * PAGE);
		if (memcmp(l->area + page * PAGE, storm_copy + page * PAGE, PAGE)) {
			flat_fail("a write to page %llu was not reported", (unsigned long long)page);
			break;
		}
	}
	EXPECT(sum, STORM_ROUNDS * STORM_WRITES);
	expect_none(l);
	free(storm_copy);
	log_finish(l);
}

static void log_storm(void)
{
	storm(NULL);
}

static void log_storm_zap(void)
{
	storm(storm_zap);
}

/* Slots come and go under two threads that harvest */
static void *harvest_any(void *arg)
{
	u64 bits[LOG_WORDS];

	while (!storm_end) {
		int ret = harvest(arg, 0, LOG_PAGES, bits, NULL);

		if (ret && ret != -EBUSY && ret != -ENOENT && ret != -EINVAL)
			flat_fail("a harvest of a slot that changes: %d", ret);
	}
	return NULL;
}

static void *switch_any(void *arg)
{
	struct logged *l = arg;

	for (int i = 0; !storm_end; i++) {
		EXPECT(log_slot(l, LOG_PAGES, i & 1 ? HUSK_MEM_LOG_DIRTY : 0), 0);
		usleep(200);
	}
	return NULL;
}

static void log_races(void)
{
	struct logged *l = log_start(HUSK_MEM_LOG_DIRTY);
	pthread_t thread[3];

	pthread_create(&thread[0], NULL, harvest_any, l);
	pthread_create(&thread[1], NULL, harvest_any, l);
	pthread_create(&thread[2], NULL, switch_any, l);
	for (u64 round = 0; round < 30; round++)
		guest_do(l, LOG_STORM, 0, 1000, LOG_PAGES);
	storm_end = true;
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	EXPECT(log_slot(l, LOG_PAGES, HUSK_MEM_LOG_DIRTY), 0);
	guest_do(l, LOG_WRITE, 5, 20, 11);
	expect_pages(l, 5, 20, 11);
	log_finish(l);
}

const struct flat_test flat_log_tests[] = {
	{ "log_pattern", log_pattern, true, 0 },
	{ "log_parts", log_parts, true, 0 },
	{ "log_full", log_full, true, 0 },
	{ "log_switched", log_switched, true, 0 },
	{ "log_emulated", log_emulated, true, 0 },
	{ "log_zapped", log_zapped, true, 0 },
	{ "log_storm", log_storm, true, 60 },
	{ "log_storm_zap", log_storm_zap, true, 60 },
	{ "log_races", log_races, true, 60 },
	FLAT_END
};
