// SPDX-License-Identifier: GPL-2.0
/* The 16550A, as drivers probe and use it. */
#include <linux/serial_reg.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "worker/serial.h"

static struct {
	char sent[256];
	size_t n;
	bool irq;
	int hungry;
} line;

static void out(void *ctx, uint8_t byte)
{
	(void)ctx;
	line.sent[line.n++ % sizeof(line.sent)] = byte;
}

static void irq(void *ctx, bool level)
{
	(void)ctx;
	line.irq = level;
}

static void hungry(void *ctx)
{
	(void)ctx;
	line.hungry++;
}

static const struct serial_ops ops = { .out = out, .irq = irq, .hungry = hungry };
static struct serial s;

static void power_on(void)
{

	serial_init(&s, &ops, NULL);
	memset(&line, 0, sizeof(line));
}

/* As Linux's 8250 driver finds out what the chip is */
static void test_probe(void)
{
	power_on();
	serial_write(&s, UART_IER, 0);
	check("IER reads back", serial_read(&s, UART_IER) == 0);
	serial_write(&s, UART_IER, 0xff);
	check("IER has four bits", serial_read(&s, UART_IER) == 0x0f);
	serial_write(&s, UART_IER, 0);
	serial_write(&s, UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
	check("loopback of the modem lines", (serial_read(&s, UART_MSR) & 0xf0) == 0x90);
	serial_write(&s, UART_MCR, 0);
	check("IIR without FIFO", serial_read(&s, UART_IIR) == UART_IIR_NO_INT);
	serial_write(&s, UART_FCR, UART_FCR_ENABLE_FIFO);
	check("IIR with FIFO", serial_read(&s, UART_IIR) >> 6 == 3);
	serial_write(&s, UART_SCR, 0x5a);
	check("scratch register", serial_read(&s, UART_SCR) == 0x5a);
	serial_write(&s, UART_LCR, UART_LCR_DLAB);
	serial_write(&s, UART_DLL, 1);
	serial_write(&s, UART_DLM, 2);
	check("divisor", serial_read(&s, UART_DLL) == 1 && serial_read(&s, UART_DLM) == 2);
	serial_write(&s, UART_LCR, UART_LCR_WLEN8);
	check("divisor did not touch IER", serial_read(&s, UART_IER) == 0 && !line.n);
}

static void test_transmit(void)
{
	power_on();
	check("transmitter is empty", (serial_read(&s, UART_LSR) & 0x60) == 0x60);
	serial_write(&s, UART_TX, 'h');
	check("byte was sent at once", line.n == 1 && line.sent[0] == 'h' && !line.irq);
	serial_write(&s, UART_IER, UART_IER_THRI);
	check("no interrupt without OUT2", !line.irq);
	serial_write(&s, UART_MCR, UART_MCR_OUT2);
	check("THRE interrupt", line.irq && (serial_read(&s, UART_IIR) & 0xf) == UART_IIR_THRI);
	check("reading IIR takes it back", !line.irq && serial_read(&s, UART_IIR) & UART_IIR_NO_INT);
	serial_write(&s, UART_TX, 'i');
	check("THRE interrupt after a byte", line.irq && line.n == 2);
	serial_write(&s, UART_IER, 0);
	check("IER takes it back", !line.irq);
	serial_write(&s, UART_IER, UART_IER_THRI);
	check("IER gives it again", line.irq);
}

static void test_receive(void)
{
	static const uint8_t data[40] = "0123456789abcdefghij";
	int good = 1;

	power_on();
	serial_write(&s, UART_MCR, UART_MCR_OUT2);
	serial_write(&s, UART_IER, UART_IER_RDI);
	check("one byte without FIFO", serial_receive(&s, data, 20) == 1 && line.irq);
	check("RDA", (serial_read(&s, UART_IIR) & 0xf) == UART_IIR_RDI && serial_read(&s, UART_LSR) & UART_LSR_DR);
	check("byte", serial_read(&s, UART_RX) == '0' && !line.irq && line.hungry == 1);
	serial_write(&s, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_8);
	check("FIFO takes 16", serial_receive(&s, data, 20) == 16);
	check("full FIFO takes none", serial_receive(&s, data, 4) == 0);
	for (int i = 0; i < 16; i++) {
		uint8_t id = serial_read(&s, UART_IIR) & 0xf;

		good &= id == (16 - i >= 8 ? UART_IIR_RDI : UART_IIR_RX_TIMEOUT);
		good &= line.irq && serial_read(&s, UART_RX) == data[i];
	}
	check("trigger, time-out and order", good);
	check("empty again", !line.irq && !(serial_read(&s, UART_LSR) & UART_LSR_DR) && line.hungry == 2);
	check("reading the empty FIFO", serial_read(&s, UART_RX) == 0);
	serial_receive(&s, data, 5);
	serial_write(&s, UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR);
	check("FIFO cleared", !line.irq && !(serial_read(&s, UART_LSR) & UART_LSR_DR));
}

static void test_loopback(void)
{
	int n = 0;

	power_on();
	serial_write(&s, UART_FCR, UART_FCR_ENABLE_FIFO);
	serial_write(&s, UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2);
	serial_write(&s, UART_IER, UART_IER_RLSI);
	for (int i = 0; i < 20; i++)
		serial_write(&s, UART_TX, i);
	check("nothing leaves in loopback", !line.n && !line.irq);
	check("overrun", serial_read(&s, UART_LSR) & UART_LSR_OE && !(serial_read(&s, UART_LSR) & UART_LSR_OE));
	while (serial_read(&s, UART_LSR) & UART_LSR_DR)
		n += serial_read(&s, UART_RX) == n;
	check("FIFO of 16 bytes", n == 16);
}

int main(void)
{
	serial_init(&s, &ops, NULL);
	test_probe();
	test_transmit();
	test_receive();
	test_loopback();

	printf("%d passed, %d failed\n", passed, failed);
	return failed != 0;
}
