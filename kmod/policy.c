// SPDX-License-Identifier: GPL-2.0
/*
 * Exits that users' BPF programs decide. The record that they are given is the
 * vCPU's own copy of the guest's registers and what follows it, so nothing is copied;
 * what comes back is checked as if a user of the ioctls had given it.
 *
 * Whoever may attach such a program is root already. What it can do with a verdict
 * stays within the VM.
 *
 * In the fast loop the tracepoint's programs are asked. If a program of
 * policy_list.c is to be asked, too, the exit leaves the loop, and all are asked there.
 */
#define CREATE_TRACE_POINTS
#include "policy.h"

#include "exits.h"
#include "irqchip/irqchip.h"

#define POLICY_POLL_MAX_NS	10000000	/* that a HLT polls on a program's word */

/* Exceptions that a program may give a guest, and those of them with an error code (SDM 3A 6.15) */
#define POLICY_FAULTS	(BIT(0) | BIT(6) | BIT(7) | POLICY_ERRORS | BIT(16) | BIT(19))
#define POLICY_ERRORS	(GENMASK(14, 10) | BIT(17))

/* The member of struct husk_vcpu begins with regs. */
static_assert(offsetof(struct husk_exit_record, vm) == sizeof(struct husk_general));
static_assert(offsetof(struct husk_exit_record, rip) == offsetof(struct husk_general, rip));
static_assert(HUSK_POLICY_READ == HUSK_ACCESS_READ && HUSK_POLICY_WRITE == HUSK_ACCESS_WRITE &&
	      HUSK_POLICY_EXEC == HUSK_ACCESS_EXEC);

/* ---- what is asked ---- */

/* false: programs are not asked about this one */
static __always_inline bool policy_fill(struct husk_vcpu *vcpu)
{
	const struct husk_exit_info *exit = &vcpu->exit;
	struct husk_exit_record *x = &vcpu->record;

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
		return !husk_cpl(vcpu);		/* user mode has none */
	case HUSK_REASON_HLT:
		x->data = vcpu->halt_poll_ns;
		return true;
	case HUSK_REASON_FAULT2:
		x->address = exit->gpa;
		x->access = exit->access & (HUSK_POLICY_READ | HUSK_POLICY_WRITE | HUSK_POLICY_EXEC);
		return true;
	default:
		return false;
	}
}

/* Ask about what the record has by now. @slow: outside of the fast loop, also those that may sleep */
static __always_inline void policy_consult(struct husk_asked *asked, u32 vcpu, u8 reason, bool slow)
{
	struct husk_exit_record *x = &asked->record;
	struct husk_vm *vm = asked->vm;
	u64 rip = x->rip, rflags = x->rflags;
	u32 after = x->after;

	x->vm = vm->id;
	x->vcpu = vcpu;
	x->reason = reason;
	x->verdict = HUSK_POLICY_PASS;
	x->fault = 0;
	x->error = 0;
	if (slow && husk_policy_wanted(vm, HUSK_POLICY_SLOW, reason))
		x->verdict = husk_policy_run(vm, x, reason);
	if (husk_policy_wanted(vm, HUSK_POLICY_FAST, reason) && x->verdict == HUSK_POLICY_PASS)
		x->verdict = husk_policy_run_fast(vm, x, reason);
	if (slow)	/* BPF leaves a tracepoint's program out that another task on this CPU is in. */
		preempt_disable();
	trace_husk_policy(x);
	if (slow)
		preempt_enable();
	x->rip = rip;
	x->rflags = rflags;
	x->reason = reason;
	x->after = after;
}

static __always_inline void policy_consult_exit(struct husk_vcpu *vcpu, u8 reason, bool slow)
{
	policy_consult(container_of(&vcpu->record, struct husk_asked, record), vcpu->id, reason, slow);
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

/*
 * Both may sleep, here nobody can. Until it is done the guest does not get beyond the
 * instruction, unless that is done already: it is asked again.
 */
static void policy_end_vm(struct husk_vm *vm, bool kill)
{
	if (kill)
		WRITE_ONCE(vm->policy.kill, true);
	kref_get(&vm->ref);
	if (!queue_work(husk_wq, &vm->policy.work))
		husk_vm_put(vm);	/* not the last: the file of the vCPU, or the disk, has one */
}

static enum husk_verdict policy_end(struct husk_vcpu *vcpu, bool kill)
{
	policy_end_vm(vcpu->vm, kill);
	return vcpu->record.after ? HUSK_RETIRE : HUSK_RESUME;
}

static bool policy_fault_ok(u32 vector)
{
	return vector <= 31 && (BIT(vector) & POLICY_FAULTS);
}

static enum husk_verdict policy_fault(struct husk_vcpu *vcpu)
{
	const struct husk_exit_record *x = &vcpu->record;
	u32 vector = x->fault;

	if (!policy_fault_ok(vector))
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

/* The worker gets the record, and becomes the last program. */
static enum husk_verdict policy_worker(struct husk_vcpu *vcpu)
{
	struct husk_run *run = vcpu->run;

	vcpu->record.verdict = HUSK_POLICY_PASS;
	if (vcpu->exit.reason == HUSK_REASON_PIO)
		return husk_leaf_pio_worker(vcpu);
	run->policy = vcpu->record;
	run->exit = HUSK_EXIT_POLICY;
	vcpu->io_pending = HUSK_IO_POLICY;
	return HUSK_TO_USER;
}

static enum husk_verdict policy_pass(struct husk_vcpu *vcpu)
{
	if (vcpu->exit.reason == HUSK_REASON_HLT)
		vcpu->halt_poll_ns = min_t(u64, vcpu->record.data, POLICY_POLL_MAX_NS);
	return vcpu->record.after ? HUSK_RETIRE : HUSK_DISPATCH;
}

static noinline enum husk_verdict policy_rare(struct husk_vcpu *vcpu)
{
	struct husk_exit_record *x = &vcpu->record;

	switch (x->verdict) {
	case HUSK_POLICY_FAULT:
		return policy_fault(vcpu);
	case HUSK_POLICY_PAUSE:
		return policy_end(vcpu, false);
	case HUSK_POLICY_WORKER:
		return x->after ? policy_end(vcpu, true) : policy_worker(vcpu);
	case HUSK_POLICY_AFTER:
		return x->after ? policy_end(vcpu, true) : HUSK_ASK;
	default:
		return policy_end(vcpu, true);
	}
}

/* HUSK_ASK: to be done by the kernel, then to be asked about again. */
static __always_inline enum husk_verdict policy_answer(struct husk_vcpu *vcpu)
{
	switch (vcpu->record.verdict) {
	case HUSK_POLICY_PASS:
		return policy_pass(vcpu);
	case HUSK_POLICY_HANDLED:
		return policy_handled(vcpu);
	default:
		return policy_rare(vcpu);
	}
}

/* ---- when it is asked ---- */

/* The kernel has done its part. @before: rax, rcx, rdx and rbx, which are all that it can have changed */
static enum husk_verdict policy_again(struct husk_vcpu *vcpu, const u64 before[4], bool slow)
{
	struct husk_exit_record *x = &vcpu->record;

	x->after = 1;
	policy_consult_exit(vcpu, vcpu->exit.reason, slow);
	if (x->verdict == HUSK_POLICY_FAULT)
		memcpy(x->gpr, before, 4 * sizeof(u64));
	return policy_answer(vcpu);
}

/* It is to be masked: not worth leaving the loop for. */
static noinline enum husk_verdict policy_after_cpuid(struct husk_vcpu *vcpu)
{
	u64 before[4];

	memcpy(before, vcpu->regs.gpr, sizeof(before));
	husk_cpuid(vcpu);
	return policy_again(vcpu, before, false);
}

enum husk_verdict husk_policy_ask(struct husk_vcpu *vcpu)
{
	struct husk_exit_record *x = &vcpu->record;
	enum husk_verdict verdict;

	x->after = 0;
	if (husk_policy_wanted(vcpu->vm, HUSK_POLICY_SLOW, vcpu->exit.reason))
		return HUSK_ASK;
	if (!policy_fill(vcpu))
		return HUSK_DISPATCH;
	policy_consult_exit(vcpu, vcpu->exit.reason, false);
	verdict = policy_answer(vcpu);
	if (verdict != HUSK_ASK)
		return verdict;
	if (vcpu->exit.reason == HUSK_REASON_CPUID)
		return policy_after_cpuid(vcpu);
	x->after = 1;	/* for husk_policy_serve() */
	return HUSK_ASK;
}

/* The kernel's part, and what programs say to its result */
static enum husk_verdict policy_after(struct husk_vcpu *vcpu)
{
	enum husk_verdict verdict;
	u64 before[4];

	vcpu->record.after = 0;
	memcpy(before, vcpu->regs.gpr, sizeof(before));
	verdict = husk_builtin(vcpu);
	/* A HLT has no result, and the thread is to wait now. */
	if (verdict != HUSK_RETIRE || vcpu->exit.reason == HUSK_REASON_HLT)
		return verdict;
	if (vcpu->exit.reason == HUSK_REASON_RDMSR)
		vcpu->record.data = (u32)vcpu->regs.gpr[0] | vcpu->regs.gpr[2] << 32;
	return policy_again(vcpu, before, true);
}

static enum husk_verdict policy_go_on(struct husk_vcpu *vcpu, enum husk_verdict verdict)
{
	if (verdict == HUSK_ASK)
		return policy_after(vcpu);
	return verdict == HUSK_DISPATCH ? husk_builtin(vcpu) : verdict;
}

enum husk_verdict husk_policy_serve(struct husk_vcpu *vcpu)
{
	if (vcpu->record.after)
		return policy_after(vcpu);
	if (!policy_fill(vcpu))
		return husk_builtin(vcpu);
	policy_consult_exit(vcpu, vcpu->exit.reason, true);
	return policy_go_on(vcpu, policy_answer(vcpu));
}

enum husk_verdict husk_policy_complete(struct husk_vcpu *vcpu)
{
	struct husk_exit_record *x = &vcpu->record;
	struct husk_exit_record answer = vcpu->run->policy;

	barrier();	/* the page is the worker's: no second look */
	memcpy(x->gpr, answer.gpr, sizeof(x->gpr));
	x->verdict = answer.verdict;
	x->data = answer.data;
	x->fault = answer.fault;
	x->error = answer.error;
	x->fault_address = answer.fault_address;
	if (x->verdict == HUSK_POLICY_WORKER || x->verdict == HUSK_POLICY_AFTER)
		x->verdict = HUSK_POLICY_VERDICT_COUNT;
	return policy_go_on(vcpu, policy_answer(vcpu));
}

enum husk_verdict husk_policy_io(struct husk_vcpu *vcpu, struct husk_policy_io *io)
{
	struct husk_exit_record *x = &vcpu->record;
	u8 reason = io->port ? HUSK_REASON_PIO : HUSK_REASON_MMIO;

	x->after = 0;
	x->address = io->addr;
	x->width = io->width;
	x->access = io->write ? HUSK_POLICY_WRITE : HUSK_POLICY_READ;
	x->data = io->write ? io->data : 0;
	policy_consult_exit(vcpu, reason, true);
	switch (x->verdict) {
	case HUSK_POLICY_PASS:
		return HUSK_DISPATCH;
	case HUSK_POLICY_HANDLED:
		io->data = x->data;
		return HUSK_RETIRE;
	case HUSK_POLICY_WORKER:
		return HUSK_TO_USER;
	case HUSK_POLICY_PAUSE:
		return policy_end(vcpu, false);
	case HUSK_POLICY_FAULT:
		if (policy_fault_ok(x->fault))
			return policy_fault(vcpu);
		fallthrough;
	default:
		return policy_end(vcpu, true);
	}
}

enum husk_policy_verdict husk_policy_request(struct husk_asked *asked)
{
	struct husk_exit_record *x = &asked->record;
	u32 disk = x->vcpu;

	policy_consult(asked, disk, HUSK_REASON_VIRTIO, true);
	switch (x->verdict) {
	case HUSK_POLICY_AFTER:
		if (x->after)
			break;
		fallthrough;
	case HUSK_POLICY_PASS:
	case HUSK_POLICY_HANDLED:
	case HUSK_POLICY_FAULT:
		return x->verdict;
	case HUSK_POLICY_PAUSE:
		policy_end_vm(asked->vm, false);
		return HUSK_POLICY_PASS;
	}
	policy_end_vm(asked->vm, true);
	return HUSK_POLICY_FAULT;
}
