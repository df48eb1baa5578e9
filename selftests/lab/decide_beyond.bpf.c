// SPDX-License-Identifier: GPL-2.0
/* A program for a VM that looks behind the exit's record: it must not be attached. */
#include <husk/policy.bpf.h>

SEC("syscall")
int beyond_vm(struct husk_exit_record *x)
{
	return *(volatile __u32 *)(x + 1);
}

char LICENSE[] SEC("license") = "GPL";
