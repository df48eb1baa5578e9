// SPDX-License-Identifier: GPL-2.0
/* Arithmetic of the emulator: results and flags, exactly (APM3, SDM 1 appendix A) */
#include <asm/processor-flags.h>

#include "emulate_mem.h"

/* ZF, SF and PF of a result */
static u64 emul_flags_result(u64 r, u8 width)
{
	u64 flags = 0;

	r &= emul_mask(width);
	if (!r)
		flags |= X86_EFLAGS_ZF;
	if (r >> (width * 8 - 1))
		flags |= X86_EFLAGS_SF;
	if (!((0x6996 >> ((r ^ r >> 4) & 15)) & 1))
		flags |= X86_EFLAGS_PF;
	return flags;
}

/* The others, by the carry out of each bit */
static u64 emul_flags_carry(u64 carry, u64 overflow, u8 width)
{
	u32 top = width * 8 - 1;
	u64 flags = 0;

	if ((carry >> top) & 1)
		flags |= X86_EFLAGS_CF;
	if (carry & 8)
		flags |= X86_EFLAGS_AF;
	if ((overflow >> top) & 1)
		flags |= X86_EFLAGS_OF;
	return flags;
}

static u64 emul_logic(u64 r, u8 width, u64 *flags)
{
	*flags = emul_flags_result(r, width);
	return r;
}

static u64 emul_sum(u64 a, u64 b, u64 carry, u8 width, u64 *flags)
{
	u64 r = a + b + carry;

	*flags = emul_flags_result(r, width) | emul_flags_carry((a & b) | ((a | b) & ~r), (a ^ r) & (b ^ r), width);
	return r;
}

static u64 emul_difference(u64 a, u64 b, u64 borrow, u8 width, u64 *flags)
{
	u64 r = a - b - borrow;

	*flags = emul_flags_result(r, width) | emul_flags_carry((~a & b) | ((~a | b) & r), (a ^ b) & (a ^ r), width);
	return r;
}

u64 emul_alu(u8 op, u64 a, u64 b, u8 width, u64 *flags)
{
	u64 carry = *flags & X86_EFLAGS_CF ? 1 : 0;

	switch (op) {
	case HUSK_OP_AND:
	case HUSK_OP_TEST:
		return emul_logic(a & b, width, flags);
	case HUSK_OP_OR:
		return emul_logic(a | b, width, flags);
	case HUSK_OP_XOR:
		return emul_logic(a ^ b, width, flags);
	case HUSK_OP_ADC:
		return emul_sum(a, b, carry, width, flags);
	case HUSK_OP_SBB:
		return emul_difference(a, b, carry, width, flags);
	case HUSK_OP_SUB:
	case HUSK_OP_CMP:
		return emul_difference(a, b, 0, width, flags);
	default:
		return emul_sum(a, b, 0, width, flags);
	}
}
