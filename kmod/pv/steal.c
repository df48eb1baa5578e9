// SPDX-License-Identifier: GPL-2.0
/*
 * Steal time: how long a vCPU's thread was ready to run and did not, and whether it is
 * off its CPU just now (MSR_KVM_STEAL_TIME). The latter lets other vCPUs give up
 * spinning for it, and ask for a TLB flush at its next entry instead of
 * interrupting it (KVM_FEATURE_PV_TLB_FLUSH).
 *
 * The thread marks itself where it gives up the CPU by itself: when it is told to
 * reschedule, and before it sleeps in HLT. One that is preempted elsewhere is not
 * marked: that costs others an interrupt, nothing more. Its time is counted.
 */
#include <linux/sched.h>
#include <uapi/asm/kvm_para.h>

#include "husk.h"

bool husk_pv_check_steal(struct husk_vcpu *vcpu, u32 index, u64 value)
{
	return !(value & KVM_STEAL_RESERVED_MASK);
}

void husk_pv_write_steal(struct husk_vcpu *vcpu, u32 index, u64 value)
{
	vcpu->pv.msr[HUSK_PV_STEAL] = value;
	vcpu->pv.away = value & HUSK_PV_ON;	/* what was left there must not stay */
	vcpu->pv.steal_thread = NULL;	/* the next entry begins to count */
}

static u64 pv_steal_gpa(const struct husk_vcpu *vcpu, u32 offset)
{
	return (vcpu->pv.msr[HUSK_PV_STEAL] & KVM_STEAL_VALID_BITS) + offset;
}

#define STEAL(member)	offsetof(struct kvm_steal_time, member)

void husk_pv_steal_leave(struct husk_vcpu *vcpu)
{
	const u8 preempted = KVM_VCPU_PREEMPTED;

	if (!vcpu->pv.away)
		vcpu->pv.away = !husk_write_gpa(vcpu->vm, pv_steal_gpa(vcpu, STEAL(preempted)), &preempted, 1);
}

/*
 * Others may ask for a flush up to the moment at which the mark goes. If one may
 * have, the mark goes first and the flush comes after it.
 */
static void pv_steal_return(struct husk_vcpu *vcpu)
{
	u64 gpa = pv_steal_gpa(vcpu, STEAL(preempted));
	const u8 here = 0;
	int ret = husk_cmpxchg_gpa(vcpu->vm, gpa, KVM_VCPU_PREEMPTED, 0, 1);

	if (ret)
		ret = husk_write_gpa(vcpu->vm, gpa, &here, 1);
	else
		vcpu->pv.away = false;
	if (!vcpu->pv.away)
		return;
	/* While the mark can't be taken away the guest may rely on it: flush each time. */
	vcpu->pv.away = ret;
	set_bit(HUSK_REQ_FLUSH, &vcpu->requests);
}

static void pv_steal_count(struct husk_vcpu *vcpu, u64 delta)
{
	struct { u64 steal; u32 version; } now;
	u64 gpa = pv_steal_gpa(vcpu, 0);

	static_assert(STEAL(steal) == 0 && STEAL(version) == 8);
	if (husk_read_gpa(vcpu->vm, gpa, &now, 12))
		return;
	now.steal += delta;
	now.version = (now.version | 1) + (now.version & 1 ? 2 : 0);
	if (husk_write_gpa(vcpu->vm, gpa + STEAL(version), &now.version, sizeof(now.version)))
		return;
	smp_wmb();
	husk_write_gpa(vcpu->vm, gpa + STEAL(steal), &now.steal, sizeof(now.steal));
	smp_wmb();
	now.version++;
	husk_write_gpa(vcpu->vm, gpa + STEAL(version), &now.version, sizeof(now.version));
}

void husk_pv_steal_enter(struct husk_vcpu *vcpu)
{
	struct husk_pv_vcpu *pv = &vcpu->pv;
	u64 delay = current->sched_info.run_delay;
	u64 delta = delay - pv->run_delay;

	if (pv->away)
		pv_steal_return(vcpu);
	pv->run_delay = delay;
	if (pv->steal_thread != current) {
		pv->steal_thread = current;	/* to be compared only */
		delta = 0;
	}
	if (delta)
		pv_steal_count(vcpu, delta);
}
