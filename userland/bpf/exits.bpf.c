// SPDX-License-Identifier: GPL-2.0
/*
 * Counts and times the exits of husk's VMs by VM, reason and level. Its configuration,
 * which "husk trace" sets, filters them and says what else may become of them.
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

/* One page, and one entry, unless "husk trace" makes them larger for the mode that needs them. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} exits_live SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct exits_rip_key);
	__type(value, struct exits_rip_value);
} exits_rips SEC(".maps");

static const struct exits_value exits_zero;
static const struct exits_rip_value exits_rip_zero;

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

static __always_inline void lost_entry(void)
{
	struct exits_lost *miss = lost();

	if (miss)
		miss->no_entry++;
}

static __always_inline void count(const __u64 *args)
{
	const struct exits_key key = {
		.vm = args[ARG_VM], .reason = args[ARG_REASON], .level = args[ARG_LEVEL],
	};
	struct exits_value *value = bpf_map_lookup_elem(&exits, &key);
	__u64 ns = args[ARG_NS];
	__u32 slot;

	if (!value) {
		bpf_map_update_elem(&exits, &key, &exits_zero, BPF_NOEXIST);
		value = bpf_map_lookup_elem(&exits, &key);
	}
	if (!value) {
		lost_entry();
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

/* The key has the vCPU: its exits come one after another, and no two CPUs add to one value. */
static __always_inline void count_rip(const __u64 *args)
{
	const struct exits_rip_key key = {
		.vm = args[ARG_VM], .vcpu = args[ARG_VCPU], .reason = args[ARG_REASON], .level = args[ARG_LEVEL],
		.rip = args[ARG_RIP],
	};
	struct exits_rip_value *value = bpf_map_lookup_elem(&exits_rips, &key);

	if (!value) {
		bpf_map_update_elem(&exits_rips, &key, &exits_rip_zero, BPF_NOEXIST);
		value = bpf_map_lookup_elem(&exits_rips, &key);
	}
	if (!value) {
		lost_entry();
		return;
	}
	value->count++;
	value->total_ns += args[ARG_NS];
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

static __always_inline int in_mask(__u64 mask, __u64 bit)
{
	return !mask || (bit < 64 && (mask >> bit & 1));
}

static __always_inline int wanted(const __u64 *args)
{
	__u64 rip = args[ARG_RIP];

	if (config.vm && (__u32)args[ARG_VM] != config.vm)
		return 0;
	if (config.one_vcpu && (__u32)args[ARG_VCPU] != config.vcpu)
		return 0;
	if (!in_mask(config.reasons, (__u32)args[ARG_REASON]) || !in_mask(config.levels, (__u32)args[ARG_LEVEL]))
		return 0;
	if (config.rip_end && (rip < config.rip_from || rip >= config.rip_end))
		return 0;
	return !config.slower_ns || args[ARG_NS] > config.slower_ns;
}

SEC("raw_tp/husk_exit")
int exits_count(struct bpf_raw_tracepoint_args *ctx)
{
	if (!wanted(ctx->args))
		return 0;
	if (config.mode == EXITS_LIVE)
		record(ctx->args);
	else if (config.mode == EXITS_RIPS)
		count_rip(ctx->args);
	else
		count(ctx->args);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
