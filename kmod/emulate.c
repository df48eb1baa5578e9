// SPDX-License-Identifier: GPL-2.0
/*
 * What the instructions do (SDM 2, APM3). A handler reads its operands, then
 * writes memory, then registers and flags, so that a fault or a question to
 * the worker in between leaves nothing half done.
 */
#include <asm/processor-flags.h>

#include "emulate_mem.h"

#define FLAGS_ARITH	(X86_EFLAGS_CF | X86_EFLAGS_PF | X86_EFLAGS_AF | X86_EFLAGS_ZF | X86_EFLAGS_SF | X86_EFLAGS_OF)
#define CR0_MSW		(X86_CR0_PE | X86_CR0_MP | X86_CR0_EM | X86_CR0_TS)

/* Iterations of a rep string in one go: interrupts wait for so long */
#define REP_MAX		64

/* ---- operands ---- */

static u64 emul_address(const struct emul *m)
{
	const struct husk_insn *insn = &m->e->decoded;
	const struct husk_general *regs = m->e->regs;
	u64 address = insn->disp;

	if (insn->base == HUSK_BASE_RIP)
		address += regs->rip + insn->length;
	else if (insn->base >= 0)
		address += regs->gpr[insn->base];
	if (insn->base == REG_RSP)
		address += m->pop_bytes;
	if (insn->index >= 0)
		address += regs->gpr[insn->index] << insn->scale;
	return address & emul_mask(insn->addr_size);
}

/* Translate a memory operand for all that will be done to it; other kinds need nothing */
static enum husk_emul_status emul_prepare(struct emul *m, const struct husk_operand *o, u32 access,
					  struct emul_ref *ref)
{
	if (o->kind != HUSK_OPND_MEM)
		return HUSK_EMUL_DONE;
	return emul_translate(m, m->e->decoded.segment, emul_address(m), o->width, access, ref);
}

static enum husk_emul_status emul_load(struct emul *m, const struct husk_operand *o, const struct emul_ref *ref,
				       u64 *value)
{
	switch (o->kind) {
	case HUSK_OPND_MEM:
		return emul_read(m, ref, value);
	case HUSK_OPND_REG:
		*value = emul_get(m, o);
		return HUSK_EMUL_DONE;
	default:
		*value = m->e->decoded.imm & emul_mask(o->width);
		return HUSK_EMUL_DONE;
	}
}

static enum husk_emul_status emul_prepare_load(struct emul *m, const struct husk_operand *o, u32 access,
					       struct emul_ref *ref, u64 *value)
{
	enum husk_emul_status status = emul_prepare(m, o, access, ref);

	return status == HUSK_EMUL_DONE ? emul_load(m, o, ref, value) : status;
}

/* To a register this is final: nothing may fail after it. */
static enum husk_emul_status emul_store(struct emul *m, const struct husk_operand *o, const struct emul_ref *ref,
					u64 value, const u64 *old)
{
	if (o->kind == HUSK_OPND_MEM)
		return emul_write(m, ref, value, old);
	emul_set(m, o, value);
	return HUSK_EMUL_DONE;
}

/* ---- flags ---- */

static void emul_set_flags(struct emul *m, u64 mask, u64 flags)
{
	m->e->regs->rflags = (m->e->regs->rflags & ~mask) | (flags & mask);
}

/* ---- handlers ---- */

static u64 emul_extend(const struct husk_insn *insn, u64 value)
{
	u32 shift = 64 - insn->src.width * 8;

	return insn->op == HUSK_OP_MOVSX ? (u64)((s64)(value << shift) >> shift) : value;
}

static enum husk_emul_status emul_mov(struct emul *m)
{
	const struct husk_insn *insn = &m->e->decoded;
	enum husk_emul_status status;
	struct emul_ref ref;
	u64 value;

	status = emul_prepare_load(m, &insn->src, HUSK_ACCESS_READ, &ref, &value);
	if (status != HUSK_EMUL_DONE)
		return status;
	value = emul_extend(insn, value);
	status = emul_prepare(m, &insn->dst, HUSK_ACCESS_WRITE, &ref);
	if (status != HUSK_EMUL_DONE)
		return status;
	return emul_store(m, &insn->dst, &ref, value, NULL);
}

static enum husk_emul_status emul_arith(struct emul *m)
{
	const struct husk_insn *insn = &m->e->decoded;
	bool writes = insn->op != HUSK_OP_CMP && insn->op != HUSK_OP_TEST;
	u64 a, b, r, flags = m->e->regs->rflags;
	struct emul_ref dst, src;
	enum husk_emul_status status;

	status = emul_prepare_load(m, &insn->src, HUSK_ACCESS_READ, &src, &b);
	if (status != HUSK_EMUL_DONE)
		return status;
	status = emul_prepare_load(m, &insn->dst, writes ? HUSK_ACCESS_WRITE : HUSK_ACCESS_READ, &dst, &a);
	if (status != HUSK_EMUL_DONE)
		return status;
	r = emul_alu(insn->op, a, b, insn->dst.width, &flags);
	if (writes)
		status = emul_store(m, &insn->dst, &dst, r, insn->lock ? &a : NULL);
	if (status == HUSK_EMUL_DONE)
		emul_set_flags(m, FLAGS_ARITH, flags);
	return status;
}

/* NOT, NEG, INC, DEC */
static enum husk_emul_status emul_unary(struct emul *m)
{
	const struct husk_insn *insn = &m->e->decoded;
	u64 a, r, flags = 0, mask = FLAGS_ARITH;
	enum husk_emul_status status;
	struct emul_ref ref;

	status = emul_prepare_load(m, &insn->dst, HUSK_ACCESS_WRITE, &ref, &a);
	if (status != HUSK_EMUL_DONE)
		return status;
	switch (insn->op) {
	case HUSK_OP_NOT:
		r = ~a;
		mask = 0;
		break;
	case HUSK_OP_NEG:
		r = emul_alu(HUSK_OP_SUB, 0, a, insn->dst.width, &flags);
		break;
	default:
		r = emul_alu(insn->op == HUSK_OP_INC ? HUSK_OP_ADD : HUSK_OP_SUB, a, 1, insn->dst.width, &flags);
		mask &= ~(u64)X86_EFLAGS_CF;
	}
	status = emul_store(m, &insn->dst, &ref, r, insn->lock ? &a : NULL);
	if (status == HUSK_EMUL_DONE)
		emul_set_flags(m, mask, flags);
	return status;
}

/* XCHG, XADD. XCHG with memory is locked without a prefix. */
static enum husk_emul_status emul_exchange(struct emul *m)
{
	const struct husk_insn *insn = &m->e->decoded;
	u64 a, b = emul_get(m, &insn->src), r = b, flags = 0;
	bool add = insn->op == HUSK_OP_XADD;
	enum husk_emul_status status;
	struct emul_ref ref;

	status = emul_prepare_load(m, &insn->dst, HUSK_ACCESS_WRITE, &ref, &a);
	if (status != HUSK_EMUL_DONE)
		return status;
	if (add)
		r = emul_alu(HUSK_OP_ADD, a, b, insn->dst.width, &flags);
	if (insn->dst.kind == HUSK_OPND_MEM) {
		status = emul_write(m, &ref, r, !add || insn->lock ? &a : NULL);
		if (status != HUSK_EMUL_DONE)
			return status;
	}
	emul_set(m, &insn->src, a);
	if (insn->dst.kind == HUSK_OPND_REG)
		emul_set(m, &insn->dst, r);
	if (add)
		emul_set_flags(m, FLAGS_ARITH, flags);
	return HUSK_EMUL_DONE;
}

/* Memory is written in both cases, as the CPU does (SDM 2, CMPXCHG) */
static enum husk_emul_status emul_cmpxchg(struct emul *m)
{
	const struct husk_insn *insn = &m->e->decoded;
	u8 width = insn->dst.width;
	u64 a, acc = m->e->regs->gpr[REG_RAX] & emul_mask(width), flags = 0;
	enum husk_emul_status status;
	struct emul_ref ref;

	status = emul_prepare_load(m, &insn->dst, HUSK_ACCESS_WRITE, &ref, &a);
	if (status != HUSK_EMUL_DONE)
		return status;
	emul_alu(HUSK_OP_CMP, acc, a, width, &flags);
	if (acc == a || insn->dst.kind == HUSK_OPND_MEM)
		status = emul_store(m, &insn->dst, &ref, acc == a ? emul_get(m, &insn->src) : a,
				    insn->lock ? &a : NULL);
	if (status != HUSK_EMUL_DONE)
		return status;
	if (acc != a)
		emul_merge(&m->e->regs->gpr[REG_RAX], width, a);
	emul_set_flags(m, FLAGS_ARITH, flags);
	return HUSK_EMUL_DONE;
}

/* BT, BTS, BTR, BTC: a bit number in a register reaches beyond the memory operand */
static enum husk_emul_status emul_bit(struct emul *m)
{
	const struct husk_insn *insn = &m->e->decoded;
	u8 width = insn->dst.width;
	bool writes = insn->op != HUSK_OP_BT;
	u64 a, r, bit, number, offset = 0;
	enum husk_emul_status status = HUSK_EMUL_DONE;
	struct emul_ref ref;

	emul_load(m, &insn->src, NULL, &number);
	if (insn->dst.kind == HUSK_OPND_MEM) {
		if (insn->src.kind == HUSK_OPND_REG) {
			u32 shift = 64 - width * 8;

			offset = ((s64)(number << shift) >> (shift + 3)) & -(s64)width;
		}
		status = emul_translate(m, insn->segment, (emul_address(m) + offset) & emul_mask(insn->addr_size),
					width, writes ? HUSK_ACCESS_WRITE : HUSK_ACCESS_READ, &ref);
	}
	if (status == HUSK_EMUL_DONE)
		status = emul_load(m, &insn->dst, &ref, &a);
	if (status != HUSK_EMUL_DONE)
		return status;
	bit = BIT_ULL(number & (width * 8 - 1));
	r = insn->op == HUSK_OP_BTS ? a | bit : insn->op == HUSK_OP_BTR ? a & ~bit : a ^ bit;
	if (writes)
		status = emul_store(m, &insn->dst, &ref, r, insn->lock ? &a : NULL);
	if (status == HUSK_EMUL_DONE)
		emul_set_flags(m, X86_EFLAGS_CF, a & bit ? X86_EFLAGS_CF : 0);
	return status;
}

/* Bytes of the stack pointer that count */
static u8 emul_stack_size(const struct emul *m)
{
	if (m->e->mode == 8)
		return 8;
	return m->e->sys->ss.attr & ATTR_BIG ? 4 : 2;
}

static enum husk_emul_status emul_push(struct emul *m)
{
	const struct husk_operand *src = &m->e->decoded.src;
	u64 *rsp = &m->e->regs->gpr[REG_RSP];
	u8 size = emul_stack_size(m);
	u64 value, sp = (*rsp - src->width) & emul_mask(size);
	enum husk_emul_status status;
	struct emul_ref ref;

	status = emul_prepare_load(m, src, HUSK_ACCESS_READ, &ref, &value);
	if (status == HUSK_EMUL_DONE)
		status = emul_translate(m, SEGMENT_SS, sp, src->width, HUSK_ACCESS_WRITE, &ref);
	if (status == HUSK_EMUL_DONE)
		status = emul_write(m, &ref, value, NULL);
	if (status == HUSK_EMUL_DONE)
		emul_merge(rsp, size, sp);
	return status;
}

/* An address by rsp is computed after rsp was raised (SDM 2, POP) */
static enum husk_emul_status emul_pop(struct emul *m)
{
	const struct husk_operand *dst = &m->e->decoded.dst;
	u64 *rsp = &m->e->regs->gpr[REG_RSP];
	u8 size = emul_stack_size(m);
	enum husk_emul_status status;
	struct emul_ref ref;
	u64 value;

	status = emul_translate(m, SEGMENT_SS, *rsp & emul_mask(size), dst->width, HUSK_ACCESS_READ, &ref);
	if (status == HUSK_EMUL_DONE)
		status = emul_read(m, &ref, &value);
	m->pop_bytes = dst->width;
	if (status == HUSK_EMUL_DONE)
		status = emul_prepare(m, dst, HUSK_ACCESS_WRITE, &ref);
	if (status == HUSK_EMUL_DONE && dst->kind == HUSK_OPND_MEM)
		status = emul_write(m, &ref, value, NULL);
	if (status != HUSK_EMUL_DONE)
		return status;
	emul_merge(rsp, size, *rsp + dst->width);
	if (dst->kind == HUSK_OPND_REG)
		emul_set(m, dst, value);
	return HUSK_EMUL_DONE;
}

/* ---- control registers ---- */

static enum husk_emul_status emul_smsw(struct emul *m)
{
	const struct husk_operand *dst = &m->e->decoded.dst;
	enum husk_emul_status status;
	struct emul_ref ref;

	if ((m->e->walk.cr4 & X86_CR4_UMIP) && m->e->cpl)
		return emul_gp(m);
	status = emul_prepare(m, dst, HUSK_ACCESS_WRITE, &ref);
	if (status != HUSK_EMUL_DONE)
		return status;
	return emul_store(m, dst, &ref, m->e->walk.cr0, NULL);
}

/* MOV CRn, LMSW, CLTS: the caller acts */
static enum husk_emul_status emul_system(struct emul *m)
{
	const struct husk_insn *insn = &m->e->decoded;
	struct husk_emul_sysreg *s = &m->e->sysreg;
	enum husk_emul_status status = HUSK_EMUL_SYSTEM;
	struct emul_ref ref;
	u64 value = 0, cr0 = m->e->walk.cr0;

	if (m->e->cpl)
		return emul_gp(m);
	*s = (struct husk_emul_sysreg){ .number = insn->cr, .write = true };
	switch (insn->op) {
	case HUSK_OP_CLTS:
		value = cr0 & ~(u64)X86_CR0_TS;
		break;
	case HUSK_OP_LMSW:	/* can set PE, not clear it */
		status = emul_prepare_load(m, &insn->src, HUSK_ACCESS_READ, &ref, &value);
		if (status != HUSK_EMUL_DONE)
			return status;
		status = HUSK_EMUL_SYSTEM;
		value = (cr0 & ~(u64)(CR0_MSW & ~X86_CR0_PE)) | (value & CR0_MSW);
		break;
	default:
		s->write = insn->cr_write;
		s->gpr = insn->dst.reg;
		if (s->write)
			value = emul_get(m, &insn->src);
	}
	s->value = value;
	return status;
}

/* ---- the instruction ---- */

static enum husk_emul_status (*const emul_handlers[HUSK_OP_OTHER + 1])(struct emul *) = {
	[HUSK_OP_MOV] = emul_mov,	[HUSK_OP_MOVZX] = emul_mov,	[HUSK_OP_MOVSX] = emul_mov,
	[HUSK_OP_STOS] = emul_string,	[HUSK_OP_LODS] = emul_string,	[HUSK_OP_MOVS] = emul_string,
	[HUSK_OP_INS] = emul_string,	[HUSK_OP_OUTS] = emul_string,
	[HUSK_OP_ADD] = emul_arith,	[HUSK_OP_OR] = emul_arith,	[HUSK_OP_ADC] = emul_arith,
	[HUSK_OP_SBB] = emul_arith,	[HUSK_OP_AND] = emul_arith,	[HUSK_OP_SUB] = emul_arith,
	[HUSK_OP_XOR] = emul_arith,	[HUSK_OP_CMP] = emul_arith,	[HUSK_OP_TEST] = emul_arith,
	[HUSK_OP_NOT] = emul_unary,	[HUSK_OP_NEG] = emul_unary,
	[HUSK_OP_INC] = emul_unary,	[HUSK_OP_DEC] = emul_unary,
	[HUSK_OP_XCHG] = emul_exchange,	[HUSK_OP_XADD] = emul_exchange,	[HUSK_OP_CMPXCHG] = emul_cmpxchg,
	[HUSK_OP_BT] = emul_bit,	[HUSK_OP_BTS] = emul_bit,
	[HUSK_OP_BTR] = emul_bit,	[HUSK_OP_BTC] = emul_bit,
	[HUSK_OP_PUSH] = emul_push,	[HUSK_OP_POP] = emul_pop,
	[HUSK_OP_SMSW] = emul_smsw,	[HUSK_OP_LMSW] = emul_system,	[HUSK_OP_CLTS] = emul_system,
	[HUSK_OP_MOV_CR] = emul_system,
};

#define OP(x)		BIT_ULL(HUSK_OP_##x)

/* A LOCK prefix before another one is #UD (SDM 2, LOCK), also with a register as destination */
static const u64 emul_lockable = OP(ADD) | OP(OR) | OP(ADC) | OP(SBB) | OP(AND) | OP(SUB) | OP(XOR) | OP(XCHG) |
	OP(XADD) | OP(CMPXCHG) | OP(NOT) | OP(NEG) | OP(INC) | OP(DEC) | OP(BTS) | OP(BTR) | OP(BTC);
static const u64 emul_two_operands = OP(MOVS) | OP(INS) | OP(OUTS) | OP(PUSH) | OP(POP);

/* MOV makes one access: unless a page boundary cut it, there is nothing to replay after its answer */
static bool emul_mov_answered(struct emul *m)
{
	const struct husk_insn *insn = &m->e->decoded;
	const struct husk_emul_access *a = &m->e->list[0];
	bool write = insn->dst.kind == HUSK_OPND_MEM;

	if (emul_handlers[insn->op] != emul_mov || m->e->count != 1 || a->port || a->write != write ||
	    a->width != (write ? insn->dst.width : insn->src.width))
		return false;
	if (!write)
		emul_set(m, &insn->dst, emul_extend(insn, a->data));
	return true;
}

/* Bits 11:0 of the effective address in 64-bit code without a segment base */
static u32 emul_page_offset(const struct emul *m)
{
	const struct husk_insn *insn = &m->e->decoded;
	const struct husk_general *regs = m->e->regs;
	u64 offset = insn->disp;

	if (insn->base == HUSK_BASE_RIP)
		offset += regs->rip + insn->length;
	else if (insn->base >= 0)
		offset += regs->gpr[insn->base & 15];
	if (insn->index >= 0)
		offset += regs->gpr[insn->index & 15] << insn->scale;
	return offset & OFFSET_IN_PAGE;
}

/*
 * A driver's plain MOV to or from a device, where the CPU said where it went:
 * no walk, and no look whether it is memory. false: the general way.
 */
static bool emul_mov_hinted(struct emul *m, enum husk_emul_status *status)
{
	struct husk_emul *e = m->e;
	const struct husk_insn *insn = &e->decoded;
	bool write = insn->dst.kind == HUSK_OPND_MEM;
	struct husk_emul_access *a = &e->need;
	u32 at = e->hint_gpa & OFFSET_IN_PAGE;
	int ret;

	if (emul_handlers[insn->op] != emul_mov || e->mode != 8 || insn->segment >= 4 || insn->addr_size != 8 ||
	    e->hint_access != (write ? HUSK_ACCESS_WRITE : HUSK_ACCESS_READ))
		return false;
	*a = (struct husk_emul_access) {
		.addr = e->hint_gpa,
		.width = write ? insn->dst.width : insn->src.width,
		.write = write,
	};
	if (at != emul_page_offset(m) || at + a->width > PAGE_BYTES)
		return false;
	if (write)
		a->data = (insn->src.kind == HUSK_OPND_IMM ? insn->imm : emul_get(m, &insn->src)) & emul_mask(a->width);
	*status = HUSK_EMUL_NEED;
	ret = m->ops->dev_io(m->ctx, a->addr, a->width, write, false, &a->data);
	if (ret) {
		if (ret < 0)
			*status = HUSK_EMUL_RETRY;
		return true;
	}
	if (!write)
		emul_set(m, &insn->dst, emul_extend(insn, a->data));
	husk_emulate_retire(e);
	*status = HUSK_EMUL_DONE;
	return true;
}

bool husk_emulate_is_store(const struct husk_emul *e, const u8 bytes[16], u64 gpa, u8 *width, u64 *data)
{
	struct emul m = { .e = (struct husk_emul *)e };
	const struct husk_insn *insn = &e->decoded;
	u32 at = gpa & OFFSET_IN_PAGE;

	if (insn->op != HUSK_OP_MOV || insn->mode != 8 || insn->dst.kind != HUSK_OPND_MEM || insn->segment >= 4 ||
	    insn->addr_size != 8 || memcmp(bytes, e->last_insn, sizeof(e->last_insn)))
		return false;
	*width = insn->dst.width;
	if (at != emul_page_offset(&m) || at + *width > PAGE_BYTES)
		return false;
	*data = (insn->src.kind == HUSK_OPND_IMM ? insn->imm : emul_get(&m, &insn->src)) & emul_mask(*width);
	return true;
}

u8 husk_code_size(const struct husk_system *sys)
{
	if ((sys->efer & EFER_LMA) && (sys->cs.attr & ATTR_LONG))
		return 8;
	return sys->cs.attr & ATTR_BIG ? 4 : 2;
}

void husk_emulate_begin(struct husk_emul *e)
{
	e->insn_count = 0;
	e->decoded_valid = false;
	e->count = 0;
	e->need.done = false;
	e->io_width = 0;
	e->hint_access = 0;
	e->rip = e->regs->rip;
	memset(e->insn, 0, sizeof(e->insn));
}

void husk_emulate_retire(struct husk_emul *e)
{
	u64 rip = e->regs->rip + e->decoded.length;

	e->regs->rip = rip & emul_mask(e->mode);
	e->regs->rflags &= ~(u64)X86_EFLAGS_RF;
}

/* A driver's doorbell is the same instruction each time: what is decoded already stays */
static int emul_decode(struct husk_emul *e)
{
	int ret;

	if (e->decoded.op && e->decoded.mode == e->mode && e->decoded.length <= e->insn_count &&
	    !memcmp(e->insn, e->last_insn, sizeof(e->insn)))
		return 0;
	ret = husk_decode(e->insn, e->insn_count, e->mode, &e->decoded);
	if (ret)
		e->decoded.op = HUSK_OP_NONE;
	memcpy(e->last_insn, e->insn, sizeof(e->insn));
	return ret;
}

enum husk_emul_status husk_emulate_decode(struct husk_emul *e, const struct husk_emul_ops *ops, void *ctx)
{
	struct emul m = { .e = e, .ops = ops, .ctx = ctx };
	enum husk_emul_status status;
	int ret = -EAGAIN;

	if (e->decoded_valid)
		return HUSK_EMUL_DONE;
	if (e->insn_count)
		ret = emul_decode(e);
	while (ret == -EAGAIN) {
		status = emul_fetch(&m);
		if (status != HUSK_EMUL_DONE)
			return status;
		ret = emul_decode(e);
	}
	if (ret)
		return HUSK_EMUL_UNHANDLED;
	if (e->mode != 8 && e->regs->rip + e->decoded.length - 1 > e->sys->cs.limit)
		return emul_gp(&m);
	e->decoded_valid = true;
	return HUSK_EMUL_DONE;
}

enum husk_emul_status husk_emulate(struct husk_emul *e, const struct husk_emul_ops *ops, void *ctx)
{
	struct emul m = { .e = e, .ops = ops, .ctx = ctx };
	bool answered = e->need.done;
	enum husk_emul_status status;
	int i;

	if (answered && (e->regs->rip != e->rip || e->count == HUSK_EMUL_ACCESSES))
		return HUSK_EMUL_RETRY;		/* the worker has set other registers */
	if (answered)
		e->list[e->count++] = e->need;
	e->need.done = false;
	status = husk_emulate_decode(e, ops, ctx);
	if (status != HUSK_EMUL_DONE)
		return status;
	if (!emul_handlers[e->decoded.op])
		return HUSK_EMUL_UNHANDLED;
	if (e->decoded.lock && (!(emul_lockable & BIT_ULL(e->decoded.op)) || e->decoded.dst.kind != HUSK_OPND_MEM))
		return emul_ud(&m);
	if (answered && emul_mov_answered(&m)) {
		husk_emulate_retire(e);
		return HUSK_EMUL_DONE;
	}
	if (e->hint_access && !answered && emul_mov_hinted(&m, &status))
		return status;
	m.use_hint = !(emul_two_operands & BIT_ULL(e->decoded.op));
	for (i = 0; i < REP_MAX; i++) {
		m.next = 0;
		m.more = false;
		status = emul_handlers[e->decoded.op](&m);
		if (status != HUSK_EMUL_DONE)
			return status;
		e->count = 0;
		e->hint_access = 0;
		if (!m.more) {
			husk_emulate_retire(e);
			return HUSK_EMUL_DONE;
		}
		/* The guest is entered between answers, so that it can take interrupts */
		if (answered)
			break;
	}
	return HUSK_EMUL_DONE;
}
