// SPDX-License-Identifier: GPL-2.0
/* Changes the kernel's answer to CPUID: al, which is never 5ch in leaf 0's of this guest, becomes that. */
#include <husk/policy.bpf.h>

HUSK_POLICY(after)
{
	if (x->reason != HUSK_REASON_CPUID)
		return HUSK_POLICY_PASS;
	if (!x->after)
		return HUSK_POLICY_AFTER;
	/* no answer of the kernel's is all zeroes in ebx, ecx, edx of leaf 0 */
	if (!(__u32)x->gpr[3] && !(__u32)x->gpr[1] && !(__u32)x->gpr[2])
		return HUSK_POLICY_KILL;
	x->gpr[0] = (x->gpr[0] & ~0xffULL) | 0x5c;
	return HUSK_POLICY_PASS;
}

char LICENSE[] SEC("license") = "GPL";
