/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The small emulator: MMIO instruction forms that operating systems use, and
 * string I/O. Pure logic: decode.c, emulate.c, emulate_mem.c and guest_walk.c
 * also compile in user space (selftests/unit), against the few operations
 * below.
 *
 * Restart by replay: an access that the worker must answer makes
 * husk_emulate() return HUSK_EMUL_NEED; the caller has it answered, puts the
 * data in need.data, sets need.done and calls husk_emulate() again, which runs
 * the same instruction again from its start with the answered accesses served
 * from the list. Registers change only when the instruction (or one iteration
 * of a string instruction) is complete.
 */
#ifndef HUSK_EMULATE_H
#define HUSK_EMULATE_H

#ifdef __KERNEL__
#include "husk.h"
#else
#include "unit_shim.h"
/* As in husk.h and asm/msr-index.h */
#define HUSK_ACCESS_READ	BIT(0)
#define HUSK_ACCESS_WRITE	BIT(1)
#define HUSK_ACCESS_EXEC	BIT(2)
#define HUSK_ACCESS_USER	BIT(3)
#define EFER_LMA		BIT(10)
#define EFER_NX			BIT(11)
#endif

/* ---- guest_walk.c ---- */

/* What the walker must know of the CPU */
struct husk_walk_mode {
	u64 cr0, cr3, cr4, efer;
	bool smap_off;		/* RFLAGS.AC is set, or an implicit-supervisor rule does not apply */
	u8 phys_bits;
	bool has_1g;		/* as the guest's CPUID says */
};

struct husk_walk_fault {
	u32 error;		/* page-fault error code (SDM 3A 4.7) */
	u64 cr2;
};

/**
 * struct husk_walk_ops - the guest physical memory that holds the tables
 * @read: read guest physical memory; 0 or -EFAULT
 * @update: compare and exchange: set accessed/dirty bits in a guest entry (width 4 or 8); 0, -EAGAIN (changed: walk again), -EFAULT
 */
struct husk_walk_ops {
	int (*read)(void *ctx, u64 gpa, void *data, u32 len);
	int (*update)(void *ctx, u64 gpa, u64 old, u64 new, u32 width);
};

/**
 * husk_walk - translate a guest virtual address by the guest's own tables
 * @mode: the CPU's paging mode
 * @gva: canonical, or 32 bits
 * @access: HUSK_ACCESS_READ/WRITE/EXEC, with HUSK_ACCESS_USER for CPL 3
 * @ops: access to the tables
 * @ctx: for @ops
 * @gpa: out, if 0 is returned
 * @fault: out, if 1 is returned
 *
 * All modes: no paging, 32-bit, PAE, 4-level, 5-level.
 *
 * Return: 0: translated; 1: page fault; -EFAULT: a table lies outside of memory;
 * -EAGAIN: the tables changed under the walk again and again.
 */
int husk_walk(const struct husk_walk_mode *mode, u64 gva, u32 access,
	      const struct husk_walk_ops *ops, void *ctx, u64 *gpa, struct husk_walk_fault *fault);

/* ---- decode.c ---- */

enum husk_insn_op {
	HUSK_OP_NONE, HUSK_OP_MOV, HUSK_OP_MOVZX, HUSK_OP_MOVSX, HUSK_OP_STOS, HUSK_OP_LODS, HUSK_OP_MOVS,
	HUSK_OP_ADD, HUSK_OP_OR, HUSK_OP_ADC, HUSK_OP_SBB, HUSK_OP_AND, HUSK_OP_SUB, HUSK_OP_XOR, HUSK_OP_CMP,
	HUSK_OP_TEST, HUSK_OP_XCHG, HUSK_OP_PUSH, HUSK_OP_POP, HUSK_OP_BT, HUSK_OP_BTS, HUSK_OP_BTR, HUSK_OP_BTC,
	HUSK_OP_NOT, HUSK_OP_NEG, HUSK_OP_INC, HUSK_OP_DEC, HUSK_OP_CMPXCHG, HUSK_OP_XADD,
	HUSK_OP_INS, HUSK_OP_OUTS, HUSK_OP_MOV_CR, HUSK_OP_MOV_DR, HUSK_OP_LMSW, HUSK_OP_SMSW, HUSK_OP_CLTS,
	HUSK_OP_OTHER,		/* decoded as far as its length is known, not emulated */
};

enum { HUSK_OPND_NONE, HUSK_OPND_REG, HUSK_OPND_MEM, HUSK_OPND_IMM };

struct husk_operand {
	u8 kind;		/* HUSK_OPND_x */
	u8 reg;			/* register number (0..15) */
	bool high;		/* ah ch dh bh: bits 15:8 of reg */
	u8 width;		/* bytes */
};

#define HUSK_BASE_RIP	16

struct husk_insn {
	u8 op;			/* enum husk_insn_op */
	u8 length;
	u8 mode;		/* 2, 4 or 8: default code size in bytes */
	u8 op_size, addr_size;	/* bytes */
	u8 rex;
	bool lock, rep, repne;
	u8 segment;		/* 0..5: es cs ss ds fs gs of the memory operand */
	u16 opcode;		/* 0x00xx, 0x0fxx */
	u8 modrm;		/* 0 if there is none */
	struct husk_operand dst, src;
	u64 imm;		/* sign-extended */
	/* memory operand */
	s8 base, index;		/* -1: none; base HUSK_BASE_RIP: rip */
	u8 scale;		/* 0..3 */
	s64 disp;
	u8 cr;			/* number for MOV_CR, MOV_DR */
	bool cr_write;
};

/**
 * husk_decode - decode one instruction
 * @bytes: at rip
 * @len: how many there are
 * @mode: 2, 4 or 8: default code size in bytes
 * @insn: out
 *
 * Return: 0; -EAGAIN: more bytes needed; -EINVAL: not an instruction that is known.
 */
int husk_decode(const u8 *bytes, u32 len, u8 mode, struct husk_insn *insn);

/* ---- emulate.c, emulate_mem.c ---- */

enum husk_emul_status {
	HUSK_EMUL_DONE,		/* complete; rip is after it (or at it, for an unfinished rep) */
	HUSK_EMUL_FAULT,	/* fault is set: inject it */
	HUSK_EMUL_NEED,		/* need is set: the worker must answer */
	HUSK_EMUL_UNHANDLED,	/* not an instruction husk emulates */
	HUSK_EMUL_RETRY,	/* nothing happened; enter the guest again */
	HUSK_EMUL_SYSTEM,	/* sysreg is set: the caller acts, then calls husk_emulate_retire() */
};

struct husk_emul_access {
	u64 addr;		/* gpa or port */
	u64 data;
	u8 width;
	bool write, port, done;
};

/* Two operands, each cut in at most four by a page boundary */
#define HUSK_EMUL_ACCESSES	8

/* What MOV CRn, LMSW or CLTS does to a control register */
struct husk_emul_sysreg {
	u8 number;
	bool write;
	u8 gpr;			/* of a read: where the value goes */
	u64 value;		/* of a write */
};

struct husk_emul {
	struct husk_general *regs;	/* changed when complete */
	struct husk_system *sys;	/* read; segments, cr0.. */
	u8 mode;			/* code size: 2, 4 or 8 */
	u8 cpl;
	u8 io_width;			/* the CPU checked the right to use port dx with this width; else 0 */
	u8 insn_count;			/* bytes in insn; fetched when 0 */
	u8 insn[16];
	struct husk_insn decoded;
	bool decoded_valid;		/* decoded is of this instruction */
	u8 last_insn[16];		/* the bytes that decoded was made of, for the next time */
	u64 rip;			/* of the instruction */
	u8 count;			/* used of list */
	struct husk_emul_access need;	/* the access to be answered */
	struct husk_emul_access list[HUSK_EMUL_ACCESSES];	/* done ones, in order */
	struct { u8 vector; bool has_error; u32 error; u64 cr2; } fault;
	struct husk_emul_sysreg sysreg;
	u64 hint_gpa;			/* where the CPU says that the access went */
	u32 hint_access;		/* the HUSK_ACCESS_x it had the right to; 0: no hint */
	struct husk_walk_mode walk;
};

/**
 * struct husk_emul_ops - what an instruction touches
 * @walk: for the guest's page tables
 * @mem_read: by guest physical address; 0, 1: not memory (a device may serve it)
 * @mem_write: likewise
 * @mem_cmpxchg: likewise, or -EAGAIN; naturally aligned
 * @dev_io: 0 served, 1 the worker must, -EAGAIN the instruction ends here and is not retired
 * @segments: make es, ds, fs, gs valid in sys (cs and ss always are)
 */
struct husk_emul_ops {
	struct husk_walk_ops walk;
	int (*mem_read)(void *ctx, u64 gpa, void *data, u32 len);
	int (*mem_write)(void *ctx, u64 gpa, const void *data, u32 len);
	int (*mem_cmpxchg)(void *ctx, u64 gpa, u64 old, u64 new, u32 width);
	int (*dev_io)(void *ctx, u64 addr, u8 width, bool write, bool port, u64 *data);
	void (*segments)(void *ctx);
};

/* 2, 4 or 8: the code size that cs and efer say */
u8 husk_code_size(const struct husk_system *sys);
/* Begin the instruction at regs->rip: forget the bytes, the hints and the answered accesses. */
void husk_emulate_begin(struct husk_emul *e);
/* Fetch and decode the instruction at rip: DONE, FAULT, RETRY or UNHANDLED */
enum husk_emul_status husk_emulate_decode(struct husk_emul *e, const struct husk_emul_ops *ops, void *ctx);
/* Run it. A rep string goes on, for a bounded number of iterations, while the worker is not needed. */
enum husk_emul_status husk_emulate(struct husk_emul *e, const struct husk_emul_ops *ops, void *ctx);
/*
 * Are these the bytes of the instruction that was decoded last, and is that a plain MOV to gpa, which the CPU says is where
 * it went? What it writes; 64-bit code. Nothing is changed.
 */
bool husk_emulate_is_store(const struct husk_emul *e, const u8 bytes[16], u64 gpa, u8 *width, u64 *data);
/* rip after the decoded instruction */
void husk_emulate_retire(struct husk_emul *e);

/* ---- emulate_glue.c, code_page.c, insn_length.c (kernel only) ---- */
#ifdef __KERNEL__
bool husk_code_page_read(struct husk_vcpu *vcpu, u64 gva, u8 insn[16]);
/* leaf_memory.c */
enum husk_verdict husk_leaf_memory(struct husk_vcpu *vcpu);
void husk_code_page_note(struct husk_vcpu *vcpu, u64 gva);
/* Emulate the instruction at rip for a MMIO or string I/O exit; fills vcpu->run if the worker must help */
enum husk_verdict husk_emulate_exit(struct husk_vcpu *vcpu);
/* The worker answered (vcpu->io_pending == HUSK_IO_EMULATE): go on */
enum husk_verdict husk_emulate_continue(struct husk_vcpu *vcpu);
/* The same for an exit by a control register instruction that the CPU did not decode */
enum husk_verdict husk_emulate_cr(struct husk_vcpu *vcpu);
/* Length of the instruction at rip when the CPU did not say: reads and checks its bytes. 0: unknown.
 * Process context. */
u8 husk_insn_length(struct husk_vcpu *vcpu);
/*
 * The same in the fast loop: interrupts off, no sleep, no lock; 0: not known
 * without sleeping. gva: the instruction's linear address. Without prefixes it
 * costs a look at bytes whose place is remembered.
 */
u8 husk_insn_length_fast(struct husk_vcpu *vcpu, u64 cr3, u64 gva);
int husk_emul_create(struct husk_vcpu *vcpu);	/* vcpu->emul; 0 or -ENOMEM */
void husk_emul_destroy(struct husk_vcpu *vcpu);
/* The paging mode of the guest, from vcpu->sys */
void husk_walk_mode_init(struct husk_vcpu *vcpu, struct husk_walk_mode *mode);
/* gva to gpa by the guest's tables, which stay as they are (VCPU_TRANSLATE, reports); 0, 1 fault, -EFAULT.
 * access: HUSK_ACCESS_x, HUSK_ACCESS_USER where the rights of CPL 3 count */
int husk_translate_gva(struct husk_vcpu *vcpu, u64 gva, u32 access, u64 *gpa, struct husk_walk_fault *fault);
/* Read guest virtual memory, e.g. instruction bytes for a report (a linear address, cs.base added): bytes read */
u32 husk_read_gva(struct husk_vcpu *vcpu, u64 gva, void *data, u32 len, u32 access);
#endif

#endif
