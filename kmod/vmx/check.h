/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Why did a VM entry fail? The CPU says no more than "invalid control field",
 * "invalid host state" or "invalid guest state"; this runs the checks of
 * SDM 3C chapter 27 in software and names the first field that breaks one.
 * Pure logic: compiles in user space too.
 */
#ifndef HUSK_VMX_CHECK_H
#define HUSK_VMX_CHECK_H

#include "vmx/caps.h"
#include "vmx/vmcs.h"

/**
 * struct vmx_check_limits - what this CPU allows in a VMCS
 * @pin: IA32_VMX_TRUE_PINBASED_CTLS as read: low half bits that must be 1,
 *	high half bits that may be 1
 * @proc: IA32_VMX_TRUE_PROCBASED_CTLS, as @pin
 * @proc2: IA32_VMX_PROCBASED_CTLS2, as @pin
 * @exit: IA32_VMX_TRUE_EXIT_CTLS, as @pin
 * @entry: IA32_VMX_TRUE_ENTRY_CTLS, as @pin
 * @proc3: IA32_VMX_PROCBASED_CTLS3: bits that may be 1
 * @vmfunc: IA32_VMX_VMFUNC: bits that may be 1
 * @cr0_fixed0: IA32_VMX_CR0_FIXED0
 * @cr0_fixed1: IA32_VMX_CR0_FIXED1
 * @cr4_fixed0: IA32_VMX_CR4_FIXED0
 * @cr4_fixed1: IA32_VMX_CR4_FIXED1
 * @basic: IA32_VMX_BASIC
 * @misc: IA32_VMX_MISC
 * @ept_vpid: IA32_VMX_EPT_VPID_CAP
 * @efer: bits of IA32_EFER that are not reserved
 * @debugctl: bits of IA32_DEBUGCTL that are not reserved
 * @perf_global_ctrl: bits of IA32_PERF_GLOBAL_CTRL that are not reserved
 * @cr3: bits of CR3 above the address that are not reserved (LAM)
 * @vtpr: byte 80h of the virtual-APIC page, which is no field; 0 if not known
 * @phys_bits: physical-address width, up to 52
 * @linear_bits: width of a linear address: 48, or 57 on a CPU with LA57
 */
struct vmx_check_limits {
	u64 pin, proc, proc2, exit, entry;
	u64 proc3, vmfunc;
	u64 cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
	u64 basic, misc, ept_vpid;
	u64 efer, debugctl, perf_global_ctrl;
	u64 cr3;
	u8 vtpr, phys_bits, linear_bits;
};

/**
 * struct vmx_failed_check - the first check that fails
 * @field: its encoding
 * @name: as in SDM 3C chapter 25
 * @value: what it holds
 * @rule: what the value breaks, one line
 */
struct vmx_failed_check {
	u32 field;
	const char *name;
	u64 value;
	const char *rule;
};

/* Which checks to run */
#define VMX_CHECK_CONTROLS	BIT(0)	/* VM-instruction error 7 */
#define VMX_CHECK_HOST		BIT(1)	/* VM-instruction error 8 */
#define VMX_CHECK_GUEST		BIT(2)	/* exit reason 33 */
#define VMX_CHECK_ALL		(VMX_CHECK_CONTROLS | VMX_CHECK_HOST | VMX_CHECK_GUEST)

/**
 * vmx_check_entry() - find the field that makes a VM entry fail
 * @read: answers a field of the VMCS, 0 for one the CPU has not
 * @ctx: for @read
 * @limits: of this CPU
 * @what: VMX_CHECK_x
 * @failed: answer
 *
 * It allocates nothing and may run with interrupts off. What needs a look into
 * memory is not checked: the shadow VMCS, PDPTEs without EPT, MSR areas.
 *
 * Return: true if a check fails, false if all hold and @failed is untouched.
 */
bool vmx_check_entry(u64 (*read)(void *ctx, u32 field), void *ctx,
		     const struct vmx_check_limits *limits, u32 what,
		     struct vmx_failed_check *failed);

/* The SDM's name of a field, "unknown field" if there is none */
const char *vmcs_field_name(u32 field);

#endif
