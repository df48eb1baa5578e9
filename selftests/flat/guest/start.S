/* SPDX-License-Identifier: GPL-2.0 */
/* Entry, interrupt stubs, the way to ring 3 and back. */
	.section .text.start, "ax"
	.globl guest_start
guest_start:
	call	guest_main
1:	hlt
	jmp	1b

	.text
	.globl stubs
	.balign 16
stubs:
	vector = 0
	.rept 256
	.balign 16
	.if vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21
	.else
	push	$0
	.endif
	pushq	$vector
	jmp	common
	vector = vector + 1
	.endr

common:
	push	%rax
	push	%rbx
	push	%rcx
	push	%rdx
	push	%rsi
	push	%rdi
	push	%rbp
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rsp, %rdi
	cld
	mov	%rsp, %rbp
	and	$-16, %rsp
	call	on_vector
	mov	%rbp, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rbp
	pop	%rdi
	pop	%rsi
	pop	%rdx
	pop	%rcx
	pop	%rbx
	pop	%rax
	add	$16, %rsp
	iretq

/* void user_enter(void *fn, u64 arg, void *user_stack): on_vector comes back by user_leave */
	.globl user_enter, user_leave
user_enter:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rsp, user_saved(%rip)
	pushq	$0x23
	push	%rdx
	pushq	$2
	pushq	$0x1b
	push	%rdi
	mov	%rsi, %rdi
	iretq
user_leave:
	mov	user_saved(%rip), %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret

/* A processor's way up after SIPI: real mode at 0x6000 (copied there) */
	.globl ap_code, ap_code_end
	.code16
ap_code:
	cli
	xor	%ax, %ax
	mov	%ax, %ds
	lgdtl	0x6000 + ap_gdtr - ap_code
	mov	%cr4, %eax
	or	$0x620, %eax
	mov	%eax, %cr4
	mov	$0x10000, %eax
	mov	%eax, %cr3
	mov	$0xc0000080, %ecx
	rdmsr
	or	$0x900, %eax
	wrmsr
	mov	$0x80010031, %eax
	mov	%eax, %cr0
	ljmpl	$8, $ap_long
	.balign 4
ap_gdtr:
	.word	0x3f
	.long	0x9000
ap_code_end:
	.code64
ap_long:
	mov	$0x10, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	$1, %eax		# EBX[31:24]: APIC id
	cpuid
	shr	$24, %ebx
	mov	%ebx, %edi
	lea	1(%rbx), %rsp		# smp.c: the end of its SMP_STACK bytes
	shl	$13, %rsp
	add	$0x600000, %rsp
	call	ap_main
1:	hlt
	jmp	1b

	.data
	.balign 8
user_saved:
	.quad	0
	.section .note.GNU-stack,"",@progbits
