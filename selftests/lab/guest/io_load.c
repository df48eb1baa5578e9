// SPDX-License-Identifier: GPL-2.0
/*
 * io_load DEVICE[,DEVICE]... NAME:OP:BLOCK:DEPTH:COUNT[:JOBS]...: direct I/O in a guest. For each test it says "ready
 * NAME", waits for a line, says "done NAME TICKS" of its TSC, which in the lab's counting mode is a ns each,
 * and waits for another line. OP: read, write (at random places), scan (read one after the other). Jobs share
 * depth and count; each is a process on a CPU of its own as far as there are CPUs, and has the next device.
 */
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#define DEPTH_MAX	64
#define BLOCK_MAX	(128 << 10)
#define JOBS_MAX	8

struct test {
	char name[32], op[8];
	unsigned long block, depth, count, jobs;
};

static int device, devices[JOBS_MAX], device_count;
static uint64_t bytes, next, seed = 88172645463325252ULL;
static char *buffers;

static uint64_t place(const struct test *t)
{
	uint64_t blocks = bytes / t->block;

	if (!strcmp(t->op, "scan"))
		return next++ % blocks * t->block;
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % blocks * t->block;
}

static int one_by_one(const struct test *t)
{
	int write = !strcmp(t->op, "write");

	for (unsigned long i = 0; i < t->count; i++) {
		ssize_t n = write ? pwrite(device, buffers, t->block, place(t)) : pread(device, buffers, t->block, place(t));

		if (n != (ssize_t)t->block)
			return -1;
	}
	return 0;
}

/* So many at once: each that is done is followed by another */
static int together(const struct test *t)
{
	static struct iocb cb[DEPTH_MAX];
	struct iocb *submit[DEPTH_MAX];
	struct io_event event[DEPTH_MAX];
	unsigned long begun = 0, done = 0;
	aio_context_t ctx = 0;
	long n = t->depth;

	if (syscall(SYS_io_setup, t->depth, &ctx) < 0)
		return -1;
	for (long i = 0; i < n; i++)
		submit[i] = &cb[i];
	while (done < t->count) {
		long more = 0;

		for (; more < n && begun < t->count; more++, begun++)
			*submit[more] = (struct iocb) {
				.aio_lio_opcode = strcmp(t->op, "write") ? IOCB_CMD_PREAD : IOCB_CMD_PWRITE, .aio_fildes = device,
				.aio_buf = (uintptr_t)buffers + (submit[more] - cb) * BLOCK_MAX, .aio_nbytes = t->block,
				.aio_offset = place(t),
			};
		if (more && syscall(SYS_io_submit, ctx, more, submit) != more)
			return -1;
		n = syscall(SYS_io_getevents, ctx, 1L, t->depth, event, NULL);
		for (long i = 0; i < n; i++) {
			if (event[i].res != (long)t->block)
				return -1;
			submit[i] = (struct iocb *)(uintptr_t)event[i].obj;
		}
		if (n < 1)
			return -1;
		done += n;
	}
	return syscall(SYS_io_destroy, ctx) < 0 ? -1 : 0;
}

static int work(const struct test *t)
{
	return t->depth > 1 ? together(t) : one_by_one(t);
}

/* A job waits until its input ends. Return: its process */
static pid_t job_start(const struct test *t, unsigned long n, const int begin[2])
{
	pid_t pid = fork();
	cpu_set_t cpu;
	char byte;

	if (pid)
		return pid;
	close(begin[1]);
	CPU_ZERO(&cpu);
	CPU_SET(n % sysconf(_SC_NPROCESSORS_ONLN), &cpu);
	sched_setaffinity(0, sizeof(cpu), &cpu);
	device = devices[n % device_count];
	seed += n * 0x9e3779b97f4a7c15ULL;
	/* what it writes first is copied before it begins */
	memset(buffers, 1, DEPTH_MAX * (size_t)BLOCK_MAX);
	_exit(read(begin[0], &byte, 1) || work(t));
}

/* One job is done here. */
static int run(const struct test *t)
{
	struct test share = *t;
	int begin[2], status, ret = 0;
	char line[64];
	uint64_t start;

	share.count /= t->jobs;
	share.depth /= t->jobs;
	if (pipe(begin) < 0)
		return -1;
	for (unsigned long i = 0; t->jobs > 1 && i < t->jobs; i++)
		if (job_start(&share, i, begin) < 0)
			return -1;
	/* they have come to their wait */
	if (t->jobs > 1)
		usleep(200000);
	printf("ready %s\n", t->name);
	if (!fgets(line, sizeof(line), stdin))
		return -1;
	start = __rdtsc();
	close(begin[1]);
	close(begin[0]);
	if (t->jobs == 1)
		ret = work(&share);
	while (wait(&status) > 0)
		ret |= status;
	printf("done %s %lu %s\n", t->name, (unsigned long)(__rdtsc() - start), ret ? "failed" : "ok");
	return fgets(line, sizeof(line), stdin) ? ret : -1;
}

static int open_all(char *names)
{
	for (char *name = strtok(names, ","); name; name = strtok(NULL, ",")) {
		if (device_count == JOBS_MAX || (devices[device_count++] = open(name, O_RDWR | O_DIRECT)) < 0)
			return -1;
	}
	device = devices[0];
	return ioctl(device, BLKGETSIZE64, &bytes);
}

static bool parse(const char *from, struct test *t)
{
	t->jobs = 1;
	return sscanf(from, "%31[^:]:%7[^:]:%lu:%lu:%lu:%lu", t->name, t->op, &t->block, &t->depth, &t->count, &t->jobs) >= 5 &&
		t->depth && t->depth <= DEPTH_MAX && t->block && t->block <= BLOCK_MAX && !(t->block % 512) &&
		t->jobs && t->jobs <= JOBS_MAX && t->jobs <= t->depth;
}

int main(int argc, char **argv)
{
	int failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 3 || open_all(argv[1]) < 0 || !bytes || posix_memalign((void **)&buffers, 2 << 20, DEPTH_MAX * (size_t)BLOCK_MAX))
		return perror("io_load"), 1;
	/* A buffer is in one piece each time. */
	madvise(buffers, DEPTH_MAX * (size_t)BLOCK_MAX, MADV_HUGEPAGE);
	memset(buffers, 1, DEPTH_MAX * (size_t)BLOCK_MAX);
	for (int i = 2; i < argc; i++) {
		struct test t;

		if (!parse(argv[i], &t))
			return fprintf(stderr, "io_load: %s is no test\n", argv[i]), 2;
		failed |= run(&t);
	}
	return !!failed;
}
