// SPDX-License-Identifier: GPL-2.0
/* A disk that is a file or a block device, byte by byte; by io_uring. */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "worker/machine.h"
#include "worker/virtio/disk.h"

#define ENTRIES		64		/* of the submission ring */
#define ZEROES		65536
#define PIECES		(PVIO_ZEROES_MAX / ZEROES)

/* How a DISK_ZERO is done: the first way that the file system knows */
enum zero_way { ZERO_RANGE, ZERO_PUNCH, ZERO_WRITE };

struct raw {
	struct disk disk;
	struct io_uring ring;
	struct watch watch;
	enum zero_way zero_way;
	bool reaping;
};

static struct raw *raw_of(struct disk *disk)
{
	return (struct raw *)disk;
}

/* Zeroes to write where the file system makes none itself */
static const struct iovec *zeroes(void)
{
	static char zero[ZEROES];
	static struct iovec iov[PIECES];

	for (unsigned int i = 0; !iov[PIECES - 1].iov_base && i < PIECES; i++)
		iov[i] = (struct iovec){ zero, ZEROES };
	return iov;
}

static void prepare_zero(struct raw *raw, struct io_uring_sqe *sqe, const struct disk_request *r)
{
	enum zero_way way = raw->zero_way;
	unsigned int pieces = r->length / ZEROES;

	if (way == ZERO_RANGE && r->unmap)
		way = ZERO_PUNCH;
	if (way == ZERO_RANGE)
		io_uring_prep_fallocate(sqe, raw->disk.fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, r->offset, r->length);
	else if (way == ZERO_PUNCH)
		io_uring_prep_fallocate(sqe, raw->disk.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, r->offset, r->length);
	else if (pieces)	/* the rest is another turn */
		io_uring_prep_writev(sqe, raw->disk.fd, zeroes(), pieces, r->offset);
	else
		io_uring_prep_write(sqe, raw->disk.fd, zeroes()->iov_base, r->length, r->offset);
}

static void prepare(struct raw *raw, struct io_uring_sqe *sqe, struct disk_request *r)
{
	switch (r->op) {
	case DISK_READ:
		io_uring_prep_readv(sqe, raw->disk.fd, r->iov, r->iovs, r->offset);
		break;
	case DISK_WRITE:
		io_uring_prep_writev2(sqe, raw->disk.fd, r->iov, r->iovs, r->offset, r->through ? RWF_DSYNC : 0);
		break;
	case DISK_FLUSH:
		io_uring_prep_fsync(sqe, raw->disk.fd, IORING_FSYNC_DATASYNC);
		break;
	case DISK_TRIM:
		io_uring_prep_fallocate(sqe, raw->disk.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, r->offset, r->length);
		break;
	case DISK_ZERO:
		prepare_zero(raw, sqe, r);
		break;
	}
	io_uring_sqe_set_data(sqe, r);
}

/* The kernel takes what is in the ring at once, so there is room after. */
static void queue(struct raw *raw, struct disk_request *r)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&raw->ring);

	while (!sqe) {
		io_uring_submit(&raw->ring);
		sqe = io_uring_get_sqe(&raw->ring);
	}
	prepare(raw, sqe, r);
}

static void raw_submit(struct disk *disk, struct disk_request *r)
{
	disk->in_flight++;
	queue(raw_of(disk), r);
}

/* Part of it is done: the rest is queued again. false: it is complete */
static bool go_on(struct raw *raw, struct disk_request *r, uint64_t bytes)
{
	if (r->op != DISK_READ && r->op != DISK_WRITE && (r->op != DISK_ZERO || !bytes))
		return false;
	if (bytes >= r->length)
		return false;
	if (r->op != DISK_ZERO)
		disk_advance(r, bytes);
	r->offset += bytes;
	r->length -= bytes;
	queue(raw, r);
	return true;
}

/* The file system can't do it in this way: another one. false: there is none */
static bool other_way(struct raw *raw, struct disk_request *r)
{
	if (r->op != DISK_ZERO || raw->zero_way == ZERO_WRITE)
		return false;
	raw->zero_way++;
	queue(raw, r);
	return true;
}

/* Zeroes that must be stable: their flush takes the request's place */
static bool flush_after(struct raw *raw, struct disk_request *r)
{
	if (r->op != DISK_ZERO || !r->through)
		return false;
	r->op = DISK_FLUSH;
	queue(raw, r);
	return true;
}

static void complete(struct raw *raw, struct disk_request *r, int result)
{
	if (result == -EINTR || result == -EAGAIN) {
		queue(raw, r);
		return;
	}
	if (result == -EOPNOTSUPP && other_way(raw, r))
		return;
	/* A discard is a hint (virtio 1.2, 5.2.6.2). */
	if (result == -EOPNOTSUPP && r->op == DISK_TRIM)
		result = 0;
	if (result > 0 && go_on(raw, r, result))
		return;
	/* The end of a file that was longer when it was opened */
	if (!result && r->length && (r->op == DISK_READ || r->op == DISK_WRITE))
		result = -EIO;
	if (result >= 0 && flush_after(raw, r))
		return;
	disk_done(&raw->disk, r, result < 0 ? -result : 0);
}

static void reap(struct raw *raw)
{
	struct io_uring_cqe *cqe;
	bool any = false;

	/* The device may submit more when it is told of these. */
	if (raw->reaping)
		return;
	raw->reaping = true;
	while (!io_uring_peek_cqe(&raw->ring, &cqe)) {
		struct disk_request *r = io_uring_cqe_get_data(cqe);
		int result = cqe->res;

		io_uring_cqe_seen(&raw->ring, cqe);
		complete(raw, r, result);
		any = true;
	}
	if (any) {
		io_uring_submit(&raw->ring);
		raw->disk.reaped(raw->disk.ctx);
	}
	raw->reaping = false;
}

static void raw_ready(void *ctx, uint32_t events)
{
	(void)events;
	reap(ctx);
}

/* What the page cache had is done already when the kernel comes back. */
static void raw_commit(struct disk *disk)
{
	struct raw *raw = raw_of(disk);

	io_uring_submit(&raw->ring);
	reap(raw);
}

static void raw_drain(struct disk *disk)
{
	struct raw *raw = raw_of(disk);
	struct io_uring_cqe *cqe;

	while (disk->in_flight) {
		io_uring_submit(&raw->ring);
		io_uring_wait_cqe(&raw->ring, &cqe);
		reap(raw);
	}
}

static void raw_close(struct disk *disk)
{
	struct raw *raw = raw_of(disk);

	if (raw->watch.fd >= 0) {
		loop_remove(disk->loop, &raw->watch);
		io_uring_queue_exit(&raw->ring);
	}
	if (raw->disk.fd >= 0)
		close(raw->disk.fd);
	free(raw);
}

static const struct disk_ops raw_ops = {
	.name = "raw", .submit = raw_submit, .commit = raw_commit, .drain = raw_drain, .close = raw_close,
};

static enum husk_status complain(const struct disk_options *o, const char *why)
{
	return fail(HUSK_STATUS_INPUT, "--disk %s: %s", o->path, why);
}

/* By errno */
static const char *open_error(const struct disk_options *o)
{
	if (!o->readonly && (errno == EROFS || errno == EACCES))
		return "can't be opened for writing: add ,readonly, or take care of the rights";
	return errno == EBUSY ? "the device is in use, perhaps mounted" : strerror(errno);
}

/*
 * One writer or many readers, over all of the file: also against QEMU's tools, which lock
 * some bytes of it in this way. A block device that is mounted can't be opened with O_EXCL.
 */
static enum husk_status open_locked(int *fd, const struct disk_options *o, struct stat *st)
{
	struct flock lock = { .l_type = o->readonly ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET };
	int direct = o->in_kernel || o->movable ? O_DIRECT : 0, flags = direct | (o->readonly ? O_RDONLY : O_RDWR);

	if (stat(o->path, st) < 0)
		return complain(o, strerror(errno));
	if (!S_ISREG(st->st_mode) && !S_ISBLK(st->st_mode))
		return complain(o, "neither a file nor a block device");
	if (S_ISBLK(st->st_mode) && !o->readonly)
		flags |= O_EXCL;
	*fd = open(o->path, flags | O_CLOEXEC | O_NONBLOCK);
	if (*fd < 0 && errno == EINVAL && direct)
		return complain(o, o->pvscsi ? "its file system has no direct I/O" : "its file system has no direct I/O: take where=worker");
	if (*fd < 0)
		return complain(o, open_error(o));
	/* Without O_NONBLOCK again, which was for a pipe put in its place: io_uring would answer EAGAIN. */
	if (fstat(*fd, st) < 0 || fcntl(*fd, F_SETFL, direct) < 0)
		return complain(o, strerror(errno));
	if (fcntl(*fd, F_OFD_SETLK, &lock) < 0)
		return complain(o, errno == EAGAIN || errno == EACCES ? "in use by another VM or program" : strerror(errno));
	return HUSK_STATUS_OK;
}

/* What direct I/O on a file takes at least: 512 where the kernel does not say */
static int direct_block(int fd)
{
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) < 0 || !(stx.stx_mask & STATX_DIOALIGN) ||
	    stx.stx_dio_offset_align < PVIO_SECTOR)
		return PVIO_SECTOR;
	return stx.stx_dio_offset_align;
}

static enum husk_status measure(struct disk *disk, int fd, const struct disk_options *o, const struct stat *st)
{
	uint64_t size = st->st_size;
	int block = o->in_kernel || o->movable ? direct_block(fd) : PVIO_SECTOR;
	unsigned int physical = 4096;

	if (S_ISBLK(st->st_mode) &&
	    (ioctl(fd, BLKGETSIZE64, &size) < 0 || ioctl(fd, BLKSSZGET, &block) < 0 ||
	     ioctl(fd, BLKPBSZGET, &physical) < 0))
		return complain(o, strerror(errno));
	if (size < (unsigned int)block)
		return complain(o, "too short: a disk has 512 bytes at least");
	disk->block = block;
	disk->physical = physical;
	disk->size = size - size % block;
	return HUSK_STATUS_OK;
}

enum husk_status disk_open_file(struct disk *disk, const struct disk_options *options)
{
	enum husk_status status;
	struct stat st;

	disk->options = options;
	disk->fd = -1;
	status = open_locked(&disk->fd, options, &st);
	return status ? status : measure(disk, disk->fd, options, &st);
}

/* The same file, without direct I/O: that takes no requests at odd addresses */
static enum husk_status open_beside(struct disk *disk, const struct disk_options *o, const struct disk *beside)
{
	char path[32];

	*disk = (struct disk){ .ops = disk->ops, .options = o, .loop = disk->loop,
			       .size = beside->size, .block = beside->block, .physical = beside->physical };
	snprintf(path, sizeof(path), "/proc/self/fd/%d", beside->fd);
	disk->fd = open(path, (o->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	return disk->fd < 0 ? complain(o, strerror(errno)) : HUSK_STATUS_OK;
}

/* A ring does what system calls do, without a look at the jail's list of them: no more than this here. */
static int restrict_ring(struct io_uring *ring)
{
	static const uint8_t ops[] = {
		IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_WRITE, IORING_OP_FSYNC, IORING_OP_FALLOCATE,
	};
	struct io_uring_restriction allowed[sizeof(ops)] = {};

	for (unsigned int i = 0; i < sizeof(ops); i++) {
		allowed[i].opcode = IORING_RESTRICTION_SQE_OP;
		allowed[i].sqe_op = ops[i];
	}
	/* liburing.so of Debian 12 does not export its functions for these. */
	if (syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_RESTRICTIONS, allowed, sizeof(ops)) < 0 ||
	    syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0) < 0)
		return -errno;
	return 0;
}

static enum husk_status set_up_ring(struct raw *raw)
{
	struct io_uring_params params = { .flags = IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED, .cq_entries = DISK_REQUESTS };
	int ret = io_uring_queue_init_params(ENTRIES, &raw->ring, &params);

	if (!ret) {
		ret = restrict_ring(&raw->ring);
		if (ret < 0)
			io_uring_queue_exit(&raw->ring);
	}
	if (ret < 0)
		return fail(HUSK_STATUS_HOST, "no io_uring for the disk: %s%s", strerror(-ret),
			    ret == -EPERM ? " (sysctl kernel.io_uring_disabled)" : "");
	raw->watch = (struct watch){ raw->ring.ring_fd, EPOLLIN, raw_ready, raw };
	if (loop_add(raw->disk.loop, &raw->watch) < 0) {
		io_uring_queue_exit(&raw->ring);
		raw->watch.fd = -1;
		return fail(HUSK_STATUS_FAIL, "no epoll entry for the disk: %s", strerror(errno));
	}
	return HUSK_STATUS_OK;
}

enum husk_status disk_open_raw(struct disk **disk, const struct disk_options *options, struct loop *loop,
			       const struct disk *beside)
{
	struct raw *raw = calloc(1, sizeof(*raw));
	enum husk_status status;

	if (!raw)
		return fail(HUSK_STATUS_FAIL, "out of memory");
	raw->disk.fd = raw->watch.fd = -1;
	raw->disk.ops = &raw_ops;
	raw->disk.loop = loop;
	status = beside ? open_beside(&raw->disk, options, beside) : disk_open_file(&raw->disk, options);
	if (!status)
		status = set_up_ring(raw);
	if (status)
		raw_close(&raw->disk);
	else
		*disk = &raw->disk;
	return status;
}
