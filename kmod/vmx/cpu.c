// SPDX-License-Identifier: GPL-2.0
/*
 * One CPU's virtualization mode, borrowed for each stay in the guest.
 *
 * Ownership. Interrupts are off from vmx_open() to vmx_close(), so nobody else
 * can look at what is borrowed. If CR4.VMXE is clear, husk enters VMX operation
 * itself and leaves it again. If it is set, another hypervisor is in it: its
 * current VMCS (it may rely on that between its own instructions) is put back.
 * Outside of a stay no VMCS of husk's is active on any CPU (VMCLEAR, SDM 3C
 * 25.11.3), so its thread may move, the CPU go offline and the other one leave
 * VMX operation without husk being told.
 *
 * TLB. Guest mappings carry EPT pointer, VPID and PCID (SDM 3C 29.4.2). Tables
 * of another VM never have the same EPT pointer at the same time, husk's or
 * not, so any VPID does. What an older VM with the same root, or this vCPU
 * before it moved, left on this CPU is dropped at the first stay here.
 */
#include <linux/cpu.h>
#include <linux/gfp.h>
#include <linux/jump_label.h>
#include <linux/mm.h>
#include <asm/debugreg.h>
#include <asm/desc.h>
#include <asm/fsgsbase.h>
#include <asm/msr-index.h>
#include <asm/segment.h>
#include <asm/special_insns.h>

#include "hostcpu.h"
#include "vmx/vmx.h"

struct vmx_cpu {
	struct page *region;	/* for VMXON */
	u64 region_pa;
	bool foreign;		/* another hypervisor is in VMX operation */
	unsigned long cr4;
	u64 previous;		/* its current VMCS, all ones if none */
	struct desc_ptr gdt, idt;	/* of this CPU for good; filled before its first stay */
	/* what a VM exit sets to fixed values (SDM 3C 28.5), and MSRs; valid while open */
	u16 ds, es, fs, gs, ldt;
	bool segments;		/* one of them is not 0 */
	u64 debugctl, pebs;
	u64 kernel_gs_base;
	u64 syscall[VMX_MSR_SYSCALL];
	bool syscall_known;	/* they are the kernel's own, which never change */
};
static DEFINE_PER_CPU(struct vmx_cpu, vmx_cpus);

static const u32 vmx_syscall_msr[VMX_MSR_SYSCALL] = {
	[VMX_MSR_STAR]		= MSR_STAR,
	[VMX_MSR_LSTAR]		= MSR_LSTAR,
	[VMX_MSR_CSTAR]		= MSR_CSTAR,
	[VMX_MSR_SYSCALL_MASK]	= MSR_SYSCALL_MASK,
};
static DEFINE_STATIC_KEY_FALSE(vmx_pebs);
static DEFINE_STATIC_KEY_FALSE(vmx_l1d_flush);

/* ---- instructions ---- */

/* Operands are where the addresses are kept: a copy on the stack would cost each stay a stack guard, too. */
static bool vmx_on(const u64 *pa)
{
	bool failed = true;

	/* #GP where firmware or this CPU's state does not let it (SDM 3C VMXON) */
	asm volatile("1:	vmxon %[pa]\n"
		     "	setna %[failed]\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : [failed] "+rm" (failed) : [pa] "m" (*pa) : "cc", "memory");
	return !failed;
}

static void vmx_off(void)
{
	asm volatile("vmxoff" : : : "cc", "memory");
}

static void vmx_clear(const u64 *pa)
{
	asm volatile("vmclear %0" : : "m" (*pa) : "cc", "memory");
}

static bool vmx_load(const u64 *pa)
{
	bool failed;

	asm volatile("vmptrld %[pa]" : "=@ccna" (failed) : [pa] "m" (*pa) : "memory");
	return !failed;
}

/* false: #UD, CR4.VMXE is set but nobody has entered VMX operation yet, or somebody has just left it */
static bool vmx_current(u64 *pa)
{
	bool failed = true;

	asm volatile("1:	vmptrst %[pa]\n"
		     "	movb	$0, %[failed]\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : [pa] "=m" (*pa), [failed] "+rm" (failed) : : "cc");
	return !failed;
}

static void vmx_write_cr4(unsigned long cr4)
{
	asm volatile("mov %0, %%cr4" : : "r" (cr4) : "memory");
}

/* ---- VMX operation ---- */

static __always_inline bool vmx_acquire(struct vmx_vcpu *vmx, struct vmx_cpu *c)
{
	c->cr4 = __read_cr4();
	c->foreign = (c->cr4 & X86_CR4_VMXE) && vmx_current(&c->previous);
	if (!c->foreign) {
		vmx_write_cr4(c->cr4 | X86_CR4_VMXE);
		if (unlikely(!vmx_on(&c->region_pa))) {
			vmx_write_cr4(c->cr4);
			vmx->failed = VMX_FAIL_VMXON;
			return false;
		}
	}
	if (unlikely(vmx->moved) && !vmx->made)
		vmx_clear(&vmx->vmcs_pa);
	vmx->open = vmx_load(&vmx->vmcs_pa);
	if (unlikely(!vmx->open)) {
		vmx->failed = VMX_FAIL_VMPTRLD;
		if (!c->foreign) {
			vmx_off();
			vmx_write_cr4(c->cr4);
		}
	}
	return vmx->open;
}

static __always_inline void vmx_release(struct vmx_vcpu *vmx, struct vmx_cpu *c)
{
	vmx->open = false;
	vmx->launched = false;
	vmx_clear(&vmx->vmcs_pa);
	if (!c->foreign) {
		vmx_off();
		vmx_write_cr4(c->cr4);
	} else if (c->previous != ~0ULL) {
		vmx_load(&c->previous);
	}
}

bool vmx_borrow(struct vmx_vcpu *vmx)
{
	return vmx_acquire(vmx, this_cpu_ptr(&vmx_cpus));
}

void vmx_give_back(struct vmx_vcpu *vmx)
{
	vmx_release(vmx, this_cpu_ptr(&vmx_cpus));
}

bool vmx_foreign(void)
{
	return __read_cr4() & X86_CR4_VMXE;
}

/* ---- TLB ---- */

void vmx_flush(struct husk_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	struct { u64 eptp, reserved; } operand = { .eptp = vmx->eptp };
	u64 type;

	if (unlikely(!vmx->open)) {
		vmx->moved = true;	/* VMX operation could not be entered: later then */
		return;
	}
	type = husk_mode(HUSK_MODE_FLUSH_ASID) ? VMX_INVEPT_SINGLE : VMX_INVEPT_ALL;

	/* Guest-physical and combined mappings: with EPT there are no others. */
	asm volatile("invept %0, %1" : : "m" (operand), "r" (type) : "cc", "memory");
}

/* ---- host state ---- */

static u64 vmx_tss_base(const struct desc_ptr *gdt)
{
	const struct ldttss_desc *tss;
	u16 tr;

	asm volatile("str %0" : "=r" (tr));
	tss = (void *)gdt->address + (tr & ~7);
	return tss->base0 | (u64)tss->base1 << 16 | (u64)tss->base2 << 24 | (u64)tss->base3 << 32;
}

/* What differs between CPUs; the rest of a new VMCS */
static noinline void vmx_host_move(struct vmx_vcpu *vmx, struct vmx_cpu *c)
{
	if (!vmx->made)
		vmx_vmcs_make(vmx);
	vmx->moved = false;
	native_store_gdt(&c->gdt);
	store_idt(&c->idt);
	vmx_write(VMCS_HOST_TR_BASE, vmx_tss_base(&c->gdt));
	vmx_write(VMCS_HOST_GDTR_BASE, c->gdt.address);
	vmx_write(VMCS_HOST_IDTR_BASE, c->idt.address);
	vmx_write(VMCS_HOST_GS_BASE, husk_host_rdmsr(MSR_GS_BASE));
	vmx_write(VMCS_HOST_SYSENTER_ESP, husk_host_rdmsr(MSR_IA32_SYSENTER_ESP));
	vmx_flush(&vmx->vcpu);
}

static u64 vmx_fs_base(void)
{
	return static_cpu_has(X86_FEATURE_FSGSBASE) ? rdfsbase() : husk_host_rdmsr(MSR_FS_BASE);
}

static __always_inline void vmx_segments_save(struct vmx_cpu *c)
{
	u32 ds, es, fs, gs, ldt;

	asm volatile("mov %%ds, %0" : "=r" (ds));
	asm volatile("mov %%es, %0" : "=r" (es));
	asm volatile("mov %%fs, %0" : "=r" (fs));
	asm volatile("mov %%gs, %0" : "=r" (gs));
	asm volatile("sldt %0" : "=r" (ldt));
	c->segments = ds | es | fs | gs | ldt;
	if (likely(!c->segments))
		return;
	c->ds = ds;
	c->es = es;
	c->fs = fs;
	c->gs = gs;
	c->ldt = ldt;
}

/* What differs between processes, or at any time */
static void vmx_host_update(struct vmx_vcpu *vmx, struct vmx_cpu *c)
{
	u64 cr3 = __read_cr3(), cr4 = c->cr4 | X86_CR4_VMXE, fs_base = vmx_fs_base();

	if (unlikely(vmx->host_cr3 != cr3))
		vmx_write(VMCS_HOST_CR3, vmx->host_cr3 = cr3);
	if (unlikely(vmx->host_cr4 != cr4))
		vmx_write(VMCS_HOST_CR4, vmx->host_cr4 = cr4);
	if (unlikely(vmx->host_fs_base != fs_base))
		vmx_write(VMCS_HOST_FS_BASE, vmx->host_fs_base = fs_base);
	vmx_segments_save(c);
	c->debugctl = husk_host_rdmsr(MSR_IA32_DEBUGCTLMSR);
	if (static_branch_unlikely(&vmx_pebs)) {
		c->pebs = husk_host_rdmsr(MSR_IA32_PEBS_ENABLE);
		/* its buffer is a linear address of the host's */
		if (unlikely(c->pebs))
			husk_host_wrmsr(MSR_IA32_PEBS_ENABLE, 0);
	}
}

static noinline void vmx_host_segments(struct vmx_vcpu *vmx, const struct vmx_cpu *c)
{
	if (c->ldt)
		asm volatile("lldt %0" : : "r" (c->ldt));	/* first: the others may be in it */
	loadsegment(ds, c->ds);
	loadsegment(es, c->es);
	if (c->fs) {
		loadsegment(fs, c->fs);
		husk_host_wrmsr(MSR_FS_BASE, vmx->host_fs_base);
	}
	if (c->gs) {
		load_gs_index(c->gs);
		husk_host_wrmsr(MSR_KERNEL_GS_BASE, c->kernel_gs_base);
	}
}

/* Not inlined: its descriptor on the stack would cost every stay a canary. */
static noinline void vmx_host_tss(void)
{
	invalidate_tss_limit();
}

static void vmx_host_restore(struct vmx_vcpu *vmx, struct vmx_cpu *c)
{
	/* The exit made both limits 64 KiB, and that of the TSS too short for I/O bitmaps. */
	native_load_gdt(&c->gdt);
	native_load_idt(&c->idt);
	if (unlikely(test_thread_flag(TIF_IO_BITMAP)))
		vmx_host_tss();
	else
		this_cpu_write(__tss_limit_invalid, true);	/* the same, without a look at the preemption count */
	if (unlikely(c->segments))
		vmx_host_segments(vmx, c);
	if (unlikely(c->debugctl))
		husk_host_wrmsr(MSR_IA32_DEBUGCTLMSR, c->debugctl);
	if (static_branch_unlikely(&vmx_pebs) && unlikely(c->pebs))
		husk_host_wrmsr(MSR_IA32_PEBS_ENABLE, c->pebs);
}

/* For a guest that has SYSCALL switched on; without, it can't use them, and its RDMSR exits. */
static noinline void vmx_syscall_load(struct vmx_vcpu *vmx, struct vmx_cpu *c)
{
	int i;

	/*
	 * Another hypervisor may have left its guest's values until the next
	 * return to user mode, and expects to find just those.
	 */
	if (unlikely(c->foreign || !c->syscall_known)) {
		for (i = 0; i < VMX_MSR_SYSCALL; i++)
			c->syscall[i] = husk_host_rdmsr(vmx_syscall_msr[i]);
		c->syscall_known = !c->foreign;
	}
	for (i = 0; i < VMX_MSR_SYSCALL; i++)
		if (vmx->msr[i] != c->syscall[i])
			husk_host_wrmsr(vmx_syscall_msr[i], vmx->msr[i]);
}

static noinline void vmx_syscall_put(const struct vmx_vcpu *vmx, const struct vmx_cpu *c)
{
	int i;

	for (i = 0; i < VMX_MSR_SYSCALL; i++)
		if (vmx->msr[i] != c->syscall[i])
			husk_host_wrmsr(vmx_syscall_msr[i], c->syscall[i]);
}

static void vmx_msrs_load(struct vmx_vcpu *vmx, struct vmx_cpu *c)
{
	u64 guest = vmx->msr[VMX_MSR_KERNEL_GS_BASE];

	c->kernel_gs_base = husk_host_rdmsr(MSR_KERNEL_GS_BASE);
	if (guest != c->kernel_gs_base)
		husk_host_wrmsr(MSR_KERNEL_GS_BASE, guest);
	if (vmx->syscall)
		vmx_syscall_load(vmx, c);
	if (unlikely(c->foreign))
		vmx_write(VMCS_HOST_EFER, husk_host_rdmsr(MSR_EFER));
}

static void vmx_msrs_put(struct vmx_vcpu *vmx, struct vmx_cpu *c)
{
	/* SWAPGS changes it without an exit; the others change by an intercepted WRMSR only. */
	u64 guest = vmx->msr[VMX_MSR_KERNEL_GS_BASE] = husk_host_rdmsr(MSR_KERNEL_GS_BASE);

	if (guest != c->kernel_gs_base)
		husk_host_wrmsr(MSR_KERNEL_GS_BASE, c->kernel_gs_base);
	if (vmx->syscall)
		vmx_syscall_put(vmx, c);
}

/* ---- a stay ---- */

void vmx_open(struct husk_vcpu *vcpu)
{
	struct vmx_cpu *c = this_cpu_ptr(&vmx_cpus);
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (unlikely(!vmx_acquire(vmx, c)))
		return;		/* vmx_enter() says so */
	if (unlikely(vmx->moved))	/* or new */
		vmx_host_move(vmx, c);
	if (vcpu->sys_dirty)
		vmx_commit(vmx);
	vmx_host_update(vmx, c);
	vmx_msrs_load(vmx, c);
	/* L1TF: what the host touched since the last stay; leaf exits touch nobody's secrets. */
	if (static_branch_unlikely(&vmx_l1d_flush))
		husk_host_wrmsr(MSR_IA32_FLUSH_CMD, L1D_FLUSH);
	if (unlikely(vcpu->dr_live))
		husk_set_dr(6, vcpu->sys.dr6);
}

void vmx_close(struct husk_vcpu *vcpu)
{
	struct vmx_cpu *c = this_cpu_ptr(&vmx_cpus);
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (unlikely(!vmx->open))
		return;
	if (unlikely(vcpu->dr_live)) {
		/* unless a #DB that is about to be injected has set it */
		if (!(vcpu->sys_dirty & HUSK_SYS_DR))
			vcpu->sys.dr6 = husk_get_dr(6);
		husk_host_reset_dr6();
	}
	if (unlikely(vmx->pml) && !(vmx->dirty & VMX_DIRTY_PML))
		vmx_pml_drain(vmx);
	vmx_release(vmx, c);
	vmx_msrs_put(vmx, c);
	vmx_host_restore(vmx, c);
	/*
	 * A host NMI ended the stay, and NMIs are blocked until an IRET: that of
	 * the handler. It may never return (panic), so it comes last.
	 */
	if (unlikely(vmx->nmi)) {
		vmx->nmi = false;
		asm volatile("int $2");
	}
}

void vmx_moved(struct husk_vcpu *vcpu)
{
	to_vmx(vcpu)->moved = true;
}

/* ---- set-up ---- */

int vmx_cpu_init(int cpu)
{
	struct vmx_cpu *c = per_cpu_ptr(&vmx_cpus, cpu);

	c->region = alloc_pages_node(cpu_to_node(cpu), GFP_KERNEL | __GFP_ZERO, 0);
	if (!c->region)
		return -ENOMEM;
	c->region_pa = page_to_phys(c->region);
	*(u32 *)page_address(c->region) = vmx_caps.revision;
	return 0;
}

void vmx_cpu_fini(int cpu)
{
	struct vmx_cpu *c = per_cpu_ptr(&vmx_cpus, cpu);

	if (c->region)
		__free_page(c->region);
	c->region = NULL;
}

/* What a stay has to do on this kind of CPU */
void vmx_stay_setup(void)
{
	u64 pebs;

	if (boot_cpu_has_bug(X86_BUG_L1TF) && !cpu_mitigations_off()) {
		if (boot_cpu_has(X86_FEATURE_FLUSH_L1D))
			static_branch_enable(&vmx_l1d_flush);
		else
			pr_warn("husk: this CPU's guests may read its L1 cache (L1TF): update its microcode\n");
	}
	if (boot_cpu_has(X86_FEATURE_PEBS) && !husk_host_rdmsr_safe(MSR_IA32_PEBS_ENABLE, &pebs))
		static_branch_enable(&vmx_pebs);
}
