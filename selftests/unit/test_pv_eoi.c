// SPDX-License-Identifier: GPL-2.0
/*
 * PV EOI against a plain local APIC: whatever comes, in whatever order, and whether or
 * not the guest's page is there, a guest takes the same interrupts in the same order.
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
#include "../../kmod/irqchip/chips_state.c"
#include "../../kmod/pv/eoi.c"

#define X2(reg)		(0x800 + (reg))
#define WORD		0x40

static struct husk_vm vm;
static struct husk_vcpu cpu[2];		/* 0: with PV EOI; 1: without */
static u32 bad, spared;
static const char *what = "";

static void wrong(const char *why)
{
	if (!bad++)
		what = why;
}

static void start(void)
{
	u64 value;
	int i;

	memset(&vm, 0, sizeof(vm));
	memset(cpu, 0, sizeof(cpu));
	memset(unit_page, 0, sizeof(unit_page));
	unit_page_absent = unit_page_gone = false;
	unit_timer_count = 0;
	if (husk_irqchip_create(&vm))
		abort();
	for (i = 0; i < 2; i++) {
		cpu[i].vm = &vm;
		cpu[i].id = i;
		if (husk_lapic_create(&cpu[i]))
			abort();
		vm.vcpus[i] = &cpu[i];
		husk_lapic_rdmsr(&cpu[i], 0x1b, &value);
		husk_lapic_wrmsr(&cpu[i], 0x1b, value | 0xc00);
		husk_lapic_wrmsr(&cpu[i], X2(LAPIC_SVR), 0x1ff);
	}
	husk_pv_write_eoi(&cpu[0], 0, WORD | 1);
}

static void end(void)
{
	int i;

	for (i = 0; i < 2; i++)
		husk_lapic_destroy(&cpu[i]);
	husk_irqchip_destroy(&vm);
}

/* What the run loop does with what the vCPU was asked to; answers the vector that goes in, or -1 */
static int enter(struct husk_vcpu *vcpu)
{
	int vector = -1, tries;

	for (tries = 0; tries < 10; tries++) {
		if (test_and_clear_bit(HUSK_REQ_PV, &vcpu->requests))
			husk_pv_eoi_settle_slow(vcpu);
		if (test_and_clear_bit(HUSK_REQ_EVENT, &vcpu->requests) && vector < 0 && husk_irq_pending(vcpu) >= 0)
			vector = husk_irq_ack(vcpu);
		if (!test_bit(HUSK_REQ_PV, &vcpu->requests))
			return vector;
	}
	wrong("the vCPU is never done");
	return vector;
}

/* The handler's end */
static void guest_eoi(struct husk_vcpu *vcpu)
{
	if (!vcpu->id && (unit_page[WORD] & 1)) {
		unit_page[WORD] = 0;
		spared++;
		return;
	}
	husk_lapic_wrmsr(vcpu, X2(LAPIC_EOI), 0);
}

static u64 get(struct husk_vcpu *vcpu, u32 reg)
{
	u64 value = 0;

	husk_lapic_rdmsr(vcpu, X2(reg), &value);
	return value;
}

/* A guest with interrupts on for nested ones at random. Both must see the same. */
static void play(u32 seed, bool absences)
{
	u32 depth = 0, step, i;

	srand(seed);
	start();
	for (step = 0; step < 400; step++) {
		u32 r = rand(), vector = 0x30 + (r >> 8) % 0x90;
		int took[2];

		if (r % 3 == 0)
			for (i = 0; i < 2; i++)
				husk_lapic_self_ipi(cpu[i].lapic, vector);
		if (absences && r % 5 == 0)
			unit_page_absent = true;
		if (r % 7 == 0)
			vm.mem.slots_generation++;
		if (r % 2 == 0) {
			for (i = 0; i < 2; i++)
				took[i] = enter(&cpu[i]);
			if (took[0] != took[1])
				wrong("another interrupt came, or none");
			depth += took[1] >= 0;
		}
		if (depth && (r >> 20) % 3 == 0) {
			depth--;
			for (i = 0; i < 2; i++)
				guest_eoi(&cpu[i]);
		}
		if ((r >> 24) % 11 == 0) {
			unit_page_absent = false;
			for (i = 0; i < 9; i++) {
				u32 reg = i == (r >> 28 & 8) ? LAPIC_PPR : LAPIC_ISR + i % 8;

				if (get(&cpu[0], reg) != get(&cpu[1], reg))
					wrong("ISR or PPR differs");
			}
		}
	}
	end();
}

/* The page goes for good while an offer stands: nothing is held up */
static void test_gone(void)
{
	start();
	husk_lapic_self_ipi(cpu[0].lapic, 0x50);
	if (enter(&cpu[0]) != 0x50 || !(unit_page[WORD] & 1))
		wrong("no offer");
	unit_page_gone = true;
	husk_lapic_self_ipi(cpu[0].lapic, 0x40);
	if (enter(&cpu[0]) < 0 && enter(&cpu[0]) != 0x40)
		wrong("the next interrupt does not come");
	end();
}

int main(void)
{
	u32 seed;

	for (seed = 1; seed <= 2000; seed++)
		play(seed, false);
	unit_report(!bad, "pv-eoi-same", "%u wrong: %s", bad, what);
	unit_report(spared > 1000, "pv-eoi-spares", "only %u EOIs spared", spared);
	for (bad = 0; seed <= 4000; seed++)
		play(seed, true);
	unit_report(!bad, "pv-eoi-absent-page", "%u wrong: %s", bad, what);
	bad = 0;
	test_gone();
	unit_report(!bad, "pv-eoi-page-gone", "%u wrong: %s", bad, what);
	return unit_done();
}
