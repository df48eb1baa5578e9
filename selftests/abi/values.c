// SPDX-License-Identifier: GPL-2.0
/* The errors of single commands: values out of range, wrong order, things not there. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi.h"

static unsigned char backing[65536] __attribute__((aligned(4096)));

static int memory(struct fds *f, __u32 slot, __u64 gpa, __u64 length, __u64 hva, __u32 flags)
{
	struct husk_memory arg = {
		.size = sizeof(arg), .slot = slot, .gpa = gpa, .length = length, .hva = hva, .flags = flags,
	};

	return abi_call(f->fd[VM], HUSK_VM_SET_MEMORY, &arg);
}

static void memory_values(void)
{
	__u64 hva = (uintptr_t)backing;
	struct husk_caps caps = { .size = sizeof(caps) };
	struct fds f = abi_open(false);

	EXPECT(abi_call(f.fd[DEV], HUSK_GET_CAPS, &caps), 0);
	EXPECT(memory(&f, 0, 0, 4096, hva, 0), 0);
	EXPECT(memory(&f, 1, 0x1800, 4096, hva, 0), -EINVAL);
	EXPECT(memory(&f, 1, 0x2000, 100, hva, 0), -EINVAL);
	EXPECT(memory(&f, 1, 0x2000, 4096, hva + 8, 0), -EINVAL);
	EXPECT(memory(&f, caps.max_slots, 0x2000, 4096, hva, 0), -EINVAL);
	EXPECT(memory(&f, ~0U, 0x2000, 4096, hva, 0), -EINVAL);
	EXPECT(memory(&f, 1, 0x2000, ~0ULL << 12, hva, 0), -EINVAL);
	EXPECT(memory(&f, 1, ~0ULL << 12, 8192, hva, 0), -EINVAL);
	EXPECT(memory(&f, 1, 1ULL << caps.guest_phys_bits, 4096, hva, 0), -EINVAL);
	EXPECT(memory(&f, 1, (1ULL << caps.guest_phys_bits) - 4096, 8192, hva, 0), -EINVAL);
	EXPECT(memory(&f, 1, 0x2000, 4096, ~0ULL << 12, 0), -EINVAL);
	EXPECT(memory(&f, 1, 0xfee00000, 4096, hva, 0), -EINVAL);
	EXPECT(memory(&f, 1, 0xfec00000, 4096, hva, 0), -EINVAL);
	EXPECT(memory(&f, 1, 0xfedff000, 8192, hva, 0), -EINVAL);
	EXPECT(memory(&f, 1, 0, 4096, hva, 0), -EEXIST);
	EXPECT(memory(&f, 1, 0, 65536, hva, 0), -EEXIST);
	EXPECT(memory(&f, 1, 0x2000, 0, hva, 0), -ENOENT);
	EXPECT(memory(&f, 0, 0, 8192, hva, 0), 0);			/* replaced */
	EXPECT(memory(&f, 1, 0x1000, 4096, hva, 0), -EEXIST);
	EXPECT(memory(&f, 1, 0x2000, 4096, hva, HUSK_MEM_READONLY), 0);
	EXPECT(memory(&f, 0, 0, 0x3000, hva, 0), -EEXIST);		/* grows into slot 1 */
	EXPECT(memory(&f, 0, 0, 0, 0, 0), 0);
	EXPECT(memory(&f, 0, 0, 0, 0, 0), -ENOENT);
	for (__u32 i = 2; i < caps.max_slots; i++)
		EXPECT(memory(&f, i, 0x100000ULL * i, 4096, hva, 0), 0);
	abi_close(&f);
}

static int harvest(struct fds *f, __u32 slot, __u64 first, __u64 pages, void *bitmap)
{
	struct husk_harvest arg = {
		.size = sizeof(arg), .slot = slot, .first = first, .pages = pages, .bitmap = (uintptr_t)bitmap,
	};

	return abi_call(f->fd[VM], HUSK_VM_HARVEST, &arg);
}

static void harvest_values(void)
{
	static __u64 bitmap[HUSK_HARVEST_MAX / 64];
	const __u64 large = (HUSK_HARVEST_MAX + 100ULL) << 12;
	struct fds f = abi_open(false), other = abi_open(false);
	void *area = mmap(NULL, large, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	EXPECT(harvest(&f, 0, 0, 1, bitmap), -ENOENT);
	EXPECT(memory(&f, 0, 0, 16 * 4096, (uintptr_t)backing, 0), 0);
	EXPECT(harvest(&f, 0, 0, 16, bitmap), -EBUSY);
	EXPECT(memory(&f, 0, 0, 16 * 4096, (uintptr_t)backing, HUSK_MEM_LOG_DIRTY), 0);
	EXPECT(harvest(&f, 0, 0, 16, bitmap), 0);
	EXPECT(harvest(&f, ~0U, 0, 16, bitmap), -ENOENT);
	EXPECT(harvest(&other, 0, 0, 16, bitmap), -ENOENT);
	EXPECT(harvest(&f, 0, 0, 0, bitmap), -EINVAL);
	EXPECT(harvest(&f, 0, 0, 15, bitmap), -EINVAL);
	EXPECT(harvest(&f, 0, 0, 17, bitmap), -EINVAL);
	EXPECT(harvest(&f, 0, 0, 64, bitmap), -EINVAL);
	EXPECT(harvest(&f, 0, 64, 16, bitmap), -EINVAL);
	EXPECT(harvest(&f, 0, ~0ULL << 6, 16, bitmap), -EINVAL);
	EXPECT(harvest(&f, 0, 0, ~0ULL, bitmap), -EINVAL);
	EXPECT(harvest(&f, 0, 0, 16, NULL), -EFAULT);
	EXPECT(harvest(&f, 0, 0, 16, (void *)(~0ULL << 12)), -EFAULT);
	EXPECT(memory(&f, 0, 0, 16 * 4096, (uintptr_t)backing, 0), 0);
	EXPECT(harvest(&f, 0, 0, 16, bitmap), -EBUSY);

	EXPECT(memory(&f, 1, 1ULL << 32, large, (uintptr_t)area, HUSK_MEM_LOG_DIRTY | HUSK_MEM_READONLY), 0);
	EXPECT(harvest(&f, 1, 0, HUSK_HARVEST_MAX, bitmap), 0);
	EXPECT(harvest(&f, 1, 0, HUSK_HARVEST_MAX + 64, bitmap), -EINVAL);
	EXPECT(harvest(&f, 1, HUSK_HARVEST_MAX, 100, bitmap), 0);
	EXPECT(harvest(&f, 1, HUSK_HARVEST_MAX, 64, bitmap), 0);
	EXPECT(harvest(&f, 1, HUSK_HARVEST_MAX, 101, bitmap), -EINVAL);
	EXPECT(harvest(&f, 1, HUSK_HARVEST_MAX + 1, 99, bitmap), -EINVAL);
	EXPECT(memory(&f, 1, 0, 0, 0, HUSK_MEM_LOG_DIRTY), 0);
	EXPECT(harvest(&f, 1, 0, 64, bitmap), -ENOENT);
	munmap(area, large);
	abi_close(&other);
	abi_close(&f);
}

static int create_vm(int dev, const char *name, const char *control)
{
	struct husk_create_vm arg = { .size = sizeof(arg) };

	/* No terminating NUL if it is too long */
	memcpy(arg.name, name, strnlen(name, sizeof(arg.name)));
	memcpy(arg.control, control, strnlen(control, sizeof(arg.control)));
	return abi_call(dev, HUSK_CREATE_VM, &arg);
}

static void create_values(void)
{
	static const char *const bad[] = { "-a", ".a", "a b", "a/b", "a\n", "\xc3\xa4", "a:b", "a%n" };
	char name[128], control[128];
	struct fds f = abi_open(false);
	int fd, again;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		EXPECT(create_vm(f.fd[DEV], bad[i], ""), -EINVAL);
	memset(name, 'a', sizeof(name));
	name[127] = 0;
	EXPECT(create_vm(f.fd[DEV], name, ""), -EINVAL);		/* no end within its 64 bytes */
	name[63] = 0;
	fd = create_vm(f.fd[DEV], name, "");
	abi_check(fd >= 0, "the longest name: %d", fd);
	EXPECT(create_vm(f.fd[DEV], name, ""), -EEXIST);
	close(fd);
	again = create_vm(f.fd[DEV], name, "");
	abi_check(again >= 0, "the name is still taken after the VM's end: %d", again);
	close(again);
	memset(control, 'c', sizeof(control));
	control[127] = 0;
	EXPECT(create_vm(f.fd[DEV], "", control), -EINVAL);
	abi_close(&f);
}

static void create_limit(void)
{
	struct husk_caps caps = { .size = sizeof(caps) };
	struct fds f = abi_open(false);
	int *fds, n = 0, ret = 0;

	EXPECT(abi_call(f.fd[DEV], HUSK_GET_CAPS, &caps), 0);
	abi_check(caps.abi_version == HUSK_ABI_VERSION && caps.max_vms && caps.max_vcpus && caps.max_slots, "empty limits");
	fds = calloc(caps.max_vms, sizeof(int));
	while (n < (int)caps.max_vms && n < 900) {
		ret = create_vm(f.fd[DEV], "", "");
		if (ret < 0)
			break;
		fds[n++] = ret;
	}
	if (ret < 0 && ret != -ENOSPC)
		abi_check(false, "VM %d: %s", n, strerror(-ret));
	while (n)
		close(fds[--n]);
	free(fds);
	abi_close(&f);
}

static void vcpu_values(void)
{
	struct husk_create_vcpu arg = { .size = sizeof(arg) };
	struct husk_caps caps = { .size = sizeof(caps) };
	struct husk_cpuid cpuid = { .size = sizeof(cpuid) };
	struct husk_cpuid_entry entry = {};
	struct fds f = abi_open(true);

	EXPECT(abi_call(f.fd[DEV], HUSK_GET_CAPS, &caps), 0);
	EXPECT(abi_call(f.fd[VM], HUSK_VM_CREATE_VCPU, &arg), -EEXIST);
	arg.id = caps.max_vcpus;
	EXPECT(abi_call(f.fd[VM], HUSK_VM_CREATE_VCPU, &arg), -EINVAL);
	arg.id = ~0U;
	EXPECT(abi_call(f.fd[VM], HUSK_VM_CREATE_VCPU, &arg), -EINVAL);
	cpuid.count = 1;
	cpuid.entries = (uintptr_t)&entry;
	EXPECT(abi_call(f.fd[VM], HUSK_VM_SET_CPUID, &cpuid), -EBUSY);
	abi_close(&f);
}

static void cpuid_values(void)
{
	static struct husk_cpuid_entry entry[HUSK_CPUID_MAX + 1];
	struct husk_cpuid arg = { .size = sizeof(arg), .entries = (uintptr_t)entry };
	struct fds f = abi_open(false);
	__u32 count;

	EXPECT(abi_call(f.fd[DEV], HUSK_GET_CPUID, &arg), -E2BIG);
	count = arg.count;
	abi_check(count > 5 && count <= HUSK_CPUID_MAX, "%u leaves", count);
	EXPECT(abi_call(f.fd[DEV], HUSK_GET_CPUID, &arg), 0);
	abi_check(arg.count == count, "%u leaves, then %u", count, arg.count);
	EXPECT(abi_call(f.fd[VM], HUSK_VM_SET_CPUID, &arg), 0);
	arg.entries = 0x1000;
	EXPECT(abi_call(f.fd[DEV], HUSK_GET_CPUID, &arg), -EFAULT);
	EXPECT(abi_call(f.fd[VM], HUSK_VM_SET_CPUID, &arg), -EFAULT);
	arg.entries = (uintptr_t)entry;
	arg.count = HUSK_CPUID_MAX + 1;
	EXPECT(abi_call(f.fd[VM], HUSK_VM_SET_CPUID, &arg), -EINVAL);
	arg.count = 1;
	entry[0].flags = 2;
	EXPECT(abi_call(f.fd[VM], HUSK_VM_SET_CPUID, &arg), -EINVAL);
	entry[0].flags = 0;
	entry[0].reserved = 1;
	EXPECT(abi_call(f.fd[VM], HUSK_VM_SET_CPUID, &arg), -EINVAL);
	entry[0].reserved = 0;
	entry[1] = entry[0];
	arg.count = 2;
	EXPECT(abi_call(f.fd[VM], HUSK_VM_SET_CPUID, &arg), -EINVAL);	/* the same leaf twice */
	abi_close(&f);
}

static void irq_values(void)
{
	struct husk_irq_line line = { .size = sizeof(line), .gsi = 24 };
	struct husk_msi msi = { .size = sizeof(msi), .address = 0xfee00000 };
	struct husk_caps caps = { .size = sizeof(caps) };
	struct fds f = abi_open(true);

	EXPECT(abi_call(f.fd[DEV], HUSK_GET_CAPS, &caps), 0);
	EXPECT(abi_call(f.fd[VM], HUSK_VM_IRQ_LINE, &line), -ENOENT);
	line.gsi = 2;
	EXPECT(abi_call(f.fd[VM], HUSK_VM_IRQ_LINE, &line), -ENOENT);
	line.gsi = caps.gsi_count - 1;
	EXPECT(abi_call(f.fd[VM], HUSK_VM_IRQ_LINE, &line), -ENOENT);
	line.gsi = caps.gsi_count;
	EXPECT(abi_call(f.fd[VM], HUSK_VM_IRQ_LINE, &line), -EINVAL);
	line.gsi = ~0U;
	EXPECT(abi_call(f.fd[VM], HUSK_VM_IRQ_LINE, &line), -EINVAL);
	line.gsi = 3;
	line.level = 2;
	EXPECT(abi_call(f.fd[VM], HUSK_VM_IRQ_LINE, &line), -EINVAL);
	msi.data = 3 << 8;		/* reserved delivery mode, SDM 3A 11.11.2 */
	EXPECT(abi_call(f.fd[VM], HUSK_VM_SIGNAL_MSI, &msi), -EINVAL);
	abi_close(&f);
}

static int routes(struct fds *f, const struct husk_route *route, __u32 count)
{
	struct husk_routes arg = { .size = sizeof(arg), .count = count, .routes = (uintptr_t)route };

	return abi_call(f->fd[VM], HUSK_VM_SET_ROUTES, &arg);
}

static void routes_values(void)
{
	struct husk_caps caps = { .size = sizeof(caps) };
	struct husk_irq_line line = { .size = sizeof(line), .gsi = 9 };
	struct husk_route *route, one = { .gsi = 9, .kind = HUSK_ROUTE_KIND_COUNT };
	struct fds f = abi_open(true);

	EXPECT(abi_call(f.fd[DEV], HUSK_GET_CAPS, &caps), 0);
	route = calloc(caps.gsi_count + 1, sizeof(*route));
	for (__u32 i = 0; i <= caps.gsi_count; i++)
		route[i] = (struct husk_route) { .gsi = i, .kind = HUSK_ROUTE_MSI, .address = 0xfee00000, .data = 0x40 };
	EXPECT(routes(&f, route, caps.gsi_count + 1), -EINVAL);
	EXPECT(routes(&f, route + 1, caps.gsi_count), -EINVAL);		/* the last GSI is one too many */
	EXPECT(routes(&f, route, ~0U), -EINVAL);
	EXPECT(routes(&f, &one, 1), -EINVAL);
	EXPECT(routes(&f, (void *)0x1000, 1), -EFAULT);
	EXPECT(abi_call(f.fd[VM], HUSK_VM_IRQ_LINE, &line), 0);		/* as it was */
	EXPECT(routes(&f, NULL, 0), 0);
	EXPECT(abi_call(f.fd[VM], HUSK_VM_IRQ_LINE, &line), -ENOENT);
	for (int i = 0; i < 50; i++) {
		EXPECT(routes(&f, route, i % 2 ? caps.gsi_count : 10), 0);
		EXPECT(abi_call(f.fd[VM], HUSK_VM_IRQ_LINE, &line), 0);
	}
	free(route);
	abi_close(&f);
}

static int irqfd(struct fds *f, int fd, __u32 gsi, int resample, __u32 flags)
{
	struct husk_irqfd arg = { .size = sizeof(arg), .flags = flags, .fd = fd, .gsi = gsi, .resample = resample };

	return abi_call(f->fd[VM], HUSK_VM_IRQFD, &arg);
}

static void irqfd_values(void)
{
	const __u32 off = HUSK_IRQFD_DEASSIGN, resample = HUSK_IRQFD_RESAMPLE;
	struct husk_caps caps = { .size = sizeof(caps) };
	struct fds f = abi_open(true), other = abi_open(false);
	int a = eventfd(0, EFD_NONBLOCK), b = eventfd(0, EFD_NONBLOCK), null = open("/dev/null", O_RDWR), err = 0;

	EXPECT(abi_call(f.fd[DEV], HUSK_GET_CAPS, &caps), 0);
	EXPECT(irqfd(&f, -1, 5, 0, 0), -EBADF);
	EXPECT(irqfd(&f, 1000, 5, 0, 0), -EBADF);
	EXPECT(irqfd(&f, null, 5, 0, 0), -EINVAL);
	EXPECT(irqfd(&f, f.fd[VM], 5, 0, 0), -EINVAL);
	EXPECT(irqfd(&f, a, caps.gsi_count, 0, 0), -EINVAL);
	EXPECT(irqfd(&f, a, ~0U, 0, 0), -EINVAL);
	EXPECT(irqfd(&f, a, 5, b, 0), -EINVAL);			/* without the flag */
	EXPECT(irqfd(&f, a, 5, -1, resample), -EBADF);
	EXPECT(irqfd(&f, a, 5, null, resample), -EINVAL);
	EXPECT(irqfd(&f, a, 5, 0, off), -ENOENT);
	EXPECT(irqfd(&f, a, 5, 0, 0), 0);
	EXPECT(irqfd(&f, a, 5, 0, 0), -EBUSY);
	EXPECT(irqfd(&f, a, 6, b, resample), -EBUSY);
	EXPECT(irqfd(&f, a, 6, 0, off), -ENOENT);
	EXPECT(irqfd(&f, b, 5, 0, off), -ENOENT);
	EXPECT(irqfd(&other, a, 5, 0, off), -ENOENT);
	EXPECT(irqfd(&f, b, 5, a, resample), 0);		/* two of a GSI */
	EXPECT(irqfd(&f, a, 5, 0, off), 0);
	EXPECT(irqfd(&f, a, 5, 0, off), -ENOENT);
	EXPECT(irqfd(&f, b, 5, 0, off | resample), 0);
	EXPECT(irqfd(&f, a, caps.gsi_count - 1, a, resample), 0);	/* no route, and itself to tell */
	EXPECT(eventfd_write(a, 1), 0);
	EXPECT(irqfd(&f, b, 5, 0, 0), 0);
	close(b);							/* ends it, or the VM's end does */
	for (int i = 0; i < 300 && !err; i++) {
		b = eventfd(i & 1, EFD_NONBLOCK);
		err = irqfd(&f, b, i % 30, i & 2 ? a : 0, i & 2 ? resample : 0);
		if (!(i & 4))
			EXPECT(eventfd_write(b, 1), 0);
		if (i & 8)
			EXPECT(irqfd(&f, b, i % 30, 0, off), 0);
		close(b);
	}
	EXPECT(err, 0);
	for (__u32 i = 0; i < caps.gsi_count + 10 && !err; i++) {	/* one that was closed takes no room */
		b = eventfd(0, 0);
		err = irqfd(&f, b, 7, 0, 0);
		close(b);
	}
	EXPECT(err, 0);
	abi_close(&other);
	abi_close(&f);
	EXPECT(eventfd_write(a, 1), 0);					/* nobody is there any more */
	close(a);
	close(null);
}

static void irqfd_resamples(void)
{
	const __u32 resample = HUSK_IRQFD_RESAMPLE;
	struct fds f = abi_open(false), other = abi_open(false);
	int fd[HUSK_RESAMPLES_MAX + 1], to = eventfd(0, 0);

	for (int i = 0; i <= HUSK_RESAMPLES_MAX; i++)
		fd[i] = eventfd(0, 0);
	for (int i = 0; i < HUSK_RESAMPLES_MAX; i++)
		EXPECT(irqfd(&f, fd[i], i % 24, to, resample), 0);
	EXPECT(irqfd(&f, fd[HUSK_RESAMPLES_MAX], 5, to, resample), -ENOSPC);
	EXPECT(irqfd(&f, fd[HUSK_RESAMPLES_MAX], 5, 0, 0), 0);		/* others have room */
	EXPECT(irqfd(&f, fd[HUSK_RESAMPLES_MAX], 5, 0, HUSK_IRQFD_DEASSIGN), 0);
	EXPECT(irqfd(&other, fd[0], 5, to, resample), 0);
	close(fd[1]);							/* one that was closed takes no room */
	EXPECT(irqfd(&f, fd[HUSK_RESAMPLES_MAX], 5, to, resample), 0);
	EXPECT(irqfd(&f, fd[1] = eventfd(0, 0), 5, to, resample), -ENOSPC);
	EXPECT(irqfd(&f, fd[2], 2, 0, HUSK_IRQFD_DEASSIGN), 0);
	EXPECT(irqfd(&f, fd[1], 5, to, resample), 0);
	for (int i = 0; i <= HUSK_RESAMPLES_MAX; i++)
		close(fd[i]);
	close(to);
	abi_close(&other);
	abi_close(&f);
}

static int ioeventfd(struct fds *f, int fd, __u64 addr, __u32 width, __u64 data, __u32 flags)
{
	struct husk_ioeventfd arg = { .size = sizeof(arg), .flags = flags, .fd = fd, .width = width, .addr = addr, .data = data };

	return abi_call(f->fd[VM], HUSK_VM_IOEVENTFD, &arg);
}

static void ioeventfd_values(void)
{
	const __u32 pio = HUSK_IOEVENTFD_PIO, match = HUSK_IOEVENTFD_MATCH, off = HUSK_IOEVENTFD_DEASSIGN;
	struct fds f = abi_open(true);
	int a = eventfd(0, 0), b = eventfd(0, 0), null = open("/dev/null", O_RDWR);

	EXPECT(ioeventfd(&f, -1, 0x500, 2, 0, pio), -EBADF);
	EXPECT(ioeventfd(&f, null, 0x500, 2, 0, pio), -EINVAL);
	for (__u32 width = 0; width < 20; width++)
		if (width > 8 || (0xe8 & 1U << width))			/* 3, 5, 6, 7, 9... */
			EXPECT(ioeventfd(&f, a, 0xd0000000, width, 0, 0), -EINVAL);
	EXPECT(ioeventfd(&f, a, 0xd0000000, ~0U, 0, 0), -EINVAL);
	EXPECT(ioeventfd(&f, a, 0x500, 8, 0, pio), -EINVAL);
	EXPECT(ioeventfd(&f, a, 0xfffe, 4, 0, pio), -EINVAL);
	EXPECT(ioeventfd(&f, a, 0x10000, 0, 0, pio), -EINVAL);
	EXPECT(ioeventfd(&f, a, ~0ULL, 0, 0, pio), -EINVAL);
	EXPECT(ioeventfd(&f, a, ~0ULL, 1, 0, pio), -EINVAL);
	EXPECT(ioeventfd(&f, a, ~0ULL - 2, 4, 0, 0), -EINVAL);
	EXPECT(ioeventfd(&f, a, 0x500, 0, 0, pio | match), -EINVAL);
	EXPECT(ioeventfd(&f, a, 0x500, 2, 1, pio), -EINVAL);
	EXPECT(ioeventfd(&f, a, 0x500, 2, 0x10000, pio | match), -EINVAL);
	EXPECT(ioeventfd(&f, a, 0x500, 2, 0, pio | off), -ENOENT);

	EXPECT(ioeventfd(&f, a, 0x500, 2, 0, pio | match), 0);
	EXPECT(ioeventfd(&f, b, 0x500, 2, 0, pio | match), -EEXIST);
	EXPECT(ioeventfd(&f, b, 0x500, 2, 0, pio), -EEXIST);
	EXPECT(ioeventfd(&f, b, 0x500, 0, 0, pio), -EEXIST);
	EXPECT(ioeventfd(&f, b, 0x500, 2, 1, pio | match), 0);
	EXPECT(ioeventfd(&f, b, 0x500, 4, 0, pio), 0);
	EXPECT(ioeventfd(&f, b, 0x500, 4, 7, pio | match), -EEXIST);
	EXPECT(ioeventfd(&f, b, 0x500, 2, 0, 0), 0);			/* memory is another space */
	EXPECT(ioeventfd(&f, b, 0x500, 2, 0, pio | match | off), -ENOENT);	/* another eventfd */
	EXPECT(ioeventfd(&f, a, 0x500, 2, 0, pio | off), -ENOENT);	/* without its match */
	EXPECT(ioeventfd(&f, a, 0x500, 2, 0, pio | match | off), 0);
	EXPECT(ioeventfd(&f, a, 0x500, 2, 0, pio | match | off), -ENOENT);
	EXPECT(ioeventfd(&f, b, 0x500, 2, 1, pio | match | off), 0);
	EXPECT(ioeventfd(&f, b, 0x500, 4, 0, pio | off), 0);
	EXPECT(ioeventfd(&f, a, 0x500, 0, 0, pio), 0);
	EXPECT(ioeventfd(&f, b, 0x500, 1, 3, pio | match), -EEXIST);
	for (int i = 1; i < HUSK_IOEVENTFDS_MAX; i++)
		EXPECT(ioeventfd(&f, a, 0x1000 + (i * 7919) % 0x8000, 0, 0, pio), 0);
	EXPECT(ioeventfd(&f, a, 0x501, 0, 0, pio), -ENOSPC);
	EXPECT(ioeventfd(&f, a, 0xd0000000, 8, ~0ULL, match), 0);
	EXPECT(ioeventfd(&f, a, 0x500, 0, 0, pio | off), 0);
	EXPECT(ioeventfd(&f, a, 0x501, 0, 0, pio), 0);
	close(a);
	close(b);
	close(null);
	abi_close(&f);
}

static int state(int fd, unsigned long command, __u64 classes, void *buffer, __u32 *length)
{
	struct husk_state arg = {
		.size = sizeof(arg), .classes = classes, .length = *length, .buffer = (uintptr_t)buffer,
	};
	int ret = abi_call(fd, command, &arg);

	*length = arg.length;
	return ret;
}

/* What holds for each class of an object */
static void state_of(int fd, unsigned long get, unsigned long set, int count)
{
	static unsigned char good[65536], buffer[65536];
	struct husk_state_record *head = (void *)buffer;
	__u32 length;

	for (int class = 0; class < count; class++) {
		__u64 bit = 1ULL << class;
		__u32 room = 0, size;

		length = 65536;
		EXPECT(state(fd, get, bit, good, &room), -E2BIG);
		EXPECT(state(fd, get, bit, good, &length), 0);
		abi_check(room == length && length % 8 == 0, "class %d: length %u, promised %u", class, length, room);
		size = length - 8;
		EXPECT(state(fd, get, bit, buffer, &size), -E2BIG);
		EXPECT(state(fd, get, bit, (void *)0x1000, &length), -EFAULT);
#define BAD(change, want) do { memcpy(buffer, good, sizeof(buffer)); change; size = length; \
		EXPECT(state(fd, set, bit, buffer, &size), want); } while (0)
		BAD((void)0, 0);
		BAD(head->version = 99, -EOPNOTSUPP);
		BAD(head->version = 0, -EOPNOTSUPP);
		BAD(head->reserved = 1, -EINVAL);
		BAD(head->length += 8, -EINVAL);
		BAD(head->length -= 8, -EINVAL);
		BAD(head->length = ~0U, -EINVAL);
		BAD(head->class_id = (class + 1) % count, -EINVAL);
		BAD(head->class_id = ~0U, -EINVAL);
#undef BAD
		size = length;
		EXPECT(state(fd, set, bit | (class ? 1 : 2), good, &size), -EINVAL);
		size = 8;
		EXPECT(state(fd, set, bit, good, &size), -EINVAL);
		size = 0;
		EXPECT(state(fd, set, bit, good, &size), -EINVAL);
		size = length;
		EXPECT(state(fd, set, bit, (void *)0x1000, &size), -EFAULT);
		size = ~0U;
		abi_check(state(fd, set, bit, good, &size) < 0, "an absurd length is taken");
	}
	length = 65536;
	EXPECT(state(fd, get, 1ULL << count, good, &length), -EOPNOTSUPP);
	EXPECT(state(fd, get, 1ULL << 63, good, &length), -EOPNOTSUPP);
	EXPECT(state(fd, set, 1ULL << 63, good, &length), -EOPNOTSUPP);
}

static void state_values(void)
{
	struct husk_caps caps = { .size = sizeof(caps) };
	struct fds f = abi_open(true);

	EXPECT(abi_call(f.fd[DEV], HUSK_GET_CAPS, &caps), 0);
	abi_check(caps.state_classes == (1ULL << HUSK_STATE_COUNT) - 1, "classes %#llx", caps.state_classes);
	abi_check(caps.vm_state_classes == (1ULL << HUSK_VM_CLASS_COUNT) - 1, "classes of a VM %#llx", caps.vm_state_classes);
	state_of(f.fd[VCPU], HUSK_VCPU_GET_STATE, HUSK_VCPU_SET_STATE, HUSK_STATE_COUNT);
	state_of(f.fd[VM], HUSK_VM_GET_STATE, HUSK_VM_SET_STATE, HUSK_VM_CLASS_COUNT);
	abi_close(&f);
}

/* The classes of a VM in their order */
struct vm_records {
	struct husk_state_record io_head;
	struct husk_ioapic_state io;
	struct husk_state_record pic_head;
	struct husk_pic_state pic;
	struct husk_state_record pit_head;
	struct husk_pit_state pit;
	struct husk_state_record clock_head;
	struct husk_vm_clock clock;
};

static int vm_state(struct fds *f, unsigned long command, struct vm_records *r)
{
	__u32 length = sizeof(*r);

	return state(f->fd[VM], command, (1ULL << HUSK_VM_CLASS_COUNT) - 1, r, &length);
}

/* Values that chips can be given, in all their members */
static struct vm_records scribble(struct vm_records want)
{
	for (int i = 0; i < 24; i++)
		want.io.entry[i] = 0xa5ULL << 56 | 0xa931 | (i & 1 ? 0x10000 : 0x4000);
	want.io.entry[0] = 0x10700;
	want.io.select = 0x1f;
	want.io.id = 7;
	want.io.lines = 0xaa0000;
	want.io.resample = 0x550000;
	for (int i = 0; i < 2; i++)
		want.pic.chip[i] = (struct husk_pic_chip_state) {
			.lines = 0x81, .resample = 0x10, .isr = 0x08, .imr = 0xff, .elcr = 0x50,
			.base = 0x70 + 8 * i, .lowest = 3, .init_step = 0, .flags = 0xff & ~HUSK_PIC_POLL,
		};
	want.pic.chip[0].irr = want.pic.chip[1].irr = 0x80 | 0x10;
	for (int i = 0; i < 3; i++)
		want.pit.channel[i] = (struct husk_pit_channel_state) {
			.elapsed = 0, .count = 0, .next = 0, .latch = 0x1234 + i, .status = 0x77, .access = 1 + i, .mode = i,
			.low = 0x55, .flags = 0x7b & ~HUSK_PIT_COUNTING,
		};
	want.pit.port61 = 0x0f;
	return want;
}

static void vm_state_values(void)
{
	struct husk_caps caps = { .size = sizeof(caps) };
	struct vm_records good = {}, bad, same = {}, want;
	struct fds f = abi_open(true);

	EXPECT(abi_call(f.fd[DEV], HUSK_GET_CAPS, &caps), 0);
	EXPECT(vm_state(&f, HUSK_VM_GET_STATE, &good), 0);
	/* save, scribble, restore, compare: all that can be set is kept */
	want = scribble(good);
	EXPECT(vm_state(&f, HUSK_VM_SET_STATE, &want), 0);
	EXPECT(vm_state(&f, HUSK_VM_GET_STATE, &same), 0);
	abi_check(!memcmp(&want.io, &same.io, sizeof(want.io)), "the IOAPIC is not as it was set");
	abi_check(!memcmp(&want.pic, &same.pic, sizeof(want.pic)), "the 8259 pair is not as it was set");
	abi_check(!memcmp(&want.pit, &same.pit, sizeof(want.pit)), "the 8254 is not as it was set");
	abi_check(same.clock.tsc >= want.clock.tsc && same.clock.tsc_khz == caps.tsc_khz, "the clock went back");
	/* all or nothing */
#define BAD(change) do { bad = good; change; EXPECT(vm_state(&f, HUSK_VM_SET_STATE, &bad), -EINVAL); } while (0)
	BAD(bad.io.id = 16);
	BAD(bad.io.reserved[0] = 1);
	BAD(bad.io.lines = 1 << 24);
	BAD(bad.io.entry[5] = 1 << 17);
	BAD(bad.pic.chip[1].base = 7);
	BAD(bad.pic.chip[0].lines = 4);
	BAD(bad.pit.channel[2].access = 4);
	BAD(bad.pit.channel[0].elapsed = ~0ULL);
	BAD(bad.pit.port61 = 0xff);
	BAD(bad.clock.ns = ~0ULL);
	BAD(bad.clock.tsc_khz = caps.tsc_khz + 1);
	BAD(bad.clock.reserved0 = 1);
	BAD(bad.clock.reserved[3] = 1);
#undef BAD
	EXPECT(vm_state(&f, HUSK_VM_GET_STATE, &same), 0);
	abi_check(!memcmp(&want.io, &same.io, sizeof(want.io)) && !memcmp(&want.pic, &same.pic, sizeof(want.pic)) &&
		  !memcmp(&want.pit, &same.pit, sizeof(want.pit)), "a refused state has changed something");
	good.clock.tsc = 1ULL << 50;
	good.clock.ns = 0;
	good.clock.tsc_khz = 0;
	good.clock.pv_ns = 1ULL << 60;
	EXPECT(vm_state(&f, HUSK_VM_SET_STATE, &good), 0);
	EXPECT(vm_state(&f, HUSK_VM_GET_STATE, &same), 0);
	abi_check(same.clock.tsc >> 32 == 1 << 18, "TSC %#llx", same.clock.tsc);
	abi_check(same.clock.pv_ns >> 36 == 1 << 24, "kvmclock %#llx", same.clock.pv_ns);
	abi_check(!memcmp(&good.io, &same.io, sizeof(want.io)) && !memcmp(&good.pic, &same.pic, sizeof(want.pic)) &&
		  !memcmp(&good.pit, &same.pit, sizeof(want.pit)), "not as it was at first");
	abi_close(&f);
}

/* The edges of GSI 5 that the VM's 8259 has seen, which is 0 or 1 */
static int edge_of(struct fds *f)
{
	struct { struct husk_state_record head; struct husk_pic_state pic; } now;
	__u32 length = sizeof(now);

	EXPECT(state(f->fd[VM], HUSK_VM_GET_STATE, 1ULL << HUSK_VM_CLASS_PIC, &now, &length), 0);
	return now.pic.chip[0].irr >> 5 & 1;
}

/* Who takes a signal is the only one to see it, also among irqfds of several VMs. */
static void irqfd_shared(void)
{
	struct fds f = abi_open(false), other = abi_open(false);
	int fd = eventfd(0, EFD_NONBLOCK);

	EXPECT(irqfd(&f, fd, 5, 0, 0), 0);
	EXPECT(irqfd(&other, fd, 5, 0, 0), 0);
	EXPECT(eventfd_write(fd, 1), 0);
	EXPECT(edge_of(&f), 1);
	EXPECT(edge_of(&other), 0);
	EXPECT(irqfd(&f, fd, 5, 0, HUSK_IRQFD_DEASSIGN), 0);
	EXPECT(eventfd_write(fd, 1), 0);
	EXPECT(edge_of(&other), 1);
	close(fd);
	abi_close(&other);
	abi_close(&f);
}

static void fd_values(void)
{
	struct fds f = abi_open(true);
	char c = 0;

	for (int i = 0; i < OBJECTS; i++) {
		abi_check(read(f.fd[i], &c, 1) < 0, "read of object %d succeeds", i);
		abi_check(write(f.fd[i], &c, 1) < 0, "write to object %d succeeds", i);
		if (i != VCPU)
			abi_check(mmap(NULL, 4096, PROT_READ, MAP_SHARED, f.fd[i], 0) == MAP_FAILED, "mmap of object %d", i);
	}
	for (int page = 2; page < 6; page++)
		abi_check(mmap(NULL, 4096, PROT_READ, MAP_SHARED, f.fd[VCPU], page * 4096) == MAP_FAILED, "mmap of page %d", page);
	abi_check(mmap(NULL, 3 * 4096, PROT_READ, MAP_SHARED, f.fd[VCPU], 0) == MAP_FAILED, "mmap of three pages");
	abi_check(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, f.fd[VCPU], 4096) == MAP_FAILED, "writable statistics");
	abi_close(&f);
}

void values_run(void)
{
	abi_group("abi_values_memory", memory_values);
	abi_group("abi_values_harvest", harvest_values);
	abi_group("abi_values_create", create_values);
	abi_group("abi_values_limit", create_limit);
	abi_group("abi_values_vcpu", vcpu_values);
	abi_group("abi_values_cpuid", cpuid_values);
	abi_group("abi_values_irq", irq_values);
	abi_group("abi_values_routes", routes_values);
	abi_group("abi_values_irqfd", irqfd_values);
	abi_group("abi_values_irqfd_resamples", irqfd_resamples);
	abi_group("abi_values_irqfd_shared", irqfd_shared);
	abi_group("abi_values_ioeventfd", ioeventfd_values);
	abi_group("abi_values_state", state_values);
	abi_group("abi_values_vm_state", vm_state_values);
	abi_group("abi_values_fd", fd_values);
}
