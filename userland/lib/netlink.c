// SPDX-License-Identifier: GPL-2.0
/* Client of the generic-netlink family "husk", see netlink.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

#include "lib/netlink.h"

/* Room for some 2,500 events; the default holds about 250. */
#define EVENT_BUFFER	(1 << 20)

struct husk_nl {
	struct nl_sock *sock;
	int family;
	char error[256];	/* why the last function failed */
};

/* One request under way */
struct ask {
	struct husk_nl *nl;
	husk_nl_fn *fn;
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

static int fail(struct husk_nl *nl, int err, const char *why)
{
	snprintf(nl->error, sizeof(nl->error), "%s", why);
	return err;
}

/*
 * An error of libnl itself. NLE_NOMEM is what it makes of ENOBUFS, too; to lack
 * memory for an event is to lose it, so that one meaning serves for both.
 */
static int fail_libnl(struct husk_nl *nl, int err)
{
	int number = err == -NLE_AGAIN ? -EAGAIN : err == -NLE_NOMEM ? -ENOBUFS : -EIO;

	return fail(nl, number, nl_geterror(err));
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
		return fail(nl, -EPROTONOSUPPORT, "no generic netlink here");
	fd = nl_socket_get_fd(nl->sock);
	/* Reasons in words, right behind the error number. */
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	nl->family = genl_ctrl_resolve(nl->sock, HUSK_FAMILY_NAME);
	if (nl->family < 0)
		return fail(nl, -ENODEV, "husk.ko is not loaded: run 'insmod husk.ko' as root");
	return 0;
}

/* ---- requests and answers ---- */

/* Other processes may send to this socket, too. */
static int on_message(struct nl_msg *msg, void *arg)
{
	(void)arg;
	return nlmsg_get_src(msg)->nl_pid ? NL_SKIP : NL_OK;
}

static int on_answer(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	struct genlmsghdr *header = genlmsg_hdr(nlh);
	struct ask *ask = arg;

	if (ask->fn && !ask->result && genlmsg_valid_hdr(nlh, 0))
		ask->result = ask->fn(genlmsg_attrdata(header, 0), genlmsg_attrlen(header, 0), ask->arg);
	return NL_OK;
}

/* The request is through; if it failed, keep the kernel's words, or else what errno means. */
static int finish(struct ask *ask, int err, void *tlvs, int len)
{
	struct nlattr *words = len > 0 ? nla_find(tlvs, len, NLMSGERR_ATTR_MSG) : NULL;

	ask->done = true;
	if (err >= 0 || ask->result)
		return NL_STOP;
	ask->result = fail(ask->nl, err, strerror(-err));
	if (words)
		nla_strlcpy(ask->nl->error, words, sizeof(ask->nl->error));
	return NL_STOP;
}

static int on_ack(struct nl_msg *msg, void *arg)
{
	(void)msg;
	return finish(arg, 0, NULL, 0);
}

/* The end of a dump holds an error number, and the reason behind it. */
static int on_dump_end(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	int err = 0, len = nlmsg_datalen(nlh) - (int)sizeof(err);

	if (len >= 0)
		memcpy(&err, nlmsg_data(nlh), sizeof(err));
	return finish(arg, err, (char *)nlmsg_data(nlh) + sizeof(err), len);
}

/* libnl 3.7 does not read the reason. It comes next: NETLINK_CAP_ACK leaves the request out. */
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
	nl_cb_set(cb, NL_CB_MSG_IN, NL_CB_CUSTOM, on_message, NULL);
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_answer, ask);
	nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_ack, ask);
	nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, on_dump_end, ask);
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, ask);
	while (!ask->done && ret >= 0)
		ret = nl_recvmsgs(ask->nl->sock, cb);
	nl_cb_put(cb);
	return ask->done ? ask->result : fail_libnl(ask->nl, ret);
}

struct nl_msg *husk_nl_request(struct husk_nl *nl, int cmd, int flags)
{
	struct nl_msg *msg = nlmsg_alloc();

	nl->error[0] = 0;
	if (msg && genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, nl->family, 0, flags, cmd, HUSK_FAMILY_VERSION))
		return msg;
	nlmsg_free(msg);
	fail(nl, -ENOMEM, "out of memory");
	return NULL;
}

int husk_nl_exchange(struct husk_nl *nl, struct nl_msg *msg, husk_nl_fn *fn, void *arg)
{
	struct ask ask = { .nl = nl, .fn = fn, .arg = arg };
	int ret;

	if (!msg)
		return -ENOMEM;
	ret = nl_send_auto(nl->sock, msg);
	nlmsg_free(msg);
	return ret < 0 ? fail_libnl(nl, ret) : receive(&ask);
}

static int ask_id(struct husk_nl *nl, int cmd, int flags, uint32_t id, husk_nl_fn *fn, void *arg)
{
	struct nl_msg *msg = husk_nl_request(nl, cmd, flags);

	if (msg)
		nla_put_u32(msg, HUSK_A_VM_ID, id);
	return husk_nl_exchange(nl, msg, fn, arg);
}

/* ---- attributes into structs; what is absent stays 0 ---- */

static uint32_t get_u32(const struct nlattr *a)
{
	uint32_t value = 0;

	nla_memcpy(&value, a, sizeof(value));
	return value;
}

static uint64_t get_u64(const struct nlattr *a)
{
	uint64_t value = 0;

	nla_memcpy(&value, a, sizeof(value));
	return value;
}

static void get_string(const struct nlattr *a, char *to, size_t room)
{
	if (a)
		nla_strlcpy(to, a, room);
}

static void parse_vm(struct nlattr *attrs, int len, struct husk_nl_vm *vm)
{
	struct nlattr *tb[HUSK_A_VM_MAX + 1];

	memset(vm, 0, sizeof(*vm));
	nla_parse(tb, HUSK_A_VM_MAX, attrs, len, NULL);
	vm->id = get_u32(tb[HUSK_A_VM_ID]);
	vm->owner_uid = get_u32(tb[HUSK_A_VM_OWNER_UID]);
	vm->owner_pid = get_u32(tb[HUSK_A_VM_OWNER_PID]);
	vm->state = get_u32(tb[HUSK_A_VM_STATE]);
	vm->vcpus = get_u32(tb[HUSK_A_VM_VCPUS]);
	vm->memory = get_u64(tb[HUSK_A_VM_MEMORY]);
	vm->created_ns = get_u64(tb[HUSK_A_VM_CREATED_NS]);
	vm->mapped_pages = get_u64(tb[HUSK_A_VM_MAPPED_PAGES]);
	vm->table_pages = get_u64(tb[HUSK_A_VM_TABLE_PAGES]);
	nla_memcpy(vm->uuid, tb[HUSK_A_VM_UUID], sizeof(vm->uuid));
	get_string(tb[HUSK_A_VM_NAME], vm->name, sizeof(vm->name));
	get_string(tb[HUSK_A_VM_CONTROL], vm->control, sizeof(vm->control));
}

static void add_exits(struct nlattr *nest, struct husk_nl_vcpu *vcpu)
{
	struct nlattr *tb[HUSK_A_EXITS_MAX + 1];
	uint32_t reason, level;

	nla_parse_nested(tb, HUSK_A_EXITS_MAX, nest, NULL);
	reason = get_u32(tb[HUSK_A_EXITS_REASON]);
	level = get_u32(tb[HUSK_A_EXITS_LEVEL]);
	if (reason >= HUSK_REASON_COUNT)
		reason = HUSK_REASON_OTHER;
	if (level >= HUSK_LEVEL_COUNT)
		level = HUSK_LEVEL_WORKER;
	vcpu->exits[reason][level] += get_u64(tb[HUSK_A_EXITS_COUNT]);
}

static void parse_vcpu(struct nlattr *nest, struct husk_nl_vcpu *vcpu)
{
	struct nlattr *tb[HUSK_A_VCPU_MAX + 1], *a;
	int left;

	memset(vcpu, 0, sizeof(*vcpu));
	nla_parse_nested(tb, HUSK_A_VCPU_MAX, nest, NULL);
	vcpu->id = get_u32(tb[HUSK_A_VCPU_ID]);
	vcpu->cpu = (int32_t)get_u32(tb[HUSK_A_VCPU_CPU]);
	vcpu->mp_state = get_u32(tb[HUSK_A_VCPU_MP_STATE]);
	vcpu->entries = get_u64(tb[HUSK_A_VCPU_ENTRIES]);
	vcpu->user_returns = get_u64(tb[HUSK_A_VCPU_USER_RETURNS]);
	vcpu->injections = get_u64(tb[HUSK_A_VCPU_INJECTIONS]);
	vcpu->halted_ns = get_u64(tb[HUSK_A_VCPU_HALTED_NS]);
	vcpu->poll_hits = get_u64(tb[HUSK_A_VCPU_POLL_HITS]);
	vcpu->poll_misses = get_u64(tb[HUSK_A_VCPU_POLL_MISSES]);
	vcpu->yields = get_u64(tb[HUSK_A_VCPU_YIELDS]);
	nla_for_each_nested(a, nest, left)
		if (nla_type(a) == HUSK_A_VCPU_EXITS)
			add_exits(a, vcpu);
}

/* ---- requests ---- */

static int on_show(struct nlattr *attrs, int len, void *arg)
{
	parse_vm(attrs, len, arg);
	return 0;
}

int husk_nl_show_id(struct husk_nl *nl, uint32_t id, struct husk_nl_vm *out)
{
	return ask_id(nl, HUSK_CMD_VM_GET, 0, id, on_show, out);
}

int husk_nl_show(struct husk_nl *nl, const char *vm, struct husk_nl_vm *out)
{
	struct nl_msg *msg;
	unsigned long id;
	int ret = -ENOENT;
	char *end;

	if (*vm && strlen(vm) < HUSK_NAME_LEN) {
		msg = husk_nl_request(nl, HUSK_CMD_VM_GET, 0);
		if (msg)
			nla_put_string(msg, HUSK_A_VM_NAME, vm);
		ret = husk_nl_exchange(nl, msg, on_show, out);
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

	parse_vm(attrs, len, &vm);
	return list->vm(&vm, list->arg);
}

int husk_nl_list(struct husk_nl *nl, int (*fn)(const struct husk_nl_vm *vm, void *arg), void *arg)
{
	struct list list = { .vm = fn, .arg = arg };

	return husk_nl_exchange(nl, husk_nl_request(nl, HUSK_CMD_VM_GET, NLM_F_DUMP), on_list, &list);
}

static int on_vcpu(struct nlattr *attrs, int len, void *arg)
{
	struct nlattr *tb[HUSK_A_VM_MAX + 1];
	struct list *list = arg;
	struct husk_nl_vcpu vcpu;

	nla_parse(tb, HUSK_A_VM_MAX, attrs, len, NULL);
	if (!tb[HUSK_A_VM_VCPU])
		return 0;
	parse_vcpu(tb[HUSK_A_VM_VCPU], &vcpu);
	return list->vcpu(&vcpu, list->arg);
}

int husk_nl_vcpus(struct husk_nl *nl, uint32_t id,
		  int (*fn)(const struct husk_nl_vcpu *vcpu, void *arg), void *arg)
{
	struct list list = { .vcpu = fn, .arg = arg };

	return ask_id(nl, HUSK_CMD_VCPU_GET, NLM_F_DUMP, id, on_vcpu, &list);
}

int husk_nl_pause(struct husk_nl *nl, uint32_t id)
{
	return ask_id(nl, HUSK_CMD_VM_PAUSE, 0, id, NULL, NULL);
}

int husk_nl_resume(struct husk_nl *nl, uint32_t id)
{
	return ask_id(nl, HUSK_CMD_VM_RESUME, 0, id, NULL, NULL);
}

int husk_nl_stop(struct husk_nl *nl, uint32_t id, uint32_t timeout_ms)
{
	struct nl_msg *msg = husk_nl_request(nl, HUSK_CMD_VM_STOP, 0);

	if (msg) {
		nla_put_u32(msg, HUSK_A_VM_ID, id);
		nla_put_u32(msg, HUSK_A_VM_TIMEOUT_MS, timeout_ms);
	}
	return husk_nl_exchange(nl, msg, NULL, NULL);
}

int husk_nl_kill(struct husk_nl *nl, uint32_t id)
{
	return ask_id(nl, HUSK_CMD_VM_KILL, 0, id, NULL, NULL);
}

static void add_mode(struct nlattr *nest, struct husk_nl_caps *caps)
{
	struct nlattr *tb[HUSK_A_MODE_MAX + 1];

	if (caps->modes >= sizeof(caps->mode) / sizeof(caps->mode[0]))
		return;
	nla_parse_nested(tb, HUSK_A_MODE_MAX, nest, NULL);
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
	nla_parse(tb, HUSK_A_CAPS_MAX, attrs, len, NULL);
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
	return husk_nl_exchange(nl, husk_nl_request(nl, HUSK_CMD_CAPS_GET, 0), on_caps, out);
}

/* ---- events ---- */

int husk_nl_fd(const struct husk_nl *nl)
{
	return nl_socket_get_fd(nl->sock);
}

int husk_nl_subscribe(struct husk_nl *nl)
{
	int group = genl_ctrl_resolve_grp(nl->sock, HUSK_FAMILY_NAME, HUSK_MCGRP_LIFECYCLE);
	int fd = husk_nl_fd(nl), size = EVENT_BUFFER, ret;

	if (group < 0)
		return fail(nl, -ENODEV, "this kernel module has no lifecycle events");
	/* With privilege beyond net.core.rmem_max, which libnl's own call keeps to. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (nl_socket_add_membership(nl->sock, group))
		return fail(nl, -EPERM, "not permitted: lifecycle events need CAP_NET_ADMIN (run it as root)");
	nl_socket_disable_seq_check(nl->sock);
	ret = nl_socket_set_nonblocking(nl->sock);
	return ret ? fail_libnl(nl, ret) : 0;
}

struct listener {
	int family;
	void (*fn)(const struct husk_nl_event *event, void *arg);
	void *arg;
};

static int on_event(struct nl_msg *msg, void *arg)
{
	struct nlattr *tb[HUSK_A_EVENT_MAX + 1];
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	struct husk_nl_event event = {};
	struct listener *listener = arg;

	if (nlh->nlmsg_type != listener->family || !genlmsg_valid_hdr(nlh, 0) || genlmsg_hdr(nlh)->cmd != HUSK_CMD_EVENT)
		return NL_OK;
	genlmsg_parse(nlh, 0, tb, HUSK_A_EVENT_MAX, NULL);
	event.seq = get_u64(tb[HUSK_A_EVENT_SEQ]);
	event.kind = get_u32(tb[HUSK_A_EVENT_KIND]);
	event.vm_id = get_u32(tb[HUSK_A_EVENT_VM_ID]);
	event.detail = get_u64(tb[HUSK_A_EVENT_DETAIL]);
	get_string(tb[HUSK_A_EVENT_VM_NAME], event.name, sizeof(event.name));
	nla_memcpy(event.uuid, tb[HUSK_A_EVENT_VM_UUID], sizeof(event.uuid));
	listener->fn(&event, listener->arg);
	return NL_OK;
}

int husk_nl_read_events(struct husk_nl *nl, void (*fn)(const struct husk_nl_event *event, void *arg), void *arg)
{
	struct listener listener = { nl->family, fn, arg };
	int ret;

	nl_socket_modify_cb(nl->sock, NL_CB_MSG_IN, NL_CB_CUSTOM, on_message, NULL);
	nl_socket_modify_cb(nl->sock, NL_CB_VALID, NL_CB_CUSTOM, on_event, &listener);
	ret = nl_recvmsgs_default(nl->sock);
	return ret < 0 ? fail_libnl(nl, ret) : 0;
}
