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
#define TRANSFER_MAX	(1U << 30)	/* bytes of one */
#define SPINS		300		/* looks without work, before it sleeps between them */
#define SLEEP_MIN	20000		/* ns */
#define SLEEP_MAX	2000000

/* virtio 1.2, 5.2.6 */
enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8 };
enum { S_OK, S_IOERR, S_UNSUPP };

struct header {
	uint32_t type, reserved;
	uint64_t sector;
};

static struct device device;
static struct pvio_memory memory;
static struct pvio_ring ring[EXPORT_QUEUES];
static int disk;
static uint64_t disk_size;
static bool readonly;

static bool write_through(void)
{
	uint64_t features = device.page->features;

	return features & BLOCK_F_CONFIG_WCE ? !device.page->writeback : !(features & BLOCK_F_FLUSH);
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

/* Segments without their first skip bytes, as far as length reaches */
static int transfer_all(bool write, const struct iovec *iov, unsigned int count, uint64_t skip, uint64_t length, uint64_t offset)
{
	for (unsigned int i = 0; i < count && length; i++) {
		uint64_t bytes = iov[i].iov_len;

		if (skip >= bytes) {
			skip -= bytes;
			continue;
		}
		bytes -= skip;
		if (bytes > length)
			bytes = length;
		if (transfer(write, (uint8_t *)iov[i].iov_base + skip, bytes, offset) < 0)
			return -1;
		length -= bytes;
		offset += bytes;
		skip = 0;
	}
	return 0;
}

static uint8_t data(const struct header *h, const struct pvio_chain *c, uint64_t *in_bytes)
{
	bool write = h->type == T_OUT;
	uint64_t length = write ? c->out_bytes - sizeof(*h) : c->in_bytes - 1, sectors = disk_size / DISK_SECTOR;

	if (length % DISK_SECTOR || length > TRANSFER_MAX || h->sector > sectors || length / DISK_SECTOR > sectors - h->sector ||
	    (write && readonly))
		return S_IOERR;
	if (write ? transfer_all(true, c->iov, c->out, sizeof(*h), length, h->sector * DISK_SECTOR) :
		    transfer_all(false, c->iov + c->out, c->in, 0, length, h->sector * DISK_SECTOR))
		return S_IOERR;
	*in_bytes = write ? 0 : length;
	return write && write_through() && fdatasync(disk) < 0 ? S_IOERR : S_OK;
}

static uint8_t get_id(const struct pvio_chain *c, uint64_t *in_bytes)
{
	static const char id[20] = "husk-backend";

	*in_bytes = pvio_iov_to(c->iov + c->out, c->in, 0, id, c->in_bytes - 1 < sizeof(id) ? c->in_bytes - 1 : sizeof(id));
	return S_OK;
}

static void serve_one(struct pvio_ring *r, const struct pvio_chain *c)
{
	uint64_t in_bytes = 0;
	struct header h;
	uint8_t status;

	if (!c->in || c->out_bytes < sizeof(h)) {
		r->broken = true;
		return;
	}
	pvio_iov_from(c->iov, c->out, 0, &h, sizeof(h));
	switch (h.type) {
	case T_IN:
	case T_OUT:
		status = data(&h, c, &in_bytes);
		break;
	case T_FLUSH:
		status = fdatasync(disk) < 0 ? S_IOERR : S_OK;
		break;
	case T_GET_ID:
		status = get_id(c, &in_bytes);
		break;
	default:
		status = S_UNSUPP;
	}
	pvio_iov_to(c->iov + c->out, c->in, c->in_bytes - 1, &status, 1);
	pvio_ring_put(r, c->head, in_bytes + 1);
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

/* We look for ourselves: kicks would only cost the client an exit each. */
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

static void rest(unsigned int idle)
{
	struct timespec pause = { .tv_nsec = SLEEP_MIN };

	if (idle < SPINS)
		return;
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
		rest(idle);
	}
}

static int open_disk(const char *path)
{
	off_t end;

	disk = open(path, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (disk < 0)
		return -1;
	end = lseek(disk, 0, SEEK_END);
	disk_size = end > 0 ? end & ~(DISK_SECTOR - 1ULL) : 0;
	return disk_size ? 0 : -1;
}

static void offer(void)
{
	struct block_config c = {
		.capacity = disk_size / DISK_SECTOR, .seg_max = PVIO_RING_MAX - 2, .blk_size = DISK_SECTOR, .writeback = 1, .num_queues = EXPORT_QUEUES,
		.min_io_size = 1,
	};

	memcpy(device.page->config, &c, sizeof(c));
	device.page->queues = EXPORT_QUEUES;
	device.page->offered = BLOCK_F_SEG_MAX | BLOCK_F_BLK_SIZE | BLOCK_F_FLUSH | BLOCK_F_TOPOLOGY | BLOCK_F_CONFIG_WCE | BLOCK_F_MQ |
		VIRTIO_FEATURE_INDIRECT | VIRTIO_FEATURE_EVENT_INDEX | VIRTIO_FEATURE_VERSION_1 | (readonly ? BLOCK_F_RO : 0);
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
