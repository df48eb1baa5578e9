// SPDX-License-Identifier: GPL-2.0
/* libhusk: programs that decide exits, by the netlink family. */
#include <netlink/attr.h>
#include <netlink/msg.h>

#include "lib/netlink.h"
#include "lib/netlink_attr.h"

static int on_attached(struct nlattr *attrs, int len, void *arg)
{
	struct nlattr *tb[HUSK_A_POLICY_MAX + 1];
	uint32_t *id = arg;

	nla_parse(tb, HUSK_A_POLICY_MAX, attrs, len, NULL);
	*id = attr_u32(tb[HUSK_A_POLICY_ID]);
	return 0;
}

int husk_nl_policy_attach(struct husk_nl *nl, uint32_t vm_id, int fd, uint64_t reasons, uint32_t replace, uint32_t *id)
{
	struct nl_msg *msg = husk_nl_request(nl, HUSK_CMD_POLICY_ATTACH, 0);

	if (msg) {
		if (vm_id)
			nla_put_u32(msg, HUSK_A_POLICY_VM_ID, vm_id);
		if (replace)
			nla_put_u32(msg, HUSK_A_POLICY_ID, replace);
		nla_put_u32(msg, HUSK_A_POLICY_PROG_FD, fd);
		if (reasons)
			nla_put_u64(msg, HUSK_A_POLICY_REASONS, reasons);
	}
	return husk_nl_exchange(nl, msg, on_attached, id);
}

int husk_nl_policy_detach(struct husk_nl *nl, uint32_t id)
{
	struct nl_msg *msg = husk_nl_request(nl, HUSK_CMD_POLICY_DETACH, 0);

	if (msg)
		nla_put_u32(msg, HUSK_A_POLICY_ID, id);
	return husk_nl_exchange(nl, msg, NULL, NULL);
}

struct policies {
	int (*fn)(const struct husk_nl_policy *policy, void *arg);
	void *arg;
};

static int on_policy(struct nlattr *attrs, int len, void *arg)
{
	struct nlattr *tb[HUSK_A_POLICY_MAX + 1];
	struct husk_nl_policy policy = {};
	struct policies *policies = arg;

	nla_parse(tb, HUSK_A_POLICY_MAX, attrs, len, NULL);
	policy.id = attr_u32(tb[HUSK_A_POLICY_ID]);
	policy.vm_id = attr_u32(tb[HUSK_A_POLICY_VM_ID]);
	policy.prog_id = attr_u32(tb[HUSK_A_POLICY_PROG_ID]);
	policy.reasons = attr_u64(tb[HUSK_A_POLICY_REASONS]);
	attr_string(tb[HUSK_A_POLICY_VM_NAME], policy.vm_name, sizeof(policy.vm_name));
	attr_string(tb[HUSK_A_POLICY_PROG_NAME], policy.prog_name, sizeof(policy.prog_name));
	nla_memcpy(policy.counts, tb[HUSK_A_POLICY_COUNTS], sizeof(policy.counts));
	return policies->fn(&policy, policies->arg);
}

int husk_nl_policies(struct husk_nl *nl, uint32_t vm_id,
		     int (*fn)(const struct husk_nl_policy *policy, void *arg), void *arg)
{
	struct nl_msg *msg = husk_nl_request(nl, HUSK_CMD_POLICY_GET, NLM_F_DUMP);
	struct policies policies = { .fn = fn, .arg = arg };

	if (msg && vm_id)
		nla_put_u32(msg, HUSK_A_POLICY_VM_ID, vm_id);
	return husk_nl_exchange(nl, msg, on_policy, &policies);
}
