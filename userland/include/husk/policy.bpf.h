/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For BPF programs that decide exits: include it, and write
 *
 *	HUSK_POLICY(name)
 *	{
 *		if (x->reason == HUSK_REASON_CPUID && x->address == 0x40000010) {
 *			x->gpr[0] = 42;
 *			return HUSK_POLICY_HANDLED;
 *		}
 *		return HUSK_POLICY_PASS;
 *	}
 *
 * x is the struct husk_exit_record of <husk/husk_bpf.h>. It is asked only if no
 * program before it has decided. Of each, two programs are made: one for the tracepoint
 * husk_policy, which bpftool attaches, and one that husk policy attach attaches to a VM.
 */
#ifndef HUSK_POLICY_BPF_H
#define HUSK_POLICY_BPF_H

#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include <husk/husk.h>
#include <husk/husk_bpf.h>

#define HUSK_POLICY(name) \
	static __always_inline __u32 name##_decide(struct husk_exit_record *x); \
	SEC("raw_tp.w/husk_policy") \
	int name(struct bpf_raw_tracepoint_args *ctx) \
	{ \
		struct husk_exit_record *x = (void *)ctx->args[0]; \
		if (x->verdict == HUSK_POLICY_PASS) \
			x->verdict = name##_decide(x); \
		return 0; \
	} \
	SEC("syscall") \
	int name##_vm(struct husk_exit_record *x) \
	{ \
		return name##_decide(x); \
	} \
	static __always_inline __u32 name##_decide(struct husk_exit_record *x)

#endif
