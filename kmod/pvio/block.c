// SPDX-License-Identifier: GPL-2.0
/* Requests of a virtio block device. */
#include "pvio/block.h"

/* virtio 1.2, 5.2.6; little-endian, as the CPU is */
struct block_header {
	u32 type, reserved;
	u64 sector;
};

struct block_range {
	u64 sector;
	u32 sectors, flags;
};

/* Our copy of the header, and what it belongs to */
struct block_parse {
	const struct pvio_block *disk;
	struct block_header header;
	struct pvio_chain *chain;
	struct pvio_block_request *request;
};

static bool block_inside(const struct pvio_block *disk, u64 sector, u64 bytes)
{
	u64 sectors = disk->bytes / PVIO_SECTOR;

	return !(bytes % PVIO_SECTOR) && sector <= sectors && bytes / PVIO_SECTOR <= sectors - sector;
}

/* All that the device writes, but for the status byte at its end */
static void block_cut_in(struct pvio_chain *c, struct pvio_block_request *r)
{
	r->iov = c->iov + c->out;
	r->iovs = c->in - !--r->iov[c->in - 1].iov_len;
}

/* All that it reads, but for the header before it */
static void block_cut_out(struct pvio_chain *c, struct pvio_block_request *r)
{
	size_t skip = sizeof(struct block_header);

	r->iov = c->iov;
	for (r->iovs = c->out; r->iovs && skip >= r->iov->iov_len; r->iov++, r->iovs--)
		skip -= r->iov->iov_len;
	if (!r->iovs)
		return;
	r->iov->iov_base = (u8 __guest *)r->iov->iov_base + skip;
	r->iov->iov_len -= skip;
}

static int block_read(const struct block_parse *p)
{
	struct pvio_block_request *r = p->request;

	r->length = p->chain->in_bytes - 1;
	if (!block_inside(p->disk, p->header.sector, r->length) || r->length > PVIO_TRANSFER_MAX)
		return VIRTIO_BLK_S_IOERR;
	r->offset = p->header.sector * PVIO_SECTOR;
	block_cut_in(p->chain, r);
	return VIRTIO_BLK_S_OK;
}

static int block_write(const struct block_parse *p)
{
	struct pvio_block_request *r = p->request;

	r->length = p->chain->out_bytes - sizeof(p->header);
	if (!block_inside(p->disk, p->header.sector, r->length) || r->length > PVIO_TRANSFER_MAX || p->disk->readonly)
		return VIRTIO_BLK_S_IOERR;
	r->offset = p->header.sector * PVIO_SECTOR;
	block_cut_out(p->chain, r);
	return VIRTIO_BLK_S_OK;
}

static int block_flush(const struct block_parse *p)
{
	p->request->length = p->disk->bytes;
	return VIRTIO_BLK_S_OK;
}

static int block_get_id(const struct block_parse *p)
{
	u64 bytes = p->chain->in_bytes - 1;

	p->request->length = bytes < VIRTIO_BLK_ID_BYTES ? bytes : VIRTIO_BLK_ID_BYTES;
	block_cut_in(p->chain, p->request);
	return VIRTIO_BLK_S_OK;
}

/* One range, as the device's configuration says */
static int block_ranged(const struct block_parse *p, u64 feature, u32 flags, u64 max)
{
	const struct pvio_chain *c = p->chain;
	struct pvio_block_request *r = p->request;
	struct block_range range;

	if (c->out_bytes != sizeof(p->header) + sizeof(range) || p->disk->readonly || !(p->disk->features & feature))
		return VIRTIO_BLK_S_UNSUPP;
	pvio_iov_from(c->iov, c->out, sizeof(p->header), &range, sizeof(range));
	if (range.flags & ~flags)
		return VIRTIO_BLK_S_UNSUPP;
	r->length = (u64)range.sectors * PVIO_SECTOR;
	if (!block_inside(p->disk, range.sector, r->length) || r->length > max)
		return VIRTIO_BLK_S_IOERR;
	r->offset = range.sector * PVIO_SECTOR;
	r->unmap = range.flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	return VIRTIO_BLK_S_OK;
}

static int block_discard(const struct block_parse *p)
{
	return block_ranged(p, PVIO_BLOCK_F(DISCARD), 0, PVIO_DISCARD_MAX);
}

static int block_write_zeroes(const struct block_parse *p)
{
	return block_ranged(p, PVIO_BLOCK_F(WRITE_ZEROES), VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP, PVIO_ZEROES_MAX);
}

static const struct {
	u32 type;
	int (*parse)(const struct block_parse *p);
} block_types[] = {
	{ VIRTIO_BLK_T_IN, block_read },
	{ VIRTIO_BLK_T_OUT, block_write },
	{ VIRTIO_BLK_T_FLUSH, block_flush },
	{ VIRTIO_BLK_T_GET_ID, block_get_id },
	{ VIRTIO_BLK_T_DISCARD, block_discard },
	{ VIRTIO_BLK_T_WRITE_ZEROES, block_write_zeroes },
};

int pvio_block_parse(const struct pvio_block *disk, struct pvio_chain *c, struct pvio_block_request *r)
{
	struct block_parse p = { .disk = disk, .chain = c, .request = r };
	const struct iovec *last;

	if (!c->in || c->out_bytes < sizeof(p.header))
		return -1;
	last = &c->iov[c->out + c->in - 1];
	pvio_iov_from(c->iov, c->out, 0, &p.header, sizeof(p.header));
	*r = (struct pvio_block_request){
		.type = p.header.type, .iov = c->iov, .status = (u8 __guest *)last->iov_base + last->iov_len - 1,
	};
	for (unsigned int i = 0; i < sizeof(block_types) / sizeof(block_types[0]); i++)
		if (block_types[i].type == r->type)
			return block_types[i].parse(&p);
	return VIRTIO_BLK_S_UNSUPP;
}
