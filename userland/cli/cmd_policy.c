// SPDX-License-Identifier: GPL-2.0
/* husk policy: attach BPF programs that decide a VM's exits, list them, and detach them. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "cli.h"
#include "policy.h"
#include "table.h"
#include "vm.h"

static const char policy_usage[] =
	"usage: husk policy [OPTIONS] attach|detach|list|show VM FILE\n"
	"\n"
	"Have a BPF program decide exits: <husk/policy.bpf.h>, and husk-policy(7).\n"
	"  husk policy attach VM FILE    to one VM; prints the id that it is attached by\n"
	"  husk policy attach --all FILE to all VMs, also those that are not there yet\n"
	"  husk policy detach ID...      it is not asked any more\n"
	"  husk policy list [VM]         what is attached, and what it has answered\n"
	"  husk policy show ID           one of them, with its maps\n"
	"FILE is an object file, or a program of type syscall that is pinned in a bpffs.\n"
	"  --all                to all VMs\n"
	"  --fast               a struct_ops, which is asked without leaving the fast loop (Linux 6.12):\n"
	"                       husk's own are *.ops.bpf.o\n"
	"  --on REASON          be asked about this only: cpuid, rdmsr, wrmsr, pio, mmio, hypercall, hlt,\n"
	"                       fault2, virtio, or several with commas\n"
	"  --program NAME       which one, if the file has several\n"
	"  --replace ID         take the place of this one, in one step\n"
	"  --json               one object for each\n";

struct options {
	bool all, fast, json;
	uint64_t reasons;
	uint32_t replace;
	const char *program;
};

/* ---- words ---- */

static const char *const verdict_names[] = {
#define X(id, name, what) name,
	HUSK_POLICY_VERDICTS(X)
#undef X
	"invalid",
};

#define X(id, what) | 1ULL << HUSK_REASON_##id
static const uint64_t askable = 0 HUSK_POLICY_REASONS(X);
#undef X

static uint64_t parse_reasons(const char *arg)
{
	char *words = strdup(arg), *at = words, *word;
	uint64_t reasons = 0;
	uint32_t i;

	if (!words)
		die(HUSK_STATUS_FAIL, "out of memory");
	while ((word = strsep(&at, ","))) {
		for (i = 0; i < HUSK_REASON_COUNT; i++)
			if ((askable >> i & 1) && !strcmp(word, husk_reason_name(i)))
				break;
		if (i == HUSK_REASON_COUNT)
			die(HUSK_STATUS_USAGE, "bad reason \"%s\": programs decide cpuid, rdmsr, wrmsr, pio, mmio, hypercall, "
			    "hlt, fault2 and virtio", word);
		reasons |= 1ULL << i;
	}
	free(words);
	return reasons;
}

static uint32_t parse_id(const char *arg)
{
	char *end;
	unsigned long id = strtoul(arg, &end, 10);

	if (*arg < '0' || *arg > '9' || *end || !id || id > INT32_MAX)
		die(HUSK_STATUS_USAGE, "bad id \"%s\": a number, as husk policy list has it", arg);
	return id;
}

/* ---- printing ---- */

static void reasons_text(uint64_t reasons, char *text, size_t room)
{
	size_t used = 0;

	snprintf(text, room, "%s", reasons == askable ? "all" : "");
	for (uint32_t i = 0; i < HUSK_REASON_COUNT && reasons != askable; i++)
		if ((reasons >> i & 1) && used < room)
			used += snprintf(text + used, room - used, "%s%s", used ? "," : "", husk_reason_name(i));
}

static uint64_t asked(const struct husk_nl_policy *p)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i <= HUSK_POLICY_VERDICT_COUNT; i++)
		sum += p->counts[i];
	return sum;
}

static void print_json(const struct husk_nl_policy *p)
{
	const char *comma = "";

	printf("{\"id\": %" PRIu32, p->id);
	if (p->vm_id) {
		printf(", \"vm_id\": %" PRIu32 ", \"vm\": ", p->vm_id);
		json_string(p->vm_name);
	}
	if (p->prog_id)
		printf(", \"prog_id\": %" PRIu32, p->prog_id);
	printf(", \"fast\": %s, \"program\": ", p->prog_id ? "false" : "true");
	json_string(p->prog_name);
	printf(", \"on\": [");
	for (uint32_t i = 0; i < HUSK_REASON_COUNT; i++) {
		if (!(p->reasons >> i & 1))
			continue;
		printf("%s\"%s\"", comma, husk_reason_name(i));
		comma = ", ";
	}
	printf("], \"answers\": {");
	for (uint32_t i = 0; i <= HUSK_POLICY_VERDICT_COUNT; i++)
		printf("%s\"%s\": %" PRIu64, i ? ", " : "", verdict_names[i], p->counts[i]);
	printf("}}\n");
}

static void print_maps(uint32_t prog_id)
{
	struct bpf_prog_info info = {};
	uint32_t ids[64], len = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(prog_id);

	info.nr_map_ids = sizeof(ids) / sizeof(ids[0]);
	info.map_ids = (uintptr_t)ids;
	if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len)) {
		printf("  maps       not permitted to see\n");
		return;
	}
	if (info.run_cnt)
		printf("  time       %" PRIu64 " ns in %" PRIu64 " runs\n", (uint64_t)info.run_time_ns, (uint64_t)info.run_cnt);
	for (uint32_t i = 0; i < info.nr_map_ids && i < sizeof(ids) / sizeof(ids[0]); i++) {
		struct bpf_map_info map = {};
		int map_fd = bpf_map_get_fd_by_id(ids[i]);

		len = sizeof(map);
		if (map_fd < 0 || bpf_obj_get_info_by_fd(map_fd, &map, &len))
			continue;
		printf("  map %-6" PRIu32 " %s\n", ids[i], map.name);
		close(map_fd);
	}
	close(fd);
}

static void print_policy(const struct husk_nl_policy *p)
{
	char on[128];

	reasons_text(p->reasons, on, sizeof(on));
	printf("%" PRIu32 "\n  vm         %s\n  program    %s, ", p->id, p->vm_id ? p->vm_name : "all", p->prog_name);
	if (p->prog_id)
		printf("BPF id %" PRIu32, p->prog_id);
	else
		printf("a struct_ops");
	printf("\n  on         %s\n  asked      %" PRIu64 "\n", on, asked(p));
	for (uint32_t i = 0; i <= HUSK_POLICY_VERDICT_COUNT; i++)
		if (p->counts[i])
			printf("  %-10s %" PRIu64 "\n", verdict_names[i], p->counts[i]);
	if (p->prog_id)
		print_maps(p->prog_id);
}

/* ---- commands ---- */

struct wanted {
	uint32_t id, vm_id;
	const char *name;		/* of a struct_ops; NULL: what has id is wanted */
	bool found;
	struct husk_nl_policy policy;
};

static int find(const struct husk_nl_policy *p, void *arg)
{
	struct wanted *w = arg;

	if (w->name ? p->prog_id || p->vm_id != w->vm_id || strcmp(p->prog_name, w->name) : p->id != w->id)
		return 0;
	w->policy = *p;
	w->found = true;
	return 0;
}

static uint32_t attach_fast(struct husk_nl *nl, const struct options *o, uint32_t vm, const char *path)
{
	struct wanted w = { .vm_id = vm };

	if (o->replace)
		die(HUSK_STATUS_USAGE, "--replace is not for --fast");
	w.name = policy_load_fast(path, o->program, vm, o->reasons);
	if (husk_nl_policies(nl, 0, find, &w) || !w.found)
		die(HUSK_STATUS_FAIL, "cannot attach %s: the VM has ended", path);
	return w.policy.id;
}

static uint32_t attach_program(struct husk_nl *nl, const struct options *o, uint32_t vm, const char *path)
{
	int fd = policy_load(path, o->program), err;
	uint32_t id;

	err = husk_nl_policy_attach(nl, vm, fd, o->reasons, o->replace, &id);
	if (err)
		vm_die(nl, err, "attach", path);
	close(fd);
	return id;
}

static void attach(struct husk_nl *nl, const struct options *o, int count, char **operand)
{
	struct husk_nl_vm vm = {};
	uint32_t id;

	if (count != (o->all ? 1 : 2))
		die(HUSK_STATUS_USAGE, o->all ? "give a file, and no VM: --all is given" : "give a VM, or --all, and a file");
	if (!o->all)
		vm_find(nl, operand[0], &vm);
	if (o->fast)
		id = attach_fast(nl, o, vm.id, operand[count - 1]);
	else
		id = attach_program(nl, o, vm.id, operand[count - 1]);
	if (o->json)
		printf("{\"id\": %" PRIu32 "}\n", id);
	else
		printf("%" PRIu32 "\n", id);
}

static void detach_one(struct husk_nl *nl, const char *id)
{
	struct wanted w = { .id = parse_id(id) };
	char *pin;
	int err;

	err = husk_nl_policies(nl, 0, find, &w);
	if (!err)
		err = husk_nl_policy_detach(nl, w.id);
	if (err)
		vm_die(nl, err, "detach", id);
	if (!w.found || w.policy.prog_id)
		return;
	pin = policy_pin(w.policy.vm_id, w.policy.prog_name);
	unlink(pin);
	free(pin);
}

static void detach(struct husk_nl *nl, const struct options *o, int count, char **operand)
{
	if (!count)
		die(HUSK_STATUS_USAGE, "give the id of a program, as husk policy list has it");
	for (int i = 0; i < count; i++)
		parse_id(operand[i]);
	for (int i = 0; i < count; i++) {
		detach_one(nl, operand[i]);
		if (o->json)
			printf("{\"id\": %" PRIu32 ", \"done\": \"detached\"}\n", parse_id(operand[i]));
	}
}

static int add_row(const struct husk_nl_policy *p, void *arg)
{
	char on[128];

	reasons_text(p->reasons, on, sizeof(on));
	table_cell(arg, "%" PRIu32, p->id);
	table_cell(arg, "%s", p->vm_id ? p->vm_name : "all");
	table_cell(arg, "%s", p->prog_name);
	table_cell(arg, "%s", on);
	table_cell(arg, "%" PRIu64, asked(p));
	table_cell(arg, "%" PRIu64, p->counts[HUSK_POLICY_HANDLED]);
	table_cell(arg, "%" PRIu64, asked(p) - p->counts[HUSK_POLICY_HANDLED] - p->counts[HUSK_POLICY_PASS]);
	return 0;
}

static int print_row(const struct husk_nl_policy *p, void *arg)
{
	(void)arg;
	print_json(p);
	return 0;
}

static void list(struct husk_nl *nl, const struct options *o, int count, char **operand)
{
	static const struct table_column columns[] = {
		{ "ID", TABLE_RIGHT }, { "VM", TABLE_CUT }, { "PROGRAM", TABLE_CUT }, { "ON", TABLE_CUT },
		{ "ASKED", TABLE_RIGHT }, { "HANDLED", TABLE_RIGHT }, { "OTHER", TABLE_RIGHT }, { }
	};
	struct husk_nl_vm vm = {};
	struct table table;
	int err;

	if (count > 1)
		die(HUSK_STATUS_USAGE, "give one VM at most");
	if (count)
		vm_find(nl, operand[0], &vm);
	table_init(&table, columns);
	err = husk_nl_policies(nl, vm.id, o->json ? print_row : add_row, &table);
	if (err)
		vm_die(nl, err, "list programs", "");
	if (!o->json)
		table_finish(&table);
}

static void show(struct husk_nl *nl, const struct options *o, int count, char **operand)
{
	struct wanted w = {};
	int err;

	if (count != 1)
		die(HUSK_STATUS_USAGE, "give the id of a program, as husk policy list has it");
	w.id = parse_id(operand[0]);
	err = husk_nl_policies(nl, 0, find, &w);
	if (err)
		vm_die(nl, err, "find program", operand[0]);
	if (!w.found)
		die(HUSK_STATUS_FAIL, "no program with id %" PRIu32 " is attached to a VM of yours: see husk policy list", w.id);
	if (o->json)
		print_json(&w.policy);
	else
		print_policy(&w.policy);
}

static const struct {
	const char *name;
	void (*fn)(struct husk_nl *nl, const struct options *o, int count, char **operand);
} verbs[] = {
	{ "attach", attach },
	{ "detach", detach },
	{ "list", list },
	{ "show", show },
};

static void parse(int argc, char **argv, struct options *o)
{
	static const struct option options[] = {
		{ "all", no_argument, NULL, 'a' },
		{ "fast", no_argument, NULL, 'f' },
		{ "on", required_argument, NULL, 'o' },
		{ "program", required_argument, NULL, 'p' },
		{ "replace", required_argument, NULL, 'r' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'a':
			o->all = true;
			break;
		case 'f':
			o->fast = true;
			break;
		case 'o':
			o->reasons |= parse_reasons(optarg);
			break;
		case 'p':
			o->program = optarg;
			break;
		case 'r':
			o->replace = parse_id(optarg);
			break;
		case 'j':
			o->json = true;
			break;
		default:
			usage(policy_usage, c == 'h');
		}
	}
}

int cmd_policy(int argc, char **argv)
{
	struct options o = {};
	struct husk_nl *nl;

	parse(argc, argv, &o);
	if (optind == argc)
		usage(policy_usage, false);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(argv[optind], verbs[i].name))
			continue;
		if (verbs[i].fn != attach && (o.all || o.fast || o.reasons || o.program || o.replace))
			die(HUSK_STATUS_USAGE, "--all, --fast, --on, --program and --replace are for husk policy attach");
		nl = vm_connect();
		verbs[i].fn(nl, &o, argc - optind - 1, argv + optind + 1);
		husk_nl_close(nl);
		return HUSK_STATUS_OK;
	}
	die(HUSK_STATUS_USAGE, "no command \"%s\": attach, detach, list or show", argv[optind]);
}
