// SPDX-License-Identifier: GPL-2.0
/*
 * disk_try FILE ROUNDS [device]: the driver's side of a disk that the kernel serves, without a guest: what each
 * request answers, how a queue stops and goes on, and ROUNDS of rings full of nonsense. FILE has 16 MiB.
 *
 * disk_try FILE load: the VM disk; for each number that is read, so many reads of the first 4 KiB, one after the other.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "asleep.h"
#include "disk_lib.h"

#define ENTRIES		64
#define DESC		0x1000
#define AVAIL		0x2000
#define USED		0x3000
#define TABLE		0x4000		/* of an indirect chain */
#define HEADER		0x5000
#define STATUS		0x6000

#define NEXT		1
#define WRITE		2
#define INDIRECT	4

#define FEATURES	((1ULL << 9) | (1ULL << 13) | (1ULL << 14) | (1ULL << 28))

enum { IN = 0, OUT = 1, FLUSH = 4, GET_ID = 8, DISCARD = 11, ZEROES = 13 };
enum { OK, IOERR, UNSUPP };

struct desc { uint64_t addr; uint32_t len; uint16_t flags, next; };
struct header { uint32_t type, reserved; uint64_t sector; };
struct range { uint64_t sector; uint32_t sectors, flags; };

static uint16_t avail, used;

static uint16_t *word(uint32_t at) { return (uint16_t *)(ram + at); }
static struct desc *desc(unsigned int i) { return (struct desc *)(ram + DESC) + i; }

static void set(unsigned int i, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	*desc(i) = (struct desc){ addr, len, flags, next };
}

static int start(uint64_t features)
{
	struct husk_disk_start arg = {
		.size = sizeof(arg), .entries = ENTRIES, .last_avail = avail, .used = used, .features = features,
		.desc = DESC, .avail = AVAIL, .used_part = USED,
	};

	return ioctl(disk, HUSK_DISK_START, &arg) < 0 ? -errno : 0;
}

static void publish(uint16_t head)
{
	word(AVAIL)[2 + avail % ENTRIES] = head;
	__atomic_store_n(&word(AVAIL)[1], ++avail, __ATOMIC_RELEASE);
	kick();
}

/* Wait until one more chain has come back. -1: none did */
static long wait_used(void)
{
	while (__atomic_load_n(&word(USED)[1], __ATOMIC_ACQUIRE) == used)
		if (wait_call() < 0)
			return -1;
	return ((uint32_t *)(ram + USED + 4))[2 * (used++ % ENTRIES) + 1];
}

/* One request of up to one data segment. Its status; *written gets the length */
static int request(uint32_t type, uint64_t sector, uint64_t data, uint32_t length, int in, long *written)
{
	*(struct header *)(ram + HEADER) = (struct header){ type, 0, sector };
	ram[STATUS] = UNTOUCHED;
	set(0, HEADER, sizeof(struct header), NEXT, length ? 1 : 2);
	set(1, data, length, NEXT | (in ? WRITE : 0), 2);
	set(2, STATUS, 1, WRITE, 0);
	publish(0);
	*written = wait_used();
	return *written < 0 ? -1 : ram[STATUS];
}

static void expect(const char *name, uint32_t type, uint64_t sector, uint32_t length, int in, int status, long bytes)
{
	long written;
	int got = request(type, sector, DATA, length, in, &written);

	check(name, got == status && written == bytes, got * 1000000L + written);
}

static void plain_requests(void)
{
	static uint8_t zero[4096];
	struct range *range = (struct range *)(ram + DATA);
	long written;

	fill(DATA, 65536, 1);
	expect("write", OUT, 8, 65536, 0, OK, 1);
	check("written", same_as_file(DATA, 4096, 65536), 0);
	memset(ram + DATA, 0, 65536);
	expect("read", IN, 8, 65536, 1, OK, 65537);
	check("read_data", same_as_file(DATA, 4096, 65536), 0);
	expect("flush", FLUSH, 0, 0, 0, OK, 1);
	expect("id", GET_ID, 0, 20, 1, OK, 21);
	check("id_text", !memcmp(ram + DATA, "SERIAL\0", 7), ram[DATA]);
	expect("type", 99, 0, 512, 1, UNSUPP, 1);
	expect("beyond", IN, DISK / 512 - 1, 1024, 1, IOERR, 1);
	expect("far", IN, ~0ULL - 1, 1024, 1, IOERR, 1);
	expect("part", IN, 0, 100, 1, IOERR, 1);
	expect("last", IN, DISK / 512 - 1, 512, 1, OK, 513);
	*range = (struct range){ 8, 8, 0 };
	expect("zero", ZEROES, 0, sizeof(*range), 0, OK, 1);
	memset(ram + DATA, 1, 4096);
	expect("zero_read", IN, 8, 4096, 1, OK, 4097);
	check("zeroes", !memcmp(ram + DATA, zero, 4096), ram[DATA]);
	*range = (struct range){ 16, 8, 0 };
	expect("discard", DISCARD, 0, sizeof(*range), 0, OK, 1);
	*range = (struct range){ 16, 8, 2 };
	expect("range_flags", DISCARD, 0, sizeof(*range), 0, UNSUPP, 1);
	*range = (struct range){ DISK / 512, 8, 0 };
	expect("range_beyond", ZEROES, 0, sizeof(*range), 0, IOERR, 1);
	check("rom", request(IN, 0, ROM, 512, 1, &written) == -1 && broken == 1, written);
}

/* After a broken ring: from the indices of now */
static void restart(void)
{
	struct husk_disk_stop arg;

	stop(&arg);
	memset(ram + AVAIL, 0, 4096);
	memset(ram + USED, 0, 4096);
	avail = used = 0;
	broken = 0;
}

/* A buffer that no device reaches as it lies, in several segments */
static void copied_requests(void)
{
	struct husk_disk_stats stats = { .size = sizeof(stats) };

	for (int in = 0; in < 2; in++) {
		*(struct header *)(ram + HEADER) = (struct header){ in ? IN : OUT, 0, 100 };
		ram[STATUS] = UNTOUCHED;
		if (in)
			memset(ram + DATA, 0, 300000);
		else
			fill(DATA, 300000, 9);
		set(0, HEADER, 16, NEXT, 1);
		set(1, DATA + 3, 1001, NEXT | (in ? WRITE : 0), 2);
		set(2, DATA + 3 + 1001, 200000 - 1001, NEXT | (in ? WRITE : 0), 3);
		set(3, DATA + 3 + 200000, 204800 - 200000, NEXT | (in ? WRITE : 0), 4);
		set(4, STATUS, 1, WRITE, 0);
		publish(0);
		check(in ? "copied_read" : "copied_write", wait_used() == (in ? 204801 : 1) && ram[STATUS] == OK, ram[STATUS]);
		check(in ? "copied_read_data" : "copied_written", same_as_file(DATA + 3, 51200, 204800), 0);
	}
	ioctl(disk, HUSK_DISK_GET_STATS, &stats);
	check("copied_count", stats.copied == 2 && stats.in_flight == 0, stats.copied);
}

/* Header and data in one segment, data and status in another, by a table */
static void indirect_request(void)
{
	struct desc *table = (struct desc *)(ram + TABLE);

	*(struct header *)(ram + HEADER) = (struct header){ IN, 0, 8 };
	table[0] = (struct desc){ HEADER, 16, NEXT, 1 };
	table[1] = (struct desc){ DATA, 512, NEXT | WRITE, 2 };
	table[2] = (struct desc){ DATA + 512, 513, WRITE, 0 };
	set(0, TABLE, 3 * sizeof(*table), INDIRECT, 0);
	ram[DATA + 1024] = UNTOUCHED;
	publish(0);
	check("indirect", wait_used() == 1025 && ram[DATA + 1024] == OK && same_as_file(DATA, 4096, 1024), ram[DATA + 1024]);
}

/* Many at once, and a stop while they are in flight: all that was taken has come back then */
static void stop_in_flight(void)
{
	struct husk_disk_stop arg;
	pthread_t thread;
	int bad = 0;

	for (int round = 0; round < 20; round++) {
		pthread_create(&thread, NULL, serve, NULL);
		for (int i = 0; i < ENTRIES / 2; i++) {
			*(struct header *)(ram + HEADER + 16 * i) = (struct header){ i % 8 == 7 ? FLUSH : i & 1, 0, 128 * i };
			set(2 * i, HEADER + 16 * i, 16, NEXT, 2 * i + 1);
			set(2 * i + 1, i % 8 == 7 ? STATUS + i : DATA + 4096 * i, i % 8 == 7 ? 1 : 4096 + !(i & 1),
			    i & 1 && i % 8 != 7 ? 0 : WRITE, 0);
			if (i & 1 && i % 8 != 7)
				set(2 * i + 1, STATUS + i, 1, WRITE, 0);
			publish(2 * i);
		}
		usleep(round * 50);
		bad += stop(&arg) != 0;
		pthread_join(thread, NULL);
		bad += arg.used != word(USED)[1] || arg.last_avail != arg.used;
		/* what was not taken is taken the next time */
		used = arg.used;
		bad += (uint16_t)(avail - arg.last_avail) > ENTRIES / 2;
		avail = arg.last_avail;
		word(AVAIL)[1] = avail;
		bad += start(FEATURES) != 0;
	}
	check("stop_in_flight", !bad, bad);
}

static uint64_t random_address(uint32_t *seed)
{
	static const uint64_t bases[] = { 0, DESC, TABLE, HEADER, DATA, RAM - 4096, ROM, ~0ULL - 4096, 1ULL << 40 };
	uint32_t r = next_random(seed);

	return bases[r % 9] + (r >> 4) % 4096;
}

/* Everything random, but likely enough to be understood */
static void nonsense(uint32_t seed)
{
	static const uint32_t types[] = { IN, OUT, FLUSH, GET_ID, DISCARD, ZEROES, 77 };

	for (unsigned int i = 0; i < 256; i++) {
		uint32_t r = next_random(&seed);

		((struct desc *)(ram + (i < ENTRIES ? DESC : TABLE)))[i % ENTRIES] = (struct desc){
			random_address(&seed), r & 16 ? 16 : next_random(&seed) % 9000, r & (r & 0x700 ? 3 : 7), next_random(&seed) % 68 };
	}
	for (unsigned int i = 0; i < 64; i++)
		*(struct header *)(ram + HEADER + 16 * i) = (struct header){
			types[next_random(&seed) % 7], 0, next_random(&seed) % (DISK / 512 + 16) };
	for (unsigned int i = 0; i < ENTRIES; i++)
		word(AVAIL)[2 + i] = next_random(&seed) % (ENTRIES + (seed % 16 == 0));
	word(AVAIL)[1] = avail = avail + next_random(&seed) % (ENTRIES + (seed % 8 == 0));
}

static int start_again(void)
{
	restart();
	return start(FEATURES);
}

static int written_to(unsigned int page)
{
	return page == USED / 4096 || page == STATUS / 4096 || (page >= DATA / 4096 && page < DATA / 4096 + 16);
}

/* Pages that the kernel writes are in the log, others are not. */
static void logged(void)
{
	struct husk_disk_stop arg;
	pthread_t thread;
	long written;

	log_written(1);
	check("log_start", !start_again(), errno);
	pthread_create(&thread, NULL, serve, NULL);
	check("log_read", request(IN, 0, DATA, 65536, 1, &written) == OK, written);
	stop(&arg);
	pthread_join(thread, NULL);
	check_log(written_to);
	log_written(0);
}

/* A signal ends HUSK_DISK_RUN with EINTR; a second thread is refused */
static volatile int run_errno;

static void on_signal(int signo) { (void)signo; }

static void *run_once(void *unused)
{
	struct husk_disk_run arg = { .size = sizeof(arg) };

	run_errno = ioctl(disk, HUSK_DISK_RUN, &arg) < 0 ? errno : 0;
	return NULL;
}

static void run_alone(void)
{
	struct husk_disk_run arg = { .size = sizeof(arg) };
	struct sigaction action = { .sa_handler = on_signal };
	pthread_t thread;

	sigaction(SIGUSR1, &action, NULL);
	pthread_create(&thread, NULL, run_once, NULL);
	others_asleep();
	check("run_busy", ioctl(disk, HUSK_DISK_RUN, &arg) < 0 && errno == EBUSY, errno);
	check("start_busy", start(FEATURES) == -EBUSY, 0);
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, NULL);
	check("run_signal", run_errno == EINTR, run_errno);
}

static int create_error(int fd, uint32_t flags)
{
	struct husk_create_disk arg = { .size = sizeof(arg), .flags = flags, .fd = fd, .queues = 1, .bytes = DISK };
	int ret = ioctl(vm, HUSK_VM_CREATE_DISK, &arg);

	if (ret < 0)
		return errno;
	close(ret);
	return 0;
}

static void rights(const char *path)
{
	int ro = open(path, O_RDONLY | O_DIRECT), wo = open(path, O_WRONLY | O_DIRECT), plain = open(path, O_RDWR);
	int append = open(path, O_RDWR | O_DIRECT | O_APPEND), pipes[2];

	check("right_ro", create_error(ro, HUSK_DISK_READONLY) == 0, errno);
	check("right_ro_write", create_error(ro, 0) == EACCES, errno);
	check("right_wo", create_error(wo, 0) == EACCES, errno);
	check("right_plain", create_error(plain, 0) == EINVAL, errno);
	check("right_append", create_error(append, 0) == EINVAL, errno);
	check("right_pipe", !pipe(pipes) && create_error(pipes[0], HUSK_DISK_READONLY) == EINVAL, errno);
	check("right_vm", create_error(vm, 0) == EINVAL, errno);
	check("right_none", create_error(-1, 0) == EBADF, errno);
}

/* A doorbell goes with its disk */
static void doorbell(void)
{
	struct husk_create_disk arg = { .size = sizeof(arg), .fd = file, .queues = 1, .bytes = DISK };
	struct husk_ioeventfd bell = { .size = sizeof(bell), .flags = HUSK_IOEVENTFD_PIO | HUSK_IOEVENTFD_DIRECT, .addr = 0x500 };
	struct husk_ioeventfd other = { .size = sizeof(other), .flags = HUSK_IOEVENTFD_PIO, .addr = 0x504, .fd = call };

	bell.fd = ioctl(vm, HUSK_VM_CREATE_DISK, &arg);
	check("bell", !ioctl(vm, HUSK_VM_IOEVENTFD, &bell) && !ioctl(vm, HUSK_VM_IOEVENTFD, &other), errno);
	check("bell_twice", ioctl(vm, HUSK_VM_IOEVENTFD, &bell) < 0 && errno == EEXIST, errno);
	close(bell.fd);
	bell.fd = disk;
	check("bell_gone", !ioctl(vm, HUSK_VM_IOEVENTFD, &bell), errno);
	bell.flags |= HUSK_IOEVENTFD_DEASSIGN;
	other.flags |= HUSK_IOEVENTFD_DEASSIGN;
	check("bell_off", !ioctl(vm, HUSK_VM_IOEVENTFD, &bell) && !ioctl(vm, HUSK_VM_IOEVENTFD, &other), errno);
	bell.fd = call;
	check("bell_eventfd", ioctl(vm, HUSK_VM_IOEVENTFD, &bell) < 0 && errno == EINVAL, errno);
}

static long ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int load(void)
{
	struct husk_disk_stop arg;
	pthread_t thread;
	long written;
	int count;

	start(FEATURES);
	pthread_create(&thread, NULL, serve, NULL);
	printf("load: ready\n");
	fflush(stdout);
	while (scanf("%d", &count) == 1) {
		long begin = ms(), failed = 0, changed = 0;

		for (int i = 0; i < count; i++) {
			memset(ram + DATA, UNTOUCHED, 4096);
			failed += request(IN, 0, DATA, 4096, 1, &written) != OK;
			changed += ram[DATA] != UNTOUCHED;
		}
		printf("load: %d reads, %ld failed, %ld changed, %ld ms\n", count, failed, changed, ms() - begin);
		fflush(stdout);
	}
	stop(&arg);
	pthread_join(thread, NULL);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned int rounds;
	pthread_t thread;

	if (argc < 3)
		return 2;
	if (!strcmp(argv[2], "load"))
		return set_up(argv[1], "disk") || load();
	try_name = argc > 3 ? "disk_try_device" : "disk_try";
	rounds = atoi(argv[2]);
	check("set_up", !set_up(argv[1], "disk"), errno);
	check("start", !start(FEATURES), errno);
	pthread_create(&thread, NULL, serve, NULL);
	plain_requests();
	restart();
	pthread_join(thread, NULL);
	check("again", !start(0), errno);		/* and without FLUSH */
	pthread_create(&thread, NULL, serve, NULL);
	copied_requests();
	restart();
	pthread_join(thread, NULL);
	check("once_more", !start(FEATURES), errno);
	pthread_create(&thread, NULL, serve, NULL);
	indirect_request();
	restart();
	pthread_join(thread, NULL);
	check("idle", !start(FEATURES), errno);
	run_alone();
	stop_in_flight();
	fuzz(rounds, start_again, nonsense, rounds / 10, 0);
	logged();
	rights(argv[1]);
	doorbell();
	printf("# disk_try: %d passed, %d failed\n", passed, failed);
	return failed ? 1 : 0;
}
