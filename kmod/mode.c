// SPDX-License-Identifier: GPL-2.0
/*
 * What this CPU has and what husk may use of it: probed once at load, shown in
 * one line, each feature maskable so that every fallback can be tested.
 */
#define pr_fmt(fmt) "husk: " fmt

#include <linux/cc_platform.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <asm/cpufeature.h>
#include <asm/processor.h>

#include "hostcpu.h"

static char *husk_mode_mask = "";
module_param_named(mask, husk_mode_mask, charp, 0444);
MODULE_PARM_DESC(mask, "comma-separated CPU features not to use, by the names that husk prints at load");

struct husk_modes husk_modes;

static u32 husk_mode_asids;

static const char *const husk_mode_names[] = {
#define X(id, name, what) [HUSK_MODE_##id] = name,
	HUSK_MODES(X)
#undef X
};

/* Where the CPU says that it has a feature. reg: 0 eax 1 ebx 2 ecx 3 edx */
struct husk_mode_bit {
	u8 mode;
	u8 reg;
	u8 bit;
	u32 function;
};

/* APM3 E.4.9: CPUID 0x8000000A EDX */
static const struct husk_mode_bit husk_mode_svm_bits[] = {
	{ HUSK_MODE_NESTED_PAGING,	3, 0,	0x8000000a },
	{ HUSK_MODE_NRIPS,		3, 3,	0x8000000a },
	{ HUSK_MODE_TSC_SCALING,	3, 4,	0x8000000a },
	{ HUSK_MODE_CLEAN_BITS,		3, 5,	0x8000000a },
	{ HUSK_MODE_FLUSH_ASID,		3, 6,	0x8000000a },
	{ HUSK_MODE_DECODE,		3, 7,	0x8000000a },
	{ HUSK_MODE_PAUSE_FILTER,	3, 10,	0x8000000a },
	{ HUSK_MODE_APIC_ACCEL,		3, 13,	0x8000000a },
	{ HUSK_MODE_VGIF,		3, 16,	0x8000000a },
	{ HUSK_MODE_HUGE_1G,		3, 26,	0x80000001 },
	{ HUSK_MODE_XSAVE,		2, 27,	0x00000001 },
};

/* Load-time only: the raw instruction, since the kernel may hide bits that it does not use itself */
static bool husk_mode_cpuid_bit(u32 function, int reg, int bit)
{
	u32 r[4];

	if (cpuid_eax(function & 0x80000000) < function)
		return false;
	cpuid(function, &r[0], &r[1], &r[2], &r[3]);
	return r[reg] & BIT(bit);
}

static void husk_mode_probe_svm(void)
{
	u32 eax, ebx, ecx, edx, i;

	cpuid(0x8000000a, &eax, &ebx, &ecx, &edx);
	husk_mode_asids = ebx;
	for (i = 0; i < ARRAY_SIZE(husk_mode_svm_bits); i++) {
		const struct husk_mode_bit *b = &husk_mode_svm_bits[i];

		if (husk_mode_cpuid_bit(b->function, b->reg, b->bit))
			husk_modes.present |= BIT_ULL(b->mode);
	}
	husk_modes.present |= BIT_ULL(HUSK_MODE_SVM);
	if (husk_mode_asids > 1)
		husk_modes.present |= BIT_ULL(HUSK_MODE_TLB_TAG);
	/* With nested paging come real mode without help, 2 MiB leaves, and A/D bits (APM2 15.25) */
	if (husk_modes.present & BIT_ULL(HUSK_MODE_NESTED_PAGING))
		husk_modes.present |= BIT_ULL(HUSK_MODE_UNRESTRICTED) | BIT_ULL(HUSK_MODE_HUGE_2M) |
				      BIT_ULL(HUSK_MODE_AD_BITS);
}

/* Take the parameter's names out of what is usable. */
static int husk_mode_apply_mask(void)
{
	char *list, *rest, *name;
	int i, ret = 0;

	husk_modes.usable = husk_modes.present;
	rest = list = kstrdup(husk_mode_mask, GFP_KERNEL);
	if (!list)
		return -ENOMEM;
	while (!ret && (name = strsep(&rest, ",")) != NULL) {
		if (!*name)
			continue;
		i = match_string(husk_mode_names, HUSK_MODE_COUNT, name);
		if (i < 0) {
			pr_err("mask=: there is no CPU feature \"%s\"; see the names that `husk doctor` shows\n", name);
			ret = -EINVAL;
		} else {
			husk_modes.usable &= ~BIT_ULL(i);
		}
	}
	kfree(list);
	return ret;
}

static int husk_mode_refuse_no_svm(void)
{
	/* CPUID 1 ECX[5] VMX, ECX[31] hypervisor */
	if (husk_mode_cpuid_bit(1, 2, 5)) {
		husk_modes.present |= BIT_ULL(HUSK_MODE_VMX);
		pr_err("this build has no VMX support yet: use a machine with AMD-V\n");
		return -EOPNOTSUPP;
	}
	if (husk_mode_cpuid_bit(1, 2, 31))
		pr_err("this virtual machine has no AMD-V: switch nested virtualization on in its hypervisor (QEMU: -cpu host or +svm)\n");
	else
		pr_err("this CPU has no AMD-V, or its firmware hides it: look for \"SVM\" in the firmware's set-up\n");
	return -ENODEV;
}

/* Why AMD-V, though there, can't be used; NULL if it can. */
static const char *husk_mode_svm_refusal(void)
{
	u64 vm_cr;

	/* APM2 15.4: VM_CR.SVMDIS (bit 4) is set by firmware and locked */
	if (!husk_host_rdmsr_safe(MSR_VM_CR, &vm_cr) && (vm_cr & BIT(4)))
		return "AMD-V is disabled by the firmware: enable \"SVM\" in its set-up";
	if (cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT))
		return "this is a virtual machine with encrypted memory: guests can't run inside it";
	if (!(husk_modes.present & BIT_ULL(HUSK_MODE_NESTED_PAGING)))
		return "this CPU has no nested paging (NPT), which husk needs: use a newer one, or in a virtual machine give it +npt";
	if (husk_mode_asids < 2)
		return "this CPU reports no ASID for guests: the hypervisor under this machine is broken";
	if (!husk_mode(HUSK_MODE_SVM) || !husk_mode(HUSK_MODE_NESTED_PAGING) || !husk_mode(HUSK_MODE_UNRESTRICTED))
		return "mask= takes away what husk can't do without: remove svm, nested_paging and unrestricted from it";
	return NULL;
}

/**
 * husk_mode_probe - fill husk_modes
 *
 * Return: 0; -ENODEV if the CPU has no virtualization, -EOPNOTSUPP if it has
 * but husk can't use it, -EINVAL for a bad mask=, each after one line that
 * says what to do.
 */
int husk_mode_probe(void)
{
	const char *refusal;
	int ret;

	/* CPUID 0x80000001 ECX[2] SVM */
	if (!husk_mode_cpuid_bit(0x80000001, 2, 2))
		return husk_mode_refuse_no_svm();
	husk_mode_probe_svm();
	ret = husk_mode_apply_mask();
	if (ret)
		return ret;
	refusal = husk_mode_svm_refusal();
	if (refusal) {
		pr_err("%s\n", refusal);
		return -EOPNOTSUPP;
	}
	return 0;
}

/* "husk: svm asids=32768: nested_paging nrips -decode ...", a minus before what mask= took away */
void husk_mode_print(void)
{
	char line[320];
	int i, n = 0;

	for (i = 0; i < HUSK_MODE_COUNT; i++)
		if (i != HUSK_MODE_SVM && (husk_modes.present & BIT_ULL(i)))
			n += scnprintf(line + n, sizeof(line) - n, " %s%s",
				       husk_mode(i) ? "" : "-", husk_mode_names[i]);
	pr_info("svm asids=%u:%s\n", husk_mode_asids, line);
}
