// SPDX-License-Identifier: GPL-2.0
/* The real-time clock: the host's UTC plus what the guest set. */
#include <string.h>
#include <time.h>

#include "worker/platform.h"
#include "worker/rtc.h"

enum { SECONDS = 0, MINUTES = 2, HOURS = 4, WEEKDAY = 6, DAY = 7, MONTH = 8, YEAR = 9,
       REG_A = 10, REG_B = 11, REG_C = 12, REG_D = 13 };

#define A_UIP		0x80	/* an update is near: do not read now */
#define B_SET		0x80	/* the clock is being set */
#define B_BINARY	0x04
#define B_24H		0x02
#define B_INTERRUPTS	0x78
#define D_VALID		0x80
#define UPDATE_NS	244000	/* how long before the update UIP is on */

static const uint8_t time_regs[] = { SECONDS, MINUTES, HOURS, WEEKDAY, DAY, MONTH, YEAR, RTC_CENTURY };

static int is_time(uint8_t index)
{
	return memchr(time_regs, index, sizeof(time_regs)) != NULL;
}

static uint8_t encode(const struct rtc *rtc, int value)
{
	return rtc->ram[REG_B] & B_BINARY ? value : (value / 10 % 10) << 4 | value % 10;
}

static int decode(const struct rtc *rtc, uint8_t value)
{
	return rtc->ram[REG_B] & B_BINARY ? value : (value >> 4) * 10 + (value & 0xf);
}

static void clock_to_ram(struct rtc *rtc)
{
	time_t now = time(NULL) + rtc->offset;
	struct tm tm;
	int hour, pm = 0;

	gmtime_r(&now, &tm);
	hour = tm.tm_hour;
	if (!(rtc->ram[REG_B] & B_24H)) {
		pm = hour >= 12 ? 0x80 : 0;
		hour = hour % 12 ? hour % 12 : 12;
	}
	rtc->ram[SECONDS] = encode(rtc, tm.tm_sec);
	rtc->ram[MINUTES] = encode(rtc, tm.tm_min);
	rtc->ram[HOURS] = encode(rtc, hour) | pm;
	rtc->ram[WEEKDAY] = encode(rtc, tm.tm_wday + 1);
	rtc->ram[DAY] = encode(rtc, tm.tm_mday);
	rtc->ram[MONTH] = encode(rtc, tm.tm_mon + 1);
	rtc->ram[YEAR] = encode(rtc, tm.tm_year % 100);
	rtc->ram[RTC_CENTURY] = encode(rtc, 19 + tm.tm_year / 100);
}

static void ram_to_clock(struct rtc *rtc)
{
	struct tm tm = {
		.tm_sec = decode(rtc, rtc->ram[SECONDS]),
		.tm_min = decode(rtc, rtc->ram[MINUTES]),
		.tm_hour = decode(rtc, rtc->ram[HOURS] & 0x7f),
		.tm_mday = decode(rtc, rtc->ram[DAY]),
		.tm_mon = decode(rtc, rtc->ram[MONTH]) - 1,
		.tm_year = decode(rtc, rtc->ram[YEAR]) + decode(rtc, rtc->ram[RTC_CENTURY]) * 100 - 1900,
	};

	if (!(rtc->ram[REG_B] & B_24H))
		tm.tm_hour = tm.tm_hour % 12 + (rtc->ram[HOURS] & 0x80 ? 12 : 0);
	rtc->offset = timegm(&tm) - time(NULL);
}

static uint8_t read_a(const struct rtc *rtc)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return rtc->ram[REG_A] | (now.tv_nsec >= 1000000000 - UPDATE_NS ? A_UIP : 0);
}

uint8_t rtc_read(struct rtc *rtc, unsigned int port)
{
	if (!port)
		return 0xff;	/* the index is write-only */
	if (rtc->index == REG_A)
		return read_a(rtc);
	if (is_time(rtc->index) && !(rtc->ram[REG_B] & B_SET))
		clock_to_ram(rtc);
	return rtc->ram[rtc->index];
}

static void write_b(struct rtc *rtc, uint8_t value)
{
	uint8_t old = rtc->ram[REG_B];

	if (value & ~old & B_SET)
		clock_to_ram(rtc);
	rtc->ram[REG_B] = value & ~B_INTERRUPTS;
	if (old & ~value & B_SET)
		ram_to_clock(rtc);
}

void rtc_write(struct rtc *rtc, unsigned int port, uint8_t value)
{
	int set_now;

	if (!port) {
		rtc->index = value & 0x7f;	/* bit 7 masks the NMI on old boards */
		return;
	}
	switch (rtc->index) {
	case REG_A:
		rtc->ram[REG_A] = value & ~A_UIP;
		break;
	case REG_B:
		write_b(rtc, value);
		break;
	case REG_C:
	case REG_D:
		break;
	default:
		set_now = is_time(rtc->index) && !(rtc->ram[REG_B] & B_SET);
		if (set_now)
			clock_to_ram(rtc);
		rtc->ram[rtc->index] = value;
		if (set_now)
			ram_to_clock(rtc);
	}
}

void rtc_init(struct rtc *rtc)
{
	memset(rtc, 0, sizeof(*rtc));
	rtc->ram[REG_A] = 0x26;		/* 32768 Hz, the rate a BIOS leaves */
	rtc->ram[REG_B] = B_24H;
	rtc->ram[REG_D] = D_VALID;
}
