// SPDX-License-Identifier: GPL-2.0
/* What the generic-netlink family "husk" answers of exits: their times by reason, and the flight recorder. */
#include <linux/math64.h>
#include <asm/tsc.h>

#include "netlink.h"

static void *husk_nl_exits_begin(struct sk_buff *skb, struct netlink_callback *cb, const struct husk_vcpu *vcpu, u8 cmd)
{
	void *header = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq, &husk_nl_family, NLM_F_MULTI, cmd);

	if (header && !nla_put_u32(skb, HUSK_A_VM_ID, vcpu->vm->id) &&
	    !nla_put_u32(skb, HUSK_A_VM_VCPU_ID, vcpu->id) &&
	    !nla_put_u32(skb, HUSK_A_VM_TSC_KHZ, tsc_khz))
		return header;
	if (header)
		genlmsg_cancel(skb, header);
	return NULL;
}

/* ---- times-get ---- */

static int husk_nl_put_time(struct sk_buff *skb, const struct husk_vcpu *vcpu, u32 reason)
{
	const struct husk_exit_stats *stats = &vcpu->stats->reason[reason];
	struct nlattr *nest = nla_nest_start(skb, HUSK_A_VM_TIMES);

	if (!nest || nla_put_u32(skb, HUSK_A_TIMES_REASON, reason) ||
	    husk_nl_put_u64(skb, HUSK_A_TIMES_TICKS, READ_ONCE(stats->ticks)) ||
	    nla_put_64bit(skb, HUSK_A_TIMES_BUCKETS, sizeof(stats->times), stats->times, HUSK_A_TIMES_PAD))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/* cb->args[2]: the reason to go on with */
static int husk_nl_put_times(struct sk_buff *skb, struct netlink_callback *cb, const struct husk_vcpu *vcpu)
{
	void *header;

	for (; cb->args[2] < HUSK_REASON_COUNT; cb->args[2]++) {
		if (!memchr_inv(vcpu->stats->reason[cb->args[2]].times, 0, sizeof(vcpu->stats->reason[0].times)))
			continue;
		header = husk_nl_exits_begin(skb, cb, vcpu, HUSK_CMD_TIMES_GET);
		if (!header)
			return -EMSGSIZE;
		if (husk_nl_put_time(skb, vcpu, cb->args[2])) {
			genlmsg_cancel(skb, header);
			return -EMSGSIZE;
		}
		genlmsg_end(skb, header);
	}
	return 0;
}

int husk_nl_times(struct sk_buff *skb, struct netlink_callback *cb)
{
	return husk_nl_dump_vcpus(skb, cb, husk_nl_put_times);
}

/* ---- exits-get ---- */

int husk_nl_put_flight(struct sk_buff *skb, int type, const struct husk_flight *f)
{
	struct nlattr *nest = nla_nest_start(skb, type);

	if (!nest || nla_put_u32(skb, HUSK_A_LAST_NUMBER, f->sequence) ||
	    nla_put_u32(skb, HUSK_A_LAST_REASON, f->reason) ||
	    nla_put_u32(skb, HUSK_A_LAST_LEVEL, f->level) ||
	    husk_nl_put_u64(skb, HUSK_A_LAST_RIP, f->rip) ||
	    husk_nl_put_u64(skb, HUSK_A_LAST_INFO0, f->info0) ||
	    husk_nl_put_u64(skb, HUSK_A_LAST_INFO1, f->info1) ||
	    husk_nl_put_u64(skb, HUSK_A_LAST_TSC, f->tsc) ||
	    nla_put_u32(skb, HUSK_A_LAST_TICKS, f->level == HUSK_LEVEL_FAST ? 0 : f->ticks) ||
	    nla_put_u32(skb, HUSK_A_LAST_HW_REASON, f->hw_reason) ||
	    (f->event && (nla_put_u32(skb, HUSK_A_LAST_EVENT, f->event - 1) ||
			  nla_put_u32(skb, HUSK_A_LAST_VECTOR, f->vector))))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/*
 * The entry of number n, as it was at one moment. false: the vCPU, which may run, has
 * written over it, or is about to; or it is not served yet.
 */
static bool husk_nl_flight(const struct husk_vcpu *vcpu, u32 n, struct husk_flight *copy)
{
	const struct husk_flight *f = &vcpu->stats->flight[n % HUSK_FLIGHT_LEN];

	*copy = *(const volatile struct husk_flight *)f;
	smp_rmb();
	return copy->sequence == n && copy->reason && READ_ONCE(f->sequence) == n;
}

/* cb->args[2]: how many are left, and 1; 0: not begun. args[3]: number of the next */
static int husk_nl_put_exits_of(struct sk_buff *skb, struct netlink_callback *cb, const struct husk_vcpu *vcpu)
{
	struct husk_flight f;
	void *header;

	if (!cb->args[2]) {
		u64 entries = READ_ONCE(vcpu->stats->entries);

		cb->args[2] = min_t(u64, entries, HUSK_FLIGHT_LEN) + 1;
		cb->args[3] = entries - (cb->args[2] - 2);
	}
	for (; cb->args[2] > 1; cb->args[2]--, cb->args[3]++) {
		if (!husk_nl_flight(vcpu, cb->args[3], &f))
			continue;
		header = husk_nl_exits_begin(skb, cb, vcpu, HUSK_CMD_EXITS_GET);
		if (!header)
			return -EMSGSIZE;
		if (husk_nl_put_flight(skb, HUSK_A_VM_LAST, &f)) {
			genlmsg_cancel(skb, header);
			return -EMSGSIZE;
		}
		genlmsg_end(skb, header);
	}
	return 0;
}

int husk_nl_exits(struct sk_buff *skb, struct netlink_callback *cb)
{
	return husk_nl_dump_vcpus(skb, cb, husk_nl_put_exits_of);
}
