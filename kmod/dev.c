// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/husk: what the host can do, and the way to make a VM.
 */
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/uaccess.h>
#include <asm/tsc.h>

#include "dev.h"
#include "ioctl.h"
#include "vendor.h"

static long husk_dev_get_caps(void *object, void *p)
{
	struct husk_caps *arg = p;

	if (arg->reserved)
		return -EINVAL;
	*arg = (struct husk_caps) {
		.size = sizeof(*arg),
		.abi_version = HUSK_ABI_VERSION,
		.max_vms = husk_max_vms,
		.max_vcpus = husk_max_vcpus,
		.max_slots = husk_max_slots,
		.modes = husk_modes.present,
		.modes_usable = husk_modes.usable,
		.state_classes = BIT_ULL(HUSK_STATE_COUNT) - 1,
		.guest_phys_bits = husk_host.phys_bits,
		.gsi_count = HUSK_GSI_COUNT,
		.tsc_khz = tsc_khz,
		.xsave_size = husk_host.xsave_size,
		.xcr0 = husk_host.guest_xcr0,
		.foreign_virt = husk_vendor->foreign(),
		.vm_state_classes = BIT_ULL(HUSK_VM_CLASS_COUNT) - 1,
	};
	return 0;
}

static long husk_dev_create_vm(void *object, void *p, struct file **file)
{
	return husk_vm_create(p, file);
}

static long husk_dev_get_cpuid(void *object, void *p)
{
	struct husk_cpuid *arg = p;
	struct husk_cpuid_entry *entry;
	u32 room = min_t(u32, arg->count, HUSK_CPUID_MAX);
	int count;

	if (arg->reserved)
		return -EINVAL;
	entry = kcalloc(HUSK_CPUID_MAX, sizeof(*entry), GFP_KERNEL);
	if (!entry)
		return -ENOMEM;
	count = husk_cpuid_supported(entry, HUSK_CPUID_MAX);
	if (count >= 0) {
		arg->count = count;
		if (count > room)
			count = -E2BIG;
		else if (copy_to_user(u64_to_user_ptr(arg->entries), entry, count * sizeof(*entry)))
			count = -EFAULT;
	}
	kfree(entry);
	return count < 0 ? count : 0;
}

static const struct husk_ioctl husk_dev_ioctls[] = {
	HUSK_IOCTL(HUSK_GET_CAPS, husk_caps, 0, 80, HUSK_LOCK_NONE, .fn = husk_dev_get_caps, .out = true),
	HUSK_IOCTL(HUSK_CREATE_VM, husk_create_vm, 0, 208, HUSK_LOCK_NONE, .make = husk_dev_create_vm,
		   .out = true),
	HUSK_IOCTL(HUSK_GET_CPUID, husk_cpuid, 0, 24, HUSK_LOCK_NONE, .fn = husk_dev_get_cpuid, .out = true),
};

static long husk_dev_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return husk_ioctl(husk_dev_ioctls, ARRAY_SIZE(husk_dev_ioctls), NULL, NULL, NULL, cmd, arg);
}

static const struct file_operations husk_dev_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = husk_dev_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice husk_dev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "husk",
	.mode = 0660,
	.fops = &husk_dev_fops,
};

int husk_dev_init(void)
{
	return misc_register(&husk_dev);
}

void husk_dev_exit(void)
{
	misc_deregister(&husk_dev);
}
