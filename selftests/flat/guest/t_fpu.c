// SPDX-License-Identifier: GPL-2.0
/* The guest's x87, SSE and AVX registers are its own. */
#include "guest.h"

void fpu_fxsave(void *area);
void fpu_fxrstor(const void *area);
void fpu_xsave(void *area, u32 bits);
void fpu_xrstor(const void *area, u32 bits);

static u8 area[2][4096] __attribute__((aligned(64)));

/* A valid image whose registers all differ and depend on seed */
static void pattern(u8 *a, u8 seed)
{
	memset(a, 0, 832);
	*(u16 *)(a + 0) = 0x37f;
	*(u16 *)(a + 2) = 0x3000;		/* TOP is 6 */
	a[4] = 0xc0 | (seed & 0x3f);
	*(u32 *)(a + 24) = 0x1f80 | (seed & 1) << 15;
	for (u32 r = 0; r < 8; r++)
		for (u32 i = 0; i < 10; i++)
			a[32 + r * 16 + i] = seed + r * 16 + i + 1;
	for (u32 r = 0; r < 16; r++)
		for (u32 i = 0; i < 16; i++)
			a[160 + r * 16 + i] = seed ^ (r * 16 + i + 0x21);
	for (u32 i = 0; i < 256; i++)
		a[576 + i] = seed + 3 * i;
}

static void compare(const u8 *want, const u8 *got, u32 from, u32 to, u32 stride, u32 width, const char *what)
{
	for (u32 at = from; at < to; at += stride)
		if (memcmp(want + at, got + at, width)) {
			fail_value(what, at);
			return;
		}
}

static void compare_legacy(const u8 *want, const u8 *got)
{
	EXPECT(*(u16 *)(got + 0), *(u16 *)(want + 0));
	EXPECT(*(u16 *)(got + 2), *(u16 *)(want + 2));
	EXPECT(got[4], want[4]);
	EXPECT(*(u32 *)(got + 24), *(u32 *)(want + 24));
	compare(want, got, 32, 160, 16, 10, "x87 register lost, offset in the image");
	compare(want, got, 160, 416, 16, 16, "XMM register lost, offset in the image");
}

/* Exits of each level between load and look */
static void many_exits(void)
{
	u32 r[4];

	for (u32 i = 0; i < 20; i++) {
		cpuid(0, 0, r);
		in8(PORT_ECHO);
		*(volatile u32 *)MMIO_GPA = i;
		*(volatile u8 *)(SCRATCH_GPA + i * 4096) = i;
	}
}

void test_fpu_keep(u64 arg)
{
	(void)arg;
	for (u32 i = 0; i < 4; i++) {
		pattern(area[0], 0x11 * i + 5);
		fpu_fxrstor(area[0]);
		many_exits();
		memset(area[1], 0, 512);
		fpu_fxsave(area[1]);
		compare_legacy(area[0], area[1]);
	}
}

static bool enable_avx(void)
{
	u32 r[4];

	cpuid(1, 0, r);
	if (!(r[2] & 1u << 26))
		return false;
	WRITE_CR(4, READ_CR(4) | 1 << 18);
	cpuid(0xd, 0, r);
	if (!(r[0] & 4))
		return false;
	asm volatile("xsetbv" :: "c"(0), "a"(7), "d"(0));
	return true;
}

void test_avx_keep(u64 arg)
{
	(void)arg;
	if (!enable_avx())
		skip("no AVX in CPUID");
	for (u32 i = 0; i < 4; i++) {
		pattern(area[0], 0x1f * i + 9);
		*(u64 *)(area[0] + 512) = 7;
		fpu_xrstor(area[0], 7);
		many_exits();
		memset(area[1], 0, sizeof(area[1]));
		fpu_xsave(area[1], 7);
		compare_legacy(area[0], area[1]);
		compare(area[0], area[1], 576, 832, 16, 16, "upper half of a YMM register lost, offset");
		/* Back in the initial state: XSAVE says so, or zeros are stored */
		*(u64 *)(area[0] + 512) = 3;
		fpu_xrstor(area[0], 7);
		many_exits();
		memset(area[1], 0, sizeof(area[1]));
		fpu_xsave(area[1], 7);
		for (u32 at = 576; at < 832; at++)
			if (area[1][at]) {
				fail_value("upper half of a YMM register is not clean, offset", at);
				break;
			}
	}
}

/* What the first instruction of a VM sees: RESET values only, nothing of the host or another VM */
void test_fpu_clean(u64 arg)
{
	static const u8 zeros[16];

	(void)arg;
	memset(area[1], 0xee, 512);
	fpu_fxsave(area[1]);
	EXPECT(*(u16 *)(area[1] + 2), 0);
	EXPECT(*(u32 *)(area[1] + 24), 0x1f80);
	for (u32 at = 32; at < 160; at += 16)
		if (memcmp(area[1] + at, zeros, 10)) {
			fail_value("x87 register is not clean, offset", at);
			break;
		}
	for (u32 at = 160; at < 416; at += 16)
		if (memcmp(area[1] + at, zeros, 16)) {
			fail_value("XMM register is not clean, offset", at);
			break;
		}
	if (!enable_avx())
		return;
	memset(area[1], 0, sizeof(area[1]));
	fpu_xsave(area[1], 7);
	for (u32 at = 576; at < 832; at++)
		if (area[1][at]) {
			fail_value("YMM register is not clean, offset", at);
			break;
		}
}

/* Two guests alternate: each has its own pattern (arg) over many rounds */
void test_fpu_swap(u64 arg)
{
	bool avx = enable_avx();

	pattern(area[0], arg);
	*(u64 *)(area[0] + 512) = 7;
	if (avx)
		fpu_xrstor(area[0], 7);
	else
		fpu_fxrstor(area[0]);
	for (u32 i = 0; i < 20; i++) {
		out32(PORT_SYNC, i);
		memset(area[1], 0, sizeof(area[1]));
		if (avx)
			fpu_xsave(area[1], 7);
		else
			fpu_fxsave(area[1]);
		compare_legacy(area[0], area[1]);
		if (avx)
			compare(area[0], area[1], 576, 832, 16, 16, "upper half of a YMM register lost, offset");
	}
}
