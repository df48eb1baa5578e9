// SPDX-License-Identifier: GPL-2.0
/*
 * Page-modification logging (SDM 3C 29.3.6): the CPU lists the guest physical
 * addresses of pages whose dirty bit it sets, in one page a vCPU, from its end
 * to its start. Each stay hands its list over when it ends; a full list ends it.
 */
#include <linux/gfp.h>
#include <linux/mm.h>

#include "vmx/vmx.h"

#define VMX_PML_ENTRIES	512

/* The list belongs to a vCPU only while its VM has a logged slot. */
int vmx_pml_switch(struct husk_vcpu *vcpu, bool on)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);

	if (on == !!vmx->pml)
		return 0;
	if (on) {
		vmx->pml = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
		if (!vmx->pml)
			return -ENOMEM;
	} else {
		free_page((unsigned long)vmx->pml);
		vmx->pml = NULL;
	}
	vmx->dirty |= VMX_DIRTY_PML | VMX_DIRTY_PROC2;	/* written before the next entry */
	return 0;
}

/* With an empty list. The VMCS is current. */
void vmx_pml_begin(struct vmx_vcpu *vmx)
{
	if (!vmx->pml)
		return;
	vmx_write(VMCS_PML_ADDR, __pa(vmx->pml));
	vmx_write(VMCS_PML_INDEX, VMX_PML_ENTRIES - 1);
}

/* At the end of a stay; the VMCS is current. The index is that of the next entry, 0xffff if all are in use. */
void vmx_pml_drain(struct vmx_vcpu *vmx)
{
	u16 next = vmx_read(VMCS_PML_INDEX);
	u32 i = next < VMX_PML_ENTRIES ? next + 1 : 0;

	if (i == VMX_PML_ENTRIES)
		return;
	vmx_write(VMCS_PML_INDEX, VMX_PML_ENTRIES - 1);
	for (; i < VMX_PML_ENTRIES; i++)
		husk_log_page(vmx->vcpu.vm, READ_ONCE(vmx->pml[i]));
}
