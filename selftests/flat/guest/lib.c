// SPDX-License-Identifier: GPL-2.0
/* Reports, traps, interrupts, page tables of the flat guest. */
#include "guest.h"

struct trap trap;
bool strict;
enum vendor guest_vendor;
volatile u32 irq_count[256];
volatile u8 irq_order[64];
volatile u32 irq_seen;
volatile enum eoi eoi_how;
void (*irq_hook)(struct frame *frame);
bool (*trap_hook)(struct frame *frame);
struct idt_gate idt[256] __attribute__((aligned(16)));

static u64 failures;
static u32 tss[26] __attribute__((aligned(16)));
static u8 kernel_stack[8192] __attribute__((aligned(16)));
static u8 user_stack[8192] __attribute__((aligned(16)));
static bool in_user;
bool x2_mode;

extern u8 stubs[];
void user_enter(void (*fn)(u64), u64 arg, void *stack);
void user_leave(void);

void fail(const char *why)
{
	failures++;
	out32(PORT_FAIL, (u32)(u64)why);
}

void fail_value(const char *why, u64 value)
{
	out32(PORT_VALUE, value);
	out32(PORT_VALUE, value >> 32);
	fail(why);
}

void finish(void)
{
	for (;;)
		out32(PORT_DONE, failures);
}

void skip(const char *why)
{
	for (;;)
		out32(PORT_SKIP, (u32)(u64)why);
}

void *memcpy(void *to, const void *from, size_t n)
{
	void *ret = to;

	asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) :: "memory");
	return ret;
}

void *memset(void *to, int c, size_t n)
{
	void *ret = to;

	asm volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(c) : "memory");
	return ret;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *x = a, *y = b;

	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

/* ---- traps ---- */

static void end_of_interrupt(u8 vector)
{
	if (eoi_how == EOI_X2APIC || eoi_how == EOI_XAPIC)
		apic_write(APIC_EOI, 0);
	if (eoi_how == EOI_PIC) {
		if (vector >= 0x28)
			out8(0xa0, 0x20);
		out8(0x20, 0x20);
	}
}

static void on_exception(struct frame *frame)
{
	trap.count++;
	trap.vector = frame->vector;
	trap.error = frame->error;
	trap.cr2 = READ_CR(2);
	trap.rip = frame->rip;
	trap.dr6 = READ_DR(6);
	if (trap_hook && trap_hook(frame))
		return;
	if (in_user) {
		in_user = false;
		user_leave();
	}
	if (trap.fixup) {
		frame->rip = trap.fixup;
		trap.fixup = 0;
		return;
	}
	fail_value("unexpected exception, vector", frame->vector);
	fail_value("  at rip", frame->rip);
	fail_value("  error code", frame->error);
	fail_value("  cr2", trap.cr2);
	finish();
}

/* From start.S */
void on_vector(struct frame *frame);
void on_vector(struct frame *frame)
{
	if (frame->vector == 0x80 && in_user) {
		trap.vector = 0x80;
		in_user = false;
		user_leave();
	}
	if (frame->vector != 2 && frame->vector < 32) {
		on_exception(frame);
		return;
	}
	irq_order[irq_seen++ % 64] = frame->vector;
	irq_count[frame->vector]++;
	smp_cpu(smp_id())->hits[frame->vector]++;
	if (irq_hook)
		irq_hook(frame);
	if (frame->vector != 2)
		end_of_interrupt(frame->vector);
}

void traps_load(void)
{
	struct { u16 limit; u64 base; } __attribute__((packed)) idtr = { sizeof(idt) - 1, (u64)idt };

	asm volatile("lidt %0" :: "m"(idtr));
}

static void set_gate(u32 vector, u64 handler, u8 type)
{
	idt[vector] = (struct idt_gate) {
		.lo = handler, .selector = 8, .type = type,
		.mid = handler >> 16, .hi = handler >> 32,
	};
}

void traps_init(void)
{
	u64 *gdt = (u64 *)0x9000, base = (u64)tss, top = (u64)kernel_stack + sizeof(kernel_stack);

	for (u32 i = 0; i < 256; i++)
		set_gate(i, (u64)stubs + i * 16, 0x8e);
	set_gate(0x80, (u64)stubs + 0x80 * 16, 0xee);
	set_gate(3, (u64)stubs + 3 * 16, 0xee);
	traps_load();
	memcpy(&tss[1], &top, 8);
	memcpy(&tss[9], &top, 8);		/* IST 1, for tests that want it */
	tss[25] = sizeof(tss) << 16;		/* no I/O bitmap */
	gdt[5] = 0x0000890000000067UL | (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56;
	gdt[6] = base >> 32;
	asm volatile("ltr %w0" :: "r"(0x28));
}

void call_user(void (*fn)(u64), u64 arg)
{
	trap.vector = -1;
	in_user = true;
	user_enter(fn, arg, user_stack + sizeof(user_stack) - 8);
}

/* ---- pages ---- */

void map_page(u64 va, u64 pa, u64 bits)
{
	static u64 table[512] __attribute__((aligned(4096)));
	u64 *pd = (u64 *)(0x12000 + (va >> 30) * 0x1000);

	table[va >> 12 & 511] = pa | bits;
	pd[va >> 21 & 511] = (u64)table | 7;
	asm volatile("invlpg (%0)" :: "r"(va) : "memory");
}

/* ---- interrupt hardware ---- */

u32 apic_read(u32 reg)
{
	if (x2_mode)
		return rdmsr(0x800 + reg / 16);
	return *(volatile u32 *)(0xfee00000UL + reg);
}

void apic_write(u32 reg, u32 v)
{
	if (x2_mode)
		wrmsr(0x800 + reg / 16, v);
	else
		*(volatile u32 *)(0xfee00000UL + reg) = v;
}

bool apic_bit(u32 reg, u8 vector)
{
	return apic_read(reg + (vector / 32) * 16) >> vector % 32 & 1;
}

void apic_init(bool x2)
{
	u32 r[4];

	cpuid(1, 0, r);
	if (x2 && !(r[2] & 1u << 21))
		skip("no x2APIC in CPUID");
	x2_mode = x2;
	wrmsr(0x1b, (rdmsr(0x1b) & ~0xc00UL) | (x2 ? 0xc00 : 0x800));
	eoi_how = x2 ? EOI_X2APIC : EOI_XAPIC;
	apic_write(APIC_SVR, 0x1ff);
	apic_write(APIC_TPR, 0);
	pic_init(0x20, 0xff, 0xff);
}

void apic_self(u32 icr)
{
	if (x2_mode)
		wrmsr(0x830, icr | 1 << 18);
	else
		apic_write(APIC_ICR, icr | 1 << 18);
}

void ioapic_write(u32 reg, u32 v)
{
	*(volatile u32 *)0xfec00000UL = reg;
	*(volatile u32 *)0xfec00010UL = v;
}

u32 ioapic_read(u32 reg)
{
	*(volatile u32 *)0xfec00000UL = reg;
	return *(volatile u32 *)0xfec00010UL;
}

void pic_init(u8 base, u8 mask1, u8 mask2)
{
	out8(0x20, 0x11);
	out8(0xa0, 0x11);
	out8(0x21, base);
	out8(0xa1, base + 8);
	out8(0x21, 4);
	out8(0xa1, 2);
	out8(0x21, 1);
	out8(0xa1, 1);
	out8(0x21, mask1);
	out8(0xa1, mask2);
}

/* By the 8254's channel 2, whose output port 61h shows: 1193182 Hz */
u64 tsc_per_ms(void)
{
	static u64 cached;
	u64 start;

	if (cached)
		return cached;
	out8(0x61, (in8(0x61) & ~2) | 1);
	out8(0x43, 0xb0);
	out8(0x42, 5966 & 0xff);
	start = rdtsc();	/* first: a host that stalls here makes the answer too large, never too small */
	out8(0x42, 5966 >> 8);
	while (!(in8(0x61) & 0x20))
		if (rdtsc() - start > 1UL << 36)
			return 1000000;
	cached = (rdtsc() - start) / 5 + 1;
	return cached;
}

bool wait_irq_ms(u8 vector, u32 count, u64 ms)
{
	u64 start = rdtsc(), limit = ms * tsc_per_ms();

	while (irq_count[vector] < count) {
		sti_nop();
		pause();
		if (rdtsc() - start > limit)
			break;
	}
	cli();
	return irq_count[vector] >= count;
}

/* ---- start ---- */

/* VMMCALL is 0f 01 d9, VMCALL 0f 01 c1. CPUID also makes the change seen (SDM 3A 9.1.3) */
static void vendor_init(void)
{
	extern u8 *hypercalls_start[], *hypercalls_end[];
	u32 r[4];

	cpuid(0, 0, r);
	guest_vendor = r[1] == VENDOR_INTEL_EBX ? VENDOR_INTEL : VENDOR_AMD;
	if (guest_vendor != VENDOR_INTEL)
		return;
	for (u8 **insn = hypercalls_start; insn < hypercalls_end; insn++)
		(*insn)[2] = 0xc1;
	cpuid(0, 0, r);
}

void guest_main(u64 test, u64 arg);
void guest_main(u64 test, u64 arg)
{
	static void (*const tests[])(u64) = {
#define X(name) test_##name,
		GUEST_TESTS(X)
#undef X
	};

	traps_init();
	vendor_init();
	strict = test < GUEST_FIRST_HOST_TEST && !arg;
	if (test < GUEST_TEST_COUNT)
		tests[test](arg);
	else
		fail("no such test");
	finish();
}
