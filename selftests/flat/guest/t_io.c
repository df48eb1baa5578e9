// SPDX-License-Identifier: GPL-2.0
/* Port and memory access that the worker answers, in every usual form. */
#include "guest.h"

void test_pio_widths(u64 arg)
{
	u64 rax;

	(void)arg;
	out32(PORT_ECHO, 0xa1b2c3d4);
	EXPECT(in32(PORT_ECHO), 0xa1b2c3d4);
	EXPECT(in16(PORT_ECHO), 0xc3d4);
	EXPECT(in8(PORT_ECHO), 0xd4);
	EXPECT(in8(PORT_ECHO + 2), 0xb2);
	out8(PORT_ECHO + 1, 0x77);
	EXPECT(in32(PORT_ECHO), 0xa1b277d4);
	out16(PORT_ECHO + 2, 0x1122);
	EXPECT(in32(PORT_ECHO), 0x112277d4);
	/* 8 and 16 bits leave the rest of rax, 32 bits clear the upper half */
	rax = 0xfedcba9876543210;
	asm volatile("inb %w1, %b0" : "+a"(rax) : "Nd"((u16)PORT_ECHO));
	EXPECT(rax, 0xfedcba98765432d4);
	asm volatile("inw %w1, %w0" : "+a"(rax) : "Nd"((u16)PORT_ECHO));
	EXPECT(rax, 0xfedcba98765477d4);
	asm volatile("inl %w1, %k0" : "+a"(rax) : "Nd"((u16)PORT_ECHO));
	EXPECT(rax, 0x112277d4);
	/* Nobody there, and a port above 255 */
	EXPECT(in8(0x9999), 0xff);
	EXPECT(in32(0x9998), 0xffffffff);
	/* Prefixes */
	asm volatile(".byte 0x48, 0xed" : "=a"(rax) : "d"(PORT_ECHO));		/* REX.W: still 32 bits */
	EXPECT(rax, 0x112277d4);
}

void test_pio_strings(u64 arg)
{
	u8 *buf = (u8 *)SCRATCH_GPA + 4096 - 5;		/* over a page boundary */
	u64 rcx, rdi, rsi, sum = 0;

	(void)arg;
	in16(PORT_STREAM_SUM);
	rcx = 10;
	rdi = (u64)buf;
	asm volatile("rep insb" : "+D"(rdi), "+c"(rcx) : "d"(PORT_STREAM) : "memory");
	EXPECT(rcx, 0);
	EXPECT(rdi, (u64)buf + 10);
	for (u32 i = 0; i < 10; i++)
		EXPECT(buf[i], i);
	rcx = 4;
	asm volatile("rep insl" : "+D"(rdi), "+c"(rcx) : "d"(PORT_STREAM) : "memory");
	EXPECT(*(u32 *)(buf + 10 + 12), 13);
	in16(PORT_STREAM_SUM);
	for (u32 i = 0; i < 300; i++) {
		buf[i] = i;
		sum += buf[i];
	}
	rcx = 300;
	rsi = (u64)buf;
	asm volatile("rep outsb" : "+S"(rsi), "+c"(rcx) : "d"(PORT_STREAM) : "memory");
	EXPECT(rcx, 0);
	EXPECT(rsi, (u64)buf + 300);
	EXPECT(in32(PORT_STREAM_SUM), sum);
	/* Backwards */
	rcx = 3;
	rdi = (u64)buf + 6;
	asm volatile("std; rep insw; cld" : "+D"(rdi), "+c"(rcx) : "d"(PORT_STREAM) : "memory");
	EXPECT(rdi, (u64)buf);
	EXPECT(*(u16 *)(buf + 6), 0);
	EXPECT(*(u16 *)(buf + 2), 2);
	/* Nothing to do; and 32-bit addresses wrap into the upper half being cleared */
	rcx = 0;
	rdi = 0x1234567890;
	asm volatile("rep insb" : "+D"(rdi), "+c"(rcx) : "d"(PORT_STREAM) : "memory");
	EXPECT(rdi, 0x1234567890);
	rcx = 2;
	rdi = (u64)buf;
	asm volatile("addr32 rep insb" : "+D"(rdi), "+c"(rcx) : "d"(PORT_STREAM) : "memory");
	EXPECT(buf[0], 3);
	EXPECT(rcx, 0);
	/* Single ones */
	rdi = (u64)buf;
	asm volatile("insb" : "+D"(rdi) : "d"(PORT_STREAM) : "memory");
	EXPECT(rdi, (u64)buf + 1);
	EXPECT(buf[0], 5);
}

/* A fault in the middle leaves the registers at the element that faulted */
void test_pio_string_fault(u64 arg)
{
	u64 rcx = 8, rdi = MAP_VA + 4096 - 4, rsi;

	(void)arg;
	map_page(MAP_VA, SCRATCH_GPA, PTE_P | PTE_W);
	map_page(MAP_VA + 4096, SCRATCH_GPA + 4096, 0);
	in16(PORT_STREAM_SUM);
	EXPECT(TRY("rep insb", , "+D"(rdi), "+c"(rcx) : "d"(PORT_STREAM) : "memory"), 14);
	EXPECT(trap.cr2, MAP_VA + 4096);
	EXPECT(trap.error, 2);
	EXPECT(rcx, 4);
	EXPECT(rdi, MAP_VA + 4096);
	rcx = 8;
	rsi = MAP_VA + 4096 - 2;
	EXPECT(TRY("rep outsb", , "+S"(rsi), "+c"(rcx) : "d"(PORT_STREAM) : "memory"), 14);
	EXPECT(trap.error, 0);
	EXPECT(rcx, 6);
	map_page(MAP_VA + 4096, SCRATCH_GPA + 4096, PTE_P);	/* read only */
	rcx = 1;
	rdi = MAP_VA + 4096;
	EXPECT(TRY("rep insb", , "+D"(rdi), "+c"(rcx) : "d"(PORT_STREAM) : "memory"), 14);
	EXPECT(trap.error, 3);
	EXPECT(rcx, 1);
}

#define MMIO ((volatile u8 *)MMIO_GPA)

void test_mmio_mov(u64 arg)
{
	volatile u64 *m64 = (volatile u64 *)MMIO_GPA;
	u64 v, addr = MMIO_GPA;

	(void)arg;
	*m64 = 0x1122334455667788;
	EXPECT(*m64, 0x1122334455667788);
	EXPECT(*(volatile u32 *)m64, 0x55667788);
	EXPECT(*(volatile u16 *)m64, 0x7788);
	EXPECT(MMIO[3], 0x55);
	asm volatile("movb $0x5a, 1(%0)" :: "r"(addr) : "memory");
	asm volatile("movw $0x1234, 2(%0)" :: "r"(addr) : "memory");
	asm volatile("movl $0x89abcdef, 4(%0)" :: "r"(addr) : "memory");
	EXPECT(*m64, 0x89abcdef12345a88);
	asm volatile("movq $-2, 8(%0)" :: "r"(addr) : "memory");	/* sign-extended immediate */
	EXPECT(m64[1], 0xfffffffffffffffe);
	/* eax and a 64-bit absolute address */
	asm volatile("movabs %%eax, 0xd0000010" :: "a"(0xcafe0001) : "memory");
	asm volatile("movabs 0xd0000010, %%eax" : "=a"(v));
	EXPECT(v, 0xcafe0001);
	asm volatile("movabs %%al, 0xd0000010; movabs 0xd0000010, %%rax" : "=a"(v) : "a"(0x77) : "memory");
	EXPECT(v & 0xff, 0x77);
	/* ah, high registers, scaled index, rip-relative is out of reach */
	asm volatile("mov %%ah, 0x20(%1)" :: "a"(0x4200), "r"(addr) : "memory");
	EXPECT(MMIO[0x20], 0x42);
	asm volatile("mov %1, %%r13; mov $4, %%r14; mov %2, %%r15; mov %%r15, 8(%%r13, %%r14, 8)\n\tmov 0x28(%%r13), %0"
		     : "=r"(v) : "r"(addr), "r"(0x0102030405060708) : "r13", "r14", "r15", "memory");
	EXPECT(v, 0x0102030405060708);
	/* The upper half is cleared by a 32-bit load, and kept by smaller ones */
	MMIO[0x30] = 0x80;
	MMIO[0x31] = 0x90;
	v = ~0UL;
	asm volatile("mov 0x30(%1), %k0" : "+r"(v) : "r"(addr));
	EXPECT(v >> 32, 0);
	v = ~0UL;
	asm volatile("mov 0x30(%1), %w0" : "+r"(v) : "r"(addr));
	EXPECT(v, 0xffffffffffff9080);
	asm volatile("movzbl 0x30(%1), %k0" : "=r"(v) : "r"(addr));
	EXPECT(v, 0x80);
	asm volatile("movzwq 0x30(%1), %0" : "=r"(v) : "r"(addr));
	EXPECT(v, 0x9080);
	asm volatile("movsbq 0x30(%1), %0" : "=r"(v) : "r"(addr));
	EXPECT(v, 0xffffffffffffff80);
	asm volatile("movswl 0x30(%1), %k0" : "=r"(v) : "r"(addr));
	EXPECT(v, 0xffff9080);
	*(volatile u32 *)(MMIO + 0x34) = 0x80000001;
	asm volatile("movslq 0x34(%1), %0" : "=r"(v) : "r"(addr));
	EXPECT(v, 0xffffffff80000001);
	/* Nothing there: reads as ones */
	EXPECT(*(volatile u32 *)(MMIO_GPA + 0x100000), 0xffffffff);
}

#define ALU_FLAGS 0x8d5UL	/* OF SF ZF AF PF CF */

/* The same instruction on RAM (by the CPU) and on device memory (by husk) must agree in result, register and flags */
#define ALU(insn, init, reg) do { \
	u64 *ram = (u64 *)SCRATCH_GPA, f_ram, f_dev, r_ram = (reg), r_dev = (reg); \
	*ram = (init); \
	*(volatile u64 *)MMIO_GPA = (init); \
	asm volatile("push %3; popfq; " insn "; pushfq; pop %1" \
		     : "+a"(r_ram), "=&r"(f_ram) : "b"(ram), "r"(2UL | carry) : "memory", "cc"); \
	asm volatile("push %3; popfq; " insn "; pushfq; pop %1" \
		     : "+a"(r_dev), "=&r"(f_dev) : "b"(MMIO_GPA), "r"(2UL | carry) : "memory", "cc"); \
	if (*(volatile u64 *)MMIO_GPA != *ram) \
		fail_value(insn ": memory differs", *(volatile u64 *)MMIO_GPA); \
	if (r_ram != r_dev) \
		fail_value(insn ": register differs", r_dev); \
	if ((f_ram ^ f_dev) & mask) \
		fail_value(insn ": flags differ", f_ram ^ f_dev); \
} while (0)

static void alu(u64 init, u64 reg, u64 carry)
{
	u64 mask = ALU_FLAGS;

	ALU("addl %%eax, (%%rbx)", init, reg);
	ALU("addq (%%rbx), %%rax", init, reg);
	ALU("adcw %%ax, (%%rbx)", init, reg);
	ALU("subb %%al, (%%rbx)", init, reg);
	ALU("sbbq %%rax, (%%rbx)", init, reg);
	ALU("subl $0x12345, (%%rbx)", init, reg);
	ALU("addq $-1, (%%rbx)", init, reg);
	ALU("cmpl %%eax, (%%rbx)", init, reg);
	ALU("cmpq (%%rbx), %%rax", init, reg);
	ALU("cmpb $0x80, (%%rbx)", init, reg);
	ALU("lock incl (%%rbx)", init, reg);
	ALU("decq (%%rbx)", init, reg);
	ALU("negl (%%rbx)", init, reg);
	ALU("notl (%%rbx)", init, reg);
	mask &= ~0x10UL;		/* AF is undefined for the rest */
	ALU("andl %%eax, (%%rbx)", init, reg);
	ALU("andq (%%rbx), %%rax", init, reg);
	ALU("orb $0x41, (%%rbx)", init, reg);
	ALU("lock orq %%rax, (%%rbx)", init, reg);
	ALU("xorw %%ax, (%%rbx)", init, reg);
	ALU("xorl $-1, (%%rbx)", init, reg);
	ALU("testl %%eax, (%%rbx)", init, reg);
	ALU("testb $0x80, (%%rbx)", init, reg);
	mask = 0;
	ALU("xchgl %%eax, (%%rbx)", init, reg);
	ALU("xchgq %%rax, (%%rbx)", init, reg);
	mask = 1;
	ALU("btl $5, (%%rbx)", init, reg);
	ALU("btsl $7, (%%rbx)", init, reg);
	ALU("lock btrq $33, (%%rbx)", init, reg);
	ALU("btcl $0, (%%rbx)", init, reg);
}

void test_mmio_alu(u64 arg)
{
	static const u64 values[] = { 0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0x7fffffffffffffff, ~0UL, 0x123456789abcdef0 };

	(void)arg;
	for (u32 i = 0; i < 8; i++) {
		alu(values[i], values[(i * 3 + 1) % 8], 0);
		alu(values[i], values[(i * 5 + 2) % 8], 1);
	}
}

void test_mmio_strings(u64 arg)
{
	u8 *ram = (u8 *)SCRATCH_GPA;
	u64 rdi = MMIO_GPA + 0x40, rsi, rcx = 16;

	(void)arg;
	asm volatile("rep stosb" : "+D"(rdi), "+c"(rcx) : "a"(0x5c) : "memory");
	EXPECT(rcx, 0);
	EXPECT(rdi, MMIO_GPA + 0x50);
	EXPECT(MMIO[0x4f], 0x5c);
	rcx = 3;
	asm volatile("rep stosl" : "+D"(rdi), "+c"(rcx) : "a"(0xdeadbeef) : "memory");
	EXPECT(*(volatile u32 *)(MMIO + 0x58), 0xdeadbeef);
	for (u32 i = 0; i < 32; i++)
		ram[i] = 0x80 + i;
	rsi = (u64)ram;
	rdi = MMIO_GPA + 0x80;
	rcx = 8;
	asm volatile("rep movsl" : "+D"(rdi), "+S"(rsi), "+c"(rcx) :: "memory");
	EXPECT(MMIO[0x9f], 0x9f);
	EXPECT(rsi, (u64)ram + 32);
	rsi = MMIO_GPA + 0x80;
	rdi = (u64)ram + 64;
	rcx = 32;
	asm volatile("rep movsb" : "+D"(rdi), "+S"(rsi), "+c"(rcx) :: "memory");
	EXPECT(memcmp(ram, ram + 64, 32), 0);
	rsi = MMIO_GPA + 0x80;		/* device to device */
	rdi = MMIO_GPA + 0xc0;
	rcx = 2;
	asm volatile("rep movsq" : "+D"(rdi), "+S"(rsi), "+c"(rcx) :: "memory");
	EXPECT(MMIO[0xcf], 0x8f);
	rsi = MMIO_GPA + 0x80;
	asm volatile("lodsb" : "+S"(rsi), "=a"(rcx));
	EXPECT(rcx & 0xff, 0x80);
	EXPECT(rsi, MMIO_GPA + 0x81);
}

void test_mmio_unaligned(u64 arg)
{
	(void)arg;
	*(volatile u64 *)(MMIO + 0x103) = 0x1122334455667788;
	EXPECT(*(volatile u64 *)(MMIO + 0x103), 0x1122334455667788);
	EXPECT(MMIO[0x10a], 0x11);
	/* Over a page boundary: two accesses */
	*(volatile u32 *)(MMIO + 0xffe) = 0xa0b0c0d0;
	EXPECT(MMIO[0xffe], 0xd0);
	EXPECT(MMIO[0xfff], 0xc0);
	EXPECT(MMIO[0x1000], 0xb0);
	EXPECT(*(volatile u32 *)(MMIO + 0xffe), 0xa0b0c0d0);
}
