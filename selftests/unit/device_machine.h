/* SPDX-License-Identifier: GPL-2.0 */
/* The worker's PCI and virtio devices without a VM: what they need beside themselves, and a network of one frame. */
#ifndef UNIT_DEVICE_MACHINE_H
#define UNIT_DEVICE_MACHINE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "worker/config.h"
#include "worker/machine.h"
#include "worker/virtio/block.h"
#include "worker/virtio/console.h"
#include "worker/virtio/balloon.h"
#include "worker/virtio/disk.h"
#include "worker/virtio/net.h"
#include "worker/virtio/virtio.h"

static struct machine machine;
static struct console console;
static struct config config = { .memory = RAM, .name = "unit", .cpus = 1 };
static unsigned long messages, lines;

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

/* No disks that the kernel serves */
const struct block_place block_in_kernel = { .name = "kernel" };

enum husk_status block_kernel_open(struct block *b)
{
	(void)b;
	return HUSK_STATUS_FAIL;
}

/* Nor a back-end */
const struct block_place block_by_vhost_user = { .name = "vhost-user" };

enum husk_status block_vhost_user_open(struct block *b)
{
	return block_kernel_open(b);
}

const char *block_vhost_user_connect(struct block *b, int fd)
{
	(void)b;
	(void)fd;
	return "there is none";
}

void ram_release(const struct machine *m, void *start, size_t length)
{
	(void)m;
	madvise(start, length, MADV_DONTNEED);
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
	return pvio_map(&m->guest, gpa, length, true);
}

enum husk_status config_add_device(struct config *c, enum husk_status (*create)(struct machine *m, void *options),
				   void *options)
{
	c->device[c->devices++] = (struct device_config){ create, options };
	return create(&machine, options);
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
	wire.backend = (struct net_backend){ .ops = &wire_ops, .options = options, .loop = loop,
					     .features = NET_F_CSUM | NET_F_GUEST_CSUM | NET_F_GUEST_TSO4 };
	wire.length = 0;
	*b = &wire.backend;
	return HUSK_STATUS_OK;
}

enum husk_status net_open_passt(struct net_backend **b, const struct net_options *options, struct loop *loop)
{
	return net_open_tap(b, options, loop);
}

/* ---- a machine ---- */

/* But for its virtio devices */
static void begin_machine(uint8_t *ram)
{
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
}

static void destroy_machine(void)
{
	while (machine.virtio_count)
		virtio_destroy(machine.virtio[--machine.virtio_count]);
	chipset_fini(&machine);
	loop_fini(&machine.loop);
}

#endif
