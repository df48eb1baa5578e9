/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where the build has no bpftool, this stands in for the skeleton that "bpftool gen
 * skeleton" makes of exits.bpf.o: what trace_bpf.c uses of it, by the same names.
 */
#ifndef HUSK_BPF_STAND_IN_SKEL_H
#define HUSK_BPF_STAND_IN_SKEL_H

#include <errno.h>
#include <stdlib.h>
#include <bpf/libbpf.h>

extern const char _binary_exits_bpf_o_start[], _binary_exits_bpf_o_end[];

struct exits_bpf {
	struct bpf_object *obj;
	struct {
		struct bpf_map *exits, *exits_lost, *exits_live, *exits_rips;
	} maps;
	struct {
		struct bpf_link *exits_count;
	} links;
	struct exits_bpf__rodata_config {
		struct exits_config config;
	} *rodata_config;
};

static inline void exits_bpf__detach(struct exits_bpf *s)
{
	bpf_link__destroy(s->links.exits_count);
	s->links.exits_count = NULL;
}

static inline void exits_bpf__destroy(struct exits_bpf *s)
{
	exits_bpf__detach(s);
	bpf_object__close(s->obj);
	free(s);
}

static inline struct exits_bpf *exits_bpf__open(void)
{
	size_t size = _binary_exits_bpf_o_end - _binary_exits_bpf_o_start;
	struct exits_bpf *s = calloc(1, sizeof(*s));
	struct bpf_map *config;

	if (!s)
		return NULL;
	s->obj = bpf_object__open_mem(_binary_exits_bpf_o_start, size, NULL);
	s->maps.exits = bpf_object__find_map_by_name(s->obj, "exits");
	s->maps.exits_lost = bpf_object__find_map_by_name(s->obj, "exits_lost");
	s->maps.exits_live = bpf_object__find_map_by_name(s->obj, "exits_live");
	s->maps.exits_rips = bpf_object__find_map_by_name(s->obj, "exits_rips");
	config = bpf_object__find_map_by_name(s->obj, ".rodata.config");
	if (s->maps.exits && s->maps.exits_lost && s->maps.exits_live && s->maps.exits_rips && config) {
		s->rodata_config = bpf_map__initial_value(config, &size);
		return s;
	}
	exits_bpf__destroy(s);
	errno = EINVAL;
	return NULL;
}

static inline int exits_bpf__load(struct exits_bpf *s)
{
	return bpf_object__load(s->obj);
}

static inline int exits_bpf__attach(struct exits_bpf *s)
{
	s->links.exits_count = bpf_program__attach(bpf_object__next_program(s->obj, NULL));
	return s->links.exits_count ? 0 : -errno;
}

#endif
