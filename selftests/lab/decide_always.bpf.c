// SPDX-License-Identifier: GPL-2.0
/* Does what a guest's ports are asked for: nothing. */
#include <husk/policy.bpf.h>

HUSK_POLICY(always)
{
	return x->reason == HUSK_REASON_PIO ? HUSK_POLICY_HANDLED : HUSK_POLICY_PASS;
}

char LICENSE[] SEC("license") = "GPL";
