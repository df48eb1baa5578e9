// SPDX-License-Identifier: GPL-2.0
/*
 * Guest state between the VMCS and vcpu->sys.
 */
#include <linux/irqflags.h>
#include <asm/processor-flags.h>
#include <asm/special_insns.h>

#include "hostcpu.h"
#include "irqchip/irqchip.h"
#include "vmx/vmx.h"

/* Hardware never sees these: a guest that turns its cache off would slow the host down. */
#define VMX_CR0_HIDDEN	(X86_CR0_CD | X86_CR0_NW)

static void vmx_seg_fetch(struct husk_segment *to, int seg)
{
	u32 ar = vmx_read(VMCS_GUEST_AR(seg));

	to->base = vmx_read(VMCS_GUEST_BASE(seg));
	to->limit = vmx_read(VMCS_GUEST_LIMIT(seg));
	to->selector = vmx_read(VMCS_GUEST_SELECTOR(seg));
	/* Attributes in 12 bits, as AMD keeps them; an unusable one is not present. */
	to->attr = (ar & 0xff) | ((ar >> 4) & 0xf00);
	if (ar & VMX_AR_UNUSABLE)
		to->attr &= ~VMX_AR_P;
}

/* VMX wants of a usable segment what loading it would have made (SDM 3C 27.3.1.2). */
static void vmx_seg_commit(int seg, const struct husk_segment *from)
{
	u32 ar = (from->attr & 0xff) | (from->attr & 0xf00) << 4;

	if (!(ar & VMX_AR_P)) {
		ar |= VMX_AR_UNUSABLE;
	} else {
		if (seg == VMCS_TR)
			ar |= 2;	/* busy */
		else if (seg != VMCS_LDTR)
			ar |= 1;	/* accessed */
		/* G as the limit says, where it leaves no choice */
		if (from->limit >> 20)
			ar |= VMX_AR_G;
		else if ((from->limit & 0xfff) != 0xfff)
			ar &= ~VMX_AR_G;
	}
	vmx_write(VMCS_GUEST_AR(seg), ar);
	vmx_write(VMCS_GUEST_BASE(seg), from->base);
	vmx_write(VMCS_GUEST_LIMIT(seg), from->limit);
	vmx_write(VMCS_GUEST_SELECTOR(seg), from->selector);
}

static void vmx_fetch_cr(struct vmx_vcpu *vmx, struct husk_system *sys)
{
	u64 own = X86_CR0_TS | X86_CR0_MP;

	sys->cr0 = (vmx_read(VMCS_GUEST_CR0) & own) | (vmx_read(VMCS_CR0_READ_SHADOW) & ~own);
	sys->cr2 = vmx->cr2;
	sys->cr3 = vmx_read(VMCS_GUEST_CR3);
	sys->cr4 = vmx_read(VMCS_CR4_READ_SHADOW);
	sys->efer = vmx_read(VMCS_GUEST_EFER);
	vmx_seg_fetch(&sys->cs, VMCS_CS);
	vmx_seg_fetch(&sys->ss, VMCS_SS);
}

static void vmx_fetch_seg(struct husk_system *sys)
{
	vmx_seg_fetch(&sys->es, VMCS_ES);
	vmx_seg_fetch(&sys->ds, VMCS_DS);
	vmx_seg_fetch(&sys->fs, VMCS_FS);
	vmx_seg_fetch(&sys->gs, VMCS_GS);
	vmx_seg_fetch(&sys->ldtr, VMCS_LDTR);
	vmx_seg_fetch(&sys->tr, VMCS_TR);
	sys->gdtr.base = vmx_read(VMCS_GUEST_GDTR_BASE);
	sys->gdtr.limit = vmx_read(VMCS_GUEST_GDTR_LIMIT);
	sys->idtr.base = vmx_read(VMCS_GUEST_IDTR_BASE);
	sys->idtr.limit = vmx_read(VMCS_GUEST_IDTR_LIMIT);
}

static void vmx_fetch_current(struct vmx_vcpu *vmx, u8 classes, bool stay)
{
	struct husk_system *sys = &vmx->vcpu.sys;

	if (classes & HUSK_SYS_CR)
		vmx_fetch_cr(vmx, sys);
	if (classes & HUSK_SYS_CPL)
		sys->ss.attr = (sys->ss.attr & ~(3 << 5)) | (vmx_read(VMCS_GUEST_AR(VMCS_SS)) & (3 << 5));
	if (classes & HUSK_SYS_SEG)
		vmx_fetch_seg(sys);
	if (classes & HUSK_SYS_DR) {
		sys->dr7 = vmx_read(VMCS_GUEST_DR7);
		/* DR6 is in no field: in the register while the guest may use it, else in @sys. */
		if (stay && vmx->vcpu.dr_live)
			sys->dr6 = husk_get_dr(6);
	}
}

void vmx_fetch(struct husk_vcpu *vcpu, u8 classes)
{
	struct vmx_vcpu *vmx = to_vmx(vcpu);
	unsigned long flags;

	if (vmx->open) {
		vmx_fetch_current(vmx, classes, true);
		return;
	}
	if (!vmx->made)
		return;		/* nothing was ever written there */
	local_irq_save(flags);
	if (vmx_borrow(vmx)) {
		vmx_fetch_current(vmx, classes, false);
		vmx_give_back(vmx);
	}
	local_irq_restore(flags);
}

/* With EPT the CPU takes the four top entries of PAE paging from here (SDM 3C 27.3.2.4). */
static void vmx_commit_pdptes(const struct husk_vcpu *vcpu)
{
	int i;

	for (i = 0; i < 4; i++)
		vmx_write(VMCS_GUEST_PDPTE0 + 2 * i, vcpu->pdpte[i]);
}

static void vmx_commit_cr(struct vmx_vcpu *vmx)
{
	const struct husk_system *sys = &vmx->vcpu.sys;
	const u64 free = X86_CR0_PE | X86_CR0_PG;	/* to an unrestricted guest */
	u32 entry = vmx_read(VMCS_ENTRY_CONTROLS) & ~VMX_ENTRY_IA32E;

	vmx_write(VMCS_GUEST_CR0, (sys->cr0 & ~(u64)VMX_CR0_HIDDEN) | (vmx_caps.cr0_must & ~free));
	vmx_write(VMCS_CR0_READ_SHADOW, sys->cr0);
	vmx->cr2 = sys->cr2;
	vmx_write(VMCS_GUEST_CR3, sys->cr3);
	/* A machine check of the host's with MCE clear would shut the host down: its own bit rules. */
	vmx_write(VMCS_GUEST_CR4, (sys->cr4 & ~(u64)X86_CR4_MCE) | vmx_caps.cr4_must | (__read_cr4() & X86_CR4_MCE));
	vmx_write(VMCS_CR4_READ_SHADOW, sys->cr4);
	vmx_write(VMCS_GUEST_EFER, sys->efer);
	vmx->syscall = sys->efer & EFER_SCE;	/* never changes in the middle of a stay */
	vmx_write(VMCS_GUEST_PAT, vmx->vcpu.pat);
	if (sys->efer & EFER_LMA)
		entry |= VMX_ENTRY_IA32E;
	vmx_write(VMCS_ENTRY_CONTROLS, entry);
	vmx_seg_commit(VMCS_CS, &sys->cs);
	vmx_seg_commit(VMCS_SS, &sys->ss);
}

static void vmx_commit_seg(const struct husk_system *sys)
{
	vmx_seg_commit(VMCS_ES, &sys->es);
	vmx_seg_commit(VMCS_DS, &sys->ds);
	vmx_seg_commit(VMCS_FS, &sys->fs);
	vmx_seg_commit(VMCS_GS, &sys->gs);
	vmx_seg_commit(VMCS_LDTR, &sys->ldtr);
	vmx_seg_commit(VMCS_TR, &sys->tr);
	vmx_write(VMCS_GUEST_GDTR_BASE, sys->gdtr.base);
	vmx_write(VMCS_GUEST_GDTR_LIMIT, sys->gdtr.limit);
	vmx_write(VMCS_GUEST_IDTR_BASE, sys->idtr.base);
	vmx_write(VMCS_GUEST_IDTR_LIMIT, sys->idtr.limit);
}

/* Write what changed since the last entry. */
void vmx_commit(struct vmx_vcpu *vmx)
{
	struct husk_vcpu *vcpu = &vmx->vcpu;
	u8 dirty = vcpu->sys_dirty;

	vcpu->sys_dirty = 0;
	if (dirty & HUSK_SYS_CR)
		vmx_commit_cr(vmx);
	if (dirty & HUSK_SYS_SEG)
		vmx_commit_seg(&vcpu->sys);
	if (dirty & HUSK_SYS_DR) {
		vmx_write(VMCS_GUEST_DR7, vcpu->sys.dr7);
		if (vcpu->dr_live)
			husk_set_dr(6, vcpu->sys.dr6);
	}
	if (dirty & HUSK_SYS_TSC)
		vmx_write(VMCS_TSC_OFFSET, vcpu->tsc_offset + vcpu->tsc_shift);
	if (dirty & HUSK_SYS_PDPTE)
		vmx_commit_pdptes(vcpu);
	if (dirty & HUSK_SYS_PAUSE)
		vmx_write(VMCS_PLE_WINDOW, vcpu->pause_window);
}
