// SPDX-License-Identifier: GPL-2.0
/*
 * What this CPU has and what husk may use of it: probed once at load, shown in
 * one line, each feature maskable so that every fallback can be tested. What
 * the bits mean is in the vendors' probe.c.
 */
#define pr_fmt(fmt) "husk: " fmt

#include <linux/cc_platform.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <asm/cpufeature.h>
#include <asm/processor.h>

#include "vendor.h"

static char *husk_mode_mask = "";
module_param_named(mask, husk_mode_mask, charp, 0444);
MODULE_PARM_DESC(mask, "comma-separated CPU features not to use, by the names that husk prints at load");

struct husk_modes husk_modes;

static const struct husk_mode_vendor {
	const struct husk_probe *probe;
	const struct husk_vendor *ops;
} husk_mode_vendors[] = {
	{ &husk_svm_probe, &husk_svm },
	{ &husk_vmx_probe, &husk_vmx },
};

/* The chosen vendor's, immutable after load */
static const struct husk_probe *husk_mode_vendor;
static u32 husk_mode_tags;

static const char *const husk_mode_names[] = {
#define X(id, name, what) [HUSK_MODE_##id] = name,
	HUSK_MODES(X)
#undef X
};

/* A feature of no use without another: who masks that one masks both. */
static const struct { u8 mode, needs; } husk_mode_needs[] = {
	{ HUSK_MODE_APIC_ACCEL, HUSK_MODE_TPR_SHADOW },
	{ HUSK_MODE_POSTED_INTR, HUSK_MODE_APIC_ACCEL },
	{ HUSK_MODE_PML, HUSK_MODE_AD_BITS },	/* it is the setting of a dirty bit that is logged */
};

static bool husk_mode_masked(u8 mode)
{
	return husk_modes.present & ~husk_modes.usable & BIT_ULL(mode);
}

bool husk_mode_cpuid_bit(u32 function, int reg, int bit)
{
	u32 r[4];

	if (cpuid_eax(function & 0x80000000) < function)
		return false;
	cpuid(function, &r[0], &r[1], &r[2], &r[3]);
	return r[reg] & BIT(bit);
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
			pr_err("mask=: there is no CPU feature \"%s\"; load without mask= to see the names\n", name);
			ret = -EINVAL;
		} else {
			husk_modes.usable &= ~BIT_ULL(i);
		}
	}
	for (i = 0; i < ARRAY_SIZE(husk_mode_needs); i++)
		if (husk_mode_masked(husk_mode_needs[i].needs))
			husk_modes.usable &= ~BIT_ULL(husk_mode_needs[i].mode);
	kfree(list);
	return ret;
}

static int husk_mode_refuse_none(void)
{
	bool intel = boot_cpu_data.x86_vendor == X86_VENDOR_INTEL;
	const struct husk_probe *probe = intel ? &husk_vmx_probe : &husk_svm_probe;

	/* CPUID 1 ECX[31] hypervisor */
	if (husk_mode_cpuid_bit(1, 2, 31))
		pr_err("this virtual machine has no %s: switch nested virtualization on in its hypervisor (QEMU: -cpu host or +%s)\n",
		       probe->brand, husk_mode_names[probe->mode]);
	else
		pr_err("this CPU has no %s, or its firmware hides it: look for \"%s\" in the firmware's set-up\n",
		       probe->brand, probe->setting);
	return -ENODEV;
}

static const struct husk_mode_vendor *husk_mode_find(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(husk_mode_vendors); i++)
		if (husk_mode_vendors[i].probe->there())
			return &husk_mode_vendors[i];
	return NULL;
}

/* Why husk can't use what is there, and what to do; or NULL */
static const char *husk_mode_refusal(const struct husk_probe *probe)
{
	const u64 needed = BIT_ULL(probe->mode) | BIT_ULL(HUSK_MODE_NESTED_PAGING) | BIT_ULL(HUSK_MODE_UNRESTRICTED);
	const char *refusal;

	if (cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT))
		return "this is a virtual machine with encrypted memory: guests can't run inside it";
	refusal = probe->refusal();
	if (!refusal && (needed & ~husk_modes.usable))
		refusal = "mask= takes away what husk can't do without: remove vmx, svm, nested_paging and unrestricted from it";
	return refusal;
}

/**
 * husk_mode_probe - fill husk_modes and choose the vendor
 * @vendor: out, valid on success
 *
 * Return: 0; -ENODEV if the CPU has no virtualization, -EOPNOTSUPP if it has
 * but husk can't use it, -EINVAL for a bad mask=, each after one line that
 * says what to do.
 */
int husk_mode_probe(const struct husk_vendor **vendor)
{
	const struct husk_mode_vendor *found = husk_mode_find();
	const struct husk_probe *probe;
	const char *refusal;
	int ret;

	if (!found)
		return husk_mode_refuse_none();
	probe = found->probe;
	husk_modes.present = BIT_ULL(probe->mode) | probe->probe(&husk_mode_tags);
	ret = husk_mode_apply_mask();
	if (ret)
		return ret;
	refusal = husk_mode_refusal(probe);
	if (refusal) {
		pr_err("%s\n", refusal);
		return -EOPNOTSUPP;
	}
	husk_mode_vendor = probe;
	*vendor = found->ops;
	return 0;
}

/* "husk: svm asids=32768: nested_paging nrips -decode ...", a minus before what mask= took away */
void husk_mode_print(void)
{
	const struct husk_probe *probe = husk_mode_vendor;
	char line[320];
	int i, n = 0;

	for (i = 0; i < HUSK_MODE_COUNT; i++)
		if (i != probe->mode && (husk_modes.present & BIT_ULL(i)))
			n += scnprintf(line + n, sizeof(line) - n, " %s%s",
				       husk_mode(i) ? "" : "-", husk_mode_names[i]);
	pr_info("%s %s=%u:%s\n", husk_mode_names[probe->mode], probe->tags, husk_mode_tags, line);
}
