// SPDX-License-Identifier: GPL-2.0
/* The paravirtual clock's factor: as many bits as it can have, and right over years. */
#include "../../kmod/pv/pvclock_math.h"

static u32 wrong(u64 hz)
{
	u64 year = 365ULL * 86400, ns, want, off;
	u32 mul, bad = 0;
	s8 shift;

	pvclock_scale(hz, &mul, &shift);
	bad += pvclock_ns(0, mul, shift) != 0;
	/* a second to a microsecond; a year to a second, as far as ticks to the left have room */
	ns = pvclock_ns(hz, mul, shift);
	bad += ns > PVCLOCK_NS || ns < PVCLOCK_NS - 1000;
	if (shift <= 0 || hz * year >> (64 - shift) == 0) {
		ns = pvclock_ns(hz * year, mul, shift);
		want = PVCLOCK_NS * year;
		off = want - ns;
		bad += ns > want || off > PVCLOCK_NS;
	}
	return bad;
}

int main(void)
{
	static const u64 odd[] = {
		1000, 32768, 999999, 999999999, 1000000000, 1000000001, 1193182, 2594352000, 2999999999, 3000000000,
		3999999999, 4000000000, 4000000001, 4294967295, 4294967296, 5800000000,
	};
	u32 i, bad = 0;
	u64 hz;

	for (i = 0; i < ARRAY_SIZE(odd); i++)
		bad += wrong(odd[i]);
	for (hz = 1000; hz < 10000000000; hz += hz / 97 + 1)
		bad += wrong(hz);
	unit_report(!bad, "pvclock-scale", "%u wrong", bad);
	for (hz = 1000000, bad = 0; hz < 10000000000; hz += 12345678) {
		u32 mul;
		s8 shift;

		pvclock_scale(hz, &mul, &shift);
		bad += !(mul >> 31) && shift > -2;
	}
	unit_report(!bad, "pvclock-precision", "%u factors could have had more bits", bad);
	unit_report(!pvclock_back(0, 5, 10) && !pvclock_back(5, 5, 10) && !pvclock_back(100, 90, 10) && pvclock_back(100, 89, 10) == 11 &&
		    pvclock_back(~0ULL, 7, 10) == ~0ULL - 7 && !pvclock_back(7, ~0ULL, 10), "pvclock-back", "wrong");
	return unit_done();
}
