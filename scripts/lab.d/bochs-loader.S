/* SPDX-License-Identifier: GPL-2.0 */
/*
 * An option ROM for Bochs that starts an uncompressed Linux kernel by the 64-bit boot
 * protocol (Documentation/arch/x86/boot.rst), with no boot loader in between. The BIOS
 * calls it in real mode once memory, ACPI tables and the disk are set up. It asks the
 * BIOS for the memory map, reads kernel and initramfs from the first disk, where
 * scripts/lab.d/bochs-disk put them, and jumps.
 *
 * The disk's first sixteen sectors go to HEADER:
 *	0	struct boot_params, whole but for the memory map
 *	4096	32-bit words: entry point, number of pieces; for each of them its
 *		first sector, sectors, address
 *	6144	the kernel's command line
 */
#define ROM		0xd0000		/* where bochsrc puts it */
#define HEADER		0x10000
#define ENTRY		(HEADER + 4096)
#define PIECES		(HEADER + 4100)
#define E820_ENTRIES	(HEADER + 0x1e8)
#define E820_TABLE	(HEADER + 0x2d0)
#define E820_SIZE	20
#define E820_MAX	128
#define MEMMAP		0x12000		/* as the BIOS gave it */
#define PAGES		0x13000		/* PML4, PDPT, 4 page directories: 4 GB as is */

#define ATA		0x1f0
#define ATA_CONTROL	0x3f6
#define READ_MULTIPLE	0x29		/* with 48-bit addresses */
#define SET_MULTIPLE	0xc6
#define BLOCK		16		/* sectors per data request: Bochs's most */
#define CHUNK		32768		/* sectors per command */

#define CR4_PAE		0x20
#define MSR_EFER	0xc0000080
#define EFER_LME	0x100

	.code16
	.globl	_start
_start:	.word	0xaa55
	.byte	8			/* times 512 bytes */
	jmp	real

real:	cld
	mov	$MEMMAP >> 4, %ax
	mov	%ax, %es
	xor	%di, %di
	xor	%ebx, %ebx		/* INT 15h keeps its place there */
1:	mov	$0xe820, %eax
	mov	$0x534d4150, %edx	/* "SMAP" */
	mov	$E820_SIZE, %ecx
	int	$0x15
	jc	2f
	add	$E820_SIZE, %di
	cmp	$E820_SIZE * E820_MAX, %di
	je	2f
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
	mov	$24, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	$0x7c00, %esp
	push	%edi
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
	mov	$16, %ebp
	mov	$HEADER, %edi
	call	load

	pop	%ecx			/* the map's bytes */
	mov	$MEMMAP, %esi
	mov	$E820_TABLE, %edi
	rep movsb
	lea	-E820_TABLE(%edi), %eax
	mov	$E820_SIZE, %cl
	div	%cl
	mov	%al, E820_ENTRIES

	mov	$PIECES + 4, %esi
2:	mov	(%esi), %ebx
	mov	4(%esi), %ebp
	mov	8(%esi), %edi
	call	load
	add	$12, %esi
	decl	PIECES
	jnz	2b

	/* 2 MB pages for 4 GB */
	mov	$PAGES, %edi
	xor	%eax, %eax
	mov	$2 * 1024, %ecx
	rep stosl
	movl	$PAGES + 0x1003, PAGES
	mov	$PAGES + 0x2003, %eax
	mov	$PAGES + 0x1000, %edi
	mov	$4, %ecx
3:	mov	%eax, (%edi)
	add	$0x1000, %eax
	add	$8, %edi
	loop	3b
	mov	$0x83, %eax		/* present, writable, large */
	mov	$PAGES + 0x2000, %edi
	mov	$4 * 512, %ecx
4:	mov	%eax, (%edi)
	movl	$0, 4(%edi)
	add	$0x200000, %eax
	add	$8, %edi
	loop	4b

	mov	$CR4_PAE, %eax
	mov	%eax, %cr4
	mov	$PAGES, %eax
	mov	%eax, %cr3
	mov	$MSR_EFER, %ecx
	xor	%edx, %edx
	mov	$EFER_LME, %eax
	wrmsr
	mov	%cr0, %eax
	or	$0x80000000, %eax	/* PG */
	mov	%eax, %cr0
	ljmpl	$16, $ROM + long_mode - _start

	.code64
long_mode:
	mov	$HEADER, %esi
	mov	ENTRY, %eax
	jmp	*%rax

	.code32

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
	/* selectors as the boot protocol has them: code 16, data 24 */
gdt:	.quad	0
	.quad	0x00cf9b000000ffff	/* 32-bit code, 4 GB */
	.quad	0x00af9b000000ffff	/* 64-bit code */
	.quad	0x00cf93000000ffff	/* data, 4 GB */
gdtr:	.word	31			/* its size less 1 */
	.long	ROM + gdt - _start
