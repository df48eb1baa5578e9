/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Generic netlink, as much as one family's client needs: a connection, requests
 * with attributes, answers, the kernel's reasons in words. Functions answer 0 or
 * a negative errno.
 */
#ifndef HUSK_LIB_GENL_H
#define HUSK_LIB_GENL_H

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stddef.h>
#include <stdint.h>

struct genl {
	int fd;
	uint32_t seq;		/* of the last request */
	uint16_t family;
	uint8_t version;
	uint32_t group;		/* multicast group, 0: the family has none of that name */
	char error[256];	/* why the last function failed */
};

/* A request under construction; it is as large as any that a client of husk needs. */
struct genl_request {
	struct nlmsghdr nlh;
	struct genlmsghdr genl;
	char attrs[256];
};

/* Called for each message of an answer; other than 0 ends it and is returned. */
typedef int genl_fn(const struct nlattr *attrs, int len, void *arg);

/* Fill g, also on failure (for g->error, and for genl_close). -ENOENT: no such family. */
int genl_open(struct genl *g, const char *family, uint8_t version, const char *group);
void genl_close(struct genl *g);

/* Note why something failed, answer err. */
int genl_fail(struct genl *g, int err, const char *why);

void genl_start(const struct genl *g, struct genl_request *r, uint8_t cmd, uint16_t flags);
void genl_put(struct genl_request *r, uint16_t type, const void *data, size_t len);
void genl_put_u32(struct genl_request *r, uint16_t type, uint32_t value);
/* Send a request, hand each answer to fn (if not NULL), wait for the end. */
int genl_exchange(struct genl *g, struct genl_request *r, genl_fn *fn, void *arg);

/* Read one datagram of events, without waiting; each event of the family goes to fn. */
int genl_read_events(struct genl *g, uint8_t cmd, genl_fn *fn, void *arg);

/* Attributes. The kernel may be newer: unknown types are skipped, absent ones read as 0. */
#define genl_for_each(a, attrs, len) \
	for ((a) = (attrs); genl_attr_ok((a), (len)); (len) -= NLA_ALIGN((a)->nla_len), \
	     (a) = (const struct nlattr *)((const char *)(a) + NLA_ALIGN((a)->nla_len)))

static inline int genl_attr_ok(const struct nlattr *a, int len)
{
	return len >= NLA_HDRLEN && a->nla_len >= NLA_HDRLEN && a->nla_len <= len;
}

static inline int genl_type(const struct nlattr *a)
{
	return a->nla_type & NLA_TYPE_MASK;
}

static inline const void *genl_data(const struct nlattr *a)
{
	return (const char *)a + NLA_HDRLEN;
}

static inline int genl_len(const struct nlattr *a)
{
	return a->nla_len - NLA_HDRLEN;
}

/* tb[0..max]: the last attribute of each type, or NULL */
void genl_parse(const struct nlattr **tb, int max, const struct nlattr *attrs, int len);
void genl_parse_nest(const struct nlattr **tb, int max, const struct nlattr *nest);

uint32_t genl_u32(const struct nlattr *a);
uint64_t genl_u64(const struct nlattr *a);
/* Copy what fits. A string is always terminated. */
void genl_bytes(const struct nlattr *a, void *to, size_t room);
void genl_string(const struct nlattr *a, char *to, size_t room);

#endif
