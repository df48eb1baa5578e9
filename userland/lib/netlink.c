// SPDX-License-Identifier: GPL-2.0
/* Client of the generic-netlink family "husk", see netlink.h: requests. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/netlink.h>

#include "lib/netlink_attr.h"

/* One request under way */
struct ask {
	struct husk_nl *nl;
	husk_nl_fn *fn;
	void *arg;
	uint32_t seq;	/* of the request */
	int result;
	bool answered;	/* its one answer is its end: no acknowledgement comes */
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

int husk_nl_fail(struct husk_nl *nl, int err, const char *why)
{
	snprintf(nl->error, sizeof(nl->error), "%s", why);
	return err;
}

/*
 * An error of libnl itself. NLE_NOMEM is what it makes of ENOBUFS, too; to lack
 * memory for an event is to lose it, so that one meaning serves for both.
 */
int husk_nl_fail_libnl(struct husk_nl *nl, int err)
{
	int number = err == -NLE_AGAIN ? -EAGAIN : err == -NLE_NOMEM ? -ENOBUFS : -EIO;

	return husk_nl_fail(nl, number, nl_geterror(err));
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
		return husk_nl_fail(nl, -ENOMEM, "out of memory");
	if (genl_connect(nl->sock))
		return husk_nl_fail(nl, -EPROTONOSUPPORT, "no generic netlink here");
	fd = nl_socket_get_fd(nl->sock);
	/* Reasons in words, right behind the error number. */
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	nl->family = genl_ctrl_resolve(nl->sock, HUSK_FAMILY_NAME);
	if (nl->family < 0)
		return husk_nl_fail(nl, -ENODEV, "husk.ko is not loaded: run 'insmod husk.ko' as root");
	return 0;
}

/* ---- requests and answers ---- */

/* Other processes may send to this socket, too. */
int husk_nl_on_message(struct nl_msg *msg, void *arg)
{
	(void)arg;
	return nlmsg_get_src(msg)->nl_pid ? NL_SKIP : NL_OK;
}

static int on_answer(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	struct genlmsghdr *header = genlmsg_hdr(nlh);
	struct husk_nl_request early;
	struct ask *ask = arg;

	if (husk_nl_parse_request(msg, &early)) {
		if (ask->nl->earlies < HUSK_START_PENDING)
			ask->nl->early[ask->nl->earlies++] = early;
		return NL_OK;
	}
	if (ask->fn && !ask->result && genlmsg_valid_hdr(nlh, 0))
		ask->result = ask->fn(genlmsg_attrdata(header, 0), genlmsg_attrlen(header, 0), ask->arg);
	ask->done |= ask->answered;
	return NL_OK;
}

/* The request is through; if it failed, keep the kernel's words, or else what errno means. */
static int finish(struct ask *ask, int err, void *tlvs, int len)
{
	struct nlattr *words = len > 0 ? nla_find(tlvs, len, NLMSGERR_ATTR_MSG) : NULL;

	ask->done = true;
	if (err >= 0 || ask->result)
		return NL_STOP;
	ask->result = husk_nl_fail(ask->nl, err, strerror(-err));
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

/* What is not about this request is news for the daemon, or late news about another one. */
static int on_seq(struct nl_msg *msg, void *arg)
{
	const struct ask *ask = arg;
	struct husk_nl_request request;

	return nlmsg_hdr(msg)->nlmsg_seq == ask->seq || husk_nl_parse_request(msg, &request) ? NL_OK : NL_SKIP;
}

static int receive(struct ask *ask)
{
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int ret = 0;

	if (!cb)
		return husk_nl_fail(ask->nl, -ENOMEM, "out of memory");
	nl_cb_set(cb, NL_CB_MSG_IN, NL_CB_CUSTOM, husk_nl_on_message, NULL);
	nl_cb_set(cb, NL_CB_SEQ_CHECK, NL_CB_CUSTOM, on_seq, ask);
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_answer, ask);
	nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_ack, ask);
	nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, on_dump_end, ask);
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, ask);
	while (!ask->done && ret >= 0)
		ret = nl_recvmsgs(ask->nl->sock, cb);
	nl_cb_put(cb);
	return ask->done ? ask->result : husk_nl_fail_libnl(ask->nl, ret);
}

struct nl_msg *husk_nl_request(struct husk_nl *nl, int cmd, int flags)
{
	struct nl_msg *msg = nlmsg_alloc();

	nl->error[0] = 0;
	if (msg && genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, nl->family, 0, flags, cmd, HUSK_FAMILY_VERSION))
		return msg;
	nlmsg_free(msg);
	husk_nl_fail(nl, -ENOMEM, "out of memory");
	return NULL;
}

static int exchange(struct ask *ask, struct nl_msg *msg)
{
	struct husk_nl *nl = ask->nl;
	int ret;

	if (!msg)
		return -ENOMEM;
	ret = nl_send_auto(nl->sock, msg);
	ask->seq = nlmsg_hdr(msg)->nlmsg_seq;
	nlmsg_free(msg);
	return ret < 0 ? husk_nl_fail_libnl(nl, ret) : receive(ask);
}

int husk_nl_exchange(struct husk_nl *nl, struct nl_msg *msg, husk_nl_fn *fn, void *arg)
{
	struct ask ask = { .nl = nl, .fn = fn, .arg = arg };

	return exchange(&ask, msg);
}

static int ask_id(struct husk_nl *nl, int cmd, int flags, uint32_t id, husk_nl_fn *fn, void *arg)
{
	struct nl_msg *msg = husk_nl_request(nl, cmd, flags);

	if (msg)
		nla_put_u32(msg, HUSK_A_VM_ID, id);
	return husk_nl_exchange(nl, msg, fn, arg);
}

/* ---- attributes into structs ---- */

static void parse_vm(struct nlattr *attrs, int len, struct husk_nl_vm *vm)
{
	struct nlattr *tb[HUSK_A_VM_MAX + 1];

	memset(vm, 0, sizeof(*vm));
	nla_parse(tb, HUSK_A_VM_MAX, attrs, len, NULL);
	vm->id = attr_u32(tb[HUSK_A_VM_ID]);
	vm->owner_uid = attr_u32(tb[HUSK_A_VM_OWNER_UID]);
	vm->owner_pid = attr_u32(tb[HUSK_A_VM_OWNER_PID]);
	vm->state = attr_u32(tb[HUSK_A_VM_STATE]);
	vm->vcpus = attr_u32(tb[HUSK_A_VM_VCPUS]);
	vm->memory = attr_u64(tb[HUSK_A_VM_MEMORY]);
	vm->created_ns = attr_u64(tb[HUSK_A_VM_CREATED_NS]);
	vm->mapped_pages = attr_u64(tb[HUSK_A_VM_MAPPED_PAGES]);
	vm->table_pages = attr_u64(tb[HUSK_A_VM_TABLE_PAGES]);
	vm->cpu_limit = attr_u32(tb[HUSK_A_VM_CPU_LIMIT]);
	vm->exit_limit = attr_u32(tb[HUSK_A_VM_EXIT_LIMIT]);
	vm->stats_ms = attr_u32(tb[HUSK_A_VM_STATS_MS]);
	vm->run_ns = attr_u64(tb[HUSK_A_VM_RUN_NS]);
	vm->held_ns = attr_u64(tb[HUSK_A_VM_HELD_NS]);
	nla_memcpy(vm->uuid, tb[HUSK_A_VM_UUID], sizeof(vm->uuid));
	attr_string(tb[HUSK_A_VM_NAME], vm->name, sizeof(vm->name));
	attr_string(tb[HUSK_A_VM_CONTROL], vm->control, sizeof(vm->control));
}

/* Reasons and levels of a newer kernel module count as OTHER and WORKER. */
void husk_nl_add_exits(struct nlattr *nest, uint64_t exits[HUSK_REASON_COUNT][HUSK_LEVEL_COUNT])
{
	struct nlattr *tb[HUSK_A_EXITS_MAX + 1];
	uint32_t reason, level;

	nla_parse_nested(tb, HUSK_A_EXITS_MAX, nest, NULL);
	reason = attr_u32(tb[HUSK_A_EXITS_REASON]);
	level = attr_u32(tb[HUSK_A_EXITS_LEVEL]);
	if (reason >= HUSK_REASON_COUNT)
		reason = HUSK_REASON_OTHER;
	if (level >= HUSK_LEVEL_COUNT)
		level = HUSK_LEVEL_WORKER;
	exits[reason][level] += attr_u64(tb[HUSK_A_EXITS_COUNT]);
}

static void parse_vcpu(struct nlattr *nest, struct husk_nl_vcpu *vcpu)
{
	struct nlattr *tb[HUSK_A_VCPU_MAX + 1], *a;
	int left;

	memset(vcpu, 0, sizeof(*vcpu));
	nla_parse_nested(tb, HUSK_A_VCPU_MAX, nest, NULL);
	vcpu->id = attr_u32(tb[HUSK_A_VCPU_ID]);
	vcpu->cpu = (int32_t)attr_u32(tb[HUSK_A_VCPU_CPU]);
	vcpu->mp_state = attr_u32(tb[HUSK_A_VCPU_MP_STATE]);
	vcpu->entries = attr_u64(tb[HUSK_A_VCPU_ENTRIES]);
	vcpu->user_returns = attr_u64(tb[HUSK_A_VCPU_USER_RETURNS]);
	vcpu->injections = attr_u64(tb[HUSK_A_VCPU_INJECTIONS]);
	vcpu->halted_ns = attr_u64(tb[HUSK_A_VCPU_HALTED_NS]);
	vcpu->poll_hits = attr_u64(tb[HUSK_A_VCPU_POLL_HITS]);
	vcpu->poll_misses = attr_u64(tb[HUSK_A_VCPU_POLL_MISSES]);
	vcpu->yields = attr_u64(tb[HUSK_A_VCPU_YIELDS]);
	nla_for_each_nested(a, nest, left)
		if (nla_type(a) == HUSK_A_VCPU_EXITS)
			husk_nl_add_exits(a, vcpu->exits);
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
		husk_nl_fail(nl, ret, "no such VM (husk ls lists them)");
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

int husk_nl_button(struct husk_nl *nl, uint32_t id)
{
	return ask_id(nl, HUSK_CMD_VM_BUTTON, 0, id, NULL, NULL);
}

int husk_nl_reset(struct husk_nl *nl, uint32_t id)
{
	return ask_id(nl, HUSK_CMD_VM_RESET, 0, id, NULL, NULL);
}

int husk_nl_nmi(struct husk_nl *nl, uint32_t id, int vcpu)
{
	struct nl_msg *msg = husk_nl_request(nl, HUSK_CMD_VM_NMI, 0);

	if (msg) {
		nla_put_u32(msg, HUSK_A_VM_ID, id);
		if (vcpu >= 0)
			nla_put_u32(msg, HUSK_A_VM_VCPU_ID, vcpu);
	}
	return husk_nl_exchange(nl, msg, NULL, NULL);
}

int husk_nl_set(struct husk_nl *nl, uint32_t id, const struct husk_nl_set *set)
{
	struct nl_msg *msg = husk_nl_request(nl, HUSK_CMD_VM_SET, 0);

	if (msg) {
		nla_put_u32(msg, HUSK_A_VM_ID, id);
		if (set->has_cpu_limit)
			nla_put_u32(msg, HUSK_A_VM_CPU_LIMIT, set->cpu_limit);
		if (set->has_exit_limit)
			nla_put_u32(msg, HUSK_A_VM_EXIT_LIMIT, set->exit_limit);
		if (set->has_stats_ms)
			nla_put_u32(msg, HUSK_A_VM_STATS_MS, set->stats_ms);
	}
	return husk_nl_exchange(nl, msg, NULL, NULL);
}

static int on_start(struct nlattr *attrs, int len, void *arg)
{
	struct nlattr *tb[HUSK_A_START_MAX + 1];
	struct husk_nl_start *start = arg;

	nla_parse(tb, HUSK_A_START_MAX, attrs, len, NULL);
	start->error = attr_u32(tb[HUSK_A_START_ERROR]);
	start->vm_id = attr_u32(tb[HUSK_A_START_VM_ID]);
	attr_string(tb[HUSK_A_START_MESSAGE], start->message, sizeof(start->message));
	return 0;
}

#define START_GRACE_S	5	/* for the kernel's word that the time is over */

int husk_nl_start(struct husk_nl *nl, const char *name, uint32_t timeout_ms, uint32_t *vm_id)
{
	struct timeval wait = { .tv_sec = timeout_ms / 1000 + START_GRACE_S }, ever = {};
	struct nl_msg *msg = husk_nl_request(nl, HUSK_CMD_VM_START, 0);
	struct husk_nl_start start = {};
	struct ask ask = { .nl = nl, .fn = on_start, .arg = &start, .answered = true };
	int ret;

	if (msg) {
		nla_put_string(msg, HUSK_A_START_NAME, name);
		nla_put_u32(msg, HUSK_A_START_TIMEOUT_MS, timeout_ms);
	}
	nl_socket_disable_auto_ack(nl->sock);
	setsockopt(nl_socket_get_fd(nl->sock), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	ret = exchange(&ask, msg);
	setsockopt(nl_socket_get_fd(nl->sock), SOL_SOCKET, SO_RCVTIMEO, &ever, sizeof(ever));
	nl_socket_enable_auto_ack(nl->sock);
	if (ret == -EAGAIN && !ask.done)
		return husk_nl_fail(nl, -ETIMEDOUT, "the kernel module did not answer in time");
	if (ret)
		return ret;
	*vm_id = start.vm_id;
	return start.error ? husk_nl_fail(nl, -(int)start.error, *start.message ? start.message : strerror(start.error)) : 0;
}

static void add_mode(struct nlattr *nest, struct husk_nl_caps *caps)
{
	struct nlattr *tb[HUSK_A_MODE_MAX + 1];

	if (caps->modes >= sizeof(caps->mode) / sizeof(caps->mode[0]))
		return;
	nla_parse_nested(tb, HUSK_A_MODE_MAX, nest, NULL);
	attr_string(tb[HUSK_A_MODE_NAME], caps->mode[caps->modes].name, HUSK_MODES_LEN);
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
	caps->abi_version = attr_u32(tb[HUSK_A_CAPS_ABI_VERSION]);
	caps->max_vms = attr_u32(tb[HUSK_A_CAPS_MAX_VMS]);
	caps->max_vcpus = attr_u32(tb[HUSK_A_CAPS_MAX_VCPUS]);
	caps->max_slots = attr_u32(tb[HUSK_A_CAPS_MAX_SLOTS]);
	caps->event_seq = attr_u64(tb[HUSK_A_CAPS_EVENT_SEQ]);
	caps->fault_seq = attr_u64(tb[HUSK_A_CAPS_FAULT_SEQ]);
	caps->daemon_pid = attr_u32(tb[HUSK_A_CAPS_DAEMON_PID]);
	nla_for_each_attr(a, attrs, len, left)
		if (nla_type(a) == HUSK_A_CAPS_MODE)
			add_mode(a, caps);
	return 0;
}

int husk_nl_caps(struct husk_nl *nl, struct husk_nl_caps *out)
{
	return husk_nl_exchange(nl, husk_nl_request(nl, HUSK_CMD_CAPS_GET, 0), on_caps, out);
}
