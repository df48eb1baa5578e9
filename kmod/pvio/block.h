/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Requests of a virtio block device (virtio 1.2, 5.2.6): from a chain to what the disk is asked for, inside of its
 * bounds. Pure logic, for the kernel and for user space, as ring.h is, and as careful of the driver: all that is looked
 * at has been read once.
 */
#ifndef PVIO_BLOCK_H
#define PVIO_BLOCK_H

#include <linux/virtio_blk.h>

#include "pvio/ring.h"

#define PVIO_SECTOR	512

/* Bytes of a request, at most */
#define PVIO_TRANSFER_MAX	(1ULL << 30)	/* OVMF makes no larger ones either */
#define PVIO_DISCARD_MAX	(1ULL << 30)
#define PVIO_ZEROES_MAX		(16ULL << 20)

#define PVIO_BLOCK_F(name)	(1ULL << VIRTIO_BLK_F_##name)

/**
 * struct pvio_block - the disk
 * @bytes: of it
 * @features: that were negotiated
 */
struct pvio_block {
	u64 bytes, features;
	bool readonly;
};

/**
 * struct pvio_block_request - what it is asked for
 * @type: VIRTIO_BLK_T_IN, OUT, FLUSH, GET_ID, DISCARD or WRITE_ZEROES
 * @unmap: zeroes may become a hole
 * @offset, @length: bytes of the disk, inside of it; no length: there is nothing to do. GET_ID: bytes of the name
 * @iov, @iovs: of IN, OUT and GET_ID: the driver's memory, those of the chain. GET_ID's may be longer than its length
 * @status: where the driver is told how it went, in a byte
 */
struct pvio_block_request {
	u32 type;
	bool unmap;
	u64 offset, length;
	struct iovec *iov;
	unsigned int iovs;
	u8 __guest *status;
};

/*
 * What a chain asks for; its segments are cut to the data. VIRTIO_BLK_S_OK: do as the request says. Another status: only
 * tell that. -1: there is no place for that, or no header: the driver breaks the rules, and nothing is filled in.
 */
int pvio_block_parse(const struct pvio_block *disk, struct pvio_chain *chain, struct pvio_block_request *request);

#endif
