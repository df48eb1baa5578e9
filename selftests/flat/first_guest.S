/* SPDX-License-Identifier: GPL-2.0 */
/* Position independent 64-bit code for first.c */
#include "hypercall.h"

	.section .rodata
	.globl first_guest, first_guest_end
first_guest:
	xor	%eax, %eax
	xor	%ecx, %ecx
	cpuid
	mov	$0x80, %dx
	out	%eax, $0x80
	hypercall 0xdead
	out	%eax, $0x80
	mov	$0x3f8, %dx
	in	(%dx), %al
	mov	$0xd0000000, %ebx
	mov	%al, (%rbx)
1:	hlt
	jmp	1b
first_guest_end:
	.section .note.GNU-stack,"",@progbits
