// SPDX-License-Identifier: GPL-2.0
/* A program that the verifier refuses: it follows a pointer that may be none. */
#include <husk/policy.bpf.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} decide_map SEC(".maps");

HUSK_POLICY(refused)
{
	__u32 key = x->reason;
	__u64 *value = bpf_map_lookup_elem(&decide_map, &key);

	return *value;
}

char LICENSE[] SEC("license") = "GPL";
