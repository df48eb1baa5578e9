// SPDX-License-Identifier: GPL-2.0
/*
 * pvscsi_try FILE ROUNDS: the driver's side of a disk that the kernel serves as a pvSCSI adapter, without a guest:
 * what commands answer, how the rings stop and go on, and ROUNDS of rings full of nonsense. FILE has 16 MiB.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "disk_lib.h"

#define PAGE		4096U
#define ENTRIES		32		/* of a page of requests */
#define PAGES		2
#define STATE		0x1000
#define SENSE		0x2000
#define LIST		0x4000

enum { SG_LIST = 1, LONG_CDB = 2, TO_HOST = 8, TO_DEVICE = 16 };
enum { HOST_OK = 0, HOST_NO_TARGET = 0x11, HOST_OVERRUN = 0x12, HOST_BAD_PARAMETER = 0x1a, HOST_BAD_MESSAGE = 0x1d };

struct request {
	uint64_t context, data, bytes, sense;
	uint32_t sense_bytes, flags;
	uint8_t cdb[16], cdb_bytes, lun[8], tag, bus, target;
	uint8_t unused[60];
} __attribute__((packed));
_Static_assert(sizeof(struct request) == 128, "as the adapter has it");

struct completion {
	uint64_t context, bytes;
	uint32_t sense_bytes;
	uint16_t host, scsi;
	uint32_t reserved[2];
};
_Static_assert(sizeof(struct completion) == 32, "as the adapter has it");

struct element { uint64_t addr; uint32_t length, flags; };

/* Not one behind the other */
static const uint64_t pages[] = { STATE / PAGE, 0x12, 0x10, 0x20, 0x22 };

static uint32_t given, answered;

static uint32_t *state(unsigned int at) { return (uint32_t *)(ram + STATE + at); }

static struct request *request_at(uint32_t i)
{
	return (struct request *)(ram + pages[1 + i / ENTRIES % PAGES] * PAGE) + i % ENTRIES;
}

static struct completion *completion_at(uint32_t i)
{
	return (struct completion *)(ram + pages[1 + PAGES + i / 128 % PAGES] * PAGE) + i % 128;
}

static int start_with(struct husk_disk_start_pvscsi *arg)
{
	arg->size = sizeof(*arg);
	return ioctl(disk, HUSK_DISK_START_PVSCSI, arg) < 0 ? -errno : 0;
}

static struct husk_disk_start_pvscsi rings(void)
{
	return (struct husk_disk_start_pvscsi){
		.requests = PAGES, .completions = PAGES, .block = 512, .physical = 4096, .pages = (uintptr_t)pages,
	};
}

static int start(void)
{
	struct husk_disk_start_pvscsi arg = rings();

	return start_with(&arg);
}

/* From indices 0 */
static void restart(void)
{
	struct husk_disk_stop arg;

	stop(&arg);
	memset(ram + STATE, 0, PAGE);
	given = answered = broken = 0;
}

static void publish(const struct request *r)
{
	*request_at(given) = *r;
	__atomic_store_n(state(0), ++given, __ATOMIC_RELEASE);
	kick();
}

/* NULL: none comes */
static const struct completion *wait_completion(void)
{
	while (__atomic_load_n(state(12), __ATOMIC_ACQUIRE) == answered)
		if (wait_call() < 0)
			return NULL;
	return completion_at(answered++);
}

static struct request command(const uint8_t *cdb, uint32_t flags, uint64_t data, uint32_t bytes)
{
	struct request r = {
		.context = given + 1000, .data = data, .bytes = bytes, .sense = SENSE, .sense_bytes = 96, .flags = flags, .cdb_bytes = 16,
	};

	memcpy(r.cdb, cdb, 16);
	return r;
}

/* One after the other: host status << 32, SCSI status << 24 and what the sense says. -1: no answer */
static long run(const struct request *r)
{
	const struct completion *c;
	long sense = 0;

	memset(ram + SENSE, UNTOUCHED, 32);
	publish(r);
	c = wait_completion();
	if (!c || c->context != r->context)
		return -1;
	if (c->sense_bytes)
		sense = ram[SENSE + 2] << 16 | ram[SENSE + 12] << 8 | ram[SENSE + 13];
	return (long)c->host << 32 | c->scsi << 24 | sense;
}

static long run_cdb(uint32_t flags, uint64_t data, uint32_t bytes, const uint8_t *cdb)
{
	struct request r = command(cdb, flags, data, bytes);

	return run(&r);
}

#define RUN(flags, data, bytes, ...)	run_cdb(flags, data, bytes, (const uint8_t[16]){ __VA_ARGS__ })
#define HOST(status)	((long)(status) << 32)
#define CHECKED(sense)	(2L << 24 | (sense))

static void expect(const char *name, long got, long wanted)
{
	check(name, got == wanted, got);
}

static void transfers(void)
{
	struct element *list = (struct element *)(ram + LIST);

	fill(DATA, 65536, 1);
	expect("write10", RUN(TO_DEVICE, DATA, 65536, 0x2a, 0, 0, 0, 0, 8, 0, 0, 128), 0);
	check("written", same_as_file(DATA, 4096, 65536), 0);
	memset(ram + DATA, 0, 65536);
	expect("read16", RUN(TO_HOST, DATA, 65536, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 128), 0);
	check("read_data", same_as_file(DATA, 4096, 65536) && completion_at(answered - 1)->bytes == 65536, 0);
	list[0] = (struct element){ DATA + 1003, 1024, 0 };	/* copied, since no device reaches it as it lies */
	list[1] = (struct element){ DATA + 8192, 3072, 0 };
	memset(ram + DATA, UNTOUCHED, 16384);
	expect("read_list", RUN(TO_HOST | SG_LIST, LIST, 4096, 0x28, 0, 0, 0, 0, 8, 0, 0, 8), 0);
	check("list_data", same_as_file(DATA + 1003, 4096, 1024) && same_as_file(DATA + 8192, 5120, 3072) &&
	      ram[DATA + 1002] == UNTOUCHED && ram[DATA + 8192 + 3072] == UNTOUCHED, ram[DATA + 1003]);
	expect("write_fua", RUN(TO_DEVICE, DATA, 512, 0x2a, 8, 0, 0, 0, 0, 0, 0, 1), 0);
	check("fua_written", same_as_file(DATA, 0, 512), 0);
	expect("write_rom", RUN(TO_DEVICE, ROM, 512, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1), 0);
	expect("sync", RUN(0, 0, 0, 0x35), 0);
	expect("last", RUN(TO_HOST, DATA, 512, 0x28, 0, 0, 0, 0x7f, 0xff, 0, 0, 1), 0);
	expect("beyond", RUN(TO_HOST, DATA, 1024, 0x28, 0, 0, 0, 0x7f, 0xff, 0, 0, 2), CHECKED(0x052100));
}

static void ranges(void)
{
	static const uint8_t unmap[24] = { 0, 22, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 8 };
	static uint8_t zero[4096];

	memset(ram + DATA, 0, 4096);
	expect("write_same", RUN(TO_DEVICE, DATA, 512, 0x41, 0, 0, 0, 0, 8, 0, 0, 8), 0);
	memset(ram + DATA, 1, 4096);
	expect("zero_read", RUN(TO_HOST, DATA, 4096, 0x28, 0, 0, 0, 0, 8, 0, 0, 8), 0);
	check("zeroes", !memcmp(ram + DATA, zero, 4096), ram[DATA]);
	expect("write_same_unmap", RUN(0, 0, 0, 0x93, 9, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 8), 0);
	memcpy(ram + DATA, unmap, sizeof(unmap));
	expect("unmap", RUN(TO_DEVICE, DATA, 24, 0x42, 0, 0, 0, 0, 0, 0, 0, 24), 0);
	expect("unmap_short", RUN(TO_DEVICE, DATA, 16, 0x42, 0, 0, 0, 0, 0, 0, 0, 24), CHECKED(0x051a00));
	expect("same_other", RUN(TO_DEVICE, DATA, 512, 0x41, 0, 0, 0, 0, 8, 0, 0, 8), CHECKED(0x052600));
}

static void answers(void)
{
	memset(ram + DATA, UNTOUCHED, 256);
	expect("inquiry", RUN(TO_HOST, DATA, 96, 0x12, 0, 0, 0, 96), 0);
	check("inquiry_data", completion_at(answered - 1)->bytes == 36 && !memcmp(ram + DATA + 8, "HUSK", 4) &&
	      ram[DATA + 36] == UNTOUCHED, completion_at(answered - 1)->bytes);
	expect("serial", RUN(TO_HOST, DATA, 64, 0x12, 1, 0x80, 0, 64), 0);
	check("serial_data", !memcmp(ram + DATA, "\0\200\0\6SERIAL", 10), ram[DATA + 3]);
	expect("capacity", RUN(TO_HOST, DATA, 32, 0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32), 0);
	check("capacity_data", !memcmp(ram + DATA, "\0\0\0\0\0\0\177\377\0\0\2\0\0\3\200", 15), ram[DATA + 6]);
	expect("opcode", RUN(0, 0, 0, 0xff), CHECKED(0x052000));
}

static void refusals(void)
{
	static const uint8_t ready[16], read1[16] = { 0x28, [8] = 1 }, inquiry[16] = { 0x12, [4] = 96 };
	struct request r = command(ready, 0, 0, 0);

	r.target = 1;
	expect("target", run(&r), HOST(HOST_NO_TARGET));
	r = command(ready, 0, 0, 0);
	r.lun[1] = 1;
	expect("lun", run(&r), HOST(HOST_NO_TARGET));
	r = command(ready, LONG_CDB, 0, 0);
	expect("long_cdb", run(&r), HOST(HOST_BAD_PARAMETER));
	r = command(ready, 0, 0, 0);
	r.cdb_bytes = 17;
	expect("cdb_bytes", run(&r), HOST(HOST_BAD_PARAMETER));
	r = command(read1, TO_HOST, DATA, 512);
	r.cdb_bytes = 8;	/* so that the length is not there, and 0 */
	expect("cdb_part", run(&r), 0);
	expect("overrun", RUN(TO_HOST, DATA, 511, 0x28, 0, 0, 0, 0, 0, 0, 0, 1), HOST(HOST_OVERRUN));
	expect("direction", run_cdb(TO_DEVICE, DATA, 512, read1), HOST(HOST_BAD_MESSAGE));
	expect("direction_answer", run_cdb(TO_DEVICE, DATA, 96, inquiry), HOST(HOST_BAD_MESSAGE));
	expect("rom", run_cdb(TO_HOST, ROM, 512, read1), HOST(HOST_BAD_PARAMETER));
	expect("nowhere", run_cdb(TO_HOST, 1ULL << 40, 512, read1), HOST(HOST_BAD_PARAMETER));
	expect("list_nowhere", run_cdb(TO_HOST | SG_LIST, 1ULL << 40, 512, read1), HOST(HOST_BAD_PARAMETER));
	r = command((const uint8_t[16]){ 0xff }, 0, 0, 0);
	r.sense = ROM;
	expect("sense_rom", run(&r), CHECKED(0));
	r = command((const uint8_t[16]){ 0xff }, 0, 0, 0);
	r.sense_bytes = 3;
	check("sense_part", run(&r) >> 24 == 2 && completion_at(answered - 1)->sense_bytes == 3 && ram[SENSE + 2] == 5 &&
	      ram[SENSE + 3] == UNTOUCHED, ram[SENSE + 3]);
}

/* Errors of the file: as long as it is shorter than the disk */
static void file_errors(void)
{
	expect("before", RUN(TO_HOST, DATA, 4096, 0x28, 0, 0, 0, 0x40, 0, 0, 0, 8), 0);
	check("cut", !ftruncate(file, 4U << 20), errno);
	expect("cut_read", RUN(TO_HOST, DATA, 4096, 0x28, 0, 0, 0, 0x40, 0, 0, 0, 8), CHECKED(0x031100));
	check("whole", !ftruncate(file, DISK), errno);
	expect("after", RUN(TO_HOST, DATA, 4096, 0x28, 0, 0, 0, 0x40, 0, 0, 0, 8), 0);
}

static void start_errors(void)
{
	static const uint64_t beyond[] = { 1, 2, RAM / PAGE }, far[] = { 1ULL << 52, 2, 3 }, rom[] = { ROM / PAGE, 2, 3 };
	static const struct { const char *name; unsigned int at; uint32_t value; int error; } bad[] = {
		{ "index", offsetof(struct husk_disk_start_pvscsi, index), 1, -EINVAL },
		{ "requests", offsetof(struct husk_disk_start_pvscsi, requests), 0, -EINVAL },
		{ "three", offsetof(struct husk_disk_start_pvscsi, requests), 3, -EINVAL },
		{ "many", offsetof(struct husk_disk_start_pvscsi, requests), 64, -EINVAL },
		{ "completions", offsetof(struct husk_disk_start_pvscsi, completions), 0, -EINVAL },
		{ "block", offsetof(struct husk_disk_start_pvscsi, block), 256, -EINVAL },
		{ "blocks", offsetof(struct husk_disk_start_pvscsi, block), 1536, -EINVAL },
		{ "physical", offsetof(struct husk_disk_start_pvscsi, physical), 0, -EINVAL },
	};
	struct husk_disk_start_pvscsi arg;
	char name[32];

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		arg = rings();
		memcpy((char *)&arg + bad[i].at, &bad[i].value, 4);
		snprintf(name, sizeof(name), "start_%s", bad[i].name);
		expect(name, start_with(&arg), bad[i].error);
	}
	arg = rings();
	arg.requests = arg.completions = 1;
	arg.pages = (uintptr_t)beyond;
	expect("start_beyond", start_with(&arg), -EFAULT);
	arg.pages = (uintptr_t)far;
	expect("start_far", start_with(&arg), -EFAULT);
	arg.pages = (uintptr_t)rom;
	expect("start_rom", start_with(&arg), -EFAULT);
	arg.pages = 1;
	expect("start_pages", start_with(&arg), -EFAULT);
	expect("start", start(), 0);
	expect("start_busy", start(), -EBUSY);
	check("sizes", *state(8) == 6 && *state(20) == 8, *state(20));
}

/* Many at once, and a stop while they are in flight: all that was taken has come back then */
static void stop_in_flight(void)
{
	static const uint8_t cdbs[][16] = { { 0x28, [8] = 8 }, { 0x2a, [8] = 8 }, { 0x35 }, { 0x12, [4] = 96 } };
	struct husk_disk_stop arg;
	pthread_t thread;
	int bad = 0;

	for (int round = 0; round < 20; round++) {
		pthread_create(&thread, NULL, serve, NULL);
		for (int i = 0; i < 48; i++) {
			struct request r = command(cdbs[i % 4], i % 4 == 1 ? TO_DEVICE : TO_HOST, DATA + 4096 * i, 4096);

			r.cdb[5] = 8 * (i % 32);
			publish(&r);
		}
		usleep(round * 50);
		bad += stop(&arg) != 0;
		pthread_join(thread, NULL);
		bad += *state(4) != *state(12) || given - *state(4) > 48;
		/* what was not taken is forgotten */
		given = answered = *state(12);
		*state(0) = *state(4) = given;
		bad += start() != 0;
	}
	check("stop_in_flight", !bad, bad);
}

static uint64_t random_address(uint32_t *seed)
{
	static const uint64_t bases[] = { 0, STATE, LIST, DATA, DATA + 0x10000, RAM - 4096, ROM, ~0ULL - 4096, 1ULL << 40 };
	uint32_t r = next_random(seed);

	return bases[r % 9] + (r >> 4) % 4096;
}

static void nonsense(uint32_t seed)
{
	static const uint8_t codes[] = { 0x28, 0x2a, 0x88, 0x8a, 0x08, 0x35, 0x42, 0x41, 0x93, 0x12, 0x1a, 0x9e, 0xa0, 0xff };

	for (unsigned int i = 0; i < 256; i++)
		((struct element *)(ram + LIST))[i] = (struct element){
			random_address(&seed), next_random(&seed) % 3000, !(next_random(&seed) % 64) };
	for (unsigned int i = 0; i < PAGES * ENTRIES; i++) {
		struct request r = command((const uint8_t[16]){ 0 }, next_random(&seed) % 32, random_address(&seed), next_random(&seed) % 9000);

		for (unsigned int j = 1; j < 16; j++)
			r.cdb[j] = next_random(&seed) % 4 ? 0 : next_random(&seed) % 16;
		r.cdb[0] = codes[next_random(&seed) % sizeof(codes)];
		r.sense = random_address(&seed);
		r.sense_bytes = next_random(&seed) % 64;
		r.target = !(next_random(&seed) % 16);
		r.cdb_bytes = next_random(&seed) % 18;
		*request_at(i) = r;
	}
	__atomic_store_n(state(0), *state(4) + next_random(&seed) % (PAGES * ENTRIES + (seed % 8 == 0)), __ATOMIC_RELEASE);
	*state(seed % 32) = next_random(&seed);
}

static int start_again(void)
{
	restart();
	return start();
}

static int written_to(unsigned int page)
{
	return page == STATE / PAGE || page == SENSE / PAGE || page == pages[1 + PAGES] || page == (DATA + 0x20000) / PAGE ||
	       (page >= DATA / PAGE && page < DATA / PAGE + 16);
}

/* Pages that the kernel writes are in the log, others are not. */
static void logged(void)
{
	struct husk_disk_stop arg;
	pthread_t thread;

	log_written(1);
	expect("log_start", start_again(), 0);
	pthread_create(&thread, NULL, serve, NULL);
	expect("log_read", RUN(TO_HOST, DATA, 65536, 0x28, 0, 0, 0, 0, 0, 0, 0, 128), 0);
	expect("log_answer", RUN(TO_HOST, DATA + 0x20000, 36, 0x12, 0, 0, 0, 36), 0);
	expect("log_sense", RUN(0, 0, 0, 0xff), CHECKED(0x052000));
	stop(&arg);
	pthread_join(thread, NULL);
	check_log(written_to);
	log_written(0);
}

static void readonly(const char *path)
{
	struct husk_create_disk arg = {
		.size = sizeof(arg), .flags = HUSK_DISK_READONLY, .queues = 1, .bytes = DISK, .fd = open(path, O_RDONLY | O_DIRECT),
	};
	struct husk_disk_call how = { .size = sizeof(how), .flags = HUSK_DISK_CALL_EVENTFD, .fd = call };
	struct husk_disk_stop stopped;
	pthread_t thread;
	int other = disk;

	restart();
	disk = ioctl(vm, HUSK_VM_CREATE_DISK, &arg);
	check("ro", disk >= 0 && !ioctl(disk, HUSK_DISK_SET_CALL, &how) && !start(), errno);
	pthread_create(&thread, NULL, serve, NULL);
	expect("ro_write", RUN(TO_DEVICE, DATA, 512, 0x2a, 0, 0, 0, 0, 0, 0, 0, 1), CHECKED(0x072700));
	expect("ro_read", RUN(TO_HOST, DATA, 512, 0x28, 0, 0, 0, 0, 0, 0, 0, 1), 0);
	stop(&stopped);
	pthread_join(thread, NULL);
	close(disk);
	close(arg.fd);
	disk = other;
}

int main(int argc, char **argv)
{
	unsigned int rounds;
	pthread_t thread;

	if (argc < 3)
		return 2;
	try_name = "pvscsi_try";
	rounds = atoi(argv[2]);
	check("set_up", !set_up(argv[1], "pvscsi"), errno);
	start_errors();
	pthread_create(&thread, NULL, serve, NULL);
	transfers();
	ranges();
	answers();
	refusals();
	file_errors();
	restart();
	pthread_join(thread, NULL);
	expect("again", start(), 0);
	stop_in_flight();
	fuzz(rounds, start_again, nonsense, rounds, rounds);
	logged();
	readonly(argv[1]);
	printf("# pvscsi_try: %d passed, %d failed\n", passed, failed);
	return failed ? 1 : 0;
}
