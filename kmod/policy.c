// SPDX-License-Identifier: GPL-2.0
/*
 * Exits that users' BPF programs decide. The record that they are given is the
 * vCPU's own copy of the guest's registers and what follows it, so nothing is copied;
 * what comes back is checked as if a user of the ioctls had given it.
 *
 * Whoever may attach such a program is root already. What it can do with a verdict
 * stays within the VM.
 */
#define CREATE_TRACE_POINTS
#include "policy.h"

#include "exits.h"
#include "irqchip/irqchip.h"

/* Exceptions that a program may give a guest, and those of them with an error code (SDM 3A 6.15) */
#define POLICY_FAULTS	(BIT(0) | BIT(5) | BIT(6) | BIT(7) | POLICY_ERRORS | BIT(16) | BIT(19))
#define POLICY_ERRORS	(GENMASK(14, 10) | BIT(17))

/* The member of struct husk_vcpu begins with regs. */
static_assert(offsetof(struct husk_exit_record, vm) == sizeof(struct husk_general));
static_assert(offsetof(struct husk_exit_record, rip) == offsetof(struct husk_general, rip));
static_assert(HUSK_POLICY_READ == HUSK_ACCESS_READ && HUSK_POLICY_WRITE == HUSK_ACCESS_WRITE &&
	      HUSK_POLICY_EXEC == HUSK_ACCESS_EXEC);

/* ---- what is asked ---- */

/* false: programs are not asked about this one */
static bool policy_fill(const struct husk_exit_info *exit, struct husk_exit_record *x)
{
	switch (exit->reason) {
	case HUSK_REASON_CPUID:
		x->address = (u32)x->gpr[0];
		x->data = (u32)x->gpr[1];
		return true;
	case HUSK_REASON_RDMSR:
		x->address = (u32)x->gpr[1];
		x->data = 0;
		return true;
	case HUSK_REASON_WRMSR:
		x->address = (u32)x->gpr[1];
		x->data = (u32)x->gpr[0] | x->gpr[2] << 32;
		return true;
	case HUSK_REASON_PIO:
		x->address = exit->pio.port;
		x->width = exit->pio.width;
		x->access = exit->pio.write ? HUSK_POLICY_WRITE : HUSK_POLICY_READ;
		x->data = exit->pio.write ? (u32)x->gpr[0] & husk_pio_mask[exit->pio.width] : 0;
		return !exit->pio.string;
	case HUSK_REASON_HYPERCALL:
		x->address = x->gpr[0];
		return true;
	case HUSK_REASON_HLT:
		return true;
	case HUSK_REASON_FAULT2:
		x->address = exit->gpa;
		x->access = exit->access & (HUSK_POLICY_READ | HUSK_POLICY_WRITE | HUSK_POLICY_EXEC);
		return true;
	default:
		return false;
	}
}

/* ---- what is answered ---- */

static void policy_work(struct work_struct *work)
{
	struct husk_vm *vm = container_of(work, struct husk_vm, policy.work);

	if (READ_ONCE(vm->policy.kill))
		husk_vm_kill(vm);
	else
		husk_vm_pause(vm);	/* EBUSY: someone else did */
	husk_vm_put(vm);
}

void husk_policy_init(struct husk_vm *vm)
{
	INIT_WORK(&vm->policy.work, policy_work);
}

/* Both may sleep, here nobody can. Until it is done the guest does not get beyond the instruction: it is asked again. */
static enum husk_verdict policy_end(struct husk_vcpu *vcpu, bool kill)
{
	struct husk_vm *vm = vcpu->vm;

	if (kill)
		WRITE_ONCE(vm->policy.kill, true);
	kref_get(&vm->ref);
	if (!queue_work(husk_wq, &vm->policy.work))
		husk_vm_put(vm);	/* not the last: the vCPU's file has one */
	return HUSK_RESUME;
}

static enum husk_verdict policy_fault(struct husk_vcpu *vcpu)
{
	const struct husk_exit_record *x = &vcpu->record;
	u32 vector = x->fault;

	if (vector > 31 || !(BIT(vector) & POLICY_FAULTS))
		return policy_end(vcpu, true);
	husk_inject_exception(vcpu, vector, BIT(vector) & POLICY_ERRORS, (u16)x->error, x->fault_address);
	return HUSK_RESUME;
}

static enum husk_verdict policy_handled(struct husk_vcpu *vcpu)
{
	const struct husk_exit_info *exit = &vcpu->exit;
	struct husk_exit_record *x = &vcpu->record;
	int i;

	switch (exit->reason) {
	case HUSK_REASON_CPUID:
		for (i = 0; i < 4; i++)
			x->gpr[i] = (u32)x->gpr[i];
		return HUSK_RETIRE;
	case HUSK_REASON_RDMSR:
		x->gpr[0] = (u32)x->data;
		x->gpr[2] = x->data >> 32;
		return HUSK_RETIRE;
	case HUSK_REASON_PIO:
		if (!exit->pio.write)
			husk_pio_in(vcpu, exit->pio.width, x->data);
		return HUSK_RETIRE;
	case HUSK_REASON_FAULT2:
		return policy_end(vcpu, true);
	default:
		return HUSK_RETIRE;
	}
}

enum husk_verdict husk_policy_ask(struct husk_vcpu *vcpu)
{
	struct husk_exit_record *x = &vcpu->record;
	u64 rip = x->rip, rflags = x->rflags;

	if (!policy_fill(&vcpu->exit, x))
		return HUSK_DISPATCH;
	x->vm = vcpu->vm->id;
	x->vcpu = vcpu->id;
	x->reason = vcpu->exit.reason;
	x->verdict = HUSK_POLICY_PASS;
	trace_husk_policy(x);
	x->rip = rip;
	x->rflags = rflags;
	switch (x->verdict) {
	case HUSK_POLICY_PASS:
		return HUSK_DISPATCH;
	case HUSK_POLICY_HANDLED:
		return policy_handled(vcpu);
	case HUSK_POLICY_FAULT:
		return policy_fault(vcpu);
	case HUSK_POLICY_PAUSE:
		return policy_end(vcpu, false);
	default:
		return policy_end(vcpu, true);
	}
}
