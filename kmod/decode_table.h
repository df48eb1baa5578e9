/* SPDX-License-Identifier: GPL-2.0 */
/* The opcode maps as data; for decode.c */
#ifndef HUSK_DECODE_TABLE_H
#define HUSK_DECODE_TABLE_H

#include "emulate.h"

/* Where the operands are. From FORM_MR to FORM_GROUP there is a ModRM byte. */
enum {
	FORM_NONE,	/* none that are of interest */
	FORM_A,		/* accumulator, immediate */
	FORM_O,		/* accumulator, register in the opcode */
	FORM_OI,	/* register in the opcode, immediate */
	FORM_LOAD,	/* accumulator <- memory without ModRM */
	FORM_STORE,	/* memory without ModRM <- accumulator */
	FORM_STRING,	/* memory without ModRM, twice */
	FORM_ESCAPE,	/* a third opcode byte follows */
	FORM_PREFIX,
	FORM_MR,	/* r/m, reg */
	FORM_RM,	/* reg, r/m */
	FORM_M,		/* r/m, immediate if there is one */
	FORM_S,		/* r/m is the source */
	FORM_X,		/* ModRM, operands of no interest */
	FORM_GROUP,	/* ModRM selects the row; op is the group */
	FORM_SYSTEM,	/* control or debug register, general register */
};

enum {
	IMM_NONE,
	IMM_8,		/* sign-extended */
	IMM_Z,		/* 2 or 4 bytes */
	IMM_V,		/* 2, 4 or 8 bytes */
	IMM_16,
	IMM_16_8,	/* ENTER */
	IMM_FAR,	/* offset and selector */
	IMM_OFFSET,	/* moffs: the address, of address size */
};

#define F_BYTE	BIT(0)	/* operands of one byte */
#define F_D64	BIT(1)	/* operands are 64 bits wide in 64-bit code */
#define F_NO64	BIT(2)	/* not in 64-bit code */
#define F_RM8	BIT(3)	/* the r/m operand has 1, 2, 4 bytes */
#define F_RM16	BIT(4)
#define F_RM32	BIT(5)

struct opcode {
	u8 op;		/* HUSK_OP_x, 0: undefined; of FORM_GROUP: the group */
	u8 form, imm, flags;
};

extern const struct opcode husk_opcodes[256];
extern const struct opcode husk_opcodes_0f[256];
extern const struct opcode husk_opcode_0f38, husk_opcode_0f3a, husk_opcode_movsxd;

/* The row of a group that ModRM selects, or NULL */
const struct opcode *husk_opcode_group(u8 group, const struct husk_insn *insn);

#endif
