// SPDX-License-Identifier: GPL-2.0
/*
 * IOAPIC (Intel 82093AA data sheet, 290566-001; version 20h has the EOI
 * register of the ICH family).
 *
 * An input is asserted or not; the polarity bit is kept but has no wire whose
 * voltage it could turn round. An edge on a masked pin is lost, as on the chip.
 */
#include <linux/nospec.h>

#include "irqchip/chips.h"

#define IOAPIC_VERSION		0x20

/* Offsets in its page */
#define IOAPIC_REGSEL		0x00
#define IOAPIC_WINDOW		0x10
#define IOAPIC_EOI		0x40

/* Indirect registers */
#define IOAPIC_REG_ID		0x00
#define IOAPIC_REG_VERSION	0x01
#define IOAPIC_REG_ARBITRATION	0x02
#define IOAPIC_REG_TABLE	0x10

/* Redirection entry; bits 12 and 14 are the chip's */
#define RTE_REMOTE_IRR		BIT_ULL(14)
#define RTE_LEVEL		BIT_ULL(15)
#define RTE_MASKED		BIT_ULL(16)
#define RTE_WRITABLE		(GENMASK_ULL(63, 56) | 0x1afff)

static struct husk_ioapic *ioapic_of(struct husk_vm *vm)
{
	return &vm->irqchip->ioapic;
}

/* The pin's input is asserted, or has just become so: send it if it may go out. */
static void ioapic_service(struct husk_vm *vm, u32 pin)
{
	struct husk_ioapic *io = ioapic_of(vm);
	u64 entry = io->entry[pin];
	struct lapic_msg msg = {
		.dest = entry >> 56,
		.vector = entry,
		.mode = entry >> 8 & 7,
		.logical = entry & BIT_ULL(11),
		.level = entry & RTE_LEVEL,
	};
	bool accepted;

	if (entry & (RTE_MASKED | RTE_REMOTE_IRR) || msg.mode == APIC_SIPI)
		return;
	msg.lowest = msg.mode == APIC_LOWEST;
	accepted = husk_lapic_send(vm, NULL, &msg);
	/* Only what the APIC answers with an EOI can wait for one. */
	if (accepted && msg.level && msg.mode <= APIC_LOWEST)
		io->entry[pin] |= RTE_REMOTE_IRR;
}

/**
 * husk_ioapic_set_line - the level of an input
 * @vm: the VM
 * @pin: 0..23
 * @source: whose level it is
 * @level: asserted
 *
 * Any context.
 */
void husk_ioapic_set_line(struct husk_vm *vm, u32 pin, enum husk_irq_source source, bool level)
{
	struct husk_ioapic *io = ioapic_of(vm);
	unsigned long flags;
	bool was;

	raw_spin_lock_irqsave(&io->lock, flags);
	was = io->lines & BIT(pin);
	if (irq_source_set(&io->source[pin], source, level)) {
		io->lines |= BIT(pin);
		if (!was || (io->entry[pin] & RTE_LEVEL))
			ioapic_service(vm, pin);
	} else {
		io->lines &= ~BIT(pin);
	}
	raw_spin_unlock_irqrestore(&io->lock, flags);
}

/* What waits for the EOI is lowered before the pin is looked at. Answers the pins that it was for */
static u32 ioapic_eoi_locked(struct husk_vm *vm, u8 vector)
{
	struct husk_ioapic *io = ioapic_of(vm);
	u32 pin, acked = 0;

	for (pin = 0; pin < IOAPIC_PINS; pin++) {
		u64 entry = io->entry[pin];

		if ((u8)entry != vector || !(entry & RTE_LEVEL) || !(entry & RTE_REMOTE_IRR))
			continue;
		acked |= BIT(pin);
		io->entry[pin] = entry & ~RTE_REMOTE_IRR;
		if (!irq_source_set(&io->source[pin], HUSK_IRQ_RESAMPLE, false))
			io->lines &= ~BIT(pin);
		if (io->lines & BIT(pin))
			ioapic_service(vm, pin);
	}
	return acked;
}

/* EOI message of a local APIC that had a level-triggered interrupt in service, or to the EOI register. Any context. */
void husk_ioapic_eoi(struct husk_vm *vm, u8 vector)
{
	struct husk_ioapic *io = ioapic_of(vm);
	unsigned long flags;
	u32 acked;

	raw_spin_lock_irqsave(&io->lock, flags);
	acked = ioapic_eoi_locked(vm, vector);
	raw_spin_unlock_irqrestore(&io->lock, flags);
	if (acked)
		husk_irqfd_acked(vm, HUSK_ROUTE_IOAPIC, acked);
}

/* ---- registers ---- */

static void ioapic_write_entry(struct husk_vm *vm, u32 pin, bool high, u32 value)
{
	struct husk_ioapic *io = ioapic_of(vm);
	u64 entry = io->entry[pin];

	if (high)
		entry = (u32)entry | (u64)value << 32;
	else
		entry = (entry & ~0xffffffffULL) | value;
	entry &= RTE_WRITABLE;
	/* An edge-triggered pin has no Remote IRR; old kernels clear it by that. */
	if (entry & RTE_LEVEL)
		entry |= io->entry[pin] & RTE_REMOTE_IRR;
	io->entry[pin] = entry;
	if ((entry & RTE_LEVEL) && (io->lines & BIT(pin)))
		ioapic_service(vm, pin);
}

static u32 ioapic_read_reg(struct husk_ioapic *io)
{
	u32 index = io->select - IOAPIC_REG_TABLE;
	u64 entry;

	switch (io->select) {
	case IOAPIC_REG_ID:
	case IOAPIC_REG_ARBITRATION:
		return io->id << 24;
	case IOAPIC_REG_VERSION:
		return IOAPIC_VERSION | (IOAPIC_PINS - 1) << 16;
	}
	if (io->select < IOAPIC_REG_TABLE || index / 2 >= IOAPIC_PINS)
		return 0;
	entry = io->entry[array_index_nospec(index / 2, IOAPIC_PINS)];
	return index & 1 ? entry >> 32 : entry;
}

static void ioapic_write_reg(struct husk_vm *vm, u32 value)
{
	struct husk_ioapic *io = ioapic_of(vm);
	u32 index = io->select - IOAPIC_REG_TABLE;

	if (io->select == IOAPIC_REG_ID)
		io->id = value >> 24 & 15;
	else if (io->select >= IOAPIC_REG_TABLE && index / 2 < IOAPIC_PINS)
		ioapic_write_entry(vm, array_index_nospec(index / 2, IOAPIC_PINS), index & 1, value);
}

static u32 ioapic_read(struct husk_vm *vm, u32 offset)
{
	switch (offset) {
	case IOAPIC_REGSEL:
		return ioapic_of(vm)->select;
	case IOAPIC_WINDOW:
		return ioapic_read_reg(ioapic_of(vm));
	default:
		return 0;
	}
}

static void ioapic_write(struct husk_vm *vm, u32 offset, u32 value)
{
	switch (offset) {
	case IOAPIC_REGSEL:
		ioapic_of(vm)->select = value;
		break;
	case IOAPIC_WINDOW:
		ioapic_write_reg(vm, value);
		break;
	}
}

/* Registers are 32 bits wide; a narrower access is one of its low bytes. */
bool husk_ioapic_mmio(struct husk_vm *vm, u64 gpa, u8 width, bool write, u64 *data)
{
	struct husk_ioapic *io = ioapic_of(vm);
	u32 offset = gpa & 0xfff;
	u32 value = *data;
	unsigned long flags;

	if (gpa >> 12 != HUSK_IOAPIC_BASE >> 12)
		return false;
	if (width < 4)
		value &= BIT(8 * width) - 1;
	if (write && offset == IOAPIC_EOI) {
		husk_ioapic_eoi(vm, value);
		return true;
	}
	raw_spin_lock_irqsave(&io->lock, flags);
	if (write)
		ioapic_write(vm, offset, value);
	else
		*data = ioapic_read(vm, offset);
	raw_spin_unlock_irqrestore(&io->lock, flags);
	return true;
}

bool husk_ioapic_entry_valid(u64 entry)
{
	return !(entry & ~(RTE_WRITABLE | RTE_REMOTE_IRR)) && (!(entry & RTE_REMOTE_IRR) || (entry & RTE_LEVEL));
}

void husk_ioapic_look(struct husk_vm *vm)
{
	struct husk_ioapic *io = ioapic_of(vm);
	u32 pin;

	lockdep_assert_held(&io->lock);
	for (pin = 0; pin < IOAPIC_PINS; pin++)
		if ((io->entry[pin] & RTE_LEVEL) && (io->lines & BIT(pin)))
			ioapic_service(vm, pin);
}

/* The inputs keep their levels: they belong to the devices. */
void husk_ioapic_reset(struct husk_vm *vm)
{
	struct husk_ioapic *io = ioapic_of(vm);
	unsigned long flags;
	u32 pin;

	raw_spin_lock_irqsave(&io->lock, flags);
	io->select = 0;
	io->id = 0;
	for (pin = 0; pin < IOAPIC_PINS; pin++)
		io->entry[pin] = RTE_MASKED;
	raw_spin_unlock_irqrestore(&io->lock, flags);
}
