// SPDX-License-Identifier: GPL-2.0
/*
 * The common exit table: what the fast loop did not serve. Interrupts on, the
 * vCPU's thread may sleep.
 */
#include <linux/nospec.h>
#include <asm/processor-flags.h>

#include "emulate.h"
#include "exits.h"
#include "hostcpu.h"
#include "irqchip/irqchip.h"
#include "traced.h"
#include "vendor.h"

static enum husk_verdict husk_exit_resume(struct husk_vcpu *vcpu)
{
	/* The host has served its interrupt by now. The guest's may find its window open, without an exit for it. */
	if (vcpu->intr_window)
		set_bit(HUSK_REQ_EVENT, &vcpu->requests);
	husk_pv_tick(vcpu);
	return HUSK_RESUME;
}

static enum husk_verdict husk_serve_hypercall(struct husk_vcpu *vcpu)
{
	husk_pv_hypercall_slow(vcpu);
	return HUSK_RETIRE;
}

static enum husk_verdict husk_exit_hypercall(struct husk_vcpu *vcpu)
{
	return trace_husk_hypercall_enabled() ? husk_traced_hypercall(vcpu, husk_serve_hypercall) :
						husk_serve_hypercall(vcpu);
}

static enum husk_verdict husk_exit_rdmsr(struct husk_vcpu *vcpu)
{
	return trace_husk_msr_enabled() ? husk_traced_msr(vcpu, husk_rdmsr) : husk_rdmsr(vcpu);
}

static enum husk_verdict husk_exit_wrmsr(struct husk_vcpu *vcpu)
{
	return trace_husk_msr_enabled() ? husk_traced_msr(vcpu, husk_wrmsr) : husk_wrmsr(vcpu);
}

static enum husk_verdict husk_exit_apic(struct husk_vcpu *vcpu)
{
	husk_lapic_exit(vcpu);
	return HUSK_RESUME;
}

static enum husk_verdict husk_exit_retire(struct husk_vcpu *vcpu)
{
	return HUSK_RETIRE;
}

static enum husk_verdict husk_exit_ud(struct husk_vcpu *vcpu)
{
	husk_inject_ud(vcpu);
	return HUSK_RESUME;
}

static enum husk_verdict husk_exit_gp(struct husk_vcpu *vcpu)
{
	husk_inject_gp(vcpu);
	return HUSK_RESUME;
}

static enum husk_verdict husk_exit_hlt(struct husk_vcpu *vcpu)
{
	vcpu->mp_state = HUSK_MP_HALTED;	/* husk_prepare() sleeps */
	return HUSK_RETIRE;
}

static enum husk_verdict husk_exit_fault2(struct husk_vcpu *vcpu)
{
	struct husk_exit_info *exit = &vcpu->exit;
	enum husk_fault fault = husk_mem_fault(vcpu, exit->gpa, exit->access);

	trace_husk_fault2(vcpu->vm->id, vcpu->id, exit->gpa, exit->access, fault);
	switch (fault) {
	case HUSK_FAULT_MAPPED:
	case HUSK_FAULT_SIGNAL:		/* husk_prepare() sees the signal */
		return HUSK_RESUME;
	case HUSK_FAULT_NO_SLOT:
	case HUSK_FAULT_READONLY:
		exit->reason = HUSK_REASON_MMIO;
		/* Page tables, code, or the way to a handler outside of memory: no instruction to emulate. */
		if ((exit->access & (HUSK_ACCESS_WALK | HUSK_ACCESS_EXEC)) || vcpu->event.pending)
			return husk_unhandled(vcpu);
		return husk_emulate_exit(vcpu);
	default:
		return husk_unhandled(vcpu);
	}
}

/* #DB and #AC are intercepted because an endless stream of them keeps host
 * interrupts out (CVE-2015-5307, CVE-2015-8104); the guest gets them back. */
static enum husk_verdict husk_exit_exception(struct husk_vcpu *vcpu)
{
	const struct husk_exit_info *exit = &vcpu->exit;

	husk_inject_exception(vcpu, exit->exception.vector, exit->exception.has_error, exit->exception.error, 0);
	return HUSK_RESUME;
}

/* ---- control and debug registers ---- */

/*
 * MOV to CR0, CR3 or CR4 loads the four top entries of PAE paging into registers
 * (SDM 3A 4.4.1). Hardware that keeps those in the control block has to be told.
 */
void husk_paging_changed(struct husk_vcpu *vcpu)
{
	const struct husk_system *sys = &vcpu->sys;

	if ((sys->cr0 & X86_CR0_PG) && (sys->cr4 & X86_CR4_PAE) && !(sys->efer & EFER_LMA))
		set_bit(HUSK_REQ_PDPTE, &vcpu->requests);
}

bool husk_write_cr0(struct husk_vcpu *vcpu, u64 value)
{
	struct husk_system *sys = &vcpu->sys;

	husk_fetch(vcpu, HUSK_SYS_CR);
	if ((value >> 32) || ((value & X86_CR0_PG) && !(value & X86_CR0_PE)) ||
	    ((value & X86_CR0_NW) && !(value & X86_CR0_CD)))
		return false;
	value |= X86_CR0_ET;
	if ((value ^ sys->cr0) & X86_CR0_PG) {
		if (value & X86_CR0_PG) {
			if (sys->efer & EFER_LME) {
				if (!(sys->cr4 & X86_CR4_PAE) || (sys->cs.attr & BIT(9)))
					return false;
				husk_fetch(vcpu, HUSK_SYS_SEG);
				if ((sys->tr.attr & 0xd) == 1)
					return false;	/* a 16-bit TSS: SDM 2B "MOV" */
				sys->efer |= EFER_LMA;
			}
		} else {
			if (sys->cr4 & X86_CR4_PCIDE)
				return false;
			if ((sys->efer & EFER_LMA) && (sys->cs.attr & BIT(9)))
				return false;	/* in 64-bit mode */
			sys->efer &= ~(u64)EFER_LMA;
		}
		set_bit(HUSK_REQ_FLUSH, &vcpu->requests);
	}
	sys->cr0 = value;
	husk_dirty(vcpu, HUSK_SYS_CR);
	husk_paging_changed(vcpu);
	return true;
}

bool husk_write_cr4(struct husk_vcpu *vcpu, u64 value)
{
	struct husk_system *sys = &vcpu->sys;
	const u64 flush = X86_CR4_PGE | X86_CR4_PAE | X86_CR4_PSE | X86_CR4_PCIDE | X86_CR4_SMEP | X86_CR4_SMAP;

	husk_fetch(vcpu, HUSK_SYS_CR);
	if (value & ~husk_cr4_allowed(vcpu->vm))
		return false;
	if ((sys->efer & EFER_LMA) && !(value & X86_CR4_PAE))
		return false;
	if ((value & ~sys->cr4 & X86_CR4_PCIDE) && (!(sys->efer & EFER_LMA) || (sys->cr3 & 0xfff)))
		return false;
	if ((value ^ sys->cr4) & flush)
		set_bit(HUSK_REQ_FLUSH, &vcpu->requests);
	sys->cr4 = value;
	husk_dirty(vcpu, HUSK_SYS_CR);
	husk_paging_changed(vcpu);
	return true;
}

u64 husk_efer_allowed(void)
{
	return EFER_SCE | EFER_LME | EFER_LMA | EFER_NX | (husk_mode(HUSK_MODE_SVM) ? EFER_FFXSR : 0);
}

bool husk_write_efer(struct husk_vcpu *vcpu, u64 value)
{
	struct husk_system *sys = &vcpu->sys;

	husk_fetch(vcpu, HUSK_SYS_CR);
	if (value & ~husk_efer_allowed())
		return false;
	if (((value ^ sys->efer) & EFER_LME) && (sys->cr0 & X86_CR0_PG))
		return false;
	if ((value ^ sys->efer) & EFER_NX)
		set_bit(HUSK_REQ_FLUSH, &vcpu->requests);
	/* LMA is the CPU's own */
	sys->efer = (value & ~(u64)EFER_LMA) | (sys->efer & EFER_LMA);
	husk_dirty(vcpu, HUSK_SYS_CR);
	return true;
}

u64 husk_read_cr(struct husk_vcpu *vcpu, u8 number)
{
	husk_fetch(vcpu, HUSK_SYS_CR);
	switch (number) {
	case 0: return vcpu->sys.cr0;
	case 2: return vcpu->sys.cr2;
	case 3: return vcpu->sys.cr3;
	case 4: return vcpu->sys.cr4;
	default: return husk_lapic_read_cr8(vcpu);
	}
}

/* Bit 63 asks to keep the PCID's TLB entries; that is a hint (SDM 3A 4.10.4.1). */
static bool husk_write_cr3(struct husk_vcpu *vcpu, u64 value)
{
	husk_fetch(vcpu, HUSK_SYS_CR);
	if (vcpu->sys.cr4 & X86_CR4_PCIDE)
		value &= ~X86_CR3_PCID_NOFLUSH;
	if ((vcpu->sys.efer & EFER_LMA) && (value >> husk_host.phys_bits))
		return false;
	vcpu->sys.cr3 = value;
	husk_dirty(vcpu, HUSK_SYS_CR);
	husk_paging_changed(vcpu);
	set_bit(HUSK_REQ_FLUSH, &vcpu->requests);
	return true;
}

bool husk_write_cr(struct husk_vcpu *vcpu, u8 number, u64 value)
{
	switch (number) {
	case 0:
		return husk_write_cr0(vcpu, value);
	case 2:
		husk_fetch(vcpu, HUSK_SYS_CR);
		vcpu->sys.cr2 = value;
		husk_dirty(vcpu, HUSK_SYS_CR);
		return true;
	case 3:
		return husk_write_cr3(vcpu, value);
	case 4:
		return husk_write_cr4(vcpu, value);
	default:
		if (value & ~0xfULL)
			return false;
		husk_lapic_set_cr8(vcpu, value);
		return true;
	}
}

static enum husk_verdict husk_exit_cr(struct husk_vcpu *vcpu)
{
	const struct husk_exit_info *exit = &vcpu->exit;
	u8 gpr;

	if (exit->cr.gpr < 0)
		return husk_emulate_cr(vcpu);
	gpr = array_index_nospec(exit->cr.gpr & 15, 16);
	if (!exit->cr.write) {
		vcpu->regs.gpr[gpr] = husk_read_cr(vcpu, exit->cr.number);
	} else if (!husk_write_cr(vcpu, exit->cr.number, vcpu->regs.gpr[gpr])) {
		husk_inject_gp(vcpu);
		return HUSK_RESUME;
	}
	return HUSK_RETIRE;
}

/* First touch: from now on the guest's debug registers are switched with it. */
static enum husk_verdict husk_exit_dr(struct husk_vcpu *vcpu)
{
	vcpu->dr_live = true;
	husk_vendor->set_dr_live(vcpu, true);
	return HUSK_RESUME;
}

static enum husk_verdict husk_exit_xsetbv(struct husk_vcpu *vcpu)
{
	u64 value = (vcpu->regs.gpr[2] << 32) | (u32)vcpu->regs.gpr[0];

	husk_fetch(vcpu, HUSK_SYS_CR);
	if (!(vcpu->sys.cr4 & X86_CR4_OSXSAVE)) {
		husk_inject_ud(vcpu);
		return HUSK_RESUME;
	}
	if (husk_cpl(vcpu) || (u32)vcpu->regs.gpr[1] || !husk_xcr0_valid(value)) {
		husk_inject_gp(vcpu);
		return HUSK_RESUME;
	}
	vcpu->xcr0 = value;
	return HUSK_RETIRE;
}

static enum husk_verdict husk_exit_shutdown(struct husk_vcpu *vcpu)
{
	vcpu->run->exit = HUSK_EXIT_SHUTDOWN;
	return HUSK_DEAD;
}

static enum husk_verdict husk_exit_entry_fail(struct husk_vcpu *vcpu)
{
	struct husk_run *run = vcpu->run;

	run->entry_fail.hw_reason = vcpu->exit.hw_reason;
	run->entry_fail.info[0] = vcpu->exit.info[0];
	run->entry_fail.info[1] = vcpu->exit.info[1];
	run->exit = HUSK_EXIT_ENTRY_FAIL;
	return HUSK_DEAD;
}

static const husk_serve_fn husk_exits[HUSK_REASON_COUNT] = {
	[HUSK_REASON_NONE]		= husk_unhandled,
	[HUSK_REASON_EXTINT]		= husk_exit_resume,
	[HUSK_REASON_NMI]		= husk_exit_resume,
	[HUSK_REASON_CPUID]		= husk_unhandled,	/* always a leaf */
	[HUSK_REASON_HLT]		= husk_exit_hlt,
	[HUSK_REASON_PIO]		= husk_emulate_exit,	/* INS and OUTS; the others are leaves */
	[HUSK_REASON_RDMSR]		= husk_exit_rdmsr,
	[HUSK_REASON_WRMSR]		= husk_exit_wrmsr,
	[HUSK_REASON_HYPERCALL]		= husk_exit_hypercall,
	[HUSK_REASON_FAULT2]		= husk_exit_fault2,
	[HUSK_REASON_MMIO]		= husk_emulate_exit,
	[HUSK_REASON_EXCEPTION]		= husk_exit_exception,
	[HUSK_REASON_INTR_WINDOW]	= husk_exit_resume,
	[HUSK_REASON_NMI_WINDOW]	= husk_exit_resume,
	[HUSK_REASON_SHUTDOWN]		= husk_exit_shutdown,
	[HUSK_REASON_CR_ACCESS]		= husk_exit_cr,
	[HUSK_REASON_DR_ACCESS]		= husk_exit_dr,
	[HUSK_REASON_XSETBV]		= husk_exit_xsetbv,
	[HUSK_REASON_CACHE]		= husk_exit_retire,	/* no device of the guest's does DMA past the caches */
	[HUSK_REASON_INVLPG]		= husk_exit_ud,
	[HUSK_REASON_RDPMC]		= husk_exit_gp,
	[HUSK_REASON_RDTSC]		= husk_exit_ud,		/* only RDTSCP where CPUID hides it */
	[HUSK_REASON_MWAIT]		= husk_exit_ud,		/* CPUID hides it */
	[HUSK_REASON_PAUSE]		= husk_exit_pause,
	[HUSK_REASON_TASK_SWITCH]	= husk_unhandled,
	[HUSK_REASON_VIRT_INSN]		= husk_exit_ud,
	[HUSK_REASON_INIT]		= husk_exit_resume,
	[HUSK_REASON_SMI]		= husk_exit_resume,
	[HUSK_REASON_MCHECK]		= husk_exit_resume,	/* husk_run_fast() told the host */
	[HUSK_REASON_APIC_ACCESS]	= husk_exit_apic,
	[HUSK_REASON_ENTRY_FAIL]	= husk_exit_entry_fail,
	[HUSK_REASON_OTHER]		= husk_unhandled,
	[HUSK_REASON_TIMER]		= husk_exit_resume,	/* a leaf has served it */
	[HUSK_REASON_LOG_FULL]		= husk_exit_resume,	/* the stay's end has emptied it */
};

enum husk_verdict husk_dispatch(struct husk_vcpu *vcpu)
{
	return husk_exits[array_index_nospec(vcpu->exit.reason, HUSK_REASON_COUNT)](vcpu);
}
