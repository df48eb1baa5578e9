// SPDX-License-Identifier: GPL-2.0
/* The family's commands about BPF programs that decide exits: attach, detach, list. */
#include <linux/bpf.h>

#include "netlink.h"
#include "policy.h"

/* husk_nl_select() is for both sets. */
static_assert((int)HUSK_A_POLICY_VM_ID == (int)HUSK_A_VM_ID && (int)HUSK_A_POLICY_VM_NAME == (int)HUSK_A_VM_NAME);

static bool policy_names_vm(const struct nlmsghdr *nlh)
{
	return nlmsg_find_attr(nlh, GENL_HDRLEN, HUSK_A_POLICY_VM_ID) ||
	       nlmsg_find_attr(nlh, GENL_HDRLEN, HUSK_A_POLICY_VM_NAME);
}

/* A program runs with the kernel's rights in the kernel's time: this is not the owner's to decide. */
static bool policy_may(struct sk_buff *skb, struct netlink_ext_ack *extack)
{
	if (netlink_capable(skb, CAP_SYS_ADMIN))
		return true;
	NL_SET_ERR_MSG(extack, "attaching programs needs CAP_SYS_ADMIN");
	return false;
}

/* ---- policy-attach ---- */

static int policy_refused(struct genl_info *info, int err)
{
	struct nlattr *fd = info->attrs[HUSK_A_POLICY_PROG_FD], *old = info->attrs[HUSK_A_POLICY_ID];

	switch (err) {
	case -EBADF:
		NL_SET_ERR_MSG_ATTR(info->extack, fd, "no such file descriptor");
		break;
	case -EINVAL:
		NL_SET_ERR_MSG_ATTR(info->extack, fd, "not a BPF program of type syscall");
		break;
	case -E2BIG:
		NL_SET_ERR_MSG_ATTR(info->extack, fd, "the program looks beyond the end of struct husk_exit_record, or has tail calls, which may");
		break;
	case -ENOSPC:
		NL_SET_ERR_MSG_ATTR(info->extack, fd, "there are 8 programs already: detach one");
		break;
	case -ENOENT:
		NL_SET_ERR_MSG_ATTR(info->extack, old, "no program with this id is attached there");
		break;
	}
	return err;
}

static int policy_attach(struct husk_vm *vm, struct genl_info *info)
{
	struct nlattr *which = info->attrs[HUSK_A_POLICY_REASONS], *old = info->attrs[HUSK_A_POLICY_ID];
	u64 reasons = which ? nla_get_u64(which) : husk_policy_reasons;
	struct sk_buff *reply;
	void *header;
	int ret;
	u32 id;

	if (!reasons || (reasons & ~husk_policy_reasons)) {
		NL_SET_ERR_MSG_ATTR(info->extack, which, "programs are not asked about these reasons");
		return -EINVAL;
	}
	if (vm && READ_ONCE(vm->dead)) {
		NL_SET_ERR_MSG(info->extack, "the VM is dead");
		return -EIO;
	}
	/* What has been attached must be told of. */
	reply = genlmsg_new(nla_total_size(sizeof(id)), GFP_KERNEL);
	if (!reply)
		return -ENOMEM;
	header = genlmsg_put_reply(reply, info, &husk_nl_family, 0, HUSK_CMD_POLICY_ATTACH);
	ret = husk_policy_attach(vm, nla_get_u32(info->attrs[HUSK_A_POLICY_PROG_FD]), reasons,
				 old ? nla_get_u32(old) : 0, &id);
	if (ret || WARN_ON_ONCE(!header || nla_put_u32(reply, HUSK_A_POLICY_ID, id))) {
		nlmsg_free(reply);
		return policy_refused(info, ret);
	}
	genlmsg_end(reply, header);
	return genlmsg_reply(reply, info);
}

int husk_nl_policy_attach(struct sk_buff *skb, struct genl_info *info)
{
	struct husk_vm *vm = NULL;
	struct nlattr *by;
	int ret;

	if (!policy_may(skb, info->extack))
		return -EPERM;
	if (!info->attrs[HUSK_A_POLICY_PROG_FD]) {
		NL_SET_ERR_ATTR_MISS(info->extack, NULL, HUSK_A_POLICY_PROG_FD);
		NL_SET_ERR_MSG(info->extack, "prog-fd is missing");
		return -EINVAL;
	}
	if (policy_names_vm(info->nlhdr))
		vm = husk_nl_select(skb, info->nlhdr, info->extack, &by);
	if (IS_ERR(vm))
		return PTR_ERR(vm);
	ret = policy_attach(vm, info);
	if (vm)
		husk_vm_put(vm);
	return ret;
}

/* ---- policy-detach ---- */

int husk_nl_policy_detach(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *id = info->attrs[HUSK_A_POLICY_ID];
	int ret;

	if (!policy_may(skb, info->extack))
		return -EPERM;
	if (!id) {
		NL_SET_ERR_ATTR_MISS(info->extack, NULL, HUSK_A_POLICY_ID);
		NL_SET_ERR_MSG(info->extack, "id is missing");
		return -EINVAL;
	}
	ret = husk_policy_detach(nla_get_u32(id));
	if (ret == -ENOENT)
		NL_SET_ERR_MSG_ATTR(info->extack, id, "no program with this id is attached");
	return ret;
}

/* ---- policy-get ---- */

static int policy_put(struct sk_buff *skb, struct netlink_callback *cb, const struct husk_policy *policy)
{
	void *header = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, &husk_nl_family,
				   NLM_F_MULTI, HUSK_CMD_POLICY_GET);
	u64 counts[HUSK_POLICY_VERDICT_COUNT + 1];
	int i;

	if (!header)
		return -EMSGSIZE;
	for (i = 0; i < ARRAY_SIZE(counts); i++)
		counts[i] = husk_policy_count(policy, i);
	if (nla_put_u32(skb, HUSK_A_POLICY_ID, policy->id) ||
	    (policy->vm && (nla_put_u32(skb, HUSK_A_POLICY_VM_ID, policy->vm->id) ||
			    nla_put_string(skb, HUSK_A_POLICY_VM_NAME, policy->vm->name))) ||
	    nla_put_u64_64bit(skb, HUSK_A_POLICY_REASONS, policy->reasons, HUSK_A_POLICY_PAD) ||
	    (policy->prog && nla_put_u32(skb, HUSK_A_POLICY_PROG_ID, policy->prog->aux->id)) ||
	    nla_put_string(skb, HUSK_A_POLICY_PROG_NAME, policy->prog ? policy->prog->aux->name : policy->ops->name) ||
	    nla_put_64bit(skb, HUSK_A_POLICY_COUNTS, sizeof(counts), counts, HUSK_A_POLICY_PAD)) {
		genlmsg_cancel(skb, header);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, header);
	return 0;
}

/* Programs of all VMs are the host's administrator's. */
static bool policy_listed(struct netlink_callback *cb, const struct husk_policy *policy)
{
	if (!policy->vm)
		return !cb->args[1] && netlink_capable(cb->skb, CAP_SYS_ADMIN);
	return (!cb->args[1] || cb->args[1] == policy->vm->id) && husk_nl_may(cb->skb, policy->vm);
}

/* cb->args[0]: the id to go on from, 0: not begun. args[1]: of which VM, 0: of all */
int husk_nl_policies(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct husk_policy *policy;
	int ret = 0;

	if (!cb->args[0] && policy_names_vm(cb->nlh)) {
		struct nlattr *by;
		struct husk_vm *vm = husk_nl_select(cb->skb, cb->nlh, cb->extack, &by);

		if (IS_ERR(vm))
			return PTR_ERR(vm);
		cb->args[1] = vm->id;
		husk_vm_put(vm);
	}
	do {
		policy = husk_policy_lock_next(cb->args[0]);
		if (policy && policy_listed(cb, policy))
			ret = policy_put(skb, cb, policy);
		if (policy && !ret)
			cb->args[0] = policy->id + 1;
		husk_policy_unlock();
	} while (policy && !ret);
	return skb->len ? skb->len : ret;
}
