// SPDX-License-Identifier: GPL-2.0
/*
 * Guest state between the VMCB and vcpu->sys.
 */
#include <asm/cpufeature.h>
#include <asm/processor-flags.h>
#include <asm/special_insns.h>

#include "irqchip/irqchip.h"
#include "svm/svm.h"

/* Hardware never sees these: a guest that turns its cache off would slow the host down. */
#define SVM_CR0_HIDDEN	(X86_CR0_CD | X86_CR0_NW)

static void svm_seg_fetch(struct husk_segment *to, const struct vmcb_seg *from)
{
	to->base = from->base;
	to->limit = from->limit;
	to->selector = from->selector;
	to->attr = from->attrib;
}

static void svm_seg_commit(struct vmcb_seg *to, const struct husk_segment *from)
{
	to->base = from->base;
	to->limit = from->limit;
	to->selector = from->selector;
	to->attrib = from->attr;
}

void svm_fetch(struct husk_vcpu *vcpu, u8 classes)
{
	struct svm_vcpu *svm = to_svm(vcpu);
	const struct vmcb *vmcb = svm->vmcb;
	struct husk_system *sys = &vcpu->sys;

	if (classes & HUSK_SYS_CR) {
		sys->cr0 = (vmcb->cr0 & ~(u64)SVM_CR0_HIDDEN) | svm->cr0;
		sys->cr2 = vmcb->cr2;
		sys->cr3 = vmcb->cr3;
		sys->cr4 = vmcb->cr4 & ~svm->cr4;
		sys->efer = vmcb->efer & ~(u64)EFER_SVME;
		svm_seg_fetch(&sys->cs, &vmcb->cs);
		svm_seg_fetch(&sys->ss, &vmcb->ss);
	}
	/* CPL is kept apart from SS.DPL (APM2 15.5.1) */
	if (classes & (HUSK_SYS_CR | HUSK_SYS_CPL))
		sys->ss.attr = (sys->ss.attr & ~(3 << 5)) | (vmcb->cpl & 3) << 5;
	if (classes & HUSK_SYS_SEG) {
		svm_seg_fetch(&sys->es, &vmcb->es);
		svm_seg_fetch(&sys->ds, &vmcb->ds);
		svm_seg_fetch(&sys->fs, &vmcb->fs);
		svm_seg_fetch(&sys->gs, &vmcb->gs);
		svm_seg_fetch(&sys->ldtr, &vmcb->ldtr);
		svm_seg_fetch(&sys->tr, &vmcb->tr);
		sys->gdtr.base = vmcb->gdtr.base;
		sys->gdtr.limit = vmcb->gdtr.limit;
		sys->idtr.base = vmcb->idtr.base;
		sys->idtr.limit = vmcb->idtr.limit;
	}
	if (classes & HUSK_SYS_DR) {
		sys->dr6 = vmcb->dr6;
		sys->dr7 = vmcb->dr7;
	}
}

static void svm_commit_cr(struct svm_vcpu *svm)
{
	struct vmcb *vmcb = svm->vmcb;
	const struct husk_system *sys = &svm->vcpu.sys;

	svm->cr0 = sys->cr0 & SVM_CR0_HIDDEN;
	vmcb->cr0 = sys->cr0 & ~(u64)SVM_CR0_HIDDEN;
	/*
	 * A machine check of the host's with MCE clear would end the guest's stay by a
	 * shutdown, and nobody would look at it: the host's own bit rules.
	 */
	svm->cr4 = __read_cr4() & X86_CR4_MCE & ~sys->cr4;
	vmcb->cr4 = sys->cr4 | svm->cr4;
	/*
	 * Where the two views differ, reads exit as well, and all writes. QEMU knows
	 * one intercept for the reads of all control registers, that of CR0.
	 */
	svm_intercept(vmcb, 0, BIT(0), svm->cr0 || svm->cr4);
	svm_intercept(vmcb, 0, BIT(4), svm->cr4);
	svm_intercept(vmcb, 0, BIT(16), svm->cr0);
	vmcb->cr2 = sys->cr2;
	vmcb->cr3 = sys->cr3;
	vmcb->efer = sys->efer | EFER_SVME;
	vmcb->g_pat = svm->vcpu.pat;
	svm_seg_commit(&vmcb->cs, &sys->cs);
	svm_seg_commit(&vmcb->ss, &sys->ss);
	vmcb->cpl = (sys->ss.attr >> 5) & 3;
	vmcb->clean &= ~(SVM_CLEAN_CRX | SVM_CLEAN_CR2 | SVM_CLEAN_SEG | SVM_CLEAN_NP);
}

static void svm_commit_seg(struct svm_vcpu *svm)
{
	struct vmcb *vmcb = svm->vmcb;
	const struct husk_system *sys = &svm->vcpu.sys;

	svm_seg_commit(&vmcb->es, &sys->es);
	svm_seg_commit(&vmcb->ds, &sys->ds);
	svm_seg_commit(&vmcb->fs, &sys->fs);
	svm_seg_commit(&vmcb->gs, &sys->gs);
	svm_seg_commit(&vmcb->ldtr, &sys->ldtr);
	svm_seg_commit(&vmcb->tr, &sys->tr);
	vmcb->gdtr.base = sys->gdtr.base;
	vmcb->gdtr.limit = sys->gdtr.limit;
	vmcb->idtr.base = sys->idtr.base;
	vmcb->idtr.limit = sys->idtr.limit;
	vmcb->clean &= ~(SVM_CLEAN_SEG | SVM_CLEAN_DT);
}

/*
 * Write what changed since the last entry. FS, GS, TR and LDTR are loaded by
 * svm_open(), so class SEG may be changed outside of a stay only;
 * common code does so by construction (it is never dirty in a leaf).
 */
void svm_commit(struct svm_vcpu *svm)
{
	struct husk_vcpu *vcpu = &svm->vcpu;
	u8 dirty = vcpu->sys_dirty;
	struct vmcb *vmcb = svm->vmcb;

	vcpu->sys_dirty = 0;
	if (dirty & HUSK_SYS_CR)
		svm_commit_cr(svm);
	if (dirty & HUSK_SYS_SEG)
		svm_commit_seg(svm);
	if (dirty & HUSK_SYS_DR) {
		vmcb->dr6 = vcpu->sys.dr6;
		vmcb->dr7 = vcpu->sys.dr7;
		vmcb->clean &= ~SVM_CLEAN_DRX;
	}
	if (dirty & HUSK_SYS_TSC) {
		vmcb->tsc_offset = vcpu->tsc_offset + vcpu->tsc_shift;
		vmcb->clean &= ~SVM_CLEAN_INTERCEPTS;
	}
	if (dirty & HUSK_SYS_PAUSE) {
		vmcb->pause_filter_count = vcpu->pause_window;
		vmcb->clean &= ~SVM_CLEAN_INTERCEPTS;
	}
}
