// SPDX-License-Identifier: GPL-2.0
/* husk top: what is counted. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "format.h"
#include "top.h"

#define ASK_MS		300	/* a worker's time to answer */
#define SILENT_ROUNDS	16	/* one that did not is left alone for so long */

/* ---- the list ---- */

struct listing {
	struct top_round *round;
	size_t room;
	uint32_t only;		/* 0: all */
};

static int add_vm(const struct husk_nl_vm *vm, void *arg)
{
	struct listing *l = arg;
	struct top_round *r = l->round;

	if (l->only && vm->id != l->only)
		return 0;
	if (r->count == l->room) {
		l->room = l->room ? 2 * l->room : 16;
		r->vm = reallocarray(r->vm, l->room, sizeof(*r->vm));
		if (!r->vm)
			die(HUSK_STATUS_FAIL, "out of memory");
	}
	r->vm[r->count++] = (struct top_vm){ .vm = *vm };
	return 0;
}

static int by_id(const void *a, const void *b)
{
	const struct top_vm *x = a, *y = b;

	return (x->vm.id > y->vm.id) - (x->vm.id < y->vm.id);
}

void top_sort(struct top_round *round, top_order *order)
{
	if (round->count)
		qsort(round->vm, round->count, sizeof(*round->vm), order ? order : by_id);
}

int top_list(struct husk_nl *nl, uint32_t only, struct top_round *round)
{
	struct listing l = { .round = round, .only = only };
	int err;

	*round = (struct top_round){};
	err = husk_nl_list(nl, add_vm, &l);
	round->time_ns = vm_now();
	top_sort(round, NULL);
	return err;
}

static const struct top_vm *find(const struct top_round *round, uint32_t id)
{
	const struct top_vm key = { .vm.id = id };

	return round->count ? bsearch(&key, round->vm, round->count, sizeof(key), by_id) : NULL;
}

void top_free(struct top_round *round)
{
	free(round->vm);
	free(round->policy);
	*round = (struct top_round){};
}

/* ---- counters of one VM ---- */

static int add_vcpu(const struct husk_nl_vcpu *vcpu, void *arg)
{
	struct top_counts *counts = arg;

	if (counts->vcpus < TOP_VCPUS)
		counts->vcpu[counts->vcpus++] = (struct top_vcpu){
			.waits = vcpu->mp_state != HUSK_MP_RUNNABLE,
			.entries = vcpu->entries,
			.halted_ns = vcpu->halted_ns,
		};
	stat_add_vcpu(&counts->sums, vcpu);
	return 0;
}

static int add_times(const struct husk_nl_times *times, void *arg)
{
	struct top_counts *counts = arg;

	stat_add_times(&counts->sums, times);
	return 0;
}

/* proc(5), /proc/pid/statm: the second number, in pages. For a pid that is another's by now it is wrong for a round. */
static uint64_t resident(uint32_t pid)
{
	unsigned long pages = 0;
	char path[40];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/statm", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%*u %lu", &pages) != 1)
		pages = 0;
	fclose(f);
	return (uint64_t)pages * sysconf(_SC_PAGESIZE);
}

/* All numbers of that name, if there are any. A quote within one of the answer's strings has a backslash before it, so none begins there. */
static bool sum_of(const char *json, const char *name, uint64_t *sum)
{
	char key[40];
	size_t n = snprintf(key, sizeof(key), "\"%s\": ", name);
	bool found = false;

	for (const char *at = json; (at = strstr(at, key)); at += n) {
		*sum += strtoull(at + n, NULL, 10);
		found = true;
	}
	return found;
}

static void count_io(struct top_vm *vm, const struct top_round *before)
{
	const struct top_vm *old = find(before, vm->vm.id);
	static const char * const names[] = {
#define X(id, name, column) name,
		TOP_IO(X)
#undef X
	};
	static char answer[65536];

	if (old && old->silent)
		vm->silent = old->silent - 1;
	if (!vm->vm.control[0] || vm->silent)
		return;
	if (!vm_ask_for(&vm->vm, "show-json\n", answer, sizeof(answer), ASK_MS) || !format_is_object(answer)) {
		vm->silent = SILENT_ROUNDS;
		return;
	}
	for (int i = 0; i < TOP_IO_COUNT; i++)
		vm->now.io_known[i] = sum_of(answer, names[i], &vm->now.io[i]);
	vm->now.io_ns = vm_now();
}

void top_count(struct husk_nl *nl, struct top_vm *vm, const struct top_round *before)
{
	if (vm->now.exits_known)
		return;
	vm->now.exits_known = !husk_nl_vcpus(nl, vm->vm.id, add_vcpu, &vm->now) &&
			      !husk_nl_times(nl, vm->vm.id, add_times, &vm->now);
	vm->now.exits_ns = vm_now();
	vm->resident = resident(vm->vm.owner_pid);
	count_io(vm, before);
}

/* ---- rates ---- */

static double rate(uint64_t now, uint64_t before, uint64_t ns)
{
	return now > before && ns ? (now - before) * 1e9 / ns : 0;
}

/* A wait counts when it ends, so what is added may be from before; and one that goes on has added nothing. */
static uint64_t halted(const struct top_vcpu *now, const struct top_vcpu *before, uint64_t ns)
{
	uint64_t added = now->halted_ns - before->halted_ns;

	if (now->waits && before->waits && now->entries == before->entries)
		return ns;
	return added < ns ? added : ns;
}

static void share_time(struct top_rates *r, const struct top_counts *now, const struct top_counts *before)
{
	struct top_time *time = &r->time;
	uint64_t ns = now->exits_ns - before->exits_ns, wait = 0, ticks = 0, entries = 0;
	unsigned int vcpus = now->vcpus < before->vcpus ? now->vcpus : before->vcpus;

	for (unsigned int i = 0; i < vcpus; i++) {
		wait += halted(&now->vcpu[i], &before->vcpu[i], ns);
		entries += now->vcpu[i].entries - before->vcpu[i].entries;
	}
	for (int i = 0; i < HUSK_REASON_COUNT; i++)
		ticks += r->since.reason[i].ticks;
	/* the module's parameter stats may be off */
	if (!vcpus || !ns || (entries && !r->all))
		return;
	time->known = true;
	r->vcpus_ns = ns * vcpus;
	time->halted = 100.0 * wait / ns / vcpus;
	time->exits = 100.0 * stat_ns(ticks, now->sums.tsc_khz) / ns / vcpus;
	if (time->exits > 100 - time->halted)
		time->exits = 100 - time->halted;
	time->guest = 100 - time->halted - time->exits;
	if (time->guest > r->cpu / vcpus)
		time->guest = r->cpu / vcpus;
}

static void rate_exits(struct top_rates *r, const struct top_counts *now, const struct top_counts *before)
{
	uint64_t ns = now->exits_ns - before->exits_ns;

	r->exits_known = now->exits_known && before->exits_known;
	if (!r->exits_known)
		return;
	stat_difference(&r->since, &now->sums, &before->sums);
	for (int i = 0; i < HUSK_REASON_COUNT; i++) {
		for (int l = 0; l < HUSK_LEVEL_COUNT; l++) {
			r->exits[i][l] = rate(r->since.reason[i].exits[l], 0, ns);
			r->level[l] += r->exits[i][l];
			r->all += r->exits[i][l];
		}
	}
	share_time(r, now, before);
}

void top_rate(struct top_vm *vm, const struct top_round *now, const struct top_round *before)
{
	const struct top_vm *old = find(before, vm->vm.id);
	struct top_rates *r = &vm->rate;

	*r = (struct top_rates){};
	if (!old)
		return;
	r->cpu_known = true;
	r->cpu = 100 * rate(vm->vm.run_ns, old->vm.run_ns, now->time_ns - before->time_ns) / 1e9;
	rate_exits(r, &vm->now, &old->now);
	for (int i = 0; i < TOP_IO_COUNT; i++) {
		r->io_known[i] = vm->now.io_known[i] && old->now.io_known[i];
		if (r->io_known[i])
			r->io[i] = rate(vm->now.io[i], old->now.io[i], vm->now.io_ns - old->now.io_ns);
	}
}

/* ---- order ---- */

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct top_vm *)a)->vm.name, ((const struct top_vm *)b)->vm.name);
}

/* The most first; then by id, so that equal ones keep their places */
static int by_value(double a, double b, const void *x, const void *y)
{
	return a < b ? 1 : a > b ? -1 : by_id(x, y);
}

static int by_cpu(const void *a, const void *b)
{
	return by_value(((const struct top_vm *)a)->rate.cpu, ((const struct top_vm *)b)->rate.cpu, a, b);
}

static int by_exits(const void *a, const void *b)
{
	return by_value(((const struct top_vm *)a)->rate.all, ((const struct top_vm *)b)->rate.all, a, b);
}

static int by_memory(const void *a, const void *b)
{
	return by_value(((const struct top_vm *)a)->vm.mapped_pages, ((const struct top_vm *)b)->vm.mapped_pages, a, b);
}

static double io(const struct top_vm *vm)
{
	double sum = 0;

	for (int i = 0; i < TOP_IO_COUNT; i++)
		sum += vm->rate.io[i];
	return sum;
}

static int by_io(const void *a, const void *b)
{
	return by_value(io(a), io(b), a, b);
}

const struct top_order_name top_orders[TOP_ORDERS] = {
	{ "cpu", by_cpu, false },
	{ "exits", by_exits, true },
	{ "memory", by_memory, false },
	{ "io", by_io, true },
	{ "name", by_name, false },
};
