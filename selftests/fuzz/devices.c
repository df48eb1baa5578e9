// SPDX-License-Identifier: GPL-2.0
/*
 * PCI config space; virtio devices (virtio 1.2): set up as a driver does, so that
 * what is wrong afterwards reaches the code behind; fw_cfg's DMA.
 */
#include "fuzz.h"

#define DEVICES		32
#define QUEUES		5
#define QUEUE_SIZE	64

/* virtio 1.2, 4.1.4.3 */
#define COMMON_DF_SELECT	0x00
#define COMMON_DF		0x04
#define COMMON_GF_SELECT	0x08
#define COMMON_GF		0x0c
#define COMMON_CONFIG_VECTOR	0x10
#define COMMON_STATUS		0x14
#define COMMON_QUEUE		0x16
#define COMMON_QUEUE_SIZE	0x18
#define COMMON_QUEUE_VECTOR	0x1a
#define COMMON_QUEUE_ENABLE	0x1c
#define COMMON_QUEUE_NOTIFY	0x1e
#define COMMON_QUEUE_DESC	0x20
#define COMMON_SIZE		0x38

struct place {
	uint32_t base;		/* 0: none */
	uint32_t length;
	bool io;
};

struct ring {
	uint32_t desc, avail, used;
};

static struct device {
	uint32_t bdf;
	uint32_t id;		/* device, vendor */
	struct place place[6];	/* by type of capability: 1 common, 2 notify, 3 isr, 4 device, 5 PCI window */
	uint32_t notify_multiplier;
	uint32_t msix;		/* table, or 0 */
	uint32_t features[2];
	struct ring ring[QUEUES];
} devices[DEVICES];
static unsigned int count;

/* ---- config space ---- */

static uint32_t config_read(uint32_t bdf, uint32_t reg)
{
	outl(0xcf8, 0x80000000 | bdf << 8 | (reg & 0xfc));
	return inl(0xcfc);
}

static void config_write(uint32_t bdf, uint32_t reg, uint32_t v)
{
	outl(0xcf8, 0x80000000 | bdf << 8 | (reg & 0xfc));
	outl(0xcfc, v);
}

static uint8_t config_byte(uint32_t bdf, uint32_t reg)
{
	return config_read(bdf, reg) >> 8 * (reg & 3);
}

static struct place bar(uint32_t bdf, uint32_t index)
{
	uint32_t low = config_read(bdf, 0x10 + 4 * index);

	return (struct place){ .base = low & (low & 1 ? ~3U : ~15U), .io = low & 1 };
}

static void read_caps(struct device *d)
{
	uint8_t at = config_read(d->bdf, 0x34);

	for (unsigned int n = 0; at >= 0x40 && n < 32; n++, at = config_byte(d->bdf, at + 1)) {
		uint8_t id = config_byte(d->bdf, at), type = config_byte(d->bdf, at + 3);

		if (id == 0x11) {	/* MSI-X */
			uint32_t table = config_read(d->bdf, at + 4);

			d->msix = bar(d->bdf, table & 7).base + (table & ~7U);
			config_write(d->bdf, at, config_read(d->bdf, at) | 0x80000000);
		}
		if (id == 9 && type >= 1 && type <= 4) {
			struct place p = bar(d->bdf, config_byte(d->bdf, at + 4) % 6);

			p.base += config_read(d->bdf, at + 8);
			p.length = config_read(d->bdf, at + 12);
			d->place[type] = p;
			if (type == 2)
				d->notify_multiplier = config_read(d->bdf, at + 16);
		}
	}
}

static void write_place(const struct place *p, uint32_t offset, unsigned int width, uint32_t v)
{
	if (!p->base)
		return;
	if (p->io)
		width == 1 ? outb(p->base + offset, v) : width == 2 ? outw(p->base + offset, v) : outl(p->base + offset, v);
	else
		width == 1 ? write8(p->base + offset, v) : width == 2 ? write16(p->base + offset, v) : write32(p->base + offset, v);
}

static uint32_t read_place(const struct place *p, uint32_t offset)
{
	return !p->base ? 0 : p->io ? inl(p->base + offset) : read32(p->base + offset);
}

/* ---- a virtio device as its driver has it ---- */

static void common(const struct device *d, uint32_t reg, unsigned int width, uint32_t v)
{
	write_place(&d->place[1], reg, width, v);
}

static void set_up_queue(struct device *d, unsigned int q)
{
	struct ring *r = &d->ring[q];

	r->desc = dma();
	r->avail = dma();
	r->used = dma();
	common(d, COMMON_QUEUE, 2, q);
	common(d, COMMON_QUEUE_SIZE, 2, chance(90) ? QUEUE_SIZE : value());
	common(d, COMMON_QUEUE_VECTOR, 2, chance(70) ? below(4) : value());
	common(d, COMMON_QUEUE_DESC, 4, r->desc);
	common(d, COMMON_QUEUE_DESC + 4, 4, chance(95) ? 0 : value());
	common(d, COMMON_QUEUE_DESC + 8, 4, r->avail);
	common(d, COMMON_QUEUE_DESC + 12, 4, chance(95) ? 0 : value());
	common(d, COMMON_QUEUE_DESC + 16, 4, r->used);
	common(d, COMMON_QUEUE_DESC + 20, 4, chance(95) ? 0 : value());
	common(d, COMMON_QUEUE_ENABLE, 2, 1);
}

static void set_up(struct device *d)
{
	common(d, COMMON_STATUS, 1, 0);
	common(d, COMMON_STATUS, 1, 1);
	common(d, COMMON_STATUS, 1, 3);
	for (unsigned int i = 0; i < 2; i++) {
		common(d, COMMON_DF_SELECT, 4, i);
		d->features[i] = read_place(&d->place[1], COMMON_DF);
		if (chance(50))	/* VERSION_1 is bit 32 */
			d->features[i] &= i ? any() | 1 : any();
		if (chance(5))
			d->features[i] = value();
		common(d, COMMON_GF_SELECT, 4, i);
		common(d, COMMON_GF, 4, d->features[i]);
	}
	common(d, COMMON_STATUS, 1, 11);
	common(d, COMMON_CONFIG_VECTOR, 2, below(4));
	for (unsigned int i = 0; i < 4 && d->msix; i++) {
		write32(d->msix + 16 * i, chance(90) ? 0xfee00000 : value());
		write32(d->msix + 16 * i + 4, 0);
		write32(d->msix + 16 * i + 8, chance(90) ? 0x20 + below(0xd0) : value());
		write32(d->msix + 16 * i + 12, chance(80) ? 0 : value());
	}
	for (unsigned int i = 0; i < QUEUES; i++)
		set_up_queue(d, i);
	common(d, COMMON_STATUS, 1, 15);
}

static uint32_t length(void)
{
	static const uint32_t usual[] = { 1, 4, 12, 16, 512, 1024, 4096, 65536 };

	return chance(80) ? usual[below(8)] : value();
}

static void descriptor(uint32_t at, unsigned int next)
{
	write32(at, dma());
	write32(at + 4, chance(97) ? 0 : value());
	write32(at + 8, length());
	/* next, write, indirect */
	write32(at + 12, (chance(85) ? (chance(60) ? 1 : 0) | (chance(40) ? 2 : 0) | (chance(15) ? 4 : 0) : value() & 0xffff) |
			 (chance(90) ? next % QUEUE_SIZE : value()) << 16);
}

/* A request's header, so that some requests are understood: block's type and sector, control's class */
static void header(uint32_t at)
{
	write32(at, chance(80) ? below(16) : value());
	write32(at + 4, 0);
	write32(at + 8, chance(70) ? below(4096) : value());
	write32(at + 12, chance(95) ? 0 : value());
}

static void chain_link(uint32_t at, uint32_t to, uint32_t bytes, uint32_t flags, unsigned int next)
{
	write32(at, to);
	write32(at + 4, 0);
	write32(at + 8, bytes);
	write32(at + 12, flags | (next % QUEUE_SIZE) << 16);
}

/* A request of block's that is right but for its values: header, data, status */
static void block_request(const struct ring *r, unsigned int first)
{
	static const uint8_t types[] = { 0, 1, 1, 4, 8, 11, 13 };
	uint32_t head = dma() & ~15U, data = dma(), type = types[below(7)];
	bool in = type == 0 || type == 8;

	write32(head, type);
	write32(head + 4, 0);
	write32(head + 8, chance(95) ? below(40000) : value());
	write32(head + 12, 0);
	if (type >= 11) {
		write32(data, below(40000));
		write32(data + 4, 0);
		write32(data + 8, chance(90) ? below(2000) : value());
		write32(data + 12, below(4));
	}
	chain_link(r->desc + 16 * first, head, 16, 1, first + 1);
	chain_link(r->desc + 16 * ((first + 1) % QUEUE_SIZE), data, type >= 11 ? 16 : 512 * below(64), in ? 3 : 1, first + 2);
	chain_link(r->desc + 16 * ((first + 2) % QUEUE_SIZE), dma(), 1, 2, 0);
}

static void fill(struct device *d, unsigned int q)
{
	struct ring *r = &d->ring[q];
	uint16_t index = read16(r->avail + 2);
	unsigned int n = 1 + below(8);

	for (unsigned int i = 0; i < QUEUE_SIZE; i++)
		if (chance(30)) {
			descriptor(r->desc + 16 * i, i + 1);
			header(read32(r->desc + 16 * i));
		}
	for (unsigned int i = 0; i < n; i++) {
		uint32_t first = chance(95) ? below(QUEUE_SIZE) : value();

		if (chance(50) && first < QUEUE_SIZE)
			block_request(r, first);
		write16(r->avail + 4 + 2 * ((index + i) % QUEUE_SIZE), first);
	}
	if (chance(10))
		write16(r->avail, value());
	write16(r->avail + 4 + 2 * QUEUE_SIZE, value());	/* used_event */
	write16(r->avail + 2, chance(90) ? index + n : value());
}

static void kick(struct device *d, unsigned int q)
{
	if (d->place[2].base)
		write_place(&d->place[2], q * d->notify_multiplier, 2, chance(95) ? q : value());
}

void fuzz_virtio(void)
{
	struct device *d;
	unsigned int q = below(QUEUES);

	if (!count)
		return;
	d = &devices[below(count)];
	if (!d->place[1].base)
		return;
	switch (below(20)) {
	case 0:
		set_up(d);
		break;
	case 1:
		set_up_queue(d, q);
		break;
	case 2:	/* any register of any part */
		write_place(&d->place[1 + below(4)], below(COMMON_SIZE), 1 << below(3), value());
		break;
	case 3:
		read_place(&d->place[1 + below(4)], below(0x100));
		break;
	case 4:	/* a table entry, or beside it */
		if (d->msix)
			write32(d->msix + 4 * below(64), value());
		break;
	case 5:
		interrupts();
		break;
	default:
		fill(d, q);
		kick(d, q);
	}
}

/* ---- PCI ---- */

void fuzz_pci(void)
{
	uint32_t bdf = count && chance(80) ? devices[below(count)].bdf : below(256), reg = below(64) * 4, old;

	if (!chance(40)) {
		config_read(bdf, reg);
		return;
	}
	old = config_read(bdf, reg);
	config_write(bdf, reg, value());
	/* mostly as it was: a device that is nowhere is dull */
	if (chance(85))
		config_write(bdf, reg, old);
}

void fuzz_find_devices(void)
{
	for (unsigned int slot = 0; slot < DEVICES; slot++) {
		struct device *d = &devices[count];
		uint32_t id = config_read(slot << 3, 0);

		if (id == 0xffffffff)
			continue;
		d->bdf = slot << 3;
		d->id = id;
		config_write(d->bdf, 4, 7);
		read_caps(d);
		count++;
		if (d->place[1].base)
			set_up(d);
	}
}

/* ---- fw_cfg: control word big-endian, select 8, read 2, skip 4, write 16 ---- */

static uint32_t swap(uint32_t v)
{
	return __builtin_bswap32(v);
}

void fuzz_fw_cfg(void)
{
	uint32_t at = dma();

	if (chance(30)) {
		outw(0x510, chance(70) ? below(64) : value());
		for (unsigned int i = below(64); i; i--)
			inb(0x511);
		return;
	}
	write32(at, swap(chance(80) ? below(32) | below(64) << 16 : value()));
	write32(at + 4, swap(length()));
	write32(at + 8, chance(95) ? 0 : value());
	write32(at + 12, swap(dma()));
	outl(0x514, chance(95) ? 0 : value());
	outl(0x518, swap(at));
}
