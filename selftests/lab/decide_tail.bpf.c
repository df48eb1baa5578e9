// SPDX-License-Identifier: GPL-2.0
/* Looks within the record, but calls what may look beyond. */
#include <husk/policy.bpf.h>

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} decide_tails SEC(".maps");

SEC("syscall")
int tail_vm(struct husk_exit_record *x)
{
	bpf_tail_call(x, &decide_tails, 0);
	return HUSK_POLICY_PASS;
}

char LICENSE[] SEC("license") = "GPL";
