// SPDX-License-Identifier: GPL-2.0
/* TSC deadlines of a guest that makes no exits by itself, and of one that sleeps before. */
#include "guest.h"

#define TSC_DEADLINE	0x6e0
#define VECTOR		0x47
#define WAKE_VECTOR	0x48

static volatile u64 irq_tsc;

static void note_tsc(struct frame *frame)
{
	if (frame->vector == VECTOR)
		irq_tsc = rdtsc();
}

static u64 deadline_init(void)
{
	u32 r[4];

	cpuid(1, 0, r);
	if (!(r[2] & 1u << 24))
		skip("no TSC deadline in CPUID");
	apic_init(true);
	apic_write(APIC_LVTT, VECTOR | 2 << 17);
	irq_hook = note_tsc;
	return tsc_per_ms();
}

/* Interrupts on, nothing that exits; 2 s at most */
static bool spin_irq(u32 count)
{
	u64 start = rdtsc(), limit = 2000 * tsc_per_ms();

	sti();
	while (irq_count[VECTOR] < count && rdtsc() - start < limit)
		;
	cli();
	return irq_count[VECTOR] >= count;
}

static void spin_until(u64 tsc)
{
	sti();
	while (rdtsc() < tsc)
		;
	cli();
}

/* Its interrupt comes, and not before */
static void met(u64 deadline)
{
	u32 seen = irq_count[VECTOR];

	CHECK(spin_irq(seen + 1));
	CHECK(irq_tsc >= deadline);
	spin_until(rdtsc() + tsc_per_ms() / 8);
	EXPECT(irq_count[VECTOR], seen + 1);
	EXPECT(rdmsr(TSC_DEADLINE), 0);
}

/* The guest did not get to run before the deadline: take what came of it, so that no later test does */
static void too_late(void)
{
	wrmsr(TSC_DEADLINE, 0);
	spin_until(rdtsc() + tsc_per_ms() / 8);
}

/* Nothing comes before tsc; pending is when something may have come before the guest got to run on */
static void silent(u64 pending, u64 tsc)
{
	u32 seen = irq_count[VECTOR];

	if (rdtsc() >= pending) {
		too_late();
		return;
	}
	spin_until(tsc);
	EXPECT(irq_count[VECTOR], seen);
}

static void moved(u64 ms)
{
	u64 start = rdtsc();

	wrmsr(TSC_DEADLINE, start + 100000 * ms);	/* earlier */
	wrmsr(TSC_DEADLINE, start + 3 * ms);
	met(start + 3 * ms);
	start = rdtsc();
	wrmsr(TSC_DEADLINE, start + 3 * ms);		/* later */
	wrmsr(TSC_DEADLINE, start + 8 * ms);
	if (rdtsc() < start + 3 * ms)
		met(start + 8 * ms);
	else
		too_late();
	start = rdtsc();
	wrmsr(TSC_DEADLINE, start + 3 * ms);		/* withdrawn */
	wrmsr(TSC_DEADLINE, 0);
	silent(start + 3 * ms, start + 6 * ms);
	start = rdtsc();
	wrmsr(TSC_DEADLINE, start + 3 * ms);
	apic_write(APIC_LVTT, VECTOR);			/* by the mode */
	silent(start + 3 * ms, start + 6 * ms);
	apic_write(APIC_LVTT, VECTOR | 2 << 17);
	EXPECT(rdmsr(TSC_DEADLINE), 0);
}

/* More than any hardware timer counts; and the guest's TSC moves to just before it */
static void far(u64 ms)
{
	u64 start = rdtsc();

	wrmsr(TSC_DEADLINE, ~0UL);
	silent(~0UL, start + 2 * ms);
	wrmsr(TSC_DEADLINE, start + (1UL << 45));
	silent(~0UL, start + 4 * ms);
	EXPECT(rdmsr(TSC_DEADLINE), start + (1UL << 45));
	if (strict) {		/* KVM does not look at its timer when the TSC is written */
		wrmsr(0x10, start + (1UL << 45) - 2 * ms);
		met(start + (1UL << 45));
		start = rdtsc();
		wrmsr(TSC_DEADLINE, start + 10 * ms);
		wrmsr(0x10, start - 3 * ms);
		met(start + 10 * ms);
	}
	wrmsr(TSC_DEADLINE, 0);
}

void test_timer_spin(u64 arg)
{
	u64 ms = deadline_init(), start;

	(void)arg;
	for (u32 i = 0; i < 5; i++) {
		start = rdtsc() + i * ms;
		wrmsr(TSC_DEADLINE, start);
		met(start);
	}
	moved(ms);
	far(ms);
	for (u32 i = 0; i < 200; i++) {		/* in the past, again and again */
		u32 seen = irq_count[VECTOR];

		wrmsr(TSC_DEADLINE, rdtsc() - i * i);
		CHECK(spin_irq(seen + 1));
		EXPECT(irq_count[VECTOR], seen + 1);
	}
	/* while interrupts are off: requested in time, taken later */
	wrmsr(TSC_DEADLINE, rdtsc() + 3 * ms);
	start = irq_count[VECTOR];
	while (!apic_bit(APIC_IRR, VECTOR) && rdmsr(TSC_DEADLINE))
		;
	CHECK(apic_bit(APIC_IRR, VECTOR));
	EXPECT(irq_count[VECTOR], start);
	sti_nop();
	cli();
	EXPECT(irq_count[VECTOR], start + 1);
}

/* HLT with a deadline; woken by another interrupt before it, the guest spins on */
void test_timer_hlt_spin(u64 arg)
{
	u64 ms = deadline_init(), start;

	(void)arg;
	for (u32 pin = 0; pin <= 2; pin += 2) {		/* the 8254: KVM's is at pin 0 */
		ioapic_write(0x10 + 2 * pin + 1, 0);
		ioapic_write(0x10 + 2 * pin, WAKE_VECTOR);
	}
	for (u32 i = 1; i <= 3; i++) {
		u32 seen = irq_count[VECTOR];

		out8(0x43, 0x30);			/* channel 0, mode 0: once, in 2 ms */
		out8(0x40, 2386 & 0xff);
		out8(0x40, 2386 >> 8);
		start = rdtsc();
		wrmsr(TSC_DEADLINE, start + 30 * ms);
		sti_hlt_cli();
		EXPECT(irq_count[WAKE_VECTOR], i);
		if (irq_count[VECTOR] == seen) {
			if (i == 2) {			/* and earlier than what HLT waited for */
				start = rdtsc() - 29 * ms;
				wrmsr(TSC_DEADLINE, start + 30 * ms);
			}
			met(start + 30 * ms);
		}
		start = rdtsc();
		wrmsr(TSC_DEADLINE, start + 5 * ms);
		sti_hlt_cli();
		EXPECT(irq_count[VECTOR], seen + 2);
		CHECK(irq_tsc >= start + 5 * ms);
	}
}

/*
 * For the host's count of exits: arg deadlines, a millisecond apart, and nothing
 * else; then 2 ms of a timer that is due as often as it can be and never taken.
 */
void test_timer_ticks(u64 arg)
{
	u64 ms = deadline_init(), start;

	out32(PORT_SYNC, 1);
	for (u64 i = 1; i <= arg; i++) {
		wrmsr(TSC_DEADLINE, rdtsc() + ms);
		CHECK(spin_irq(i));
	}
	out32(PORT_SYNC, 2);
	apic_write(APIC_LVTT, VECTOR | 1 << 17);
	apic_write(APIC_TMICT, 1);
	start = rdtsc();
	while (rdtsc() - start < 2 * ms)
		;
	out32(PORT_SYNC, 3);
}

/* HLT until a deadline 1 ms away; tells how late it is over, on average, in TSC ticks */
void test_halt_latency(u64 arg)
{
	u64 late = 0, ahead;

	apic_init(true);
	apic_write(APIC_LVTT, 0x40000 | 0x57);
	ahead = tsc_per_ms();
	for (u32 i = 1; i <= arg; i++) {
		u64 due = rdtsc() + ahead;

		wrmsr(0x6e0, due);
		while (irq_count[0x57] < i)
			sti_hlt_cli();
		late += rdtsc() - due;
	}
	out32(PORT_SYNC, late / arg);
}
