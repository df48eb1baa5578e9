/* SPDX-License-Identifier: GPL-2.0 */
/*
 * VT-x. Nothing outside kmod/vmx/ includes this file.
 */
#ifndef HUSK_VMX_H
#define HUSK_VMX_H

#include <linux/percpu.h>

#include "vendor.h"
#include "vmx/caps.h"
#include "vmx/vmcs.h"

/* MSRs of which struct vmx_vcpu.msr has the guest's value outside of a stay */
enum {
	/* in the registers for a stay, if the guest has EFER.SCE */
	VMX_MSR_STAR,
	VMX_MSR_LSTAR,
	VMX_MSR_CSTAR,
	VMX_MSR_SYSCALL_MASK,
	VMX_MSR_SYSCALL,
	/* in the register for a stay */
	VMX_MSR_KERNEL_GS_BASE = VMX_MSR_SYSCALL,
	/* in the VMCS, written back at the first entry of a stay */
	VMX_MSR_SYSENTER_CS,
	VMX_MSR_SYSENTER_ESP,
	VMX_MSR_SYSENTER_EIP,
	VMX_MSR_COUNT,
};

/* What differs between the VMCS and the members of struct vmx_vcpu: vmx_enter() writes it */
enum {
	VMX_DIRTY_PROC		= BIT(0),
	VMX_DIRTY_SHADOW	= BIT(1),
	VMX_DIRTY_THRESHOLD	= BIT(2),
	VMX_DIRTY_SYSENTER	= BIT(3),
	VMX_DIRTY_PROC2		= BIT(4),	/* the MSR bitmap, too */
	VMX_DIRTY_APIC		= BIT(5),
	VMX_DIRTY_PML		= BIT(6),
	VMX_DIRTY_ALL		= GENMASK(6, 0),
};

/**
 * struct vmx_vcpu - VT-x part of a vCPU; owned by the vCPU's thread
 * @vcpu: the common part
 * @vmcs: its VMCS region
 * @vmcs_pa: physical address of it
 * @vapic: virtual-APIC page, NULL without TPR shadow
 * @tpr: its TPR, where that is to follow CR8 at each entry and back; or NULL
 * @pml: the CPU's list of pages that were written, NULL unless the VM has a logged slot
 * @eptp: EPT pointer (SDM 3C 25.6.11)
 * @open: the VMCS is current: between vmx_open() and vmx_close(), or in vmx_fetch()
 * @failed: what vmx_open() could not do, 0 if nothing; VMX_FAIL_x
 * @launched: VMRESUME is due; no longer once the VMCS is cleared
 * @made: the VMCS has its constant fields
 * @syscall: the guest has EFER.SCE, and with it VMX_MSR_STAR and its like
 * @moved: the VMCS has the host state of another CPU, or none yet
 * @nmi: a host NMI ended the stay; it is handled at its end
 * @apic_on: the CPU virtualizes the APIC
 * @eoi_exit_changed: the VMCS has not what @eoi_exit says
 * @dirty: VMX_DIRTY_x
 * @proc: primary processor-based controls
 * @proc2: secondary ones, without VMX_PROC2_APIC and VMX_PROC2_PML
 * @shadow: interruptibility state (SDM 3C 25.4.2)
 * @rip: GUEST_RIP as the VMCS has it
 * @rsp: GUEST_RSP as the VMCS has it
 * @rflags: GUEST_RFLAGS as the VMCS has it
 * @cr2: the guest's, which no VMCS field holds
 * @host_cr3: HOST_CR3 as the VMCS has it
 * @host_cr4: HOST_CR4 as the VMCS has it
 * @host_fs_base: HOST_FS_BASE as the VMCS has it
 * @msr: guest's values, see VMX_MSR_x
 * @eoi_exit: EOI-exit bitmap
 * @intr_status: guest interrupt status for the next entry
 */
struct vmx_vcpu {
	struct husk_vcpu vcpu;
	void *vmcs;
	u64 vmcs_pa;
	void *vapic;
	u8 *tpr;
	u64 *pml;
	u64 eptp;
	bool open, launched, made, moved, syscall, nmi;
	bool apic_on, eoi_exit_changed;
	u8 failed;
	u8 dirty;
	u32 proc, proc2;
	u32 shadow;
	u64 rip, rsp, rflags;
	u64 cr2;
	u64 host_cr3, host_cr4, host_fs_base;
	u64 msr[VMX_MSR_COUNT];
	u64 eoi_exit[4];
	u16 intr_status;
};

/* in the virtual-APIC page; SDM 3C 30.1.1 */
#define VMX_VAPIC_TPR	0x80
#define VMX_VAPIC_EOI	0xb0

enum { VMX_FAIL_NONE, VMX_FAIL_VMXON, VMX_FAIL_VMPTRLD };

static inline struct vmx_vcpu *to_vmx(struct husk_vcpu *vcpu)
{
	return container_of(vcpu, struct vmx_vcpu, vcpu);
}

/* ---- instructions; the field must exist on this CPU, the VMCS be current ---- */

static __always_inline u64 vmx_read(u32 field)
{
	u64 value;

	asm volatile("vmread %1, %0" : "=r" (value) : "r" ((u64)field) : "cc");
	return value;
}

static __always_inline void vmx_write(u32 field, u64 value)
{
	asm volatile("vmwrite %1, %0" : : "r" ((u64)field), "rm" (value) : "cc", "memory");
}

/* Of no use until the next deadline: it runs for as long as it can. */
static inline void vmx_park_timer(void)
{
	vmx_write(VMCS_PREEMPTION_TIMER, U32_MAX);
}

/* enter.S */
int husk_vmx_enter(u64 *gpr, bool resume);
extern const u8 husk_vmx_exit[];

/* cpu.c: one CPU's virtualization mode, host state, TLB */
int vmx_cpu_init(int cpu);
void vmx_cpu_fini(int cpu);
void vmx_stay_setup(void);
bool vmx_foreign(void);
void vmx_open(struct husk_vcpu *vcpu);
void vmx_close(struct husk_vcpu *vcpu);
void vmx_moved(struct husk_vcpu *vcpu);
void vmx_flush(struct husk_vcpu *vcpu);
/* Make the VMCS current for some VMREADs, outside of a stay; and back. Interrupts off. false: not possible */
bool vmx_borrow(struct vmx_vcpu *vmx);
void vmx_give_back(struct vmx_vcpu *vmx);

/* vmx.c */
extern void *vmx_msr_bitmap, *vmx_msr_bitmap_apic;
void vmx_msr_allow(void *bitmap, u32 msr, bool write);
void vmx_vmcs_make(struct vmx_vcpu *vmx);

/* apic.c */
void vmx_apic_bitmap_fill(void);
void vmx_apic(struct husk_vcpu *vcpu, const struct husk_apic_view *view);
void vmx_apic_commit(struct vmx_vcpu *vmx);

/* pml.c: page-modification logging */
int vmx_pml_switch(struct husk_vcpu *vcpu, bool on);
void vmx_pml_begin(struct vmx_vcpu *vmx);
void vmx_pml_drain(struct vmx_vcpu *vmx);

/* exits.c: hardware's exit to neutral terms */
void vmx_decode(struct vmx_vcpu *vmx);

/* failure.c */
void vmx_entry_failed(struct vmx_vcpu *vmx, u32 code);

/* state.c: VMCS to vcpu->sys and back */
void vmx_fetch(struct husk_vcpu *vcpu, u8 classes);
void vmx_commit(struct vmx_vcpu *vmx);

/* event.c */
void vmx_inject(struct husk_vcpu *vcpu);
bool vmx_can_intr(struct husk_vcpu *vcpu);
bool vmx_can_nmi(struct husk_vcpu *vcpu);
void vmx_window(struct husk_vcpu *vcpu, bool intr, bool nmi);
void vmx_requeue_event(struct vmx_vcpu *vmx, u32 info);

static inline void vmx_control(struct vmx_vcpu *vmx, u32 bits, bool on)
{
	u32 proc = on ? vmx->proc | bits : vmx->proc & ~bits;

	if (proc == vmx->proc)
		return;
	vmx->proc = proc;
	vmx->dirty |= VMX_DIRTY_PROC;
}

static inline void vmx_shadow(struct vmx_vcpu *vmx, u32 bits, bool on)
{
	u32 shadow = on ? vmx->shadow | bits : vmx->shadow & ~bits;

	if (shadow == vmx->shadow)
		return;
	vmx->shadow = shadow;
	vmx->dirty |= VMX_DIRTY_SHADOW;
}

#endif
