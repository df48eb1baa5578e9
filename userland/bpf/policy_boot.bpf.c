// SPDX-License-Identifier: GPL-2.0
/*
 * What exits a guest's boot consists of, by phase. Which phase it is, rip tells, and HLT:
 *
 *	0	firmware: below 1 MiB, or in the 16 MiB below 4 GiB
 *	1	loader: elsewhere in the lower half; boot loaders, UEFI, a SeaBIOS that has
 *		moved itself up in memory, what unpacks a kernel
 *	2	kernel: from the first exit in the kernel's half on, which is at
 *		c0000000h for a kernel of 32 bits
 *	3	idle: from the kernel's first HLT with interrupts on
 *	4	user: from the first exit of a program in the lower half, interrupts on
 *
 * Phases only go forward. A guest that is reset stays in the one that it had, until its
 * entry of boot_vms is deleted. It counts the exits that programs are asked about, and
 * has no word in any: no host interrupts, nor what the CPU does alone.
 *
 *	bpftool prog load policy_boot.bpf.o /sys/fs/bpf/boot autoattach
 *	husk run ...
 *	bpftool map dump name boot_vms
 *	bpftool map dump name boot_phases
 */
#include <husk/policy.bpf.h>

#define MIB		(1ULL << 20)
#define GIB		(1ULL << 30)
#define RFLAGS_IF	(1ULL << 9)

enum { BOOT_FIRMWARE, BOOT_LOADER, BOOT_KERNEL, BOOT_IDLE, BOOT_USER, BOOT_PHASES };

struct boot_vm {
	__u64 start_ns;			/* the first exit, by bpf_ktime_get_ns() */
	__u64 since_ns[BOOT_PHASES];	/* each phase, after that; 0: was not there, or from the start on */
	__u64 phase;
};

struct boot_key {
	__u32 vm, phase, reason;
};

struct boot_exits {
	__u64 count;
	__u64 first_ns, last_ns;	/* after the VM's first exit */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct boot_vm);
} boot_vms SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct boot_key);
	__type(value, struct boot_exits);
} boot_phases SEC(".maps");

static __always_inline int is_firmware(__u64 rip)
{
	return rip < MIB || (rip >= 4 * GIB - 16 * MIB && rip < 4 * GIB);
}

static __always_inline int is_kernel(__u64 rip)
{
	return rip >> 63 || (rip >= 3 * GIB && rip < 4 * GIB - 16 * MIB);
}

static __always_inline __u64 phase_after(__u64 phase, const struct husk_exit_record *x)
{
	if (phase < BOOT_KERNEL) {
		if (is_kernel(x->rip))
			return BOOT_KERNEL;
		return is_firmware(x->rip) ? phase : BOOT_LOADER;
	}
	if (!(x->rflags & RFLAGS_IF))
		return phase;
	if (phase < BOOT_USER && !is_kernel(x->rip) && !is_firmware(x->rip))
		return BOOT_USER;
	return phase == BOOT_KERNEL && x->reason == HUSK_REASON_HLT ? BOOT_IDLE : phase;
}

static __always_inline struct boot_vm *vm_of(__u32 vm, __u64 now)
{
	struct boot_vm *v = bpf_map_lookup_elem(&boot_vms, &vm), new = {};

	if (v)
		return v;
	new.start_ns = now;
	bpf_map_update_elem(&boot_vms, &vm, &new, BPF_NOEXIST);
	return bpf_map_lookup_elem(&boot_vms, &vm);
}

static __always_inline void count(const struct husk_exit_record *x, __u32 phase, __u64 ns)
{
	struct boot_key key = { .vm = x->vm, .phase = phase, .reason = x->reason };
	struct boot_exits *e = bpf_map_lookup_elem(&boot_phases, &key), new = {};

	if (e) {
		__sync_fetch_and_add(&e->count, 1);
		e->last_ns = ns;
		return;
	}
	new.count = 1;
	new.first_ns = new.last_ns = ns;
	bpf_map_update_elem(&boot_phases, &key, &new, BPF_NOEXIST);
}

HUSK_POLICY(policy_boot)
{
	__u64 now = bpf_ktime_get_ns(), phase;
	struct boot_vm *v = vm_of(x->vm, now);

	if (!v || x->after)
		return HUSK_POLICY_PASS;
	phase = phase_after(v->phase, x);
	if (phase > v->phase && phase < BOOT_PHASES) {
		v->since_ns[phase] = now - v->start_ns;
		v->phase = phase;
	}
	count(x, phase, now - v->start_ns);
	return HUSK_POLICY_PASS;
}

char LICENSE[] SEC("license") = "GPL";
