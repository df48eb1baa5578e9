// SPDX-License-Identifier: GPL-2.0
/* Local APIC, its timer, IPIs and NMIs; 8259, 8254, IOAPIC, MSI. */
#include "guest.h"

/* Nanoseconds: a slow host shall see the longest one run */
#define SHORTEST	2000000U
#define LONGEST		200000000U

static void oneshot(bool x2)
{
	u32 shots = 0, left, ns;
	u64 start, ms;

	apic_init(x2);
	ms = tsc_per_ms();
	apic_write(APIC_TDCR, 0xb);
	apic_write(APIC_LVTT, 0x40);
	EXPECT(apic_read(APIC_TMCCT), 0);
	for (ns = SHORTEST; ; ns *= 10) {
		start = rdtsc();
		apic_write(APIC_TMICT, ns);
		left = apic_read(APIC_TMCCT);
		sti_hlt_cli();
		EXPECT(irq_count[0x40], ++shots);
		CHECK(rdtsc() - start < ms * 10000);
		EXPECT(apic_read(APIC_TMCCT), 0);
		if (left || ns == LONGEST)
			break;
	}
	CHECK(left && left <= ns);
	CHECK(!wait_irq_ms(0x40, shots + 1, ns / 800000) || !"one-shot fired twice");
	/* Stopped by TMICT = 0 */
	apic_write(APIC_TMICT, 1000000000);
	apic_write(APIC_TMICT, 0);
	EXPECT(apic_read(APIC_TMCCT), 0);
	/* With another divider */
	apic_write(APIC_TDCR, 0x3);	/* by 16 */
	apic_write(APIC_TMICT, 20000);
	sti_hlt_cli();
	EXPECT(irq_count[0x40], shots + 1);
}

void test_hlt_oneshot_xapic(u64 arg)
{
	(void)arg;
	oneshot(false);
}

void test_hlt_oneshot_x2apic(u64 arg)
{
	(void)arg;
	oneshot(true);
}

void test_timer_periodic(u64 arg)
{
	(void)arg;
	apic_init(true);
	apic_write(APIC_TDCR, 0xb);
	apic_write(APIC_LVTT, 0x42 | 1 << 17);
	apic_write(APIC_TMICT, 1000000);
	for (u32 i = 0; i < 5; i++)
		sti_hlt_cli();
	CHECK(irq_count[0x42] >= 5);
	apic_write(APIC_TMICT, 0);
	sti_nop();
	cli();
	{
		u32 seen = irq_count[0x42];

		CHECK(!wait_irq_ms(0x42, seen + 1, 100) || !"periodic timer goes on after TMICT = 0");
	}
}

void test_timer_deadline(u64 arg)
{
	u64 ms, deadline;
	u32 r[4];

	(void)arg;
	cpuid(1, 0, r);
	if (!(r[2] & 1u << 24))
		skip("no TSC deadline in CPUID");
	apic_init(true);
	ms = tsc_per_ms();
	apic_write(APIC_LVTT, 0x43 | 2 << 17);
	for (u32 i = 1; i <= 3; i++) {
		deadline = rdtsc() + 10 * ms;
		wrmsr(0x6e0, deadline);
		EXPECT(rdmsr(0x6e0), deadline);
		sti_hlt_cli();
		EXPECT(irq_count[0x43], i);
		CHECK(rdtsc() >= deadline);
		EXPECT(rdmsr(0x6e0), 0);
	}
	wrmsr(0x6e0, rdtsc() - 100);	/* past: at once */
	sti_nop();
	CHECK(wait_irq(0x43, 4));
	wrmsr(0x6e0, rdtsc() + 1000 * ms);
	wrmsr(0x6e0, 0);		/* disarmed */
	EXPECT(rdmsr(0x6e0), 0);
	apic_write(APIC_LVTT, 0x43);	/* in other modes the MSR reads 0 and ignores writes */
	wrmsr(0x6e0, rdtsc() + ms);
	EXPECT(rdmsr(0x6e0), 0);
}

void test_timer_masked(u64 arg)
{
	u64 start;

	(void)arg;
	apic_init(false);
	apic_write(APIC_TDCR, 0xb);
	apic_write(APIC_LVTT, 0x44 | 1 << 16);
	apic_write(APIC_TMICT, 100000);
	start = rdtsc();
	while (apic_read(APIC_TMCCT) && rdtsc() - start < 1000 * tsc_per_ms())
		;
	EXPECT(apic_read(APIC_TMCCT), 0);
	sti_nop();
	cli();
	EXPECT(irq_count[0x44], 0);
	CHECK(!apic_bit(APIC_IRR, 0x44));
}

static void self_ipi(bool x2)
{
	apic_init(x2);
	apic_self(0x50);
	CHECK(apic_bit(APIC_IRR, 0x50));
	sti_nop();
	cli();
	EXPECT(irq_count[0x50], 1);
	CHECK(!apic_bit(APIC_IRR, 0x50));
	CHECK(!apic_bit(APIC_ISR, 0x50));
	/* Highest vector first; equal ones merge */
	irq_seen = 0;
	apic_self(0x61);
	apic_self(0x81);
	apic_self(0x71);
	apic_self(0x81);
	sti_nop();
	cli();
	EXPECT(irq_seen, 3);
	EXPECT(irq_order[0], 0x81);
	EXPECT(irq_order[1], 0x71);
	EXPECT(irq_order[2], 0x61);
	/* Without an EOI nothing of the same class comes */
	eoi_how = EOI_NONE;
	apic_self(0x65);
	sti_nop();
	cli();
	CHECK(apic_bit(APIC_ISR, 0x65));
	EXPECT(apic_read(APIC_PPR), 0x60);
	apic_self(0x66);
	sti_nop();
	EXPECT(irq_count[0x66], 0);
	apic_self(0x75);
	sti_nop();
	cli();
	EXPECT(irq_count[0x75], 1);
	apic_write(APIC_EOI, 0);
	apic_write(APIC_EOI, 0);
	sti_nop();
	cli();
	EXPECT(irq_count[0x66], 1);
	apic_write(APIC_EOI, 0);
}

void test_self_ipi_xapic(u64 arg)
{
	(void)arg;
	self_ipi(false);
}

void test_self_ipi_x2apic(u64 arg)
{
	u64 v;

	(void)arg;
	self_ipi(true);
	eoi_how = EOI_X2APIC;
	wrmsr(0x83f, 0x51);				/* the SELF IPI register */
	sti_nop();
	cli();
	EXPECT(irq_count[0x51], 1);
	EXPECT(try_rdmsr(0x83f, &v), 13);		/* write only */
	EXPECT(try_wrmsr(0x802, 1), 13);		/* ID is read only */
	EXPECT_STRICT(try_wrmsr(0x80b, 1), 13);		/* EOI takes 0 only */
	EXPECT(try_rdmsr(0x80e, &v), 13);		/* DFR is not there */
	EXPECT(try_wrmsr(0x1b, (rdmsr(0x1b) & ~0x800UL) | 0x400), 13);	/* EXTD without EN */
}

static void tpr(bool x2)
{
	apic_init(x2);
	apic_write(APIC_TPR, 0x60);
	EXPECT(READ_CR(8), 6);
	EXPECT(apic_read(APIC_PPR), 0x60);
	apic_self(0x65);
	apic_self(0x55);
	sti_nop();
	EXPECT(irq_count[0x65], 0);
	WRITE_CR(8, 5UL);
	EXPECT(apic_read(APIC_TPR), 0x50);
	asm volatile("nop");
	EXPECT(irq_count[0x65], 1);
	EXPECT(irq_count[0x55], 0);
	apic_write(APIC_TPR, 0);
	asm volatile("nop");
	cli();
	EXPECT(irq_count[0x55], 1);
	EXPECT(READ_CR(8), 0);
}

void test_tpr_xapic(u64 arg)
{
	(void)arg;
	tpr(false);
}

void test_cr8_x2apic(u64 arg)
{
	(void)arg;
	tpr(true);
}

/* Pending while IF is off; delivered right when the guest opens the window */
void test_interrupt_window(u64 arg)
{
	u32 r[4];

	(void)arg;
	apic_init(true);
	for (u32 i = 1; i <= 20; i++) {
		apic_self(0x52);
		cpuid(0, 0, r);
		in8(PORT_ECHO);
		EXPECT(irq_count[0x52], i - 1);
		sti_nop();
		cli();
		EXPECT(irq_count[0x52], i);
	}
	apic_self(0x53);
	asm volatile("pushfq; orq $0x200, (%%rsp); popfq; nop; cli" ::: "memory", "cc");
	EXPECT(irq_count[0x53], 1);
}

void test_nmi_self(u64 arg)
{
	(void)arg;
	apic_init(true);
	apic_self(4 << 8);		/* delivery mode NMI; IF is off */
	asm volatile("nop; nop");
	EXPECT(irq_count[2], 1);
	apic_self(4 << 8);
	asm volatile("nop; nop");
	EXPECT(irq_count[2], 2);
}

static u64 nested_at;

static void nmi_again(struct frame *frame)
{
	if (frame->vector != 2 || irq_count[2] > 1)
		return;
	apic_self(4 << 8);
	asm volatile("nop; nop");
	in8(PORT_ECHO);			/* exits in between don't unmask */
	nested_at = irq_count[2];
}

void test_nmi_masked(u64 arg)
{
	(void)arg;
	apic_init(true);
	irq_hook = nmi_again;
	apic_self(4 << 8);
	asm volatile("nop; nop");
	EXPECT(nested_at, 1);		/* not inside the handler ... */
	EXPECT(irq_count[2], 2);	/* ... but right after its IRET */
}

void test_pit_pic(u64 arg)
{
	(void)arg;
	apic_init(false);
	eoi_how = EOI_PIC;
	apic_write(APIC_LINT0, 0x700);		/* ExtINT */
	pic_init(0x20, 0xfe, 0xff);
	out8(0x43, 0x34);			/* channel 0, mode 2 */
	out8(0x40, 11932 & 0xff);
	out8(0x40, 11932 >> 8);
	for (u32 i = 0; i < 3; i++)
		sti_hlt_cli();
	CHECK(irq_count[0x20] >= 3);
	out8(0x21, 0xff);			/* masked: no more */
	sti_nop();
	cli();
	{
		u32 seen = irq_count[0x20];

		CHECK(!wait_irq_ms(0x20, seen + 2, 200) || !"masked IRQ0 delivered");
	}
}

static void lower_line(struct frame *frame)
{
	if (frame->vector == 0x56 && irq_count[0x56] == 3)
		out8(PORT_LINE + 11, 0);
	if (frame->vector == 0x2a && irq_count[0x2a] == 3)
		out8(PORT_LINE + 10, 0);
}

void test_pic_level(u64 arg)
{
	(void)arg;
	apic_init(false);
	eoi_how = EOI_PIC;
	apic_write(APIC_LINT0, 0x700);
	pic_init(0x20, 0xfb, 0xfb);		/* IRQ2 (cascade), IRQ10 */
	out8(0x4d1, 0x04);			/* IRQ10 is level */
	irq_hook = lower_line;
	out8(PORT_LINE + 10, 1);
	sti_nop();
	asm volatile("nop");
	cli();
	EXPECT(irq_count[0x2a], 3);		/* again after each EOI until the line falls */
	out8(0x20, 0x0b);			/* in-service registers are empty */
	EXPECT(in8(0x20), 0);
}

void test_pit_counter(u64 arg)
{
	u32 a, b;

	(void)arg;
	out8(0x43, 0x34);
	out8(0x40, 0xff);
	out8(0x40, 0xff);
	out8(0x43, 0);
	a = in8(0x40);
	a |= in8(0x40) << 8;
	for (u64 start = rdtsc(); rdtsc() - start < tsc_per_ms();)
		pause();
	out8(0x43, 0);
	b = in8(0x40);
	b |= in8(0x40) << 8;
	CHECK(b < a);
	CHECK(a - b >= 600);
	EXPECT(in8(0x61) & 0xc, 0);
}

static void ioapic_entry(u32 pin, u32 low)
{
	ioapic_write(0x11 + pin * 2, 0);
	ioapic_write(0x10 + pin * 2, low);
}

void test_ioapic_edge(u64 arg)
{
	(void)arg;
	apic_init(false);
	EXPECT(ioapic_read(1) >> 16 & 0xff, 23);
	ioapic_entry(5, 0x55);
	EXPECT(ioapic_read(0x1a) & 0xfff, 0x055);
	for (u32 i = 1; i <= 3; i++) {
		out8(PORT_LINE + 5, 1);
		sti_nop();
		cli();
		EXPECT(irq_count[0x55], i);
		sti_nop();
		cli();
		EXPECT(irq_count[0x55], i);	/* the level alone makes no second */
		out8(PORT_LINE + 5, 0);
	}
	ioapic_entry(5, 0x55 | 1 << 16);	/* masked */
	out8(PORT_LINE + 5, 1);
	out8(PORT_LINE + 5, 0);
	sti_nop();
	cli();
	EXPECT(irq_count[0x55], 3);
}

void test_ioapic_level(u64 arg)
{
	(void)arg;
	apic_init(true);
	irq_hook = lower_line;
	ioapic_entry(11, 0x56 | 1 << 15);
	out8(PORT_LINE + 11, 1);
	sti_nop();
	asm volatile("nop");
	cli();
	EXPECT(irq_count[0x56], 3);		/* again after each EOI until the line falls */
	EXPECT(ioapic_read(0x10 + 22) & 1 << 14, 0);	/* remote IRR */
	eoi_how = EOI_NONE;
	irq_hook = NULL;
	out8(PORT_LINE + 11, 1);
	sti_nop();
	cli();
	EXPECT(irq_count[0x56], 4);
	CHECK(ioapic_read(0x10 + 22) & 1 << 14);
	out8(PORT_LINE + 11, 0);
	apic_write(APIC_EOI, 0);
	EXPECT(ioapic_read(0x10 + 22) & 1 << 14, 0);
	sti_nop();
	cli();
	EXPECT(irq_count[0x56], 4);
}

/*
 * IRQ5 is level triggered, ends itself (AEOI) and leaves IF set (a trap gate):
 * once the host raises the line, each delivery is followed by the next before
 * the handler's first instruction. The stack is an IST's, so this has no end.
 */
void test_window_storm(u64 arg)
{
	(void)arg;
	apic_init(false);
	eoi_how = EOI_NONE;
	apic_write(APIC_LINT0, 0x700);
	out8(0x4d0, 0x20);
	out8(0x20, 0x11);
	out8(0x21, 0x20);
	out8(0x21, 4);
	out8(0x21, 3);				/* ICW4: 8086, AEOI */
	out8(0x21, 0xdf);
	idt[0x25].type = 0x8f;
	idt[0x25].ist = 1;
	out32(PORT_SYNC, 1);
	sti();
	for (;;)
		pause();
}

void test_msi(u64 arg)
{
	(void)arg;
	apic_init(true);
	out32(PORT_MSI, 0x57);
	sti_nop();
	cli();
	EXPECT(irq_count[0x57], 1);
	out32(PORT_MSI, 4 << 8);		/* NMI by message */
	asm volatile("nop; nop");
	EXPECT(irq_count[2], 1);
}

/* Woken by the host: HLT until an interrupt on line 5 */
void test_halt(u64 arg)
{
	apic_init(true);
	ioapic_entry(5, 0x55);
	for (u64 i = 1; i <= arg; i++) {
		out32(PORT_SYNC, i);
		sti_hlt_cli();
		CHECK(irq_count[0x55] >= i);	/* a slow guest may find two */
	}
}
