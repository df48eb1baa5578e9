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
#include <sys/socket.h>

#include "lib/genl.h"
#include "uapi/husk_netlink.h"

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
	{ "capabilities of a VM", HUSK_CMD_CAPS_GET, 0, EINVAL, { { HUSK_A_VM_ID, U32(1) } } },
	{ "capabilities with padding", HUSK_CMD_CAPS_GET, 0, EINVAL, { { HUSK_A_VM_PAD, U32(1) } } },
	{ "capabilities as a dump", HUSK_CMD_CAPS_GET, DUMP, EOPNOTSUPP, {} },
};

/* The core gives no words for a command that the family does not have. */
static void judge(const struct genl *g, const char *what, int ret, int err)
{
	bool words = err == EOPNOTSUPP || strcmp(g->error, strerror(err));
	char name[64];

	snprintf(name, sizeof(name), "nl_bad_%s", what);
	for (char *c = name; *c; c++)
		if (*c == ' ')
			*c = '_';
	if (ret == -err && words)
		printf("ok %s\n", name);
	else
		printf("not ok %s: %d (%s), not %d%s\n", name, ret, ret ? g->error : "accepted", -err,
		       words ? "" : ", without a reason");
}

/* Malformed below the attributes: spoil a good request with this. */
static void spoil_reserved(struct genl_request *r)
{
	r->genl.reserved = 1;
}

static void spoil_length(struct genl_request *r)
{
	((struct nlattr *)r->attrs)->nla_len = 200;
}

static void spoil_tail(struct genl_request *r)
{
	r->nlh.nlmsg_len += 2;
}

static const struct {
	const char *what;
	void (*spoil)(struct genl_request *r);
} spoils[] = {
	{ "reserved header field", spoil_reserved },
	{ "attribute beyond the message", spoil_length },
	{ "bytes after the last attribute", spoil_tail },
};

static int burst(struct genl *g, const char *name, long count)
{
	static const uint8_t cmds[] = { HUSK_CMD_VM_PAUSE, HUSK_CMD_VM_RESUME };
	struct genl_request r;

	for (long i = 0; i < 2 * count; i++) {
		genl_start(g, &r, cmds[i % 2], 0);
		genl_put(&r, HUSK_A_VM_NAME, name, strlen(name) + 1);
		if (genl_exchange(g, &r, NULL, NULL)) {
			printf("not ok nl_burst: number %ld: %s\n", i, g->error);
			return 1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct genl_request r;
	struct genl g;
	size_t i, a;

	if (genl_open(&g, HUSK_FAMILY_NAME, HUSK_FAMILY_VERSION, HUSK_MCGRP_LIFECYCLE)) {
		printf("not ok nl_bad_family: %s\n", g.error);
		return 1;
	}
	if (argc == 4)
		return burst(&g, argv[2], strtol(argv[3], NULL, 10));
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		genl_start(&g, &r, rows[i].cmd, rows[i].flags);
		for (a = 0; a < 2 && rows[i].attr[a].len; a++)
			genl_put(&r, rows[i].attr[a].type, rows[i].attr[a].data, rows[i].attr[a].len);
		judge(&g, rows[i].what, genl_exchange(&g, &r, NULL, NULL), rows[i].err);
	}
	for (i = 0; i < sizeof(spoils) / sizeof(spoils[0]); i++) {
		genl_start(&g, &r, HUSK_CMD_VM_KILL, 0);
		genl_put_u32(&r, HUSK_A_VM_ID, NO_ONE);
		spoils[i].spoil(&r);
		judge(&g, spoils[i].what, genl_exchange(&g, &r, NULL, NULL), EINVAL);
	}
	genl_close(&g);
	return 0;
}
