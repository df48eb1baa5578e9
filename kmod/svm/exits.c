// SPDX-License-Identifier: GPL-2.0
/*
 * From the hardware's exit to a neutral one.
 */
#include <linux/nospec.h>
#include <asm/processor-flags.h>

#include "svm/svm.h"

/* Exit codes 60h .. 8eh; the ranges below, IRET and NPF are decoded by hand. */
static const u8 svm_reasons[] = {
	[VMEXIT_INTR]			= HUSK_REASON_EXTINT,
	[VMEXIT_NMI]			= HUSK_REASON_NMI,
	[VMEXIT_SMI]			= HUSK_REASON_SMI,
	[VMEXIT_INIT]			= HUSK_REASON_INIT,
	[VMEXIT_VINTR]			= HUSK_REASON_INTR_WINDOW,
	[VMEXIT_CR0_SEL_WRITE]		= HUSK_REASON_CR_ACCESS,
	[VMEXIT_RDPMC]			= HUSK_REASON_RDPMC,
	[VMEXIT_CPUID]			= HUSK_REASON_CPUID,
	[VMEXIT_RSM]			= HUSK_REASON_VIRT_INSN,	/* #UD outside of SMM */
	[VMEXIT_INVD]			= HUSK_REASON_CACHE,
	[VMEXIT_PAUSE]			= HUSK_REASON_PAUSE,
	[VMEXIT_HLT]			= HUSK_REASON_HLT,
	[VMEXIT_INVLPGA]		= HUSK_REASON_VIRT_INSN,
	[VMEXIT_IOIO]			= HUSK_REASON_PIO,
	[VMEXIT_MSR]			= HUSK_REASON_RDMSR,
	[VMEXIT_TASK_SWITCH]		= HUSK_REASON_TASK_SWITCH,
	[VMEXIT_SHUTDOWN]		= HUSK_REASON_SHUTDOWN,
	[VMEXIT_VMRUN]			= HUSK_REASON_VIRT_INSN,
	[VMEXIT_VMMCALL]		= HUSK_REASON_HYPERCALL,
	[VMEXIT_VMLOAD]			= HUSK_REASON_VIRT_INSN,
	[VMEXIT_VMSAVE]			= HUSK_REASON_VIRT_INSN,
	[VMEXIT_STGI]			= HUSK_REASON_VIRT_INSN,
	[VMEXIT_CLGI]			= HUSK_REASON_VIRT_INSN,
	[VMEXIT_SKINIT]			= HUSK_REASON_VIRT_INSN,
	[VMEXIT_RDTSCP]			= HUSK_REASON_RDTSC,
	[VMEXIT_WBINVD]			= HUSK_REASON_CACHE,
	[VMEXIT_MONITOR]		= HUSK_REASON_MWAIT,
	[VMEXIT_MWAIT]			= HUSK_REASON_MWAIT,
	[VMEXIT_MWAIT_CONDITIONAL]	= HUSK_REASON_MWAIT,
	[VMEXIT_XSETBV]			= HUSK_REASON_XSETBV,
	[VMEXIT_RDPRU]			= HUSK_REASON_VIRT_INSN,	/* CPUID hides it */
};

static void svm_decode_pio(struct husk_exit_info *exit)
{
	u64 info = exit->info[0];

	exit->pio.port = info >> 16;
	exit->pio.width = (info >> SVM_IOIO_SIZE_SHIFT) & SVM_IOIO_SIZE_MASK;
	exit->pio.write = !(info & SVM_IOIO_IN);
	exit->pio.string = info & SVM_IOIO_STR;
	exit->next_rip = exit->info[1];		/* always given, APM2 15.10.2 */
}

static void svm_decode_npf(struct svm_vcpu *svm, struct husk_exit_info *exit)
{
	u64 info = exit->info[0];

	exit->reason = HUSK_REASON_FAULT2;
	exit->gpa = exit->info[1];
	exit->access = HUSK_ACCESS_READ;
	if (info & SVM_NPF_WRITE)
		exit->access |= HUSK_ACCESS_WRITE;
	if (info & SVM_NPF_FETCH)
		exit->access |= HUSK_ACCESS_EXEC;
	if (info & SVM_NPF_TABLE_WALK)
		exit->access |= HUSK_ACCESS_WALK;
	if (husk_mode(HUSK_MODE_DECODE)) {
		exit->insn_len = min_t(u8, svm->vmcb->insn_len, 15);
		memcpy(exit->insn, svm->vmcb->insn, 15);
	}
}

/* EXITINFO1[63]: it was a MOV, its register is in 3:0; APM2 15.33.1 */
static void svm_decode_mov_cr(struct husk_exit_info *exit, u8 number, bool write)
{
	exit->reason = HUSK_REASON_CR_ACCESS;
	exit->cr.number = number;
	exit->cr.write = write;
	exit->cr.gpr = husk_mode(HUSK_MODE_DECODE) && (exit->info[0] >> 63) ? exit->info[0] & 15 : -1;
}

/* CR, DR and exceptions: 0 .. 5fh */
static void svm_decode_low(struct svm_vcpu *svm, struct husk_exit_info *exit)
{
	u8 code = exit->hw_reason;

	if (code < VMEXIT_DR0_READ) {
		svm_decode_mov_cr(exit, code & 15, code >= VMEXIT_CR0_WRITE);
	} else if (code <= VMEXIT_DR15_WRITE) {
		exit->reason = HUSK_REASON_DR_ACCESS;
		exit->cr.number = code & 15;
		exit->cr.write = code & 16;
		exit->cr.gpr = -1;
	} else if (code == VMEXIT_EXCP_MC) {
		exit->reason = HUSK_REASON_MCHECK;
	} else {
		exit->reason = HUSK_REASON_EXCEPTION;
		exit->exception.vector = code - VMEXIT_EXCP0;
		exit->exception.has_error = code == VMEXIT_EXCP_AC;
		exit->exception.error = exit->info[0];
	}
}

/* An IRET that will unmask NMIs, or the single step over it. true: the exit is served */
static bool svm_decode_nmi(struct svm_vcpu *svm, struct husk_exit_info *exit)
{
	if (exit->hw_reason == VMEXIT_IRET) {
		svm_intercept(svm->vmcb, 3, SVM_W3_IRET, false);
		if (svm->vcpu.nmi_masked) {
			svm->nmi_step = true;
			svm->vcpu.regs.rflags |= X86_EFLAGS_TF;
		}
		exit->reason = HUSK_REASON_EXTINT;	/* nothing to do for anybody else */
		return true;
	}
	if (exit->hw_reason == VMEXIT_EXCP_DB) {
		svm_nmi_unmask(svm);
		exit->reason = HUSK_REASON_NMI_WINDOW;
		return true;
	}
	return false;
}

/* Ports, MSRs and the rest of 60h .. 8eh */
static __always_inline void svm_decode_code(struct svm_vcpu *svm, struct husk_exit_info *exit, u64 code)
{
	u8 reason = code < ARRAY_SIZE(svm_reasons) ?
		    svm_reasons[array_index_nospec(code, ARRAY_SIZE(svm_reasons))] : HUSK_REASON_NONE;

	if (unlikely(!reason))
		reason = code == VMEXIT_INVALID ? HUSK_REASON_ENTRY_FAIL : HUSK_REASON_OTHER;
	exit->reason = reason;
	if (reason == HUSK_REASON_PIO)
		svm_decode_pio(exit);
	else if (reason == HUSK_REASON_RDMSR)
		exit->reason = exit->info[0] & 1 ? HUSK_REASON_WRMSR : HUSK_REASON_RDMSR;
	else if (unlikely(reason == HUSK_REASON_CR_ACCESS))	/* of this range only CR0_SEL_WRITE */
		svm_decode_mov_cr(exit, 0, true);
}

void svm_decode(struct svm_vcpu *svm)
{
	struct husk_exit_info *exit = &svm->vcpu.exit;
	const struct vmcb *vmcb = svm->vmcb;
	u64 code = vmcb->exitcode;

	exit->hw_reason = code;
	exit->info[0] = vmcb->exitinfo1;
	exit->info[1] = vmcb->exitinfo2;
	exit->next_rip = husk_mode(HUSK_MODE_NRIPS) ? vmcb->nrip : 0;
	exit->insn_len = 0;

	if (unlikely(code == VMEXIT_IRET || svm->nmi_step) && svm_decode_nmi(svm, exit))
		return;
	if (code == VMEXIT_NPF)
		svm_decode_npf(svm, exit);
	else if (unlikely(code < VMEXIT_INTR))
		svm_decode_low(svm, exit);
	else
		svm_decode_code(svm, exit, code);
}
