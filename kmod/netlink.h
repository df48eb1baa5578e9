/* SPDX-License-Identifier: GPL-2.0 */
/* What netlink.c (commands), netlink_show.c, netlink_exits.c (answers), netlink_policy.c and events.c (multicast) share. */
#ifndef HUSK_NETLINK_H
#define HUSK_NETLINK_H

#include <net/genetlink.h>

#include "husk.h"
#include "uapi/husk_netlink.h"

/* Index in husk_nl_groups */
enum { HUSK_NL_GROUP_LIFECYCLE, HUSK_NL_GROUP_FAULTS, HUSK_NL_GROUP_STATS, HUSK_NL_GROUPS };

extern struct genl_family husk_nl_family;

/* ---- netlink.c ---- */
/* May whoever sent skb see and command the VM? */
bool husk_nl_may(struct sk_buff *skb, const struct husk_vm *vm);
/* The VM that a request is about, with a reference; see there */
struct husk_vm *husk_nl_select(struct sk_buff *skb, const struct nlmsghdr *nlh, struct netlink_ext_ack *extack,
			       struct nlattr **by);

/* ---- netlink_show.c: requests ---- */
int husk_nl_show(struct sk_buff *skb, struct genl_info *info);
int husk_nl_list(struct sk_buff *skb, struct netlink_callback *cb);
int husk_nl_vcpus(struct sk_buff *skb, struct netlink_callback *cb);
int husk_nl_caps(struct sk_buff *skb, struct genl_info *info);

/*
 * A dump over the vCPUs of the VM that is asked for. put() is called again for the
 * same vCPU until it answers 0; cb->args[2] and up are its own, and 0 at first.
 */
typedef int husk_nl_put_fn(struct sk_buff *skb, struct netlink_callback *cb, const struct husk_vcpu *vcpu);
int husk_nl_dump_vcpus(struct sk_buff *skb, struct netlink_callback *cb, husk_nl_put_fn *put);

/* ---- netlink_exits.c ---- */
int husk_nl_times(struct sk_buff *skb, struct netlink_callback *cb);
int husk_nl_exits(struct sk_buff *skb, struct netlink_callback *cb);
/* A nest enum husk_a_last */
int husk_nl_put_flight(struct sk_buff *skb, int type, const struct husk_flight *f);

/* ---- netlink_policy.c ---- */
int husk_nl_policy_attach(struct sk_buff *skb, struct genl_info *info);
int husk_nl_policy_detach(struct sk_buff *skb, struct genl_info *info);
int husk_nl_policies(struct sk_buff *skb, struct netlink_callback *cb);

/* The pad attribute is number 1 of every set that has u64 attributes. */
static inline int husk_nl_put_u64(struct sk_buff *skb, int type, u64 value)
{
	return nla_put_u64_64bit(skb, type, value, HUSK_A_VM_PAD);
}

/* A nest enum husk_a_exits, unless count is 0 */
int husk_nl_put_exits(struct sk_buff *skb, int type, u32 reason, u32 level, u64 count);

/* ---- relay.c ---- */
int husk_nl_daemon(struct sk_buff *skb, struct genl_info *info);
int husk_nl_start(struct sk_buff *skb, struct genl_info *info);
int husk_nl_answer(struct sk_buff *skb, struct genl_info *info);
u32 husk_relay_daemon_pid(void);	/* in the caller's pid namespace, 0: none */
int husk_relay_init(void);
void husk_relay_exit(void);

/* ---- events.c ---- */
/* Number of the last message of a group, 0 if there was none */
u64 husk_event_last_seq(int group);

#endif
