// SPDX-License-Identifier: GPL-2.0
/* STOS, LODS, MOVS, INS and OUTS: one iteration (SDM 1 7.3.9, 18.4) */
#include <asm/processor-flags.h>

#include "emulate_mem.h"

/* One iteration's accesses: memory at segment:rSI or ES:rDI */
static enum husk_emul_status emul_string_ref(struct emul *m, u8 reg, u8 width, struct emul_ref *ref)
{
	const struct husk_insn *insn = &m->e->decoded;
	u64 offset = m->e->regs->gpr[reg] & emul_mask(insn->addr_size);

	if (reg == REG_RDI)
		return emul_translate(m, SEGMENT_ES, offset, width, HUSK_ACCESS_WRITE, ref);
	return emul_translate(m, insn->segment, offset, width, HUSK_ACCESS_READ, ref);
}

/*
 * The right to use a port was checked by the CPU before the exit, for this
 * width. Without it (the guest made another instruction of it meanwhile) only
 * a CPL that needs no look at the TSS may go on.
 */
static bool emul_port_allowed(const struct emul *m, u8 width)
{
	const struct husk_emul *e = m->e;
	u8 iopl = (e->regs->rflags >> 12) & 3;

	if (e->io_width)
		return e->io_width == width;
	return !(e->regs->rflags & X86_EFLAGS_VM) && e->cpl <= iopl;
}

static enum husk_emul_status emul_string_once(struct emul *m, u8 width)
{
	const struct husk_insn *insn = &m->e->decoded;
	u16 port = m->e->regs->gpr[REG_RDX];
	bool io = insn->op == HUSK_OP_INS || insn->op == HUSK_OP_OUTS;
	bool from = insn->op == HUSK_OP_LODS || insn->op == HUSK_OP_MOVS || insn->op == HUSK_OP_OUTS;
	bool to = insn->op == HUSK_OP_STOS || insn->op == HUSK_OP_MOVS || insn->op == HUSK_OP_INS;
	u64 value = m->e->regs->gpr[REG_RAX];
	enum husk_emul_status status = HUSK_EMUL_DONE;
	struct emul_ref src, dst;

	if (io && !emul_port_allowed(m, width))
		return HUSK_EMUL_RETRY;
	if (from)
		status = emul_string_ref(m, REG_RSI, width, &src);
	if (status == HUSK_EMUL_DONE && to)
		status = emul_string_ref(m, REG_RDI, width, &dst);
	if (status == HUSK_EMUL_DONE && from)
		status = emul_read(m, &src, &value);
	if (status == HUSK_EMUL_DONE && io)
		status = emul_port(m, port, width, insn->op == HUSK_OP_OUTS, &value);
	if (status == HUSK_EMUL_DONE && to)
		status = emul_write(m, &dst, value, NULL);
	if (status == HUSK_EMUL_DONE && insn->op == HUSK_OP_LODS)
		emul_set(m, &insn->dst, value);
	return status;
}

enum husk_emul_status emul_string(struct emul *m)
{
	const struct husk_insn *insn = &m->e->decoded;
	struct husk_general *regs = m->e->regs;
	bool io = insn->op == HUSK_OP_INS || insn->op == HUSK_OP_OUTS;
	u8 width = insn->op == HUSK_OP_LODS ? insn->dst.width : insn->src.width;
	bool rep = insn->rep || insn->repne;
	u64 left = regs->gpr[REG_RCX] & emul_mask(insn->addr_size), step;
	enum husk_emul_status status;

	if (rep && !left)
		return HUSK_EMUL_DONE;
	if (io && width > 4)
		width = 4;	/* REX.W does nothing to INS and OUTS */
	status = emul_string_once(m, width);
	if (status != HUSK_EMUL_DONE)
		return status;
	step = regs->rflags & X86_EFLAGS_DF ? -(u64)width : width;
	if (insn->op == HUSK_OP_LODS || insn->op == HUSK_OP_MOVS || insn->op == HUSK_OP_OUTS)
		emul_merge(&regs->gpr[REG_RSI], insn->addr_size, regs->gpr[REG_RSI] + step);
	if (insn->op == HUSK_OP_STOS || insn->op == HUSK_OP_MOVS || insn->op == HUSK_OP_INS)
		emul_merge(&regs->gpr[REG_RDI], insn->addr_size, regs->gpr[REG_RDI] + step);
	if (rep) {
		emul_merge(&regs->gpr[REG_RCX], insn->addr_size, left - 1);
		m->more = left > 1;
	}
	return HUSK_EMUL_DONE;
}
