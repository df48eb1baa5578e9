// SPDX-License-Identifier: GPL-2.0
/*
 * BPF programs that are attached to a VM, or to all, to decide exits. Those of type
 * SYSCALL may sleep, so they are asked outside of the fast loop; those of a
 * struct_ops are asked in it.
 *
 * A list is never changed: a new one takes its place, and when no vCPU can be in the
 * old one any more, it goes. The first ones' readers are by RCU tasks trace, the
 * others' by RCU.
 */
#include <linux/bpf.h>
#include <linux/completion.h>
#include <linux/filter.h>
#include <linux/rcupdate_trace.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "policy.h"

#define POLICY_WAIT	HZ	/* for readers of a list that was replaced */

/**
 * struct husk_policies - a list; programs are asked in this order
 * @rcu: from when it was replaced on
 * @gone: what was in it only, to be released with it
 * @users: then: its readers, and who waits for them
 * @over: there are no readers any more
 * @count: of policies
 * @policy: they
 */
struct husk_policies {
	struct rcu_head rcu;
	struct husk_policy *gone;
	refcount_t users;
	struct completion over;
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

static u32 policy_run_list(const struct husk_policies *list, struct husk_exit_record *x, u8 reason)
{
	u32 i, verdict = HUSK_POLICY_PASS;

	if (!list)
		return verdict;
	for (i = 0; i < list->count && verdict == HUSK_POLICY_PASS; i++) {
		const struct husk_policy *policy = list->policy[i];

		if (!(policy->reasons & BIT_ULL(reason)))
			continue;
		verdict = policy->ops ? policy->ops->decide(x) : bpf_prog_run_pin_on_cpu(policy->prog, x);
		this_cpu_inc(policy->counts[min_t(u32, verdict, HUSK_POLICY_VERDICT_COUNT)]);
	}
	return verdict;
}

static u32 policy_run_slow(const struct husk_policy_set *set, struct husk_exit_record *x, u8 reason)
{
	return policy_run_list(rcu_dereference_check(set->list[HUSK_POLICY_SLOW], rcu_read_lock_trace_held()), x, reason);
}

enum husk_policy_verdict husk_policy_run(struct husk_vm *vm, struct husk_exit_record *x, u8 reason)
{
	u32 verdict;

	rcu_read_lock_trace();
	verdict = policy_run_slow(&vm->policy.set, x, reason);
	if (verdict == HUSK_POLICY_PASS)
		verdict = policy_run_slow(&husk_policy_all, x, reason);
	rcu_read_unlock_trace();
	return verdict;
}

enum husk_policy_verdict husk_policy_run_fast(struct husk_vm *vm, struct husk_exit_record *x, u8 reason)
{
	u32 verdict;

	rcu_read_lock();
	verdict = policy_run_list(rcu_dereference(vm->policy.set.list[HUSK_POLICY_FAST]), x, reason);
	if (verdict == HUSK_POLICY_PASS)
		verdict = policy_run_list(rcu_dereference(husk_policy_all.list[HUSK_POLICY_FAST]), x, reason);
	rcu_read_unlock();
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

/* It is not in policy_ids. Any context */
static void policy_free(struct husk_policy *policy)
{
	if (!policy)
		return;
	if (policy->prog)
		bpf_prog_put(policy->prog);
	free_percpu(policy->counts);
	kfree(policy);
}

static struct husk_policy *policy_new(struct husk_vm *vm, u64 reasons)
{
	struct husk_policy *policy = kzalloc(sizeof(*policy), GFP_KERNEL_ACCOUNT);
	int ret = -ENOMEM;

	if (!policy)
		return ERR_PTR(-ENOMEM);
	policy->vm = vm;
	policy->reasons = reasons;
	policy->counts = __alloc_percpu_gfp((HUSK_POLICY_VERDICT_COUNT + 1) * sizeof(u64), sizeof(u64), GFP_KERNEL_ACCOUNT);
	if (policy->counts)
		ret = xa_alloc_cyclic(&policy_ids, &policy->id, policy, xa_limit_31b, &policy_next, GFP_KERNEL_ACCOUNT);
	if (ret < 0) {
		policy_free(policy);
		return ERR_PTR(ret);
	}
	return policy;
}

/* A program that it calls may look beyond the record: nobody checks that (Linux 7.0 lets programs that sleep do so). */
static bool policy_tail_calls(const struct bpf_prog *prog)
{
	bool found = false;
	u32 i;

	mutex_lock(&prog->aux->used_maps_mutex);
	for (i = 0; i < prog->aux->used_map_cnt; i++)
		found |= prog->aux->used_maps[i]->map_type == BPF_MAP_TYPE_PROG_ARRAY;
	mutex_unlock(&prog->aux->used_maps_mutex);
	return found;
}

static struct husk_policy *policy_new_prog(struct husk_vm *vm, int fd, u64 reasons)
{
	struct bpf_prog *prog = bpf_prog_get_type_dev(fd, BPF_PROG_TYPE_SYSCALL, false);
	struct husk_policy *policy;

	if (IS_ERR(prog))
		return ERR_CAST(prog);
	if (prog->aux->max_ctx_offset > sizeof(struct husk_exit_record) || policy_tail_calls(prog))
		policy = ERR_PTR(-E2BIG);
	else
		policy = policy_new(vm, reasons);
	if (IS_ERR(policy))
		bpf_prog_put(prog);
	else
		policy->prog = prog;
	return policy;
}

static struct husk_policy_set *policy_set_of(struct husk_vm *vm)
{
	return vm ? &vm->policy.set : &husk_policy_all;
}

/* The others of old's list, and new in its place, or at the end if there is no old one. -ENOSPC */
static int policy_fill_list(struct husk_policies *to, const struct husk_policies *from,
			    const struct husk_policy *old, struct husk_policy *new)
{
	u32 i;

	for (i = 0; from && i < from->count; i++) {
		struct husk_policy *keep = from->policy[i] == old ? new : from->policy[i];

		if (keep)
			to->policy[to->count++] = keep;
	}
	if (!new || old)
		return 0;
	if (to->count == HUSK_POLICY_MAX)
		return -ENOSPC;
	to->policy[to->count++] = new;
	return 0;
}

/*
 * Take old out and put new in; either may be NULL. What is answered in from is to be given to
 * policy_retire() without the lock; new is not listed if it could not be put in.
 */
static int policy_swap(struct husk_vm *vm, struct husk_policy *old, struct husk_policy *new, struct husk_policies **from)
{
	int door = (old ? old : new)->ops ? HUSK_POLICY_FAST : HUSK_POLICY_SLOW;
	struct husk_policy_set *set = policy_set_of(vm);
	/* What is to be taken out must not be left. */
	struct husk_policies *to = kzalloc(sizeof(*to), new ? GFP_KERNEL_ACCOUNT : GFP_KERNEL | __GFP_NOFAIL);
	u64 reasons = 0;
	int ret;
	u32 i;

	if (!to)
		return -ENOMEM;
	*from = rcu_dereference_protected(set->list[door], lockdep_is_held(&policy_lock));
	ret = policy_fill_list(to, *from, old, new);
	if (!ret)
		ret = policy_count_add(!!new - !!old);
	if (ret) {
		kfree(to);
		return ret;
	}
	for (i = 0; i < to->count; i++)
		reasons |= to->policy[i]->reasons;
	rcu_assign_pointer(set->list[door], to);
	WRITE_ONCE(set->reasons[door], reasons);
	if (old) {
		xa_erase(&policy_ids, old->id);
		(*from)->gone = old;
	}
	return 0;
}

/* As policy_swap(); new is released if it can't be put in. */
static int policy_put_in(struct husk_vm *vm, struct husk_policy *old, struct husk_policy *new, struct husk_policies **from)
{
	int ret = policy_swap(vm, old, new, from);

	if (!ret)
		return 0;
	*from = NULL;
	if (new)
		xa_erase(&policy_ids, new->id);
	policy_free(new);
	return ret;
}

static void policy_list_free(struct husk_policies *list)
{
	if (list)
		policy_free(list->gone);
	kfree(list);
}

static void policy_list_put(struct husk_policies *list)
{
	if (refcount_dec_and_test(&list->users))
		policy_list_free(list);
}

static void policy_no_readers(struct rcu_head *rcu)
{
	struct husk_policies *list = container_of(rcu, struct husk_policies, rcu);

	complete(&list->over);
	policy_list_put(list);
}

/*
 * Wait for the readers of a list that is none any more. Not for ever: a program may sleep
 * in it as long as the worker's memory makes it wait. Without policy_lock. NULL is fine.
 */
static void policy_retire(struct husk_policies *list, int door)
{
	if (!list)
		return;
	if (door == HUSK_POLICY_FAST) {
		synchronize_rcu();
		policy_list_free(list);
		return;
	}
	init_completion(&list->over);
	refcount_set(&list->users, 2);
	call_rcu_tasks_trace(&list->rcu, policy_no_readers);
	wait_for_completion_killable_timeout(&list->over, POLICY_WAIT);
	policy_list_put(list);
}

int husk_policy_attach(struct husk_vm *vm, int fd, u64 reasons, u32 replace, u32 *id)
{
	struct husk_policy *old = NULL, *new;
	struct husk_policies *from = NULL;
	int ret = -ENOENT;

	mutex_lock(&policy_lock);
	if (replace) {
		old = xa_load(&policy_ids, replace);
		if (!old || old->vm != vm || old->ops)
			goto unlock;
	}
	new = policy_new_prog(vm, fd, reasons);
	ret = PTR_ERR_OR_ZERO(new);
	if (ret)
		goto unlock;
	*id = new->id;
	ret = policy_put_in(vm, old, new, &from);
unlock:
	mutex_unlock(&policy_lock);
	policy_retire(from, HUSK_POLICY_SLOW);
	return ret;
}

static struct husk_policy *policy_find_ops(const struct husk_policy_ops *ops)
{
	struct husk_policy *policy;
	unsigned long id;

	xa_for_each(&policy_ids, id, policy)
		if (policy->ops == ops)
			return policy;
	return NULL;
}

static bool policy_name_taken(const struct husk_vm *vm, const char *name, const struct husk_policy *but)
{
	struct husk_policy *policy;
	unsigned long id;

	xa_for_each(&policy_ids, id, policy)
		if (policy->ops && policy != but && policy->vm == vm && !strcmp(policy->ops->name, name))
			return true;
	return false;
}

static int policy_attach_ops(struct husk_vm *vm, const struct husk_policy_ops *ops, const struct husk_policy_ops *replaces,
			     struct husk_policies **from)
{
	struct husk_policy *old = replaces ? policy_find_ops(replaces) : NULL, *new;

	if (replaces && (!old || old->vm != vm))
		return -ENOENT;
	if (policy_name_taken(vm, ops->name, old))
		return -EEXIST;
	new = policy_new(vm, ops->reasons ? ops->reasons : husk_policy_reasons);
	if (IS_ERR(new))
		return PTR_ERR(new);
	new->ops = ops;
	return policy_put_in(vm, old, new, from);
}

int husk_policy_ops_attach(const struct husk_policy_ops *ops, const struct husk_policy_ops *old)
{
	struct husk_policies *from = NULL;
	struct husk_vm *vm = NULL;
	int ret = -EIO;

	if (ops->reserved || (ops->reasons & ~husk_policy_reasons))
		return -EINVAL;
	if (ops->vm) {
		vm = husk_vm_get(ops->vm);
		if (!vm)
			return -ENOENT;
	}
	if (!vm || !READ_ONCE(vm->dead)) {
		mutex_lock(&policy_lock);
		ret = policy_attach_ops(vm, ops, old, &from);
		mutex_unlock(&policy_lock);
	}
	policy_retire(from, HUSK_POLICY_FAST);
	if (vm)
		husk_vm_put(vm);
	return ret;
}

static int policy_detach(struct husk_policy *old, struct husk_policies **from, int *door)
{
	if (!old)
		return -ENOENT;
	*door = old->ops ? HUSK_POLICY_FAST : HUSK_POLICY_SLOW;
	return policy_put_in(old->vm, old, NULL, from);
}

void husk_policy_ops_detach(const struct husk_policy_ops *ops)
{
	struct husk_policies *from = NULL;
	int door;

	mutex_lock(&policy_lock);
	policy_detach(policy_find_ops(ops), &from, &door);	/* or its VM, or husk policy detach, was first */
	mutex_unlock(&policy_lock);
	synchronize_rcu();	/* in any case: what the readers call is about to go */
	policy_list_free(from);
}

int husk_policy_detach(u32 id)
{
	struct husk_policies *from = NULL;
	int ret, door = 0;

	mutex_lock(&policy_lock);
	ret = policy_detach(xa_load(&policy_ids, id), &from, &door);
	mutex_unlock(&policy_lock);
	policy_retire(from, door);
	return ret;
}

/* Nobody asks, and nobody attaches, any more: no new list. */
static void policy_release(struct husk_policy_set *set)
{
	int door;
	u32 i;

	for (door = 0; door < HUSK_POLICY_DOORS; door++) {
		struct husk_policies *list;

		if (!rcu_access_pointer(set->list[door]))
			continue;
		mutex_lock(&policy_lock);
		list = rcu_replace_pointer(set->list[door], NULL, lockdep_is_held(&policy_lock));
		for (i = 0; i < list->count; i++) {
			policy_count_add(-1);
			xa_erase(&policy_ids, list->policy[i]->id);
			policy_free(list->policy[i]);
		}
		kfree(list);
		mutex_unlock(&policy_lock);
	}
}

void husk_policy_fini(struct husk_vm *vm)
{
	policy_release(&vm->policy.set);
}

void husk_policy_cleanup(void)
{
	policy_release(&husk_policy_all);
	rcu_barrier_tasks_trace();	/* lists that were replaced */
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
