// SPDX-License-Identifier: GPL-2.0
/*
 * BPF programs of type SYSCALL that are attached to a VM, or to all, to decide
 * exits. They may sleep, so they are asked outside of the fast loop.
 *
 * A list is never changed: a new one takes its place, and when no vCPU can be in the
 * old one any more, it goes.
 */
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/rcupdate_trace.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "policy.h"

/* Programs are asked in this order. */
struct husk_policies {
	u32 count;
	struct husk_policy *policy[HUSK_POLICY_MAX];
};

/* All that are attached, by id; protects all lists */
static DEFINE_MUTEX(policy_lock);
static DEFINE_XARRAY_ALLOC1(policy_ids);
static u32 policy_next;
static u32 policy_count;

struct husk_policy_set husk_policy_all;

#define X(id, what) | BIT_ULL(HUSK_REASON_##id)
const u64 husk_policy_reasons = 0 HUSK_POLICY_REASONS(X);
#undef X

/* ---- asking ---- */

static u32 policy_run_set(const struct husk_policy_set *set, struct husk_exit_record *x)
{
	const struct husk_policies *list = rcu_dereference_check(set->list, rcu_read_lock_trace_held());
	u32 i, verdict = HUSK_POLICY_PASS;

	if (!list)
		return verdict;
	for (i = 0; i < list->count && verdict == HUSK_POLICY_PASS; i++) {
		const struct husk_policy *policy = list->policy[i];

		if (!(policy->reasons & BIT_ULL(x->reason)))
			continue;
		verdict = bpf_prog_run_pin_on_cpu(policy->prog, x);
		this_cpu_inc(policy->counts[min_t(u32, verdict, HUSK_POLICY_VERDICT_COUNT)]);
	}
	return verdict;
}

enum husk_policy_verdict husk_policy_run(struct husk_vcpu *vcpu, struct husk_exit_record *x)
{
	u32 verdict;

	rcu_read_lock_trace();
	verdict = policy_run_set(&vcpu->vm->policy.set, x);
	if (verdict == HUSK_POLICY_PASS)
		verdict = policy_run_set(&husk_policy_all, x);
	rcu_read_unlock_trace();
	return verdict;
}

/* ---- attaching ---- */

/*
 * The fast loop looks for programs only while the tracepoint is on, whose test is
 * patched out otherwise: this one turns it on.
 */
static void policy_probe(void *data, struct husk_exit_record *x)
{
}

static int policy_count_add(int more)
{
	int ret = 0;

	if (more > 0 && !policy_count)
		ret = register_trace_husk_policy(policy_probe, NULL);
	if (ret)
		return ret;
	policy_count += more;
	if (!policy_count)
		unregister_trace_husk_policy(policy_probe, NULL);
	return 0;
}

static void policy_free(struct husk_policy *policy)
{
	if (!policy)
		return;
	if (policy->id)
		xa_erase(&policy_ids, policy->id);
	bpf_prog_put(policy->prog);
	free_percpu(policy->counts);
	kfree(policy);
}

static struct husk_policy *policy_new(struct husk_vm *vm, int fd, u64 reasons)
{
	struct husk_policy *policy = kzalloc(sizeof(*policy), GFP_KERNEL_ACCOUNT);
	struct bpf_prog *prog;
	int ret = -ENOMEM;

	if (!policy)
		return ERR_PTR(-ENOMEM);
	prog = bpf_prog_get_type_dev(fd, BPF_PROG_TYPE_SYSCALL, false);
	if (IS_ERR(prog)) {
		kfree(policy);
		return ERR_CAST(prog);
	}
	policy->vm = vm;
	policy->prog = prog;
	policy->reasons = reasons;
	policy->counts = __alloc_percpu_gfp((HUSK_POLICY_VERDICT_COUNT + 1) * sizeof(u64), sizeof(u64), GFP_KERNEL_ACCOUNT);
	if (policy->counts)
		ret = prog->aux->max_ctx_offset > sizeof(struct husk_exit_record) ? -E2BIG :
			xa_alloc_cyclic(&policy_ids, &policy->id, policy, xa_limit_31b, &policy_next, GFP_KERNEL_ACCOUNT);
	if (ret < 0) {
		policy_free(policy);
		return ERR_PTR(ret);
	}
	return policy;
}

static struct husk_policy_set *policy_set_of(struct husk_vm *vm)
{
	return vm ? &vm->policy.set : &husk_policy_all;
}

/*
 * Take old out and put new in its place, or at the end if there is no old one; either
 * may be NULL. The old one is nobody's afterwards.
 */
static int policy_swap(struct husk_policy_set *set, struct husk_policy *old, struct husk_policy *new)
{
	struct husk_policies *from = rcu_dereference_protected(set->list, lockdep_is_held(&policy_lock));
	struct husk_policies *to = kzalloc(sizeof(*to), GFP_KERNEL_ACCOUNT);
	u64 reasons = 0;
	int ret = -ENOMEM;
	u32 i;

	if (!to)
		return -ENOMEM;
	for (i = 0; from && i < from->count; i++) {
		struct husk_policy *keep = from->policy[i] == old ? new : from->policy[i];

		if (keep)
			to->policy[to->count++] = keep;
	}
	if (new && !old) {
		ret = -ENOSPC;
		if (to->count == HUSK_POLICY_MAX)
			goto free;
		to->policy[to->count++] = new;
	}
	ret = policy_count_add(!!new - !!old);
	if (ret)
		goto free;
	for (i = 0; i < to->count; i++)
		reasons |= to->policy[i]->reasons;
	rcu_assign_pointer(set->list, to);
	WRITE_ONCE(set->reasons, reasons);
	if (from)
		synchronize_rcu_tasks_trace();
	kfree(from);
	return 0;

free:
	kfree(to);
	return ret;
}

int husk_policy_attach(struct husk_vm *vm, int fd, u64 reasons, u32 replace, u32 *id)
{
	struct husk_policy *old = NULL, *new;
	int ret = -ENOENT;

	mutex_lock(&policy_lock);
	if (replace) {
		old = xa_load(&policy_ids, replace);
		if (!old || old->vm != vm)
			goto unlock;
	}
	new = policy_new(vm, fd, reasons);
	ret = PTR_ERR_OR_ZERO(new);
	if (ret)
		goto unlock;
	ret = policy_swap(policy_set_of(vm), old, new);
	if (!ret)
		*id = new->id;
	policy_free(ret ? new : old);
unlock:
	mutex_unlock(&policy_lock);
	return ret;
}

int husk_policy_detach(u32 id)
{
	struct husk_policy *old;
	int ret = -ENOENT;

	mutex_lock(&policy_lock);
	old = xa_load(&policy_ids, id);
	if (old)
		ret = policy_swap(policy_set_of(old->vm), old, NULL);
	if (!ret)
		policy_free(old);
	mutex_unlock(&policy_lock);
	return ret;
}

/* Nobody asks, and nobody attaches, any more: no new list. */
static void policy_release(struct husk_policy_set *set)
{
	struct husk_policies *list;
	u32 i;

	if (!rcu_access_pointer(set->list))
		return;
	mutex_lock(&policy_lock);
	list = rcu_replace_pointer(set->list, NULL, lockdep_is_held(&policy_lock));
	for (i = 0; list && i < list->count; i++) {
		policy_count_add(-1);
		policy_free(list->policy[i]);
	}
	kfree(list);
	mutex_unlock(&policy_lock);
}

void husk_policy_fini(struct husk_vm *vm)
{
	policy_release(&vm->policy.set);
}

void husk_policy_cleanup(void)
{
	policy_release(&husk_policy_all);
	tracepoint_synchronize_unregister();	/* policy_probe() */
}

/* ---- looking ---- */

struct husk_policy *husk_policy_lock_next(u32 id)
{
	unsigned long index = id;

	mutex_lock(&policy_lock);
	return xa_find(&policy_ids, &index, ULONG_MAX, XA_PRESENT);
}

void husk_policy_unlock(void)
{
	mutex_unlock(&policy_lock);
}

u64 husk_policy_count(const struct husk_policy *policy, u32 verdict)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu_ptr(policy->counts, cpu)[verdict]);
	return sum;
}
