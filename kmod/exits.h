/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HUSK_EXITS_H
#define HUSK_EXITS_H

#include "husk.h"

/* leaf.c: interrupts off, guest state loaded. HUSK_RESUME, HUSK_RETIRE, HUSK_TO_USER or HUSK_DISPATCH */
enum husk_verdict husk_leaf(struct husk_vcpu *vcpu);

/* A port access goes to the worker. HUSK_TO_USER */
enum husk_verdict husk_leaf_pio_worker(struct husk_vcpu *vcpu);

/* Bits of rax that a port access is about, by its width: 1, 2 or 4, as the hardware said */
extern const u32 husk_pio_mask[];

/* IN: the low @width bytes of rax become @data; a write to eax clears the upper half. */
static inline void husk_pio_in(struct husk_vcpu *vcpu, u8 width, u32 data)
{
	u64 *rax = &vcpu->regs.gpr[0];
	u64 mask = husk_pio_mask[width];

	*rax = width == 4 ? data : (*rax & ~mask) | (data & mask);
}

/* exits.c: the common table, interrupts on. Any verdict but HUSK_DISPATCH */
enum husk_verdict husk_dispatch(struct husk_vcpu *vcpu);

/* exception.c */
void husk_single_step_trap(struct husk_vcpu *vcpu);

/* run.c */
enum husk_verdict husk_retire_slow(struct husk_vcpu *vcpu);
/*
 * The exit as if no program had been asked about it, leaf or not. Interrupts on; may
 * sleep. HUSK_RESUME, HUSK_RETIRE, HUSK_TO_USER or HUSK_DEAD
 */
enum husk_verdict husk_builtin(struct husk_vcpu *vcpu);
enum husk_verdict husk_exit_pause(struct husk_vcpu *vcpu);	/* spin.c */

#endif
