// SPDX-License-Identifier: GPL-2.0
/* husk ls: the VMs that the caller may see. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "format.h"
#include "table.h"
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
	static const struct table_column columns[] = {
		{ "ID", TABLE_RIGHT }, { "NAME", TABLE_CUT }, { "STATE", TABLE_LEFT }, { "VCPUS", TABLE_RIGHT },
		{ "MEMORY", TABLE_RIGHT }, { "MAPPED", TABLE_RIGHT }, { "PID", TABLE_RIGHT },
		{ "OWNER", TABLE_RIGHT }, { "AGE", TABLE_RIGHT }, { }
	};
	uint64_t now = vm_now();
	struct table table;
	struct text t;

	table_init(&table, columns);
	for (size_t i = 0; i < count; i++) {
		table_cell(&table, "%" PRIu32, vm[i].id);
		table_cell(&table, "%s", vm[i].name);
		table_coloured(&table, term_state_colour(vm[i].state), "%s", husk_vm_state_name(vm[i].state));
		table_cell(&table, "%" PRIu32, vm[i].vcpus);
		table_cell(&table, "%s", format_bytes(&t, vm[i].memory));
		table_cell(&table, "%s", format_bytes(&t, vm[i].mapped_pages * 4096));
		table_cell(&table, "%" PRIu32, vm[i].owner_pid);
		table_cell(&table, "%" PRIu32, vm[i].owner_uid);
		table_cell(&table, "%s", format_age(&t, now - vm[i].created_ns));
	}
	table_finish(&table);
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
