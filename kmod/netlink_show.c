// SPDX-License-Identifier: GPL-2.0
/* What the generic-netlink family "husk" answers: VMs, vCPUs and their counters, the host. */
#include <linux/cred.h>
#include <linux/user_namespace.h>

#include "husk.h"
#include "netlink.h"

/* ---- vm-get ---- */

static u32 husk_nl_state(const struct husk_vm *vm)
{
	if (READ_ONCE(vm->dead))
		return HUSK_VM_STATE_DEAD;
	return READ_ONCE(vm->paused) ? HUSK_VM_STATE_PAUSED : HUSK_VM_STATE_RUNNING;
}

/* 0 if the process has ended: its number may be another's by now. */
static u32 husk_nl_owner_pid(const struct husk_vm *vm)
{
	u32 pid = 0;

	rcu_read_lock();
	if (pid_task(vm->pid, PIDTYPE_TGID))
		pid = pid_vnr(vm->pid);
	rcu_read_unlock();
	return pid;
}

static int husk_nl_put_vm_labels(struct sk_buff *skb, const struct husk_vm *vm)
{
	if (nla_put_u32(skb, HUSK_A_VM_ID, vm->id) ||
	    nla_put_string(skb, HUSK_A_VM_NAME, vm->name) ||
	    nla_put(skb, HUSK_A_VM_UUID, sizeof(vm->uuid), &vm->uuid) ||
	    nla_put_u32(skb, HUSK_A_VM_OWNER_UID, from_kuid_munged(current_user_ns(), vm->owner)) ||
	    nla_put_u32(skb, HUSK_A_VM_OWNER_PID, husk_nl_owner_pid(vm)))
		return -EMSGSIZE;
	if (vm->control[0] && nla_put_string(skb, HUSK_A_VM_CONTROL, vm->control))
		return -EMSGSIZE;
	return 0;
}

static int husk_nl_put_vm(struct sk_buff *skb, struct husk_vm *vm, u32 portid, u32 seq, int flags)
{
	void *header = genlmsg_put(skb, portid, seq, &husk_nl_family, flags, HUSK_CMD_VM_GET);

	if (!header)
		return -EMSGSIZE;
	if (husk_nl_put_vm_labels(skb, vm) ||
	    nla_put_u32(skb, HUSK_A_VM_STATE, husk_nl_state(vm)) ||
	    nla_put_u32(skb, HUSK_A_VM_VCPUS, READ_ONCE(vm->nr_vcpus)) ||
	    husk_nl_put_u64(skb, HUSK_A_VM_MEMORY, husk_mem_bytes(vm)) ||
	    husk_nl_put_u64(skb, HUSK_A_VM_CREATED_NS, vm->created_ns) ||
	    husk_nl_put_u64(skb, HUSK_A_VM_MAPPED_PAGES, atomic_long_read(&vm->mem.mapped_pages)) ||
	    husk_nl_put_u64(skb, HUSK_A_VM_TABLE_PAGES, atomic_long_read(&vm->mem.table_pages)) ||
	    nla_put_u32(skb, HUSK_A_VM_CPU_LIMIT, READ_ONCE(vm->limit.cpu)) ||
	    nla_put_u32(skb, HUSK_A_VM_EXIT_LIMIT, READ_ONCE(vm->limit.exits)) ||
	    nla_put_u32(skb, HUSK_A_VM_STATS_MS, READ_ONCE(vm->limit.stats_ms)) ||
	    husk_nl_put_u64(skb, HUSK_A_VM_RUN_NS, husk_limit_run_ns(vm)) ||
	    husk_nl_put_u64(skb, HUSK_A_VM_HELD_NS, READ_ONCE(vm->limit.held_ns))) {
		genlmsg_cancel(skb, header);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, header);
	return 0;
}

int husk_nl_show(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *by;
	struct husk_vm *vm = husk_nl_select(skb, info->nlhdr, info->extack, &by);
	struct sk_buff *reply;
	int ret = -ENOMEM;

	if (IS_ERR(vm))
		return PTR_ERR(vm);
	reply = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (reply)
		ret = husk_nl_put_vm(reply, vm, info->snd_portid, info->snd_seq, 0);
	husk_vm_put(vm);
	if (ret) {
		nlmsg_free(reply);
		return ret;
	}
	return genlmsg_reply(reply, info);
}

/* A dump's refusal is in its end message: 6.1 gives .start no extack. */
static int husk_nl_list_check(struct netlink_callback *cb)
{
	if (!nlmsg_attrlen(cb->nlh, GENL_HDRLEN))
		return 0;
	NL_SET_ERR_MSG(cb->extack, "a list takes no attribute: ask for one VM without the dump flag");
	return -EINVAL;
}

/* cb->args[0]: the id to go on with; no id comes twice */
int husk_nl_list(struct sk_buff *skb, struct netlink_callback *cb)
{
	int ret = husk_nl_list_check(cb);
	struct husk_vm *vm;

	while (!ret && (vm = husk_vm_get_next(cb->args[0]))) {
		if (husk_nl_may(cb->skb, vm))
			ret = husk_nl_put_vm(skb, vm, NETLINK_CB(cb->skb).portid,
					     cb->nlh->nlmsg_seq, NLM_F_MULTI);
		if (!ret)
			cb->args[0] = vm->id + 1;
		husk_vm_put(vm);
	}
	return skb->len ? skb->len : ret;
}

/* ---- vcpu-get ---- */

int husk_nl_put_exits(struct sk_buff *skb, int type, u32 reason, u32 level, u64 count)
{
	struct nlattr *nest;

	if (!count)
		return 0;
	nest = nla_nest_start(skb, type);
	if (!nest ||
	    nla_put_u32(skb, HUSK_A_EXITS_REASON, reason) ||
	    nla_put_u32(skb, HUSK_A_EXITS_LEVEL, level) ||
	    husk_nl_put_u64(skb, HUSK_A_EXITS_COUNT, count))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/* A vCPU with every counter non-zero must fit into the smallest buffer of a dump. */
static_assert(HUSK_REASON_COUNT * HUSK_LEVEL_COUNT * 32 + 256 < NLMSG_DEFAULT_SIZE);

static int husk_nl_put_vcpu_attrs(struct sk_buff *skb, const struct husk_vcpu *vcpu)
{
	struct nlattr *nest = nla_nest_start(skb, HUSK_A_VM_VCPU);
	const struct husk_stats *stats = vcpu->stats;
	u32 reason, level;

	if (!nest ||
	    nla_put_u32(skb, HUSK_A_VCPU_ID, vcpu->id) ||
	    nla_put_s32(skb, HUSK_A_VCPU_CPU, READ_ONCE(vcpu->cpu)) ||
	    nla_put_u32(skb, HUSK_A_VCPU_MP_STATE, READ_ONCE(vcpu->mp_state)) ||
	    husk_nl_put_u64(skb, HUSK_A_VCPU_ENTRIES, READ_ONCE(stats->entries)) ||
	    husk_nl_put_u64(skb, HUSK_A_VCPU_USER_RETURNS, READ_ONCE(stats->user_returns)) ||
	    husk_nl_put_u64(skb, HUSK_A_VCPU_INJECTIONS, READ_ONCE(stats->injections)) ||
	    husk_nl_put_u64(skb, HUSK_A_VCPU_HALTED_NS, READ_ONCE(stats->halted_ns)) ||
	    husk_nl_put_u64(skb, HUSK_A_VCPU_POLL_HITS, READ_ONCE(stats->poll_hits)) ||
	    husk_nl_put_u64(skb, HUSK_A_VCPU_POLL_MISSES, READ_ONCE(stats->poll_misses)) ||
	    husk_nl_put_u64(skb, HUSK_A_VCPU_YIELDS, READ_ONCE(stats->yields)))
		return -EMSGSIZE;
	for (reason = 0; reason < HUSK_REASON_COUNT; reason++)
		for (level = 0; level < HUSK_LEVEL_COUNT; level++)
			if (husk_nl_put_exits(skb, HUSK_A_VCPU_EXITS, reason, level,
					      READ_ONCE(stats->reason[reason].exits[level])))
				return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static int husk_nl_put_vcpu(struct sk_buff *skb, struct netlink_callback *cb, const struct husk_vcpu *vcpu)
{
	void *header = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
				   &husk_nl_family, NLM_F_MULTI, HUSK_CMD_VCPU_GET);

	if (!header)
		return -EMSGSIZE;
	if (nla_put_u32(skb, HUSK_A_VM_ID, vcpu->vm->id) || husk_nl_put_vcpu_attrs(skb, vcpu)) {
		genlmsg_cancel(skb, header);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, header);
	return 0;
}

/* cb->args[0]: the vCPU to go on with. args[1]: the VM's id, once it is known */
int husk_nl_dump_vcpus(struct sk_buff *skb, struct netlink_callback *cb, husk_nl_put_fn *put)
{
	struct husk_vcpu *vcpu;
	struct husk_vm *vm;
	struct nlattr *by;
	int ret = 0;

	if (cb->args[1])
		vm = husk_vm_get(cb->args[1]);
	else
		vm = husk_nl_select(cb->skb, cb->nlh, cb->extack, &by);
	if (IS_ERR_OR_NULL(vm))
		return PTR_ERR_OR_ZERO(vm);	/* NULL: gone since the dump began */
	cb->args[1] = vm->id;
	for (; cb->args[0] < HUSK_MAX_VCPUS; cb->args[0]++) {
		vcpu = husk_vm_vcpu(vm, cb->args[0]);
		if (vcpu && husk_nl_may(cb->skb, vm))
			ret = put(skb, cb, vcpu);
		if (ret)
			break;
		memset(&cb->args[2], 0, sizeof(cb->args) - 2 * sizeof(cb->args[0]));
	}
	husk_vm_put(vm);
	return skb->len ? skb->len : ret;
}

int husk_nl_vcpus(struct sk_buff *skb, struct netlink_callback *cb)
{
	return husk_nl_dump_vcpus(skb, cb, husk_nl_put_vcpu);
}

/* ---- caps-get ---- */

static const char * const husk_nl_mode_names[] = {
#define X(id, name, what) [HUSK_MODE_##id] = name,
	HUSK_MODES(X)
#undef X
};

static int husk_nl_put_mode(struct sk_buff *skb, u32 mode)
{
	struct nlattr *nest = nla_nest_start(skb, HUSK_A_CAPS_MODE);

	if (!nest ||
	    nla_put_u32(skb, HUSK_A_MODE_ID, mode) ||
	    nla_put_string(skb, HUSK_A_MODE_NAME, husk_nl_mode_names[mode]))
		return -EMSGSIZE;
	if (husk_modes.present & BIT_ULL(mode) && nla_put_flag(skb, HUSK_A_MODE_PRESENT))
		return -EMSGSIZE;
	if (husk_mode(mode) && nla_put_flag(skb, HUSK_A_MODE_USABLE))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static int husk_nl_put_caps(struct sk_buff *skb, struct genl_info *info)
{
	void *header = genlmsg_put_reply(skb, info, &husk_nl_family, 0, HUSK_CMD_CAPS_GET);
	u32 mode;

	if (!header ||
	    nla_put_u32(skb, HUSK_A_CAPS_ABI_VERSION, HUSK_ABI_VERSION) ||
	    nla_put_u32(skb, HUSK_A_CAPS_MAX_VMS, husk_max_vms) ||
	    nla_put_u32(skb, HUSK_A_CAPS_MAX_VCPUS, husk_max_vcpus) ||
	    nla_put_u32(skb, HUSK_A_CAPS_MAX_SLOTS, husk_max_slots) ||
	    husk_nl_put_u64(skb, HUSK_A_CAPS_EVENT_SEQ, husk_event_last_seq(HUSK_NL_GROUP_LIFECYCLE)) ||
	    husk_nl_put_u64(skb, HUSK_A_CAPS_FAULT_SEQ, husk_event_last_seq(HUSK_NL_GROUP_FAULTS)) ||
	    nla_put_u32(skb, HUSK_A_CAPS_DAEMON_PID, husk_relay_daemon_pid()))
		return -EMSGSIZE;
	for (mode = 0; mode < HUSK_MODE_COUNT; mode++)
		if (husk_nl_put_mode(skb, mode))
			return -EMSGSIZE;
	genlmsg_end(skb, header);
	return 0;
}

int husk_nl_caps(struct sk_buff *skb, struct genl_info *info)
{
	struct sk_buff *reply = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);

	if (!reply)
		return -ENOMEM;
	if (husk_nl_put_caps(reply, info)) {
		nlmsg_free(reply);
		return -EMSGSIZE;
	}
	return genlmsg_reply(reply, info);
}
