// SPDX-License-Identifier: GPL-2.0
/* Calls of tracepoints, see traced.h. Interrupts on or off. */
#include <linux/bits.h>

#include "ept_npt/mem.h"
#include "traced.h"

/* The list's numbers are fixed, those of the code are not. */
static_assert(HUSK_FAULT_MAPPED == 0 && HUSK_FAULT_NO_SLOT == 1 && HUSK_FAULT_READONLY == 2 &&
	      HUSK_FAULT_HWPOISON == 3 && HUSK_FAULT_BAD == 4 && HUSK_FAULT_SIGNAL == 5);
static_assert(HUSK_IOEVENTFD_PORTS == 0 && HUSK_IOEVENTFD_MEMORY == 1);

/*
 * Is this entry the last one over again, which was told and which a host interrupt ended
 * before its first instruction? That interrupt may be the telling's own: a tracer that wakes
 * its reader for each event asks for one. Told again and again, the guest would stand still.
 */
static bool traced_again(const struct husk_vcpu *vcpu)
{
	const struct husk_stats *stats = vcpu->stats;
	const struct husk_flight *last = &stats->flight[(stats->entries - 1) % HUSK_FLIGHT_LEN];

	return last->reason == HUSK_REASON_EXTINT && last->rip == vcpu->regs.rip && vcpu->told == (u32)stats->entries - 1;
}

void husk_traced_entry(struct husk_vcpu *vcpu)
{
	const struct husk_event *event = &vcpu->event;

	if (traced_again(vcpu))
		return;
	vcpu->told = vcpu->stats->entries;
	trace_husk_entry(vcpu->vm->id, vcpu->id, vcpu->regs.rip,
			 event->vector | event->type << 8 | (u32)event->pending << 31);
}

void husk_traced_inject(struct husk_vcpu *vcpu)
{
	if (traced_again(vcpu))
		return;
	vcpu->told = vcpu->stats->entries;
	trace_husk_inject(vcpu->vm->id, vcpu->id, vcpu->event.type, vcpu->event.vector, vcpu->event.error);
}

enum husk_verdict husk_traced_cpuid(struct husk_vcpu *vcpu)
{
	u64 *gpr = vcpu->regs.gpr;
	u32 function = gpr[0], index = gpr[1];

	husk_cpuid(vcpu);
	trace_husk_cpuid(vcpu->vm->id, vcpu->id, function, index, gpr[0], gpr[3], gpr[1], gpr[2]);
	return HUSK_RETIRE;
}

enum husk_verdict husk_traced_msr(struct husk_vcpu *vcpu, husk_serve_fn serve)
{
	bool write = vcpu->exit.reason == HUSK_REASON_WRMSR;
	u32 index = vcpu->regs.gpr[1];
	u64 data = (u32)vcpu->regs.gpr[0] | vcpu->regs.gpr[2] << 32;
	enum husk_verdict verdict = serve(vcpu);

	if (verdict == HUSK_DISPATCH)
		return verdict;
	if (!write)
		data = verdict == HUSK_RETIRE ? vcpu->exit.msr : 0;
	trace_husk_msr(vcpu->vm->id, vcpu->id, index, write, verdict != HUSK_RETIRE, data);
	return verdict;
}

enum husk_verdict husk_traced_hypercall(struct husk_vcpu *vcpu, husk_serve_fn serve)
{
	const u64 *gpr = vcpu->regs.gpr;
	u64 number = gpr[0], a0 = gpr[3], a1 = gpr[1], a2 = gpr[2], a3 = gpr[6];
	enum husk_verdict verdict = serve(vcpu);

	if (verdict != HUSK_DISPATCH)
		trace_husk_hypercall(vcpu->vm->id, vcpu->id, number, a0, a1, a2, a3, gpr[0]);
	return verdict;
}

void husk_traced_pio(struct husk_vcpu *vcpu, u8 level, u32 data)
{
	husk_traced_io(vcpu, true, vcpu->exit.pio.port, vcpu->exit.pio.width, vcpu->exit.pio.write, level, data);
}

enum husk_verdict husk_traced_pio_worker(struct husk_vcpu *vcpu)
{
	if (vcpu->exit.pio.write)
		husk_traced_pio(vcpu, HUSK_LEVEL_WORKER, vcpu->regs.gpr[0]);
	return HUSK_TO_USER;
}

void husk_traced_io(struct husk_vcpu *vcpu, bool port, u64 addr, u8 width, bool write, u8 level, u64 data)
{
	data &= GENMASK_ULL(width * 8 - 1, 0);
	if (port)
		trace_husk_pio(vcpu->vm->id, vcpu->id, addr, width, write, level, data);
	else
		trace_husk_mmio(vcpu->vm->id, vcpu->id, addr, width, write, level, data);
}

void husk_traced_eoi(struct husk_vcpu *vcpu, u8 vector)
{
	trace_husk_eoi(vcpu->vm->id, vcpu->id, vector);
}
