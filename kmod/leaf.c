// SPDX-License-Identifier: GPL-2.0
/*
 * Leaf exits: served in the fast loop with interrupts off. No lock that
 * sleeps, no allocation, no guest memory that could fault in.
 */
#include <uapi/linux/kvm_para.h>

#include "emulate.h"
#include "exits.h"
#include "irqchip/irqchip.h"
#include "traced.h"
#include "vendor.h"

static enum husk_verdict husk_leaf_hypercall(struct husk_vcpu *vcpu)
{
	u64 *number = &vcpu->regs.gpr[0];

	if (unlikely(husk_cpl(vcpu)))
		*number = -KVM_EPERM;
	else if ((u32)*number - HUSK_PV_HC_FIRST > HUSK_PV_HC_LAST - HUSK_PV_HC_FIRST)
		*number = -KVM_ENOSYS;
	else
		return husk_pv_hypercall(vcpu) ? HUSK_RETIRE : HUSK_DISPATCH;
	return HUSK_RETIRE;
}

const u32 husk_pio_mask[] = { [1] = U8_MAX, [2] = U16_MAX, [4] = U32_MAX };

enum husk_verdict husk_leaf_pio_worker(struct husk_vcpu *vcpu)
{
	const struct husk_exit_info *exit = &vcpu->exit;
	struct husk_run *run = vcpu->run;

	/* port, width and write at once */
	static_assert(offsetof(typeof(exit->pio), write) == offsetof(typeof(run->pio), write));
	memcpy(&run->pio, &exit->pio, offsetof(typeof(run->pio), data));
	run->pio.data = exit->pio.write ? (u32)vcpu->regs.gpr[0] & husk_pio_mask[exit->pio.width] : 0;
	run->exit = HUSK_EXIT_PIO;
	vcpu->io_pending = exit->pio.write ? HUSK_IO_RETIRE : HUSK_IO_PIO_IN;
	return trace_husk_pio_enabled() ? husk_traced_pio_worker(vcpu) : HUSK_TO_USER;
}

/* Not inlined: its local variable would cost all leaves a stack guard. */
static noinline enum husk_verdict husk_leaf_pio_irqchip(struct husk_vcpu *vcpu)
{
	const struct husk_exit_info *exit = &vcpu->exit;
	u32 data = vcpu->regs.gpr[0];

	if (!husk_irqchip_pio(vcpu, exit->pio.port, exit->pio.width, exit->pio.write, &data))
		return husk_leaf_pio_worker(vcpu);
	if (!exit->pio.write)
		husk_pio_in(vcpu, exit->pio.width, data);
	if (trace_husk_pio_enabled())
		husk_traced_pio(vcpu, HUSK_LEVEL_FAST, data);
	return HUSK_RETIRE;
}

/* A guest's doorbell? */
static __always_inline bool husk_leaf_pio_doorbell(struct husk_vcpu *vcpu)
{
	const struct husk_ioeventfd_set *set = rcu_dereference_sched(vcpu->vm->ioeventfds[HUSK_IOEVENTFD_PORTS]);
	const struct husk_exit_info *exit = &vcpu->exit;

	if (!set || !exit->pio.write ||
	    !husk_ioeventfd_write_fast(vcpu, set, exit->pio.port, exit->pio.width, (u32)vcpu->regs.gpr[0] & husk_pio_mask[exit->pio.width]))
		return false;
	if (trace_husk_pio_enabled())
		husk_traced_pio(vcpu, HUSK_LEVEL_FAST, vcpu->regs.gpr[0]);
	return true;
}

static enum husk_verdict husk_leaf_pio(struct husk_vcpu *vcpu)
{
	if (unlikely(vcpu->exit.pio.string))
		return HUSK_DISPATCH;
	if (husk_irqchip_owns_port(vcpu->exit.pio.port))
		return husk_leaf_pio_irqchip(vcpu);
	if (husk_leaf_pio_doorbell(vcpu))
		return HUSK_RETIRE;
	return husk_leaf_pio_worker(vcpu);
}

/* A HLT with an interrupt or a kick already there is over at once. */
static enum husk_verdict husk_leaf_hlt(struct husk_vcpu *vcpu)
{
	if ((vcpu->regs.rflags & X86_EFLAGS_IF) && husk_irq_waits(vcpu)) {
		set_bit(HUSK_REQ_EVENT, &vcpu->requests);
		return HUSK_RETIRE;
	}
	return husk_pv_take_kick(vcpu) ? HUSK_RETIRE : HUSK_DISPATCH;
}

/*
 * Host interrupts come second to the preemption timer and to windows (SDM 3C 26.2,
 * 27.7.5): exits that are always due by the next entry must not keep them out. So
 * a second one in a row ends the stay; with another between them the guest has
 * run, and it runs only when nothing of the host's was pending.
 */
static enum husk_verdict husk_leaf_first(struct husk_vcpu *vcpu)
{
	switch (vcpu->stats->flight[(vcpu->stats->entries - 1) % HUSK_FLIGHT_LEN].reason) {
	case HUSK_REASON_TIMER:
	case HUSK_REASON_INTR_WINDOW:
	case HUSK_REASON_NMI_WINDOW:
		return HUSK_DISPATCH;
	default:
		return HUSK_RESUME;
	}
}

static noinline enum husk_verdict husk_leaf_window(struct husk_vcpu *vcpu)
{
	vcpu->intr_window = false;
	vcpu->nmi_window = false;
	husk_vendor->window(vcpu, false, false);
	set_bit(HUSK_REQ_EVENT, &vcpu->requests);
	return husk_leaf_first(vcpu);
}

static noinline enum husk_verdict husk_leaf_timer(struct husk_vcpu *vcpu)
{
	husk_lapic_timer_fired(vcpu);
	return husk_leaf_first(vcpu);
}

/*
 * Compares instead of a table of functions: with retpolines an indirect call
 * costs more than the whole chain, whose order is that of a busy guest.
 */
enum husk_verdict husk_leaf(struct husk_vcpu *vcpu)
{
	switch (vcpu->exit.reason) {
	case HUSK_REASON_WRMSR:
		if (trace_husk_msr_enabled())
			return husk_traced_msr(vcpu, husk_wrmsr_fast);
		return husk_wrmsr_fast(vcpu);
	case HUSK_REASON_EXTINT:
		return HUSK_DISPATCH;
	case HUSK_REASON_CPUID:
		if (trace_husk_cpuid_enabled())
			return husk_traced_cpuid(vcpu);
		husk_cpuid(vcpu);
		return HUSK_RETIRE;
	case HUSK_REASON_RDMSR:
		if (trace_husk_msr_enabled())
			return husk_traced_msr(vcpu, husk_rdmsr_fast);
		return husk_rdmsr_fast(vcpu);
	case HUSK_REASON_PIO:
		return husk_leaf_pio(vcpu);
	case HUSK_REASON_HYPERCALL:
		if (trace_husk_hypercall_enabled())
			return husk_traced_hypercall(vcpu, husk_leaf_hypercall);
		return husk_leaf_hypercall(vcpu);
	case HUSK_REASON_HLT:
		return husk_leaf_hlt(vcpu);
	case HUSK_REASON_INTR_WINDOW:
	case HUSK_REASON_NMI_WINDOW:
		return husk_leaf_window(vcpu);
	case HUSK_REASON_TIMER:
		return husk_leaf_timer(vcpu);
	case HUSK_REASON_FAULT2:
		if (likely(!rcu_access_pointer(vcpu->vm->ioeventfds[HUSK_IOEVENTFD_MEMORY])))
			return HUSK_DISPATCH;
		return husk_leaf_memory(vcpu);
	default:
		return HUSK_DISPATCH;
	}
}
