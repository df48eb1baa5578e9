// SPDX-License-Identifier: GPL-2.0
/* Client of the generic-netlink family "husk", see netlink.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/genl.h"
#include "lib/netlink.h"

/* Room for some 2,500 events; the default holds about 250. */
#define EVENT_BUFFER	(1 << 20)

struct husk_nl {
	struct genl genl;
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

const char *husk_nl_error(const struct husk_nl *nl)
{
	return nl ? nl->genl.error : "out of memory";
}

void husk_nl_close(struct husk_nl *nl)
{
	if (nl)
		genl_close(&nl->genl);
	free(nl);
}

int husk_nl_open(struct husk_nl **out)
{
	struct husk_nl *nl = calloc(1, sizeof(*nl));
	int ret;

	*out = nl;
	if (!nl)
		return -ENOMEM;
	ret = genl_open(&nl->genl, HUSK_FAMILY_NAME, HUSK_FAMILY_VERSION, HUSK_MCGRP_LIFECYCLE);
	if (ret == -ENOENT)
		return genl_fail(&nl->genl, -ENODEV, "the kernel module husk is not loaded (load it: modprobe husk)");
	return ret;
}

static int ask_id(struct husk_nl *nl, int cmd, int flags, uint32_t id, genl_fn *fn, void *arg)
{
	struct genl_request r;

	genl_start(&nl->genl, &r, cmd, flags);
	genl_put_u32(&r, HUSK_A_VM_ID, id);
	return genl_exchange(&nl->genl, &r, fn, arg);
}

/* ---- attributes into structs; what is absent stays 0 ---- */

static void parse_vm(const struct nlattr *attrs, int len, struct husk_nl_vm *vm)
{
	const struct nlattr *tb[HUSK_A_VM_MAX + 1];

	genl_parse(tb, HUSK_A_VM_MAX, attrs, len);
	vm->id = genl_u32(tb[HUSK_A_VM_ID]);
	vm->owner_uid = genl_u32(tb[HUSK_A_VM_OWNER_UID]);
	vm->owner_pid = genl_u32(tb[HUSK_A_VM_OWNER_PID]);
	vm->state = genl_u32(tb[HUSK_A_VM_STATE]);
	vm->vcpus = genl_u32(tb[HUSK_A_VM_VCPUS]);
	vm->memory = genl_u64(tb[HUSK_A_VM_MEMORY]);
	vm->created_ns = genl_u64(tb[HUSK_A_VM_CREATED_NS]);
	vm->mapped_pages = genl_u64(tb[HUSK_A_VM_MAPPED_PAGES]);
	vm->table_pages = genl_u64(tb[HUSK_A_VM_TABLE_PAGES]);
	genl_bytes(tb[HUSK_A_VM_UUID], vm->uuid, sizeof(vm->uuid));
	genl_string(tb[HUSK_A_VM_NAME], vm->name, sizeof(vm->name));
	genl_string(tb[HUSK_A_VM_CONTROL], vm->control, sizeof(vm->control));
}

static void add_exits(const struct nlattr *nest, struct husk_nl_vcpu *vcpu)
{
	const struct nlattr *tb[HUSK_A_EXITS_MAX + 1];
	uint32_t reason, level;

	genl_parse_nest(tb, HUSK_A_EXITS_MAX, nest);
	reason = genl_u32(tb[HUSK_A_EXITS_REASON]);
	level = genl_u32(tb[HUSK_A_EXITS_LEVEL]);
	if (reason >= HUSK_REASON_COUNT)
		reason = HUSK_REASON_OTHER;
	if (level >= HUSK_LEVEL_COUNT)
		level = HUSK_LEVEL_WORKER;
	vcpu->exits[reason][level] += genl_u64(tb[HUSK_A_EXITS_COUNT]);
}

static void parse_vcpu(const struct nlattr *nest, struct husk_nl_vcpu *vcpu)
{
	const struct nlattr *tb[HUSK_A_VCPU_MAX + 1], *a;
	int len = genl_len(nest);

	memset(vcpu, 0, sizeof(*vcpu));
	genl_parse_nest(tb, HUSK_A_VCPU_MAX, nest);
	vcpu->id = genl_u32(tb[HUSK_A_VCPU_ID]);
	vcpu->cpu = (int32_t)genl_u32(tb[HUSK_A_VCPU_CPU]);
	vcpu->mp_state = genl_u32(tb[HUSK_A_VCPU_MP_STATE]);
	vcpu->entries = genl_u64(tb[HUSK_A_VCPU_ENTRIES]);
	vcpu->user_returns = genl_u64(tb[HUSK_A_VCPU_USER_RETURNS]);
	vcpu->injections = genl_u64(tb[HUSK_A_VCPU_INJECTIONS]);
	vcpu->halted_ns = genl_u64(tb[HUSK_A_VCPU_HALTED_NS]);
	genl_for_each(a, genl_data(nest), len)
		if (genl_type(a) == HUSK_A_VCPU_EXITS)
			add_exits(a, vcpu);
}

/* ---- requests ---- */

static int on_show(const struct nlattr *attrs, int len, void *arg)
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
	struct genl_request r;
	unsigned long id;
	int ret = -ENOENT;
	char *end;

	if (*vm && strlen(vm) < HUSK_NAME_LEN) {
		genl_start(&nl->genl, &r, HUSK_CMD_VM_GET, 0);
		genl_put(&r, HUSK_A_VM_NAME, vm, strlen(vm) + 1);
		ret = genl_exchange(&nl->genl, &r, on_show, out);
	}
	id = strtoul(vm, &end, 10);
	if (ret == -ENOENT && *vm >= '0' && *vm <= '9' && !*end && id && id <= UINT32_MAX)
		ret = husk_nl_show_id(nl, id, out);
	if (ret == -ENOENT)
		genl_fail(&nl->genl, ret, "no such VM (husk ls lists them)");
	return ret;
}

struct list {
	int (*vm)(const struct husk_nl_vm *vm, void *arg);
	int (*vcpu)(const struct husk_nl_vcpu *vcpu, void *arg);
	void *arg;
};

static int on_list(const struct nlattr *attrs, int len, void *arg)
{
	struct list *list = arg;
	struct husk_nl_vm vm;

	parse_vm(attrs, len, &vm);
	return list->vm(&vm, list->arg);
}

int husk_nl_list(struct husk_nl *nl, int (*fn)(const struct husk_nl_vm *vm, void *arg), void *arg)
{
	struct list list = { .vm = fn, .arg = arg };
	struct genl_request r;

	genl_start(&nl->genl, &r, HUSK_CMD_VM_GET, NLM_F_DUMP);
	return genl_exchange(&nl->genl, &r, on_list, &list);
}

static int on_vcpu(const struct nlattr *attrs, int len, void *arg)
{
	const struct nlattr *tb[HUSK_A_VM_MAX + 1];
	struct list *list = arg;
	struct husk_nl_vcpu vcpu;

	genl_parse(tb, HUSK_A_VM_MAX, attrs, len);
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
	struct genl_request r;

	genl_start(&nl->genl, &r, HUSK_CMD_VM_STOP, 0);
	genl_put_u32(&r, HUSK_A_VM_ID, id);
	genl_put_u32(&r, HUSK_A_VM_TIMEOUT_MS, timeout_ms);
	return genl_exchange(&nl->genl, &r, NULL, NULL);
}

int husk_nl_kill(struct husk_nl *nl, uint32_t id)
{
	return ask_id(nl, HUSK_CMD_VM_KILL, 0, id, NULL, NULL);
}

static void add_mode(const struct nlattr *nest, struct husk_nl_caps *caps)
{
	const struct nlattr *tb[HUSK_A_MODE_MAX + 1];

	if (caps->modes >= sizeof(caps->mode) / sizeof(caps->mode[0]))
		return;
	genl_parse_nest(tb, HUSK_A_MODE_MAX, nest);
	genl_string(tb[HUSK_A_MODE_NAME], caps->mode[caps->modes].name, HUSK_MODES_LEN);
	caps->mode[caps->modes].present = tb[HUSK_A_MODE_PRESENT];
	caps->mode[caps->modes].usable = tb[HUSK_A_MODE_USABLE];
	caps->modes++;
}

static int on_caps(const struct nlattr *attrs, int len, void *arg)
{
	const struct nlattr *tb[HUSK_A_CAPS_MAX + 1], *a;
	struct husk_nl_caps *caps = arg;

	memset(caps, 0, sizeof(*caps));
	genl_parse(tb, HUSK_A_CAPS_MAX, attrs, len);
	caps->abi_version = genl_u32(tb[HUSK_A_CAPS_ABI_VERSION]);
	caps->max_vms = genl_u32(tb[HUSK_A_CAPS_MAX_VMS]);
	caps->max_vcpus = genl_u32(tb[HUSK_A_CAPS_MAX_VCPUS]);
	caps->max_slots = genl_u32(tb[HUSK_A_CAPS_MAX_SLOTS]);
	caps->event_seq = genl_u64(tb[HUSK_A_CAPS_EVENT_SEQ]);
	genl_for_each(a, attrs, len)
		if (genl_type(a) == HUSK_A_CAPS_MODE)
			add_mode(a, caps);
	return 0;
}

int husk_nl_caps(struct husk_nl *nl, struct husk_nl_caps *out)
{
	struct genl_request r;

	genl_start(&nl->genl, &r, HUSK_CMD_CAPS_GET, 0);
	return genl_exchange(&nl->genl, &r, on_caps, out);
}

/* ---- events ---- */

int husk_nl_fd(const struct husk_nl *nl)
{
	return nl->genl.fd;
}

int husk_nl_subscribe(struct husk_nl *nl)
{
	struct genl *g = &nl->genl;
	int size = EVENT_BUFFER;

	if (!g->group)
		return genl_fail(g, -ENODEV, "this kernel module has no lifecycle events");
	if (setsockopt(g->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(g->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	if (setsockopt(g->fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &g->group, sizeof(g->group)))
		return genl_fail(g, -errno, "not permitted: lifecycle events need CAP_NET_ADMIN (run it as root)");
	return 0;
}

struct listener {
	void (*fn)(const struct husk_nl_event *event, void *arg);
	void *arg;
};

static int on_event(const struct nlattr *attrs, int len, void *arg)
{
	const struct nlattr *tb[HUSK_A_EVENT_MAX + 1];
	struct listener *listener = arg;
	struct husk_nl_event event;

	genl_parse(tb, HUSK_A_EVENT_MAX, attrs, len);
	event.seq = genl_u64(tb[HUSK_A_EVENT_SEQ]);
	event.kind = genl_u32(tb[HUSK_A_EVENT_KIND]);
	event.vm_id = genl_u32(tb[HUSK_A_EVENT_VM_ID]);
	event.detail = genl_u64(tb[HUSK_A_EVENT_DETAIL]);
	genl_string(tb[HUSK_A_EVENT_VM_NAME], event.name, sizeof(event.name));
	genl_bytes(tb[HUSK_A_EVENT_VM_UUID], event.uuid, sizeof(event.uuid));
	listener->fn(&event, listener->arg);
	return 0;
}

int husk_nl_read_events(struct husk_nl *nl, void (*fn)(const struct husk_nl_event *event, void *arg), void *arg)
{
	struct listener listener = { fn, arg };

	return genl_read_events(&nl->genl, HUSK_CMD_EVENT, on_event, &listener);
}
