// SPDX-License-Identifier: GPL-2.0
/*
 * nl_rights ACTION...: what whoever runs it may do. Says "ACTION y" of what is done, "ACTION n" of
 * what is refused for want of rights, and "ACTION why" of another failure. An action is one of
 * the table below, with "=" and the name of a VM behind it where it is about one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <netlink/attr.h>

#include "lib/netlink.h"

#define START_MS	20000

static struct husk_nl *nl;

static int on_vm(const struct husk_nl_vm *vm, void *arg)
{
	return strcmp(vm->name, arg) ? 0 : 1;
}

static int list(const char *vm)
{
	int ret = husk_nl_list(nl, on_vm, (char *)vm);

	return ret == 1 ? 0 : ret ? ret : -EPERM;
}

/* The ids of VMs that are not one's own are not to be had: all by name */
static struct nl_msg *request(int cmd, int flags, const char *vm)
{
	struct nl_msg *msg = husk_nl_request(nl, cmd, flags);

	if (msg)
		nla_put_string(msg, HUSK_A_VM_NAME, vm);
	return msg;
}

#define PLAIN(fn, cmd, flags) \
static int fn(const char *vm) \
{ \
	return husk_nl_exchange(nl, request(HUSK_CMD_##cmd, flags, vm), NULL, NULL); \
}
PLAIN(show, VM_GET, 0)
PLAIN(vcpus, VCPU_GET, NLM_F_DUMP)
PLAIN(pause_vm, VM_PAUSE, 0)
PLAIN(resume, VM_RESUME, 0)
PLAIN(stop, VM_STOP, 0)
PLAIN(kill_vm, VM_KILL, 0)
PLAIN(button, VM_BUTTON, 0)
PLAIN(reset, VM_RESET, 0)
PLAIN(nmi, VM_NMI, 0)

static int set(const char *vm, int attr)
{
	struct nl_msg *msg = request(HUSK_CMD_VM_SET, 0, vm);

	if (msg)
		nla_put_u32(msg, attr, attr == HUSK_A_VM_CPU_LIMIT ? HUSK_CPU_LIMIT_MAX : 0);
	return husk_nl_exchange(nl, msg, NULL, NULL);
}

static int set_stats(const char *vm)
{
	return set(vm, HUSK_A_VM_STATS_MS);
}

static int set_limit(const char *vm)
{
	return set(vm, HUSK_A_VM_CPU_LIMIT);
}

static int caps(const char *vm)
{
	struct husk_nl_caps out;

	(void)vm;
	return husk_nl_caps(nl, &out);
}

static int group(enum husk_nl_group group)
{
	struct husk_nl *listener;
	int ret = husk_nl_open(&listener);

	if (!ret)
		ret = husk_nl_subscribe(listener, group);
	husk_nl_close(listener);
	return ret;
}

static int events(const char *vm)
{
	(void)vm;
	return group(HUSK_NL_LIFECYCLE);
}

static int faults(const char *vm)
{
	(void)vm;
	return group(HUSK_NL_FAULTS);
}

static int stats(const char *vm)
{
	(void)vm;
	return group(HUSK_NL_STATS);
}

static int daemon_of_all(const char *vm)
{
	struct husk_nl *mine;
	int ret = husk_nl_open(&mine);

	(void)vm;
	if (!ret)
		ret = husk_nl_daemon(mine);
	husk_nl_close(mine);
	return ret;
}

static int start(const char *vm)
{
	uint32_t id;

	return husk_nl_start(nl, vm, START_MS, &id);
}

static int device(const char *vm)
{
	int fd = open("/dev/husk", O_RDWR | O_CLOEXEC);

	(void)vm;
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static const struct {
	const char *name;
	int (*fn)(const char *vm);
} actions[] = {
	{ "list", list }, { "show", show }, { "vcpus", vcpus }, { "pause", pause_vm }, { "resume", resume }, { "stop", stop },
	{ "kill", kill_vm }, { "button", button }, { "reset", reset }, { "nmi", nmi }, { "set-stats", set_stats },
	{ "set-limit", set_limit }, { "caps", caps }, { "events", events }, { "faults", faults }, { "stats", stats },
	{ "daemon", daemon_of_all }, { "start", start }, { "device", device },
};

/* The family is not there in another network namespace: nothing can be asked. */
static void try(const char *action, int lacks)
{
	size_t len = strcspn(action, "=");
	int ret = -ENOSYS;

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
		if (strlen(actions[i].name) == len && !strncmp(action, actions[i].name, len))
			ret = lacks && actions[i].fn != device ? lacks : actions[i].fn(action + len + !!action[len]);
	if (!ret)
		printf("%s y\n", action);
	else if (ret == -EPERM || ret == -EACCES || ret == -ENODEV)
		printf("%s n\n", action);
	else
		printf("%s %s\n", action, strerror(-ret));
}

int main(int argc, char **argv)
{
	int lacks = husk_nl_open(&nl);

	for (int i = 1; i < argc; i++)
		try(argv[i], lacks);
	return 0;
}
