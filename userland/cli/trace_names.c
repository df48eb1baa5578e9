// SPDX-License-Identifier: GPL-2.0
/* Names of VMs by id, see trace.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "trace.h"
#include "vm.h"

struct trace_names {
	struct husk_nl *nl;
	size_t count;
	struct {
		uint32_t id;
		char name[HUSK_NAME_LEN];
	} *vm;
};

/* NULL: never asked for. "": not to be found */
static const char *find_name(const struct trace_names *names, uint32_t id)
{
	for (size_t i = 0; i < names->count; i++)
		if (names->vm[i].id == id)
			return names->vm[i].name;
	return NULL;
}

static void add_name(struct trace_names *names, uint32_t id, const char *name)
{
	if (find_name(names, id))
		return;
	names->vm = reallocarray(names->vm, names->count + 1, sizeof(*names->vm));
	if (!names->vm)
		die(HUSK_STATUS_FAIL, "out of memory");
	names->vm[names->count].id = id;
	strcpy(names->vm[names->count++].name, name);
}

void trace_names_update(struct trace_names *names)
{
	size_t count;
	struct husk_nl_vm *vm = vm_list(names->nl, &count);

	for (size_t i = 0; i < count; i++)
		add_name(names, vm[i].id, vm[i].name);
	free(vm);
}

const char *trace_name(struct trace_names *names, uint32_t id)
{
	const char *name = find_name(names, id);

	if (name)
		return name;
	trace_names_update(names);
	add_name(names, id, "");
	return find_name(names, id);
}

const char *trace_label(struct trace_names *names, uint32_t id, struct trace_label *label)
{
	const char *name = trace_name(names, id);

	if (*name)
		return name;
	snprintf(label->s, sizeof(label->s), "id %" PRIu32, id);
	return label->s;
}

struct trace_names *trace_names_open(struct husk_nl *nl)
{
	struct trace_names *names = calloc(1, sizeof(*names));

	if (!names)
		die(HUSK_STATUS_FAIL, "out of memory");
	names->nl = nl;
	trace_names_update(names);
	return names;
}

void trace_names_close(struct trace_names *names)
{
	free(names->vm);
	free(names);
}
