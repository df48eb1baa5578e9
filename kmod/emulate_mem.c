// SPDX-License-Identifier: GPL-2.0
/*
 * Memory and port accesses of an emulated instruction: segmentation, the page
 * walk, the cut at a page boundary, and the list of accesses that a replay is
 * served from.
 *
 * Every access is recorded, those to memory too: a replay must see the data of
 * the first run, or a read-modify-write over a page boundary would be applied
 * to its own result.
 */
#include <asm/processor-flags.h>

#include "emulate_mem.h"


enum husk_emul_status emul_fault(struct emul *m, u8 vector)
{
	m->e->fault.vector = vector;
	m->e->fault.has_error = vector != 6;
	m->e->fault.error = 0;
	m->e->fault.cr2 = 0;
	return HUSK_EMUL_FAULT;
}

static bool emul_canonical(const struct emul *m, u64 gva)
{
	u32 shift = m->e->walk.cr4 & X86_CR4_LA57 ? 7 : 16;

	return (u64)((s64)(gva << shift) >> shift) == gva;
}

static const struct husk_segment *emul_segment(struct emul *m, u8 segment)
{
	const struct husk_system *sys = m->e->sys;

	if (segment == SEGMENT_CS)
		return &sys->cs;
	if (segment == SEGMENT_SS)
		return &sys->ss;
	m->ops->segments(m->ctx);
	switch (segment) {
	case 0:
		return &sys->es;
	case 3:
		return &sys->ds;
	case 4:
		return &sys->fs;
	default:
		return &sys->gs;
	}
}

/* Segment rights of protected mode (APM2 4.7) */
static bool emul_segment_allows(const struct husk_segment *s, u32 access)
{
	if (!(s->attr & ATTR_PRESENT) || !(s->attr & ATTR_S))
		return false;
	if (access & HUSK_ACCESS_WRITE)
		return (s->attr & (ATTR_CODE | ATTR_WRITE)) == ATTR_WRITE;
	return !(s->attr & ATTR_CODE) || (s->attr & ATTR_WRITE);
}

static bool emul_segment_holds(const struct husk_segment *s, u64 offset, u8 width)
{
	u64 last = offset + width - 1;

	if ((s->attr & (ATTR_CODE | ATTR_DOWN)) == ATTR_DOWN)
		return offset > s->limit && last <= (s->attr & ATTR_BIG ? 0xffffffff : 0xffff);
	return last <= s->limit;
}

/* segment:offset to a linear address; false: a segmentation fault */
static bool emul_linear(struct emul *m, u8 segment, u64 offset, u8 width, u32 access, u64 *gva)
{
	const struct husk_emul *e = m->e;
	const struct husk_segment *s;

	if (e->mode == 8) {
		if (segment >= SEGMENT_FS)
			offset += emul_segment(m, segment)->base;
		*gva = offset;
		return emul_canonical(m, offset) && emul_canonical(m, offset + width - 1);
	}
	s = emul_segment(m, segment);
	if ((e->walk.cr0 & X86_CR0_PE) && !(e->regs->rflags & X86_EFLAGS_VM) && !emul_segment_allows(s, access))
		return false;
	*gva = (u32)(s->base + offset);
	return emul_segment_holds(s, offset, width);
}

static enum husk_emul_status emul_walk(struct emul *m, u64 gva, u32 access, u64 *gpa)
{
	struct husk_emul *e = m->e;
	struct husk_walk_fault fault;
	int ret;

	if (e->cpl == 3)
		access |= HUSK_ACCESS_USER;
	ret = husk_walk(&e->walk, gva, access, &m->ops->walk, m->ctx, gpa, &fault);
	if (!ret)
		return HUSK_EMUL_DONE;
	if (ret == -EAGAIN)
		return HUSK_EMUL_RETRY;
	if (ret < 0)
		return HUSK_EMUL_UNHANDLED;
	emul_fault(m, 14);
	e->fault.error = fault.error;
	e->fault.cr2 = fault.cr2;
	return HUSK_EMUL_FAULT;
}

/*
 * Did the CPU translate this access already? It faulted at hint_gpa after the
 * guest's tables allowed hint_access, and there is one operand to mean.
 */
static bool emul_hinted(const struct emul *m, u8 segment, u64 offset, u8 width, u32 access)
{
	const struct husk_emul *e = m->e;
	u32 at = e->hint_gpa & OFFSET_IN_PAGE;

	return m->use_hint && e->hint_access && (offset & OFFSET_IN_PAGE) == at && at + width <= PAGE_BYTES &&
	       e->mode == 8 && segment < SEGMENT_FS &&
	       (!(access & HUSK_ACCESS_WRITE) || (e->hint_access & HUSK_ACCESS_WRITE));
}

enum husk_emul_status emul_translate(struct emul *m, u8 segment, u64 offset, u8 width, u32 access,
				     struct emul_ref *ref)
{
	enum husk_emul_status status;
	u64 gva, gva2;
	u32 room;

	ref->width = width;
	if (emul_hinted(m, segment, offset, width, access)) {
		ref->first = width;
		ref->gpa[0] = m->e->hint_gpa;
		return HUSK_EMUL_DONE;
	}
	if (!emul_linear(m, segment, offset, width, access, &gva))
		return emul_fault(m, segment == SEGMENT_SS ? 12 : 13);
	room = PAGE_BYTES - (gva & OFFSET_IN_PAGE);
	ref->first = width <= room ? width : room;
	status = emul_walk(m, gva, access, &ref->gpa[0]);
	if (status != HUSK_EMUL_DONE || ref->first == width)
		return status;
	gva2 = gva + room;
	if (m->e->mode != 8)
		gva2 = (u32)gva2;
	return emul_walk(m, gva2, access, &ref->gpa[1]);
}

static enum husk_emul_status emul_record(struct emul *m, const struct husk_emul_access *a)
{
	if (m->next >= HUSK_EMUL_ACCESSES)
		return HUSK_EMUL_UNHANDLED;
	m->e->list[m->next++] = *a;
	m->e->count = m->next;
	return HUSK_EMUL_DONE;
}

/* The recorded access, or RETRY if the guest made it another instruction meanwhile */
static enum husk_emul_status emul_replay(struct emul *m, struct husk_emul_access *a)
{
	const struct husk_emul_access *old = &m->e->list[m->next++];

	if (old->addr != a->addr || old->width != a->width || old->write != a->write || old->port != a->port)
		return HUSK_EMUL_RETRY;
	a->data = old->data;
	return HUSK_EMUL_DONE;
}

/* 0 done, 1 not memory, -EAGAIN, -EFAULT */
static int emul_memory(struct emul *m, struct husk_emul_access *a, const u64 *old)
{
	const struct husk_emul *e = m->e;

	/* The CPU said already that this is no memory, or none that can be written */
	if (e->hint_access && a->addr == e->hint_gpa && a->write == !!(e->hint_access & HUSK_ACCESS_WRITE))
		return 1;
	if (!a->write)
		return m->ops->mem_read(m->ctx, a->addr, &a->data, a->width);
	if (old && !(a->addr & (a->width - 1)))
		return m->ops->mem_cmpxchg(m->ctx, a->addr, *old, a->data, a->width);
	return m->ops->mem_write(m->ctx, a->addr, &a->data, a->width);
}

static enum husk_emul_status emul_access(struct emul *m, struct husk_emul_access *a, const u64 *old)
{
	int ret = 1;

	if (m->next < m->e->count)
		return emul_replay(m, a);
	if (!a->port)
		ret = emul_memory(m, a, old);
	if (ret == -EAGAIN)
		return HUSK_EMUL_RETRY;
	if (ret < 0)
		return HUSK_EMUL_UNHANDLED;
	if (ret)
		ret = m->ops->dev_io(m->ctx, a->addr, a->width, a->write, a->port, &a->data);
	if (ret) {
		if (ret < 0)
			return HUSK_EMUL_RETRY;
		m->e->need = *a;
		return HUSK_EMUL_NEED;
	}
	a->data &= emul_mask(a->width);
	return emul_record(m, a);
}

/* Over a page boundary: pieces of 1, 2 and 4 bytes, so that a device sees widths it knows */
static enum husk_emul_status emul_access_split(struct emul *m, const struct emul_ref *ref, bool write, u64 *data)
{
	enum husk_emul_status status = HUSK_EMUL_DONE;
	u64 value = write ? *data : 0;
	u8 done = 0;

	while (done < ref->width && status == HUSK_EMUL_DONE) {
		bool second = done >= ref->first;
		u8 left = (second ? ref->width : ref->first) - done;
		struct husk_emul_access a = {
			.addr = second ? ref->gpa[1] + done - ref->first : ref->gpa[0] + done,
			.width = left >= 4 ? 4 : left >= 2 ? 2 : 1,
			.write = write,
		};

		a.data = write ? (value >> (8 * done)) & emul_mask(a.width) : 0;
		status = emul_access(m, &a, NULL);
		if (!write)
			value |= a.data << (8 * done);
		done += a.width;
	}
	*data = value;
	return status;
}

enum husk_emul_status emul_read(struct emul *m, const struct emul_ref *ref, u64 *data)
{
	struct husk_emul_access a = { .addr = ref->gpa[0], .width = ref->width };
	enum husk_emul_status status;

	if (ref->first != ref->width)
		return emul_access_split(m, ref, false, data);
	status = emul_access(m, &a, NULL);
	*data = a.data;
	return status;
}

enum husk_emul_status emul_write(struct emul *m, const struct emul_ref *ref, u64 data, const u64 *old)
{
	struct husk_emul_access a = {
		.addr = ref->gpa[0], .width = ref->width, .write = true, .data = data & emul_mask(ref->width),
	};

	if (ref->first != ref->width)
		return emul_access_split(m, ref, true, &data);
	return emul_access(m, &a, old);
}

enum husk_emul_status emul_port(struct emul *m, u16 port, u8 width, bool write, u64 *data)
{
	struct husk_emul_access a = { .addr = port, .width = width, .write = write, .port = true };
	enum husk_emul_status status;

	if (write)
		a.data = *data & emul_mask(width);
	status = emul_access(m, &a, NULL);
	if (!write)
		*data = a.data;
	return status;
}

enum husk_emul_status emul_fetch(struct emul *m)
{
	struct husk_emul *e = m->e;
	u64 gva = e->regs->rip + e->insn_count, gpa;
	enum husk_emul_status status;
	u32 room;

	if (e->mode != 8)
		gva = (u32)(gva + e->sys->cs.base);
	else if (!emul_canonical(m, gva))
		return emul_gp(m);
	status = emul_walk(m, gva, HUSK_ACCESS_EXEC, &gpa);
	if (status != HUSK_EMUL_DONE)
		return status;
	room = PAGE_BYTES - (gva & OFFSET_IN_PAGE);
	if (room > 15U - e->insn_count)
		room = 15 - e->insn_count;
	if (m->ops->mem_read(m->ctx, gpa, e->insn + e->insn_count, room))
		return HUSK_EMUL_UNHANDLED;
	e->insn_count += room;
	return HUSK_EMUL_DONE;
}
