// SPDX-License-Identifier: GPL-2.0
/* The real-time clock over a time that the test moves: its registers and its three interrupts. */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "worker/rtc.h"

#define SECOND	1000000000LL

/* 2026-11-21 23:59:57.25 UTC, a Saturday */
#define START	1795305597250000000LL

static struct rtc rtc;
static int64_t realtime, monotonic, timer_at;
static unsigned int rises, timers;
static bool line;

static int64_t get_realtime(void *ctx) { (void)ctx; return realtime; }
static int64_t get_monotonic(void *ctx) { (void)ctx; return monotonic; }

static void irq(void *ctx, bool level)
{
	(void)ctx;
	rises += level && !line;
	line = level;
}

static void timer(void *ctx, int64_t delay)
{
	(void)ctx;
	timer_at = delay ? monotonic + delay : 0;
}

static const struct rtc_ops ops = { get_realtime, get_monotonic, irq, timer };

static void setup(void)
{
	realtime = START;
	monotonic = 5 * SECOND;
	rises = timers = 0;
	line = false;
	rtc_init(&rtc, &ops, NULL);
}

/* As the event loop does it */
static void sleep_ns(int64_t ns)
{
	int64_t end = monotonic + ns;

	while (timer_at && timer_at <= end) {
		realtime += timer_at - monotonic;
		monotonic = timer_at;
		timer_at = 0;
		timers++;
		rtc_timer(&rtc);
	}
	realtime += end - monotonic;
	monotonic = end;
}

static uint8_t get(uint8_t index)
{
	rtc_write(&rtc, 0, index);
	return rtc_read(&rtc, 1);
}

static void set(uint8_t index, uint8_t value)
{
	rtc_write(&rtc, 0, index);
	rtc_write(&rtc, 1, value);
}

static void test_time(void)
{
	setup();
	check("time", get(0) == 0x57 && get(2) == 0x59 && get(4) == 0x23 && get(6) == 7 && get(7) == 0x21 && get(8) == 0x11 &&
	      get(9) == 0x26 && get(0x32) == 0x20);
	check("valid", get(13) == 0x80 && get(10) == 0x26 && get(11) == 0x02);
	sleep_ns(SECOND * 3);
	check("midnight", get(0) == 0 && get(2) == 0 && get(4) == 0 && get(6) == 1 && get(7) == 0x22);
	sleep_ns(SECOND * 3 / 4 - 100000);
	check("uip", get(10) == 0xa6);
	set(11, 0x82);
	set(4, 0x11);
	sleep_ns(5 * SECOND);
	check("set_stops", get(4) == 0x11 && get(0) == 0);
	set(11, 0x02);
	sleep_ns(2 * SECOND);
	check("set_goes_on", get(4) == 0x11 && get(0) == 0x02);
	set(11, 0x04);
	check("binary_12h", get(4) == 11 && get(0) == 2);
	set(4, 0x81);
	set(11, 0x02);
	check("pm", get(4) == 0x13);
	set(0x70, 0xa5);
	check("memory", get(0x70) == 0xa5 && get(13) == 0x80);
}

static void test_periodic(void)
{
	setup();
	check("quiet", !timer_at);
	sleep_ns(SECOND / 100);
	check("flag_alone", get(12) == 0x40 && !line && get(12) == 0);
	set(10, 0x26);
	set(11, 0x42);			/* 1024 Hz */
	sleep_ns(2000000);
	check("periodic", line && rises == 1);
	sleep_ns(SECOND);
	check("not_read", rises == 1 && timers == 1);
	check("periodic_flag", get(12) == 0xd0 && !line);	/* a second has passed, too */
	for (int i = 0; i < 100; i++) {
		sleep_ns(976563);
		get(12);
	}
	check("rate_1024", rises >= 100 && rises <= 102);
	set(10, 0x2f);
	get(12);
	rises = 0;
	for (int i = 0; i < 40; i++) {
		sleep_ns(SECOND / 10);
		get(12);
	}
	check("rate_2", rises == 8);
	set(10, 0x23);			/* 8192 Hz, the fastest */
	get(12);
	rises = 0;
	for (int i = 0; i < 1000; i++) {
		sleep_ns(122071);
		get(12);
	}
	check("rate_8192", rises >= 999 && rises <= 1001);
	set(10, 0x21);			/* 256 Hz */
	get(12);
	rises = 0;
	sleep_ns(SECOND / 256 - 1000);
	check("rate_256_not_yet", !rises);
	sleep_ns(2000);
	check("rate_256", rises == 1);
	get(12);
	set(10, 0x22);			/* 128 Hz */
	sleep_ns(SECOND / 128 - 1000);
	check("rate_128_not_yet", rises == 1);
	sleep_ns(2000);
	check("rate_128", rises == 2);
	get(12);
	rises = 1;
	set(10, 0x20);
	sleep_ns(SECOND);
	check("rate_0", rises == 1);
	set(10, 0x76);			/* the divider is held */
	sleep_ns(SECOND);
	check("divider_stopped", rises == 1 && get(12) == 0x10);	/* the update of the second before */
	set(10, 0x26);
	sleep_ns(SECOND / 1024 + 1000);
	check("divider_runs", rises == 2);
	set(11, 0x02);
	check("disabled", !line && (get(12) & 0xc0) == 0x40);
}

static void test_update(void)
{
	setup();
	get(12);
	set(11, 0x12);
	sleep_ns(SECOND * 3 / 4 - 1000);
	check("update_not_yet", !line);
	sleep_ns(2000);
	check("update", line && (get(12) & 0x90) == 0x90 && get(0) == 0x58 && !line);
	sleep_ns(SECOND - 10000);
	check("update_once", !line);
	sleep_ns(20000);
	check("update_again", line);
	set(11, 0x92);
	check("set_clears_uie", !line && get(11) == 0x82);
	sleep_ns(3 * SECOND);
	check("set_no_update", !timer_at && !line);
	get(12);
	sleep_ns(3 * SECOND);
	check("set_no_flag", !(get(12) & 0x10));
}

static void test_alarm(void)
{
	setup();
	set(1, 0x02);
	set(3, 0x00);
	set(5, 0x00);
	set(11, 0x22);
	sleep_ns(SECOND * 4);
	check("alarm_not_yet", !line);
	sleep_ns(SECOND);
	check("alarm", line && get(12) == 0xf0 && get(0) == 0x02);
	sleep_ns(SECOND * 86399);
	check("alarm_day_not_yet", !line && timers == 1);
	sleep_ns(2 * SECOND);
	check("alarm_daily", line && rises == 2);
	get(12);
	set(1, 0xff);			/* each second of a minute */
	set(3, 0x05);
	set(5, 0xc0);
	rises = 0;
	for (int i = 0; i < 3600 * 4; i++) {
		sleep_ns(SECOND / 2);
		get(12);
	}
	check("alarm_any", rises == 2 * 60);
	set(5, 0x77);			/* no such hour */
	check("alarm_never", !timer_at);
	set(11, 0x20);			/* 12 hours */
	set(1, 0);
	set(3, 0);
	set(5, 0x92);			/* 12 PM is noon: in less than ten hours */
	sleep_ns(SECOND * 3600 * 9);
	check("alarm_noon_not_yet", !line);
	sleep_ns(SECOND * 3600);
	check("alarm_noon", line);
	get(12);
	set(5, 0x81);			/* and an hour later it is 1 PM */
	sleep_ns(SECOND * 3600);
	check("alarm_pm", line);
	sleep_ns(SECOND * 3600 * 13);
	get(12);
	set(11, 0x22);
	set(5, 0x12);
	realtime -= 7200 * SECOND;	/* the host's clock is set back */
	rtc_timer(&rtc);
	check("set_back", !line && timer_at);
	sleep_ns(86400 * SECOND);
	check("set_back_alarm", line);
}

/* A guest that writes what it likes */
static void test_random(void)
{
	uint32_t seed = 1;
	bool good = true;

	setup();
	for (int i = 0; i < 1000000; i++) {
		uint8_t flags, enabled;

		seed = seed * 1664525 + 1013904223;
		set(seed >> 28 & 15, seed >> 16);
		if (seed & 0x80)
			sleep_ns(seed & 0x40 ? seed >> 8 : seed >> 20);
		if (seed & 0x300)
			continue;
		enabled = get(11);
		rtc_write(&rtc, 0, 12);
		flags = rtc_read(&rtc, 1);
		good &= (flags >> 7) == !!(flags & enabled & 0x70) && !line;
	}
	check("random", good);
}

int main(void)
{
	test_time();
	test_periodic();
	test_update();
	test_alarm();
	test_random();
	printf("# rtc: %d passed, %d failed\n", passed, failed);
	return failed ? 1 : 0;
}
