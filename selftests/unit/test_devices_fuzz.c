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

#include "worker/config.h"
#include "worker/machine.h"
#include "worker/virtio/block.h"
#include "worker/virtio/console.h"
#include "worker/virtio/balloon.h"
#include "worker/virtio/disk.h"
#include "worker/virtio/net.h"
#include "worker/virtio/virtio.h"

#define RAM		(48U << 20)
#define OPS		2000
#define DISK		"/tmp/husk-devices-fuzz"

static struct machine machine;
static struct console console;
static struct config config = { .memory = RAM, .name = "fuzz", .cpus = 1 };
static unsigned long messages, lines;

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

/* ---- what the worker has beside its devices ---- */

int husk_vm_irq_line(int vm, __u32 gsi, __u32 level)
{
	(void)vm;
	(void)level;
	lines++;
	return gsi < 24 ? 0 : -1;
}

int husk_vm_signal_msi(int vm, __u64 address, __u32 data)
{
	(void)vm;
	(void)address;
	(void)data;
	messages++;
	return 0;
}

long long machine_now_ms(void)
{
	return 1;	/* for ever within the time in which errors are not repeated */
}

void machine_end(struct machine *m, enum machine_end reason)
{
	(void)m;
	(void)reason;
}

uint8_t *machine_ram(const struct machine *m, uint64_t gpa, uint64_t length)
{
	return pvio_map(&m->guest, gpa, length);
}

enum husk_status config_add_device(struct config *c, enum husk_status (*create)(struct machine *m, void *options),
				   void *options)
{
	c->device[c->devices++] = (struct device_config){ create, options };
	return create(&machine, options);
}

enum husk_status disk_open_qcow2(struct disk **disk, const struct disk_options *options, struct loop *loop)
{
	(void)disk;
	(void)options;
	(void)loop;
	return HUSK_STATUS_FAIL;
}

/* ---- a network of one frame ---- */

static struct {
	struct net_backend backend;
	uint8_t frame[NET_FRAME_MAX];
	size_t length;
	bool full;
} wire;

static bool wire_send(struct net_backend *b, const struct iovec *iov, unsigned int count, size_t bytes)
{
	(void)b;
	wire.full = !wire.full;		/* each second time it has no room */
	if (wire.full)
		return false;
	wire.length = pvio_iov_from(iov, count, 0, wire.frame, bytes);
	return true;
}

static size_t wire_receive(struct net_backend *b, uint8_t *frame, size_t room)
{
	size_t n = wire.length < room ? wire.length : room;

	(void)b;
	memcpy(frame, wire.frame, n);
	wire.length = 0;
	return n;
}

static void wire_listen(struct net_backend *b, bool on)
{
	(void)b;
	(void)on;
}

static void wire_offload(struct net_backend *b, uint64_t features)
{
	(void)b;
	(void)features;
}

static void wire_close(struct net_backend *b)
{
	(void)b;
}

static const struct net_ops wire_ops = {
	.name = "wire", .send = wire_send, .receive = wire_receive, .listen = wire_listen, .offload = wire_offload,
	.close = wire_close,
};

enum husk_status net_open_tap(struct net_backend **b, const struct net_options *options, struct loop *loop)
{
	wire.backend = (struct net_backend){ .ops = &wire_ops, .options = options, .loop = loop };
	wire.length = 0;
	*b = &wire.backend;
	return HUSK_STATUS_OK;
}

enum husk_status net_open_passt(struct net_backend **b, const struct net_options *options, struct loop *loop)
{
	return net_open_tap(b, options, loop);
}

/* ---- a machine ---- */

static void make_machine(uint8_t *ram)
{
	static struct disk_options disk = { .path = DISK, .serial = "fuzz" }, readonly = { .path = DISK, .readonly = true };
	static struct net_options net;
	enum husk_status status = HUSK_STATUS_OK;

	memset(&machine, 0, sizeof(machine));
	config.devices = 0;
	machine.config = &config;
	machine.console = &console;
	machine.low = RAM;
	machine.ram = ram;
	machine.guest = (struct pvio_memory){ ram, RAM, RAM_HIGH_BASE, 0 };
	pthread_mutex_init(&machine.lock, NULL);
	loop_init(&machine.loop, &machine.lock);
	chipset_init(&machine);
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

static void destroy_machine(void)
{
	while (machine.virtio_count)
		virtio_destroy(machine.virtio[--machine.virtio_count]);
	chipset_fini(&machine);
	loop_fini(&machine.loop);
}

/* What comes from outside, and what is asked from there */
static void outside(void)
{
	static char text[65536];

	switch (below(5)) {
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
