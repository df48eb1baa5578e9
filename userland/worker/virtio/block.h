/* SPDX-License-Identifier: GPL-2.0 */
/* virtio-blk (virtio 1.2, 5.2): by the worker, block.c, or by the kernel, block_kernel.c. */
#ifndef HUSK_WORKER_BLOCK_H
#define HUSK_WORKER_BLOCK_H

#include "worker/virtio/disk.h"
#include "worker/virtio/virtio.h"

struct machine;

#define BLOCK_F_SEG_MAX	(1ULL << 2)
#define BLOCK_F_RO		(1ULL << 5)
#define BLOCK_F_BLK_SIZE	(1ULL << 6)
#define BLOCK_F_FLUSH		(1ULL << 9)
#define BLOCK_F_TOPOLOGY	(1ULL << 10)
#define BLOCK_F_CONFIG_WCE	(1ULL << 11)
#define BLOCK_F_DISCARD	(1ULL << 13)
#define BLOCK_F_WRITE_ZEROES	(1ULL << 14)

/* 5.2.4 */
struct block_config {
	uint64_t capacity;
	uint32_t size_max, seg_max;
	uint32_t geometry;
	uint32_t blk_size;
	uint8_t physical_block_exp, alignment_offset;
	uint16_t min_io_size;
	uint32_t opt_io_size;
	uint8_t writeback, unused0;
	uint16_t num_queues;
	uint32_t max_discard_sectors, max_discard_seg, discard_sector_alignment;
	uint32_t max_write_zeroes_sectors, max_write_zeroes_seg;
	uint8_t write_zeroes_may_unmap, unused1[3];
} __attribute__((packed));
_Static_assert(sizeof(struct block_config) == 60 && sizeof(struct block_config) <= VIRTIO_CONFIG, "5.2.4");

/* What the device, and the machine, say of the disk */
void block_fill_config(struct virtio *v, const struct disk *disk);

/* options: a struct disk_options */
enum husk_status block_create(struct machine *m, void *options);
enum husk_status block_kernel_create(struct machine *m, void *options);

#endif
