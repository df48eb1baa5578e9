/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One guest, from the reset vector to its triple fault, that does each kind of
 * exit once or more, in the same order on any host. Linked to run at 0xa000;
 * parity.c puts it there, with the page tables and the GDT of vmm_tables().
 *
 * A site names the instruction that follows, for the record of exits. There is
 * an OUT to the worker (sync) every few exits: then the record is read.
 */
#include "hypercall.h"

#define BASE		0xa000
#define IDT		0x6000
#define STACK		0x7000
#define PAGES		0x400000	/* untouched memory */
#define MMIO		0xd0000000
#define ROM		0xfffff000

	.macro site name:req, msr=0
.Lsite\@:
	.pushsection .rodata.parity_sites, "a"
	.balign	32
	.long	.Lsite\@ - parity_guest + BASE, \msr
	.asciz	"\name"
	.balign	32
	.popsection
	.endm

	.macro sync
	site	sync
	out	%al, $0xe8
	.endm

	.macro read_msr name:req, index:req
	mov	$\index, %ecx
	site	\name, \index
	rdmsr
	.endm

	/* the same value back, or eax:edx */
	.macro write_msr name:req, index:req
	mov	$\index, %ecx
	site	\name, \index
	wrmsr
	.endm

	.macro set_msr name:req, index:req, low:req
	mov	$\low, %eax
	xor	%edx, %edx
	write_msr \name, \index
	.endm

	/* Ports of the worker, by each width */
	.macro ports mode
	site	\mode\()out8
	out	%al, $0xe0
	site	\mode\()out16
	out	%ax, $0xe0
	site	\mode\()out32
	out	%eax, $0xe0
	mov	$0x2e0, %dx
	site	\mode\()in8
	in	(%dx), %al
	site	\mode\()in16
	in	(%dx), %ax
	site	\mode\()in32
	in	(%dx), %eax
	.endm

	/* That of the vendor, which CPUID left at 500h */
	.macro call_hypervisor name:req
	mov	0x500, %ebx
	cmp	$VENDOR_INTEL_EBX, %ebx
	mov	$0xdead, %eax
	je	.Lintel\@
	site	\name
	vmmcall
	jmp	.Lcalled\@
.Lintel\@:
	site	\name
	vmcall
.Lcalled\@:
	.endm

	/* An instruction that exits and then faults: the handlers go on after it */
	.macro faults name:req, insn:vararg
	lea	.Lafter\@(%rip), %r15
	site	\name
	\insn
.Lafter\@:
	.endm

	.section .rodata.parity_sites, "a"
	.balign	32
	.globl parity_sites, parity_sites_end
parity_sites:

	.section .rodata
	.balign	16
	.globl parity_guest, parity_guest_end
parity_guest:
	.code16
	xor	%ax, %ax
	mov	%ax, %ds
	mov	%ax, %es
	mov	%ax, %ss
	mov	$STACK, %sp
	sync
	xor	%eax, %eax
	site	real_cpuid
	cpuid
	mov	%ebx, 0x500
	ports	real_
	read_msr real_rdmsr, 0x277
	write_msr real_wrmsr, 0x277
	call_hypervisor real_hypercall
	mov	$0x1000, %di
	mov	$0x2e0, %dx
	mov	$2, %cx
	site	real_insb
	rep insb
	sync
	data32 lgdt gdtr - parity_guest + BASE
	site	real_cr0_read
	mov	%cr0, %eax
	or	$1, %al
	site	real_cr0_pe
	mov	%eax, %cr0
	ljmpl	$0x38, $(protected - parity_guest + BASE)

	.code32
protected:
	mov	$0x10, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	$STACK, %esp
	sync
	xor	%eax, %eax
	site	prot_cpuid
	cpuid
	site	prot_out32
	out	%eax, $0xe0
	site	prot_mmio_write
	mov	%eax, MMIO
	site	prot_page_write
	mov	%eax, PAGES
	sync
	site	prot_cr4_read
	mov	%cr4, %eax
	or	$0x660, %eax	/* with MCE: on SVM a guest without it exits to read CR0 and CR4 */
	site	prot_cr4_pae
	mov	%eax, %cr4
	mov	$0x10000, %eax
	site	prot_cr3
	mov	%eax, %cr3
	set_msr	prot_efer_lme, 0xc0000080, 0x900
	mov	$0x80010031, %eax
	site	prot_cr0_pg
	mov	%eax, %cr0
	ljmpl	$8, $(long_mode - parity_guest + BASE)

	.code64
long_mode:
	mov	$STACK, %esp
	sync

	/* gates: exceptions 1, 2, 6, 13, interrupts 0x40 and 0x41 */
	.irp	vector, 1, 2, 6, 13, 0x40, 0x41
	lea	on_\vector(%rip), %rax
	mov	%rax, %rdx
	shr	$16, %rdx
	movw	%ax, IDT + 16 * \vector
	movl	$0x8e000008, IDT + 16 * \vector + 2
	movw	%dx, IDT + 16 * \vector + 6
	movl	$0, IDT + 16 * \vector + 8
	.endr
	lidt	idtr(%rip)
	sync

	xor	%eax, %eax
	site	cpuid
	cpuid
	mov	$0x80000001, %eax
	site	cpuid_extended
	cpuid
	call_hypervisor hypercall
	/* ports: worker, kernel's, strings */
	ports
	site	in_port61
	in	$0x61, %al
	mov	$0xff, %al
	site	out_pic
	out	%al, $0x21
	sync
	mov	$PAGES, %esi
	mov	$3, %ecx
	site	rep_outsb
	rep outsb
	mov	$PAGES, %edi
	mov	$2, %ecx
	site	rep_insw
	rep insw
	site	insl
	insl
	site	outsl
	outsl
	sync

	/* memory: devices */
	mov	$MMIO, %ebx
	site	mmio_write8
	mov	%al, (%rbx)
	site	mmio_write16
	mov	%ax, (%rbx)
	site	mmio_write32
	mov	%eax, (%rbx)
	site	mmio_write64
	mov	%rax, (%rbx)
	site	mmio_read8
	movzbl	(%rbx), %eax
	site	mmio_read32
	mov	(%rbx), %eax
	site	mmio_read64
	mov	(%rbx), %rax
	site	mmio_or
	orl	$1, (%rbx)
	mov	%ebx, %edi
	mov	$2, %ecx
	site	mmio_stos
	rep stosl
	mov	$0xfee00000, %ebx
	site	apic_mmio_read
	mov	0x20(%rbx), %eax
	site	apic_mmio_write
	mov	%eax, 0xb0(%rbx)
	mov	$0xfec00000, %ebx
	site	ioapic_write
	mov	%eax, (%rbx)
	mov	$ROM, %ebx
	site	rom_read
	mov	0x10(%rbx), %eax
	site	rom_write
	mov	%eax, 0x10(%rbx)
	sync

	/* second-level faults: read, write, execute; again: no exit */
	mov	$PAGES, %ebx
	site	page_read
	mov	0x1000(%rbx), %eax
	site	page_read_again
	mov	0x1008(%rbx), %eax
	site	page_write_after_read
	mov	%eax, 0x1000(%rbx)
	site	page_write
	movl	$0xc3, 0x2000(%rbx)
	lea	0x2000(%rbx), %rax
	site	page_execute
	call	*%rax
	site	page_cross
	mov	%rax, 0x3ffc(%rbx)
	sync

	/* MSRs: emulated, kept, the hardware's own, none */
	read_msr rdmsr_pat, 0x277
	write_msr wrmsr_pat, 0x277
	read_msr rdmsr_tsc, 0x10
	read_msr rdmsr_tsc_adjust, 0x3b
	write_msr wrmsr_tsc_adjust, 0x3b
	read_msr rdmsr_mtrr_cap, 0xfe
	read_msr rdmsr_misc_enable, 0x1a0
	sync
	read_msr rdmsr_sysenter_cs, 0x174
	write_msr wrmsr_sysenter_cs, 0x174
	read_msr rdmsr_efer, 0xc0000080
	write_msr wrmsr_efer, 0xc0000080
	read_msr rdmsr_star, 0xc0000081
	write_msr wrmsr_star, 0xc0000081
	read_msr rdmsr_fs_base, 0xc0000100
	write_msr wrmsr_fs_base, 0xc0000100
	read_msr rdmsr_kernel_gs_base, 0xc0000102
	write_msr wrmsr_kernel_gs_base, 0xc0000102
	lea	1f(%rip), %r15
	read_msr rdmsr_unknown, 0x12345
1:	lea	1f(%rip), %r15
	write_msr wrmsr_unknown, 0x12345
1:
	sync

	/* control registers */
	mov	%cr0, %r12
	mov	%cr4, %r13
	mov	%r12, %rax
	or	$8, %al
	site	cr0_ts
	mov	%rax, %cr0
	site	clts
	clts
	site	cr0_read
	mov	%cr0, %rax
	or	$0x40000000, %eax
	site	cr0_cd
	mov	%rax, %cr0
	site	cr0_read_cd
	mov	%cr0, %rax
	site	cr0_back
	mov	%r12, %cr0
	site	smsw
	smsw	%eax
	or	$8, %eax
	site	lmsw
	lmsw	%ax
	site	clts_again
	clts
	mov	%r12, %rax
	and	$~1, %eax
	faults	cr0_bad, mov %rax, %cr0
	sync
	mov	%r13, %rax
	or	$0x80, %al
	site	cr4_pge
	mov	%rax, %cr4
	site	cr4_read
	mov	%cr4, %rax
	site	cr4_back
	mov	%r13, %cr4
	mov	%r13, %rax
	bts	$13, %rax
	faults	cr4_bad, mov %rax, %cr4
	site	cr2_write
	mov	%rax, %cr2
	site	cr3_read
	mov	%cr3, %rax
	site	cr3_write
	mov	%rax, %cr3
	site	invlpg
	invlpg	(%rax)
	mov	$5, %eax
	site	cr8_write
	mov	%rax, %cr8
	site	cr8_read
	mov	%cr8, %rax
	xor	%eax, %eax
	site	cr8_back
	mov	%rax, %cr8
	sync

	/* XCR0, caches, and what a guest does not have */
	mov	%r13, %rax
	bts	$18, %rax
	site	cr4_osxsave
	mov	%rax, %cr4
	xor	%ecx, %ecx
	xor	%edx, %edx
	mov	$3, %eax
	site	xsetbv
	xsetbv
	mov	$2, %eax
	faults	xsetbv_bad, xsetbv
	site	wbinvd
	wbinvd
	site	invd
	invd
	site	rdtsc
	rdtsc
	site	pause
	pause
	xor	%ecx, %ecx
	faults	rdpmc, rdpmc
	mov	$PAGES, %eax
	faults	monitor, monitor
	faults	mwait, mwait
	cmpl	$VENDOR_INTEL_EBX, 0x500
	je	1f
	faults	virt_insn, vmrun
	jmp	2f
1:	faults	virt_insn, vmlaunch
2:	sync

	/* debug registers: the first touch exits */
	site	dr7_read
	mov	%dr7, %rax
	site	dr7_write
	mov	%rax, %dr7
	site	dr0_write
	mov	%rax, %dr0
	sync

	/* single step over plain instructions, over one that exits, over popf */
	cmpb	$0, parity_no_step(%rip)
	jne	1f
	mov	$4, %r14d
	pushfq
	orq	$0x100, (%rsp)
	popfq
	nop
	site	step_nop
	nop
	site	step_cpuid
	cpuid
	site	step_after_cpuid
	nop
	site	step_end
	nop
1:	sync

	/* interrupts: x2APIC on, timer and HLT, window, NMI */
	set_msr	apic_base, 0x1b, 0xfee00d00
	set_msr	apic_svr, 0x80f, 0x1ff
	read_msr apic_id, 0x802
	set_msr	apic_tdcr, 0x83e, 0xb
	set_msr	apic_lvtt, 0x832, 0x40
	set_msr	apic_tmict, 0x838, 50000000
	sti
	site	hlt
	hlt
	cli
	sync
	set_msr	apic_self_ipi, 0x83f, 0x41
	site	sti_nop
	sti
	site	sti_shadow
	nop
	site	sti_after
	nop
	cli
	sync
	mov	$0x40400, %eax
	xor	%edx, %edx
	write_msr apic_nmi, 0x830
	site	nmi_after
	nop
	sync

	/* a second one, sent by the first one's handler, waits for its end */
	mov	$1, %r14d
	write_msr apic_nmi_twice, 0x830
	site	nmi_twice_after
	nop
	sync

	/* the end */
	site	last
	lidt	no_idtr(%rip)
	site	triple_fault
	int3
1:	hlt
	jmp	1b

	/* #DB: counts the steps in r14 */
on_1:
	dec	%r14d
	jnz	1f
	andq	$~0x100, 16(%rsp)
1:	iretq
on_2:
	test	%r14d, %r14d
	jz	1f
	dec	%r14d
	write_msr apic_nmi_nested, 0x830
	site	nmi_nested_after
	nop
1:
	site	nmi_iret
	iretq
	/* faults: on at r15 */
on_13:
	add	$8, %rsp
on_6:
	mov	%r15, (%rsp)
	iretq
on_0x40:
	set_msr	timer_eoi, 0x80b, 0
	iretq
on_0x41:
	set_msr	ipi_eoi, 0x80b, 0
	iretq

	.balign 8
gdtr:	.word	0x3f
	.long	0x9000
	.balign 8
idtr:	.word	0x50 * 16 - 1
	.quad	IDT
	.balign 8
no_idtr:
	.word	0
	.quad	0
	.globl parity_no_step
parity_no_step:		/* set by parity.c where the single steps are to be left out */
	.byte	0
parity_guest_end:

	.section .rodata.parity_sites, "a"
parity_sites_end:
	.section .note.GNU-stack,"",@progbits
