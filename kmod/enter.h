/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What both vendors' enter.S do around the entry: the general registers, and
 * the barriers against what a guest left in the CPU's predictors and buffers.
 */
#ifndef HUSK_ENTER_H
#define HUSK_ENTER_H

#include <linux/linkage.h>
#include <asm/alternative.h>
#include <asm/asm.h>
#include <asm/cpufeatures.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>
#include <asm/segment.h>

/* "clear the branch history after VM exits": its names over the kernels, the oldest has it not */
#if defined(X86_FEATURE_CLEAR_BHB_VMEXIT)
#define HUSK_X86_FEATURE_BHB_VMEXIT X86_FEATURE_CLEAR_BHB_VMEXIT
#elif defined(X86_FEATURE_CLEAR_BHB_LOOP_ON_VMEXIT)
#define HUSK_X86_FEATURE_BHB_VMEXIT X86_FEATURE_CLEAR_BHB_LOOP_ON_VMEXIT
#endif

/* "empty the CPU's buffers before a VM entry": apart from that at the way to user mode since 6.17 or so */
#ifdef X86_FEATURE_CLEAR_CPU_BUF_VM
#define HUSK_X86_FEATURE_CLEAR_BUF X86_FEATURE_CLEAR_CPU_BUF_VM
#else
#define HUSK_X86_FEATURE_CLEAR_BUF X86_FEATURE_CLEAR_CPU_BUF
#endif

/* struct husk_general: rax rcx rdx rbx rsp rbp rsi rdi r8..r15 */
#define GPR(n)	((n) * 8)

/* rsi: the registers. All but rax and rsp; rsi last. */
.macro load_guest_gprs
	mov	GPR(1)(%rsi), %rcx
	mov	GPR(2)(%rsi), %rdx
	mov	GPR(3)(%rsi), %rbx
	mov	GPR(5)(%rsi), %rbp
	mov	GPR(7)(%rsi), %rdi
	mov	GPR(8)(%rsi), %r8
	mov	GPR(9)(%rsi), %r9
	mov	GPR(10)(%rsi), %r10
	mov	GPR(11)(%rsi), %r11
	mov	GPR(12)(%rsi), %r12
	mov	GPR(13)(%rsi), %r13
	mov	GPR(14)(%rsi), %r14
	mov	GPR(15)(%rsi), %r15
	mov	GPR(6)(%rsi), %rsi
.endm

/* rax: the registers. All but rax and rsp. */
.macro save_guest_gprs
	mov	%rcx, GPR(1)(%rax)
	mov	%rdx, GPR(2)(%rax)
	mov	%rbx, GPR(3)(%rax)
	mov	%rbp, GPR(5)(%rax)
	mov	%rsi, GPR(6)(%rax)
	mov	%rdi, GPR(7)(%rax)
	mov	%r8, GPR(8)(%rax)
	mov	%r9, GPR(9)(%rax)
	mov	%r10, GPR(10)(%rax)
	mov	%r11, GPR(11)(%rax)
	mov	%r12, GPR(12)(%rax)
	mov	%r13, GPR(13)(%rax)
	mov	%r14, GPR(14)(%rax)
	mov	%r15, GPR(15)(%rax)
.endm

.macro push_host_gprs
	push	%rbp
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%rbx
.endm

.macro pop_host_gprs
	pop	%rbx
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	pop	%rbp
.endm

/* Guest values that no host code sets before it uses them: they must not steer speculation. */
.macro clear_guest_gprs
	xor	%eax, %eax
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%esi, %esi
	xor	%edi, %edi
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
.endm

/* Before an entry: empty the buffers of CPUs that leak them (MDS, TSA). Changes ZF only. */
.macro clear_cpu_buffers
	ALTERNATIVE "jmp .Lno_verw_\@", "", HUSK_X86_FEATURE_CLEAR_BUF
	verw	.Lverw_selector_\@(%rip)
	.pushsection .rodata
	.balign 2
.Lverw_selector_\@:
	.word	__KERNEL_DS
	.popsection
.Lno_verw_\@:
.endm

#endif
