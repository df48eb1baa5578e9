// SPDX-License-Identifier: GPL-2.0
/*
 * Random instructions, registers, segments and page tables through the
 * emulator for two seconds, built with the sanitizers. What must hold: every
 * call ends, widths are ones that a device knows, and an instruction that did
 * not complete changed no register.
 */
#include <time.h>

#include "../../kmod/guest_walk.c"
#include "../../kmod/decode.c"
#include "../../kmod/decode_table.c"
#include "../../kmod/emulate_alu.c"
#include "../../kmod/emulate_mem.c"
#include "../../kmod/emulate_string.c"
#include "../../kmod/emulate.c"

#define SECONDS		2
#define RAM		16384	/* guest physical memory repeats, so that nearly every table leads somewhere */

static u64 seed = 0x123456789abcdefULL;
static u8 ram[RAM];

static u64 rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static bool chance(u32 n)
{
	return (rnd() >> 24) % n == 0;
}

static int fuzz_read(void *ctx, u64 gpa, void *data, u32 len)
{
	u8 *out = data;

	(void)ctx;
	if (chance(64))
		return -EFAULT;
	while (len--)
		*out++ = ram[gpa++ % RAM];
	return 0;
}

static int fuzz_update(void *ctx, u64 gpa, u64 old, u64 new, u32 width)
{
	(void)ctx, (void)gpa, (void)old, (void)new, (void)width;
	return chance(8) ? -EAGAIN : chance(64) ? -EFAULT : 0;
}

static int fuzz_mem_read(void *ctx, u64 gpa, void *data, u32 len)
{
	return chance(3) ? 1 : fuzz_read(ctx, gpa, data, len);
}

static int fuzz_mem_write(void *ctx, u64 gpa, const void *data, u32 len)
{
	const u8 *in = data;

	(void)ctx;
	if (chance(3))
		return 1;
	while (len--)
		ram[gpa++ % RAM] = *in++;
	return 0;
}

static int fuzz_mem_cmpxchg(void *ctx, u64 gpa, u64 old, u64 new, u32 width)
{
	(void)ctx, (void)old, (void)new;
	if (gpa & (width - 1))
		abort();
	return chance(3) ? 1 : chance(8) ? -EAGAIN : 0;
}

static int fuzz_dev_io(void *ctx, u64 addr, u8 width, bool write, bool port, u64 *data)
{
	(void)ctx;
	if ((width & (width - 1)) || !width || width > (port ? 4 : 8) || (port && addr > 0xffff))
		abort();
	if (!write)
		*data = rnd();
	return chance(2);
}

static void fuzz_segments(void *ctx)
{
	(void)ctx;
}

static const struct husk_emul_ops fuzz_ops = {
	.walk = { .read = fuzz_read, .update = fuzz_update },
	.mem_read = fuzz_mem_read, .mem_write = fuzz_mem_write, .mem_cmpxchg = fuzz_mem_cmpxchg,
	.dev_io = fuzz_dev_io, .segments = fuzz_segments,
};

static void random_bytes(void *data, u32 len)
{
	u8 *p = data;

	while (len--)
		*p++ = rnd() >> 32;
}

/* Mostly flat segments and canonical addresses, or nothing would get far */
static void random_cpu(struct husk_emul *e, struct husk_general *g, struct husk_system *sys)
{
	struct husk_segment *s;

	random_bytes(g, sizeof(*g));
	random_bytes(sys, sizeof(*sys));
	for (s = &sys->es; s <= &sys->tr; s++)
		if (!chance(4))
			*s = (struct husk_segment){ .limit = ~0U, .attr = chance(2) ? 0xc93 : 0xa9b };
	for (int i = 0; i < 16; i++)
		if (!chance(4))
			g->gpr[i] &= 0x7fffffff;
	g->rip &= chance(2) ? 0x7fffffff : 0xffff;
	memset(e, 0, sizeof(*e));
	e->regs = g;
	e->sys = sys;
	e->mode = husk_code_size(sys);
	e->cpl = chance(2) ? 3 : 0;
	e->walk = (struct husk_walk_mode){
		.cr0 = sys->cr0, .cr3 = sys->cr3, .cr4 = sys->cr4, .efer = sys->efer,
		.smap_off = chance(2), .phys_bits = 36 + rnd() % 17, .has_1g = chance(2),
	};
	if (chance(2))
		e->walk.cr0 &= ~(u64)X86_CR0_PG;
}

/* An instruction that is likely to be one: a common opcode behind random prefixes */
static void random_insn(struct husk_emul *e)
{
	static const u8 starts[] = { 0x89, 0x8b, 0xa4, 0xa5, 0xaa, 0xab, 0x6e, 0x6c, 0x0f, 0x81, 0x83, 0x87, 0xff, 0x8f, 0xf7 };

	random_bytes(e->insn, 15);
	e->insn_count = 1 + rnd() % 15;
	if (chance(2)) {
		e->insn[chance(2)] = starts[rnd() % ARRAY_SIZE(starts)];
		e->insn_count = 15;
	}
	if (chance(8))
		e->insn_count = 0;
}

static void check(bool ok, const char *what)
{
	if (ok)
		return;
	unit_report(false, "fuzz", "%s", what);
	abort();
}

static void fuzz_one(u64 *counts)
{
	struct husk_general g, before;
	struct husk_system sys;
	struct husk_emul e;
	enum husk_emul_status status;
	bool string;
	int rounds;

	random_cpu(&e, &g, &sys);
	husk_emulate_begin(&e);
	random_insn(&e);
	if (chance(2)) {
		e.hint_gpa = rnd();
		e.hint_access = chance(2) ? HUSK_ACCESS_WRITE : HUSK_ACCESS_READ;
	}
	for (rounds = 0; rounds < 2 * HUSK_EMUL_ACCESSES; rounds++) {
		before = g;
		status = husk_emulate(&e, &fuzz_ops, NULL);
		counts[status]++;
		check(e.count <= HUSK_EMUL_ACCESSES && e.insn_count <= 15, "bounds");
		check(!e.decoded_valid || (e.decoded.length >= 1 && e.decoded.length <= 15), "length");
		string = e.decoded.rep || e.decoded.repne;	/* iterations before this one count */
		check(status == HUSK_EMUL_DONE || string || !memcmp(&g, &before, sizeof(g)), "half done");
		check(status != HUSK_EMUL_FAULT || e.fault.vector == 6 || (e.fault.vector >= 12 && e.fault.vector <= 14),
		      "fault");
		if (status != HUSK_EMUL_NEED)
			break;
		check(e.need.width && !(e.need.width & (e.need.width - 1)) && e.need.width <= (e.need.port ? 4 : 8),
		      "width");
		e.need.data = rnd();
		e.need.done = true;
	}
	check(rounds < 2 * HUSK_EMUL_ACCESSES, "no end");
}

int main(void)
{
	u64 counts[HUSK_EMUL_SYSTEM + 1] = { 0 }, runs = 0;
	time_t end = time(NULL) + SECONDS;

	random_bytes(ram, sizeof(ram));
	while (time(NULL) < end) {
		for (int i = 0; i < 1000; i++, runs++)
			fuzz_one(counts);
		ram[rnd() % RAM] = rnd();
	}
	printf("# %llu instructions: %llu done, %llu faults, %llu questions, %llu unhandled, %llu retries, %llu system\n",
	       (long long)runs, (long long)counts[HUSK_EMUL_DONE], (long long)counts[HUSK_EMUL_FAULT],
	       (long long)counts[HUSK_EMUL_NEED], (long long)counts[HUSK_EMUL_UNHANDLED],
	       (long long)counts[HUSK_EMUL_RETRY], (long long)counts[HUSK_EMUL_SYSTEM]);
	unit_report(counts[HUSK_EMUL_DONE] && counts[HUSK_EMUL_FAULT] && counts[HUSK_EMUL_NEED], "fuzz", "too little was reached");
	return unit_done();
}
