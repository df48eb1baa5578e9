// SPDX-License-Identifier: GPL-2.0
/* The 8259 pair, as a state machine. */
#include "../../kmod/irqchip/pic.c"

static struct husk_pic pic;

static void init_chip(u16 port, u8 base, u8 icw4)
{
	husk_pic_write(&pic, port, 0x11);
	husk_pic_write(&pic, port + 1, base);
	husk_pic_write(&pic, port + 1, port == 0x20 ? 4 : 2);
	husk_pic_write(&pic, port + 1, icw4);
}

/* As a PC's firmware does it, all inputs open */
static void setup(u8 icw4)
{
	memset(&pic, 0, sizeof(pic));
	husk_pic_reset(&pic);
	init_chip(0x20, 0x20, icw4);
	init_chip(0xa0, 0x28, icw4);
}

static void pulse(u8 irq)
{
	husk_pic_set_line(&pic, irq, true);
	husk_pic_set_line(&pic, irq, false);
}

static u8 read_irr(u16 port)
{
	husk_pic_write(&pic, port, 0x0a);
	return husk_pic_read(&pic, port);
}

static u8 read_isr(u16 port)
{
	husk_pic_write(&pic, port, 0x0b);
	return husk_pic_read(&pic, port);
}

static void test_edge(void)
{
	setup(1);
	unit_report(!pic.output, "quiet", "output without a request");
	husk_pic_set_line(&pic, 4, true);
	unit_report(pic.output && read_irr(0x20) == 0x10 && husk_pic_vector(&pic) == 0x24, "edge_request", "IRR or INT");
	unit_report(husk_pic_ack(&pic) == 0x24 && !pic.output && read_irr(0x20) == 0 && read_isr(0x20) == 0x10,
		    "edge_ack", "IRR or ISR");
	husk_pic_set_line(&pic, 4, true);
	husk_pic_write(&pic, 0x20, 0x20);
	unit_report(!pic.output && read_isr(0x20) == 0, "edge_once", "a level was taken for an edge");
	husk_pic_set_line(&pic, 4, false);
	husk_pic_set_line(&pic, 4, true);
	unit_report(pic.output, "edge_again", "no request");
}

static void test_priority(void)
{
	setup(1);
	pulse(5);
	pulse(3);
	unit_report(husk_pic_ack(&pic) == 0x23 && !pic.output, "priority", "the lower went first, or nested into it");
	pulse(1);
	unit_report(pic.output && husk_pic_ack(&pic) == 0x21, "nesting", "a higher one did not interrupt");
	husk_pic_write(&pic, 0x20, 0x20);
	unit_report(read_isr(0x20) == 0x08 && !pic.output, "eoi_highest", "not the highest was ended");
	husk_pic_write(&pic, 0x20, 0x63);
	unit_report(read_isr(0x20) == 0 && husk_pic_ack(&pic) == 0x25, "eoi_specific", "it was not ended");
	husk_pic_write(&pic, 0x20, 0xe5);	/* rotate on specific EOI: 5 is lowest now */
	pulse(0);
	pulse(5);
	pulse(6);
	unit_report(husk_pic_ack(&pic) == 0x26, "rotation", "6 is not highest");
	husk_pic_write(&pic, 0x20, 0x66);
	husk_pic_write(&pic, 0x20, 0xc7);	/* set priority: 7 is lowest */
	unit_report(husk_pic_ack(&pic) == 0x20, "set_priority", "0 is not highest");
}

static void test_mask(void)
{
	setup(1);
	husk_pic_write(&pic, 0x21, 0x10);
	pulse(4);
	unit_report(!pic.output && husk_pic_read(&pic, 0x21) == 0x10, "masked", "a masked input got through");
	husk_pic_write(&pic, 0x21, 0);
	unit_report(pic.output, "unmasked", "the request was lost");
	husk_pic_ack(&pic);
	husk_pic_write(&pic, 0x21, 0x10);
	pulse(6);
	unit_report(!pic.output, "in_service_blocks", "masked input in service does not block");
	husk_pic_write(&pic, 0x20, 0x68);	/* special mask mode */
	unit_report(pic.output && husk_pic_vector(&pic) == 0x26, "special_mask", "it still blocks");
	husk_pic_write(&pic, 0x20, 0x20);
	unit_report(read_isr(0x20) == 0x10, "special_mask_eoi", "EOI ended the masked one");
}

static void test_cascade(void)
{
	setup(1);
	pulse(12);
	unit_report(pic.output && husk_pic_vector(&pic) == 0x2c, "slave", "not through the cascade");
	unit_report(husk_pic_ack(&pic) == 0x2c && read_isr(0x20) == 4 && read_isr(0xa0) == 0x10, "slave_ack", "ISR");
	pulse(8);
	unit_report(!pic.output, "slave_blocked", "the cascade nests in normal mode");
	husk_pic_write(&pic, 0x20, 0x62);
	unit_report(pic.output && husk_pic_ack(&pic) == 0x28, "slave_after_eoi", "higher request of the slave lost");
	husk_pic_write(&pic, 0xa0, 0x20);
	husk_pic_write(&pic, 0xa0, 0x20);
	husk_pic_write(&pic, 0x20, 0x20);
	unit_report(!read_isr(0x20) && !read_isr(0xa0) && !pic.output, "slave_done", "something is left");
	setup(0x11);	/* special fully nested mode */
	pulse(12);
	husk_pic_ack(&pic);
	pulse(8);
	unit_report(pic.output && husk_pic_ack(&pic) == 0x28, "fully_nested", "the slave's higher one waits");
	pulse(4);
	unit_report(!pic.output, "fully_nested_lower", "a lower input of the master interrupts the slave's");
}

static void test_spurious(void)
{
	setup(1);
	pulse(4);
	husk_pic_write(&pic, 0x21, 0xff);
	unit_report(!pic.output && husk_pic_ack(&pic) == 0x27 && read_isr(0x20) == 0, "spurious_7", "vector or ISR");
	setup(1);
	husk_pic_write(&pic, 0x4d1, 0x08);
	husk_pic_set_line(&pic, 11, true);
	husk_pic_set_line(&pic, 11, false);
	unit_report(!pic.output && husk_pic_ack(&pic) == 0x27, "withdrawn", "a withdrawn level is left");
}

static void test_level(void)
{
	setup(1);
	husk_pic_write(&pic, 0x4d0, 0xff);
	husk_pic_write(&pic, 0x4d1, 0xff);
	unit_report(husk_pic_read(&pic, 0x4d0) == 0xf8 && husk_pic_read(&pic, 0x4d1) == 0xde, "elcr", "mask");
	husk_pic_set_line(&pic, 10, true);
	unit_report(husk_pic_ack(&pic) == 0x2a && !pic.output, "level_ack", "vector");
	husk_pic_write(&pic, 0xa0, 0x20);
	husk_pic_write(&pic, 0x20, 0x20);
	unit_report(pic.output, "level_again", "the level is still there");
	husk_pic_set_line(&pic, 10, false);
	unit_report(!pic.output, "level_gone", "the request stays");
}

static void test_auto_eoi(void)
{
	setup(3);
	pulse(3);
	unit_report(husk_pic_ack(&pic) == 0x23 && read_isr(0x20) == 0, "auto_eoi", "ISR is set");
	husk_pic_write(&pic, 0x20, 0x80);
	pulse(3);
	husk_pic_ack(&pic);
	pulse(3);
	pulse(4);
	unit_report(husk_pic_ack(&pic) == 0x24, "auto_rotation", "3 is not lowest");
}

static void test_poll(void)
{
	setup(1);
	husk_pic_write(&pic, 0x20, 0x0c);
	unit_report(!(husk_pic_read(&pic, 0x20) & 0x80), "poll_none", "a request that is not there");
	pulse(6);
	husk_pic_write(&pic, 0x20, 0x0c);
	unit_report(husk_pic_read(&pic, 0x20) == 0x86 && !pic.output && read_isr(0x20) == 0x40, "poll", "no ack");
}

static void test_init(void)
{
	husk_pic_reset(&pic);
	husk_pic_set_line(&pic, 1, false);
	husk_pic_set_line(&pic, 1, true);
	unit_report(!pic.output, "power_on", "interrupts before it is programmed");
	husk_pic_write(&pic, 0x20, 0x11);
	pulse(3);
	unit_report(!pic.output, "init_quiet", "interrupts between the ICWs");
	husk_pic_write(&pic, 0x21, 0x57);
	husk_pic_write(&pic, 0x21, 4);
	husk_pic_write(&pic, 0x21, 1);
	unit_report(pic.output && husk_pic_ack(&pic) == 0x53 && husk_pic_read(&pic, 0x21) == 0, "init", "base or IMR");
	husk_pic_write(&pic, 0x20, 0x12);	/* single, no ICW4 */
	husk_pic_write(&pic, 0x21, 0x40);
	husk_pic_write(&pic, 0x21, 0xaa);
	unit_report(husk_pic_read(&pic, 0x21) == 0xaa, "init_short", "the third byte is not the mask");
}

/* Any sequence: the output agrees with the state, and a vector comes from one of the chips */
static void test_random(void)
{
	static const u16 port[] = { 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1 };
	u32 seed = 1, i;
	bool ok = true;

	setup(1);
	for (i = 0; i < 1000000; i++) {
		u8 vector;

		seed = seed * 1664525 + 1013904223;
		switch (seed >> 30) {
		case 0:
			husk_pic_write(&pic, port[(seed >> 8) % 6], seed >> 16);
			break;
		case 1:
			husk_pic_read(&pic, port[(seed >> 8) % 6]);
			break;
		case 2:
			if ((seed >> 8 & 15) != PIC_CASCADE)
				husk_pic_set_line(&pic, seed >> 8 & 15, seed >> 12 & 1);
			break;
		default:
			vector = husk_pic_vector(&pic);
			ok &= husk_pic_ack(&pic) == vector;
			ok &= (vector & 0xf8) == pic.chip[0].base || (vector & 0xf8) == pic.chip[1].base;
		}
		ok &= pic.output == (pic_request(&pic, 0) >= 0);
		ok &= pic.chip[0].lowest < 8 && pic.chip[1].lowest < 8;
	}
	unit_report(ok, "random", "inconsistent");
}

int main(void)
{
	test_edge();
	test_priority();
	test_mask();
	test_cascade();
	test_spurious();
	test_level();
	test_auto_eoi();
	test_poll();
	test_init();
	test_random();
	return unit_done();
}
