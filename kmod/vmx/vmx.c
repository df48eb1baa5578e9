// SPDX-License-Identifier: GPL-2.0
/*
 * VT-x (SDM 3C chapters 25 to 31): setting up, one entry, and the vendor table.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/segment.h>
#include <asm/special_insns.h>

#include "emulate.h"
#include "hostcpu.h"
#include "irqchip/irqchip.h"
#include "vmx/vmx.h"

/* Shared by all VMs, never written after setup: every port exits, and every MSR but those below, and some in apic.c. */
static void *vmx_io_bitmaps;
void *vmx_msr_bitmap, *vmx_msr_bitmap_apic;

/* MSRs that the hardware switches, or vmx_open() for all guests; and those that change by WRMSR only */
static const u32 vmx_msrs_direct[] = { MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE };
static const u32 vmx_msrs_readable[] = {
	MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
};

/* The words of controls that all vCPUs begin with; immutable after load */
static u32 vmx_pin, vmx_proc, vmx_proc2, vmx_exit, vmx_entry;

/* The preemption timer counts TSC >> vmx_timer_rate; ticks to add so that it is never early. Immutable after load */
static u8 vmx_timer_rate;
static u64 vmx_timer_slack;

/* One bit an MSR; four ranges of 8192: low and high, read and write. SDM 3C 25.6.9 */
void vmx_msr_allow(void *bitmap, u32 msr, bool write)
{
	unsigned long *map = bitmap + (msr >= 0xc0000000 ? 0x400 : 0) + (write ? 0x800 : 0);

	__clear_bit(msr & 0x1fff, map);
}

static void vmx_bitmaps_fill(void)
{
	int i;

	memset(vmx_io_bitmaps, 0xff, 2 * PAGE_SIZE);
	memset(vmx_msr_bitmap, 0xff, PAGE_SIZE);
	for (i = 0; i < ARRAY_SIZE(vmx_msrs_direct); i++) {
		vmx_msr_allow(vmx_msr_bitmap, vmx_msrs_direct[i], false);
		vmx_msr_allow(vmx_msr_bitmap, vmx_msrs_direct[i], true);
	}
	for (i = 0; i < ARRAY_SIZE(vmx_msrs_readable); i++)
		vmx_msr_allow(vmx_msr_bitmap, vmx_msrs_readable[i], false);
}

static bool vmx_controls_choose(void)
{
	bool ok;

	ok = vmx_caps_adjust(VMX_WORD_PIN, VMX_PIN_EXTERNAL_INTERRUPT | VMX_PIN_NMI | VMX_PIN_VIRTUAL_NMIS,
			     husk_mode(HUSK_MODE_PREEMPT_TIMER) ? VMX_PIN_PREEMPTION_TIMER : 0, &vmx_pin);
	ok &= vmx_caps_adjust(VMX_WORD_PROC, VMX_PROC_TSC_OFFSETTING | VMX_PROC_HLT | VMX_PROC_MWAIT |
			      VMX_PROC_RDPMC | VMX_PROC_MOV_DR | VMX_PROC_IO_BITMAPS | VMX_PROC_MSR_BITMAPS |
			      VMX_PROC_MONITOR | VMX_PROC_SECONDARY,
			      husk_mode(HUSK_MODE_TPR_SHADOW) ? VMX_PROC_TPR_SHADOW : 0, &vmx_proc);
	if (!(vmx_proc & VMX_PROC_TPR_SHADOW))
		ok &= vmx_caps_adjust(VMX_WORD_PROC, vmx_proc | VMX_PROC_CR8_LOAD | VMX_PROC_CR8_STORE, 0, &vmx_proc);
	ok &= vmx_caps_adjust(VMX_WORD_PROC2, VMX_PROC2_EPT | VMX_PROC2_UNRESTRICTED_GUEST,
			      VMX_PROC2_WBINVD | VMX_PROC2_ENCLS | (husk_mode(HUSK_MODE_TLB_TAG) ? VMX_PROC2_VPID : 0) |
			      (husk_mode(HUSK_MODE_PAUSE_FILTER) ? VMX_PROC2_PAUSE_LOOP : 0), &vmx_proc2);
	ok &= vmx_caps_adjust(VMX_WORD_EXIT, VMX_EXITC_HOST_64 | VMX_EXITC_SAVE_DEBUG | VMX_EXITC_LOAD_PAT |
			      VMX_EXITC_SAVE_EFER | VMX_EXITC_LOAD_EFER, 0, &vmx_exit);
	ok &= vmx_caps_adjust(VMX_WORD_ENTRY, VMX_ENTRY_LOAD_DEBUG | VMX_ENTRY_LOAD_PAT | VMX_ENTRY_LOAD_EFER,
			      0, &vmx_entry);
	return ok;
}

static void vmx_cleanup(void)
{
	free_pages((unsigned long)vmx_io_bitmaps, 1);
	free_page((unsigned long)vmx_msr_bitmap);
	free_page((unsigned long)vmx_msr_bitmap_apic);
	vmx_io_bitmaps = vmx_msr_bitmap = vmx_msr_bitmap_apic = NULL;
}

static int vmx_setup(void)
{
	if (!vmx_controls_choose())
		return -EOPNOTSUPP;
	/* One unit less a tick for the unit that the entry falls into, and one to round up. */
	vmx_timer_rate = VMX_MISC_PREEMPTION_TIMER_RATE(vmx_caps.misc);
	vmx_timer_slack = 2 * (BIT_ULL(vmx_timer_rate) - 1);
	if (!husk_mode(HUSK_MODE_AD_BITS))
		husk_vmx.format = &husk_ept_format_no_ad;
	if (!husk_mode(HUSK_MODE_PML))
		husk_vmx.log = NULL;
	vmx_io_bitmaps = (void *)__get_free_pages(GFP_KERNEL, 1);
	vmx_msr_bitmap = (void *)__get_free_page(GFP_KERNEL);
	vmx_msr_bitmap_apic = (void *)__get_free_page(GFP_KERNEL);
	if (!vmx_io_bitmaps || !vmx_msr_bitmap || !vmx_msr_bitmap_apic) {
		vmx_cleanup();
		return -ENOMEM;
	}
	vmx_bitmaps_fill();
	vmx_apic_bitmap_fill();
	vmx_stay_setup();
	return 0;
}

/* ---- the VMCS ---- */

/* PAUSEs that are no more TSC ticks apart are one loop; SDM 3C 25.6.13 */
#define VMX_PAUSE_GAP		128

#define VMX_RDTSCP_CPUID	0x80000001, 0, 3, 27
#define VMX_INVPCID_CPUID	7, 0, 1, 10

static u32 vmx_proc2_for(struct husk_vm *vm)
{
	u32 proc2 = vmx_proc2;

	/* Without them the instructions are #UD, without an exit. */
	if (husk_cpuid_has(vm, VMX_RDTSCP_CPUID))
		proc2 |= VMX_PROC2_RDTSCP;
	if (husk_cpuid_has(vm, VMX_INVPCID_CPUID))
		proc2 |= VMX_PROC2_INVPCID;
	return proc2 & vmx_caps.word[VMX_WORD_PROC2].may;
}

static void vmx_vmcs_make_host(void)
{
	vmx_write(VMCS_HOST_CR0, read_cr0());
	vmx_write(VMCS_HOST_CS_SELECTOR, __KERNEL_CS);
	vmx_write(VMCS_HOST_SS_SELECTOR, __KERNEL_DS);
	vmx_write(VMCS_HOST_DS_SELECTOR, 0);
	vmx_write(VMCS_HOST_ES_SELECTOR, 0);
	vmx_write(VMCS_HOST_FS_SELECTOR, 0);
	vmx_write(VMCS_HOST_GS_SELECTOR, 0);
	vmx_write(VMCS_HOST_TR_SELECTOR, GDT_ENTRY_TSS * 8);
	vmx_write(VMCS_HOST_PAT, husk_host_rdmsr(MSR_IA32_CR_PAT));
	vmx_write(VMCS_HOST_EFER, husk_host_rdmsr(MSR_EFER));
	vmx_write(VMCS_HOST_SYSENTER_CS, husk_host_rdmsr(MSR_IA32_SYSENTER_CS));
	vmx_write(VMCS_HOST_SYSENTER_EIP, husk_host_rdmsr(MSR_IA32_SYSENTER_EIP));
	vmx_write(VMCS_HOST_RIP, (u64)husk_vmx_exit);
}

/* Its constant fields, and those that vmx_enter() writes only when they change. The VMCS is current. */
void vmx_vmcs_make(struct vmx_vcpu *vmx)
{
	vmx->made = true;
	vmx_write(VMCS_PIN_BASED_CONTROLS, vmx_pin);
	vmx->proc2 = vmx_proc2_for(vmx->vcpu.vm);
	vmx_write(VMCS_EXIT_CONTROLS, vmx_exit);
	vmx_write(VMCS_ENTRY_CONTROLS, vmx_entry);
	vmx_write(VMCS_EXIT_MSR_STORE_COUNT, 0);
	vmx_write(VMCS_EXIT_MSR_LOAD_COUNT, 0);
	vmx_write(VMCS_ENTRY_MSR_LOAD_COUNT, 0);
	vmx_write(VMCS_ENTRY_INTR_INFO, 0);
	vmx_write(VMCS_EXCEPTION_BITMAP, BIT(1) | BIT(17) | BIT(18));
	vmx_write(VMCS_PF_ERROR_CODE_MASK, 0);
	vmx_write(VMCS_PF_ERROR_CODE_MATCH, 0);
	vmx_write(VMCS_CR3_TARGET_COUNT, 0);
	vmx_write(VMCS_IO_BITMAP_A, __pa(vmx_io_bitmaps));
	vmx_write(VMCS_IO_BITMAP_B, __pa(vmx_io_bitmaps) + PAGE_SIZE);
	if (vmx_proc2 & VMX_PROC2_ENCLS)
		vmx_write(VMCS_ENCLS_EXITING_BITMAP, ~0ULL);
	vmx_write(VMCS_EPT_POINTER, vmx->eptp);
	if (vmx_proc2 & VMX_PROC2_VPID)
		vmx_write(VMCS_VPID, vmx->vcpu.id + 1);
	if (vmx_proc2 & VMX_PROC2_PAUSE_LOOP) {
		vmx_write(VMCS_PLE_GAP, VMX_PAUSE_GAP);
		vmx_write(VMCS_PLE_WINDOW, vmx->vcpu.pause_window);
	}
	if (vmx->vapic) {
		vmx_write(VMCS_VIRTUAL_APIC_ADDR, __pa(vmx->vapic));
		vmx_write(VMCS_TPR_THRESHOLD, 0);
	}
	if (vmx_pin & VMX_PIN_PREEMPTION_TIMER)
		vmx_park_timer();
	vmx->eoi_exit_changed = true;
	/* The guest turns TS and MP itself; all else that it changes exits. */
	vmx_write(VMCS_CR0_GUEST_HOST_MASK, ~(X86_CR0_TS | X86_CR0_MP));
	vmx_write(VMCS_CR4_GUEST_HOST_MASK, ~0UL);
	vmx_write(VMCS_LINK_POINTER, ~0ULL);
	vmx_write(VMCS_GUEST_DEBUGCTL, 0);
	vmx_write(VMCS_GUEST_ACTIVITY_STATE, VMX_ACTIVITY_ACTIVE);
	vmx_write(VMCS_GUEST_PENDING_DEBUG, 0);
	vmx_write(VMCS_GUEST_RIP, vmx->rip);
	vmx_write(VMCS_GUEST_RSP, vmx->rsp);
	vmx_write(VMCS_GUEST_RFLAGS, vmx->rflags);
	vmx_vmcs_make_host();
	vmx->dirty = VMX_DIRTY_ALL;
}

static int vmx_vcpu_init(struct husk_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmx->vmcs = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!vmx->vmcs)
		return -ENOMEM;
	if (vmx_proc & VMX_PROC_TPR_SHADOW) {
		vmx->vapic = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
		if (!vmx->vapic) {
			free_page((unsigned long)vmx->vmcs);
			return -ENOMEM;
		}
		vmx->tpr = vmx->vapic + VMX_VAPIC_TPR;
		if (husk_mode(HUSK_MODE_APIC_ACCEL))
			husk_lapic_virtualize(vcpu, vmx->vapic);
	}
	*(u32 *)vmx->vmcs = vmx_caps.revision;
	vmx->vmcs_pa = __pa(vmx->vmcs);
	vmx->eptp = vcpu->vm->mem.root_hpa | VMX_EPTP_WB | VMX_EPTP_WALK(husk_vmx.format->levels) |
		    (husk_vmx.format->accessed ? VMX_EPTP_ACCESSED_DIRTY : 0);
	vmx->proc = vmx_proc;
	husk_dirty(vcpu, HUSK_SYS_TSC);
	return 0;
}

static void vmx_vcpu_fini(struct husk_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	free_page((unsigned long)vmx->pml);
	free_page((unsigned long)vmx->vapic);
	free_page((unsigned long)vmx->vmcs);
}

/* ---- one entry ---- */

/* After a change of either: in a shadow a single-step trap must be pending exactly if TF says so (SDM 3C 27.3.1.5). */
static noinline void vmx_write_pending_debug(struct vmx_vcpu *vmx)
{
	u64 pending;

	if (!(vmx->shadow & (VMX_BLOCKING_STI | VMX_BLOCKING_MOV_SS)))
		return;
	pending = vmx_read(VMCS_GUEST_PENDING_DEBUG) & ~(u64)VMX_PENDING_DEBUG_BS;
	if (vmx->vcpu.regs.rflags & X86_EFLAGS_TF)
		pending |= VMX_PENDING_DEBUG_BS;
	vmx_write(VMCS_GUEST_PENDING_DEBUG, pending);
}

static void vmx_write_proc2(struct vmx_vcpu *vmx)
{
	u32 proc2 = vmx->proc2;

	if (vmx->apic_on)
		proc2 |= VMX_PROC2_APIC;
	if (vmx->pml)
		proc2 |= VMX_PROC2_PML;
	vmx_write(VMCS_PROC_BASED_CONTROLS2, proc2);
	/* Goes with the control: with this bitmap alone the guest would reach the host's own APIC. */
	vmx_write(VMCS_MSR_BITMAP, __pa(vmx->apic_on ? vmx_msr_bitmap_apic : vmx_msr_bitmap));
}

static noinline void vmx_write_dirty(struct vmx_vcpu *vmx, u8 cr8)
{
	u8 dirty = vmx->dirty;

	vmx->dirty = 0;
	if (dirty & VMX_DIRTY_PROC)
		vmx_write(VMCS_PROC_BASED_CONTROLS, vmx->proc);
	if (dirty & VMX_DIRTY_SHADOW) {
		vmx_write(VMCS_GUEST_INTERRUPTIBILITY, vmx->shadow);
		vmx_write_pending_debug(vmx);
	}
	/* It must not be above TPR (SDM 3C 27.2.1.1); then what waits is looked at anyway. */
	if (vmx->vapic && (dirty & VMX_DIRTY_THRESHOLD))
		vmx_write(VMCS_TPR_THRESHOLD, min(vmx->vcpu.tpr_threshold, cr8));
	if (dirty & VMX_DIRTY_SYSENTER) {
		vmx_write(VMCS_GUEST_SYSENTER_CS, vmx->msr[VMX_MSR_SYSENTER_CS]);
		vmx_write(VMCS_GUEST_SYSENTER_ESP, vmx->msr[VMX_MSR_SYSENTER_ESP]);
		vmx_write(VMCS_GUEST_SYSENTER_EIP, vmx->msr[VMX_MSR_SYSENTER_EIP]);
	}
	if (dirty & VMX_DIRTY_PML)
		vmx_pml_begin(vmx);
	if (dirty & VMX_DIRTY_PROC2)
		vmx_write_proc2(vmx);
	if (dirty & VMX_DIRTY_APIC)
		vmx_apic_commit(vmx);
}

/*
 * The timer begins anew at each entry (SDM 3C 26.5.1), so it is told what is
 * left: then time outside of the guest counts, and a TSC that is another CPU's.
 * With 0 the exit comes before the guest's first instruction.
 */
static __always_inline void vmx_write_timer(u64 deadline)
{
	s64 left = deadline + vmx_timer_slack - husk_host_tsc();

	vmx_write(VMCS_PREEMPTION_TIMER, left > 0 ? left >> vmx_timer_rate : 0);
}

static __always_inline void vmx_before(struct vmx_vcpu *vmx, u8 cr8)
{
	const struct husk_general *regs = &vmx->vcpu.regs;

	if (unlikely(vmx->vcpu.sys_dirty))
		vmx_commit(vmx);
	if (unlikely(vmx->dirty))
		vmx_write_dirty(vmx, cr8);
	if (vmx->tpr)
		*vmx->tpr = cr8 << 4;
	if (vmx->rip != regs->rip)
		vmx_write(VMCS_GUEST_RIP, regs->rip);
	if (unlikely(vmx->rsp != regs->gpr[4]))
		vmx_write(VMCS_GUEST_RSP, regs->gpr[4]);
	if (unlikely(vmx->rflags != regs->rflags)) {
		vmx_write(VMCS_GUEST_RFLAGS, regs->rflags);
		vmx_write_pending_debug(vmx);
	}
	if (unlikely(vmx->cr2 != read_cr2()))
		write_cr2(vmx->cr2);
	if (vmx->vcpu.deadline)
		vmx_write_timer(vmx->vcpu.deadline);
}

static __always_inline void vmx_after(struct vmx_vcpu *vmx, u8 cr8)
{
	struct husk_vcpu *vcpu = &vmx->vcpu;

	vmx->cr2 = read_cr2();
	vmx->rip = vcpu->regs.rip = vmx_read(VMCS_GUEST_RIP);
	vmx->rsp = vcpu->regs.gpr[4] = vmx_read(VMCS_GUEST_RSP);
	vmx->rflags = vcpu->regs.rflags = vmx_read(VMCS_GUEST_RFLAGS);
	vmx->shadow = vmx_read(VMCS_GUEST_INTERRUPTIBILITY);
	vcpu->nmi_masked = vmx->shadow & VMX_BLOCKING_NMI;
	if (vmx->tpr) {
		u8 tpr = *vmx->tpr >> 4;

		if (unlikely(tpr != cr8))
			husk_lapic_set_cr8(vcpu, tpr);
	}
}

static void vmx_enter(struct husk_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u8 cr8 = 0;

	vcpu->exit.insn_len = 0;
	if (unlikely(!vmx->open)) {
		vmx_entry_failed(vmx, 0);
		return;
	}
	if (vmx->tpr)
		cr8 = husk_lapic_get_cr8(vcpu);
	vmx_before(vmx, cr8);
	if (unlikely(husk_vmx_enter(vcpu->regs.gpr, vmx->launched))) {
		vmx_entry_failed(vmx, 0);
		return;
	}
	vmx->launched = true;
	vcpu->sys_cached = 0;
	vmx_after(vmx, cr8);
	vmx_decode(vmx);
}

static bool vmx_skip(struct husk_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	u64 next = vcpu->exit.next_rip;

	if (unlikely(!next))
		return false;
	vcpu->regs.rip = next;
	if (unlikely(vmx->shadow & (VMX_BLOCKING_STI | VMX_BLOCKING_MOV_SS)))
		vmx_shadow(vmx, VMX_BLOCKING_STI | VMX_BLOCKING_MOV_SS, false);
	return true;
}

/* Also after vcpu->nmi_masked was set from outside */
static void vmx_set_shadow(struct husk_vcpu *vcpu, bool on)
{
	vmx_shadow(to_vmx(vcpu), VMX_BLOCKING_NMI, vcpu->nmi_masked);
	vmx_shadow(to_vmx(vcpu), VMX_BLOCKING_STI | VMX_BLOCKING_MOV_SS, false);
	/* STI needs IF set (SDM 3C 27.3.1.5); that of MOV SS is as good. */
	vmx_shadow(to_vmx(vcpu), vcpu->regs.rflags & X86_EFLAGS_IF ? VMX_BLOCKING_STI : VMX_BLOCKING_MOV_SS, on);
}

static bool vmx_get_shadow(struct husk_vcpu *vcpu)
{
	return to_vmx(vcpu)->shadow & (VMX_BLOCKING_STI | VMX_BLOCKING_MOV_SS);
}

static void vmx_set_dr_live(struct husk_vcpu *vcpu, bool live)
{
	vmx_control(to_vmx(vcpu), VMX_PROC_MOV_DR, !live);
}

static u64 *vmx_host_msr(struct husk_vcpu *vcpu, u32 index)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	switch (index) {
	case MSR_STAR:			return &vmx->msr[VMX_MSR_STAR];
	case MSR_LSTAR:			return &vmx->msr[VMX_MSR_LSTAR];
	case MSR_CSTAR:			return &vmx->msr[VMX_MSR_CSTAR];
	case MSR_SYSCALL_MASK:		return &vmx->msr[VMX_MSR_SYSCALL_MASK];
	case MSR_KERNEL_GS_BASE:	return &vmx->msr[VMX_MSR_KERNEL_GS_BASE];
	}
	vmx->dirty |= VMX_DIRTY_SYSENTER;
	switch (index) {
	case MSR_IA32_SYSENTER_CS:	return &vmx->msr[VMX_MSR_SYSENTER_CS];
	case MSR_IA32_SYSENTER_ESP:	return &vmx->msr[VMX_MSR_SYSENTER_ESP];
	case MSR_IA32_SYSENTER_EIP:	return &vmx->msr[VMX_MSR_SYSENTER_EIP];
	default:			return NULL;
	}
}

struct husk_vendor husk_vmx __ro_after_init = {
	.name = "vmx",
	.vcpu_size = sizeof(struct vmx_vcpu),
	.format = &husk_ept_format,	/* or husk_ept_format_no_ad */
	.pause_window = 4096,
	.setup = vmx_setup,
	.cleanup = vmx_cleanup,
	.cpu_init = vmx_cpu_init,
	.cpu_fini = vmx_cpu_fini,
	.foreign = vmx_foreign,
	.vcpu_init = vmx_vcpu_init,
	.vcpu_fini = vmx_vcpu_fini,
	.moved = vmx_moved,
	.open = vmx_open,
	.close = vmx_close,
	.enter = vmx_enter,
	.fetch = vmx_fetch,
	.inject = vmx_inject,
	.can_intr = vmx_can_intr,
	.can_nmi = vmx_can_nmi,
	.flush = vmx_flush,
	.window = vmx_window,
	.apic = vmx_apic,
	.skip = vmx_skip,
	.set_shadow = vmx_set_shadow,
	.get_shadow = vmx_get_shadow,
	.set_dr_live = vmx_set_dr_live,
	.log = vmx_pml_switch,		/* or NULL */
	.host_msr = vmx_host_msr,
};
