/* SPDX-License-Identifier: GPL-2.0 */
/*
 * VMRUN and the switch of what VMLOAD/VMSAVE hold (FS, GS, TR, LDTR, STAR,
 * LSTAR, CSTAR, SFMASK, KERNEL_GS_BASE, SYSENTER_x; APM2 15.5.2).
 *
 * That state stays the guest's from husk_svm_load() to husk_svm_unload(), with
 * the global interrupt flag clear: interrupts and NMIs are held, and breakpoint
 * traps can't happen (#VMEXIT clears DR7), so no gate with an IST entry is taken
 * and TR is not looked at. C code needs the host's GS base only, so just that
 * one is switched at each exit.
 *
 * Speculation, per exit and before the first RET or indirect branch:
 *  - the return stack holds guest-made entries: FILL_RETURN_BUFFER
 *  - return predictions may be guest-trained: entry_untrain_ret (retbleed, SRSO),
 *    or IBPB where the host's mitigation is that
 *  - the guest's registers are cleared so that they can't steer speculation
 * Before VMRUN VERW empties CPU buffers where the CPU leaks them (TSA).
 */
#include <linux/linkage.h>
#include <asm/alternative.h>
#include <asm/asm.h>
#include <asm/cpufeatures.h>
#include <asm/msr-index.h>
#include <asm/nospec-branch.h>
#include <asm/segment.h>

/* struct husk_general: rax rcx rdx rbx rsp rbp rsi rdi r8..r15 */
#define GPR(n)	((n) * 8)

	.section .rodata
	.balign 2
husk_verw_selector:
	.word __KERNEL_DS

	.text

/* GS base to and from rcx; rax, rdx are lost without FSGSBASE */
.macro read_gs_base
	ALTERNATIVE "jmp .Lread_msr_\@", "", X86_FEATURE_FSGSBASE
	rdgsbase %rcx
	jmp	.Lread_done_\@
.Lread_msr_\@:
	mov	$MSR_GS_BASE, %ecx
	rdmsr
	shl	$32, %rdx
	mov	%eax, %ecx
	or	%rdx, %rcx
.Lread_done_\@:
.endm

.macro write_gs_base
	ALTERNATIVE "jmp .Lwrite_msr_\@", "", X86_FEATURE_FSGSBASE
	wrgsbase %rcx
	jmp	.Lwrite_done_\@
.Lwrite_msr_\@:
	mov	%ecx, %eax
	mov	%rcx, %rdx
	shr	$32, %rdx
	mov	$MSR_GS_BASE, %ecx
	wrmsr
.Lwrite_done_\@:
.endm

/*
 * void husk_svm_load(u64 host_pa, u64 guest_pa, u64 gs_base[2])
 * Interrupts off. After it GIF is clear and gs_base = { guest's, host's }.
 */
SYM_FUNC_START(husk_svm_load)
	mov	%rdx, %r8
	clgi
	mov	%rdi, %rax
	vmsave	%rax
	read_gs_base
	mov	%rcx, 8(%r8)
	mov	%rcx, %r9
	mov	%rsi, %rax
	vmload	%rax
	read_gs_base
	mov	%rcx, (%r8)
	mov	%r9, %rcx
	write_gs_base
	RET
SYM_FUNC_END(husk_svm_load)

/*
 * void husk_svm_unload(u64 host_pa, u64 guest_pa, u64 gs_base[2])
 * The reverse; GIF is set again.
 */
SYM_FUNC_START(husk_svm_unload)
	mov	(%rdx), %rcx
	write_gs_base
	mov	%rsi, %rax
	vmsave	%rax
	mov	%rdi, %rax
	vmload	%rax
	stgi
	RET
SYM_FUNC_END(husk_svm_unload)

/*
 * void husk_svm_enter(u64 guest_pa, u64 gpr[16], u64 gs_base[2])
 * Interrupts off and GIF clear before and after. rax and rsp of the guest are in the VMCB.
 */
SYM_FUNC_START(husk_svm_enter)
	push	%rbp
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%rbx
	push	%rdx
	push	%rsi
	push	%rdi

	mov	(%rdx), %rcx
	write_gs_base

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
	pop	%rax
	ALTERNATIVE "jmp .Lno_verw", "", X86_FEATURE_CLEAR_CPU_BUF
	verw	husk_verw_selector(%rip)
.Lno_verw:
	/*
	 * The host's IF decides whether its interrupts end the guest's stay
	 * (V_INTR_MASKING, APM2 15.21.1). With GIF clear none is taken here.
	 */
	sti
	vmrun	%rax
	cli

	pop	%rax
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

	pop	%rbx
	read_gs_base
	mov	%rcx, (%rbx)
	mov	8(%rbx), %rcx
	write_gs_base

	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT
	ALTERNATIVE "", "call entry_untrain_ret", X86_FEATURE_UNRET
	ALTERNATIVE_2 "jmp .Lno_ibpb", "", X86_FEATURE_IBPB_ON_VMEXIT, "", X86_FEATURE_ENTRY_IBPB
	mov	$MSR_IA32_PRED_CMD, %ecx
	mov	$PRED_CMD_IBPB, %eax
	xor	%edx, %edx
	wrmsr
.Lno_ibpb:

	xor	%eax, %eax
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%esi, %esi
	xor	%edi, %edi
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d

	pop	%rbx
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	pop	%rbp
	RET
SYM_FUNC_END(husk_svm_enter)

/*
 * void husk_svm_flush_run(u64 pa)
 * One VMRUN of a VMCB that can't execute anything (svm.c: its nested page table
 * is empty): only its TLB_CONTROL counts. Interrupts off; GIF set before and after.
 */
SYM_FUNC_START(husk_svm_flush_run)
	push	%rbp
	push	%r15
	push	%r14
	push	%r13
	push	%r12
	push	%rbx
	mov	%rdi, %rax
	clgi
	vmrun	%rax	/* interrupts stay off: it ends by itself */
	stgi
	pop	%rbx
	pop	%r12
	pop	%r13
	pop	%r14
	pop	%r15
	pop	%rbp
	RET
SYM_FUNC_END(husk_svm_flush_run)
