// SPDX-License-Identifier: GPL-2.0
/* A disk by NBD, against a server that is not qemu-nbd, or is not it any more. */
#include <pthread.h>
#include <signal.h>

#include "check.h"
#include "worker/virtio/disk_nbd.c"

#define LATE		20		/* seconds */
#define LENGTH		(4U << 20)	/* of a write: more than a socket holds */
#define SIZE		(80U << 20)

static struct loop loop;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_t server;
static int connection = -1;
static unsigned int done, errors;

static void crashed(int signo)
{
	static const char text[] = "not ok nbd: the worker crashed, or hangs\n";

	(void)signo;
	_exit(write(1, text, sizeof(text) - 1) < 0 ? 2 : 1);
}

/* ---- what the disk has beside itself ---- */

const char *husk_rundir(void)
{
	return "/tmp";
}

long long machine_now_ms(void)
{
	return 1;
}

int child_log(void)
{
	return dup(2);
}

const char *child_said(int log, const char *otherwise)
{
	(void)log;
	return otherwise;
}

static void *serve(void *listener)
{
	struct { uint64_t magic, option; uint16_t flags; } __attribute__((packed)) hello = {
		htobe64(INIT_MAGIC), htobe64(OPT_MAGIC), htobe16(FIXED_NEWSTYLE | NO_ZEROES),
	};
	struct { uint64_t size; uint16_t flags; } __attribute__((packed)) export = { htobe64(SIZE), 0 };
	char answer[20];
	int fd = accept((int)(intptr_t)listener, NULL, NULL);

	close((int)(intptr_t)listener);
	if (send(fd, &hello, sizeof(hello), 0) < 0 || receive_all(fd, answer, sizeof(answer)) < 0 ||
	    send(fd, &export, sizeof(export), 0) < 0)
		return NULL;
	connection = fd;
	return NULL;
}

pid_t child_start(const char *const argv[], int fd, unsigned int how, int log)
{
	(void)argv;
	(void)how;
	(void)log;
	pthread_create(&server, NULL, serve, (void *)(intptr_t)dup(fd));
	return getpid();		/* nobody to wait for */
}

static void request_done(void *ctx, struct disk_request *r)
{
	(void)ctx;
	done++;
	errors += !!r->error;
}

static void reaped(void *ctx)
{
	(void)ctx;
}

/* ---- the tests ---- */

static struct disk *open_disk(void)
{
	static struct disk_options options = { .path = "/dev/null", .format = "qcow2" };
	struct disk *disk = NULL;

	if (disk_open_qcow2(&disk, &options, &loop))
		_exit(2);
	pthread_join(server, NULL);
	disk->done = request_done;
	disk->reaped = reaped;
	done = errors = 0;
	return disk;
}

static void say_done(uint64_t handle)
{
	struct nbd_reply reply = { htobe32(REPLY_MAGIC), 0, handle };

	if (send(connection, &reply, sizeof(reply), 0) < 0)
		_exit(2);
}

static void drop(void)
{
	static char sink[65536];

	shutdown(connection, SHUT_WR);
	while (recv(connection, sink, sizeof(sink), MSG_DONTWAIT) > 0)
		;
}

/* Two writes; the socket takes a part of the first, and the answer is to @handle. */
static unsigned int answer_early(uint64_t handle)
{
	struct disk *disk = open_disk();
	static uint8_t data[LENGTH];
	struct iovec iov[2] = { { data, LENGTH }, { data, LENGTH } };
	struct disk_request r[2];
	unsigned int early;

	for (int i = 0; i < 2; i++) {
		r[i] = (struct disk_request){ .op = DISK_WRITE, .offset = i * LENGTH, .length = LENGTH, .iov = &iov[i], .iovs = 1 };
		disk->ops->submit(disk, &r[i]);
	}
	disk->ops->commit(disk);
	say_done(handle);
	nbd_ready(disk, EPOLLIN);
	early = done - errors;
	drop();
	nbd_ready(disk, EPOLLIN | EPOLLOUT);
	disk->ops->drain(disk);
	check("nbd_all_done", done == 2 && !disk->in_flight);
	disk->ops->close(disk);
	close(connection);
	return early;
}

/* A server as it should be: SIZE bytes of memory, and what was asked of it */
static uint8_t *store;
static uint32_t largest;
static unsigned int requests;

static void *honest(void *unused)
{
	struct nbd_request q;

	while (!receive_all(connection, &q, sizeof(q)) && be16toh(q.type) != CMD_DISC) {
		struct nbd_reply reply = { htobe32(REPLY_MAGIC), 0, q.handle };
		uint32_t length = be32toh(q.length);
		uint64_t offset = be64toh(q.offset);

		requests++;
		largest = length > largest ? length : largest;
		if (be16toh(q.type) == CMD_WRITE && receive_all(connection, store + offset, length))
			break;
		if (send(connection, &reply, sizeof(reply), 0) < 0)
			break;
		for (ssize_t n = 0; be16toh(q.type) == CMD_READ && length && n >= 0; length -= n, offset += n)
			n = send(connection, store + offset, length, 0);
	}
	return unused;
}

/* A request longer than the protocol's limit for one, in uneven segments */
static void test_long(void)
{
	struct disk *disk = open_disk();
	uint8_t *out = malloc(SIZE), *in = calloc(1, SIZE);
	static const size_t odd[] = { 513, (33U << 20) + 7, 1, 4096 };
	struct iovec iov[2][5];
	struct disk_request r[2];
	pthread_t thread;
	size_t at = 0;

	store = calloc(1, SIZE);
	for (size_t i = 0; i < SIZE; i++)
		out[i] = i * 2654435761U >> 13;
	for (int i = 0; i < 5; at += iov[0][i++].iov_len) {
		iov[0][i] = (struct iovec){ out + at, i < 4 ? odd[i] : SIZE - at };
		iov[1][i] = (struct iovec){ in + at, iov[0][i].iov_len };
	}
	pthread_create(&thread, NULL, honest, NULL);
	for (int i = 0; i < 2; i++) {
		r[i] = (struct disk_request){ .op = i ? DISK_READ : DISK_WRITE, .length = SIZE, .iov = iov[i], .iovs = 5 };
		disk->ops->submit(disk, &r[i]);
		disk->ops->commit(disk);
		disk->ops->drain(disk);
	}
	check("nbd_long_done", done == 2 && !errors);
	check("nbd_long_pieces", largest == TRANSFER_MAX && requests == 6);
	check("nbd_long_written", !memcmp(store, out, SIZE));
	check("nbd_long_read", !memcmp(in, out, SIZE));
	disk->ops->close(disk);
	pthread_join(thread, NULL);
	close(connection);
	free(store);
	free(out);
	free(in);
}

static const char *refused(const char *make, bool backing)
{
	char line[256];

	snprintf(line, sizeof(line), "qemu-img create -q -f qcow2 %s /tmp/husk-nbd.qcow2 1M", make);
	return system(line) ? "qemu-img failed" : qcow2_refuse("/tmp/husk-nbd.qcow2", backing);
}

/* Files of the host that an image names, as qemu-img writes them */
static void test_names(void)
{
	static const char backed[] = "-F raw -b /etc/passwd", old[] = "-o compat=0.10 -F raw -b /etc/passwd";
	static const char outside[] = "-o data_file=/tmp/husk-nbd.data";

	if (system("qemu-img --version >/dev/null 2>&1")) {
		printf("skip nbd_names: no qemu-img\n");
		return;
	}
	check("qcow2_alone", !refused("", false));
	check("qcow2_backing", refused(backed, false) && strstr(refused(backed, false), "backing") && !refused(backed, true));
	check("qcow2_backing_version_2", refused(old, false) && !refused(old, true));
	check("qcow2_data_file", refused(outside, true) && strstr(refused(outside, true), "another file"));
	unlink("/tmp/husk-nbd.qcow2");
	unlink("/tmp/husk-nbd.data");
}

int main(void)
{
	signal(SIGSEGV, crashed);
	signal(SIGABRT, crashed);
	signal(SIGALRM, crashed);
	alarm(LATE);
	if (!freopen("/dev/null", "w", stderr) || loop_init(&loop, &lock) < 0)
		return 2;
	check("nbd_no_answer_before_sent", !answer_early(1));
	check("nbd_no_answer_before_all_is_sent", !answer_early(0));
	check("nbd_no_answer_to_nothing", !answer_early(7) && !answer_early(~0ULL));
	test_long();
	loop_fini(&loop);
	test_names();
	printf("# %d passed, %d failed\n", passed, failed);
	return failed != 0;
}
