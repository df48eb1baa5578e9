// SPDX-License-Identifier: GPL-2.0
/* What values of guest state are legal: MTRR, PAT, XCR0, control registers, segments, events. */
#include "unit_shim.h"
#include "../../kmod/state_check.c"

static const struct husk_state_limits limits = { .cr4 = 0x3706ff, .efer = 0x4d01, .xcr0 = 0xe7 };

/* A guest in 64-bit mode, as a boot loader leaves it */
static struct husk_system long_mode(void)
{
	struct husk_system s = {
		.cr0 = 0x80050033, .cr3 = 0x1000, .cr4 = 0x6b0, .efer = 0xd01, .dr6 = 0xffff0ff0, .dr7 = 0x400, .xcr0 = 7,
		.cs = { .attr = 0xa9b, .limit = ~0U }, .ss = { .attr = 0xc93, .limit = ~0U },
		.gs = { .base = 0xffff888000000000, .attr = 0xc93 }, .tr = { .attr = 0x8b }, .ldtr = { .attr = 0x82 },
		.gdtr = { .base = 0xfffffe0000001000, .limit = 0x7f },
	};
	return s;
}

static struct husk_system real_mode(void)
{
	struct husk_system s = {
		.cr0 = 0x60000010, .dr6 = 0xffff0ff0, .dr7 = 0x400, .xcr0 = 1,
		.cs = { .selector = 0xf000, .base = 0xffff0000, .limit = 0xffff, .attr = 0x9b },
		.ss = { .limit = 0xffff, .attr = 0x93 }, .tr = { .attr = 0x8b }, .ldtr = { .attr = 0x82 },
	};
	return s;
}

static void test_types(void)
{
	u32 bad = 0, i;

	for (i = 0; i < 256; i++) {
		bool mtrr = i == 0 || i == 1 || (i >= 4 && i <= 6);

		bad += husk_pat_valid(0x0007040600070400ULL | i) != (mtrr || i == 7);
		bad += husk_pat_valid((u64)i << 56) != (mtrr || i == 7);
		bad += husk_mtrr_valid(0x250, (u64)i << 40, 48) != mtrr;
		bad += husk_mtrr_valid(0x26f, i, 48) != mtrr;
		bad += husk_mtrr_valid(0x2ff, 0xc00 | i, 48) != mtrr;
		bad += husk_mtrr_valid(0x200, 0xc0000000 | i, 48) != mtrr;
	}
	unit_report(!bad, "memory-types", "%u wrong answers", bad);
	unit_report(!husk_mtrr_valid(0x2ff, 0x100, 48) && !husk_mtrr_valid(0x2ff, 0x1000, 48) &&
		    !husk_mtrr_valid(0x200, 0x100, 48) && !husk_mtrr_valid(0x200, 1ULL << 48, 48) &&
		    husk_mtrr_valid(0x200, 1ULL << 47, 48) && !husk_mtrr_valid(0x201, 0x400, 48) &&
		    husk_mtrr_valid(0x201, 0xfffff0000800, 48) && husk_mtrr_valid(0x20f, 0, 64),
		    "mtrr-reserved", "wrong answer");
}

static void test_xcr0(void)
{
	static const u64 good[] = { 1, 3, 7, 0xe7 }, bad[] = { 0, 2, 5, 6, 0x27, 0x67, 0xe3, 0xe0, 0x207, 0xf7, ~0ULL };
	u32 i, wrong = 0;

	for (i = 0; i < ARRAY_SIZE(good); i++)
		wrong += !husk_xcr0_legal(good[i], 0xe7);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		wrong += husk_xcr0_legal(bad[i], 0xe7);
	wrong += husk_xcr0_legal(0xe7, 7) || !husk_xcr0_legal(1, 0) || husk_xcr0_legal(3, 0);
	unit_report(!wrong, "xcr0", "%u wrong answers", wrong);
}

/* Each line spoils one thing of a good state. */
static void test_system(void)
{
	struct husk_system s = long_mode(), r = real_mode();
	u32 wrong = 0, n = 0;

	unit_report(husk_system_valid(&s, &limits), "system-long-mode", "refused");
	unit_report(husk_system_valid(&r, &limits), "system-reset", "refused");
#define SPOIL(change) do { s = long_mode(); s.change; n++; \
	if (husk_system_valid(&s, &limits)) { wrong++; printf("# accepted: %s\n", #change); } } while (0)
	SPOIL(cr0 |= 1ULL << 32);
	SPOIL(cr0 |= 1 << 6);
	SPOIL(cr0 |= CR0_NW);
	SPOIL(cr0 &= ~CR0_PE);
	SPOIL(cr0 &= ~CR0_PG);
	SPOIL(cr3 |= 1ULL << 52);
	SPOIL(cr4 |= 1ULL << 22);
	SPOIL(cr4 |= 1ULL << 12);
	SPOIL(cr4 &= ~CR4_PAE);
	SPOIL(cr8 = 16);
	SPOIL(efer |= 1 << 12);
	SPOIL(efer &= ~EFER_LMA_BIT);
	SPOIL(efer &= ~EFER_LME_BIT);
	SPOIL(cs.attr |= ATTR_DB);
	SPOIL(cs.attr |= 0x1000);
	SPOIL(tr.attr |= 0x8000);
	SPOIL(tr.attr |= ATTR_S);
	SPOIL(ds.base = 1ULL << 32);
	SPOIL(fs.base = 1ULL << 47);
	SPOIL(tr.base = 0x8000000000000000);
	SPOIL(gdtr.base = 1ULL << 48);
	SPOIL(gdtr.reserved[2] = 1);
	SPOIL(idtr.base = 0x7fffULL << 48);
	SPOIL(dr6 |= 1ULL << 32);
	SPOIL(dr7 |= 1ULL << 63);
	SPOIL(xcr0 = 6);
	SPOIL(xcr0 = 0x207);
	unit_report(!wrong, "system-spoilt", "%u of %u accepted", wrong, n);
	s = real_mode();
	s.cr4 = CR4_PCIDE;
	unit_report(!husk_system_valid(&s, &limits), "system-pcide", "PCIDE outside of long mode was accepted");
}

static void test_general(void)
{
	struct husk_general g = { .rflags = 2, .rip = 0xfff0 };
	struct husk_system s = real_mode();
	u32 wrong = 0;

	wrong += !husk_general_valid(&g) || !husk_mode_valid(&g, &s);
	g.rflags = 0;
	wrong += husk_general_valid(&g);
	g.rflags = 2 | 1 << 15;
	wrong += husk_general_valid(&g);
	g.rflags = 2 | 1ULL << 32;
	wrong += husk_general_valid(&g);
	g.rflags = 2 | RFLAGS_VM;
	wrong += !husk_general_valid(&g) || husk_mode_valid(&g, &s);	/* VM in real mode */
	s.ss.attr = 0xf3;
	s.cr0 |= CR0_PE;
	wrong += !husk_mode_valid(&g, &s);
	s.ss.attr = 0x93;						/* not CPL 3 */
	wrong += husk_mode_valid(&g, &s);
	s = long_mode();
	s.ss.attr = 0xcf3;
	wrong += husk_mode_valid(&g, &s);				/* VM in long mode */
	g.rflags = 2;
	g.rip = 0xffffffff81000000;
	wrong += !husk_mode_valid(&g, &s);
	g.rip = 0x0000800000000000;
	wrong += husk_mode_valid(&g, &s);
	s = real_mode();
	s.ss.attr = 0xf3;						/* CPL 3 in real mode */
	wrong += husk_mode_valid(&g, &s);
	unit_report(!wrong, "general", "%u wrong answers", wrong);
}

static void test_events(void)
{
	struct husk_vcpu_events e = {};
	u32 v, wrong = 0, with_error = 0;

	for (v = 0; v < 256; v++) {
		e = (struct husk_vcpu_events){ .exception_pending = 1, .exception_vector = v };
		wrong += husk_events_valid(&e) != (v < 32 && v != 2);
		e.exception_has_error = 1;
		with_error += husk_events_valid(&e);
	}
	wrong += with_error != 8;
	e = (struct husk_vcpu_events){ .mp_state = 4 };
	wrong += husk_events_valid(&e);
	e = (struct husk_vcpu_events){ .nmi_masked = 2 };
	wrong += husk_events_valid(&e);
	e = (struct husk_vcpu_events){ .exception_pending = 1, .interrupt_pending = 1 };
	wrong += husk_events_valid(&e);
	e = (struct husk_vcpu_events){ .interrupt_pending = 1, .interrupt_vector = 255, .interrupt_shadow = 1 };
	wrong += !husk_events_valid(&e);
	unit_report(!wrong, "events", "%u wrong answers", wrong);
}

int main(void)
{
	unsigned int i, wrong = 0;

	for (i = 0; i < 64; i++)
		wrong += husk_canonical(1ULL << i) != (i < 47) || husk_canonical(~0ULL << i) != (i <= 47);
	unit_report(!wrong, "canonical", "%u wrong answers", wrong);
	test_types();
	test_xcr0();
	test_system();
	test_general();
	test_events();
	return unit_done();
}
