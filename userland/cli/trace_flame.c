// SPDX-License-Identifier: GPL-2.0
/* husk trace --flame: folded stacks, as flamegraph.pl, inferno and speedscope read them. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "trace.h"

struct stack {
	char *frames;
	const struct trace_rip *one;	/* of those that have these frames */
	uint64_t count, ns;
};

static char *fold(const struct trace_rip *rip, const struct trace_view *view)
{
	const char *symbol = trace_symbol(view->symbols, rip->key.rip);
	struct trace_label vm;
	char address[24], *frames;

	snprintf(address, sizeof(address), "0x%llx", rip->key.rip);
	if (asprintf(&frames, "%s;vcpu%u;%s;%s;%s", trace_label(view->names, rip->key.vm, &vm), rip->key.vcpu,
		     husk_reason_name(rip->key.reason), husk_level_name(rip->key.level), symbol ? symbol : address) < 0)
		die(HUSK_STATUS_FAIL, "out of memory");
	return frames;
}

static int by_frames(const void *a, const void *b)
{
	const struct stack *x = a, *y = b;

	return strcmp(x->frames, y->frames);
}

/* A stack for each rip; then one for those that have the same frames. Answers how many there are. */
static size_t merge(struct stack *stack, size_t count)
{
	size_t n = 0;

	qsort(stack, count, sizeof(*stack), by_frames);
	for (size_t i = 0; i < count; i++) {
		if (n && !strcmp(stack[n - 1].frames, stack[i].frames)) {
			stack[n - 1].count += stack[i].count;
			stack[n - 1].ns += stack[i].ns;
			free(stack[i].frames);
		} else {
			stack[n++] = stack[i];
		}
	}
	return n;
}

static void print_json(const struct stack *stack, size_t count, uint64_t lost, uint64_t ns,
		       const struct trace_view *view)
{
	printf("{\"duration_ns\": %" PRIu64 ", \"lost\": %" PRIu64 ", \"stacks\": [", ns, lost);
	for (size_t i = 0; i < count; i++) {
		const struct exits_rip_key *key = &stack[i].one->key;
		const char *symbol = trace_symbol(view->symbols, key->rip);

		printf("%s\n  {\"vm\": %u, \"name\": ", i ? "," : "", key->vm);
		json_string(trace_name(view->names, key->vm));
		printf(", \"vcpu\": %u, \"reason\": \"%s\", \"level\": \"%s\"", key->vcpu, husk_reason_name(key->reason),
		       husk_level_name(key->level));
		if (symbol) {
			printf(", \"symbol\": ");
			json_string(symbol);
		} else {
			printf(", \"rip\": %llu", key->rip);
		}
		printf(", \"count\": %" PRIu64 ", \"total_ns\": %" PRIu64 "}", stack[i].count, stack[i].ns);
	}
	printf(count ? "\n]}\n" : "]}\n");
}

void trace_print_flame(const struct trace_rip *rips, size_t count, bool weigh_count, uint64_t lost, uint64_t ns,
		       const struct trace_view *view)
{
	struct stack *stack = calloc(count + 1, sizeof(*stack));

	if (!stack)
		die(HUSK_STATUS_FAIL, "out of memory");
	for (size_t i = 0; i < count; i++)
		stack[i] = (struct stack){ fold(&rips[i], view), &rips[i], rips[i].value.count, rips[i].value.total_ns };
	count = merge(stack, count);
	if (view->json)
		print_json(stack, count, lost, ns, view);
	for (size_t i = 0; i < count; i++) {
		if (!view->json)
			printf("%s %" PRIu64 "\n", stack[i].frames, weigh_count ? stack[i].count : stack[i].ns);
		free(stack[i].frames);
	}
	free(stack);
	if (!view->json)
		trace_complain(count, lost);
}
