/* SPDX-License-Identifier: GPL-2.0 */
/* The real-time clock and its memory (MC146818A), without interrupts. The machine's lock is held around every call. */
#ifndef HUSK_WORKER_RTC_H
#define HUSK_WORKER_RTC_H

#include <stdint.h>

struct rtc {
	uint8_t index;		/* last write to port 70h */
	uint8_t ram[128];	/* time registers count while the SET bit is on */
	int64_t offset;		/* guest's seconds minus ours */
};

void rtc_init(struct rtc *rtc);
/* Port 0: index, 1: data */
uint8_t rtc_read(struct rtc *rtc, unsigned int port);
void rtc_write(struct rtc *rtc, unsigned int port, uint8_t value);

#endif
