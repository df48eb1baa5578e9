// SPDX-License-Identifier: GPL-2.0
/* Several processors: which of them a message reaches, and how they come and go. */
#include "guest.h"

/* ---- destinations ---- */

#define VECTOR	0x61

static u32 before[SMP_MAX];

/* Send; then exactly the processors in mask have taken one more of vector, and each has been through a fence */
static void expect(const char *what, u32 dest, u32 icr, u8 vector, u64 mask)
{
	for (u32 id = 0; id < smp_cpus; id++)
		before[id] = smp_cpu(id)->hits[vector];
	smp_send(dest, icr);
	for (u32 id = 0; id < smp_cpus; id++)
		if ((mask >> id & 1) && !smp_wait(&smp_cpu(id)->hits[vector], before[id] + 1))
			fail_value(what, id);
	smp_fence(smp_all());
	for (u32 id = 0; id < smp_cpus; id++)
		if (smp_cpu(id)->hits[vector] - before[id] != (mask >> id & 1))
			fail_value(what, id | (u64)(smp_cpu(id)->hits[vector] - before[id]) << 32);
}

static void expect_one(const char *what, u32 dest, u32 icr)
{
	u32 sum = 0;

	for (u32 id = 0; id < smp_cpus; id++)
		before[id] = smp_cpu(id)->hits[VECTOR];
	smp_send(dest, icr);
	smp_fence(smp_all());
	for (u32 id = 0; id < smp_cpus; id++)
		sum += smp_cpu(id)->hits[VECTOR] - before[id];
	if (sum != 1)
		fail_value(what, sum);
}

static void physical(void)
{
	for (u32 id = 0; id < smp_cpus; id++) {
		expect("physical", id, 0x4000 | VECTOR, VECTOR, 1UL << id);
		if (id)
			expect("NMI", id, 0x4400, 2, 1UL << id);
	}
	if (smp_cpus < SMP_MAX)
		expect("nobody", SMP_MAX - 1, 0x4000 | VECTOR, VECTOR, 0);
	expect("all", x2_mode ? 0xffffffff : 0xff, 0x4000 | VECTOR, VECTOR, smp_all());
	expect("all, logically", x2_mode ? 0xffffffff : 0xff, 0x4800 | VECTOR, VECTOR, smp_all());
	expect_one("lowest priority, physically", 1, 0x4100 | VECTOR);
	expect_one("lowest priority of all", x2_mode ? 0xffffffff : 0xff, 0x4900 | VECTOR);
}

static void shorthands(void)
{
	expect("self", 0, 0x44000 | VECTOR, VECTOR, 1);
	expect("all with self", 0, 0x84000 | VECTOR, VECTOR, smp_all());
	expect("all but self", 0, 0xc4000 | VECTOR, VECTOR, smp_all() & ~1UL);
	expect("NMI to all but self", 0, 0xc4400, 2, smp_all() & ~1UL);
}

static void nothing(void)
{
	u32 starts = smp_cpu(1)->starts;

	expect("SMI", 1, 0x4200 | VECTOR, VECTOR, 0);
	expect("remote read", 1, 0x4300 | VECTOR, VECTOR, 0);
	expect("ExtINT", 1, 0x4700 | VECTOR, VECTOR, 0);
	expect("illegal vector", 1, 0x400f, 15, 0);
	expect("INIT, de-assert", 1, 0x8500, VECTOR, 0);
	expect("SIPI to one that runs", 1, 0x4606, VECTOR, 0);
	EXPECT(smp_cpu(1)->starts, starts);
}

static void x2_logical(void)
{
	static const u16 masks[] = { 1, 2, 3, 5, 0xaaaa, 0x5555, 0xffff, 0x8000, 0xf0 };

	for (u32 cluster = 0; cluster <= (smp_cpus - 1) / 16; cluster++)
		for (u32 i = 0; i < sizeof(masks) / sizeof(masks[0]); i++)
			expect("cluster", cluster << 16 | masks[i], 0x4800 | VECTOR, VECTOR,
			       ((u64)masks[i] << 16 * cluster) & smp_all());
	expect("no such cluster", 9 << 16 | 0xffff, 0x4800 | VECTOR, VECTOR, 0);
	expect("255 is nobody here", 255, 0x4000 | VECTOR, VECTOR, 0);
	expect("nor is 256", 0x100, 0x4000 | VECTOR, VECTOR, 0);
	expect_one("lowest priority of a cluster", 0xffff, 0x4900 | VECTOR);
}

static void to_cluster(u32 id)
{
	apic_write(APIC_DFR, 0x0fffffff);
	apic_write(APIC_LDR, (id / 4) << 28 | 1U << (24 + id % 4));
}

/* The ID register can't be written */
static void rename_apic(u32 id)
{
	apic_write(APIC_ID, 0x77000000);
	EXPECT(apic_read(APIC_ID), id << 24);
}

static void x_logical(void)
{
	static const u8 masks[] = { 1, 2, 3, 5, 0xaa, 0x55, 0xfe, 0x80, 0x0f };

	for (u32 i = 0; i < sizeof(masks) / sizeof(masks[0]); i++)
		expect("flat", masks[i], 0x4800 | VECTOR, VECTOR, masks[i] & smp_all());
	expect_one("lowest priority, flat", 3, 0x4900 | VECTOR);
	to_cluster(0);
	for (u32 id = 1; id < smp_cpus; id++)
		smp_call(id, to_cluster);
	smp_fence(smp_all());
	for (u32 cluster = 0; cluster < 3; cluster++)
		for (u32 mask = 1; mask < 16; mask += 2)
			expect("xAPIC cluster", cluster << 4 | mask, 0x4800 | VECTOR, VECTOR,
			       ((u64)mask << 4 * cluster) & smp_all());
	smp_call(1, rename_apic);
	expect("renamed", 0x77, 0x4000 | VECTOR, VECTOR, 0);
	expect("not renamed", 1, 0x4000 | VECTOR, VECTOR, 2);
}

/* An APIC that is off: by IA32_APIC_BASE it hears nothing, by SVR no fixed interrupts */

static volatile u32 on_again;

static void sleep_off(u32 id)
{
	u64 base = rdmsr(0x1b);

	wrmsr(0x1b, base & ~0xc00UL);
	smp_cpu(id)->count++;
	while (!on_again)
		relax();
	wrmsr(0x1b, (base & ~0xc00UL) | 0x800);
	wrmsr(0x1b, base);
	apic_write(APIC_SVR, 0x1ff);
	if (!x2_mode)
		apic_write(APIC_LDR, 1U << (24 + id));	/* lost with the rest */
	smp_cpu(id)->count++;
}

static void sleep_svr(u32 id)
{
	apic_write(APIC_SVR, 0xff);
	smp_cpu(id)->count++;
	while (!on_again)
		relax();
	apic_write(APIC_SVR, 0x1ff);
	smp_cpu(id)->count++;
}

static void switched_off(void (*how)(u32 id), u32 nmis)
{
	struct smp_cpu *cpu = smp_cpu(1);
	u32 hits = cpu->hits[VECTOR], nmi = cpu->hits[2], count = cpu->count;

	on_again = 0;
	smp_call(1, how);
	CHECK(smp_wait(&cpu->count, count + 1));
	smp_send(1, 0x4000 | VECTOR);
	smp_send(0, 0xc4000 | VECTOR);
	smp_send(1, 0x4400);
	smp_fence(smp_all() & ~2UL);
	on_again = 1;
	CHECK(smp_wait(&cpu->count, count + 2));
	expect("on again", 1, 0x4000 | VECTOR, VECTOR, 2);
	EXPECT(cpu->hits[VECTOR], hits + 1);
	EXPECT(cpu->hits[2], nmi + nmis);
}

void test_smp_ipi(u64 arg)
{
	smp_begin(arg);
	physical();
	shorthands();
	nothing();
	switched_off(sleep_off, 0);
	switched_off(sleep_svr, 1);
	if (x2_mode)
		x2_logical();
	else
		x_logical();
}

/* ---- INIT and SIPI ---- */

static void count_up(u32 id)
{
	for (;;) {
		smp_cpu(id)->count++;
		relax();
	}
}

static void count_masked(u32 id)
{
	cli();
	for (;;) {
		smp_cpu(id)->count++;
		pause();
	}
}

static void stop_self(u32 id)
{
	smp_cpu(id)->count++;
	smp_send(0, 0x44500);
	smp_cpu(id)->count++;	/* not reached */
}

static void must_count(const char *why, u32 id)
{
	if (!smp_wait(&smp_cpu(id)->count, smp_cpu(id)->count + 2))
		fail_value(why, id);
}

/* INIT was sent to it: wait until it has stopped */
static void must_stop(const char *why, u32 id)
{
	u32 count;

	for (u32 tries = 0; tries < 50; tries++) {
		count = smp_cpu(id)->count;
		for (u64 start = rdtsc(); rdtsc() - start < 30 * tsc_per_ms();)
			relax();
		if (smp_cpu(id)->count == count)
			return;
	}
	fail_value(why, id);
}

static void init_sipi(u32 id)
{
	struct smp_cpu *cpu = smp_cpu(id);
	u32 starts, hits = cpu->hits[VECTOR], nmis = cpu->hits[2];

	CHECK(smp_start(id));		/* it halts or counts: INIT gets it out of both */
	must_count("does not run", id);
	starts = cpu->starts;
	smp_send(id, 0x4606);
	must_count("stopped by SIPI", id);
	EXPECT(cpu->starts, starts);

	smp_send(id, 0x4500);
	must_stop("runs on after INIT", id);
	smp_send(id, 0x4000 | VECTOR);
	smp_send(id, 0x4400);
	must_stop("wakes without SIPI", id);
	smp_send(id, 0x4606);
	CHECK(smp_wait(&cpu->starts, starts + 1));
	must_count("does not run after INIT and SIPI", id);
	EXPECT(cpu->hits[VECTOR], hits);
	EXPECT(cpu->hits[2], nmis);
}

static void init_storm(u32 id)
{
	struct smp_cpu *cpu = smp_cpu(id);

	for (u32 i = 0; i < 50; i++) {
		u32 starts = cpu->starts;

		smp_send(id, 0x4500);
		smp_send(id, 0x4500);
		smp_send(id, 0x4606);
		smp_send(id, 0x4606);
		if (!smp_wait(&cpu->starts, starts + 1))
			fail_value("lost in INIT, INIT, SIPI, SIPI", i);
	}
	must_count("does not run after many INITs", id);
}

static void to_itself(u32 id)
{
	struct smp_cpu *cpu = smp_cpu(id);
	u32 count, starts;

	smp_task = NULL;
	CHECK(smp_start(id));
	count = cpu->count;
	starts = cpu->starts;
	smp_call(id, stop_self);
	CHECK(smp_wait(&cpu->count, count + 1));
	must_stop("runs on after its own INIT", id);
	EXPECT(cpu->count, count + 1);
	smp_send(id, 0x4606);
	CHECK(smp_wait(&cpu->starts, starts + 1));
	expect("IPI after its own INIT", id, 0x4000 | VECTOR, VECTOR, 1UL << id);
}

void test_smp_init(u64 arg)
{
	smp_begin(arg);
	smp_task = count_up;
	init_sipi(1);
	init_storm(1);
	init_sipi(smp_cpus - 1);
	to_itself(1);
}

/* INIT reaches one that spins with interrupts off, as fixed interrupts do not */
void test_smp_init_masked(u64 arg)
{
	smp_begin(arg);
	smp_task = count_masked;
	init_sipi(1);
	init_storm(1);
}

/* ---- many at once ---- */

static volatile u32 storm_done;
static u32 storm_rounds;

/* A vector for each sender, so that none is merged with another's: each must arrive. */
static void storm(u32 id)
{
	for (u32 round = 0; round < storm_rounds; round++) {
		u32 to = (id + 1 + round % (smp_cpus - 1)) % smp_cpus;
		volatile u32 *hits = &smp_cpu(to)->hits[0x60 + id];
		u32 seen = *hits;

		smp_send(to, 0x4000 | (0x60 + id));
		if (round % 8 == 7)
			smp_send(0, 0xc4400);
		if (!smp_wait(hits, seen + 1)) {
			fail_value("an IPI is lost, from and to", (u64)id << 32 | to);
			break;
		}
	}
	asm volatile("lock incl %0" : "+m"(storm_done));
}

void test_smp_storm(u64 arg)
{
	u64 start;

	smp_begin(arg);
	start = rdtsc();
	storm_rounds = arg >> 16;
	storm_done = 0;
	for (u32 id = 1; id < smp_cpus; id++)
		smp_call(id, storm);	/* in the handler: IF is set again by smp_wait() */
	storm(0);
	CHECK(smp_wait(&storm_done, smp_cpus));
	out32(PORT_SYNC, (rdtsc() - start) / tsc_per_ms());
}

/* Each waits for the other in HLT */
static void answer(u32 id)
{
	(void)id;
	smp_send(0, 0x4000 | VECTOR);
}

void test_smp_pingpong(u64 arg)
{
	u64 start;

	smp_begin(arg);
	smp_fn = answer;
	start = rdtsc();
	for (u32 i = 1; i <= arg >> 16; i++) {
		smp_send(1, 0x4000 | SMP_FN_VECTOR);
		while (smp_cpu(0)->hits[VECTOR] < i)
			sti_hlt_cli();
	}
	out32(PORT_SYNC, (rdtsc() - start) / tsc_per_ms());
}

/* ---- a ticket lock, whose holder or next owner may have no CPU ---- */

static volatile u32 ticket_next, ticket_now, lock_done;
static u32 lock_rounds, lock_count;

static void lock_loop(u32 id)
{
	(void)id;
	for (u32 i = 0; i < lock_rounds; i++) {
		u32 mine = 1;

		asm volatile("lock xaddl %0, %1" : "+r"(mine), "+m"(ticket_next) :: "memory");
		while (ticket_now != mine)
			relax();
		lock_count++;
		for (u32 n = 0; n < 200; n++)
			asm volatile("" ::: "memory");
		ticket_now = mine + 1;
	}
	asm volatile("lock incl %0" : "+m"(lock_done));
}

void test_smp_lock(u64 arg)
{
	u64 start;

	smp_begin(arg);
	lock_rounds = arg >> 16;
	start = rdtsc();
	for (u32 id = 1; id < smp_cpus; id++)
		smp_call(id, lock_loop);
	lock_loop(0);
	while (lock_done < smp_cpus)
		relax();
	EXPECT(lock_count, lock_rounds * smp_cpus);
	out32(PORT_SYNC, (rdtsc() - start) / tsc_per_ms());
}

/* ---- driven by the host ---- */

/* Each adds to its own word in each page, for ever, interrupts on */
static void touch(u32 id)
{
	for (;;)
		for (u32 page = 0; page < SMP_PAGES; page++) {
			asm volatile("incl (%0)" :: "r"(SCRATCH_GPA + page * 4096 + id * 4) : "memory");
			relax();
		}
}

void test_smp_touch(u64 arg)
{
	smp_begin(arg);
	for (u32 id = 1; id < smp_cpus; id++)
		smp_call(id, touch);
	out32(PORT_SYNC, 1);
	touch(0);
}

/* Processors in all states: 0 counts, 1 counts without interrupts, 2 halts, 3 waits for SIPI, the others are storming */
void test_smp_states(u64 arg)
{
	smp_begin(arg);
	smp_call(1, count_masked);
	smp_send(3, 0x4500);
	out32(PORT_SYNC, 1);
	count_up(0);
}
