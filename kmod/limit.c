// SPDX-License-Identifier: GPL-2.0
/*
 * What a VM may use: CPU time of its vCPUs' threads, and exits. And its
 * statistics, told at an interval.
 *
 * Nothing of it is on the path of an exit. While a VM has a limit, work of its
 * own looks at the counters that are there anyway, some hundred times a second,
 * and lets a bucket for each limit fill with time and be emptied by use. While
 * one is empty the vCPUs wait, as in a pause. So a VM may use what a tenth of a
 * second allows at once, and exceed that by what it does between two looks.
 */
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/sched/task.h>

#include "husk.h"
#include "uapi/husk_netlink.h"

#define LIMIT_LOOK		max(HZ / 100, 1)	/* jiffies */
#define LIMIT_BURST_NS		(NSEC_PER_SEC / 10)
#define LIMIT_LONGEST_NS	NSEC_PER_SEC		/* that counts between two looks */

/* CPU time of the thread that ran a vCPU last; up to date at each of its ticks */
static u64 limit_thread_ns(struct husk_vcpu *vcpu)
{
	struct task_struct *task = husk_spin_task(vcpu);
	u64 ns = 0;

	if (task) {
		ns = READ_ONCE(task->se.sum_exec_runtime);
		put_task_struct(task);
	}
	return ns;
}

u64 husk_limit_run_ns(struct husk_vm *vm)
{
	struct husk_vcpu *vcpu;
	u64 ns = 0;
	int i;

	husk_for_each_vcpu(i, vcpu, vm)
		ns += limit_thread_ns(vcpu);
	return ns;
}

/* Since the last look. A thread that is new here begins to count now. */
static u64 limit_used_ns(struct husk_vm *vm)
{
	struct husk_vcpu *vcpu;
	u64 now, used = 0;
	int i;

	husk_for_each_vcpu(i, vcpu, vm) {
		struct pid *runner = READ_ONCE(vcpu->runner);

		now = limit_thread_ns(vcpu);
		if (runner == vcpu->charged && now > vcpu->charged_ns)
			used += now - vcpu->charged_ns;
		vcpu->charged = runner;
		vcpu->charged_ns = now;
	}
	return used;
}

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
	u64 used_ns = limit_used_ns(vm), used_exits = limit_used_exits(vm);

	l->cpu_left = cpu ? limit_fill(l->cpu_left, ns, cpu * (NSEC_PER_SEC / 100), used_ns) : 0;
	l->exits_left = exits ? limit_fill(l->exits_left, ns, exits, used_exits) : 0;
	if (l->cpu_left < 0)
		over |= HUSK_LIMIT_CPU;
	if (l->exits_left < 0)
		over |= HUSK_LIMIT_EXITS;
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
		schedule_delayed_work(&l->work, LIMIT_LOOK);
}

static void limit_stats_work(struct work_struct *work)
{
	struct husk_vm *vm = container_of(to_delayed_work(work), struct husk_vm, limit.stats_work);
	u32 ms = READ_ONCE(vm->limit.stats_ms);

	if (!ms)
		return;
	husk_stats_send(vm);
	schedule_delayed_work(&vm->limit.stats_work, msecs_to_jiffies(ms));
}

/* What was used before does not count, and nobody is held for what no longer is. */
static void limit_change(struct husk_vm *vm, const struct husk_limits *change)
{
	struct husk_limit *l = &vm->limit;

	cancel_delayed_work_sync(&l->work);
	if (change->what & HUSK_LIMIT_CPU)
		WRITE_ONCE(l->cpu, change->cpu);
	if (change->what & HUSK_LIMIT_EXITS)
		WRITE_ONCE(l->exits, change->exits);
	WRITE_ONCE(l->by_admin, change->by_admin);
	limit_used_ns(vm);
	limit_used_exits(vm);
	l->at = ktime_get_ns();
	l->cpu_left = l->exits_left = 0;
	if (vm->held)
		husk_vm_hold(vm, false);
	if (l->cpu || l->exits)
		schedule_delayed_work(&l->work, LIMIT_LOOK);
}

void husk_limit_set(struct husk_vm *vm, const struct husk_limits *change)
{
	struct husk_limit *l = &vm->limit;

	mutex_lock(&l->lock);
	if (change->what & (HUSK_LIMIT_CPU | HUSK_LIMIT_EXITS))
		limit_change(vm, change);
	if (change->what & HUSK_LIMIT_STATS) {
		cancel_delayed_work_sync(&l->stats_work);
		WRITE_ONCE(l->stats_ms, change->stats_ms);
		if (l->stats_ms)
			schedule_delayed_work(&l->stats_work, 0);
	}
	mutex_unlock(&l->lock);
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
