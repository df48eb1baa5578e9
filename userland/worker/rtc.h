/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The real-time clock and its memory (MC146818A), with its three interrupts:
 * periodic, alarm, update ended. The machine's lock is held around every call.
 *
 * Nothing ticks here: what has come to pass is found when somebody looks, and
 * the timer is set only for what would interrupt.
 */
#ifndef HUSK_WORKER_RTC_H
#define HUSK_WORKER_RTC_H

#include <stdbool.h>
#include <stdint.h>

/* What the chip is wired to; times in nanoseconds */
struct rtc_ops {
	int64_t (*realtime)(void *ctx);		/* UTC, since 1970 */
	int64_t (*monotonic)(void *ctx);
	void (*irq)(void *ctx, bool level);	/* the interrupt line changed */
	/* Call rtc_timer() when so much time has passed; replaces what was asked before; 0: never */
	void (*timer)(void *ctx, int64_t delay);
};

struct rtc {
	const struct rtc_ops *ops;
	void *ctx;
	uint8_t index;		/* last write to port 70h */
	uint8_t ram[128];	/* time registers count while the SET bit is on; register C has no IRQF */
	int64_t offset;		/* guest's seconds minus ours */
	int64_t epoch;		/* monotonic: when the divider began */
	int64_t ticks;		/* periods since, of those that were seen */
	int64_t second;		/* the guest's, likewise */
	bool irq_level;
};

void rtc_init(struct rtc *rtc, const struct rtc_ops *ops, void *ctx);
/* Port 0: index, 1: data */
uint8_t rtc_read(struct rtc *rtc, unsigned int port);
void rtc_write(struct rtc *rtc, unsigned int port, uint8_t value);
void rtc_timer(struct rtc *rtc);

#endif
