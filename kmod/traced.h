/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Calls of tracepoints, for places that guests are fast at. To be called if
 * trace_husk_x_enabled(): so a tracepoint that is off is one NOP there, and
 * these functions, out of line, keep its arguments out of the caller's registers.
 */
#ifndef HUSK_TRACED_H
#define HUSK_TRACED_H

#include "exits.h"
#include "irqchip/irqchip.h"
#include "trace.h"

typedef enum husk_verdict (*husk_serve_fn)(struct husk_vcpu *vcpu);

/* Serve the exit, then tell. The verdict is that of the function given; DISPATCH: not yet, so there is nothing to tell */
enum husk_verdict husk_traced_cpuid(struct husk_vcpu *vcpu);
enum husk_verdict husk_traced_msr(struct husk_vcpu *vcpu, husk_serve_fn serve);
enum husk_verdict husk_traced_hypercall(struct husk_vcpu *vcpu, husk_serve_fn serve);

/* A port access of the exit's own; data beyond its width does not matter */
void husk_traced_pio(struct husk_vcpu *vcpu, u8 level, u32 data);
/* It goes to the worker; an IN is told when the answer is there. HUSK_TO_USER */
enum husk_verdict husk_traced_pio_worker(struct husk_vcpu *vcpu);
/* Of an emulated instruction, to a port or to memory */
void husk_traced_io(struct husk_vcpu *vcpu, bool port, u64 addr, u8 width, bool write, u8 level, u64 data);

/* Before an entry, and what goes in with it */
void husk_traced_entry(struct husk_vcpu *vcpu);
void husk_traced_inject(struct husk_vcpu *vcpu);

void husk_traced_eoi(struct husk_vcpu *vcpu, u8 vector);

#endif
