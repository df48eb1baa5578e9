/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Encodings of every opcode of the two maps, with the ModRM bytes and prefixes
 * that make a difference to the length. Each in a slot of its own, filled up
 * with NOPs, so that a disassembler finds the next one again.
 */
#ifndef HUSK_OPCODE_SWEEP_H
#define HUSK_OPCODE_SWEEP_H

#include <unistd.h>

#define SLOT		16
#define SWEEP_MAX	60000

static void opcode_sweep_one(u8 *slot, const u8 *prefix, u32 prefixes, u32 opcode, u8 modrm, u8 sib)
{
	u32 n = prefixes;

	memset(slot, 0x90, SLOT);
	memcpy(slot, prefix, prefixes);
	if (opcode > 0xff)
		slot[n++] = opcode >> 8;
	slot[n++] = opcode;
	slot[n++] = modrm;
	slot[n] = sib;
}

/* Fills bytes; answers the number of slots */
static u32 opcode_sweep(u8 mode, u8 *bytes)
{
	static const u8 prefixes[][2] = { { 0 }, { 0x66 }, { 0x67 }, { 0xf3 }, { 0x48 }, { 0x66, 0x67 } };
	static const u8 lengths[] = { 0, 1, 1, 1, 1, 2 };
	static const u8 modrm[][2] = {
		{ 0x00, 0x90 }, { 0x04, 0x25 }, { 0x05, 0x90 }, { 0x06, 0x90 }, { 0x44, 0x24 }, { 0x81, 0x90 },
		{ 0xc1, 0x90 }, { 0x48, 0x90 }, { 0x90, 0x90 }, { 0xdc, 0x90 }, { 0x63, 0x90 }, { 0x2b, 0x90 },
		{ 0x33, 0x90 }, { 0x38, 0x90 },
	};
	u32 count = 0, opcode, p, m;

	for (p = 0; p < ARRAY_SIZE(prefixes); p++) {
		if (prefixes[p][0] == 0x48 && mode != 8)
			continue;
		for (opcode = 0; opcode < 0x200; opcode++) {
			u32 code = opcode < 0x100 ? opcode : 0x0f00 | (opcode & 0xff);

			if (code == 0x0f || (code & ~1U) == 0xf2 || code == 0xf0 || (code & 0xffe7) == 0x26 ||
			    (code >= 0x64 && code <= 0x67) || (mode == 8 && (code & 0xfff0) == 0x40))
				continue;
			for (m = 0; m < ARRAY_SIZE(modrm); m++, count++)
				opcode_sweep_one(bytes + count * SLOT, prefixes[p], lengths[p], code,
						 modrm[m][0], modrm[m][1]);
		}
	}
	return count;
}

#endif
