// SPDX-License-Identifier: GPL-2.0
/*
 * One exit of each class between two TSC reads, BENCH_ROUNDS times; the host
 * takes the median. In the lab's counting mode a TSC tick is an instruction.
 */
#include "guest.h"

#define ROUNDS(body) do { \
	for (u64 i = 0; i < BENCH_ROUNDS; i++) { \
		u64 start_ = rdtsc(); \
		body; \
		result[i] = rdtsc() - start_; \
	} \
} while (0)

static volatile u64 *const result = (volatile u64 *)RESULT_GPA;

/* Work of a known length, which the interrupt comes amidst */
static void bench_tick(void)
{
	u64 work = ~0UL;

	apic_write(APIC_LVTT, 0x40 | 2 << 17);
	for (u64 i = 0; i < BENCH_ROUNDS + 16; i++) {
		u64 start = rdtsc(), loops = 50000;

		sti();
		if (i >= 16)
			wrmsr(0x6e0, start + 50000);
		asm volatile("1: dec %0; jnz 1b" : "+r"(loops));
		cli();
		if (i < 16)
			work = rdtsc() - start < work ? rdtsc() - start : work;
		else
			result[i - 16] = rdtsc() - start - work;
	}
}

static void bench_apic(u64 class)
{
	apic_init(true);
	apic_write(APIC_TDCR, 0xb);
	switch (class) {
	case BENCH_x2apic_read:
		ROUNDS(rdmsr(0x802));
		break;
	case BENCH_x2apic_tmict:
		apic_write(APIC_LVTT, 0x40);
		ROUNDS(wrmsr(0x838, 0xffffffff));
		apic_write(APIC_TMICT, 0);
		break;
	case BENCH_tsc_deadline:
		apic_write(APIC_LVTT, 0x40 | 2 << 17);
		{
			u64 far = rdtsc() + (1UL << 40);

			ROUNDS(wrmsr(0x6e0, far + i));
		}
		wrmsr(0x6e0, 0);
		break;
	case BENCH_cpuid_timer:
		apic_write(APIC_LVTT, 0x40 | 2 << 17);
		wrmsr(0x6e0, rdtsc() + (1UL << 40));
		ROUNDS(asm volatile("cpuid" :: "a"(0), "c"(0) : "rbx", "rdx", "memory"));
		wrmsr(0x6e0, 0);
		break;
	case BENCH_timer_tick:
		bench_tick();
		break;
	case BENCH_x2apic_eoi:
		eoi_how = EOI_NONE;
		for (u64 i = 0; i < BENCH_ROUNDS; i++) {
			u64 start;

			apic_self(0x50);
			sti_nop();
			cli();
			start = rdtsc();
			wrmsr(0x80b, 0);
			result[i] = rdtsc() - start;
		}
		break;
	}
}

static void bench_exit(u64 class)
{
	switch (class) {
	case BENCH_null:
		ROUNDS();
		break;
	case BENCH_cpuid:
		ROUNDS(asm volatile("cpuid" :: "a"(0), "c"(0) : "rbx", "rdx", "memory"));
		break;
	case BENCH_hypercall:
		ROUNDS(asm volatile(HYPERCALL :: "a"(0xdead) : "memory"));
		break;
	case BENCH_rdmsr:
		ROUNDS(rdmsr(0x3b));
		break;
	case BENCH_pio_out:
		ROUNDS(out8(PORT_ECHO, 1));
		break;
	case BENCH_pio_in:
		ROUNDS(in8(PORT_ECHO));
		break;
	case BENCH_mmio_write:
		ROUNDS(*(volatile u32 *)MMIO_GPA = 1);
		break;
	case BENCH_mmio_read:
		ROUNDS((void)*(volatile u32 *)MMIO_GPA);
		break;
	case BENCH_bell_pio:
		ROUNDS(asm volatile("outw %w0, %w1" :: "a"(1), "d"(PORT_BELL)));
		break;
	case BENCH_bell_mmio:
	case BENCH_bell_notify:
		ROUNDS(*(volatile u16 *)BELL_GPA = 1);
		break;
	case BENCH_fault_known:
	case BENCH_fault_fresh:
		ROUNDS(*(volatile u8 *)(FAULT_GPA + i * 4096) = 1);
		break;
	case BENCH_log_write:
		for (u64 i = 0; i < BENCH_ROUNDS; i++)
			(void)*(volatile u8 *)(FAULT_GPA + i * 4096);
		out8(PORT_SYNC, 0);	/* a harvest: all pages are there, and clean */
		ROUNDS(*(volatile u8 *)(FAULT_GPA + i * 4096) = 1);
		break;
	}
}

void test_bench(u64 arg)
{
	/* The result array is there before it is measured into */
	for (u64 i = 0; i < BENCH_ROUNDS; i++)
		result[i] = 0;
	bench_exit(arg);
	bench_apic(arg);
}
