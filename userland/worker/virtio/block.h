/* SPDX-License-Identifier: GPL-2.0 */
/*
 * virtio-blk (virtio 1.2, 5.2): block.c is the device, as its driver sees it; where its
 * requests are served is a struct block_place, and may be changed while it runs.
 */
#ifndef HUSK_WORKER_BLOCK_H
#define HUSK_WORKER_BLOCK_H

#include "worker/virtio/disk.h"
#include "worker/virtio/virtio.h"

struct block;
struct block_worker;
struct block_kernel;
struct block_vhost_user;

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

/* Done, since the VM began */
struct block_counts {
	uint64_t reads, read_bytes, writes, write_bytes, errors;
};

/**
 * struct block_place - where requests are served
 * @name: as where= has it
 * @start: serve all queues that are enabled, from where their rings stand. false: it can't
 * @stop: nothing is in flight when it returns, and the rings stand where it has stopped
 * @kick: see struct virtio_class
 * @update: messages, or doorbells, may be others now. May be NULL
 * @limit: the disk's options have another one. NULL: it knows no limits
 * @count: add what was done here. NULL: it does not know
 * @show: more about it. May be NULL
 * @close: @stop was called
 */
struct block_place {
	const char *name;
	bool (*start)(struct block *b);
	void (*stop)(struct block *b);
	void (*kick)(struct block *b, unsigned int queue);
	void (*update)(struct block *b);
	void (*limit)(struct block *b);
	void (*count)(struct block *b, struct block_counts *counts);
	void (*show)(struct block *b, struct show *show);
	void (*close)(struct block *b);
};
extern const struct block_place block_in_worker, block_in_kernel, block_by_vhost_user;

struct block {
	struct virtio virtio;
	struct disk_options *options;
	const struct disk *disk;	/* of the first place; its sizes are those of all */
	unsigned int number;		/* of the disk, in the order of --disk */
	const struct block_place *place;
	struct block_worker *worker;	/* NULL: it can't be served there */
	struct block_kernel *kernel;	/* likewise */
	struct block_vhost_user *vhost_user;	/* not NULL: it is served there alone */
};

/* Be ready to serve; on failure one line is printed, and nothing is left. Both: the file is opened once more */
enum husk_status block_worker_open(struct block *b);
enum husk_status block_kernel_open(struct block *b);
/* Likewise, but the device says of itself what its back-end does */
enum husk_status block_vhost_user_open(struct block *b);
/* Another back-end, fd, has the same disk, and takes over, also while the device runs; NULL, or why not. fd is ours now */
const char *block_vhost_user_connect(struct block *b, int fd);

static inline struct block *block_of(struct virtio *v)
{
	return (struct block *)v;
}

/* 5.2.6.2: writes are stable when they are done */
bool block_write_through(const struct block *b);

/* options: a struct disk_options */
enum husk_status block_create(struct machine *m, void *options);

/*
 * Change the disk of a number: where=PLACE, and limits, with commas between. NULL, or why not.
 * fd: a connection to a back-end, or -1; -1 when it was taken
 */
const char *block_change(struct machine *m, unsigned int number, char *changes, int *fd);

#endif
