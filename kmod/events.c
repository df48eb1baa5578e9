// SPDX-License-Identifier: GPL-2.0
/* Lifecycle events: numbered, to the tracepoint and to the netlink group. */
#include <linux/mutex.h>

#include "husk.h"
#include "netlink.h"
#include "trace.h"

/* Held while an event is numbered and sent, so that listeners see the numbers in order. */
static DEFINE_MUTEX(husk_event_lock);
static u64 husk_event_seq;	/* written under husk_event_lock */

u64 husk_event_last_seq(void)
{
	return READ_ONCE(husk_event_seq);
}

static int husk_event_put(struct sk_buff *skb, const struct husk_vm *vm, u64 seq, u32 kind, u64 detail)
{
	void *header = genlmsg_put(skb, 0, 0, &husk_nl_family, 0, HUSK_CMD_EVENT);

	if (!header)
		return -EMSGSIZE;
	if (nla_put_u64_64bit(skb, HUSK_A_EVENT_SEQ, seq, HUSK_A_EVENT_PAD) ||
	    nla_put_u32(skb, HUSK_A_EVENT_KIND, kind) ||
	    nla_put_u32(skb, HUSK_A_EVENT_VM_ID, vm->id) ||
	    nla_put_string(skb, HUSK_A_EVENT_VM_NAME, vm->name) ||
	    nla_put(skb, HUSK_A_EVENT_VM_UUID, sizeof(vm->uuid), &vm->uuid) ||
	    nla_put_u64_64bit(skb, HUSK_A_EVENT_DETAIL, detail, HUSK_A_EVENT_PAD))
		return -EMSGSIZE;
	genlmsg_end(skb, header);
	return 0;
}

/**
 * husk_event_send - tell listeners what happened to a VM
 * @vm: the VM
 * @kind: HUSK_LIFE_x
 * @detail: by kind, see HUSK_EVENTS
 *
 * An event that can't be sent still takes a number: the gap tells the listeners
 * that they missed it. Sending does not wait for slow listeners (GFP_KERNEL
 * would: netlink_broadcast() yields to them), so a VM never does either.
 *
 * Context: process, may sleep; takes no lock but its own.
 */
void husk_event_send(struct husk_vm *vm, u32 kind, u64 detail)
{
	struct sk_buff *skb = NULL;
	u64 seq;

	trace_husk_lifecycle(vm->id, kind, detail);
	if (genl_has_listeners(&husk_nl_family, &init_net, HUSK_NL_GROUP_LIFECYCLE))
		skb = genlmsg_new(NLMSG_DEFAULT_SIZE, GFP_KERNEL);

	mutex_lock(&husk_event_lock);
	seq = husk_event_seq + 1;
	WRITE_ONCE(husk_event_seq, seq);
	if (skb && !husk_event_put(skb, vm, seq, kind, detail)) {
		genlmsg_multicast(&husk_nl_family, skb, 0, HUSK_NL_GROUP_LIFECYCLE, GFP_ATOMIC);
		skb = NULL;
	}
	mutex_unlock(&husk_event_lock);
	nlmsg_free(skb);
}
