// SPDX-License-Identifier: GPL-2.0
/*
 * What of VMX husk can use on this machine.
 */
#include <linux/kernel.h>
#include <asm/processor.h>
#include <asm/special_insns.h>

#include "vendor.h"
#include "vmx/caps.h"
#include "vmx/vmcs.h"

#define VMX_VPIDS	65535		/* 0 is the host's */
#define VMX_CR4_FRED	BIT_ULL(32)
#define VMX_TIMER_MAX_RATE	10	/* 1024 TSC ticks: coarser ones are of no use */

#define VMX_EXIT_PAT_EFER	(VMX_EXITC_LOAD_PAT | VMX_EXITC_SAVE_EFER | VMX_EXITC_LOAD_EFER)
#define VMX_ENTRY_PAT_EFER	(VMX_ENTRY_LOAD_PAT | VMX_ENTRY_LOAD_EFER)

/* Controls and capabilities that a feature is made of; SDM 3C 25.6 */
static const struct vmx_mode {
	u8 mode;
	u32 pin, proc, proc2;
	u64 ept_vpid;
} vmx_modes[] = {
	{ HUSK_MODE_NESTED_PAGING, .proc2 = VMX_PROC2_EPT,
	  .ept_vpid = VMX_EPT_CAP_WALK_4 | VMX_EPT_CAP_WB | VMX_EPT_CAP_INVEPT | VMX_EPT_CAP_INVEPT_ALL },
	{ HUSK_MODE_UNRESTRICTED, .proc2 = VMX_PROC2_UNRESTRICTED_GUEST },
	{ HUSK_MODE_TLB_TAG, .proc2 = VMX_PROC2_VPID },	/* no INVVPID: cpu.c */
	{ HUSK_MODE_NRIPS },			/* by the VM-exit instruction length */
	{ HUSK_MODE_FLUSH_ASID, .ept_vpid = VMX_EPT_CAP_INVEPT | VMX_EPT_CAP_INVEPT_SINGLE },
	{ HUSK_MODE_HUGE_2M, .ept_vpid = VMX_EPT_CAP_2M },
	{ HUSK_MODE_HUGE_1G, .ept_vpid = VMX_EPT_CAP_1G },
	{ HUSK_MODE_AD_BITS, .ept_vpid = VMX_EPT_CAP_ACCESSED_DIRTY },
	{ HUSK_MODE_TPR_SHADOW, .proc = VMX_PROC_TPR_SHADOW },
	{ HUSK_MODE_APIC_ACCEL, .proc = VMX_PROC_TPR_SHADOW, .proc2 = VMX_PROC2_APIC },
	{ HUSK_MODE_POSTED_INTR, .pin = VMX_PIN_POSTED_INTERRUPTS, .proc2 = VMX_PROC2_VIRTUAL_INTERRUPT },
	{ HUSK_MODE_PREEMPT_TIMER, .pin = VMX_PIN_PREEMPTION_TIMER },
	{ HUSK_MODE_PML, .proc2 = VMX_PROC2_PML, .ept_vpid = VMX_EPT_CAP_ACCESSED_DIRTY },
	{ HUSK_MODE_TSC_SCALING, .proc2 = VMX_PROC2_TSC_SCALING },
	{ HUSK_MODE_PAUSE_FILTER, .proc2 = VMX_PROC2_PAUSE_LOOP },
};

/*
 * Family, model and stepping of CPUs whose preemption timer does not keep to
 * its rate: errata AAT59, AAU65 and AAX65 of the first Core i3, i5, i7 and Xeon
 * L3406; and a Xeon E3-1220 V2 was seen to. Older ones don't run husk.
 */
static const u32 vmx_timer_errata[] = { 0x20652, 0x20655, 0x306a8 };

static bool vmx_timer_bad(void)
{
	u32 signature = cpuid_eax(1) & 0x0fff3fff;
	int i;

	for (i = 0; i < ARRAY_SIZE(vmx_timer_errata); i++)
		if (signature == vmx_timer_errata[i])
			return true;
	return VMX_MISC_PREEMPTION_TIMER_RATE(vmx_caps.misc) > VMX_TIMER_MAX_RATE;
}

static bool vmx_there(void)
{
	return husk_mode_cpuid_bit(1, 2, 5);	/* CPUID 1 ECX[5] VMX */
}

static u64 vmx_probe(u32 *tags)
{
	u64 present = 0;
	int i;

	vmx_caps_probe();
	for (i = 0; i < ARRAY_SIZE(vmx_modes); i++) {
		const struct vmx_mode *m = &vmx_modes[i];

		if (vmx_caps_have(VMX_WORD_PIN, m->pin) && vmx_caps_have(VMX_WORD_PROC, m->proc) &&
		    vmx_caps_have(VMX_WORD_PROC2, m->proc2) && (vmx_caps.ept_vpid & m->ept_vpid) == m->ept_vpid)
			present |= BIT_ULL(m->mode);
	}
	if (vmx_timer_bad())
		present &= ~BIT_ULL(HUSK_MODE_PREEMPT_TIMER);
	if (husk_mode_cpuid_bit(1, 2, 27))	/* CPUID 1 ECX[27] OSXSAVE */
		present |= BIT_ULL(HUSK_MODE_XSAVE);
	*tags = present & BIT_ULL(HUSK_MODE_TLB_TAG) ? VMX_VPIDS : 0;
	return present;
}

static const char *vmx_refusal(void)
{
	if (!vmx_caps.enabled)
		return "VT-x is disabled by the firmware: enable \"Intel Virtualization Technology\" in its set-up";
	if (!vmx_caps.alike)
		return "the CPUs of this machine differ in what VT-x is on them: husk can't run a guest on both kinds";
	if (!(husk_modes.present & BIT_ULL(HUSK_MODE_NESTED_PAGING)))
		return "this CPU has no extended page tables (EPT), which husk needs: use a newer one, or in a virtual machine give it +vmx-ept";
	if (!(husk_modes.present & BIT_ULL(HUSK_MODE_UNRESTRICTED)))
		return "this CPU has no unrestricted guests, which husk needs: use a newer one, or in a virtual machine give it +vmx-unrestricted-guest";
	if (!vmx_caps_have(VMX_WORD_EXIT, VMX_EXIT_PAT_EFER) || !vmx_caps_have(VMX_WORD_ENTRY, VMX_ENTRY_PAT_EFER))
		return "VT-x on this CPU does not switch IA32_EFER and IA32_PAT, which husk needs: use a newer one";
	/* An NMI or interrupt that hit a guest would need FRED's way into the kernel. */
	if (__read_cr4() & VMX_CR4_FRED)
		return "this kernel uses FRED, which husk does not know yet: start it with fred=off";
	return NULL;
}

const struct husk_probe husk_vmx_probe = {
	.mode = HUSK_MODE_VMX,
	.tags = "vpids",
	.brand = "VT-x",
	.setting = "Intel Virtualization Technology",
	.there = vmx_there,
	.probe = vmx_probe,
	.refusal = vmx_refusal,
};
