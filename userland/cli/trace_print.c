// SPDX-License-Identifier: GPL-2.0
/* What husk trace prints: the table of a summary, a line for each live exit. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "format.h"
#include "trace.h"
#include "vm.h"

/* ---- names ---- */

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

/* What to call a VM; its id if it was gone before anyone asked for its name */
static const char *label(const struct trace_names *names, uint32_t id, struct text *t)
{
	const char *name = find_name(names, id);

	if (name && *name)
		return name;
	snprintf(t->s, sizeof(t->s), "id %" PRIu32, id);
	return t->s;
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

/* ---- summary ---- */

/* The upper bound of the slot that the share of all exits (in percent) ends in */
static uint64_t percentile(const struct exits_value *v, unsigned int percent)
{
	uint64_t left = v->count / 100 * percent + v->count % 100 * percent / 100, bound;

	for (int i = 0; i < EXITS_SLOTS; i++) {
		if (v->slots[i] > left) {
			bound = (2ULL << i) - 1;
			return bound < v->max_ns ? bound : v->max_ns;
		}
		left -= v->slots[i];
	}
	return v->max_ns;
}

static int by_time(const void *a, const void *b)
{
	const struct trace_row *x = a, *y = b;

	if (x->value.total_ns != y->value.total_ns)
		return x->value.total_ns < y->value.total_ns ? 1 : -1;
	return x->value.count < y->value.count ? 1 : -1;
}

static void print_rows(const struct trace_row *rows, size_t count, const struct trace_names *names)
{
	struct text vm, total, average, p50, p99, max;

	printf("%-16s  %-11s  %-6s  %10s  %8s  %8s  %8s  %8s  %8s\n",
	       "VM", "REASON", "LEVEL", "COUNT", "TOTAL", "AVG", "P50", "P99", "MAX");
	for (size_t i = 0; i < count; i++) {
		const struct exits_value *v = &rows[i].value;

		printf("%-16s  %-11s  %-6s  %10llu  %8s  %8s  %8s  %8s  %8s\n",
		       label(names, rows[i].key.vm, &vm), husk_reason_name(rows[i].key.reason),
		       husk_level_name(rows[i].key.level), v->count, format_ns(&total, v->total_ns),
		       format_ns(&average, v->count ? v->total_ns / v->count : 0),
		       format_ns(&p50, percentile(v, 50)), format_ns(&p99, percentile(v, 99)),
		       format_ns(&max, v->max_ns));
	}
}

static void print_rows_json(const struct trace_row *rows, size_t count, const struct trace_names *names)
{
	for (size_t i = 0; i < count; i++) {
		const struct exits_value *v = &rows[i].value;
		const char *name = find_name(names, rows[i].key.vm);
		int slots = EXITS_SLOTS;

		printf("%s\n  {\"vm\": %u, \"name\": ", i ? "," : "", rows[i].key.vm);
		json_string(name ? name : "");
		printf(", \"reason\": \"%s\", \"level\": \"%s\", \"count\": %llu, \"total_ns\": %llu"
		       ", \"max_ns\": %llu, \"p50_ns\": %" PRIu64 ", \"p99_ns\": %" PRIu64 ", \"log2_ns\": [",
		       husk_reason_name(rows[i].key.reason), husk_level_name(rows[i].key.level),
		       v->count, v->total_ns, v->max_ns, percentile(v, 50), percentile(v, 99));
		while (slots > 1 && !v->slots[slots - 1])
			slots--;
		for (int s = 0; s < slots; s++)
			printf("%s%llu", s ? ", " : "", v->slots[s]);
		printf("]}");
	}
}

void trace_print_summary(struct trace_row *rows, size_t count, uint64_t lost, uint64_t ns,
			 const struct trace_names *names, bool json)
{
	qsort(rows, count, sizeof(*rows), by_time);
	if (json) {
		printf("{\"duration_ns\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"exits\": [", ns, lost);
		print_rows_json(rows, count, names);
		printf(count ? "\n]}\n" : "]}\n");
		return;
	}
	print_rows(rows, count, names);
	if (!count)
		complain("no VM had an exit");
	if (lost)
		complain("%" PRIu64 " exits are not in the table: too many VMs (choose one with --vm)", lost);
}

/* ---- live ---- */

static void print_record_json(const struct exits_record *r, const char *name)
{
	printf("{\"time_ns\": %llu, \"vm\": %u, \"name\": ", r->time_ns, r->vm);
	json_string(name);
	printf(", \"vcpu\": %u, \"reason\": \"%s\", \"level\": \"%s\", \"rip\": %llu, \"info0\": %llu"
	       ", \"info1\": %llu, \"ns\": %llu}\n",
	       r->vcpu, husk_reason_name(r->reason), husk_level_name(r->level),
	       r->rip, r->info0, r->info1, r->ns);
}

void trace_print_record(const struct exits_record *r, uint64_t since_ns, struct trace_names *names, bool json)
{
	struct text t, vm;

	if (!find_name(names, r->vm)) {
		trace_names_update(names);
		add_name(names, r->vm, "");
	}
	if (json) {
		print_record_json(r, find_name(names, r->vm));
		return;
	}
	printf("%5" PRIu64 ".%06" PRIu64 "  ", since_ns / 1000000000, since_ns / 1000 % 1000000);
	printf("%s/%u", label(names, r->vm, &vm), r->vcpu);
	printf("  %-11s %-6s %8s  rip=%016llx info=%llx,%llx\n", husk_reason_name(r->reason),
	       husk_level_name(r->level), format_ns(&t, r->ns), r->rip, r->info0, r->info1);
}
