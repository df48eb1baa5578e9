/* SPDX-License-Identifier: GPL-2.0 */
/* Between the files of the emulator: one instruction, its registers and its accesses */
#ifndef HUSK_EMULATE_MEM_H
#define HUSK_EMULATE_MEM_H

#include "emulate.h"

#define REG_RAX		0
#define REG_RCX		1
#define REG_RDX		2
#define REG_RSP		4
#define REG_RSI		6
#define REG_RDI		7

#define SEGMENT_ES	0
#define SEGMENT_CS	1
#define SEGMENT_SS	2
#define SEGMENT_FS	4

/* Bits of husk_segment.attr */
#define ATTR_WRITE	BIT(1)	/* data: writable; code: readable */
#define ATTR_DOWN	BIT(2)	/* data: expand-down */
#define ATTR_CODE	BIT(3)
#define ATTR_S		BIT(4)
#define ATTR_PRESENT	BIT(7)
#define ATTR_LONG	BIT(9)
#define ATTR_BIG	BIT(10)

/* One run of husk_emulate() */
struct emul {
	struct husk_emul *e;
	const struct husk_emul_ops *ops;
	void *ctx;
	u8 next;		/* the next access is number next of e->list */
	bool use_hint;		/* the instruction has one memory operand */
	bool more;		/* a rep string is not at its end */
	u8 pop_bytes;		/* added to rsp when it is the base register */
};

#define PAGE_BYTES	4096U
#define OFFSET_IN_PAGE	(PAGE_BYTES - 1)

/* A memory operand, translated: first bytes on the first page, the others on the second */
struct emul_ref {
	u64 gpa[2];
	u8 first, width;
};

static inline u64 emul_mask(u8 width)
{
	return width >= 8 ? ~0ULL : BIT_ULL(width * 8) - 1;
}

static inline u64 emul_get(const struct emul *m, const struct husk_operand *o)
{
	return (m->e->regs->gpr[o->reg] >> (o->high ? 8 : 0)) & emul_mask(o->width);
}

/* Widths 1 and 2 keep the other bits, 4 clears the high half (APM1 3.1.2) */
static inline void emul_merge(u64 *reg, u8 width, u64 value)
{
	u64 mask = emul_mask(width);

	*reg = width == 4 ? (u32)value : (*reg & ~mask) | (value & mask);
}

static inline void emul_set(struct emul *m, const struct husk_operand *o, u64 value)
{
	u64 *reg = &m->e->regs->gpr[o->reg];

	if (o->high)
		*reg = (*reg & ~0xff00ULL) | (value & 0xff) << 8;
	else
		emul_merge(reg, o->width, value);
}

/* The result of a two-operand operation; *flags: in, for the carry; out, all arithmetic flags.
 * emulate_alu.c */
u64 emul_alu(u8 op, u64 a, u64 b, u8 width, u64 *flags);

enum husk_emul_status emul_fault(struct emul *m, u8 vector);
#define emul_ud(m)	emul_fault(m, 6)
#define emul_gp(m)	emul_fault(m, 13)

/* More bytes of the instruction at rip, as far as the page goes */
enum husk_emul_status emul_fetch(struct emul *m);
/* Translate segment:offset with the rights of the guest; access: HUSK_ACCESS_READ or WRITE */
enum husk_emul_status emul_translate(struct emul *m, u8 segment, u64 offset, u8 width, u32 access,
				     struct emul_ref *ref);
enum husk_emul_status emul_read(struct emul *m, const struct emul_ref *ref, u64 *data);
/* old: what must be there (LOCK), or NULL */
enum husk_emul_status emul_write(struct emul *m, const struct emul_ref *ref, u64 data, const u64 *old);
enum husk_emul_status emul_port(struct emul *m, u16 port, u8 width, bool write, u64 *data);

/* emulate_string.c */
enum husk_emul_status emul_string(struct emul *m);

#endif
