// SPDX-License-Identifier: GPL-2.0
/*
 * disk_hostile WHAT FILE [OTHER]: a driver and an owner who harm the host by a disk that the kernel serves.
 *	copies FILE	buffers that lie badly, in several pages
 *	reserve FILE	zeroes, until there is no more room. Prints the number of MiB
 *	kill FILE	killed in the midst of long copies
 *	stop FILE	stopped likewise
 *	starve A B	reads of A, and flushes of B, while A's file system is frozen
 *	work FILE	the thread for what may take long comes and goes
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "asleep.h"
#include "husk.h"

#define BYTES		(1ULL << 30)
#define RAM		(8U << 20)
#define ENTRIES		256
#define QUEUES		16
#define DESC		0x0000		/* of a queue's own 64 KiB */
#define AVAIL		0x2000
#define USED		0x4000
#define STATUS		0x6000
#define HEADER		0x7000
#define TABLE		0x8000
#define DATA		0x200000	/* of all queues */

#define NEXT		1
#define WRITE		2
#define INDIRECT	4
#define FEATURES	((1ULL << 9) | (1ULL << 13) | (1ULL << 14) | (1ULL << 28))

enum { IN = 0, OUT = 1, FLUSH = 4, DISCARD = 11, ZEROES = 13 };

struct desc { uint64_t addr; uint32_t len; uint16_t flags, next; };
struct header { uint32_t type, reserved; uint64_t sector; };
struct range { uint64_t sector; uint32_t sectors, flags; };

struct disk {
	int vm, fd, file, call;
	uint8_t *ram;
	uint16_t avail[QUEUES], used;
	pthread_t thread, worker;
};

static int failed;

static void check(const char *name, int good, long value)
{
	failed += !good;
	if (good)
		printf("ok disk_hostile_%s\n", name);
	else
		printf("not ok disk_hostile_%s: %ld\n", name, value);
	fflush(stdout);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

static uint32_t base(unsigned int q) { return q << 16; }

static struct desc *desc(struct disk *d, unsigned int q, unsigned int i)
{
	return (struct desc *)(d->ram + base(q) + DESC) + i;
}

static int start(struct disk *d, unsigned int q)
{
	struct husk_disk_start arg = {
		.size = sizeof(arg), .index = q, .entries = ENTRIES, .features = FEATURES,
		.desc = base(q) + DESC, .avail = base(q) + AVAIL, .used_part = base(q) + USED,
	};

	return ioctl(d->fd, HUSK_DISK_START, &arg) < 0 ? errno : 0;
}

static int stop(struct disk *d, unsigned int q)
{
	struct husk_disk_stop arg = { .size = sizeof(arg), .index = q };

	return ioctl(d->fd, HUSK_DISK_STOP, &arg) < 0 ? errno : 0;
}

static int run(struct disk *d)
{
	struct husk_disk_run arg = { .size = sizeof(arg) };
	int ret;

	do
		ret = ioctl(d->fd, HUSK_DISK_RUN, &arg);
	while ((!ret && (arg.broken || arg.error)) || (ret < 0 && errno == EINTR));
	return ret < 0 ? errno : 0;
}

static void *serve(void *disk)
{
	return (void *)(intptr_t)run(disk);
}

static int work_once(struct disk *d)
{
	struct husk_disk_work arg = { .size = sizeof(arg) };

	return ioctl(d->fd, HUSK_DISK_WORK, &arg) < 0 ? errno : 0;
}

static void *work(void *disk)
{
	int err;

	do
		err = work_once(disk);
	while (err == EINTR);
	return (void *)(intptr_t)err;
}

static void publish(struct disk *d, unsigned int q, uint16_t head)
{
	struct husk_disk_kick arg = { .size = sizeof(arg) };
	uint16_t *avail = (uint16_t *)(d->ram + base(q) + AVAIL);

	avail[2 + d->avail[q] % ENTRIES] = head;
	__atomic_store_n(&avail[1], ++d->avail[q], __ATOMIC_RELEASE);
	ioctl(d->fd, HUSK_DISK_KICK, &arg);
}

static uint16_t given_back(struct disk *d, unsigned int q)
{
	return __atomic_load_n((uint16_t *)(d->ram + base(q) + USED) + 1, __ATOMIC_ACQUIRE);
}

/* Until one more of queue 0 has come back. 0: none did */
static int wait_used(struct disk *d, unsigned int ms)
{
	uint64_t end = now_ms() + ms, count;
	struct pollfd wait = { d->call, POLLIN, 0 };

	while (given_back(d, 0) == d->used) {
		if (now_ms() > end || poll(&wait, 1, ms) < 0)
			return 0;
		if (read(d->call, &count, sizeof(count)) < 0 && errno != EAGAIN)
			return 0;
	}
	d->used++;
	return 1;
}

/* A request of one data segment, the header and the status of which are those of its place; not waited for */
static void request(struct disk *d, unsigned int q, unsigned int i, uint32_t type, uint64_t sector, uint64_t data, uint32_t length)
{
	uint16_t in = type == IN ? WRITE : 0;

	((struct header *)(d->ram + base(q) + HEADER))[i] = (struct header){ type, 0, sector };
	d->ram[base(q) + STATUS + i] = 0xaa;
	*desc(d, q, 3 * i) = (struct desc){ base(q) + HEADER + 16 * i, 16, NEXT, 3 * i + (length ? 1 : 2) };
	*desc(d, q, 3 * i + 1) = (struct desc){ data, length, NEXT | in, 3 * i + 2 };
	*desc(d, q, 3 * i + 2) = (struct desc){ base(q) + STATUS + i, 1, WRITE, 0 };
	publish(d, q, 3 * i);
}

static int request_wait(struct disk *d, uint32_t type, uint64_t sector, uint64_t data, uint32_t length)
{
	request(d, 0, 0, type, sector, data, length);
	return wait_used(d, 20000) ? d->ram[STATUS] : -1;
}

static int set_up(struct disk *d, const char *path)
{
	struct husk_create_vm create = { .size = sizeof(create) };
	struct husk_memory memory = { .size = sizeof(memory), .length = RAM };
	struct husk_create_disk arg = { .size = sizeof(arg), .queues = QUEUES, .bytes = BYTES };
	struct husk_disk_call how = { .size = sizeof(how), .flags = HUSK_DISK_CALL_EVENTFD };
	int dev = open("/dev/husk", O_RDWR | O_CLOEXEC);

	memset(d, 0, sizeof(*d));
	d->file = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	d->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	d->ram = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	d->vm = ioctl(dev, HUSK_CREATE_VM, &create);
	close(dev);
	memory.hva = (uintptr_t)d->ram;
	arg.fd = d->file;
	how.fd = d->call;
	if (d->vm < 0 || ioctl(d->vm, HUSK_VM_SET_MEMORY, &memory) < 0)
		return -1;
	d->fd = ioctl(d->vm, HUSK_VM_CREATE_DISK, &arg);
	return d->fd < 0 || ioctl(d->fd, HUSK_DISK_SET_CALL, &how) < 0 ? -1 : 0;
}

static int set_up_served(struct disk *d, const char *path)
{
	return set_up(d, path) || start(d, 0) || pthread_create(&d->thread, NULL, serve, d) ||
	       pthread_create(&d->worker, NULL, work, d) ? -1 : 0;
}

static void copies(const char *path)
{
	uint32_t length = 200704;
	struct disk d;
	int bad = 0;

	bad = set_up_served(&d, path);
	check("copies_start", !bad, errno);
	if (bad)
		return;
	for (unsigned int i = 0; i < 50; i++) {
		memset(d.ram + DATA, i + 1, length + 100);
		bad += request_wait(&d, OUT, 8 * i, DATA + 3, length) != 0;
		memset(d.ram + DATA, 0, length + 100);
		bad += request_wait(&d, IN, 8 * i, DATA + 5, length) != 0;
		for (unsigned int j = 0; j < length; j++)
			bad += d.ram[DATA + 5 + j] != (uint8_t)(i + 1);
	}
	check("copies", !bad, bad);
	check("copies_stop", !stop(&d, 0), errno);
}

static void reserve(const char *path)
{
	struct range *range;
	unsigned int i = 0;
	struct disk d;

	if (set_up_served(&d, path)) {
		perror(path);
		failed++;
		return;
	}
	range = (struct range *)(d.ram + DATA);
	do
		*range = (struct range){ i * 2048ULL, 2048, 0 };
	while (!request_wait(&d, ZEROES, 0, DATA, sizeof(*range)) && ++i < 1024);
	printf("%u\n", i);
}

/* As many reads as fit in, each of nearly 1 GiB: all of the same few pages, which lie badly */
static void long_copies(struct disk *d, unsigned int q)
{
	struct desc *table = (struct desc *)(d->ram + base(q) + TABLE);
	unsigned int i;

	*(struct header *)(d->ram + base(q) + HEADER) = (struct header){ IN, 0, 0 };
	table[0] = (struct desc){ base(q) + HEADER, 16, NEXT, 1 };
	for (i = 1; i < 250; i++)
		table[i] = (struct desc){ DATA + 3, 4 << 20, NEXT | WRITE, i + 1 };
	table[i] = (struct desc){ base(q) + STATUS, 1, WRITE, 0 };
	*desc(d, q, 0) = (struct desc){ base(q) + TABLE, (i + 1) * sizeof(*table), INDIRECT, 0 };
	for (i = 0; i < ENTRIES; i++)
		publish(d, q, 0);
}

static void killed_child(const char *path)
{
	struct disk d;

	if (set_up_served(&d, path))
		_exit(1);
	for (unsigned int q = 1; q < QUEUES; q++)
		if (start(&d, q))
			_exit(1);
	for (unsigned int q = 0; q < QUEUES; q++)
		long_copies(&d, q);
	pause();
}

static void killed(const char *path)
{
	pid_t child = fork();
	uint64_t before;
	int status;

	if (!child)
		killed_child(path);
	usleep(500000);
	before = now_ms();
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	check("kill", WIFSIGNALED(status) && now_ms() - before < 3000, now_ms() - before);
}

/* A driver that resets its device in the midst of it: the owner is not held up for long */
static void stopped(const char *path)
{
	uint64_t before;
	struct disk d;
	int ret;

	check("stop_start", !set_up_served(&d, path), errno);
	long_copies(&d, 0);
	usleep(200000);
	before = now_ms();
	ret = stop(&d, 0);
	check("stop", !ret && now_ms() - before < 10000, now_ms() - before);
}

static void starve(const char *frozen, const char *path)
{
	struct range *range;
	struct disk d[6], other;
	int fs = open(frozen, O_RDONLY), status;

	for (unsigned int i = 0; i < 6; i++)
		check("starve_start", !set_up_served(&d[i], frozen), errno);
	check("starve_freeze", !ioctl(fs, FIFREEZE, 0), errno);
	for (unsigned int i = 0; i < 6; i++)
		for (unsigned int q = 0; q < QUEUES; q++) {
			range = (struct range *)(d[i].ram + DATA);
			*range = (struct range){ 0, 8, 0 };
			if (q)
				start(&d[i], q);
			for (unsigned int j = 0; j < 4; j++)
				request(&d[i], q, j, DISCARD, 0, DATA, sizeof(*range));
		}
	usleep(500000);
	check("starve_other", !set_up_served(&other, path), errno);
	request(&other, 0, 0, FLUSH, 0, DATA, 0);
	status = wait_used(&other, 3000) ? other.ram[STATUS] : -1;
	request(&d[0], 0, 20, IN, 0, DATA + 4096, 4096);
	check("starve_read", wait_used(&d[0], 3000) && !d[0].ram[STATUS + 20], d[0].ram[STATUS + 20]);
	check("starve_thaw", !ioctl(fs, FITHAW, 0), errno);
	check("starve", !status, status);
}

static void ignore(int signal)
{
	(void)signal;
}

static void *work_and_go(void *disk)
{
	return (void *)(intptr_t)work_once(disk);
}

/* With it, without it, and when it has gone for good: then our end closes the disk, with a request that nobody does */
static void worker(const char *path)
{
	struct range *range;
	struct disk d;
	void *err;
	int bad;

	sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = ignore }, NULL);
	bad = set_up_served(&d, path);
	check("work_start", !bad, errno);
	if (bad)
		return;
	others_asleep();
	check("work_second", work_once(&d) == EBUSY, errno);
	check("work_flush", !request_wait(&d, FLUSH, 0, DATA, 0), d.ram[STATUS]);
	range = (struct range *)(d.ram + DATA);
	*range = (struct range){ 0, 2048, 0 };
	for (unsigned int i = 0; i < 60; i++)	/* more than are taken at once */
		request(&d, 0, i, i % 3 ? FLUSH : DISCARD, 0, DATA, i % 3 ? 0 : sizeof(*range));
	for (unsigned int i = 0; i < 60; i++)
		check("work_many", wait_used(&d, 10000), i);
	for (unsigned int i = 0; i < 60; i++)
		check("work_many_status", !d.ram[STATUS + i], i);
	check("work_stop", !stop(&d, 0) && !pthread_join(d.worker, &err) && !err && !pthread_join(d.thread, NULL), (long)err);
	check("work_none", !work_once(&d), errno);

	d.avail[0] = d.used = 0;
	memset(d.ram, 0, 1 << 16);
	check("work_again", !start(&d, 0) && !pthread_create(&d.thread, NULL, serve, &d), errno);
	check("work_without", !request_wait(&d, FLUSH, 0, DATA, 0), d.ram[STATUS]);

	pthread_create(&d.worker, NULL, work_and_go, &d);
	others_asleep();
	pthread_kill(d.worker, SIGUSR1);
	pthread_join(d.worker, &err);
	check("work_signal", (long)err == EINTR, (long)err);
	request(&d, 0, 1, FLUSH, 0, DATA, 0);
	check("work_waits", !wait_used(&d, 200), d.ram[STATUS + 1]);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (argc == 4 && !strcmp(what, "starve"))
		starve(argv[2], argv[3]);
	else if (argc != 3)
		return 2;
	else if (!strcmp(what, "copies"))
		copies(argv[2]);
	else if (!strcmp(what, "reserve"))
		reserve(argv[2]);
	else if (!strcmp(what, "work"))
		worker(argv[2]);
	else if (!strcmp(what, "kill"))
		killed(argv[2]);
	else if (!strcmp(what, "stop"))
		stopped(argv[2]);
	else
		return 2;
	return failed ? 1 : 0;
}
