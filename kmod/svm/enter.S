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
#include "enter.h"

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
	push_host_gprs
	push	%rdx
	push	%rsi
	push	%rdi

	mov	(%rdx), %rcx
	write_gs_base

	load_guest_gprs
	pop	%rax
	clear_cpu_buffers
	/*
	 * The host's IF decides whether its interrupts end the guest's stay
	 * (V_INTR_MASKING, APM2 15.21.1). With GIF clear none is taken here.
	 */
	sti
	vmrun	%rax
	cli

	pop	%rax
	save_guest_gprs

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

	clear_guest_gprs
	pop_host_gprs
	RET
SYM_FUNC_END(husk_svm_enter)

/*
 * void husk_svm_flush_run(u64 pa)
 * One VMRUN of a VMCB that can't execute anything (svm_flush_vmcb_init() in cpu.c:
 * its nested page table is empty): only its TLB_CONTROL counts. Interrupts off;
 * GIF set before and after.
 */
SYM_FUNC_START(husk_svm_flush_run)
	push_host_gprs
	mov	%rdi, %rax
	clgi
	vmrun	%rax	/* interrupts stay off: it ends by itself */
	stgi
	pop_host_gprs
	RET
SYM_FUNC_END(husk_svm_flush_run)
