// SPDX-License-Identifier: GPL-2.0
/* Modes of the old interrupt chips that operating systems use now and then: IOAPIC, LINT0, 8259, 8254. */
#include "guest.h"

extern u8 stubs[];	/* start.S: where interrupts enter */

static void take(void)
{
	for (u32 i = 0; i < 4; i++)
		sti_nop();
	cli();
}

static void pin(u32 n, u32 low, u32 high)
{
	ioapic_write(0x11 + n * 2, high);
	ioapic_write(0x10 + n * 2, low);
}

/* KVM has what Linux needs of these */
static void strict_only(const char *why)
{
	if (!strict)
		skip(why);
}

static u32 remote_irr(u32 n)
{
	return ioapic_read(0x10 + 2 * n) >> 14 & 1;
}

static void line(u32 n, u32 level)
{
	out8(PORT_LINE + n, level);
}

/* The EOI of a level-triggered interrupt, told to the IOAPIC by the guest (SVR bit 12) */
void test_ioapic_directed_eoi(u64 arg)
{
	(void)arg;
	apic_init(true);
	eoi_how = EOI_NONE;
	if (!(apic_read(0x30) & 1 << 24))
		skip("EOI broadcasts can't be suppressed");
	apic_write(APIC_SVR, 0x11ff);
	EXPECT(apic_read(APIC_SVR), 0x11ff);
	pin(11, 0x56 | 1 << 15, 0);
	line(11, 1);
	take();
	EXPECT(irq_count[0x56], 1);
	apic_write(APIC_EOI, 0);
	EXPECT(remote_irr(11), 1);
	take();
	EXPECT(irq_count[0x56], 1);
	*(volatile u32 *)0xfec00040UL = 0x57;		/* another vector */
	EXPECT(remote_irr(11), 1);
	*(volatile u32 *)0xfec00040UL = 0x56;
	EXPECT(remote_irr(11), 1);			/* since the line is still up */
	take();
	EXPECT(irq_count[0x56], 2);
	line(11, 0);
	apic_write(APIC_EOI, 0);
	*(volatile u32 *)0xfec00040UL = 0x56;
	EXPECT(remote_irr(11), 0);
	apic_write(APIC_SVR, 0x1ff);
	line(11, 1);
	take();
	line(11, 0);
	apic_write(APIC_EOI, 0);
	EXPECT(remote_irr(11), 0);
	take();
	EXPECT(irq_count[0x56], 3);
}

void test_ioapic_modes(u64 arg)
{
	(void)arg;
	apic_init(false);
	apic_write(0xd0, 1 << 24);			/* LDR */
	pin(5, 0x400, 0);				/* NMI; the vector does not count */
	line(5, 1);
	take();
	EXPECT(irq_count[2], 1);
	line(5, 0);
	pin(5, 0x855, 1 << 24);				/* logical */
	line(5, 1);
	take();
	EXPECT(irq_count[0x55], 1);
	line(5, 0);
	pin(5, 0x855, 2 << 24);				/* nobody */
	line(5, 1);
	take();
	EXPECT(irq_count[0x55], 1);
	line(5, 0);
	pin(5, 0x955, 0xff << 24);			/* lowest priority of all */
	line(5, 1);
	take();
	EXPECT(irq_count[0x55], 2);
	line(5, 0);
	pin(11, 0x56 | 1 << 15 | 1 << 16, 0);		/* masked, level: goes out when it is unmasked */
	line(11, 1);
	take();
	EXPECT(irq_count[0x56], 0);
	EXPECT(remote_irr(11), 0);
	eoi_how = EOI_NONE;
	pin(11, 0x56 | 1 << 15, 0);
	take();
	EXPECT(irq_count[0x56], 1);
	EXPECT(remote_irr(11), 1);
	line(11, 0);
	pin(11, 0x56 | 1 << 16, 0);			/* how old kernels clear Remote IRR */
	pin(11, 0x56 | 1 << 15, 0);
	EXPECT(remote_irr(11), 0);
	apic_write(APIC_EOI, 0);
	EXPECT_STRICT(ioapic_read(0x10 + 2 * 30), 0);	/* no such pin */
	ioapic_write(0x10 + 2 * 5, 0xffffffff);
	EXPECT_STRICT(ioapic_read(0x10 + 2 * 5) & ~0x4000u, 0x1afff);
}

/* The 8259's output at LINT0, and at pin 0 of the IOAPIC */
void test_lint0_modes(u64 arg)
{
	(void)arg;
	strict_only("KVM's 8259 reaches LINT0 as ExtINT only, and not the IOAPIC");
	apic_init(true);
	pic_init(0x20, 0xef, 0xff);			/* IRQ4 */
	eoi_how = EOI_X2APIC;
	apic_write(APIC_LINT0, 0x10700);
	line(4, 1);
	take();
	EXPECT(irq_count[0x24], 0);
	eoi_how = EOI_PIC;
	apic_write(APIC_LINT0, 0x700);			/* ExtINT */
	take();
	EXPECT(irq_count[0x24], 1);
	line(4, 0);
	apic_write(APIC_LINT0, 0x400);			/* NMI: the old way to a watchdog */
	line(4, 1);
	EXPECT(irq_count[2], 1);
	out8(0x20, 0x0c);
	EXPECT(in8(0x20), 0x84);
	out8(0x20, 0x20);
	line(4, 0);
	apic_write(APIC_LINT0, 0x10700);
	pin(0, 0x700, 0);
	line(4, 1);
	take();
	EXPECT(irq_count[0x24], 2);
	line(4, 0);
	pin(0, 1 << 16, 0);
	eoi_how = EOI_X2APIC;
	apic_write(APIC_LINT0, 0x44);			/* fixed */
	line(4, 1);
	take();
	EXPECT(irq_count[0x44], 1);
	EXPECT(irq_count[0x24], 2);
}

/* ---- 8259 ---- */

static void pic_start(u8 icw4)
{
	apic_init(true);
	apic_write(APIC_LINT0, 0x700);
	eoi_how = EOI_NONE;
	out8(0x20, 0x11);
	out8(0x21, 0x20);
	out8(0x21, 4);
	out8(0x21, icw4);
	out8(0xa0, 0x11);
	out8(0xa1, 0x28);
	out8(0xa1, 2);
	out8(0xa1, icw4 & ~0x10);
	out8(0x21, 0);
	out8(0xa1, 0);
}

static void pulse(u32 n)
{
	line(n, 1);
	line(n, 0);
}

static u8 pic_isr(u16 port)
{
	out8(port, 0x0b);
	return in8(port);
}

static void expect_order(u32 from, u32 count, const u8 *vectors)
{
	EXPECT(irq_seen, from + count);
	for (u32 i = 0; i < count; i++)
		EXPECT(irq_order[from + i], vectors[i]);
}

void test_pic_auto_eoi(u64 arg)
{
	(void)arg;
	pic_start(3);
	pulse(4);
	pulse(3);
	take();
	expect_order(0, 2, (u8 []){ 0x23, 0x24 });
	EXPECT(pic_isr(0x20), 0);
	pulse(12);
	take();
	EXPECT(irq_count[0x2c], 1);
	EXPECT(pic_isr(0x20), 0);
	EXPECT(pic_isr(0xa0), 0);
	out8(0x20, 0x80);				/* rotate */
	pulse(3);
	take();
	pulse(3);
	pulse(5);
	take();
	expect_order(3, 3, (u8 []){ 0x23, 0x25, 0x23 });
}

void test_pic_rotate(u64 arg)
{
	(void)arg;
	pic_start(1);
	out8(0x20, 0xc4);				/* 4 is lowest: 5 first */
	pulse(3);
	pulse(5);
	take();
	EXPECT(irq_seen, 1);
	out8(0x20, 0xa0);				/* end it, and it is lowest */
	pulse(5);
	take();
	out8(0x20, 0x20);
	take();
	out8(0x20, 0x20);
	expect_order(0, 3, (u8 []){ 0x25, 0x23, 0x25 });
	EXPECT(pic_isr(0x20), 0);
	pulse(6);
	pulse(7);
	take();
	out8(0x20, 0x66);				/* that one */
	EXPECT(pic_isr(0x20), 0);
	take();
	out8(0x20, 0xe7);				/* that one, and it is lowest */
	expect_order(3, 2, (u8 []){ 0x26, 0x27 });
	pulse(0);
	pulse(7);
	take();
	EXPECT(irq_order[5], 0x20);
	out8(0x20, 0x20);
	take();
	out8(0x20, 0x20);
	EXPECT(irq_order[6], 0x27);
}

void test_pic_special_mask(u64 arg)
{
	(void)arg;
	strict_only("KVM does not look again when special mask mode begins");
	pic_start(1);
	pulse(3);
	take();
	pulse(5);
	take();
	EXPECT(irq_seen, 1);				/* 3 is in service */
	out8(0x21, 0x08);
	take();
	EXPECT(irq_seen, 1);
	out8(0x20, 0x68);				/* special mask mode: it no longer holds 5 back */
	take();
	EXPECT(irq_count[0x25], 1);
	EXPECT(pic_isr(0x20), 0x28);
	out8(0x20, 0x20);				/* ends 5: 3 is masked */
	EXPECT(pic_isr(0x20), 0x08);
	out8(0x20, 0x48);
	out8(0x20, 0x63);
	EXPECT(pic_isr(0x20), 0);
}

void test_pic_nested(u64 arg)
{
	(void)arg;
	pic_start(0x11);				/* special fully nested */
	pulse(12);
	take();
	pulse(8);
	pulse(4);
	take();
	EXPECT(irq_count[0x2c], 1);
	EXPECT(irq_count[0x28], 1);			/* higher than 12, in the same slave */
	EXPECT_STRICT(irq_count[0x24], 0);		/* lower than the slave */
	out8(0xa0, 0x20);
	EXPECT(pic_isr(0xa0), 0x10);
	out8(0xa0, 0x20);
	EXPECT(pic_isr(0xa0), 0);
	out8(0x20, 0x62);
	take();
	EXPECT(irq_count[0x24], 1);
	out8(0x20, 0x64);
	EXPECT(pic_isr(0x20), 0);
}

void test_pic_poll(u64 arg)
{
	(void)arg;
	strict_only("KVM's poll answers without bit 7");
	pic_start(1);
	out8(0x20, 0x0c);
	EXPECT(in8(0x20) & 0x80, 0);
	pulse(6);
	out8(0x20, 0x0c);
	EXPECT(in8(0x20), 0x86);
	take();
	EXPECT(irq_seen, 0);
	EXPECT(pic_isr(0x20), 0x40);
	out8(0x20, 0x20);
	/* IRR and ISR, and the mask behind the other port */
	out8(0x21, 0xa5);
	EXPECT(in8(0x21), 0xa5);
	pulse(5);
	out8(0x20, 0x0a);
	EXPECT(in8(0x20), 0x20);
	out8(0x21, 0);
	take();
	EXPECT(irq_count[0x25], 1);
	out8(0x20, 0x20);
}

/* ---- 8254: channel 2, which nobody else uses, and whose gate and output are in port 61h ---- */

static void gate(bool on)
{
	out8(0x61, on);
}

static bool output(void)
{
	return in8(0x61) & 0x20;
}

static void program(u8 mode, u16 count, bool bcd)
{
	out8(0x43, 0xb0 | mode << 1 | bcd);
	out8(0x42, count);
	out8(0x42, count >> 8);
}

static u8 status(void)
{
	out8(0x43, 0xe8);				/* read back: status of 2 */
	return in8(0x42);
}

static u16 count(void)
{
	u8 low;

	out8(0x43, 0x80);				/* latch */
	low = in8(0x42);
	return low | in8(0x42) << 8;
}

static void wait_us(u64 us)
{
	u64 start = rdtsc(), ticks = us * tsc_per_ms() / 1000;

	while (rdtsc() - start < ticks)
		pause();
}

/* Until the output is so; false after 200 ms */
static bool wait_output(bool want)
{
	u64 start = rdtsc(), ticks = 200 * tsc_per_ms();

	while (output() != want)
		if (rdtsc() - start > ticks)
			return false;
	return true;
}

void test_pit_modes(u64 arg)
{
	(void)arg;
	strict_only("KVM's 8254 has modes 0, 2 and 3, and no BCD");
	tsc_per_ms();
	/* 0: low until the count is over */
	gate(true);
	program(0, 12000, false);
	EXPECT(output(), false);
	EXPECT(status() & 0x3f, 0x30);
	CHECK(wait_output(true));
	EXPECT(status() & 0xbf, 0xb0);
	/* 1: a pulse from each rise of the gate */
	gate(false);
	program(1, 12000, false);
	EXPECT(output(), true);
	EXPECT(status() & 0x3f, 0x32);
	wait_us(12000);
	EXPECT(output(), true);
	gate(true);
	EXPECT(output(), false);
	CHECK(wait_output(true));
	gate(false);
	EXPECT(output(), true);
	gate(true);
	EXPECT(output(), false);
	CHECK(wait_output(true));
	/* 2 and 3: again and again while the gate is high */
	for (u32 mode = 2; mode <= 3; mode++) {
		gate(false);
		program(mode, 24000, false);
		EXPECT(output(), true);
		EXPECT(status() & 0x3f, 0x30 | mode << 1);
		gate(true);
		for (u32 i = 0; mode == 3 && i < 3; i++)
			CHECK(wait_output(false) && wait_output(true));
		for (u32 i = 0; i < 50; i++) {
			u16 now = count();

			CHECK(now <= 24000);
			if (mode == 3)
				CHECK(!(now & 1));
			wait_us(500);
		}
		gate(false);
		EXPECT(output(), true);
	}
	/* 4 and 5: high, but for a tick */
	program(4, 12000, false);
	EXPECT(status() & 0x3f, 0x38);
	EXPECT(output(), true);
	program(5, 12000, false);
	EXPECT(status() & 0x3f, 0x3a);
	EXPECT(output(), true);
	/* 6 and 7 are 2 and 3 */
	program(6, 100, false);
	EXPECT(status() & 0x3f, 0x34);
	program(7, 100, false);
	EXPECT(status() & 0x3f, 0x36);
}

void test_pit_gate(u64 arg)
{
	u16 a, b;

	(void)arg;
	strict_only("KVM's 8254 has modes 0, 2 and 3, and no BCD");
	tsc_per_ms();
	gate(true);
	program(0, 60000, false);
	wait_us(1000);
	gate(false);				/* mode 0 stops, and goes on */
	a = count();
	CHECK(a < 60000 - 600);
	wait_us(2000);
	EXPECT(count(), a);
	EXPECT(output(), false);
	gate(true);
	wait_us(1000);
	CHECK(count() < a);
	CHECK(wait_output(true));
	program(2, 60000, false);
	wait_us(3000);
	gate(false);
	wait_us(1000);
	gate(true);				/* mode 2 begins anew */
	b = count();
	CHECK(b > 50000);
	out8(0x61, 0x0e);
	EXPECT(in8(0x61) & 0xf, 0x0e);
	gate(false);
}

void test_pit_read_back(u64 arg)
{
	u8 low, high;

	(void)arg;
	strict_only("KVM's 8254 has modes 0, 2 and 3, and no BCD");
	tsc_per_ms();
	gate(true);
	program(2, 0x9999, true);		/* BCD: 9999 ticks */
	for (u32 i = 0; i < 30; i++) {
		u16 now = count();

		CHECK((now & 15) < 10 && (now >> 4 & 15) < 10 && (now >> 8 & 15) < 10 && now >> 12 < 10);
		wait_us(300);
	}
	EXPECT(status() & 0x3f, 0x35);
	program(2, 0, false);			/* 65536 */
	wait_us(2000);
	out8(0x43, 0x80);			/* latched until it is read, whatever is latched after it */
	wait_us(2000);
	out8(0x43, 0x80);
	low = in8(0x42);
	high = in8(0x42);
	CHECK((u16)(low | high << 8) > count() + 1000);
	out8(0x43, 0xc8);			/* status and count: status comes first */
	EXPECT(in8(0x42) & 0x3f, 0x34);
	low = in8(0x42);
	high = in8(0x42);
	CHECK((u16)(low | high << 8) < 65000);
	/* The count is not loaded before both bytes are there */
	out8(0x43, 0xb4);
	EXPECT(status() & 0x40, 0x40);
	out8(0x42, 0x00);
	EXPECT(status() & 0x40, 0x40);
	out8(0x42, 0x80);
	EXPECT(status() & 0x40, 0);
	/* One byte only */
	out8(0x43, 0x90 | 2 << 1);
	out8(0x42, 200);
	EXPECT(status() & 0x3f, 0x14);
	for (u32 i = 0; i < 20; i++)
		CHECK(in8(0x42) <= 200);
	out8(0x43, 0xa0 | 2 << 1);
	out8(0x42, 0x10);
	EXPECT(status() & 0x3f, 0x24);
	for (u32 i = 0; i < 20; i++)
		CHECK(in8(0x42) <= 0x10);
	gate(false);
}

/* In the middle of everything the host moves it to another VM */
void test_chips_kept(u64 arg)
{
	u16 before, latch;
	u32 ticks;

	(void)arg;
	apic_init(true);
	pic_init(0x20, 0xfb, 0xfd);			/* IRQ9 by the 8259 */
	out8(0x4d1, 0x02);
	apic_write(APIC_LINT0, 0x700);
	eoi_how = EOI_NONE;
	line(9, 1);
	take();
	EXPECT(irq_count[0x29], 1);
	eoi_how = EOI_X2APIC;
	pin(11, 0x76 | 1 << 15, 0);
	eoi_how = EOI_NONE;
	line(11, 1);
	take();
	EXPECT(irq_count[0x76], 1);
	eoi_how = EOI_X2APIC;
	out8(0x43, 0x34);
	out8(0x40, 11932 & 0xff);			/* 100 Hz */
	out8(0x40, 11932 >> 8);
	pin(2, 0x85, 0);
	gate(true);
	program(0, 0xffff, false);
	before = count();
	out8(0x43, 0x80);				/* latched, half read */
	latch = in8(0x42);
	ioapic_write(0x10 + 22, 0x76 | 1 << 15);
	out32(PORT_SYNC, 1);

	EXPECT(*(volatile u32 *)0xfec00000UL, 0x10 + 22);	/* the register that was selected */
	EXPECT(remote_irr(11), 1);
	latch |= in8(0x42) << 8;
	CHECK((u16)(before - latch) < 0x4000);
	EXPECT(pic_isr(0xa0), 2);
	EXPECT(pic_isr(0x20), 4);
	EXPECT(in8(0x21), 0xfb);
	EXPECT(in8(0x4d1), 2);
	EXPECT(in8(0x61) & 0xf, 1);
	line(9, 0);
	line(11, 0);
	out8(0xa0, 0x20);
	out8(0x20, 0x20);
	EXPECT(pic_isr(0xa0) | pic_isr(0x20), 0);
	apic_write(APIC_EOI, 0);
	EXPECT(remote_irr(11), 0);
	/* In fresh memory the delivery would fault; Bochs forgets then which virtual interrupt it was */
	(void)*(volatile u8 *)&idt[0x85];
	(void)*(volatile u8 *)&stubs[0x85 * 16];
	(void)*(volatile u8 *)0x9000UL;			/* GDT */
	ticks = irq_count[0x85];
	CHECK(wait_irq(0x85, ticks + 3));
	EXPECT(irq_count[0x76], 1);
	EXPECT(irq_count[0x29], 1);
}
