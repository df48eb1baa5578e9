// SPDX-License-Identifier: GPL-2.0
/*
 * What a VM may use: CPU time of its vCPUs, and exits. And its statistics, told at
 * an interval.
 *
 * Nothing of it is on the path of an exit. While a VM has a limit, work of its own
 * looks, some hundred times a second, at what was used, and lets a bucket for each
 * limit fill with time and be emptied by use. While one is empty the vCPUs wait, as
 * in a pause. So a VM may use at once what a tenth of a second allows; and what it
 * does between two looks beyond that it stands still for.
 *
 * CPU time is what a thread spends in HUSK_VCPU_RUN, but asleep or waiting for a CPU:
 * who calls it does not matter. Threads clock it by themselves, and only if there is a
 * limit: a request, HUSK_REQ_CHARGE, has them do so.
 */
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/sched/clock.h>
#include <linux/sched/task.h>

#include "husk.h"
#include "uapi/husk_netlink.h"

#define LIMIT_LOOK		max(HZ / 250, 1)	/* jiffies */
#define LIMIT_BURST_NS		(NSEC_PER_SEC / 10)
#define LIMIT_LONGEST_NS	NSEC_PER_SEC		/* that counts between two looks */

/* ---- by the vCPU's thread ---- */

/* It goes on to the guest. */
void husk_limit_start(struct husk_vcpu *vcpu)
{
	if (!READ_ONCE(vcpu->vm->limit.cpu))
		return;
	vcpu->charged_from = local_clock();
	vcpu->charged_delay = current->sched_info.run_delay;
	vcpu->leaving |= HUSK_LEAVING_CHARGED;
}

/* It may sleep now, or returns to the worker. HUSK_LEAVING_CHARGED is set. */
void husk_limit_stop(struct husk_vcpu *vcpu)
{
	u64 spent = local_clock() - vcpu->charged_from;
	u64 waited = current->sched_info.run_delay - vcpu->charged_delay;

	vcpu->leaving &= ~HUSK_LEAVING_CHARGED;
	if (spent > waited)
		atomic64_add(spent - waited, &vcpu->vm->limit.used_ns);
	if (READ_ONCE(vcpu->vm->limit.cpu))
		set_bit(HUSK_REQ_CHARGE, &vcpu->requests);
}

/* ---- the look ---- */

static u64 limit_used_exits(struct husk_vm *vm)
{
	u64 now = 0, before = vm->limit.entries;
	struct husk_vcpu *vcpu;
	int i;

	husk_for_each_vcpu(i, vcpu, vm)
		now += READ_ONCE(vcpu->stats->entries);
	vm->limit.entries = now;
	return now - before;
}

/* left, after so much time at a rate a second, less what was used */
static s64 limit_fill(s64 left, u64 ns, u64 rate, u64 used)
{
	s64 most = mul_u64_u64_div_u64(LIMIT_BURST_NS, rate, NSEC_PER_SEC) + 1;

	left += mul_u64_u64_div_u64(ns, rate, NSEC_PER_SEC);
	return min(left, most) - (s64)used;
}

/* HUSK_LIMIT_x that are exceeded; the detail of HUSK_LIFE_HELD */
static u32 limit_look(struct husk_vm *vm, u64 ns)
{
	struct husk_limit *l = &vm->limit;
	u32 cpu = READ_ONCE(l->cpu), exits = READ_ONCE(l->exits), over = 0;
	u64 used_ns = atomic64_xchg(&l->used_ns, 0), used_exits = limit_used_exits(vm);

	l->cpu_left = cpu ? limit_fill(l->cpu_left, ns, cpu * (NSEC_PER_SEC / 100), used_ns) : 0;
	l->exits_left = exits ? limit_fill(l->exits_left, ns, exits, used_exits) : 0;
	if (l->cpu_left < 0)
		over |= HUSK_LIMIT_CPU;
	if (l->exits_left < 0)
		over |= HUSK_LIMIT_EXITS;
	/* Those that are in the guest for long tell how long by the next look. */
	if (cpu)
		husk_vm_request_all(vm, HUSK_REQ_CHARGE);
	return over;
}

static void limit_work(struct work_struct *work)
{
	struct husk_vm *vm = container_of(to_delayed_work(work), struct husk_vm, limit.work);
	struct husk_limit *l = &vm->limit;
	u64 now = ktime_get_ns(), ns = min_t(u64, now - l->at, LIMIT_LONGEST_NS);
	u32 over = limit_look(vm, ns);

	l->at = now;
	if (vm->held)
		WRITE_ONCE(l->held_ns, l->held_ns + ns);
	if (vm->held != !!over)
		husk_vm_hold(vm, over);
	if (over && now - l->told >= NSEC_PER_SEC) {
		l->told = now;
		husk_event_send(vm, HUSK_LIFE_HELD, over);
	}
	if (READ_ONCE(l->cpu) || READ_ONCE(l->exits))
		queue_delayed_work(husk_wq, &l->work, LIMIT_LOOK);
}

static void limit_stats_work(struct work_struct *work)
{
	struct husk_vm *vm = container_of(to_delayed_work(work), struct husk_vm, limit.stats_work);
	u32 ms = READ_ONCE(vm->limit.stats_ms);

	if (!ms)
		return;
	husk_stats_send(vm);
	queue_delayed_work(husk_wq, &vm->limit.stats_work, msecs_to_jiffies(ms));
}

/* CPU time of the threads that ran the vCPUs last; up to date at each of their ticks */
u64 husk_limit_run_ns(struct husk_vm *vm)
{
	struct task_struct *task;
	struct husk_vcpu *vcpu;
	u64 ns = 0;
	int i;

	husk_for_each_vcpu(i, vcpu, vm) {
		task = husk_spin_task(vcpu);
		if (!task)
			continue;
		ns += READ_ONCE(task->se.sum_exec_runtime);
		put_task_struct(task);
	}
	return ns;
}

/* ---- changes ---- */

/* What was used before does not count, and nobody is held for what no longer is. */
static void limit_change(struct husk_vm *vm, const struct husk_limits *change)
{
	struct husk_limit *l = &vm->limit;

	cancel_delayed_work_sync(&l->work);
	if (change->what & HUSK_LIMIT_CPU)
		WRITE_ONCE(l->cpu, change->cpu);
	if (change->what & HUSK_LIMIT_EXITS)
		WRITE_ONCE(l->exits, change->exits);
	l->by_admin = change->admin && (l->cpu || l->exits);
	atomic64_set(&l->used_ns, 0);
	limit_used_exits(vm);
	l->at = ktime_get_ns();
	l->cpu_left = l->exits_left = 0;
	if (vm->held)
		husk_vm_hold(vm, false);
	if (l->cpu)
		husk_vm_request_all(vm, HUSK_REQ_CHARGE);
	if (l->cpu || l->exits)
		queue_delayed_work(husk_wq, &l->work, LIMIT_LOOK);
}

/**
 * husk_limit_set - change a VM's limits, or the interval of its statistics
 * @vm: the VM, with a reference
 * @change: which, and to what
 *
 * Context: process, may sleep.
 *
 * Return: 0, or -EPERM: an administrator has set the limits, and this is none.
 */
int husk_limit_set(struct husk_vm *vm, const struct husk_limits *change)
{
	struct husk_limit *l = &vm->limit;
	int ret = 0;

	mutex_lock(&l->lock);
	if (change->what & (HUSK_LIMIT_CPU | HUSK_LIMIT_EXITS)) {
		if (l->by_admin && !change->admin)
			ret = -EPERM;
		else
			limit_change(vm, change);
	}
	if (!ret && (change->what & HUSK_LIMIT_STATS) && l->stats_ms != change->stats_ms) {
		cancel_delayed_work_sync(&l->stats_work);
		WRITE_ONCE(l->stats_ms, change->stats_ms);
		if (l->stats_ms)
			queue_delayed_work(husk_wq, &l->stats_work, msecs_to_jiffies(l->stats_ms));
	}
	mutex_unlock(&l->lock);
	return ret;
}

void husk_limit_init(struct husk_vm *vm)
{
	mutex_init(&vm->limit.lock);
	INIT_DELAYED_WORK(&vm->limit.work, limit_work);
	INIT_DELAYED_WORK(&vm->limit.stats_work, limit_stats_work);
}

/* No reference is left with which a request could come. */
void husk_limit_fini(struct husk_vm *vm)
{
	cancel_delayed_work_sync(&vm->limit.work);
	cancel_delayed_work_sync(&vm->limit.stats_work);
}
