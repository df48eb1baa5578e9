// SPDX-License-Identifier: GPL-2.0
/* State classes and the run page's register sync. husk only. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "flat.h"

static int state_call(struct guest *g, unsigned long command, u64 classes, void *buffer, u32 *length)
{
	struct husk_state arg = {
		.size = sizeof(arg), .classes = classes, .length = *length, .buffer = (uintptr_t)buffer,
	};
	int ret = ioctl(g->vm.vcpu[0].fd, command, &arg) ? -errno : 0;

	*length = arg.length;
	return ret;
}

static const u64 all_classes = (1ULL << HUSK_STATE_COUNT) - 1;
static const char *const class_names[] = {
#define X(id, name, type, version) name,
	HUSK_STATES(X)
#undef X
};

static void compare_records(const u8 *a, const u8 *b, u32 length)
{
	for (u32 at = 0; at < length;) {
		const struct husk_state_record *head = (const void *)(a + at);
		u32 end = at + sizeof(*head) + head->length;

		if (head->class_id >= HUSK_STATE_COUNT || end > length) {
			flat_fail("bad record at %u", at);
			return;
		}
		if (head->class_id != HUSK_STATE_CLOCK && head->class_id != HUSK_STATE_MSRS &&
		    memcmp(a + at, b + at, end - at)) {
			u32 i = at;

			while (a[i] == b[i])
				i++;
			flat_fail("class %s differs after a round trip, first at byte %u",
				  class_names[head->class_id], i - at - (u32)sizeof(*head));
		}
		at = end;
	}
}

/* get, set, get: the same; and the guest notices nothing */
static void round_trip(void)
{
	struct guest *g = malloc(sizeof(*g));
	u8 *a = calloc(2, 65536), *b = a + 65536;
	u32 length = 0, got, wanted;

	guest_create(g, GUEST_state_loop, 0);
	guest_run_raw(g, true);
	EXPECT(state_call(g, HUSK_VCPU_GET_STATE, all_classes, a, &length), -E2BIG);
	wanted = length;
	CHECK(wanted > 600 && wanted < 65536);
	got = 65536;
	EXPECT(state_call(g, HUSK_VCPU_GET_STATE, all_classes, a, &got), 0);
	EXPECT(got, wanted);
	EXPECT(state_call(g, HUSK_VCPU_SET_STATE, all_classes, a, &got), 0);
	got = 65536;
	EXPECT(state_call(g, HUSK_VCPU_GET_STATE, all_classes, b, &got), 0);
	compare_records(a, b, wanted);
	guest_run(g);
	guest_destroy(g);
	free(g);
	free(a);
}

/* The whole state moves into another VM with the same memory, and goes on there */
static void migrate(void)
{
	struct guest *a = malloc(sizeof(*a)), *b = malloc(sizeof(*b));
	u8 *buffer = calloc(1, 65536);
	u32 length = 65536;
	struct vmm_exit exit;

	guest_create(a, GUEST_fpu_swap, 0x35);
	for (int i = 0; i < 5; i++)
		exit = guest_run_raw(a, true);
	EXPECT(exit.data, 4);
	a->vm.be->immediate_exit(&a->vm, 0, true);	/* finishes the port access */
	guest_run_raw(a, false);
	EXPECT(state_call(a, HUSK_VCPU_GET_STATE, all_classes, buffer, &length), 0);
	guest_create(b, GUEST_spin, 0);
	memcpy(b->vm.ram, a->vm.ram, RAM_SIZE);
	EXPECT(state_call(b, HUSK_VCPU_SET_STATE, all_classes, buffer, &length), 0);
	guest_destroy(a);
	guest_run(b);
	guest_destroy(b);
	free(a);
	free(b);
	free(buffer);
}

static int vm_state_call(struct guest *g, unsigned long command, void *buffer, u32 *length)
{
	struct husk_state arg = {
		.size = sizeof(arg), .classes = (1ULL << HUSK_VM_CLASS_COUNT) - 1, .length = *length,
		.buffer = (uintptr_t)buffer,
	};
	int ret = ioctl(g->vm.fd, command, &arg) ? -errno : 0;

	*length = arg.length;
	return ret;
}

/* The interrupt chips in the middle of their work, with the vCPU and the memory */
static void migrate_chips(void)
{
	struct guest *a = malloc(sizeof(*a)), *b = malloc(sizeof(*b));
	u8 *buffer = calloc(2, 65536);
	u32 length = 65536, vm_length = 65536;

	guest_create(a, GUEST_chips_kept, 0);
	guest_run_raw(a, true);
	a->vm.be->immediate_exit(&a->vm, 0, true);	/* finishes the port access */
	guest_run_raw(a, false);
	EXPECT(state_call(a, HUSK_VCPU_GET_STATE, all_classes, buffer, &length), 0);
	EXPECT(vm_state_call(a, HUSK_VM_GET_STATE, buffer + 65536, &vm_length), 0);
	guest_create(b, GUEST_spin, 0);
	memcpy(b->vm.ram, a->vm.ram, RAM_SIZE);
	EXPECT(vm_state_call(b, HUSK_VM_SET_STATE, buffer + 65536, &vm_length), 0);
	EXPECT(state_call(b, HUSK_VCPU_SET_STATE, all_classes, buffer, &length), 0);
	guest_destroy(a);
	guest_run(b);
	guest_destroy(b);
	free(a);
	free(b);
	free(buffer);
}

static void run_page_sync(void)
{
	struct guest *g = malloc(sizeof(*g));
	struct husk_run *run;
	struct vmm_exit exit;

	guest_create(g, GUEST_state_loop, 0);
	run = g->vm.vcpu[0].run;
	run->sync_want = 1ULL << HUSK_STATE_GENERAL | 1ULL << HUSK_STATE_SYSTEM;
	exit = guest_run_raw(g, true);
	EXPECT(exit.data, 7);
	EXPECT(run->sync_valid, run->sync_want);
	EXPECT(run->general.gpr[3], 0x1001);
	EXPECT(run->general.gpr[15], 0x100f);
	EXPECT(run->system.cr3, PML4_GPA);
	CHECK(run->general.rip > IMAGE_GPA);
	/* Finish the port access first: registers that are set cancel what is pending. */
	g->vm.be->immediate_exit(&g->vm, 0, true);
	guest_run_raw(g, false);
	g->vm.be->immediate_exit(&g->vm, 0, false);
	run->general.gpr[0] = 0x1234;
	run->general.gpr[3] = 0x4321;
	run->sync_dirty = 1ULL << HUSK_STATE_GENERAL;
	exit = guest_run_raw(g, true);
	EXPECT(exit.data, 0x1234);
	EXPECT(run->sync_dirty, 0);
	exit = guest_run_raw(g, true);
	EXPECT(exit.data, 0x4321);
	/* Bad values and classes are refused and nothing runs */
	run->general.rflags = ~0ULL;
	run->sync_dirty = 1ULL << HUSK_STATE_GENERAL;
	exit = guest_run_raw(g, true);
	EXPECT(exit.error, EINVAL);
	run->sync_dirty = 1ULL << HUSK_STATE_LAPIC;
	exit = guest_run_raw(g, true);
	CHECK(exit.error == EINVAL || exit.error == EOPNOTSUPP);
	run->sync_dirty = 0;
	guest_destroy(g);
	free(g);
}

static void translate(void)
{
	struct guest *g = malloc(sizeof(*g));
	struct husk_translate arg = { .size = sizeof(arg), .gva = 0xd0001234 };

	guest_create(g, GUEST_state_loop, 0);
	guest_run_raw(g, true);
	EXPECT(ioctl(g->vm.vcpu[0].fd, HUSK_VCPU_TRANSLATE, &arg), 0);
	EXPECT(arg.valid, 1);
	EXPECT(arg.gpa, 0xd0001234);
	arg = (struct husk_translate) { .size = sizeof(arg), .gva = 1ULL << 40 };
	EXPECT(ioctl(g->vm.vcpu[0].fd, HUSK_VCPU_TRANSLATE, &arg), 0);
	EXPECT(arg.valid, 0);
	arg = (struct husk_translate) { .size = sizeof(arg), .gva = 1ULL << 63 };
	EXPECT(ioctl(g->vm.vcpu[0].fd, HUSK_VCPU_TRANSLATE, &arg), 0);
	EXPECT(arg.valid, 0);
	guest_destroy(g);
	free(g);
}

/* Random bytes as state: refused or taken, then run; the host is what is tested */
static void random_state(void)
{
	unsigned int seed = flat_seed;
	u8 *buffer = calloc(1, 65536);

	for (int round = 0; round < 60; round++) {
		struct guest *g = malloc(sizeof(*g));
		u32 length = 65536;

		guest_create(g, GUEST_spin, 0);
		EXPECT(state_call(g, HUSK_VCPU_GET_STATE, all_classes, buffer, &length), 0);
		for (int i = 0; i < 1 + round % 8; i++)
			buffer[rand_r(&seed) % length] ^= 1 << rand_r(&seed) % 8;
		if (!state_call(g, HUSK_VCPU_SET_STATE, all_classes, buffer, &length)) {
			flat_alarm(5);
			for (int i = 0; i < 3; i++)
				guest_run_raw(g, false);
			flat_alarm(0);
		}
		guest_destroy(g);
		free(g);
	}
	free(buffer);
}

/* One of three good states, with some of what the CPU looks at before it enters changed */
static struct husk_system odd_system(struct husk_general *regs, unsigned int *seed)
{
	struct husk_system sys = vmm_long_system();
	struct husk_segment *const segments[] = { &sys.cs, &sys.ss, &sys.ds, &sys.es, &sys.fs, &sys.gs, &sys.ldtr, &sys.tr };
	int mode = rand_r(seed) % 3;

	*regs = (struct husk_general){ .rip = 0xd0000000, .rflags = 2 };
	sys.cr3 = 0xd0001000;
	if (mode) {
		sys.cr0 = mode == 1 ? 0x31 : 0x30;
		sys.cr4 = sys.efer = 0;
		sys.cs.attr = 0xc9b;
	}
	for (int i = rand_r(seed) % 4; i >= 0; i--) {
		struct husk_segment *seg = segments[rand_r(seed) % 8];

		switch (rand_r(seed) % 8) {
		case 0: seg->attr = rand_r(seed) & 0xfff; break;
		case 1: seg->attr ^= 1 << rand_r(seed) % 12; break;
		case 2: seg->limit = (u32)rand_r(seed) << 1 >> rand_r(seed) % 32; break;
		case 3: seg->base = (u64)rand_r(seed) << rand_r(seed) % 40; break;
		case 4: seg->selector = rand_r(seed); break;
		case 5: sys.cr0 ^= 1ULL << rand_r(seed) % 32; break;
		case 6: sys.cr4 ^= 1ULL << rand_r(seed) % 24; break;
		case 7: regs->rflags ^= 1ULL << rand_r(seed) % 22; break;
		}
	}
	return sys;
}

/*
 * States that husk takes and the CPU may not: in a VM without memory, where each
 * first fetch is an exit. What VMX refuses has a name: the field is in info[1].
 */
static void refused_entries(void)
{
	struct vmm vm = {};
	unsigned int seed = flat_seed, taken = 0, entered = 0, refused = 0;
	const struct husk_run *run;

	EXPECT(vmm_open(&vm, flat_backend), 0);
	EXPECT(vm.be->create(&vm), 0);
	EXPECT(vm.be->vcpu(&vm, 0), 0);
	run = vm.vcpu[0].run;
	for (int i = 0; i < 3000; i++) {
		struct husk_general regs;
		struct husk_system sys = odd_system(&regs, &seed);
		struct vmm_exit exit = {};
		int err = vm.be->set(&vm, 0, &regs, &sys);

		if (err) {
			EXPECT(err, -EINVAL);
			continue;
		}
		taken++;
		do
			vm.be->run(&vm, 0, &exit);
		while (exit.kind == VMM_ERROR && exit.error == EINTR);
		if (exit.kind != VMM_ENTRY_FAIL) {
			entered++;
			if (exit.kind == VMM_ERROR)
				flat_fail("state %d: %s", i, strerror(exit.error));
			continue;
		}
		refused++;
		if ((run->entry_fail.hw_reason >> 31 & 1) && !run->entry_fail.info[1])
			flat_fail("state %d is refused, and husk has no name for why", i);
	}
	printf("# %u states: %u entered, %u refused\n", taken, entered, refused);
	CHECK(entered > 500);
	vmm_destroy(&vm);
}

static void statistics(void)
{
	struct guest *g = malloc(sizeof(*g));
	const struct husk_stats *stats;
	u64 pio;

	guest_create(g, GUEST_pio_widths, 0);
	stats = guest_stats(g);
	CHECK(mmap(NULL, HUSK_STATS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, g->vm.vcpu[0].fd, 4096) == MAP_FAILED);
	guest_run(g);
	pio = stats_exits(stats, HUSK_REASON_PIO);
	CHECK(pio >= 14);
	CHECK(stats->reason[HUSK_REASON_PIO].exits[HUSK_LEVEL_WORKER] >= 14);
	CHECK(stats->user_returns >= 14);
	CHECK(stats->entries >= pio);
	guest_destroy(g);
	free(g);
}

/* A guest that only spins: what its deadlines cost in exits */
static void timer_exits(void)
{
	struct guest *g = malloc(sizeof(*g));
	const struct husk_stats *stats;
	u64 entries, timer;
	bool by_cpu;

	guest_create(g, GUEST_timer_ticks, 50);
	stats = guest_stats(g);
	by_cpu = modes_usable(g) >> HUSK_MODE_PREEMPT_TIMER & 1;
	guest_run_raw(g, true);
	entries = stats->entries;
	guest_run_raw(g, true);
	entries = stats->entries - entries;
	timer = stats->reason[HUSK_REASON_TIMER].exits[HUSK_LEVEL_FAST];
	/* its write, the expiry, perhaps a window, the EOI; and the host's own interrupts */
	CHECK(entries >= 100);
	if (entries > 500)
		flat_fail("%llu entries for 50 deadlines", (unsigned long long)entries);
	if (!by_cpu)
		EXPECT(timer, 0);
	else if (timer < 40 || timer > 100)
		flat_fail("%llu exits of the timer for 50 deadlines", (unsigned long long)timer);
	guest_run_raw(g, true);
	timer = stats->reason[HUSK_REASON_TIMER].exits[HUSK_LEVEL_KERNEL];
	/* The host gets a turn, see husk_leaf_first() */
	if (by_cpu)
		CHECK(timer >= 10);
	guest_run(g);
	guest_destroy(g);
	free(g);
}

const struct flat_test flat_state_tests[] = {
	{ "state_round_trip", round_trip, true, 0 },
	{ "state_migrate", migrate, true, 0 },
	{ "state_migrate_chips", migrate_chips, true, 0 },
	{ "state_run_page_sync", run_page_sync, true, 0 },
	{ "state_translate", translate, true, 0 },
	{ "state_random", random_state, true, 30 },
	{ "state_refused", refused_entries, true, 0 },
	{ "state_statistics", statistics, true, 0 },
	{ "state_timer_exits", timer_exits, true, 0 },
	FLAT_END
};
