// SPDX-License-Identifier: GPL-2.0
/* The 8254: counts and outputs of all modes over time. */
#include "../../kmod/irqchip/pit.c"

static struct husk_pit pit;

static void program(int n, u8 mode, u16 count, u64 tick)
{
	husk_pit_write(&pit, 0x43, n << 6 | 0x30 | mode << 1, tick);
	husk_pit_write(&pit, 0x40 + n, count, tick);
	husk_pit_write(&pit, 0x40 + n, count >> 8, tick);
}

static u16 count_at(int n, u64 tick)
{
	u8 low = husk_pit_read(&pit, 0x40 + n, tick);

	return low | husk_pit_read(&pit, 0x40 + n, tick) << 8;
}

/* Does next_rise agree with the output, tick for tick? */
static bool rises_agree(u64 from, u64 to)
{
	u64 tick, rise = husk_pit_next_rise(&pit, 0, from);
	bool was = husk_pit_out(&pit, 0, from), now;

	for (tick = from + 1; tick < to; tick++, was = now) {
		now = husk_pit_out(&pit, 0, tick);
		if (now && !was) {
			if (rise != tick)
				return false;
			rise = husk_pit_next_rise(&pit, 0, tick);
		}
	}
	return rise >= to;
}

static void test_time(void)
{
	u64 tick, step = 1;
	bool ok = husk_pit_ticks(1000000000) == PIT_HZ && husk_pit_ns(PIT_HZ) == 1000000000;

	for (tick = 1; tick < 1ULL << 50; tick += step, step += step / 3 + 1)
		ok &= husk_pit_ticks(husk_pit_ns(tick)) == tick && husk_pit_ticks(husk_pit_ns(tick) - 1) == tick - 1;
	unit_report(ok, "time", "ns and ticks do not agree");
	unit_report(husk_pit_ticks(~0ULL) / PIT_HZ == ~0ULL / 1000000000, "time_far", "overflow");
}

static void test_modes(void)
{
	static const u16 counts[] = { 2, 3, 4, 5, 10, 99 };
	bool ok = true;
	unsigned int i;
	int mode;

	for (mode = 0; mode < 6; mode++) {
		for (i = 0; i < ARRAY_SIZE(counts); i++) {
			husk_pit_reset(&pit);
			program(0, mode, counts[i], 1000);
			ok &= rises_agree(1000, 1500);
		}
	}
	unit_report(ok, "rises", "next_rise and out differ");
}

static void test_one_shot(void)
{
	husk_pit_reset(&pit);
	program(0, 0, 100, 50);
	unit_report(!husk_pit_out(&pit, 0, 149) && husk_pit_out(&pit, 0, 150) && husk_pit_out(&pit, 0, 99999),
		    "mode0_out", "not at the terminal count");
	unit_report(count_at(0, 90) == 60 && count_at(0, 150) == 0 && count_at(0, 151) == 0xffff, "mode0_count", "value");
	husk_pit_write(&pit, 0x40, 7, 200);
	unit_report(!husk_pit_out(&pit, 0, 200) && husk_pit_next_rise(&pit, 0, 200) == PIT_NEVER,
		    "mode0_half_written", "the first byte did not stop it");
	husk_pit_write(&pit, 0x40, 0, 210);
	unit_report(husk_pit_next_rise(&pit, 0, 210) == 217, "mode0_again", "not counting");
	program(0, 4, 10, 300);
	unit_report(husk_pit_out(&pit, 0, 309) && !husk_pit_out(&pit, 0, 310) && husk_pit_out(&pit, 0, 311) &&
		    husk_pit_next_rise(&pit, 0, 311) == PIT_NEVER, "mode4", "strobe");
}

static void test_periodic(void)
{
	husk_pit_reset(&pit);
	program(0, 2, 1000, 0);
	unit_report(count_at(0, 0) == 1000 && count_at(0, 999) == 1 && count_at(0, 1000) == 1000 &&
		    count_at(0, 123456789) == 1000 - 789, "mode2_count", "value");
	husk_pit_write(&pit, 0x40, 200, 2500);
	husk_pit_write(&pit, 0x40, 0, 2500);
	unit_report(husk_pit_next_rise(&pit, 0, 2500) == 3000 && husk_pit_next_rise(&pit, 0, 3000) == 3200,
		    "mode2_new_count", "not from the next cycle on");
	program(0, 3, 10, 5000);
	unit_report(count_at(0, 5000) == 10 && count_at(0, 5004) == 2 && count_at(0, 5005) == 10 &&
		    husk_pit_out(&pit, 0, 5004) && !husk_pit_out(&pit, 0, 5005), "mode3", "square wave");
	program(0, 2, 0, 10000);
	unit_report(husk_pit_next_rise(&pit, 0, 10000) == 10000 + 65536 && count_at(0, 10001) == 65535,
		    "count_0", "not 65536");
}

static void test_gate(void)
{
	husk_pit_reset(&pit);
	program(2, 0, 100, 0);
	unit_report(!husk_pit_out(&pit, 2, 1000) && count_at(2, 1000) == 100, "gate_low", "it counts");
	husk_pit_set_gate(&pit, 2, true, 1000);
	husk_pit_set_gate(&pit, 2, false, 1040);
	unit_report(count_at(2, 5000) == 60, "gate_freeze", "%u", count_at(2, 5000));
	husk_pit_set_gate(&pit, 2, true, 6000);
	unit_report(!husk_pit_out(&pit, 2, 6059) && husk_pit_out(&pit, 2, 6060), "gate_go_on", "lost or gained time");
	program(2, 1, 50, 7000);
	unit_report(husk_pit_out(&pit, 2, 8000), "mode1_waits", "no trigger yet");
	husk_pit_set_gate(&pit, 2, false, 8000);
	husk_pit_set_gate(&pit, 2, true, 8100);
	unit_report(!husk_pit_out(&pit, 2, 8149) && husk_pit_out(&pit, 2, 8150), "mode1", "pulse");
	program(2, 5, 50, 9000);
	husk_pit_set_gate(&pit, 2, false, 9000);
	husk_pit_set_gate(&pit, 2, true, 9100);
	unit_report(husk_pit_out(&pit, 2, 9149) && !husk_pit_out(&pit, 2, 9150) && husk_pit_out(&pit, 2, 9151),
		    "mode5", "strobe");
	program(2, 3, 100, 10000);
	husk_pit_set_gate(&pit, 2, false, 10060);
	unit_report(husk_pit_out(&pit, 2, 10060), "mode3_gate_low", "OUT is low");
	husk_pit_set_gate(&pit, 2, true, 10500);
	unit_report(count_at(2, 10500) == 100, "mode3_gate_reload", "not from the start");
}

static void test_latch(void)
{
	husk_pit_reset(&pit);
	program(0, 2, 1000, 0);
	husk_pit_write(&pit, 0x43, 0x00, 100);
	husk_pit_write(&pit, 0x43, 0x00, 200);
	unit_report(count_at(0, 300) == 900, "latch", "not the first latch");
	unit_report(count_at(0, 300) == 700, "latch_released", "still latched");
	husk_pit_write(&pit, 0x43, 0xc2, 400);	/* read back: status and count of channel 0 */
	unit_report(husk_pit_read(&pit, 0x40, 500) == (0x80 | 0x30 | 2 << 1) && count_at(0, 500) == 600,
		    "read_back", "status or count");
	program(1, 7, 500, 0);
	husk_pit_write(&pit, 0x43, 0xe4, 0);
	unit_report(husk_pit_read(&pit, 0x41, 0) == (0x80 | 0x30 | 3 << 1), "mode_alias", "7 is not 3");
	husk_pit_write(&pit, 0x43, 0x70, 0);
	husk_pit_write(&pit, 0x43, 0xe4, 0);
	unit_report(husk_pit_read(&pit, 0x41, 0) & 0x40, "null_count", "a count before one was written");
	husk_pit_write(&pit, 0x43, 0x10, 0);
	husk_pit_write(&pit, 0x40, 0x34, 0);
	unit_report(husk_pit_read(&pit, 0x40, 0) == 0x34 && husk_pit_read(&pit, 0x40, 4) == 0x30, "low_only", "access 1");
	husk_pit_write(&pit, 0x43, 0x20, 0);
	husk_pit_write(&pit, 0x40, 0x12, 0);
	unit_report(husk_pit_read(&pit, 0x40, 0) == 0x12 && husk_pit_read(&pit, 0x40, 1) == 0x11, "high_only", "access 2");
}

static void test_bcd(void)
{
	husk_pit_reset(&pit);
	husk_pit_write(&pit, 0x43, 0x35, 0);
	husk_pit_write(&pit, 0x40, 0x34, 0);
	husk_pit_write(&pit, 0x40, 0x12, 0);
	unit_report(count_at(0, 0) == 0x1234 && count_at(0, 5) == 0x1229 && count_at(0, 1234) == 0x1234, "bcd", "digits");
	husk_pit_write(&pit, 0x43, 0x35, 0);
	husk_pit_write(&pit, 0x40, 0, 0);
	husk_pit_write(&pit, 0x40, 0, 0);
	unit_report(husk_pit_next_rise(&pit, 0, 0) == 10000 && count_at(0, 1) == 0x9999, "bcd_0", "not 10000");
}

static void test_random(void)
{
	u32 seed = 1, i;
	bool ok = true;
	u64 tick = 0, rise;

	husk_pit_reset(&pit);
	for (i = 0; i < 1000000; i++) {
		seed = seed * 1664525 + 1013904223;
		tick += seed >> 12 & 0xff;
		switch (seed >> 30) {
		case 0:
			husk_pit_read(&pit, 0x40 + (seed >> 8 & 3), tick);
			break;
		case 1:
			husk_pit_set_gate(&pit, 2, seed >> 8 & 1, tick);
			break;
		default:
			husk_pit_write(&pit, 0x40 + (seed >> 8 & 3), seed >> 20, tick);
		}
		rise = husk_pit_next_rise(&pit, 0, tick);
		ok &= rise > tick;
		husk_pit_out(&pit, 2, tick);
	}
	unit_report(ok, "random", "an edge that is not after now");
}

int main(void)
{
	test_time();
	test_modes();
	test_one_shot();
	test_periodic();
	test_gate();
	test_latch();
	test_bcd();
	test_random();
	return unit_done();
}
