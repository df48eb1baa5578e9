// SPDX-License-Identifier: GPL-2.0
/*
 * Requests of a pvSCSI adapter whose driver writes anything, from the ring to what the disk is asked for; first while they
 * stay as they are, then while all that was read changes. What must hold whatever it is: memory is the guest's and goes
 * the right way, there is enough of it, bytes are inside of the disk, which may be read-only; a request ends.
 * Built with ASan and UBSan; guest memory checks each access.
 *
 * test_pvscsi_fuzz [FIRST-SEED [COUNT]]
 */
#include <stdio.h>
#include <stdlib.h>

#include "pvio/pvscsi.h"

#define STATE	1		/* pages */
#define REQUEST	4
#define COMPLETION 8
#define LIST	0xa000		/* addresses */
#define SENSE	0xb000
#define DATA	0xc000
#define LIST_READS	(2 * PVIO_RING_MAX / 16)
#define MOST	(1ULL << 30)	/* bytes */

static const u8 codes[] = {
	0x28, 0x2a, 0x88, 0x8a, 0xa8, 0xaa, 0x08, 0x0a, 0x35, 0x91, 0x42, 0x41, 0x93, 0x2f, 0x8f, 0x00, 0x03, 0x12, 0x1a, 0x5a,
	0x25, 0x9e, 0xa0, 0xff,
};

static struct pvscsi_ring ring;
static struct scsi_unit unit;
static struct iovec iov[PVIO_RING_MAX];
static u64 dice;
static unsigned long bad, asked[SCSI_ZERO + 1], refused[0x20], broken_rings, senses;

static void wrong(const char *what, u64 value)
{
	if (!bad++)
		printf("not ok pvscsi_fuzz: %s: %llx\n", what, (unsigned long long)value);
}

static u32 roll(u32 sides)
{
	return guest_random(&dice) % sides;
}

/* ---- the driver ---- */

static void put(u8 *to, unsigned int bytes, u64 value)
{
	for (; bytes--; value >>= 8)
		to[bytes] = value;
}

static u64 some_block(void)
{
	switch (roll(8)) {
	case 0: return (u64)guest_random(&dice) << 32 | guest_random(&dice);
	case 1: return unit.blocks - roll(20);
	default: return guest_random(&dice) % unit.blocks;
	}
}

/* A command of which something is known, by the group of its code; bytes that may go with it */
static u64 some_cdb(u8 *cdb)
{
	u64 block = some_block(), blocks = roll(8) ? 1 + roll(8) : guest_random(&dice);

	cdb[0] = roll(32) ? codes[roll(sizeof(codes))] : guest_random(&dice);
	cdb[1] = roll(4) ? 0 : roll(2) ? 1 << roll(8) : 0x10;
	switch (cdb[0] >> 5) {
	case 0: put(cdb + 1, 3, block & 0x1fffff); put(cdb + 4, 1, blocks); break;
	case 1:
	case 2: put(cdb + 2, 4, block); put(cdb + 7, 2, cdb[0] == 0x42 ? 24 : blocks); break;
	case 4: put(cdb + 2, 8, block); put(cdb + 10, 4, blocks); break;
	case 5: put(cdb + 2, 4, block); put(cdb + 6, 4, blocks); break;
	}
	if (cdb[0] == 0x12 || cdb[0] == 0x1a) {
		static const u8 pages[] = { 0, 0x80, 0x83, 0xb0, 0xb1, 0xb2, 0x3f, 8 };

		cdb[1] = roll(2);
		cdb[2] = pages[roll(8)];
		cdb[3] = 0;
		cdb[4] = roll(256);
	}
	for (unsigned int i = roll(4) ? 0 : roll(3); i; i--)
		cdb[roll(16)] = guest_random(&dice);
	return roll(8) ? blocks * unit.block : roll(9000);
}

static u64 some_memory(u64 bytes)
{
	switch (roll(24)) {
	case 0: return guest_some_address(&dice);
	case 1: return roll(4) ? GUEST_RAM - roll(64) : GUEST_RAM + roll(GUEST_ROM);
	case 2: return GUEST_HIGH_BASE + roll(GUEST_HIGH);
	default: return bytes > 0x3000 ? GUEST_NOISE_BASE + roll(1U << 30) : DATA + 16 * roll(0x80);
	}
}

/* Segments for so many bytes, more or less */
static void put_list(u64 at, u64 bytes)
{
	struct { u64 addr; u32 length, flags; } e;
	static const u8 nothing[GUEST_RAM - LIST];
	bool tiny = !roll(16);

	if (!roll(64)) {
		guest_poke(LIST, nothing, sizeof(nothing));
		return;
	}
	while (bytes && at < DATA - sizeof(e)) {
		u64 length = bytes > 1 << 20 ? bytes / (1 + roll(8)) : roll(4) ? 512 * (1 + roll(8)) : roll(3000);

		if (tiny)
			length = 1 + roll(16);
		e.length = length < bytes ? length : bytes;
		e.addr = some_memory(e.length);
		e.flags = !roll(256);
		guest_poke(at, &e, sizeof(e));
		bytes -= e.length;
		at += sizeof(e);
	}
}

/* UNMAP's list, or the block of WRITE SAME */
static void put_payload(u64 at)
{
	u8 list[24] = { 0 }, zero[4096] = { 0 };

	guest_poke(at, zero, sizeof(zero));
	if (roll(2))
		return;
	put(list, 2, 22);
	put(list + 2, 2, roll(8) ? 16 : roll(64));
	put(list + 8, 8, some_block());
	put(list + 16, 4, roll(8) ? roll(64) : guest_random(&dice));
	guest_poke(at, list, sizeof(list));
}

static void publish(void)
{
	u32 i = ring.taken & (ring.requests - 1), made = ring.taken + 1;
	struct pvscsi_request r = {
		.context = guest_random(&dice), .sense = roll(8) ? SENSE : guest_some_address(&dice), .sense_bytes = roll(4) ? 96 : roll(20),
		.flags = roll(8) ? (roll(2) ? PVSCSI_TO_DEVICE : 8) : roll(32), .cdb_bytes = roll(16) ? 16 : roll(20), .target = !roll(32),
	};

	r.bytes = some_cdb(r.cdb);
	if (!roll(64))
		r.lun[roll(8)] = 1;
	if (r.cdb[0] == 0x42 || r.cdb[0] == 0x41 || r.cdb[0] == 0x93)
		r.bytes = roll(8) ? unit.block : roll(64);
	r.data = some_memory(r.bytes);
	put_payload(r.data);
	if (roll(2)) {
		r.flags |= PVSCSI_SG_LIST;
		r.data = roll(8) ? LIST + 16 * roll(64) : guest_some_address(&dice);
		put_list(r.data, r.bytes);
	}
	if (!roll(64))
		r.bytes = guest_some_address(&dice);
	if (!roll(64))
		made = guest_random(&dice);
	guest_poke((REQUEST + i / 32) * PVSCSI_PAGE + i % 32 * PVSCSI_REQUEST_BYTES, &r, sizeof(r));
	guest_poke(STATE * PVSCSI_PAGE, &made, 4);
}

/* ---- what was made of it ---- */

/* Bytes of memory that the device may reach as the request says */
static u64 memory_of(const struct scsi_command *c, bool in)
{
	u64 bytes = 0;

	if (c->iovs > PVIO_RING_MAX)
		wrong("too many segments", c->iovs);
	for (unsigned int i = 0; i < c->iovs && !bad; i++) {
		if (!c->iov[i].iov_len)
			wrong("a segment of nothing", i);
		if (in)
			guest_may_write(c->iov[i].iov_base, c->iov[i].iov_len);
		else
			guest_may_read(c->iov[i].iov_base, c->iov[i].iov_len);
		bytes += c->iov[i].iov_len;
	}
	return bytes;
}

static void check_command(const struct scsi_command *c, enum scsi_what what)
{
	static const u64 most[] = {
		[SCSI_READ] = MOST, [SCSI_WRITE] = MOST, [SCSI_FLUSH] = ~0ULL, [SCSI_DISCARD] = MOST, [SCSI_ZERO] = 1 << 24,
	};
	u64 size = unit.blocks * unit.block, bytes = memory_of(c, what == SCSI_READ || (what == SCSI_ANSWER && c->answered));

	if (bytes != c->bytes)
		wrong("more or less memory than the driver says", bytes);
	if (c->answered > sizeof(c->answer) || (c->answered && what != SCSI_ANSWER))
		wrong("too long an answer", c->answered);
	if (what < SCSI_READ)
		return;
	if (!c->length || c->length > most[what] || c->length % unit.block || c->offset % unit.block)
		wrong("too long, or parts of blocks", c->length);
	if (c->offset > size || c->length > size - c->offset)
		wrong("outside of the disk", c->offset);
	if ((what == SCSI_READ || what == SCSI_WRITE) && bytes < c->length)
		wrong("less memory than bytes", bytes);
	if (unit.readonly && (what == SCSI_WRITE || what == SCSI_DISCARD || what == SCSI_ZERO))
		wrong("a read-only disk is changed", what);
	if (c->unmap && what != SCSI_ZERO)
		wrong("a hole", what);
}

/* That a request may need: a list, UNMAP's list in segments of a byte, a block that may be zeroes */
static unsigned long most_reads(u8 code)
{
	return 2 + LIST_READS + (code == 0x42 ? 24 : code == 0x41 || code == 0x93 ? 64 + PVIO_RING_MAX : 0);
}

/* Our copy of the request is all that counts. */
static void check_copy(const struct pvscsi_request *r, const struct scsi_command *c)
{
	if (c->cdb != r->cdb || c->unit != &unit || c->bytes != r->bytes)
		wrong("another request", r->context);
	if (r->target || r->bus || r->cdb_bytes > PVSCSI_CDB || r->flags & PVSCSI_LONG_CDB)
		wrong("a request for nobody", r->target);
	for (unsigned int i = r->cdb_bytes; i < PVSCSI_CDB; i++)
		if (r->cdb[i])
			wrong("bytes that are not there", i);
}

static void answer(const struct pvscsi_request *r, const struct scsi_command *c, enum scsi_what what)
{
	struct pvscsi_completion done = { .context = r->context };
	u8 sense[SCSI_SENSE];
	u8 *to;

	if (what == SCSI_ANSWER)
		done.bytes = pvio_iov_to(c->iov, c->iovs, 0, c->answer, c->answered);
	if (what == SCSI_FAILED) {
		to = pvscsi_sense(&ring, r, &done.sense_bytes);
		if (done.sense_bytes > SCSI_SENSE || done.sense_bytes > r->sense_bytes || !to != !done.sense_bytes)
			wrong("too long a sense", done.sense_bytes);
		scsi_fill_sense(sense, c->sense);
		if (to)
			guest_write(to, sense, done.sense_bytes);
		senses += to != NULL;
	}
	pvscsi_ring_put(&ring, &done);
}

static void take(void)
{
	struct scsi_command c = { 0 };
	struct pvscsi_request r;
	enum pvio_next next;
	enum pvscsi_host why;
	enum scsi_what what;

	guest.reads = 0;
	next = pvscsi_ring_next(&ring, &r);
	broken_rings += next == PVIO_BROKEN;
	if (next != PVIO_CHAIN)
		return;
	why = pvscsi_parse(&ring, &r, &unit, iov, &c, &what);
	if (guest.reads > most_reads(r.cdb[0]))
		wrong("too many reads", guest.reads);
	refused[why]++;
	if (why)
		return;
	asked[what]++;
	check_copy(&r, &c);
	check_command(&c, what);
	answer(&r, &c, what);
}

static void run_seed(u64 seed, bool quiet)
{
	static const u64 pages[] = { STATE, REQUEST, REQUEST + 1, COMPLETION, COMPLETION + 1 };

	dice = seed;
	guest.random = seed * 3 + 1;
	guest.change = quiet ? 0 : 1 + roll(6);
	unit = (struct scsi_unit){
		.blocks = 1 + (roll(3) ? roll(5000) : guest_random(&dice)), .block = 512U << roll(4), .transfer_max = MOST,
		.discard_max = MOST, .zeroes_max = 1 << 24, .readonly = !roll(6), .serial = "0123456789abcdefghi",
	};
	unit.physical = unit.block << roll(3);
	if (pvscsi_ring_start(&ring, &guest, pages, 1 + roll(2), 1 + roll(2)))
		wrong("it does not start", 0);
	for (unsigned int i = 0; i < 16 && !bad; i++) {
		ring.broken = false;
		publish();
		take();
		pvscsi_ring_should_notify(&ring);
	}
	if (bad)
		printf("# seed %llu, %s\n", (unsigned long long)seed, quiet ? "quiet" : "changing");
}

int main(int argc, char **argv)
{
	unsigned long first, count;
	bool deep = true;

	guest_fuzz(argc, argv, run_seed, &bad, &first, &count);
	if (!bad)
		printf("ok pvscsi_fuzz\n");
	printf("# %lu seeds from %lu; done %lu answered %lu failed %lu read %lu write %lu flush %lu discard %lu zero %lu\n", count, first,
	       asked[SCSI_DONE], asked[SCSI_ANSWER], asked[SCSI_FAILED], asked[SCSI_READ], asked[SCSI_WRITE], asked[SCSI_FLUSH],
	       asked[SCSI_DISCARD], asked[SCSI_ZERO]);
	printf("# refused: target %lu overrun %lu parameter %lu message %lu; %lu broken, %lu senses\n", refused[PVSCSI_HOST_NO_TARGET],
	       refused[PVSCSI_HOST_OVERRUN], refused[PVSCSI_HOST_BAD_PARAMETER], refused[PVSCSI_HOST_BAD_MESSAGE], broken_rings, senses);
	for (unsigned int i = 0; i <= SCSI_ZERO; i++)
		deep &= asked[i] > count / 64;
	deep &= refused[PVSCSI_HOST_OVERRUN] > count / 8 && refused[PVSCSI_HOST_BAD_MESSAGE] > count / 8 &&
		senses > count && broken_rings > count / 8;
	printf("%s pvscsi_fuzz_depth%s\n", deep ? "ok" : "not ok", deep ? "" : ": hardly a request was right");
	return bad || !deep;
}
