// SPDX-License-Identifier: GPL-2.0
/*
 * A firewall for MSRs, with an audit. The map msr_rules says what is done with reads
 * and with writes, by VM (0: all) and MSR (ffffffffh: all); MSRs before VMs, the closest
 * rule counts, and one that says nothing leaves it to the next. Without a rule: allowed.
 *
 *	0	nothing: the next rule
 *	1	allow
 *	2	deny: #GP
 *	3	ignore: a write is dropped, a read gives the rule's value
 *	4	watch: allow, and note the value that is read, too
 *
 * msr_audit has the last accesses by VM and MSR; a guest that tries many MSRs pushes
 * old ones out of it, but not out of the sums in msr_totals.
 *
 *	bpftool prog load policy_msr.bpf.o /sys/fs/bpf/msr autoattach
 *	# all VMs, all MSRs: read what you like (1), write nothing (2)
 *	bpftool map update name msr_rules key hex 00 00 00 00 ff ff ff ff value hex 01 00 00 00 02 00 00 00 00 00 00 00 00 00 00 00
 *	bpftool map dump name msr_audit
 */
#include <husk/policy.bpf.h>

#define ANY	0xffffffff
#define GP	13

enum { MSR_NEXT, MSR_ALLOW, MSR_DENY, MSR_IGNORE, MSR_WATCH };

struct msr_key {
	__u32 vm, msr;
};

struct msr_rule {
	__u32 read, write;	/* MSR_x */
	__u64 value;		/* of reads that are ignored */
};

struct msr_access {
	__u32 vm, msr, write;
};

struct msr_audit {
	__u64 count, denied;
	__u64 value;		/* the last one: written, or read if that is known */
	__u64 rip;		/* of the last access */
};

struct msr_total {
	__u64 reads, writes, denied, ignored;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct msr_key);
	__type(value, struct msr_rule);
} msr_rules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct msr_access);
	__type(value, struct msr_audit);
} msr_audit SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct msr_total);
} msr_totals SEC(".maps");

static const struct msr_total total_zero;
static const struct msr_audit audit_zero;

static __always_inline __u32 find(const struct husk_exit_record *x, int write, __u64 *value)
{
	struct msr_rule *rule;
	struct msr_key key;
	__u32 action;
	int i;

#pragma unroll
	for (i = 0; i < 4; i++) {
		key.vm = i & 1 ? 0 : x->vm;
		key.msr = i & 2 ? ANY : x->address;
		rule = bpf_map_lookup_elem(&msr_rules, &key);
		if (!rule)
			continue;
		action = write ? rule->write : rule->read;
		*value = rule->value;
		if (action != MSR_NEXT)
			return action;
	}
	return MSR_ALLOW;
}

static __always_inline void add_up(const struct husk_exit_record *x, int write, __u32 action)
{
	struct msr_total *t;
	__u32 vm = x->vm;

	t = bpf_map_lookup_elem(&msr_totals, &vm);
	if (!t) {
		bpf_map_update_elem(&msr_totals, &vm, &total_zero, BPF_NOEXIST);
		t = bpf_map_lookup_elem(&msr_totals, &vm);
		if (!t)
			return;
	}
	if (write)
		__sync_fetch_and_add(&t->writes, 1);
	else
		__sync_fetch_and_add(&t->reads, 1);
	if (action == MSR_DENY)
		__sync_fetch_and_add(&t->denied, 1);
	if (action == MSR_IGNORE)
		__sync_fetch_and_add(&t->ignored, 1);
}

static __always_inline struct msr_audit *audit_of(const struct husk_exit_record *x, int write)
{
	struct msr_access key = { .vm = x->vm, .msr = x->address, .write = write };
	struct msr_audit *a = bpf_map_lookup_elem(&msr_audit, &key);

	if (a)
		return a;
	bpf_map_update_elem(&msr_audit, &key, &audit_zero, BPF_NOEXIST);
	return bpf_map_lookup_elem(&msr_audit, &key);
}

HUSK_POLICY(policy_msr)
{
	int write = x->reason == HUSK_REASON_WRMSR;
	struct msr_audit *a;
	__u64 value = 0;
	__u32 action;

	if (!write && x->reason != HUSK_REASON_RDMSR)
		return HUSK_POLICY_PASS;
	action = find(x, write, &value);
	if (action > MSR_WATCH)
		action = MSR_DENY;
	if (!write && action == MSR_IGNORE)
		x->data = value;
	a = audit_of(x, write);
	if (a) {
		a->rip = x->rip;
		if (write || x->after || action == MSR_IGNORE)
			a->value = x->data;
		if (!x->after)
			__sync_fetch_and_add(&a->count, 1);
		if (action == MSR_DENY)
			__sync_fetch_and_add(&a->denied, 1);
	}
	if (!x->after)
		add_up(x, write, action);
	if (action == MSR_DENY) {
		x->fault = GP;
		x->error = 0;
		return HUSK_POLICY_FAULT;
	}
	if (action == MSR_IGNORE)
		return HUSK_POLICY_HANDLED;
	return action == MSR_WATCH && !write && !x->after ? HUSK_POLICY_AFTER : HUSK_POLICY_PASS;
}

char LICENSE[] SEC("license") = "GPL";
