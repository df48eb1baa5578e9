// SPDX-License-Identifier: GPL-2.0
/*
 * Limits of disks that the kernel serves, and how long their requests take. The map
 * disk_limits says for a disk of a VM how many requests and bytes a second, and how many
 * of them at once; disk_times has a histogram for each disk and kind of request.
 *
 *	bpftool prog load policy_disk.bpf.o /sys/fs/bpf/disk autoattach
 *	# VM 1, its first disk (0): 100 requests a second, 20 at once; bytes are not limited
 *	bpftool map update name disk_limits key hex 01 00 00 00 00 00 00 00 \
 *		value hex 64 00 00 00 00 00 00 00 14 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
 */
#include <husk/policy.bpf.h>

#define SECOND	1000000000ULL
#define BUCKETS	32

struct disk_key {
	__u32 vm, disk;
};

/* A second, and at once; 0: not limited */
struct disk_limit {
	__u64 requests, requests_burst;
	__u64 bytes, bytes_burst;
};

/* When what was taken is paid for, in ns */
struct disk_debt {
	__u64 requests, bytes;
};

struct disk_kind {
	struct disk_key key;
	__u32 access;		/* HUSK_POLICY_READ or WRITE, of discards too; 0: flushes */
	__u32 reserved;
};

struct disk_times {
	__u64 requests, bytes, errors, ns;
	__u64 times[BUCKETS];	/* those that took 2^n .. 2^(n+1) - 1 ns; the last also longer ones */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct disk_key);
	__type(value, struct disk_limit);
} disk_limits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct disk_key);
	__type(value, struct disk_debt);
} disk_debts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct disk_kind);
	__type(value, struct disk_times);
} disk_times SEC(".maps");

static const struct disk_times zero;

/* Take so much of what there is of it in a second. How long to wait until there is more, in ns */
static __always_inline __u64 take(__u64 *paid, __u64 now, __u64 amount, __u64 rate, __u64 burst)
{
	if (!rate)
		return 0;
	if (*paid < now)
		*paid = now;
	*paid += amount * SECOND / rate;
	burst = burst * SECOND / rate;
	return *paid > now + burst ? *paid - now - burst : 0;
}

static __always_inline __u64 limit(const struct husk_exit_record *x)
{
	struct disk_key key = { .vm = x->vm, .disk = x->vcpu };
	struct disk_limit *l = bpf_map_lookup_elem(&disk_limits, &key);
	__u64 now = bpf_ktime_get_ns(), requests, bytes;
	struct disk_debt *d, none = {};

	if (!l)
		return 0;
	d = bpf_map_lookup_elem(&disk_debts, &key);
	if (!d) {
		bpf_map_update_elem(&disk_debts, &key, &none, BPF_NOEXIST);
		d = bpf_map_lookup_elem(&disk_debts, &key);
		if (!d)
			return 0;
	}
	requests = take(&d->requests, now, 1, l->requests, l->requests_burst);
	bytes = take(&d->bytes, now, x->access ? x->width : 0, l->bytes, l->bytes_burst);
	return requests > bytes ? requests : bytes;
}

static __always_inline __u32 bucket(__u64 ns)
{
	__u32 n = 0;

	for (int shift = 16; shift; shift /= 2)
		if (ns >> shift >> n)
			n += shift;
	return n < BUCKETS ? n : BUCKETS - 1;
}

/* It is done: x->data ns, and gpr[2] its errno. One thread serves a disk: nobody else counts here. */
static __always_inline void account(const struct husk_exit_record *x)
{
	struct disk_kind kind = { .key = { x->vm, x->vcpu }, .access = x->access };
	struct disk_times *t = bpf_map_lookup_elem(&disk_times, &kind);
	__u32 n = bucket(x->data);

	if (!t) {
		bpf_map_update_elem(&disk_times, &kind, &zero, BPF_NOEXIST);
		t = bpf_map_lookup_elem(&disk_times, &kind);
		if (!t)
			return;
	}
	t->requests++;
	t->bytes += x->access ? x->width : 0;
	t->errors += !!x->gpr[2];
	t->ns += x->data;
	if (n < BUCKETS)
		t->times[n]++;
}

HUSK_POLICY(policy_disk)
{
	if (x->reason != HUSK_REASON_VIRTIO)
		return HUSK_POLICY_PASS;
	if (x->after) {
		account(x);
		return HUSK_POLICY_PASS;
	}
	x->data = limit(x);
	return HUSK_POLICY_AFTER;
}

char LICENSE[] SEC("license") = "GPL";
