// SPDX-License-Identifier: GPL-2.0
/*
 * Answers CPUID leaf 40000010h, the frequencies that hypervisors tell (as VMware
 * defined it), for all VMs: eax is 2,000,000 kHz, ebx 1,000,000 kHz.
 *
 *	bpftool prog load policy_cpuid.bpf.o /sys/fs/bpf/policy autoattach
 */
#include <husk/policy.bpf.h>

HUSK_POLICY(policy_cpuid)
{
	if (x->reason != HUSK_REASON_CPUID || x->address != 0x40000010)
		return HUSK_POLICY_PASS;
	x->gpr[0] = 2000000;
	x->gpr[3] = 1000000;
	x->gpr[1] = 0;
	x->gpr[2] = 0;
	return HUSK_POLICY_HANDLED;
}

char LICENSE[] SEC("license") = "GPL";
