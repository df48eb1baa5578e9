// SPDX-License-Identifier: GPL-2.0
/* Writes what is not its own into the record, before and after the kernel's part. */
#include <husk/policy.bpf.h>

HUSK_POLICY(lie)
{
	x->reason = 200;
	x->vm = ~0U;
	x->after = !x->after;
	return HUSK_POLICY_PASS;
}

char LICENSE[] SEC("license") = "GPL";
