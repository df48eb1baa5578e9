// SPDX-License-Identifier: GPL-2.0
/* libhusk: what the netlink family tells of exits: their times, the flight recorder. */
#include <netlink/attr.h>
#include <netlink/msg.h>

#include "lib/netlink.h"
#include "lib/netlink_attr.h"

void husk_nl_parse_last(struct nlattr *nest, struct husk_nl_last *last)
{
	struct nlattr *tb[HUSK_A_LAST_MAX + 1];

	nla_parse_nested(tb, HUSK_A_LAST_MAX, nest, NULL);
	*last = (struct husk_nl_last){
		.number = attr_u32(tb[HUSK_A_LAST_NUMBER]),
		.reason = attr_u32(tb[HUSK_A_LAST_REASON]),
		.level = attr_u32(tb[HUSK_A_LAST_LEVEL]),
		.ticks = attr_u32(tb[HUSK_A_LAST_TICKS]),
		.hw_reason = attr_u32(tb[HUSK_A_LAST_HW_REASON]),
		.vector = attr_u32(tb[HUSK_A_LAST_VECTOR]),
		.event = tb[HUSK_A_LAST_EVENT] ? (int)attr_u32(tb[HUSK_A_LAST_EVENT]) : -1,
		.rip = attr_u64(tb[HUSK_A_LAST_RIP]),
		.info0 = attr_u64(tb[HUSK_A_LAST_INFO0]),
		.info1 = attr_u64(tb[HUSK_A_LAST_INFO1]),
		.tsc = attr_u64(tb[HUSK_A_LAST_TSC]),
	};
}

static int list(struct husk_nl *nl, int cmd, uint32_t id, husk_nl_fn *fn, void *arg)
{
	struct nl_msg *msg = husk_nl_request(nl, cmd, NLM_F_DUMP);

	if (msg)
		nla_put_u32(msg, HUSK_A_VM_ID, id);
	return husk_nl_exchange(nl, msg, fn, arg);
}

struct exits {
	int (*times)(const struct husk_nl_times *times, void *arg);
	int (*last)(const struct husk_nl_last *last, void *arg);
	void *arg;
};

static int on_times(struct nlattr *attrs, int len, void *arg)
{
	struct nlattr *tb[HUSK_A_VM_MAX + 1], *nest[HUSK_A_TIMES_MAX + 1];
	struct husk_nl_times times = {};
	struct exits *exits = arg;

	nla_parse(tb, HUSK_A_VM_MAX, attrs, len, NULL);
	if (!tb[HUSK_A_VM_TIMES])
		return 0;
	nla_parse_nested(nest, HUSK_A_TIMES_MAX, tb[HUSK_A_VM_TIMES], NULL);
	times.vcpu = attr_u32(tb[HUSK_A_VM_VCPU_ID]);
	times.tsc_khz = attr_u32(tb[HUSK_A_VM_TSC_KHZ]);
	times.reason = attr_u32(nest[HUSK_A_TIMES_REASON]);
	times.ticks = attr_u64(nest[HUSK_A_TIMES_TICKS]);
	nla_memcpy(times.times, nest[HUSK_A_TIMES_BUCKETS], sizeof(times.times));
	if (times.reason >= HUSK_REASON_COUNT)
		times.reason = HUSK_REASON_OTHER;
	return exits->times(&times, exits->arg);
}

int husk_nl_times(struct husk_nl *nl, uint32_t id, int (*fn)(const struct husk_nl_times *times, void *arg), void *arg)
{
	struct exits exits = { .times = fn, .arg = arg };

	return list(nl, HUSK_CMD_TIMES_GET, id, on_times, &exits);
}

static int on_last(struct nlattr *attrs, int len, void *arg)
{
	struct nlattr *tb[HUSK_A_VM_MAX + 1];
	struct exits *exits = arg;
	struct husk_nl_last last;

	nla_parse(tb, HUSK_A_VM_MAX, attrs, len, NULL);
	if (!tb[HUSK_A_VM_LAST])
		return 0;
	husk_nl_parse_last(tb[HUSK_A_VM_LAST], &last);
	last.vcpu = attr_u32(tb[HUSK_A_VM_VCPU_ID]);
	last.tsc_khz = attr_u32(tb[HUSK_A_VM_TSC_KHZ]);
	return exits->last(&last, exits->arg);
}

int husk_nl_exits(struct husk_nl *nl, uint32_t id, int (*fn)(const struct husk_nl_last *last, void *arg), void *arg)
{
	struct exits exits = { .last = fn, .arg = arg };

	return list(nl, HUSK_CMD_EXITS_GET, id, on_last, &exits);
}
