// SPDX-License-Identifier: GPL-2.0
/* A 16550A. Names as in the data sheet and <linux/serial_reg.h>. */
#include <linux/serial_reg.h>
#include <string.h>

#include "worker/serial.h"

#define IER_MASK	0x0f
#define MCR_MASK	0x1f
#define LSR_ERRORS	(UART_LSR_OE | UART_LSR_PE | UART_LSR_FE | UART_LSR_BI)
#define LSR_IDLE	(UART_LSR_THRE | UART_LSR_TEMT)
#define MSR_CONNECTED	(UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS)

static unsigned int fifo_size(const struct serial *s)
{
	return s->fcr & UART_FCR_ENABLE_FIFO ? SERIAL_FIFO : 1;
}

static unsigned int fifo_trigger(const struct serial *s)
{
	static const uint8_t level[4] = { 1, 4, 8, 14 };

	return s->fcr & UART_FCR_ENABLE_FIFO ? level[s->fcr >> 6] : 1;
}

/* The interrupt of the highest priority, as IIR names it. */
static uint8_t interrupt_id(const struct serial *s)
{
	if ((s->ier & UART_IER_RLSI) && (s->lsr & LSR_ERRORS))
		return UART_IIR_RLSI;
	/* Fewer bytes than the trigger: the time-out of four characters is over at once. */
	if ((s->ier & UART_IER_RDI) && s->fifo_len)
		return s->fifo_len >= fifo_trigger(s) ? UART_IIR_RDI : UART_IIR_RX_TIMEOUT;
	if ((s->ier & UART_IER_THRI) && s->thre_pending)
		return UART_IIR_THRI;
	return UART_IIR_NO_INT;
}

/* On a PC, OUT2 connects the chip to the interrupt controller. */
static void update_irq(struct serial *s)
{
	bool level = interrupt_id(s) != UART_IIR_NO_INT && (s->mcr & UART_MCR_OUT2) &&
		     !(s->mcr & UART_MCR_LOOP);

	if (level == s->irq_level)
		return;
	s->irq_level = level;
	s->ops->irq(s->ctx, level);
}

static void fifo_clear(struct serial *s)
{
	s->fifo_len = 0;
	s->lsr &= ~UART_LSR_DR;
}

static bool fifo_put(struct serial *s, uint8_t byte)
{
	if (s->fifo_len >= fifo_size(s))
		return false;
	s->fifo[(s->fifo_at + s->fifo_len++) % SERIAL_FIFO] = byte;
	s->lsr |= UART_LSR_DR;
	return true;
}

static uint8_t fifo_get(struct serial *s)
{
	uint8_t byte;

	if (!s->fifo_len)
		return 0;
	byte = s->fifo[s->fifo_at];
	s->fifo_at = (s->fifo_at + 1) % SERIAL_FIFO;
	if (!--s->fifo_len) {
		s->lsr &= ~UART_LSR_DR;
		if (s->refused)
			s->ops->hungry(s->ctx);
		s->refused = false;
	}
	return byte;
}

/* The line is infinitely fast: the transmitter is empty again before the write returns. */
static void transmit(struct serial *s, uint8_t byte)
{
	if (!(s->mcr & UART_MCR_LOOP))
		s->ops->out(s->ctx, byte);
	else if (!fifo_put(s, byte))
		s->lsr |= UART_LSR_OE;
	s->thre_pending = true;
}

/* In loopback the four modem outputs are wired to the four inputs. */
static uint8_t modem_status(const struct serial *s)
{
	uint8_t msr = 0;

	if (!(s->mcr & UART_MCR_LOOP))
		return MSR_CONNECTED;
	msr |= s->mcr & UART_MCR_RTS ? UART_MSR_CTS : 0;
	msr |= s->mcr & UART_MCR_DTR ? UART_MSR_DSR : 0;
	msr |= s->mcr & UART_MCR_OUT1 ? UART_MSR_RI : 0;
	msr |= s->mcr & UART_MCR_OUT2 ? UART_MSR_DCD : 0;
	return msr;
}

static uint8_t read_iir(struct serial *s)
{
	uint8_t id = interrupt_id(s);

	if (id == UART_IIR_THRI)
		s->thre_pending = false;
	return id | (s->fcr & UART_FCR_ENABLE_FIFO ? 0xc0 : 0);
}

static uint8_t read_lsr(struct serial *s)
{
	uint8_t lsr = s->lsr;

	s->lsr &= ~LSR_ERRORS;
	return lsr;
}

static void write_fcr(struct serial *s, uint8_t value)
{
	if ((value ^ s->fcr) & UART_FCR_ENABLE_FIFO)
		fifo_clear(s);
	if ((value & UART_FCR_ENABLE_FIFO) && (value & UART_FCR_CLEAR_RCVR))
		fifo_clear(s);
	s->fcr = value & UART_FCR_ENABLE_FIFO ? value & (UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_MASK) : 0;
}

static void write_ier(struct serial *s, uint8_t value)
{
	/* Allowing the interrupt while the transmitter is empty raises it. */
	if (value & ~s->ier & UART_IER_THRI)
		s->thre_pending = true;
	s->ier = value & IER_MASK;
}

uint8_t serial_read(struct serial *s, unsigned int reg)
{
	bool dlab = s->lcr & UART_LCR_DLAB;
	uint8_t value;

	switch (reg) {
	case UART_RX:	value = dlab ? s->dll : fifo_get(s);	break;
	case UART_IER:	value = dlab ? s->dlm : s->ier;		break;
	case UART_IIR:	value = read_iir(s);			break;
	case UART_LCR:	value = s->lcr;				break;
	case UART_MCR:	value = s->mcr;				break;
	case UART_LSR:	value = read_lsr(s);			break;
	case UART_MSR:	value = modem_status(s);		break;
	default:	value = s->scr;				break;
	}
	update_irq(s);
	return value;
}

void serial_write(struct serial *s, unsigned int reg, uint8_t value)
{
	bool dlab = s->lcr & UART_LCR_DLAB;

	switch (reg) {
	case UART_TX:
		if (dlab)
			s->dll = value;
		else
			transmit(s, value);
		break;
	case UART_IER:
		if (dlab)
			s->dlm = value;
		else
			write_ier(s, value);
		break;
	case UART_FCR:	write_fcr(s, value);		break;
	case UART_LCR:	s->lcr = value;			break;
	case UART_MCR:	s->mcr = value & MCR_MASK;	break;
	case UART_SCR:	s->scr = value;			break;
	default:	break;		/* LSR and MSR are read-only */
	}
	update_irq(s);
}

size_t serial_receive(struct serial *s, const uint8_t *data, size_t n)
{
	size_t taken = 0;

	if (!(s->mcr & UART_MCR_LOOP))
		while (taken < n && fifo_put(s, data[taken]))
			taken++;
	s->refused = taken < n;
	update_irq(s);
	return taken;
}

void serial_init(struct serial *s, const struct serial_ops *ops, void *ctx)
{
	memset(s, 0, sizeof(*s));
	s->ops = ops;
	s->ctx = ctx;
	s->lsr = LSR_IDLE;
	s->dll = 12;		/* 9600 baud */
}
