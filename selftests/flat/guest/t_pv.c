// SPDX-License-Identifier: GPL-2.0
/* The personality "kvm": clock, steal time, EOI, hypercalls. */
#include "guest.h"

#define KVM_LEAF	0x40000000
#define TIMING_LEAF	0x40000010

enum { CLOCKSOURCE, CLOCKSOURCE2 = 3, STEAL_TIME = 5, PV_EOI = 6, PV_UNHALT = 7, PV_SEND_IPI = 11, POLL_CONTROL = 12, PV_SCHED_YIELD = 13 };

#define OLD_WALL	0x11
#define OLD_CLOCK	0x12
#define WALL_CLOCK	0x4b564d00
#define SYSTEM_CLOCK	0x4b564d01
#define STEAL		0x4b564d03
#define EOI		0x4b564d04
#define POLL		0x4b564d05

#define HC_KICK		5
#define HC_SEND_IPI	10
#define HC_YIELD	11
#define ENOSYS_		1000
#define EINVAL_		22

struct pvclock {
	u32 version, pad;
	u64 tsc, ns;
	u32 mul;
	signed char shift;
	u8 flags, pad2[2];
};
#define FLAG_STABLE	1

struct wall_clock {
	u32 version, sec, nsec;
};

struct steal {
	u64 steal;
	u32 version, flags;
	u8 preempted, pad[47];
};

#define RAM_END		0x2000000UL

/* In the scratch memory, of each vCPU */
struct shared {
	struct pvclock clock;
	u32 eoi, pad[7];
	struct steal steal;
	struct wall_clock wall;
	u32 pad2[29];
};
#define SHARED(id)	((volatile struct shared *)SCRATCH_GPA + (id))

static bool has(u32 feature)
{
	u32 r[4];

	cpuid(KVM_LEAF, 0, r);
	if (r[0] < KVM_LEAF + 1 || r[1] != 0x4b4d564b || r[2] != 0x564b4d56 || r[3] != 0x4d)
		return false;
	cpuid(KVM_LEAF + 1, 0, r);
	return r[0] >> feature & 1;
}

static s64 hypercall(u64 nr, u64 a, u64 b, u64 c, u64 d)
{
	s64 ret;

	asm volatile(HYPERCALL : "=a"(ret) : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d) : "memory");
	return ret;
}

static void barrier(void)
{
	asm volatile("lfence" ::: "memory");
}

/* As the interface has it: again, until an even version has stood for the whole reading */
static u64 clock_ns(volatile struct pvclock *c)
{
	u32 version;
	u64 ticks, ns;

	do {
		version = c->version;
		barrier();
		ticks = rdtsc() - c->tsc;
		ticks = c->shift < 0 ? ticks >> -c->shift : ticks << c->shift;
		ns = c->ns + (u64)((unsigned __int128)ticks * c->mul >> 32);
		barrier();
	} while ((version & 1) || version != c->version);
	return ns;
}

static void clock_on(u32 id)
{
	wrmsr(SYSTEM_CLOCK, (u64)&SHARED(id)->clock | 1);
}

/* ---- on one vCPU ---- */

static void clock_rate(volatile struct pvclock *c)
{
	u32 r[4];
	u64 ns;

	cpuid(KVM_LEAF, 0, r);
	if (r[0] < TIMING_LEAF)
		return;
	cpuid(TIMING_LEAF, 0, r);
	/* a second of ticks: a second */
	ns = (u64)r[0] * 1000;
	ns = c->shift < 0 ? ns >> -c->shift : ns << c->shift;
	ns = (unsigned __int128)ns * c->mul >> 32;
	CHECK(ns > 999999000 && ns < 1000001000);
	CHECK(c->mul >> 30);		/* no precision was given away */
}

void test_pv_clock(u64 arg)
{
	volatile struct pvclock *c = &SHARED(0)->clock;
	u64 ms = tsc_per_ms(), before, start, ns;

	(void)arg;
	if (!has(CLOCKSOURCE2))
		skip("no such clock");
	c->version = 7;		/* what was there does not matter */
	clock_on(0);
	EXPECT(rdmsr(SYSTEM_CLOCK), (u64)c | 1);
	if (has(CLOCKSOURCE))
		EXPECT(rdmsr(OLD_CLOCK), (u64)c | 1);
	CHECK(c->version && !(c->version & 1) && c->mul);
	clock_rate(c);
	before = clock_ns(c);
	for (u32 i = 0; i < 2000; i++) {
		ns = clock_ns(c);
		CHECK(ns >= before);
		before = ns;
	}
	for (start = rdtsc(); rdtsc() - start < 20 * ms;)
		;
	ns = clock_ns(c) - before;
	CHECK(ns > 8000000 && ns < 2000000000);		/* ms is never too small, but may be too large */
	/* The TSC moves, the time does not */
	before = clock_ns(c);
	wrmsr(0x10, rdtsc() + (1UL << 40));
	ns = clock_ns(c);
	EXPECT_STRICT(ns - before < 1000000000, 1);
	/* Off: the page is the guest's */
	wrmsr(SYSTEM_CLOCK, (u64)c);
	c->version = 0x1234;
	wrmsr(0x10, rdtsc() + (1UL << 40));
	EXPECT(c->version, 0x1234);
}

void test_pv_wall_clock(u64 arg)
{
	static const u32 msrs[] = { WALL_CLOCK, OLD_WALL };
	volatile struct wall_clock *w = &SHARED(0)->wall;

	(void)arg;
	if (!has(CLOCKSOURCE2) || !has(CLOCKSOURCE))
		skip("no such clock");
	clock_on(0);
	for (u32 i = 0; i < 2; i++) {
		u32 version = w->version;

		w->sec = w->nsec = 0;
		wrmsr(msrs[i], (u64)w);
		CHECK(w->version != version && !(w->version & 1));
		CHECK(w->sec > 1600000000 && w->nsec < 1000000000);
	}
}

static void msr_there(u32 msr, u32 feature, u64 good)
{
	u64 v;

	if (has(feature)) {
		EXPECT(try_wrmsr(msr, good), -1);
		EXPECT(try_rdmsr(msr, &v), -1);
		EXPECT(v, good);
		EXPECT(try_wrmsr(msr, 0), -1);
	} else if (strict) {
		EXPECT(try_wrmsr(msr, good), 13);
		EXPECT(try_rdmsr(msr, &v), 13);
	}
}

/* MSRs are there with their feature, and refuse reserved bits */
void test_pv_msrs(u64 arg)
{
	u64 v;

	(void)arg;
	msr_there(OLD_CLOCK, CLOCKSOURCE, SCRATCH_GPA | 1);
	msr_there(SYSTEM_CLOCK, CLOCKSOURCE2, SCRATCH_GPA | 1);
	msr_there(STEAL, STEAL_TIME, (SCRATCH_GPA + 64) | 1);
	msr_there(EOI, PV_EOI, (SCRATCH_GPA + 4) | 1);
	if (has(STEAL_TIME))
		EXPECT(try_wrmsr(STEAL, SCRATCH_GPA | 3), 13);
	if (has(PV_EOI))
		EXPECT(try_wrmsr(EOI, SCRATCH_GPA | 3), 13);
	if (has(POLL_CONTROL)) {
		EXPECT(rdmsr(POLL), 1);
		EXPECT(try_wrmsr(POLL, 2), 13);
	}
	msr_there(POLL, POLL_CONTROL, 1);
	/* No asynchronous page faults, no migration: none of their features */
	EXPECT_STRICT(try_rdmsr(0x4b564d02, &v), 13);
	for (u32 msr = POLL + 1; msr < POLL + 10; msr++)
		EXPECT_STRICT(try_rdmsr(msr, &v), 13);
}

static void kick_self(u64 arg)
{
	(void)arg;
	hypercall(HC_KICK, 0, 0, 0, 0);
	asm volatile("int $0x80");
}

void test_pv_hypercalls(u64 arg)
{
	u32 vector = 0x61;

	(void)arg;
	apic_init(true);
	for (u64 nr = 0; nr < 64; nr++)
		if (nr != HC_KICK && nr != HC_SEND_IPI && nr != HC_YIELD)
			EXPECT_STRICT(hypercall(nr, ~0UL, ~0UL, ~0UL, ~0UL), -ENOSYS_);
	EXPECT(hypercall(1UL << 32 | HC_KICK, 0, 0, 0, 0), -ENOSYS_);
	EXPECT(hypercall(1UL << 63 | HC_SEND_IPI, 1, 0, 0, vector), -ENOSYS_);
	if (!has(PV_SEND_IPI))
		EXPECT(hypercall(HC_SEND_IPI, 1, 0, 0, vector), -ENOSYS_);
	if (!has(PV_UNHALT))
		EXPECT(hypercall(HC_KICK, 0, 0, 0, 0), -ENOSYS_);
	EXPECT(hypercall(HC_YIELD, 0, 0, 0, 0), has(PV_SCHED_YIELD) ? 0 : -ENOSYS_);
	EXPECT(hypercall(HC_YIELD, ~0UL, 0, 0, 0), has(PV_SCHED_YIELD) ? 0 : -ENOSYS_);
	if (has(PV_SEND_IPI)) {
		EXPECT(hypercall(HC_SEND_IPI, 1, 0, 0, vector), 1);
		CHECK(wait_irq(vector, 1));
		EXPECT(hypercall(HC_SEND_IPI, ~0UL, ~0UL, 0, vector), 1);
		CHECK(wait_irq(vector, 2));
		EXPECT(hypercall(HC_SEND_IPI, 0, 0, 0, vector), 0);
		EXPECT(hypercall(HC_SEND_IPI, ~1UL, ~0UL, 0, vector), 0);
		EXPECT(hypercall(HC_SEND_IPI, ~0UL, ~0UL, 1, vector), 0);
		EXPECT_STRICT(hypercall(HC_SEND_IPI, ~0UL, ~0UL, 0xffffffff, vector), 0);
		EXPECT_STRICT(hypercall(HC_SEND_IPI, ~0UL, ~0UL, ~0UL, vector), -EINVAL_);
		EXPECT(hypercall(HC_SEND_IPI, 1, 0, 0, vector | 1 << 18), -EINVAL_);
		EXPECT_STRICT(hypercall(HC_SEND_IPI, 1, 0, 0, vector | 5 << 8), -EINVAL_);	/* INIT */
		EXPECT(hypercall(HC_SEND_IPI, 1, 0, 0, 4 << 8), 1);
		EXPECT(irq_count[2], 1);
		EXPECT_STRICT(hypercall(HC_SEND_IPI, 1, 0, 0, 15), 0);
		sti_nop();
		cli();
		EXPECT(irq_count[vector], 2);
	}
	if (has(PV_UNHALT)) {
		EXPECT(hypercall(HC_KICK, 0, 12345, 0, 0), 0);
		EXPECT(hypercall(HC_KICK, 0, ~0UL, 0, 0), 0);
		EXPECT(hypercall(HC_KICK, ~0UL, 0, 0, 0), 0);
		asm volatile("hlt" ::: "memory");	/* interrupts are off: only the kick ends it */
		call_user(kick_self, 0);
		EXPECT(trap.vector, 0x80);
	}
}

/* ---- EOI ---- */

static volatile u32 spared, written;
static volatile bool always_write;

/* In interrupt handlers: as a guest does it */
static void pv_eoi(void)
{
	bool offered;

	asm volatile("btrl $0, %1" : "=@ccc"(offered), "+m"(SHARED(0)->eoi) :: "memory");
	if (offered)
		spared++;
	else
		written++;
	if (!offered || always_write)
		apic_write(APIC_EOI, 0);
}

static void (*volatile in_handler)(u8 vector);

static void eoi_hook(struct frame *frame)
{
	if (in_handler)
		in_handler(frame->vector);
	pv_eoi();
}

static void self_and_take(u8 vector)
{
	apic_self(vector);
	sti_nop();
	cli();
}

static void counted(u32 rounds)
{
	out32(PORT_SYNC, 1);
	for (u32 i = 0; i < rounds; i++)
		self_and_take(0x51);
	out32(PORT_SYNC, 2);
}

static void expect_eois(u32 want_spared, u32 want_written)
{
	EXPECT(spared, want_spared);
	EXPECT(written, want_written);
	spared = written = 0;
	for (u32 v = 0; v < 256; v += 32)
		EXPECT(apic_read(APIC_ISR + v / 2), 0);
	EXPECT(apic_read(APIC_PPR), 0);
	EXPECT(SHARED(0)->eoi, 0);
}

static void nest(u8 vector)
{
	if (vector != 0x51)
		return;
	self_and_take(0x71);
	EXPECT(irq_order[(irq_seen - 1) % 64], 0x71);
	CHECK(apic_bit(APIC_ISR, 0x51));
	CHECK(!apic_bit(APIC_ISR, 0x71));
}

static void lower(u8 vector)
{
	if (vector == 0x51)
		apic_self(0x41);
}

static void look(u8 vector)
{
	CHECK(apic_bit(APIC_ISR, vector));
	EXPECT(apic_read(APIC_PPR), vector & 0xf0);
}

static void level(u8 vector)
{
	if (vector == 0x57)
		out32(PORT_LINE + 5, 0);
}

static void eoi_cases(void)
{
	/* Two wait: nothing is offered with the first, whose EOI lets the second in */
	apic_self(0x41);
	self_and_take(0x61);
	EXPECT(irq_order[(irq_seen - 1) % 64], 0x41);
	expect_eois(1, 1);
	/* A higher one on top: what was offered is off the table */
	in_handler = nest;
	self_and_take(0x51);
	expect_eois(0, 2);
	/* A lower one comes meanwhile */
	in_handler = lower;
	self_and_take(0x51);
	expect_eois(1, 1);
	/* What the registers say in the handler, and after it */
	in_handler = look;
	self_and_take(0x51);
	expect_eois(0, 1);
	in_handler = NULL;
	self_and_take(0x51);
	expect_eois(1, 0);
	/* A guest that does both */
	always_write = true;
	for (u32 i = 0; i < 3; i++)
		self_and_take(0x51);
	always_write = false;
	self_and_take(0x52);
	expect_eois(4, 0);
	/* Level-triggered: others wait for its EOI */
	in_handler = level;
	ioapic_write(0x10 + 2 * 5 + 1, 0);
	ioapic_write(0x10 + 2 * 5, 0x57 | 1 << 15);
	for (u32 i = 1; i <= 2; i++) {
		out32(PORT_LINE + 5, 1);
		CHECK(wait_irq(0x57, i));
		CHECK(!(ioapic_read(0x10 + 2 * 5) & 1 << 14));
	}
	ioapic_write(0x10 + 2 * 5, 1 << 16);
	in_handler = NULL;
	expect_eois(0, 2);
	/* HLT, woken by the timer */
	apic_write(APIC_TDCR, 0xb);
	apic_write(APIC_LVTT, 0x58);
	for (u32 i = 1; i <= 5; i++) {
		apic_write(APIC_TMICT, 200000);
		sti_hlt_cli();
		EXPECT(irq_count[0x58], i);
	}
	expect_eois(5, 0);
}

/* arg: rounds; the host counts their exits, without and with PV EOI */
void test_pv_eoi(u64 arg)
{
	if (!has(PV_EOI))
		skip("no PV EOI here");
	apic_init(true);
	eoi_how = EOI_NONE;
	irq_hook = eoi_hook;
	SHARED(0)->eoi = 0;
	counted(arg);
	expect_eois(0, arg);
	wrmsr(EOI, (u64)&SHARED(0)->eoi | 1);
	counted(arg);
	expect_eois(arg, 0);
	eoi_cases();
	wrmsr(EOI, 0);
	counted(arg);
	expect_eois(0, arg);
}

/* ---- several vCPUs ---- */

#define CPUS	3

/* What the others are to do, each time that turn has moved on, until order is 0; finished counts those that have */
static volatile u32 ready, order, turn, finished;
static volatile u64 latest;
static volatile u32 taken[CPUS], nmis[CPUS], halts;
enum { ORDER_CLOCK = 1, ORDER_SLEEP, ORDER_KICK, ORDER_STEAL, ORDER_YIELD };

static u32 self(void)
{
	return rdmsr(0x802);
}

static u64 exchange_max(u64 value)
{
	u64 old = latest;

	while (old < value && !__atomic_compare_exchange_n(&latest, &old, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
	return old;
}

/* What anyone has read before is not after what I read now */
static void clock_race(void)
{
	volatile struct pvclock *c = &SHARED(self())->clock;
	u32 backwards = 0;

	for (u32 i = 0; i < 3000; i++) {
		u64 before = latest, now;

		if (!(i % 64))
			relax();
		barrier();
		now = clock_ns(c);
		backwards += now < before;
		exchange_max(now);
	}
	EXPECT(backwards, 0);
}

static void count_hook(struct frame *frame)
{
	u32 id = self();

	if (id >= CPUS)
		return;
	if (frame->vector == 2)
		nmis[id]++;
	else
		taken[id]++;
}

#define PASSES	200
static volatile u32 ball;

/* vCPUs 0 and 1 pass a ball; who has none gives its time to the other */
static void pass(u32 mine)
{
	for (u32 i = 0; i < PASSES; i++) {
		while ((ball & 1) != mine) {
			EXPECT(hypercall(HC_YIELD, !mine, 0, 0, 0), 0);
			relax();
		}
		ball++;
	}
}

static void serve(u32 what)
{
	u32 id = self();

	switch (what) {
	case ORDER_CLOCK:
		clock_on(id);
		__atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
		while (ready < CPUS)
			relax();
		clock_race();
		break;
	case ORDER_SLEEP:
		while (order == what)
			sti_hlt_cli();
		break;
	case ORDER_KICK:
		if (id != 1)
			break;
		__atomic_add_fetch(&halts, 1, __ATOMIC_SEQ_CST);
		asm volatile("hlt" ::: "memory");
		__atomic_add_fetch(&halts, 1, __ATOMIC_SEQ_CST);
		break;
	case ORDER_YIELD:
		if (id == 1)
			pass(1);
		break;
	case ORDER_STEAL:
		wrmsr(STEAL, (u64)&SHARED(id)->steal | 1);
		__atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
		while (order == what)
			sti_hlt_cli();
		EXPECT(SHARED(id)->steal.preempted, 0);
		CHECK(!(SHARED(id)->steal.version & 1));
		break;
	}
}

static void other(u64 id)
{
	struct { u16 limit; u64 base; } __attribute__((packed)) idtr = { 4095, (u64)idt };
	u32 seen = 0;

	asm volatile("lidt %0" :: "m"(idtr));
	wrmsr(0x1b, rdmsr(0x1b) | 0xc00);
	wrmsr(0x80f, 0x1ff);
	if (self() != id)
		fail("the host has started another vCPU");
	if (has(PV_UNHALT)) {		/* after its state was set, one HLT may be over too early */
		hypercall(HC_KICK, 0, id, 0, 0);
		asm volatile("hlt" ::: "memory");
	}
	__atomic_add_fetch(&ready, 1, __ATOMIC_SEQ_CST);
	for (;;) {
		while (turn == seen)
			relax();
		seen++;
		serve(order);
		__atomic_add_fetch(&finished, 1, __ATOMIC_SEQ_CST);
	}
}

static bool until(volatile u32 *value, u32 want)
{
	u64 start = rdtsc(), limit = 5000 * tsc_per_ms();

	while (*value != want && rdtsc() - start < limit)
		relax();
	EXPECT(*value, want);
	return *value == want;
}

static void all_do(u32 what)
{
	ready = finished = 0;
	order = what;
	turn++;
}

static void all_done(void)
{
	order = 0;
	until(&finished, CPUS - 1);
}

static void wait_ms(u64 ms)
{
	for (u64 start = rdtsc(); rdtsc() - start < ms * tsc_per_ms();)
		relax();
}

static void clocks(void)
{
	clock_on(0);
	if (!(SHARED(0)->clock.flags & FLAG_STABLE))
		skip("the host does not keep time by its TSC");
	latest = 0;
	all_do(ORDER_CLOCK);
	serve(ORDER_CLOCK);
	all_done();
	/* One TSC apart: no page holds for all any more, and each holds by itself */
	for (u32 id = 0; id < CPUS; id++)
		CHECK(SHARED(id)->clock.flags & FLAG_STABLE);
	wrmsr(0x3b, rdmsr(0x3b) + 1000000000);
	latest = 0;
	all_do(ORDER_CLOCK);
	serve(ORDER_CLOCK);
	all_done();
	for (u32 id = 0; id < CPUS; id++)
		CHECK(!(SHARED(id)->clock.flags & FLAG_STABLE));
}

static void ipis(void)
{
	const u32 vector = 0x66;

	all_do(ORDER_SLEEP);
	wait_ms(5);
	EXPECT(hypercall(HC_SEND_IPI, 6, 0, 0, vector), 2);
	until(&taken[1], 1);
	until(&taken[2], 1);
	EXPECT(hypercall(HC_SEND_IPI, 3, 0, 1, vector), 2);
	until(&taken[1], 2);
	until(&taken[2], 2);
	EXPECT(hypercall(HC_SEND_IPI, ~0UL, ~0UL, 2, vector), 1);
	until(&taken[2], 3);
	EXPECT(hypercall(HC_SEND_IPI, 2, 0, 0, 4 << 8), 1);
	until(&nmis[1], 1);
	EXPECT(taken[0], 0);
	EXPECT(taken[1], 2);
	order = 0;
	EXPECT(hypercall(HC_SEND_IPI, 6, 0, 0, vector), 2);
	all_done();
}

static void kicks(void)
{
	for (u32 i = 0; i < 10; i++) {
		halts = 0;
		all_do(ORDER_KICK);
		until(&halts, 1);
		if (i & 1)		/* it sleeps; else it may only be about to */
			wait_ms(3);
		EXPECT(halts, 1);
		EXPECT(hypercall(HC_KICK, 0, 1, 0, 0), 0);
		until(&halts, 2);
		all_done();
	}
}

static void yields(void)
{
	ball = 0;
	all_do(ORDER_YIELD);
	pass(0);
	all_done();
	EXPECT(ball, 2 * PASSES);
}

/* A vCPU that sleeps says so, and one that has woken up does not; what is asked of it meanwhile is gone */
static void preempted(void)
{
	volatile struct steal *s = &SHARED(1)->steal;
	u64 start, limit = 2000 * tsc_per_ms();
	u8 old = 1;

	s->preempted = 1;		/* what was left there does not stay */
	all_do(ORDER_STEAL);
	until(&ready, CPUS - 1);
	for (u32 i = 0; i < 5; i++) {
		for (start = rdtsc(); !(s->preempted & 1) && rdtsc() - start < limit;)
			relax();
		EXPECT(s->preempted, 1);
		old = 1;
		CHECK(__atomic_compare_exchange_n(&s->preempted, &old, 3, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
		if (i == 4)
			order = 0;
		hypercall(HC_SEND_IPI, 6, 0, 0, 0x67);
		for (start = rdtsc(); (s->preempted & 2) && rdtsc() - start < limit;)
			relax();
		EXPECT(s->preempted & 2, 0);
	}
	all_done();
}

/* arg: which. The host starts vCPUs 1 and 2 where it is told to, on the first sync. */
void test_pv_smp(u64 arg)
{
	static void (*const tests[])(void) = { clocks, ipis, kicks, preempted, yields };
	static const u32 needs[] = { CLOCKSOURCE2, PV_SEND_IPI, PV_UNHALT, STEAL_TIME, PV_SCHED_YIELD };

	if (!has(needs[arg]))
		skip("no such feature here");
	apic_init(true);
	irq_hook = count_hook;
	tsc_per_ms();
	out32(PORT_SYNC, (u32)(u64)other);
	if (until(&ready, CPUS - 1))
		tests[arg]();
}

/* ---- hostile values ---- */

/* What MSR to give what: random kinds of addresses, aligned or not, enabled or not. arg: ROM, then a slot that comes and goes */
static u64 bad_address(u32 *seed, u64 rom)
{
	static const u64 places[] = {
		0, 0x1000, RAM_END - 4, RAM_END - 64, RAM_END, 0xfee00000, 0xfec00000, MMIO_GPA, 1UL << 40, 1UL << 51,
		~0UL << 12, ~0UL, SCRATCH_GPA, SCRATCH_GPA + 0xff0, SCRATCH_GPA + 0x1000 - 4,
	};
	u32 n;

	*seed = *seed * 1103515245 + 12345;
	n = (*seed >> 16) % 18;
	if (n < 15)
		return places[n] + (*seed >> 8 & 3);
	return rom + (n & 1 ? 0x10000 : 0) + (*seed >> 8 & 0xfff);
}

void test_pv_hostile(u64 arg)
{
	static const u32 msrs[] = { OLD_WALL, OLD_CLOCK, WALL_CLOCK, SYSTEM_CLOCK, STEAL, EOI };
	u32 seed = in32(PORT_SYNC), n;

	apic_init(true);
	eoi_how = EOI_NONE;
	irq_hook = eoi_hook;
	for (u32 i = 0; i < 3000; i++) {
		u64 value = bad_address(&seed, arg);

		n = seed >> 20;
		if (n & 1)
			value = (value & ~63UL) | (n >> 1 & 1);
		/* low memory holds nothing of ours below 8 KiB; and what is written there is at most 64 bytes */
		try_wrmsr(msrs[(n >> 2) % 6], value);
		self_and_take(0x51);
		if (!(i % 16))
			out32(PORT_SYNC, i);		/* the slot comes or goes */
		if (!(n & 0x700))
			wrmsr(0x10, rdtsc() + n);
	}
	/* And it all still works. An offer that the guest's own doings have spoilt must not hold up what comes. */
	for (u32 i = 0; i < 6; i++)
		if (i != 0 && i != 2)
			try_wrmsr(msrs[i], 0);
	for (u32 i = 0; i < 16; i++)
		apic_write(APIC_EOI, 0);
	spared = written = 0;
	SHARED(0)->eoi = 0;
	n = irq_count[0x59];
	for (u32 i = 0; i < 5; i++)
		self_and_take(0x59);
	EXPECT(irq_count[0x59], n + 5);
	EXPECT(written, 5);
}
