// SPDX-License-Identifier: GPL-2.0
/*
 * A doorbell in memory, in the fast loop: a driver's notify register. The first ring of each goes the general
 * way (emulate_glue.c), which remembers the instruction and its page; if the next one is by the same bytes, what it
 * writes is known without a fetch or a decoder. All else is left to the general way.
 */
#include <linux/rcupdate.h>
#include <asm/processor-flags.h>

#include "emulate.h"
#include "exits.h"
#include "irqchip/irqchip.h"
#include "policy.h"
#include "traced.h"
#include "vendor.h"

/* Would somebody want to see the steps, or decide? */
static bool memory_watched(void)
{
	return trace_husk_policy_enabled() || trace_husk_fault2_enabled() || trace_husk_mmio_enabled();
}

/* The guest wrote there, by an instruction and not by the way to a handler */
static bool memory_written(const struct husk_vcpu *vcpu)
{
	const u32 of = HUSK_ACCESS_WRITE | HUSK_ACCESS_EXEC | HUSK_ACCESS_WALK;

	return (vcpu->exit.access & of) == HUSK_ACCESS_WRITE && !vcpu->event.pending && !(vcpu->regs.rflags & X86_EFLAGS_TF);
}

static bool memory_bytes(struct husk_vcpu *vcpu, u8 insn[16])
{
	if (vcpu->exit.insn_len < 15)
		return husk_code_page_read(vcpu, vcpu->regs.rip, insn);
	memcpy(insn, vcpu->exit.insn, 15);
	return true;
}

static enum husk_verdict memory_ring(struct husk_vcpu *vcpu)
{
	/* Interrupts are off, which RCU waits for. */
	const struct husk_ioeventfd_set *set = rcu_dereference_sched(vcpu->vm->ioeventfds[HUSK_IOEVENTFD_MEMORY]);
	u64 data, gpa = vcpu->exit.gpa;
	u8 width, insn[16] = {};

	if (!set || husk_slots_find(rcu_dereference_sched(vcpu->vm->mem.slots), gpa))
		return HUSK_DISPATCH;
	husk_fetch(vcpu, HUSK_SYS_CR);
	if (husk_code_size(&vcpu->sys) != 8 || !memory_bytes(vcpu, insn) ||
	    !husk_emulate_is_store(vcpu->emul, insn, gpa, &width, &data))
		return HUSK_DISPATCH;
	if (!husk_irqchip_mmio(vcpu, gpa, width, true, &data) &&
	    !husk_ioeventfd_write_fast(vcpu, set, gpa, width, data))
		return HUSK_DISPATCH;
	vcpu->exit.reason = HUSK_REASON_MMIO;
	vcpu->regs.rip += vcpu->emul->decoded.length;
	vcpu->regs.rflags &= ~(u64)X86_EFLAGS_RF;
	husk_vendor->set_shadow(vcpu, false);
	return HUSK_RESUME;
}

/* A fault of the second level, where there are doorbells in memory. DISPATCH: for the general way */
enum husk_verdict husk_leaf_memory(struct husk_vcpu *vcpu)
{
	if (!memory_written(vcpu) || memory_watched())
		return HUSK_DISPATCH;
	return memory_ring(vcpu);
}
