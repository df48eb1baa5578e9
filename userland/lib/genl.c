// SPDX-License-Identifier: GPL-2.0
/* Generic netlink for one family's client, see genl.h. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/genl.h"

/* The kernel sends no larger datagram than this for a dump (32 KiB) or an event. */
#define DATAGRAM	65536

/* ---- attributes ---- */

void genl_parse(const struct nlattr **tb, int max, const struct nlattr *attrs, int len)
{
	const struct nlattr *a;

	memset(tb, 0, (max + 1) * sizeof(*tb));
	genl_for_each(a, attrs, len)
		if (genl_type(a) <= max)
			tb[genl_type(a)] = a;
}

void genl_parse_nest(const struct nlattr **tb, int max, const struct nlattr *nest)
{
	genl_parse(tb, max, genl_data(nest), genl_len(nest));
}

void genl_bytes(const struct nlattr *a, void *to, size_t room)
{
	size_t len = a ? genl_len(a) : 0;

	memset(to, 0, room);
	if (len)
		memcpy(to, genl_data(a), len < room ? len : room);
}

void genl_string(const struct nlattr *a, char *to, size_t room)
{
	genl_bytes(a, to, room);
	to[room - 1] = 0;
}

uint32_t genl_u32(const struct nlattr *a)
{
	uint32_t value;

	genl_bytes(a, &value, sizeof(value));
	return value;
}

uint64_t genl_u64(const struct nlattr *a)
{
	uint64_t value;

	genl_bytes(a, &value, sizeof(value));
	return value;
}

/* ---- requests ---- */

int genl_fail(struct genl *g, int err, const char *why)
{
	snprintf(g->error, sizeof(g->error), "%s", why);
	return err;
}

static void start(struct genl_request *r, uint16_t type, uint8_t cmd, uint8_t version, uint16_t flags)
{
	memset(r, 0, sizeof(*r));
	r->nlh.nlmsg_len = offsetof(struct genl_request, attrs);
	r->nlh.nlmsg_type = type;
	r->nlh.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags;
	r->genl.cmd = cmd;
	r->genl.version = version;
}

void genl_start(const struct genl *g, struct genl_request *r, uint8_t cmd, uint16_t flags)
{
	start(r, g->family, cmd, g->version, flags);
}

/* One that does not fit is left out: callers bound what they put. */
void genl_put(struct genl_request *r, uint16_t type, const void *data, size_t len)
{
	struct nlattr *a = (struct nlattr *)((char *)r + r->nlh.nlmsg_len);

	if (len > sizeof(*r) || r->nlh.nlmsg_len + NLA_HDRLEN + NLA_ALIGN(len) > sizeof(*r))
		return;
	a->nla_type = type;
	a->nla_len = NLA_HDRLEN + len;
	memcpy(a + 1, data, len);
	r->nlh.nlmsg_len += NLA_ALIGN(a->nla_len);
}

void genl_put_u32(struct genl_request *r, uint16_t type, uint32_t value)
{
	genl_put(r, type, &value, sizeof(value));
}

/* ---- answers ---- */

/* Keep the kernel's words, or else what errno means. */
static int refused(struct genl *g, int err, const void *tlvs, int len)
{
	const struct nlattr *tb[NLMSGERR_ATTR_MSG + 1];

	genl_parse(tb, NLMSGERR_ATTR_MSG, tlvs, len > 0 ? len : 0);
	if (!tb[NLMSGERR_ATTR_MSG])
		return genl_fail(g, err, strerror(-err));
	genl_string(tb[NLMSGERR_ATTR_MSG], g->error, sizeof(g->error));
	return err;
}

static int on_error(struct genl *g, const struct nlmsghdr *nlh)
{
	const struct nlmsgerr *e = NLMSG_DATA(nlh);
	int skip = sizeof(*e);

	if (nlh->nlmsg_len < NLMSG_LENGTH(sizeof(*e)))
		return genl_fail(g, -EBADMSG, "the kernel's answer makes no sense");
	if (!e->error)
		return 0;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))	/* the request comes before the reason */
		skip += NLMSG_ALIGN(e->msg.nlmsg_len) - NLMSG_HDRLEN;
	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return refused(g, e->error, NULL, 0);
	return refused(g, e->error, (const char *)e + skip, (int)(nlh->nlmsg_len - NLMSG_HDRLEN) - skip);
}

/* The end of a dump holds an error number, and the reason behind it. */
static int on_done(struct genl *g, const struct nlmsghdr *nlh)
{
	int err;

	if (nlh->nlmsg_len < NLMSG_LENGTH(sizeof(err)))
		return 0;
	memcpy(&err, NLMSG_DATA(nlh), sizeof(err));
	if (err >= 0)
		return 0;
	return refused(g, err, (const char *)NLMSG_DATA(nlh) + sizeof(err),
		       (int)(nlh->nlmsg_len - NLMSG_LENGTH(sizeof(err))));
}

static int deliver(const struct nlmsghdr *nlh, genl_fn *fn, void *arg)
{
	int len = (int)nlh->nlmsg_len - NLMSG_HDRLEN - (int)GENL_HDRLEN;

	if (!fn || len < 0)
		return 0;
	return fn((const struct nlattr *)((const char *)NLMSG_DATA(nlh) + GENL_HDRLEN), len, arg);
}

/* One datagram from the kernel: its length, 0 for somebody else's, or -errno */
static int receive(struct genl *g, void *buffer, int flags)
{
	struct sockaddr_nl from = {};
	struct iovec iov = { buffer, DATAGRAM };
	struct msghdr msg = { .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t got;

	do
		got = recvmsg(g->fd, &msg, flags);
	while (got < 0 && errno == EINTR && !(flags & MSG_DONTWAIT));
	if (got < 0)
		return genl_fail(g, -errno, strerror(errno));
	if (msg.msg_flags & MSG_TRUNC)
		return genl_fail(g, -EMSGSIZE, "the kernel's answer is too large");
	return from.nl_pid ? 0 : got;
}

int genl_exchange(struct genl *g, struct genl_request *r, genl_fn *fn, void *arg)
{
	_Alignas(struct nlmsghdr) static _Thread_local char buffer[DATAGRAM];
	const struct nlmsghdr *nlh;
	int left, end = 0, ret = 0;
	bool done = false;

	g->error[0] = 0;
	r->nlh.nlmsg_seq = ++g->seq;
	if (send(g->fd, r, r->nlh.nlmsg_len, 0) < 0)
		return genl_fail(g, -errno, strerror(errno));
	while (!done) {
		left = receive(g, buffer, 0);
		if (left < 0)
			return left;
		for (nlh = (void *)buffer; NLMSG_OK(nlh, (unsigned int)left); nlh = NLMSG_NEXT(nlh, left)) {
			if (nlh->nlmsg_seq != g->seq)
				continue;
			done = nlh->nlmsg_type == NLMSG_ERROR || nlh->nlmsg_type == NLMSG_DONE;
			if (done)
				end = nlh->nlmsg_type == NLMSG_ERROR ? on_error(g, nlh) : on_done(g, nlh);
			else if (!ret)
				ret = deliver(nlh, fn, arg);
		}
	}
	return ret ? ret : end;
}

int genl_read_events(struct genl *g, uint8_t cmd, genl_fn *fn, void *arg)
{
	_Alignas(struct nlmsghdr) static _Thread_local char buffer[DATAGRAM];
	int left = receive(g, buffer, MSG_DONTWAIT), ret = 0;
	const struct genlmsghdr *genl;
	const struct nlmsghdr *nlh;

	if (left < 0)
		return left;
	for (nlh = (void *)buffer; !ret && NLMSG_OK(nlh, (unsigned int)left); nlh = NLMSG_NEXT(nlh, left)) {
		genl = NLMSG_DATA(nlh);
		if (nlh->nlmsg_type == g->family && nlh->nlmsg_len >= NLMSG_LENGTH(GENL_HDRLEN) && genl->cmd == cmd)
			ret = deliver(nlh, fn, arg);
	}
	return ret;
}

/* ---- connection ---- */

struct resolve {
	struct genl *g;
	const char *group;
};

static int on_family(const struct nlattr *attrs, int len, void *arg)
{
	const struct nlattr *tb[CTRL_ATTR_MAX + 1], *group[CTRL_ATTR_MCAST_GRP_MAX + 1], *a;
	struct resolve *resolve = arg;
	char name[GENL_NAMSIZ];

	genl_parse(tb, CTRL_ATTR_MAX, attrs, len);
	resolve->g->family = genl_u32(tb[CTRL_ATTR_FAMILY_ID]);
	if (!tb[CTRL_ATTR_MCAST_GROUPS])
		return 0;
	len = genl_len(tb[CTRL_ATTR_MCAST_GROUPS]);
	genl_for_each(a, genl_data(tb[CTRL_ATTR_MCAST_GROUPS]), len) {
		genl_parse_nest(group, CTRL_ATTR_MCAST_GRP_MAX, a);
		genl_string(group[CTRL_ATTR_MCAST_GRP_NAME], name, sizeof(name));
		if (!strcmp(name, resolve->group))
			resolve->g->group = genl_u32(group[CTRL_ATTR_MCAST_GRP_ID]);
	}
	return 0;
}

int genl_open(struct genl *g, const char *family, uint8_t version, const char *group)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct resolve resolve = { g, group };
	struct genl_request r;
	int one = 1;

	memset(g, 0, sizeof(*g));
	g->version = version;
	g->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (g->fd < 0 || connect(g->fd, (const struct sockaddr *)&kernel, sizeof(kernel)))
		return genl_fail(g, -errno, "no generic netlink here");
	/* Reasons in words, right behind the error number. */
	setsockopt(g->fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	setsockopt(g->fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	start(&r, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1, 0);
	genl_put(&r, CTRL_ATTR_FAMILY_NAME, family, strlen(family) + 1);
	return genl_exchange(g, &r, on_family, &resolve);
}

void genl_close(struct genl *g)
{
	if (g->fd >= 0)
		close(g->fd);
}
