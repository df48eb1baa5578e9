/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All contact with the host CPU's state outside of the vendor folders: FPU,
 * XCR0, XSS, TSC_AUX, debug registers, SPEC_CTRL, prediction barriers, raw MSRs.
 *
 * A stay in the fast loop is
 *
 *	local_irq_disable();
 *	husk_guest_load(vcpu);			false: the VM is dead, nothing was loaded
 *	vendor->open, enter, leaf exits, vendor->close
 *	husk_guest_put(vcpu);
 *	local_irq_enable();
 *
 * The FPU registers are swapped bare, under the kernel's feet: its own records
 * of them (TIF_NEED_FPU_LOAD and the like) stay true, since they hold what it
 * left there whenever interrupts are on, and irq_fpu_usable() is false meanwhile.
 * That is a third of the instructions of kernel_fpu_begin() with what it makes
 * the return to user mode do.
 */
#ifndef HUSK_HOSTCPU_H
#define HUSK_HOSTCPU_H

#include <linux/types.h>
#include <asm/asm.h>
#include <asm/msr-index.h>

#include "husk.h"

/* Fills husk_host. 0, -ENOMEM, or -EOPNOTSUPP after one line that says why. Process context. */
int husk_host_setup(void);
void husk_host_cleanup(void);

/* The power-on image in vcpu->fpu */
void husk_fpu_reset(struct husk_vcpu *vcpu);
/* May len bytes at area, as a user gave them, be loaded? 0 or -EINVAL */
int husk_fpu_check(const void *area, u32 len);
/* Bytes of a standard-format (compacted: false) or compacted XSAVE area for these XCR0 bits. Any context, no CPUID. */
u32 husk_xsave_bytes(u64 xcr0, bool compacted);

/*
 * What is swapped for a stay in the guest, the FPU registers among it, and the
 * barrier between two guests; and back. On one CPU, interrupts off between them.
 * false: vcpu->fpu was not loadable (a bug of husk: it is checked when set); the
 * host has its registers back.
 */
bool husk_guest_load(struct husk_vcpu *vcpu);
void husk_guest_put(struct husk_vcpu *vcpu);

/* Debug registers, bare */
#define husk_get_dr(n) ({ unsigned long v_; asm volatile("mov %%db" #n ", %0" : "=r" (v_)); v_; })
#define husk_set_dr(n, value) asm volatile("mov %0, %%db" #n : : "r" ((unsigned long)(value)) : "memory")

/* For a vendor whose exits leave the guest's DR6 in the register; that clear DR7 */
void husk_host_reset_dr6(void);
void husk_host_restore_dr7(void);

/* Does the host let guests have IA32_SPEC_CTRL; and the bits of it that this CPU knows */
bool husk_host_has_spec_ctrl(void);
u64 husk_host_spec_ctrl_bits(void);
/* IBPB on behalf of a guest. Any context. */
void husk_host_ibpb(void);

/* A machine check hit while a guest ran: hand it to the host's handler. Interrupts off. */
void husk_host_machine_check(void);

/*
 * The host's TSC, but for going on where it was when it has restarted in a suspend:
 * what guests' TSCs and clocks are made of.
 */
extern u64 husk_host_tsc_shift;
/* In the resume: no other CPU is there yet, and no vCPU in a guest. @back: by how many ticks */
void husk_host_tsc_restarted(u64 back);
static __always_inline u64 husk_host_tsc(void)
{
	return rdtsc() + READ_ONCE(husk_host_tsc_shift);
}

/*
 * Raw MSR access, under the same names on all kernels. The safe form answers
 * -EIO if the CPU raises #GP.
 */
static __always_inline u64 husk_host_rdmsr(u32 index)
{
	u32 low, high;

	asm volatile("rdmsr" : "=a" (low), "=d" (high) : "c" (index));
	return low | (u64)high << 32;
}

static __always_inline void husk_host_wrmsr(u32 index, u64 value)
{
	asm volatile("wrmsr" : : "c" (index), "a" ((u32)value), "d" ((u32)(value >> 32)) : "memory");
}

static inline int husk_host_rdmsr_safe(u32 index, u64 *value)
{
	u32 low = 0, high = 0;
	int error = -EIO;

	asm volatile("1:	rdmsr\n"
		     "	xor	%[error], %[error]\n"
		     "2:\n"
		     _ASM_EXTABLE(1b, 2b)
		     : [error] "+r" (error), "+a" (low), "+d" (high) : "c" (index) : "cc");
	*value = low | (u64)high << 32;
	return error;
}

#endif
