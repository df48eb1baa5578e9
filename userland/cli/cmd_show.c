// SPDX-License-Identifier: GPL-2.0
/* husk show: one VM, its vCPUs, its exits by reason and level with their times, and the machine that the guest sees. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "format.h"
#include "stat.h"
#include "table.h"
#include "vm.h"

static const char show_usage[] =
	"usage: husk show [--json] VM\n"
	"\n"
	"Show a VM by name or id: state, owner, memory, vCPUs, and its exits by reason\n"
	"and by who served them: the fast loop, the rest of the kernel module, the worker;\n"
	"with their mean time, and the times that half and 99 of 100 did not exceed (to a\n"
	"power of two; husk stat has more, and of an interval).\n"
	"Its user and root also see the devices of the guest: addresses, interrupts, and\n"
	"where their data path runs.\n";

#define SHOW_VCPUS	1024	/* more than any kernel module allows */

struct show {
	struct {
		struct husk_nl_vcpu vcpu;
		struct stat_sums sums;
	} *of[SHOW_VCPUS];
	size_t count;
	uint32_t tsc_khz;	/* 0: nothing was timed */
};

static int show_add(const struct husk_nl_vcpu *vcpu, void *arg)
{
	struct show *show = arg;

	if (show->count == SHOW_VCPUS)
		return 0;
	show->of[show->count] = calloc(1, sizeof(*show->of[0]));
	if (!show->of[show->count])
		die(HUSK_STATUS_FAIL, "out of memory");
	show->of[show->count]->vcpu = *vcpu;
	stat_add_vcpu(&show->of[show->count++]->sums, vcpu);
	return 0;
}

static int show_add_times(const struct husk_nl_times *times, void *arg)
{
	struct show *show = arg;

	for (size_t i = 0; i < show->count; i++)
		if (show->of[i]->vcpu.id == times->vcpu)
			stat_add_times(&show->of[i]->sums, times);
	show->tsc_khz = times->tsc_khz;
	return 0;
}

static void show_vcpu_json(const struct husk_nl_vcpu *v, const struct stat_sums *sums)
{
	const char *comma = "";

	printf("{\"id\": %" PRIu32 ", \"cpu\": %" PRId32 ", \"state\": \"%s\", \"entries\": %" PRIu64
	       ", \"user_returns\": %" PRIu64 ", \"injections\": %" PRIu64 ", \"halted_ns\": %" PRIu64
	       ", \"poll_hits\": %" PRIu64 ", \"poll_misses\": %" PRIu64 ", \"yields\": %" PRIu64 ", \"exits\": [",
	       v->id, v->cpu, husk_mp_state_name(v->mp_state), v->entries,
	       v->user_returns, v->injections, v->halted_ns, v->poll_hits, v->poll_misses, v->yields);
	for (int r = 0; r < HUSK_REASON_COUNT; r++) {
		for (int l = 0; l < HUSK_LEVEL_COUNT; l++) {
			if (!v->exits[r][l])
				continue;
			printf("%s{\"reason\": \"%s\", \"level\": \"%s\", \"count\": %" PRIu64 "}",
			       comma, husk_reason_name(r), husk_level_name(l), v->exits[r][l]);
			comma = ", ";
		}
	}
	printf("],\n   \"times\": ");
	stat_json(sums, "\n    ");
	printf("}");
}

/* The worker's own words, if it is ours to ask */
static void show_machine(const struct husk_nl_vm *vm, bool json)
{
	static char answer[65536];
	size_t n = vm->control[0] ? vm_ask(vm, json ? "show-json\n" : "show\n", answer, sizeof(answer)) : 0;

	if (json) {
		printf(", \"machine\": ");
		json_ascii(n && format_is_object(answer) ? answer : "null");
	} else {
		fputs(format_plain(answer, true), stdout);
	}
}

static void show_json(const struct husk_nl_vm *vm, const struct show *show)
{
	printf("{");
	vm_json(vm);
	printf(", \"tsc_khz\": %" PRIu32 ", \"vcpu\": [", show->tsc_khz);
	for (size_t i = 0; i < show->count; i++) {
		printf(i ? ",\n  " : "\n  ");
		show_vcpu_json(&show->of[i]->vcpu, &show->of[i]->sums);
	}
	printf("]");
	show_machine(vm, true);
	printf("}\n");
}

static void show_vm(const struct husk_nl_vm *vm)
{
	char control[sizeof(vm->control)];
	struct text t, u;

	printf("%s\n", vm->name);
	printf("  id       %" PRIu32 "\n", vm->id);
	printf("  uuid     %s\n", format_uuid(&t, vm->uuid));
	printf("  state    %s%s%s\n", term_colour(term_state_colour(vm->state)), husk_vm_state_name(vm->state),
	       term_colour_end(term_state_colour(vm->state)));
	printf("  owner    uid %" PRIu32 ", pid %" PRIu32 "\n", vm->owner_uid, vm->owner_pid);
	if (vm->control[0])
		printf("  control  %s\n", format_plain(strcpy(control, vm->control), false));
	printf("  memory   %s, %s mapped", format_bytes(&t, vm->memory), format_bytes(&u, vm->mapped_pages * 4096));
	printf(", %s of page tables\n", format_bytes(&t, vm->table_pages * 4096));
	printf("  age      %s\n", format_age(&t, vm_now() - vm->created_ns));
	printf("  CPU time %s", format_ns(&t, vm->run_ns));
	if (vm->cpu_limit)
		printf(", limit %" PRIu32 "%% of a CPU", vm->cpu_limit);
	if (vm->exit_limit)
		printf(", limit %" PRIu32 " exits a second", vm->exit_limit);
	if (vm->cpu_limit || vm->exit_limit || vm->held_ns)
		printf(", held back for %s", format_ns(&t, vm->held_ns));
	printf("\n");
}

static void show_vcpus(const struct show *show)
{
	static const struct table_column columns[] = {
		{ "VCPU", TABLE_RIGHT }, { "STATE", TABLE_LEFT }, { "CPU", TABLE_RIGHT }, { "ENTRIES", TABLE_RIGHT },
		{ "TO WORKER", TABLE_RIGHT }, { "INJECTED", TABLE_RIGHT }, { "HALTED", TABLE_RIGHT }, { }
	};
	uint64_t hits = 0, misses = 0, yields = 0;
	struct table table;
	struct text t;

	table_init(&table, columns);
	for (size_t i = 0; i < show->count; i++) {
		const struct husk_nl_vcpu *v = &show->of[i]->vcpu;

		table_cell(&table, "%" PRIu32, v->id);
		table_cell(&table, "%s", husk_mp_state_name(v->mp_state));
		if (v->cpu < 0)
			table_cell(&table, "-");
		else
			table_cell(&table, "%" PRId32, v->cpu);
		table_cell(&table, "%" PRIu64, v->entries);
		table_cell(&table, "%" PRIu64, v->user_returns);
		table_cell(&table, "%" PRIu64, v->injections);
		table_cell(&table, "%s", format_ns(&t, v->halted_ns));
		hits += v->poll_hits;
		misses += v->poll_misses;
		yields += v->yields;
	}
	printf("\n");
	table_finish(&table);
	if (hits || misses || yields)
		printf("  HLT polled for an end: %" PRIu64 " times it came, %" PRIu64 " times not; CPU given to another vCPU: %" PRIu64 "\n",
		       hits, misses, yields);
}

static void show_reason(struct table *table, const char *name, const struct husk_exit_stats *s, uint32_t tsc_khz)
{
	const uint64_t ns[] = {
		stat_avg_ns(s, tsc_khz), stat_percentile_ns(s, 50, tsc_khz), stat_percentile_ns(s, 99, tsc_khz),
	};
	struct text t;

	table_cell(table, "%s", name);
	for (int l = 0; l < HUSK_LEVEL_COUNT; l++)
		table_cell(table, "%" PRIu64, (uint64_t)s->exits[l]);
	for (size_t i = 0; i < sizeof(ns) / sizeof(ns[0]); i++)
		table_cell(table, "%s", stat_timed(s) ? format_ns(&t, ns[i]) : "-");
}

/* All vCPUs together, in the order of the list of reasons */
static void show_exits(const struct show *show)
{
	struct table_column columns[] = {
		{ "EXIT", TABLE_LEFT }, [1 + HUSK_LEVEL_COUNT] = { "avg", TABLE_RIGHT }, { "p50", TABLE_RIGHT },
		{ "p99", TABLE_RIGHT }, { }
	};
	struct stat_sums all = { .tsc_khz = show->tsc_khz };
	struct table table;

	for (int l = 0; l < HUSK_LEVEL_COUNT; l++)
		columns[1 + l] = (struct table_column){ husk_level_name(l), TABLE_RIGHT };
	for (size_t i = 0; i < show->count; i++)
		stat_add(&all, &show->of[i]->sums);
	table_init(&table, columns);
	for (int r = 0; r < HUSK_REASON_COUNT; r++) {
		if (stat_count(&all.reason[r]))
			show_reason(&table, husk_reason_name(r), &all.reason[r], all.tsc_khz);
	}
	printf("\n");
	table_finish(&table);
}

int cmd_show(int argc, char **argv)
{
	static struct show show;
	struct husk_nl_vm vm;
	struct husk_nl *nl;
	bool json = false;
	int arg, err;

	arg = parse_plain(argc, argv, show_usage, &json, 1, 1);
	nl = vm_connect();
	vm_find(nl, argv[arg], &vm);
	err = husk_nl_vcpus(nl, vm.id, show_add, &show);
	if (!err)
		err = husk_nl_times(nl, vm.id, show_add_times, &show);
	if (err)
		vm_die(nl, err, "show", argv[arg]);
	if (json) {
		show_json(&vm, &show);
	} else {
		show_vm(&vm);
		show_vcpus(&show);
		show_exits(&show);
		show_machine(&vm, false);
	}
	while (show.count)
		free(show.of[--show.count]);
	husk_nl_close(nl);
	return HUSK_STATUS_OK;
}
