/* SPDX-License-Identifier: GPL-2.0 */
/*
 * AMD-V. Nothing outside kmod/svm/ includes this file.
 */
#ifndef HUSK_SVM_H
#define HUSK_SVM_H

#include <linux/percpu.h>

#include "svm/vmcb.h"
#include "vendor.h"

/**
 * struct svm_vcpu - AMD-V part of a vCPU; owned by the vCPU's thread
 * @vcpu: the common part
 * @vmcb: its control block
 * @vmcb_pa: physical address of it
 * @gs_base: guest's, host's; valid in a stay
 * @asid_generation: of the CPU's ASIDs when @vmcb's was drawn
 * @cr0: guest's view of CR0.CD and CR0.NW, which hardware never sees
 * @cr4: CR4.MCE if hardware has it set and the guest has not
 * @departed: beside another hypervisor: left this CPU since the last stay
 * @nmi_step: the IRET that will unmask NMIs is being single-stepped
 */
struct svm_vcpu {
	struct husk_vcpu vcpu;
	struct vmcb *vmcb;
	u64 vmcb_pa;
	u64 gs_base[2];
	u64 asid_generation;
	u64 cr0;
	u64 cr4;
	bool departed;
	bool nmi_step;
};

static inline struct svm_vcpu *to_svm(struct husk_vcpu *vcpu)
{
	return container_of(vcpu, struct svm_vcpu, vcpu);
}

/* enter.S */
void husk_svm_load(u64 host_pa, u64 guest_pa, u64 gs_base[2]);
void husk_svm_unload(u64 host_pa, u64 guest_pa, u64 gs_base[2]);
void husk_svm_enter(u64 guest_pa, u64 *gpr, u64 gs_base[2]);
void husk_svm_flush_run(u64 pa);

/* cpu.c: one CPU's virtualization mode and ASIDs */
int svm_cpu_init(int cpu);
void svm_cpu_fini(int cpu);
void svm_asid_setup(void);
void svm_cpus_unmark(void);
bool svm_foreign(void);
void svm_open(struct husk_vcpu *vcpu);
void svm_close(struct husk_vcpu *vcpu);
void svm_moved(struct husk_vcpu *vcpu);
void svm_depart(struct husk_vcpu *vcpu);
void svm_flush(struct husk_vcpu *vcpu);

/* exits.c: hardware's exit to neutral terms */
void svm_decode(struct svm_vcpu *svm);

/* state.c: VMCB to vcpu->sys and back */
void svm_fetch(struct husk_vcpu *vcpu, u8 classes);
void svm_commit(struct svm_vcpu *svm);

/* event.c */
void svm_inject(struct husk_vcpu *vcpu);
bool svm_can_intr(struct husk_vcpu *vcpu);
bool svm_can_nmi(struct husk_vcpu *vcpu);
void svm_window(struct husk_vcpu *vcpu, bool intr, bool nmi);
void svm_requeue_event(struct svm_vcpu *svm);
void svm_nmi_unmask(struct svm_vcpu *svm);

static inline void svm_intercept(struct vmcb *vmcb, int word, u32 bits, bool on)
{
	if (on)
		vmcb->intercept[word] |= bits;
	else
		vmcb->intercept[word] &= ~bits;
	vmcb->clean &= ~SVM_CLEAN_INTERCEPTS;
}

#endif
