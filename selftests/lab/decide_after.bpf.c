// SPDX-License-Identifier: GPL-2.0
/* Changes the kernel's answer to CPUID: al becomes 5ch. Before, ebx is what the kernel's answer never is. */
#include <husk/policy.bpf.h>

HUSK_POLICY(after)
{
	if (x->reason != HUSK_REASON_CPUID)
		return HUSK_POLICY_PASS;
	if (!x->after) {
		x->gpr[3] = 0xdeadbeef;
		return HUSK_POLICY_AFTER;
	}
	if ((__u32)x->gpr[3] == 0xdeadbeef)
		return HUSK_POLICY_KILL;
	x->gpr[0] = (x->gpr[0] & ~0xffULL) | 0x5c;
	return HUSK_POLICY_PASS;
}

char LICENSE[] SEC("license") = "GPL";
