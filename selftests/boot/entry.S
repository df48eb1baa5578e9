/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The first instructions and the headers of the test kernel, in three formats:
 *	multiboot ELF	linked at a virtual address (BASE = 0xc0000000), loaded at another; the entry point is virtual
 *	MULTIBOOT_FLAT	placed by the addresses in the multiboot header
 *	PVH		ELF with a note
 * Segments whose base is -BASE make the virtual addresses valid without paging.
 */
#define MAGIC		0x1badb002
#ifdef MULTIBOOT_FLAT
# define FLAGS		0x10003
#else
# define FLAGS		3
#endif

	.section .head, "a"
#ifdef PVH
	.section .note.Xen, "a", @note
	.long 4, 4, 18
	.asciz "Xen"
	.long start - BASE
#else
	.balign 4
header:
	.long MAGIC, FLAGS, -(MAGIC + FLAGS)
	.long header, image_start, data_end, bss_end, start
#endif

	.section .text.start, "ax"
	.code32
	.global start
start:
	lgdt gdt_pointer - BASE
	ljmp $8, $1f
1:	mov $16, %ecx
	mov %ecx, %ds
	mov %ecx, %es
	mov %ecx, %ss
	mov $stack_end, %esp
	push %ebx
	push %eax
	call main
2:	hlt
	jmp 2b

	.global irq_entry
irq_entry:
	pusha
	call irq
	popa
	iret

	.data
	.balign 8
gdt:
	.quad 0
	.quad 0x00cf9b000000ffff + (((-BASE) & 0xffffff) << 16) + (((-BASE) & 0xff000000) << 32)
	.quad 0x00cf93000000ffff + (((-BASE) & 0xffffff) << 16) + (((-BASE) & 0xff000000) << 32)
gdt_pointer:
	.word 23
	.long gdt - BASE

	.bss
	.balign 16
	.skip 8192
stack_end:
	.section .note.GNU-stack, "", @progbits
