// SPDX-License-Identifier: GPL-2.0
/*
 * The VM's interrupt hardware as a whole: the 8259 pair's wires, messages, and
 * which port or address is whose.
 */
#include <linux/slab.h>
#include <asm/tsc.h>

#include "irqchip/apic_timer.h"
#include "irqchip/chips.h"

/* ---- the 8259 pair: locking, and its wire to LINT0 of vCPU 0 and to pin 0 of the IOAPIC (ICH9 5.10) ---- */

/* The wire follows under the lock, so that two changes can't overtake each other. */
static void irqchip_pic_wire(struct husk_vm *vm, bool was)
{
	bool output = vm->irqchip->pic.output;

	lockdep_assert_held(&vm->irqchip->pic_lock);
	if (output == was)
		return;
	husk_lapic_set_lint0(vm, output);
	husk_ioapic_set_line(vm, 0, HUSK_IRQ_PIC, output);
}

/*
 * After an access that may have ended interrupts: what waits for that is lowered
 * before the wire follows. Answers the inputs, for irqchip_pic_acked().
 */
static u16 irqchip_pic_settle(struct husk_vm *vm, bool was)
{
	struct husk_irqchip *chip = vm->irqchip;
	u16 acked = chip->pic.chip[0].acked | chip->pic.chip[1].acked << 8;
	u32 irq;

	chip->pic.chip[0].acked = 0;
	chip->pic.chip[1].acked = 0;
	for (irq = 0; acked >> irq; irq++)
		if ((acked & BIT(irq)) && (chip->pic_source[irq] & BIT(HUSK_IRQ_RESAMPLE)))
			husk_pic_set_line(&chip->pic, irq,
					  irq_source_set(&chip->pic_source[irq], HUSK_IRQ_RESAMPLE, false));
	irqchip_pic_wire(vm, was);
	return acked;
}

void husk_irqchip_pic_look(struct husk_vm *vm)
{
	struct husk_irqchip *chip = vm->irqchip;
	bool was = chip->pic.output;

	lockdep_assert_held(&chip->pic_lock);
	husk_pic_look(&chip->pic);
	irqchip_pic_wire(vm, was);
}

/* Not under the lock: it signals eventfds. */
static void irqchip_pic_acked(struct husk_vm *vm, u16 acked)
{
	if (acked & 0xff)
		husk_irqfd_acked(vm, HUSK_ROUTE_PIC_MASTER, acked & 0xff);
	if (acked >> 8)
		husk_irqfd_acked(vm, HUSK_ROUTE_PIC_SLAVE, acked >> 8);
}

void husk_irqchip_pic_line(struct husk_vm *vm, u32 irq, enum husk_irq_source source, bool level)
{
	struct husk_irqchip *chip = vm->irqchip;
	unsigned long flags;
	bool was;

	raw_spin_lock_irqsave(&chip->pic_lock, flags);
	was = chip->pic.output;
	husk_pic_set_line(&chip->pic, irq, irq_source_set(&chip->pic_source[irq], source, level));
	irqchip_pic_wire(vm, was);
	raw_spin_unlock_irqrestore(&chip->pic_lock, flags);
}

u8 husk_irqchip_pic_vector(struct husk_vm *vm)
{
	struct husk_irqchip *chip = vm->irqchip;
	unsigned long flags;
	u8 vector;

	raw_spin_lock_irqsave(&chip->pic_lock, flags);
	vector = husk_pic_vector(&chip->pic);
	raw_spin_unlock_irqrestore(&chip->pic_lock, flags);
	return vector;
}

u8 husk_irqchip_pic_ack(struct husk_vm *vm)
{
	struct husk_irqchip *chip = vm->irqchip;
	unsigned long flags;
	u16 acked;
	bool was;
	u8 vector;

	raw_spin_lock_irqsave(&chip->pic_lock, flags);
	was = chip->pic.output;
	vector = husk_pic_ack(&chip->pic);
	acked = irqchip_pic_settle(vm, was);
	raw_spin_unlock_irqrestore(&chip->pic_lock, flags);
	irqchip_pic_acked(vm, acked);
	return vector;
}

static u8 irqchip_pic_read(struct husk_vm *vm, u16 port)
{
	struct husk_irqchip *chip = vm->irqchip;
	unsigned long flags;
	u16 acked;
	bool was;
	u8 value;

	raw_spin_lock_irqsave(&chip->pic_lock, flags);
	was = chip->pic.output;
	value = husk_pic_read(&chip->pic, port);	/* a poll acknowledges */
	acked = irqchip_pic_settle(vm, was);
	raw_spin_unlock_irqrestore(&chip->pic_lock, flags);
	irqchip_pic_acked(vm, acked);
	return value;
}

static void irqchip_pic_write(struct husk_vm *vm, u16 port, u8 value)
{
	struct husk_irqchip *chip = vm->irqchip;
	unsigned long flags;
	u16 acked;
	bool was;

	raw_spin_lock_irqsave(&chip->pic_lock, flags);
	was = chip->pic.output;
	husk_pic_write(&chip->pic, port, value);
	acked = irqchip_pic_settle(vm, was);
	raw_spin_unlock_irqrestore(&chip->pic_lock, flags);
	irqchip_pic_acked(vm, acked);
}

/* ---- messages ---- */

/* An address of interrupts, and a delivery mode that a message can have */
bool husk_msi_valid(u64 address, u32 data)
{
	u8 mode = data >> 8 & 7;

	return address >> 20 == 0xfee && mode != APIC_RESERVED3 && mode != APIC_SIPI;
}

/**
 * husk_irq_msi - deliver a message-signalled interrupt
 * @vm: the VM
 * @address: SDM 3A 11.11.1
 * @data: SDM 3A 11.11.2
 *
 * Any context. A message that nobody accepts is lost.
 *
 * Return: 0; -EINVAL if the address is not one of interrupts, or for a reserved
 * delivery mode.
 */
int husk_irq_msi(struct husk_vm *vm, u64 address, u32 data)
{
	struct lapic_msg msg = {
		.dest = address >> 12 & 0xff,
		.vector = data,
		.mode = data >> 8 & 7,
		.logical = address & BIT(2),
		.level = data & BIT(15),
	};

	if (!husk_msi_valid(address, data))
		return -EINVAL;
	if (msg.level && !(data & BIT(14)))	/* de-assert: nothing to do */
		return 0;
	/* The redirection hint asks for one of several destinations. */
	msg.lowest = msg.mode == APIC_LOWEST || (msg.mode == APIC_FIXED && (address & BIT(3)));
	/* Who sends the same vector meanwhile relies on this one: it is not to wait for a preempted thread. */
	preempt_disable();
	husk_lapic_send(vm, NULL, &msg);
	preempt_enable();
	return 0;
}

/* ---- ports and memory ---- */

static u8 irqchip_read_port(struct husk_vm *vm, u16 port)
{
	if (husk_pic_owns(port))
		return irqchip_pic_read(vm, port);
	return husk_pit_timer_owns(port) ? husk_pit_timer_read(vm, port) : 0xff;
}

static void irqchip_write_port(struct husk_vm *vm, u16 port, u8 value)
{
	if (husk_pic_owns(port))
		irqchip_pic_write(vm, port, value);
	else if (husk_pit_timer_owns(port))
		husk_pit_timer_write(vm, port, value);
}

/* The chips are 8 bits wide: a wider access is one to each port in turn. */
bool husk_irqchip_pio(struct husk_vcpu *vcpu, u16 port, u8 width, bool write, u32 *data)
{
	u32 value = 0;
	u8 n;

	if (likely(!husk_irqchip_owns_port(port)))
		return false;
	for (n = 0; n < width && n < 4; n++) {
		if (write)
			irqchip_write_port(vcpu->vm, port + n, *data >> 8 * n);
		else
			value |= (u32)irqchip_read_port(vcpu->vm, port + n) << 8 * n;
	}
	if (!write)
		*data = value;
	return true;
}

bool husk_irqchip_mmio(struct husk_vcpu *vcpu, u64 gpa, u8 width, bool write, u64 *data)
{
	if (!husk_lapic_mmio(vcpu->lapic, gpa, width, write, data) &&
	    !husk_ioapic_mmio(vcpu->vm, gpa, width, write, data))
		return false;
	if (!write && width < 8)
		*data &= BIT_ULL(8 * width) - 1;
	return true;
}

/* ---- life ---- */

/**
 * husk_irqchip_create - make the VM-wide chips
 * @vm: not yet published
 *
 * Return: 0, -ENOMEM, or -ENODEV if the frequency of the host's TSC is unknown.
 */
int husk_irqchip_create(struct husk_vm *vm)
{
	struct husk_irqchip *chip;

	if (!tsc_khz)
		return -ENODEV;
	chip = kzalloc(sizeof(*chip), GFP_KERNEL_ACCOUNT);
	if (!chip)
		return -ENOMEM;
	chip->tsc_to_ns = apic_ratio(USEC_PER_SEC, tsc_khz);
	chip->ns_to_tsc = apic_ratio(tsc_khz, USEC_PER_SEC);
	raw_spin_lock_init(&chip->pic_lock);
	raw_spin_lock_init(&chip->ioapic.lock);
	vm->irqchip = chip;
	husk_routes_init(vm);
	husk_pit_timer_init(vm);
	husk_irqchip_reset(vm);
	return 0;
}

void husk_irqchip_quiesce(struct husk_vm *vm)
{
	husk_pit_timer_stop(vm);
}

void husk_irqchip_destroy(struct husk_vm *vm)
{
	if (!vm->irqchip)
		return;
	husk_irqchip_quiesce(vm);
	husk_routes_fini(vm);
	kfree(vm->irqchip);
	vm->irqchip = NULL;
}

/* Inputs keep their levels, which belong to the devices, but for irqfds, whose devices look again; the local APICs are reset with their vCPUs. */
void husk_irqchip_reset(struct husk_vm *vm)
{
	struct husk_irqchip *chip = vm->irqchip;
	unsigned long flags;
	u16 acked;
	bool was;

	raw_spin_lock_irqsave(&chip->pic_lock, flags);
	was = chip->pic.output;
	husk_pic_reset(&chip->pic);
	acked = irqchip_pic_settle(vm, was);
	raw_spin_unlock_irqrestore(&chip->pic_lock, flags);
	irqchip_pic_acked(vm, acked);
	husk_ioapic_reset(vm);
	husk_pit_timer_reset(vm);
	/* No EOI will come. */
	husk_irqfd_acked(vm, HUSK_ROUTE_PIC_MASTER, ~0U);
	husk_irqfd_acked(vm, HUSK_ROUTE_PIC_SLAVE, ~0U);
	husk_irqfd_acked(vm, HUSK_ROUTE_IOAPIC, ~0U);
}
