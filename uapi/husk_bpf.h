/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * What BPF programs that decide exits see and answer. For the kernel module, and for
 * the programs, which may include a vmlinux.h before it.
 *
 * There are three doors, and HUSK_POLICY in <husk/policy.bpf.h> makes programs for all:
 *
 *  - A program of type "syscall" is attached to one VM, or to all, and to some reasons
 *    (husk policy attach, policy-attach in husk_netlink.h). It may sleep, so exits that it
 *    is asked about leave the fast loop. It answers with a verdict, and is asked only if
 *    no program before it has decided: those of the VM first, then those of all.
 *  - Kernels from 6.12 on know struct husk_policy_ops as a struct_ops (husk policy attach
 *    --fast): for one VM, or all, too, but asked in the fast loop. After those above.
 *  - The tracepoint husk_policy is writable: a program of section
 *    "raw_tp.w/husk_policy" sees each exit for one of the reasons below, of all VMs, in
 *    the fast loop if it can be served there, and writes its verdict into the record. It
 *    comes after the others, with the record as they left it.
 */
#ifndef _UAPI_HUSK_BPF_H
#define _UAPI_HUSK_BPF_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

/*
 * Exits that programs are asked about: the reason, and what of the record tells
 * more. X(HUSK_REASON_x, what)
 */
#define HUSK_POLICY_REASONS(X) \
	X(CPUID,	"address: leaf, data: subleaf; handled: the answer is in gpr[0], [3], [1], [2]") \
	X(RDMSR,	"address: MSR; handled: data is its value") \
	X(WRMSR,	"address: MSR, data: the value") \
	X(PIO,		"address: port, width, access, data: of OUT; handled: data is what IN reads. INS and OUTS: each access") \
	X(HYPERCALL,	"address: number (rax); handled: the answer is in gpr[0]") \
	X(HLT,		"data: ns to poll before the thread sleeps, may be changed, to 10 ms at most; handled: it does not wait") \
	X(FAULT2,	"address: gpa, access, also of devices; can't be handled") \
	X(MMIO,		"address: gpa, width, access, data: of a write; handled: data is what is read. After FAULT2, decoded") \
	X(VIRTIO,	"no exit: a request to a disk that the kernel serves. vcpu: number of the disk, gpr[0]: type (virtio 1.2, " \
			"5.2.6), gpr[1]: queue, address: first byte, width: bytes, access, 0 of a flush; data: ns for which the queue " \
			"then takes no other, may be set, to 10 s at most; handled: it is done; fault: it has failed. After: data is " \
			"the ns that it took, gpr[2] its errno")

/* What is to be done with an exit. X(constant, "name", what) */
#define HUSK_POLICY_VERDICTS(X) \
	X(PASS,		"pass",		"go on as if nobody had been asked") \
	X(HANDLED,	"handled",	"the program did it: skip the instruction") \
	X(FAULT,	"fault",	"give the guest the exception fault, instead") \
	X(PAUSE,	"pause",	"pause the VM before the instruction; ask again when it goes on") \
	X(KILL,		"kill",		"kill the VM") \
	X(WORKER,	"worker",	"the worker decides: PIO and MMIO are its devices', others get HUSK_EXIT_POLICY") \
	X(AFTER,	"after",	"go on, and ask again when the kernel has done it, before the guest sees the result")

enum husk_policy_verdict {
#define X(id, name, what) HUSK_POLICY_##id,
	HUSK_POLICY_VERDICTS(X)
#undef X
	HUSK_POLICY_VERDICT_COUNT
};

/* Bits of access */
#define HUSK_POLICY_READ	(1U << 0)
#define HUSK_POLICY_WRITE	(1U << 1)
#define HUSK_POLICY_EXEC	(1U << 2)

/**
 * struct husk_exit_record - an exit, for a program that decides it
 * @gpr: the guest's registers by their encoding (rax rcx rdx rbx rsp ...); what the
 *	program writes there stays, whatever the verdict
 * @rip: of the instruction
 * @rflags: of the guest
 * @vm: id of the VM
 * @vcpu: id of the vCPU
 * @reason: HUSK_REASON_x
 * @verdict: HUSK_POLICY_x; PASS before the first program
 * @address: by reason, see HUSK_POLICY_REASONS
 * @data: likewise
 * @width: bytes, of PIO, MMIO and VIRTIO
 * @access: HUSK_POLICY_READ and so on, of PIO, MMIO, FAULT2 and VIRTIO
 * @fault: vector for the verdict FAULT: 0, 6, 7, 10..14, 16, 17 or 19
 * @error: its error code, for 10..14 and 17
 * @fault_address: CR2, for 14
 * @after: 1: asked again after the verdict AFTER: gpr has the result, data that of
 *	RDMSR. PASS leaves it so; HANDLED takes data; FAULT comes instead of it; AFTER and
 *	WORKER are none. Not for what the worker does, nor for what has failed
 * @reserved: 0
 *
 * It is the vCPU's own; it only ever grows at its end. What a program writes to
 * other members than gpr, verdict, data, fault, error and fault_address counts for
 * the programs after it only. A verdict or a fault that is none kills the VM.
 */
struct husk_exit_record {
	__u64 gpr[16];
	__u64 rip;
	__u64 rflags;
	__u32 vm;
	__u32 vcpu;
	__u32 reason;
	__u32 verdict;
	__u64 address;
	__u64 data;
	__u32 width;
	__u32 access;
	__u32 fault;
	__u32 error;
	__u64 fault_address;
	__u32 after;
	__u32 reserved;
};

#define HUSK_POLICY_NAME_LEN	16	/* with the NUL */

/**
 * struct husk_policy_ops - a program that decides exits, as a struct_ops
 * @reasons: bits HUSK_REASON_x that it is asked about; 0: all
 * @vm: id of the VM; 0: all
 * @reserved: 0
 * @decide: the verdict. It may read all of the record, and write gpr, data, fault, error
 *	and fault_address. Interrupts may be off
 * @name: of no other one of this VM
 *
 * Errors of its registration: ENOENT no such VM, EIO it is dead, EEXIST there is one of
 * this name, ENOSPC there are 8, EINVAL. Its end is that of its link, or the VM's.
 */
struct husk_policy_ops {
	__u64 reasons;
	__u32 vm;
	__u32 reserved;
	int (*decide)(struct husk_exit_record *x);
	char name[HUSK_POLICY_NAME_LEN];
};

#endif
