// SPDX-License-Identifier: GPL-2.0
/*
 * A policy that is a table: for an exit's VM, reason and address, what to do.
 *
 *	bpftool prog load policy_table.bpf.o /sys/fs/bpf/policy autoattach
 *	bpftool map update name policy_table key ... value ...
 *
 * VM 0 in a key stands for all VMs, address ffffffffffffffffh for all addresses. The
 * closest key counts.
 */
#include <husk/policy.bpf.h>

struct table_key {
	__u32 vm;
	__u32 reason;		/* HUSK_REASON_x */
	__u64 address;
};

struct table_value {
	__u32 verdict;		/* HUSK_POLICY_x */
	__u32 fault;
	__u32 error;
	__u32 reg[4];		/* eax, ebx, ecx, edx for CPUID and hypercalls that are handled */
	__u32 reserved;
	__u64 data;		/* of RDMSR and IN */
	__u64 hits;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct table_key);
	__type(value, struct table_value);
} policy_table SEC(".maps");

static __always_inline struct table_value *find(const struct husk_exit_record *x)
{
	struct table_key key = { .reason = x->reason, .vm = x->vm, .address = x->address };
	struct table_value *v = bpf_map_lookup_elem(&policy_table, &key);

	if (v)
		return v;
	key.vm = 0;
	v = bpf_map_lookup_elem(&policy_table, &key);
	if (v)
		return v;
	key.vm = x->vm;
	key.address = ~0ULL;
	v = bpf_map_lookup_elem(&policy_table, &key);
	if (v)
		return v;
	key.vm = 0;
	return bpf_map_lookup_elem(&policy_table, &key);
}

HUSK_POLICY(policy_table_entry)
{
	struct table_value *v = find(x);

	if (!v)
		return HUSK_POLICY_PASS;
	__sync_fetch_and_add(&v->hits, 1);
	x->fault = v->fault;
	x->error = v->error;
	if (v->verdict != HUSK_POLICY_HANDLED)
		return v->verdict;
	x->data = v->data;
	if (x->reason == HUSK_REASON_CPUID || x->reason == HUSK_REASON_HYPERCALL) {
		x->gpr[0] = v->reg[0];
		x->gpr[3] = v->reg[1];
		x->gpr[1] = v->reg[2];
		x->gpr[2] = v->reg[3];
	}
	return HUSK_POLICY_HANDLED;
}

char LICENSE[] SEC("license") = "GPL";
