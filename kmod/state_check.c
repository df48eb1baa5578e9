// SPDX-License-Identifier: GPL-2.0
/*
 * Checks of guest state that a user or a guest hands over: what the CPU would
 * refuse at the entry (APM2 15.5.1 "canonicalization and consistency checks",
 * SDM 3C 27.3.1) and what husk itself relies on. Pure logic: see selftests/unit.
 */
#include "state_check.h"

/* Bits are named here and not taken from the kernel's headers, so that this file compiles alone. */
#define CR0_PE		(1ULL << 0)
#define CR0_NW		(1ULL << 29)
#define CR0_CD		(1ULL << 30)
#define CR0_PG		(1ULL << 31)
#define CR0_DEFINED	0xe005003fULL	/* PE MP EM TS ET NE WP AM NW CD PG */
#define CR4_PAE		(1ULL << 5)
#define CR4_PCIDE	(1ULL << 17)
#define EFER_LME_BIT	(1ULL << 8)
#define EFER_LMA_BIT	(1ULL << 10)
#define RFLAGS_ONE	(1ULL << 1)
#define RFLAGS_VM	(1ULL << 17)
#define RFLAGS_DEFINED	0x3f7fd7ULL
#define ATTR_DEFINED	0xfff
#define ATTR_S		(1 << 4)
#define ATTR_L		(1 << 9)
#define ATTR_DB		(1 << 10)
#define ATTR_DPL(attr)	((attr) >> 5 & 3)
#define CR3_DEFINED	0x000fffffffffffffULL	/* the CPU checks its own width */

/* UC WC WT WP WB are 0 1 4 5 6; PAT also knows 7, UC- (SDM 3A 12.11.2.1, 12.12.2) */
static bool husk_memory_type_valid(u8 type, bool pat)
{
	return type < 8 && ((0x73U | (u32)pat << 7) >> type & 1);
}

static bool husk_types_valid(u64 value, bool pat)
{
	int i;

	for (i = 0; i < 64; i += 8)
		if (!husk_memory_type_valid(value >> i, pat))
			return false;
	return true;
}

bool husk_pat_valid(u64 value)
{
	return husk_types_valid(value, true);
}

bool husk_mtrr_valid(u32 index, u64 value, u32 phys_bits)
{
	u64 beyond = phys_bits < 64 ? ~0ULL << phys_bits : 0;

	if (index == 0x2ff)	/* IA32_MTRR_DEF_TYPE: type, FE, E */
		return !(value & ~0xcffULL) && husk_memory_type_valid(value, false);
	if (index >= 0x250)	/* fixed: eight types */
		return husk_types_valid(value, false);
	if (value & beyond)
		return false;
	if (index & 1)		/* IA32_MTRR_PHYSMASKn */
		return !(value & 0x7ff);
	return !(value & 0xf00) && husk_memory_type_valid(value, false);
}

/* SDM 1 13.3: x87 always, AVX with SSE, AVX-512's three together and with AVX */
bool husk_xcr0_legal(u64 value, u64 allowed)
{
	const u64 avx512 = 7ULL << 5;

	if (!allowed)
		return value <= 1;
	if ((value & ~allowed) || !(value & 1))
		return false;
	if ((value & 4) && !(value & 2))
		return false;
	return !(value & avx512) || ((value & avx512) == avx512 && (value & 4));
}

bool husk_general_valid(const struct husk_general *regs)
{
	return !(regs->rflags & ~RFLAGS_DEFINED) && (regs->rflags & RFLAGS_ONE);
}

static bool husk_segments_valid(const struct husk_system *sys)
{
	const struct husk_segment *const data[] = { &sys->es, &sys->cs, &sys->ss, &sys->ds };
	const struct husk_segment *const base64[] = { &sys->fs, &sys->gs, &sys->ldtr, &sys->tr };
	unsigned int i;

	for (i = 0; i < 4; i++)
		if ((data[i]->attr & ~ATTR_DEFINED) || data[i]->base >> 32)
			return false;
	for (i = 0; i < 4; i++)
		if ((base64[i]->attr & ~ATTR_DEFINED) || !husk_canonical(base64[i]->base))
			return false;
	if ((sys->ldtr.attr | sys->tr.attr) & ATTR_S)
		return false;
	for (i = 0; i < 3; i++)
		if (sys->gdtr.reserved[i] || sys->idtr.reserved[i])
			return false;
	return husk_canonical(sys->gdtr.base) && husk_canonical(sys->idtr.base);
}

/* CR0, CR4 and EFER one by one and together */
static bool husk_control_valid(const struct husk_system *sys, const struct husk_state_limits *limits)
{
	bool paging = sys->cr0 & CR0_PG, lme = sys->efer & EFER_LME_BIT, lma = sys->efer & EFER_LMA_BIT;

	if ((sys->cr0 & ~CR0_DEFINED) || (sys->cr4 & ~limits->cr4) || (sys->efer & ~limits->efer))
		return false;
	if (paging && !(sys->cr0 & CR0_PE))
		return false;
	if ((sys->cr0 & CR0_NW) && !(sys->cr0 & CR0_CD))
		return false;
	if (lma != (lme && paging))
		return false;
	if (lma && (!(sys->cr4 & CR4_PAE) || ((sys->cs.attr & ATTR_L) && (sys->cs.attr & ATTR_DB))))
		return false;
	return lma || !(sys->cr4 & CR4_PCIDE);
}

bool husk_system_valid(const struct husk_system *sys, const struct husk_state_limits *limits)
{
	if (!husk_control_valid(sys, limits) || !husk_segments_valid(sys))
		return false;
	if ((sys->cr3 & ~CR3_DEFINED) || sys->cr8 > 15)
		return false;
	if (sys->dr6 >> 32 || sys->dr7 >> 32)
		return false;
	return husk_xcr0_legal(sys->xcr0, limits->xcr0);
}

bool husk_mode_valid(const struct husk_general *regs, const struct husk_system *sys)
{
	bool protected_mode = sys->cr0 & CR0_PE, lma = sys->efer & EFER_LMA_BIT;
	int cpl = ATTR_DPL(sys->ss.attr);

	if (!protected_mode)
		return !(regs->rflags & RFLAGS_VM) && !cpl;
	if (regs->rflags & RFLAGS_VM)
		return !lma && cpl == 3;
	return !(lma && (sys->cs.attr & ATTR_L)) || husk_canonical(regs->rip);
}

/* An exception with an error code: #DF #TS #NP #SS #GP #PF #AC #CP (SDM 3A table 6-1) */
static bool husk_vector_has_error(u8 vector)
{
	return vector < 32 && (0x00227d00U >> vector & 1);
}

bool husk_events_valid(const struct husk_vcpu_events *e)
{
	if ((e->exception_pending | e->exception_has_error | e->interrupt_pending | e->nmi_pending |
	     e->nmi_masked | e->interrupt_shadow) > 1 || e->mp_state > HUSK_MP_WAIT_INIT)
		return false;
	if (!e->exception_pending)
		return true;
	if (e->exception_vector > 31 || e->exception_vector == 2 || e->interrupt_pending)
		return false;
	/* in real mode none has one */
	return !e->exception_has_error || husk_vector_has_error(e->exception_vector);
}
