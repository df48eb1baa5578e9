/* SPDX-License-Identifier: GPL-2.0 */
#ifndef HUSK_EXITS_H
#define HUSK_EXITS_H

#include "husk.h"

/* leaf.c: interrupts off, guest state loaded. HUSK_RESUME, HUSK_RETIRE, HUSK_TO_USER or HUSK_DISPATCH */
enum husk_verdict husk_leaf(struct husk_vcpu *vcpu);

/* What IN puts into rax */
void husk_pio_in(struct husk_vcpu *vcpu, u8 width, u32 data);

/* exits.c: the common table, interrupts on. Any verdict but HUSK_DISPATCH */
enum husk_verdict husk_dispatch(struct husk_vcpu *vcpu);

/* run.c */
void husk_single_step_trap(struct husk_vcpu *vcpu);
enum husk_verdict husk_retire_slow(struct husk_vcpu *vcpu);

#endif
