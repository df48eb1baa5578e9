// SPDX-License-Identifier: GPL-2.0
/*
 * Masks of CPUID: what a leaf says is what it said before, AND the one mask, OR the
 * other. The map mask_rules has them, by VM (0: all), leaf and subleaf (ffffffffh: all),
 * eax, ebx, ecx, edx in each mask. A VM's own rules come first.
 *
 *	bpftool prog load policy_mask.bpf.o /sys/fs/bpf/mask autoattach
 *	# all VMs, leaf 1: no AES (ecx bit 25); the rest as it is
 *	bpftool map update name mask_rules key hex 00 00 00 00 01 00 00 00 ff ff ff ff value hex \
 *		ff ff ff ff ff ff ff ff ff ff ff fd ff ff ff ff 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
 */
#include <husk/policy.bpf.h>

#define ANY	0xffffffff

struct mask_key {
	__u32 vm, leaf, subleaf;
};

struct mask_value {
	__u32 and[4], or[4];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct mask_key);
	__type(value, struct mask_value);
} mask_rules SEC(".maps");

static __always_inline struct mask_value *find(const struct husk_exit_record *x)
{
	struct mask_key key = { .vm = x->vm, .leaf = x->address, .subleaf = x->data };
	struct mask_value *v = bpf_map_lookup_elem(&mask_rules, &key);

	if (v)
		return v;
	key.subleaf = ANY;
	v = bpf_map_lookup_elem(&mask_rules, &key);
	if (v)
		return v;
	key.vm = 0;
	key.subleaf = x->data;
	v = bpf_map_lookup_elem(&mask_rules, &key);
	if (v)
		return v;
	key.subleaf = ANY;
	return bpf_map_lookup_elem(&mask_rules, &key);
}

static __always_inline __u64 masked(__u64 reg, const struct mask_value *v, int i)
{
	return ((__u32)reg & v->and[i]) | v->or[i];
}

HUSK_POLICY(policy_mask)
{
	struct mask_value *v;

	if (x->reason != HUSK_REASON_CPUID)
		return HUSK_POLICY_PASS;
	v = find(x);
	if (!v)
		return HUSK_POLICY_PASS;
	if (!x->after)
		return HUSK_POLICY_AFTER;
	x->gpr[0] = masked(x->gpr[0], v, 0);
	x->gpr[3] = masked(x->gpr[3], v, 1);
	x->gpr[1] = masked(x->gpr[1], v, 2);
	x->gpr[2] = masked(x->gpr[2], v, 3);
	return HUSK_POLICY_PASS;
}

char LICENSE[] SEC("license") = "GPL";
