// SPDX-License-Identifier: GPL-2.0
/*
 * The local APIC by hardware: "virtualize x2APIC mode", "APIC-register
 * virtualization" and "virtual-interrupt delivery" (SDM 3C chapter 30), on while
 * irqchip/lapic_accel.c has the guest's registers in the virtual-APIC page. At
 * other times that has only its TPR, for "use TPR shadow".
 *
 * Posted interrupts would need "acknowledge interrupt on exit" and a vector of
 * the host's: an interrupt for a vCPU in the guest makes it exit, and goes in
 * with the next entry.
 */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/string.h>

#include "irqchip/irqchip.h"
#include "vmx/vmx.h"

/* Registers that need no exit: ID, version, TPR, PPR, LDR, ISR, IRR to read; TPR, EOI, SELF IPI to write */
static const struct vmx_msr_range { u16 first, last; } vmx_x2apic_readable[] = {
	{ 0x802, 0x803 }, { 0x808, 0x808 }, { 0x80a, 0x80a }, { 0x80d, 0x80d }, { 0x810, 0x817 }, { 0x820, 0x827 },
};
static const u32 vmx_x2apic_writable[] = { 0x808, 0x80b, 0x83f };

/* At load, after vmx_msr_bitmap */
void vmx_apic_bitmap_fill(void)
{
	u32 i, msr;

	memcpy(vmx_msr_bitmap_apic, vmx_msr_bitmap, PAGE_SIZE);
	for (i = 0; i < ARRAY_SIZE(vmx_x2apic_readable); i++)
		for (msr = vmx_x2apic_readable[i].first; msr <= vmx_x2apic_readable[i].last; msr++)
			vmx_msr_allow(vmx_msr_bitmap_apic, msr, false);
	for (i = 0; i < ARRAY_SIZE(vmx_x2apic_writable); i++)
		vmx_msr_allow(vmx_msr_bitmap_apic, vmx_x2apic_writable[i], true);
}

/* The VMCS is current. */
void vmx_apic_commit(struct vmx_vcpu *vmx)
{
	int w;

	if (!vmx->apic_on)
		return;
	vmx_write(VMCS_GUEST_INTR_STATUS, vmx->intr_status);
	if (likely(!vmx->eoi_exit_changed))
		return;
	vmx->eoi_exit_changed = false;
	for (w = 0; w < ARRAY_SIZE(vmx->eoi_exit); w++)
		vmx_write(VMCS_EOI_EXIT_BITMAP0 + 2 * w, vmx->eoi_exit[w]);
}

/* struct husk_vendor.apic */
void vmx_apic(struct husk_vcpu *vcpu, const struct husk_apic_view *view)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	int w;

	vmx->dirty |= VMX_DIRTY_APIC;
	if (vmx->apic_on != !!view)
		vmx->dirty |= VMX_DIRTY_PROC2;
	vmx->apic_on = view;
	vmx->tpr = view ? NULL : vmx->vapic + VMX_VAPIC_TPR;
	if (!view)
		return;
	vmx->intr_status = VMX_INTR_STATUS(view->irr, view->isr);
	for (w = 0; w < ARRAY_SIZE(vmx->eoi_exit); w++) {
		if (vmx->eoi_exit[w] == view->eoi_exit[w])
			continue;
		vmx->eoi_exit[w] = view->eoi_exit[w];
		vmx->eoi_exit_changed = true;
	}
}
