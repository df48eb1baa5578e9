// SPDX-License-Identifier: GPL-2.0
/* husk ls: the VMs that the caller may see. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "format.h"
#include "vm.h"

static const char ls_usage[] =
	"usage: husk ls [--json]\n"
	"\n"
	"List your VMs; root sees all. MAPPED is the memory that the guest has touched,\n"
	"PID the worker process.\n";

static void ls_json(const struct husk_nl_vm *vm, size_t count)
{
	printf("[");
	for (size_t i = 0; i < count; i++) {
		printf(i ? ",\n {" : "\n {");
		vm_json(&vm[i]);
		printf("}");
	}
	printf(count ? "\n]\n" : "]\n");
}

static void ls_table(const struct husk_nl_vm *vm, size_t count)
{
	int width = strlen("NAME");
	struct text memory, mapped, age;
	uint64_t now = vm_now();
	size_t i;

	for (i = 0; i < count; i++)
		if ((int)strlen(vm[i].name) > width)
			width = strlen(vm[i].name);
	printf("%6s  %-*s  %-8s %5s  %8s  %8s  %7s  %6s  %11s\n",
	       "ID", width, "NAME", "STATE", "VCPUS", "MEMORY", "MAPPED", "PID", "OWNER", "AGE");
	for (i = 0; i < count; i++)
		printf("%6" PRIu32 "  %-*s  %-8s %5" PRIu32 "  %8s  %8s  %7" PRIu32 "  %6" PRIu32 "  %11s\n",
		       vm[i].id, width, vm[i].name, husk_vm_state_name(vm[i].state), vm[i].vcpus,
		       format_bytes(&memory, vm[i].memory), format_bytes(&mapped, vm[i].mapped_pages * 4096),
		       vm[i].owner_pid, vm[i].owner_uid, format_age(&age, now - vm[i].created_ns));
}

int cmd_ls(int argc, char **argv)
{
	struct husk_nl_vm *vm;
	struct husk_nl *nl;
	bool json = false;
	size_t count;

	parse_plain(argc, argv, ls_usage, &json, 0, 0);
	nl = vm_connect();
	vm = vm_list(nl, &count);
	if (json)
		ls_json(vm, count);
	else
		ls_table(vm, count);
	free(vm);
	husk_nl_close(nl);
	return HUSK_STATUS_OK;
}
