// SPDX-License-Identifier: GPL-2.0
/*
 * husk-backend: runs in a guest that was started with --export, and serves a file or block device of that guest as the
 * disk of another VM. The client's driver is hostile: pvio/ring.c bounds what it says, and this what it asks for.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/fs.h>
#include <time.h>
#include <unistd.h>

#include "backend/device.h"
#include "worker/virtio/block.h"

#define WEIGHT		64		/* requests of a queue at a time */
#define SPINS		300		/* looks without work, before it sleeps */
#define SLEEP_MIN	20000		/* ns; where it can't be interrupted */
#define SLEEP_MAX	2000000
#define OFFERED		(PVIO_BLOCK_F(SEG_MAX) | PVIO_BLOCK_F(BLK_SIZE) | PVIO_BLOCK_F(FLUSH) | PVIO_BLOCK_F(TOPOLOGY) | \
			 PVIO_BLOCK_F(CONFIG_WCE) | PVIO_BLOCK_F(MQ) | VIRTIO_FEATURE_INDIRECT | VIRTIO_FEATURE_EVENT_INDEX | \
			 VIRTIO_FEATURE_VERSION_1)
#define OFFERED_WRITABLE (PVIO_BLOCK_F(DISCARD) | PVIO_BLOCK_F(WRITE_ZEROES))	/* beside these */

static struct device device;
static struct pvio_memory memory;
static struct pvio_ring ring[EXPORT_QUEUES];
static int disk;
static uint64_t disk_size;
static bool readonly;

static bool write_through(void)
{
	uint64_t features = device.page->features;

	return features & PVIO_BLOCK_F(CONFIG_WCE) ? !device.page->writeback : !(features & PVIO_BLOCK_F(FLUSH));
}

/* A part of a segment, all of it. -1: an error, or the file's end */
static int transfer(bool write, uint8_t *at, size_t length, uint64_t offset)
{
	while (length) {
		ssize_t n = write ? pwrite(disk, at, length, offset) : pread(disk, at, length, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		at += n;
		length -= n;
		offset += n;
	}
	return 0;
}

static int data(const struct pvio_block_request *from)
{
	bool write = from->type == VIRTIO_BLK_T_OUT;
	uint64_t offset = from->offset;

	for (unsigned int i = 0; i < from->iovs; offset += from->iov[i++].iov_len)
		if (transfer(write, from->iov[i].iov_base, from->iov[i].iov_len, offset) < 0)
			return -1;
	return write && write_through() ? fdatasync(disk) : 0;
}

static int get_id(const struct pvio_block_request *from)
{
	static const char id[VIRTIO_BLK_ID_BYTES] = "husk-backend";

	pvio_iov_to(from->iov, from->iovs, 0, id, from->length);
	return 0;
}

static int flush(const struct pvio_block_request *from)
{
	(void)from;
	return fdatasync(disk);
}

/* true: done, or failed otherwise than as what the file can't do, or a device whose blocks are larger */
static bool punch(const struct pvio_block_request *from, int how, int *ret)
{
	*ret = fallocate(disk, how | FALLOC_FL_KEEP_SIZE, from->offset, from->length);
	return !*ret || (errno != EOPNOTSUPP && errno != EINVAL);
}

/* A hint (5.2.6.2): what the file can't do is done. */
static int discard(const struct pvio_block_request *from)
{
	int ret;

	return punch(from, FALLOC_FL_PUNCH_HOLE, &ret) ? ret : 0;
}

static int zeroes(const struct pvio_block_request *from)
{
	static uint8_t none[65536];
	uint64_t done;
	int ret = 0;

	if ((from->unmap || !punch(from, FALLOC_FL_ZERO_RANGE, &ret)) && !punch(from, FALLOC_FL_PUNCH_HOLE, &ret))
		for (ret = 0, done = 0; !ret && done < from->length; done += sizeof(none))
			ret = transfer(true, none, from->length - done < sizeof(none) ? from->length - done : sizeof(none), from->offset + done);
	return ret || !write_through() ? ret : fdatasync(disk);
}

static int (*const types[])(const struct pvio_block_request *from) = {
	[VIRTIO_BLK_T_IN] = data, [VIRTIO_BLK_T_OUT] = data, [VIRTIO_BLK_T_FLUSH] = flush, [VIRTIO_BLK_T_GET_ID] = get_id,
	[VIRTIO_BLK_T_DISCARD] = discard, [VIRTIO_BLK_T_WRITE_ZEROES] = zeroes,
};

static uint64_t offered(void)
{
	return OFFERED | (readonly ? PVIO_BLOCK_F(RO) : OFFERED_WRITABLE);
}

/* The client's worker may say that others were negotiated: they are not offered. */
static void serve_one(struct pvio_ring *r, struct pvio_chain *c)
{
	const struct pvio_block block = { .bytes = disk_size, .features = device.page->features & offered(), .readonly = readonly };
	struct pvio_block_request from;
	int status = pvio_block_parse(&block, c, &from);
	uint64_t in_bytes = 0;

	if (status < 0) {
		r->broken = true;
		return;
	}
	if (status == VIRTIO_BLK_S_OK && from.length) {
		in_bytes = from.type == VIRTIO_BLK_T_IN || from.type == VIRTIO_BLK_T_GET_ID ? from.length : 0;
		status = types[from.type](&from) < 0 ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK;
	}
	*from.status = status;
	pvio_ring_put(r, c->head, status == VIRTIO_BLK_S_OK ? in_bytes + 1 : 1);
}

/* true: there was something to do */
static bool serve(unsigned int queue)
{
	static struct pvio_chain chain;
	struct pvio_ring *r = &ring[queue];
	unsigned int n = 0;

	while (r->running && !r->broken && n < WEIGHT && pvio_ring_next(r, &chain) == PVIO_CHAIN) {
		serve_one(r, &chain);
		n++;
	}
	if (n && !r->broken && pvio_ring_should_notify(r))
		device_ring(&device, queue);
	return n;
}

/* While we look for ourselves kicks would only cost the client an exit each. */
static void start(unsigned int queue)
{
	struct export_queue q = device.page->queue[queue];
	struct pvio_ring *r = &ring[queue];

	*r = (struct pvio_ring){
		.size = q.entries, .desc_gpa = q.desc, .avail_gpa = q.avail, .used_gpa = q.used,
		.indirect = device.page->features & VIRTIO_FEATURE_INDIRECT, .event_index = device.page->features & VIRTIO_FEATURE_EVENT_INDEX,
	};
	if (pvio_ring_start(r, &memory) < 0)
		return;
	/* one after the other: what was taken before is done, also by a process before this one */
	r->last_avail = r->used = r->told = pvio_load16(r->used_part + 2);
	pvio_ring_want_kicks(r, false);
}

/* The client has come or gone, or starts or stops a queue. */
static void take_change(uint32_t change)
{
	memory = (struct pvio_memory){ .ram = device.window, .low = device.page->bytes < EXPORT_WINDOW ? device.page->bytes : EXPORT_WINDOW };
	for (unsigned int i = 0; i < EXPORT_QUEUES; i++) {
		bool run = device.page->session & 1 && device.page->queue[i].running;

		if (run && !ring[i].running) {
			start(i);
		} else if (!run && ring[i].running) {
			device.page->stopped_at[i] = ring[i].last_avail;
			pvio_ring_stop(&ring[i]);
		}
	}
	device_seen(&device, change);
}

/* true: there is a chain already */
static bool want_kicks(bool want)
{
	bool waits = false;

	for (unsigned int i = 0; i < EXPORT_QUEUES; i++)
		waits |= pvio_ring_want_kicks(&ring[i], want);
	return waits;
}

static void rest(unsigned int idle, uint32_t seen)
{
	struct timespec pause = { .tv_nsec = SLEEP_MIN };

	if (idle < SPINS)
		return;
	if (device_arm(&device)) {
		if (!want_kicks(true) && device_change(&device) == seen)
			device_wait(&device);
		want_kicks(false);
		return;
	}
	for (idle = (idle - SPINS) / 64; idle && pause.tv_nsec < SLEEP_MAX; idle--)
		pause.tv_nsec *= 2;
	nanosleep(&pause, NULL);
}

static void run(void)
{
	uint32_t seen = 0, change;
	unsigned int idle = 0;

	for (;;) {
		bool busy = false;

		change = device_change(&device);
		if (change != seen)
			take_change(change);
		seen = change;
		for (unsigned int i = 0; i < EXPORT_QUEUES; i++)
			busy |= serve(i);
		idle = busy ? 0 : idle + 1;
		rest(idle, seen);
	}
}

static int open_disk(const char *path)
{
	off_t end;

	disk = open(path, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (disk < 0)
		return -1;
	end = lseek(disk, 0, SEEK_END);
	disk_size = end > 0 ? end & ~(PVIO_SECTOR - 1ULL) : 0;
	return disk_size ? 0 : -1;
}

static void offer(void)
{
	struct block_config c = {
		.capacity = disk_size / PVIO_SECTOR, .seg_max = PVIO_RING_MAX - 2, .blk_size = PVIO_SECTOR, .writeback = 1, .num_queues = EXPORT_QUEUES,
		.min_io_size = 1, .max_discard_sectors = PVIO_DISCARD_MAX / PVIO_SECTOR, .max_discard_seg = 1, .discard_sector_alignment = 1,
		.max_write_zeroes_sectors = PVIO_ZEROES_MAX / PVIO_SECTOR, .max_write_zeroes_seg = 1, .write_zeroes_may_unmap = 1,
	};

	memcpy(device.page->config, &c, sizeof(c));
	device.page->queues = EXPORT_QUEUES;
	device.page->offered = offered();
	device_ready(&device);
}

static int usage(void)
{
	fprintf(stderr, "usage: husk-backend [--readonly] FILE\n"
		"\n"
		"Serve FILE as the disk of another VM: in a guest that was started with --export.\n"
		"The other one is started with --disk FILE,where=vm:NAME.\n");
	return 2;
}

int main(int argc, char **argv)
{
	const char *why;

	readonly = argc == 3 && !strcmp(argv[1], "--readonly");
	if (argc != 2 + readonly || argv[argc - 1][0] == '-')
		return usage();
	if (open_disk(argv[argc - 1]) < 0) {
		fprintf(stderr, "husk-backend: %s: %s\n", argv[argc - 1], errno ? strerror(errno) : "it is empty");
		return 3;
	}
	why = device_open(&device);
	if (why) {
		fprintf(stderr, "husk-backend: %s: %s\n", why, strerror(errno));
		return 4;
	}
	offer();
	run();
	return 0;
}
