/* SPDX-License-Identifier: GPL-2.0 */
/* A 16550A (National Semiconductor PC16550D). The machine's lock is held around every call. */
#ifndef HUSK_WORKER_SERIAL_H
#define HUSK_WORKER_SERIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERIAL_FIFO	16

/* What the chip is wired to */
struct serial_ops {
	void (*out)(void *ctx, uint8_t byte);	/* a byte was sent */
	void (*irq)(void *ctx, bool level);	/* the interrupt line changed */
	void (*hungry)(void *ctx);		/* there is room again for received bytes */
};

struct serial {
	const struct serial_ops *ops;
	void *ctx;
	uint8_t ier, fcr, lcr, mcr, lsr, scr, dll, dlm;
	bool thre_pending;		/* the transmitter became empty and nobody looked */
	bool irq_level;
	bool refused;			/* serial_receive() took less than it was given */
	uint8_t fifo[SERIAL_FIFO];
	unsigned int fifo_at, fifo_len;
};

void serial_init(struct serial *s, const struct serial_ops *ops, void *ctx);
/* Registers 0..7 */
uint8_t serial_read(struct serial *s, unsigned int reg);
void serial_write(struct serial *s, unsigned int reg, uint8_t value);
/* Bytes come in from the line; answers how many were taken. ops->hungry() says when more may come. */
size_t serial_receive(struct serial *s, const uint8_t *data, size_t n);

#endif
