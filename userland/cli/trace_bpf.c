// SPDX-License-Identifier: GPL-2.0
/* The BPF program userland/bpf/exits.bpf.c, which is part of this executable, and its maps. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "cli.h"
#include "trace.h"
#include "exits.skel.h"

#define LIVE_BYTES	(4 << 20)	/* some 60,000 exits */
#define RIPS		65536
#define BATCH		4096	/* records between two looks at what else there is: they may never end */

struct trace_bpf {
	struct exits_bpf *skeleton;
	struct ring_buffer *ring;
	trace_record_fn *fn;	/* what trace_bpf_poll() was called with */
	void *arg;
	size_t left;		/* records until it answers */
};

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

static int on_record(void *arg, void *data, size_t size)
{
	struct trace_bpf *bpf = arg;

	if (size >= sizeof(struct exits_record))
		bpf->fn(bpf->arg, data);
	return --bpf->left ? 0 : -EAGAIN;
}

struct trace_bpf *trace_bpf_open(const struct exits_config *config)
{
	struct trace_bpf *bpf = calloc(1, sizeof(*bpf));
	struct exits_bpf *s;
	int err = 0;

	if (!bpf)
		die(HUSK_STATUS_FAIL, "out of memory");
	libbpf_set_print(quiet);
	s = bpf->skeleton = exits_bpf__open();
	if (!s)
		load_die("open", -errno);
	s->rodata_config->config = *config;
	if (config->mode == EXITS_LIVE)
		err = bpf_map__set_max_entries(s->maps.exits_live, LIVE_BYTES);
	if (config->mode == EXITS_RIPS)
		err = bpf_map__set_max_entries(s->maps.exits_rips, RIPS);
	if (err)
		load_die("set up", err);
	err = exits_bpf__load(s);
	if (err)
		load_die("load", err);
	if (config->mode == EXITS_LIVE) {
		bpf->ring = ring_buffer__new(bpf_map__fd(s->maps.exits_live), on_record, bpf, NULL);
		if (!bpf->ring)
			load_die("read the buffer of", -errno);
	}
	err = exits_bpf__attach(s);
	if (err)
		load_die("attach", err);
	return bpf;
}

void trace_bpf_detach(struct trace_bpf *bpf)
{
	exits_bpf__detach(bpf->skeleton);
}

void trace_bpf_close(struct trace_bpf *bpf)
{
	ring_buffer__free(bpf->ring);
	exits_bpf__destroy(bpf->skeleton);
	free(bpf);
}

void trace_bpf_poll(struct trace_bpf *bpf, int ms, trace_record_fn *fn, void *arg)
{
	bpf->fn = fn;
	bpf->arg = arg;
	bpf->left = ms ? BATCH : SIZE_MAX;
	if (ms)
		ring_buffer__poll(bpf->ring, ms);
	else
		ring_buffer__consume(bpf->ring);
}

uint64_t trace_bpf_lost(const struct trace_bpf *bpf)
{
	int cpus = libbpf_num_possible_cpus(), fd = bpf_map__fd(bpf->skeleton->maps.exits_lost);
	struct exits_lost *per_cpu = calloc(cpus, sizeof(*per_cpu));
	uint64_t sum = 0;
	__u32 zero = 0;

	if (!per_cpu)
		die(HUSK_STATUS_FAIL, "out of memory");
	if (!bpf_map_lookup_elem(fd, &zero, per_cpu))
		for (int i = 0; i < cpus; i++)
			sum += per_cpu[i].no_entry + per_cpu[i].no_room;
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

size_t trace_bpf_rows(const struct trace_bpf *bpf, struct trace_row **out)
{
	const struct bpf_map *map = bpf->skeleton->maps.exits;
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

size_t trace_bpf_rips(const struct trace_bpf *bpf, struct trace_rip **out)
{
	const struct bpf_map *map = bpf->skeleton->maps.exits_rips;
	size_t count = 0, room = bpf_map__max_entries(map);
	struct trace_rip *rips = calloc(room, sizeof(*rips));
	struct exits_rip_key key, *previous = NULL;
	int fd = bpf_map__fd(map);

	if (!rips)
		die(HUSK_STATUS_FAIL, "out of memory");
	for (; count < room && !bpf_map_get_next_key(fd, previous, &key); previous = &rips[count++].key) {
		rips[count].key = key;
		bpf_map_lookup_elem(fd, &key, &rips[count].value);
	}
	*out = rips;
	return count;
}
