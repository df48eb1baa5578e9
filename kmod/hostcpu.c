// SPDX-License-Identifier: GPL-2.0
/*
 * The host CPU's state: what husk takes for a guest and how it is given back.
 *
 * Not swapped, on purpose: PKRU and the protection-key rights in it. Guests see
 * no PKU, CR4.PKE and XCR0.PKRU are refused, so neither WRPKRU nor XRSTOR of a
 * guest can change it, and with CR4.PKE clear it does not act on a guest.
 * XFD: guest_xcr0 has none of its components. PAT, EFER: in the vendor's
 * guest state.
 */
#define pr_fmt(fmt) "husk: " fmt

#include <linux/cpu.h>
#include <linux/jump_label.h>
#include <linux/kernel.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/string.h>
#include <asm/cpufeature.h>
#include <asm/debugreg.h>
#include <asm/fpu/api.h>
#include <asm/fpu/types.h>
#include <asm/fpu/xcr.h>
#include <asm/mce.h>
#include <asm/nospec-branch.h>
#include <asm/processor.h>
#include <asm/processor-flags.h>
#include <asm/tsc.h>

#include "hostcpu.h"
#include "irqchip/irqchip.h"
#include "msr.h"
#include "state_check.h"

#define HUSK_XSAVE_HEADER	512	/* offset of the header, SDM 1 13.4.2 */
#define HUSK_XSAVE_MIN		576	/* legacy region and header */
#define HUSK_FPU_MXCSR		24	/* offsets in the legacy region, SDM 1 table 10-2 */
#define HUSK_FPU_MXCSR_MASK	28
#define HUSK_FPU_FCW_INIT	0x37f
#define HUSK_FPU_MXCSR_INIT	0x1f80

struct husk_host husk_host;

/* Components of guest_xcr0 as CPUID 0xD describes them; immutable after load */
struct husk_xsave_part {
	u32 size, offset;
	bool aligned;
};
static struct husk_xsave_part husk_xsave_part[8];
static u32 husk_mxcsr_mask = 0xffbf;	/* SDM 1 11.6.6: the default if FXSAVE says 0 */
/* What this CPU has, patched into the path of each stay */
static DEFINE_STATIC_KEY_FALSE(husk_uses_xsave);	/* guest_xcr0 is not 0 */
static DEFINE_STATIC_KEY_FALSE(husk_uses_xss);		/* the host does, guests must not */
static DEFINE_STATIC_KEY_FALSE(husk_has_tsc_aux);
static u64 husk_spec_ctrl_bits;
static u8 husk_fpu_image[HUSK_XSAVE_MIN] __aligned(64);	/* the initial state */
static void __percpu *husk_fpu_host;	/* what was in the registers before a stay */

/* This CPU's values while a guest has the registers, and the last guest it had */
struct husk_host_cpu {
	u8 swapped;		/* HUSK_SWAP_x: what husk_guest_put() has to do */
	u64 last_vcpu;
	u64 tsc_aux, spec_ctrl;
	unsigned long dr[4];
};
enum {
	HUSK_SWAP_XCR0		= BIT(0),
	HUSK_SWAP_XSS		= BIT(1),
	HUSK_SWAP_TSC_AUX	= BIT(2),
	HUSK_SWAP_SPEC_CTRL	= BIT(3),
	HUSK_SWAP_DR		= BIT(4),	/* the guest's are loaded */
	HUSK_SWAP_HOST_DR	= BIT(5),	/* the host's are in use */
};
static DEFINE_PER_CPU(struct husk_host_cpu, husk_host_cpu);

/* ---- FPU ---- */

static void husk_fpu_xsave(void *area, u64 mask)
{
	asm volatile("xsave64 (%0)" : : "r" (area), "a" ((u32)mask), "d" ((u32)(mask >> 32)) : "memory");
}

static __always_inline bool husk_fpu_xrstor(const void *area, u64 mask)
{
	asm goto("1:	xrstor64 (%[area])\n"
		 _ASM_EXTABLE(1b, %l[fault])
		 : : [area] "r" (area), "a" ((u32)mask), "d" ((u32)(mask >> 32)) : "memory" : fault);
	return true;
fault:
	return false;
}

static __always_inline bool husk_fpu_fxrstor(const void *area)
{
	asm goto("1:	fxrstor64 (%[area])\n"
		 _ASM_EXTABLE(1b, %l[fault])
		 : : [area] "r" (area) : "memory" : fault);
	return true;
fault:
	return false;
}

static __always_inline bool husk_fpu_restore(const void *area)
{
	/*
	 * Such CPUs restore the x87 instruction and data pointers only if an
	 * exception is pending: overwrite the other side's, as the kernel does
	 * between processes.
	 */
	if (static_cpu_has_bug(X86_BUG_FXSAVE_LEAK))
		asm volatile("fnclex\n\temms\n\tfildl %0" : : "m" (husk_mxcsr_mask));
	if (static_branch_likely(&husk_uses_xsave))
		return husk_fpu_xrstor(area, husk_host.guest_xcr0);
	return husk_fpu_fxrstor(area);
}

static __always_inline void husk_fpu_store(void *area)
{
	if (static_branch_likely(&husk_uses_xsave))
		husk_fpu_xsave(area, husk_host.guest_xcr0);
	else
		asm volatile("fxsave64 (%0)" : : "r" (area) : "memory");
}

/*
 * For irq_fpu_usable() a stay is an interrupt that hit a section which owns the
 * FPU registers. Other kernel code that runs in a stay, called by a BPF program
 * on one of the trace points, say, then leaves them alone.
 */
#define HUSK_FPU_OWNED	(HARDIRQ_OFFSET + SOFTIRQ_DISABLE_OFFSET)

static __always_inline bool husk_fpu_load(struct husk_vcpu *vcpu)
{
	__preempt_count_add(HUSK_FPU_OWNED);
	husk_fpu_store(this_cpu_ptr(husk_fpu_host));
	/* All of guest_xcr0, whatever vcpu->xcr0 says: nothing of the host stays in the registers. */
	if (likely(husk_fpu_restore(vcpu->fpu)))
		return true;
	WARN_ON_ONCE(!husk_fpu_restore(husk_fpu_image));
	return false;
}

static __always_inline void husk_fpu_save(struct husk_vcpu *vcpu)
{
	husk_fpu_store(vcpu->fpu);
	WARN_ON_ONCE(!husk_fpu_restore(this_cpu_ptr(husk_fpu_host)));
	__preempt_count_sub(HUSK_FPU_OWNED);
}

static bool husk_fpu_ownable(void)
{
	bool usable;

	local_irq_disable();
	__preempt_count_add(HUSK_FPU_OWNED);
	usable = irq_fpu_usable();
	__preempt_count_sub(HUSK_FPU_OWNED);
	local_irq_enable();
	return !usable;
}

void husk_fpu_reset(struct husk_vcpu *vcpu)
{
	memset(vcpu->fpu, 0, husk_host.xsave_size);
	memcpy(vcpu->fpu, husk_fpu_image, HUSK_XSAVE_HEADER);
}

/*
 * XRSTOR raises #GP for a component outside of XCR0, a compacted or reserved
 * header, or reserved MXCSR bits (SDM 1 13.8.1); FXRSTOR for the last.
 */
int husk_fpu_check(const void *area, u32 len)
{
	const u64 *header = area + HUSK_XSAVE_HEADER;
	u32 mxcsr;
	int i;

	if (len != husk_host.xsave_size)
		return -EINVAL;
	memcpy(&mxcsr, area + HUSK_FPU_MXCSR, sizeof(mxcsr));
	if (mxcsr & ~husk_mxcsr_mask)
		return -EINVAL;
	if (!husk_host.guest_xcr0)
		return 0;
	if (header[0] & ~husk_host.guest_xcr0)
		return -EINVAL;
	for (i = 1; i < 8; i++)
		if (header[i])
			return -EINVAL;
	return 0;
}

bool husk_xcr0_valid(u64 value)
{
	return husk_xcr0_legal(value, husk_host.guest_xcr0);
}

u32 husk_xsave_bytes(u64 xcr0, bool compacted)
{
	u32 bytes = HUSK_XSAVE_MIN;
	unsigned int i;

	for (i = 2; i < ARRAY_SIZE(husk_xsave_part); i++) {
		const struct husk_xsave_part *part = &husk_xsave_part[i];

		if (!(xcr0 & BIT_ULL(i)))
			continue;
		if (!compacted)
			bytes = max(bytes, part->offset + part->size);
		else
			bytes = (part->aligned ? ALIGN(bytes, 64) : bytes) + part->size;
	}
	return bytes;
}

/* ---- debug registers ---- */

static noinline u8 husk_guest_dr_load(struct husk_vcpu *vcpu, struct husk_host_cpu *host)
{
	const u64 *dr = vcpu->sys.dr;
	u8 swapped = 0;

	if (hw_breakpoint_active()) {
		swapped = HUSK_SWAP_HOST_DR;
		host->dr[0] = husk_get_dr(0);
		host->dr[1] = husk_get_dr(1);
		host->dr[2] = husk_get_dr(2);
		host->dr[3] = husk_get_dr(3);
		/* a guest's address must not trap the host on its way to the entry */
		husk_set_dr(7, DR_CONTROL_RESERVED & 0x400);
	}
	if (!vcpu->dr_live)
		return swapped;
	husk_set_dr(0, dr[0]);
	husk_set_dr(1, dr[1]);
	husk_set_dr(2, dr[2]);
	husk_set_dr(3, dr[3]);
	return swapped | HUSK_SWAP_DR;
}

static noinline void husk_guest_dr_save(struct husk_vcpu *vcpu)
{
	vcpu->sys.dr[0] = husk_get_dr(0);
	vcpu->sys.dr[1] = husk_get_dr(1);
	vcpu->sys.dr[2] = husk_get_dr(2);
	vcpu->sys.dr[3] = husk_get_dr(3);
}

/* The exit left DR7 with all breakpoints off (APM2 15.6.1). */
static noinline void husk_host_dr_restore(struct husk_host_cpu *host)
{
	husk_set_dr(0, host->dr[0]);
	husk_set_dr(1, host->dr[1]);
	husk_set_dr(2, host->dr[2]);
	husk_set_dr(3, host->dr[3]);
	husk_host_reset_dr6();
	husk_host_restore_dr7();
}

void husk_host_restore_dr7(void)
{
	if (hw_breakpoint_active())
		husk_set_dr(7, __this_cpu_read(cpu_dr7));
}

void husk_host_reset_dr6(void)
{
	husk_set_dr(6, DR6_RESERVED);
}

/* ---- a stay ---- */

/*
 * Between two vCPUs: branches of this guest must not be steered by what another
 * guest trained on this CPU. Between the guests of different processes, KVM's
 * too, the kernel's own barrier at the switch of address spaces acts if the
 * worker asked for it (PR_SPEC_INDIRECT_BRANCH).
 */
static noinline void husk_guest_switch(struct husk_vcpu *vcpu, struct husk_host_cpu *host)
{
	host->last_vcpu = vcpu->key;
	if (unlikely(vcpu->tsc_shift != husk_host_tsc_shift)) {
		vcpu->tsc_shift = husk_host_tsc_shift;
		husk_dirty(vcpu, HUSK_SYS_TSC);
	}
	if (boot_cpu_has(X86_FEATURE_IBPB) && !cpu_mitigations_off())
		husk_host_ibpb();
}

bool husk_guest_load(struct husk_vcpu *vcpu)
{
	struct husk_host_cpu *host = this_cpu_ptr(&husk_host_cpu);
	u8 swapped = 0;
	u64 want;

	/* First: XRSTOR wants the host's XCR0. */
	if (unlikely(!husk_fpu_load(vcpu))) {
		husk_fpu_save(vcpu);
		return false;
	}
	if (unlikely(host->last_vcpu != vcpu->key))
		husk_guest_switch(vcpu, host);
	if (static_branch_likely(&husk_uses_xsave) && vcpu->xcr0 != husk_host.xcr0) {
		xsetbv(XCR_XFEATURE_ENABLED_MASK, vcpu->xcr0);
		swapped |= HUSK_SWAP_XCR0;
	}
	/* A guest can execute XSAVES although it does not see it: let it save nothing of supervisor state. */
	if (static_branch_unlikely(&husk_uses_xss)) {
		husk_host_wrmsr(MSR_IA32_XSS, 0);
		swapped |= HUSK_SWAP_XSS;
	}
	/*
	 * Read each time: KVM may have left its guest's value here until the
	 * next return to user mode and expects to find just that again.
	 */
	if (static_branch_likely(&husk_has_tsc_aux)) {
		host->tsc_aux = husk_host_rdmsr(MSR_TSC_AUX);
		if (host->tsc_aux != vcpu->tsc_aux) {
			husk_host_wrmsr(MSR_TSC_AUX, vcpu->tsc_aux);
			swapped |= HUSK_SWAP_TSC_AUX;
		}
	}
	if (unlikely(vcpu->dr_live || hw_breakpoint_active()))
		swapped |= husk_guest_dr_load(vcpu, host);
	/*
	 * Guest and host share the register for the whole stay, handlers of
	 * leaf exits included: never fewer protections than the host has. This
	 * is what the hardware's own virtualization of it does (APM2 15.37).
	 */
	host->spec_ctrl = this_cpu_read(x86_spec_ctrl_current);
	want = host->spec_ctrl | vcpu->misc_msrs[HUSK_MISC_SPEC_CTRL];
	if (unlikely(want != host->spec_ctrl)) {
		husk_host_wrmsr(MSR_IA32_SPEC_CTRL, want);
		swapped |= HUSK_SWAP_SPEC_CTRL;
	}
	host->swapped = swapped;
	return true;
}

static noinline void husk_guest_swap_back(struct husk_vcpu *vcpu, struct husk_host_cpu *host)
{
	u8 swapped = host->swapped;

	if (swapped & HUSK_SWAP_SPEC_CTRL)
		husk_host_wrmsr(MSR_IA32_SPEC_CTRL, host->spec_ctrl);
	if (swapped & HUSK_SWAP_DR)
		husk_guest_dr_save(vcpu);
	if (swapped & HUSK_SWAP_HOST_DR)
		husk_host_dr_restore(host);
	if (swapped & HUSK_SWAP_TSC_AUX)
		husk_host_wrmsr(MSR_TSC_AUX, host->tsc_aux);
	if (swapped & HUSK_SWAP_XSS)
		husk_host_wrmsr(MSR_IA32_XSS, husk_host.xss);
	if (swapped & HUSK_SWAP_XCR0)
		xsetbv(XCR_XFEATURE_ENABLED_MASK, husk_host.xcr0);
}

void husk_guest_put(struct husk_vcpu *vcpu)
{
	struct husk_host_cpu *host = this_cpu_ptr(&husk_host_cpu);

	if (host->swapped)
		husk_guest_swap_back(vcpu, host);
	/*
	 * VMSCAPE: the guest's branch history must not steer the worker, which
	 * runs in the same process as the thread that was the guest. The kernel
	 * issues the barrier when it really returns to user mode.
	 */
	if (cpu_feature_enabled(X86_FEATURE_IBPB_EXIT_TO_USER))
		this_cpu_write(x86_ibpb_exit_to_user, true);
	husk_fpu_save(vcpu);
}

/*
 * A #MC that ended a stay was not delivered to the host (APM2 15.12.18), nor one
 * that made a VM entry fail (SDM 3C 27.9): call its handler. cs says user mode,
 * since it was not the kernel's code that ran: a recoverable error then ends this
 * process and not the machine.
 */
void husk_host_machine_check(void)
{
	struct pt_regs regs = { .cs = 3, .flags = X86_EFLAGS_IF };
	unsigned long flags;

	local_irq_save(flags);
	if (IS_ENABLED(CONFIG_X86_MCE))
		do_machine_check(&regs);
	else
		asm volatile("int $18");
	local_irq_restore(flags);
}

void husk_host_ibpb(void)
{
	husk_host_wrmsr(MSR_IA32_PRED_CMD, PRED_CMD_IBPB);
}

bool husk_host_has_spec_ctrl(void)
{
	return husk_spec_ctrl_bits;
}

u64 husk_host_spec_ctrl_bits(void)
{
	return husk_spec_ctrl_bits;
}

u64 husk_host_tsc_shift __read_mostly;

/* To every CPU each vCPU is another one now: it takes the shift over before it is in the guest again. */
void husk_host_tsc_restarted(u64 back)
{
	int cpu;

	WRITE_ONCE(husk_host_tsc_shift, husk_host_tsc_shift + back);
	for_each_possible_cpu(cpu)
		per_cpu(husk_host_cpu, cpu).last_vcpu = 0;
}

/**
 * husk_guest_tsc - the guest's TSC now
 * @vcpu: any vCPU; any context
 */
u64 husk_guest_tsc(struct husk_vcpu *vcpu)
{
	return husk_host_tsc() + READ_ONCE(vcpu->tsc_offset);
}

/* ---- set-up ---- */

static void husk_host_setup_xsave(void)
{
	u64 xcr0 = xgetbv(XCR_XFEATURE_ENABLED_MASK);
	u32 eax, ebx, ecx, edx;
	unsigned int i;

	husk_host.xcr0 = xcr0;
	/* CPUID 0xD.1 EAX[3]: XSAVES and IA32_XSS (SDM 1 13.2) */
	cpuid_count(0xd, 1, &eax, &ebx, &ecx, &edx);
	if ((eax & BIT(3)) && husk_host_rdmsr_safe(MSR_IA32_XSS, &husk_host.xss))
		husk_host.xss = 0;
	if (husk_host.xss)
		static_branch_enable(&husk_uses_xss);
	if (!husk_mode(HUSK_MODE_XSAVE))
		return;

	/* AVX-512's three only together, and only with AVX (SDM 1 13.3) */
	xcr0 &= XFEATURE_MASK_FPSSE | XFEATURE_MASK_YMM | XFEATURE_MASK_AVX512;
	if (!(xcr0 & XFEATURE_MASK_YMM) || (xcr0 & XFEATURE_MASK_AVX512) != XFEATURE_MASK_AVX512)
		xcr0 &= ~(u64)XFEATURE_MASK_AVX512;
	for (i = 2; i < ARRAY_SIZE(husk_xsave_part); i++) {
		if (!(xcr0 & BIT_ULL(i)))
			continue;
		cpuid_count(0xd, i, &eax, &ebx, &ecx, &edx);
		husk_xsave_part[i] = (struct husk_xsave_part){ .size = eax, .offset = ebx, .aligned = ecx & BIT(1) };
	}
	husk_host.guest_xcr0 = xcr0;
	static_branch_enable(&husk_uses_xsave);
	husk_host.xsave_size = husk_xsave_bytes(xcr0, false);
}

static void husk_host_setup_mxcsr(void)
{
	static u8 area[512] __aligned(16);
	u32 mask;

	kernel_fpu_begin_mask(0);
	asm volatile("fxsave64 %0" : "=m" (area));
	kernel_fpu_end();
	memcpy(&mask, area + HUSK_FPU_MXCSR_MASK, sizeof(mask));
	if (mask)
		husk_mxcsr_mask = mask;
	memset(area, 0, sizeof(area));
}

/* Bits that a guest may set without #GP: found by CPUID (SDM 4 table 2-2; APM2 3.2.9) */
static void husk_host_setup_spec_ctrl(void)
{
	if (!boot_cpu_has(X86_FEATURE_MSR_SPEC_CTRL))
		return;
	if (boot_cpu_has(X86_FEATURE_IBRS))
		husk_spec_ctrl_bits |= SPEC_CTRL_IBRS;
	if (boot_cpu_has(X86_FEATURE_STIBP))
		husk_spec_ctrl_bits |= SPEC_CTRL_STIBP;
	if (boot_cpu_has(X86_FEATURE_SPEC_CTRL_SSBD) || boot_cpu_has(X86_FEATURE_AMD_SSBD))
		husk_spec_ctrl_bits |= SPEC_CTRL_SSBD;
}

int husk_host_setup(void)
{
	const u16 fcw = HUSK_FPU_FCW_INIT;
	const u32 mxcsr = HUSK_FPU_MXCSR_INIT;

	husk_host.xsave_size = HUSK_XSAVE_HEADER;
	if (boot_cpu_has(X86_FEATURE_OSXSAVE))
		husk_host_setup_xsave();
	if (husk_host.xsave_size > sizeof_field(struct husk_fpu, data)) {
		pr_err("the XSAVE area of this CPU (%u bytes) is larger than husk knows: load with mask=xsave\n",
		       husk_host.xsave_size);
		return -EOPNOTSUPP;
	}
	if (!husk_fpu_ownable()) {
		pr_err("this kernel (real-time?) has no way to keep others off the FPU while a guest runs\n");
		return -EOPNOTSUPP;
	}
	husk_host_setup_mxcsr();
	memcpy(husk_fpu_image, &fcw, sizeof(fcw));
	memcpy(husk_fpu_image + HUSK_FPU_MXCSR, &mxcsr, sizeof(mxcsr));

	husk_fpu_host = __alloc_percpu(ALIGN(husk_host.xsave_size, 64), 64);
	if (!husk_fpu_host)
		return -ENOMEM;

	if (boot_cpu_has(X86_FEATURE_RDTSCP) || boot_cpu_has(X86_FEATURE_RDPID))
		static_branch_enable(&husk_has_tsc_aux);
	husk_host_setup_spec_ctrl();
	/* A second-level table of four levels reaches 48 bits. */
	husk_host.phys_bits = min_t(u32, cpuid_eax(0x80000008) & 0xff, 48);
	return 0;
}

void husk_host_cleanup(void)
{
	free_percpu(husk_fpu_host);
}
