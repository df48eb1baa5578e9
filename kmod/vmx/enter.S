/* SPDX-License-Identifier: GPL-2.0 */
/*
 * VMLAUNCH and VMRESUME. The CPU switches segments, tables, FS and GS base by
 * itself (SDM 3C 28.5); the MSRs that it leaves alone are vmx_open()'s.
 */
#include <asm/unwind_hints.h>

#include "enter.h"
#include "vmx/vmcs.h"

	.text

/*
 * Intel's sequence that fills the branch history with harmless entries, for
 * CPUs whose indirect branches are predicted by it (BHI), and nothing else.
 */
SYM_FUNC_START_LOCAL(bhb_branches)
	mov	$5, %eax
1:	jmp	2f
	nop
2:	sub	$1, %eax
	jnz	1b
	sub	$1, %ecx
	jnz	bhb_nest
	RET
SYM_FUNC_END(bhb_branches)

SYM_FUNC_START_LOCAL(bhb_nest)
	call	bhb_branches
	RET
SYM_FUNC_END(bhb_nest)

/*
 * int husk_vmx_enter(u64 gpr[16], bool resume)
 * Interrupts off. 0: there was a VM exit; 1: the instruction itself failed.
 * rsp of the guest is in the VMCS.
 */
SYM_FUNC_START(husk_vmx_enter)
	push_host_gprs
	push	%rdi
	mov	$VMCS_HOST_RSP, %edx
	vmwrite	%rsp, %rdx
	bt	$0, %esi		/* CF survives up to the entry: MOV keeps it, VERW changes ZF only */
	mov	%rdi, %rsi
	mov	GPR(0)(%rsi), %rax
	load_guest_gprs
	clear_cpu_buffers
	UNWIND_HINT_SAVE
	jnc	.Llaunch
	vmresume
	jmp	.Lfailed
.Llaunch:
	vmlaunch
.Lfailed:
	pop	%rdi
	mov	$1, %eax
	jmp	.Lclear

/* HOST_RIP */
SYM_INNER_LABEL_ALIGN(husk_vmx_exit, SYM_L_GLOBAL)
	UNWIND_HINT_RESTORE
	ENDBR
	push	%rax
	mov	8(%rsp), %rax
	pop	GPR(0)(%rax)
	save_guest_gprs
	pop	%rax

	FILL_RETURN_BUFFER %rax, RSB_CLEAR_LOOPS, X86_FEATURE_RSB_VMEXIT, X86_FEATURE_RSB_VMEXIT_LITE
	/* Where IBRS is what the host does against retbleed it acts only if written after the exit. */
	ALTERNATIVE "jmp .Lno_ibrs", "", X86_FEATURE_KERNEL_IBRS
	mov	$MSR_IA32_SPEC_CTRL, %ecx
	rdmsr
	wrmsr
.Lno_ibrs:
#ifdef HUSK_X86_FEATURE_BHB_VMEXIT
	ALTERNATIVE "jmp .Lno_bhb", "", HUSK_X86_FEATURE_BHB_VMEXIT
	mov	$5, %ecx
	call	bhb_nest
	lfence
.Lno_bhb:
#endif
	xor	%eax, %eax
.Lclear:
	xor	%ecx, %ecx
	xor	%edx, %edx
	xor	%esi, %esi
	xor	%edi, %edi
	xor	%r8d, %r8d
	xor	%r9d, %r9d
	xor	%r10d, %r10d
	xor	%r11d, %r11d
	pop_host_gprs
	RET
SYM_FUNC_END(husk_vmx_enter)
