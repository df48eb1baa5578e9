// SPDX-License-Identifier: GPL-2.0
/* A disk that the kernel serves, without a guest. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "disk_lib.h"

int vm, disk, call, file, passed, failed;
unsigned int broken;
uint8_t *ram;
const char *try_name = "";

int set_up(const char *path, const char *name)
{
	struct husk_create_vm create = { .size = sizeof(create) };
	struct husk_memory memory = { .size = sizeof(memory), .length = RAM };
	struct husk_memory rom = { .size = sizeof(rom), .flags = HUSK_MEM_READONLY, .slot = 1, .gpa = ROM, .length = 65536 };
	struct husk_create_disk arg = { .size = sizeof(arg), .queues = 1, .bytes = DISK, .serial = "SERIAL" };
	struct husk_disk_call how = { .size = sizeof(how), .flags = HUSK_DISK_CALL_EVENTFD };
	int dev = open("/dev/husk", O_RDWR | O_CLOEXEC);

	strncpy(create.name, name, sizeof(create.name) - 1);
	file = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ram = mmap(NULL, RAM + 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	vm = ioctl(dev, HUSK_CREATE_VM, &create);
	memory.hva = (uintptr_t)ram;
	rom.hva = (uintptr_t)ram + RAM;
	arg.fd = file;
	how.fd = call;
	if (vm < 0 || ioctl(vm, HUSK_VM_SET_MEMORY, &memory) < 0 || ioctl(vm, HUSK_VM_SET_MEMORY, &rom) < 0)
		return -1;
	disk = ioctl(vm, HUSK_VM_CREATE_DISK, &arg);
	return disk < 0 || ioctl(disk, HUSK_DISK_SET_CALL, &how) < 0 ? -1 : 0;
}

void check(const char *name, int good, long value)
{
	good ? passed++ : failed++;
	if (good)
		printf("ok %s_%s\n", try_name, name);
	else
		printf("not ok %s_%s: %ld, 0x%lx\n", try_name, name, value, value);
	fflush(stdout);
}

void *serve(void *unused)
{
	struct husk_disk_run arg = { .size = sizeof(arg) };
	int ret;

	do {
		ret = ioctl(disk, HUSK_DISK_RUN, &arg);
		if (!ret && arg.error && getenv("VERBOSE"))
			printf("# error %d type %u offset %llu length %llu\n", arg.error, arg.type, arg.offset, arg.length);
		if (!ret)
			__atomic_fetch_or(&broken, arg.broken, __ATOMIC_SEQ_CST);
	} while ((!ret && (arg.broken || arg.error)) || (ret < 0 && errno == EINTR));
	return (void *)(intptr_t)(ret < 0 ? -errno : 0);
}

void kick(void)
{
	struct husk_disk_kick arg = { .size = sizeof(arg) };

	ioctl(disk, HUSK_DISK_KICK, &arg);
}

int stop(struct husk_disk_stop *arg)
{
	*arg = (struct husk_disk_stop){ .size = sizeof(*arg) };
	return ioctl(disk, HUSK_DISK_STOP, arg) < 0 ? -errno : 0;
}

int wait_call(void)
{
	struct pollfd wait = { call, POLLIN, 0 };
	uint64_t count;

	if (poll(&wait, 1, 3000) < 1)
		return -1;
	return read(call, &count, sizeof(count)) < 0 && errno != EAGAIN ? -1 : 0;
}

void fill(uint32_t at, uint32_t length, unsigned int seed)
{
	for (uint32_t i = 0; i < length; i++)
		ram[at + i] = (i * 7 + seed) ^ i >> 8;
}

int same_as_file(uint32_t at, uint64_t offset, uint32_t length)
{
	void *buffer = NULL;
	int good;

	if (posix_memalign(&buffer, 4096, length) || pread(file, buffer, length, offset) != length)
		return 0;
	good = !memcmp(buffer, ram + at, length);
	free(buffer);
	return good;
}

void log_written(int on)
{
	struct husk_memory memory = {
		.size = sizeof(memory), .flags = on ? HUSK_MEM_LOG_DIRTY : 0, .length = RAM, .hva = (uintptr_t)ram,
	};

	check(on ? "log" : "log_off", !ioctl(vm, HUSK_VM_SET_MEMORY, &memory), errno);
}

void check_log(int (*wanted)(unsigned int page))
{
	uint64_t bitmap[RAM / 4096 / 64];
	struct husk_harvest harvest = { .size = sizeof(harvest), .pages = RAM / 4096, .bitmap = (uintptr_t)bitmap };
	unsigned int wrong = 0, all = 0;

	check("log_harvest", !ioctl(vm, HUSK_VM_HARVEST, &harvest), errno);
	for (unsigned int page = 0; page < RAM / 4096; page++) {
		wrong += !wanted(page) != !(bitmap[page / 64] >> page % 64 & 1);
		all += !!wanted(page);
	}
	check("log_pages", !wrong && harvest.dirty == all, wrong);
}

uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1103515245 + 12345;
	return *seed >> 8;
}

void fuzz(unsigned int rounds, int (*start)(void), void (*nonsense)(uint32_t seed), unsigned int errors_min, unsigned int reads_min)
{
	struct husk_disk_stats stats = { .size = sizeof(stats) };
	unsigned int times_broken = 0, bad = 0;
	struct husk_disk_stop arg;
	pthread_t thread;
	void *end;

	for (unsigned int i = 0; i < rounds; i++) {
		bad += start() != 0;
		pthread_create(&thread, NULL, serve, NULL);
		for (unsigned int j = 0; j < 8; j++) {
			nonsense(i * 8 + j);
			kick();
			usleep(500);
		}
		bad += stop(&arg) != 0;
		pthread_join(thread, &end);
		bad += end != NULL;
		times_broken += broken;
	}
	ioctl(disk, HUSK_DISK_GET_STATS, &stats);
	check("fuzz", !bad && !stats.in_flight, bad);
	check("fuzz_broken", times_broken > 0, times_broken);
	check("fuzz_served", stats.errors > errors_min && stats.reads > reads_min, stats.errors);
}
