// SPDX-License-Identifier: GPL-2.0
/*
 * Events into the guest: VM-entry interruption information (SDM 3C 25.8.3),
 * windows by exiting controls. NMIs are blocked and unblocked by the hardware
 * ("virtual NMIs").
 */
#include <asm/processor-flags.h>

#include "vmx/vmx.h"

static bool vmx_protected(struct vmx_vcpu *vmx)
{
	u64 cr0 = vmx->vcpu.sys_dirty & HUSK_SYS_CR ? vmx->vcpu.sys.cr0 : vmx_read(VMCS_GUEST_CR0);

	return cr0 & X86_CR0_PE;
}

/* HUSK_EVENT_x are the hardware's types. */
void vmx_inject(struct husk_vcpu *vcpu)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	struct husk_event *event = &vcpu->event;
	u32 info = event->vector | (u32)event->type << VMX_INTR_TYPE_SHIFT | VMX_INTR_VALID;

	event->pending = false;
	if (unlikely(!vmx->open))
		return;
	/* Real mode has no error codes (SDM 3C 27.2.1.3). */
	if (event->has_error && vmx_protected(vmx)) {
		info |= VMX_INTR_ERROR_CODE;
		vmx_write(VMCS_ENTRY_ERROR_CODE, event->error & 0xffff);
	}
	/* An NMI or interrupt that goes in now is not held up by a shadow. */
	if (event->type != HUSK_EVENT_EXCEPTION)
		vmx_shadow(vmx, VMX_BLOCKING_STI | VMX_BLOCKING_MOV_SS, false);
	vmx_write(VMCS_ENTRY_INTR_INFO, info);
}

/*
 * The exit came while an event was on its way: it is due again. Software
 * interrupts and exceptions run again by themselves, rip is still at them.
 */
void vmx_requeue_event(struct vmx_vcpu *vmx, u32 info)
{
	u32 type = info & VMX_INTR_TYPE;

	if (type != VMX_INTR_EXTERNAL && type != VMX_INTR_NMI && type != VMX_INTR_HARDWARE_EXCEPTION)
		return;
	/* Delivery is tried anew: it has not begun to block NMIs. */
	if (type == VMX_INTR_NMI) {
		vmx_shadow(vmx, VMX_BLOCKING_NMI, false);
		vmx->vcpu.nmi_masked = false;
	}
	vmx->dirty |= VMX_DIRTY_SHADOW;		/* for vmx_write_pending_debug() */
	vmx->vcpu.event = (struct husk_event) {
		.pending = true,
		.vector = info & VMX_INTR_VECTOR,
		.type = type >> VMX_INTR_TYPE_SHIFT,
		.has_error = info & VMX_INTR_ERROR_CODE,
		.error = info & VMX_INTR_ERROR_CODE ? vmx_read(VMCS_IDT_VECTORING_ERROR_CODE) : 0,
	};
}

bool vmx_can_intr(struct husk_vcpu *vcpu)
{
	return (vcpu->regs.rflags & X86_EFLAGS_IF) &&
	       !(to_vmx(vcpu)->shadow & (VMX_BLOCKING_STI | VMX_BLOCKING_MOV_SS));
}

bool vmx_can_nmi(struct husk_vcpu *vcpu)
{
	return !(to_vmx(vcpu)->shadow & (VMX_BLOCKING_STI | VMX_BLOCKING_MOV_SS | VMX_BLOCKING_NMI));
}

void vmx_window(struct husk_vcpu *vcpu, bool intr, bool nmi)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	vmx_control(vmx, VMX_PROC_INTERRUPT_WINDOW, intr);
	vmx_control(vmx, VMX_PROC_NMI_WINDOW, nmi);
	vmx->dirty |= VMX_DIRTY_THRESHOLD;
}
