// SPDX-License-Identifier: GPL-2.0
/* Second-level faults, read-only memory, and guests that a host function drives. */
#include "guest.h"

void test_memory_touch(u64 arg)
{
	(void)arg;
	for (u64 at = SCRATCH_GPA; at < SCRATCH_GPA + SCRATCH_SIZE; at += 4096)
		*(volatile u64 *)at = at ^ 0x5555;
	for (u64 at = SCRATCH_GPA; at < SCRATCH_GPA + SCRATCH_SIZE; at += 4096)
		if (*(volatile u64 *)at != (at ^ 0x5555)) {
			fail_value("memory does not keep", at);
			break;
		}
	/* Code from a page that was data */
	*(u32 *)(SCRATCH_GPA + 0x10000) = 0xc3c0ff48;	/* inc %rax; ret */
	{
		u64 rax = 41;

		asm volatile("call *%1" : "+a"(rax) : "r"(SCRATCH_GPA + 0x10000) : "memory");
		EXPECT(rax, 42);
	}
}

/* The host says what to do: reads and writes at addresses, one a round */
void test_memory_walk(u64 arg)
{
	volatile struct { u64 op, addr, value; } *box = (volatile void *)SCRATCH_GPA;

	(void)arg;
	for (;;) {
		out32(PORT_SYNC, 0);
		if (box->op == 0)
			return;
		if (box->op == 1)
			box->value = *(volatile u64 *)box->addr;
		else
			*(volatile u64 *)box->addr = box->value;
	}
}

/* arg: address of a read-only slot */
void test_read_only(u64 arg)
{
	volatile u32 *rom = (volatile u32 *)arg;

	EXPECT(rom[0], 0x12345678);
	rom[1] = 0xaaaa5555;		/* the host sees a memory access and drops it */
	EXPECT(rom[1], 0x9abcdef0);
	asm volatile("lock orl $1, (%0)" :: "r"(rom) : "memory");
	EXPECT(rom[0], 0x12345678);
}

void test_unhandled(u64 arg)
{
	asm volatile("fldt (%0)" :: "r"(arg) : "memory");
}

/*
 * Runs until the host ends it. CLI comes in STI's shadow, so no interrupt gets in; Bochs
 * looks at RFLAGS.IF only when it changes, not when a guest is entered, and would
 * keep the host's interrupts out without it.
 */
void test_spin(u64 arg)
{
	if (arg)
		out32(PORT_SYNC, 1);
	for (;;)
		asm volatile("sti; cli; pause" ::: "memory");
}

/* The same with IF clear all the time */
void test_spin_masked(u64 arg)
{
	(void)arg;
	for (;;)
		pause();
}

void test_jump(u64 arg)
{
	asm volatile("jmp *%0" :: "r"(arg));
}

/* Answers each number by the host's */
void test_echo(u64 arg)
{
	for (u32 v = arg; v; v = in32(PORT_SYNC))
		out32(PORT_SYNC, v + 1);
}

/* For the state classes: values in all registers, then an exit, then the sums */
void test_state_loop(u64 arg)
{
	(void)arg;
	asm volatile("mov $0x1001, %%rbx; mov $0x1002, %%rcx; mov $0x1006, %%rsi; mov $0x1007, %%rdi; mov $0x1008, %%r8\n\t"
		     "mov $0x1009, %%r9; mov $0x100a, %%r10; mov $0x100b, %%r11; mov $0x100c, %%r12; mov $0x100d, %%r13\n\t"
		     "mov $0x100e, %%r14; mov $0x100f, %%r15; mov $0xe8, %%edx; mov $7, %%eax; out %%eax, (%%dx)\n\t"
		     "out %%eax, (%%dx); mov %%ebx, %%eax; out %%eax, (%%dx); mov %%r15d, %%eax; out %%eax, (%%dx)"
		     ::: "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15");
}

/* arg: number of pages, each seen first by the guest */
void test_fresh_touch(u64 arg)
{
	u64 sum = 0;

	for (u64 i = 0; i < arg; i++) {
		volatile u64 *at = (volatile u64 *)(FAULT_GPA + i * 4096);

		sum |= *at;
		*at = i + 1;
	}
	EXPECT(sum, 0);
}

/*
 * step / 4096 pages, in no order, and some of them again and again. Interrupts of
 * the host may come in (see test_spin).
 */
static void write_storm(const struct log_box *box)
{
	static u32 seed;

	for (u64 i = 0; i < box->count; i++) {
		u64 page;

		seed = seed * 1664525 + 1013904223;
		page = (u64)seed * (box->step / 4096) >> 32;
		++*(volatile u64 *)(box->addr + (i & 1 ? page & 7 : page) * 4096);
		asm volatile("sti; cli" ::: "memory");
	}
}

/* What the host says, for its log of written pages */
void test_write_pages(u64 arg)
{
	for (;;) {
		struct log_box box;
		u64 to, from = MMIO_GPA, i;

		out32(PORT_SYNC, 0);
		box = *(volatile struct log_box *)SCRATCH_GPA;
		to = box.addr;
		switch (box.op) {
		case LOG_END:
			return;
		case LOG_READ:
			for (i = 0; i < box.count; i++)
				(void)*(volatile u64 *)(box.addr + i * box.step);
			break;
		case LOG_WRITE:
			for (i = 0; i < box.count; i++)
				++*(volatile u64 *)(box.addr + i * box.step);
			break;
		case LOG_MOVE:
			asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(box.count) :: "memory");
			break;
		case LOG_INS:
			asm volatile("rep insb" : "+D"(to), "+c"(box.count) : "d"(PORT_ECHO) : "memory");
			break;
		case LOG_STORM:
			write_storm(&box);
			break;
		}
	}
}
