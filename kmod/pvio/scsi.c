// SPDX-License-Identifier: GPL-2.0
/* A SCSI disk: commands. Sections are SPC-4's, or SBC-3's where it says so. */
#include "pvio/ring.h"
#include "pvio/scsi.h"

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))

enum { KEY_MEDIUM = 3, KEY_HARDWARE = 4, KEY_ILLEGAL = 5, KEY_PROTECT = 7, KEY_ABORTED = 11 };

#define SENSE_RANGE		SCSI_SENSE_CODE(KEY_ILLEGAL, 0x21, 0)
#define SENSE_LIST_LENGTH	SCSI_SENSE_CODE(KEY_ILLEGAL, 0x1a, 0)
#define SENSE_LIST		SCSI_SENSE_CODE(KEY_ILLEGAL, 0x26, 0)
#define SENSE_NO_SAVED		SCSI_SENSE_CODE(KEY_ILLEGAL, 0x39, 0)
#define SENSE_PROTECTED		SCSI_SENSE_CODE(KEY_PROTECT, 0x27, 0)

#define FUA		0x08	/* of byte 1, SBC-3 5.16 */
#define PROTECTION	0xe0	/* likewise */

static u64 scsi_get(const u8 *from, unsigned int bytes)
{
	u64 value = 0;

	while (bytes--)
		value = value << 8 | *from++;
	return value;
}

static void scsi_put(u8 *to, unsigned int bytes, u64 value)
{
	while (bytes--)
		to[bytes] = value, value >>= 8;
}

/* Left in its field, with spaces behind */
static void scsi_put_text(u8 *to, unsigned int bytes, const char *text)
{
	memset(to, ' ', bytes);
	for (unsigned int i = 0; i < bytes && text[i]; i++)
		to[i] = text[i];
}

static unsigned int scsi_serial_length(const struct scsi_unit *unit)
{
	unsigned int n = 0;

	while (n < SCSI_SERIAL && unit->serial[n])
		n++;
	return n;
}

static enum scsi_what scsi_failed(struct scsi_command *c, u32 sense)
{
	c->sense = sense;
	return SCSI_FAILED;
}

/* So many bytes of the answer, of which the driver wants no more than some */
static enum scsi_what scsi_answer(struct scsi_command *c, unsigned int bytes, u64 wanted)
{
	c->answered = wanted < bytes ? wanted : bytes;
	return SCSI_ANSWER;
}

/* ---- what the disk is ---- */

static enum scsi_what scsi_nothing(struct scsi_command *c)
{
	return SCSI_DONE;
}

/* 6.39: what went wrong was told with it */
static enum scsi_what scsi_request_sense(struct scsi_command *c)
{
	if (c->cdb[1] & 1)	/* the other format */
		return scsi_failed(c, SCSI_SENSE_FIELD);
	scsi_fill_sense(c->answer, 0);
	return scsi_answer(c, SCSI_SENSE, c->cdb[4]);
}

static unsigned int scsi_page_serial(const struct scsi_unit *unit, u8 *page)
{
	unsigned int n = scsi_serial_length(unit);

	memcpy(page, unit->serial, n);
	return n;
}

/* 7.8.6: a name by the vendor's word */
static unsigned int scsi_page_names(const struct scsi_unit *unit, u8 *page)
{
	unsigned int n = scsi_serial_length(unit);

	if (!n)
		return 0;
	page[0] = 2;		/* ASCII */
	page[1] = 1;		/* T10's vendors */
	page[3] = 8 + n;
	scsi_put_text(page + 4, 8, "HUSK");
	memcpy(page + 12, unit->serial, n);
	return 12 + n;
}

/* SBC-3 6.6.3. Offsets are the standard's less the head's 4 */
static unsigned int scsi_page_limits(const struct scsi_unit *unit, u8 *page)
{
	page[0] = 1;		/* WSNZ */
	scsi_put(page + 2, 2, unit->physical / unit->block);
	scsi_put(page + 4, 4, unit->transfer_max / unit->block);
	if (!unit->readonly) {
		scsi_put(page + 16, 4, unit->discard_max / unit->block);
		scsi_put(page + 20, 4, 1);
		scsi_put(page + 24, 4, unit->physical / unit->block);
		scsi_put(page + 32, 8, unit->zeroes_max / unit->block);
	}
	return 60;
}

/* SBC-3 6.6.2: it does not turn */
static unsigned int scsi_page_kind(const struct scsi_unit *unit, u8 *page)
{
	scsi_put(page, 2, 1);
	return 60;
}

/* SBC-3 6.6.4: UNMAP, WRITE SAME (16), (10); thin */
static unsigned int scsi_page_provisioning(const struct scsi_unit *unit, u8 *page)
{
	if (!unit->readonly) {
		page[1] = 0xe0;
		page[2] = 2;
	}
	return 4;
}

static unsigned int scsi_page_list(const struct scsi_unit *unit, u8 *page);

static const struct scsi_page {
	u8 code;
	unsigned int (*fill)(const struct scsi_unit *unit, u8 *page);
} scsi_pages[] = {
	{ 0x00, scsi_page_list },
	{ 0x80, scsi_page_serial },
	{ 0x83, scsi_page_names },
	{ 0xb0, scsi_page_limits },
	{ 0xb1, scsi_page_kind },
	{ 0xb2, scsi_page_provisioning },
};

static unsigned int scsi_page_list(const struct scsi_unit *unit, u8 *page)
{
	for (unsigned int i = 0; i < COUNT(scsi_pages); i++)
		page[i] = scsi_pages[i].code;
	return COUNT(scsi_pages);
}

/* 6.4.2: a disk, SPC-4, with queues */
static enum scsi_what scsi_inquiry(struct scsi_command *c)
{
	u64 wanted = scsi_get(c->cdb + 3, 2);
	unsigned int n;

	if (c->cdb[1] & 1) {
		for (unsigned int i = 0; i < COUNT(scsi_pages); i++) {
			if (scsi_pages[i].code != c->cdb[2])
				continue;
			n = scsi_pages[i].fill(c->unit, c->answer + 4);
			c->answer[1] = c->cdb[2];
			scsi_put(c->answer + 2, 2, n);
			return scsi_answer(c, 4 + n, wanted);
		}
	}
	if (c->cdb[1] || c->cdb[2])
		return scsi_failed(c, SCSI_SENSE_FIELD);
	c->answer[2] = 6;
	c->answer[3] = 2;
	c->answer[4] = 36 - 5;
	c->answer[7] = 2;
	scsi_put_text(c->answer + 8, 8, "HUSK");
	scsi_put_text(c->answer + 16, 16, "DISK");
	scsi_put_text(c->answer + 32, 4, "1");
	return scsi_answer(c, 36, wanted);
}

/* SBC-3 5.12 */
static enum scsi_what scsi_read_capacity10(struct scsi_command *c)
{
	u64 last = c->unit->blocks - 1;

	scsi_put(c->answer, 4, last > 0xffffffff ? 0xffffffff : last);
	scsi_put(c->answer + 4, 4, c->unit->block);
	return scsi_answer(c, 8, 8);
}

/* SBC-3 5.13; the only one of its kind */
static enum scsi_what scsi_read_capacity16(struct scsi_command *c)
{
	unsigned int exponent = 0;

	if ((c->cdb[1] & 0x1f) != 0x10)
		return scsi_failed(c, SCSI_SENSE_FIELD);
	while (c->unit->block << exponent < c->unit->physical)
		exponent++;
	scsi_put(c->answer, 8, c->unit->blocks - 1);
	scsi_put(c->answer + 8, 4, c->unit->block);
	c->answer[13] = exponent;
	c->answer[14] = c->unit->readonly ? 0 : 0x80;	/* can be discarded: LBPME */
	return scsi_answer(c, 32, scsi_get(c->cdb + 10, 4));
}

/* 6.33: there is one */
static enum scsi_what scsi_report_luns(struct scsi_command *c)
{
	scsi_put(c->answer, 4, 8);
	return scsi_answer(c, 16, scsi_get(c->cdb + 6, 4));
}

/* SBC-3 6.5.5: there is a cache, which can't be switched off */
static unsigned int scsi_mode_pages(const struct scsi_command *c, u8 *to)
{
	to[0] = 8;
	to[1] = 18;
	to[2] = c->cdb[2] >> 6 == 1 ? 0 : 4;	/* what can be changed: nothing */
	return 20;
}

/* 6.11, 6.12: the pages behind a head of so many bytes */
static enum scsi_what scsi_mode_sense(struct scsi_command *c, unsigned int head, u64 wanted)
{
	u8 kind = (c->unit->readonly ? 0x80 : 0) | 0x10;	/* SBC-3 6.5.1: WP, DPOFUA */
	u8 code = c->cdb[2] & 0x3f;
	unsigned int n;

	if ((code != 8 && code != 0x3f) || (c->cdb[3] && c->cdb[3] != 0xff))
		return scsi_failed(c, SCSI_SENSE_FIELD);
	if (c->cdb[2] >> 6 == 3)
		return scsi_failed(c, SENSE_NO_SAVED);
	n = head + scsi_mode_pages(c, c->answer + head);
	if (head == 4) {
		c->answer[0] = n - 1;
		c->answer[2] = kind;
	} else {
		scsi_put(c->answer, 2, n - 2);
		c->answer[3] = kind;
	}
	return scsi_answer(c, n, wanted);
}

static enum scsi_what scsi_mode_sense6(struct scsi_command *c)
{
	return scsi_mode_sense(c, 4, c->cdb[4]);
}

static enum scsi_what scsi_mode_sense10(struct scsi_command *c)
{
	return scsi_mode_sense(c, 8, scsi_get(c->cdb + 7, 2));
}

/* ---- its bytes ---- */

/* Where block and number of blocks are, by the group of the command (4.2.5.1) */
static void scsi_range_of(const u8 *cdb, u64 *block, u64 *blocks)
{
	static const struct { u8 block, block_bytes, blocks, blocks_bytes; } at[8] = {
		[0] = { 1, 3, 4, 1 }, [1] = { 2, 4, 7, 2 }, [2] = { 2, 4, 7, 2 }, [4] = { 2, 8, 10, 4 }, [5] = { 2, 4, 6, 4 },
	};
	unsigned int group = cdb[0] >> 5;

	*block = scsi_get(cdb + at[group].block, at[group].block_bytes);
	*blocks = scsi_get(cdb + at[group].blocks, at[group].blocks_bytes);
	if (!group) {		/* SBC-3 5.10 */
		*block &= 0x1fffff;
		*blocks = *blocks ? *blocks : 256;
	}
}

/* What it becomes, if the range is one of this disk and has no more than so many bytes */
static enum scsi_what scsi_ranged(struct scsi_command *c, enum scsi_what what, u64 block, u64 blocks, u32 max)
{
	const struct scsi_unit *unit = c->unit;

	if (block > unit->blocks || blocks > unit->blocks - block)
		return scsi_failed(c, SENSE_RANGE);
	if (blocks > max / unit->block)
		return scsi_failed(c, SCSI_SENSE_FIELD);
	c->offset = block * unit->block;
	c->length = blocks * unit->block;
	return blocks ? what : SCSI_DONE;
}

static enum scsi_what scsi_transfer(struct scsi_command *c, enum scsi_what what)
{
	bool six = !(c->cdb[0] >> 5);
	u64 block, blocks;

	if (!six && c->cdb[1] & PROTECTION)
		return scsi_failed(c, SCSI_SENSE_FIELD);
	if (what == SCSI_WRITE && c->unit->readonly)
		return scsi_failed(c, SENSE_PROTECTED);
	scsi_range_of(c->cdb, &block, &blocks);
	c->through = !six && c->cdb[1] & FUA;
	return scsi_ranged(c, what, block, blocks, c->unit->transfer_max);
}

static enum scsi_what scsi_read(struct scsi_command *c)
{
	return scsi_transfer(c, SCSI_READ);
}

static enum scsi_what scsi_write(struct scsi_command *c)
{
	return scsi_transfer(c, SCSI_WRITE);
}

/* SBC-3 5.18: all of the cache, whatever the range */
static enum scsi_what scsi_synchronize(struct scsi_command *c)
{
	u64 block, blocks;

	scsi_range_of(c->cdb, &block, &blocks);
	if (block > c->unit->blocks || blocks > c->unit->blocks - block)
		return scsi_failed(c, SENSE_RANGE);
	c->length = c->unit->blocks * c->unit->block;
	return SCSI_FLUSH;
}

/* SBC-3 5.20: without data to compare with there is nothing to find out */
static enum scsi_what scsi_verify(struct scsi_command *c)
{
	u64 block, blocks;

	if (c->cdb[1] & 6)
		return scsi_failed(c, SCSI_SENSE_FIELD);
	scsi_range_of(c->cdb, &block, &blocks);
	if (block > c->unit->blocks || blocks > c->unit->blocks - block)
		return scsi_failed(c, SENSE_RANGE);
	return SCSI_DONE;
}

/* SBC-3 5.28: one range, as scsi_page_limits() says */
static enum scsi_what scsi_unmap(struct scsi_command *c)
{
	u64 length = scsi_get(c->cdb + 7, 2);
	u8 list[24];

	if (c->cdb[1] & 1)	/* ANCHOR */
		return scsi_failed(c, SCSI_SENSE_FIELD);
	if (c->unit->readonly)
		return scsi_failed(c, SENSE_PROTECTED);
	if (!length)
		return SCSI_DONE;
	if (length < 8 || c->bytes < length)
		return scsi_failed(c, SENSE_LIST_LENGTH);
	memset(list, 0, sizeof(list));
	pvio_iov_from(c->iov, c->iovs, 0, list, length < sizeof(list) ? length : sizeof(list));
	if (scsi_get(list + 2, 2) < 16)
		return SCSI_DONE;
	if (length < sizeof(list))
		return scsi_failed(c, SENSE_LIST_LENGTH);
	if (scsi_get(list + 2, 2) / 16 > 1)
		return scsi_failed(c, SENSE_LIST);
	return scsi_ranged(c, SCSI_DISCARD, scsi_get(list + 8, 8), scsi_get(list + 16, 4), c->unit->discard_max);
}

static bool scsi_brings_zeroes(const struct scsi_command *c)
{
	u8 piece[64];

	for (u32 done = 0; done < c->unit->block; done += sizeof(piece)) {
		if (pvio_iov_from(c->iov, c->iovs, done, piece, sizeof(piece)) != sizeof(piece))
			return false;
		for (unsigned int i = 0; i < sizeof(piece); i++)
			if (piece[i])
				return false;
	}
	return true;
}

/* SBC-3 5.38, 5.39. Other bytes than zeroes would have to be written by ourselves: nobody asks for that. */
static enum scsi_what scsi_write_same(struct scsi_command *c)
{
	bool no_data = c->cdb[0] >> 5 == 4 && c->cdb[1] & 1;
	u64 block, blocks;

	if (c->cdb[1] & (PROTECTION | 0x10))	/* ANCHOR */
		return scsi_failed(c, SCSI_SENSE_FIELD);
	if (c->unit->readonly)
		return scsi_failed(c, SENSE_PROTECTED);
	scsi_range_of(c->cdb, &block, &blocks);
	if (!blocks)		/* "to the end": scsi_page_limits() */
		return scsi_failed(c, SCSI_SENSE_FIELD);
	if (!no_data && !scsi_brings_zeroes(c))
		return scsi_failed(c, SENSE_LIST);
	c->unmap = c->cdb[1] & 8;
	return scsi_ranged(c, SCSI_ZERO, block, blocks, c->unit->zeroes_max);
}

/* ---- all of them ---- */

static const struct {
	u8 code;
	enum scsi_what (*parse)(struct scsi_command *c);
} scsi_commands[] = {
	{ 0x28, scsi_read }, { 0x2a, scsi_write }, { 0x88, scsi_read }, { 0x8a, scsi_write },
	{ 0xa8, scsi_read }, { 0xaa, scsi_write }, { 0x08, scsi_read }, { 0x0a, scsi_write },
	{ 0x35, scsi_synchronize }, { 0x91, scsi_synchronize },
	{ 0x42, scsi_unmap }, { 0x41, scsi_write_same }, { 0x93, scsi_write_same },
	{ 0x2f, scsi_verify }, { 0x8f, scsi_verify }, { 0xaf, scsi_verify },
	{ 0x00, scsi_nothing },		/* TEST UNIT READY */
	{ 0x1b, scsi_nothing },		/* START STOP UNIT */
	{ 0x03, scsi_request_sense },
	{ 0x12, scsi_inquiry },
	{ 0x1a, scsi_mode_sense6 }, { 0x5a, scsi_mode_sense10 },
	{ 0x25, scsi_read_capacity10 }, { 0x9e, scsi_read_capacity16 },
	{ 0xa0, scsi_report_luns },
};

enum scsi_what scsi_parse(struct scsi_command *c)
{
	c->offset = c->length = 0;
	c->through = c->unmap = false;
	c->sense = c->answered = 0;
	memset(c->answer, 0, sizeof(c->answer));
	for (unsigned int i = 0; i < COUNT(scsi_commands); i++)
		if (scsi_commands[i].code == c->cdb[0])
			return scsi_commands[i].parse(c);
	return scsi_failed(c, SCSI_SENSE_OPCODE);
}

/* ---- what went wrong ---- */

/* What another try may help is "aborted": drivers do try. */
u32 scsi_sense_of(int error, bool write)
{
	static const struct { int error; u32 read, write; } errors[] = {
		{ EIO, SCSI_SENSE_CODE(KEY_MEDIUM, 0x11, 0), SCSI_SENSE_CODE(KEY_MEDIUM, 0x0c, 0) },
		{ ENODATA, SCSI_SENSE_CODE(KEY_MEDIUM, 0x11, 0), SCSI_SENSE_CODE(KEY_MEDIUM, 0x0c, 0) },
		{ EILSEQ, SCSI_SENSE_CODE(KEY_MEDIUM, 0x11, 0), SCSI_SENSE_CODE(KEY_MEDIUM, 0x0c, 0) },
		{ ENOSPC, SCSI_SENSE_CODE(KEY_PROTECT, 0x27, 7), SCSI_SENSE_CODE(KEY_PROTECT, 0x27, 7) },
		{ EDQUOT, SCSI_SENSE_CODE(KEY_PROTECT, 0x27, 7), SCSI_SENSE_CODE(KEY_PROTECT, 0x27, 7) },
		{ EFBIG, SCSI_SENSE_CODE(KEY_PROTECT, 0x27, 7), SCSI_SENSE_CODE(KEY_PROTECT, 0x27, 7) },
		{ EROFS, SENSE_PROTECTED, SENSE_PROTECTED },
		{ EPERM, SENSE_PROTECTED, SENSE_PROTECTED },
		{ ENOMEM, SCSI_SENSE_CODE(KEY_ABORTED, 0, 0), SCSI_SENSE_CODE(KEY_ABORTED, 0, 0) },
		{ EAGAIN, SCSI_SENSE_CODE(KEY_ABORTED, 0, 0), SCSI_SENSE_CODE(KEY_ABORTED, 0, 0) },
	};

	for (unsigned int i = 0; i < COUNT(errors); i++)
		if (errors[i].error == error)
			return write ? errors[i].write : errors[i].read;
	return SCSI_SENSE_CODE(KEY_HARDWARE, 0x44, 0);
}

/* 4.5.3, of this command */
void scsi_fill_sense(u8 *sense, u32 code)
{
	memset(sense, 0, SCSI_SENSE);
	sense[0] = 0x70;
	sense[2] = code >> 16;
	sense[7] = SCSI_SENSE - 8;
	sense[12] = code >> 8;
	sense[13] = code;
}
