// SPDX-License-Identifier: GPL-2.0
/*
 * What the guest's CPUID says: everything that the kernel supports on this
 * host, and the published signature of KVM's paravirtual interface
 * (Documentation/virt/kvm/x86/cpuid.rst) with those features that husk has.
 */
#include <errno.h>
#include <string.h>

#include "worker/machine.h"

#define KVM_CPUID_SIGNATURE	0x40000000
#define KVM_CPUID_FEATURES	0x40000001
#define KVM_FEATURE_NOP_IO_DELAY (1U << 1)

enum husk_status machine_set_cpuid(struct machine *m)
{
	static const char signature[12] = "KVMKVMKVM\0\0";
	struct husk_cpuid_entry entry[HUSK_CPUID_MAX];
	__u32 count = HUSK_CPUID_MAX - 2;
	struct husk_cpuid_entry *e;

	if (husk_get_cpuid(m->dev, entry, &count) < 0)
		return fail(HUSK_STATUS_HOST, "the kernel does not tell its CPUID leaves: %s", strerror(errno));
	e = &entry[count++];
	*e = (struct husk_cpuid_entry){ .function = KVM_CPUID_SIGNATURE, .eax = KVM_CPUID_FEATURES };
	memcpy(&e->ebx, signature, 4);
	memcpy(&e->ecx, signature + 4, 4);
	memcpy(&e->edx, signature + 8, 4);
	entry[count++] = (struct husk_cpuid_entry){
		.function = KVM_CPUID_FEATURES, .eax = KVM_FEATURE_NOP_IO_DELAY,
	};
	if (husk_vm_set_cpuid(m->vm, entry, count) < 0)
		return fail(HUSK_STATUS_FAIL, "the kernel refused the CPUID leaves: %s", strerror(errno));
	return HUSK_STATUS_OK;
}
