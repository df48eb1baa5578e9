// SPDX-License-Identifier: GPL-2.0
/*
 * nl_fuzz SEED N PREY [OTHER ID]: N datagrams of requests to the family husk, good and bad ones, made
 * from its specification (nl_spec.h). Each request whose header is sound must have an end,
 * and what comes back must be as the specification says. PREY is a VM that may suffer; OTHER,
 * with the id ID, is one that is named, too.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/genetlink.h>
#include <linux/netlink.h>

#include "uapi/husk_netlink.h"

#define ROOM		(300 << 10)
#define MESSAGES	6
#define PATIENCE_S	10
#define SPEC_MAX	32

enum spec_kind { SPEC_NONE, SPEC_PAD, SPEC_U32, SPEC_S32, SPEC_U64, SPEC_STRING, SPEC_BINARY, SPEC_FLAG, SPEC_NEST };

struct spec_set;
struct spec_attr {
	enum spec_kind kind;
	uint32_t min, max, len;
	const struct spec_set *nest;
};
struct spec_set {
	uint16_t max;
	struct spec_attr attr[SPEC_MAX];
};
struct spec_cmd {
	uint8_t cmd;
	const struct spec_set *set;
	uint64_t answer;	/* bits of attributes */
	unsigned int requests;
	uint16_t request[8];
};

#include "nl_spec.h"

#define ROWS(a)		(sizeof(a) / sizeof((a)[0]))

static uint64_t seed, state;
static unsigned long round_no, accepted, refused, answers;
static const char *prey, *other;
static uint32_t prey_id, other_id, seq;
static uint16_t family;
static int sock = -1;

static void fail(const char *what, long number)
{
	printf("not ok nl_fuzz: seed %llu, datagram %lu: %s (%ld)\n", (unsigned long long)seed, round_no, what, number);
	exit(1);
}

/* xorshift64*, below n */
static uint32_t below(uint32_t n)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (state * 0x2545f4914f6cdd1dULL >> 32) % n;
}

/* ---- a datagram ---- */

static struct {
	_Alignas(8) char data[ROOM];
	size_t len;
	uint32_t due[MESSAGES];		/* sequence numbers that must have an end */
	unsigned int dues;
} out;

static void put(const void *data, size_t len)
{
	if (out.len + len > ROOM)
		return;
	memcpy(out.data + out.len, data, len);
	out.len += len;
}

static void fill(uint8_t byte, size_t len)
{
	static char bytes[1 << 16];

	memset(bytes, byte, len);
	put(bytes, len);
}

static void align(void)
{
	fill(0, NLA_ALIGN(out.len) - out.len);
}

static void put_attr(uint16_t type, const void *data, size_t len)
{
	const struct nlattr head = { .nla_len = NLA_HDRLEN + len, .nla_type = type };

	put(&head, sizeof(head));
	put(data, len);
	align();
}

static uint32_t any_id(void)
{
	const uint32_t ids[] = { prey_id, prey_id, prey_id, other_id, other_id, 4000000000u };

	return ids[below(ROWS(ids))];
}

static const char *any_name(void)
{
	const char *names[] = { prey, prey, other, "", "none", "a/../b", "\xff\x01", "1" };

	return names[below(ROWS(names))];
}

/* ---- attributes: one way each to write one ---- */

static void right(const struct spec_attr *a, uint16_t type)
{
	uint64_t number = a->min + below(2 * (a->max - a->min < 1000 ? a->max - a->min : 1000) + 1) / 2;
	uint8_t bytes[256];
	const char *name = any_name();

	memset(bytes, below(256), sizeof(bytes));
	if (a->kind == SPEC_STRING)
		put_attr(type, name, strlen(name) + 1);
	else if (a->kind == SPEC_U64)
		put_attr(type, &number, 8);
	else if (a->kind == SPEC_BINARY)
		put_attr(type, bytes, a->len);
	else if (a->kind == SPEC_FLAG || a->kind == SPEC_PAD || a->kind == SPEC_NEST)
		put_attr(type, NULL, 0);
	else
		put_attr(type, &number, 4);
}

static void vm_id(const struct spec_attr *a, uint16_t type)
{
	uint32_t id = any_id();

	(void)a;
	put_attr(type, &id, sizeof(id));
}

static void boundary(const struct spec_attr *a, uint16_t type)
{
	const uint64_t numbers[] = { 0, 1, a->min, a->min - 1, a->max, a->max + 1ULL, INT32_MAX, UINT32_MAX, UINT64_MAX, INT64_MIN };
	uint64_t number = numbers[below(ROWS(numbers))];

	put_attr(type, &number, a->kind == SPEC_U64 ? 8 : 4);
}

static void wrong_length(const struct spec_attr *a, uint16_t type)
{
	static const uint16_t lengths[] = { 0, 1, 2, 3, 5, 7, 8, 9, 15, 17, 62, 63, 64, 65, 255, 256, 257, 4095, 0xffff - NLA_HDRLEN };
	static char bytes[1 << 16];

	(void)a;
	memset(bytes, below(2) ? 'n' : below(256), sizeof(bytes));
	put_attr(type, bytes, lengths[below(ROWS(lengths))]);
}

static void no_nul(const struct spec_attr *a, uint16_t type)
{
	(void)a;
	put_attr(type, prey, strlen(prey));
}

static void other_type(const struct spec_attr *a, uint16_t type)
{
	(void)type;
	right(a, below(2) ? below(SPEC_MAX) : below(NLA_TYPE_MASK));
}

static void other_kind(const struct spec_attr *a, uint16_t type)
{
	const struct spec_attr wrong = { .kind = 1 + below(SPEC_NEST), .len = below(300) };

	(void)a;
	right(&wrong, type);
}

static void flags(const struct spec_attr *a, uint16_t type)
{
	right(a, type | (1 + below(3)) << 14);	/* nested, in network byte order */
}

static void deep(const struct spec_attr *a, uint16_t type)
{
	unsigned int levels = 1 + below(below(8) ? 8 : 1000);

	(void)a;
	for (unsigned int left = levels; left; left--) {
		const struct nlattr head = { .nla_len = left * NLA_HDRLEN, .nla_type = type | NLA_F_NESTED };

		put(&head, sizeof(head));
	}
}

static void repeated(const struct spec_attr *a, uint16_t type)
{
	for (unsigned int n = 1 + below(below(8) ? 4 : 2000); n; n--)
		right(a, type);
}

static void bad_header(const struct spec_attr *a, uint16_t type)
{
	const struct nlattr head = { .nla_len = below(2) ? below(NLA_HDRLEN) : 0x100 + below(0xff00), .nla_type = type };

	(void)a;
	put(&head, sizeof(head));
}

static void (* const ways[])(const struct spec_attr *a, uint16_t type) = {
	boundary, wrong_length, no_nul, other_type, other_kind, flags, deep, repeated, bad_header,
};

/* ---- messages ---- */

static void put_attrs(const struct spec_cmd *c)
{
	bool sound = below(3), named = false;

	for (unsigned int i = 0; i < c->requests; i++) {
		uint16_t type = c->request[i];
		bool selects = c->set == &spec_set_vm && (type == HUSK_A_VM_ID || type == HUSK_A_VM_NAME);

		/* a sound request has one of id and name */
		if (sound && selects && (named || (type == HUSK_A_VM_ID && below(2))))
			continue;
		if (!selects && below(2))
			continue;
		named |= selects;
		if (!sound && below(2))
			ways[below(ROWS(ways))](&c->set->attr[type], type);
		else if (c->set == &spec_set_vm && type == HUSK_A_VM_ID)
			vm_id(&c->set->attr[type], type);
		else
			right(&c->set->attr[type], type);
	}
	if (!sound && below(2)) {
		uint16_t type = below(SPEC_MAX);

		ways[below(ROWS(ways))](&c->set->attr[type], type);
	}
}

static uint32_t bad_length(uint32_t len)
{
	const uint32_t lengths[] = { 0, 1, NLMSG_HDRLEN - 1, len - 1, len + 1, len + 4, len + 4096, UINT32_MAX };

	return lengths[below(ROWS(lengths))];
}

/* false: what follows it in the datagram may be read otherwise than it was written */
static bool put_message(void)
{
	const struct spec_cmd *c = &spec_cmds[below(ROWS(spec_cmds))];
	size_t start = out.len;
	struct nlmsghdr head = {
		.nlmsg_type = below(50) ? family : below(NLMSG_MIN_TYPE),
		.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | (below(3) ? 0 : NLM_F_DUMP) | (below(30) ? 0 : below(0x10000)),
		.nlmsg_seq = ++seq,
	};
	struct genlmsghdr genl = { .cmd = below(16) ? c->cmd : below(256), .version = below(16) ? 1 : below(256) };

	genl.reserved = below(32) ? 0 : below(0x10000);
	put(&head, sizeof(head));
	if (below(40))
		put(&genl, sizeof(genl));
	else
		fill(0, below(GENL_HDRLEN));
	put_attrs(c);
	head.nlmsg_len = out.len - start;
	if (!below(20))
		head.nlmsg_len = bad_length(head.nlmsg_len);
	memcpy(out.data + start, &head, sizeof(head));
	if (head.nlmsg_len != out.len - start)
		return false;
	if (head.nlmsg_flags & NLM_F_ACK)
		out.due[out.dues++] = head.nlmsg_seq;
	align();
	return true;
}

static void make(void)
{
	unsigned int messages = below(4) ? 1 : 1 + below(MESSAGES);

	out.len = out.dues = 0;
	while (messages-- && put_message())
		;
	if (!below(40)) {	/* cut somewhere: the last message's end, or all of it, is not there */
		out.len = below(out.len + 1);
		out.dues = 0;
	}
}

/* ---- what comes back ---- */

static const struct spec_cmd *spec_of(uint8_t cmd)
{
	for (size_t i = 0; i < ROWS(spec_cmds); i++)
		if (spec_cmds[i].cmd == cmd)
			return &spec_cmds[i];
	return NULL;
}

/* To the next attribute; the last may lack its padding */
static size_t step(const struct nlattr *a, size_t left)
{
	size_t len = NLA_ALIGN((size_t)a->nla_len);

	return len > left ? left : len;
}

static void judge_value(const struct spec_attr *a, const char *data, size_t len);

static void judge_attrs(const struct spec_set *set, uint64_t allowed, const char *data, size_t left)
{
	while (left) {
		const struct nlattr *a = (const struct nlattr *)data;
		uint16_t type = left < sizeof(*a) ? 0 : a->nla_type & NLA_TYPE_MASK;
		size_t len = left < sizeof(*a) ? 0 : a->nla_len;

		if (len < NLA_HDRLEN || len > left || type > set->max)
			fail("an attribute's header is wrong", type);
		if (set->attr[type].kind != SPEC_PAD && !(allowed >> type & 1))
			fail("an attribute that this answer does not have", type);
		judge_value(&set->attr[type], data + NLA_HDRLEN, len - NLA_HDRLEN);
		len = step(a, left);
		data += len;
		left -= len;
	}
}

static void judge_value(const struct spec_attr *a, const char *data, size_t len)
{
	static const size_t lengths[] = { [SPEC_U32] = 4, [SPEC_S32] = 4, [SPEC_U64] = 8 };
	bool good;

	if (a->kind == SPEC_NEST) {
		judge_attrs(a->nest, ~0ULL, data, len);
		return;
	}
	if (a->kind == SPEC_STRING)
		good = len && !data[len - 1] && strlen(data) == len - 1 && (!a->len || len - 1 <= a->len);
	else if (a->kind == SPEC_BINARY)
		good = len == a->len;
	else
		good = len == (a->kind < ROWS(lengths) ? lengths[a->kind] : 0);
	if (!good)
		fail("an attribute's length", len);
}

/* A refusal, or a good end: its number, and the words and offset behind it */
static void judge_end(const struct nlmsghdr *nlh, int error, const char *tlvs, size_t left)
{
	static const int errors[] = {
		0, EINVAL, ERANGE, EOPNOTSUPP, ENOENT, EPERM, EBUSY, EIO, ESRCH, EAGAIN, ETIMEDOUT, ECONNRESET, EBADF, E2BIG, ENOSPC,
	};
	bool known = false;
	size_t len;

	for (size_t i = 0; i < ROWS(errors); i++)
		known |= error == -errors[i];
	if (!known)
		fail("an error number that is not documented", error);
	accepted += !error;
	refused += !!error;
	for (unsigned int i = 0; i < out.dues; i++)
		if (out.due[i] == nlh->nlmsg_seq)
			out.due[i] = 0;
	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	while (left >= NLA_HDRLEN) {
		const struct nlattr *a = (const struct nlattr *)tlvs;

		if (a->nla_len < NLA_HDRLEN || a->nla_len > left)
			fail("the extended acknowledgement", a->nla_len);
		if (a->nla_type == NLMSGERR_ATTR_MSG && tlvs[a->nla_len - 1])
			fail("words without an end", a->nla_len);
		if (a->nla_type == NLMSGERR_ATTR_OFFS && *(const uint32_t *)(tlvs + NLA_HDRLEN) >= out.len)
			fail("the offset of a bad attribute", *(const uint32_t *)(tlvs + NLA_HDRLEN));
		len = step(a, left);
		tlvs += len;
		left -= len;
	}
}

/* VMs come and go: what id has PREY now? */
static void learn(const struct spec_cmd *c, const char *data, size_t left)
{
	uint32_t id = 0;

	while (c->cmd == HUSK_CMD_VM_GET && left) {
		const struct nlattr *a = (const struct nlattr *)data;
		size_t len = step(a, left);

		if (a->nla_type == HUSK_A_VM_ID)
			memcpy(&id, data + NLA_HDRLEN, sizeof(id));
		if (a->nla_type == HUSK_A_VM_NAME && !strcmp(data + NLA_HDRLEN, prey))
			prey_id = id;
		data += len;
		left -= len;
	}
}

static void judge(const struct nlmsghdr *nlh)
{
	const char *data = NLMSG_DATA(nlh);
	size_t len = nlh->nlmsg_len - NLMSG_HDRLEN;
	const struct genlmsghdr *genl = NLMSG_DATA(nlh);
	const struct spec_cmd *c;

	if (nlh->nlmsg_type == NLMSG_ERROR || nlh->nlmsg_type == NLMSG_DONE) {
		size_t head = nlh->nlmsg_type == NLMSG_ERROR ? sizeof(struct nlmsgerr) : sizeof(int);

		if (len < head)
			fail("a short end", len);
		judge_end(nlh, *(const int *)data, data + head, len - head);
		return;
	}
	c = len < GENL_HDRLEN || nlh->nlmsg_type != family ? NULL : spec_of(genl->cmd);
	if (!c)
		fail("an answer of no command", nlh->nlmsg_type);
	answers++;
	judge_attrs(c->set, c->answer, data + GENL_HDRLEN, len - GENL_HDRLEN);
	learn(c, data + GENL_HDRLEN, len - GENL_HDRLEN);
}

static bool is_due(void)
{
	for (unsigned int i = 0; i < out.dues; i++)
		if (out.due[i])
			return true;
	return false;
}

static void hear(void)
{
	static _Alignas(8) char in[1 << 18];
	ssize_t n, at;

	for (;;) {
		n = recv(sock, in, sizeof(in), is_due() ? 0 : MSG_DONTWAIT);
		if (n < 0 && errno == ENOBUFS)
			out.dues = 0;	/* more than the socket holds: some ends are lost */
		else if (n < 0 && is_due())
			fail("a request has no end", errno);
		else if (n < 0)
			return;
		for (at = 0; at < n;) {
			const struct nlmsghdr *nlh = (const struct nlmsghdr *)(in + at);

			if (n - at < NLMSG_HDRLEN || nlh->nlmsg_len < NLMSG_HDRLEN || nlh->nlmsg_len > n - at)
				fail("an answer's length", n - at);
			judge(nlh);
			at += NLMSG_ALIGN(nlh->nlmsg_len);
		}
	}
}

/* ---- the socket ---- */

static void open_socket(void)
{
	const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	int one = 1;

	if (sock >= 0)
		close(sock);
	sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	setsockopt(sock, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	setsockopt(sock, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (sock < 0 || connect(sock, (const struct sockaddr *)&kernel, sizeof(kernel)))
		fail("no socket", errno);
}

/* A request with one string, answered into @in */
static ssize_t ask(uint16_t type, uint8_t cmd, uint16_t attr, const char *name, char *in, size_t room)
{
	struct nlmsghdr head = { .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST, .nlmsg_seq = ++seq };
	const struct genlmsghdr genl = { .cmd = cmd, .version = 1 };

	out.len = out.dues = 0;
	put(&head, sizeof(head));
	put(&genl, sizeof(genl));
	put_attr(attr, name, strlen(name) + 1);
	head.nlmsg_len = out.len;
	memcpy(out.data, &head, sizeof(head));
	return send(sock, out.data, out.len, 0) < 0 ? -1 : recv(sock, in, room, 0);
}

static void find_family(void)
{
	_Alignas(8) char in[8192];
	ssize_t n = ask(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, HUSK_FAMILY_NAME, in, sizeof(in));

	for (ssize_t at = NLMSG_HDRLEN + GENL_HDRLEN; at + NLA_HDRLEN < n;) {
		const struct nlattr *a = (const struct nlattr *)(in + at);

		if (a->nla_type == CTRL_ATTR_FAMILY_ID)
			memcpy(&family, in + at + NLA_HDRLEN, sizeof(family));
		if (a->nla_len < NLA_HDRLEN)
			break;
		at += NLA_ALIGN(a->nla_len);
	}
	if (!family)
		fail("no family", n);
}

static void find_prey(void)
{
	_Alignas(8) char in[8192];
	ssize_t n = ask(family, HUSK_CMD_VM_GET, HUSK_A_VM_NAME, prey, in, sizeof(in));

	if (n > 0)
		judge((const struct nlmsghdr *)in);
}

int main(int argc, char **argv)
{
	unsigned long rounds;

	if (argc < 4)
		return 2;
	seed = strtoull(argv[1], NULL, 10);
	state = seed * 0x9e3779b97f4a7c15ULL + 1;
	rounds = strtoul(argv[2], NULL, 10);
	prey = argv[3];
	other = argc > 5 ? argv[4] : prey;
	open_socket();
	find_family();
	find_prey();
	other_id = argc > 5 ? strtoul(argv[5], NULL, 10) : prey_id;
	for (round_no = 0; round_no < rounds; round_no++) {
		make();
		alarm(60);	/* sending hangs: the end */
		if (send(sock, out.data, out.len, 0) < 0)
			out.dues = 0;
		/* now and then nobody reads what comes, nor ends the list that was begun */
		if (below(12))
			hear();
		else
			open_socket();
		if (!(round_no % 32)) {
			open_socket();
			find_prey();
		}
	}
	if (!accepted || !refused || !answers)
		fail("nothing was accepted, refused, or answered", rounds);
	printf("# seed %llu: %lu accepted, %lu refused, %lu answers\n", (unsigned long long)seed, accepted, refused, answers);
	return 0;
}
