// SPDX-License-Identifier: GPL-2.0
/* For make bench: leaves CPUID leaf 0 to the worker, and passes all else on. */
#include <husk/policy.bpf.h>

HUSK_POLICY(policy_worker)
{
	return x->reason == HUSK_REASON_CPUID && !x->address ? HUSK_POLICY_WORKER : HUSK_POLICY_PASS;
}

char LICENSE[] SEC("license") = "GPL";
