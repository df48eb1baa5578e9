/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel around kmod/cpuid.c and kmod/msr.c for their unit tests: a host
 * CPU that the test makes up, and a vCPU with what they use of it.
 */
#ifndef HUSK_GUEST_CPU_SHIM_H
#define HUSK_GUEST_CPU_SHIM_H

#include "unit_shim.h"
#include "cpuid_table.h"

#define HUSK_H			/* kmod/husk.h and hostcpu.h are replaced by what follows */
#define HUSK_HOSTCPU_H

#define GENMASK(h, l)		((u32)GENMASK_ULL(h, l))
#define BUILD_BUG_ON(x)		_Static_assert(!(x), #x)
#define lockdep_assert_held(x)	((void)(x))
#define kvfree(p)		free(p)
#define sort(base, n, size, cmp, swap) qsort(base, n, size, cmp)

#define HUSK_SYS_CR		1
#define HUSK_SYS_SEG		2
#define HUSK_SYS_TSC		4

#define __user
#include "pv/pv.h"

struct husk_vm {
	int lock;
	struct husk_cpuid_table cpuid;
	struct husk_pv_vm pv;
};

struct husk_vcpu {
	struct { u64 gpr[16]; } regs;
	struct husk_vm *vm;
	struct husk_system sys;
	u32 id;
	u64 xcr0, pat, mtrr_def_type, tsc_aux, tsc_adjust, tsc_offset;
	u64 misc_msrs[32], vendor_msrs[16];
	struct husk_pv_vcpu pv;
	struct { u64 unknown_msrs; } *stats;
	struct { u64 msr; } exit;
};

/* ---- the host ---- */

static struct { u64 xcr0, guest_xcr0, xss; u32 xsave_size, phys_bits; } husk_host;
static struct { u8 x86_vendor; u32 microcode; } boot_cpu_data __attribute__((__unused__));
static u64 host_modes;
static u32 host_flags;		/* BIT(X86_FEATURE_x) */

enum { X86_VENDOR_INTEL, X86_VENDOR_AMD = 2 };
enum { X86_FEATURE_IBPB, X86_FEATURE_RDTSCP, X86_FEATURE_RDPID, X86_FEATURE_ARCH_CAPABILITIES, HOST_SPEC_CTRL };

static inline bool husk_mode(enum husk_mode m)
{
	return host_modes & BIT_ULL(m);
}

static inline bool boot_cpu_has(int feature)
{
	return host_flags & BIT(feature);
}

static inline bool husk_host_has_spec_ctrl(void)
{
	return boot_cpu_has(HOST_SPEC_CTRL);
}

void husk_cpuid_free(struct husk_vm *vm);

static inline void husk_fetch(struct husk_vcpu *vcpu, u8 classes)
{
}

#endif
