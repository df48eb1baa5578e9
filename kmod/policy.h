/* SPDX-License-Identifier: GPL-2.0 */
/* Exits that users' BPF programs decide: uapi/husk_bpf.h. */
#ifndef HUSK_POLICY_H
#define HUSK_POLICY_H

#include "husk.h"
#include "policy_trace.h"

struct bpf_prog;

#define HUSK_POLICY_MAX		8	/* programs of a VM, and of all */

/**
 * struct husk_asked - what a program is given, and whose it is
 * @record: that it sees
 * @vm: for the functions that it calls
 */
struct husk_asked {
	struct husk_exit_record record;
	struct husk_vm *vm;
};
static_assert(offsetof(struct husk_vcpu, vm) - offsetof(struct husk_vcpu, record) == offsetof(struct husk_asked, vm));

/* ---- policy.c ---- */

/*
 * Ask the programs about vcpu->exit. Fast loop. HUSK_DISPATCH: nothing is decided, go on
 * with it; HUSK_RETIRE, HUSK_RESUME, HUSK_TO_USER: done; HUSK_ASK: husk_policy_serve()
 */
enum husk_verdict husk_policy_ask(struct husk_vcpu *vcpu);

/* What husk_policy_ask() left to do. May sleep. As husk_builtin() */
enum husk_verdict husk_policy_serve(struct husk_vcpu *vcpu);

/* The worker has answered HUSK_EXIT_POLICY. May sleep. As husk_builtin() */
enum husk_verdict husk_policy_complete(struct husk_vcpu *vcpu);

/**
 * struct husk_policy_io - an access to a device, by an instruction that is emulated
 * @addr: gpa or port
 * @data: in: of a write; out: of a read that is handled
 * @width: bytes
 * @write: or a read
 * @port: or memory
 */
struct husk_policy_io {
	u64 addr, data;
	u8 width;
	bool write, port;
};

/*
 * HUSK_DISPATCH: pass; HUSK_RETIRE: handled; HUSK_TO_USER: the worker's; HUSK_RESUME: the
 * instruction ends here, again from its beginning or with the exception that vcpu->record
 * has if its verdict is FAULT. May sleep.
 */
enum husk_verdict husk_policy_io(struct husk_vcpu *vcpu, struct husk_policy_io *io);

/**
 * husk_policy_request - ask about a device's request
 * @asked: with what HUSK_REASON_VIRTIO has, and after; changed by the programs
 *
 * In the VM's mm, may sleep.
 *
 * Return: HUSK_POLICY_PASS, _HANDLED, _FAULT or _AFTER. On another word the VM has been paused or killed.
 */
enum husk_policy_verdict husk_policy_request(struct husk_asked *asked);

/* ---- policy_list.c: programs that are attached to one VM, or to all ---- */

/**
 * struct husk_policy - an attached program
 * @id: immutable, from 1, of no other
 * @vm: immutable, NULL: of all VMs
 * @prog: immutable; NULL: it is @ops
 * @ops: immutable; NULL: it is @prog
 * @reasons: immutable; BIT_ULL(HUSK_REASON_x) that it is asked about
 * @counts: of each verdict, HUSK_POLICY_VERDICT_COUNT: of what is none
 */
struct husk_policy {
	u32 id;
	struct husk_vm *vm;
	struct bpf_prog *prog;
	const struct husk_policy_ops *ops;
	u64 reasons;
	u64 __percpu *counts;
};

/* All that programs can be asked about */
extern const u64 husk_policy_reasons;

void husk_policy_init(struct husk_vm *vm);
/* Programs are released. No vCPU runs any more. */
void husk_policy_fini(struct husk_vm *vm);

extern struct husk_policy_set husk_policy_all;	/* of all VMs */

/* Is any program attached by that door that is to be asked about the reason? Any context */
static __always_inline bool husk_policy_wanted(const struct husk_vm *vm, int door, u8 reason)
{
	return (READ_ONCE(vm->policy.set.reasons[door]) | READ_ONCE(husk_policy_all.reasons[door])) & BIT_ULL(reason);
}

/* Ask them, until one does not pass. The first may sleep; the second, any context. */
enum husk_policy_verdict husk_policy_run(struct husk_vm *vm, struct husk_exit_record *x, u8 reason);
enum husk_policy_verdict husk_policy_run_fast(struct husk_vm *vm, struct husk_exit_record *x, u8 reason);

/**
 * husk_policy_attach - attach a program, or put it in another's place
 * @vm: NULL: all VMs
 * @fd: of a program of type BPF_PROG_TYPE_SYSCALL, of the caller's
 * @reasons: BIT_ULL(HUSK_REASON_x)
 * @replace: id of the attached program whose place it takes, 0: none
 * @id: out
 *
 * When it returns, what it has replaced is not asked any more; but one that sleeps is
 * waited for at most a second. Sleeps.
 *
 * Return: 0; -EBADF no file, -EINVAL no program of this type; -E2BIG it looks beyond the record;
 * -ENOSPC too many; -ENOENT nothing to replace there; -ENOMEM.
 */
int husk_policy_attach(struct husk_vm *vm, int fd, u64 reasons, u32 replace, u32 *id);
/* -ENOENT. As above */
int husk_policy_detach(u32 id);

/*
 * A struct_ops, for the VM that it names; or in the place of another one of the same VM.
 * -ENOENT, -EIO, -EEXIST, -ENOSPC, -EINVAL, -ENOMEM: see struct husk_policy_ops. As above
 */
int husk_policy_ops_attach(const struct husk_policy_ops *ops, const struct husk_policy_ops *old);
void husk_policy_ops_detach(const struct husk_policy_ops *ops);

/* The one with the lowest id from there, or NULL. Between the two it stays, and so does its VM. */
struct husk_policy *husk_policy_lock_next(u32 id);
void husk_policy_unlock(void);
u64 husk_policy_count(const struct husk_policy *policy, u32 verdict);

void husk_policy_cleanup(void);

/* ---- policy_ops.c: the struct_ops's type, for BPF; where the kernel has such ---- */
#ifdef HUSK_HAVE_STRUCT_OPS
void husk_policy_ops_setup(void);
#else
static inline void husk_policy_ops_setup(void) { }
#endif

#endif
