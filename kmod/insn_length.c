// SPDX-License-Identifier: GPL-2.0
/*
 * The length of an intercepted instruction, for CPUs that do not report the
 * next rip. Its bytes are read again, and the guest may have changed them since:
 * only the instruction that the exit was about has a length.
 */
#include <linux/uaccess.h>
#include <asm/processor-flags.h>

#include "emulate.h"

#define PTE_PRESENT	BIT_ULL(0)
#define PTE_HUGE	BIT_ULL(7)
#define PTE_ADDRESS	GENMASK_ULL(51, 12)

/* An instruction without prefixes as a little-endian word */
struct insn_pattern {
	u32 mask, value;
	u8 length;
};

#define INSN1(a)	{ 0xff, a, 1 }
#define INSN2(a, b)	{ 0xffff, (a) | (b) << 8, 2 }
#define INSN3(a, b, c)	{ 0xffffff, (a) | (b) << 8 | (c) << 16, 3 }

/* What an exit can be about. The rows of mask 0 match nothing. */
static const struct insn_pattern insn_patterns[HUSK_REASON_COUNT][2] = {
	[HUSK_REASON_CPUID]	= { INSN2(0x0f, 0xa2) },
	[HUSK_REASON_HLT]	= { INSN1(0xf4) },
	[HUSK_REASON_RDMSR]	= { INSN2(0x0f, 0x32) },
	[HUSK_REASON_WRMSR]	= { INSN2(0x0f, 0x30) },
	[HUSK_REASON_HYPERCALL]	= { INSN3(0x0f, 0x01, 0xd9), INSN3(0x0f, 0x01, 0xc1) },
	[HUSK_REASON_XSETBV]	= { INSN3(0x0f, 0x01, 0xd1) },
	[HUSK_REASON_CACHE]	= { INSN2(0x0f, 0x09), INSN2(0x0f, 0x08) },
	[HUSK_REASON_RDPMC]	= { INSN2(0x0f, 0x33) },
	[HUSK_REASON_RDTSC]	= { INSN2(0x0f, 0x31), INSN3(0x0f, 0x01, 0xf9) },
	[HUSK_REASON_MWAIT]	= { INSN3(0x0f, 0x01, 0xc9), INSN3(0x0f, 0x01, 0xc8) },
	[HUSK_REASON_PAUSE]	= { INSN2(0xf3, 0x90) },
};

static u8 insn_match(u8 reason, u32 word)
{
	const struct insn_pattern *p = insn_patterns[reason];

	if ((word & p[0].mask) == p[0].value)
		return p[0].length;
	if ((word & p[1].mask) == p[1].value)
		return p[1].length;
	return 0;
}

/* The decoded instruction, its prefixes aside, as such a word */
static u32 insn_word(const struct husk_insn *insn)
{
	if (insn->opcode < 0x100)
		return insn->opcode == 0x90 && insn->rep ? 0x90f3 : insn->opcode;
	return 0x0f | (insn->opcode & 0xff) << 8 | insn->modrm << 16;
}

/* Is the decoded instruction one that makes such an exit? */
static bool insn_plausible(u8 reason, const struct husk_insn *insn)
{
	switch (reason) {
	case HUSK_REASON_CR_ACCESS:
		return insn->op == HUSK_OP_MOV_CR || insn->op == HUSK_OP_LMSW || insn->op == HUSK_OP_SMSW ||
		       insn->op == HUSK_OP_CLTS;
	case HUSK_REASON_DR_ACCESS:
		return insn->op == HUSK_OP_MOV_DR;
	default:
		return insn_match(reason, insn_word(insn));
	}
}

static u8 insn_decoded_length(const struct husk_vcpu *vcpu, const u8 *bytes, u32 count)
{
	struct husk_insn insn;

	if (husk_decode(bytes, count, husk_code_size(&vcpu->sys), &insn))
		return 0;
	return insn_plausible(vcpu->exit.reason, &insn) ? insn.length : 0;
}

static u64 insn_gva(const struct husk_vcpu *vcpu)
{
	if (husk_code_size(&vcpu->sys) == 8)
		return vcpu->regs.rip;
	return (u32)(vcpu->sys.cs.base + vcpu->regs.rip);
}

u8 husk_insn_length(struct husk_vcpu *vcpu)
{
	u8 bytes[15];
	u32 count;

	husk_fetch(vcpu, HUSK_SYS_CR);
	count = husk_read_gva(vcpu, insn_gva(vcpu), bytes, sizeof(bytes), HUSK_ACCESS_EXEC);
	return insn_decoded_length(vcpu, bytes, count);
}

/* ---- in the fast loop ---- */

static int insn_read_atomic(void *ctx, u64 gpa, void *data, u32 len)
{
	struct husk_vcpu *vcpu = ctx;

	return husk_read_gpa_atomic(vcpu->vm, gpa, data, len);
}

/* The CPU fetched the instruction: it has set the accessed bits. Not here. */
static int insn_no_update(void *ctx, u64 gpa, u64 old, u64 new, u32 width)
{
	return -EFAULT;
}

static const struct husk_walk_ops insn_walk_ops = { .read = insn_read_atomic, .update = insn_no_update };

/* Without SMEP: the CPU just fetched from here, at whatever privilege */
static bool insn_walk_any(struct husk_vcpu *vcpu, u64 gva, u64 *gpa)
{
	struct husk_walk_fault fault;
	struct husk_walk_mode mode;

	husk_walk_mode_init(vcpu, &mode);
	mode.cr4 &= ~(u64)X86_CR4_SMEP;
	return !husk_walk(&mode, gva, HUSK_ACCESS_EXEC, &insn_walk_ops, vcpu, gpa, &fault);
}

/*
 * 4- and 5-level tables, no rights: the CPU just fetched from here with them.
 * Wrong if the guest changed the tables since, and then the bytes decide.
 */
static bool insn_walk_long(struct husk_vcpu *vcpu, u64 gva, u64 *gpa)
{
	u64 entry = vcpu->sys.cr3;
	int shift = vcpu->sys.cr4 & X86_CR4_LA57 ? 48 : 39;

	for (;; shift -= 9) {
		u64 slot = (entry & PTE_ADDRESS) + ((gva >> shift) & 511) * 8;

		if (husk_read_gpa_atomic(vcpu->vm, slot, &entry, 8) || !(entry & PTE_PRESENT))
			return false;
		if (shift == 12 || ((entry & PTE_HUGE) && shift <= 30))
			break;
	}
	*gpa = (entry & PTE_ADDRESS & ~(BIT_ULL(shift) - 1)) | (gva & (BIT_ULL(shift) - 1));
	return true;
}

/*
 * The code page that the last such exit came from is remembered, as the address
 * in the worker where its bytes are: the walk then falls away. Nothing tells us
 * when the guest maps another page there, so a hit counts only if the bytes are
 * the very instruction that the CPU has just intercepted, without a prefix.
 */
static u8 insn_length_remembered(const struct husk_vcpu *vcpu, u64 cr3, u64 gva)
{
	u32 word;
	int fault;

	if (vcpu->length_page != (gva & PAGE_MASK) || vcpu->length_cr3 != cr3 || offset_in_page(gva) > PAGE_SIZE - 4)
		return 0;
	pagefault_disable();
	fault = __get_user(word, (const u32 __user *)(vcpu->length_user + offset_in_page(gva)));
	pagefault_enable();
	return fault ? 0 : insn_match(vcpu->exit.reason, word);
}

static void insn_remember(struct husk_vcpu *vcpu, u64 cr3, u64 gva, u64 gpa)
{
	vcpu->length_user = husk_gpa_to_user(vcpu->vm, gpa & PAGE_MASK);
	vcpu->length_page = vcpu->length_user ? gva & PAGE_MASK : ~0ULL;
	vcpu->length_cr3 = cr3;
}

u8 husk_insn_length_fast(struct husk_vcpu *vcpu, u64 cr3, u64 gva)
{
	u8 bytes[16] = {};
	u32 room, word;
	u64 gpa;
	u8 length;

	length = insn_length_remembered(vcpu, cr3, gva);
	if (likely(length))
		return length;

	husk_fetch(vcpu, HUSK_SYS_CR);
	if (!(vcpu->sys.cr0 & X86_CR0_PG))
		gpa = (u32)gva;
	else if (!(vcpu->sys.efer & EFER_LMA ? insn_walk_long(vcpu, gva, &gpa) : insn_walk_any(vcpu, gva, &gpa)))
		return 0;

	room = PAGE_SIZE - (gva & ~PAGE_MASK);
	if (husk_read_gpa_atomic(vcpu->vm, gpa, bytes, min_t(u32, room, 4)))
		return 0;
	memcpy(&word, bytes, 4);
	length = insn_match(vcpu->exit.reason, word);
	if (likely(length)) {
		insn_remember(vcpu, cr3, gva, gpa);
		return length;
	}

	/* Prefixes, or another kind of instruction */
	room = min_t(u32, room, 15);
	if (husk_read_gpa_atomic(vcpu->vm, gpa, bytes, room))
		return 0;
	return insn_decoded_length(vcpu, bytes, room);
}
