// SPDX-License-Identifier: GPL-2.0
/*
 * What VMs tell by themselves: lifecycle events, faults, statistics. Each group
 * of listeners has numbers of its own, without gaps.
 */
#include <linux/mutex.h>

#include "husk.h"
#include "netlink.h"
#include "trace.h"

/* Held while a message is numbered and sent, so that listeners see the numbers in order. */
static DEFINE_MUTEX(husk_event_lock);
static u64 husk_event_seq[HUSK_NL_GROUPS];	/* written under husk_event_lock */

u64 husk_event_last_seq(int group)
{
	return READ_ONCE(husk_event_seq[group]);
}

/* NULL if nobody listens, or there is no memory: then the message takes its number only. */
static struct sk_buff *husk_event_new(int group, u8 cmd, void **header)
{
	struct sk_buff *skb;

	if (!genl_has_listeners(&husk_nl_family, &init_net, group))
		return NULL;
	skb = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (skb)
		*header = genlmsg_put(skb, 0, 0, &husk_nl_family, 0, cmd);
	return skb;
}

static_assert((u32)HUSK_A_EVENT_SEQ == HUSK_A_FAULT_SEQ && (u32)HUSK_A_EVENT_SEQ == HUSK_A_STATS_SEQ);

static int husk_event_put_vm(struct sk_buff *skb, const struct husk_vm *vm, int id, int name, int uuid)
{
	return nla_put_u32(skb, id, vm->id) || nla_put_string(skb, name, vm->name) ||
	       nla_put(skb, uuid, sizeof(vm->uuid), &vm->uuid) ? -EMSGSIZE : 0;
}

/*
 * A message that can't be sent still takes a number: the gap tells the listeners
 * that they missed it. Sending does not wait for slow listeners (GFP_KERNEL
 * would: netlink_broadcast() yields to them), so a VM never does either. @err: the
 * message did not fit.
 */
static void husk_event_multicast(struct sk_buff *skb, void *header, int group, int err)
{
	u64 seq;

	mutex_lock(&husk_event_lock);
	seq = husk_event_seq[group] + 1;
	WRITE_ONCE(husk_event_seq[group], seq);
	if (skb && !err && !husk_nl_put_u64(skb, HUSK_A_EVENT_SEQ, seq)) {
		genlmsg_end(skb, header);
		genlmsg_multicast(&husk_nl_family, skb, 0, group, GFP_ATOMIC);
		skb = NULL;
	}
	mutex_unlock(&husk_event_lock);
	nlmsg_free(skb);
}

/**
 * husk_event_send - tell listeners what happened to a VM
 * @vm: the VM
 * @kind: HUSK_LIFE_x
 * @detail: by kind, see HUSK_EVENTS
 *
 * Context: process, may sleep; takes no lock but its own.
 */
void husk_event_send(struct husk_vm *vm, u32 kind, u64 detail)
{
	void *header = NULL;
	struct sk_buff *skb;
	int err;

	trace_husk_lifecycle(vm->id, kind, detail);
	skb = husk_event_new(HUSK_NL_GROUP_LIFECYCLE, HUSK_CMD_EVENT, &header);
	err = !header || nla_put_u32(skb, HUSK_A_EVENT_KIND, kind) ||
	      husk_event_put_vm(skb, vm, HUSK_A_EVENT_VM_ID, HUSK_A_EVENT_VM_NAME, HUSK_A_EVENT_VM_UUID) ||
	      husk_nl_put_u64(skb, HUSK_A_EVENT_DETAIL, detail);
	husk_event_multicast(skb, header, HUSK_NL_GROUP_LIFECYCLE, err);
}

/* ---- faults ---- */

static int husk_fault_put(struct sk_buff *skb, struct husk_vcpu *vcpu, u32 signal)
{
	u32 n, last = vcpu->stats->entries;

	if (husk_event_put_vm(skb, vcpu->vm, HUSK_A_FAULT_VM_ID, HUSK_A_FAULT_VM_NAME, HUSK_A_FAULT_VM_UUID) ||
	    nla_put_u32(skb, HUSK_A_FAULT_VCPU_ID, vcpu->id) ||
	    nla_put_u32(skb, HUSK_A_FAULT_EXIT, READ_ONCE(vcpu->run->exit)) ||
	    nla_put_u32(skb, HUSK_A_FAULT_REASON, vcpu->exit.reason) ||
	    husk_nl_put_u64(skb, HUSK_A_FAULT_RIP, vcpu->regs.rip) ||
	    husk_nl_put_u64(skb, HUSK_A_FAULT_HW_REASON, vcpu->exit.hw_reason) ||
	    husk_nl_put_u64(skb, HUSK_A_FAULT_INFO0, vcpu->exit.info[0]) ||
	    husk_nl_put_u64(skb, HUSK_A_FAULT_INFO1, vcpu->exit.info[1]) ||
	    (signal && nla_put_u32(skb, HUSK_A_FAULT_SIGNAL, signal)))
		return -EMSGSIZE;
	for (n = last - min_t(u32, last, HUSK_FAULT_EXITS) + 1; n != last + 1; n++)
		if (husk_nl_put_flight(skb, HUSK_A_FAULT_LAST, &vcpu->stats->flight[n % HUSK_FLIGHT_LEN]))
			return -EMSGSIZE;
	return 0;
}

static_assert(HUSK_FAULT_EXITS <= HUSK_FLIGHT_LEN);

void husk_fault_send(struct husk_vcpu *vcpu, u32 signal)
{
	void *header = NULL;
	struct sk_buff *skb = husk_event_new(HUSK_NL_GROUP_FAULTS, HUSK_CMD_FAULT, &header);

	husk_event_multicast(skb, header, HUSK_NL_GROUP_FAULTS, !header || husk_fault_put(skb, vcpu, signal));
}

/* ---- statistics ---- */

struct husk_sums {
	u64 halted_ns, entries, user_returns, injections;
};

static void husk_stats_sum(struct husk_vm *vm, struct husk_sums *sums)
{
	struct husk_vcpu *vcpu;
	int i;

	husk_for_each_vcpu(i, vcpu, vm) {
		const struct husk_stats *stats = vcpu->stats;

		sums->halted_ns += READ_ONCE(stats->halted_ns);
		sums->entries += READ_ONCE(stats->entries);
		sums->user_returns += READ_ONCE(stats->user_returns);
		sums->injections += READ_ONCE(stats->injections);
	}
}

static int husk_stats_put_exits(struct sk_buff *skb, struct husk_vm *vm, u32 reason, u32 level)
{
	struct husk_vcpu *vcpu;
	u64 count = 0;
	int i;

	husk_for_each_vcpu(i, vcpu, vm)
		count += READ_ONCE(vcpu->stats->reason[reason].exits[level]);
	return husk_nl_put_exits(skb, HUSK_A_STATS_EXITS, reason, level, count);
}

static int husk_stats_put(struct sk_buff *skb, struct husk_vm *vm)
{
	struct husk_sums sums = {};
	u32 reason, level;

	husk_stats_sum(vm, &sums);
	if (husk_event_put_vm(skb, vm, HUSK_A_STATS_VM_ID, HUSK_A_STATS_VM_NAME, HUSK_A_STATS_VM_UUID) ||
	    husk_nl_put_u64(skb, HUSK_A_STATS_TIME_NS, ktime_get_boottime_ns()) ||
	    husk_nl_put_u64(skb, HUSK_A_STATS_RUN_NS, husk_limit_run_ns(vm)) ||
	    husk_nl_put_u64(skb, HUSK_A_STATS_HELD_NS, READ_ONCE(vm->limit.held_ns)) ||
	    husk_nl_put_u64(skb, HUSK_A_STATS_HALTED_NS, sums.halted_ns) ||
	    husk_nl_put_u64(skb, HUSK_A_STATS_ENTRIES, sums.entries) ||
	    husk_nl_put_u64(skb, HUSK_A_STATS_USER_RETURNS, sums.user_returns) ||
	    husk_nl_put_u64(skb, HUSK_A_STATS_INJECTIONS, sums.injections))
		return -EMSGSIZE;
	for (reason = 0; reason < HUSK_REASON_COUNT; reason++)
		for (level = 0; level < HUSK_LEVEL_COUNT; level++)
			if (husk_stats_put_exits(skb, vm, reason, level))
				return -EMSGSIZE;
	return 0;
}

void husk_stats_send(struct husk_vm *vm)
{
	void *header = NULL;
	struct sk_buff *skb = husk_event_new(HUSK_NL_GROUP_STATS, HUSK_CMD_STATS, &header);

	husk_event_multicast(skb, header, HUSK_NL_GROUP_STATS, !header || husk_stats_put(skb, vm));
}
