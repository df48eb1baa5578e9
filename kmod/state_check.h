/* SPDX-License-Identifier: GPL-2.0 */
/* What values of guest state are legal. Pure logic: compiles in user space too. */
#ifndef HUSK_STATE_CHECK_H
#define HUSK_STATE_CHECK_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include "unit_shim.h"
#endif
#include "uapi/husk.h"

/* What depends on the host and on the VM's CPUID */
struct husk_state_limits {
	u64 cr4;		/* bits of CR4 that may be set */
	u64 efer;		/* bits of EFER that may be set */
	u64 xcr0;		/* bits of XCR0 that may be set; 0: no XSAVE */
};

/* 48 bits of linear address, sign-extended: LA57 is never shown */
static inline bool husk_canonical(u64 address)
{
	return (u64)((s64)(address << 16) >> 16) == address;
}

bool husk_pat_valid(u64 value);
/* index: of the MSR, one of IA32_MTRR_x */
bool husk_mtrr_valid(u32 index, u64 value, u32 phys_bits);
/* allowed: husk_state_limits.xcr0 */
bool husk_xcr0_legal(u64 value, u64 allowed);
bool husk_general_valid(const struct husk_general *regs);
bool husk_system_valid(const struct husk_system *sys, const struct husk_state_limits *limits);
/* Do both fit together: virtual-8086 mode, 64-bit mode */
bool husk_mode_valid(const struct husk_general *regs, const struct husk_system *sys);
bool husk_events_valid(const struct husk_vcpu_events *events);

#endif
