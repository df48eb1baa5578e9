// SPDX-License-Identifier: GPL-2.0
/*
 * Doorbells: a guest's write that signals an eventfd for which nobody waits, or (husk)
 * wakes a disk's thread that is awake; alone, and with many others around.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bench.h"

#define BLOCK_DEVICE	"/dev/nullb0"	/* any will do: nothing is read */

struct form {
	const char *name;
	enum bench_class class;
	u64 addr;
	u32 width, flags;
	u64 data;
};

static const struct form forms[] = {
	{ "bell_pio", BENCH_bell_pio, PORT_BELL, 2, HUSK_IOEVENTFD_PIO, 0 },
	{ "bell_mmio", BENCH_bell_mmio, BELL_GPA, 2, HUSK_IOEVENTFD_MATCH, 1 },
	{ "bell_notify", BENCH_bell_notify, BELL_GPA, 0, 0, 0 },
};

struct bells {
	const struct form *form;
	u32 count;
	bool direct;
};

static int event = -1, disk = -1;

static void ring_disk(struct vmm *vm)
{
	struct husk_create_disk arg = { .size = sizeof(arg), .queues = 1, .bytes = 1 << 20, .flags = HUSK_DISK_READONLY };

	arg.fd = open(BLOCK_DEVICE, O_RDONLY | O_DIRECT);
	disk = ioctl(vm->fd, HUSK_VM_CREATE_DISK, &arg);
	if (disk < 0)
		bench_die("disk", errno);
	close(arg.fd);
}

static void hang(struct vmm *vm, const void *arg)
{
	const struct bells *bells = arg;
	const struct form *f = bells->form;
	u32 direct = bells->direct ? HUSK_IOEVENTFD_DIRECT : 0;

	if (bells->direct)
		ring_disk(vm);
	for (u32 i = 0; i < bells->count; i++) {
		int err = bench_backend->ioeventfd(vm, bells->direct ? disk : event, f->addr + 4 * i, f->width, f->data, f->flags | direct);

		if (err)
			bench_die("doorbell", -err);
	}
}

static void measure(const char *label, u64 empty, const struct bells *bells)
{
	u64 value = bench_measure(bells->form->class, hang, bells);

	printf("bench %s %s%s_%u %llu\n", label, bells->form->name, bells->direct ? "_direct" : "", bells->count,
	       (unsigned long long)(value - empty));
	fflush(stdout);
	if (bells->direct)
		close(disk);
}

void bench_bells(const char *label, u64 empty)
{
	static const u32 counts[] = { 1, 64, 512 };
	bool direct = bench_backend == &vmm_husk && !access(BLOCK_DEVICE, R_OK);

	event = eventfd(0, EFD_NONBLOCK);
	for (u32 form = 0; form < sizeof(forms) / sizeof(forms[0]); form++) {
		for (u32 i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
			measure(label, empty, &(struct bells){ &forms[form], counts[i], false });
		if (direct)
			measure(label, empty, &(struct bells){ &forms[form], 1, true });
	}
	close(event);
}
