/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An option ROM for Bochs that starts a Linux kernel by its PVH entry, with no
 * boot loader in between. The BIOS calls it in real mode once memory, ACPI tables
 * and the disk are set up. It asks the BIOS for the memory map, reads kernel and
 * initramfs from the first disk (scripts/lab.d/bochs-disk laid it out), and jumps.
 *
 * The disk's first eight sectors are the header, of 32-bit words:
 *	0	entry point
 *	4	initramfs: address, size
 *	12	number of pieces
 *	16	pieces: first sector, sectors, address to load to
 *	2048	kernel's command line, ends with 0
 */
#define ROM		0xd0000		/* where bochsrc puts it */
#define HEADER		0x10000
#define CMDLINE		(HEADER + 2048)
#define MEMMAP		0x11000		/* struct hvm_memmap_table_entry[] */
#define INFO		0x12000		/* struct hvm_start_info, 56 bytes */
#define MODULE		0x12040		/* struct hvm_modlist_entry */

#define PVH_MAGIC	0x336ec578
#define ATA		0x1f0
#define ATA_CONTROL	0x3f6
#define READ_MULTIPLE	0x29		/* with 48-bit addresses */
#define SET_MULTIPLE	0xc6
#define BLOCK		16		/* sectors per data request: Bochs's most */
#define CHUNK		32768		/* sectors per command */

	.code16
	.globl	_start
_start:	.word	0xaa55
	.byte	8			/* times 512 bytes */
	jmp	real

real:
	cld
	mov	$MEMMAP >> 4, %ax
	mov	%ax, %es
	xor	%di, %di
	xor	%ebx, %ebx		/* INT 15h keeps its place there */
1:	mov	$0xe820, %eax
	mov	$0x534d4150, %edx	/* "SMAP" */
	mov	$20, %ecx
	movl	$0, %es:20(%di)		/* PVH's entries are 4 bytes longer */
	int	$0x15
	jc	2f
	add	$24, %di
	test	%ebx, %ebx
	jnz	1b
2:	cli
	movzwl	%di, %edi
	lgdtl	%cs:gdtr - _start
	mov	%cr0, %eax
	or	$1, %al
	mov	%eax, %cr0
	ljmpl	$8, $ROM + protected - _start

	.code32
protected:
	mov	$16, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	$0x7c00, %esp

	/* start_info and its one module, all but the initramfs's place */
	mov	%edi, %eax
	xor	%edx, %edx
	mov	$24, %ecx
	div	%ecx
	push	%eax
	mov	$INFO, %edi
	xor	%eax, %eax
	mov	$(MODULE + 32 - INFO) / 4, %ecx
	rep stosl
	popl	INFO + 48		/* memmap_entries */
	movl	$MEMMAP, INFO + 40
	movl	$PVH_MAGIC, INFO
	movl	$1, INFO + 4		/* version: there is a memory map */
	movl	$1, INFO + 12		/* nr_modules */
	movl	$MODULE, INFO + 16
	movl	$CMDLINE, INFO + 24

	mov	$ATA_CONTROL, %edx
	mov	$2, %al			/* no interrupts */
	out	%al, %dx
	mov	$ATA + 6, %edx
	mov	$0xe0, %al		/* drive 0, LBA */
	out	%al, %dx
	mov	$ATA + 2, %edx
	mov	$BLOCK, %al
	out	%al, %dx
	mov	$ATA + 7, %edx
	mov	$SET_MULTIPLE, %al
	out	%al, %dx
	call	ready

	xor	%ebx, %ebx
	mov	$8, %ebp
	mov	$HEADER, %edi
	call	load

	mov	$HEADER + 16, %esi
pieces:	mov	(%esi), %ebx
	mov	4(%esi), %ebp
	mov	8(%esi), %edi
	call	load
	add	$12, %esi
	decl	HEADER + 12
	jnz	pieces

	mov	HEADER + 4, %eax
	mov	%eax, MODULE
	mov	HEADER + 8, %eax
	mov	%eax, MODULE + 8
	mov	$INFO, %ebx
	jmp	*HEADER

/* %ebx first sector, %ebp sectors, %edi where to */
load:	test	%ebp, %ebp
	jz	9f
	mov	$CHUNK, %ecx
	cmp	%ebp, %ecx
	jbe	1f
	mov	%ebp, %ecx
1:	sub	%ecx, %ebp
	push	%ecx
	/* each register takes the high byte first: count, then address */
	mov	$ATA + 2, %edx
	mov	%ch, %al
	out	%al, %dx
	mov	%cl, %al
	out	%al, %dx
	inc	%edx
	mov	%ebx, %eax
	shr	$24, %eax
	out	%al, %dx
	mov	%bl, %al
	out	%al, %dx
	inc	%edx
	xor	%al, %al
	out	%al, %dx
	mov	%bh, %al
	out	%al, %dx
	inc	%edx
	xor	%al, %al
	out	%al, %dx
	mov	%ebx, %eax
	shr	$16, %eax
	out	%al, %dx
	mov	$ATA + 7, %edx
	mov	$READ_MULTIPLE, %al
	out	%al, %dx
	pop	%ecx
	add	%ecx, %ebx
2:	call	ready
	mov	$BLOCK, %eax
	cmp	%ecx, %eax
	jbe	3f
	mov	%ecx, %eax
3:	sub	%eax, %ecx
	push	%ecx
	mov	%eax, %ecx
	shl	$7, %ecx		/* sectors to 32-bit words */
	mov	$ATA, %edx
	rep insl
	pop	%ecx
	test	%ecx, %ecx
	jnz	2b
	jmp	load
9:	ret

ready:	mov	$ATA + 7, %edx
1:	in	%dx, %al
	test	$0x80, %al		/* busy */
	jnz	1b
	ret

	.balign	8
gdt:	.quad	0
	.quad	0x00cf9b000000ffff	/* code, 4 GB */
	.quad	0x00cf93000000ffff	/* data, 4 GB */
gdtr:	.word	23			/* its size less 1 */
	.long	ROM + gdt - _start
