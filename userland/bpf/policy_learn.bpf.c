// SPDX-License-Identifier: GPL-2.0
/*
 * An allow-list that is learnt: what a guest does while it is trusted is what it may do
 * later. VMs that are alike are in one class: learn_class says which (0 if it does not),
 * and learn_config by class what is done:
 *
 *	mode	0: what is seen goes to learn_list; 1: what is not there gets the verdict
 *	verdict	2 (with fault and error): an exception, 3: pause, 4: kill, 0: only counted
 *
 * On the list are leaves of CPUID, MSRs, ports with width and direction, hypercalls, and
 * pages of device memory with direction. HLT and memory that is only filled in are
 * always allowed: they differ from boot to boot.
 *
 * What was refused is in learn_refused, the sums are in learn_stats. "full" there counts
 * what found no room on the list while it was learnt: it would be refused.
 *
 *	bpftool prog load policy_learn.bpf.o /sys/fs/bpf/learn autoattach
 *	# class 0: refuse (1) what is not known, by an exception (2), which is 13 (0dh)
 *	bpftool map update name learn_config key hex 00 00 00 00 value hex 01 00 00 00 02 00 00 00 0d 00 00 00 00 00 00 00
 */
#include <husk/policy.bpf.h>

#define PAGE_MASK	(~0xfffULL)

enum { LEARN_RECORD, LEARN_ENFORCE };

struct learn_key {
	__u32 class, reason;
	__u32 access, width;	/* of ports; of device memory, access alone */
	__u64 address;
};

struct learn_config {
	__u32 mode;
	__u32 verdict, fault, error;
};

struct learn_stats {
	__u64 learnt, full, refused;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u32);
} learn_class SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct learn_config);
} learn_config SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct learn_key);
	__type(value, __u64);
} learn_list SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct learn_key);
	__type(value, __u64);
} learn_refused SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct learn_stats);
} learn_stats SEC(".maps");

static const struct learn_stats stats_zero;
static const __u64 one = 1;

static __always_inline struct learn_stats *stats_of(__u32 class)
{
	struct learn_stats *s = bpf_map_lookup_elem(&learn_stats, &class);

	if (s)
		return s;
	bpf_map_update_elem(&learn_stats, &class, &stats_zero, BPF_NOEXIST);
	return bpf_map_lookup_elem(&learn_stats, &class);
}

/* 0: no exit that is learnt */
static __always_inline int key_of(struct learn_key *key, const struct husk_exit_record *x)
{
	key->reason = x->reason;
	key->address = x->address;
	switch (x->reason) {
	case HUSK_REASON_CPUID:
	case HUSK_REASON_RDMSR:
	case HUSK_REASON_WRMSR:
	case HUSK_REASON_HYPERCALL:
		return 1;
	case HUSK_REASON_PIO:
		key->access = x->access;
		key->width = x->width;
		return 1;
	case HUSK_REASON_MMIO:
		key->access = x->access;
		key->address &= PAGE_MASK;
		return 1;
	default:
		return 0;
	}
}

static __always_inline void record(const struct learn_key *key, struct learn_stats *s)
{
	if (!bpf_map_update_elem(&learn_list, key, &one, BPF_NOEXIST))
		__sync_fetch_and_add(&s->learnt, 1);
	else if (!bpf_map_lookup_elem(&learn_list, key))	/* not by another vCPU either */
		__sync_fetch_and_add(&s->full, 1);
}

static __always_inline void refuse(const struct learn_key *key, struct learn_stats *s)
{
	__u64 *count = bpf_map_lookup_elem(&learn_refused, key);

	if (count)
		__sync_fetch_and_add(count, 1);
	else
		bpf_map_update_elem(&learn_refused, key, &one, BPF_NOEXIST);
	if (s)
		__sync_fetch_and_add(&s->refused, 1);
}

HUSK_POLICY(policy_learn)
{
	struct learn_key key = {};
	struct learn_config *config;
	struct learn_stats *s;
	__u32 vm = x->vm, *class;
	__u64 *count;

	if (!key_of(&key, x))
		return HUSK_POLICY_PASS;
	class = bpf_map_lookup_elem(&learn_class, &vm);
	key.class = class ? *class : 0;
	count = bpf_map_lookup_elem(&learn_list, &key);
	if (count) {
		if (!x->after)
			__sync_fetch_and_add(count, 1);
		return HUSK_POLICY_PASS;
	}
	s = stats_of(key.class);
	config = bpf_map_lookup_elem(&learn_config, &key.class);
	if (!config || config->mode == LEARN_RECORD) {
		if (s)
			record(&key, s);
		return HUSK_POLICY_PASS;
	}
	refuse(&key, s);
	x->fault = config->fault;
	x->error = config->error;
	return config->verdict;
}

char LICENSE[] SEC("license") = "GPL";
