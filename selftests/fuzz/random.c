// SPDX-License-Identifier: GPL-2.0
/* Random numbers, those at which code is wrong more often. */
#include "fuzz.h"

struct fuzz_random fuzz_random;

/* xorshift64*: the same everywhere */
uint32_t any(void)
{
	fuzz_random.state ^= fuzz_random.state >> 12;
	fuzz_random.state ^= fuzz_random.state << 25;
	fuzz_random.state ^= fuzz_random.state >> 27;
	return fuzz_random.state * 0x2545f4914f6cdd1dULL >> 32;
}

uint32_t below(uint32_t n)
{
	return (uint64_t)any() * n >> 32;
}

bool chance(uint32_t percent)
{
	return below(100) < percent;
}

/* Values at which code is wrong, if it is */
uint32_t value(void)
{
	static const uint32_t edges[] = {
		0, 1, 2, 3, 4, 7, 8, 0x0f, 0x10, 0x7f, 0x80, 0xff, 0x100, 0xfff, 0x1000, 0x7fff, 0x8000, 0xffff, 0x10000,
		0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff, 0xfee00000, 0xfec00000, 0xc0000000, 0xe0000000, 0xfffff000,
	};

	switch (below(4)) {
	case 0:
		return edges[below(sizeof(edges) / sizeof(*edges))];
	case 1:
		return 1U << below(32);
	case 2:
		return below(256);
	default:
		return any();
	}
}

/* An address for a device to read and write: ring memory, or with "end" anything */
uint32_t dma(void)
{
	if (fuzz_random.end && chance(10))
		return value();
	return RING_BASE + (below(RING_SIZE) & ~(chance(80) ? 4095U : 0));
}
