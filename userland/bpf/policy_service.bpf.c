// SPDX-License-Identifier: GPL-2.0
/*
 * A service by hypercall: a guest's kernel asks by number 48550001h with a key in
 * rbx, and gets the value from the map service_answers in rax, or -2 if there
 * is none.
 *
 *	bpftool prog load policy_service.bpf.o /sys/fs/bpf/service autoattach
 *	bpftool map update name service_answers key hex 01 00 00 00 00 00 00 00 value hex 2a 00 00 00 00 00 00 00
 */
#include <husk/policy.bpf.h>

#define SERVICE	0x48550001
#define ENOENT	2

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u64);
} service_answers SEC(".maps");

HUSK_POLICY(policy_service)
{
	__u64 *answer, key = x->gpr[3];

	if (x->reason != HUSK_REASON_HYPERCALL || (__u32)x->address != SERVICE)
		return HUSK_POLICY_PASS;
	answer = bpf_map_lookup_elem(&service_answers, &key);
	x->gpr[0] = answer ? *answer : (__u64)-ENOENT;
	return HUSK_POLICY_HANDLED;
}

char LICENSE[] SEC("license") = "GPL";
