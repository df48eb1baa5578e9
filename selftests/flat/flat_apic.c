// SPDX-License-Identifier: GPL-2.0
/* The local APIC from outside: exits that its use costs, its state in the middle of things. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "flat.h"

/* Does the CPU virtualize the guest's local APIC? */
static bool apic_accel(struct guest *g)
{
	const u64 both = 1ULL << HUSK_MODE_APIC_ACCEL | 1ULL << HUSK_MODE_VMX;

	return (modes_usable(g) & both) == both;
}

static u64 apic_exits(const struct husk_stats *stats)
{
	return stats_exits(stats, HUSK_REASON_WRMSR) + stats_exits(stats, HUSK_REASON_RDMSR) +
	       stats_exits(stats, HUSK_REASON_CR_ACCESS) + stats_exits(stats, HUSK_REASON_APIC_ACCESS) +
	       stats_exits(stats, HUSK_REASON_INTR_WINDOW);
}

/* A guest's use of its x2APIC exits not at all where the CPU virtualizes that, and each time where it does not */
static void rounds(void)
{
	const u32 count = 50, each = 4;		/* TPR, SELF IPI, EOI, PPR */
	struct guest *g = malloc(sizeof(*g));
	const struct husk_stats *stats;
	u64 seen;

	guest_create(g, GUEST_apic_rounds, count);
	stats = guest_stats(g);
	guest_run_raw(g, true);
	seen = apic_exits(stats);
	guest_run_raw(g, true);
	seen = apic_exits(stats) - seen;
	if (apic_accel(g))
		EXPECT(seen, 0);
	else
		CHECK(seen >= count * each);
	guest_run(g);
	guest_destroy(g);
	free(g);
}

static void stack(void)
{
	struct guest *g = malloc(sizeof(*g));
	const char *machine = getenv("LAB_MACHINE");

	guest_create(g, GUEST_x2apic_stack, 0);
	if (machine && !strcmp(machine, "bochs-vmx") && apic_accel(g))
		flat_skip("Bochs forgets to say which virtual interrupt it was delivering when that faults");
	guest_run(g);
	guest_destroy(g);
	free(g);
}

struct lapic_record {
	struct husk_state_record head;
	struct husk_lapic_state lapic;
};

static int lapic_state(struct guest *g, unsigned long command, struct lapic_record *record)
{
	struct husk_state arg = {
		.size = sizeof(arg), .classes = 1ULL << HUSK_STATE_LAPIC,
		.length = sizeof(*record), .buffer = (uintptr_t)record,
	};

	return ioctl(g->vm.vcpu[0].fd, command, &arg);
}

static bool vector_bit(const struct husk_lapic_state *lapic, u32 reg, u8 vector)
{
	return lapic->regs[reg / 16 + vector / 32] >> vector % 32 & 1;
}

static void flip_vector(struct husk_lapic_state *lapic, u32 reg, u8 vector)
{
	lapic->regs[reg / 16 + vector / 32] ^= 1u << vector % 32;
}

/* Read and set in the middle of an interrupt handler */
static void in_service(void)
{
	struct guest *g = malloc(sizeof(*g));
	struct lapic_record record = {};
	struct husk_lapic_state *lapic = &record.lapic;

	guest_create(g, GUEST_in_service, 0);
	guest_run_raw(g, true);
	EXPECT(lapic_state(g, HUSK_VCPU_GET_STATE, &record), 0);
	CHECK(vector_bit(lapic, 0x100, 0x45) && vector_bit(lapic, 0x200, 0x75));
	EXPECT(lapic->regs[8], 0x43);
	EXPECT(lapic->regs[10], 0x43);
	flip_vector(lapic, 0x100, 0x35);
	flip_vector(lapic, 0x200, 0x75);
	flip_vector(lapic, 0x200, 0x85);
	lapic->regs[8] = 0x20;
	EXPECT(lapic_state(g, HUSK_VCPU_SET_STATE, &record), 0);
	guest_run_raw(g, true);
	EXPECT(lapic_state(g, HUSK_VCPU_GET_STATE, &record), 0);
	CHECK(vector_bit(lapic, 0x100, 0x85) && vector_bit(lapic, 0x100, 0x45) && vector_bit(lapic, 0x100, 0x35));
	CHECK(!vector_bit(lapic, 0x200, 0x85) && !vector_bit(lapic, 0x200, 0x75));
	EXPECT(lapic->regs[10], 0x80);
	guest_run(g);
	guest_destroy(g);
	free(g);
}

const struct flat_test flat_apic_tests[] = {
	{ "apic_rounds", rounds, true, 0 },
	{ "apic_in_service", in_service, true, 0 },
	{ "x2apic_stack", stack, false, 0 },
	FLAT_END
};
