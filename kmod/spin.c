// SPDX-License-Identifier: GPL-2.0
/*
 * A vCPU that spins, while who could end its waiting has no CPU.
 *
 * Where the CPU tells of loops of PAUSE (SDM 3C 25.6.13, APM2 15.14.4), such an
 * exit gives the CPU to another vCPU of the VM whose thread is ready but does not
 * run: one with an interrupt to take, or in its kernel, where spinlocks are
 * held; else any. Where there is none, the spinner is let spin for longer.
 */
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/sched/task.h>

#include "exits.h"
#include "vendor.h"

#define SPIN_GROWTH	16	/* the window's limit, in initial windows */

/**
 * husk_spin_runner - remember whose thread runs a vCPU
 * @vcpu: the thread that has its mutex
 *
 * Called where it may sleep next: it is only for whoever finds it not running.
 */
void husk_spin_runner(struct husk_vcpu *vcpu)
{
	struct pid *old = vcpu->runner;

	if (likely(old == task_pid(current)))
		return;
	spin_lock(&vcpu->runner_lock);
	vcpu->runner = get_pid(task_pid(current));
	spin_unlock(&vcpu->runner_lock);
	put_pid(old);
}

struct task_struct *husk_spin_task(struct husk_vcpu *vcpu)
{
	struct task_struct *task;
	struct pid *pid;

	spin_lock(&vcpu->runner_lock);
	pid = get_pid(vcpu->runner);
	spin_unlock(&vcpu->runner_lock);
	task = get_pid_task(pid, PIDTYPE_PID);
	put_pid(pid);
	return task;
}

/**
 * husk_spin_yield_to - give the rest of this thread's time to another vCPU's
 * @vcpu: the other one
 *
 * May sleep. Return: false, at once, if that is not ready or has a CPU.
 */
bool husk_spin_yield_to(struct husk_vcpu *vcpu)
{
	struct task_struct *task = husk_spin_task(vcpu);
	bool yielded;

	if (!task)
		return false;
	yielded = task_is_running(task) && !READ_ONCE(task->on_cpu) && yield_to(task, true) > 0;
	put_task_struct(task);
	return yielded;
}

/*
 * May it be what the spinner waits for? That its kernel is in the upper half of
 * the addresses is a guess; its privilege level would cost a look at each exit.
 */
static bool spin_promises(struct husk_vcpu *vcpu)
{
	return (READ_ONCE(vcpu->requests) & BIT(HUSK_REQ_EVENT)) || (s64)READ_ONCE(vcpu->regs.rip) < 0;
}

/* In turn, from behind the one that was chosen last */
static bool spin_yield(struct husk_vcpu *spinner, bool all)
{
	struct husk_vm *vm = spinner->vm;
	u32 n, id, last = READ_ONCE(vm->spin_last);
	struct husk_vcpu *vcpu;

	for (n = 1; n <= HUSK_MAX_VCPUS; n++) {
		id = (last + n) % HUSK_MAX_VCPUS;
		vcpu = husk_vm_vcpu(vm, id);
		if (!vcpu || vcpu == spinner || (!all && !spin_promises(vcpu)))
			continue;
		if (husk_spin_yield_to(vcpu)) {
			WRITE_ONCE(vm->spin_last, id);
			return true;
		}
	}
	return false;
}

enum husk_verdict husk_exit_pause(struct husk_vcpu *vcpu)
{
	u32 first = husk_vendor->pause_window, window = first;

	if (spin_yield(vcpu, false) || spin_yield(vcpu, true))
		vcpu->stats->yields++;
	else
		window = min(2 * vcpu->pause_window, SPIN_GROWTH * first);
	if (window != vcpu->pause_window) {
		vcpu->pause_window = window;
		husk_dirty(vcpu, HUSK_SYS_PAUSE);
	}
	return HUSK_RETIRE;
}
