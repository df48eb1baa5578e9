// SPDX-License-Identifier: GPL-2.0
/*
 * struct husk_policy_ops for BPF: what a program of it may read and write, and the
 * functions that it can call. Only for kernels that let modules define a struct_ops
 * (6.12 and newer; Kbuild).
 */
#include <linux/bpf.h>
#include <linux/bpf_verifier.h>
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#include "policy.h"

/* ---- what the verifier asks ---- */

static bool ops_is_valid_access(int off, int size, enum bpf_access_type type, const struct bpf_prog *prog,
				struct bpf_insn_access_aux *info)
{
	return bpf_tracing_btf_ctx_access(off, size, type, prog, info);
}

#define OPS_MAY(member, off, size) \
	((off) >= offsetof(struct husk_exit_record, member) && \
	 (off) + (size) <= offsetofend(struct husk_exit_record, member))

static struct btf *ops_btf;	/* the module's; only to be compared with */

/* A write. All of the kernel's own is out of reach, and what the module has written about the exit stays. */
static int ops_btf_struct_access(struct bpf_verifier_log *log, const struct bpf_reg_state *reg, int off, int size)
{
	const struct btf_type *type = btf_type_by_id(reg->btf, reg->btf_id);

	/* One that was kept in a map may be another vCPU's, or freed. */
	if (!(reg->type & PTR_TRUSTED) || reg->btf != ops_btf || !type || type->size != sizeof(struct husk_exit_record)) {
		bpf_log(log, "husk: only the exit's record can be written to\n");
		return -EACCES;
	}
	if (OPS_MAY(gpr, off, size) || OPS_MAY(data, off, size) || OPS_MAY(fault, off, size) ||
	    OPS_MAY(error, off, size) || OPS_MAY(fault_address, off, size))
		return 0;
	bpf_log(log, "husk: of the record only gpr, data, fault, error and fault_address can be written to (not offset %d)\n",
		off);
	return -EACCES;
}

static const struct bpf_verifier_ops ops_verifier_ops = {
	.get_func_proto = bpf_base_func_proto,
	.is_valid_access = ops_is_valid_access,
	.btf_struct_access = ops_btf_struct_access,
};

/* ---- functions for programs ---- */

#define OPS_MEMORY_MAX	4096

__bpf_kfunc_start_defs();

/**
 * husk_record_read - read the guest's memory
 * @x: the record that the program was called with
 * @gpa: guest physical address
 * @to: out
 * @to__sz: bytes, 4096 at most
 *
 * Return: 0; -EFAULT: no memory of the guest's, or the host has to bring it in first;
 * -E2BIG.
 */
__bpf_kfunc int husk_record_read(struct husk_exit_record *x, u64 gpa, void *to, u32 to__sz)
{
	struct husk_asked *asked = container_of(x, struct husk_asked, record);
	int ret;

	if (to__sz > OPS_MEMORY_MAX)
		return -E2BIG;
	pagefault_disable();
	ret = husk_read_gpa(asked->vm, gpa, to, to__sz);
	pagefault_enable();
	return ret;
}

/**
 * husk_record_write - write to the guest's memory
 * @x: the record that the program was called with
 * @gpa: guest physical address
 * @from: data
 * @from__sz: bytes, 4096 at most
 *
 * Return: 0; -EFAULT, as above, also for memory that is read-only; what comes before
 * has been written; -E2BIG.
 */
__bpf_kfunc int husk_record_write(struct husk_exit_record *x, u64 gpa, const void *from, u32 from__sz)
{
	struct husk_asked *asked = container_of(x, struct husk_asked, record);
	int ret;

	if (from__sz > OPS_MEMORY_MAX)
		return -E2BIG;
	pagefault_disable();
	ret = husk_write_gpa(asked->vm, gpa, from, from__sz);
	pagefault_enable();
	return ret;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(ops_kfuncs)
BTF_ID_FLAGS(func, husk_record_read, HUSK_KF_TRUSTED)
BTF_ID_FLAGS(func, husk_record_write, HUSK_KF_TRUSTED)
BTF_KFUNCS_END(ops_kfuncs)

static const struct btf_kfunc_id_set ops_kfunc_set = {
	.owner = THIS_MODULE,
	.set = &ops_kfuncs,
};

/* ---- the type ---- */

static int ops_init(struct btf *btf)
{
	ops_btf = btf;
	return 0;
}

static int ops_check_member(const struct btf_type *t, const struct btf_member *member, const struct bpf_prog *prog)
{
	return prog->sleepable ? -EINVAL : 0;
}

static int ops_init_member(const struct btf_type *t, const struct btf_member *member, void *kdata, const void *udata)
{
	const struct husk_policy_ops *user = udata;
	struct husk_policy_ops *ops = kdata;

	switch (__btf_member_bit_offset(t, member) / 8) {
	case offsetof(struct husk_policy_ops, decide):
		return 0;
	case offsetof(struct husk_policy_ops, reasons):
		ops->reasons = user->reasons;
		return 1;
	case offsetof(struct husk_policy_ops, vm):
		ops->vm = user->vm;
		return 1;
	case offsetof(struct husk_policy_ops, reserved):
		ops->reserved = user->reserved;
		return 1;
	default:
		if (!user->name[0] || strnlen(user->name, sizeof(user->name)) == sizeof(user->name))
			return -EINVAL;
		strscpy(ops->name, user->name, sizeof(ops->name));
		return 1;
	}
}

static int ops_validate(void *kdata)
{
	const struct husk_policy_ops *ops = kdata;

	return ops->decide && ops->name[0] ? 0 : -EINVAL;
}

static int ops_reg(void *kdata, struct bpf_link *link)
{
	return husk_policy_ops_attach(kdata, NULL);
}

static void ops_unreg(void *kdata, struct bpf_link *link)
{
	husk_policy_ops_detach(kdata);
}

static int ops_update(void *kdata, void *old, struct bpf_link *link)
{
	return husk_policy_ops_attach(kdata, old);
}

/* What BPF knows the signature from */
static int husk_policy_ops__decide(struct husk_exit_record *x)
{
	return HUSK_POLICY_PASS;
}

static struct husk_policy_ops ops_stubs = {
	.decide = husk_policy_ops__decide,
};

static struct bpf_struct_ops ops_type = {
	.verifier_ops = &ops_verifier_ops,
	.init = ops_init,
	.check_member = ops_check_member,
	.init_member = ops_init_member,
	.validate = ops_validate,
	.reg = ops_reg,
	.unreg = ops_unreg,
	.update = ops_update,
	.cfi_stubs = &ops_stubs,
	.name = "husk_policy_ops",
	.owner = THIS_MODULE,
};

/* A module without BTF goes without them. */
void husk_policy_ops_setup(void)
{
	int ret = register_btf_kfunc_id_set(BPF_PROG_TYPE_STRUCT_OPS, &ops_kfunc_set);

	if (!ret)
		ret = register_bpf_struct_ops(&ops_type, husk_policy_ops);
	if (ret)
		pr_info("husk: no struct_ops for policies: error %d\n", ret);
}
