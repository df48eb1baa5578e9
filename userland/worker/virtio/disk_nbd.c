// SPDX-License-Identifier: GPL-2.0
/*
 * A disk that is a qcow2 file: qemu-nbd, a child with rights of ours at most, makes a block
 * device of it, which we use by the NBD protocol over a unix socket. A file format that
 * a guest can write is read by another process than the worker, and a VM without such a
 * disk has nothing of it in its memory.
 *
 * NBD: https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md, fixed newstyle,
 * simple replies.
 */
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/machine.h"
#include "worker/virtio/child.h"
#include "worker/virtio/disk.h"

#define INIT_MAGIC	0x4e42444d41474943ULL	/* NBDMAGIC */
#define OPT_MAGIC	0x49484156454f5054ULL	/* IHAVEOPT */
#define REQUEST_MAGIC	0x25609513U
#define REPLY_MAGIC	0x67446698U
#define FIXED_NEWSTYLE	1
#define NO_ZEROES	2
#define OPT_EXPORT_NAME	1

enum { CMD_READ, CMD_WRITE, CMD_DISC, CMD_FLUSH, CMD_TRIM, CMD_WRITE_ZEROES = 6 };
#define FLAG_FUA	1
#define FLAG_NO_HOLE	2

#define TRANSFER_MAX	(32U << 20)	/* bytes of a read or write; longer requests go piece by piece */

struct nbd_request {
	uint32_t magic;
	uint16_t flags, type;
	uint64_t handle, offset;
	uint32_t length;
} __attribute__((packed));

struct nbd_reply {
	uint32_t magic, error;
	uint64_t handle;
} __attribute__((packed));

struct nbd {
	struct disk disk;
	struct watch watch;
	pid_t pid;
	bool dead;			/* the connection is lost: all fails */
	struct disk_request *slot[DISK_REQUESTS];
	bool sent[DISK_REQUESTS];	/* all of it: there may be a reply */
	/* to be sent: slots in order, the first one partly */
	uint16_t queue[DISK_REQUESTS];
	unsigned int queue_at, queue_len;
	struct nbd_request header;
	size_t header_sent;		/* of the first's header; its data goes by its iov */
	size_t data_left;		/* of the first's piece, to be sent */
	bool started;			/* @header is the first's */
	/* being received */
	struct nbd_reply reply;
	size_t reply_got;
	struct disk_request *into;	/* data of this one follows */
	size_t into_left;		/* of its piece */
};

static struct nbd *nbd_of(struct disk *disk)
{
	return (struct nbd *)disk;
}

/* The request can't be used any more: it is done. */
static void finish(struct nbd *n, struct disk_request *r, int error)
{
	n->slot[r->slot] = NULL;
	n->sent[r->slot] = false;
	disk_done(&n->disk, r, error);
}

/* qemu-nbd is gone, or makes no sense: from here on every request fails. */
static void give_up(struct nbd *n)
{
	if (n->dead)
		return;
	n->dead = true;
	n->queue_len = 0;
	n->into = NULL;
	loop_remove(n->disk.loop, &n->watch);
	fail(HUSK_STATUS_FAIL, "disk %s: qemu-nbd is gone", n->disk.options->path);
	for (unsigned int i = 0; i < DISK_REQUESTS; i++)
		if (n->slot[i])
			finish(n, n->slot[i], EIO);
}

static bool has_data(const struct disk_request *r)
{
	return r->op == DISK_READ || r->op == DISK_WRITE;
}

/* Bytes of the request that qemu-nbd is asked for at once */
static uint32_t piece(const struct disk_request *r)
{
	return has_data(r) && r->length > TRANSFER_MAX ? TRANSFER_MAX : r->length;
}

static void enqueue(struct nbd *n, const struct disk_request *r)
{
	n->queue[(n->queue_at + n->queue_len++) % DISK_REQUESTS] = r->slot;
}

/* qemu-nbd has done a piece of it: the next one, or all is done. */
static void piece_done(struct nbd *n, struct disk_request *r, int error)
{
	uint32_t bytes = piece(r);

	if (error || bytes == r->length) {
		finish(n, r, error);
		return;
	}
	r->offset += bytes;
	r->length -= bytes;
	n->sent[r->slot] = false;
	enqueue(n, r);
}

#define SEGMENTS	16

/* Memory at the front of the request's, so many bytes at most. Returns segments */
static unsigned int front(const struct disk_request *r, size_t bytes, struct iovec iov[SEGMENTS])
{
	unsigned int i;

	for (i = 0; bytes && i < r->iovs && i < SEGMENTS; i++) {
		iov[i] = r->iov[i];
		if (iov[i].iov_len > bytes)
			iov[i].iov_len = bytes;
		bytes -= iov[i].iov_len;
	}
	return i;
}

/* ---- sending ---- */

static void start_request(struct nbd *n, const struct disk_request *r)
{
	static const uint16_t types[] = {
		[DISK_READ] = CMD_READ, [DISK_WRITE] = CMD_WRITE, [DISK_FLUSH] = CMD_FLUSH,
		[DISK_TRIM] = CMD_TRIM, [DISK_ZERO] = CMD_WRITE_ZEROES,
	};
	uint16_t flags = 0;

	if (r->through && (r->op == DISK_WRITE || r->op == DISK_ZERO))
		flags |= FLAG_FUA;
	if (r->op == DISK_ZERO && !r->unmap)
		flags |= FLAG_NO_HOLE;
	n->header = (struct nbd_request){
		.magic = htobe32(REQUEST_MAGIC), .flags = htobe16(flags), .type = htobe16(types[r->op]),
		.handle = r->slot, .offset = htobe64(r->offset), .length = htobe32(piece(r)),
	};
	n->header_sent = 0;
	n->data_left = r->op == DISK_WRITE ? piece(r) : 0;
	n->started = true;
}

/* Send of one request what the socket takes: true if that is all of it */
static bool send_some(struct nbd *n, struct disk_request *r)
{
	struct iovec iov[1 + SEGMENTS];
	struct msghdr msg = { 0 };
	ssize_t sent;

	for (;;) {
		size_t left = sizeof(n->header) - n->header_sent;

		if (!left && !n->data_left)
			return true;
		iov[0] = (struct iovec){ (char *)&n->header + n->header_sent, left };
		msg.msg_iov = iov;
		msg.msg_iovlen = 1 + front(r, n->data_left, iov + 1);
		sent = sendmsg(n->watch.fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0) {
			if (errno != EAGAIN)
				give_up(n);
			return false;
		}
		left = (size_t)sent < left ? (size_t)sent : left;
		n->header_sent += left;
		n->data_left -= sent - left;
		disk_advance(r, sent - left);
	}
}

static void send_queue(struct nbd *n)
{
	while (!n->dead && n->queue_len) {
		struct disk_request *r = n->slot[n->queue[n->queue_at]];

		if (!n->started)
			start_request(n, r);
		if (!send_some(n, r))
			break;
		n->started = false;
		n->sent[r->slot] = true;
		n->queue_at = (n->queue_at + 1) % DISK_REQUESTS;
		n->queue_len--;
	}
	if (!n->dead)
		loop_change(n->disk.loop, &n->watch, n->queue_len ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void nbd_submit(struct disk *disk, struct disk_request *r)
{
	struct nbd *n = nbd_of(disk);

	disk->in_flight++;
	r->slot = 0;
	while (n->slot[r->slot])
		r->slot++;
	n->slot[r->slot] = r;
	if (n->dead)
		finish(n, r, EIO);
	else
		enqueue(n, r);
}

static void nbd_commit(struct disk *disk)
{
	send_queue(nbd_of(disk));
	if (nbd_of(disk)->dead)
		disk->reaped(disk->ctx);
}

/* ---- receiving ---- */

static bool receive(struct nbd *n, struct iovec *iov, unsigned int count, size_t *got)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = count };
	ssize_t r = recvmsg(n->watch.fd, &msg, MSG_DONTWAIT);

	if (r > 0) {
		*got = r;
		return true;
	}
	if (!r || (errno != EAGAIN && errno != EINTR))
		give_up(n);
	return false;
}

/* A reply's head is there. */
static void take_reply(struct nbd *n)
{
	uint64_t slot = n->reply.handle;
	struct disk_request *r = slot < DISK_REQUESTS && n->sent[slot] ? n->slot[slot] : NULL;
	int error = be32toh(n->reply.error);

	n->reply_got = 0;
	if (be32toh(n->reply.magic) != REPLY_MAGIC || !r) {
		give_up(n);
		return;
	}
	if (!error && r->op == DISK_READ) {
		n->into = r;
		n->into_left = piece(r);
	} else {	/* NBD's numbers are Linux's */
		piece_done(n, r, r->op == DISK_TRIM && error == ENOTSUP ? 0 : error);
	}
}

/* true: there may be more */
static bool receive_some(struct nbd *n)
{
	struct iovec head = { (char *)&n->reply + n->reply_got, sizeof(n->reply) - n->reply_got };
	struct iovec iov[SEGMENTS];
	size_t got;

	if (n->into) {
		if (!receive(n, iov, front(n->into, n->into_left, iov), &got))
			return false;
		disk_advance(n->into, got);
		n->into_left -= got;
		if (!n->into_left) {
			piece_done(n, n->into, 0);
			n->into = NULL;
		}
		return true;
	}
	if (!receive(n, &head, 1, &got))
		return false;
	n->reply_got += got;
	if (n->reply_got == sizeof(n->reply))
		take_reply(n);
	return !n->dead;
}

static void nbd_ready(void *ctx, uint32_t events)
{
	struct nbd *n = ctx;

	(void)events;
	while (!n->dead && receive_some(n))
		;
	if (n->queue_len)
		send_queue(n);
	n->disk.reaped(n->disk.ctx);
}

static void nbd_drain(struct disk *disk)
{
	struct nbd *n = nbd_of(disk);

	while (disk->in_flight) {
		struct pollfd fd = { n->watch.fd, POLLIN | (n->queue_len ? POLLOUT : 0), 0 };

		poll(&fd, 1, -1);
		nbd_ready(n, fd.revents);
	}
}

static void nbd_close(struct disk *disk)
{
	struct nbd *n = nbd_of(disk);

	if (n->watch.fd >= 0) {
		struct nbd_request bye = { .magic = htobe32(REQUEST_MAGIC), .type = htobe16(CMD_DISC) };

		if (!n->dead) {
			loop_remove(disk->loop, &n->watch);
			send(n->watch.fd, &bye, sizeof(bye), MSG_NOSIGNAL);
		}
		close(n->watch.fd);
	}
	/* It ends with its only client, when it has written all. */
	if (n->pid > 0)
		waitpid(n->pid, NULL, 0);
	free(n);
}

static const struct disk_ops nbd_ops = {
	.name = "qcow2", .submit = nbd_submit, .commit = nbd_commit, .drain = nbd_drain, .close = nbd_close,
};

/* ---- beginning: qemu-nbd and the handshake ---- */

static int receive_all(int fd, void *to, size_t length)
{
	return recv(fd, to, length, MSG_WAITALL) == (ssize_t)length ? 0 : -1;
}

static int handshake(struct nbd *n)
{
	struct { uint64_t magic, option; uint16_t flags; } __attribute__((packed)) hello;
	struct { uint32_t flags; uint64_t magic; uint32_t option, length; } __attribute__((packed)) reply = {
		htobe32(FIXED_NEWSTYLE | NO_ZEROES), htobe64(OPT_MAGIC), htobe32(OPT_EXPORT_NAME), 0,
	};
	struct { uint64_t size; uint16_t flags; } __attribute__((packed)) export;

	if (receive_all(n->watch.fd, &hello, sizeof(hello)) < 0 || be64toh(hello.magic) != INIT_MAGIC ||
	    be64toh(hello.option) != OPT_MAGIC || !(be16toh(hello.flags) & NO_ZEROES) ||
	    send(n->watch.fd, &reply, sizeof(reply), MSG_NOSIGNAL) != sizeof(reply) ||
	    receive_all(n->watch.fd, &export, sizeof(export)) < 0)
		return -1;
	n->disk.size = be64toh(export.size) & ~(PVIO_SECTOR - 1ULL);
	return n->disk.size ? 0 : -1;
}

/*
 * A socket with one connection in it already, in our own folder and gone from there at
 * once: nobody else comes in. *fd is our end.
 */
static int make_listener(int *fd)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	const char *dir = husk_rundir();

	*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || *fd < 0 || !dir ||
	    snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/.nbd-%d", dir, getpid()) >= (int)sizeof(addr.sun_path))
		return -1;
	unlink(addr.sun_path);
	if (bind(listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(listener, 1) < 0 ||
	    connect(*fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		unlink(addr.sun_path);
		return -1;
	}
	unlink(addr.sun_path);
	return listener;
}

static enum husk_status connect_nbd(struct nbd *n, const struct disk_options *o)
{
	const char *const argv[] = {
		"qemu-nbd", "--format=qcow2", "--discard=unmap", "--cache=writeback", "--shared=1",
		o->readonly ? "--read-only" : "--detect-zeroes=off", "--", o->path, NULL,
	};
	int listener = make_listener(&n->watch.fd), log = child_log();
	enum husk_status status = HUSK_STATUS_OK;

	if (listener >= 0 && log >= 0)
		n->pid = child_start(argv, listener, CHILD_LISTENING | CHILD_UNPRIVILEGED, log);
	if (n->pid <= 0)
		status = fail(HUSK_STATUS_FAIL, "--disk %s: qemu-nbd does not start: %s", o->path, strerror(errno));
	close(listener);
	if (!status && handshake(n) < 0) {
		/* it ends with its only client, and has said all then */
		shutdown(n->watch.fd, SHUT_RDWR);
		waitpid(n->pid, NULL, 0);
		n->pid = 0;
		status = fail(HUSK_STATUS_INPUT, "--disk %s: qcow2, by qemu-nbd of qemu-utils: %s", o->path,
			      child_said(log, "it makes no sense"));
	}
	close(log);
	if (status)
		return status;
	if (loop_add(n->disk.loop, &n->watch) < 0)
		return fail(HUSK_STATUS_FAIL, "--disk %s: no epoll entry: %s", o->path, strerror(errno));
	return HUSK_STATUS_OK;
}

enum husk_status disk_open_qcow2(struct disk **disk, const struct disk_options *options, struct loop *loop)
{
	struct nbd *n = calloc(1, sizeof(*n));
	enum husk_status status;
	const char *why;

	if (!n)
		return fail(HUSK_STATUS_FAIL, "out of memory");
	n->disk.ops = &nbd_ops;
	n->disk.options = options;
	n->disk.loop = loop;
	n->disk.block = PVIO_SECTOR;
	n->disk.physical = 4096;
	n->watch = (struct watch){ -1, EPOLLIN, nbd_ready, n };
	why = access(options->path, options->readonly ? R_OK : R_OK | W_OK) < 0 ? strerror(errno) :
		qcow2_refuse(options->path, options->backing);
	if (why)
		status = fail(HUSK_STATUS_INPUT, "--disk %s: %s", options->path, why);
	else
		status = connect_nbd(n, options);
	if (status)
		nbd_close(&n->disk);
	else
		*disk = &n->disk;
	return status;
}
