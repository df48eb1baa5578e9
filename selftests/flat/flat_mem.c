// SPDX-License-Identifier: GPL-2.0
/* Second-level faults, and memory that the host changes under the guest. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "flat.h"

#define PAGE_GPA	0x900000UL

enum { BOX_END, BOX_READ, BOX_WRITE };

struct box {
	u64 op, addr, value;
};

static struct box *box_of(struct guest *g)
{
	return (struct box *)(g->vm.ram + SCRATCH_GPA);
}

/* One read or write by the guest; *clean: it came back to its sync point */
static u64 box_do(struct guest *g, u64 op, u64 addr, u64 value, struct vmm_exit *exit)
{
	struct box *box = box_of(g);

	*box = (struct box) { op, addr, value };
	*exit = guest_run_raw(g, true);
	return box->value;
}

static bool at_sync(const struct vmm_exit *exit)
{
	return exit->kind == VMM_PIO && exit->addr == PORT_SYNC;
}

static u64 box_read(struct guest *g, u64 addr)
{
	struct vmm_exit exit;
	u64 value = box_do(g, BOX_READ, addr, 0, &exit);

	if (!at_sync(&exit))
		flat_fail("a read at %#llx: exit kind %d error %d", (unsigned long long)addr, exit.kind, exit.error);
	return value;
}

static void box_write(struct guest *g, u64 addr, u64 value)
{
	struct vmm_exit exit;

	box_do(g, BOX_WRITE, addr, value, &exit);
	if (!at_sync(&exit))
		flat_fail("a write at %#llx: exit kind %d error %d", (unsigned long long)addr, exit.kind, exit.error);
}

static struct guest *box_start(void)
{
	struct guest *g = malloc(sizeof(*g));
	struct vmm_exit exit;

	guest_create(g, GUEST_memory_walk, 0);
	exit = guest_run_raw(g, true);
	if (!at_sync(&exit))
		flat_fail("the guest does not start: exit kind %d error %d", exit.kind, exit.error);
	return g;
}

static void box_finish(struct guest *g)
{
	box_of(g)->op = BOX_END;
	guest_run(g);
	guest_destroy(g);
	free(g);
}

static u64 *host_page(struct guest *g)
{
	return (u64 *)(g->vm.ram + PAGE_GPA);
}

static void memory_dontneed(void)
{
	struct guest *g = box_start();

	for (int i = 0; i < 50; i++) {
		box_write(g, PAGE_GPA, 0x1234 + i);
		EXPECT(*host_page(g), 0x1234 + i);
		CHECK(!madvise(host_page(g), 4096, MADV_DONTNEED));
		EXPECT(box_read(g, PAGE_GPA), 0);
		*host_page(g) = 77 + i;
		EXPECT(box_read(g, PAGE_GPA), 77 + i);
	}
	box_finish(g);
}

static void memory_replace(void)
{
	struct guest *g = box_start();

	box_write(g, PAGE_GPA, 5);
	CHECK(mmap(host_page(g), 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
	      host_page(g));
	*host_page(g) = 6;
	EXPECT(box_read(g, PAGE_GPA), 6);
	box_write(g, PAGE_GPA, 7);
	EXPECT(*host_page(g), 7);
	box_finish(g);
}

/* mremap takes the page away: the guest must not see it at its old place any more */
static void memory_mremap(void)
{
	struct guest *g = box_start();
	u64 *other = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	u64 *moved;

	*other = 99;
	box_write(g, PAGE_GPA, 5);
	moved = mremap(other, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, host_page(g));
	CHECK(moved == host_page(g));
	EXPECT(box_read(g, PAGE_GPA), 99);
	box_write(g, PAGE_GPA, 100);
	EXPECT(*host_page(g), 100);
	box_finish(g);
}

/* A backing that does not permit the access ends the run call cleanly, whatever its form */
static bool refused(const struct vmm_exit *exit)
{
	return (exit->kind == VMM_ERROR && exit->error == EFAULT) || exit->kind == VMM_UNHANDLED;
}

static void memory_mprotect(void)
{
	struct guest *g = box_start();
	struct vmm_exit exit;

	box_write(g, PAGE_GPA, 5);
	CHECK(!mprotect(host_page(g), 4096, PROT_READ));
	EXPECT(box_read(g, PAGE_GPA), 5);
	box_do(g, BOX_WRITE, PAGE_GPA, 6, &exit);
	if (!refused(&exit))
		flat_fail("write to a read-only mapping: exit kind %d error %d", exit.kind, exit.error);
	CHECK(!mprotect(host_page(g), 4096, PROT_READ | PROT_WRITE));
	EXPECT(*host_page(g), 5);
	if (exit.kind == VMM_ERROR) {	/* nothing has happened: the guest can go on */
		exit = guest_run_raw(g, true);
		CHECK(at_sync(&exit));
		EXPECT(*host_page(g), 6);
	}
	guest_destroy(g);
	free(g);
}

static void memory_munmap(void)
{
	struct guest *g = box_start();
	struct vmm_exit exit;

	box_write(g, PAGE_GPA, 5);
	CHECK(!munmap(host_page(g), 4096));
	box_do(g, BOX_READ, PAGE_GPA, 0, &exit);
	if (!refused(&exit))
		flat_fail("read of an unmapped backing: exit kind %d error %d", exit.kind, exit.error);
	guest_destroy(g);
	free(g);
}

/* A huge leaf, split by losing one of its 4 KiB pages */
static void memory_huge(void)
{
	struct guest *g = box_start();
	u8 *area = mmap(NULL, 6UL << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	u8 *huge = (u8 *)(((uintptr_t)area + (2UL << 20) - 1) & ~((2UL << 20) - 1));
	u64 gpa = 0x60000000;

	madvise(huge, 4UL << 20, MADV_HUGEPAGE);
	EXPECT(g->vm.be->memory(&g->vm, 2, gpa, 4UL << 20, huge, 0), 0);
	for (u64 at = 0; at < 4UL << 20; at += 0x11000)
		box_write(g, gpa + at, at + 1);
	for (u64 at = 0; at < 4UL << 20; at += 0x11000)
		EXPECT(*(u64 *)(huge + at), at + 1);
	CHECK(!madvise(huge + 0x11000, 4096, MADV_DONTNEED));
	EXPECT(box_read(g, gpa + 0x11000), 0);
	EXPECT(box_read(g, gpa + 0x22000), 0x22001);
	CHECK(!mprotect(huge + 0x22000, 4096, PROT_READ));
	box_write(g, gpa + 0x33000, 9);
	EXPECT(*(u64 *)(huge + 0x33000), 9);
	CHECK(!mprotect(huge + 0x22000, 4096, PROT_READ | PROT_WRITE));
	box_write(g, gpa + 0x22000, 8);
	EXPECT(*(u64 *)(huge + 0x22000), 8);
	box_finish(g);
	munmap(area, 6UL << 20);
}

/* After fork the pages are shared: a write by the guest goes to the parent's copy only */
static void memory_fork(void)
{
	struct guest *g = box_start();
	int pipes[2], status;
	char c = 0;
	pid_t pid;

	box_write(g, PAGE_GPA, 1);
	CHECK(!pipe(pipes));
	pid = fork();
	if (!pid) {
		close(pipes[1]);
		if (read(pipes[0], &c, 1) != 1)
			_exit(2);
		_exit(*host_page(g) == 1 ? 0 : 1);
	}
	EXPECT(box_read(g, PAGE_GPA), 1);
	box_write(g, PAGE_GPA, 2);
	EXPECT(*host_page(g), 2);
	CHECK(write(pipes[1], &c, 1) == 1);
	waitpid(pid, &status, 0);
	EXPECT(status, 0);
	EXPECT(box_read(g, PAGE_GPA), 2);
	close(pipes[0]);
	close(pipes[1]);
	box_finish(g);
}

static void memory_slots(void)
{
	struct guest *g = box_start();
	u64 *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct vmm *vm = &g->vm;

	page[0] = 11;
	page[512] = 22;
	EXPECT(box_read(g, 0x70000000), -1);		/* no slot: the host answers with ones */
	EXPECT(vm->be->memory(vm, 3, 0x70000000, 4096, page, 0), 0);
	EXPECT(box_read(g, 0x70000000), 11);
	EXPECT(vm->be->memory(vm, 3, 0x70000000, 0, page, 0), 0);
	EXPECT(box_read(g, 0x70000000), -1);
	EXPECT(vm->be->memory(vm, 3, 0x70000000, 4096, page + 512, 0), 0);
	EXPECT(box_read(g, 0x70000000), 22);
	/* The same memory twice */
	EXPECT(vm->be->memory(vm, 4, 0x78000000, 4096, page + 512, 0), 0);
	box_write(g, 0x78000000, 33);
	EXPECT(box_read(g, 0x70000000), 33);
	EXPECT(box_read(g, 0x70001000), -1);
	box_finish(g);
	munmap(page, 8192);
}

static void read_only(void)
{
	struct guest *g = malloc(sizeof(*g));
	u32 *rom = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	rom[0] = 0x12345678;
	rom[1] = 0x9abcdef0;
	guest_create(g, GUEST_read_only, 0x50000000);
	EXPECT(g->vm.be->memory(&g->vm, 1, 0x50000000, 4096, rom, HUSK_MEM_READONLY), 0);
	guest_run(g);
	EXPECT(rom[0], 0x12345678);
	EXPECT(rom[1], 0x9abcdef0);
	guest_destroy(g);
	free(g);
	munmap(rom, 4096);
}

static void fresh_touch(void)
{
	struct guest *g = malloc(sizeof(*g));
	u64 *area = mmap(NULL, FAULT_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	guest_create(g, GUEST_fresh_touch, FAULT_SIZE / 4096);
	EXPECT(g->vm.be->memory(&g->vm, 1, FAULT_GPA, FAULT_SIZE, area, 0), 0);
	guest_run(g);
	for (u64 i = 0; i < FAULT_SIZE / 4096; i++)
		EXPECT(area[i * 512], i + 1);
	guest_destroy(g);
	free(g);
	munmap(area, FAULT_SIZE);
}

static volatile bool storm_end;

static void *storm(void *arg)
{
	u8 *area = arg;
	unsigned int seed = flat_seed;

	while (!storm_end)
		madvise(area + (rand_r(&seed) % 512) * 4096, 4096 * (1 + rand_r(&seed) % 8), MADV_DONTNEED);
	return NULL;
}

/* The host takes pages away while the guest touches them */
static void memory_storm(void)
{
	u8 *area = mmap(NULL, FAULT_SIZE + 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct guest *g = malloc(sizeof(*g));
	pthread_t thread;

	pthread_create(&thread, NULL, storm, area);
	for (int i = 0; i < 10; i++) {
		guest_create(g, GUEST_fresh_touch, FAULT_SIZE / 4096);
		EXPECT(g->vm.be->memory(&g->vm, 1, FAULT_GPA, FAULT_SIZE, area, 0), 0);
		while (!g->done) {
			struct vmm_exit exit = guest_run_raw(g, false);

			if (!g->done)
				flat_fail("exit kind %d error %d", exit.kind, exit.error);
			if (exit.kind == VMM_ERROR)
				break;
		}
		guest_destroy(g);
		memset(area, 0, FAULT_SIZE);
	}
	storm_end = true;
	pthread_join(thread, NULL);
	free(g);
	munmap(area, FAULT_SIZE + 65536);
}

const struct flat_test flat_mem_tests[] = {
	{ "memory_dontneed", memory_dontneed, false, 0 },
	{ "memory_replace", memory_replace, false, 0 },
	{ "memory_mremap", memory_mremap, false, 0 },
	{ "memory_mprotect", memory_mprotect, false, 0 },
	{ "memory_munmap", memory_munmap, false, 0 },
	{ "memory_huge", memory_huge, false, 0 },
	{ "memory_fork", memory_fork, false, 0 },
	{ "memory_slots", memory_slots, false, 0 },
	{ "memory_read_only", read_only, false, 0 },
	{ "memory_fresh", fresh_touch, false, 0 },
	{ "memory_storm", memory_storm, false, 60 },
	FLAT_END
};
