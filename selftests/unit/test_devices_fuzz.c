// SPDX-License-Identifier: GPL-2.0
/*
 * The worker's PCI and virtio devices, without a VM, against the driver that does harm
 * (selftests/fuzz), under ASan and UBSan: seeds by the thousand, where a guest in the lab does
 * a few. A disk file and io_uring are real; the network gives back what it is sent.
 *
 * test_devices_fuzz [FIRST-SEED [COUNT]]
 */
#define FUZZ_ACCESS_H	/* ours are below */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define RAM		(48U << 20)
#include "device_machine.h"

#define OPS		2000
#define DISK		"/tmp/husk-devices-fuzz"

/* ---- the accesses of a guest ---- */

static void outb(uint16_t port, uint8_t v) { bus_write(&machine.ports, port, 1, v); }
static void outw(uint16_t port, uint16_t v) { bus_write(&machine.ports, port, 2, v); }
static void outl(uint16_t port, uint32_t v) { bus_write(&machine.ports, port, 4, v); }
static uint8_t inb(uint16_t port) { return bus_read(&machine.ports, port, 1); }
static uint32_t inl(uint16_t port) { return bus_read(&machine.ports, port, 4); }

static void store(uint32_t at, unsigned int width, uint32_t v)
{
	void *ram = machine_ram(&machine, at, width);

	if (ram)
		memcpy(ram, &v, width);
	else
		bus_write(&machine.memory, at, width, v);
}

static uint32_t load(uint32_t at, unsigned int width)
{
	const void *ram = machine_ram(&machine, at, width);
	uint32_t v = 0;

	if (!ram)
		return bus_read(&machine.memory, at, width);
	memcpy(&v, ram, width);
	return v;
}

static void write8(uint32_t at, uint8_t v) { store(at, 1, v); }
static void write16(uint32_t at, uint16_t v) { store(at, 2, v); }
static void write32(uint32_t at, uint32_t v) { store(at, 4, v); }
static uint16_t read16(uint32_t at) { return load(at, 2); }
static uint32_t read32(uint32_t at) { return load(at, 4); }

/* Time for the event loop, as a guest that waits gives it */
static void interrupts(void)
{
	pthread_mutex_unlock(&machine.lock);
	loop_round(&machine.loop);
	pthread_mutex_lock(&machine.lock);
}

#include "fuzz/random.c"
#include "fuzz/devices.c"

enum husk_status disk_open_qcow2(struct disk **disk, const struct disk_options *options, struct loop *loop)
{
	(void)disk;
	(void)options;
	(void)loop;
	return HUSK_STATUS_FAIL;
}

/* ---- a machine ---- */

static void make_machine(uint8_t *ram)
{
	static struct disk_options disk = { .path = DISK, .serial = "fuzz", .queues = 3 },
		readonly = { .path = DISK, .readonly = true, .queues = 1 };
	static struct net_options net = { .queues = 1 };
	enum husk_status status = HUSK_STATUS_OK;

	begin_machine(ram);
	disk.readonly = chance(20);
	status |= block_create(&machine, disk.readonly ? &readonly : &disk);
	status |= net_create(&machine, &net);
	status |= option_rng(&config, NULL);
	status |= option_balloon(&config, NULL);
	status |= option_console(&config, "virtio");
	if (status) {
		printf("not ok devices_fuzz_setup: no machine\n");
		exit(1);
	}
	pci_assign(&machine.chipset.pci);
}

/* What comes from outside, and what is asked from there */
static void outside(void)
{
	static char text[65536];

	switch (below(6)) {
	case 4:
		net_announce(&machine);
		break;
	case 0:
		if (machine.virtio_console)
			virtio_console_receive(machine.virtio_console, (const uint8_t *)"typed", 5);
		break;
	case 1:
		balloon_set(&machine, (uint64_t)below(RAM));
		break;
	case 2:
		machine_show(&machine, chance(50), text, chance(50) ? sizeof(text) : below(sizeof(text)));
		break;
	case 3:
		if (chance(5))
			chipset_reset(&machine);
		break;
	default:
		if (wire.backend.readable)
			wire.backend.readable(wire.backend.ctx);
	}
}

/* BARs, moved or not, and all that is between */
static void scribble(void)
{
	uint32_t at = chance(70) ? 0xc0000000 + below(0x10000) : value();

	if (machine_ram(&machine, at, 8))
		return;
	if (chance(50))
		bus_write(&machine.memory, at, 1U << below(4), (uint64_t)value() << 32 | value());
	else
		bus_read(&machine.memory, at, 1U << below(4));
}

static void run_seed(uint8_t *ram, unsigned long seed)
{
	fuzz_random.state = seed * 0x9e3779b97f4a7c15ULL + 1;
	fuzz_random.end = seed & 1;
	memset(ram + RING_BASE, 0, RING_SIZE);
	memset(devices, 0, sizeof(devices));
	count = 0;
	make_machine(ram);
	pthread_mutex_lock(&machine.lock);
	fuzz_find_devices();
	for (int i = 0; i < OPS; i++) {
		uint32_t what = below(100);

		if (what < 75)
			fuzz_virtio();
		else if (what < 85)
			fuzz_pci();
		else if (what < 93)
			scribble();
		else
			outside();
		if (chance(10))
			interrupts();
	}
	if (chance(50))
		chipset_reset(&machine);
	destroy_machine();
	pthread_mutex_unlock(&machine.lock);
}

int main(int argc, char **argv)
{
	unsigned long first = argc > 1 ? strtoul(argv[1], NULL, 0) : 1, seeds = argc > 2 ? strtoul(argv[2], NULL, 0) : 200;
	uint8_t *ram = aligned_alloc(4096, RAM);
	int fd = open(DISK, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), null = open("/dev/null", O_WRONLY);

	if (!ram || fd < 0 || ftruncate(fd, 4 << 20) < 0 || console_init(&console) < 0) {
		printf("skip devices_fuzz: no memory, or no file in /tmp\n");
		return 0;
	}
	close(fd);
	dup2(null, 2);		/* a line for each disk's first error; ASan's report goes to standard output */
	for (unsigned long i = first; i < first + seeds; i++) {
		if (argc > 3) {
			printf("# seed %lu\n", i);
			fflush(stdout);
		}
		run_seed(ram, i);
	}
	unlink(DISK);
	free(ram);
	printf("%s devices_fuzz%s\n", messages > seeds ? "ok" : "not ok", messages > seeds ? "" : ": hardly an interrupt");
	printf("# %lu seeds from %lu, %lu messages, %lu changes of lines\n", seeds, first, messages, lines);
	return messages <= seeds;
}

const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "log_path=stdout:detect_leaks=1";
}
