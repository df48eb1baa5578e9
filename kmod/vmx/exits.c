// SPDX-License-Identifier: GPL-2.0
/*
 * From the hardware's exit to a neutral one.
 */
#include <linux/percpu.h>
#include <asm/debugreg.h>
#include <asm/processor-flags.h>

#include "vmx/vmx.h"

#define VMX_DR_BD	BIT(13)		/* of DR6: a debug register was touched while DR7.GD was set */
#define VMX_DR7_GD	BIT(13)

/* Those whose exit is for an instruction, which may be skipped by its length, have this bit. */
#define VMX_INSN	0x80

static const u8 vmx_reasons[VMX_REASONS] = {
	[VMX_REASON_EXCEPTION_NMI]	= HUSK_REASON_EXCEPTION,
	[VMX_REASON_EXTERNAL_INTERRUPT]	= HUSK_REASON_EXTINT,
	[VMX_REASON_TRIPLE_FAULT]	= HUSK_REASON_SHUTDOWN,
	[VMX_REASON_INIT]		= HUSK_REASON_INIT,
	[VMX_REASON_IO_SMI]		= HUSK_REASON_SMI,
	[VMX_REASON_OTHER_SMI]		= HUSK_REASON_SMI,
	[VMX_REASON_INTERRUPT_WINDOW]	= HUSK_REASON_INTR_WINDOW,
	[VMX_REASON_NMI_WINDOW]		= HUSK_REASON_NMI_WINDOW,
	[VMX_REASON_TASK_SWITCH]	= HUSK_REASON_TASK_SWITCH,
	[VMX_REASON_CPUID]		= HUSK_REASON_CPUID | VMX_INSN,
	[VMX_REASON_GETSEC]		= HUSK_REASON_VIRT_INSN | VMX_INSN,
	[VMX_REASON_HLT]		= HUSK_REASON_HLT | VMX_INSN,
	[VMX_REASON_INVD]		= HUSK_REASON_CACHE | VMX_INSN,
	[VMX_REASON_RDPMC]		= HUSK_REASON_RDPMC | VMX_INSN,
	[VMX_REASON_RSM]		= HUSK_REASON_VIRT_INSN | VMX_INSN,	/* #UD outside of SMM */
	[VMX_REASON_VMCALL]		= HUSK_REASON_HYPERCALL | VMX_INSN,
	[VMX_REASON_VMCLEAR]		= HUSK_REASON_VIRT_INSN | VMX_INSN,
	[VMX_REASON_VMLAUNCH]		= HUSK_REASON_VIRT_INSN | VMX_INSN,
	[VMX_REASON_VMPTRLD]		= HUSK_REASON_VIRT_INSN | VMX_INSN,
	[VMX_REASON_VMPTRST]		= HUSK_REASON_VIRT_INSN | VMX_INSN,
	[VMX_REASON_VMREAD]		= HUSK_REASON_VIRT_INSN | VMX_INSN,
	[VMX_REASON_VMRESUME]		= HUSK_REASON_VIRT_INSN | VMX_INSN,
	[VMX_REASON_VMWRITE]		= HUSK_REASON_VIRT_INSN | VMX_INSN,
	[VMX_REASON_VMXOFF]		= HUSK_REASON_VIRT_INSN | VMX_INSN,
	[VMX_REASON_VMXON]		= HUSK_REASON_VIRT_INSN | VMX_INSN,
	[VMX_REASON_CR_ACCESS]		= HUSK_REASON_CR_ACCESS | VMX_INSN,
	[VMX_REASON_MOV_DR]		= HUSK_REASON_DR_ACCESS | VMX_INSN,
	[VMX_REASON_IO]			= HUSK_REASON_PIO | VMX_INSN,
	[VMX_REASON_RDMSR]		= HUSK_REASON_RDMSR | VMX_INSN,
	[VMX_REASON_WRMSR]		= HUSK_REASON_WRMSR | VMX_INSN,
	[VMX_REASON_MWAIT]		= HUSK_REASON_MWAIT | VMX_INSN,
	[VMX_REASON_MONITOR]		= HUSK_REASON_MWAIT | VMX_INSN,
	[VMX_REASON_PAUSE]		= HUSK_REASON_PAUSE | VMX_INSN,
	[VMX_REASON_TPR_BELOW_THRESHOLD] = HUSK_REASON_INTR_WINDOW,
	[VMX_REASON_VIRTUALIZED_EOI]	= HUSK_REASON_APIC_ACCESS,
	[VMX_REASON_EPT_VIOLATION]	= HUSK_REASON_FAULT2,
	[VMX_REASON_INVEPT]		= HUSK_REASON_VIRT_INSN | VMX_INSN,
	[VMX_REASON_RDTSCP]		= HUSK_REASON_RDTSC | VMX_INSN,
	[VMX_REASON_PREEMPTION_TIMER]	= HUSK_REASON_TIMER,
	[VMX_REASON_INVVPID]		= HUSK_REASON_VIRT_INSN | VMX_INSN,
	[VMX_REASON_WBINVD]		= HUSK_REASON_CACHE | VMX_INSN,
	[VMX_REASON_XSETBV]		= HUSK_REASON_XSETBV | VMX_INSN,
	[VMX_REASON_APIC_WRITE]		= HUSK_REASON_APIC_ACCESS,
	[VMX_REASON_VMFUNC]		= HUSK_REASON_VIRT_INSN | VMX_INSN,
	[VMX_REASON_ENCLS]		= HUSK_REASON_VIRT_INSN | VMX_INSN,	/* CPUID hides SGX */
	[VMX_REASON_PML_FULL]		= HUSK_REASON_LOG_FULL,
	[VMX_REASON_SEAMCALL]		= HUSK_REASON_VIRT_INSN | VMX_INSN,
	[VMX_REASON_TDCALL]		= HUSK_REASON_VIRT_INSN | VMX_INSN,
};

static void vmx_decode_pio(struct husk_exit_info *exit)
{
	u32 info = exit->info[0];

	exit->pio.port = VMX_IO_PORT(info);
	exit->pio.width = VMX_IO_SIZE(info);
	exit->pio.write = !(info & VMX_IO_IN);
	exit->pio.string = info & VMX_IO_STRING;
}

/* The fault, or full log, hit IRET after it had unblocked NMIs; it will run again. */
static void vmx_block_nmi_again(struct vmx_vcpu *vmx, u64 info)
{
	if ((info & VMX_EPT_VIOLATION_NMI_UNBLOCKING) && !vmx->vcpu.event.pending) {
		vmx_shadow(vmx, VMX_BLOCKING_NMI, true);
		vmx->vcpu.nmi_masked = true;
	}
}

static void vmx_decode_ept(struct vmx_vcpu *vmx, struct husk_exit_info *exit)
{
	u64 info = exit->info[0];

	/* Likely to be emulated, after the stay: that would have to borrow VMX operation for it. */
	husk_fetch(&vmx->vcpu, HUSK_SYS_CR);
	exit->gpa = exit->info[1] = vmx_read(VMCS_GUEST_PHYSICAL_ADDRESS);
	exit->access = HUSK_ACCESS_READ;
	if (info & VMX_EPT_VIOLATION_WRITE)
		exit->access |= HUSK_ACCESS_WRITE;
	if (info & VMX_EPT_VIOLATION_FETCH)
		exit->access |= HUSK_ACCESS_EXEC;
	if ((info & VMX_EPT_VIOLATION_LINEAR_VALID) && !(info & VMX_EPT_VIOLATION_TRANSLATED))
		exit->access |= HUSK_ACCESS_WALK;
	vmx_block_nmi_again(vmx, info);
}

/* CLTS and LMSW, too, are the emulator's. */
static void vmx_decode_cr(struct husk_exit_info *exit)
{
	u64 info = exit->info[0];
	u8 type = VMX_CR_TYPE(info);

	exit->cr.number = VMX_CR_NUMBER(info);
	exit->cr.write = type != VMX_CR_MOV_FROM;
	exit->cr.gpr = type == VMX_CR_MOV_TO || type == VMX_CR_MOV_FROM ? VMX_CR_GPR(info) : -1;
}

/* #DB exits before DR6 and DR7 change: the qualification has what it would set (SDM 3C table 28-1). */
static void vmx_decode_debug(struct vmx_vcpu *vmx, struct husk_exit_info *exit)
{
	struct husk_vcpu *vcpu = &vmx->vcpu;

	husk_fetch(vcpu, HUSK_SYS_DR);
	vcpu->sys.dr6 = (vcpu->sys.dr6 & ~(u64)DR_TRAP_BITS) | (exit->info[0] & (DR_TRAP_BITS | DR_STEP | VMX_DR_BD));
	vcpu->sys.dr7 &= ~(u64)VMX_DR7_GD;
	husk_dirty(vcpu, HUSK_SYS_DR);
	vmx->dirty |= VMX_DIRTY_SHADOW;		/* this exit saved no pending trap: vmx_write_pending_debug() */
}

static u64 vmx_next_rip(struct vmx_vcpu *vmx)
{
	u64 rip = vmx->rip, next = rip + (u32)vmx_read(VMCS_EXIT_INSN_LENGTH);

	/* Outside of 64-bit mode it wraps at 4 GiB. */
	if (unlikely((rip ^ next) >> 32) && !(vmx_read(VMCS_GUEST_AR(VMCS_CS)) & VMX_AR_L))
		next = (u32)next;
	return next;
}

static void vmx_decode_exception(struct vmx_vcpu *vmx, struct husk_exit_info *exit)
{
	u32 info = vmx_read(VMCS_EXIT_INTR_INFO);
	u8 vector = info & VMX_INTR_VECTOR;

	exit->info[1] = info;
	if ((info & VMX_INTR_TYPE) == VMX_INTR_NMI) {
		vmx->nmi = true;	/* the host's: vmx_close() */
		exit->reason = HUSK_REASON_NMI;
		return;
	}
	if (vector == 18) {
		exit->reason = HUSK_REASON_MCHECK;
		return;
	}
	if (vector == 1)
		vmx_decode_debug(vmx, exit);
	/* INT1 is given back as a fault, which does not step over it. */
	if ((info & VMX_INTR_TYPE) == VMX_INTR_PRIVILEGED_SOFTWARE) {
		vmx->vcpu.regs.rip = vmx_next_rip(vmx);
		vmx_shadow(vmx, VMX_BLOCKING_STI | VMX_BLOCKING_MOV_SS, false);
	}
	exit->exception.vector = vector;
	exit->exception.has_error = info & VMX_INTR_ERROR_CODE;
	exit->exception.error = exit->exception.has_error ? vmx_read(VMCS_EXIT_INTR_ERROR_CODE) : 0;
}

/* Both come after the instruction: the CPU has done the write, and of an EOI all but to tell others. */
static void vmx_decode_apic(struct husk_exit_info *exit)
{
	bool eoi = (exit->hw_reason & VMX_REASON_BASIC) == VMX_REASON_VIRTUALIZED_EOI;

	exit->apic.offset = eoi ? VMX_VAPIC_EOI : VMX_APIC_OFFSET(exit->info[0]);
	exit->apic.vector = eoi ? exit->info[0] : 0;
}

static noinline void vmx_decode_rare(struct vmx_vcpu *vmx, struct husk_exit_info *exit)
{
	switch (exit->reason) {
	case HUSK_REASON_CR_ACCESS:
		vmx_decode_cr(exit);
		break;
	case HUSK_REASON_DR_ACCESS:
		exit->cr.number = VMX_DR_NUMBER(exit->info[0]);
		exit->cr.write = !(exit->info[0] & VMX_DR_MOV_FROM);
		exit->cr.gpr = -1;
		break;
	case HUSK_REASON_EXCEPTION:
		vmx_decode_exception(vmx, exit);
		break;
	case HUSK_REASON_TIMER:
		vmx_park_timer();
		break;
	case HUSK_REASON_APIC_ACCESS:
		vmx_decode_apic(exit);
		break;
	case HUSK_REASON_LOG_FULL:
		vmx_block_nmi_again(vmx, exit->info[0]);
		break;
	case HUSK_REASON_NONE:
		exit->reason = HUSK_REASON_OTHER;
		exit->next_rip = 0;
		break;
	}
}

void vmx_decode(struct vmx_vcpu *vmx)
{
	struct husk_exit_info *exit = &vmx->vcpu.exit;
	u32 code = vmx_read(VMCS_EXIT_REASON), vectoring;
	u8 reason;

	exit->hw_reason = code;
	exit->info[0] = vmx_read(VMCS_EXIT_QUALIFICATION);
	exit->info[1] = 0;
	exit->next_rip = 0;
	if (unlikely(code & VMX_REASON_ENTRY_FAILURE)) {
		if (code == (VMX_REASON_ENTRY_FAILURE | VMX_REASON_MACHINE_CHECK))
			exit->reason = HUSK_REASON_MCHECK;
		else
			vmx_entry_failed(vmx, code);
		return;
	}
	vectoring = vmx_read(VMCS_IDT_VECTORING_INFO);
	if (unlikely(vectoring & VMX_INTR_VALID))
		vmx_requeue_event(vmx, vectoring);
	code &= VMX_REASON_BASIC;
	reason = code < VMX_REASONS ? vmx_reasons[code] : HUSK_REASON_NONE;
	exit->reason = reason & ~VMX_INSN;
	if (reason & VMX_INSN)
		exit->next_rip = vmx_next_rip(vmx);
	if (exit->reason == HUSK_REASON_PIO)
		vmx_decode_pio(exit);
	else if (exit->reason == HUSK_REASON_FAULT2)
		vmx_decode_ept(vmx, exit);
	else if (exit->reason <= HUSK_REASON_NONE || exit->reason >= HUSK_REASON_EXCEPTION)
		vmx_decode_rare(vmx, exit);
}
