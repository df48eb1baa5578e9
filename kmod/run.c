// SPDX-License-Identifier: GPL-2.0
/*
 * The run loop. An exit is served by the first of three levels that can:
 *
 *  fast	husk_fast_loop(): interrupts off, the guest's FPU, XCR0 and system
 *		registers stay loaded; no lock that sleeps, no allocation (leaf.c)
 *  kernel	the common table with interrupts on; may sleep (exits.c)
 *  worker	the VM's process, by the run page
 *
 * All that can be pending for a vCPU is in vcpu->requests and the thread's
 * work flags; the fast loop tests each once a round.
 */
#include <linux/kvm_host.h>	/* guest time accounting: inlines, nothing of kvm.ko */
#include <linux/sched/signal.h>
#include <asm/debugreg.h>

#include "account.h"
#include "emulate.h"
#include "exits.h"
#include "hostcpu.h"
#include "irqchip/irqchip.h"
#include "policy.h"
#include "traced.h"
#include "uapi/husk_netlink.h"
#include "vendor.h"

/* ---- guest state that common code asks for ---- */

void husk_fetch_slow(struct husk_vcpu *vcpu, u8 classes)
{
	classes &= ~vcpu->sys_cached;
	husk_vendor->fetch(vcpu, classes);
	vcpu->sys_cached |= classes;
}

/* ---- events ---- */

/* Choose what goes in next, and ask for a window for what must wait. Interrupts off. */
static void husk_deliver(struct husk_vcpu *vcpu)
{
	struct husk_event *event = &vcpu->event;
	u8 threshold;
	bool intr;

	if (husk_lapic_take_nmi(vcpu))
		vcpu->nmi_pending = true;
	husk_lapic_hand_over(vcpu);
	intr = husk_irq_pending(vcpu) >= 0;

	if (!event->pending && vcpu->nmi_pending && husk_vendor->can_nmi(vcpu)) {
		*event = (struct husk_event) { .pending = true, .type = HUSK_EVENT_NMI, .vector = 2 };
		vcpu->nmi_pending = false;
		vcpu->nmi_masked = true;
	} else if (!event->pending && intr && husk_vendor->can_intr(vcpu)) {
		int vector = husk_irq_ack(vcpu);

		if (vector >= 0)
			*event = (struct husk_event) { .pending = true, .type = HUSK_EVENT_INTR, .vector = vector };
		intr = husk_irq_pending(vcpu) >= 0;
	}
	threshold = husk_lapic_tpr_threshold(vcpu);
	if (intr != vcpu->intr_window || vcpu->nmi_pending != vcpu->nmi_window ||
	    threshold != vcpu->tpr_threshold) {
		vcpu->tpr_threshold = threshold;
		vcpu->intr_window = intr;
		vcpu->nmi_window = vcpu->nmi_pending;
		husk_vendor->window(vcpu, intr, vcpu->nmi_pending);
	}
}

/* Serve what needs no sleep. false: leave the fast loop for the rest. */
static bool husk_fast_requests(struct husk_vcpu *vcpu)
{
	if (READ_ONCE(vcpu->requests) & ~HUSK_REQ_FAST)
		return false;
	if (test_and_clear_bit(HUSK_REQ_TIMER, &vcpu->requests))
		husk_lapic_timer_fired(vcpu);
	if (test_and_clear_bit(HUSK_REQ_FLUSH, &vcpu->requests))
		husk_vendor->flush(vcpu);
	/* Last, since the timer may have set it. */
	if (!test_and_clear_bit(HUSK_REQ_EVENT, &vcpu->requests))
		return true;
	husk_deliver(vcpu);
	/* It may have found that a page of the guest's has to be brought in first. */
	return !(READ_ONCE(vcpu->requests) & BIT(HUSK_REQ_PV));
}

/* ---- level one ---- */

/* Skip the instruction; a single-step trap is due after it (SDM 3B 18.3.1.4). */
static __always_inline bool husk_skip(struct husk_vcpu *vcpu)
{
	if (unlikely(!husk_call(skip)(vcpu)))
		return false;
	if (unlikely(vcpu->regs.rflags & X86_EFLAGS_TF))
		husk_single_step_trap(vcpu);
	return true;
}

static __always_inline enum husk_verdict husk_fast_loop(struct husk_vcpu *vcpu)
{
	enum husk_verdict verdict;

	do {
		if (unlikely(READ_ONCE(vcpu->requests)) && !husk_fast_requests(vcpu))
			return HUSK_RESUME;
		if (unlikely(xfer_to_guest_mode_work_pending()))
			return HUSK_RESUME;
		husk_exit_next(vcpu);
		if (trace_husk_entry_enabled())
			husk_traced_entry(vcpu);
		if (unlikely(vcpu->event.pending)) {
			vcpu->stats->injections++;
			vcpu->flight->vector = vcpu->event.vector;
			vcpu->flight->event = vcpu->event.type + 1;
			if (trace_husk_inject_enabled())
				husk_traced_inject(vcpu);
			husk_vendor->inject(vcpu);
		}
		husk_call(enter)(vcpu);
		husk_exit_begin(vcpu);

		verdict = HUSK_DISPATCH;
		if (trace_husk_policy_enabled())
			verdict = husk_policy_ask(vcpu);
		if (verdict == HUSK_DISPATCH)
			verdict = husk_leaf(vcpu);
		if (verdict >= HUSK_DISPATCH)
			return verdict;
		if (verdict == HUSK_RETIRE && !husk_skip(vcpu))
			return verdict;
		husk_exit_end_fast(vcpu);
	} while (true);
}

static noinline void husk_moved(struct husk_vcpu *vcpu)
{
	WRITE_ONCE(vcpu->cpu, smp_processor_id());
	husk_vendor->moved(vcpu);
	husk_lapic_moved(vcpu);
	husk_pv_clock_moved(vcpu);
}

/* Load what stays loaded over several exits. false: it can't be; to be ended all the same */
static __always_inline bool husk_stay_begin(struct husk_vcpu *vcpu)
{
	preempt_disable();
	local_irq_disable();
	guest_timing_enter_irqoff();
	if (unlikely(vcpu->cpu != smp_processor_id()))
		husk_moved(vcpu);
	if (unlikely(!husk_guest_load(vcpu)))
		return false;
	husk_call(open)(vcpu);
	smp_store_release(&vcpu->mode, HUSK_INSIDE);
	smp_mb();	/* pairs with husk_vcpu_kick */
	return true;
}

static __always_inline void husk_stay_unload(struct husk_vcpu *vcpu)
{
	husk_call(close)(vcpu);
	smp_store_release(&vcpu->mode, HUSK_OUTSIDE);	/* all that it logged is handed over */
	husk_guest_put(vcpu);
}

static __always_inline void husk_stay_end(struct husk_vcpu *vcpu, enum husk_verdict verdict)
{
	bool softirq = local_softirq_pending();		/* nobody was woken for those raised in the stay */

	if (unlikely(vcpu->exit.reason == HUSK_REASON_MCHECK && verdict == HUSK_DISPATCH))
		husk_host_machine_check();	/* while still on the CPU that it hit */
	local_irq_enable();
	/* A pending host interrupt is taken here, and its tick is the guest's. Not right after STI, hence the NOP. */
	asm volatile("nop" : : : "memory");
	local_irq_disable();
	guest_timing_exit_irqoff();
	local_irq_enable();
	preempt_enable();
	if (unlikely(softirq)) {
		local_bh_disable();
		local_bh_enable();
	}
}

/*
 * Run until work is pending: HUSK_RESUME; HUSK_DISPATCH: vcpu->exit is for the
 * common table; HUSK_TO_USER: for the worker; HUSK_RETIRE: a leaf served the exit, but
 * the length of the instruction was not known without sleeping; HUSK_ASK; HUSK_DEAD:
 * it can't run.
 */
static enum husk_verdict husk_run_fast(struct husk_vcpu *vcpu)
{
	enum husk_verdict verdict = HUSK_DEAD;

	if (likely(husk_stay_begin(vcpu))) {
		verdict = husk_fast_loop(vcpu);
		husk_stay_unload(vcpu);
	}
	husk_stay_end(vcpu, verdict);
	return verdict;
}

/* ---- between stays in the fast loop: everything that may sleep ---- */

/* Tell listeners, once, that the guest can't go on: vcpu->run and vcpu->exit say why. */
static void husk_crashed(struct husk_vcpu *vcpu)
{
	if (xchg(&vcpu->vm->crashed, true))
		return;
	husk_event_send(vcpu->vm, HUSK_LIFE_CRASHED, vcpu->exit.reason);
	husk_fault_send(vcpu, 0);
}

static int husk_serve_init(struct husk_vcpu *vcpu)
{
	int vector;

	if (vcpu->triple_fault) {
		vcpu->triple_fault = false;
		vcpu->run->exit = HUSK_EXIT_SHUTDOWN;
		husk_crashed(vcpu);
		return 1;
	}
	if (husk_lapic_take_init(vcpu)) {
		husk_vcpu_reset_state(vcpu, true);
		vcpu->mp_state = vcpu->id ? HUSK_MP_WAIT_SIPI : HUSK_MP_RUNNABLE;
	}
	vector = husk_lapic_take_sipi(vcpu);
	if (vector >= 0 && vcpu->mp_state == HUSK_MP_WAIT_SIPI) {
		husk_fetch(vcpu, HUSK_SYS_CR);
		vcpu->sys.cs.selector = vector << 8;
		vcpu->sys.cs.base = (u64)vector << 12;
		vcpu->regs.rip = 0;
		husk_dirty(vcpu, HUSK_SYS_CR);
		vcpu->mp_state = HUSK_MP_RUNNABLE;
		/* What waits for SIPI takes nothing else (SDM 3C 27.7.2): no NMI meets a CPU that has no IDT yet. */
		husk_lapic_take_nmi(vcpu);
		vcpu->nmi_pending = false;
	}
	return 0;
}

static void husk_load_pdptes(struct husk_vcpu *vcpu)
{
	const u64 reserved = GENMASK_ULL(63, husk_host.phys_bits) | GENMASK_ULL(8, 5) | GENMASK_ULL(2, 1);
	int i;

	husk_fetch(vcpu, HUSK_SYS_CR);
	if (husk_read_gpa(vcpu->vm, vcpu->sys.cr3 & ~0x1fULL & U32_MAX, vcpu->pdpte, sizeof(vcpu->pdpte)))
		memset(vcpu->pdpte, 0, sizeof(vcpu->pdpte));
	for (i = 0; i < ARRAY_SIZE(vcpu->pdpte); i++)
		if (vcpu->pdpte[i] & reserved)
			vcpu->pdpte[i] = 0;	/* the first use faults: the MOV should have */
	husk_dirty(vcpu, HUSK_SYS_PDPTE);
}

#define HUSK_LONG_HOLD_NS	NSEC_PER_SEC	/* a guest's watchdogs may wonder */

/* Someone paused it, or it has used what it may use. */
static bool husk_vm_waits(const struct husk_vm *vm)
{
	return READ_ONCE(vm->paused) || READ_ONCE(vm->held);
}

/*
 * 0: go on; 1: return to the worker, vcpu->run is filled in; -EINTR: a signal; -EIO: dead;
 * -EBUSY: reset; -ENOMEM. Not inlined: the fast loop would pay for its registers.
 */
static noinline int husk_serve_requests(struct husk_vcpu *vcpu)
{
	struct husk_vm *vm = vcpu->vm;
	int ret;

	husk_spin_runner(vcpu);
	if (vcpu->leaving & HUSK_LEAVING_CHARGED)
		husk_limit_stop(vcpu);
	clear_bit(HUSK_REQ_CHARGE, &vcpu->requests);
	/* It stays set: RUN comes here each time. */
	if (READ_ONCE(vm->dead)) {
		if (vcpu->told_killed)
			return -EIO;
		vcpu->told_killed = true;
		vcpu->run->exit = HUSK_EXIT_KILLED;
		return 1;
	}
	if (test_and_clear_bit(HUSK_REQ_STOP, &vcpu->requests)) {
		u64 asked = READ_ONCE(vm->asked);

		vcpu->run->stop.timeout_ms = asked;
		vcpu->run->stop.action = asked >> 32;
		vcpu->run->exit = HUSK_EXIT_STOP;
		return 1;
	}
	if (test_and_clear_bit(HUSK_REQ_INIT, &vcpu->requests) && husk_serve_init(vcpu))
		return 1;
	if (test_and_clear_bit(HUSK_REQ_PDPTE, &vcpu->requests))
		husk_load_pdptes(vcpu);
	if (test_and_clear_bit(HUSK_REQ_PV, &vcpu->requests))
		husk_pv_serve(vcpu);
	if (test_and_clear_bit(HUSK_REQ_LOG, &vcpu->requests)) {
		ret = husk_vendor->log(vcpu, READ_ONCE(vm->mem.logged));
		if (ret) {
			set_bit(HUSK_REQ_LOG, &vcpu->requests);
			return ret;
		}
	}
	clear_bit(HUSK_REQ_PAUSE, &vcpu->requests);
	smp_mb__after_atomic();
	if (READ_ONCE(vm->resetting)) {
		set_bit(HUSK_REQ_PAUSE, &vcpu->requests);
		return -EBUSY;
	}
	if (husk_vm_waits(vm)) {
		bool paused = READ_ONCE(vm->paused);
		u64 start = ktime_get_ns();

		ret = rcuwait_wait_event(&vcpu->wait, !husk_vm_waits(vm) || READ_ONCE(vm->dead) ||
					 test_bit(HUSK_REQ_STOP, &vcpu->requests), TASK_INTERRUPTIBLE);
		/* If it was a signal, or something to tell the worker, the next run waits again. */
		set_bit(HUSK_REQ_PAUSE, &vcpu->requests);
		if (paused || READ_ONCE(vm->paused) || ktime_get_ns() - start > HUSK_LONG_HOLD_NS)
			husk_pv_clock_paused(vcpu);
		return ret;
	}
	if (!READ_ONCE(vm->started) && !xchg(&vm->started, true))
		husk_event_send(vm, HUSK_LIFE_RUNNING, 0);
	if (vcpu->mp_state != HUSK_MP_RUNNABLE)
		return husk_halt(vcpu);
	return 0;
}

/* Everything that is due before the fast loop is entered. As husk_serve_requests. */
static int husk_prepare(struct husk_vcpu *vcpu)
{
	int ret;

	while ((READ_ONCE(vcpu->requests) & ~HUSK_REQ_FAST) || vcpu->mp_state != HUSK_MP_RUNNABLE) {
		ret = husk_serve_requests(vcpu);
		if (ret)
			return ret;
		if (signal_pending(current))
			return -EINTR;
		cond_resched();		/* others may send INIT again and again */
		husk_limit_start(vcpu);
	}
	husk_pv_enter(vcpu);
	if (!__xfer_to_guest_mode_work_pending())
		return 0;
	if (signal_pending(current))
		return -EINTR;
	husk_spin_runner(vcpu);
	husk_pv_leave(vcpu);
	schedule();
	husk_pv_enter(vcpu);
	/* Task work and the like is done on the way back to the worker. */
	return __xfer_to_guest_mode_work_pending() && !need_resched() ? -EINTR : 0;
}

/* ---- levels two and three ---- */

enum husk_verdict husk_unhandled(struct husk_vcpu *vcpu)
{
	struct husk_run *run = vcpu->run;
	struct husk_exit_info *exit = &vcpu->exit;

	if (!exit->insn_len)
		exit->insn_len = husk_read_gva(vcpu, vcpu->regs.rip, exit->insn, 15, HUSK_ACCESS_EXEC);
	run->unhandled.info[0] = exit->info[0];
	run->unhandled.info[1] = exit->info[1];
	run->unhandled.hw_reason = exit->hw_reason;
	run->unhandled.insn_length = exit->insn_len;
	memcpy(run->unhandled.insn, exit->insn, sizeof(run->unhandled.insn));
	run->exit = HUSK_EXIT_UNHANDLED;
	return HUSK_DEAD;
}

/* Finish the exit that verdict is about. true: go on in the guest */
static bool husk_finish(struct husk_vcpu *vcpu, enum husk_verdict verdict, u8 level)
{
	if (verdict == HUSK_RETIRE) {
		if (unlikely(!husk_skip(vcpu)))
			verdict = husk_retire_slow(vcpu);
		else
			verdict = HUSK_RESUME;
	}
	if (likely(verdict == HUSK_RESUME)) {
		husk_exit_count(vcpu, level);
		husk_exit_end_slow(vcpu);
		return true;
	}
	husk_exit_count(vcpu, HUSK_LEVEL_WORKER);
	/* A worker that answers ends the exit's time when it comes back. */
	if (verdict == HUSK_DEAD) {
		husk_exit_end_slow(vcpu);
		husk_crashed(vcpu);
	} else {
		vcpu->untimed = true;
	}
	return false;
}

/* The instruction's length needs a look that may sleep. */
enum husk_verdict husk_retire_slow(struct husk_vcpu *vcpu)
{
	u8 length = husk_insn_length(vcpu);

	if (!length)
		return husk_unhandled(vcpu);
	vcpu->regs.rip += length;
	husk_vendor->set_shadow(vcpu, false);
	if (vcpu->regs.rflags & X86_EFLAGS_TF)
		husk_single_step_trap(vcpu);
	return HUSK_RESUME;
}

/* The worker was asked for data, or to do a write: take its answer. io_pending is not HUSK_IO_NONE. */
static enum husk_verdict husk_complete_io(struct husk_vcpu *vcpu)
{
	u8 pending = vcpu->io_pending;

	vcpu->io_pending = HUSK_IO_NONE;
	if (unlikely(pending >= HUSK_IO_EMULATE))
		return pending == HUSK_IO_EMULATE ? husk_emulate_continue(vcpu) : husk_policy_complete(vcpu);
	if (pending == HUSK_IO_PIO_IN) {
		husk_pio_in(vcpu, vcpu->exit.pio.width, READ_ONCE(vcpu->run->pio.data));
		if (trace_husk_pio_enabled())
			husk_traced_pio(vcpu, HUSK_LEVEL_WORKER, vcpu->regs.gpr[0]);
	}
	return HUSK_RETIRE;
}

#define HUSK_SYNC_CLASSES (BIT_ULL(HUSK_STATE_GENERAL) | BIT_ULL(HUSK_STATE_SYSTEM))

/* Registers that the worker changed in the run page. They cancel a pending answer. */
static noinline int husk_sync_in(struct husk_vcpu *vcpu, u64 dirty)
{
	struct husk_run *run = vcpu->run;
	struct husk_system sys;
	struct husk_general regs;

	if (dirty & ~HUSK_SYNC_CLASSES)
		return -EINVAL;
	regs = run->general;
	sys = run->system;
	barrier();	/* the page is the worker's: no second look */
	if ((dirty & BIT_ULL(HUSK_STATE_SYSTEM)) && husk_state_check_system(vcpu, &sys))
		return -EINVAL;
	if ((dirty & BIT_ULL(HUSK_STATE_GENERAL)) && husk_state_check_general(&regs))
		return -EINVAL;
	husk_fetch(vcpu, HUSK_SYS_ALL);
	if (husk_state_check_mode(dirty & BIT_ULL(HUSK_STATE_GENERAL) ? &regs : &vcpu->regs,
				  dirty & BIT_ULL(HUSK_STATE_SYSTEM) ? &sys : &vcpu->sys))
		return -EINVAL;
	if (dirty & BIT_ULL(HUSK_STATE_SYSTEM))
		husk_state_apply_system(vcpu, &sys);
	if (dirty & BIT_ULL(HUSK_STATE_GENERAL))
		vcpu->regs = regs;
	vcpu->io_pending = HUSK_IO_NONE;
	run->sync_dirty = 0;
	return 0;
}

static void husk_sync_out(struct husk_vcpu *vcpu)
{
	struct husk_run *run = vcpu->run;
	u64 want = READ_ONCE(run->sync_want) & HUSK_SYNC_CLASSES;

	run->reason = vcpu->exit.reason;
	run->rip = vcpu->regs.rip;
	run->sync_valid = want;
	if (likely(!want))
		return;
	if (want & BIT_ULL(HUSK_STATE_GENERAL))
		run->general = vcpu->regs;
	if (want & BIT_ULL(HUSK_STATE_SYSTEM))
		husk_state_collect_system(vcpu, &run->system);
}

static enum husk_verdict husk_builtin_leaf(struct husk_vcpu *vcpu)
{
	bool loaded = husk_stay_begin(vcpu);
	enum husk_verdict verdict = HUSK_RESUME;

	if (likely(loaded)) {
		verdict = husk_leaf(vcpu);
		husk_stay_unload(vcpu);
	}
	husk_stay_end(vcpu, HUSK_RESUME);
	if (unlikely(!loaded))
		husk_vm_kill(vcpu->vm);
	return verdict;
}

enum husk_verdict husk_builtin(struct husk_vcpu *vcpu)
{
	enum husk_verdict verdict = HUSK_DISPATCH;

	if (vcpu->exit.reason != HUSK_REASON_FAULT2)	/* no leaf */
		verdict = husk_builtin_leaf(vcpu);
	return verdict == HUSK_DISPATCH ? husk_dispatch(vcpu) : verdict;
}

/* ---- the run call ---- */

/* One exit after the other until the worker is needed. 0, or an errno for the worker */
static int husk_run_guest(struct husk_vcpu *vcpu)
{
	enum husk_verdict verdict;
	int ret;

	for (;;) {
		ret = husk_prepare(vcpu);
		if (ret)
			return ret < 0 ? ret : 0;
		verdict = husk_run_fast(vcpu);
		if (verdict == HUSK_RESUME)
			continue;
		if (unlikely(verdict > HUSK_TO_USER)) {
			if (WARN_ON_ONCE(verdict == HUSK_DEAD)) {
				husk_vm_kill(vcpu->vm);	/* our own FPU image was not loadable */
				continue;
			}
			verdict = husk_policy_serve(vcpu);
		} else if (verdict == HUSK_DISPATCH) {
			verdict = husk_dispatch(vcpu);
		}
		if (!husk_finish(vcpu, verdict, HUSK_LEVEL_KERNEL))
			return 0;
	}
}

static noinline void husk_leave(struct husk_vcpu *vcpu)
{
	if (vcpu->leaving & HUSK_LEAVING_CHARGED)
		husk_limit_stop(vcpu);
	if (vcpu->leaving & HUSK_LEAVING_GUARDED)
		husk_vcpu_unguard(vcpu);
}

/**
 * husk_vcpu_run - HUSK_VCPU_RUN
 * @vcpu: the vCPU; its mutex is held, current->mm is the VM's
 *
 * Return: 0 with vcpu->run filled in; -EINTR a signal, or other work of the
 * thread's on its way to user mode, is pending: call again; -EINVAL bad
 * registers in the run page; -ENOMEM for a log: call again; -EBUSY the VM is
 * being reset; -EIO the VM is dead and that was reported before.
 */
int husk_vcpu_run(struct husk_vcpu *vcpu)
{
	u64 dirty = READ_ONCE(vcpu->run->sync_dirty);
	enum husk_verdict verdict;
	int ret = 0;

	vcpu->run->exit = HUSK_EXIT_NONE;
	if (unlikely(dirty))
		ret = husk_sync_in(vcpu, dirty);
	if (ret)
		return ret;

	if (vcpu->io_pending) {
		verdict = husk_complete_io(vcpu);
		if (verdict == HUSK_RETIRE)
			verdict = husk_skip(vcpu) ? HUSK_RESUME : husk_retire_slow(vcpu);
		if (unlikely(verdict == HUSK_DEAD))
			husk_crashed(vcpu);
		if (verdict != HUSK_RESUME)
			goto out;	/* the same exit needs the worker again */
	}
	if (vcpu->untimed) {
		vcpu->untimed = false;
		husk_exit_end_slow(vcpu);
	}
	if (!READ_ONCE(vcpu->run->immediate_exit))
		ret = husk_run_guest(vcpu);
out:
	husk_sync_out(vcpu);
	if (unlikely(vcpu->leaving))
		husk_leave(vcpu);
	vcpu->stats->user_returns++;
	return ret;
}
