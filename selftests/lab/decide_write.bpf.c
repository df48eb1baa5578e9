// SPDX-License-Identifier: GPL-2.0
/* A struct_ops that writes what is not its own: the VM's id in the record. */
#define HUSK_POLICY_STRUCT_OPS
#include <husk/policy.bpf.h>

HUSK_POLICY(writes)
{
	*(volatile __u32 *)&x->vm = 1;
	return HUSK_POLICY_PASS;
}

char LICENSE[] SEC("license") = "GPL";
