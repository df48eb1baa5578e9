// SPDX-License-Identifier: GPL-2.0
/*
 * inject: let each allocation of a VM's life fail, one at a time. The life:
 * create, CPUID, memory, vCPU, both mappings, state, a run to a port access, an
 * access to memory that is not there yet, harvest of its log, deletion of a slot, close. With
 * /proc/self/fail-nth the kernel fails the n-th allocation of this thread; n grows
 * until a whole life needs no more than that. Needs a kernel with fault injection.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "uapi/husk.h"

#define RAM_SIZE	(4u << 20)
#define LIMIT		4000	/* allocations in a life: far fewer */

/* real mode at 0:1000h: touch 64 KiB of memory, then OUT */
static const unsigned char guest[] = {
	0xb8, 0x00, 0x80,		/* mov $0x8000, %ax */
	0x8e, 0xd8,			/* mov %ax, %ds */
	0xa2, 0x00, 0x00,		/* mov %al, 0x0 */
	0xe6, 0x80,			/* out %al, $0x80 */
	0xeb, 0xfe,			/* jmp . */
};

static int fail_nth = -1;
static unsigned char *ram;
static char buffer[8192];	/* a state record, never on a page that is not there */

/* What failed, or NULL */
static const char *set_registers(int vcpu)
{
	struct husk_state_record *record = (void *)buffer;
	struct husk_state state = {
		.size = sizeof(state), .classes = 1ULL << HUSK_STATE_SYSTEM | 1ULL << HUSK_STATE_GENERAL,
		.length = sizeof(buffer), .buffer = (unsigned long)buffer,
	};
	struct husk_general *regs;
	struct husk_system *sys;

	if (ioctl(vcpu, HUSK_VCPU_GET_STATE, &state))
		return "GET_STATE";
	regs = (void *)(record + 1);
	sys = (void *)(buffer + 2 * sizeof(*record) + sizeof(*regs));
	regs->rip = 0x1000;
	sys->cs.base = 0;
	sys->cs.selector = 0;
	return ioctl(vcpu, HUSK_VCPU_SET_STATE, &state) ? "SET_STATE" : NULL;
}

static const char *run(int vcpu)
{
	struct husk_run *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	void *stats = mmap(NULL, 4096, PROT_READ, MAP_SHARED, vcpu, 4096);
	const char *what = NULL;

	if (page == MAP_FAILED || stats == MAP_FAILED)
		what = "mmap";
	if (!what)
		what = set_registers(vcpu);
	/* A table that can't be had is said as an unhandled exit; the VM may be run again. */
	while (!what && ioctl(vcpu, HUSK_VCPU_RUN, 0))
		if (errno != EINTR)
			what = "RUN";
	if (!what && page->exit != HUSK_EXIT_PIO)
		what = "exit";
	/* munmap() allocates too; a mapping that stays holds the VM */
	while (stats != MAP_FAILED && munmap(stats, 4096) && errno == ENOMEM)
		;
	while (page != MAP_FAILED && munmap(page, 4096) && errno == ENOMEM)
		;
	return what;
}

static const char *vm_life(int vm)
{
	struct husk_memory memory = {
		.size = sizeof(memory), .flags = HUSK_MEM_LOG_DIRTY, .length = RAM_SIZE, .hva = (unsigned long)ram,
	};
	struct husk_harvest harvest = {
		.size = sizeof(harvest), .pages = RAM_SIZE / 4096, .bitmap = (unsigned long)buffer,
	};
	struct husk_create_vcpu create = { .size = sizeof(create) };
	const char *what;
	int vcpu;

	if (ioctl(vm, HUSK_VM_SET_MEMORY, &memory))
		return "SET_MEMORY";
	vcpu = ioctl(vm, HUSK_VM_CREATE_VCPU, &create);
	if (vcpu < 0)
		return "CREATE_VCPU";
	what = run(vcpu);
	if (!what && (ioctl(vm, HUSK_VM_HARVEST, &harvest) || !harvest.dirty))
		what = "harvest";
	memory.length = 0;
	if (!what && ioctl(vm, HUSK_VM_SET_MEMORY, &memory))
		what = "delete";
	close(vcpu);
	return what;
}

static const char *life(void)
{
	struct husk_create_vm create = { .size = sizeof(create), .name = "inject" };
	const char *what;
	int dev, vm;

	dev = open("/dev/husk", O_RDWR | O_CLOEXEC);
	if (dev < 0)
		return "open";
	vm = ioctl(dev, HUSK_CREATE_VM, &create);
	what = vm < 0 ? "CREATE_VM" : vm_life(vm);
	if (vm >= 0)
		close(vm);
	close(dev);
	return what;
}

/* How many allocations are left before one fails; 0: it has failed */
static int nth_left(void)
{
	char text[16] = "";

	return pread(fail_nth, text, sizeof(text) - 1, 0) > 0 ? atoi(text) : -1;
}

static int nth_set(int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", n);

	return pwrite(fail_nth, text, len, 0) == len ? 0 : -1;
}

int main(void)
{
	int n, injected = 0, refused = 0;
	const char *what;

	fail_nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (fail_nth < 0) {
		printf("skip inject: this kernel has no fault injection\n");
		return 0;
	}
	ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (ram == MAP_FAILED || mlockall(MCL_CURRENT))
		return 1;
	memcpy(ram + 0x1000, guest, sizeof(guest));
	setvbuf(stdout, NULL, _IOLBF, 4096);

	what = life();
	if (what) {
		printf("not ok inject: %s fails without a fault: %s\n", what, strerror(errno));
		return 1;
	}
	for (n = 1; n < LIMIT; n++) {
		int left;

		if (nth_set(n))
			break;
		what = life();
		left = nth_left();
		nth_set(0);
		injected += !left;
		refused += what != NULL;
		if (what && left) {
			printf("not ok inject: %s fails at %d, where nothing was injected: %s\n", what, n, strerror(errno));
			return 1;
		}
		if (left)
			break;
	}
	printf("# %d allocations failed one at a time, %d lives were refused\n", injected, refused);
	what = life();
	if (what)
		printf("not ok inject: %s fails afterwards: %s\n", what, strerror(errno));
	else if (n == LIMIT || injected < 20 || refused < 10)
		printf("not ok inject: %d injected, %d refused\n", injected, refused);
	else
		printf("ok inject\n");
	return 0;
}
