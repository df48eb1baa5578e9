// SPDX-License-Identifier: GPL-2.0
/* Has each HLT polled for a millisecond before the thread sleeps. */
#include <husk/policy.bpf.h>

HUSK_POLICY(poll)
{
	if (x->reason == HUSK_REASON_HLT)
		x->data = 1000000;
	return HUSK_POLICY_PASS;
}

char LICENSE[] SEC("license") = "GPL";
