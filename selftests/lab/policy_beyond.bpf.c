// SPDX-License-Identifier: GPL-2.0
/* A program that writes behind the exit's record: it must not be attached. */
#include <husk/policy.bpf.h>

SEC("raw_tp.w/husk_policy")
int beyond(struct bpf_raw_tracepoint_args *ctx)
{
	struct husk_exit_record *x = (void *)ctx->args[0];

	*(volatile __u64 *)(x + 1) = 1;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
