/* SPDX-License-Identifier: GPL-2.0 */
/* Guest code of other modes than 64-bit. See flat_mode.c for where it is put. */
#include "hypercall.h"

	.section .rodata
	.globl mode_real, mode_real_end
	.code16
mode_real:
	xor	%ax, %ax
	mov	%ax, %ds
	mov	%ax, %ss
	mov	$0x7000, %sp
	/* each kind of exit from a segment with a base */
	mov	$0xa1b2c3d4, %eax
	out	%eax, $0xe0
	xor	%eax, %eax
	in	$0xe0, %ax
	cmp	$0xc3d4, %ax
	jne	1f
	xor	%eax, %eax
	cpuid
	mov	$0x277, %ecx
	rdmsr
	movl	$0x12345678, 0x500
	/* an interrupt through the real-mode table */
	movw	$2f - mode_real + 0x8000, 0x21 * 4
	movw	%cs, 0x21 * 4 + 2
	mov	$1, %bx
	int	$0x21
	mov	%bx, 0x504
	/* big real mode: a 4 GiB limit in FS, then an access to device memory */
	cli
	data32 lgdt %cs:3f - mode_real + 0x8000
	mov	%cr0, %eax
	or	$1, %al
	mov	%eax, %cr0
	mov	$8, %bx
	mov	%bx, %fs
	and	$0xfe, %al
	mov	%eax, %cr0
	mov	$0xd0000000, %ebx
	movb	$0x5a, %fs:4(%ebx)
	xor	%eax, %eax
	out	%eax, $0xf4
1:	hlt
	jmp	1b
2:	add	$2, %bx
	iret
	.balign 4
3:	.word	15
	.long	4f - mode_real + 0xffff8000
	.balign 8
4:	.quad	0
	.quad	0x00cf93000000ffff
mode_real_end:

	.globl mode_protected, mode_protected_end
	.code32
mode_protected:
	mov	$0xa1b2c3d4, %eax
	out	%eax, $0xe0
	xor	%eax, %eax
	cpuid
	hypercall 0xdead
	cmp	$-1000, %eax
	jne	1f
	movl	$0xaabbccdd, 0xd0000000
	cmpl	$0xaabbccdd, 0xd0000000
	jne	1f
	/* 4 MiB pages (PSE), identity except that 0x400000 shows the device page's region */
	mov	$0x20000, %edi
	mov	$0x83, %eax
	mov	$1024, %ecx
2:	mov	%eax, (%edi)
	add	$0x400000, %eax
	add	$4, %edi
	loop	2b
	movl	$0xd0000083, 0x20004
	mov	%cr4, %eax
	or	$0x10, %eax
	mov	%eax, %cr4
	mov	$0x20000, %eax
	mov	%eax, %cr3
	mov	%cr0, %eax
	or	$0x80000000, %eax
	mov	%eax, %cr0
	movl	$0x11223344, 0x400008
	mov	0x400008, %ebx
	cmp	$0x11223344, %ebx
	jne	1f
	/* 32-bit PAE with 2 MiB pages */
	mov	%cr0, %eax
	and	$0x7fffffff, %eax
	mov	%eax, %cr0
	mov	$0x30000, %edi
	movl	$0x31001, (%edi)
	movl	$0, 4(%edi)
	movl	$0xe3, 0x31000
	movl	$0, 0x31004
	movl	$0xd00000e3, 0x31008
	movl	$0, 0x3100c
	mov	%cr4, %eax
	or	$0x20, %eax
	mov	%eax, %cr4
	mov	%edi, %cr3
	mov	%cr0, %eax
	or	$0x80000000, %eax
	mov	%eax, %cr0
	mov	0x200008, %ebx
	cmp	$0x11223344, %ebx
	jne	1f
	xor	%eax, %eax
	out	%eax, $0xf4
1:	mov	$1, %eax
	out	%eax, $0x99
	jmp	1b
mode_protected_end:
	.section .note.GNU-stack,"",@progbits
