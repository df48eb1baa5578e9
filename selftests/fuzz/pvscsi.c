// SPDX-License-Identifier: GPL-2.0
/* A pvSCSI adapter (Linux: drivers/scsi/vmw_pvscsi.h): set up as a driver does, then requests with anything in them. */
#include "fuzz.h"

#define ID		0x07c015ad
#define COMMAND		0x0000
#define COMMAND_DATA	0x0004
#define INTR_STATUS	0x100c
#define INTR_MASK	0x2010
#define KICK		0x3014
#define KICK_RW		0x4018

#define RING_PAGES	32
#define REQUEST		128
#define PER_PAGE	(4096 / REQUEST)

static uint32_t base, state, request_page[RING_PAGES], pages;

static void command(uint32_t number, const uint32_t *data, unsigned int words)
{
	write32(base + COMMAND, number);
	for (unsigned int i = 0; i < words; i++)
		write32(base + COMMAND_DATA, data[i]);
}

static uint32_t page(void)
{
	return chance(97) ? dma() >> 12 : value();
}

/* SETUP_RINGS: pages of each, the state's, the requests', the completions'; of 64 bits each */
static void set_up(void)
{
	uint32_t data[4 + 4 * RING_PAGES] = { 0 };

	pages = 1U << below(chance(95) ? 5 : 8);
	data[0] = pages;
	data[1] = chance(90) ? 1U << below(6) : value();
	state = dma() & ~4095U;
	data[2] = state >> 12;
	pages = pages < RING_PAGES ? pages : RING_PAGES;
	for (unsigned int i = 0; i < RING_PAGES; i++) {
		request_page[i] = dma() & ~4095U;
		data[4 + 2 * i] = chance(99) ? request_page[i] >> 12 : value();
		data[4 + 2 * RING_PAGES + 2 * i] = page();
	}
	command(3, data, sizeof(data) / 4);
	write32(base + INTR_MASK, chance(90) ? 1 : value());
}

/* Reads, writes and the like, mostly; a range that is on the disk, mostly */
static void fill(uint32_t at)
{
	static const uint8_t codes[] = { 0x28, 0x2a, 0x28, 0x2a, 0x88, 0x8a, 0x08, 0x0a, 0x35, 0x42, 0x41, 0x93, 0x12, 0x1a, 0x25, 0x9e, 0xa0, 0 };

	for (unsigned int i = 0; i < REQUEST; i += 4)
		write32(at + i, chance(2) ? value() : 0);
	write32(at, any());
	write32(at + 8, dma());
	write32(at + 16, chance(95) ? 512 * below(64) : value());
	write32(at + 24, dma());
	write32(at + 32, chance(90) ? below(100) : value());
	write32(at + 36, chance(90) ? below(2) | 8U << below(2) : value());
	write8(at + 40, chance(95) ? codes[below(sizeof(codes))] : value());
	write8(at + 41, chance(80) ? 0 : value());
	write16(at + 44, chance(80) ? any() & 0x3f00 : value());
	write8(at + 48, chance(90) ? below(64) : value());
	write8(at + 56, chance(95) ? 16 : value());
}

static void list(void)
{
	uint32_t at = dma() & ~15U;

	for (unsigned int i = 0; i < 16; i++, at += 16) {
		write32(at, dma());
		write32(at + 4, chance(98) ? 0 : value());
		write32(at + 8, chance(90) ? 512 * below(32) : value());
		write32(at + 12, chance(98) ? 0 : value());
	}
}

static void requests(void)
{
	uint32_t made = read32(state), n = 1 + below(16);

	for (unsigned int i = 0; i < n; i++)
		fill(request_page[(made + i) / PER_PAGE % pages] + (made + i) % PER_PAGE * REQUEST);
	if (chance(30))
		list();
	write32(state, chance(95) ? made + n : value());
	write32(base + (chance(50) ? KICK : KICK_RW), 0);
}

static void any_command(void)
{
	uint32_t data[8];

	for (unsigned int i = 0; i < 8; i++)
		data[i] = chance(50) ? dma() : value();
	command(chance(90) ? below(12) : value(), data, below(9));
}

/* BAR 0, if it is there now */
static uint32_t find(void)
{
	for (uint32_t slot = 0; slot < 32; slot++) {
		outl(0xcf8, 0x80000000 | slot << 11);
		if (inl(0xcfc) != ID)
			continue;
		outl(0xcf8, 0x80000000 | slot << 11 | 0x10);
		return inl(0xcfc) & ~15U;
	}
	return 0;
}

void fuzz_pvscsi(void)
{
	if (!base || chance(10))
		base = find();
	if (!base)
		return;
	switch (below(16)) {
	case 0:
		set_up();
		break;
	case 1:
		any_command();
		break;
	case 2:
		write32(base + (chance(50) ? INTR_STATUS : below(0x8000) & ~3U), value());
		break;
	case 3:
		read32(base + (chance(50) ? 8 : below(0x8000) & ~3U));
		break;
	default:
		if (!state)
			set_up();
		requests();
	}
}
