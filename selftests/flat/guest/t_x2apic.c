// SPDX-License-Identifier: GPL-2.0
/* x2APIC where the CPU may do the work: order, nesting, modes, what is refused. */
#include "guest.h"

#define APIC_TMR 0x180
#define SELF_IPI 0x83f

static void sti_some(void)
{
	sti_nop();
	cli();
}

static void end(u32 count)
{
	while (count--)
		apic_write(APIC_EOI, 0);
}

/* All sent while IF is off, by both ways: each shows in IRR, and they come from the highest down */
void test_x2apic_order(u64 arg)
{
	static const u8 vectors[] = { 0x60, 0x21, 0xc1, 0x40, 0x3f, 0x80, 0xef, 0x7f, 0xee, 0x9a };
	u8 last = 0xff;

	(void)arg;
	apic_init(true);
	for (u32 i = 0; i < sizeof(vectors); i++) {
		if (i & 1)
			wrmsr(SELF_IPI, vectors[i]);
		else
			out32(PORT_MSI, vectors[i]);
	}
	for (u32 i = 0; i < sizeof(vectors); i++)
		CHECK(apic_bit(APIC_IRR, vectors[i]));
	sti_some();
	EXPECT(irq_seen, sizeof(vectors));
	for (u32 i = 0; i < sizeof(vectors); i++) {
		CHECK(irq_order[i] < last);
		last = irq_order[i];
		EXPECT(irq_count[vectors[i]], 1);
		CHECK(!apic_bit(APIC_IRR, vectors[i]) && !apic_bit(APIC_ISR, vectors[i]));
	}
	EXPECT(apic_read(APIC_PPR), 0);
}

static void nest(struct frame *frame)
{
	if (frame->vector != 0x51)
		return;
	wrmsr(SELF_IPI, 0x5f);			/* of the same class: waits */
	wrmsr(SELF_IPI, 0x61);
	sti_some();
	EXPECT(irq_count[0x61], 1);
	EXPECT(irq_count[0x5f], 0);
	EXPECT(apic_read(APIC_PPR), 0x50);
	CHECK(apic_bit(APIC_ISR, 0x51) && !apic_bit(APIC_ISR, 0x61));
	apic_write(APIC_TPR, 0x72);
	EXPECT_STRICT(apic_read(APIC_PPR), 0x72);
	out32(PORT_MSI, 0x7c);			/* TPR holds it back */
	sti_some();
	EXPECT(irq_count[0x7c], 0);
	CHECK(apic_bit(APIC_IRR, 0x7c));
	sti_nop();
	WRITE_CR(8, 6UL);			/* and lets it through, at once */
	asm volatile("nop");
	EXPECT(irq_count[0x7c], 1);
	cli();
	apic_write(APIC_TPR, 0);
	EXPECT(apic_read(APIC_PPR), 0x50);
}

void test_x2apic_nested(u64 arg)
{
	(void)arg;
	apic_init(true);
	irq_hook = nest;
	wrmsr(SELF_IPI, 0x51);
	sti_some();
	EXPECT(irq_seen, 4);
	EXPECT(irq_order[3], 0x5f);
	EXPECT(apic_read(APIC_PPR), 0);
	/* The 8259's goes in beside them, without a place in ISR */
	irq_hook = NULL;
	irq_seen = 0;
	apic_write(APIC_LINT0, 0x700);
	pic_init(0x20, 0xfb, 0xfb);		/* IRQ2 (cascade), IRQ10 */
	out8(PORT_LINE + 10, 1);
	wrmsr(SELF_IPI, 0x52);
	eoi_how = EOI_NONE;
	sti_some();
	EXPECT(irq_seen, 2);
	EXPECT(irq_count[0x2a], 1);
	EXPECT(irq_count[0x52], 1);
	CHECK(apic_bit(APIC_ISR, 0x52));
	out8(PORT_LINE + 10, 0);
	end(1);
	CHECK(!apic_bit(APIC_ISR, 0x52));
}

void test_x2apic_values(u64 arg)
{
	u64 v;

	(void)arg;
	apic_init(true);
	EXPECT_STRICT(try_wrmsr(0x808, 0x100), 13);
	EXPECT(try_wrmsr(0x80a, 0), 13);		/* PPR, ISR, IRR are read only */
	EXPECT(try_wrmsr(0x812, 0), 13);
	EXPECT(try_wrmsr(0x822, 0), 13);
	EXPECT_STRICT(try_wrmsr(SELF_IPI, 0x140), 13);
	EXPECT(try_rdmsr(0x80b, &v), 13);
	EXPECT(try_rdmsr(0x809, &v), 13);		/* APR is not there */
	EXPECT(try_rdmsr(0x840, &v), 13);
	wrmsr(0x808, 0x25);
	EXPECT_STRICT(rdmsr(0x808), 0x25);
	EXPECT_STRICT(rdmsr(0x80a), 0x25);
	EXPECT(READ_CR(8), 2);
	EXPECT(rdmsr(0x802), 0);
	EXPECT(rdmsr(0x80d), 1);
	EXPECT(rdmsr(0x803) & 0xff, 0x14);
	wrmsr(0x828, 0);
	wrmsr(SELF_IPI, 5);
	wrmsr(0x828, 0);
	EXPECT_STRICT(rdmsr(0x828), 0x20);		/* an illegal vector was sent */
	EXPECT_STRICT(rdmsr(0x820), 0);
	end(1);					/* with nothing in service */
	EXPECT_STRICT(rdmsr(0x80a), 0x25);
}

/* 45h in service, 75h pending */
static void serve_and_wait(void)
{
	apic_init(true);
	eoi_how = EOI_NONE;
	wrmsr(SELF_IPI, 0x45);
	sti_some();
	wrmsr(SELF_IPI, 0x75);
}

/* Disabled by software and enabled again, off and on, with interrupts in ISR and IRR */
void test_x2apic_modes(u64 arg)
{
	(void)arg;
	serve_and_wait();
	wrmsr(SELF_IPI, 0x41);
	apic_write(APIC_TPR, 0x12);
	apic_write(APIC_SVR, 0xff);
	CHECK(apic_bit(APIC_ISR, 0x45) && apic_bit(APIC_IRR, 0x75) && apic_bit(APIC_IRR, 0x41));
	EXPECT_STRICT(apic_read(APIC_TPR), 0x12);
	if (strict) {
		wrmsr(SELF_IPI, 0x91);
		CHECK(!apic_bit(APIC_IRR, 0x91));	/* accepts nothing */
	}
	apic_write(APIC_SVR, 0x1ff);
	CHECK(apic_bit(APIC_ISR, 0x45) && apic_bit(APIC_IRR, 0x75) && apic_bit(APIC_IRR, 0x41));
	EXPECT(apic_read(APIC_PPR), 0x40);
	sti_some();
	EXPECT(irq_count[0x75], 1);
	EXPECT(irq_count[0x41], 0);
	apic_write(APIC_SVR, 0xff);
	end(1);
	EXPECT(apic_read(APIC_PPR), 0x40);
	apic_write(APIC_SVR, 0x1ff);
	end(1);
	sti_some();
	EXPECT(irq_count[0x41], 1);
	end(1);
	wrmsr(SELF_IPI, 0x46);
	wrmsr(0x1b, rdmsr(0x1b) & ~0xc00UL);		/* off: all is forgotten */
	sti_some();
	apic_init(false);
	EXPECT_STRICT(apic_bit(APIC_IRR, 0x46), 0);
	apic_self(0x47);
	apic_init(true);				/* nothing is lost on this way */
	CHECK(apic_bit(APIC_IRR, 0x47));
	sti_some();
	EXPECT(irq_count[0x47], 1);
	wrmsr(SELF_IPI, 0x48);
	sti_some();
	EXPECT(irq_count[0x48], 1);
	EXPECT_STRICT(irq_count[0x46], 0);
}

static u32 remote_irr;

static void level(struct frame *frame)
{
	if (frame->vector != 0x56)
		return;
	CHECK(apic_bit(APIC_TMR, 0x56));
	wrmsr(SELF_IPI, 0x96);				/* its EOI is nobody else's matter */
	sti_some();
	EXPECT(irq_count[0x96], irq_count[0x56]);
	remote_irr += ioapic_read(0x10 + 22) >> 14 & 1;
	if (irq_count[0x56] == 3)
		out8(PORT_LINE + 11, 0);
}

void test_x2apic_level(u64 arg)
{
	(void)arg;
	apic_init(true);
	irq_hook = level;
	ioapic_write(0x11 + 22, 0);
	ioapic_write(0x10 + 22, 0x56 | 1 << 15);
	out8(PORT_LINE + 11, 1);
	sti_nop();
	asm volatile("nop");
	cli();
	EXPECT(irq_count[0x56], 3);
	EXPECT(irq_count[0x96], 3);
	EXPECT(remote_irr, 3);
	EXPECT(ioapic_read(0x10 + 22) & 1 << 14, 0);
	/* The same vector as an edge, while the pin waits for an EOI of its own */
	irq_hook = NULL;
	eoi_how = EOI_NONE;
	out8(PORT_LINE + 11, 1);
	sti_some();
	EXPECT(irq_count[0x56], 4);
	CHECK(apic_bit(APIC_TMR, 0x56));
	CHECK(ioapic_read(0x10 + 22) & 1 << 14);
	out8(PORT_LINE + 11, 0);
	end(1);
	EXPECT(ioapic_read(0x10 + 22) & 1 << 14, 0);
	out32(PORT_MSI, 0x56);
	CHECK(!apic_bit(APIC_TMR, 0x56));
	sti_some();
	EXPECT(irq_count[0x56], 5);
	end(1);
	CHECK(!apic_bit(APIC_ISR, 0x56));
}

/* Onto stacks that the hypervisor has not seen yet: the delivery faults under the guest, and is done again */
void test_x2apic_stack(u64 arg)
{
	(void)arg;
	apic_init(true);
	for (u32 i = 1; i <= 8; i++) {
		u64 stack = SCRATCH_GPA + i * 0x10000UL;

		wrmsr(SELF_IPI, 0x54);
		wrmsr(SELF_IPI, 0x64);
		asm volatile("mov %%rsp, %%rbx; mov %0, %%rsp; sti; nop; cli; mov %%rbx, %%rsp"
			     :: "r"(stack) : "rbx", "memory");
		EXPECT(irq_count[0x54], i);
		EXPECT(irq_count[0x64], i);
		EXPECT(irq_order[2 * i - 2], 0x64);
		CHECK(!apic_bit(APIC_ISR, 0x54) && !apic_bit(APIC_ISR, 0x64));
		CHECK(!apic_bit(APIC_IRR, 0x54) && !apic_bit(APIC_IRR, 0x64));
	}
}

/* The host looks at the state, and changes it, while 45h is in service and 75h is pending */
void test_in_service(u64 arg)
{
	(void)arg;
	serve_and_wait();
	apic_write(APIC_TPR, 0x43);
	out32(PORT_SYNC, 1);
	EXPECT(apic_read(APIC_TPR), 0x20);
	EXPECT(apic_read(APIC_PPR), 0x40);
	CHECK(apic_bit(APIC_ISR, 0x35) && apic_bit(APIC_ISR, 0x45));
	CHECK(apic_bit(APIC_IRR, 0x85) && !apic_bit(APIC_IRR, 0x75));
	sti_some();
	EXPECT(irq_count[0x75], 0);
	EXPECT(irq_count[0x85], 1);
	out32(PORT_SYNC, 2);
	CHECK(apic_bit(APIC_ISR, 0x85));
	end(2);
	EXPECT(apic_read(APIC_PPR), 0x30);
	end(1);
	EXPECT(apic_read(APIC_PPR), 0x20);
}

/* arg: rounds of what a busy guest does with its APIC */
void test_apic_rounds(u64 arg)
{
	apic_init(true);
	out32(PORT_SYNC, 1);
	for (u64 i = 1; i <= arg; i++) {
		wrmsr(0x808, 0x10);
		wrmsr(SELF_IPI, 0x50);
		sti_some();
		EXPECT(irq_count[0x50], i);
		EXPECT(rdmsr(0x80a), 0x10);
		WRITE_CR(8, 0UL);
	}
	out32(PORT_SYNC, 2);
}
