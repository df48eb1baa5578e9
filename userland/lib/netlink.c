// SPDX-License-Identifier: GPL-2.0
/* Client of the generic-netlink family "husk", see netlink.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

#include "lib/netlink.h"

/* Room for some 10,000 events; the kernel's default holds about 100. */
#define EVENT_BUFFER	(4 << 20)

struct husk_nl {
	struct nl_sock *sock;
	int family;
	char error[256];
};

/* One request under way */
struct ask {
	struct husk_nl *nl;
	int (*fn)(struct nlattr *attrs, int len, void *arg);	/* for each answer */
	void *arg;
	int result;
	bool done;
};

#define NAME(id, name, what) name,
#define NAMED(fn, list) \
const char *fn(uint32_t value) \
{ \
	static const char * const names[] = { list(NAME) }; \
	return value < sizeof(names) / sizeof(names[0]) ? names[value] : "?"; \
}
NAMED(husk_reason_name, HUSK_REASONS)
NAMED(husk_level_name, HUSK_LEVELS)
NAMED(husk_life_name, HUSK_EVENTS)
NAMED(husk_vm_state_name, HUSK_VM_STATES)

const char *husk_mp_state_name(uint32_t mp_state)
{
	static const char * const names[] = {
		[HUSK_MP_RUNNABLE] = "runnable",
		[HUSK_MP_HALTED] = "halted",
		[HUSK_MP_WAIT_SIPI] = "wait-sipi",
		[HUSK_MP_WAIT_INIT] = "wait-init",
	};

	return mp_state < sizeof(names) / sizeof(names[0]) ? names[mp_state] : "?";
}

/* ---- connection and errors ---- */

static int fail(struct husk_nl *nl, int err, const char *text)
{
	snprintf(nl->error, sizeof(nl->error), "%s", text);
	return err;
}

const char *husk_nl_error(const struct husk_nl *nl)
{
	return nl ? nl->error : "out of memory";
}

void husk_nl_close(struct husk_nl *nl)
{
	if (!nl)
		return;
	nl_socket_free(nl->sock);
	free(nl);
}

int husk_nl_open(struct husk_nl **out)
{
	struct husk_nl *nl = calloc(1, sizeof(*nl));
	int one = 1, fd;

	*out = nl;
	if (!nl)
		return -ENOMEM;
	nl->sock = nl_socket_alloc();
	if (!nl->sock)
		return fail(nl, -ENOMEM, "out of memory");
	if (genl_connect(nl->sock))
		return fail(nl, -EPROTONOSUPPORT, "no generic netlink socket here");
	nl_socket_enable_msg_peek(nl->sock);
	fd = nl_socket_get_fd(nl->sock);
	/* Reasons in words, right behind the error number. Both need Linux 4.12. */
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	nl->family = genl_ctrl_resolve(nl->sock, HUSK_FAMILY_NAME);
	if (nl->family < 0)
		return fail(nl, -ENODEV, "the kernel module husk is not loaded (load it: modprobe husk)");
	return 0;
}

/* Keep the kernel's text, or else what errno means. */
static void keep_reason(struct husk_nl *nl, int err, const struct nlattr *tlvs, int len)
{
	struct nlattr *text = len > 0 ? nla_find(tlvs, len, NLMSGERR_ATTR_MSG) : NULL;

	if (text && nla_len(text) > 0)
		snprintf(nl->error, sizeof(nl->error), "%.*s", nla_len(text), (const char *)nla_data(text));
	else
		snprintf(nl->error, sizeof(nl->error), "%s", strerror(-err));
}

static int finish(struct ask *ask, int err, const void *tlvs, int len)
{
	ask->done = true;
	if (err < 0 && !ask->result) {
		ask->result = err;
		keep_reason(ask->nl, err, tlvs, len);
	}
	return NL_STOP;
}

static int on_answer(struct nl_msg *msg, void *arg)
{
	struct genlmsghdr *header = nlmsg_data(nlmsg_hdr(msg));
	struct ask *ask = arg;

	if (ask->fn && !ask->result)
		ask->result = ask->fn(genlmsg_attrdata(header, 0), genlmsg_attrlen(header, 0), ask->arg);
	return NL_OK;
}

static int on_ack(struct nl_msg *msg, void *arg)
{
	(void)msg;
	return finish(arg, 0, NULL, 0);
}

/* A dump's end holds an error number, and the reason behind it. */
static int on_dump_end(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	int err = 0, len = nlmsg_datalen(nlh);

	if (len >= (int)sizeof(err))
		memcpy(&err, nlmsg_data(nlh), sizeof(err));
	return finish(arg, err, (char *)nlmsg_data(nlh) + sizeof(err), len - (int)sizeof(err));
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *e, void *arg)
{
	struct nlmsghdr *nlh = (struct nlmsghdr *)((char *)e - NLMSG_HDRLEN);
	int len = 0;

	(void)from;
	if (nlh->nlmsg_flags & NLM_F_ACK_TLVS && nlh->nlmsg_flags & NLM_F_CAPPED)
		len = nlmsg_datalen(nlh) - (int)sizeof(*e);
	return finish(arg, e->error, e + 1, len);
}

static int receive(struct ask *ask)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int ret = 0;

	if (!cb)
		return fail(ask->nl, -ENOMEM, "out of memory");
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_answer, ask);
	nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_ack, ask);
	nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, on_dump_end, ask);
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, ask);
	while (!ask->done && ret >= 0)
		ret = nl_recvmsgs(ask->nl->sock, cb);
	nl_cb_put(cb);
	if (!ask->done && !ask->result)
		return fail(ask->nl, -EIO, nl_geterror(ret));
	return ask->result;
}

static struct nl_msg *request(struct husk_nl *nl, int cmd, int flags)
{
	struct nl_msg *msg = nlmsg_alloc();

	nl->error[0] = 0;
	if (msg && genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, nl->family, 0, flags, cmd, HUSK_FAMILY_VERSION))
		return msg;
	nlmsg_free(msg);
	fail(nl, -ENOMEM, "out of memory");
	return NULL;
}

static int exchange(struct husk_nl *nl, struct nl_msg *msg,
		    int (*fn)(struct nlattr *attrs, int len, void *arg), void *arg)
{
	struct ask ask = { .nl = nl, .fn = fn, .arg = arg };
	int ret = nl_send_auto(nl->sock, msg);

	nlmsg_free(msg);
	if (ret < 0)
		return fail(nl, -EIO, nl_geterror(ret));
	return receive(&ask);
}

/* A request about the VM with this id, perhaps with a timeout */
static int exchange_id(struct husk_nl *nl, int cmd, int flags, uint32_t id, const uint32_t *timeout_ms,
		       int (*fn)(struct nlattr *attrs, int len, void *arg), void *arg)
{
	struct nl_msg *msg = request(nl, cmd, flags);

	if (!msg)
		return -ENOMEM;
	nla_put_u32(msg, HUSK_A_VM_ID, id);
	if (timeout_ms)
		nla_put_u32(msg, HUSK_A_VM_TIMEOUT_MS, *timeout_ms);
	return exchange(nl, msg, fn, arg);
}

/* ---- attributes into structs; what is absent stays 0 ---- */

static uint32_t get_u32(struct nlattr *a)
{
	return a && nla_len(a) >= 4 ? nla_get_u32(a) : 0;
}

static uint64_t get_u64(struct nlattr *a)
{
	return a && nla_len(a) >= 8 ? nla_get_u64(a) : 0;
}

static void get_bytes(struct nlattr *a, void *to, int room)
{
	if (a)
		nla_memcpy(to, a, room);
}

static void get_string(struct nlattr *a, char *to, int room)
{
	if (a)
		nla_strlcpy(to, a, room);
}

static int parse(struct nlattr **tb, int max, struct nlattr *attrs, int len)
{
	return nla_parse(tb, max, attrs, len, NULL) < 0 ? -EBADMSG : 0;
}

static int parse_vm(struct nlattr *attrs, int len, struct husk_nl_vm *vm)
{
	struct nlattr *tb[HUSK_A_VM_MAX + 1];

	memset(vm, 0, sizeof(*vm));
	if (parse(tb, HUSK_A_VM_MAX, attrs, len))
		return -EBADMSG;
	vm->id = get_u32(tb[HUSK_A_VM_ID]);
	vm->owner_uid = get_u32(tb[HUSK_A_VM_OWNER_UID]);
	vm->owner_pid = get_u32(tb[HUSK_A_VM_OWNER_PID]);
	vm->state = get_u32(tb[HUSK_A_VM_STATE]);
	vm->vcpus = get_u32(tb[HUSK_A_VM_VCPUS]);
	vm->memory = get_u64(tb[HUSK_A_VM_MEMORY]);
	vm->created_ns = get_u64(tb[HUSK_A_VM_CREATED_NS]);
	vm->mapped_pages = get_u64(tb[HUSK_A_VM_MAPPED_PAGES]);
	vm->table_pages = get_u64(tb[HUSK_A_VM_TABLE_PAGES]);
	get_bytes(tb[HUSK_A_VM_UUID], vm->uuid, sizeof(vm->uuid));
	get_string(tb[HUSK_A_VM_NAME], vm->name, sizeof(vm->name));
	get_string(tb[HUSK_A_VM_CONTROL], vm->control, sizeof(vm->control));
	return 0;
}

static void add_exits(struct nlattr *nest, struct husk_nl_vcpu *vcpu)
{
	struct nlattr *tb[HUSK_A_EXITS_MAX + 1];
	uint32_t reason, level;

	if (parse(tb, HUSK_A_EXITS_MAX, nla_data(nest), nla_len(nest)))
		return;
	reason = get_u32(tb[HUSK_A_EXITS_REASON]);
	level = get_u32(tb[HUSK_A_EXITS_LEVEL]);
	if (reason >= HUSK_REASON_COUNT)
		reason = HUSK_REASON_OTHER;
	if (level >= HUSK_LEVEL_COUNT)
		level = HUSK_LEVEL_WORKER;
	vcpu->exits[reason][level] += get_u64(tb[HUSK_A_EXITS_COUNT]);
}

static int parse_vcpu(struct nlattr *attrs, int len, struct husk_nl_vcpu *vcpu)
{
	struct nlattr *nest = nla_find(attrs, len, HUSK_A_VM_VCPU);
	struct nlattr *tb[HUSK_A_VCPU_MAX + 1], *a;
	int left;

	memset(vcpu, 0, sizeof(*vcpu));
	if (!nest || parse(tb, HUSK_A_VCPU_MAX, nla_data(nest), nla_len(nest)))
		return -EBADMSG;
	vcpu->id = get_u32(tb[HUSK_A_VCPU_ID]);
	vcpu->cpu = (int32_t)get_u32(tb[HUSK_A_VCPU_CPU]);
	vcpu->mp_state = get_u32(tb[HUSK_A_VCPU_MP_STATE]);
	vcpu->entries = get_u64(tb[HUSK_A_VCPU_ENTRIES]);
	vcpu->user_returns = get_u64(tb[HUSK_A_VCPU_USER_RETURNS]);
	vcpu->injections = get_u64(tb[HUSK_A_VCPU_INJECTIONS]);
	vcpu->halted_ns = get_u64(tb[HUSK_A_VCPU_HALTED_NS]);
	nla_for_each_nested(a, nest, left)
		if (nla_type(a) == HUSK_A_VCPU_EXITS)
			add_exits(a, vcpu);
	return 0;
}

/* ---- requests ---- */

static int on_show(struct nlattr *attrs, int len, void *arg)
{
	return parse_vm(attrs, len, arg);
}

int husk_nl_show_id(struct husk_nl *nl, uint32_t id, struct husk_nl_vm *out)
{
	return exchange_id(nl, HUSK_CMD_VM_GET, 0, id, NULL, on_show, out);
}

int husk_nl_show(struct husk_nl *nl, const char *vm, struct husk_nl_vm *out)
{
	struct nl_msg *msg;
	unsigned long id;
	char *end;
	int ret = -ENOENT;

	if (*vm && strlen(vm) < HUSK_NAME_LEN) {
		msg = request(nl, HUSK_CMD_VM_GET, 0);
		if (!msg)
			return -ENOMEM;
		nla_put_string(msg, HUSK_A_VM_NAME, vm);
		ret = exchange(nl, msg, on_show, out);
	}
	id = strtoul(vm, &end, 10);
	if (ret == -ENOENT && *vm >= '0' && *vm <= '9' && !*end && id && id <= UINT32_MAX)
		ret = husk_nl_show_id(nl, id, out);
	if (ret == -ENOENT)
		fail(nl, ret, "no such VM (husk ls lists them)");
	return ret;
}

struct list {
	int (*vm)(const struct husk_nl_vm *vm, void *arg);
	int (*vcpu)(const struct husk_nl_vcpu *vcpu, void *arg);
	void *arg;
};

static int on_list(struct nlattr *attrs, int len, void *arg)
{
	struct list *list = arg;
	struct husk_nl_vm vm;

	return parse_vm(attrs, len, &vm) ? -EBADMSG : list->vm(&vm, list->arg);
}

int husk_nl_list(struct husk_nl *nl, int (*fn)(const struct husk_nl_vm *vm, void *arg), void *arg)
{
	struct list list = { .vm = fn, .arg = arg };
	struct nl_msg *msg = request(nl, HUSK_CMD_VM_GET, NLM_F_DUMP);

	return msg ? exchange(nl, msg, on_list, &list) : -ENOMEM;
}

static int on_vcpu(struct nlattr *attrs, int len, void *arg)
{
	struct list *list = arg;
	struct husk_nl_vcpu vcpu;

	return parse_vcpu(attrs, len, &vcpu) ? -EBADMSG : list->vcpu(&vcpu, list->arg);
}

int husk_nl_vcpus(struct husk_nl *nl, uint32_t id,
		  int (*fn)(const struct husk_nl_vcpu *vcpu, void *arg), void *arg)
{
	struct list list = { .vcpu = fn, .arg = arg };

	return exchange_id(nl, HUSK_CMD_VCPU_GET, NLM_F_DUMP, id, NULL, on_vcpu, &list);
}

int husk_nl_pause(struct husk_nl *nl, uint32_t id)
{
	return exchange_id(nl, HUSK_CMD_VM_PAUSE, 0, id, NULL, NULL, NULL);
}

int husk_nl_resume(struct husk_nl *nl, uint32_t id)
{
	return exchange_id(nl, HUSK_CMD_VM_RESUME, 0, id, NULL, NULL, NULL);
}

int husk_nl_stop(struct husk_nl *nl, uint32_t id, uint32_t timeout_ms)
{
	return exchange_id(nl, HUSK_CMD_VM_STOP, 0, id, &timeout_ms, NULL, NULL);
}

int husk_nl_kill(struct husk_nl *nl, uint32_t id)
{
	return exchange_id(nl, HUSK_CMD_VM_KILL, 0, id, NULL, NULL, NULL);
}

static void add_mode(struct nlattr *nest, struct husk_nl_caps *caps)
{
	struct nlattr *tb[HUSK_A_MODE_MAX + 1];

	if (caps->modes >= sizeof(caps->mode) / sizeof(caps->mode[0]) ||
	    parse(tb, HUSK_A_MODE_MAX, nla_data(nest), nla_len(nest)))
		return;
	get_string(tb[HUSK_A_MODE_NAME], caps->mode[caps->modes].name, HUSK_MODES_LEN);
	caps->mode[caps->modes].present = tb[HUSK_A_MODE_PRESENT];
	caps->mode[caps->modes].usable = tb[HUSK_A_MODE_USABLE];
	caps->modes++;
}

static int on_caps(struct nlattr *attrs, int len, void *arg)
{
	struct nlattr *tb[HUSK_A_CAPS_MAX + 1], *a;
	struct husk_nl_caps *caps = arg;
	int left;

	memset(caps, 0, sizeof(*caps));
	if (parse(tb, HUSK_A_CAPS_MAX, attrs, len))
		return -EBADMSG;
	caps->abi_version = get_u32(tb[HUSK_A_CAPS_ABI_VERSION]);
	caps->max_vms = get_u32(tb[HUSK_A_CAPS_MAX_VMS]);
	caps->max_vcpus = get_u32(tb[HUSK_A_CAPS_MAX_VCPUS]);
	caps->max_slots = get_u32(tb[HUSK_A_CAPS_MAX_SLOTS]);
	caps->event_seq = get_u64(tb[HUSK_A_CAPS_EVENT_SEQ]);
	nla_for_each_attr(a, attrs, len, left)
		if (nla_type(a) == HUSK_A_CAPS_MODE)
			add_mode(a, caps);
	return 0;
}

int husk_nl_caps(struct husk_nl *nl, struct husk_nl_caps *out)
{
	struct nl_msg *msg = request(nl, HUSK_CMD_CAPS_GET, 0);

	return msg ? exchange(nl, msg, on_caps, out) : -ENOMEM;
}

/* ---- events ---- */

int husk_nl_fd(const struct husk_nl *nl)
{
	return nl_socket_get_fd(nl->sock);
}

int husk_nl_subscribe(struct husk_nl *nl)
{
	int group = genl_ctrl_resolve_grp(nl->sock, HUSK_FAMILY_NAME, HUSK_MCGRP_LIFECYCLE);
	int fd = husk_nl_fd(nl), size = EVENT_BUFFER;

	if (group < 0)
		return fail(nl, -ENODEV, "this kernel module has no lifecycle events");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)))
		return fail(nl, -errno, "not permitted: lifecycle events need CAP_NET_ADMIN (run it as root)");
	return 0;
}

static int parse_event(struct nlattr *attrs, int len, struct husk_nl_event *event)
{
	struct nlattr *tb[HUSK_A_EVENT_MAX + 1];

	memset(event, 0, sizeof(*event));
	if (parse(tb, HUSK_A_EVENT_MAX, attrs, len))
		return -EBADMSG;
	event->seq = get_u64(tb[HUSK_A_EVENT_SEQ]);
	event->kind = get_u32(tb[HUSK_A_EVENT_KIND]);
	event->vm_id = get_u32(tb[HUSK_A_EVENT_VM_ID]);
	event->detail = get_u64(tb[HUSK_A_EVENT_DETAIL]);
	get_string(tb[HUSK_A_EVENT_VM_NAME], event->name, sizeof(event->name));
	get_bytes(tb[HUSK_A_EVENT_VM_UUID], event->uuid, sizeof(event->uuid));
	return 0;
}

/* libnl's receiver makes ENOBUFS and ENOMEM the same error; loss must be told. */
int husk_nl_read_events(struct husk_nl *nl, void (*fn)(const struct husk_nl_event *event, void *arg), void *arg)
{
	_Alignas(struct nlmsghdr) char buffer[8192];
	struct sockaddr_nl from;
	struct iovec iov = { buffer, sizeof(buffer) };
	struct msghdr msg = { .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t got = recvmsg(husk_nl_fd(nl), &msg, MSG_DONTWAIT);
	struct nlmsghdr *nlh = (struct nlmsghdr *)buffer;
	struct genlmsghdr *header;
	struct husk_nl_event event;
	int left = got;

	if (got < 0)
		return fail(nl, -errno, strerror(errno));
	if (msg.msg_namelen != sizeof(from) || from.nl_pid)
		return 0;	/* not from the kernel */
	for (; nlmsg_ok(nlh, left); nlh = nlmsg_next(nlh, &left)) {
		header = nlmsg_data(nlh);
		if (nlh->nlmsg_type != nl->family || !genlmsg_valid_hdr(nlh, 0) || header->cmd != HUSK_CMD_EVENT)
			continue;
		if (!parse_event(genlmsg_attrdata(header, 0), genlmsg_attrlen(header, 0), &event))
			fn(&event, arg);
	}
	return 0;
}
