// SPDX-License-Identifier: GPL-2.0
/*
 * Counts and times the exits of husk's VMs by VM, reason and level.
 *
 *	bpftool prog load exits.bpf.o /sys/fs/bpf/exits autoattach
 *	bpftool map dump name exits
 *
 * A raw tracepoint with scalar arguments: no type information of the kernel is
 * needed, so one object serves all kernels, and it costs a quarter of a classic
 * tracepoint program.
 */
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "exits.h"

/* Arguments of the tracepoint husk_exit, see kmod/trace.h */
enum { ARG_VM, ARG_VCPU, ARG_REASON, ARG_RIP, ARG_INFO0, ARG_INFO1, ARG_LEVEL, ARG_NS };

const volatile struct exits_config config SEC(".rodata.config") = {};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 2048);
	__type(key, struct exits_key);
	__type(value, struct exits_value);
} exits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct exits_lost);
} exits_lost SEC(".maps");

/* One page unless "husk trace --live" makes it larger. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} exits_live SEC(".maps");

static const struct exits_value exits_zero;

static __always_inline __u32 log2_slot(__u64 ns)
{
	__u32 slot = 0, shift;

#pragma unroll
	for (shift = 32; shift; shift >>= 1) {
		if (ns >> shift) {
			ns >>= shift;
			slot += shift;
		}
	}
	return slot < EXITS_SLOTS ? slot : EXITS_SLOTS - 1;
}

static __always_inline struct exits_lost *lost(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&exits_lost, &zero);
}

static __always_inline void count(const struct exits_key *key, __u64 ns)
{
	struct exits_value *value = bpf_map_lookup_elem(&exits, key);
	struct exits_lost *miss;
	__u32 slot;

	if (!value) {
		bpf_map_update_elem(&exits, key, &exits_zero, BPF_NOEXIST);
		value = bpf_map_lookup_elem(&exits, key);
	}
	if (!value) {
		miss = lost();
		if (miss)
			miss->no_entry++;
		return;
	}
	value->count++;
	value->total_ns += ns;
	if (ns > value->max_ns)
		value->max_ns = ns;
	slot = log2_slot(ns);
	if (slot < EXITS_SLOTS)	/* for the verifier */
		value->slots[slot]++;
}

static __always_inline void record(const __u64 *args)
{
	struct exits_record *r = bpf_ringbuf_reserve(&exits_live, sizeof(*r), 0);
	struct exits_lost *miss;

	if (!r) {
		miss = lost();
		if (miss)
			miss->no_room++;
		return;
	}
	r->time_ns = bpf_ktime_get_ns();
	r->vm = args[ARG_VM];
	r->vcpu = args[ARG_VCPU];
	r->reason = args[ARG_REASON];
	r->level = args[ARG_LEVEL];
	r->rip = args[ARG_RIP];
	r->info0 = args[ARG_INFO0];
	r->info1 = args[ARG_INFO1];
	r->ns = args[ARG_NS];
	bpf_ringbuf_submit(r, 0);
}

SEC("raw_tp/husk_exit")
int exits_count(struct bpf_raw_tracepoint_args *ctx)
{
	struct exits_key key = {
		.vm = ctx->args[ARG_VM],
		.reason = ctx->args[ARG_REASON],
		.level = ctx->args[ARG_LEVEL],
	};

	if (config.vm && key.vm != config.vm)
		return 0;
	count(&key, ctx->args[ARG_NS]);
	if (config.live)
		record(ctx->args);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
