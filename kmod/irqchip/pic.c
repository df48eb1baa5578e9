// SPDX-License-Identifier: GPL-2.0
/*
 * Two 8259A interrupt controllers, cascaded as in a PC (Intel 8259A data sheet,
 * 231468-003), with the ELCR of the PIIX. Pure state machine: no lock, no call
 * to the kernel.
 *
 * Two liberties: an edge stays latched when its line drops before INTA (the
 * chip would answer a spurious vector; no software wants that), and the input
 * of the cascade follows the slave's output, as if it were level triggered.
 */
#include "pic.h"

/* Rank of the first of the given inputs: 0 highest, 8 none */
static u8 pic_rank(const struct husk_pic_chip *c, u8 inputs)
{
	u8 rank;

	for (rank = 0; rank < 8; rank++)
		if (inputs & 1 << ((c->lowest + 1 + rank) & 7))
			break;
	return rank;
}

static u8 pic_input(const struct husk_pic_chip *c, u8 rank)
{
	return (c->lowest + 1 + rank) & 7;
}

/* The input that asks for service and may have it, or -1 */
static int pic_request(const struct husk_pic *pic, int n)
{
	const struct husk_pic_chip *c = &pic->chip[n];
	u8 rank = pic_rank(c, c->irr & ~c->imr);
	u8 limit = pic_rank(c, c->special_mask ? c->isr & ~c->imr : c->isr);
	u8 input = pic_input(c, rank);

	if (c->init_step || rank > limit || rank == 8)
		return -1;
	/* Special fully nested: the slave may interrupt its own service; it knows what is urgent enough. */
	if (rank == limit && !(c->nested && n == 0 && input == PIC_CASCADE))
		return -1;
	return input;
}

static void pic_update(struct husk_pic *pic)
{
	struct husk_pic_chip *master = &pic->chip[0];

	if (pic_request(pic, 1) >= 0)
		master->irr |= 1 << PIC_CASCADE;
	else
		master->irr &= ~(1 << PIC_CASCADE);
	pic->output = pic_request(pic, 0) >= 0;
}

/* ICW1 and power-on: the edge detectors want a new edge after it */
static void pic_restart(struct husk_pic_chip *c)
{
	c->irr = c->lines & c->elcr;
	c->acked |= c->isr;
	c->isr = 0;
	c->imr = 0;
	c->lowest = 7;
	c->special_mask = false;
	c->read_isr = false;
	c->poll = false;
	c->auto_eoi = false;
	c->rotate_on_aeoi = false;
	c->nested = false;
}

void husk_pic_reset(struct husk_pic *pic)
{
	int n;

	for (n = 0; n < 2; n++) {
		struct husk_pic_chip *c = &pic->chip[n];

		c->elcr = 0;
		c->elcr_mask = n ? 0xde : 0xf8;	/* not 0, 1, 2, 8 and 13 */
		pic_restart(c);
		c->base = 0;
		c->init_step = 0;
		c->imr = 0xff;	/* nothing until it is programmed */
	}
	pic_update(pic);
}

/* Level-triggered inputs have no memory; the cascade and the output follow. */
void husk_pic_look(struct husk_pic *pic)
{
	int n;

	for (n = 0; n < 2; n++) {
		struct husk_pic_chip *c = &pic->chip[n];

		c->irr = (c->irr & ~c->elcr) | (c->lines & c->elcr);
	}
	pic_update(pic);
}

void husk_pic_set_line(struct husk_pic *pic, u8 irq, bool level)
{
	struct husk_pic_chip *c = &pic->chip[irq >> 3 & 1];
	u8 bit = 1 << (irq & 7);

	if (level) {
		if ((c->elcr & bit) || !(c->lines & bit))
			c->irr |= bit;
		c->lines |= bit;
	} else {
		if (c->elcr & bit)
			c->irr &= ~bit;
		c->lines &= ~bit;
	}
	pic_update(pic);
}

static void pic_ack_chip(struct husk_pic *pic, int n, u8 input)
{
	struct husk_pic_chip *c = &pic->chip[n];

	if (!(c->elcr & 1 << input))
		c->irr &= ~(1 << input);
	if (!c->auto_eoi) {
		c->isr |= 1 << input;
		return;
	}
	c->acked |= 1 << input;
	if (c->rotate_on_aeoi)
		c->lowest = input;
}

u8 husk_pic_vector(const struct husk_pic *pic)
{
	int input = pic_request(pic, 0);

	if (input != PIC_CASCADE)
		return pic->chip[0].base + (input < 0 ? 7 : input);
	input = pic_request(pic, 1);
	return pic->chip[1].base + (input < 0 ? 7 : input);
}

u8 husk_pic_ack(struct husk_pic *pic)
{
	u8 vector = husk_pic_vector(pic);
	int master = pic_request(pic, 0);
	int slave = pic_request(pic, 1);

	if (master >= 0)
		pic_ack_chip(pic, 0, master);
	if (master == PIC_CASCADE && slave >= 0)
		pic_ack_chip(pic, 1, slave);
	pic_update(pic);
	return vector;
}

/* OCW2: end of interrupt and rotation */
static void pic_ocw2(struct husk_pic_chip *c, u8 value)
{
	bool rotate = value & 0x80, specific = value & 0x40, eoi = value & 0x20;
	u8 serving = c->special_mask ? c->isr & ~c->imr : c->isr;
	u8 input = value & 7;

	if (!eoi) {
		if (specific && rotate)
			c->lowest = input;
		else if (!specific)
			c->rotate_on_aeoi = rotate;
		return;
	}
	if (!specific) {
		if (!serving)
			return;
		input = pic_input(c, pic_rank(c, serving));
	}
	c->acked |= c->isr & 1 << input;
	c->isr &= ~(1 << input);
	if (rotate)
		c->lowest = input;
}

static void pic_ocw3(struct husk_pic_chip *c, u8 value)
{
	if (value & 0x40)
		c->special_mask = value & 0x20;
	c->poll = value & 0x04;
	if (value & 0x02)
		c->read_isr = value & 0x01;
}

static void pic_write_command(struct husk_pic_chip *c, u8 value)
{
	if (value & 0x10) {	/* ICW1 */
		pic_restart(c);
		c->need_icw4 = value & 0x01;
		c->single = value & 0x02;
		c->init_step = 2;
	} else if (value & 0x08) {
		pic_ocw3(c, value);
	} else {
		pic_ocw2(c, value);
	}
}

static void pic_write_data(struct husk_pic_chip *c, u8 value)
{
	switch (c->init_step) {
	case 2:
		c->base = value & 0xf8;
		c->init_step = !c->single ? 3 : c->need_icw4 ? 4 : 0;
		break;
	case 3:		/* the wiring of the cascade is not a choice in a PC */
		c->init_step = c->need_icw4 ? 4 : 0;
		break;
	case 4:
		c->auto_eoi = value & 0x02;
		c->nested = value & 0x10;
		c->init_step = 0;
		break;
	default:
		c->imr = value;
	}
}

/* OCW3.P: the read is an acknowledge cycle */
static u8 pic_poll(struct husk_pic *pic, int n)
{
	int input = pic_request(pic, n);

	pic->chip[n].poll = false;
	if (input < 0)
		return 7;
	pic_ack_chip(pic, n, input);
	pic_update(pic);
	return 0x80 | input;
}

static void pic_write_elcr(struct husk_pic_chip *c, u8 value)
{
	u8 old = c->elcr;

	c->elcr = value & c->elcr_mask;
	/* An input that became level triggered has no memory of edges. */
	c->irr &= ~(c->elcr & ~old) | c->lines;
	c->irr |= c->elcr & c->lines;
}

bool husk_pic_owns(u16 port)
{
	switch (port) {
	case 0x20: case 0x21: case 0xa0: case 0xa1: case 0x4d0: case 0x4d1:
		return true;
	default:
		return false;
	}
}

u8 husk_pic_read(struct husk_pic *pic, u16 port)
{
	int n = port >= 0x4d0 ? port & 1 : port >> 7 & 1;
	struct husk_pic_chip *c = &pic->chip[n];

	if (port >= 0x4d0)
		return c->elcr;
	if (c->poll)
		return pic_poll(pic, n);
	if (port & 1)
		return c->imr;
	return c->read_isr ? c->isr : c->irr;
}

void husk_pic_write(struct husk_pic *pic, u16 port, u8 value)
{
	int n = port >= 0x4d0 ? port & 1 : port >> 7 & 1;
	struct husk_pic_chip *c = &pic->chip[n];

	if (port >= 0x4d0)
		pic_write_elcr(c, value);
	else if (port & 1)
		pic_write_data(c, value);
	else
		pic_write_command(c, value);
	pic_update(pic);
}
