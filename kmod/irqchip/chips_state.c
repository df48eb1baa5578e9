// SPDX-License-Identifier: GPL-2.0
/*
 * State classes IOAPIC, PIC and PIT: the VM's chips for saving and loading. What
 * a user gives is checked as a whole before any of it is set; what follows from
 * the rest is made of that, not believed.
 */
#include "irqchip/chips.h"

/* Inputs that a source asserts, a bit each */
static u32 state_lines(const u8 *source, u32 inputs, enum husk_irq_source which)
{
	u32 i, lines = 0;

	for (i = 0; i < inputs; i++)
		if (source[i] & BIT(which))
			lines |= BIT(i);
	return lines;
}

/* The other way; the pulses of other sources are left alone. Answers all that are asserted */
static u32 state_set_lines(u8 *source, u32 inputs, u32 user, u32 resample)
{
	u32 i, lines = 0;

	for (i = 0; i < inputs; i++) {
		irq_source_set(&source[i], HUSK_IRQ_USER, user & BIT(i));
		if (irq_source_set(&source[i], HUSK_IRQ_RESAMPLE, resample & BIT(i)))
			lines |= BIT(i);
	}
	return lines;
}

/* ---- IOAPIC ---- */

void husk_ioapic_get_state(struct husk_vm *vm, void *payload)
{
	struct husk_ioapic *io = &vm->irqchip->ioapic;
	struct husk_ioapic_state *state = payload;
	unsigned long flags;

	raw_spin_lock_irqsave(&io->lock, flags);
	state->select = io->select;
	state->id = io->id;
	state->lines = state_lines(io->source, IOAPIC_PINS, HUSK_IRQ_USER);
	state->resample = state_lines(io->source, IOAPIC_PINS, HUSK_IRQ_RESAMPLE);
	memcpy(state->entry, io->entry, sizeof(state->entry));
	raw_spin_unlock_irqrestore(&io->lock, flags);
}

int husk_ioapic_check_state(struct husk_vm *vm, const void *payload)
{
	const struct husk_ioapic_state *state = payload;
	u32 pin;

	if (memchr_inv(state->reserved, 0, sizeof(state->reserved)) || state->id > 15 ||
	    (state->lines | state->resample) >> IOAPIC_PINS)
		return -EINVAL;
	for (pin = 0; pin < IOAPIC_PINS; pin++)
		if (!husk_ioapic_entry_valid(state->entry[pin]))
			return -EINVAL;
	return 0;
}

void husk_ioapic_set_state(struct husk_vm *vm, const void *payload)
{
	struct husk_ioapic *io = &vm->irqchip->ioapic;
	const struct husk_ioapic_state *state = payload;
	unsigned long flags;

	raw_spin_lock_irqsave(&io->lock, flags);
	io->select = state->select;
	io->id = state->id;
	memcpy(io->entry, state->entry, sizeof(io->entry));
	io->lines = state_set_lines(io->source, IOAPIC_PINS, state->lines, state->resample);
	husk_ioapic_look(vm);
	raw_spin_unlock_irqrestore(&io->lock, flags);
}

/* ---- 8259 pair ---- */

#define PIC_FLAGS(X) \
	X(need_icw4, NEED_ICW4) X(single, SINGLE) X(read_isr, READ_ISR) X(poll, POLL) X(auto_eoi, AUTO_EOI) \
	X(rotate_on_aeoi, ROTATE) X(nested, NESTED) X(special_mask, SPECIAL_MASK)

static void pic_get_chip(const struct husk_pic_chip *c, const u8 *source, struct husk_pic_chip_state *state)
{
	*state = (struct husk_pic_chip_state) {
		.lines = state_lines(source, 8, HUSK_IRQ_USER),
		.resample = state_lines(source, 8, HUSK_IRQ_RESAMPLE),
		.irr = c->irr, .isr = c->isr, .imr = c->imr, .elcr = c->elcr,
		.base = c->base, .lowest = c->lowest, .init_step = c->init_step,
	};
#define X(member, flag) state->flags |= c->member ? HUSK_PIC_##flag : 0;
	PIC_FLAGS(X)
#undef X
}

void husk_pic_get_state(struct husk_vm *vm, void *payload)
{
	struct husk_irqchip *chip = vm->irqchip;
	struct husk_pic_state *state = payload;
	unsigned long flags;
	int n;

	raw_spin_lock_irqsave(&chip->pic_lock, flags);
	for (n = 0; n < 2; n++)
		pic_get_chip(&chip->pic.chip[n], chip->pic_source + 8 * n, &state->chip[n]);
	raw_spin_unlock_irqrestore(&chip->pic_lock, flags);
}

int husk_pic_check_state(struct husk_vm *vm, const void *payload)
{
	const struct husk_pic_state *state = payload;
	int n;

	for (n = 0; n < 2; n++) {
		const struct husk_pic_chip_state *c = &state->chip[n];

		if (memchr_inv(c->reserved, 0, sizeof(c->reserved)) || (c->base & 7) || c->lowest > 7 ||
		    c->init_step == 1 || c->init_step > 4 || (c->elcr & ~vm->irqchip->pic.chip[n].elcr_mask))
			return -EINVAL;
	}
	return (state->chip[0].lines | state->chip[0].resample) & BIT(PIC_CASCADE) ? -EINVAL : 0;
}

static void pic_set_chip(struct husk_pic_chip *c, u8 *source, const struct husk_pic_chip_state *state)
{
	c->lines = state_set_lines(source, 8, state->lines, state->resample);
	c->irr = state->irr;
	c->isr = state->isr;
	c->imr = state->imr;
	c->elcr = state->elcr;
	c->base = state->base;
	c->lowest = state->lowest;
	c->init_step = state->init_step;
#define X(member, flag) c->member = state->flags & HUSK_PIC_##flag;
	PIC_FLAGS(X)
#undef X
}

void husk_pic_set_state(struct husk_vm *vm, const void *payload)
{
	struct husk_irqchip *chip = vm->irqchip;
	const struct husk_pic_state *state = payload;
	unsigned long flags;
	int n;

	raw_spin_lock_irqsave(&chip->pic_lock, flags);
	for (n = 0; n < 2; n++)
		pic_set_chip(&chip->pic.chip[n], chip->pic_source + 8 * n, &state->chip[n]);
	husk_irqchip_pic_look(vm);
	raw_spin_unlock_irqrestore(&chip->pic_lock, flags);
}

/* ---- 8254 ---- */

#define PIT_FLAGS(X) \
	X(bcd, BCD) X(gate, GATE) X(counting, COUNTING) X(latched, LATCHED) X(status_latched, STATUS_LATCHED) \
	X(read_high, READ_HIGH) X(write_high, WRITE_HIGH)
#define PIT_FLAG(member, flag) | HUSK_PIT_##flag
#define PIT_ALL_FLAGS (0 PIT_FLAGS(PIT_FLAG))

static void pit_get_channel(const struct husk_pit_channel *c, u64 tick, struct husk_pit_channel_state *state)
{
	*state = (struct husk_pit_channel_state) {
		.elapsed = husk_pit_phase(c, tick), .count = c->count, .next = c->next, .latch = c->latch,
		.status = c->status, .access = c->access, .mode = c->mode, .low = c->low,
	};
#define X(member, flag) state->flags |= c->member ? HUSK_PIT_##flag : 0;
	PIT_FLAGS(X)
#undef X
}

void husk_pit_get_state(struct husk_vm *vm, void *payload)
{
	struct husk_pit_state *state = payload;
	struct husk_pit pit;
	u64 tick;
	int n;

	tick = husk_pit_timer_save(vm, &pit, &state->port61);
	for (n = 0; n < 3; n++)
		pit_get_channel(&pit.channel[n], tick, &state->channel[n]);
}

static bool pit_channel_valid(const struct husk_pit_channel_state *c)
{
	return c->elapsed < PIT_PHASES && c->count <= 65536 && c->next <= 65536 && c->access >= 1 && c->access <= 3 &&
	       c->mode <= 5 && !(c->flags & ~PIT_ALL_FLAGS);
}

/* The gates of 0 and 1 are tied high, that of 2 is in port 61h. */
int husk_pit_check_state(struct husk_vm *vm, const void *payload)
{
	const struct husk_pit_state *state = payload;
	int n;

	if (memchr_inv(state->reserved, 0, sizeof(state->reserved)) || state->port61 > 15)
		return -EINVAL;
	for (n = 0; n < 3; n++) {
		bool gate = n < 2 || (state->port61 & 1);

		if (!pit_channel_valid(&state->channel[n]) || !!(state->channel[n].flags & HUSK_PIT_GATE) != gate)
			return -EINVAL;
	}
	return 0;
}

static void pit_set_channel(struct husk_pit_channel *c, const struct husk_pit_channel_state *state)
{
	*c = (struct husk_pit_channel) {
		.frozen = state->elapsed, .count = state->count, .next = state->next, .latch = state->latch,
		.status = state->status, .access = state->access, .mode = state->mode, .low = state->low,
	};
#define X(member, flag) c->member = state->flags & HUSK_PIT_##flag;
	PIT_FLAGS(X)
#undef X
}

void husk_pit_set_state(struct husk_vm *vm, const void *payload)
{
	const struct husk_pit_state *state = payload;
	struct husk_pit pit;
	int n;

	for (n = 0; n < 3; n++)
		pit_set_channel(&pit.channel[n], &state->channel[n]);
	husk_pit_timer_load(vm, &pit, state->port61);
}
