// SPDX-License-Identifier: GPL-2.0
/*
 * The instruction decoder: a golden table of operands, and the lengths of some
 * thousand encodings in each mode against objdump.
 */
#include "unit_shim.h"
#include "../../kmod/decode.c"
#include "../../kmod/decode_table.c"
#include "opcode_sweep.h"

#define N	-1

/* What a row says of an instruction; registers and -1 as in struct husk_insn */
struct golden {
	const char *text;
	u8 mode, bytes[16], length, op, op_size, addr_size;
	s8 base, index;
	u8 scale;
	s64 disp;
	u8 dst, src, segment;
	u64 imm;
};

#define REG	HUSK_OPND_REG
#define MEM	HUSK_OPND_MEM
#define IMM	HUSK_OPND_IMM
#define B(...)	{ __VA_ARGS__ }

static const struct golden golden[] = {
	/* The APIC accesses of Linux: mov to and from an absolute or a register address */
	{ "mov %eax,0xffffffffff5fc0b0", 8, B(0x89, 0x04, 0x25, 0xb0, 0xc0, 0x5f, 0xff), 7, HUSK_OP_MOV, 4, 8,
	  N, N, 0, -0xa03f50, MEM, REG, 3, 0 },
	{ "mov 0xffffffffff5fc020,%eax", 8, B(0x8b, 0x04, 0x25, 0x20, 0xc0, 0x5f, 0xff), 7, HUSK_OP_MOV, 4, 8,
	  N, N, 0, -0xa03fe0, REG, MEM, 3, 0 },
	{ "mov %ecx,(%rdi)", 8, B(0x89, 0x0f), 2, HUSK_OP_MOV, 4, 8, 7, N, 0, 0, MEM, REG, 3, 0 },
	{ "movl $0,-0xb0(%rax)", 8, B(0xc7, 0x80, 0x50, 0xff, 0xff, 0xff, 0, 0, 0, 0), 10, HUSK_OP_MOV, 4, 8,
	  0, N, 0, -0xb0, MEM, IMM, 3, 0 },
	{ "mov 0x10(%rip),%r9", 8, B(0x4c, 0x8b, 0x0d, 0x10, 0, 0, 0), 7, HUSK_OP_MOV, 8, 8,
	  HUSK_BASE_RIP, N, 0, 0x10, REG, MEM, 3, 0 },
	{ "movabs 0x1122334455667788,%al", 8, B(0xa0, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11), 9,
	  HUSK_OP_MOV, 4, 8, N, N, 0, 0x1122334455667788, REG, MEM, 3, 0 },
	{ "mov %ax,%fs:(%r12,%r13,8)", 8, B(0x64, 0x66, 0x43, 0x89, 0x04, 0xec), 6, HUSK_OP_MOV, 2, 8,
	  12, 13, 3, 0, MEM, REG, 4, 0 },
	{ "movzbl 0x1(%rsp),%eax", 8, B(0x0f, 0xb6, 0x44, 0x24, 0x01), 5, HUSK_OP_MOVZX, 4, 8,
	  4, N, 0, 1, REG, MEM, 2, 0 },
	{ "movslq (%eax),%rdx", 8, B(0x67, 0x48, 0x63, 0x10), 4, HUSK_OP_MOVSX, 8, 4, 0, N, 0, 0, REG, MEM, 3, 0 },
	{ "orl $-1,(%rbp)", 8, B(0x83, 0x4d, 0x00, 0xff), 4, HUSK_OP_OR, 4, 8, 5, N, 0, 0, MEM, IMM, 2, ~0ULL },
	{ "testb $0x20,5(%rdx)", 8, B(0xf6, 0x42, 0x05, 0x20), 4, HUSK_OP_TEST, 4, 8, 2, N, 0, 5, MEM, IMM, 3, 0x20 },
	{ "rep movsq", 8, B(0xf3, 0x48, 0xa5), 3, HUSK_OP_MOVS, 8, 8, N, N, 0, 0, MEM, MEM, 3, 0 },
	{ "rep outsb", 8, B(0xf3, 0x6e), 2, HUSK_OP_OUTS, 4, 8, N, N, 0, 0, MEM, MEM, 3, 0 },
	{ "push 8(%rax)", 8, B(0xff, 0x70, 0x08), 3, HUSK_OP_PUSH, 8, 8, 0, N, 0, 8, 0, MEM, 3, 0 },
	{ "pop (%rax)", 8, B(0x8f, 0x00), 2, HUSK_OP_POP, 8, 8, 0, N, 0, 0, MEM, 0, 3, 0 },
	{ "lock btsl $7,(%rbx)", 8, B(0xf0, 0x0f, 0xba, 0x2b, 0x07), 5, HUSK_OP_BTS, 4, 8,
	  3, N, 0, 0, MEM, IMM, 3, 7 },
	{ "lock cmpxchg %rcx,(%rsi)", 8, B(0xf0, 0x48, 0x0f, 0xb1, 0x0e), 5, HUSK_OP_CMPXCHG, 8, 8,
	  6, N, 0, 0, MEM, REG, 3, 0 },
	{ "mov $0x1122334455667788,%rax", 8, B(0x48, 0xb8, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11), 10,
	  HUSK_OP_MOV, 8, 8, N, N, 0, 0, REG, IMM, 3, 0x1122334455667788 },
	{ "mov %rax,%cr4", 8, B(0x0f, 0x22, 0xe0), 3, HUSK_OP_MOV_CR, 4, 8, N, N, 0, 0, 0, REG, 3, 0 },
	{ "lmsw (%rax)", 8, B(0x0f, 0x01, 0x30), 3, HUSK_OP_LMSW, 4, 8, 0, N, 0, 0, 0, MEM, 3, 0 },
	{ "smsw %eax", 8, B(0x0f, 0x01, 0xe0), 3, HUSK_OP_SMSW, 4, 8, N, N, 0, 0, REG, 0, 3, 0 },
	{ "clts", 8, B(0x0f, 0x06), 2, HUSK_OP_CLTS, 4, 8, N, N, 0, 0, 0, 0, 3, 0 },
	{ "rex before a legacy prefix does not count", 8, B(0x48, 0x66, 0x89, 0x08), 4, HUSK_OP_MOV, 2, 8,
	  0, N, 0, 0, MEM, REG, 3, 0 },
	{ "mov %eax,0xfee000b0", 4, B(0xa3, 0xb0, 0x00, 0xe0, 0xfe), 5, HUSK_OP_MOV, 4, 4,
	  N, N, 0, 0xfee000b0, MEM, REG, 3, 0 },
	{ "mov %cs:(%bx,%si),%ax", 4, B(0x2e, 0x66, 0x67, 0x8b, 0x00), 5, HUSK_OP_MOV, 2, 2,
	  3, 6, 0, 0, REG, MEM, 1, 0 },
	{ "mov %al,-2(%bp)", 2, B(0x88, 0x46, 0xfe), 3, HUSK_OP_MOV, 2, 2, 5, N, 0, -2, MEM, REG, 2, 0 },
	{ "mov %eax,(%ebx,%ecx,4)", 2, B(0x66, 0x67, 0x89, 0x04, 0x8b), 5, HUSK_OP_MOV, 4, 4,
	  3, 1, 2, 0, MEM, REG, 3, 0 },
	{ "movw $0x1234,0x5678", 2, B(0xc7, 0x06, 0x78, 0x56, 0x34, 0x12), 6, HUSK_OP_MOV, 2, 2,
	  N, N, 0, 0x5678, MEM, IMM, 3, 0x1234 },
};

static void test_golden(void)
{
	int bad = 0;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(golden); i++) {
		const struct golden *g = &golden[i];
		struct husk_insn insn;
		int ret = husk_decode(g->bytes, 15, g->mode, &insn);

		if (ret || insn.length != g->length || insn.op != g->op || insn.op_size != g->op_size ||
		    insn.addr_size != g->addr_size || insn.base != g->base || insn.index != g->index ||
		    insn.scale != g->scale || insn.disp != g->disp || insn.dst.kind != g->dst ||
		    insn.src.kind != g->src || insn.segment != g->segment || insn.imm != g->imm) {
			unit_report(false, "operands", "%s: ret %d length %u op %u size %u/%u base %d index %d disp %lld",
				    g->text, ret, insn.length, insn.op, insn.op_size, insn.addr_size,
				    insn.base, insn.index, (long long)insn.disp);
			bad++;
		}
	}
	if (!bad)
		unit_report(true, "operands", " ");
}

static void test_registers(void)
{
	struct husk_insn a, b, c, d;

	husk_decode((const u8[]){ 0x88, 0x23 }, 2, 8, &a);		/* mov %ah,(%rbx) */
	husk_decode((const u8[]){ 0x40, 0x88, 0x23 }, 3, 8, &b);	/* mov %spl,(%rbx) */
	husk_decode((const u8[]){ 0x44, 0x0f, 0x20, 0xc1 }, 4, 8, &c);	/* mov %cr8,%rcx */
	husk_decode((const u8[]){ 0xf0, 0x0f, 0x20, 0xc1 }, 4, 4, &d);	/* the same on AMD */
	unit_report(a.src.high && a.src.reg == 0 && a.src.width == 1, "register-ah", "reg %u", a.src.reg);
	unit_report(!b.src.high && b.src.reg == 4, "register-spl", "reg %u", b.src.reg);
	unit_report(c.cr == 8 && !c.cr_write && c.dst.reg == 1 && c.dst.width == 8, "register-cr8", "cr %u", c.cr);
	unit_report(d.cr == 8 && !d.lock && d.dst.width == 4, "register-cr8-lock", "cr %u", d.cr);
}

/* One byte short is -EAGAIN at every length; 15 bytes are the limit. */
static void test_limits(void)
{
	u8 bytes[16];
	struct husk_insn insn;
	int bad = 0;
	u32 i, n;

	for (i = 0; i < ARRAY_SIZE(golden); i++)
		for (n = 0; n < golden[i].length; n++)
			if (husk_decode(golden[i].bytes, n, golden[i].mode, &insn) != -EAGAIN)
				bad++;
	unit_report(!bad, "short", "%d not -EAGAIN", bad);

	memset(bytes, 0x66, sizeof(bytes));
	bytes[14] = 0xf4;
	unit_report(!husk_decode(bytes, 16, 8, &insn) && insn.length == 15, "length-15", "length %u", insn.length);
	bytes[14] = 0x66;
	bytes[15] = 0xf4;
	unit_report(husk_decode(bytes, 16, 8, &insn) == -EINVAL, "length-16", "accepted");
	unit_report(husk_decode((const u8[]){ 0xc5, 0xf8, 0x77 }, 3, 8, &insn) == -EINVAL, "vex", "accepted");
}

/* ---- lengths against objdump ---- */

/* Where objdump knows more, or says it in another way */
static bool excepted(const u8 *bytes, u8 mode)
{
	struct husk_insn insn;
	int ret = husk_decode(bytes, 15, mode, &insn);
	bool prefix = bytes[0] == 0x66 || bytes[0] == 0xf2 || bytes[0] == 0xf3;
	const u8 *op = bytes;

	while (*op == 0x66 || *op == 0x67 || *op == 0xf2 || *op == 0xf3 || (mode == 8 && (*op & 0xf0) == 0x40))
		op++;
	if (ret)	/* VEX, EVEX, XOP; MOV to and from the 486's test registers */
		return *op == 0xc4 || *op == 0xc5 || *op == 0x62 || *op == 0x8f ||
		       (*op == 0x0f && (op[1] == 0x24 || op[1] == 0x26));
	return *op == 0x9b || (*op == 0x0f && prefix && (op[1] == 0x78 || op[1] == 0x79)); /* fwait; EXTRQ, INSERTQ */
}

/* The length of the first instruction of each slot, 0 where objdump says (bad) */
static int objdump_lengths(const char *file, u8 mode, u8 *length, u32 count)
{
	static const char *const machine[] = { [2] = "i8086", [4] = "i386", [8] = "i386:x86-64" };
	char command[256], line[512];
	u64 last = 0, slot_start = ~0ULL;
	bool bad = false;
	FILE *in;

	snprintf(command, sizeof(command), "objdump -D -z -w -b binary -m %s %s 2>/dev/null", machine[mode], file);
	in = popen(command, "r");
	if (!in)
		return -1;
	while (fgets(line, sizeof(line), in)) {
		u64 address;
		char *tab = strchr(line, ':');

		if (!tab || tab[1] != '\t' || sscanf(line, " %llx:", &address) != 1)
			continue;
		if (slot_start != ~0ULL && slot_start / SLOT < count)
			length[slot_start / SLOT] = bad ? 0 : address - slot_start;
		slot_start = address % SLOT ? ~0ULL : address;
		bad = strstr(line, "(bad)") != NULL;
		last = address;
	}
	return pclose(in) || !last ? -1 : 0;
}

static void test_lengths(u8 mode)
{
	static u8 bytes[SWEEP_MAX * SLOT], length[SWEEP_MAX];
	char file[] = "/tmp/husk-decode-XXXXXX", name[32];
	u32 count = opcode_sweep(mode, bytes), i, compared = 0, wrong = 0;
	int fd = mkstemp(file);
	FILE *out = fd < 0 ? NULL : fdopen(fd, "w");

	snprintf(name, sizeof(name), "lengths-%u-bit", mode * 8);
	memset(length, 0, sizeof(length));
	if (!out || fwrite(bytes, SLOT, count, out) != count || fclose(out) ||
	    objdump_lengths(file, mode, length, count)) {
		printf("# %s: no objdump here, lengths not compared\n", name);
		unlink(file);
		return;
	}
	unlink(file);
	for (i = 0; i < count; i++) {
		const u8 *b = bytes + i * SLOT;
		struct husk_insn insn;
		int ret = husk_decode(b, 15, mode, &insn);

		if (!length[i] || excepted(b, mode))
			continue;
		compared++;
		if (!ret && insn.length == length[i])
			continue;
		if (wrong++ < 10)
			printf("# %02x %02x %02x %02x %02x: %d, objdump says %u\n", b[0], b[1], b[2], b[3], b[4],
			       ret ? ret : insn.length, length[i]);
	}
	unit_report(!wrong && compared > 1000, name, "%u of %u wrong", wrong, compared);
	printf("# %s: %u encodings compared\n", name, compared);
}

int main(void)
{
	test_golden();
	test_registers();
	test_limits();
	test_lengths(2);
	test_lengths(4);
	test_lengths(8);
	return unit_done();
}
