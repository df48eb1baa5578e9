// SPDX-License-Identifier: GPL-2.0
/* The personality "kvm": its features, its hypercalls. */
#include <linux/nospec.h>
#include <linux/sched/stat.h>
#include <uapi/linux/kvm_para.h>

#include "husk.h"
#include "irqchip/irqchip.h"

/**
 * husk_pv_features - bits of CPUID leaf 0x40000001 that a guest can have here
 *
 * Where the CPU virtualizes the local APIC an EOI makes no exit that could be spared.
 */
u32 husk_pv_features(void)
{
	u32 features = BIT(KVM_FEATURE_CLOCKSOURCE) | BIT(KVM_FEATURE_CLOCKSOURCE2) |
		       BIT(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT) | BIT(KVM_FEATURE_NOP_IO_DELAY) |
		       BIT(KVM_FEATURE_PV_UNHALT) | BIT(KVM_FEATURE_PV_SEND_IPI) |
		       BIT(KVM_FEATURE_POLL_CONTROL) | BIT(KVM_FEATURE_PV_SCHED_YIELD);

	if (sched_info_on())
		features |= BIT(KVM_FEATURE_STEAL_TIME) | BIT(KVM_FEATURE_PV_TLB_FLUSH);
	if (!husk_mode(HUSK_MODE_APIC_ACCEL) || !husk_mode(HUSK_MODE_VMX))
		features |= BIT(KVM_FEATURE_PV_EOI);
	return features;
}

void husk_pv_reset(struct husk_vcpu *vcpu)
{
	/* The vCPU's own thread, or nobody, is here; what others set may come before or after. */
	vcpu->pv = (struct husk_pv_vcpu){ .msr[HUSK_PV_POLL] = HUSK_PV_ON };
}

bool husk_pv_check_poll(struct husk_vcpu *vcpu, u32 index, u64 value)
{
	return !(value & ~(u64)HUSK_PV_ON);
}

void husk_pv_serve(struct husk_vcpu *vcpu)
{
	husk_pv_eoi_settle_slow(vcpu);
	if (READ_ONCE(vcpu->pv.clock_write))
		husk_pv_clock_update(vcpu);
}

/* ---- hypercalls (hypercalls.rst): number in rax, arguments in rbx, rcx, rdx, rsi ---- */

static bool pv_has(struct husk_vcpu *vcpu, int feature)
{
	return vcpu->vm->pv.features & BIT(feature);
}

static struct husk_vcpu *pv_target(struct husk_vcpu *vcpu, u64 id)
{
	return id < HUSK_MAX_VCPUS ? husk_vm_vcpu(vcpu->vm, array_index_nospec(id, HUSK_MAX_VCPUS)) : NULL;
}

/* Flags, which mean nothing, and the APIC id of a vCPU that sleeps in HLT */
static s64 pv_hc_kick(struct husk_vcpu *vcpu, const u64 *arg)
{
	struct husk_vcpu *target = pv_target(vcpu, arg[1]);

	if (target) {
		WRITE_ONCE(target->pv.kicked, true);
		husk_vcpu_request(target, HUSK_REQ_EVENT);
	}
	return 0;
}

/* Two words of a map, the APIC id of its first bit, and the low half of an ICR. Outside of 64-bit mode a word has 32 bits. */
static s64 pv_hc_send_ipi(struct husk_vcpu *vcpu, const u64 *arg, bool long_mode)
{
	u64 low = arg[0], high = arg[1];

	if (!long_mode) {
		low |= high << 32;
		high = 0;
	}
	return husk_lapic_send_set(vcpu, low, high, arg[2], arg[3]);
}

/* The APIC id of a vCPU that the caller waits for */
static s64 pv_hc_yield(struct husk_vcpu *vcpu, const u64 *arg)
{
	struct husk_vcpu *target = pv_target(vcpu, arg[0]);

	if (target && target != vcpu && husk_spin_yield_to(target))
		vcpu->stats->yields++;
	return 0;
}

/* The number and the arguments; outside of 64-bit mode they have 32 bits. true: it is 64-bit mode */
static bool pv_hc_fetch(struct husk_vcpu *vcpu, u64 *number, u64 arg[4])
{
	const u64 *gpr = vcpu->regs.gpr;
	int i;

	*number = gpr[0];
	arg[0] = gpr[3];
	arg[1] = gpr[1];
	arg[2] = gpr[2];
	arg[3] = gpr[6];
	husk_fetch(vcpu, HUSK_SYS_CR);
	if ((vcpu->sys.efer & EFER_LMA) && (vcpu->sys.cs.attr & BIT(9)))
		return true;
	*number = (u32)*number;
	for (i = 0; i < 4; i++)
		arg[i] = (u32)arg[i];
	return false;
}

bool husk_pv_hypercall(struct husk_vcpu *vcpu)
{
	u64 number, arg[4];
	bool long_mode = pv_hc_fetch(vcpu, &number, arg);
	s64 ret = -KVM_ENOSYS;

	if (number == KVM_HC_KICK_CPU && pv_has(vcpu, KVM_FEATURE_PV_UNHALT))
		ret = pv_hc_kick(vcpu, arg);
	else if (number == KVM_HC_SEND_IPI && pv_has(vcpu, KVM_FEATURE_PV_SEND_IPI))
		ret = pv_hc_send_ipi(vcpu, arg, long_mode);
	else if (number == KVM_HC_SCHED_YIELD && pv_has(vcpu, KVM_FEATURE_PV_SCHED_YIELD))
		return false;
	vcpu->regs.gpr[0] = long_mode ? ret : (u32)ret;
	return true;
}

void husk_pv_hypercall_slow(struct husk_vcpu *vcpu)
{
	u64 number, arg[4];

	pv_hc_fetch(vcpu, &number, arg);
	vcpu->regs.gpr[0] = pv_hc_yield(vcpu, arg);
}
