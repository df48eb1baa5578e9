// SPDX-License-Identifier: GPL-2.0
/*
 * VMX capabilities, as the MSRs of SDM 3D appendix A say.
 */
#define pr_fmt(fmt) "husk: " fmt

#include <linux/bits.h>
#include <linux/cpu.h>
#include <linux/kernel.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <asm/msr-index.h>

#include "hostcpu.h"
#include "vmx/caps.h"
#include "vmx/vmcs.h"

#define VMX_FEAT_CTL_ON		(FEAT_CTL_LOCKED | FEAT_CTL_VMX_ENABLED_OUTSIDE_SMX)

struct vmx_caps vmx_caps;

static const char *const vmx_word_names[] = {
	[VMX_WORD_PIN]		= "pin-based",
	[VMX_WORD_PROC]		= "primary processor-based",
	[VMX_WORD_PROC2]	= "secondary processor-based",
	[VMX_WORD_EXIT]		= "VM-exit",
	[VMX_WORD_ENTRY]	= "VM-entry",
};

/* An MSR that is missing, as a careless hypervisor may have it, offers nothing. */
static u64 vmx_caps_msr(u32 index)
{
	u64 value;

	return husk_host_rdmsr_safe(index, &value) ? 0 : value;
}

static void vmx_caps_read_word(struct vmx_caps *c, enum vmx_word word, u32 index)
{
	u64 value = vmx_caps_msr(index);

	c->word[word].must = value;
	c->word[word].may = value >> 32;
}

static void vmx_caps_read(void *info)
{
	struct vmx_caps *c = info;
	bool exact;

	c->basic = vmx_caps_msr(MSR_IA32_VMX_BASIC);
	c->revision = VMX_INFO_REVISION(c->basic);
	/* The TRUE ones let also the bits that used to be reserved as 1 be cleared (A.2). */
	exact = c->basic & VMX_INFO_TRUE_CONTROLS;
	vmx_caps_read_word(c, VMX_WORD_PIN,
			   exact ? MSR_IA32_VMX_TRUE_PINBASED_CTLS : MSR_IA32_VMX_PINBASED_CTLS);
	vmx_caps_read_word(c, VMX_WORD_PROC,
			   exact ? MSR_IA32_VMX_TRUE_PROCBASED_CTLS : MSR_IA32_VMX_PROCBASED_CTLS);
	vmx_caps_read_word(c, VMX_WORD_EXIT, exact ? MSR_IA32_VMX_TRUE_EXIT_CTLS : MSR_IA32_VMX_EXIT_CTLS);
	vmx_caps_read_word(c, VMX_WORD_ENTRY, exact ? MSR_IA32_VMX_TRUE_ENTRY_CTLS : MSR_IA32_VMX_ENTRY_CTLS);
	if (c->word[VMX_WORD_PROC].may & VMX_PROC_SECONDARY)
		vmx_caps_read_word(c, VMX_WORD_PROC2, MSR_IA32_VMX_PROCBASED_CTLS2);
	if (c->word[VMX_WORD_PROC2].may & (VMX_PROC2_EPT | VMX_PROC2_VPID))
		c->ept_vpid = vmx_caps_msr(MSR_IA32_VMX_EPT_VPID_CAP);
	c->misc = vmx_caps_msr(MSR_IA32_VMX_MISC);
	c->cr0_must = vmx_caps_msr(MSR_IA32_VMX_CR0_FIXED0);
	c->cr0_may = vmx_caps_msr(MSR_IA32_VMX_CR0_FIXED1);
	c->cr4_must = vmx_caps_msr(MSR_IA32_VMX_CR4_FIXED0);
	c->cr4_may = vmx_caps_msr(MSR_IA32_VMX_CR4_FIXED1);
	c->enabled = (vmx_caps_msr(MSR_IA32_FEAT_CTL) & VMX_FEAT_CTL_ON) == VMX_FEAT_CTL_ON;
}

static void vmx_caps_merge(struct vmx_caps *all, const struct vmx_caps *one)
{
	int i;

	for (i = 0; i < VMX_WORD_COUNT; i++) {
		all->word[i].must |= one->word[i].must;
		all->word[i].may &= one->word[i].may;
	}
	all->ept_vpid &= one->ept_vpid;
	all->cr0_must |= one->cr0_must;
	all->cr0_may &= one->cr0_may;
	all->cr4_must |= one->cr4_must;
	all->cr4_may &= one->cr4_may;
	all->enabled &= one->enabled;
	/* Revision, size and memory type of the regions; the preemption timer's rate is in MISC. */
	all->alike &= all->basic == one->basic && all->misc == one->misc;
}

void vmx_caps_probe(void)
{
	struct vmx_caps one;
	int cpu;

	vmx_caps_read(&vmx_caps);
	vmx_caps.alike = true;
	cpus_read_lock();
	for_each_online_cpu(cpu) {
		memset(&one, 0, sizeof(one));
		smp_call_function_single(cpu, vmx_caps_read, &one, 1);
		vmx_caps_merge(&vmx_caps, &one);
	}
	cpus_read_unlock();
}

/**
 * vmx_caps_adjust - make the value of a word of controls
 * @word: which
 * @wanted: bits that husk can't do without
 * @optional: bits that are set if the CPU has them
 * @value: out; with the bits that the CPU wants to be 1. Valid on success
 *
 * Return: true; false after one line that names the bits that are missing.
 */
bool vmx_caps_adjust(enum vmx_word word, u32 wanted, u32 optional, u32 *value)
{
	u32 may = vmx_caps.word[word].may;

	if (wanted & ~may) {
		pr_err("this CPU's VMX lacks what husk needs: %s controls, bits %#x\n",
		       vmx_word_names[word], wanted & ~may);
		return false;
	}
	*value = vmx_caps.word[word].must | wanted | (optional & may);
	return true;
}
