// SPDX-License-Identifier: GPL-2.0
/* A virtio block device's requests: what each asks for, how its segments are cut, and what is refused. */
#include <stdio.h>
#include <stdlib.h>

#include "pvio/block.c"
#include "check.h"

#define BYTES	(1ULL << 31)
#define SECTORS	(BYTES / PVIO_SECTOR)
#define ALL	(PVIO_BLOCK_F(DISCARD) | PVIO_BLOCK_F(WRITE_ZEROES))

static struct pvio_block disk = { .bytes = BYTES, .features = ALL };
static struct block_header header;
static struct block_range range;
static u8 data[8192], more[8192], status;
static struct pvio_chain c;
static struct pvio_block_request r;

static void add(void *base, size_t length, bool in)
{
	c.iov[c.out + c.in] = (struct iovec){ base, length };
	*(in ? &c.in : &c.out) += 1;
	*(in ? &c.in_bytes : &c.out_bytes) += length;
}

/* Header, segment, status, as Linux has them */
static int ask(u32 type, u64 sector, void *base, size_t length, bool in)
{
	c = (struct pvio_chain){ 0 };
	header = (struct block_header){ .type = type, .sector = sector };
	add(&header, sizeof(header), false);
	if (length)
		add(base, length, in);
	add(&status, 1, true);
	return pvio_block_parse(&disk, &c, &r);
}

static bool is(u32 type, u64 offset, u64 length, unsigned int iovs)
{
	return r.type == type && r.offset == offset && r.length == length && r.iovs == iovs && r.status == &status && !r.unmap;
}

static bool segment(unsigned int i, const void *base, size_t length)
{
	return r.iov[i].iov_base == base && r.iov[i].iov_len == length;
}

static void test_data(void)
{
	u64 far = (1ULL << 55) + 1;	/* whose bytes are a small number */

	check("read", !ask(VIRTIO_BLK_T_IN, 8, data, 4096, true) && is(VIRTIO_BLK_T_IN, 4096, 4096, 1) && segment(0, data, 4096));
	check("write", !ask(VIRTIO_BLK_T_OUT, 8, data, 4096, false) && is(VIRTIO_BLK_T_OUT, 4096, 4096, 1) && segment(0, data, 4096));
	check("last", !ask(VIRTIO_BLK_T_IN, SECTORS - 1, data, 512, true) && is(VIRTIO_BLK_T_IN, BYTES - 512, 512, 1));
	check("beyond", ask(VIRTIO_BLK_T_IN, SECTORS - 1, data, 1024, true) == VIRTIO_BLK_S_IOERR && r.status == &status);
	check("behind", ask(VIRTIO_BLK_T_IN, SECTORS, data, 512, true) == VIRTIO_BLK_S_IOERR);
	check("far", ask(VIRTIO_BLK_T_OUT, far, data, 512, false) == VIRTIO_BLK_S_IOERR);
	check("farthest", ask(VIRTIO_BLK_T_IN, ~0ULL, data, 1024, true) == VIRTIO_BLK_S_IOERR);
	check("part", ask(VIRTIO_BLK_T_IN, 0, data, 100, true) == VIRTIO_BLK_S_IOERR);
	check("none", !ask(VIRTIO_BLK_T_IN, 0, NULL, 0, true) && is(VIRTIO_BLK_T_IN, 0, 0, 0));
	check("write_none", !ask(VIRTIO_BLK_T_OUT, 0, NULL, 0, false) && is(VIRTIO_BLK_T_OUT, 0, 0, 0));
	check("most", !ask(VIRTIO_BLK_T_IN, 0, data, PVIO_TRANSFER_MAX, true) && r.length == PVIO_TRANSFER_MAX);
	check("more", ask(VIRTIO_BLK_T_IN, 0, data, PVIO_TRANSFER_MAX + 512, true) == VIRTIO_BLK_S_IOERR);
	check("write_more", ask(VIRTIO_BLK_T_OUT, 0, data, PVIO_TRANSFER_MAX + 512, false) == VIRTIO_BLK_S_IOERR);
	disk.readonly = true;
	check("readonly", ask(VIRTIO_BLK_T_OUT, 8, data, 4096, false) == VIRTIO_BLK_S_IOERR);
	check("readonly_read", !ask(VIRTIO_BLK_T_IN, 8, data, 4096, true));
	disk.readonly = false;
}

/* Header, data and status as the segments happen to be */
static void test_cuts(void)
{
	u8 *raw = more;

	c = (struct pvio_chain){ 0 };
	memcpy(raw, &(struct block_header){ .type = VIRTIO_BLK_T_OUT, .sector = 1 }, sizeof(header));
	add(raw, 7, false);
	add(raw + 7, 9 + 500, false);
	add(data, 12, false);
	add(data + 100, 3, true);
	check("out", !pvio_block_parse(&disk, &c, &r) && r.iovs == 2 && r.length == 512 && segment(0, raw + 16, 500) &&
	      segment(1, data, 12) && r.status == data + 102);
	c = (struct pvio_chain){ 0 };
	memcpy(raw, &(struct block_header){ .type = VIRTIO_BLK_T_IN, .sector = 1 }, sizeof(header));
	add(raw, 16, false);
	add(raw + 16, 100, false);	/* of no use */
	add(data, 500, true);
	add(data + 1000, 13, true);
	check("in", !pvio_block_parse(&disk, &c, &r) && r.iovs == 2 && r.length == 512 && segment(0, data, 500) &&
	      segment(1, data + 1000, 12) && r.status == data + 1012);
	c = (struct pvio_chain){ 0 };
	add(raw, 15, false);
	add(data, 513, true);
	check("no_header", pvio_block_parse(&disk, &c, &r) < 0);
	c = (struct pvio_chain){ 0 };
	add(raw, 512, false);
	check("no_status", pvio_block_parse(&disk, &c, &r) < 0);
	c = (struct pvio_chain){ 0 };
	check("nothing", pvio_block_parse(&disk, &c, &r) < 0);
}

static int ask_range(u32 type, u64 sector, u32 sectors, u32 flags)
{
	range = (struct block_range){ sector, sectors, flags };
	return ask(type, 77, &range, sizeof(range), false);
}

static void test_ranges(void)
{
	static const u32 discard = VIRTIO_BLK_T_DISCARD, zeroes = VIRTIO_BLK_T_WRITE_ZEROES;
	struct block_range two[2] = { { 0, 8, 0 }, { 8, 8, 0 } };

	check("discard", !ask_range(discard, 16, 8, 0) && is(discard, 8192, 4096, 0));
	check("zeroes", !ask_range(zeroes, 16, 8, 0) && is(zeroes, 8192, 4096, 0));
	check("unmap", !ask_range(zeroes, 16, 8, 1) && r.unmap && r.length == 4096);
	check("unmap_discard", ask_range(discard, 16, 8, 1) == VIRTIO_BLK_S_UNSUPP);
	check("flags", ask_range(zeroes, 16, 8, 2) == VIRTIO_BLK_S_UNSUPP);
	check("range_end", !ask_range(discard, SECTORS - 8, 8, 0));
	check("range_beyond", ask_range(discard, SECTORS - 8, 9, 0) == VIRTIO_BLK_S_IOERR);
	check("range_far", ask_range(zeroes, 1ULL << 55, 8, 0) == VIRTIO_BLK_S_IOERR);
	check("range_none", !ask_range(zeroes, 8, 0, 0) && !r.length);
	check("discard_most", !ask_range(discard, 0, PVIO_DISCARD_MAX / 512, 0));
	check("discard_more", ask_range(discard, 0, PVIO_DISCARD_MAX / 512 + 1, 0) == VIRTIO_BLK_S_IOERR);
	check("zeroes_most", !ask_range(zeroes, 0, PVIO_ZEROES_MAX / 512, 0));
	check("zeroes_more", ask_range(zeroes, 0, PVIO_ZEROES_MAX / 512 + 1, 0) == VIRTIO_BLK_S_IOERR);
	check("two", ask(discard, 0, two, sizeof(two), false) == VIRTIO_BLK_S_UNSUPP);
	check("half", ask(discard, 0, two, 8, false) == VIRTIO_BLK_S_UNSUPP);
	disk.features = PVIO_BLOCK_F(DISCARD);
	check("no_zeroes", ask_range(zeroes, 16, 8, 0) == VIRTIO_BLK_S_UNSUPP && !ask_range(discard, 16, 8, 0));
	disk.features = PVIO_BLOCK_F(WRITE_ZEROES);
	check("no_discard", ask_range(discard, 16, 8, 0) == VIRTIO_BLK_S_UNSUPP && !ask_range(zeroes, 16, 8, 0));
	disk.features = ALL;
	disk.readonly = true;
	check("readonly_range", ask_range(discard, 16, 8, 0) == VIRTIO_BLK_S_UNSUPP && ask_range(zeroes, 16, 8, 0) == VIRTIO_BLK_S_UNSUPP);
	disk.readonly = false;
}

static void test_others(void)
{
	check("flush", !ask(VIRTIO_BLK_T_FLUSH, 0, NULL, 0, false) && is(VIRTIO_BLK_T_FLUSH, 0, BYTES, 0));
	check("id", !ask(VIRTIO_BLK_T_GET_ID, 0, data, 20, true) && is(VIRTIO_BLK_T_GET_ID, 0, 20, 1) && segment(0, data, 20));
	check("id_long", !ask(VIRTIO_BLK_T_GET_ID, 0, data, 64, true) && is(VIRTIO_BLK_T_GET_ID, 0, 20, 1));
	check("id_short", !ask(VIRTIO_BLK_T_GET_ID, 0, data, 5, true) && is(VIRTIO_BLK_T_GET_ID, 0, 5, 1));
	check("id_none", !ask(VIRTIO_BLK_T_GET_ID, 0, NULL, 0, true) && is(VIRTIO_BLK_T_GET_ID, 0, 0, 0));
	check("other", ask(99, 0, data, 512, true) == VIRTIO_BLK_S_UNSUPP && r.status == &status);
	check("secure_erase", ask_range(VIRTIO_BLK_T_SECURE_ERASE, 0, 8, 0) == VIRTIO_BLK_S_UNSUPP);
}

int main(void)
{
	test_data();
	test_cuts();
	test_ranges();
	test_others();
	printf("%d passed, %d failed\n", passed, failed);
	return failed != 0;
}
