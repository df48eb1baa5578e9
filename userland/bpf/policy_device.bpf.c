// SPDX-License-Identifier: GPL-2.0
/*
 * A device in BPF alone, at ports 2a0h (which register) and 2a1h (its value), a byte
 * each; every VM has its own:
 *
 *	0	reads 68h
 *	1	counts how often it was read
 *	2..6	keep what is written
 *	7	a doorbell: what is written goes to whoever reads the ring buffer
 *		device_bells
 *
 *	bpftool prog load policy_device.bpf.o /sys/fs/bpf/device autoattach
 *	bpftool map dump name device_state
 */
#include <husk/policy.bpf.h>

#define BASE	0x2a0
enum { REG_ID = 0, REG_COUNT = 1, REG_BELL = 7, REGS = 8 };

struct device {
	__u8 select, reg[REGS];
	__u64 bells, lost;
};

struct bell {
	__u64 time_ns;
	__u32 vm, vcpu;
	__u64 value;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct device);
} device_state SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 65536);
} device_bells SEC(".maps");

static const struct device device_zero;

static __always_inline struct device *device_of(__u32 vm)
{
	struct device *d = bpf_map_lookup_elem(&device_state, &vm);

	if (d)
		return d;
	bpf_map_update_elem(&device_state, &vm, &device_zero, BPF_NOEXIST);
	return bpf_map_lookup_elem(&device_state, &vm);
}

static __always_inline void ring(struct device *d, const struct husk_exit_record *x)
{
	struct bell *bell = bpf_ringbuf_reserve(&device_bells, sizeof(*bell), 0);

	d->bells++;
	if (!bell) {
		d->lost++;
		return;
	}
	bell->time_ns = bpf_ktime_get_ns();
	bell->vm = x->vm;
	bell->vcpu = x->vcpu;
	bell->value = x->data;
	bpf_ringbuf_submit(bell, 0);
}

HUSK_POLICY(policy_device)
{
	struct device *d;
	__u32 n;

	if (x->reason != HUSK_REASON_PIO || x->address - BASE > 1 || x->width != 1)
		return HUSK_POLICY_PASS;
	d = device_of(x->vm);
	if (!d)
		return HUSK_POLICY_PASS;
	n = d->select & (REGS - 1);
	if (x->address == BASE) {
		if (x->access & HUSK_POLICY_WRITE)
			d->select = x->data;
		else
			x->data = n;
	} else if (x->access & HUSK_POLICY_WRITE) {
		if (n == REG_BELL)
			ring(d, x);
		else if (n > REG_COUNT)
			d->reg[n] = x->data;
	} else {
		x->data = n == REG_ID ? 0x68 : n == REG_COUNT ? d->reg[n]++ : d->reg[n];
	}
	return HUSK_POLICY_HANDLED;
}

char LICENSE[] SEC("license") = "GPL";
