/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Run one instruction on this machine's CPU with given registers, as a
 * reference for the emulator. x86-64 only.
 */
#ifndef HUSK_NATIVE_H
#define HUSK_NATIVE_H

#include <sys/mman.h>

void native_run(struct husk_general *regs, const void *code);
extern u64 native_back_address;

/*
 * The code ends with an indirect jump to native_back. The registers are loaded
 * and stored with MOV, which leaves the flags alone; rsp is the guest's in
 * between, so nothing is pushed.
 */
asm(
"	.pushsection .bss\n"
"	.balign 8\n"
"native_host_rsp: .zero 8\n"
"native_guest_rsp: .zero 8\n"
"native_code: .zero 8\n"
"	.popsection\n"
"	.pushsection .data\n"
"	.globl native_back_address\n"
"native_back_address: .quad native_back\n"
"	.popsection\n"
"	.pushsection .text\n"
"	.globl native_run\n"
"native_run:\n"
"	push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
"	push %rdi\n"
"	mov %rsp, native_host_rsp(%rip)\n"
"	mov %rsi, native_code(%rip)\n"
"	push 136(%rdi); popf\n"
"	mov 0(%rdi), %rax; mov 8(%rdi), %rcx; mov 16(%rdi), %rdx; mov 24(%rdi), %rbx\n"
"	mov 32(%rdi), %rsp; mov 40(%rdi), %rbp; mov 48(%rdi), %rsi\n"
"	mov 64(%rdi), %r8; mov 72(%rdi), %r9; mov 80(%rdi), %r10; mov 88(%rdi), %r11\n"
"	mov 96(%rdi), %r12; mov 104(%rdi), %r13; mov 112(%rdi), %r14; mov 120(%rdi), %r15\n"
"	mov 56(%rdi), %rdi\n"
"	jmp *native_code(%rip)\n"
"native_back:\n"
"	mov %rsp, native_guest_rsp(%rip)\n"
"	mov native_host_rsp(%rip), %rsp\n"
"	xchg %rdi, (%rsp)\n"
"	mov %rax, 0(%rdi); mov %rcx, 8(%rdi); mov %rdx, 16(%rdi); mov %rbx, 24(%rdi)\n"
"	mov %rbp, 40(%rdi); mov %rsi, 48(%rdi)\n"
"	mov %r8, 64(%rdi); mov %r9, 72(%rdi); mov %r10, 80(%rdi); mov %r11, 88(%rdi)\n"
"	mov %r12, 96(%rdi); mov %r13, 104(%rdi); mov %r14, 112(%rdi); mov %r15, 120(%rdi)\n"
"	mov native_guest_rsp(%rip), %rax; mov %rax, 32(%rdi)\n"
"	pushf; pop 136(%rdi)\n"
"	cld\n"
"	pop 56(%rdi)\n"
"	pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
"	ret\n"
"	.popsection\n"
);

/* Pages below 2 GiB, so that every address form reaches them */
static inline u8 *native_pages(u32 count)
{
	void *p = mmap(NULL, count * 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* Put the instruction at code, and the way back after it */
static inline void native_put(u8 *code, const u8 *insn, u32 length)
{
	static const u8 jump[6] = { 0xff, 0x25 };	/* jmp *0(%rip) */

	memcpy(code, insn, length);
	memcpy(code + length, jump, 6);
	memcpy(code + length + 6, &native_back_address, 8);
}

#endif
