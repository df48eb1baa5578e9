// SPDX-License-Identifier: GPL-2.0
/* For make bench: answers CPUID leaf 0, and passes all else on. */
#include <husk/policy.bpf.h>

HUSK_POLICY(policy_bench)
{
	if (x->reason != HUSK_REASON_CPUID || x->address)
		return HUSK_POLICY_PASS;
	x->gpr[0] = 1;
	x->gpr[3] = 0x6b737568;
	x->gpr[1] = 0;
	x->gpr[2] = 0;
	return HUSK_POLICY_HANDLED;
}

char LICENSE[] SEC("license") = "GPL";
