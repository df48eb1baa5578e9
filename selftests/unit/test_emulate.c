// SPDX-License-Identifier: GPL-2.0
/*
 * The emulator against this machine's CPU: the same instruction with the same
 * random registers and memory, run by both; registers, flags and memory must
 * agree. The operand is in memory, or in a device that only the worker can
 * answer for, or partly in each.
 */
#include "../../kmod/guest_walk.c"
#include "../../kmod/decode.c"
#include "../../kmod/decode_table.c"
#include "../../kmod/emulate_alu.c"
#include "../../kmod/emulate_mem.c"
#include "../../kmod/emulate_string.c"
#include "../../kmod/emulate.c"
#include "native.h"

#define DATA_BYTES	8192
#define FLAGS		(FLAGS_ARITH | X86_EFLAGS_DF)

static u8 *code, *data;		/* one page; two pages behind it */
static u8 shadow[DATA_BYTES];	/* what the emulator has instead of data */

/* ---- the emulator's world: linear is physical; data is memory or a device ---- */

struct world {
	u8 device;		/* 0 none of data is one, 1 all, 2 the second page */
	u32 asked;		/* accesses that the worker was asked for */
	bool fail_update;	/* a cmpxchg loses its race */
};

static u8 *world_at(u64 gpa, u32 len)
{
	u64 offset = gpa - (u64)(uintptr_t)data;

	return offset <= DATA_BYTES - len ? shadow + offset : NULL;
}

static bool world_is_device(const struct world *w, u64 gpa)
{
	return w->device == 1 || (w->device == 2 && gpa >= (u64)(uintptr_t)data + 4096);
}

static int world_read(void *ctx, u64 gpa, void *out, u32 len)
{
	const struct world *w = ctx;
	u64 offset = gpa - (u64)(uintptr_t)code;

	if (offset <= 4096 - len) {
		memcpy(out, code + offset, len);
		return 0;
	}
	if (world_is_device(w, gpa) || !world_at(gpa, len))
		return 1;
	memcpy(out, world_at(gpa, len), len);
	return 0;
}

static int world_write(void *ctx, u64 gpa, const void *in, u32 len)
{
	const struct world *w = ctx;

	if (world_is_device(w, gpa) || !world_at(gpa, len))
		return 1;
	memcpy(world_at(gpa, len), in, len);
	return 0;
}

static int world_cmpxchg(void *ctx, u64 gpa, u64 old, u64 new, u32 width)
{
	struct world *w = ctx;
	u64 now = 0;

	if (world_is_device(w, gpa) || !world_at(gpa, width))
		return 1;
	memcpy(&now, world_at(gpa, width), width);
	if (now != old || w->fail_update)
		return -EAGAIN;
	memcpy(world_at(gpa, width), &new, width);
	return 0;
}

static int world_dev(void *ctx, u64 addr, u8 width, bool write, bool port, u64 *value)
{
	(void)ctx, (void)addr, (void)width, (void)write, (void)port, (void)value;
	return 1;
}

static void world_segments(void *ctx)
{
	(void)ctx;
}

static const struct husk_emul_ops world_ops = {
	.mem_read = world_read, .mem_write = world_write, .mem_cmpxchg = world_cmpxchg,
	.dev_io = world_dev, .segments = world_segments,
};

/* Emulate until the instruction is complete, as the run loop and a worker would */
static enum husk_emul_status world_run(struct husk_emul *e, struct world *w)
{
	u64 start = e->regs->rip;
	enum husk_emul_status status;
	int rounds = 0;

	husk_emulate_begin(e);
	for (;;) {
		status = husk_emulate(e, &world_ops, w);
		if (status == HUSK_EMUL_NEED) {
			u8 *p = world_at(e->need.addr, e->need.width);

			if (!p || ++w->asked > 1000)
				return HUSK_EMUL_UNHANDLED;
			if (e->need.write)
				memcpy(p, &e->need.data, e->need.width);
			else
				memcpy(&e->need.data, p, e->need.width);
			e->need.done = true;
			continue;
		}
		if (status != HUSK_EMUL_DONE || e->regs->rip != start || ++rounds > 1000)
			return status;
		husk_emulate_begin(e);	/* an unfinished rep: the guest would run again */
	}
}

/* ---- random instructions ---- */

static u64 seed = 0x9e3779b97f4a7c15ULL;

static u64 rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static u32 pick(u32 n)
{
	return (rnd() >> 20) % n;
}

enum { T_BYTE = 1, T_LOCK = 2, T_MEM = 4, T_BIT = 8, T_STRING = 16, T_MOFFS = 32, T_NO_RSP = 64, T_ACC = 128 };

/* An instruction to make variants of; digit: ModRM.reg, -1: a register; imm: bytes, -1: by operand size */
static const struct shape {
	const char *name;
	u8 opcode[2], bytes;
	s8 digit, imm;
	u32 flags;
} shapes[] = {
#define ALU_SHAPES(n, name, lock) \
	{ name " r/m8,r8", { (n) + 0 }, 1, -1, 0, T_BYTE | (lock) }, { name " r/m,r", { (n) + 1 }, 1, -1, 0, (lock) }, \
	{ name " r8,r/m8", { (n) + 2 }, 1, -1, 0, T_BYTE }, { name " r,r/m", { (n) + 3 }, 1, -1, 0, 0 }, \
	{ name " r/m8,imm8", { 0x80 }, 1, (n) / 8, 1, T_BYTE | (lock) }, \
	{ name " r/m,imm", { 0x81 }, 1, (n) / 8, -1, (lock) }, { name " r/m,imm8", { 0x83 }, 1, (n) / 8, 1, (lock) }, \
	{ name " al,imm8", { (n) + 4 }, 1, -1, 1, T_ACC }, { name " eax,imm", { (n) + 5 }, 1, -1, -1, T_ACC }
	ALU_SHAPES(0x00, "add", T_LOCK), ALU_SHAPES(0x08, "or", T_LOCK), ALU_SHAPES(0x10, "adc", T_LOCK),
	ALU_SHAPES(0x18, "sbb", T_LOCK), ALU_SHAPES(0x20, "and", T_LOCK), ALU_SHAPES(0x28, "sub", T_LOCK),
	ALU_SHAPES(0x30, "xor", T_LOCK), ALU_SHAPES(0x38, "cmp", 0),
	{ "test r/m8,r8", { 0x84 }, 1, -1, 0, T_BYTE }, { "test r/m,r", { 0x85 }, 1, -1, 0, 0 },
	{ "test r/m8,imm8", { 0xf6 }, 1, 0, 1, T_BYTE }, { "test r/m,imm", { 0xf7 }, 1, 1, -1, 0 },
	{ "not r/m8", { 0xf6 }, 1, 2, 0, T_BYTE | T_LOCK }, { "not r/m", { 0xf7 }, 1, 2, 0, T_LOCK },
	{ "neg r/m8", { 0xf6 }, 1, 3, 0, T_BYTE | T_LOCK }, { "neg r/m", { 0xf7 }, 1, 3, 0, T_LOCK },
	{ "inc r/m8", { 0xfe }, 1, 0, 0, T_BYTE | T_LOCK }, { "inc r/m", { 0xff }, 1, 0, 0, T_LOCK },
	{ "dec r/m8", { 0xfe }, 1, 1, 0, T_BYTE | T_LOCK }, { "dec r/m", { 0xff }, 1, 1, 0, T_LOCK },
	{ "xchg r/m8,r8", { 0x86 }, 1, -1, 0, T_BYTE | T_LOCK }, { "xchg r/m,r", { 0x87 }, 1, -1, 0, T_LOCK },
	{ "mov r/m8,r8", { 0x88 }, 1, -1, 0, T_BYTE }, { "mov r/m,r", { 0x89 }, 1, -1, 0, 0 },
	{ "mov r8,r/m8", { 0x8a }, 1, -1, 0, T_BYTE }, { "mov r,r/m", { 0x8b }, 1, -1, 0, 0 },
	{ "mov r/m8,imm8", { 0xc6 }, 1, 0, 1, T_BYTE }, { "mov r/m,imm", { 0xc7 }, 1, 0, -1, 0 },
	{ "movnti", { 0x0f, 0xc3 }, 2, -1, 0, T_MEM | T_NO_RSP },
	{ "mov al,moffs", { 0xa0 }, 1, -1, 0, T_MOFFS }, { "mov eax,moffs", { 0xa1 }, 1, -1, 0, T_MOFFS },
	{ "mov moffs,al", { 0xa2 }, 1, -1, 0, T_MOFFS }, { "mov moffs,eax", { 0xa3 }, 1, -1, 0, T_MOFFS },
	{ "movzx r,r/m8", { 0x0f, 0xb6 }, 2, -1, 0, 0 }, { "movzx r,r/m16", { 0x0f, 0xb7 }, 2, -1, 0, 0 },
	{ "movsx r,r/m8", { 0x0f, 0xbe }, 2, -1, 0, 0 }, { "movsx r,r/m16", { 0x0f, 0xbf }, 2, -1, 0, 0 },
	{ "movsxd", { 0x63 }, 1, -1, 0, 0 },
	{ "bt r/m,r", { 0x0f, 0xa3 }, 2, -1, 0, T_BIT }, { "bts r/m,r", { 0x0f, 0xab }, 2, -1, 0, T_BIT | T_LOCK },
	{ "btr r/m,r", { 0x0f, 0xb3 }, 2, -1, 0, T_BIT | T_LOCK }, { "btc r/m,r", { 0x0f, 0xbb }, 2, -1, 0, T_BIT | T_LOCK },
	{ "bt r/m,imm8", { 0x0f, 0xba }, 2, 4, 1, 0 }, { "bts r/m,imm8", { 0x0f, 0xba }, 2, 5, 1, T_LOCK },
	{ "btr r/m,imm8", { 0x0f, 0xba }, 2, 6, 1, T_LOCK }, { "btc r/m,imm8", { 0x0f, 0xba }, 2, 7, 1, T_LOCK },
	{ "cmpxchg r/m8,r8", { 0x0f, 0xb0 }, 2, -1, 0, T_BYTE | T_LOCK }, { "cmpxchg r/m,r", { 0x0f, 0xb1 }, 2, -1, 0, T_LOCK },
	{ "xadd r/m8,r8", { 0x0f, 0xc0 }, 2, -1, 0, T_BYTE | T_LOCK }, { "xadd r/m,r", { 0x0f, 0xc1 }, 2, -1, 0, T_LOCK },
	{ "push r/m", { 0xff }, 1, 6, 0, 0 }, { "pop r/m", { 0x8f }, 1, 0, 0, 0 },
	{ "stosb", { 0xaa }, 1, -1, 0, T_STRING }, { "stos", { 0xab }, 1, -1, 0, T_STRING },
	{ "lodsb", { 0xac }, 1, -1, 0, T_STRING }, { "lods", { 0xad }, 1, -1, 0, T_STRING },
	{ "movsb", { 0xa4 }, 1, -1, 0, T_STRING }, { "movs", { 0xa5 }, 1, -1, 0, T_STRING },
};

static u64 data_address(void)
{
	/* Often over the boundary of the two pages */
	return (u64)(uintptr_t)data + (pick(3) ? 64 + pick(DATA_BYTES - 128) : 4096 - pick(12));
}

static void random_registers(struct husk_general *g)
{
	static const u64 edges[] = { 0, 1, ~0ULL, 0x7f, 0x80, 0x7fffffff, 0x80000000, 0x7fffffffffffffff, 1ULL << 63 };
	int i;

	for (i = 0; i < 16; i++)
		g->gpr[i] = pick(3) ? rnd() : edges[pick(ARRAY_SIZE(edges))];
	g->gpr[REG_RSP] = (u64)(uintptr_t)data + 1024 + pick(4096);
	g->rflags = (rnd() & FLAGS_ARITH) | 0x202;
}

/* ModRM and what follows, for a memory operand at address; the base register is set to fit */
static u32 put_memory(u8 *out, struct husk_general *g, u8 reg, u8 rex_b, u64 address, bool rip_relative, u32 tail)
{
	s32 disp;

	if (rip_relative) {	/* tail: bytes of the instruction behind the displacement, with those before */
		out[0] = reg << 3 | 5;
		disp = address - ((u64)(uintptr_t)code + tail);
		memcpy(out + 1, &disp, 4);
		return 5;
	}
	if (pick(2)) {		/* disp8(base) */
		disp = (s8)rnd();
		out[0] = 0x40 | reg << 3 | 3;
		out[1] = disp;
		g->gpr[3 + 8 * rex_b] = address - disp;
		return 2;
	}
	/* disp32(base,index,scale) */
	disp = (s16)rnd();
	out[0] = 0x80 | reg << 3 | 4;
	out[1] = 0x80 | 6 << 3 | 3;
	memcpy(out + 2, &disp, 4);
	g->gpr[3 + 8 * rex_b] = address - disp - (g->gpr[6] << 2);
	return 6;
}

/* A random variant of the shape: bytes and registers. Answers its length, 0 if it makes no sense */
static u32 variant(const struct shape *s, u8 *out, struct husk_general *g)
{
	bool wide = pick(3) == 0, narrow = !wide && pick(3) == 0, memory = (s->flags & T_MEM) || pick(4);
	u8 rex = wide ? 0x48 : pick(2) ? 0x40 | pick(8) : 0, reg, digit;
	u8 opsize = wide ? 8 : narrow ? 2 : 4;
	u32 n = 0, imm = s->imm >= 0 ? (u32)s->imm : opsize == 2 ? 2 : 4, modrm_at;
	u64 address = data_address(), value = rnd();
	bool rip_relative = memory && !pick(6);

	rex &= ~2;		/* the index stays rsi */
	random_registers(g);
	if (narrow && !(s->flags & T_NO_RSP))
		out[n++] = 0x66;
	if ((s->flags & T_LOCK) && memory && pick(2))
		out[n++] = 0xf0;
	if (s->flags & T_STRING) {
		if (pick(2)) {
			out[n++] = pick(2) ? 0xf3 : 0xf2;
			g->gpr[REG_RCX] = pick(100);
		}
		g->gpr[REG_RSI] = (u64)(uintptr_t)data + 1000 + pick(6000);
		g->gpr[REG_RDI] = (u64)(uintptr_t)data + 1000 + pick(6000);
		g->rflags |= pick(2) ? X86_EFLAGS_DF : 0;
	}
	if (rex)
		out[n++] = rex;
	memcpy(out + n, s->opcode, s->bytes);
	n += s->bytes;
	if (s->flags & T_STRING)
		return n;
	if (s->flags & T_MOFFS) {
		memcpy(out + n, &address, 8);
		return n + 8;
	}
	if (!(s->flags & T_ACC)) {
		reg = s->digit >= 0 ? (u32)s->digit : pick(8);
		digit = reg | (rex & 4 ? 8 : 0);
		modrm_at = n;
		if ((s->flags & T_BIT) && memory) {
			if (digit == 4 || digit == 6 || digit == (3 | (rex & 1) << 3))
				return 0;
			g->gpr[digit] = (s64)pick(400) - 200 + (opsize == 8 || pick(2) ? 0 : rnd() << (8 * opsize));
			address = (u64)(uintptr_t)data + 2000 + pick(4000);
		}
		if (s->digit < 0 && digit == REG_RSP && (rex || !(s->flags & T_BYTE)))
			return 0;
		if (memory) {
			n += put_memory(out + n, g, reg, rex & 1, address, rip_relative, modrm_at + 5 + imm);
		} else {
			u8 rm = pick(8);

			if ((rm | (rex & 1) << 3) == REG_RSP)
				return 0;
			out[n++] = 0xc0 | reg << 3 | rm;
		}
	}
	if (pick(3) == 0 && (s->opcode[1] == 0xb0 || s->opcode[1] == 0xb1) && memory)
		memcpy(&g->gpr[REG_RAX], shadow + (address - (u64)(uintptr_t)data), 8);
	memcpy(out + n, &value, imm);
	return n + imm;
}

/* ---- the comparison ---- */

static const char *difference(const struct husk_general *a, const struct husk_general *b)
{
	static char text[80];
	int i;

	for (i = 0; i < 16; i++) {
		if (a->gpr[i] == b->gpr[i])
			continue;
		snprintf(text, sizeof(text), "register %d is %llx, the CPU says %llx", i,
			 (long long)a->gpr[i], (long long)b->gpr[i]);
		return text;
	}
	if ((a->rflags ^ b->rflags) & FLAGS) {
		snprintf(text, sizeof(text), "flags are %llx, the CPU says %llx",
			 (long long)(a->rflags & FLAGS), (long long)(b->rflags & FLAGS));
		return text;
	}
	return memcmp(shadow, data, DATA_BYTES) ? "memory differs" : NULL;
}

static void long_mode(struct husk_emul *e, struct husk_general *g, struct husk_system *sys)
{
	memset(e, 0, sizeof(*e));
	memset(sys, 0, sizeof(*sys));
	sys->efer = EFER_LMA;
	sys->cs.attr = ATTR_LONG;
	e->regs = g;
	e->sys = sys;
	e->mode = husk_code_size(sys);
}

/* NULL: agreed */
static const char *compare(const struct shape *s, u8 device, u8 *bytes, u32 *length)
{
	struct husk_general native, regs;
	struct husk_system sys;
	struct husk_emul e;
	struct world w = { .device = device };
	u32 i;

	for (i = 0; i < DATA_BYTES; i += 8) {
		u64 value = pick(4) ? rnd() : 0;

		memcpy(data + i, &value, 8);
	}
	memcpy(shadow, data, DATA_BYTES);
	*length = variant(s, bytes, &regs);
	if (!*length)
		return NULL;
	native_put(code, bytes, *length);
	regs.rip = (u64)(uintptr_t)code;
	native = regs;
	long_mode(&e, &regs, &sys);
	if (world_run(&e, &w) != HUSK_EMUL_DONE)
		return "not emulated";
	if (regs.rip != (u64)(uintptr_t)code + *length)
		return "rip is not behind it";
	native_run(&native, code);
	return difference(&regs, &native);
}

static void test_native(void)
{
	u32 i, n, k, length;
	u8 bytes[32];

	for (i = 0; i < ARRAY_SIZE(shapes); i++) {
		const char *why = NULL;

		for (n = 0; n < 600 && !why; n++)
			why = compare(&shapes[i], n % 3, bytes, &length);
		if (why) {
			printf("# bytes:");
			for (k = 0; k < length; k++)
				printf(" %02x", bytes[k]);
			printf(" device %u\n", (n - 1) % 3);
		}
		unit_report(!why, shapes[i].name, "%s", why);
	}
}

/* ---- rules that the CPU can't be asked for here ---- */

/* Emulate bytes in the given mode, in memory */
static enum husk_emul_status emulate_bytes(struct husk_emul *e, struct world *w, const u8 *bytes, u32 length)
{
	memset(code, 0x90, 64);
	memcpy(code, bytes, length);
	e->regs->rip = (u64)(uintptr_t)code;
	return world_run(e, w);
}
#define EMULATE(e, w, ...) emulate_bytes(e, w, (const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ }))

static void protected_mode(struct husk_emul *e, struct husk_general *g, struct husk_system *sys)
{
	const struct husk_segment flat = { .limit = 0xffffffff, .attr = 0xc93 };

	long_mode(e, g, sys);
	memset(g, 0, sizeof(*g));
	sys->efer = 0;
	sys->cs = flat;
	sys->cs.attr = 0xc9b;
	sys->ds = sys->es = sys->fs = sys->gs = sys->ss = flat;
	e->walk.cr0 = X86_CR0_PE;
	e->mode = husk_code_size(sys);
}

static bool faulted(const struct husk_emul *e, enum husk_emul_status status, u8 vector)
{
	return status == HUSK_EMUL_FAULT && e->fault.vector == vector && e->fault.error == 0 &&
	       e->fault.has_error == (vector != 6);
}

static void test_segments(void)
{
	struct husk_general g;
	struct husk_system sys;
	struct husk_emul e;
	struct world w = { 0 };
	enum husk_emul_status s;

	protected_mode(&e, &g, &sys);
	sys.ds.base = (u32)(uintptr_t)data;
	g.gpr[3] = 16;
	g.gpr[1] = 0x12345678;
	s = EMULATE(&e, &w, 0x89, 0x0b);			/* mov %ecx,(%ebx) */
	unit_report(s == HUSK_EMUL_DONE && *(u32 *)(shadow + 16) == 0x12345678, "segment-base", "status %d", s);
	sys.ds.limit = 18;
	s = EMULATE(&e, &w, 0x89, 0x0b);
	unit_report(faulted(&e, s, 13), "segment-limit", "status %d", s);
	sys.ds.limit = 19;
	s = EMULATE(&e, &w, 0x89, 0x0b);
	unit_report(s == HUSK_EMUL_DONE, "segment-last-byte", "status %d", s);
	sys.ds.attr = 0xc97;					/* expand-down: above the limit */
	s = EMULATE(&e, &w, 0x89, 0x0b);
	unit_report(faulted(&e, s, 13), "segment-expand-down", "status %d", s);
	sys.ds.limit = 15;
	s = EMULATE(&e, &w, 0x89, 0x0b);
	unit_report(s == HUSK_EMUL_DONE, "segment-expand-down-above", "status %d", s);
	sys.ds = (struct husk_segment){ .base = (u32)(uintptr_t)data, .limit = ~0U, .attr = 0xc91 };
	s = EMULATE(&e, &w, 0x89, 0x0b);
	unit_report(faulted(&e, s, 13), "segment-readonly", "status %d", s);
	s = EMULATE(&e, &w, 0x8b, 0x0b);
	unit_report(s == HUSK_EMUL_DONE, "segment-readonly-read", "status %d", s);
	s = EMULATE(&e, &w, 0x2e, 0x89, 0x0b);
	unit_report(faulted(&e, s, 13), "segment-cs-write", "status %d", s);
	sys.ds.attr = 0;					/* a null selector */
	s = EMULATE(&e, &w, 0x8b, 0x0b);
	unit_report(faulted(&e, s, 13), "segment-null", "status %d", s);
	sys.ss.limit = 0xfff;
	g.gpr[5] = 0x2000;
	s = EMULATE(&e, &w, 0x8b, 0x4d, 0x00);			/* mov (%ebp),%ecx */
	unit_report(faulted(&e, s, 12), "stack-limit", "status %d", s);
	sys.cs.limit = (u32)(uintptr_t)code;			/* the last byte of it is outside */
	s = EMULATE(&e, &w, 0x8b, 0x0b);
	unit_report(faulted(&e, s, 13), "code-limit", "status %d", s);

	protected_mode(&e, &g, &sys);				/* 16-bit stack */
	sys.ss.base = (u32)(uintptr_t)data;
	sys.ss.attr = 0x93;
	sys.ds.base = sys.ss.base;
	g.gpr[4] = 0xabcd0100;
	s = EMULATE(&e, &w, 0x66, 0xff, 0x33);			/* pushw (%ebx) */
	unit_report(s == HUSK_EMUL_DONE && g.gpr[4] == 0xabcd00fe, "stack-16-bit", "status %d", s);
}

static void test_long_mode(void)
{
	struct husk_general g;
	struct husk_system sys;
	struct husk_emul e;
	struct world w = { 0 };
	enum husk_emul_status s;

	random_registers(&g);
	long_mode(&e, &g, &sys);
	g.gpr[3] = 0x800000000000;
	s = EMULATE(&e, &w, 0x89, 0x0b);
	unit_report(faulted(&e, s, 13), "not-canonical", "status %d", s);
	g.gpr[3] = 0x7ffffffffffd;
	s = EMULATE(&e, &w, 0x89, 0x0b);
	unit_report(faulted(&e, s, 13), "not-canonical-end", "status %d", s);
	g.gpr[5] = 0x800000000000;
	s = EMULATE(&e, &w, 0x89, 0x4d, 0x00);
	unit_report(faulted(&e, s, 12), "not-canonical-stack", "status %d", s);
	sys.gs.base = (u64)(uintptr_t)data;
	sys.ds.base = 0x1000;	/* ignored */
	g.gpr[3] = 32;
	s = EMULATE(&e, &w, 0x65, 0x89, 0x0b);
	unit_report(s == HUSK_EMUL_DONE && *(u32 *)(shadow + 32) == (u32)g.gpr[1], "gs-base", "status %d", s);
	g.gpr[3] = 0xffffffff00000000 + (u32)(uintptr_t)data;
	s = EMULATE(&e, &w, 0x67, 0x8b, 0x03);			/* mov (%ebx),%eax */
	unit_report(s == HUSK_EMUL_DONE, "address-32", "status %d", s);
	g.gpr[3] = (u64)(uintptr_t)data;
	s = EMULATE(&e, &w, 0xf0, 0x89, 0x0b);
	unit_report(faulted(&e, s, 6), "lock-mov", "status %d", s);
	s = EMULATE(&e, &w, 0xf0, 0x01, 0xcb);
	unit_report(faulted(&e, s, 6), "lock-register", "status %d", s);
	g.gpr[4] = (u64)(uintptr_t)data + 64;
	*(u64 *)(shadow + 64) = 0x1122334455667788;
	s = EMULATE(&e, &w, 0x8f, 0x44, 0x24, 0x08);		/* pop 8(%rsp): by the raised rsp */
	unit_report(s == HUSK_EMUL_DONE && *(u64 *)(shadow + 80) == 0x1122334455667788, "pop-by-rsp", "status %d", s);
	w.fail_update = true;
	*(u32 *)shadow = 5;
	s = EMULATE(&e, &w, 0xf0, 0xff, 0x03);			/* lock incl (%rbx) */
	unit_report(s == HUSK_EMUL_RETRY && *(u32 *)shadow == 5 && g.rip == (u64)(uintptr_t)code, "lock-lost",
		    "status %d", s);
	w.fail_update = false;
	s = EMULATE(&e, &w, 0x0f, 0xa2);
	unit_report(s == HUSK_EMUL_UNHANDLED && e.insn_count == 15, "cpuid-unhandled", "status %d", s);
}

/* A page fault leaves registers and memory alone, with the right error code */
static void test_page_fault(void)
{
	struct husk_general g, before;
	struct husk_system sys;
	struct husk_emul e;
	struct world w = { 0 };
	enum husk_emul_status s;
	static const u64 gva = 0x400000;
	u64 *table = (u64 *)shadow;

	/* 32-bit tables in data: the first 4 MiB and code's are identity, 4 MiB large */
	random_registers(&g);
	protected_mode(&e, &g, &sys);
	memset(shadow, 0, sizeof(shadow));
	((u32 *)table)[(u32)(uintptr_t)code >> 22] = ((u32)(uintptr_t)code & 0xffc00000) | 0xe5;
	e.walk = (struct husk_walk_mode){
		.cr0 = X86_CR0_PE | X86_CR0_PG, .cr4 = X86_CR4_PSE, .cr3 = (u64)(uintptr_t)data, .phys_bits = 40,
	};
	struct husk_emul_ops ops = world_ops;

	ops.walk.read = world_read;
	e.cpl = 3;
	g.gpr[3] = gva;
	memset(code, 0x90, 64);
	memcpy(code, (const u8[]){ 0x01, 0x0b }, 2);		/* add %ecx,(%ebx): a write even when it reads */
	g.rip = (u64)(uintptr_t)code;
	before = g;
	husk_emulate_begin(&e);
	s = husk_emulate(&e, &ops, &w);
	unit_report(s == HUSK_EMUL_FAULT && e.fault.vector == 14 && e.fault.error == 6 && e.fault.cr2 == gva &&
		    !memcmp(&g, &before, sizeof(g)), "page-fault", "status %d vector %u error %u", s,
		    e.fault.vector, e.fault.error);
	g.rip = gva + 0x10;
	husk_emulate_begin(&e);
	s = husk_emulate(&e, &ops, &w);
	unit_report(s == HUSK_EMUL_FAULT && e.fault.vector == 14 && e.fault.error == 4 && e.fault.cr2 == gva + 0x10,
		    "fetch-fault", "status %d error %u", s, e.fault.error);
}

static void test_ports(void)
{
	struct husk_general g;
	struct husk_system sys;
	struct husk_emul e;
	struct world w = { 0 };
	enum husk_emul_status s;

	random_registers(&g);
	long_mode(&e, &g, &sys);
	g.gpr[REG_RDX] = 0x3f8;
	g.gpr[REG_RSI] = (u64)(uintptr_t)data;
	g.gpr[REG_RCX] = 2;
	shadow[0] = 'h';
	memcpy(code, (const u8[]){ 0xf3, 0x6e }, 2);		/* rep outsb */
	g.rip = (u64)(uintptr_t)code;
	husk_emulate_begin(&e);
	s = husk_emulate(&e, &world_ops, &w);
	unit_report(s == HUSK_EMUL_NEED && e.need.port && e.need.write && e.need.addr == 0x3f8 && e.need.data == 'h' &&
		    e.need.width == 1 && g.gpr[REG_RCX] == 2, "outs-asks", "status %d", s);
	shadow[0] = 'x';	/* the data of the first run counts */
	e.need.done = true;
	s = husk_emulate(&e, &world_ops, &w);
	unit_report(s == HUSK_EMUL_DONE && g.gpr[REG_RCX] == 1 && g.gpr[REG_RSI] == (u64)(uintptr_t)data + 1 &&
		    g.rip == (u64)(uintptr_t)code, "outs-one-answer", "status %d left %llu", s, (long long)g.gpr[REG_RCX]);

	e.cpl = 3;
	husk_emulate_begin(&e);
	s = husk_emulate(&e, &world_ops, &w);
	unit_report(s == HUSK_EMUL_RETRY, "outs-no-right", "status %d", s);
	husk_emulate_begin(&e);
	e.io_width = 2;		/* checked for a word */
	s = husk_emulate(&e, &world_ops, &w);
	unit_report(s == HUSK_EMUL_RETRY, "outs-other-width", "status %d", s);
	husk_emulate_begin(&e);
	e.io_width = 1;
	s = husk_emulate(&e, &world_ops, &w);
	unit_report(s == HUSK_EMUL_NEED, "outs-checked", "status %d", s);
}

/* Another vCPU changes the instruction or its tables between question and answer */
static void test_replay(void)
{
	struct husk_general g;
	struct husk_system sys;
	struct husk_emul e;
	struct world w = { .device = 1 };
	enum husk_emul_status s;

	random_registers(&g);
	long_mode(&e, &g, &sys);
	g.gpr[3] = (u64)(uintptr_t)data;
	memcpy(code, (const u8[]){ 0x03, 0x03 }, 2);		/* add (%rbx),%eax */
	g.rip = (u64)(uintptr_t)code;
	husk_emulate_begin(&e);
	s = husk_emulate(&e, &world_ops, &w);
	g.gpr[3] += 8;
	e.need.done = true;
	if (s == HUSK_EMUL_NEED)
		s = husk_emulate(&e, &world_ops, &w);
	unit_report(s == HUSK_EMUL_RETRY && g.rip == (u64)(uintptr_t)code, "replay-changed", "status %d", s);

	/* The hint saves the walk, and the look whether it is memory */
	w.device = 0;
	husk_emulate_begin(&e);
	e.hint_gpa = 0xfee00000 | (g.gpr[3] & 0xfff);
	e.hint_access = HUSK_ACCESS_READ;
	s = husk_emulate(&e, &world_ops, &w);
	unit_report(s == HUSK_EMUL_NEED && e.need.addr == e.hint_gpa, "hint", "status %d", s);

	g.rip += 2;	/* the worker set registers instead of answering */
	e.need.done = true;
	s = husk_emulate(&e, &world_ops, &w);
	unit_report(s == HUSK_EMUL_RETRY, "answer-elsewhere", "status %d", s);
}

static void test_system(void)
{
	struct husk_general g;
	struct husk_system sys;
	struct husk_emul e;
	struct world w = { 0 };
	enum husk_emul_status s;

	random_registers(&g);
	long_mode(&e, &g, &sys);
	e.walk.cr0 = 0x50033;
	g.gpr[0] = 0x6;
	s = EMULATE(&e, &w, 0x0f, 0x01, 0xf0);			/* lmsw %ax */
	unit_report(s == HUSK_EMUL_SYSTEM && e.sysreg.value == 0x50037 && e.sysreg.number == 0 && e.sysreg.write,
		    "lmsw", "status %d value %llx", s, (long long)e.sysreg.value);
	e.walk.cr0 = 0x5003b;
	s = EMULATE(&e, &w, 0x0f, 0x06);
	unit_report(s == HUSK_EMUL_SYSTEM && e.sysreg.value == 0x50033, "clts", "status %d", s);
	s = EMULATE(&e, &w, 0x44, 0x0f, 0x22, 0xc0);		/* mov %rax,%cr8 */
	unit_report(s == HUSK_EMUL_SYSTEM && e.sysreg.number == 8 && e.sysreg.write && e.sysreg.value == 6,
		    "mov-to-cr8", "status %d", s);
	s = EMULATE(&e, &w, 0x0f, 0x20, 0xe1);			/* mov %cr4,%rcx */
	unit_report(s == HUSK_EMUL_SYSTEM && e.sysreg.number == 4 && !e.sysreg.write && e.sysreg.gpr == 1,
		    "mov-from-cr4", "status %d", s);
	g.gpr[3] = (u64)(uintptr_t)data;
	memset(shadow, 0, 8);
	s = EMULATE(&e, &w, 0x48, 0x0f, 0x01, 0x23);		/* smsw (%rbx): a word */
	unit_report(s == HUSK_EMUL_DONE && *(u64 *)shadow == 0x3b, "smsw", "status %d", s);
	e.cpl = 3;
	s = EMULATE(&e, &w, 0x0f, 0x06);
	unit_report(faulted(&e, s, 13), "clts-cpl-3", "status %d", s);
}

static void test_rep_bound(void)
{
	struct husk_general g;
	struct husk_system sys;
	struct husk_emul e;
	struct world w = { 0 };
	enum husk_emul_status s;

	random_registers(&g);
	g.rflags &= ~X86_EFLAGS_DF;
	long_mode(&e, &g, &sys);
	g.gpr[REG_RCX] = 1000;
	g.gpr[REG_RDI] = (u64)(uintptr_t)data;
	memcpy(code, (const u8[]){ 0xf3, 0xaa }, 2);
	g.rip = (u64)(uintptr_t)code;
	husk_emulate_begin(&e);
	s = husk_emulate(&e, &world_ops, &w);
	unit_report(s == HUSK_EMUL_DONE && g.gpr[REG_RCX] == 1000 - REP_MAX && g.rip == (u64)(uintptr_t)code, "rep-bound",
		    "status %d left %llu", s, (long long)g.gpr[REG_RCX]);
}

int main(void)
{
	code = native_pages(4);
	if (!code) {
		printf("not ok pages: no executable memory below 2 GiB\n");
		return 1;
	}
	data = code + 2 * 4096;
	test_native();
	test_segments();
	test_long_mode();
	test_page_fault();
	test_ports();
	test_replay();
	test_system();
	test_rep_bound();
	return unit_done();
}
