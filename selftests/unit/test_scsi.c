// SPDX-License-Identifier: GPL-2.0
/* A SCSI disk's commands: what each answers, and that what any bytes ask for is inside of the disk. */
#include <stdio.h>
#include <stdlib.h>

#include "pvio/scsi.c"
#include "check.h"

#define BLOCKS	32768ULL

static struct scsi_unit unit = {
	.blocks = BLOCKS, .block = 512, .physical = 4096, .transfer_max = 1U << 30, .discard_max = 1U << 30, .zeroes_max = 1U << 24,
	.serial = "SERIAL-1",
};
static u8 memory[65536];
static struct iovec iov[2] = { { memory, 100 }, { memory + 4096, sizeof(memory) - 4096 } };
static struct scsi_command c;

static enum scsi_what run(const u8 *cdb)
{
	c = (struct scsi_command){ .unit = &unit, .cdb = cdb, .iov = iov, .iovs = 2, .bytes = sizeof(memory) - 3996 };
	return scsi_parse(&c);
}

#define RUN(...)	run((const u8[SCSI_CDB]){ __VA_ARGS__ })
#define FAILS(code, ...)	(RUN(__VA_ARGS__) == SCSI_FAILED && c.sense == (code))

static bool asks(enum scsi_what got, enum scsi_what what, u64 block, u64 blocks)
{
	return got == what && c.offset == block * 512 && c.length == blocks * 512;
}

static void test_transfers(void)
{
	check("read6", asks(RUN(0x08, 0xe0, 1, 2, 0), SCSI_READ, 0x102, 256) && !c.through);
	check("read10", asks(RUN(0x28, 0, 0, 0, 0x7f, 0xff, 0, 0, 1), SCSI_READ, 32767, 1));
	check("read12", asks(RUN(0xa8, 0, 0, 0, 0, 1, 0, 0, 0, 8), SCSI_READ, 1, 8));
	check("read16", asks(RUN(0x88, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0), SCSI_READ, 256, 2 << 0));
	check("write6", asks(RUN(0x0a, 0, 0, 4, 5), SCSI_WRITE, 4, 5));
	check("write_fua", asks(RUN(0x2a, 8, 0, 0, 0, 4, 0, 0, 5), SCSI_WRITE, 4, 5) && c.through);
	check("write_no_fua", asks(RUN(0x8a, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 5), SCSI_WRITE, 4, 5) && !c.through);
	check("write12_fua", asks(RUN(0xaa, 8, 0, 0, 0, 4, 0, 0, 0, 5), SCSI_WRITE, 4, 5) && c.through);
	check("none", RUN(0x28, 0, 0, 0, 0x80, 0, 0, 0, 0) == SCSI_DONE);
	check("beyond", FAILS(SENSE_RANGE, 0x28, 0, 0, 0, 0x7f, 0xff, 0, 0, 2));
	check("far", FAILS(SENSE_RANGE, 0x88, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 2));
	check("protection", FAILS(SCSI_SENSE_FIELD, 0x28, 0x20, 0, 0, 0, 0, 0, 0, 2));
	unit.blocks = 1ULL << 33;
	check("long", FAILS(SCSI_SENSE_FIELD, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0, 1));
	check("longest", asks(RUN(0x88, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0, 0), SCSI_READ, 0, 1 << 21));
	check("high", asks(RUN(0x88, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1), SCSI_READ, 0x100000001, 1));
	unit.blocks = BLOCKS;
	check("sync10", asks(RUN(0x35), SCSI_FLUSH, 0, BLOCKS));
	check("sync16", asks(RUN(0x91, 2), SCSI_FLUSH, 0, BLOCKS));
	check("sync_beyond", FAILS(SENSE_RANGE, 0x35, 0, 0, 1));
	check("verify", RUN(0x2f, 0, 0, 0, 0, 0, 0, 0, 1) == SCSI_DONE);
	check("verify_data", FAILS(SCSI_SENSE_FIELD, 0x2f, 2, 0, 0, 0, 0, 0, 0, 1));
}

/* UNMAP's list: a head, and a range */
static void set_list(u16 ranges, u64 block, u32 blocks)
{
	u8 list[24] = { 0 };

	scsi_put(list, 2, ranges * 16 + 6);
	scsi_put(list + 2, 2, ranges * 16);
	scsi_put(list + 8, 8, block);
	scsi_put(list + 16, 4, blocks);
	pvio_iov_to(iov, 2, 0, list, sizeof(list));
}

static void test_ranges(void)
{
	memset(memory, 0, sizeof(memory));
	set_list(1, 16, 32);
	check("unmap", asks(RUN(0x42, 0, 0, 0, 0, 0, 0, 0, 24), SCSI_DISCARD, 16, 32));
	check("unmap_short", FAILS(SENSE_LIST_LENGTH, 0x42, 0, 0, 0, 0, 0, 0, 0, 23));
	check("unmap_no_list", RUN(0x42) == SCSI_DONE);
	check("unmap_long", FAILS(SENSE_LIST_LENGTH, 0x42, 0, 0, 0, 0, 0, 0, 0xff, 0xff));
	check("unmap_anchor", FAILS(SCSI_SENSE_FIELD, 0x42, 1, 0, 0, 0, 0, 0, 0, 24));
	set_list(2, 16, 32);
	check("unmap_two", FAILS(SENSE_LIST, 0x42, 0, 0, 0, 0, 0, 0, 0, 40));
	set_list(0, 16, 32);
	check("unmap_none", RUN(0x42, 0, 0, 0, 0, 0, 0, 0, 8) == SCSI_DONE);
	set_list(1, BLOCKS, 1);
	check("unmap_beyond", FAILS(SENSE_RANGE, 0x42, 0, 0, 0, 0, 0, 0, 0, 24));
	set_list(1, ~0ULL, ~0U);
	check("unmap_far", FAILS(SENSE_RANGE, 0x42, 0, 0, 0, 0, 0, 0, 0, 24));
	memset(memory, 0, sizeof(memory));
	check("zero10", asks(RUN(0x41, 0, 0, 0, 0, 1, 0, 0, 8), SCSI_ZERO, 1, 8) && !c.unmap);
	check("zero16", asks(RUN(0x93, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 8), SCSI_ZERO, 1, 8) && c.unmap);
	unit.blocks = 2 * BLOCKS;
	check("zero_long", FAILS(SCSI_SENSE_FIELD, 0x41, 0, 0, 0, 0, 0, 0, 0x80, 1));
	unit.blocks = BLOCKS;
	check("zero_no_blocks", FAILS(SCSI_SENSE_FIELD, 0x41));
	memory[4096 + 411] = 1;		/* the block's last byte */
	check("same", FAILS(SENSE_LIST, 0x41, 0, 0, 0, 0, 1, 0, 0, 8));
	check("same_no_data", asks(RUN(0x93, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 8), SCSI_ZERO, 1, 8));
	memory[4096 + 411] = 0;
	memory[4096 + 412] = 1;
	check("zero_more", asks(RUN(0x41, 0, 0, 0, 0, 1, 0, 0, 8), SCSI_ZERO, 1, 8));
	unit.readonly = true;
	check("ro_write", FAILS(SENSE_PROTECTED, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1));
	check("ro_unmap", FAILS(SENSE_PROTECTED, 0x42, 0, 0, 0, 0, 0, 0, 0, 24));
	check("ro_zero", FAILS(SENSE_PROTECTED, 0x41, 0, 0, 0, 0, 1, 0, 0, 8));
	check("ro_mode", RUN(0x1a, 0, 0x3f, 0, 255) == SCSI_ANSWER && c.answer[2] == 0x90);
	check("ro_capacity", RUN(0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32) == SCSI_ANSWER && !c.answer[14]);
	unit.readonly = false;
}

static void test_answers(void)
{
	check("ready", RUN(0) == SCSI_DONE);
	check("inquiry", RUN(0x12, 0, 0, 0, 96) == SCSI_ANSWER && c.answered == 36 && !memcmp(c.answer, "\0\0\6\2\37\0\0\2HUSK    DISK", 20));
	check("inquiry_part", RUN(0x12, 0, 0, 0, 5) == SCSI_ANSWER && c.answered == 5);
	check("inquiry_page", FAILS(SCSI_SENSE_FIELD, 0x12, 0, 0x80, 0, 96));
	check("no_page", FAILS(SCSI_SENSE_FIELD, 0x12, 1, 0x99, 0, 96));
	check("pages", RUN(0x12, 1, 0, 0, 96) == SCSI_ANSWER && c.answered == 10 &&
	      !memcmp(c.answer, "\0\0\0\6\0\200\203\260\261\262", 10));
	check("serial", RUN(0x12, 1, 0x80, 0, 96) == SCSI_ANSWER && c.answered == 12 && !memcmp(c.answer, "\0\200\0\10SERIAL-1", 12));
	check("names", RUN(0x12, 1, 0x83, 0, 96) == SCSI_ANSWER && c.answered == 24 &&
	      !memcmp(c.answer, "\0\203\0\24\2\1\0\20HUSK    SERIAL-1", 24));
	check("limits", RUN(0x12, 1, 0xb0, 0, 96) == SCSI_ANSWER && c.answered == 64 && c.answer[4] == 1 &&
	      scsi_get(c.answer + 6, 2) == 8 && scsi_get(c.answer + 8, 4) == 1 << 21 && scsi_get(c.answer + 20, 4) == 1 << 21 &&
	      scsi_get(c.answer + 24, 4) == 1 && scsi_get(c.answer + 28, 4) == 8 && scsi_get(c.answer + 36, 8) == 1 << 15);
	check("kind", RUN(0x12, 1, 0xb1, 0, 96) == SCSI_ANSWER && c.answered == 64 && scsi_get(c.answer + 4, 2) == 1);
	check("provisioning", RUN(0x12, 1, 0xb2, 0, 96) == SCSI_ANSWER && c.answered == 8 && c.answer[5] == 0xe0);
	check("capacity10", RUN(0x25) == SCSI_ANSWER && c.answered == 8 && scsi_get(c.answer, 4) == BLOCKS - 1 && scsi_get(c.answer + 4, 4) == 512);
	check("capacity16", RUN(0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32) == SCSI_ANSWER && c.answered == 32 &&
	      scsi_get(c.answer, 8) == BLOCKS - 1 && c.answer[13] == 3 && c.answer[14] == 0x80);
	check("action", FAILS(SCSI_SENSE_FIELD, 0x9e, 0x12));
	unit.blocks = 1ULL << 33;
	check("capacity_large", RUN(0x25) == SCSI_ANSWER && scsi_get(c.answer, 4) == 0xffffffff);
	unit.blocks = BLOCKS;
	check("mode6", RUN(0x1a, 0, 8, 0, 255) == SCSI_ANSWER && c.answered == 24 && !memcmp(c.answer, "\27\0\20\0\10\22\4", 7));
	check("mode10", RUN(0x5a, 0, 0x3f, 0, 0, 0, 0, 0, 255) == SCSI_ANSWER && c.answered == 28 &&
	      !memcmp(c.answer, "\0\32\0\20\0\0\0\0\10\22\4", 11));
	check("mode_changeable", RUN(0x1a, 0, 0x48, 0, 255) == SCSI_ANSWER && !c.answer[6]);
	check("mode_saved", FAILS(SENSE_NO_SAVED, 0x1a, 0, 0xc8, 0, 255));
	check("mode_other", FAILS(SCSI_SENSE_FIELD, 0x1a, 0, 0x0a, 0, 255));
	check("luns", RUN(0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 16) == SCSI_ANSWER && c.answered == 16 && c.answer[3] == 8);
	check("sense", RUN(3, 0, 0, 0, 18) == SCSI_ANSWER && c.answered == 18 && c.answer[0] == 0x70 && !c.answer[2]);
	check("unknown", FAILS(SCSI_SENSE_OPCODE, 0xff));
	memset(unit.serial, 'x', sizeof(unit.serial));
	check("serial_long", RUN(0x12, 1, 0x83, 0, 255) == SCSI_ANSWER && c.answered == 4 + 12 + 20);
	memset(unit.serial, 0, sizeof(unit.serial));
	check("no_serial", RUN(0x12, 1, 0x80, 0, 255) == SCSI_ANSWER && c.answered == 4 && RUN(0x12, 1, 0x83, 0, 255) == SCSI_ANSWER && c.answered == 4);
}

static void test_senses(void)
{
	u8 sense[SCSI_SENSE];

	check("medium", scsi_sense_of(EIO, false) == 0x031100 && scsi_sense_of(EIO, true) == 0x030c00);
	check("space", scsi_sense_of(ENOSPC, true) == 0x072707);
	check("protected", scsi_sense_of(EROFS, true) == 0x072700);
	check("again", scsi_sense_of(ENOMEM, true) == 0x0b0000);
	check("other", scsi_sense_of(12345, true) == 0x044400);
	scsi_fill_sense(sense, 0x072707);
	check("fixed", sense[0] == 0x70 && sense[2] == 7 && sense[7] == 10 && sense[12] == 0x27 && sense[13] == 7);
}

/* Any bytes, for disks of any size */
static void test_any(void)
{
	unsigned long bad = 0, asked = 0;

	srandom(1);
	for (unsigned int i = 0; i < 2000000; i++) {
		u8 cdb[SCSI_CDB];
		enum scsi_what what;

		for (unsigned int j = 0; j < sizeof(cdb); j++)
			cdb[j] = random() % 4 ? random() % 3 : random();
		cdb[0] = random() % 8 ? scsi_commands[random() % COUNT(scsi_commands)].code : random();
		for (unsigned int j = 0; j < 24; j++)
			memory[j] = random() % 4 ? 0 : random() % 64;
		unit.block = 512 << 3 * (i % 2);
		unit.blocks = 1 + random() % (i % 3 ? 100 : 100000000);
		what = run(cdb);
		bad += c.answered > sizeof(c.answer) || (what == SCSI_FAILED) != (c.sense != 0);
		if (what < SCSI_READ)
			continue;
		asked++;
		bad += !c.length || c.length % unit.block || c.offset % unit.block || c.offset + c.length > unit.blocks * unit.block;
	}
	check("any", !bad && asked > 50000);
}

int main(void)
{
	test_transfers();
	test_ranges();
	test_answers();
	test_senses();
	test_any();
	printf("%d passed, %d failed\n", passed, failed);
	return failed != 0;
}
