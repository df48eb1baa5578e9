/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Where a virtual disk's bytes are: a raw file or block device (disk_raw.c), or what
 * qemu-nbd makes of a qcow2 file (disk_nbd.c). The machine's lock is held around every call.
 */
#ifndef HUSK_WORKER_DISK_H
#define HUSK_WORKER_DISK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "lib/status.h"
#include "pvio/block.h"
#include "worker/loop.h"

#define DISK_REQUESTS	256		/* in flight, at most: the queue's size */

enum disk_op { DISK_READ, DISK_WRITE, DISK_FLUSH, DISK_TRIM, DISK_ZERO };

/**
 * struct disk_request - one request; the caller's, until @done
 * @offset, @length: bytes of the disk; checked by the caller
 * @iov, @iovs: memory of READ and WRITE, @length in all; disks change it
 * @through: WRITE, ZERO: on stable storage when done
 * @unmap: ZERO: space may be given back
 * @error: an errno, when done
 * @slot: the disk's own
 */
struct disk_request {
	enum disk_op op;
	uint64_t offset, length;
	struct iovec *iov;
	unsigned int iovs;
	bool through, unmap;
	int error;
	unsigned int slot;
};

struct disk;

/**
 * struct disk_ops - a kind of disk
 * @submit: take a request; there are never more than DISK_REQUESTS
 * @commit: those submitted are all, for now
 * @drain: wait for what is in flight
 */
struct disk_ops {
	const char *name;
	void (*submit)(struct disk *disk, struct disk_request *request);
	void (*commit)(struct disk *disk);
	void (*drain)(struct disk *disk);
	void (*close)(struct disk *disk);
};

/* As struct husk_disk_limit has it */
struct disk_limit {
	uint64_t requests, requests_burst, bytes, bytes_burst;
};

/* What the user said */
struct disk_options {
	const char *path;
	const char *format;
	const char *serial;
	bool readonly;
	bool backing;		/* of qcow2: it may have a backing file */
	unsigned int queues;
	bool in_kernel;		/* the module serves it, at first */
	bool movable;		/* it may be served elsewhere later */
	const char *peer, *vm;	/* another process serves it, which listens there; or the VM of that name. @path is what it is called */
	struct disk_limit limit;
	bool in_worker;		/* the user said that it does not */
	bool pvscsi;		/* by a pvSCSI adapter */
};

/* Does another process serve it, or VM? */
static inline bool disk_is_split(const struct disk_options *o)
{
	return o->peer || o->vm;
}

struct disk {
	const struct disk_ops *ops;
	const struct disk_options *options;
	struct loop *loop;
	int fd;				/* of a raw disk */
	uint64_t size;			/* in bytes, whole sectors */
	uint32_t block, physical;	/* sizes of a logical and a physical block */
	unsigned int in_flight;
	/* of the device: a request is done; and after some of these, for its interrupt */
	void (*done)(void *ctx, struct disk_request *request);
	void (*reaped)(void *ctx);
	void *ctx;
	long long quiet_until;		/* disk_complain(): ms */
	unsigned int unsaid;
};

/* Open it; on failure one line is printed. done, reaped and ctx are the caller's to set before */
/* beside: of disk_open_file(), whose lock is enough for both; NULL: nobody else has it open */
enum husk_status disk_open_raw(struct disk **disk, const struct disk_options *options, struct loop *loop,
			       const struct disk *beside);
enum husk_status disk_open_qcow2(struct disk **disk, const struct disk_options *options, struct loop *loop);

/* The file of a raw disk, locked, and the disk's sizes; for who serves it otherwise. The caller closes disk->fd, also on failure */
enum husk_status disk_open_file(struct disk *disk, const struct disk_options *options);

/* Set one of the keys iops, iops-burst, bps, bps-burst. NULL, or why not */
const char *disk_options_limit(struct disk_limit *limit, const char *key, const char *value);

/* Does a qcow2 file name others that the user has not allowed? NULL, or why it is refused */
const char *qcow2_refuse(const char *path, bool backing);

/* A request failed: a line in the log, unless there was one a short while ago */
void disk_complain(struct disk *disk, const struct disk_request *request);
/* For a kind of disk: the request is done, with this errno */
void disk_done(struct disk *disk, struct disk_request *request, int error);
/* Take so many bytes from the front of a request's memory */
void disk_advance(struct disk_request *request, uint64_t bytes);

#endif
