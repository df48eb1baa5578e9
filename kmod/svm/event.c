// SPDX-License-Identifier: GPL-2.0
/*
 * Events into the guest: EVENTINJ (APM2 15.20), the interrupt window by a
 * virtual interrupt (15.21.4), the NMI window by IRET and a single step.
 */
#include <asm/processor-flags.h>

#include "svm/svm.h"

static bool svm_protected(struct husk_vcpu *vcpu)
{
	u64 cr0 = vcpu->sys_dirty & HUSK_SYS_CR ? vcpu->sys.cr0 : to_svm(vcpu)->vmcb->cr0;

	return cr0 & X86_CR0_PE;
}

void svm_inject(struct husk_vcpu *vcpu)
{
	struct vmcb *vmcb = to_svm(vcpu)->vmcb;
	struct husk_event *event = &vcpu->event;

	vmcb->eventinj = event->vector | (u64)event->type << SVM_EVENT_TYPE_SHIFT | SVM_EVENT_V;
	/* Real mode has no error codes (APM2 8.2). */
	if (event->has_error && svm_protected(vcpu))
		vmcb->eventinj |= SVM_EVENT_EV | (u64)event->error << 32;
	if (event->type == HUSK_EVENT_NMI)
		svm_intercept(vmcb, 3, SVM_W3_IRET, true);
	event->pending = false;
}

/*
 * The exit came while an event was on its way: it is due again. Software
 * interrupts and INT3/INTO run again by themselves, rip is still at them.
 */
void svm_requeue_event(struct svm_vcpu *svm)
{
	u64 info = svm->vmcb->exitintinfo;
	u8 type = (info & SVM_EVENT_TYPE) >> SVM_EVENT_TYPE_SHIFT;
	u8 vector = info & SVM_EVENT_VECTOR;

	if (type == HUSK_EVENT_SOFT || (type == HUSK_EVENT_EXCEPTION && (vector == 3 || vector == 4)))
		return;
	svm->vcpu.event = (struct husk_event) {
		.pending = true,
		.vector = vector,
		.type = type,
		.has_error = info & SVM_EVENT_EV,
		.error = info >> 32,
	};
}

bool svm_can_intr(struct husk_vcpu *vcpu)
{
	return (vcpu->regs.rflags & X86_EFLAGS_IF) && !(to_svm(vcpu)->vmcb->interrupt_shadow & SVM_INTERRUPT_SHADOW);
}

bool svm_can_nmi(struct husk_vcpu *vcpu)
{
	return !vcpu->nmi_masked && !(to_svm(vcpu)->vmcb->interrupt_shadow & SVM_INTERRUPT_SHADOW);
}

void svm_window(struct husk_vcpu *vcpu, bool intr, bool nmi)
{
	struct vmcb *vmcb = to_svm(vcpu)->vmcb;

	/* An NMI that waits for no IRET waits for a shadow to pass: the next exit of any kind looks again. */
	if (nmi && !vcpu->nmi_masked)
		intr = true;
	if (vcpu->nmi_masked && !to_svm(vcpu)->nmi_step)
		svm_intercept(vmcb, 3, SVM_W3_IRET, true);
	if (intr)
		vmcb->v_intr |= SVM_V_IRQ | SVM_V_INTR_PRIO_HIGH | SVM_V_IGN_TPR;
	else
		vmcb->v_intr &= ~(SVM_V_IRQ | SVM_V_INTR_PRIO_HIGH | SVM_V_IGN_TPR);
	vmcb->clean &= ~SVM_CLEAN_TPR;
	svm_intercept(vmcb, 3, SVM_W3_VINTR, intr);
	/*
	 * The guest changes TPR without an exit, unless somebody waits for it. Nor while V_IRQ
	 * waits, which seldom is for long: QEMU's CPU aborts at a write to CR8 then.
	 */
	svm_intercept(vmcb, 0, BIT(16 + 8), intr || vcpu->tpr_threshold);
}

/* The guest's IRET is done (or something else happened meanwhile): NMIs may come. */
void svm_nmi_unmask(struct svm_vcpu *svm)
{
	svm->nmi_step = false;
	svm->vcpu.regs.rflags &= ~(u64)X86_EFLAGS_TF;
	svm->vcpu.nmi_masked = false;
}
