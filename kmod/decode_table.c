// SPDX-License-Identifier: GPL-2.0
/*
 * The opcode maps (SDM 2D appendix A, APM3 appendix A). A row of zeros is an
 * undefined opcode; a row OTHER has what its length depends on and no more.
 */
#include "decode_table.h"

#define ROW(o, f, i, l)	{ .op = HUSK_OP_##o, .form = FORM_##f, .imm = IMM_##i, .flags = (l) }
#define NONE		ROW(OTHER, NONE, NONE, 0)
#define NO64		ROW(OTHER, NONE, NONE, F_NO64)
#define REST(i)		ROW(OTHER, NONE, i, 0)	/* no ModRM, immediate i */
#define MODRM		ROW(OTHER, X, NONE, 0)
#define MODRM8		ROW(OTHER, X, 8, 0)
#define PREFIX		{ .form = FORM_PREFIX }
#define GROUP(g, l)	{ .op = GROUP_##g, .form = FORM_GROUP, .flags = (l) }

/* Groups by the opcode that they are behind */
enum {
	GROUP_80, GROUP_81, GROUP_83, GROUP_8F, GROUP_C6, GROUP_C7, GROUP_F6, GROUP_F7, GROUP_FE, GROUP_FF,
	GROUP_0F01, GROUP_0FBA, GROUP_COUNT
};

/* The six forms of an arithmetic operation at opcode n */
#define ALU(n, o) \
	[(n) + 0] = ROW(o, MR, NONE, F_BYTE), [(n) + 1] = ROW(o, MR, NONE, 0), \
	[(n) + 2] = ROW(o, RM, NONE, F_BYTE), [(n) + 3] = ROW(o, RM, NONE, 0), \
	[(n) + 4] = ROW(o, A, 8, F_BYTE), [(n) + 5] = ROW(o, A, Z, 0)

const struct opcode husk_opcodes[256] = {
	ALU(0x00, ADD), ALU(0x08, OR), ALU(0x10, ADC), ALU(0x18, SBB),
	ALU(0x20, AND), ALU(0x28, SUB), ALU(0x30, XOR), ALU(0x38, CMP),
	[0x26] = PREFIX, [0x2e] = PREFIX, [0x36] = PREFIX, [0x3e] = PREFIX,
	[0x64 ... 0x67] = PREFIX, [0xf0] = PREFIX, [0xf2] = PREFIX, [0xf3] = PREFIX,
	[0x06] = NO64, [0x07] = NO64, [0x0e] = NO64, [0x16] = NO64, [0x17] = NO64, [0x1e] = NO64, [0x1f] = NO64,
	[0x27] = NO64, [0x2f] = NO64, [0x37] = NO64, [0x3f] = NO64,
	[0x40 ... 0x4f] = NO64,			/* INC, DEC of a register */
	[0x50 ... 0x5f] = NONE,			/* PUSH, POP of a register */
	[0x60] = NO64, [0x61] = NO64,
	[0x62] = ROW(OTHER, X, NONE, F_NO64),	/* BOUND */
	[0x63] = ROW(OTHER, X, NONE, F_NO64),	/* ARPL; husk_opcode_movsxd */
	[0x68] = REST(Z), [0x69] = ROW(OTHER, X, Z, 0), [0x6a] = REST(8), [0x6b] = MODRM8,
	[0x6c] = ROW(INS, STRING, NONE, F_BYTE), [0x6d] = ROW(INS, STRING, NONE, 0),
	[0x6e] = ROW(OUTS, STRING, NONE, F_BYTE), [0x6f] = ROW(OUTS, STRING, NONE, 0),
	[0x70 ... 0x7f] = REST(8),
	[0x80] = GROUP(80, 0), [0x81] = GROUP(81, 0),
	[0x82] = GROUP(80, F_NO64), [0x83] = GROUP(83, 0),
	[0x84] = ROW(TEST, MR, NONE, F_BYTE), [0x85] = ROW(TEST, MR, NONE, 0),
	[0x86] = ROW(XCHG, MR, NONE, F_BYTE), [0x87] = ROW(XCHG, MR, NONE, 0),
	[0x88] = ROW(MOV, MR, NONE, F_BYTE), [0x89] = ROW(MOV, MR, NONE, 0),
	[0x8a] = ROW(MOV, RM, NONE, F_BYTE), [0x8b] = ROW(MOV, RM, NONE, 0),
	[0x8c] = MODRM, [0x8d] = MODRM, [0x8e] = MODRM, [0x8f] = GROUP(8F, 0),
	[0x90 ... 0x99] = NONE, [0x9a] = ROW(OTHER, NONE, FAR, F_NO64), [0x9b ... 0x9f] = NONE,
	[0xa0] = ROW(MOV, LOAD, OFFSET, F_BYTE), [0xa1] = ROW(MOV, LOAD, OFFSET, 0),
	[0xa2] = ROW(MOV, STORE, OFFSET, F_BYTE), [0xa3] = ROW(MOV, STORE, OFFSET, 0),
	[0xa4] = ROW(MOVS, STRING, NONE, F_BYTE), [0xa5] = ROW(MOVS, STRING, NONE, 0),
	[0xa6] = NONE, [0xa7] = NONE,		/* CMPS */
	[0xa8] = ROW(TEST, A, 8, F_BYTE), [0xa9] = ROW(TEST, A, Z, 0),
	[0xaa] = ROW(STOS, STORE, NONE, F_BYTE), [0xab] = ROW(STOS, STORE, NONE, 0),
	[0xac] = ROW(LODS, LOAD, NONE, F_BYTE), [0xad] = ROW(LODS, LOAD, NONE, 0),
	[0xae] = NONE, [0xaf] = NONE,		/* SCAS */
	[0xb0 ... 0xb7] = ROW(MOV, OI, 8, F_BYTE), [0xb8 ... 0xbf] = ROW(MOV, OI, V, 0),
	[0xc0] = MODRM8, [0xc1] = MODRM8, [0xc2] = REST(16), [0xc3] = NONE,
	[0xc4] = ROW(OTHER, X, NONE, F_NO64), [0xc5] = ROW(OTHER, X, NONE, F_NO64),	/* LES, LDS */
	[0xc6] = GROUP(C6, 0), [0xc7] = GROUP(C7, 0),
	[0xc8] = REST(16_8), [0xc9] = NONE, [0xca] = REST(16), [0xcb] = NONE,
	[0xcc] = NONE, [0xcd] = REST(8), [0xce] = NO64, [0xcf] = NONE,
	[0xd0 ... 0xd3] = MODRM,
	[0xd4] = ROW(OTHER, NONE, 8, F_NO64), [0xd5] = ROW(OTHER, NONE, 8, F_NO64), [0xd7] = NONE,
	[0xd8 ... 0xdf] = MODRM,		/* x87 */
	[0xe0 ... 0xe7] = REST(8),
	[0xe8] = ROW(OTHER, NONE, Z, F_D64), [0xe9] = ROW(OTHER, NONE, Z, F_D64),
	[0xea] = ROW(OTHER, NONE, FAR, F_NO64), [0xeb] = REST(8), [0xec ... 0xef] = NONE,
	[0xf1] = NONE, [0xf4] = NONE, [0xf5] = NONE,
	[0xf6] = GROUP(F6, 0), [0xf7] = GROUP(F7, 0),
	[0xf8 ... 0xfd] = NONE,
	[0xfe] = GROUP(FE, 0), [0xff] = GROUP(FF, 0),
};

const struct opcode husk_opcodes_0f[256] = {
	[0x00] = MODRM, [0x01] = GROUP(0F01, 0), [0x02] = MODRM, [0x03] = MODRM, [0x05] = NONE,
	[0x06] = ROW(CLTS, NONE, NONE, 0), [0x07 ... 0x09] = NONE, [0x0b] = NONE,
	[0x0d] = MODRM, [0x0e] = NONE, [0x0f] = MODRM8,
	[0x10 ... 0x1f] = MODRM,
	[0x20] = ROW(MOV_CR, SYSTEM, NONE, 0), [0x21] = ROW(MOV_DR, SYSTEM, NONE, 0),
	[0x22] = ROW(MOV_CR, SYSTEM, NONE, 0), [0x23] = ROW(MOV_DR, SYSTEM, NONE, 0),
	[0x28 ... 0x2f] = MODRM,
	[0x30 ... 0x35] = NONE, [0x37] = NONE,	/* WRMSR, RDTSC, RDMSR, RDPMC, SYSENTER, SYSEXIT, GETSEC */
	[0x38] = ROW(OTHER, ESCAPE, NONE, 0), [0x3a] = ROW(OTHER, ESCAPE, NONE, 0),
	[0x40 ... 0x6f] = MODRM,
	[0x70 ... 0x73] = MODRM8, [0x74 ... 0x76] = MODRM, [0x77] = NONE,
	[0x78] = MODRM, [0x79] = MODRM, [0x7c ... 0x7f] = MODRM,
	[0x80 ... 0x8f] = ROW(OTHER, NONE, Z, F_D64),
	[0x90 ... 0x9f] = MODRM,
	[0xa0 ... 0xa2] = NONE, [0xa3] = ROW(BT, MR, NONE, 0), [0xa4] = MODRM8, [0xa5] = MODRM,
	[0xa8 ... 0xaa] = NONE, [0xab] = ROW(BTS, MR, NONE, 0), [0xac] = MODRM8, [0xad ... 0xaf] = MODRM,
	[0xb0] = ROW(CMPXCHG, MR, NONE, F_BYTE), [0xb1] = ROW(CMPXCHG, MR, NONE, 0),
	[0xb2] = MODRM, [0xb3] = ROW(BTR, MR, NONE, 0), [0xb4] = MODRM, [0xb5] = MODRM,
	[0xb6] = ROW(MOVZX, RM, NONE, F_RM8), [0xb7] = ROW(MOVZX, RM, NONE, F_RM16),
	[0xb8] = MODRM, [0xb9] = MODRM, [0xba] = GROUP(0FBA, 0), [0xbb] = ROW(BTC, MR, NONE, 0),
	[0xbc] = MODRM, [0xbd] = MODRM,
	[0xbe] = ROW(MOVSX, RM, NONE, F_RM8), [0xbf] = ROW(MOVSX, RM, NONE, F_RM16),
	[0xc0] = ROW(XADD, MR, NONE, F_BYTE), [0xc1] = ROW(XADD, MR, NONE, 0),
	[0xc2] = MODRM8, [0xc3] = ROW(MOV, MR, NONE, 0),	/* MOVNTI */
	[0xc4 ... 0xc6] = MODRM8, [0xc7] = MODRM, [0xc8 ... 0xcf] = NONE,
	[0xd0 ... 0xff] = MODRM,
};

const struct opcode husk_opcode_0f38 = MODRM;
const struct opcode husk_opcode_0f3a = MODRM8;
const struct opcode husk_opcode_movsxd = ROW(MOVSX, RM, NONE, F_RM32);

#define ALU_GROUP(i, l) { \
	ROW(ADD, M, i, l), ROW(OR, M, i, l), ROW(ADC, M, i, l), ROW(SBB, M, i, l), \
	ROW(AND, M, i, l), ROW(SUB, M, i, l), ROW(XOR, M, i, l), ROW(CMP, M, i, l) }
#define UNARY_GROUP(i, l) { \
	ROW(TEST, M, i, l), ROW(TEST, M, i, l), ROW(NOT, M, NONE, l), ROW(NEG, M, NONE, l), \
	MODRM, MODRM, MODRM, MODRM }

static const struct opcode husk_opcode_groups[GROUP_COUNT][8] = {
	[GROUP_80] = ALU_GROUP(8, F_BYTE),
	[GROUP_81] = ALU_GROUP(Z, 0),
	[GROUP_83] = ALU_GROUP(8, 0),
	[GROUP_8F] = { ROW(POP, M, NONE, F_D64) },
	[GROUP_C6] = { ROW(MOV, M, 8, F_BYTE) },
	[GROUP_C7] = { ROW(MOV, M, Z, 0) },
	[GROUP_F6] = UNARY_GROUP(8, F_BYTE),
	[GROUP_F7] = UNARY_GROUP(Z, 0),
	[GROUP_FE] = { ROW(INC, M, NONE, F_BYTE), ROW(DEC, M, NONE, F_BYTE) },
	[GROUP_FF] = { ROW(INC, M, NONE, 0), ROW(DEC, M, NONE, 0), MODRM, MODRM, MODRM, MODRM,
		       ROW(PUSH, S, NONE, F_D64) },
	[GROUP_0F01] = { MODRM, MODRM, MODRM, MODRM, ROW(SMSW, M, NONE, 0), MODRM, ROW(LMSW, S, NONE, F_RM16), MODRM },
	[GROUP_0FBA] = { [4] = ROW(BT, M, 8, 0), ROW(BTS, M, 8, 0), ROW(BTR, M, 8, 0), ROW(BTC, M, 8, 0) },
};

/* SMSW stores a word in memory, whatever the operand size (SDM 2, SMSW) */
static const struct opcode husk_opcode_smsw_memory = ROW(SMSW, M, NONE, F_RM16);

const struct opcode *husk_opcode_group(u8 group, const struct husk_insn *insn)
{
	const struct opcode *op = &husk_opcode_groups[group][(insn->modrm >> 3) & 7];

	if (op->op == HUSK_OP_SMSW && insn->modrm < 0xc0)
		return &husk_opcode_smsw_memory;
	return op;
}
