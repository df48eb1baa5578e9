// SPDX-License-Identifier: GPL-2.0
/*
 * Requests that the family husk must refuse: each with the right errno and with
 * a reason in words. One row a request.
 *
 *	nl_bad burst NAME N	pause and resume the VM N times instead
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

#include "lib/netlink.h"

#define DUMP	NLM_F_DUMP
#define U32(n)	.len = 4, .data = (const uint32_t[]){ n }
#define NO_ONE	4000000000u	/* no VM has this id */

struct attr {
	uint16_t type, len;
	const void *data;
};

static const char long_name[65] = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn";

static const struct {
	const char *what;
	uint8_t cmd;
	uint16_t flags;
	int err;
	struct attr attr[2];	/* ends at len 0 */
} rows[] = {
	{ "unknown command", 200, 0, EOPNOTSUPP, {} },
	{ "event as a request", HUSK_CMD_EVENT, 0, EOPNOTSUPP, {} },
	{ "vcpu-get without dump", HUSK_CMD_VCPU_GET, 0, EOPNOTSUPP, { { HUSK_A_VM_ID, U32(1) } } },
	{ "pause as a dump", HUSK_CMD_VM_PAUSE, DUMP, EOPNOTSUPP, { { HUSK_A_VM_ID, U32(1) } } },
	{ "show nothing", HUSK_CMD_VM_GET, 0, EINVAL, {} },
	{ "pause nothing", HUSK_CMD_VM_PAUSE, 0, EINVAL, {} },
	{ "resume nothing", HUSK_CMD_VM_RESUME, 0, EINVAL, {} },
	{ "stop nothing", HUSK_CMD_VM_STOP, 0, EINVAL, { { HUSK_A_VM_TIMEOUT_MS, U32(1) } } },
	{ "kill nothing", HUSK_CMD_VM_KILL, 0, EINVAL, {} },
	{ "vCPUs of nothing", HUSK_CMD_VCPU_GET, DUMP, EINVAL, {} },
	{ "list with an id", HUSK_CMD_VM_GET, DUMP, EINVAL, { { HUSK_A_VM_ID, U32(1) } } },
	{ "id and name", HUSK_CMD_VM_GET, 0, EINVAL, { { HUSK_A_VM_ID, U32(1) }, { HUSK_A_VM_NAME, 2, "a" } } },
	{ "short id", HUSK_CMD_VM_KILL, 0, EINVAL, { { HUSK_A_VM_ID, 2, "\1" } } },
	{ "long id", HUSK_CMD_VM_KILL, 0, EINVAL, { { HUSK_A_VM_ID, 8, "\1\0\0\0\0\0\0" } } },
	{ "id 0", HUSK_CMD_VM_KILL, 0, ERANGE, { { HUSK_A_VM_ID, U32(0) } } },
	{ "no such id", HUSK_CMD_VM_KILL, 0, ENOENT, { { HUSK_A_VM_ID, U32(NO_ONE) } } },
	{ "vCPUs of no such id", HUSK_CMD_VCPU_GET, DUMP, ENOENT, { { HUSK_A_VM_ID, U32(NO_ONE) } } },
	{ "no such name", HUSK_CMD_VM_KILL, 0, ENOENT, { { HUSK_A_VM_NAME, 5, "none" } } },
	{ "empty name", HUSK_CMD_VM_KILL, 0, ENOENT, { { HUSK_A_VM_NAME, 1, "" } } },
	{ "name without end", HUSK_CMD_VM_KILL, 0, EINVAL, { { HUSK_A_VM_NAME, 4, "none" } } },
	{ "name too long", HUSK_CMD_VM_KILL, 0, EINVAL, { { HUSK_A_VM_NAME, sizeof(long_name), long_name } } },
	{ "timeout to pause", HUSK_CMD_VM_PAUSE, 0, EINVAL,
	  { { HUSK_A_VM_ID, U32(1) }, { HUSK_A_VM_TIMEOUT_MS, U32(1) } } },
	{ "timeout too long", HUSK_CMD_VM_STOP, 0, ERANGE,
	  { { HUSK_A_VM_ID, U32(1) }, { HUSK_A_VM_TIMEOUT_MS, U32(HUSK_STOP_TIMEOUT_MAX_MS + 1) } } },
	{ "attribute of answers", HUSK_CMD_VM_STOP, 0, EINVAL,
	  { { HUSK_A_VM_ID, U32(1) }, { HUSK_A_VM_STATE, U32(1) } } },
	{ "padding", HUSK_CMD_VM_STOP, 0, EINVAL, { { HUSK_A_VM_ID, U32(1) }, { HUSK_A_VM_PAD, U32(1) } } },
	{ "unknown attribute", HUSK_CMD_VM_STOP, 0, EINVAL, { { HUSK_A_VM_ID, U32(1) }, { 200, U32(1) } } },
	{ "button of nothing", HUSK_CMD_VM_BUTTON, 0, EINVAL, {} },
	{ "reset nothing", HUSK_CMD_VM_RESET, 0, EINVAL, {} },
	{ "nmi to nothing", HUSK_CMD_VM_NMI, 0, EINVAL, {} },
	{ "nmi to no such id", HUSK_CMD_VM_NMI, 0, ENOENT, { { HUSK_A_VM_ID, U32(NO_ONE) } } },
	{ "nmi to vCPU 64", HUSK_CMD_VM_NMI, 0, ERANGE, { { HUSK_A_VM_ID, U32(1) }, { HUSK_A_VM_VCPU_ID, U32(64) } } },
	{ "nmi to no such vCPU", HUSK_CMD_VM_NMI, 0, ENOENT, { { HUSK_A_VM_ID, U32(1) }, { HUSK_A_VM_VCPU_ID, U32(63) } } },
	{ "nmi with a timeout", HUSK_CMD_VM_NMI, 0, EINVAL, { { HUSK_A_VM_ID, U32(1) }, { HUSK_A_VM_TIMEOUT_MS, U32(1) } } },
	{ "set nothing", HUSK_CMD_VM_SET, 0, EINVAL, { { HUSK_A_VM_ID, U32(1) } } },
	{ "set of no such id", HUSK_CMD_VM_SET, 0, ENOENT, { { HUSK_A_VM_ID, U32(NO_ONE) }, { HUSK_A_VM_STATS_MS, U32(0) } } },
	{ "too much CPU time", HUSK_CMD_VM_SET, 0, ERANGE, { { HUSK_A_VM_ID, U32(1) }, { HUSK_A_VM_CPU_LIMIT, U32(HUSK_CPU_LIMIT_MAX + 1) } } },
	{ "too many exits", HUSK_CMD_VM_SET, 0, ERANGE, { { HUSK_A_VM_ID, U32(1) }, { HUSK_A_VM_EXIT_LIMIT, U32(HUSK_EXIT_LIMIT_MAX + 1) } } },
	{ "statistics too often", HUSK_CMD_VM_SET, 0, ERANGE, { { HUSK_A_VM_ID, U32(1) }, { HUSK_A_VM_STATS_MS, U32(HUSK_STATS_MIN_MS - 1) } } },
	{ "statistics too seldom", HUSK_CMD_VM_SET, 0, ERANGE, { { HUSK_A_VM_ID, U32(1) }, { HUSK_A_VM_STATS_MS, U32(HUSK_STATS_MAX_MS + 1) } } },
	{ "fault as a request", HUSK_CMD_FAULT, 0, EOPNOTSUPP, {} },
	{ "daemon with an attribute", HUSK_CMD_DAEMON, 0, EINVAL, { { HUSK_A_START_NAME, 2, "a" } } },
	{ "start nothing", HUSK_CMD_VM_START, 0, EINVAL, {} },
	{ "start an empty name", HUSK_CMD_VM_START, 0, EINVAL, { { HUSK_A_START_NAME, 1, "" } } },
	{ "start a name too long", HUSK_CMD_VM_START, 0, EINVAL, { { HUSK_A_START_NAME, sizeof(long_name), long_name } } },
	{ "start with a timeout too long", HUSK_CMD_VM_START, 0, ERANGE,
	  { { HUSK_A_START_NAME, 2, "a" }, { HUSK_A_START_TIMEOUT_MS, U32(HUSK_START_TIMEOUT_MAX_MS + 1) } } },
	{ "start with a token", HUSK_CMD_VM_START, 0, EINVAL, { { HUSK_A_START_NAME, 2, "a" }, { HUSK_A_START_TOKEN, 8, "\1\0\0\0\0\0\0" } } },
	{ "start without a daemon", HUSK_CMD_VM_START, 0, ESRCH, { { HUSK_A_START_NAME, 2, "a" } } },
	{ "start request as a request", HUSK_CMD_START_REQUEST, 0, EOPNOTSUPP, {} },
	{ "answer to nothing", HUSK_CMD_START_ANSWER, 0, EINVAL, {} },
	{ "answer of no daemon", HUSK_CMD_START_ANSWER, 0, EPERM, { { HUSK_A_START_TOKEN, 8, "\1\0\0\0\0\0\0" } } },
	{ "answer with an error too large", HUSK_CMD_START_ANSWER, 0, ERANGE,
	  { { HUSK_A_START_TOKEN, 8, "\1\0\0\0\0\0\0" }, { HUSK_A_START_ERROR, U32(HUSK_START_ERROR_MAX + 1) } } },
	{ "capabilities of a VM", HUSK_CMD_CAPS_GET, 0, EINVAL, { { HUSK_A_VM_ID, U32(1) } } },
	{ "capabilities with padding", HUSK_CMD_CAPS_GET, 0, EINVAL, { { HUSK_A_VM_PAD, U32(1) } } },
	{ "capabilities as a dump", HUSK_CMD_CAPS_GET, DUMP, EOPNOTSUPP, {} },
};

/* The core gives no words for a command that the family does not have. */
static void judge(const struct husk_nl *nl, const char *what, int ret, int err)
{
	bool words = err == EOPNOTSUPP || strcmp(husk_nl_error(nl), strerror(err));
	char name[64];

	snprintf(name, sizeof(name), "nl_bad_%s", what);
	for (char *c = name; *c; c++)
		if (*c == ' ')
			*c = '_';
	if (ret == -err && words)
		printf("ok %s\n", name);
	else
		printf("not ok %s: %d (%s), not %d%s\n", name, ret, ret ? husk_nl_error(nl) : "accepted", -err,
		       words ? "" : ", without a reason");
}

/* Malformed below the attributes: spoil a good request with this. */
static void spoil_reserved(struct nlmsghdr *nlh)
{
	genlmsg_hdr(nlh)->reserved = 1;
}

static void spoil_length(struct nlmsghdr *nlh)
{
	genlmsg_attrdata(genlmsg_hdr(nlh), 0)->nla_len = 200;
}

static void spoil_tail(struct nlmsghdr *nlh)
{
	nlh->nlmsg_len += 2;
}

static const struct {
	const char *what;
	void (*spoil)(struct nlmsghdr *nlh);
} spoils[] = {
	{ "reserved header field", spoil_reserved },
	{ "attribute beyond the message", spoil_length },
	{ "bytes after the last attribute", spoil_tail },
};

/* The request does not fit, or there is no memory: a fault of this test */
static struct nl_msg *sound(struct nl_msg *msg, int err)
{
	if (!msg || err) {
		printf("not ok nl_bad_request: can't make it\n");
		exit(1);
	}
	return msg;
}

static struct nl_msg *request(struct husk_nl *nl, int cmd, int flags, const struct attr *attr, int count)
{
	struct nl_msg *msg = sound(husk_nl_request(nl, cmd, flags), 0);

	for (; count && attr->len; count--, attr++)
		sound(msg, nla_put(msg, attr->type, attr->len, attr->data));
	return msg;
}

static int burst(struct husk_nl *nl, const char *name, long count)
{
	static const uint8_t cmds[] = { HUSK_CMD_VM_PAUSE, HUSK_CMD_VM_RESUME };
	const struct attr attr = { HUSK_A_VM_NAME, strlen(name) + 1, name };

	for (long i = 0; i < 2 * count; i++) {
		if (husk_nl_exchange(nl, request(nl, cmds[i % 2], 0, &attr, 1), NULL, NULL)) {
			printf("not ok nl_burst: number %ld: %s\n", i, husk_nl_error(nl));
			return 1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	const struct attr no_one = { HUSK_A_VM_ID, U32(NO_ONE) };
	struct husk_nl *nl;
	struct nl_msg *msg;
	size_t i;

	if (husk_nl_open(&nl)) {
		printf("not ok nl_bad_family: %s\n", husk_nl_error(nl));
		return 1;
	}
	if (argc == 4)
		return burst(nl, argv[2], strtol(argv[3], NULL, 10));
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		msg = request(nl, rows[i].cmd, rows[i].flags, rows[i].attr, 2);
		judge(nl, rows[i].what, husk_nl_exchange(nl, msg, NULL, NULL), rows[i].err);
	}
	for (i = 0; i < sizeof(spoils) / sizeof(spoils[0]); i++) {
		msg = request(nl, HUSK_CMD_VM_KILL, 0, &no_one, 1);
		spoils[i].spoil(nlmsg_hdr(msg));
		judge(nl, spoils[i].what, husk_nl_exchange(nl, msg, NULL, NULL), EINVAL);
	}
	husk_nl_close(nl);
	return 0;
}
