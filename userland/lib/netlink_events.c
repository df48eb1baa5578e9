// SPDX-License-Identifier: GPL-2.0
/* Client of the generic-netlink family "husk", see netlink.h: what VMs send by themselves. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>

#include "lib/netlink_attr.h"

/* Room for some 2,500 events; the default holds about 250. */
#define EVENT_BUFFER	(1 << 20)

int husk_nl_fd(const struct husk_nl *nl)
{
	return nl_socket_get_fd(nl->sock);
}

int husk_nl_subscribe(struct husk_nl *nl, enum husk_nl_group which)
{
	static const char *const names[HUSK_NL_GROUPS] = {
		[HUSK_NL_LIFECYCLE] = HUSK_MCGRP_LIFECYCLE,
		[HUSK_NL_FAULTS] = HUSK_MCGRP_FAULTS,
		[HUSK_NL_STATS] = HUSK_MCGRP_STATS,
	};
	int group = genl_ctrl_resolve_grp(nl->sock, HUSK_FAMILY_NAME, names[which]);
	int fd = husk_nl_fd(nl), size = EVENT_BUFFER, ret;

	if (group < 0)
		return husk_nl_fail(nl, -ENODEV, "this kernel module is too old: it has no such events");
	/* With privilege beyond net.core.rmem_max, which libnl's own call keeps to. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (nl_socket_add_membership(nl->sock, group))
		return husk_nl_fail(nl, -EPERM, "not permitted: events need CAP_NET_ADMIN (run it as root)");
	nl_socket_disable_seq_check(nl->sock);
	ret = nl_socket_set_nonblocking(nl->sock);
	return ret ? husk_nl_fail_libnl(nl, ret) : 0;
}

struct listener {
	int family;
	void (*fn)(const struct husk_nl_event *event, void *arg);
	void *arg;
};

static void parse_life(struct nlattr *attrs, int len, struct husk_nl_event *e)
{
	struct nlattr *tb[HUSK_A_EVENT_MAX + 1];

	nla_parse(tb, HUSK_A_EVENT_MAX, attrs, len, NULL);
	e->seq = attr_u64(tb[HUSK_A_EVENT_SEQ]);
	e->vm_id = attr_u32(tb[HUSK_A_EVENT_VM_ID]);
	attr_string(tb[HUSK_A_EVENT_VM_NAME], e->name, sizeof(e->name));
	nla_memcpy(e->uuid, tb[HUSK_A_EVENT_VM_UUID], sizeof(e->uuid));
	e->life.kind = attr_u32(tb[HUSK_A_EVENT_KIND]);
	e->life.detail = attr_u64(tb[HUSK_A_EVENT_DETAIL]);
}

static void parse_fault(struct nlattr *attrs, int len, struct husk_nl_event *e)
{
	struct nlattr *tb[HUSK_A_FAULT_MAX + 1], *a;
	int left;

	nla_parse(tb, HUSK_A_FAULT_MAX, attrs, len, NULL);
	e->seq = attr_u64(tb[HUSK_A_FAULT_SEQ]);
	e->vm_id = attr_u32(tb[HUSK_A_FAULT_VM_ID]);
	attr_string(tb[HUSK_A_FAULT_VM_NAME], e->name, sizeof(e->name));
	nla_memcpy(e->uuid, tb[HUSK_A_FAULT_VM_UUID], sizeof(e->uuid));
	e->fault.vcpu = attr_u32(tb[HUSK_A_FAULT_VCPU_ID]);
	e->fault.exit = attr_u32(tb[HUSK_A_FAULT_EXIT]);
	e->fault.signal = attr_u32(tb[HUSK_A_FAULT_SIGNAL]);
	e->fault.reason = attr_u32(tb[HUSK_A_FAULT_REASON]);
	e->fault.rip = attr_u64(tb[HUSK_A_FAULT_RIP]);
	e->fault.hw_reason = attr_u64(tb[HUSK_A_FAULT_HW_REASON]);
	e->fault.info0 = attr_u64(tb[HUSK_A_FAULT_INFO0]);
	e->fault.info1 = attr_u64(tb[HUSK_A_FAULT_INFO1]);
	nla_for_each_attr(a, attrs, len, left)
		if (nla_type(a) == HUSK_A_FAULT_LAST && e->fault.lasts < HUSK_FAULT_EXITS)
			husk_nl_parse_last(a, &e->fault.last[e->fault.lasts++]);
}

static void parse_stats(struct nlattr *attrs, int len, struct husk_nl_event *e)
{
	struct nlattr *tb[HUSK_A_STATS_MAX + 1], *a;
	int left;

	nla_parse(tb, HUSK_A_STATS_MAX, attrs, len, NULL);
	e->seq = attr_u64(tb[HUSK_A_STATS_SEQ]);
	e->vm_id = attr_u32(tb[HUSK_A_STATS_VM_ID]);
	attr_string(tb[HUSK_A_STATS_VM_NAME], e->name, sizeof(e->name));
	nla_memcpy(e->uuid, tb[HUSK_A_STATS_VM_UUID], sizeof(e->uuid));
	e->stats.time_ns = attr_u64(tb[HUSK_A_STATS_TIME_NS]);
	e->stats.run_ns = attr_u64(tb[HUSK_A_STATS_RUN_NS]);
	e->stats.held_ns = attr_u64(tb[HUSK_A_STATS_HELD_NS]);
	e->stats.halted_ns = attr_u64(tb[HUSK_A_STATS_HALTED_NS]);
	e->stats.entries = attr_u64(tb[HUSK_A_STATS_ENTRIES]);
	e->stats.user_returns = attr_u64(tb[HUSK_A_STATS_USER_RETURNS]);
	e->stats.injections = attr_u64(tb[HUSK_A_STATS_INJECTIONS]);
	nla_for_each_attr(a, attrs, len, left)
		if (nla_type(a) == HUSK_A_STATS_EXITS)
			husk_nl_add_exits(a, e->stats.exits);
}

static const struct {
	int cmd;
	enum husk_nl_group group;
	void (*parse)(struct nlattr *attrs, int len, struct husk_nl_event *event);
} messages[] = {
	{ HUSK_CMD_EVENT, HUSK_NL_LIFECYCLE, parse_life },
	{ HUSK_CMD_FAULT, HUSK_NL_FAULTS, parse_fault },
	{ HUSK_CMD_STATS, HUSK_NL_STATS, parse_stats },
};

static int on_event(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	struct husk_nl_event event = {};
	struct listener *listener = arg;
	struct genlmsghdr *header;

	if (nlh->nlmsg_type != listener->family || !genlmsg_valid_hdr(nlh, 0))
		return NL_OK;
	header = genlmsg_hdr(nlh);
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		if (header->cmd != messages[i].cmd)
			continue;
		event.group = messages[i].group;
		messages[i].parse(genlmsg_attrdata(header, 0), genlmsg_attrlen(header, 0), &event);
		listener->fn(&event, listener->arg);
	}
	return NL_OK;
}

int husk_nl_read_events(struct husk_nl *nl, void (*fn)(const struct husk_nl_event *event, void *arg), void *arg)
{
	struct listener listener = { nl->family, fn, arg };
	int ret;

	nl_socket_modify_cb(nl->sock, NL_CB_MSG_IN, NL_CB_CUSTOM, husk_nl_on_message, NULL);
	nl_socket_modify_cb(nl->sock, NL_CB_VALID, NL_CB_CUSTOM, on_event, &listener);
	ret = nl_recvmsgs_default(nl->sock);
	return ret < 0 ? husk_nl_fail_libnl(nl, ret) : 0;
}

/* ---- the daemon's side ---- */

int husk_nl_daemon(struct husk_nl *nl)
{
	int ret = husk_nl_exchange(nl, husk_nl_request(nl, HUSK_CMD_DAEMON, 0), NULL, NULL);

	if (ret)
		return ret;
	nl_socket_disable_auto_ack(nl->sock);
	nl_socket_disable_seq_check(nl->sock);
	ret = nl_socket_set_nonblocking(nl->sock);
	return ret ? husk_nl_fail_libnl(nl, ret) : 0;
}

int husk_nl_answer(struct husk_nl *nl, uint64_t token, const struct husk_nl_start *start)
{
	struct nl_msg *msg = husk_nl_request(nl, HUSK_CMD_START_ANSWER, 0);
	int ret;

	if (!msg)
		return -ENOMEM;
	nla_put_u64(msg, HUSK_A_START_TOKEN, token);
	nla_put_u32(msg, HUSK_A_START_ERROR, start->error);
	if (*start->message)
		nla_put_string(msg, HUSK_A_START_MESSAGE, start->message);
	if (start->vm_id)
		nla_put_u32(msg, HUSK_A_START_VM_ID, start->vm_id);
	ret = nl_send_auto(nl->sock, msg);
	nlmsg_free(msg);
	return ret < 0 ? husk_nl_fail_libnl(nl, ret) : 0;
}

struct requests {
	int family;
	void (*fn)(const struct husk_nl_request *request, void *arg);
	void *arg;
};

bool husk_nl_parse_request(struct nl_msg *msg, struct husk_nl_request *request)
{
	struct nlattr *tb[HUSK_A_START_MAX + 1];
	struct nlmsghdr *nlh = nlmsg_hdr(msg);

	if (nlh->nlmsg_type < NLMSG_MIN_TYPE || !genlmsg_valid_hdr(nlh, 0) ||
	    genlmsg_hdr(nlh)->cmd != HUSK_CMD_START_REQUEST)
		return false;
	memset(request, 0, sizeof(*request));
	genlmsg_parse(nlh, 0, tb, HUSK_A_START_MAX, NULL);
	request->token = attr_u64(tb[HUSK_A_START_TOKEN]);
	request->uid = attr_u32(tb[HUSK_A_START_UID]);
	request->timeout_ms = attr_u32(tb[HUSK_A_START_TIMEOUT_MS]);
	attr_string(tb[HUSK_A_START_NAME], request->name, sizeof(request->name));
	return true;
}

static int on_request(struct nl_msg *msg, void *arg)
{
	struct husk_nl_request request;
	struct requests *requests = arg;

	if (nlmsg_hdr(msg)->nlmsg_type == requests->family && husk_nl_parse_request(msg, &request))
		requests->fn(&request, requests->arg);
	return NL_OK;
}

/* An answer came too late for its request. */
static int on_late(struct sockaddr_nl *from, struct nlmsgerr *e, void *arg)
{
	(void)from;
	(void)e;
	(void)arg;
	return NL_SKIP;
}

int husk_nl_read_requests(struct husk_nl *nl, void (*fn)(const struct husk_nl_request *request, void *arg), void *arg)
{
	struct requests requests = { nl->family, fn, arg };
	int ret;

	while (nl->earlies)
		fn(&nl->early[--nl->earlies], arg);
	nl_socket_modify_cb(nl->sock, NL_CB_MSG_IN, NL_CB_CUSTOM, husk_nl_on_message, NULL);
	nl_socket_modify_cb(nl->sock, NL_CB_VALID, NL_CB_CUSTOM, on_request, &requests);
	nl_socket_modify_err_cb(nl->sock, NL_CB_CUSTOM, on_late, NULL);
	ret = nl_recvmsgs_default(nl->sock);
	return ret < 0 ? husk_nl_fail_libnl(nl, ret) : 0;
}
