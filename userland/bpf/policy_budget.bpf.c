// SPDX-License-Identifier: GPL-2.0
/*
 * Budgets of exits: a bucket of tokens for each VM and reason. The map budget_limits
 * says for a reason how many a second, how many at once, and what happens to the VM
 * that has used them up; budget_state tells how often that was.
 *
 *	bpftool prog load policy_budget.bpf.o /sys/fs/bpf/budget autoattach
 *	# port accesses (5): 1000 a second, 5000 at once, then pause (3)
 *	bpftool map update name budget_limits key hex 05 00 00 00 value hex e8 03 00 00 88 13 00 00 03 00 00 00
 */
#include <husk/policy.bpf.h>

#define SECOND	1000000000ULL

struct budget_limit {
	__u32 rate;		/* a second */
	__u32 burst;
	__u32 verdict;		/* HUSK_POLICY_x for an exit that is over it; PASS: only count */
};

struct budget_key {
	__u32 vm, reason;
};

struct budget_state {
	__u64 time_ns;		/* up to which tokens were given */
	__u64 tokens;
	__u64 over;		/* exits that had none */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, struct budget_limit);
} budget_limits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct budget_key);
	__type(value, struct budget_state);
} budget_state SEC(".maps");

/* Whole tokens for the time since the last; what is left of that time is not lost */
static __always_inline void refill(struct budget_state *s, const struct budget_limit *limit, __u64 now)
{
	__u64 since = now - s->time_ns, more;

	if (since > 3600 * SECOND)
		since = 3600 * SECOND;
	more = since * limit->rate / SECOND;
	if (!more)
		return;
	s->time_ns = now;
	s->tokens += more;
	if (s->tokens > limit->burst)
		s->tokens = limit->burst;
}

HUSK_POLICY(policy_budget)
{
	struct budget_key key = { .vm = x->vm, .reason = x->reason };
	struct budget_limit *limit = bpf_map_lookup_elem(&budget_limits, &key.reason);
	struct budget_state *s, new = {};

	if (!limit)
		return HUSK_POLICY_PASS;
	s = bpf_map_lookup_elem(&budget_state, &key);
	if (!s) {
		new.time_ns = bpf_ktime_get_ns();
		new.tokens = limit->burst;
		bpf_map_update_elem(&budget_state, &key, &new, BPF_NOEXIST);
		return HUSK_POLICY_PASS;
	}
	refill(s, limit, bpf_ktime_get_ns());
	if (s->tokens) {
		s->tokens--;
		return HUSK_POLICY_PASS;
	}
	s->over++;
	return limit->verdict;
}

char LICENSE[] SEC("license") = "GPL";
