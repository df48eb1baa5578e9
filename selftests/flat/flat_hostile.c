// SPDX-License-Identifier: GPL-2.0
/* Guests and workers that mean harm: the host must survive, and the VM must end cleanly. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "flat.h"

static void fill_random(u8 *to, size_t length, unsigned int *seed)
{
	for (size_t i = 0; i < length; i++)
		to[i] = rand_r(seed) >> 8;
}

/* Instructions that exit, to be strewn among random bytes */
static void strew(u8 *code, size_t length, unsigned int *seed)
{
	static const char *const insns[] = {
		"\x0f\xa2", "\x0f\x32", "\x0f\x30", "\x0f\x01\xd9", "\x0f\x01\xc1", "\xe6\x80", "\xed", "\x6c", "\xf3\x6e", "\xf4", "\xfb",
		"\xfa", "\x0f\x22\xc0", "\x0f\x22\xe0", "\x0f\x01\xd1", "\x0f\x09", "\x0f\x23\xf8", "\x0f\x31", "\x0f\x33",
		"\xcd\x20", "\xcc", "\x0f\x0b", "\x0f\x01\xd8", "\x0f\x01\xda", "\x0f\x01\xf8", "\x0f\x06", "\xcf",
		"\x9d", "\x8e\xd0", "\x0f\x01\x18", "\x0f\x00\xd8", "\x48\x0f\xc7\x08", "\x0f\x01\xc8", "\x0f\xae\x00",
		/* VMX: VMXON VMCLEAR VMPTRLD VMREAD VMWRITE VMLAUNCH VMXOFF INVEPT GETSEC */
		"\xf3\x0f\xc7\x30", "\x66\x0f\xc7\x30", "\x0f\xc7\x30", "\x0f\x78\xc0", "\x0f\x79\xc0", "\x0f\x01\xc2",
		"\x0f\x01\xc4", "\x66\x0f\x38\x80\x00", "\x0f\x37",
	};

	for (size_t at = 0; at + 16 < length; at += 1 + rand_r(seed) % 24) {
		const char *insn = insns[rand_r(seed) % (sizeof(insns) / sizeof(insns[0]))];

		memcpy(code + at, insn, strlen(insn));
	}
}

/* One guest of random code in ring 0, with random registers, for a few milliseconds */
static void fuzz_one(unsigned int seed, int mode)
{
	struct guest *g = malloc(sizeof(*g));
	struct husk_general regs = { .rflags = 2 };
	struct husk_system sys = vmm_long_system();
	int exits = 0;

	guest_create(g, GUEST_spin, 0);
	fill_random(g->vm.ram + SCRATCH_GPA, 0x10000, &seed);
	strew(g->vm.ram + SCRATCH_GPA, 0x10000, &seed);
	fill_random((u8 *)regs.gpr, sizeof(regs.gpr), &seed);
	for (int i = 0; i < 16; i++)
		if (rand_r(&seed) % 2)
			regs.gpr[i] &= rand_r(&seed) % 2 ? 0xffffff : 0xffffffff;
	regs.gpr[4] = STACK_GPA;
	regs.rip = SCRATCH_GPA + rand_r(&seed) % 0x8000;
	if (mode == 1) {	/* 32-bit, no paging */
		sys.cs.selector = 0x38;
		sys.cs.attr = 0xc9b;
		sys.cr0 = 0x31;
		sys.cr3 = sys.cr4 = sys.efer = 0;
		for (int i = 0; i < 16; i++)
			regs.gpr[i] &= i < 8 ? 0xffffffff : 0;
	}
	sys.idtr.base = SCRATCH_GPA;
	sys.idtr.limit = rand_r(&seed);
	if (g->vm.be->set(&g->vm, 0, &regs, &sys))
		flat_fail("the start state is refused");
	flat_alarm(30);
	while (!g->done && exits++ < 3000) {
		struct vmm_exit exit = {};

		guest_enter(g, 0, &exit);
		if (exit.kind != VMM_PIO && exit.kind != VMM_MMIO)
			break;
		if (!exit.write)
			vmm_answer(&exit, rand_r(&seed));
	}
	flat_alarm(0);
	guest_destroy(g);
	free(g);
}

static void fuzz_long(void)
{
	for (int i = 0; i < 60; i++)
		fuzz_one(flat_seed * 1000 + i, 0);
}

static void fuzz_protected(void)
{
	for (int i = 0; i < 40; i++)
		fuzz_one(flat_seed * 1000 + 500 + i, 1);
}

static volatile bool scribble_end;
static pthread_t scribbled;

/* A compromised worker's other thread writes anything to the run page at any time */
static void *scribble(void *arg)
{
	struct husk_run *run = arg;
	unsigned int seed = flat_seed;
	u8 *page = arg;

	for (u64 n = 0; !scribble_end; n++) {
		if (n % 64 == 0)
			fill_random(page, 64, &seed);
		page[rand_r(&seed) % 4096] = rand_r(&seed);
		if (rand_r(&seed) % 2) {
			run->immediate_exit = 0;
			run->sync_dirty = rand_r(&seed) % 4;
		}
		if (n % 4096 == 0)
			usleep(100);
	}
	return NULL;
}

static void hostile_run_page(void)
{
	for (int round = 0; round < 8; round++) {
		static const enum guest_test tests[] = { GUEST_pio_strings, GUEST_mmio_alu, GUEST_mmio_strings, GUEST_cpuid };
		struct guest *g = malloc(sizeof(*g));

		guest_create(g, tests[round % 4], 0);
		scribble_end = false;
		pthread_create(&scribbled, NULL, scribble, g->vm.vcpu[0].run);
		flat_alarm(20);
		for (int i = 0; i < 300; i++) {
			struct vmm_exit exit = {};

			guest_enter(g, 0, &exit);
			if (exit.kind == VMM_SHUTDOWN || exit.kind == VMM_KILLED || exit.error == EIO)
				break;
		}
		flat_alarm(0);
		scribble_end = true;
		pthread_join(scribbled, NULL);
		guest_destroy(g);
		free(g);
	}
}

static void *lines(void *arg)
{
	struct guest *g = arg;
	unsigned int seed = flat_seed;

	while (!g->done) {
		g->vm.be->irq_line(&g->vm, rand_r(&seed) % 24, rand_r(&seed) % 2);
		g->vm.be->msi(&g->vm, 0xfee00000 | rand_r(&seed) % 0x100000, rand_r(&seed) & 0xffff);
		if (rand_r(&seed) % 64 == 0)
			usleep(50);
	}
	return NULL;
}

/* Interrupts of every sort at a guest that handles none of them well */
static void interrupt_storm(void)
{
	static const enum guest_test tests[] = { GUEST_self_ipi_x2apic, GUEST_interrupt_window, GUEST_ioapic_level, GUEST_spin };

	for (int round = 0; round < 4; round++) {
		struct guest *g = malloc(sizeof(*g));
		pthread_t thread;

		guest_create(g, tests[round], 0);
		pthread_create(&thread, NULL, lines, g);
		flat_alarm(100);
		for (int i = 0; i < 2000; i++) {
			struct vmm_exit exit = {};

			guest_enter(g, 0, &exit);
			if (exit.kind != VMM_PIO && exit.kind != VMM_MMIO)
				break;
			if (!exit.write)
				vmm_answer(&exit, 0);
		}
		flat_alarm(0);
		g->done = true;
		pthread_join(thread, NULL);
		guest_destroy(g);
		free(g);
	}
}

static volatile bool slots_end;

static void *slots(void *arg)
{
	struct guest *g = arg;
	u8 *area = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned int seed = flat_seed;

	while (!slots_end) {
		g->vm.be->memory(&g->vm, 5, FAULT_GPA + rand_r(&seed) % 16 * 4096, 4096 * (rand_r(&seed) % 4), area, 0);
		g->vm.be->memory(&g->vm, 5, 0, 0, area, 0);
	}
	munmap(area, 65536);
	return NULL;
}

/* Slots come and go under a guest that uses them */
static void slot_storm(void)
{
	struct guest *g = malloc(sizeof(*g));
	pthread_t thread;

	guest_create(g, GUEST_fresh_touch, 16);
	slots_end = false;
	pthread_create(&thread, NULL, slots, g);
	for (int i = 0; i < 200; i++) {
		struct vmm_exit exit;

		vmm_long_mode(&g->vm, 0, IMAGE_GPA, STACK_GPA, GUEST_fresh_touch, 16);
		g->done = false;
		for (;;) {
			guest_enter(g, 0, &exit);
			if (exit.kind == VMM_PIO && exit.write && exit.addr == PORT_DONE)
				break;
			if (exit.kind != VMM_PIO && exit.kind != VMM_MMIO)
				goto out;
			if (!exit.write)
				vmm_answer(&exit, 0);
		}
	}
out:
	slots_end = true;
	pthread_join(thread, NULL);
	guest_destroy(g);
	free(g);
}

static u64 windows(const struct husk_stats *stats)
{
	return stats->reason[HUSK_REASON_INTR_WINDOW].exits[HUSK_LEVEL_FAST] +
	       stats->reason[HUSK_REASON_INTR_WINDOW].exits[HUSK_LEVEL_KERNEL];
}

/* Exits that ended a stay in the fast loop, so that the host took its interrupts */
static u64 stays(const struct husk_stats *stats)
{
	return stats->reason[HUSK_REASON_INTR_WINDOW].exits[HUSK_LEVEL_KERNEL] +
	       stats->reason[HUSK_REASON_EXTINT].exits[HUSK_LEVEL_KERNEL];
}

/*
 * A guest whose next interrupt is due at once after each: on VT-x the exits for
 * its windows come before those for host interrupts (SDM 3C 26.2), which must be
 * served all the same, or the CPU never has its timer, nor the worker its signals.
 */
static void window_storm(void)
{
	struct guest *g = malloc(sizeof(*g));
	const struct husk_stats *stats;
	struct husk_stats start;

	guest_create(g, GUEST_window_storm, 0);
	stats = guest_stats(g);
	guest_run_raw(g, true);
	EXPECT(g->seen_sync, 1);
	start = *stats;
	EXPECT(g->vm.be->irq_line(&g->vm, 5, 1), 0);
	flat_alarm(10);
	/* A slow machine may need more rounds to get the storm going */
	for (int i = 0; i < 20 || (i < 500 && windows(stats) - windows(&start) < 100); i++) {
		struct vmm_exit exit = guest_run_raw(g, false);

		if (exit.kind != VMM_ERROR || exit.error != EINTR) {
			flat_fail("exit kind %d error %d", exit.kind, exit.error);
			break;
		}
	}
	flat_alarm(0);
	CHECK(windows(stats) - windows(&start) >= 100);
	CHECK(stats->injections - start.injections >= 100);
	CHECK(stays(stats) - stays(&start) >= 10);
	guest_destroy(g);
	free(g);
}

const struct flat_test flat_hostile_tests[] = {
	{ "hostile_code_64", fuzz_long, false, 60 },
	{ "hostile_code_32", fuzz_protected, false, 60 },
	{ "hostile_run_page", hostile_run_page, true, 60 },
	{ "hostile_interrupts", interrupt_storm, false, 60 },
	{ "hostile_slots", slot_storm, false, 60 },
	{ "hostile_windows", window_storm, true, 0 },
	FLAT_END
};
