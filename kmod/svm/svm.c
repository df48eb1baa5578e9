// SPDX-License-Identifier: GPL-2.0
/*
 * AMD-V (APM2 chapter 15): setting up, one entry, and the vendor table.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/mem_encrypt.h>
#include <asm/msr-index.h>
#include <asm/page.h>
#include <asm/processor-flags.h>
#include <asm/special_insns.h>

#include "emulate.h"
#include "irqchip/irqchip.h"
#include "svm/svm.h"

#define SVM_IOPM_ORDER	2	/* 12 KiB are used */
#define SVM_MSRPM_ORDER	1

/* Shared by all VMs, never written after setup: every port exits, and every MSR but those that VMLOAD switches. */
static void *svm_iopm, *svm_msrpm;

static const u32 svm_msrs_direct[] = {
	MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE, MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SYSCALL_MASK,
	MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP,
};

/* Two bits an MSR, three ranges of 8192; APM2 15.11 */
static void svm_msrpm_allow(u8 *map, u32 msr)
{
	u32 bit = (msr & 0x1fff) * 2;

	map += (msr >> 16) == 0xc000 ? 0x800 : (msr >> 16) == 0xc001 ? 0x1000 : 0;
	map[bit / 8] &= ~(3 << (bit % 8));
}

static void svm_cleanup(void)
{
	svm_cpus_unmark();
	free_pages((unsigned long)svm_iopm, SVM_IOPM_ORDER);
	free_pages((unsigned long)svm_msrpm, SVM_MSRPM_ORDER);
	svm_iopm = svm_msrpm = NULL;
}

static int svm_setup(void)
{
	int i;

	svm_iopm = (void *)__get_free_pages(GFP_KERNEL, SVM_IOPM_ORDER);
	svm_msrpm = (void *)__get_free_pages(GFP_KERNEL, SVM_MSRPM_ORDER);
	if (!svm_iopm || !svm_msrpm) {
		svm_cleanup();
		return -ENOMEM;
	}
	memset(svm_iopm, 0xff, PAGE_SIZE << SVM_IOPM_ORDER);
	memset(svm_msrpm, 0xff, PAGE_SIZE << SVM_MSRPM_ORDER);
	for (i = 0; i < ARRAY_SIZE(svm_msrs_direct); i++)
		svm_msrpm_allow(svm_msrpm, svm_msrs_direct[i]);
	svm_asid_setup();
	if (__read_cr4() & X86_CR4_LA57)
		husk_svm.format = &husk_npt_format_la57;
	return 0;
}

/* PAUSEs that are no more TSC ticks apart count as one loop, where the CPU looks at that; APM2 15.14.4 */
#define SVM_PAUSE_GAP	128

#define SVM_RDTSCP_CPUID	0x80000001, 0, 3, 27

static void svm_vmcb_init(struct svm_vcpu *svm)
{
	struct vmcb *vmcb = svm->vmcb;

	vmcb->intercept[0] = BIT(16 + 4);	/* CR4 writes; see also svm_commit_cr(), svm_window() */
	vmcb->intercept[1] = ~0U;		/* all debug registers, until the first use */
	vmcb->intercept[2] = SVM_W2_VEC(1) | SVM_W2_VEC(17) | SVM_W2_VEC(18);
	vmcb->intercept[3] = SVM_W3_INTR | SVM_W3_NMI | SVM_W3_SMI | SVM_W3_INIT | SVM_W3_CR0_SEL_WRITE |
			     SVM_W3_RDPMC | SVM_W3_CPUID | SVM_W3_RSM | SVM_W3_INVD | SVM_W3_HLT | SVM_W3_INVLPGA |
			     SVM_W3_IOIO_PROT | SVM_W3_MSR_PROT | SVM_W3_TASK_SWITCH | SVM_W3_SHUTDOWN;
	vmcb->intercept[4] = SVM_W4_VMRUN | SVM_W4_VMMCALL | SVM_W4_VMLOAD | SVM_W4_VMSAVE | SVM_W4_STGI |
			     SVM_W4_CLGI | SVM_W4_SKINIT | SVM_W4_WBINVD | SVM_W4_MONITOR | SVM_W4_MWAIT |
			     SVM_W4_MWAIT_ARMED | SVM_W4_XSETBV | SVM_W4_RDPRU;
	if (!husk_cpuid_has(svm->vcpu.vm, SVM_RDTSCP_CPUID))
		vmcb->intercept[4] |= SVM_W4_RDTSCP;
	vmcb->iopm_base_pa = __sme_pa(svm_iopm);
	vmcb->msrpm_base_pa = __sme_pa(svm_msrpm);
	vmcb->v_intr = SVM_V_INTR_MASKING;
	vmcb->np_control = SVM_NP_ENABLE;
	if (husk_mode(HUSK_MODE_PAUSE_FILTER)) {
		vmcb->intercept[3] |= SVM_W3_PAUSE;
		vmcb->pause_filter_count = svm->vcpu.pause_window;
		vmcb->pause_filter_threshold = SVM_PAUSE_GAP;
	}
	vmcb->n_cr3 = svm->vcpu.vm->mem.root_hpa;
}

static int svm_vcpu_init(struct husk_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm->vmcb = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!svm->vmcb)
		return -ENOMEM;
	svm->vmcb_pa = __sme_pa(svm->vmcb);
	svm->departed = true;
	svm_vmcb_init(svm);
	husk_dirty(vcpu, HUSK_SYS_TSC);
	return 0;
}

static void svm_vcpu_fini(struct husk_vcpu *vcpu)
{
	free_page((unsigned long)to_svm(vcpu)->vmcb);
}

static void svm_enter(struct husk_vcpu *vcpu)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	struct vmcb *vmcb = svm->vmcb;
	u8 cr8 = husk_lapic_get_cr8(vcpu);

	if (unlikely(vcpu->sys_dirty))
		svm_commit(svm);
	if (cr8 != (vmcb->v_intr & SVM_V_TPR_MASK)) {
		vmcb->v_intr = (vmcb->v_intr & ~SVM_V_TPR_MASK) | cr8;
		vmcb->clean &= ~SVM_CLEAN_TPR;
	}
	vmcb->rax = vcpu->regs.gpr[0];
	vmcb->rsp = vcpu->regs.gpr[4];
	vmcb->rip = vcpu->regs.rip;
	vmcb->rflags = vcpu->regs.rflags;

	husk_svm_enter(svm->vmcb_pa, vcpu->regs.gpr, svm->gs_base);

	vcpu->regs.gpr[0] = vmcb->rax;
	vcpu->regs.gpr[4] = vmcb->rsp;
	vcpu->regs.rip = vmcb->rip;
	vcpu->regs.rflags = vmcb->rflags;
	vcpu->sys_cached = 0;
	if (likely(vmcb->exitcode != VMEXIT_INVALID))
		vmcb->tlb_control = SVM_TLB_DO_NOTHING;
	vmcb->eventinj = 0;
	vmcb->clean = husk_mode(HUSK_MODE_CLEAN_BITS) ? SVM_CLEAN_ALL : 0;
	if (unlikely(cr8 != (vmcb->v_intr & SVM_V_TPR_MASK)))
		husk_lapic_set_cr8(vcpu, vmcb->v_intr & SVM_V_TPR_MASK);
	if (unlikely(vmcb->exitintinfo & SVM_EVENT_V))
		svm_requeue_event(svm);
	svm_decode(svm);
}

static bool svm_skip(struct husk_vcpu *vcpu)
{
	struct vmcb *vmcb = to_svm(vcpu)->vmcb;
	u64 next = vcpu->exit.next_rip;

	if (!next) {
		bool code64 = vmcb->cs.attrib & BIT(9);	/* CS.L */
		u64 rip = vcpu->regs.rip;
		u8 length = husk_insn_length_fast(vcpu, vmcb->cr3, code64 ? rip : (u32)(vmcb->cs.base + rip));

		if (!length)
			return false;
		next = code64 ? rip + length : (u32)(rip + length);
	}
	vcpu->regs.rip = next;
	vmcb->interrupt_shadow = 0;
	return true;
}

/* Also after vcpu->nmi_masked was cleared from outside: then there is no IRET to step over */
static void svm_set_shadow(struct husk_vcpu *vcpu, bool on)
{
	struct svm_vcpu *svm = to_svm(vcpu);

	svm->vmcb->interrupt_shadow = on ? SVM_INTERRUPT_SHADOW : 0;
	if (unlikely(svm->nmi_step && !vcpu->nmi_masked))
		svm_nmi_unmask(svm);
}

static bool svm_get_shadow(struct husk_vcpu *vcpu)
{
	return to_svm(vcpu)->vmcb->interrupt_shadow & SVM_INTERRUPT_SHADOW;
}

static void svm_set_dr_live(struct husk_vcpu *vcpu, bool live)
{
	svm_intercept(to_svm(vcpu)->vmcb, 1, ~0U, !live);
}

static u64 *svm_host_msr(struct husk_vcpu *vcpu, u32 index)
{
	struct vmcb *vmcb = to_svm(vcpu)->vmcb;

	switch (index) {
	case MSR_FS_BASE:		return &vmcb->fs.base;
	case MSR_GS_BASE:		return &vmcb->gs.base;
	case MSR_KERNEL_GS_BASE:	return &vmcb->kernel_gs_base;
	case MSR_STAR:			return &vmcb->star;
	case MSR_LSTAR:			return &vmcb->lstar;
	case MSR_CSTAR:			return &vmcb->cstar;
	case MSR_SYSCALL_MASK:		return &vmcb->sfmask;
	case MSR_IA32_SYSENTER_CS:	return &vmcb->sysenter_cs;
	case MSR_IA32_SYSENTER_ESP:	return &vmcb->sysenter_esp;
	case MSR_IA32_SYSENTER_EIP:	return &vmcb->sysenter_eip;
	default:			return NULL;
	}
}

struct husk_vendor husk_svm __ro_after_init = {
	.name = "svm",
	.vcpu_size = sizeof(struct svm_vcpu),
	.format = &husk_npt_format,	/* or husk_npt_format_la57 */
	.pause_window = 3000,
	.setup = svm_setup,
	.cleanup = svm_cleanup,
	.cpu_init = svm_cpu_init,
	.cpu_fini = svm_cpu_fini,
	.foreign = svm_foreign,
	.vcpu_init = svm_vcpu_init,
	.vcpu_fini = svm_vcpu_fini,
	.moved = svm_moved,
	.depart = svm_depart,
	.open = svm_open,
	.close = svm_close,
	.enter = svm_enter,
	.fetch = svm_fetch,
	.inject = svm_inject,
	.can_intr = svm_can_intr,
	.can_nmi = svm_can_nmi,
	.flush = svm_flush,
	.window = svm_window,
	.skip = svm_skip,
	.set_shadow = svm_set_shadow,
	.get_shadow = svm_get_shadow,
	.set_dr_live = svm_set_dr_live,
	.host_msr = svm_host_msr,
};
