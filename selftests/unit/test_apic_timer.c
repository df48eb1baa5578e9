// SPDX-License-Identifier: GPL-2.0
/* Local APIC without its state: timer arithmetic, priorities, destinations. */
#include "../../kmod/irqchip/apic_math.h"
#include "../../kmod/irqchip/apic_timer.h"

#define GHZ(n)	((u64)(n) * 1000000)	/* in kHz */

static bool near(u64 a, u64 b, u64 slack)
{
	return a > b ? a - b <= slack : b - a <= slack;
}

static void test_scale(void)
{
	static const u64 khz[] = { 1000, 999999, 1000000, 2399998, 2500000, 5000000, 9999999 };
	u64 value, ns, back;
	unsigned int i, bit;
	bool ok = true;

	for (i = 0; i < ARRAY_SIZE(khz); i++) {
		u64 to_ns = apic_ratio(1000000, khz[i]), to_tsc = apic_ratio(khz[i], 1000000);

		for (bit = 0; bit < 50; bit++) {
			value = (1ULL << bit) + bit;
			ns = apic_scale(value, to_tsc);
			/* rounds down by the ratio's last bit and the result's */
			ok &= near(ns, (unsigned __int128)value * khz[i] / 1000000, (value >> 32) + 2);
			back = apic_scale(ns, to_ns);
			ok &= near(back, value, (value >> 20) + 1000000 / khz[i] + 2);
		}
	}
	unit_report(ok, "scale_exact", "a ratio is off");
	unit_report(apic_scale(~0ULL, apic_ratio(1000000, 1000)) == ~0ULL, "scale_saturates", "it wrapped");
	unit_report(apic_scale(~0ULL, apic_ratio(1, 1)) == ~0ULL, "scale_identity", "1:1 changed the value");
}

static void test_divide(void)
{
	static const u8 want[16] = { 1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 7, 0, 5, 6, 7, 0 };
	bool ok = true;
	u32 dcr;

	for (dcr = 0; dcr < 16; dcr++)
		ok &= apic_divide_shift(dcr) == want[dcr];
	unit_report(ok, "divide", "a divider is wrong");
}

static void test_deadline(void)
{
	u64 to_ns = apic_ratio(1000000, GHZ(2));

	unit_report(apic_timer_arm_ns(4000000, to_ns) == 2000000, "deadline_ns", "4M ticks of 2 GHz");
	unit_report(apic_timer_arm_ns(1, to_ns) == APIC_TIMER_MIN_ARM_NS, "deadline_near", "not the least time");
	unit_report(apic_timer_arm_ns(~0ULL, to_ns) == APIC_TIMER_MAX_ARM_NS, "deadline_far", "not bounded");
	unit_report(apic_timer_expired(5, 5, true) && !apic_timer_expired(6, 5, true) &&
		    !apic_timer_expired(~0ULL, 5, true), "deadline_expired", "not an unsigned compare");
	unit_report(apic_timer_expired(5, 5, false) && !apic_timer_expired(6, 5, false) &&
		    apic_timer_expired(~0ULL, 5, false) && !apic_timer_expired(5, ~0ULL, false),
		    "count_expired", "it stops when the TSC wraps");
	unit_report(apic_timer_after(~0ULL - 5, 10) == 4 && apic_timer_after(~0ULL, 1) == 1,
		    "expiry_never_0", "0 means none");
}

static void test_stay(void)
{
	unit_report(apic_timer_deadline(7000, 5000, 1000) == 6000, "stay_host_tsc", "not in the host's TSC");
	unit_report(apic_timer_deadline(~0ULL, 5000, 1000) == 4000 + APIC_TIMER_MAX_STAY, "stay_bound", "too far to count");
	unit_report(apic_timer_deadline(5, ~0ULL - 4, 0) == 5, "stay_wrap", "it stops when the TSC wraps");
	unit_report(apic_timer_deadline(1000, 900, 1000) == 1, "stay_never_0", "0 means none");
}

static void test_count(void)
{
	u64 to_ns = apic_ratio(1000000, GHZ(3)), to_tsc = apic_ratio(GHZ(3), 1000000);
	u64 period = apic_timer_period(1000000, 4, to_tsc, false);

	unit_report(near(period, 48000000, 1), "period", "%llu", (unsigned long long)period);
	unit_report(apic_timer_count(period, to_ns, 4, 1000000) == 1000000, "count_at_start", "not the initial count");
	unit_report(near(apic_timer_count(period / 2, to_ns, 4, 1000000), 500000, 1), "count_half", "not half of it");
	unit_report(apic_timer_count(1, to_ns, 4, 1000000) == 1, "count_end", "0 before the expiry");
	unit_report(apic_timer_period(1, 0, to_tsc, true) == apic_scale(APIC_TIMER_MIN_PERIOD_NS, to_tsc) &&
		    apic_timer_period(1, 0, to_tsc, false) == apic_scale(1, to_tsc),
		    "period_bound", "a periodic timer may be too fast");
	unit_report(apic_timer_period(1, 0, apic_ratio(1000, 1000000), false) == 1, "period_not_0", "it is 0");
	unit_report(near(apic_timer_period(~0U, 7, to_tsc, false), 3ULL * 128 * 0xffffffff, 1000), "period_longest",
		    "overflow");
}

static void test_catch_up(void)
{
	unit_report(apic_timer_next(1000, 100, 1000) == 1100, "next_on_time", "not one period on");
	unit_report(apic_timer_next(1000, 100, 1099) == 1100 && apic_timer_next(1000, 100, 1100) == 1200,
		    "next_late", "phase lost or not after now");
	unit_report(apic_timer_next(1000, 100, 1000000050) == 1000000100, "next_very_late", "not a single jump");
	unit_report(apic_timer_next(~0ULL - 49, 100, ~0ULL) == 50 && apic_timer_next(~0ULL - 49, 100, 60) == 150,
		    "next_at_wrap", "phase lost");
}

static void test_vectors(void)
{
	unsigned long map[APIC_WORDS] = { 0 };
	bool ok = apic_highest(map) == -1;
	int v;

	for (v = 0; v < 256; v++) {
		map[v / 64] |= 1UL << v % 64;
		ok &= apic_highest(map) == v;
	}
	for (v = 255; v > 0; v--) {
		map[v / 64] &= ~(1UL << v % 64);
		ok &= apic_highest(map) == v - 1;
	}
	unit_report(ok, "highest_vector", "wrong at some vector");
	unit_report(apic_ppr(0x25, -1) == 0x25 && apic_ppr(0x25, 0x31) == 0x30 && apic_ppr(0x35, 0x31) == 0x35 &&
		    apic_ppr(0x45, 0x31) == 0x45, "ppr", "not by SDM 3A 11.8.3.1");
	unit_report(!apic_deliverable(-1, 0) && !apic_deliverable(0x3f, 0x30) && apic_deliverable(0x40, 0x3f) &&
		    !apic_deliverable(0xff, 0xf0) && apic_deliverable(0x10, 0x0f), "deliverable", "class compare is wrong");
}

static void test_destinations(void)
{
	struct apic_target flat = { .id = 3, .ldr = 0x08000000, .dfr = 0xffffffff };
	struct apic_target cluster = { .id = 3, .ldr = 0x24000000, .dfr = 0x0fffffff };
	struct apic_target x2 = { .id = 0x25, .ldr = apic_x2_ldr(0x25), .dfr = 0xffffffff, .x2apic = true };

	unit_report(apic_match(&flat, 3, false, false) && !apic_match(&flat, 2, false, false) &&
		    apic_match(&flat, 0xff, false, false) && !apic_match(&flat, 0xff, false, true) &&
		    apic_match(&flat, 0xffffffff, false, true), "physical", "id or broadcast");
	unit_report(apic_match(&flat, 0x0c, true, false) && !apic_match(&flat, 0x07, true, false) &&
		    apic_match(&flat, 0xff, true, false) && !apic_match(&flat, 0, true, false), "logical_flat", "mask");
	unit_report(apic_match(&cluster, 0x24, true, false) && apic_match(&cluster, 0x2f, true, false) &&
		    !apic_match(&cluster, 0x2b, true, false) && !apic_match(&cluster, 0x34, true, false) &&
		    apic_match(&cluster, 0xff, true, false), "logical_cluster", "cluster or mask");
	cluster.dfr = 0x5fffffff;
	unit_report(!apic_match(&cluster, 0x24, true, false), "logical_bad_dfr", "a model that is not there matched");
	unit_report(apic_x2_ldr(0x25) == 0x00020020 && apic_match(&x2, 0x00020020, true, true) &&
		    apic_match(&x2, 0x0002ffff, true, true) && !apic_match(&x2, 0x00030020, true, true) &&
		    !apic_match(&x2, 0x0002ffdf, true, true) && apic_match(&x2, 0xffffffff, true, true) &&
		    apic_match(&x2, 0xff, true, false), "logical_x2apic", "cluster, mask or broadcast");
	unit_report(!apic_match(&flat, 0x108, true, true), "logical_mixed", "a wide mask matched an xAPIC");
}

int main(void)
{
	test_scale();
	test_divide();
	test_deadline();
	test_stay();
	test_count();
	test_catch_up();
	test_vectors();
	test_destinations();
	return unit_done();
}
