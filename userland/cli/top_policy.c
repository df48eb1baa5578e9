// SPDX-License-Identifier: GPL-2.0
/* husk top: programs that decide exits. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "format.h"
#include "table.h"
#include "top.h"

struct listing {
	struct top_round *round;
	size_t room;
};

static int add_policy(const struct husk_nl_policy *policy, void *arg)
{
	struct listing *l = arg;
	struct top_round *r = l->round;

	if (r->policies == l->room) {
		l->room = l->room ? 2 * l->room : 16;
		r->policy = reallocarray(r->policy, l->room, sizeof(*r->policy));
		if (!r->policy)
			die(HUSK_STATUS_FAIL, "out of memory");
	}
	r->policy[r->policies++] = (struct top_policy){ .policy = *policy };
	return 0;
}

static double per_s(uint64_t now, uint64_t before, uint64_t ns)
{
	return now > before && ns ? (now - before) * 1e9 / ns : 0;
}

static void rate_policy(struct top_policy *p, const struct top_round *before, uint64_t ns)
{
	for (size_t i = 0; i < before->policies; i++) {
		const struct husk_nl_policy *old = &before->policy[i].policy;

		if (old->id != p->policy.id)
			continue;
		p->known = true;
		for (int v = 0; v <= HUSK_POLICY_VERDICT_COUNT; v++) {
			double rate = per_s(p->policy.counts[v], old->counts[v], ns);

			p->answers += rate;
			if (v != HUSK_POLICY_PASS && v != HUSK_POLICY_AFTER)
				p->decided += rate;
		}
	}
}

void top_policies(struct husk_nl *nl, struct top_round *now, const struct top_round *before)
{
	struct listing l = { .round = now };

	husk_nl_policies(nl, 0, add_policy, &l);
	now->policies_ns = vm_now();
	for (size_t i = 0; i < now->policies; i++)
		rate_policy(&now->policy[i], before, now->policies_ns - before->policies_ns);
}

static bool decides(const struct top_policy *p, uint32_t vm)
{
	return !p->policy.vm_id || p->policy.vm_id == vm;
}

size_t top_policies_of(const struct top_round *round, uint32_t vm)
{
	size_t n = 0;

	for (size_t i = 0; i < round->policies; i++)
		n += decides(&round->policy[i], vm);
	return n;
}

void top_print_policies(FILE *out, const struct top_round *round, uint32_t vm, unsigned int width, size_t rows,
			const char *eol)
{
	static const struct table_column columns[] = {
		{ "POLICY", TABLE_RIGHT }, { "PROGRAM", TABLE_CUT }, { "VM", TABLE_CUT }, { "ANSWERS/s", TABLE_RIGHT },
		{ "DECIDED/s", TABLE_RIGHT }, { }
	};
	struct table table;
	struct text t;

	table_init(&table, columns);
	for (size_t i = 0; i < round->policies; i++) {
		const struct top_policy *p = &round->policy[i];

		if (!decides(p, vm))
			continue;
		table_cell(&table, "%" PRIu32, p->policy.id);
		table_cell(&table, "%s", p->policy.prog_name);
		table_cell(&table, "%s", p->policy.vm_id ? p->policy.vm_name : "all");
		table_cell(&table, "%s", p->known ? format_rate(&t, p->answers) : "-");
		table_cell(&table, "%s", p->known ? format_rate(&t, p->decided) : "-");
	}
	fprintf(out, "%s", eol);
	table_print(&table, out, width, 0, rows, eol);
	table_clear(&table);
}

static void json_rate(const char *name, bool known, double rate)
{
	if (known)
		printf(", \"%s\": %.2f", name, rate);
	else
		printf(", \"%s\": null", name);
}

void top_json_policies(const struct top_round *round)
{
	printf("[");
	for (size_t i = 0; i < round->policies; i++) {
		const struct top_policy *p = &round->policy[i];

		printf("%s{\"id\": %" PRIu32, i ? ", " : "", p->policy.id);
		if (p->policy.vm_id)
			printf(", \"vm_id\": %" PRIu32, p->policy.vm_id);
		printf(", \"program\": ");
		json_string(p->policy.prog_name);
		json_rate("answers_per_s", p->known, p->answers);
		json_rate("decided_per_s", p->known, p->decided);
		printf("}");
	}
	printf("]");
}
