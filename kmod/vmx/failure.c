// SPDX-License-Identifier: GPL-2.0
/*
 * The CPU refused to enter the guest: say which field of the VMCS was wrong.
 */
#include <linux/printk.h>
#include <linux/ratelimit.h>
#include <linux/smp.h>
#include <asm/cpufeature.h>
#include <asm/processor.h>

#include "vmx/check.h"
#include "vmx/vmx.h"

static u64 vmx_word(enum vmx_word word)
{
	return vmx_caps.word[word].must | (u64)vmx_caps.word[word].may << 32;
}

static void vmx_limits(struct vmx_check_limits *limits)
{
	*limits = (struct vmx_check_limits) {
		.pin = vmx_word(VMX_WORD_PIN),
		.proc = vmx_word(VMX_WORD_PROC),
		.proc2 = vmx_word(VMX_WORD_PROC2),
		.exit = vmx_word(VMX_WORD_EXIT),
		.entry = vmx_word(VMX_WORD_ENTRY),
		.cr0_fixed0 = vmx_caps.cr0_must,
		.cr0_fixed1 = vmx_caps.cr0_may,
		.cr4_fixed0 = vmx_caps.cr4_must,
		.cr4_fixed1 = vmx_caps.cr4_may,
		.basic = vmx_caps.basic,
		.misc = vmx_caps.misc,
		.ept_vpid = vmx_caps.ept_vpid,
		.debugctl = 0xffc7,
		.cr3 = GENMASK_ULL(62, 61),	/* the host's may have LAM */
		.efer = EFER_SCE | EFER_LME | EFER_LMA | EFER_NX,
		.phys_bits = boot_cpu_data.x86_phys_bits,
		.linear_bits = boot_cpu_has(X86_FEATURE_LA57) ? 57 : 48,
	};
}

/* A field that this CPU has not reads as 0. */
static u64 vmx_read_any(void *ctx, u32 field)
{
	u64 value = 0;

	asm volatile("vmread %1, %0" : "+r" (value) : "r" ((u64)field) : "cc");
	return value;
}

/* Which checks the CPU was at: SDM 3C 27.8 for the exit reason, 31.4 for the instruction error */
static u32 vmx_failed_checks(u32 code, u32 error)
{
	if (code)
		return (code & VMX_REASON_BASIC) == VMX_REASON_INVALID_GUEST_STATE ? VMX_CHECK_GUEST : 0;
	if (error == VMX_ERROR_ENTRY_CONTROLS)
		return VMX_CHECK_CONTROLS;
	return error == VMX_ERROR_ENTRY_HOST_STATE ? VMX_CHECK_HOST : 0;
}

static void vmx_report(struct vmx_vcpu *vmx, u32 code)
{
	struct husk_exit_info *exit = &vmx->vcpu.exit;
	struct vmx_check_limits limits;
	struct vmx_failed_check failed;

	vmx_limits(&limits);
	if (vmx->vapic)
		limits.vtpr = *(u8 *)(vmx->vapic + VMX_VAPIC_TPR);
	if (vmx_check_entry(vmx_read_any, NULL, &limits, vmx_failed_checks(code, exit->info[0]), &failed)) {
		exit->info[1] = failed.field;
		pr_warn_ratelimited("husk: VM %u: no VM entry: %s is %#llx: %s\n", vmx->vcpu.vm->id,
				    failed.name, failed.value, failed.rule);
		return;
	}
	pr_warn_ratelimited("husk: VM %u: no VM entry: %s %#llx\n", vmx->vcpu.vm->id,
			    code ? "exit reason" : "VM-instruction error", code ? code : exit->info[0]);
}

/**
 * vmx_entry_failed - make an exit of an entry that failed
 * @vmx: in its stay
 * @code: the exit reason, 0 if the instruction itself failed
 *
 * What is wrong goes to the kernel's log (once in a while); the exit has the
 * VMCS field in info[1].
 */
void vmx_entry_failed(struct vmx_vcpu *vmx, u32 code)
{
	struct husk_exit_info *exit = &vmx->vcpu.exit;

	exit->reason = HUSK_REASON_ENTRY_FAIL;
	exit->hw_reason = code;
	exit->next_rip = 0;
	exit->info[1] = 0;
	if (!vmx->open) {
		exit->info[0] = 0;
		pr_warn_ratelimited("husk: VM %u: %s failed on CPU %d\n", vmx->vcpu.vm->id,
				    vmx->failed == VMX_FAIL_VMXON ? "VMXON" : "VMPTRLD", smp_processor_id());
		return;
	}
	if (!code)
		exit->info[0] = vmx_read(VMCS_INSTRUCTION_ERROR);
	vmx_report(vmx, code);
	vmx_write(VMCS_ENTRY_INTR_INFO, 0);	/* only an entry takes its valid bit away */
}
