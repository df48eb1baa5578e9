/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A pair of 8259A with their edge/level control registers. Pure state machine;
 * also compiled by selftests/unit. The caller serializes.
 */
#ifndef HUSK_PIC_H
#define HUSK_PIC_H

#ifdef __KERNEL__
#include <linux/bits.h>
#include <linux/types.h>
#else
#include "unit_shim.h"
#endif

#define PIC_CASCADE	2	/* input of the master that the slave drives */

struct husk_pic_chip {
	u8 lines;	/* levels of the inputs */
	u8 irr, isr, imr;
	u8 acked;	/* inputs whose service has ended; the caller takes them */
	u8 elcr;	/* 1: input is level triggered */
	u8 elcr_mask;	/* bits of elcr that can be set */
	u8 base;	/* vector of input 0 */
	u8 lowest;	/* input with the lowest priority */
	u8 init_step;	/* 0: operating; 2..4: this ICW is next */
	bool need_icw4, single;
	bool read_isr, poll;
	bool auto_eoi, rotate_on_aeoi, nested, special_mask;
};

struct husk_pic {
	struct husk_pic_chip chip[2];
	bool output;	/* INT of the master */
};

void husk_pic_reset(struct husk_pic *pic);
/* Members were set: make true what follows from the others */
void husk_pic_look(struct husk_pic *pic);
/* irq 0..15, not the cascade */
void husk_pic_set_line(struct husk_pic *pic, u8 irq, bool level);
/* Vector that husk_pic_ack() would answer now */
u8 husk_pic_vector(const struct husk_pic *pic);
/* INTA cycle: always answers a vector; it is that of input 7 if nothing is there (spurious) */
u8 husk_pic_ack(struct husk_pic *pic);
/* Is port one of 20h, 21h, a0h, a1h, 4d0h, 4d1h? */
bool husk_pic_owns(u16 port);
u8 husk_pic_read(struct husk_pic *pic, u16 port);
void husk_pic_write(struct husk_pic *pic, u16 port, u8 value);

#endif
