// SPDX-License-Identifier: GPL-2.0
/*
 * Instruction decoder: prefixes, opcode, ModRM, SIB, displacement and
 * immediate, in 16-, 32- and 64-bit code (SDM 2 chapter 2, appendix A). The
 * opcode maps are data (decode_table.c). VEX, EVEX and XOP are not known.
 */
#include "emulate.h"
#include "decode_table.h"

#define INSN_MAX	15

struct cursor {
	const u8 *bytes;
	u32 len, pos;
	int error;
};

/* Where the next n bytes are; a place of zeros after an error, which stays */
static const u8 *decode_next(struct cursor *c, u32 n)
{
	static const u8 zeros[8];
	const u8 *p = c->bytes + c->pos;

	c->pos += n;
	if (likely(c->pos <= c->len))
		return p;
	if (!c->error)
		c->error = c->pos > INSN_MAX ? -EINVAL : -EAGAIN;
	return zeros;
}

static u8 decode_byte(struct cursor *c)
{
	return *decode_next(c, 1);
}

static u64 decode_take(struct cursor *c, u32 n)
{
	const u8 *p = decode_next(c, n);
	u64 value;

	if (n == 1)
		return *p;
	if (n == 2)
		return p[0] | p[1] << 8;
	if (n == 4)
		return (u32)(p[0] | p[1] << 8 | p[2] << 16 | (u32)p[3] << 24);
	memcpy(&value, p, 8);
	return value;
}

static s64 decode_take_signed(struct cursor *c, u32 n)
{
	switch (n) {
	case 1:
		return (s8)decode_take(c, 1);
	case 2:
		return (s16)decode_take(c, 2);
	case 4:
		return (s32)decode_take(c, 4);
	default:
		return n ? (s64)decode_take(c, 8) : 0;
	}
}

static void decode_prefix(struct husk_insn *insn, u8 byte, s8 *segment)
{
	switch (byte) {
	case 0x26: case 0x2e: case 0x36: case 0x3e:
		if (insn->mode != 8)	/* ignored in 64-bit code */
			*segment = (byte >> 3) & 3;
		break;
	case 0x64: case 0x65:
		*segment = byte - 0x60;
		break;
	case 0x66:
		insn->op_size = insn->mode == 2 ? 4 : 2;
		break;
	case 0x67:
		insn->addr_size = insn->mode == 4 ? 2 : 4;
		break;
	case 0xf0:
		insn->lock = true;
		break;
	case 0xf2:
		insn->repne = true;
		insn->rep = false;
		break;
	case 0xf3:
		insn->rep = true;
		insn->repne = false;
		break;
	}
}

/* All prefixes; answers the first opcode byte */
static u8 decode_prefixes(struct cursor *c, struct husk_insn *insn, s8 *segment)
{
	u8 byte = decode_byte(c);

	while (!c->error) {
		/* A REX prefix counts only right before the opcode */
		if (insn->mode == 8 && (byte & 0xf0) == 0x40) {
			insn->rex = byte;
		} else if (husk_opcodes[byte].form == FORM_PREFIX) {
			decode_prefix(insn, byte, segment);
			insn->rex = 0;
		} else {
			break;
		}
		byte = decode_byte(c);
	}
	return byte;
}

/* The memory operand of a 16-bit address (SDM 2 table 2-1) */
static void decode_memory16(struct cursor *c, struct husk_insn *insn)
{
	static const s8 base[8] = { 3, 3, 5, 5, 6, 7, 5, 3 };
	static const s8 index[8] = { 6, 7, 6, 7, -1, -1, -1, -1 };
	u8 mod = insn->modrm >> 6, rm = insn->modrm & 7;

	if (mod == 0 && rm == 6) {
		insn->disp = decode_take_signed(c, 2);
		return;
	}
	insn->base = base[rm];
	insn->index = index[rm];
	insn->disp = decode_take_signed(c, mod);
}

/* The memory operand of a 32- or 64-bit address (SDM 2 tables 2-2, 2-3) */
static void decode_memory(struct cursor *c, struct husk_insn *insn)
{
	u8 mod = insn->modrm >> 6, rm = insn->modrm & 7;
	u8 disp = mod == 1 ? 1 : mod == 2 ? 4 : 0;

	if (rm == 4) {
		u8 sib = decode_byte(c);
		u8 index = ((sib >> 3) & 7) | (insn->rex & 2) << 2;

		rm = sib & 7;
		if (index != 4) {
			insn->index = index;
			insn->scale = sib >> 6;
		}
		if (rm == 5 && mod == 0)
			disp = 4;
		else
			insn->base = rm | (insn->rex & 1) << 3;
	} else if (rm == 5 && mod == 0) {
		disp = 4;
		if (insn->mode == 8)
			insn->base = HUSK_BASE_RIP;
	} else {
		insn->base = rm | (insn->rex & 1) << 3;
	}
	insn->disp = decode_take_signed(c, disp);
}

static void decode_register(struct husk_insn *insn, struct husk_operand *o, u8 reg, u8 width)
{
	o->kind = HUSK_OPND_REG;
	o->width = width;
	o->high = width == 1 && !insn->rex && reg >= 4;
	o->reg = o->high ? reg - 4 : reg;
}

static void decode_rm(struct husk_insn *insn, struct husk_operand *o, u8 width)
{
	if (insn->modrm >= 0xc0) {
		decode_register(insn, o, (insn->modrm & 7) | (insn->rex & 1) << 3, width);
		return;
	}
	o->kind = HUSK_OPND_MEM;
	o->width = width;
}

static void decode_modrm(struct cursor *c, struct husk_insn *insn)
{
	insn->modrm = decode_byte(c);
	if (insn->modrm >= 0xc0)
		return;
	if (insn->addr_size == 2)
		decode_memory16(c, insn);
	else
		decode_memory(c, insn);
	if (insn->base == 4 || insn->base == 5)
		insn->segment = 2;
}

/* MOV to and from CRn, DRn: ModRM.mod is ignored (SDM 2, MOV) */
static void decode_system(struct cursor *c, struct husk_insn *insn)
{
	struct husk_operand *gpr;

	insn->modrm = decode_byte(c);
	insn->cr_write = insn->opcode & 2;
	insn->cr = ((insn->modrm >> 3) & 7) | (insn->rex & 4) << 1;
	if (insn->op == HUSK_OP_MOV_CR && insn->lock && insn->cr == 0) {
		insn->cr = 8;		/* AMD's alternative encoding, APM3 MOV CRn */
		insn->lock = false;
	}
	gpr = insn->cr_write ? &insn->src : &insn->dst;
	decode_register(insn, gpr, (insn->modrm & 7) | (insn->rex & 1) << 3, insn->mode == 8 ? 8 : 4);
}

/* Operands by form; ModRM and its address are decoded already */
static void decode_operands(struct cursor *c, struct husk_insn *insn, const struct opcode *op)
{
	u8 width = op->flags & F_BYTE ? 1 : insn->op_size;
	u8 source = op->flags & F_RM8 ? 1 : op->flags & F_RM16 ? 2 : op->flags & F_RM32 ? 4 : width;
	u8 reg = ((insn->modrm >> 3) & 7) | (insn->rex & 4) << 1;
	struct husk_operand *mem = NULL;

	switch (op->form) {
	case FORM_MR:
		decode_rm(insn, &insn->dst, width);
		decode_register(insn, &insn->src, reg, width);
		break;
	case FORM_RM:
		decode_register(insn, &insn->dst, reg, width);
		decode_rm(insn, &insn->src, source);
		break;
	case FORM_M:
		decode_rm(insn, &insn->dst, source);
		break;
	case FORM_S:
		decode_rm(insn, &insn->src, source);
		break;
	case FORM_A:
		decode_register(insn, &insn->dst, 0, width);
		break;
	case FORM_O:
		decode_register(insn, &insn->dst, 0, width);
		decode_register(insn, &insn->src, (insn->opcode & 7) | (insn->rex & 1) << 3, width);
		break;
	case FORM_OI:
		decode_register(insn, &insn->dst, (insn->opcode & 7) | (insn->rex & 1) << 3, width);
		break;
	case FORM_LOAD:			/* moffs, LODS */
		decode_register(insn, &insn->dst, 0, width);
		mem = &insn->src;
		break;
	case FORM_STORE:		/* moffs, STOS */
		decode_register(insn, &insn->src, 0, width);
		mem = &insn->dst;
		break;
	case FORM_STRING:		/* MOVS, INS, OUTS */
		mem = &insn->dst;
		insn->src = (struct husk_operand){ .kind = HUSK_OPND_MEM, .width = width };
		break;
	}
	if (mem) {
		mem->kind = HUSK_OPND_MEM;
		mem->width = width;
	}
	if (op->imm == IMM_OFFSET)
		insn->disp = decode_take(c, insn->addr_size);
}

static void decode_immediate(struct cursor *c, struct husk_insn *insn, const struct opcode *op)
{
	u8 z = insn->op_size == 2 ? 2 : 4;

	switch (op->imm) {
	case IMM_NONE:
	case IMM_OFFSET:
		return;
	case IMM_8:
		insn->imm = decode_take_signed(c, 1);
		break;
	case IMM_Z:
		insn->imm = decode_take_signed(c, z);
		break;
	case IMM_V:
		insn->imm = decode_take_signed(c, insn->op_size);
		break;
	case IMM_16:
		insn->imm = decode_take(c, 2);
		break;
	case IMM_16_8:			/* ENTER */
		insn->imm = decode_take(c, 2);
		decode_byte(c);
		break;
	case IMM_FAR:			/* offset and selector */
		insn->imm = decode_take(c, z);
		decode_take(c, 2);
		break;
	}
	if (op->form == FORM_M || op->form == FORM_A || op->form == FORM_OI) {
		insn->src.kind = HUSK_OPND_IMM;
		insn->src.width = insn->dst.width;
	}
}

/* The row of the opcode: the maps, then the group that ModRM selects */
static const struct opcode *decode_opcode(struct cursor *c, struct husk_insn *insn, u8 byte)
{
	const struct opcode *op = &husk_opcodes[byte];

	insn->opcode = byte;
	if (byte == 0x0f) {
		byte = decode_byte(c);
		insn->opcode = 0x0f00 | byte;
		op = &husk_opcodes_0f[byte];
		if (op->form == FORM_ESCAPE) {	/* 0F 38, 0F 3A: a third byte */
			decode_byte(c);
			op = byte == 0x38 ? &husk_opcode_0f38 : &husk_opcode_0f3a;
		}
	} else if (byte == 0x63 && insn->mode == 8) {
		op = &husk_opcode_movsxd;
	}
	if (insn->mode == 8) {
		if (op->flags & F_NO64)
			return NULL;
		if (insn->rex & 8)
			insn->op_size = 8;
		else if ((op->flags & F_D64) && insn->op_size == 4)
			insn->op_size = 8;
	}
	if (op->form >= FORM_MR && op->form < FORM_SYSTEM)
		decode_modrm(c, insn);
	if (op->form == FORM_GROUP)
		op = husk_opcode_group(op->op, insn);
	return op && op->op ? op : NULL;
}

int husk_decode(const u8 *bytes, u32 len, u8 mode, struct husk_insn *insn)
{
	struct cursor c = { .bytes = bytes, .len = min_t(u32, len, INSN_MAX) };
	const struct opcode *op;
	s8 segment = -1;
	u8 byte;

	memset(insn, 0, sizeof(*insn));
	insn->mode = mode;
	insn->op_size = mode == 2 ? 2 : 4;
	insn->addr_size = mode;
	insn->segment = 3;
	insn->base = -1;
	insn->index = -1;

	byte = decode_prefixes(&c, insn, &segment);
	op = decode_opcode(&c, insn, byte);
	if (c.error)
		return c.error;
	if (!op)
		return -EINVAL;
	/* PUSH and near branches of a group take 64-bit operands too */
	if (mode == 8 && (op->flags & F_D64) && insn->op_size == 4)
		insn->op_size = 8;
	insn->op = op->op;
	if (segment >= 0)
		insn->segment = segment;
	if (op->form == FORM_SYSTEM)
		decode_system(&c, insn);
	else if (op->form != FORM_NONE)
		decode_operands(&c, insn, op);
	decode_immediate(&c, insn, op);
	insn->length = c.pos;
	return c.error;
}
