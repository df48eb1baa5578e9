// SPDX-License-Identifier: GPL-2.0
/*
 * Requests of a virtio block device whose driver writes anything, from the ring to what the disk is asked for: what a
 * chain is by another reading of the specification, and, while all that was read changes, what must hold whatever it is.
 * Built with ASan and UBSan; guest memory checks each access.
 *
 * test_block_fuzz [FIRST-SEED [COUNT]]
 */
#include <linux/virtio_ring.h>
#include <stdio.h>
#include <stdlib.h>

#include "pvio/block.h"

#define DESC	0x0000
#define AVAIL	0x1000
#define USED	0x2000
#define TABLE	0x3000
#define HEADER	0x6000
#define STATUS	0x7000
#define DATA	0x8000
#define READS	(8 + 2 * (PVIO_RING_MAX + 2) + 32)	/* that a request may need */

/* What the driver has described, by addresses: a segment; and all that there are */
struct part {
	u64 gpa;
	u32 length;
};

struct model {
	bool empty, broken, noise;	/* a table in the noise: nobody knows */
	u16 head;
	unsigned int out, in;
	u64 out_bytes, in_bytes;
	struct part part[2 * PVIO_RING_MAX];
};

struct block_header { u32 type, reserved; u64 sector; };
struct block_range { u64 sector; u32 sectors, flags; };

static struct pvio_ring ring;
static struct pvio_chain chain;
static struct pvio_block disk;
static struct model model;
static u64 dice;
static unsigned long bad, chains, broken_rings, answers[3], types[16], indirect_chains;

static void wrong(const char *what, u64 value)
{
	if (!bad++)
		printf("not ok block_fuzz: %s: %llx\n", what, (unsigned long long)value);
}

static u32 roll(u32 sides)
{
	return guest_random(&dice) % sides;
}

/* ---- the driver ---- */

static void set_desc(u64 table, unsigned int i, u64 addr, u32 len, u16 flags, u16 next)
{
	struct pvio_desc d = { addr, len, flags, next };

	guest_poke(table + i * sizeof(d), &d, sizeof(d));
}

static u64 some_sector(void)
{
	u64 sectors = disk.bytes / PVIO_SECTOR;

	switch (roll(8)) {
	case 0: return guest_some_address(&dice) << roll(60);
	case 1: return sectors - roll(20);
	default: return sectors ? guest_random(&dice) % sectors : 0;
	}
}

static void put_header(u64 at, u32 type)
{
	struct block_header h = { type, 0, some_sector() };
	static const u32 odd_sizes[] = { 0, 0xffffffff, PVIO_DISCARD_MAX / 512 + 1, PVIO_ZEROES_MAX / 512, PVIO_ZEROES_MAX / 512 + 1 };
	struct block_range r = { some_sector(), roll(4) ? roll(64) : odd_sizes[roll(5)], roll(4) ? 0 : roll(4) };

	guest_poke(at, &h, sizeof(h));
	guest_poke(at + sizeof(h), &r, sizeof(r));
}

static u32 some_type(void)
{
	static const u32 known[] = { 0, 0, 1, 1, 4, 8, 11, 13 };

	return roll(16) ? known[roll(8)] : guest_random(&dice);
}

/* Where a segment may be that is of some use */
static u64 some_data(u32 *length, bool in)
{
	u64 at = DATA + 16 * roll(0x400);

	*length = roll(4) ? PVIO_SECTOR * (1 + roll(4)) : 1 + roll(600);
	switch (roll(8)) {
	case 0: return GUEST_HIGH_BASE + roll(GUEST_HIGH);
	case 1: return in ? at : GUEST_RAM + roll(GUEST_ROM);
	case 2:
		*length = roll(2) ? (u32)PVIO_SECTOR << roll(24) : guest_random(&dice);
		return GUEST_NOISE_BASE + guest_random(&dice) % GUEST_NOISE;
	default: return at;
	}
}

/* A request in a table of so many entries from one of them on, its parts one after the other, as a driver would */
static void put_request(u64 table, unsigned int size, unsigned int i, u64 header)
{
	u32 type = some_type(), header_bytes = type == 11 || type == 13 ? 32 : 16, left = roll(8) ? roll(4) : size - roll(size < 4 ? size : 4);
	bool in = type == 0 || type == 8, many = left > 16;	/* of which one is wrong nearly always */

	put_header(header, type);
	if (roll(8) == 0) {		/* in two */
		set_desc(table, i, header, 5, VRING_DESC_F_NEXT, (i + 1) % size);
		i = (i + 1) % size;
		header += 5;
		header_bytes -= 5;
	}
	set_desc(table, i, header, header_bytes, VRING_DESC_F_NEXT, (i + 1) % size);
	for (; left && (type < 2 || type == 8); left--) {
		u32 length = 1 + roll(PVIO_SECTOR);
		u64 at = many ? DATA + roll(0x4000) : some_data(&length, in);

		i = (i + 1) % size;
		set_desc(table, i, at, length, VRING_DESC_F_NEXT | (in ? VRING_DESC_F_WRITE : 0), (i + 1) % size);
	}
	i = (i + 1) % size;
	set_desc(table, i, STATUS + roll(0x800), roll(8) ? 1 : 1 + roll(PVIO_SECTOR), VRING_DESC_F_WRITE, 0);
}

/* A mistake of the driver, or what it means by harm */
static void spoil(u64 table, unsigned int size)
{
	struct pvio_desc d;
	u64 at = table + roll(size) * sizeof(d);

	guest_peek(&d, at, sizeof(d));
	switch (roll(6)) {
	case 0: d.addr = guest_some_address(&dice); break;
	case 1: d.len = roll(2) ? roll(64) : guest_random(&dice); break;
	case 2: d.flags ^= 1 << roll(3); break;
	case 3: d.flags = guest_random(&dice); break;
	case 4: d.next = roll(2) ? roll(size) : guest_random(&dice); break;
	case 5: d = (struct pvio_desc){ TABLE + roll(8) * 8, roll(2) ? 16 * (1 + roll(8)) : guest_random(&dice), VRING_DESC_F_INDIRECT, 0 }; break;
	}
	guest_poke(at, &d, sizeof(d));
}

static void publish(void)
{
	u64 header = HEADER + 64 * roll(32), table = roll(4) ? TABLE + 0x400 * roll(8) : GUEST_HIGH_BASE + 8 * roll(64);
	u16 head = roll(ring.size), idx = ring.last_avail + 1;
	unsigned int size = roll(16) ? 1 + roll(40) : PVIO_RING_MAX - roll(2);

	if (size > 40)
		table = TABLE;
	if (roll(3)) {
		put_request(DESC, ring.size, head, header);
		size = ring.size;
		table = DESC;
	} else {
		put_request(table, size, 0, header);
		if (!roll(8))	/* with a segment before it, which may be one too many */
			set_desc(DESC, head, header, 16, VRING_DESC_F_NEXT, (head + 1) % ring.size);
		set_desc(DESC, roll(8) ? head : (head + 1) % ring.size, table, 16 * (roll(32) ? size : PVIO_RING_MAX + roll(3)),
			 VRING_DESC_F_INDIRECT, 0);
	}
	for (unsigned int i = roll(2) ? 0 : roll(3); i; i--)
		spoil(roll(2) ? table : DESC, table == DESC ? ring.size : size);
	if (roll(64) == 0)
		head = guest_random(&dice);
	if (roll(64) == 0)
		idx = guest_random(&dice);
	guest_poke(AVAIL + 4 + 2 * (ring.last_avail % ring.size), &head, 2);
	guest_poke(AVAIL + 2, &idx, 2);
}

/* ---- what the specification says of it ---- */

static bool model_add(const struct pvio_desc *d)
{
	bool in = d->flags & VRING_DESC_F_WRITE;

	if (!in && model.in)
		return false;
	if (!d->len)
		return true;
	if (!pvio_map(&guest, d->addr, d->len, in) || model.out + model.in == PVIO_RING_MAX)
		return false;
	model.part[model.out + model.in] = (struct part){ d->addr, d->len };
	*(in ? &model.in : &model.out) += 1;
	*(in ? &model.in_bytes : &model.out_bytes) += d->len;
	return true;
}

/* 2.7.5, 2.7.5.3 */
static bool model_walk(u64 table, unsigned int size, u16 at, bool inner)
{
	struct pvio_desc d = { .flags = VRING_DESC_F_NEXT, .next = at };

	for (unsigned int n = 0; d.flags & VRING_DESC_F_NEXT; n++) {
		if (n == size || d.next >= size)
			return false;
		guest_peek(&d, table + d.next * sizeof(d), sizeof(d));
		if (!(d.flags & VRING_DESC_F_INDIRECT)) {
			if (!model_add(&d))
				return false;
			continue;
		}
		if (inner || !ring.indirect || d.flags & VRING_DESC_F_NEXT || !d.len || d.len % sizeof(d) || d.addr % 8 ||
		    d.len / sizeof(d) > PVIO_RING_MAX || !pvio_map(&guest, d.addr, d.len, false))
			return false;
		indirect_chains++;
		model.noise = d.addr >= GUEST_NOISE_BASE;
		return model_walk(d.addr, d.len / sizeof(d), 0, true);
	}
	return true;
}

static void model_next(void)
{
	u16 idx;

	model = (struct model){ 0 };
	guest_peek(&idx, AVAIL + 2, 2);
	guest_peek(&model.head, AVAIL + 4 + 2 * (ring.last_avail % ring.size), 2);
	model.empty = idx == ring.last_avail;
	model.broken = (u16)(idx - ring.last_avail) > ring.size || model.head >= ring.size ||
		       !model_walk(DESC, ring.size, model.head, false);
}

/* Byte of the first or last parts where the data are */
static u64 model_address(unsigned int first, u64 skip)
{
	while (skip >= model.part[first].length)
		skip -= model.part[first++].length;
	return model.part[first].gpa + skip;
}

/* No noise in them */
static bool model_bytes(u64 skip, void *to, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		u64 gpa = model_address(0, skip + i);

		if (gpa >= GUEST_NOISE_BASE)
			return false;
		guest_peek((u8 *)to + i, gpa, 1);
	}
	return true;
}

static bool model_inside(u64 sector, u64 bytes)
{
	return bytes % PVIO_SECTOR == 0 && (unsigned __int128)sector * PVIO_SECTOR + bytes <= disk.bytes / PVIO_SECTOR * PVIO_SECTOR;
}

/* The status that is due at once, or 0; *length gets that of what is due else. -1: nobody can tell */
static int model_parse(struct block_header *h, u64 *offset, u64 *length)
{
	u64 needed = disk.features & (h->type == 11 ? 1 << 13 : 1 << 14), most = h->type == 11 ? 1 << 30 : 1 << 24;
	struct block_range r;

	*offset = h->sector * PVIO_SECTOR;
	switch (h->type) {
	case 0:
	case 1:
		*length = h->type ? model.out_bytes - 16 : model.in_bytes - 1;
		return *length > 1 << 30 || !model_inside(h->sector, *length) || (h->type && disk.readonly) ? 1 : 0;
	case 4:
		*offset = 0;
		*length = disk.bytes;
		return 0;
	case 8:
		*offset = 0;
		*length = model.in_bytes > 20 ? 20 : model.in_bytes - 1;
		return 0;
	case 11:
	case 13:
		if (model.out_bytes != 32 || disk.readonly || !needed)
			return 2;
		if (!model_bytes(16, &r, sizeof(r)))
			return -1;
		if (r.flags > (h->type == 13))
			return 2;
		*offset = r.sector * PVIO_SECTOR;
		*length = (u64)r.sectors * PVIO_SECTOR;
		return *length > most || !model_inside(r.sector, *length) ? 1 : 0;
	default:
		return 2;
	}
}

/* ---- what was made of it ---- */

static void compare_chain(void)
{
	if (chain.head != model.head || chain.out != model.out || chain.in != model.in || chain.out_bytes != model.out_bytes ||
	    chain.in_bytes != model.in_bytes)
		wrong("another chain", chain.head);
	for (unsigned int i = 0; i < model.out + model.in && !bad; i++)
		if (chain.iov[i].iov_base != pvio_map(&guest, model.part[i].gpa, model.part[i].length, false) ||
		    chain.iov[i].iov_len != model.part[i].length)
			wrong("another segment", i);
}

/* Its first, last and some byte are where they should be */
static void compare_data(const struct pvio_block_request *r)
{
	unsigned int first = r->type == VIRTIO_BLK_T_OUT ? 0 : model.out, i = 0;
	u64 skip = r->type == VIRTIO_BLK_T_OUT ? 16 : 0, some[] = { 0, r->length - 1, guest_random(&dice) % r->length };

	for (unsigned int n = 0; n < 3; n++) {
		u64 at = some[n];

		for (i = 0; i < r->iovs && at >= r->iov[i].iov_len; i++)
			at -= r->iov[i].iov_len;
		if (i == r->iovs || (u8 *)r->iov[i].iov_base + at != pvio_map(&guest, model_address(first, skip + some[n]), 1, false))
			wrong("other data", some[n]);
	}
}

static void compare_request(const struct block_header *h, int status, const struct pvio_block_request *r)
{
	u64 offset = 0, length = 0;
	int due = model_parse((struct block_header *)h, &offset, &length);

	if (due < 0)
		return;
	if (status != due || r->type != h->type)
		wrong("another status", (u64)h->type << 32 | status << 8 | due);
	if (r->status != pvio_map(&guest, model_address(model.out, model.in_bytes - 1), 1, false))
		wrong("another place for the status", h->type);
	if (status)
		return;
	if (r->length != length || (length && r->offset != offset))
		wrong("other bytes", r->offset);
	else if (length && (h->type < 2 || h->type == 8))
		compare_data(r);
}

/* Whatever it is: its memory */
static void check_memory(const struct pvio_block_request *r, bool in)
{
	u64 bytes = 0;

	if (r->iov < chain.iov || r->iov + r->iovs > chain.iov + PVIO_RING_MAX)
		wrong("segments of nothing", r->iovs);
	for (unsigned int i = 0; i < r->iovs && !bad; i++) {
		if (in)
			guest_may_write(r->iov[i].iov_base, r->iov[i].iov_len);
		else
			guest_may_read(r->iov[i].iov_base, r->iov[i].iov_len);
		bytes += r->iov[i].iov_len;
	}
	if (r->type == VIRTIO_BLK_T_GET_ID ? bytes < r->length : bytes != r->length)
		wrong("less memory than bytes", r->length);
}

static void check_request(const struct pvio_block_request *r)
{
	static const u64 most[16] = { [0] = 1 << 30, [1] = 1 << 30, [4] = ~0ULL, [8] = 20, [11] = 1 << 30, [13] = 1 << 24 };
	bool changes = r->type == 1 || r->type == 11 || r->type == 13;

	if (r->type > 13 || r->length > most[r->type])
		wrong("too long, or unknown", r->type);
	if (changes && disk.readonly)
		wrong("a read-only disk is changed", r->type);
	if ((r->type == 11 && !(disk.features & 1 << 13)) || (r->type == 13 && !(disk.features & 1 << 14)))
		wrong("what was not negotiated", r->type);
	if (r->offset > disk.bytes || r->length > disk.bytes - r->offset)
		wrong("outside of the disk", r->offset);
	if ((r->type == 4 || r->type == 8 ? 0 : r->length % PVIO_SECTOR) || r->offset % PVIO_SECTOR)
		wrong("parts of sectors", r->length);
	if (r->unmap && r->type != 13)
		wrong("a hole", r->type);
	if (r->type < 2 || r->type == 8)
		check_memory(r, r->type != 1);
	else if (r->iovs)
		wrong("memory that nobody needs", r->iovs);
}

/* As the disk's thread would; all of it, unless it is too much */
static void serve(const struct pvio_block_request *r, int status, u16 head)
{
	u8 answer = status, buffer[64];
	u32 written = 1;

	if (!status && r->length && (r->type == 0 || r->type == 8)) {
		for (unsigned int i = 0; i < r->iovs; i++)
			guest_write(r->iov[i].iov_base, memset(buffer, i, sizeof(buffer)), r->iov[i].iov_len < 64 ? r->iov[i].iov_len : 64);
		written += r->length;
	}
	if (written > chain.in_bytes)
		wrong("more written than there is", written);
	guest_write(r->status, &answer, 1);
	pvio_ring_put(&ring, head, written);
}

static void take(bool quiet)
{
	struct pvio_block_request r;
	struct block_header h;
	enum pvio_next next;
	bool known;
	int status;

	guest.reads = 0;
	if (quiet)
		model_next();
	quiet &= !model.noise;
	next = pvio_ring_next(&ring, &chain);
	if (quiet && next != (model.empty ? PVIO_EMPTY : model.broken ? PVIO_BROKEN : PVIO_CHAIN))
		wrong("another end of the chain", next);
	broken_rings += next == PVIO_BROKEN;
	if (next != PVIO_CHAIN)
		return;
	if (quiet)
		compare_chain();
	known = quiet && model.in && model.out_bytes >= 16 && model_bytes(0, &h, sizeof(h));
	status = pvio_block_parse(&disk, &chain, &r);
	if (guest.reads > READS)
		wrong("too many reads", guest.reads);
	if (status < 0 ? chain.in && chain.out_bytes >= 16 : !chain.in || chain.out_bytes < 16)
		wrong("no header, or no status", status);
	ring.broken = status < 0;
	if (status < 0)
		return;
	chains++;
	answers[status]++;
	guest_may_write(r.status, 1);
	if (known)
		compare_request(&h, status, &r);
	if (!status) {
		types[r.type & 15]++;
		check_request(&r);
	}
	serve(&r, status, chain.head);
}

static void run_seed(u64 seed, bool quiet)
{
	dice = seed;
	guest.random = seed * 3 + 1;
	guest.change = quiet ? 0 : 1 + roll(6);
	disk = (struct pvio_block){
		.bytes = roll(4) ? PVIO_SECTOR * (1ULL + roll(5000)) : roll(2) ? (u64)guest_random(&dice) << 9 : 0x7ffffffffffffe00ULL,
		.features = roll(4) ? ~0ULL : guest_random(&dice), .readonly = !roll(6),
	};
	ring = (struct pvio_ring){
		.size = 1U << roll(9), .desc_gpa = DESC, .avail_gpa = AVAIL, .used_gpa = USED,
		.indirect = roll(8), .event_index = roll(2),
	};
	if (pvio_ring_start(&ring, &guest))
		wrong("it does not start", ring.size);
	for (unsigned int i = 0; i < 16 && !bad; i++) {
		ring.broken = false;
		publish();
		take(quiet);
		pvio_ring_should_notify(&ring);
	}
	if (bad)
		printf("# seed %llu, %s\n", (unsigned long long)seed, quiet ? "quiet" : "changing");
}

int main(int argc, char **argv)
{
	unsigned long first, count;
	bool deep;

	guest_fuzz(argc, argv, run_seed, &bad, &first, &count);
	if (!bad)
		printf("ok block_fuzz\n");
	deep = answers[0] > count && answers[1] > count / 8 && answers[2] > count / 8 && broken_rings > count / 8 &&
	       indirect_chains > count && types[0] > count / 8 && types[1] > count / 8 && types[4] > count / 8 &&
	       types[8] > count / 8 && types[11] > count / 64 && types[13] > count / 64;
	printf("# %lu seeds from %lu, %lu chains: %lu done, %lu errors, %lu unknown; %lu broken, %lu by tables\n", count, first, chains,
	       answers[0], answers[1], answers[2], broken_rings, indirect_chains);
	printf("# in %lu out %lu flush %lu id %lu discard %lu zeroes %lu\n", types[0], types[1], types[4], types[8], types[11], types[13]);
	printf("%s block_fuzz_depth%s\n", deep ? "ok" : "not ok", deep ? "" : ": hardly a request was right");
	return bad || !deep;
}
