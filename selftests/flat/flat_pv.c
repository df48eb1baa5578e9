// SPDX-License-Identifier: GPL-2.0
/* The personality "kvm" from outside: exits that it spares, several vCPUs, hostile values, state and reset. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "flat.h"

#define CPUS		3
#define MSR_CLOCK	0x4b564d01
#define MSR_STEAL	0x4b564d03
#define MSR_EOI		0x4b564d04
#define MSR_POLL	0x4b564d05

/* ---- exits that PV EOI spares ---- */

static u64 msr_writes(struct guest *g)
{
	return stats_exits(guest_stats(g), HUSK_REASON_WRMSR);
}

/* Between two of the guest's syncs */
static u64 counted(struct guest *g)
{
	u64 before;

	guest_run_raw(g, true);
	before = msr_writes(g);
	guest_run_raw(g, true);
	return msr_writes(g) - before;
}

static void eoi(void)
{
	const u32 rounds = 100;
	struct guest *g = malloc(sizeof(*g));
	u64 without, with, after;

	guest_create(g, GUEST_pv_eoi, rounds);
	without = counted(g);
	with = counted(g);
	after = counted(g);
	EXPECT(without, 2 * rounds);	/* the interrupt and its end */
	EXPECT(with, rounds);
	EXPECT(after, 2 * rounds);
	guest_run(g);
	guest_destroy(g);
	free(g);
}

/* ---- several vCPUs ---- */

struct other {
	struct guest *g;
	u32 id;
	pthread_t thread;
};

static void *run_other(void *arg)
{
	struct other *o = arg;
	struct vmm_exit exit;

	while (!o->g->done) {
		guest_enter(o->g, o->id, &exit);
		if (!guest_serve(o->g, &exit) && exit.kind != VMM_NONE && !o->g->done &&
		    !(exit.kind == VMM_ERROR && exit.error == EINTR))
			flat_fail("vCPU %u: exit kind %d error %d", o->id, exit.kind, exit.error);
	}
	return NULL;
}

static void end_other(struct other *o)
{
	for (int i = 0; i < 300; i++) {
		if (!pthread_tryjoin_np(o->thread, NULL))
			return;
		o->g->vm.be->immediate_exit(&o->g->vm, o->id, true);
		pthread_kill(o->thread, SIGALRM);
		usleep(10000);
	}
	flat_fail("vCPU %u does not leave RUN", o->id);
	_exit(1);
}

/* The guest tells where its other vCPUs begin */
static void smp(u64 which)
{
	struct guest *g = malloc(sizeof(*g));
	struct other others[CPUS - 1];
	struct vmm_exit exit;
	u32 i;

	guest_create(g, GUEST_pv_smp, which);
	for (i = 1; i < CPUS; i++)
		EXPECT(g->vm.be->vcpu(&g->vm, i), 0);
	exit = guest_run_raw(g, true);
	for (i = 0; i < CPUS - 1; i++) {
		others[i] = (struct other) { g, i + 1, 0 };
		EXPECT(vmm_long_mode(&g->vm, i + 1, exit.data, STACK_GPA - 0x4000 * (i + 1) - 8, i + 1, 0), 0);
		pthread_create(&others[i].thread, NULL, run_other, &others[i]);
	}
	guest_run(g);
	g->done = true;
	flat_alarm(0);
	for (i = 0; i < CPUS - 1; i++)
		end_other(&others[i]);
	guest_destroy(g);
	free(g);
}

static void clock_smp(void) { smp(0); }
static void send_ipi(void) { smp(1); }
static void kick(void) { smp(2); }
static void preempted(void) { smp(3); }
static void yield(void) { smp(4); }

/* ---- hostile values ---- */

#define ROM_GPA		0x50000000UL
#define FLICKER_GPA	(ROM_GPA + 0x10000)

static void fill(u8 *page, u8 value)
{
	memset(page, value, 4096);
}

static bool filled(const u8 *page, u8 value)
{
	return page[0] == value && !memcmp(page, page + 1, 4095);
}

/* A slot that comes and goes. While it is away nobody may write to the page that was behind it. */
struct flicker {
	u8 *page;
	bool there;
};

static u32 flick(struct guest *g, bool write, u32 data)
{
	struct flicker *f = g->private;

	if (!write)
		return flat_seed;
	f->there = !f->there;
	if (f->there && !filled(f->page, 0x5a))
		flat_fail("memory of a slot that was gone has been written to");
	EXPECT(g->vm.be->memory(&g->vm, 2, FLICKER_GPA, f->there ? 4096 : 0, f->page, 0), 0);
	if (!f->there && !(data & 16))		/* the worker's own rights hold, too */
		EXPECT(mprotect(f->page, 4096, data & 32 ? PROT_READ : PROT_READ | PROT_WRITE), 0);
	if (!f->there && !(data & 32))
		fill(f->page, 0x5a);
	else if (!f->there && mprotect(f->page, 4096, PROT_READ | PROT_WRITE) == 0)
		fill(f->page, 0x5a);
	return 0;
}

static void hostile(void)
{
	struct guest *g = malloc(sizeof(*g));
	u8 *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct flicker f = { .page = pages + 4096 };

	fill(pages, 0xc3);
	fill(f.page, 0x5a);
	guest_create(g, GUEST_pv_hostile, ROM_GPA);
	g->sync = flick;
	g->private = &f;
	EXPECT(g->vm.be->memory(&g->vm, 1, ROM_GPA, 4096, pages, HUSK_MEM_READONLY), 0);
	guest_run(g);
	CHECK(filled(pages, 0xc3));
	CHECK(f.there || filled(f.page, 0x5a));
	guest_destroy(g);
	free(g);
	munmap(pages, 8192);
}

/* ---- without it ---- */

static void bare_test(enum guest_test test)
{
	struct guest *g = malloc(sizeof(*g));

	vmm_bare = true;
	guest_create(g, test, 0);
	guest_run(g);
	guest_destroy(g);
	free(g);
}

static void bare_msrs(void) { bare_test(GUEST_pv_msrs); }
static void bare_hypercalls(void) { bare_test(GUEST_pv_hypercalls); }

/* ---- state ---- */

struct msrs_record {
	struct husk_state_record head;
	struct husk_msrs msrs;
};

static int msrs_call(struct guest *g, u32 id, unsigned long command, struct msrs_record *record)
{
	struct husk_state arg = {
		.size = sizeof(arg), .classes = 1ULL << HUSK_STATE_MSRS, .length = sizeof(*record),
		.buffer = (uintptr_t)record,
	};

	return ioctl(g->vm.vcpu[id].fd, command, &arg) ? -errno : 0;
}

/* -1: not there */
static s64 msr_get(struct guest *g, u32 id, u32 index)
{
	struct msrs_record record = {};

	EXPECT(msrs_call(g, id, HUSK_VCPU_GET_STATE, &record), 0);
	for (u32 i = 0; i < record.msrs.count; i++)
		if (record.msrs.msr[i].index == index)
			return record.msrs.msr[i].value;
	return -1;
}

static int msr_set(struct guest *g, u32 id, u32 index, u64 value)
{
	struct msrs_record record = {
		.head = { HUSK_STATE_MSRS, 1, sizeof(record.msrs), 0 },
		.msrs = { .count = 1, .msr = { { .index = index, .value = value } } },
	};

	return msrs_call(g, id, HUSK_VCPU_SET_STATE, &record);
}

/* What a state has is in force from the next entry on; a reset ends it */
static void state(void)
{
	struct guest *g = malloc(sizeof(*g));
	struct husk_reset reset = { .size = sizeof(reset) };
	static const u32 msrs[] = { MSR_CLOCK, MSR_STEAL, MSR_EOI };
	volatile u32 *version;

	guest_create(g, GUEST_state_loop, 0);
	guest_run_raw(g, true);
	version = (u32 *)(g->vm.ram + SCRATCH_GPA);
	for (u32 i = 0; i < 3; i++) {
		if (msr_get(g, 0, msrs[i]) < 0)
			continue;
		EXPECT(msr_get(g, 0, msrs[i]), 0);
		EXPECT(msr_set(g, 0, msrs[i], (SCRATCH_GPA + 64 * i) | 1), 0);
		EXPECT(msr_get(g, 0, msrs[i]), (SCRATCH_GPA + 64 * i) | 1);
	}
	EXPECT(msr_set(g, 0, MSR_STEAL, SCRATCH_GPA | 3), -EINVAL);
	EXPECT(msr_set(g, 0, MSR_POLL, 0), 0);
	EXPECT(msr_set(g, 0, MSR_POLL, 2), -EINVAL);
	EXPECT(msr_set(g, 0, 0x4b564d02, 0), -EINVAL);
	EXPECT(*version, 0);
	guest_run(g);
	CHECK(*version && !(*version & 1));
	EXPECT(ioctl(g->vm.fd, HUSK_VM_RESET, &reset), 0);
	for (u32 i = 0; i < 3; i++)
		CHECK(msr_get(g, 0, msrs[i]) <= 0);
	EXPECT(msr_get(g, 0, MSR_POLL), 1);
	guest_destroy(g);
	free(g);
}

/* INIT ends it as well: sent by a message here, to a vCPU that has not run */
static void init(void)
{
	struct guest *g = malloc(sizeof(*g));
	struct vmm_exit exit;

	guest_create(g, GUEST_spin, 0);
	EXPECT(g->vm.be->vcpu(&g->vm, 1), 0);
	EXPECT(msr_set(g, 1, MSR_CLOCK, SCRATCH_GPA | 1), 0);
	EXPECT(msr_set(g, 1, MSR_STEAL, (SCRATCH_GPA + 64) | 1), 0);
	EXPECT(g->vm.be->msi(&g->vm, 0xfee00000 | 1 << 12, 5 << 8), 0);
	flat_alarm(50);
	guest_enter(g, 1, &exit);	/* it waits for SIPI, until the signal */
	flat_alarm(0);
	EXPECT(exit.kind, VMM_ERROR);
	EXPECT(exit.error, EINTR);
	EXPECT(msr_get(g, 1, MSR_CLOCK), 0);
	EXPECT(msr_get(g, 1, MSR_STEAL), 0);
	guest_destroy(g);
	free(g);
}

/*
 * KVM offers EOIs a little less often, tells of a preempted vCPU only where an
 * interrupt hit it, and does not look at TSCs that the guest has moved.
 */
const struct flat_test flat_pv_tests[] = {
	{ "pv_eoi", eoi, true, 0 },
	{ "pv_clock_smp", clock_smp, true, 60 },
	{ "pv_send_ipi", send_ipi, false, 30 },
	{ "pv_kick", kick, false, 30 },
	{ "pv_yield", yield, false, 30 },
	{ "pv_preempted", preempted, true, 30 },
	{ "pv_hostile", hostile, false, 60 },
	{ "pv_bare_msrs", bare_msrs, true, 0 },
	{ "pv_bare_hypercalls", bare_hypercalls, true, 0 },
	{ "pv_state", state, true, 0 },
	{ "pv_init", init, true, 0 },
	FLAT_END
};
