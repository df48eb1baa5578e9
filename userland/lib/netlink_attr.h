/* SPDX-License-Identifier: GPL-2.0 */
/* What netlink.c, netlink_events.c and netlink_exits.c share. */
#ifndef HUSK_LIB_NETLINK_ATTR_H
#define HUSK_LIB_NETLINK_ATTR_H

#include <netlink/attr.h>
#include <netlink/netlink.h>

#include "lib/netlink.h"

struct husk_nl {
	struct nl_sock *sock;
	int family;
	char error[256];	/* why the last function failed */
	/* the daemon's: requests that came before the answer to its registration did */
	struct husk_nl_request early[HUSK_START_PENDING];
	unsigned int earlies;
};

/* Keep why the function under way failed; answer err */
int husk_nl_fail(struct husk_nl *nl, int err, const char *why);
int husk_nl_fail_libnl(struct husk_nl *nl, int err);	/* an error number of libnl */
/* A start-request; false: it is none */
bool husk_nl_parse_request(struct nl_msg *msg, struct husk_nl_request *request);
/* NL_CB_MSG_IN: other processes may send to this socket, too */
int husk_nl_on_message(struct nl_msg *msg, void *arg);

/* ---- an attribute's value; what is absent is 0, or stays ---- */

static inline uint32_t attr_u32(const struct nlattr *a)
{
	uint32_t value = 0;

	nla_memcpy(&value, a, sizeof(value));
	return value;
}

static inline uint64_t attr_u64(const struct nlattr *a)
{
	uint64_t value = 0;

	nla_memcpy(&value, a, sizeof(value));
	return value;
}

static inline void attr_string(const struct nlattr *a, char *to, size_t room)
{
	if (a)
		nla_strlcpy(to, a, room);
}

struct husk_nl_last;
void husk_nl_parse_last(struct nlattr *nest, struct husk_nl_last *last);
void husk_nl_add_exits(struct nlattr *nest, uint64_t exits[HUSK_REASON_COUNT][HUSK_LEVEL_COUNT]);

#endif
