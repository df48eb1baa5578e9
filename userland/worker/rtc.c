// SPDX-License-Identifier: GPL-2.0
/* The real-time clock: the host's UTC plus what the guest set (Motorola MC146818A data sheet). */
#include <string.h>
#include <time.h>

#include "worker/platform.h"
#include "worker/rtc.h"

enum { SECONDS = 0, SECONDS_ALARM = 1, MINUTES = 2, MINUTES_ALARM = 3, HOURS = 4, HOURS_ALARM = 5,
       WEEKDAY = 6, DAY = 7, MONTH = 8, YEAR = 9,
       REG_A = 10, REG_B = 11, REG_C = 12, REG_D = 13 };

#define A_UIP		0x80	/* an update is near: do not read now */
#define A_DIVIDER	0x70	/* 010: it runs, by 32768 Hz */
#define A_RUNS		0x20
#define A_RATE		0x0f
#define B_SET		0x80	/* the clock is being set */
#define B_BINARY	0x04
#define B_24H		0x02
#define B_PERIODIC	0x40	/* these three as in register C */
#define B_ALARM		0x20
#define B_UPDATE	0x10
#define B_INTERRUPTS	(B_PERIODIC | B_ALARM | B_UPDATE)
#define C_IRQF		0x80
#define D_VALID		0x80
#define UPDATE_NS	244000	/* how long before the update UIP is on */
#define SECOND_NS	1000000000LL
#define DAY_SECONDS	86400
#define ALARM_ANY	0xc0	/* from here on an alarm register does not count */
#define CRYSTAL_HZ	32768

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

static int64_t utc(const struct rtc *rtc)
{
	return rtc->ops->realtime(rtc->ctx) / SECOND_NS;
}

static void clock_to_ram(struct rtc *rtc)
{
	time_t now = utc(rtc) + rtc->offset;
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
	rtc->offset = timegm(&tm) - utc(rtc);
	rtc->second = utc(rtc) + rtc->offset;	/* no update ended by that */
}

static uint8_t read_a(const struct rtc *rtc)
{
	int64_t in_second = rtc->ops->realtime(rtc->ctx) % SECOND_NS;

	return rtc->ram[REG_A] | (in_second >= SECOND_NS - UPDATE_NS ? A_UIP : 0);
}

/* ---- events ---- */

static bool divider_runs(const struct rtc *rtc)
{
	return (rtc->ram[REG_A] & A_DIVIDER) == A_RUNS;
}

static bool updates(const struct rtc *rtc)
{
	return divider_runs(rtc) && !(rtc->ram[REG_B] & B_SET);
}

/* Crystal ticks of a period, 0: none. Rates 1 and 2 are those of 8 and 9. */
static unsigned int period(const struct rtc *rtc)
{
	unsigned int rate = rtc->ram[REG_A] & A_RATE;

	if (!rate || !divider_runs(rtc))
		return 0;
	return 1U << (rate < 3 ? rate + 6 : rate - 1);
}

static int64_t ticks_at(const struct rtc *rtc, int64_t now)
{
	int64_t passed = now - rtc->epoch;

	return (passed / SECOND_NS * CRYSTAL_HZ + passed % SECOND_NS * CRYSTAL_HZ / SECOND_NS) / period(rtc);
}

/* Nanoseconds from the epoch to the end of a period, rounded up */
static int64_t ticks_end(const struct rtc *rtc, int64_t ticks)
{
	int64_t crystal = ticks * period(rtc);

	return crystal / CRYSTAL_HZ * SECOND_NS + (crystal % CRYSTAL_HZ * SECOND_NS + CRYSTAL_HZ - 1) / CRYSTAL_HZ;
}

static bool alarm_fits(const struct rtc *rtc, unsigned int reg, int value)
{
	uint8_t alarm = rtc->ram[reg];

	if (alarm >= ALARM_ANY)
		return true;
	if (reg != HOURS_ALARM || (rtc->ram[REG_B] & B_24H))
		return decode(rtc, alarm) == value;
	return decode(rtc, alarm & 0x7f) % 12 + (alarm & 0x80 ? 12 : 0) == value;
}

/* The first second after this one at which the alarm goes off, or 0: within a day there is none */
static int64_t next_alarm(const struct rtc *rtc, int64_t second)
{
	int64_t end = second + DAY_SECONDS;

	for (second++; second <= end;) {
		int64_t of_day = (second % DAY_SECONDS + DAY_SECONDS) % DAY_SECONDS;

		if (!alarm_fits(rtc, HOURS_ALARM, of_day / 3600))
			second += 3600 - of_day % 3600;
		else if (!alarm_fits(rtc, MINUTES_ALARM, of_day / 60 % 60))
			second += 60 - of_day % 60;
		else if (!alarm_fits(rtc, SECONDS_ALARM, of_day % 60))
			second++;
		else
			return second;
	}
	return 0;
}

/* Flags of what has come to pass since the last look. The host's clock may have been set back. */
static void settle(struct rtc *rtc)
{
	int64_t second = utc(rtc) + rtc->offset;

	if (period(rtc)) {
		int64_t ticks = ticks_at(rtc, rtc->ops->monotonic(rtc->ctx));

		if (ticks > rtc->ticks)
			rtc->ram[REG_C] |= B_PERIODIC;
		rtc->ticks = ticks;
	}
	if (updates(rtc) && second > rtc->second) {
		int64_t alarm = next_alarm(rtc, rtc->second);

		rtc->ram[REG_C] |= B_UPDATE;
		if (alarm && alarm <= second)
			rtc->ram[REG_C] |= B_ALARM;
	}
	rtc->second = second;
}

static void sooner(int64_t *delay, int64_t other)
{
	if (other < 1)
		other = 1;
	if (!*delay || other < *delay)
		*delay = other;
}

/* After settle(): wait for what would raise the line; if it is raised, for nobody */
static void set_timer(struct rtc *rtc)
{
	uint8_t wanted = rtc->irq_level ? 0 : rtc->ram[REG_B];
	int64_t delay = 0, now = rtc->ops->realtime(rtc->ctx), alarm = 0;

	if ((wanted & B_PERIODIC) && period(rtc))
		sooner(&delay, rtc->epoch + ticks_end(rtc, rtc->ticks + 1) - rtc->ops->monotonic(rtc->ctx));
	if ((wanted & B_UPDATE) && updates(rtc))
		sooner(&delay, SECOND_NS - now % SECOND_NS);
	if ((wanted & B_ALARM) && updates(rtc))
		alarm = next_alarm(rtc, rtc->second);
	if (alarm)
		sooner(&delay, (alarm - rtc->offset) * SECOND_NS - now);
	rtc->ops->timer(rtc->ctx, delay);
}

static void update_irq(struct rtc *rtc)
{
	bool level = rtc->ram[REG_C] & rtc->ram[REG_B] & B_INTERRUPTS;

	if (level != rtc->irq_level) {
		rtc->irq_level = level;
		rtc->ops->irq(rtc->ctx, level);
	}
	set_timer(rtc);
}

void rtc_timer(struct rtc *rtc)
{
	settle(rtc);
	update_irq(rtc);
}

/* ---- registers ---- */

/* A read ends the interrupt. */
static uint8_t read_c(struct rtc *rtc)
{
	uint8_t value;

	settle(rtc);
	value = rtc->ram[REG_C] | (rtc->ram[REG_C] & rtc->ram[REG_B] & B_INTERRUPTS ? C_IRQF : 0);
	rtc->ram[REG_C] = 0;
	update_irq(rtc);
	return value;
}

uint8_t rtc_read(struct rtc *rtc, unsigned int port)
{
	if (!port)
		return 0xff;	/* the index is write-only */
	if (rtc->index == REG_A)
		return read_a(rtc);
	if (rtc->index == REG_C)
		return read_c(rtc);
	if (is_time(rtc->index) && !(rtc->ram[REG_B] & B_SET))
		clock_to_ram(rtc);
	return rtc->ram[rtc->index];
}

/* Another rate, or a divider that starts, begins a period. */
static void write_a(struct rtc *rtc, uint8_t value)
{
	uint8_t old = rtc->ram[REG_A];

	rtc->ram[REG_A] = value & ~A_UIP;
	if ((old ^ value) & (A_DIVIDER | A_RATE)) {
		rtc->epoch = rtc->ops->monotonic(rtc->ctx);
		rtc->ticks = 0;
	}
}

/* The SET bit ends the update's interrupt. */
static void write_b(struct rtc *rtc, uint8_t value)
{
	uint8_t old = rtc->ram[REG_B];

	if (value & ~old & B_SET) {
		clock_to_ram(rtc);
		value &= ~B_UPDATE;
	}
	rtc->ram[REG_B] = value;
	if (old & ~value & B_SET)
		ram_to_clock(rtc);
}

static void write_ram(struct rtc *rtc, uint8_t value)
{
	bool set_now = is_time(rtc->index) && !(rtc->ram[REG_B] & B_SET);

	if (set_now)
		clock_to_ram(rtc);
	rtc->ram[rtc->index] = value;
	if (set_now)
		ram_to_clock(rtc);
}

/* Registers that have to do with interrupts: time, alarm and control */
static bool of_clock(uint8_t index)
{
	return index <= REG_D || index == RTC_CENTURY;
}

void rtc_write(struct rtc *rtc, unsigned int port, uint8_t value)
{
	if (!port) {
		rtc->index = value & 0x7f;	/* bit 7 masks the NMI on old boards */
		return;
	}
	if (rtc->index == REG_C || rtc->index == REG_D)
		return;
	if (of_clock(rtc->index))
		settle(rtc);
	if (rtc->index == REG_A)
		write_a(rtc, value);
	else if (rtc->index == REG_B)
		write_b(rtc, value);
	else
		write_ram(rtc, value);
	if (of_clock(rtc->index))
		update_irq(rtc);
}

void rtc_init(struct rtc *rtc, const struct rtc_ops *ops, void *ctx)
{
	memset(rtc, 0, sizeof(*rtc));
	rtc->ops = ops;
	rtc->ctx = ctx;
	rtc->ram[REG_A] = 0x26;		/* 32768 Hz, the rate a BIOS leaves */
	rtc->ram[REG_B] = B_24H;
	rtc->ram[REG_D] = D_VALID;
	rtc->epoch = ops->monotonic(ctx);
	rtc->second = utc(rtc);
	ops->irq(ctx, false);
	ops->timer(ctx, 0);
}
