// SPDX-License-Identifier: GPL-2.0
/*
 * husk trace: count and time exits, or print each, by the BPF program
 * userland/bpf/exits.bpf.c, which is part of this executable.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/types.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "bpf/exits.h"
#include "cli.h"
#include "trace.h"
#include "vm.h"

static const char trace_usage[] =
	"usage: husk trace [--summary | --live] [--vm VM] [--duration S] [--json]\n"
	"\n"
	"Count and time the exits of all VMs, or of one, for S seconds or until Ctrl-C, and\n"
	"print a table by VM, reason and level; with --live print each exit as it happens.\n"
	"P50 and P99 are upper bounds, to a power of two. Needs root.\n";

#define LIVE_BYTES	(4 << 20)	/* some 60,000 exits */
#define TICK_MS		100
#define QUIET_S		2	/* longer runs say so */

extern const char _binary_exits_bpf_o_start[], _binary_exits_bpf_o_end[];

struct trace_args {
	const char *vm;
	double duration;	/* seconds, 0: until a signal */
	bool live, json;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	interrupted = number;
}

static void trace_parse(int argc, char **argv, struct trace_args *args)
{
	static const struct option options[] = {
		{ "summary", no_argument, NULL, 's' },
		{ "live", no_argument, NULL, 'l' },
		{ "vm", required_argument, NULL, 'v' },
		{ "duration", required_argument, NULL, 'd' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	bool summary = false;
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 's':
			summary = true;
			break;
		case 'l':
			args->live = true;
			break;
		case 'v':
			args->vm = optarg;
			break;
		case 'd':
			args->duration = strtod(optarg, &end);
			if (end == optarg || *end || !isfinite(args->duration) || args->duration <= 0)
				die(HUSK_STATUS_USAGE, "bad duration \"%s\": a number of seconds above 0", optarg);
			break;
		case 'j':
			args->json = true;
			break;
		default:
			usage(trace_usage, c == 'h');
		}
	}
	if (optind != argc || (summary && args->live))
		usage(trace_usage, false);
}

/* ---- the program ---- */

static int quiet(enum libbpf_print_level level, const char *format, va_list ap)
{
	(void)level;
	(void)format;
	(void)ap;
	return 0;
}

static void load_die(const char *what, int err)
{
	if (err == -EPERM || err == -EACCES)
		die(HUSK_STATUS_HOST, "not permitted: tracing needs root (CAP_BPF and CAP_PERFMON)");
	if (err == -ENOENT)
		die(HUSK_STATUS_HOST, "no tracepoint husk_exit: husk.ko is not loaded ('insmod husk.ko'), or of another version");
	die(HUSK_STATUS_FAIL, "cannot %s the BPF program: %s", what, strerror(-err));
}

static struct bpf_map *find_map(const struct bpf_object *object, const char *name)
{
	struct bpf_map *map = bpf_object__find_map_by_name(object, name);

	if (!map)
		die(HUSK_STATUS_FAIL, "the BPF program has no map %s", name);
	return map;
}

/* Load and attach it; what is counted starts from here. */
static struct bpf_object *load(uint32_t vm, bool live)
{
	const struct exits_config config = { .vm = vm, .live = live };
	size_t size = _binary_exits_bpf_o_end - _binary_exits_bpf_o_start;
	struct bpf_object *object;
	int err;

	libbpf_set_print(quiet);
	object = bpf_object__open_mem(_binary_exits_bpf_o_start, size, NULL);
	if (!object)
		load_die("open", -errno);
	err = bpf_map__set_initial_value(find_map(object, ".rodata.config"), &config, sizeof(config));
	if (!err && live)
		err = bpf_map__set_max_entries(find_map(object, "exits_live"), LIVE_BYTES);
	if (err)
		load_die("set up", err);
	err = bpf_object__load(object);
	if (err)
		load_die("load", err);
	if (!bpf_program__attach(bpf_object__next_program(object, NULL)))
		load_die("attach", -errno);
	return object;
}

/* ---- what it counted ---- */

static struct exits_lost read_lost(const struct bpf_object *object)
{
	int cpus = libbpf_num_possible_cpus(), fd = bpf_map__fd(find_map(object, "exits_lost"));
	struct exits_lost *per_cpu = calloc(cpus, sizeof(*per_cpu)), sum = {};
	__u32 zero = 0;

	if (!per_cpu)
		die(HUSK_STATUS_FAIL, "out of memory");
	if (!bpf_map_lookup_elem(fd, &zero, per_cpu)) {
		for (int i = 0; i < cpus; i++) {
			sum.no_entry += per_cpu[i].no_entry;
			sum.no_room += per_cpu[i].no_room;
		}
	}
	free(per_cpu);
	return sum;
}

static void add_cpu(struct exits_value *sum, const struct exits_value *v)
{
	sum->count += v->count;
	sum->total_ns += v->total_ns;
	if (v->max_ns > sum->max_ns)
		sum->max_ns = v->max_ns;
	for (int i = 0; i < EXITS_SLOTS; i++)
		sum->slots[i] += v->slots[i];
}

static size_t read_rows(const struct bpf_object *object, struct trace_row **out)
{
	struct bpf_map *map = find_map(object, "exits");
	int cpus = libbpf_num_possible_cpus(), fd = bpf_map__fd(map);
	size_t count = 0, room = bpf_map__max_entries(map);
	struct exits_value *per_cpu = calloc(cpus, sizeof(*per_cpu));
	struct trace_row *rows = calloc(room, sizeof(*rows));
	struct exits_key key, *previous = NULL;

	if (!per_cpu || !rows)
		die(HUSK_STATUS_FAIL, "out of memory");
	for (; count < room && !bpf_map_get_next_key(fd, previous, &key); previous = &rows[count++].key) {
		rows[count].key = key;
		if (bpf_map_lookup_elem(fd, &key, per_cpu))
			continue;
		for (int i = 0; i < cpus; i++)
			add_cpu(&rows[count].value, &per_cpu[i]);
	}
	free(per_cpu);
	*out = rows;
	return count;
}

/* ---- the two modes ---- */

static bool over(uint64_t start, double duration)
{
	return interrupted || (duration > 0 && vm_now() - start >= duration * 1e9);
}

static void run_summary(struct bpf_object *object, const struct trace_args *args, struct trace_names *names)
{
	uint64_t start = vm_now();
	struct trace_row *rows;
	size_t count;

	if (isatty(STDERR_FILENO) && args->duration > QUIET_S)
		fprintf(stderr, "counting exits for %g s; Ctrl-C ends it\n", args->duration);
	else if (isatty(STDERR_FILENO) && !args->duration)
		fprintf(stderr, "counting exits; Ctrl-C ends it\n");
	while (!over(start, args->duration))
		usleep(TICK_MS * 1000);
	count = read_rows(object, &rows);
	trace_names_update(names);
	trace_print_summary(rows, count, read_lost(object).no_entry, vm_now() - start, names, args->json);
	free(rows);
}

struct live {
	struct trace_names *names;
	uint64_t first_ns;
	bool json;
};

static int on_record(void *arg, void *data, size_t size)
{
	const struct exits_record *r = data;
	struct live *live = arg;

	if (size < sizeof(*r))
		return 0;
	if (!live->first_ns)
		live->first_ns = r->time_ns;
	trace_print_record(r, r->time_ns - live->first_ns, live->names, live->json);
	return 0;
}

static void run_live(struct bpf_object *object, const struct trace_args *args, struct trace_names *names)
{
	struct live live = { .names = names, .json = args->json };
	struct ring_buffer *ring = ring_buffer__new(bpf_map__fd(find_map(object, "exits_live")), on_record, &live, NULL);
	uint64_t start = vm_now(), lost;

	if (!ring)
		load_die("read the buffer of", -errno);
	while (!over(start, args->duration) && !ferror(stdout)) {
		ring_buffer__poll(ring, TICK_MS);
		fflush(stdout);
	}
	ring_buffer__free(ring);
	lost = read_lost(object).no_room;
	if (lost)
		complain("%" PRIu64 " exits are not shown: they came faster than they could be printed", lost);
}

int cmd_trace(int argc, char **argv)
{
	const struct sigaction action = { .sa_handler = on_signal };
	struct trace_args args = {};
	struct trace_names *names;
	struct bpf_object *object;
	struct husk_nl_vm vm = {};
	struct husk_nl *nl;

	trace_parse(argc, argv, &args);
	nl = vm_connect();
	if (args.vm)
		vm_find(nl, args.vm, &vm);
	names = trace_names_open(nl);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	object = load(vm.id, args.live);
	if (args.live)
		run_live(object, &args, names);
	else
		run_summary(object, &args, names);
	bpf_object__close(object);
	trace_names_close(names);
	husk_nl_close(nl);
	return HUSK_STATUS_OK;
}
