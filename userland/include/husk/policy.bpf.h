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
 *
 * With HUSK_POLICY_STRUCT_OPS defined before, it is a struct_ops instead, for
 * husk policy attach --fast. Then it can also read and write the guest's memory; and of
 * a record nothing may be handed to BPF's helpers by its address, which have to get copies.
 */
#ifndef HUSK_POLICY_BPF_H
#define HUSK_POLICY_BPF_H

#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include <husk/husk.h>
#include <husk/husk_bpf.h>

#ifdef HUSK_POLICY_STRUCT_OPS

/* 0; -EFAULT no memory of the guest's, or not in the host's memory now; -E2BIG above 4096 bytes */
extern int husk_record_read(struct husk_exit_record *x, __u64 gpa, void *to, __u32 to__sz) __ksym;
extern int husk_record_write(struct husk_exit_record *x, __u64 gpa, const void *from, __u32 from__sz) __ksym;

#define HUSK_POLICY(policy) \
	static __always_inline __u32 policy##_decide(struct husk_exit_record *x); \
	SEC("struct_ops") \
	int policy##_ops(unsigned long long *ctx) \
	{ \
		return policy##_decide((struct husk_exit_record *)ctx[0]); \
	} \
	SEC(".struct_ops.link") \
	struct husk_policy_ops policy = { .decide = (void *)policy##_ops }; \
	static __always_inline __u32 policy##_decide(struct husk_exit_record *x)

#else

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

#endif /* HUSK_POLICY_STRUCT_OPS */

#endif
