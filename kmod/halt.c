// SPDX-License-Identifier: GPL-2.0
/*
 * A vCPU that has nothing to do: in HLT, or waiting for SIPI.
 *
 * What ends a HLT often comes at once (the answer to an IPI, a disk). Then to
 * sleep and be woken costs more than to wait awake: the thread polls for a time
 * (poll_ns.h), halt_poll_ns at most. Nobody polls while another task wants
 * the CPU, nor where the guest does it itself (MSR_KVM_POLL_CONTROL).
 */
#include <linux/kernel.h>
#include <linux/ktime.h>
#include <linux/moduleparam.h>
#include <linux/sched/signal.h>
#include <linux/sched/stat.h>

#include "irqchip/irqchip.h"
#include "poll_ns.h"
#include "trace.h"
#include "vendor.h"

static unsigned int halt_poll_ns = 200000;
module_param(halt_poll_ns, uint, 0644);
MODULE_PARM_DESC(halt_poll_ns, "a vCPU polls at most so long, in ns, before it sleeps in HLT; 0: not at all");

/* Requests that need no running vCPU: the next entry serves them. */
#define HALT_SLEEPS_ON	BIT(HUSK_REQ_FLUSH)

static bool halt_called(struct husk_vcpu *vcpu)
{
	return READ_ONCE(vcpu->requests) & ~HALT_SLEEPS_ON;
}

/* Wait awake until end. true: something came */
static bool halt_poll(struct husk_vcpu *vcpu, u64 end)
{
	do {
		if (halt_called(vcpu)) {
			vcpu->stats->poll_hits++;
			return true;
		}
		cpu_relax();
	} while (single_task_running() && !__xfer_to_guest_mode_work_pending() && ktime_get_ns() < end);
	vcpu->stats->poll_misses++;
	return false;
}

/* Bring what is pending up to date. true: it ends the HLT */
static bool halt_over(struct husk_vcpu *vcpu)
{
	clear_bit(HUSK_REQ_EVENT, &vcpu->requests);
	smp_mb__after_atomic();
	clear_bit(HUSK_REQ_TIMER, &vcpu->requests);
	husk_lapic_timer_block(vcpu);
	if (husk_lapic_take_nmi(vcpu))
		vcpu->nmi_pending = true;
	return vcpu->mp_state == HUSK_MP_HALTED &&
	       ((vcpu->nmi_pending && !vcpu->nmi_masked) ||
		((vcpu->regs.rflags & X86_EFLAGS_IF) && husk_irq_waits(vcpu)) || husk_pv_take_kick(vcpu));
}

static int halt_wait(struct husk_vcpu *vcpu, u64 start, bool *slept)
{
	u64 poll = vcpu->mp_state == HUSK_MP_HALTED && husk_pv_may_poll(vcpu) ? vcpu->halt_poll_ns : 0;

	for (;;) {
		if (halt_over(vcpu)) {
			vcpu->mp_state = HUSK_MP_RUNNABLE;
			return 0;
		}
		if (READ_ONCE(vcpu->requests) & ~HUSK_REQ_FAST)
			return 0;
		if (signal_pending(current))
			return -EINTR;
		cond_resched();		/* others may send NMIs again and again */
		if (poll && halt_poll(vcpu, start + poll))
			continue;
		poll = 0;
		*slept = true;
		husk_pv_leave(vcpu);
		rcuwait_wait_event(&vcpu->wait, halt_called(vcpu), TASK_INTERRUPTIBLE);
	}
}

/**
 * husk_halt - wait in HLT or until SIPI
 * @vcpu: its thread; mp_state is not HUSK_MP_RUNNABLE
 *
 * Return: 0: runnable, or a request is pending; -EINTR: a signal.
 */
int husk_halt(struct husk_vcpu *vcpu)
{
	u64 waited, start = ktime_get_ns();
	bool slept = false, halted = vcpu->mp_state == HUSK_MP_HALTED;
	int ret = halt_wait(vcpu, start, &slept);

	set_bit(HUSK_REQ_EVENT, &vcpu->requests);
	waited = ktime_get_ns() - start;
	vcpu->stats->halted_ns += waited;
	trace_husk_halt(vcpu->vm->id, vcpu->id, !halted, slept, vcpu->mp_state == HUSK_MP_RUNNABLE, waited);
	husk_pv_clock_moved(vcpu);
	husk_pv_tick(vcpu);
	if (halted)
		husk_poll_adapt(&vcpu->halt_poll_ns, waited, READ_ONCE(halt_poll_ns));
	return ret;
}
