// SPDX-License-Identifier: GPL-2.0
/* Exceptions, page faults, ring 3, single step, interrupt shadows. */
#include "guest.h"

void test_exceptions(u64 arg)
{
	u32 r[4];

	(void)arg;
	EXPECT(TRY("ud2"), 6);
	EXPECT(TRY("xor %%edx, %%edx; xor %%ecx, %%ecx; mov $1, %%eax; div %%ecx", : : "rax", "rcx", "rdx"), 0);
	EXPECT(TRY("int3"), 3);
	EXPECT(TRY("mov %1, %%rax; mov (%%rax), %%eax", : "r"(1UL << 63) : "rax"), 13);
	EXPECT(trap.error, 0);
	EXPECT(TRY("mov %w1, %%ds", : "r"(0x1000)), 13);
	EXPECT(trap.error, 0x1000);
	EXPECT(TRY("push %1; popfq", : "r"(2UL)), -1);
	/* An exit between two faults leaves nothing behind */
	cpuid(0, 0, r);
	EXPECT(TRY("ud2"), 6);
	/* Fault inside delivery: a gate that is not present makes #NP with the vector's error code */
	idt[0x90].type = 0x0e;
	EXPECT(TRY("int $0x90"), 11);
	EXPECT(trap.error, 0x90 * 8 + 2);
	/* Contributory during #GP's delivery is a double fault */
	idt[13].type = 0x0e;
	EXPECT(TRY("mov %w1, %%ds", : "r"(0x1000)), 8);
	EXPECT(trap.error, 0);
	idt[13].type = 0x8e;
	EXPECT(TRY("int $0x91"), -1);
	EXPECT(irq_count[0x91], 1);
}

/* A fault leaves the call's push on the stack */
static s64 call_page(u64 va)
{
	trap.vector = -1;
	asm volatile("mov %%rsp, %%r12\n\tmovq $1f, %0\n\tcall *%1\n1:\tmov %%r12, %%rsp"
		     : "+m"(trap.fixup) : "r"(va) : "r12", "memory");
	trap.fixup = 0;
	return trap.vector;
}

void test_page_fault(u64 arg)
{
	volatile u32 *page = (volatile u32 *)MAP_VA;
	u32 v;

	(void)arg;
	*(u32 *)SCRATCH_GPA = 0x12345678;
	map_page(MAP_VA, SCRATCH_GPA, PTE_P | PTE_W);
	EXPECT(*page, 0x12345678);
	map_page(MAP_VA, SCRATCH_GPA, 0);
	EXPECT(TRY("mov 0x10(%2), %1", , "=r"(v) : "r"(page)), 14);
	EXPECT(trap.error, 0);
	EXPECT(trap.cr2, MAP_VA + 0x10);
	EXPECT(TRY("movl $1, 0x20(%1)", : "r"(page) : "memory"), 14);
	EXPECT(trap.error, 2);
	EXPECT(trap.cr2, MAP_VA + 0x20);
	map_page(MAP_VA, SCRATCH_GPA, PTE_P);
	EXPECT(TRY("movl $1, 0x30(%1)", : "r"(page) : "memory"), 14);	/* CR0.WP is on */
	EXPECT(trap.error, 3);
	EXPECT(*page, 0x12345678);
	map_page(MAP_VA, SCRATCH_GPA, PTE_P | PTE_W | PTE_NX);
	*(u8 *)SCRATCH_GPA = 0xc3;
	EXPECT(call_page(MAP_VA), 14);
	EXPECT(trap.error, 0x11);
	EXPECT(trap.cr2, MAP_VA);
	map_page(MAP_VA, SCRATCH_GPA, PTE_P | PTE_W);
	EXPECT(call_page(MAP_VA), -1);
	/* CR2 is the guest's own register across exits */
	WRITE_CR(2, 0x123456789000);
	in8(PORT_ECHO);
	EXPECT(READ_CR(2), 0x123456789000);
}

static void user_cli(u64 arg)
{
	(void)arg;
	asm volatile("cli");
}

static void user_read(u64 arg)
{
	(void)*(volatile u32 *)arg;
	asm volatile("int $0x80");
}

static void user_write(u64 arg)
{
	*(volatile u32 *)arg = 1;
	asm volatile("int $0x80");
}

static void user_in(u64 arg)
{
	in8(arg);
}

static void user_cpuid(u64 arg)
{
	u32 r[4];

	cpuid(arg, 0, r);
	asm volatile("int $0x80");
}

static void user_rdmsr(u64 arg)
{
	rdmsr(arg);
}

static void user_hlt(u64 arg)
{
	(void)arg;
	asm volatile("hlt");
}

void test_user_mode(u64 arg)
{
	static const struct { void (*fn)(u64); u64 arg; s64 vector; } cases[] = {
		{ user_cli, 0, 13 }, { user_in, PORT_ECHO, 13 }, { user_rdmsr, 0x277, 13 }, { user_hlt, 0, 13 },
		{ user_cpuid, 0, 0x80 }, { user_read, SCRATCH_GPA, 0x80 }, { user_write, MMIO_GPA, 0x80 },
	};

	(void)arg;
	for (u32 i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		call_user(cases[i].fn, cases[i].arg);
		if (trap.vector != cases[i].vector) {
			fail_value("case", i);
			fail_value("wrong vector from ring 3", trap.vector);
		}
	}
	map_page(MAP_VA, SCRATCH_GPA, PTE_P | PTE_W);
	call_user(user_read, MAP_VA);
	EXPECT(trap.vector, 14);
	EXPECT(trap.error, 5);
	call_user(user_write, MAP_VA + 8);
	EXPECT(trap.error, 7);
	EXPECT(trap.cr2, MAP_VA + 8);
	/* Memory outside the slots, through a supervisor page, by ring 3: the guest's own fault comes first */
	map_page(MAP_VA, MMIO_GPA, PTE_P | PTE_W);
	call_user(user_read, MAP_VA);
	EXPECT(trap.vector, 14);
}

static u64 steps, step_rips[16];

static bool on_step(struct frame *frame)
{
	if (frame->vector != 1)
		return false;
	if (steps < 16)
		step_rips[steps] = frame->rip;
	if (++steps > 100)
		frame->rflags &= ~0x100UL;
	WRITE_DR(6, 0xffff0ff0);
	return true;
}

void test_single_step(u64 arg)
{
	(void)arg;
	trap_hook = on_step;
	steps = 0;
	asm volatile("pushfq; orq $0x100, (%%rsp); popfq\n\tnop\n\tnop\n\t"
		     "pushfq; andq $~0x100, (%%rsp); popfq" ::: "memory", "cc");
	EXPECT(steps, 5);	/* nop nop pushfq andq popfq: the trap of popfq is due, TF was set when it began */
	CHECK(trap.dr6 & 0x4000);
	/* The trap comes in the shadow of STI, which the entry must be told of (SDM 3C 27.3.1.5) */
	steps = 0;
	asm volatile("pushfq; orq $0x100, (%%rsp); popfq\n\tsti\n\tcli\n\t"
		     "pushfq; andq $~0x100, (%%rsp); popfq" ::: "memory", "cc");
	EXPECT(steps, 5);
	trap_hook = NULL;
}

/* Instructions that exit trap after themselves too */
void test_single_step_exits(u64 arg)
{
	u64 at;

	(void)arg;
	trap_hook = on_step;
	steps = 0;
	asm volatile("lea 1f(%%rip), %0\n\tpushfq; orq $0x100, (%%rsp); xor %%eax, %%eax; popfq\n\t"
		     "cpuid\n1:\tmov $0xe0, %%edx\n\tin (%%dx), %%al\n\t"
		     "pushfq; andq $~0x100, (%%rsp); popfq"
		     : "=&r"(at) : : "rax", "rbx", "rcx", "rdx", "memory", "cc");
	trap_hook = NULL;
	EXPECT(steps, 6);
	EXPECT(step_rips[0], at);
}

static u64 irq_rip;

static void note_rip(struct frame *frame)
{
	irq_rip = frame->rip;
}

/* STI holds interrupts off for one more instruction, also if that one exits */
void test_sti_shadow(u64 arg)
{
	u64 after;
	u32 before;

	(void)arg;
	apic_init(true);
	irq_hook = note_rip;
	apic_self(0x41);
	asm volatile("sti; cli");
	EXPECT(irq_count[0x41], 0);
	asm volatile("sti; nop; cli" ::: "memory");
	EXPECT(irq_count[0x41], 1);
	apic_self(0x41);
	asm volatile("lea 1f(%%rip), %0; xor %%eax, %%eax; sti; cpuid\n1:\tnop; cli"
		     : "=&r"(after) : : "rax", "rbx", "rcx", "rdx", "memory");
	EXPECT(irq_count[0x41], 2);
	EXPECT(irq_rip, after);
	before = irq_count[0x41];
	apic_self(0x41);
	sti_hlt_cli();		/* a pending interrupt ends HLT at once, and is taken after it, not before */
	EXPECT(irq_count[0x41], before + 1);
}

void test_triple_fault(u64 arg)
{
	struct { u16 limit; u64 base; } __attribute__((packed)) none = { 0, 0 };

	(void)arg;
	asm volatile("lidt %0; int3" :: "m"(none));
}
