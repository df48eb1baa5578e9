/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A multiboot image: header, entry, and the way back from any fault. The C code runs
 * with flat segments, without paging. A fault resumes at the place that try() saved.
 */
	.section .multiboot, "a"
	.balign	4
	.long	0x1badb002, 2, -(0x1badb002 + 2)	/* wants the memory's size */

	.text
	.globl	_start, isr_table, try, raise_to
_start:
	cli
	cld
	mov	$stack_end, %esp
	lgdt	gdtr
	ljmp	$8, $1f
1:	mov	$16, %ecx
	mov	%ecx, %ds
	mov	%ecx, %es
	mov	%ecx, %fs
	mov	%ecx, %gs
	mov	%ecx, %ss
	/* QEMU 10.0 keeps the guest's CR0 at #VMEXIT when EFER.LME is set and CR4.PAE is not */
	mov	$0x20, %ecx
	mov	%ecx, %cr4
	push	%ebx
	push	%eax
	call	fuzz_main
1:	cli
	hlt
	jmp	1b

	/* bool try(void): false; true when a fault came since */
try:
	mov	(%esp), %eax
	mov	%eax, saved
	mov	%ebx, saved + 4
	mov	%esi, saved + 8
	mov	%edi, saved + 12
	mov	%ebp, saved + 16
	mov	%esp, saved + 20
	xor	%eax, %eax
	ret
raise_to:
	mov	saved + 4, %ebx
	mov	saved + 8, %esi
	mov	saved + 12, %edi
	mov	saved + 16, %ebp
	mov	saved + 20, %esp
	mov	saved, %eax
	mov	%eax, (%esp)
	mov	$1, %eax
	ret

	/* Exceptions do not return; interrupts say EOI and do */
	.macro isr vector
	.if	\vector < 32
	mov	$\vector, %eax
	call	fuzz_fault
	jmp	raise_to
	.else
	pusha
	cld
	push	$\vector
	call	fuzz_interrupt
	add	$4, %esp
	/* IF stays clear after a storm: pusha took 32 bytes, EIP and CS 8 */
	test	%al, %al
	jz	1f
	andl	$~0x200, 40(%esp)
1:	popa
	iret
	.endif
	.endm

	.altmacro
	.macro all from, to
	.set	n, \from
	.rept	\to - \from
	.balign	32
	isr	%n
	.set	n, n + 1
	.endr
	.endm
	.balign	32
isr_table:
	all	0, 256

	.data
	.balign	8
gdt:	.quad	0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdtr:	.word	gdtr - gdt - 1
	.long	gdt

	.bss
	.balign	16
saved:	.skip	24
	.balign	16
	.skip	32768
stack_end:
	.section .note.GNU-stack,"",@progbits
