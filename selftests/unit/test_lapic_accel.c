// SPDX-License-Identifier: GPL-2.0
/*
 * A local APIC that the CPU virtualizes, and one that husk does all the work
 * for: whatever happens to both, they say the same. The CPU is played here,
 * by SDM 3C 30.1 and 30.2.
 */
#include "irqchip_shim.h"
#include "../../kmod/irqchip/lapic.c"
#include "../../kmod/irqchip/lapic_irq.c"
#include "../../kmod/irqchip/lapic_accel.c"
#include "../../kmod/irqchip/lapic_timer.c"
#include "../../kmod/irqchip/lapic_state.c"
#include "../../kmod/irqchip/ioapic.c"
#include "../../kmod/irqchip/pic.c"
#include "../../kmod/irqchip/pit.c"
#include "../../kmod/irqchip/pit_timer.c"
#include "../../kmod/irqchip/irqchip.c"
#include "../../kmod/irqchip/routes.c"
#include "../../kmod/pv/eoi.c"

#define MSR_APIC_BASE	0x1b
#define X2(reg)		(0x800 + (reg))

static struct husk_vm vm;
static struct husk_vcpu cpu[2];	/* 0: by the CPU; 1: by husk */

#define CHECK(name, condition)	unit_report(condition, name, "line %d: %s", __LINE__, #condition)

/* ---- the CPU ---- */

static u32 page[1024];
static bool hw_on;
static u8 hw_rvi, hw_svi;
static u64 hw_eoi_exit[4];
static u32 hw_exits;

static void hw_apic(struct husk_vcpu *vcpu, const struct husk_apic_view *view)
{
	hw_on = view;
	if (!view)
		return;
	hw_rvi = view->irr;
	hw_svi = view->isr;
	memcpy(hw_eoi_exit, view->eoi_exit, sizeof(hw_eoi_exit));
}

static const struct husk_vendor hw = { .apic = hw_apic };

static u32 *hw_reg(u32 reg)
{
	return &page[reg * 4];
}

static void hw_set(u32 reg, u8 vector, bool on)
{
	u32 *at = hw_reg(reg + vector / 32);

	*at = on ? *at | 1u << vector % 32 : *at & ~(1u << vector % 32);
}

static u8 hw_highest(u32 reg)
{
	int vector;

	for (vector = 255; vector > 0; vector--)
		if (*hw_reg(reg + vector / 32) >> vector % 32 & 1)
			break;
	return vector;
}

static void hw_ppr(void)
{
	u8 tpr = *hw_reg(LAPIC_TPR);

	*hw_reg(LAPIC_PPR) = tpr >> 4 >= hw_svi >> 4 ? tpr : hw_svi & 0xf0;
}

/* Answers the vector, -1 if none may be delivered */
static int hw_deliver(void)
{
	u8 vector = hw_rvi;

	if (vector >> 4 <= *hw_reg(LAPIC_PPR) >> 4)
		return -1;
	hw_set(LAPIC_ISR, vector, true);
	hw_svi = vector;
	*hw_reg(LAPIC_PPR) = vector & 0xf0;
	hw_set(LAPIC_IRR, vector, false);
	hw_rvi = hw_highest(LAPIC_IRR);
	return vector;
}

static void hw_eoi(void)
{
	u8 vector = hw_svi;

	hw_set(LAPIC_ISR, vector, false);
	hw_svi = hw_highest(LAPIC_ISR);
	hw_ppr();
	if (!test_bit(vector, (unsigned long *)hw_eoi_exit))
		return;
	hw_exits++;
	cpu[0].exit.apic.offset = 0xb0;
	cpu[0].exit.apic.vector = vector;
	husk_lapic_exit(&cpu[0]);
}

/* ---- what happens to both ---- */

static bool wrmsr(int c, u32 index, u64 value)
{
	return husk_lapic_wrmsr(&cpu[c], index, value);
}

/* What the run loop does before an entry: the CPU has it, if it is to */
static bool enter(void)
{
	if (test_and_clear_bit(HUSK_REQ_EVENT, &cpu[0].requests))
		husk_lapic_hand_over(&cpu[0]);
	if (hw_on)
		hw_ppr();
	return hw_on == cpu[0].lapic->accel && hw_on == cpu[0].lapic->live &&
	       (!hw_on || (hw_rvi == hw_highest(LAPIC_IRR) && hw_svi == hw_highest(LAPIC_ISR)));
}

static void send(u8 vector, bool level)
{
	struct lapic_msg msg = { .vector = vector, .level = level };
	int c;

	for (c = 0; c < 2; c++)
		if (lapic_enabled(cpu[c].lapic))
			husk_lapic_accept(cpu[c].lapic, &msg, false);
}

static void self_ipi(u8 vector)
{
	if (hw_on) {
		hw_set(LAPIC_IRR, vector, true);
		hw_rvi = max(hw_rvi, vector);
	} else {
		wrmsr(0, X2(LAPIC_SELF_IPI), vector);
	}
	wrmsr(1, X2(LAPIC_SELF_IPI), vector);
}

static bool take(void)
{
	return (hw_on ? hw_deliver() : husk_irq_ack(&cpu[0])) == husk_irq_ack(&cpu[1]);
}

static bool eoi(void)
{
	int vector = cpu[1].lapic->isr_high;
	u32 exits = hw_exits + (hw_on && vector >= 0 && test_bit(vector, cpu[1].lapic->tmr));

	if (hw_on)
		hw_eoi();
	else
		wrmsr(0, X2(LAPIC_EOI), 0);
	wrmsr(1, X2(LAPIC_EOI), 0);
	return exits == hw_exits;
}

static void set_tpr(u8 tpr)
{
	if (hw_on) {
		*hw_reg(LAPIC_TPR) = tpr;
		hw_ppr();
	} else {
		wrmsr(0, X2(LAPIC_TPR), tpr);
	}
	wrmsr(1, X2(LAPIC_TPR), tpr);
}

static void set_base(u64 bits)
{
	wrmsr(0, MSR_APIC_BASE, HUSK_APIC_DEFAULT_BASE | APIC_BASE_BSP | bits);
	wrmsr(1, MSR_APIC_BASE, HUSK_APIC_DEFAULT_BASE | bits);
}

static void both(u32 reg, u32 value)
{
	wrmsr(0, X2(reg), value);
	wrmsr(1, X2(reg), value);
}

/* Off, and as before: x2APIC, enabled */
static void cycle(void)
{
	set_base(0);
	set_base(APIC_BASE_EN);
	set_base(APIC_BASE_EN | APIC_BASE_EXTD);
	both(LAPIC_SVR, 0x1ff);
}

static bool same_state(bool store)
{
	struct husk_lapic_state a, b;
	u32 reg;

	husk_lapic_get_state(&cpu[0], &a);
	husk_lapic_get_state(&cpu[1], &b);
	for (reg = 0; reg < LAPIC_REGS; reg++)
		if (reg != LAPIC_ID && reg != LAPIC_LDR && a.regs[reg] != b.regs[reg])
			return false;
	if (!store)
		return true;
	a.regs[LAPIC_TPR] = b.regs[LAPIC_TPR] = (a.regs[LAPIC_TPR] + 0x10) & 0xff;
	if (husk_lapic_check_state(&cpu[0], &a) || husk_lapic_check_state(&cpu[1], &b))
		return false;
	husk_lapic_set_state(&cpu[0], &a);
	husk_lapic_set_state(&cpu[1], &b);
	return true;
}

/* ---- tests ---- */

static u32 random32(void)
{
	static u64 state = 88172645463325252ULL;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static bool random_step(u32 r)
{
	u8 vector = r >> 8;

	switch (r % 16) {
	case 0 ... 2:
		send(vector, r >> 16 & 1);
		return true;
	case 3 ... 4:
		/* The CPU's SELF IPI leaves TMR as it is. */
		if (vector >= 16 && !test_bit(vector, cpu[1].lapic->tmr))
			self_ipi(vector);
		return true;
	case 5 ... 7:
		return take();
	case 8 ... 10:
		return eoi();
	case 11:
		set_tpr(vector & (r >> 16));
		return true;
	case 12:
		return husk_irq_waits(&cpu[0]) == husk_irq_waits(&cpu[1]);
	case 13:
		if (!(r >> 16 & 7))
			both(LAPIC_SVR, r >> 19 & 1 ? 0x1ff : 0xff);
		return true;
	case 14:
		if (!(r >> 16 & 31))
			cycle();
		return husk_lapic_read_cr8(&cpu[0]) == husk_lapic_read_cr8(&cpu[1]);
	default:
		return r >> 16 & 3 || same_state(!(r >> 18 & 3));
	}
}

static void test_random(void)
{
	bool ok = true;
	u32 n, with = 0;

	for (n = 0; n < 3000000 && ok; n++) {
		ok = enter();
		with += hw_on;
		ok &= random_step(random32());
	}
	unit_report(ok, "random", "they differ after %u steps", n);
	CHECK("random_mode", with > n / 4 && with < n);
}

static void test_switch(void)
{
	CHECK("xapic", enter() && !hw_on);
	set_base(APIC_BASE_EN | APIC_BASE_EXTD);
	CHECK("disabled", enter() && !hw_on);
	both(LAPIC_SVR, 0x1ff);
	CHECK("enabled", enter() && hw_on);
	CHECK("constants", *hw_reg(LAPIC_ID) == 0 && *hw_reg(LAPIC_VERSION) == LAPIC_VERSION_VALUE && *hw_reg(LAPIC_LDR) == 1);
	send(0x50, true);
	CHECK("handed_over", enter() && hw_rvi == 0x50 && husk_irq_pending(&cpu[0]) < 0 && (hw_eoi_exit[1] & 1 << 16));
	CHECK("priority", take() && lapic_priority(cpu[0].lapic) == 0x50 && lapic_priority(cpu[1].lapic) == 0x50);
	CHECK("eoi_exit", eoi() && hw_exits == 1);
	husk_lapic_reset(&cpu[0], true);
	husk_lapic_reset(&cpu[1], true);
	CHECK("init", enter() && !hw_on && same_state(false));
	both(LAPIC_SVR, 0x1ff);
	cpu[0].exit.apic.offset = 0x3f0;
	CHECK("bad_self_ipi", enter() && hw_on);
	*hw_reg(LAPIC_SELF_IPI) = 5;
	husk_lapic_exit(&cpu[0]);
	wrmsr(1, X2(LAPIC_SELF_IPI), 5);
	both(LAPIC_ESR, 0);
	CHECK("bad_self_ipi_logged", same_state(false) && cpu[0].lapic->esr);
	both(LAPIC_ESR, 0);
}

int main(void)
{
	int c;

	husk_vendor = &hw;
	husk_irqchip_create(&vm);
	for (c = 0; c < 2; c++) {
		cpu[c].vm = &vm;
		cpu[c].id = c;
		husk_lapic_create(&cpu[c]);
		vm.vcpus[c] = &cpu[c];
	}
	husk_lapic_virtualize(&cpu[0], page);
	test_switch();
	test_random();
	husk_irqchip_quiesce(&vm);
	for (c = 0; c < 2; c++)
		husk_lapic_destroy(&cpu[c]);
	husk_irqchip_destroy(&vm);
	return unit_done();
}
