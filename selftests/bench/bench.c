// SPDX-License-Identifier: GPL-2.0
/*
 * bench husk|kvm [LABEL [cpuid]]: what exits cost, for scripts/bench; with a LABEL in
 * place of the back end's name only the classes of exits, or only CPUID. Each line is
 *	bench BACKEND CLASS VALUE
 * with VALUE in TSC ticks per round trip, net of the empty loop: host
 * instructions in the lab's counting mode. The guest and this loop are the
 * same for both back ends.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "bench.h"
#include "worker/jail_calls.h"

#define LIVES 7
#define VMS 100

extern const u8 guest_image[], guest_image_end[];

const struct vmm_backend *bench_backend;
#define be bench_backend
static const char *label;

static int compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static u64 median(u64 *values, size_t count)
{
	qsort(values, count, sizeof(*values), compare);
	return values[count / 2];
}

_Noreturn void bench_die(const char *what, int err)
{
	printf("bench %s failed: %s: %s\n", be->name, what, strerror(err));
	exit(1);
}

static void create(struct vmm *vm, enum guest_test test, u64 arg)
{
	int err = vmm_create(vm, be);

	if (err)
		bench_die("create", -err);
	vmm_load(vm, IMAGE_GPA, guest_image, guest_image_end - guest_image);
	err = vmm_long_mode(vm, 0, IMAGE_GPA, STACK_GPA, test, arg);
	if (err)
		bench_die("start state", -err);
}

/* The log of BENCH_ROUNDS pages */
static u64 harvest(struct vmm *vm, u64 *bitmap)
{
	u64 unused[BENCH_ROUNDS / 64], start = __rdtsc();
	int err = be->harvest(vm, 1, BENCH_ROUNDS, bitmap ? bitmap : unused);

	start = __rdtsc() - start;
	if (err)
		bench_die("harvest", -err);
	return start;
}

/* For each page; all were written */
static void harvest_written(struct vmm *vm)
{
	u64 bitmap[BENCH_ROUNDS / 64], ticks = harvest(vm, bitmap);

	for (size_t i = 0; i < BENCH_ROUNDS / 64; i++)
		if (bitmap[i] != ~0ULL)
			bench_die("harvest: a page is missing", 0);
	printf("bench %s log_harvest %llu\n", be->name, (unsigned long long)(ticks / BENCH_ROUNDS));
}

/* What policy_bench.bpf.c answers */
static void answer_cpuid(struct husk_exit_record *x)
{
	x->gpr[0] = 1;
	x->gpr[3] = 0x6b737568;
	x->gpr[1] = x->gpr[2] = 0;
	x->verdict = HUSK_POLICY_HANDLED;
}

/* To PORT_DONE; every other access costs as little of our own as can be */
static bool run(struct vmm *vm)
{
	struct vmm_exit exit = {};

	for (;;) {
		be->run(vm, 0, &exit);
		if (exit.kind == VMM_PIO && exit.addr == PORT_DONE)
			return true;
		if (exit.kind == VMM_PIO && exit.addr == PORT_SYNC)
			harvest(vm, NULL);
		if (exit.kind == VMM_PIO && (exit.addr == PORT_SKIP || exit.addr == PORT_FAIL))
			return false;
		if (exit.kind == VMM_ERROR && exit.error == EINTR)
			continue;
		if (exit.kind == VMM_POLICY) {
			answer_cpuid(&((struct husk_run *)vm->vcpu[0].run)->policy);
			continue;
		}
		if (exit.kind != VMM_PIO && exit.kind != VMM_MMIO)
			bench_die("run", exit.error);
		if (!exit.write)
			vmm_answer(&exit, 0);
	}
}

/* Faults are averaged: a page may come with its neighbours */
static u64 mean(const u64 *values, size_t count)
{
	u64 sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += values[i];
	return sum / count;
}

/* As a worker is: see userland/worker/jail.h. There is no way back, so this is the last measurement. */
static bool jailed;

u64 bench_measure(enum bench_class class, void (*prepare)(struct vmm *vm, const void *arg), const void *arg)
{
	struct vmm vm;
	u8 *fault = mmap(NULL, FAULT_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	u64 value;
	bool ok;

	madvise(fault, FAULT_SIZE, MADV_NOHUGEPAGE);
	create(&vm, GUEST_bench, class);
	if (class == BENCH_fault_known || class == BENCH_log_write)
		memset(fault, 1, FAULT_SIZE);
	be->memory(&vm, 1, FAULT_GPA, FAULT_SIZE, fault, class == BENCH_log_write ? HUSK_MEM_LOG_DIRTY : 0);
	if (prepare)
		prepare(&vm, arg);
	if (jailed && jail_calls(&(struct jail){ .devices = JAIL_DISK }) < 0)
		bench_die("jail", errno);
	ok = run(&vm);
	if (class == BENCH_log_write)
		harvest_written(&vm);
	if (class >= BENCH_fault_known)
		value = mean((u64 *)(vm.ram + RESULT_GPA), BENCH_ROUNDS);
	else
		value = median((u64 *)(vm.ram + RESULT_GPA), BENCH_ROUNDS);
	vmm_destroy(&vm);
	munmap(fault, FAULT_SIZE);
	return ok ? value : 0;
}

static u64 measure(enum bench_class class)
{
	return bench_measure(class, NULL, NULL);
}

static bool is_bell(int class)
{
	return class >= BENCH_bell_pio && class <= BENCH_bell_notify;
}

static void classes(void)
{
	static const char *const names[] = {
#define X(name, what) #name,
		BENCH_CLASSES(X)
#undef X
	};
	u64 empty = measure(BENCH_null);

	printf("bench %s null %llu\n", label, (unsigned long long)empty);
	for (int class = BENCH_null + 1; class < BENCH_CLASS_COUNT; class++) {
		u64 value = is_bell(class) ? 0 : measure(class);

		if (value)
			printf("bench %s %s %llu\n", label, names[class], (unsigned long long)(value - empty));
		fflush(stdout);
	}
	if (label == be->name)
		bench_bells(label, empty);
}

static void cpuid(void)
{
	u64 empty = measure(BENCH_null);

	printf("bench %s cpuid %llu\n", label, (unsigned long long)(measure(BENCH_cpuid) - empty));
}

/* RUN with immediate_exit set */
static void run_empty(void)
{
	struct vmm_exit exit;
	u64 values[256], empty[256];
	struct vmm vm;

	create(&vm, GUEST_echo, 0);
	be->immediate_exit(&vm, 0, true);
	for (size_t i = 0; i < 256; i++) {
		u64 start = __rdtsc();

		empty[i] = __rdtsc() - start;
		start = __rdtsc();
		be->run(&vm, 0, &exit);
		values[i] = __rdtsc() - start;
	}
	vmm_destroy(&vm);
	printf("bench %s run_empty %llu\n", be->name, (unsigned long long)(median(values, 256) - median(empty, 256)));
}

/* The caller's processor time: sleeping in RCU is not work */
static u64 cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* How fast the TSC is: an emulator's counts instructions, at whatever rate that is of its clock */
static double ticks_per_ns(void)
{
	struct timespec start, now;
	u64 tsc = __rdtsc();
	double ns;

	clock_gettime(CLOCK_MONOTONIC, &start);
	do {
		clock_gettime(CLOCK_MONOTONIC, &now);
		ns = (now.tv_sec - start.tv_sec) * 1e9 + (now.tv_nsec - start.tv_nsec);
	} while (ns < 10e6);
	return (__rdtsc() - tsc) / ns;
}

static void life(void)
{
	u64 values[LIVES];

	for (int i = 0; i < LIVES; i++) {
		struct vmm vm;
		u64 start;
		u8 *ram = mmap(NULL, 2UL << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		struct husk_system sys = vmm_long_system();
		struct husk_general regs = { .rip = IMAGE_GPA, .rflags = 2 };

		/* hlt is not an exit to us: out %al, $0x80 */
		memset(ram, 0, 2UL << 20);
		memcpy(ram + IMAGE_GPA, "\xe6\xf4", 2);
		sys.cr0 = 0x31;
		sys.cr3 = sys.cr4 = sys.efer = 0;
		sys.cs.attr = 0xc9b;
		start = cpu_ns();
		if (vmm_open(&vm, be) || be->create(&vm) || be->memory(&vm, 0, 0, 2UL << 20, ram, 0) || be->vcpu(&vm, 0) ||
		    be->set(&vm, 0, &regs, &sys))
			bench_die("life", errno);
		run(&vm);
		vmm_destroy(&vm);
		values[i] = cpu_ns() - start;
		munmap(ram, 2UL << 20);
	}
	printf("bench %s life %.0f\n", be->name, median(values, LIVES) * ticks_per_ns());
}

/* KB of free pages, those that wait in a CPU's list included: that can be tens of MB */
static long mem_free(void)
{
	FILE *file = fopen("/proc/sys/vm/stat_refresh", "r");
	char line[128];
	long pages = 0, n;

	if (file) {
		if (fread(line, 1, 1, file))
			pages = 0;
		fclose(file);
	}
	file = fopen("/proc/zoneinfo", "r");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "  pages free %ld", &n) == 1 || sscanf(line, " count: %ld", &n) == 1)
			pages += n;
	if (file)
		fclose(file);
	return pages * 4;
}

/* Kernel memory of a VM, by free memory over many; the guest's own pages are one shared, touched area */
static void footprint(void)
{
	struct vmm *vm = calloc(VMS, sizeof(*vm));
	u8 *ram = mmap(NULL, 2UL << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct husk_system sys = vmm_long_system();
	struct husk_general regs = { .rip = IMAGE_GPA, .rflags = 2 };
	long before, created, ran;

	memset(ram, 0, 2UL << 20);
	memcpy(ram + IMAGE_GPA, "\xe6\xf4", 2);
	sys.cr0 = 0x31;
	sys.cr3 = sys.cr4 = sys.efer = 0;
	sys.cs.attr = 0xc9b;
	before = mem_free();
	for (int i = 0; i < VMS; i++)
		if (vmm_open(&vm[i], be) || be->create(&vm[i]) || be->memory(&vm[i], 0, 0, 2UL << 20, ram, 0) ||
		    be->vcpu(&vm[i], 0) || be->set(&vm[i], 0, &regs, &sys))
			bench_die("footprint", errno);
	created = mem_free();
	for (int i = 0; i < VMS; i++)
		run(&vm[i]);
	ran = mem_free();
	printf("bench %s kb_created %ld\n", be->name, (before - created) / VMS);
	printf("bench %s kb_ran %ld\n", be->name, (before - ran) / VMS);
	for (int i = 0; i < VMS; i++)
		vmm_destroy(&vm[i]);
	munmap(ram, 2UL << 20);
	free(vm);
}

static void in_jail(void)
{
	u64 empty = measure(BENCH_null);

	jailed = true;
	printf("bench %s pio_out_jail %llu\n", be->name, (unsigned long long)(measure(BENCH_pio_out) - empty));
}

int main(int argc, char **argv)
{
	if (argc < 2 || argc > 4 || (strcmp(argv[1], "husk") && strcmp(argv[1], "kvm")))
		return fprintf(stderr, "usage: bench husk|kvm [LABEL [cpuid]]\n"), 2;
	be = strcmp(argv[1], "kvm") ? &vmm_husk : &vmm_kvm;
	label = argc > 2 ? argv[2] : be->name;
	if (argc > 3) {
		cpuid();
		return 0;
	}
	classes();
	if (argc > 2)
		return 0;
	run_empty();
	life();
	footprint();
	if (be == &vmm_husk)
		in_jail();
	return 0;
}
