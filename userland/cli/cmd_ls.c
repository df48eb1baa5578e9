// SPDX-License-Identifier: GPL-2.0
/* husk ls: the VMs that the caller may see. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "defined.h"
#include "format.h"
#include "table.h"
#include "vm.h"

static const char ls_usage[] =
	"usage: husk ls [--all] [--json]\n"
	"\n"
	"List your VMs; root sees all. MAPPED is the memory that the guest has touched,\n"
	"PID the worker process. With --all also those that are defined and do not run: they\n"
	"are off, or waiting for the daemon to start them again.\n";

/* Live ones, then those that are off */
struct listing {
	struct husk_nl_vm *vm;
	size_t count;
	const struct husk_nl_vm **by_name;
	char (*off)[HUSK_NAME_LEN];
	size_t offs, room;
};

static int by_name(const void *a, const void *b)
{
	return strcmp((*(const struct husk_nl_vm * const *)a)->name, (*(const struct husk_nl_vm * const *)b)->name);
}

static int is_name(const void *name, const void *vm)
{
	return strcmp(name, (*(const struct husk_nl_vm * const *)vm)->name);
}

static int add_off(const char *name, void *arg)
{
	struct listing *l = arg;

	if (l->count && bsearch(name, l->by_name, l->count, sizeof(*l->by_name), is_name))
		return 0;
	if (l->offs == l->room) {
		l->room = l->room ? 2 * l->room : 16;
		l->off = reallocarray(l->off, l->room, sizeof(*l->off));
		if (!l->off)
			die(HUSK_STATUS_FAIL, "out of memory");
	}
	snprintf(l->off[l->offs++], HUSK_NAME_LEN, "%s", name);
	return 0;
}

static void add_all_off(struct listing *l)
{
	l->by_name = calloc(l->count + 1, sizeof(*l->by_name));
	if (!l->by_name)
		die(HUSK_STATUS_FAIL, "out of memory");
	for (size_t i = 0; i < l->count; i++)
		l->by_name[i] = &l->vm[i];
	qsort(l->by_name, l->count, sizeof(*l->by_name), by_name);
	husk_definition_names(HUSK_DEFINITIONS, add_off, l);
	free(l->by_name);
}

static const char *off_state(const char *name)
{
	switch (defined_state(name)) {
	case DEFINED_WAITING:
		return "waiting";
	case DEFINED_LIVE:	/* the VM is not there yet, or not any more */
		return "changing";
	case DEFINED_UNKNOWN:
		return "not running";
	default:
		return "off";
	}
}

static void ls_json(const struct listing *l)
{
	const char *before = "\n {";

	printf("[");
	for (size_t i = 0; i < l->count; i++, before = ",\n {") {
		fputs(before, stdout);
		vm_json(&l->vm[i]);
		printf(", \"defined\": %s}", defined_exists(l->vm[i].name) ? "true" : "false");
	}
	for (size_t i = 0; i < l->offs; i++, before = ",\n {") {
		printf("%s\"name\": ", before);
		json_string(l->off[i]);
		printf(", \"state\": \"%s\", \"defined\": true, \"autostart\": %s}", off_state(l->off[i]),
		       defined_autostart(l->off[i]) ? "true" : "false");
	}
	printf(l->count + l->offs ? "\n]\n" : "]\n");
}

static void live_row(struct table *table, const struct husk_nl_vm *vm, uint64_t now)
{
	struct text t;

	table_cell(table, "%" PRIu32, vm->id);
	table_cell(table, "%s", vm->name);
	table_coloured(table, term_state_colour(vm->state), "%s", husk_vm_state_name(vm->state));
	table_cell(table, "%" PRIu32, vm->vcpus);
	table_cell(table, "%s", format_bytes(&t, vm->memory));
	table_cell(table, "%s", format_bytes(&t, vm->mapped_pages * 4096));
	table_cell(table, "%" PRIu32, vm->owner_pid);
	table_cell(table, "%" PRIu32, vm->owner_uid);
	table_cell(table, "%s", format_age(&t, now - vm->created_ns));
}

static void off_row(struct table *table, const char *name)
{
	table_cell(table, "-");
	table_cell(table, "%s", name);
	table_cell(table, "%s", off_state(name));
	for (int i = 0; i < 6; i++)
		table_cell(table, "-");
}

static void ls_table(const struct listing *l)
{
	static const struct table_column columns[] = {
		{ "ID", TABLE_RIGHT }, { "NAME", TABLE_CUT }, { "STATE", TABLE_LEFT }, { "VCPUS", TABLE_RIGHT },
		{ "MEMORY", TABLE_RIGHT }, { "MAPPED", TABLE_RIGHT }, { "PID", TABLE_RIGHT },
		{ "OWNER", TABLE_RIGHT }, { "AGE", TABLE_RIGHT }, { }
	};
	uint64_t now = vm_now();
	struct table table;

	table_init(&table, columns);
	for (size_t i = 0; i < l->count; i++)
		live_row(&table, &l->vm[i], now);
	for (size_t i = 0; i < l->offs; i++)
		off_row(&table, l->off[i]);
	table_finish(&table);
}

int cmd_ls(int argc, char **argv)
{
	static const struct option options[] = {
		{ "all", no_argument, NULL, 'a' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	struct listing l = {};
	struct husk_nl *nl;
	bool json = false, all = false;
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c != 'a' && c != 'j')
			usage(ls_usage, c == 'h');
		all |= c == 'a';
		json |= c == 'j';
	}
	if (optind < argc)
		usage(ls_usage, false);
	nl = vm_connect();
	l.vm = vm_list(nl, &l.count);
	if (all)
		add_all_off(&l);
	if (json)
		ls_json(&l);
	else
		ls_table(&l);
	free(l.vm);
	free(l.off);
	husk_nl_close(nl);
	return HUSK_STATUS_OK;
}
