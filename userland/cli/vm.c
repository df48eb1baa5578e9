// SPDX-License-Identifier: GPL-2.0
/* What the commands on live VMs share, see vm.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "format.h"
#include "lib/tools.h"
#include "vm.h"

static enum husk_status vm_status(int err)
{
	switch (-err) {
	case ENOENT:
		return HUSK_STATUS_NAME;
	case ENODEV:
	case EPERM:
	case EACCES:
		return HUSK_STATUS_HOST;
	default:
		return HUSK_STATUS_FAIL;
	}
}

void vm_die(const struct husk_nl *nl, int err, const char *verb, const char *name)
{
	die(vm_status(err), "cannot %s%s%s: %s", verb, *name ? " " : "", name, husk_nl_error(nl));
}

struct husk_nl *vm_connect(void)
{
	struct husk_nl *nl;
	int err = husk_nl_open(&nl);

	if (err)
		die(vm_status(err), "%s", husk_nl_error(nl));
	return nl;
}

void vm_find(struct husk_nl *nl, const char *name, struct husk_nl_vm *vm)
{
	int err = husk_nl_show(nl, name, vm);

	if (err)
		vm_die(nl, err, "find", name);
}

struct vm_array {
	struct husk_nl_vm *vm;
	size_t count, room;
};

static int vm_add(const struct husk_nl_vm *vm, void *arg)
{
	struct vm_array *a = arg;

	if (a->count == a->room) {
		a->room = a->room ? 2 * a->room : 16;
		a->vm = reallocarray(a->vm, a->room, sizeof(*a->vm));
		if (!a->vm)
			die(HUSK_STATUS_FAIL, "out of memory");
	}
	a->vm[a->count++] = *vm;
	return 0;
}

struct husk_nl_vm *vm_list(struct husk_nl *nl, size_t *count)
{
	struct vm_array a = {};
	int err = husk_nl_list(nl, vm_add, &a);

	if (err)
		vm_die(nl, err, "list VMs", "");
	*count = a.count;
	return a.vm;
}

void vm_json(const struct husk_nl_vm *vm)
{
	struct text uuid;

	printf("\"id\": %" PRIu32 ", \"name\": ", vm->id);
	json_string(vm->name);
	printf(", \"uuid\": \"%s\", \"state\": \"%s\", \"owner_uid\": %" PRIu32 ", \"owner_pid\": %" PRIu32,
	       format_uuid(&uuid, vm->uuid), husk_vm_state_name(vm->state), vm->owner_uid, vm->owner_pid);
	printf(", \"control\": ");
	json_string(vm->control);
	printf(", \"vcpus\": %" PRIu32 ", \"memory\": %" PRIu64 ", \"mapped_pages\": %" PRIu64
	       ", \"table_pages\": %" PRIu64 ", \"created_ns\": %" PRIu64,
	       vm->vcpus, vm->memory, vm->mapped_pages, vm->table_pages, vm->created_ns);
	printf(", \"run_ns\": %" PRIu64 ", \"held_ns\": %" PRIu64 ", \"cpu_limit\": %" PRIu32 ", \"exit_limit\": %" PRIu32
	       ", \"stats_ms\": %" PRIu32, vm->run_ns, vm->held_ns, vm->cpu_limit, vm->exit_limit, vm->stats_ms);
}

uint64_t vm_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

#define QUIET_MS	2000	/* silence before we say that we wait */
#define PATIENCE_MS	5000
#define PASS_PATIENCE_MS	60000

static void patience(int fd, unsigned int ms)
{
	const struct timeval limit = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

static size_t ask(const struct husk_nl_vm *vm, const char *line, int pass, char *answer, size_t room, unsigned int ms)
{
	int fd = husk_control_pass(vm->control, vm->owner_uid, line, pass);
	bool late = ms <= QUIET_MS;
	size_t len = 0;
	ssize_t n;

	*answer = 0;
	if (fd < 0)
		return 0;
	patience(fd, late ? ms : QUIET_MS);
	while (len + 1 < room) {
		n = recv(fd, answer + len, room - 1 - len, 0);
		if (n > 0) {
			len += n;
		} else if (n < 0 && errno == EAGAIN && !late) {
			late = true;
			if (isatty(STDERR_FILENO))
				complain("waiting for the answer of %s", vm->name);
			patience(fd, ms - QUIET_MS);
		} else {
			break;
		}
	}
	answer[len] = 0;
	close(fd);
	return len;
}

size_t vm_ask_for(const struct husk_nl_vm *vm, const char *line, char *answer, size_t room, unsigned int ms)
{
	return ask(vm, line, -1, answer, room, ms);
}

size_t vm_ask(const struct husk_nl_vm *vm, const char *line, char *answer, size_t room)
{
	return ask(vm, line, -1, answer, room, PATIENCE_MS);
}

size_t vm_pass(const struct husk_nl_vm *vm, const char *line, int pass, char *answer, size_t room)
{
	return ask(vm, line, pass, answer, room, PASS_PATIENCE_MS);
}
