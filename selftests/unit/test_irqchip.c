// SPDX-License-Identifier: GPL-2.0
/*
 * The interrupt chips together, as a guest with three CPUs sees them, and
 * random accesses by a guest that means no good.
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

#define CPUS		3
#define APIC		HUSK_APIC_DEFAULT_BASE
#define MSR_APIC_BASE	0x1b
#define MSR_DEADLINE	0x6e0
#define X2(reg)		(0x800 + (reg))

static struct husk_vm vm;
static struct husk_vcpu cpu[CPUS];

#define CHECK(name, condition)	unit_report(condition, name, "line %d: %s", __LINE__, #condition)

/* ---- the guest's instructions ---- */

static bool wrmsr(int c, u32 index, u64 value)
{
	return husk_lapic_wrmsr(&cpu[c], index, value);
}

static bool can_read(int c, u32 index)
{
	u64 value;

	return husk_lapic_rdmsr(&cpu[c], index, &value);
}

static u64 rdmsr(int c, u32 index)
{
	u64 value = 0;

	if (!husk_lapic_rdmsr(&cpu[c], index, &value))
		unit_report(false, "rdmsr", "#GP at %x", index);
	return value;
}

static void store(int c, u64 gpa, u32 value)
{
	u64 data = value;

	husk_irqchip_mmio(&cpu[c], gpa, 4, true, &data);
}

static u32 load(int c, u64 gpa)
{
	u64 data = 0;

	husk_irqchip_mmio(&cpu[c], gpa, 4, false, &data);
	return data;
}

static void apic_store(int c, u32 reg, u32 value)
{
	store(c, APIC + reg * 16, value);
}

static u32 apic_load(int c, u32 reg)
{
	return load(c, APIC + reg * 16);
}

static void io_store(u32 reg, u32 value)
{
	store(0, HUSK_IOAPIC_BASE, reg);
	store(0, HUSK_IOAPIC_BASE + 0x10, value);
}

static u32 io_load(u32 reg)
{
	store(0, HUSK_IOAPIC_BASE, reg);
	return load(0, HUSK_IOAPIC_BASE + 0x10);
}

static void route(u32 pin, u32 low, u32 dest)
{
	io_store(0x11 + 2 * pin, dest << 24);
	io_store(0x10 + 2 * pin, low);
}

static int line(u32 gsi, int level)
{
	return husk_irq_set(&vm, gsi, HUSK_IRQ_USER, level);
}

static void out(u16 port, u8 value)
{
	u32 data = value;

	husk_irqchip_pio(&cpu[0], port, 1, true, &data);
}

static u8 in(u16 port)
{
	u32 data = 0;

	husk_irqchip_pio(&cpu[0], port, 1, false, &data);
	return data;
}

static int ack(int c)
{
	return husk_irq_ack(&cpu[c]);
}

static void eoi(int c)
{
	if (lapic_x2apic(cpu[c].lapic))
		wrmsr(c, X2(LAPIC_EOI), 0);
	else
		apic_store(c, LAPIC_EOI, 0);
}

/* Take and end the interrupt with this vector */
static bool take(int c, int vector)
{
	if (ack(c) != vector)
		return false;
	eoi(c);
	return true;
}

/* Would an entry now end at once, for vcpu->deadline */
static bool due(int c)
{
	return cpu[c].deadline && (s64)(unit_host_tsc() - cpu[c].deadline) >= 0;
}

/* What the run loop does with HUSK_REQ_TIMER and vcpu->deadline */
static bool timer(int c)
{
	if (!test_and_clear_bit(HUSK_REQ_TIMER, &cpu[c].requests) && !due(c))
		return false;
	husk_lapic_timer_fired(&cpu[c]);
	return true;
}

/* ... and with one that sleeps, ns long; true: the hrtimer woke it */
static bool sleep_in_hlt(int c, u64 ns)
{
	clear_bit(HUSK_REQ_TIMER, &cpu[c].requests);
	husk_lapic_timer_block(&cpu[c]);
	unit_sleep(ns);
	return timer(c);
}

static bool asked(int c)
{
	return test_and_clear_bit(HUSK_REQ_EVENT, &cpu[c].requests);
}

/* Power on, all APICs enabled by software, as xAPIC or x2APIC */
static void setup(bool x2apic)
{
	int c;

	husk_irqchip_reset(&vm);
	for (c = 0; c < CPUS; c++) {
		cpu[c].tsc_offset = 0;
		husk_lapic_reset(&cpu[c], false);
		cpu[c].requests = 0;
		if (x2apic) {
			wrmsr(c, MSR_APIC_BASE, APIC | APIC_BASE_EN | APIC_BASE_EXTD | (c ? 0 : APIC_BASE_BSP));
			wrmsr(c, X2(LAPIC_SVR), 0x1ff);
		} else {
			apic_store(c, LAPIC_SVR, 0x1ff);
		}
	}
}

/* ---- local APIC ---- */

static void test_reset(void)
{
	husk_lapic_reset(&cpu[0], false);
	husk_lapic_reset(&cpu[1], false);
	CHECK("reset_base", rdmsr(0, MSR_APIC_BASE) == 0xfee00900 && rdmsr(1, MSR_APIC_BASE) == 0xfee00800);
	CHECK("reset_id", apic_load(1, LAPIC_ID) == 1 << 24 && apic_load(0, LAPIC_VERSION) == 0x1050014);
	CHECK("reset_svr", apic_load(0, LAPIC_SVR) == 0xff);
	CHECK("reset_lint0", apic_load(0, 0x35) == 0x700 && apic_load(1, 0x35) == 0x10000);
	apic_store(0, LAPIC_ICR, 0x44030);
	CHECK("disabled_drops", husk_irq_pending(&cpu[0]) < 0);
	apic_store(0, LAPIC_LVT_ERROR, 0x40);
	CHECK("disabled_masks", apic_load(0, LAPIC_LVT_ERROR) == 0x10040);
}

static void test_priority(void)
{
	setup(false);
	apic_store(0, LAPIC_ICR, 0x44030);
	CHECK("self_ipi", asked(0) && husk_irq_pending(&cpu[0]) == 0x30 && ack(0) == 0x30);
	CHECK("self_ipi_once", husk_irq_pending(&cpu[0]) < 0);
	apic_store(0, LAPIC_ICR, 0x44035);
	CHECK("same_class", husk_irq_pending(&cpu[0]) < 0 && !husk_lapic_tpr_threshold(&cpu[0]));
	apic_store(0, LAPIC_ICR, 0x44041);
	CHECK("nested", ack(0) == 0x41 && apic_load(0, LAPIC_PPR) == 0x40);
	eoi(0);
	CHECK("eoi_inner", apic_load(0, LAPIC_PPR) == 0x30 && husk_irq_pending(&cpu[0]) < 0);
	asked(0);
	eoi(0);
	CHECK("eoi_outer", asked(0) && take(0, 0x35) && !apic_load(0, LAPIC_PPR));
	eoi(0);
	CHECK("eoi_none", !cpu[0].lapic->attention);

	apic_store(0, LAPIC_TPR, 0x45);
	apic_store(0, LAPIC_ICR, 0x44048);
	CHECK("tpr_holds", husk_irq_pending(&cpu[0]) < 0 && husk_lapic_tpr_threshold(&cpu[0]) == 4);
	asked(0);
	husk_lapic_set_cr8(&cpu[0], 4);
	CHECK("cr8_same", husk_lapic_get_cr8(&cpu[0]) == 4 && apic_load(0, LAPIC_TPR) == 0x45 && !asked(0));
	husk_lapic_set_cr8(&cpu[0], 3);
	CHECK("cr8_lower", asked(0) && take(0, 0x48));
}

static void test_errors(void)
{
	setup(false);
	apic_store(0, LAPIC_LVT_ERROR, 0xfe);
	apic_store(0, LAPIC_ICR, 0x44005);
	CHECK("esr_latched", apic_load(0, LAPIC_ESR) == 0 && take(0, 0xfe));
	apic_store(0, LAPIC_ESR, 0);
	CHECK("esr_send_illegal", apic_load(0, LAPIC_ESR) == 0x20);
	apic_store(0, LAPIC_ESR, 0);
	CHECK("esr_cleared", apic_load(0, LAPIC_ESR) == 0);
	apic_load(0, 4);
	apic_load(0, 4);
	CHECK("esr_once", take(0, 0xfe) && ack(0) < 0);
	apic_store(0, LAPIC_ESR, 0);
	CHECK("esr_illegal_register", apic_load(0, LAPIC_ESR) == 0x80);
	apic_store(0, LAPIC_LVT_ERROR, 3);
	apic_store(0, LAPIC_ICR, 0x44005);
	apic_store(0, LAPIC_ESR, 0);
	CHECK("esr_no_recursion", apic_load(0, LAPIC_ESR) == 0x60);
}

static void test_ipi(void)
{
	int c;

	setup(false);
	apic_store(0, LAPIC_ICR2, 1 << 24);
	apic_store(0, LAPIC_ICR, 0x4500);
	CHECK("init", husk_lapic_take_init(&cpu[1]) && !husk_lapic_take_init(&cpu[2]));
	apic_store(0, LAPIC_ICR, 0x8500);
	CHECK("init_deassert", !husk_lapic_take_init(&cpu[1]));
	apic_store(0, LAPIC_ICR, 0x4699);
	CHECK("sipi", husk_lapic_take_sipi(&cpu[1]) == 0x99 && husk_lapic_take_sipi(&cpu[1]) == -1);
	apic_store(0, LAPIC_ICR, 0x4699);
	apic_store(0, LAPIC_ICR, 0x4500);
	CHECK("init_forgets_sipi", husk_lapic_take_sipi(&cpu[1]) == -1 && husk_lapic_take_init(&cpu[1]));
	apic_store(0, LAPIC_ICR, 0x4500);
	apic_store(0, LAPIC_ICR, 0x4699);
	CHECK("sipi_after_init", husk_lapic_take_sipi(&cpu[1]) == -1 && husk_lapic_take_init(&cpu[1]) &&
	      husk_lapic_take_sipi(&cpu[1]) == 0x99);
	apic_store(0, LAPIC_ICR, 0xc4400);
	CHECK("nmi_others", husk_lapic_take_nmi(&cpu[2]) && husk_lapic_take_nmi(&cpu[1]) && !husk_lapic_take_nmi(&cpu[0]));
	for (c = 0; c < CPUS; c++)
		apic_store(c, LAPIC_LDR, 1 << (24 + c));
	apic_store(1, LAPIC_TPR, 0x20);
	apic_store(0, LAPIC_ICR2, 6 << 24);
	apic_store(0, LAPIC_ICR, 0x4950);
	CHECK("lowest_priority", ack(1) < 0 && take(2, 0x50));
	apic_store(0, LAPIC_ICR, 0x4850);
	CHECK("logical", ack(0) < 0 && take(1, 0x50) && take(2, 0x50));
	apic_store(0, LAPIC_ICR2, 0xffU << 24);
	apic_store(0, LAPIC_ICR, 0x4051);
	CHECK("broadcast", take(0, 0x51) && take(1, 0x51) && take(2, 0x51));
	apic_store(0, LAPIC_ICR2, 40 << 24);
	apic_store(0, LAPIC_ICR, 0x4051);
	CHECK("nobody", ack(0) < 0 && ack(1) < 0 && ack(2) < 0);
}

static void test_modes(void)
{
	setup(false);
	CHECK("base_invalid", !wrmsr(0, MSR_APIC_BASE, 0xfee00500) && !wrmsr(0, MSR_APIC_BASE, 0xfee00901) &&
	      !wrmsr(0, MSR_APIC_BASE, 1ULL << 40 | 0x900));
	CHECK("xapic_no_msr", !can_read(0, X2(LAPIC_ID)) && !wrmsr(0, X2(LAPIC_EOI), 0));
	apic_store(0, LAPIC_ICR, 0x44030);
	CHECK("disable", wrmsr(0, MSR_APIC_BASE, 0xfee00100) && ack(0) < 0);
	CHECK("disabled_to_x2", !wrmsr(0, MSR_APIC_BASE, 0xfee00d00));
	CHECK("enable", wrmsr(0, MSR_APIC_BASE, 0xfee00900) && apic_load(0, LAPIC_SVR) == 0xff);
	CHECK("moved", wrmsr(0, MSR_APIC_BASE, 0x12345900) && load(0, 0x12345030) == 0x1050014);
	setup(true);
	CHECK("x2_to_xapic", !wrmsr(0, MSR_APIC_BASE, 0xfee00900));
	CHECK("x2_no_mmio", !husk_irqchip_mmio(&cpu[0], APIC, 4, false, &(u64){ 0 }));
	CHECK("x2_id", rdmsr(2, X2(LAPIC_ID)) == 2 && rdmsr(2, X2(LAPIC_LDR)) == 4);
	husk_lapic_reset(&cpu[2], true);
	CHECK("x2_init", rdmsr(2, X2(LAPIC_SVR)) == 0xff && rdmsr(2, X2(LAPIC_LDR)) == 4);
	CHECK("x2_disable", wrmsr(0, MSR_APIC_BASE, 0xfee00100) && wrmsr(0, MSR_APIC_BASE, 0xfee00900));
}

static void test_x2apic(void)
{
	setup(true);
	CHECK("x2_read_gp", !can_read(0, X2(LAPIC_DFR)) && !can_read(0, X2(LAPIC_EOI)) && !can_read(0, X2(LAPIC_ICR2)) &&
	      !can_read(0, X2(LAPIC_SELF_IPI)) && !can_read(0, X2(0x2f)) && !can_read(0, 0x840) && !can_read(0, 0x8ff));
	CHECK("x2_write_gp", !wrmsr(0, X2(LAPIC_ID), 0) && !wrmsr(0, X2(LAPIC_LDR), 1) && !wrmsr(0, X2(LAPIC_TMCCT), 0));
	CHECK("x2_reserved_gp", !wrmsr(0, X2(LAPIC_EOI), 1) && !wrmsr(0, X2(LAPIC_ESR), 1) && !wrmsr(0, X2(LAPIC_TPR), 0x100) &&
	      !wrmsr(0, X2(LAPIC_TMICT), 1ULL << 32) && !wrmsr(0, X2(LAPIC_ICR), 1 << 13) &&
	      !wrmsr(0, X2(0x35), 1 << 17) && !wrmsr(0, X2(LAPIC_SELF_IPI), 0x100));
	CHECK("x2_read_only_bits", wrmsr(0, X2(0x35), 0x11000) && rdmsr(0, X2(0x35)) == 0x10000);
	CHECK("x2_self_ipi", wrmsr(0, X2(LAPIC_SELF_IPI), 0x33) && take(0, 0x33));
	CHECK("x2_logical", wrmsr(0, X2(LAPIC_ICR), 6ULL << 32 | 0x4855) && ack(0) < 0 && take(1, 0x55) && take(2, 0x55));
	CHECK("x2_icr_read", rdmsr(0, X2(LAPIC_ICR)) == (6ULL << 32 | 0x4855));
	CHECK("x2_255_is_an_id", wrmsr(0, X2(LAPIC_ICR), 0xffULL << 32 | 0x4056) && ack(0) < 0 && ack(1) < 0);
	CHECK("x2_broadcast", wrmsr(0, X2(LAPIC_ICR), 0xffffffffULL << 32 | 0x4056) &&
	      take(0, 0x56) && take(1, 0x56) && take(2, 0x56));
}

/* ---- IOAPIC, messages, 8259 ---- */

static void test_ioapic(void)
{
	setup(false);
	CHECK("io_version", io_load(1) == 0x170020);
	route(9, 0x8061, 2);
	line(9, 1);
	CHECK("level", io_load(0x10 + 18) == 0xc061 && ack(2) == 0x61 && apic_load(2, LAPIC_TMR + 3) == 2);
	eoi(2);
	CHECK("level_again", ack(2) == 0x61);
	line(9, 0);
	eoi(2);
	CHECK("level_gone", ack(2) < 0 && io_load(0x10 + 18) == 0x8061);
	line(9, 1);
	ack(2);
	line(9, 0);
	store(0, HUSK_IOAPIC_BASE + 0x40, 0x61);
	CHECK("eoi_register", io_load(0x10 + 18) == 0x8061);
	eoi(2);
	apic_store(2, LAPIC_SVR, 0x11ff);
	line(9, 1);
	ack(2);
	eoi(2);
	CHECK("eoi_suppressed", io_load(0x10 + 18) == 0xc061 && ack(2) < 0);
	store(0, HUSK_IOAPIC_BASE + 0x40, 0x61);
	CHECK("eoi_directed", io_load(0x10 + 18) == 0xc061 && ack(2) == 0x61);
	line(9, 0);
	apic_store(2, LAPIC_SVR, 0x1ff);
	eoi(2);
	CHECK("eoi_broadcast", io_load(0x10 + 18) == 0x8061);
	route(5, 0x10061, 2);
	line(5, 1);
	route(5, 0x61, 2);
	CHECK("masked_edge_lost", ack(2) < 0);
	line(5, 0);
	line(5, 1);
	CHECK("edge", ack(2) == 0x61 && apic_load(2, LAPIC_TMR + 3) == 0);
	eoi(2);
	CHECK("gsi_bounds", line(2, 1) == -ENOENT && line(24, 1) == -ENOENT && line(~0U, 1) == -ENOENT);
	route(23, 0x0400, 1);
	line(23, 1);
	CHECK("io_nmi", husk_lapic_take_nmi(&cpu[1]));
	line(23, 0);
	line(5, 0);
}

static void test_msi(void)
{
	setup(false);
	apic_store(1, LAPIC_LDR, 2 << 24);
	apic_store(2, LAPIC_LDR, 4 << 24);
	CHECK("msi", !husk_irq_msi(&vm, 0xfee01000, 0x71) && take(1, 0x71));
	CHECK("msi_bad", husk_irq_msi(&vm, 0xfee01000, 0x371) == -EINVAL && husk_irq_msi(&vm, 0xfee01000, 0x671) == -EINVAL &&
	      husk_irq_msi(&vm, 0x1fee01000, 0x71) == -EINVAL);
	CHECK("msi_redirect", !husk_irq_msi(&vm, 0xfee0600c, 0x72) && take(1, 0x72) && ack(2) < 0);
	CHECK("msi_level", !husk_irq_msi(&vm, 0xfee01000, 0x8073) && ack(1) < 0 &&
	      !husk_irq_msi(&vm, 0xfee01000, 0xc073) && take(1, 0x73));
}

static int set_routes(u32 count, const struct husk_route *route)
{
	return husk_routes_set(&vm, route, count);
}

#define TO_PIN(n, chip, input)	{ .gsi = n, .kind = HUSK_ROUTE_##chip, .pin = input }
#define TO_MSI(n, where, what)	{ .gsi = n, .kind = HUSK_ROUTE_MSI, .address = where, .data = what }

static void test_routes(void)
{
	static const struct husk_route good[] = {
		TO_MSI(4095, 0xfee01000, 0x74), TO_PIN(30, IOAPIC, 5), TO_PIN(7, IOAPIC, 23),
		TO_PIN(30, PIC_SLAVE, 3), TO_PIN(30, PIC_MASTER, 5), TO_MSI(0, 0xfee02000, 0x75),
	};
	static const struct husk_route bad[][2] = {
		{ TO_PIN(4096, IOAPIC, 0) }, { TO_PIN(1, IOAPIC, 24) }, { TO_PIN(1, PIC_MASTER, 8) },
		{ TO_PIN(1, PIC_SLAVE, 8) }, { TO_PIN(1, PIC_MASTER, 2) }, { TO_MSI(1, 0xfed00000, 0x40) },
		{ TO_MSI(1, 0xfee00000, 0x340) }, { { .gsi = 1, .kind = HUSK_ROUTE_KIND_COUNT } },
		{ { .gsi = 1, .kind = HUSK_ROUTE_IOAPIC, .address = 1 } }, { { .gsi = 1, .kind = HUSK_ROUTE_IOAPIC, .data = 1 } },
		{ { .gsi = 1, .kind = HUSK_ROUTE_IOAPIC, .reserved = 1 } },
		{ { .gsi = 1, .kind = HUSK_ROUTE_MSI, .pin = 1, .address = 0xfee00000 } },
		{ TO_PIN(1, IOAPIC, 1), TO_PIN(1, IOAPIC, 2) }, { TO_MSI(1, 0xfee00000, 0x40), TO_PIN(1, PIC_MASTER, 2) },
		{ TO_MSI(1, 0xfee00000, 0x40), TO_PIN(1, IOAPIC, 3) }, { TO_MSI(1, 0xfee00000, 0x40), TO_MSI(1, 0xfee00000, 0x41) },
	};
	u32 n, refused = 0;

	setup(false);
	route(5, 0x8061, 2);
	for (n = 0; n < ARRAY_SIZE(bad); n++)
		refused += set_routes(1 + (bad[n][1].gsi != 0), bad[n]) == -EINVAL;
	CHECK("routes_refused", refused == ARRAY_SIZE(bad) && !line(5, 1) && ack(2) == 0x61);
	line(5, 0);
	eoi(2);
	CHECK("routes_set", !set_routes(ARRAY_SIZE(good), good));
	CHECK("routes_gone", line(5, 1) == -ENOENT && line(31, 1) == -ENOENT && ack(2) < 0);
	CHECK("route_msi", !line(4095, 1) && take(1, 0x74) && !line(4095, 0) && ack(1) < 0);
	CHECK("route_msi_of_0", !line(0, 1) && take(2, 0x75));
	CHECK("route_chips", !line(30, 1) && ack(2) == 0x61 && vm.irqchip->pic.chip[0].lines == 0x20 &&
	      vm.irqchip->pic.chip[1].lines == 0x08);
	CHECK("routes_reach", husk_routes_reach(&vm, 30, HUSK_ROUTE_IOAPIC, 1 << 5) &&
	      husk_routes_reach(&vm, 30, HUSK_ROUTE_PIC_SLAVE, 0xff) && !husk_routes_reach(&vm, 30, HUSK_ROUTE_IOAPIC, ~(1U << 5)) &&
	      !husk_routes_reach(&vm, 7, HUSK_ROUTE_IOAPIC, 1 << 5) && !husk_routes_reach(&vm, 29, HUSK_ROUTE_IOAPIC, ~0U));
	/* Two who assert it */
	husk_irq_set(&vm, 30, HUSK_IRQ_PIT, true);
	line(30, 0);
	eoi(2);
	CHECK("sources", ack(2) == 0x61);
	husk_irq_set(&vm, 30, HUSK_IRQ_PIT, false);
	eoi(2);
	CHECK("sources_gone", ack(2) < 0 && !vm.irqchip->pic.chip[0].lines);
	CHECK("routes_none", !set_routes(0, NULL) && line(4095, 1) == -ENOENT);
	husk_routes_fini(&vm);
	husk_routes_init(&vm);
}

/* The bits since the last time */
static u32 acked(enum husk_route_kind chip)
{
	u32 bits = unit_acked[chip];

	unit_acked[chip] = 0;
	return bits;
}

static void pic_init_ports(u8 icw4)
{
	const u8 init[][2] = { { 0x20, 0x11 }, { 0x21, 0x20 }, { 0x21, 4 }, { 0x21, icw4 }, { 0x21, 0 },
			       { 0xa0, 0x11 }, { 0xa1, 0x28 }, { 0xa1, 2 }, { 0xa1, icw4 }, { 0xa1, 0 } };
	u32 n;

	for (n = 0; n < ARRAY_SIZE(init); n++)
		out(init[n][0], init[n][1]);
}

/* A line that an irqfd holds until the EOI */
static void test_resample(void)
{
	setup(false);
	route(9, 0x8061, 2);
	route(10, 0x8061, 2);
	unit_acked[HUSK_ROUTE_IOAPIC] = 0;
	husk_irq_set(&vm, 9, HUSK_IRQ_RESAMPLE, true);
	CHECK("resample_once", ack(2) == 0x61 && !acked(HUSK_ROUTE_IOAPIC));
	eoi(2);
	CHECK("resample_eoi", acked(HUSK_ROUTE_IOAPIC) == 1 << 9 && ack(2) < 0 && io_load(0x10 + 18) == 0x8061);
	husk_irq_set(&vm, 9, HUSK_IRQ_RESAMPLE, true);
	line(9, 1);
	ack(2);
	line(9, 0);
	store(0, HUSK_IOAPIC_BASE + 0x40, 0x60);
	CHECK("resample_other_vector", !acked(HUSK_ROUTE_IOAPIC));
	store(0, HUSK_IOAPIC_BASE + 0x40, 0x61);
	CHECK("resample_eoi_register", acked(HUSK_ROUTE_IOAPIC) == 1 << 9 && io_load(0x10 + 18) == 0x8061);
	eoi(2);
	/* By the 8259: end of interrupt, automatic, poll, and a new ICW1 */
	pic_init_ports(1);
	apic_store(0, 0x35, 0x700);
	out(0x4d1, 0x02);
	husk_irq_set(&vm, 9, HUSK_IRQ_RESAMPLE, true);
	acked(HUSK_ROUTE_PIC_SLAVE);
	acked(HUSK_ROUTE_PIC_MASTER);
	CHECK("resample_pic", ack(0) == 0x29 && ack(0) < 0 && !acked(HUSK_ROUTE_PIC_SLAVE));
	out(0xa0, 0x20);
	CHECK("resample_pic_eoi", acked(HUSK_ROUTE_PIC_SLAVE) == 2 && !acked(HUSK_ROUTE_PIC_MASTER) &&
	      !vm.irqchip->pic.chip[1].lines);
	out(0x20, 0x20);
	CHECK("resample_pic_quiet", acked(HUSK_ROUTE_PIC_MASTER) == 4 && ack(0) < 0);
	husk_irq_set(&vm, 9, HUSK_IRQ_RESAMPLE, true);
	ack(0);
	out(0xa0, 0x11);
	CHECK("resample_pic_icw1", acked(HUSK_ROUTE_PIC_SLAVE) == 2 && !vm.irqchip->pic.chip[1].lines);
	pic_init_ports(3);
	out(0x4d1, 0x02);
	husk_irq_set(&vm, 9, HUSK_IRQ_RESAMPLE, true);
	CHECK("resample_pic_auto", ack(0) == 0x29 && acked(HUSK_ROUTE_PIC_SLAVE) == 2 && ack(0) < 0);
	husk_irq_set(&vm, 9, HUSK_IRQ_RESAMPLE, true);
	husk_irqchip_reset(&vm);
	CHECK("resample_reset", acked(HUSK_ROUTE_PIC_SLAVE) == ~0U && acked(HUSK_ROUTE_IOAPIC) == ~0U);
	husk_irq_set(&vm, 9, HUSK_IRQ_RESAMPLE, false);
	while (ack(2) >= 0)
		eoi(2);
}

static void test_virtual_wire(void)
{
	static const u8 init[][2] = { { 0x20, 0x11 }, { 0x21, 0x20 }, { 0x21, 4 }, { 0x21, 1 },
				      { 0xa0, 0x11 }, { 0xa1, 0x28 }, { 0xa1, 2 }, { 0xa1, 1 } };
	u32 n;

	setup(false);
	for (n = 0; n < ARRAY_SIZE(init); n++)
		out(init[n][0], init[n][1]);
	apic_store(0, 0x35, 0x10700);
	line(4, 1);
	CHECK("lint0_masked", husk_irq_pending(&cpu[0]) < 0);
	asked(0);
	apic_store(0, 0x35, 0x700);
	CHECK("lint0_extint", asked(0) && husk_irq_pending(&cpu[0]) == 0x24 && ack(0) == 0x24 && ack(0) < 0);
	line(4, 0);
	out(0x20, 0x20);
	CHECK("lint0_quiet", !cpu[0].lapic->attention);
	apic_store(0, 0x35, 0x44);
	line(4, 1);
	CHECK("lint0_fixed", take(0, 0x44));
	out(0x20, 0x0c);
	CHECK("poll", in(0x20) == 0x84);
	out(0x20, 0x20);
	line(4, 0);
	route(0, 0x0700, 1);
	apic_store(0, 0x35, 0x10000);
	line(4, 1);
	CHECK("io_extint", ack(0) < 0 && ack(1) == 0x24 && ack(1) < 0);
	out(0x20, 0x20);
	line(4, 0);
	route(0, 0x10000, 0);
	line(4, 1);
	CHECK("io_extint_masked", ack(1) < 0 && vm.irqchip->ioapic.lines & 1);
	out(0x20, 0x0c);
	in(0x20);
	out(0x20, 0x20);
	line(4, 0);
	CHECK("io_extint_wire", !(vm.irqchip->ioapic.lines & 1));
	line(4, 1);
	CHECK("intr_pin", ack(0) < 0 && wrmsr(0, MSR_APIC_BASE, 0xfee00100) && ack(0) == 0x24);
	line(4, 0);
}

/* ---- timers ---- */

static void test_deadline(void)
{
	u64 start;

	setup(true);
	wrmsr(0, X2(LAPIC_LVTT), 0x400ec);
	wrmsr(0, X2(LAPIC_TMICT), 5);
	CHECK("deadline_no_count", rdmsr(0, X2(LAPIC_TMICT)) == 0);
	start = husk_guest_tsc(&cpu[0]);
	unit_starts = 0;
	wrmsr(0, MSR_DEADLINE, start + 2500000);
	wrmsr(0, MSR_DEADLINE, start + 5000000);
	CHECK("deadline_lazy", unit_starts == 1 && rdmsr(0, MSR_DEADLINE) == start + 5000000);
	unit_sleep(1000000);
	CHECK("deadline_early_fire", timer(0) && unit_starts == 2 && ack(0) < 0);
	unit_sleep(1000100);
	CHECK("deadline", timer(0) && take(0, 0xec) && rdmsr(0, MSR_DEADLINE) == 0);
	wrmsr(0, MSR_DEADLINE, 1);
	CHECK("deadline_past", take(0, 0xec) && rdmsr(0, MSR_DEADLINE) == 0);
	wrmsr(0, MSR_DEADLINE, husk_guest_tsc(&cpu[0]) + 2500000);
	wrmsr(0, MSR_DEADLINE, 0);
	unit_sleep(2000000);
	timer(0);
	CHECK("deadline_disarmed", ack(0) < 0);
	wrmsr(0, MSR_DEADLINE, ~0ULL);
	wrmsr(0, MSR_DEADLINE, husk_guest_tsc(&cpu[0]) + 25000);
	unit_sleep(11000);
	CHECK("deadline_nearer", timer(0) && take(0, 0xec));
	wrmsr(0, X2(LAPIC_LVTT), 0x500ec);
	wrmsr(0, MSR_DEADLINE, husk_guest_tsc(&cpu[0]) + 2500);
	unit_sleep(5000);
	wrmsr(0, X2(LAPIC_LVTT), 0x400ec);
	CHECK("deadline_masked", !timer(0) && ack(0) < 0);
	wrmsr(0, MSR_DEADLINE, husk_guest_tsc(&cpu[0]) + 2500000);
	cpu[0].tsc_offset += 2497500;
	husk_lapic_tsc_changed(&cpu[0]);
	unit_sleep(2000);
	CHECK("deadline_new_tsc", timer(0) && take(0, 0xec));
	wrmsr(0, MSR_DEADLINE, husk_guest_tsc(&cpu[0]) + 2500);
	wrmsr(0, X2(LAPIC_LVTT), 0xec);
	unit_sleep(10000);
	timer(0);
	CHECK("deadline_mode_left", ack(0) < 0 && wrmsr(0, MSR_DEADLINE, 5) && rdmsr(0, MSR_DEADLINE) == 0);
}

static void test_one_shot(void)
{
	u32 count;

	setup(true);
	wrmsr(0, X2(LAPIC_LVTT), 0xec);
	wrmsr(0, X2(LAPIC_DCR), 3);
	wrmsr(0, X2(LAPIC_TMICT), 1000);
	CHECK("count_start", rdmsr(0, X2(LAPIC_TMCCT)) == 1000);
	unit_sleep(8000);
	count = rdmsr(0, X2(LAPIC_TMCCT));
	CHECK("count_half", count >= 499 && count <= 501);
	wrmsr(0, X2(LAPIC_DCR), 0xb);
	count = rdmsr(0, X2(LAPIC_TMCCT));
	CHECK("count_new_divider", count >= 498 && count <= 502);
	unit_sleep(20000);
	while (timer(0))
		unit_sleep(2000);
	CHECK("one_shot", take(0, 0xec) && rdmsr(0, X2(LAPIC_TMCCT)) == 0);
	wrmsr(0, X2(LAPIC_TMICT), 1000000);
	cpu[0].tsc_offset -= 123456789;
	husk_lapic_tsc_changed(&cpu[0]);
	CHECK("one_shot_new_tsc", rdmsr(0, X2(LAPIC_TMCCT)) > 999990);
}

static u32 count_ticks(u64 ns, u64 step)
{
	u64 end = unit_now + ns;
	u32 ticks = 0;

	while (unit_now < end) {
		unit_sleep(step);
		timer(0);
		ticks += take(0, 0xec);
	}
	return ticks;
}

static void test_periodic(void)
{
	u32 ticks;

	setup(true);
	cpu[0].tsc_offset = -unit_now * 5 / 2 - 100000000;	/* the TSC wraps soon */
	wrmsr(0, X2(LAPIC_LVTT), 0x200ec);
	wrmsr(0, X2(LAPIC_DCR), 0xb);
	wrmsr(0, X2(LAPIC_TMICT), 1000000);
	ticks = count_ticks(100000000, 10000);
	CHECK("periodic", ticks == 99 || ticks == 100);
	wrmsr(0, X2(LAPIC_TMICT), 1);
	unit_starts = 0;
	count_ticks(10000000, 1000);
	CHECK("periodic_bound", unit_starts > 400 && unit_starts <= 501);
	wrmsr(0, X2(LAPIC_TMICT), 1000000);
	unit_sleep(50500000);
	CHECK("periodic_late", timer(0) && take(0, 0xec) && !timer(0) && ack(0) < 0);
	wrmsr(0, X2(LAPIC_LVTT), 0x300ec);
	unit_sleep(1000000);
	timer(0);
	unit_starts = 0;
	unit_sleep(10000000);
	CHECK("periodic_masked", unit_starts == 0 && ack(0) < 0 && rdmsr(0, X2(LAPIC_TMCCT)) > 0);
	wrmsr(0, X2(LAPIC_LVTT), 0x200ec);
	ticks = count_ticks(10000000, 10000);
	CHECK("periodic_unmasked", ticks == 9 || ticks == 10);
}

/* With HUSK_MODE_PREEMPT_TIMER: no hrtimer but in HLT */
static void test_stay(void)
{
	u64 start;

	setup(true);
	wrmsr(0, X2(LAPIC_LVTT), 0x400ec);
	unit_sleep(1000000);
	CHECK("stay_none", !cpu[0].deadline);
	unit_starts = 0;
	start = husk_guest_tsc(&cpu[0]);
	wrmsr(0, MSR_DEADLINE, start + 5000000);
	CHECK("stay_later", cpu[0].deadline == unit_host_tsc() + 5000000);
	wrmsr(0, MSR_DEADLINE, start + 2500000);
	CHECK("stay_earlier", cpu[0].deadline == unit_host_tsc() + 2500000);
	unit_sleep(999000);
	CHECK("stay_not_yet", !timer(0));
	unit_sleep(1000);
	CHECK("stay_due", timer(0) && take(0, 0xec) && !cpu[0].deadline && !timer(0) && rdmsr(0, MSR_DEADLINE) == 0);
	wrmsr(0, MSR_DEADLINE, start);
	CHECK("stay_past", take(0, 0xec) && !cpu[0].deadline);
	wrmsr(0, MSR_DEADLINE, husk_guest_tsc(&cpu[0]) + 2500);
	wrmsr(0, MSR_DEADLINE, 0);
	CHECK("stay_disarmed", !cpu[0].deadline);
	wrmsr(0, MSR_DEADLINE, husk_guest_tsc(&cpu[0]) + 2500);
	unit_sleep(2000);
	wrmsr(0, MSR_DEADLINE, husk_guest_tsc(&cpu[0]) + 2500000);
	CHECK("stay_missed", take(0, 0xec) && ack(0) < 0 && cpu[0].deadline == unit_host_tsc() + 2500000);
	wrmsr(0, X2(LAPIC_LVTT), 0x500ec);
	CHECK("stay_masked", !cpu[0].deadline);
	wrmsr(0, X2(LAPIC_LVTT), 0x400ec);
	CHECK("stay_unmasked", cpu[0].deadline == unit_host_tsc() + 2500000);
	cpu[0].tsc_offset += 2400000;
	husk_lapic_tsc_changed(&cpu[0]);
	CHECK("stay_new_tsc", cpu[0].deadline == unit_host_tsc() + 100000);
	wrmsr(0, X2(LAPIC_LVTT), 0xec);
	CHECK("stay_mode_left", !cpu[0].deadline);
	wrmsr(0, X2(LAPIC_LVTT), 0x200ec);
	wrmsr(0, X2(LAPIC_DCR), 0xb);
	wrmsr(0, X2(LAPIC_TMICT), 1000000);
	CHECK("stay_periodic", count_ticks(100000000, 10000) == 100);
	wrmsr(0, X2(LAPIC_TMICT), 1);
	CHECK("stay_periodic_bound", count_ticks(10000000, 1000) <= 501);
	wrmsr(0, X2(LAPIC_TMICT), 0);
	CHECK("stay_stopped", !cpu[0].deadline && unit_starts == 0);
}

/* Beyond what the hardware can count the guest is left now and then, and no sooner */
static void test_stay_far(void)
{
	u64 target;
	u32 looks = 0;

	setup(true);
	wrmsr(0, X2(LAPIC_LVTT), 0x400ec);
	wrmsr(0, MSR_DEADLINE, ~0ULL);
	CHECK("stay_never", cpu[0].deadline - unit_host_tsc() == APIC_TIMER_MAX_STAY);
	target = husk_guest_tsc(&cpu[0]) + 10 * APIC_TIMER_MAX_STAY + 100000;
	wrmsr(0, MSR_DEADLINE, target);
	while (ack(0) < 0 && looks < 1000000) {
		unit_sleep(1000);
		looks += timer(0);
	}
	CHECK("stay_far", looks == 11 && husk_guest_tsc(&cpu[0]) - target < 2500);
	cpu[0].tsc_offset = -unit_host_tsc() - 1000;	/* the host's TSC may be 0 at a deadline */
	husk_lapic_tsc_changed(&cpu[0]);
	wrmsr(0, MSR_DEADLINE, ~0ULL - 500);
	CHECK("stay_wrap", cpu[0].deadline && !due(0));
	eoi(0);
}

static void test_stay_hlt(void)
{
	setup(true);
	wrmsr(0, X2(LAPIC_LVTT), 0x400ec);
	wrmsr(0, MSR_DEADLINE, husk_guest_tsc(&cpu[0]) + 2500000);
	unit_starts = 0;
	CHECK("stay_hlt", sleep_in_hlt(0, 1000100) && unit_starts == 1 && take(0, 0xec));
	wrmsr(0, MSR_DEADLINE, husk_guest_tsc(&cpu[0]) + 2500000);
	CHECK("stay_hlt_busy", !sleep_in_hlt(0, 500000) && cpu[0].deadline == unit_host_tsc() + 1250000);
	CHECK("stay_hlt_again", !sleep_in_hlt(0, 100000) && unit_starts == 2);
	wrmsr(0, MSR_DEADLINE, husk_guest_tsc(&cpu[0]) + 250000);
	CHECK("stay_hlt_nearer", sleep_in_hlt(0, 100100) && unit_starts == 3 && take(0, 0xec));
	wrmsr(0, MSR_DEADLINE, husk_guest_tsc(&cpu[0]) + 2500);
	unit_sleep(2000);
	CHECK("stay_hlt_past", !sleep_in_hlt(0, 0) && take(0, 0xec) && unit_starts == 3);
	wrmsr(0, MSR_DEADLINE, 0);
	CHECK("stay_hlt_none", !sleep_in_hlt(0, 10000000) && unit_starts == 3);
}

static void test_pit(void)
{
	u32 ticks = 0, round;
	u64 start;

	setup(false);
	route(2, 0x91, 0);
	out(0x43, 0x34);
	out(0x40, 1193 & 0xff);
	out(0x40, 1193 >> 8);
	for (round = 0; round < 10000; round++) {
		unit_sleep(100000);
		ticks += take(0, 0x91);
		out(0x43, 0);	/* a latch costs no tick */
		in(0x40);
		in(0x40);
	}
	CHECK("pit_1000_hz", ticks >= 999 && ticks <= 1001);
	out(0x43, 0x14);
	out(0x40, 2);
	unit_starts = 0;
	unit_sleep(100000000);
	CHECK("pit_bound", unit_starts <= 501);
	out(0x43, 0x10);
	/* 50 ms by channel 2, as Linux does to learn the TSC's frequency */
	out(0x61, (in(0x61) & ~2) | 1);
	out(0x43, 0xb0);
	out(0x42, 59659 & 0xff);
	start = unit_now;
	out(0x42, 59659 >> 8);
	while (!(in(0x61) & 0x20))
		unit_now += 100;
	CHECK("pit_calibration", unit_now - start > 49999000 && unit_now - start < 50001500);
}

/* ---- state, and a hostile guest ---- */

static void test_state(void)
{
	struct husk_lapic_state before, after;

	setup(true);
	wrmsr(0, X2(LAPIC_TPR), 0x20);
	wrmsr(0, X2(LAPIC_SELF_IPI), 0x77);
	wrmsr(0, X2(LAPIC_LVTT), 0x200ec);
	wrmsr(0, X2(LAPIC_TMICT), 1000000);
	unit_sleep(300000);
	husk_lapic_get_state(&cpu[0], &before);
	CHECK("state_check", !husk_lapic_check_state(&cpu[0], &before) && husk_lapic_check_state(&cpu[1], &before));
	husk_lapic_reset(&cpu[0], false);
	husk_lapic_set_state(&cpu[0], &before);
	husk_lapic_get_state(&cpu[0], &after);
	CHECK("state_same", !memcmp(before.regs, after.regs, 0x39 * 4) && before.apic_base == after.apic_base);
	CHECK("state_timer", after.timer_left + 2 > before.timer_left && after.timer_left <= before.timer_left + 2);
	CHECK("state_pending", take(0, 0x77));
	husk_lapic_reset(&cpu[0], false);
	husk_lapic_get_state(&cpu[0], &before);
	CHECK("state_of_reset", !husk_lapic_check_state(&cpu[0], &before));
	before.regs[LAPIC_LVTT] |= BIT(25);
	CHECK("state_reserved", husk_lapic_check_state(&cpu[0], &before) == -EINVAL);
}

struct chips {
	struct husk_ioapic_state io;
	struct husk_pic_state pic;
	struct husk_pit_state pit;
};

static void chips_get(struct chips *c)
{
	memset(c, 0, sizeof(*c));
	husk_ioapic_get_state(&vm, &c->io);
	husk_pic_get_state(&vm, &c->pic);
	husk_pit_get_state(&vm, &c->pit);
}

static bool chips_valid(const struct chips *c)
{
	return !husk_ioapic_check_state(&vm, &c->io) && !husk_pic_check_state(&vm, &c->pic) &&
	       !husk_pit_check_state(&vm, &c->pit);
}

static void chips_set(const struct chips *c)
{
	husk_pit_set_state(&vm, &c->pit);
	husk_pic_set_state(&vm, &c->pic);
	husk_ioapic_set_state(&vm, &c->io);
}

static void pit_program(int n, u8 mode, u16 count)
{
	out(0x43, n << 6 | 0x30 | mode << 1);
	out(0x40 + n, count);
	out(0x40 + n, count >> 8);
}

static u16 pit_count(int n)
{
	u8 low;

	out(0x43, n << 6);
	low = in(0x40 + n);
	return low | in(0x40 + n) << 8;
}

static void test_chips_state(void)
{
	struct chips before, after;
	u16 count;

	setup(false);
	route(9, 0x8061, 2);
	route(2, 0x62, 2);
	pic_init_ports(0x11);
	out(0x4d1, 0x02);
	apic_store(0, 0x35, 0x700);
	line(9, 1);
	husk_irq_set(&vm, 10, HUSK_IRQ_RESAMPLE, true);
	ack(0);
	ack(2);
	out(0x20, 0x68);
	out(0xa0, 0x0b);
	pit_program(0, 2, 11932);
	pit_program(1, 4, 100);
	out(0x61, 1);
	pit_program(2, 0, 50000);
	unit_sleep(17000000);
	out(0x43, 0x80);
	in(0x42);
	count = pit_count(0);
	chips_get(&before);
	CHECK("chips_valid", chips_valid(&before));
	CHECK("chips_lines", before.io.lines == 1 << 9 && before.io.resample == 1 << 10 && before.pic.chip[1].lines == 2 &&
	      before.pic.chip[1].resample == 4 && before.pic.chip[1].isr == 2);
	/* scribble */
	husk_irqchip_reset(&vm);
	line(9, 0);
	line(7, 1);
	route(9, 0x77, 1);
	pic_init_ports(3);
	pit_program(0, 3, 77);
	out(0x61, 0x0e);
	unit_sleep(100000000);
	husk_pit_timer_reset(&vm);
	unit_sleep(100000000);
	chips_set(&before);
	chips_get(&after);
	CHECK("chips_same", !memcmp(&before, &after, sizeof(before)));
	CHECK("chips_count", (u16)(count - pit_count(0)) <= 1);
	CHECK("chips_pic", in(0xa0) == 2 && vm.irqchip->pic.output == (pic_request(&vm.irqchip->pic, 0) >= 0));
	eoi(2);
	CHECK("chips_level", io_load(0x10 + 18) == 0xc061);
	while (ack(2) == 0x62)
		eoi(2);
	line(9, 0);
	line(7, 0);
	eoi(2);
	CHECK("chips_level_gone", io_load(0x10 + 18) == 0x8061);
	while (ack(2) >= 0)
		eoi(2);
	unit_sleep(25000000);
	CHECK("chips_tick", ack(2) == 0x62);
	eoi(2);
	CHECK("chips_out", in(0x61) == 0x21 || in(0x61) == 0x31);
}

/* In a VM that is younger than the count */
static void test_chips_young(void)
{
	struct chips before;

	setup(false);
	out(0x61, 1);
	pit_program(2, 0, 1000);
	unit_sleep(3000000000ULL);
	chips_get(&before);
	vm.irqchip->pit.epoch = unit_now - husk_pit_ns(PIT_PHASES);
	chips_set(&before);
	CHECK("chips_young", (in(0x61) & 0x20) && chips_valid(&before));
}

static void test_chips_refused(void)
{
	struct chips good, bad;

	setup(false);
	chips_get(&good);
#define BAD(name, change) do { bad = good; change; CHECK("refused_" name, !chips_valid(&bad)); } while (0)
	CHECK("reset_valid", chips_valid(&good));
	BAD("io_id", bad.io.id = 16);
	BAD("io_reserved", bad.io.reserved[5] = 1);
	BAD("io_lines", bad.io.lines = 1 << 24);
	BAD("io_resample", bad.io.resample = 1U << 31);
	BAD("io_entry", bad.io.entry[23] |= 1 << 12);
	BAD("io_entry_high", bad.io.entry[0] |= 1ULL << 40);
	BAD("io_remote_edge", bad.io.entry[3] = 1 << 14);
	BAD("pic_base", bad.pic.chip[0].base = 1);
	BAD("pic_lowest", bad.pic.chip[1].lowest = 8);
	BAD("pic_step_1", bad.pic.chip[0].init_step = 1);
	BAD("pic_step_5", bad.pic.chip[0].init_step = 5);
	BAD("pic_elcr", bad.pic.chip[0].elcr = 4);
	BAD("pic_cascade", bad.pic.chip[0].lines = 4);
	BAD("pic_cascade_resample", bad.pic.chip[0].resample = 4);
	BAD("pic_reserved", bad.pic.chip[1].reserved[0] = 1);
	BAD("pit_elapsed", bad.pit.channel[0].elapsed = 1 << 18);
	BAD("pit_count", bad.pit.channel[0].count = 65537);
	BAD("pit_next", bad.pit.channel[1].next = ~0U);
	BAD("pit_access", bad.pit.channel[1].access = 0);
	BAD("pit_mode", bad.pit.channel[2].mode = 6);
	BAD("pit_flags", bad.pit.channel[2].flags |= 1 << 7);
	BAD("pit_gate", bad.pit.channel[0].flags &= ~HUSK_PIT_GATE);
	BAD("pit_gate2", bad.pit.port61 = 1);
	BAD("pit_port61", bad.pit.port61 = 0x10);
	BAD("pit_reserved", bad.pit.reserved[6] = 1);
#undef BAD
}

static u32 seed = 1;

static u32 random32(void)
{
	seed = seed * 1664525 + 1013904223;
	return seed ^ seed >> 15;
}

static void hostile_access(int c, u32 r)
{
	static const u16 port[] = { 0x20, 0x21, 0xa0, 0xa1, 0x40, 0x41, 0x42, 0x43, 0x61, 0x4d0, 0x4d1 };
	u64 value = (u64)random32() << 32 | random32();
	u32 data = value;

	switch (r % 11) {
	case 0:
	case 1:
	case 2:
		wrmsr(c, X2(r >> 8 & 0x3f), r & 64 ? value : value & 0x4ffff);
		break;
	case 3:
		wrmsr(c, MSR_APIC_BASE, APIC | (value & 0xfff));
		break;
	case 4:
		wrmsr(c, MSR_DEADLINE, r & 64 ? value : husk_guest_tsc(&cpu[c]) + (value & 0xffff));
		break;
	case 5:
	case 6:
		husk_irqchip_mmio(&cpu[c], APIC + (r >> 8 & 0x3f) * 16, 1 << (r >> 14 & 3), r & 64, &value);
		break;
	case 7:
		husk_irqchip_mmio(&cpu[c], HUSK_IOAPIC_BASE + (r & 64 ? 0x10 : r & 128 ? 0x40 : 0), 4, true, &value);
		break;
	case 8:
		husk_irqchip_pio(&cpu[c], port[(r >> 8) % 11], 1 << (r >> 20) % 3, r & 64, &data);
		break;
	case 9:
		line(r >> 8 & 31, value & 1);
		break;
	default:
		husk_irq_msi(&vm, APIC | (value & 0xfffff), value >> 32);
	}
}

static void hostile_time(int c, u32 r)
{
	int n;

	if (r & 8) {
		unit_sleep(r >> 8 & 0x3ff);
		for (n = 0; n < CPUS; n++)
			timer(n);
	} else if (r & 16) {
		husk_lapic_set_cr8(&cpu[c], r >> 8);
		husk_lapic_tpr_threshold(&cpu[c]);
	} else if (r & 32 && (r & 0x3f000) == 0x2000) {
		sleep_in_hlt(c, r >> 20 & 0x3ff);
	} else if (!(r & 0x3f000)) {
		cpu[c].tsc_offset = (u64)random32() << 32 | r;
		husk_lapic_tsc_changed(&cpu[c]);
	} else if ((r & 0x3f000) == 0x1000) {
		husk_lapic_reset(&cpu[c], r & 0x100);
	}
}

/* Is there something that makes the vCPU look at its timer's expiry in time? */
static bool looked_at(int c)
{
	struct husk_lapic_timer *t = &cpu[c].lapic->timer;
	u64 now = husk_guest_tsc(&cpu[c]);
	bool deadline = lapic_timer_mode(cpu[c].lapic) & LVT_TIMER_DEADLINE;

	if (test_bit(HUSK_REQ_TIMER, &cpu[c].requests))
		return true;
	if (!unit_preempt_timer)
		return t->hrtimer.active;
	if (!cpu[c].deadline || apic_timer_expired(t->target, now, deadline))
		return due(c);
	return due(c) || cpu[c].deadline - unit_host_tsc() <= max(t->target - now, (u64)1);
}

/* What must hold after every step */
static bool consistent(int c)
{
	struct husk_lapic *l = cpu[c].lapic;
	struct husk_lapic_state state;
	int pending = husk_irq_pending(&cpu[c]), w;

	for (w = 0; w < APIC_WORDS; w++)
		if (l->irr[w] && !test_bit(w, &l->attention))
			return false;
	if (l->isr_high != apic_highest(l->isr) || l->ppr != apic_ppr(l->tpr, l->isr_high))
		return false;
	if (l->timer.target && !(l->lvt[LVT_TIMER] & LVT_MASKED) && !looked_at(c))
		return false;
	if (pending >= 0 && !test_bit(HUSK_REQ_EVENT, &cpu[c].requests) && !(l->attention & ~LAPIC_ATT_IRR))
		return false;
	if (seed & 15)
		return true;
	if (!(seed & 0x70)) {
		struct chips chips, again;

		chips_get(&chips);
		if (!chips_valid(&chips))
			return false;
		chips_set(&chips);
		chips_get(&again);
		for (w = 0; w < IOAPIC_PINS; w++)	/* what nobody accepted before may be now */
			chips.io.entry[w] |= again.io.entry[w] & BIT(14);
		if (memcmp(&chips, &again, sizeof(chips)))
			return false;
	}
	husk_lapic_get_state(&cpu[c], &state);
	return !husk_lapic_check_state(&cpu[c], &state);
}

static void test_hostile(const char *name)
{
	bool ok = true;
	u32 n, r;

	setup(true);
	for (n = 0; n < 2000000 && ok; n++) {
		int c = random32() % CPUS, pending;

		r = random32();
		if (r & 3) {
			hostile_access(c, r >> 3);
		} else if (r & 4) {
			asked(c);
			pending = husk_irq_pending(&cpu[c]);
			ok &= ack(c) == pending;
			/* The run loop asks for a window for what is left. */
			if (husk_irq_pending(&cpu[c]) >= 0)
				set_bit(HUSK_REQ_EVENT, &cpu[c].requests);
		} else {
			hostile_time(c, r);
		}
		ok &= consistent(c);
	}
	unit_report(ok, name, "inconsistent after %u steps", n);
}

int main(void)
{
	int c;

	husk_irqchip_create(&vm);
	for (c = 0; c < CPUS; c++) {
		cpu[c].vm = &vm;
		cpu[c].id = c;
		husk_lapic_create(&cpu[c]);
		vm.vcpus[c] = &cpu[c];
	}
	test_reset();
	test_priority();
	test_errors();
	test_ipi();
	test_modes();
	test_x2apic();
	test_ioapic();
	test_msi();
	test_routes();
	test_resample();
	test_virtual_wire();
	test_deadline();
	test_one_shot();
	test_periodic();
	test_pit();
	test_state();
	test_chips_state();
	test_chips_young();
	test_chips_refused();
	test_hostile("hostile");
	unit_preempt_timer = true;
	test_stay();
	test_stay_far();
	test_stay_hlt();
	test_state();
	test_hostile("stay_hostile");
	unit_preempt_timer = false;
	husk_irqchip_quiesce(&vm);
	unit_starts = 0;
	unit_sleep(10000000);
	CHECK("quiesced", unit_starts == 0);
	for (c = 0; c < CPUS; c++)
		husk_lapic_destroy(&cpu[c]);
	husk_irqchip_destroy(&vm);
	return unit_done();
}
