// SPDX-License-Identifier: GPL-2.0
/*
 * hold NAME [stubborn|fast|device|halt|answer|long|probe]: a VM for tests of control and tracing. Its guest runs
 * CPUID and an OUT to port 80h for ever, about a thousand times a second, a fast one
 * as often as it can. Ends when asked to stop, killed or crashed; a stubborn one
 * keeps the VM's fds instead. Of a button and a reset it says a line. One with a device
 * drives those of policy_device.bpf.c and policy_service.bpf.c, and reads memory that is
 * not there. One that halts has no interrupts that would wake it. An answer is 3ch, for each
 * exit that a program leaves to the worker. One that probes reads and writes an MSR, asks
 * CPUID, and tells ports what it got; of a #GP it tells, too, and goes on.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <fcntl.h>
#include <unistd.h>

#include "uapi/husk.h"

#define BIOS		0xffff0000u	/* 64 KiB below 4 GiB, with the reset vector F000:FFF0 */
#define BIOS_SIZE	0x10000u
#define BIOS_LOW	0xf0000u	/* where a PC has it, too */

static const unsigned char guest[] = {
	0x0f, 0xa2,	/* again: cpuid */
	0xe6, 0x80,	/* out 80h, al */
	0xfb,		/* sti: Bochs takes no interrupts of the host's else (SDM 3C 26.2 has them taken) */
	0xeb, 0xf9,	/* jmp again */
};

/* At the bottom of the BIOS, for a vCPU that comes from the reset vector */
static const unsigned char to_driver[] = { 0xe9, 0x0d, 0x00 };
static unsigned char driver[] = {
	0xba, 0xa0, 0x02,	/* mov dx, 2a0h */
	0xb0, 0x01, 0xee,	/* mov al, 1; out dx, al: the register that counts */
	0x42, 0xec,		/* inc dx; in al, dx */
	0xe6, 0x80,		/* out 80h, al */
	0x4a, 0xb0, 0x07, 0xee,	/* dec dx; mov al, 7; out dx, al: the doorbell */
	0x42, 0xb0, 0x2a, 0xee,	/* inc dx; mov al, 2ah; out dx, al */
	0x66, 0xb8, 0x01, 0x00, 0x55, 0x48,	/* mov eax, 48550001h */
	0x66, 0x31, 0xdb,	/* xor ebx, ebx */
	0x0f, 0x01, 0xc1,	/* vmcall */
	0xe6, 0x81,		/* out 81h, al */
	0xb8, 0x00, 0xd0, 0x8e, 0xd8,	/* mov ax, d000h; mov ds, ax */
	0xa0, 0x10, 0x00,	/* mov al, [10h] */
	0xe6, 0x82,		/* out 82h, al */
	0xeb, 0xd4,		/* again */
};
static const unsigned char halter[] = {
	0xf4,		/* again: hlt */
	0xe6, 0x83,	/* out 83h, al */
	0xeb, 0xfb,	/* jmp again */
};
#define DRIVER_VMCALL	29	/* its last byte; d9h is vmmcall's */

/* In the BIOS that it sees twice: CS keeps its base of FFFF0000 until the first IRET, then it is that of F000 */
static const unsigned char prober[] = {
	0xb8, 0x00, 0xf0, 0x8e, 0xd0,	/* mov ax, f000h; mov ss, ax */
	0xbc, 0x00, 0xf0,		/* mov sp, f000h */
	0x2e, 0x66, 0x0f, 0x01, 0x1e, 0x50, 0x00,	/* o32 lidt cs:[prober_idt] */
	0x66, 0xb9, 0x00, 0x02, 0x00, 0x00,	/* again: mov ecx, 200h: the base of an MTRR */
	0x0f, 0x32, 0xe6, 0x84,		/* rdmsr; out 84h, al */
	0x66, 0x31, 0xd2,		/* xor edx, edx */
	0x34, 0x06, 0x0f, 0x30,		/* xor al, 6; wrmsr: types 0 and 6 in turn */
	0x66, 0xb8, 0x01, 0x00, 0x00, 0x00,	/* mov eax, 1 */
	0x0f, 0xa2, 0xe6, 0x85,		/* cpuid; out 85h, al */
	0x66, 0xb8, 0x0d, 0x00, 0x00, 0x00,	/* mov eax, 0dh */
	0x66, 0xb9, 0x01, 0x00, 0x00, 0x00,	/* mov ecx, 1 */
	0x0f, 0xa2, 0xe6, 0x87,		/* cpuid; out 87h, al */
	0xeb, 0xd3,			/* jmp again */
};
static const unsigned char prober_gp[] = {
	0xb0, 0xee, 0xe6, 0x86,		/* mov al, eeh; out 86h, al */
	0x58, 0x83, 0xc0, 0x02, 0x50,	/* pop ax; add ax, 2; push ax: all that faults here has two bytes */
	0xcf,				/* iret */
};
static const unsigned char prober_idt[] = { 0xff, 0x03, 0x00, 0x01, 0x0f, 0x00 };	/* 400h bytes at F0100 */
static const unsigned char prober_vector[] = { 0x40, 0x00, 0x00, 0xf0 };		/* F000:0040 */

static int fail(const char *what)
{
	fprintf(stderr, "hold: %s: %s\n", what, strerror(errno));
	return 1;
}

static void put_probe(char *ram)
{
	memcpy(ram, prober, sizeof(prober));
	memcpy(ram + 0x40, prober_gp, sizeof(prober_gp));
	memcpy(ram + 0x50, prober_idt, sizeof(prober_idt));
	memcpy(ram + 0x100 + 13 * 4, prober_vector, sizeof(prober_vector));
	memcpy(ram + 0xfff0, to_driver, sizeof(to_driver));
}

/*
 * A guest in 64-bit mode, whose plain MOVs have a way of their own through the emulator:
 * linear 0 is the 2 MiB that end with the BIOS, linear 200000h a device's.
 */
static const unsigned char mover[] = {
	0x0f, 0xa2,			/* again: cpuid */
	0xbb, 0x10, 0x00, 0x20, 0x00,	/* mov ebx, 200010h */
	0xb0, 0x55, 0x88, 0x03,		/* mov al, 55h; mov [rbx], al */
	0x8a, 0x03, 0xe6, 0x80,		/* mov al, [rbx]; out 80h, al */
	0xeb, 0xef,			/* again */
};
#define MOVER		0x8000u

static void put_mover(char *ram)
{
	uint64_t *pml4 = (void *)(ram + 0x1000), *pdpt = (void *)(ram + 0x2000), *pd = (void *)(ram + 0x3000);

	pml4[0] = (BIOS + 0x2000) | 3;
	pdpt[0] = (BIOS + 0x3000) | 3;
	pd[0] = 0xffe00000 | 0x83;
	pd[1] = 0xd0000000 | 0x83;
	memcpy(ram + MOVER, mover, sizeof(mover));
}

static int start_mover(int vcpu, struct husk_run *page)
{
	const struct husk_segment data = { .limit = ~0u, .selector = 16, .attr = 0xc93 };
	struct husk_system *s = &page->system;

	page->sync_want = 1 << HUSK_STATE_GENERAL | 1 << HUSK_STATE_SYSTEM;
	page->immediate_exit = 1;
	if (ioctl(vcpu, HUSK_VCPU_RUN, 0))
		return -1;
	page->immediate_exit = 0;
	s->cs = (struct husk_segment){ .limit = ~0u, .selector = 8, .attr = 0xa9b };
	s->ss = s->ds = s->es = s->fs = s->gs = data;
	s->cr0 = 0x80000011;
	s->cr4 = 0x20;
	s->efer = 0x500;
	s->cr3 = BIOS + 0x1000;
	s->idtr.limit = 0;
	page->general = (struct husk_general){ .rip = 0x200000 - BIOS_SIZE + MOVER, .rflags = 2 };
	page->sync_dirty = page->sync_want;
	page->sync_want = 0;
	return 0;
}

static void answer(struct husk_run *page)
{
	page->policy.gpr[0] = page->policy.data = 0x3c;
	page->policy.verdict = HUSK_POLICY_HANDLED;
}

static int known(__u32 exit)
{
	return exit == HUSK_EXIT_PIO || exit == HUSK_EXIT_MMIO || exit == HUSK_EXIT_NONE || exit == HUSK_EXIT_STOP ||
	       exit == HUSK_EXIT_POLICY;
}

static int run(int vcpu, struct husk_run *page, const char *mode)
{
	int stubborn = !strcmp(mode, "stubborn"), fast = !strcmp(mode, "fast"), answers = !strcmp(mode, "answer");

	for (;;) {
		if (ioctl(vcpu, HUSK_VCPU_RUN, 0) && errno != EINTR)
			break;
		if (page->exit == HUSK_EXIT_POLICY && answers)
			answer(page);
		if (page->exit == HUSK_EXIT_STOP && page->stop.action != HUSK_STOP_POWER_OFF) {
			printf("asked for %u\n", page->stop.action);
			fflush(stdout);
		} else if (page->exit == HUSK_EXIT_STOP && !stubborn) {
			return 0;
		}
		if (!known(page->exit))
			break;
		if (!fast)
			usleep(1000);
	}
	while (stubborn)
		pause();
	return page->exit == HUSK_EXIT_KILLED || errno == EIO ? 0 : fail("RUN");
}

int main(int argc, char **argv)
{
	struct husk_create_vm create = { .size = sizeof(create) };
	struct husk_create_vcpu vcpu = { .size = sizeof(vcpu) };
	struct husk_memory memory = { .size = sizeof(memory), .gpa = BIOS, .length = BIOS_SIZE };
	int dev = open("/dev/husk", O_RDWR | O_CLOEXEC), vm, fd;
	const char *mode = argc > 2 ? argv[2] : "";
	struct husk_run *page;
	char *ram;

	if (argc < 2)
		return 2;
	if (dev < 0)
		return fail("/dev/husk");
	snprintf(create.name, sizeof(create.name), "%s", argv[1]);
	snprintf(create.control, sizeof(create.control), "/run/%.40s", argv[1]);
	vm = ioctl(dev, HUSK_CREATE_VM, &create);
	ram = mmap(NULL, BIOS_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (vm < 0 || ram == MAP_FAILED)
		return fail("no VM");
	memcpy(ram + 0xfff0, guest, sizeof(guest));
	if (!strcmp(mode, "halt"))
		memcpy(ram + 0xfff0, halter, sizeof(halter));
	if (!strcmp(mode, "device")) {
		__builtin_cpu_init();
		if (__builtin_cpu_is("amd"))
			driver[DRIVER_VMCALL] = 0xd9;
		memcpy(ram, driver, sizeof(driver));
		memcpy(ram + 0xfff0, to_driver, sizeof(to_driver));
	}
	if (!strcmp(mode, "probe"))
		put_probe(ram);
	if (!strcmp(mode, "long"))
		put_mover(ram);
	memory.hva = (uintptr_t)ram;
	if (ioctl(vm, HUSK_VM_SET_MEMORY, &memory))
		return fail("no memory");
	memory.slot = 1;
	memory.gpa = BIOS_LOW;
	if (!strcmp(mode, "probe") && ioctl(vm, HUSK_VM_SET_MEMORY, &memory))
		return fail("no memory");
	fd = ioctl(vm, HUSK_VM_CREATE_VCPU, &vcpu);
	page = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return fail("no vCPU");
	if (!strcmp(mode, "long") && start_mover(fd, page))
		return fail("no 64-bit mode");
	return run(fd, page, mode);
}
