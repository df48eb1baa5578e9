// SPDX-License-Identifier: GPL-2.0
/*
 * The generic-netlink family "husk": control live VMs. What it answers is in netlink_show.c.
 * uapi/husk.yaml specifies it, uapi/husk_netlink.h describes it.
 *
 * Requests hold a reference to a VM only while they are served: a listener that
 * does not read its dump can't keep a VM alive.
 */
#include <linux/cred.h>
#include <linux/module.h>
#include <linux/user_namespace.h>
#include <net/sock.h>

#include "husk.h"
#include "irqchip/irqchip.h"
#include "netlink.h"

static struct netlink_range_validation husk_nl_timeout_range = {
	.max = HUSK_STOP_TIMEOUT_MAX_MS,
};

/* What requests may hold; each command stops at its own last attribute. */
static const struct nla_policy husk_nl_policy[] = {
	[HUSK_A_VM_ID] = NLA_POLICY_MIN(NLA_U32, 1),
	[HUSK_A_VM_NAME] = { .type = NLA_NUL_STRING, .len = HUSK_NAME_LEN - 1 },
	[HUSK_A_VM_TIMEOUT_MS] = NLA_POLICY_FULL_RANGE(NLA_U32, &husk_nl_timeout_range),
};

static struct netlink_range_validation husk_nl_cpu_range = { .max = HUSK_CPU_LIMIT_MAX };
static struct netlink_range_validation husk_nl_exit_range = { .max = HUSK_EXIT_LIMIT_MAX };
static struct netlink_range_validation husk_nl_stats_range = { .max = HUSK_STATS_MAX_MS };

static const struct nla_policy husk_nl_policy_nmi[] = {
	[HUSK_A_VM_ID] = NLA_POLICY_MIN(NLA_U32, 1),
	[HUSK_A_VM_NAME] = { .type = NLA_NUL_STRING, .len = HUSK_NAME_LEN - 1 },
	[HUSK_A_VM_VCPU_ID] = NLA_POLICY_MAX(NLA_U32, HUSK_MAX_VCPUS - 1),
};

static const struct nla_policy husk_nl_policy_set[] = {
	[HUSK_A_VM_ID] = NLA_POLICY_MIN(NLA_U32, 1),
	[HUSK_A_VM_NAME] = { .type = NLA_NUL_STRING, .len = HUSK_NAME_LEN - 1 },
	[HUSK_A_VM_CPU_LIMIT] = NLA_POLICY_FULL_RANGE(NLA_U32, &husk_nl_cpu_range),
	[HUSK_A_VM_EXIT_LIMIT] = NLA_POLICY_FULL_RANGE(NLA_U32, &husk_nl_exit_range),
	[HUSK_A_VM_STATS_MS] = NLA_POLICY_FULL_RANGE(NLA_U32, &husk_nl_stats_range),
};

static struct netlink_range_validation husk_nl_start_range = { .max = HUSK_START_TIMEOUT_MAX_MS };
static struct netlink_range_validation husk_nl_error_range = { .max = HUSK_START_ERROR_MAX };

static const struct nla_policy husk_nl_policy_start[] = {
	[HUSK_A_START_NAME] = { .type = NLA_NUL_STRING, .len = HUSK_NAME_LEN - 1 },
	[HUSK_A_START_TIMEOUT_MS] = NLA_POLICY_FULL_RANGE(NLA_U32, &husk_nl_start_range),
};

static const struct nla_policy husk_nl_policy_answer[] = {
	[HUSK_A_START_TOKEN] = { .type = NLA_U64 },
	[HUSK_A_START_ERROR] = NLA_POLICY_FULL_RANGE(NLA_U32, &husk_nl_error_range),
	[HUSK_A_START_MESSAGE] = { .type = NLA_NUL_STRING, .len = HUSK_START_MESSAGE_LEN - 1 },
	[HUSK_A_START_VM_ID] = { .type = NLA_U32 },
};

static const struct nla_policy husk_nl_policy_attach_policy[] = {
	[HUSK_A_POLICY_VM_ID] = NLA_POLICY_MIN(NLA_U32, 1),
	[HUSK_A_POLICY_VM_NAME] = { .type = NLA_NUL_STRING, .len = HUSK_NAME_LEN - 1 },
	[HUSK_A_POLICY_ID] = NLA_POLICY_MIN(NLA_U32, 1),
	[HUSK_A_POLICY_PROG_FD] = { .type = NLA_U32 },
	[HUSK_A_POLICY_REASONS] = { .type = NLA_U64 },
};

static const struct nla_policy husk_nl_policy_get_policy[] = {
	[HUSK_A_POLICY_VM_ID] = NLA_POLICY_MIN(NLA_U32, 1),
	[HUSK_A_POLICY_VM_NAME] = { .type = NLA_NUL_STRING, .len = HUSK_NAME_LEN - 1 },
};

static const struct nla_policy husk_nl_policy_detach_policy[] = {
	[HUSK_A_POLICY_VM_ID] = { .type = NLA_REJECT },
	[HUSK_A_POLICY_VM_NAME] = { .type = NLA_REJECT },
	[HUSK_A_POLICY_ID] = NLA_POLICY_MIN(NLA_U32, 1),
};

static const struct nla_policy husk_nl_policy_none[] = {
	[HUSK_A_VM_PAD] = { .type = NLA_REJECT },
};

/* ---- who may do what to which VM ---- */

/*
 * The owner, or an administrator of the VM's user namespace. Both the sender and
 * whoever opened the socket must be it: else a user could have a privileged
 * program write a request to a socket that he opened.
 */
bool husk_nl_may(struct sk_buff *skb, const struct husk_vm *vm)
{
	if (uid_eq(vm->owner, current_euid()) && uid_eq(vm->owner, READ_ONCE(NETLINK_CB(skb).sk->sk_uid)))
		return true;
	return netlink_ns_capable(skb, vm->user_ns, CAP_SYS_ADMIN);
}

/**
 * husk_nl_select - find the VM that a request is about, and check the rights
 * @skb: the request
 * @nlh: its header; the attributes behind it passed the policy
 * @extack: where the reason of a refusal goes
 * @by: out, the attribute that names the VM
 *
 * Return: a reference, or -EINVAL, -ENOENT, -EPERM as error pointer.
 */
struct husk_vm *husk_nl_select(struct sk_buff *skb, const struct nlmsghdr *nlh,
			       struct netlink_ext_ack *extack, struct nlattr **by)
{
	struct nlattr *id = nlmsg_find_attr(nlh, GENL_HDRLEN, HUSK_A_VM_ID);
	struct nlattr *name = nlmsg_find_attr(nlh, GENL_HDRLEN, HUSK_A_VM_NAME);
	struct husk_vm *vm;

	if (id && name) {
		NL_SET_ERR_MSG_ATTR(extack, name, "id and name together: give one of them");
		return ERR_PTR(-EINVAL);
	}
	if (!id && !name) {
		NL_SET_ERR_ATTR_MISS(extack, NULL, HUSK_A_VM_ID);
		NL_SET_ERR_MSG(extack, "id or name is missing");
		return ERR_PTR(-EINVAL);
	}
	*by = id ? id : name;
	vm = id ? husk_vm_get(nla_get_u32(id)) : husk_vm_get_by_name(nla_data(name));
	if (!vm) {
		NL_SET_ERR_MSG_ATTR(extack, *by, "no VM with this id or name");
		return ERR_PTR(-ENOENT);
	}
	if (!husk_nl_may(skb, vm)) {
		NL_SET_ERR_MSG_ATTR(extack, *by, "the VM is another user's");
		husk_vm_put(vm);
		return ERR_PTR(-EPERM);
	}
	return vm;
}

/* ---- vm-pause, vm-resume, vm-stop, vm-button, vm-reset, vm-kill ---- */

static int husk_nl_act(struct husk_vm *vm, struct genl_info *info, const char **busy)
{
	struct nlattr *timeout;

	switch (info->genlhdr->cmd) {
	case HUSK_CMD_VM_PAUSE:
		*busy = "the VM is paused already";
		return husk_vm_pause(vm);
	case HUSK_CMD_VM_RESUME:
		*busy = "the VM is not paused";
		return husk_vm_resume(vm);
	case HUSK_CMD_VM_STOP:
		*busy = "the VM has no vCPU to ask";
		timeout = info->attrs[HUSK_A_VM_TIMEOUT_MS];
		return husk_vm_ask(vm, HUSK_STOP_POWER_OFF, timeout ? nla_get_u32(timeout) : HUSK_STOP_TIMEOUT_MS);
	case HUSK_CMD_VM_BUTTON:
		*busy = "the VM has no vCPU to ask";
		return husk_vm_ask(vm, HUSK_STOP_BUTTON, 0);
	case HUSK_CMD_VM_RESET:
		*busy = "the VM has no vCPU to ask";
		return husk_vm_ask(vm, HUSK_STOP_RESET, 0);
	default:	/* HUSK_CMD_VM_KILL: husk_nl_ops has no other */
		husk_vm_kill(vm);
		return 0;
	}
}

static int husk_nl_control(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *by;
	struct husk_vm *vm = husk_nl_select(skb, info->nlhdr, info->extack, &by);
	const char *busy;
	int ret;

	if (IS_ERR(vm))
		return PTR_ERR(vm);
	ret = husk_nl_act(vm, info, &busy);
	husk_vm_put(vm);
	if (ret) {
		NL_SET_BAD_ATTR(info->extack, by);
		if (info->extack)
			info->extack->_msg = ret == -EBUSY ? busy : "the VM is dead";
	}
	return ret;
}

/* ---- vm-nmi, vm-set ---- */

static int husk_nl_nmi(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *by, *which = info->attrs[HUSK_A_VM_VCPU_ID];
	struct husk_vm *vm = husk_nl_select(skb, info->nlhdr, info->extack, &by);
	u32 id = which ? nla_get_u32(which) : HUSK_NMI_ALL;
	int ret;

	if (IS_ERR(vm))
		return PTR_ERR(vm);
	ret = READ_ONCE(vm->dead) ? -EIO : husk_irq_nmi(vm, id);
	if (!ret)
		husk_event_send(vm, HUSK_LIFE_NMI, id);
	else if (ret == -EIO)
		NL_SET_ERR_MSG_ATTR(info->extack, by, "the VM is dead");
	else if (which)
		NL_SET_ERR_MSG_ATTR(info->extack, which, "the VM has no such vCPU");
	else
		NL_SET_ERR_MSG_ATTR(info->extack, by, "the VM has no vCPU");
	husk_vm_put(vm);
	return ret;
}

static int husk_nl_change(struct sk_buff *skb, struct genl_info *info, struct husk_vm *vm, struct nlattr *by)
{
	struct nlattr *cpu = info->attrs[HUSK_A_VM_CPU_LIMIT], *exits = info->attrs[HUSK_A_VM_EXIT_LIMIT];
	struct nlattr *stats_ms = info->attrs[HUSK_A_VM_STATS_MS];
	struct husk_limits change = {
		.what = (cpu ? HUSK_LIMIT_CPU : 0) | (exits ? HUSK_LIMIT_EXITS : 0) | (stats_ms ? HUSK_LIMIT_STATS : 0),
		.cpu = cpu ? nla_get_u32(cpu) : 0,
		.exits = exits ? nla_get_u32(exits) : 0,
		.stats_ms = stats_ms ? nla_get_u32(stats_ms) : 0,
		.admin = netlink_capable(skb, CAP_SYS_ADMIN),	/* of the host: a VM's user namespace is its owner's */
	};

	if (!change.what) {
		NL_SET_ERR_MSG_ATTR(info->extack, by, "nothing to change: give cpu-limit, exit-limit or stats-ms");
		return -EINVAL;
	}
	if (change.stats_ms && change.stats_ms < HUSK_STATS_MIN_MS) {
		NL_SET_ERR_MSG_ATTR(info->extack, stats_ms, "an interval of statistics has 100 ms at least");
		return -ERANGE;
	}
	if (READ_ONCE(vm->dead)) {
		NL_SET_ERR_MSG_ATTR(info->extack, by, "the VM is dead");
		return -EIO;
	}
	if (husk_limit_set(vm, &change)) {
		NL_SET_ERR_MSG_ATTR(info->extack, cpu ? cpu : exits, "an administrator has set the VM's limits");
		return -EPERM;
	}
	husk_event_send(vm, HUSK_LIFE_SET, 0);
	return 0;
}

static int husk_nl_set(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *by;
	struct husk_vm *vm = husk_nl_select(skb, info->nlhdr, info->extack, &by);
	int ret;

	if (IS_ERR(vm))
		return PTR_ERR(vm);
	ret = husk_nl_change(skb, info, vm, by);
	husk_vm_put(vm);
	return ret;
}

/* ---- the family ---- */

static const struct genl_ops husk_nl_ops[] = {
	{
		.cmd = HUSK_CMD_VM_GET,
		.policy = husk_nl_policy,
		.maxattr = HUSK_A_VM_NAME,
		.doit = husk_nl_show,
		.dumpit = husk_nl_list,
	}, {
		.cmd = HUSK_CMD_VCPU_GET,
		.policy = husk_nl_policy,
		.maxattr = HUSK_A_VM_NAME,
		.dumpit = husk_nl_vcpus,
	}, {
		.cmd = HUSK_CMD_TIMES_GET,
		.policy = husk_nl_policy,
		.maxattr = HUSK_A_VM_NAME,
		.dumpit = husk_nl_times,
	}, {
		.cmd = HUSK_CMD_EXITS_GET,
		.policy = husk_nl_policy,
		.maxattr = HUSK_A_VM_NAME,
		.dumpit = husk_nl_exits,
	}, {
		.cmd = HUSK_CMD_VM_PAUSE,
		.policy = husk_nl_policy,
		.maxattr = HUSK_A_VM_NAME,
		.doit = husk_nl_control,
	}, {
		.cmd = HUSK_CMD_VM_RESUME,
		.policy = husk_nl_policy,
		.maxattr = HUSK_A_VM_NAME,
		.doit = husk_nl_control,
	}, {
		.cmd = HUSK_CMD_VM_STOP,
		.policy = husk_nl_policy,
		.maxattr = HUSK_A_VM_TIMEOUT_MS,
		.doit = husk_nl_control,
	}, {
		.cmd = HUSK_CMD_VM_KILL,
		.policy = husk_nl_policy,
		.maxattr = HUSK_A_VM_NAME,
		.doit = husk_nl_control,
	}, {
		.cmd = HUSK_CMD_CAPS_GET,
		.policy = husk_nl_policy_none,
		.maxattr = HUSK_A_VM_PAD,
		.doit = husk_nl_caps,
	}, {
		.cmd = HUSK_CMD_VM_BUTTON,
		.policy = husk_nl_policy,
		.maxattr = HUSK_A_VM_NAME,
		.doit = husk_nl_control,
	}, {
		.cmd = HUSK_CMD_VM_RESET,
		.policy = husk_nl_policy,
		.maxattr = HUSK_A_VM_NAME,
		.doit = husk_nl_control,
	}, {
		.cmd = HUSK_CMD_VM_NMI,
		.policy = husk_nl_policy_nmi,
		.maxattr = HUSK_A_VM_VCPU_ID,
		.doit = husk_nl_nmi,
	}, {
		.cmd = HUSK_CMD_VM_SET,
		.policy = husk_nl_policy_set,
		.maxattr = HUSK_A_VM_STATS_MS,
		.doit = husk_nl_set,
	}, {
		.cmd = HUSK_CMD_DAEMON,
		.policy = husk_nl_policy_none,
		.maxattr = HUSK_A_VM_PAD,
		.doit = husk_nl_daemon,
	}, {
		.cmd = HUSK_CMD_VM_START,
		.policy = husk_nl_policy_start,
		.maxattr = HUSK_A_START_TIMEOUT_MS,
		.doit = husk_nl_start,
	}, {
		.cmd = HUSK_CMD_START_ANSWER,
		.policy = husk_nl_policy_answer,
		.maxattr = HUSK_A_START_VM_ID,
		.doit = husk_nl_answer,
	}, {
		.cmd = HUSK_CMD_POLICY_ATTACH,
		.policy = husk_nl_policy_attach_policy,
		.maxattr = HUSK_A_POLICY_REASONS,
		.doit = husk_nl_policy_attach,
	}, {
		.cmd = HUSK_CMD_POLICY_DETACH,
		.policy = husk_nl_policy_detach_policy,
		.maxattr = HUSK_A_POLICY_ID,
		.doit = husk_nl_policy_detach,
	}, {
		.cmd = HUSK_CMD_POLICY_GET,
		.policy = husk_nl_policy_get_policy,
		.maxattr = HUSK_A_POLICY_VM_NAME,
		.dumpit = husk_nl_policies,
	},
};

static const struct genl_multicast_group husk_nl_groups[] = {
	[HUSK_NL_GROUP_LIFECYCLE] = {
		.name = HUSK_MCGRP_LIFECYCLE,
		.flags = GENL_MCAST_CAP_NET_ADMIN,
	},
	[HUSK_NL_GROUP_FAULTS] = {
		.name = HUSK_MCGRP_FAULTS,
		.flags = GENL_MCAST_CAP_SYS_ADMIN,	/* they have guests' addresses */
	},
	[HUSK_NL_GROUP_STATS] = {
		.name = HUSK_MCGRP_STATS,
		.flags = GENL_MCAST_CAP_NET_ADMIN,
	},
};

struct genl_family husk_nl_family __ro_after_init = {
	.name = HUSK_FAMILY_NAME,
	.version = HUSK_FAMILY_VERSION,
	.module = THIS_MODULE,
	.ops = husk_nl_ops,
	.n_ops = ARRAY_SIZE(husk_nl_ops),
	.resv_start_op = HUSK_CMD_VM_GET,	/* strict checks for all commands */
	.parallel_ops = true,			/* husk's own locks do */
	.mcgrps = husk_nl_groups,
	.n_mcgrps = ARRAY_SIZE(husk_nl_groups),
};

int husk_netlink_init(void)
{
	int ret = husk_relay_init();

	if (ret)
		return ret;
	ret = genl_register_family(&husk_nl_family);
	if (ret)
		husk_relay_exit();
	return ret;
}

void husk_netlink_exit(void)
{
	genl_unregister_family(&husk_nl_family);
	husk_relay_exit();
}
