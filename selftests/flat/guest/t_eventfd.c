// SPDX-License-Identifier: GPL-2.0
/* Doorbells that are eventfds on the host, and interrupts that come from some. */
#include "guest.h"

/* What fits is in flat_eventfd.c's table; the host sees the others */
void test_doorbells(u64 arg)
{
	u16 *ram = (u16 *)SCRATCH_GPA;
	u64 rsi = SCRATCH_GPA, rcx = 4;

	(void)arg;
	out16(PORT_BELL, 1);
	out16(PORT_BELL, 2);
	out16(PORT_BELL, 2);
	out32(PORT_SYNC, 1);
	out16(PORT_BELL, 3);			/* not a value, not a width, not an address */
	out32(PORT_BELL, 1);
	out8(PORT_BELL, 1);
	out16(PORT_BELL + 1, 1);
	in16(PORT_BELL);
	out32(PORT_SYNC, 2);
	out8(PORT_BELL_ANY, 9);
	out16(PORT_BELL_ANY, 9);
	out32(PORT_BELL_ANY, 9);
	for (u32 i = 0; i < 4; i++)
		ram[i] = 1 + i / 2;		/* 1 1 2 2 */
	asm volatile("rep outsw" : "+S"(rsi), "+c"(rcx) : "d"(PORT_BELL) : "memory");
	out32(PORT_SYNC, 3);
	*(volatile u16 *)BELL_GPA = 5;
	asm volatile("movw $6, (%0)" :: "r"(BELL_GPA) : "memory");
	*(volatile u64 *)(BELL_GPA + 8) = 0x1122334455667788;
	*(volatile u8 *)(BELL_GPA + 16) = 1;
	*(volatile u64 *)(BELL_GPA + 16) = 1;
	out32(PORT_SYNC, 4);
	*(volatile u32 *)BELL_GPA = 5;
	*(volatile u64 *)(BELL_GPA + 8) = 0x1122334455667789;
	(void)*(volatile u16 *)BELL_GPA;
	out32(PORT_SYNC, 5);
	out16(PORT_BELL, 1);			/* all are gone by now */
	*(volatile u16 *)BELL_GPA = 5;
	out32(PORT_SYNC, 6);
}

static void route_pins(void)
{
	apic_init(true);
	ioapic_write(0x11 + 2 * IRQFD_EDGE, 0);
	ioapic_write(0x10 + 2 * IRQFD_EDGE, IRQFD_EDGE_VECTOR);
	ioapic_write(0x11 + 2 * IRQFD_LEVEL, 0);
	ioapic_write(0x10 + 2 * IRQFD_LEVEL, IRQFD_LEVEL_VECTOR | 1 << 15);
}

/* After what the host does at this step; are they seen so often in all? */
static void step(u32 n, u32 edge, u32 level, u32 msi)
{
	out32(PORT_SYNC, n);
	for (u32 i = 0; i < 4; i++)
		sti_nop();
	cli();
	EXPECT(irq_count[IRQFD_EDGE_VECTOR], edge);
	EXPECT(irq_count[IRQFD_LEVEL_VECTOR], level);
	EXPECT(irq_count[IRQFD_MSI_VECTOR], msi);
}

void test_irqfds(u64 arg)
{
	(void)arg;
	route_pins();
	step(1, 1, 0, 0);			/* an edge */
	step(2, 2, 0, 1);			/* both; the message twice, as one */
	step(3, 2, 1, 1);			/* level: ended by the EOI */
	eoi_how = EOI_NONE;
	step(4, 2, 2, 1);			/* no EOI yet */
	CHECK(ioapic_read(0x10 + 2 * IRQFD_LEVEL) & 1 << 14);
	step(5, 2, 2, 1);			/* the host looks; signals again, which changes nothing */
	eoi_how = EOI_X2APIC;
	apic_write(APIC_EOI, 0);
	EXPECT(ioapic_read(0x10 + 2 * IRQFD_LEVEL) & 1 << 14, 0);
	step(6, 2, 2, 1);			/* the host saw it */
	step(7, 2, 3, 1);			/* two of one line, and the worker's own */
	step(8, 3, 4, 2);			/* one was closed, the others are there; other routes */
	step(9, 3, 4, 2);			/* all deassigned */
	out32(PORT_SYNC, 10);
}

/* Ring, and sleep until the host's thread answers; arg times each way */
void test_ping(u64 arg)
{
	static const u8 vectors[] = { IRQFD_EDGE_VECTOR, IRQFD_LEVEL_VECTOR, IRQFD_MSI_VECTOR };

	route_pins();
	out32(PORT_SYNC, 1);
	for (u64 i = 1; i <= arg; i++)
		for (u32 n = 0; n < 3; n++) {
			if (i & 1)
				out16(PORT_BELL, n);
			else
				*(volatile u16 *)(BELL_GPA + 2 * n) = i;
			while (irq_count[vectors[n]] < i)
				sti_hlt_cli();
			EXPECT(irq_count[vectors[n]], i);
		}
	out32(PORT_SYNC, 2);
}

/* Whatever comes, for ever */
void test_take_all(u64 arg)
{
	(void)arg;
	route_pins();
	out32(PORT_SYNC, 1);
	for (;;)
		sti_hlt_cli();
}
