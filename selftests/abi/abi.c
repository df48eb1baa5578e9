// SPDX-License-Identifier: GPL-2.0
/*
 * abi: what holds for every command of HUSK_IOCTLS, from the table itself, and
 * the errors that single commands promise (values.c, busy.c). Prints `ok NAME`
 * or `not ok NAME: why` for each command and rule.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi.h"

static int passed, failed_checks, failed;
static char reason[256];
int abi_disk;

void abi_check(bool ok, const char *format, ...)
{
	va_list ap;

	if (ok || failed_checks++)
		return;
	va_start(ap, format);
	vsnprintf(reason, sizeof(reason), format, ap);
	va_end(ap);
}

static void result(const char *name)
{
	if (failed_checks) {
		failed++;
		printf("not ok %s: %s%s\n", name, reason, failed_checks > 1 ? " (and more)" : "");
	} else {
		passed++;
		printf("ok %s\n", name);
	}
	fflush(stdout);
	failed_checks = 0;
}

void abi_group(const char *name, void (*fn)(void))
{
	fn();
	result(name);
}

int abi_call(int fd, unsigned long command, void *arg)
{
	int ret = ioctl(fd, command, arg);

	return ret < 0 ? -errno : ret;
}

struct fds abi_open(bool all)
{
	struct husk_create_disk disk = { .size = sizeof(disk), .fd = abi_disk, .queues = 2, .bytes = 4096 };
	struct husk_create_vcpu cpu = { .size = sizeof(cpu) };
	struct husk_create_vm vm = { .size = sizeof(vm) };
	struct fds fds = { { -1, -1, -1, -1 } };

	fds.fd[DEV] = open("/dev/husk", O_RDWR | O_CLOEXEC);
	if (fds.fd[DEV] >= 0)
		fds.fd[VM] = abi_call(fds.fd[DEV], HUSK_CREATE_VM, &vm);
	if (all && fds.fd[VM] >= 0) {
		fds.fd[VCPU] = abi_call(fds.fd[VM], HUSK_VM_CREATE_VCPU, &cpu);
		fds.fd[DISK] = abi_call(fds.fd[VM], HUSK_VM_CREATE_DISK, &disk);
	}
	if (fds.fd[DEV] < 0 || fds.fd[VM] < 0 || (all && (fds.fd[VCPU] < 0 || fds.fd[DISK] < 0))) {
		printf("not ok abi_open: no VM (%d %d %d %d)\n", fds.fd[DEV], fds.fd[VM], fds.fd[VCPU], fds.fd[DISK]);
		exit(1);
	}
	return fds;
}

void abi_close(struct fds *fds)
{
	for (int i = OBJECTS - 1; i >= 0; i--)
		if (fds->fd[i] >= 0)
			close(fds->fd[i]);
}

/* ---- the table's commands, each with an argument that succeeds ---- */

static struct husk_cpuid_entry leaves[HUSK_CPUID_MAX];
static int signals;	/* an eventfd */
static struct husk_route route = { .gsi = 100, .kind = HUSK_ROUTE_IOAPIC, .pin = 3 };
static unsigned char buffer[65536], backing[4096] __attribute__((aligned(4096)));

static void fill_GET_CAPS(struct husk_caps *arg) { (void)arg; }
static void fill_CREATE_VM(struct husk_create_vm *arg) { (void)arg; }
static void fill_GET_CPUID(struct husk_cpuid *arg) { arg->count = HUSK_CPUID_MAX; arg->entries = (uintptr_t)leaves; }
static void fill_VM_SET_CPUID(struct husk_cpuid *arg) { arg->count = 1; arg->entries = (uintptr_t)leaves; }
static void fill_VM_SET_MEMORY(struct husk_memory *arg) { arg->length = 4096; arg->hva = (uintptr_t)backing; }
static void fill_VM_HARVEST(struct husk_harvest *arg) { arg->pages = 1; arg->bitmap = (uintptr_t)buffer; }
static void fill_VM_CREATE_VCPU(struct husk_create_vcpu *arg) { arg->id = 0; }
static void fill_VM_IRQ_LINE(struct husk_irq_line *arg) { arg->gsi = 4; }
static void fill_VM_SIGNAL_MSI(struct husk_msi *arg) { arg->address = 0xfee00000; arg->data = 0x40; }
static void fill_VM_RESET(struct husk_reset *arg) { (void)arg; }
static void fill_VM_SET_ROUTES(struct husk_routes *arg) { arg->count = 1; arg->routes = (uintptr_t)&route; }
static void fill_VM_IRQFD(struct husk_irqfd *arg) { arg->fd = signals; arg->gsi = 5; }
static void fill_VM_IOEVENTFD(struct husk_ioeventfd *arg) { arg->fd = signals; arg->width = 4; arg->addr = 0xd0000000; }
static void fill_VM_CREATE_DISK(struct husk_create_disk *arg) { arg->fd = abi_disk; arg->queues = 1; arg->bytes = 512; }
static void fill_DISK_STOP(struct husk_disk_stop *arg) { (void)arg; }
static void fill_DISK_SET_CALL(struct husk_disk_call *arg) { arg->flags = HUSK_DISK_CALL_EVENTFD; arg->fd = signals; }
static void fill_DISK_KICK(struct husk_disk_kick *arg) { (void)arg; }
static void fill_DISK_GET_STATS(struct husk_disk_stats *arg) { (void)arg; }
static void fill_DISK_SET_LIMIT(struct husk_disk_limit *arg) { (void)arg; }
static void fill_DISK_WORK(struct husk_disk_work *arg) { (void)arg; }
static void fill_DISK_RUN(struct husk_disk_run *arg) { (void)arg; }

static void fill_DISK_START(struct husk_disk_start *arg)
{
	arg->entries = 4;
	arg->avail = 256;
	arg->used_part = 512;
}

/* All of it in one page, which harms nobody */
static void fill_DISK_START_PVSCSI(struct husk_disk_start_pvscsi *arg)
{
	static const __u64 pages[3];

	arg->requests = arg->completions = 1;
	arg->block = arg->physical = 512;
	arg->pages = (uintptr_t)pages;
}

static void fill_VCPU_TRANSLATE(struct husk_translate *arg) { arg->gva = 0x1000; }

static void fill_VCPU_GET_STATE(struct husk_state *arg)
{
	arg->classes = 1ULL << HUSK_STATE_GENERAL;
	arg->length = sizeof(buffer);
	arg->buffer = (uintptr_t)buffer;
}

static void fill_VCPU_SET_STATE(struct husk_state *arg)
{
	struct { struct husk_state_record head; struct husk_general general; } *record = (void *)buffer;

	memset(record, 0, sizeof(*record));
	record->head = (struct husk_state_record) { HUSK_STATE_GENERAL, 1, sizeof(record->general), 0 };
	record->general.rflags = 2;
	arg->classes = 1ULL << HUSK_STATE_GENERAL;
	arg->length = sizeof(*record);
	arg->buffer = (uintptr_t)buffer;
}

static void fill_VM_GET_STATE(struct husk_state *arg)
{
	arg->classes = 1ULL << HUSK_VM_CLASS_IOAPIC;
	arg->length = sizeof(buffer);
	arg->buffer = (uintptr_t)buffer;
}

static void fill_VM_SET_STATE(struct husk_state *arg)
{
	struct { struct husk_state_record head; struct husk_ioapic_state io; } *record = (void *)buffer;

	memset(record, 0, sizeof(*record));
	record->head = (struct husk_state_record) { HUSK_VM_CLASS_IOAPIC, 1, sizeof(record->io), 0 };
	arg->classes = 1ULL << HUSK_VM_CLASS_IOAPIC;
	arg->length = sizeof(*record);
	arg->buffer = (uintptr_t)buffer;
}

/* Offsets of reserved words, 0-terminated (0 is size's) */
struct command {
	const char *name;
	unsigned long number;
	enum object object;
	__u32 size, first, flags;
	void (*fill)(void *arg);
	unsigned short reserved[4];
};

#define RESERVED_GET_CAPS	{ offsetof(struct husk_caps, reserved) }
#define RESERVED_CREATE_VM	{ offsetof(struct husk_create_vm, reserved) }
#define RESERVED_GET_CPUID	{ offsetof(struct husk_cpuid, reserved) }
#define RESERVED_VM_SET_CPUID	{ offsetof(struct husk_cpuid, reserved) }
#define RESERVED_VM_SET_MEMORY	{ offsetof(struct husk_memory, reserved) }
#define RESERVED_VM_HARVEST	{ offsetof(struct husk_harvest, reserved) }
#define RESERVED_VM_CREATE_VCPU	{ offsetof(struct husk_create_vcpu, reserved) }
#define RESERVED_VM_IRQ_LINE	{ 0 }
#define RESERVED_VM_SIGNAL_MSI	{ offsetof(struct husk_msi, reserved) }
#define RESERVED_VM_SET_ROUTES	{ offsetof(struct husk_routes, reserved) }
#define RESERVED_VM_IRQFD	{ offsetof(struct husk_irqfd, reserved) }
#define RESERVED_VM_IOEVENTFD	{ 0 }
#define RESERVED_VM_RESET	{ offsetof(struct husk_reset, reserved) }
#define RESERVED_VM_GET_STATE	{ offsetof(struct husk_state, reserved) }
#define RESERVED_VM_SET_STATE	{ offsetof(struct husk_state, reserved) }
#define RESERVED_VCPU_GET_STATE	{ offsetof(struct husk_state, reserved) }
#define RESERVED_VCPU_SET_STATE	{ offsetof(struct husk_state, reserved) }
#define RESERVED_VM_CREATE_DISK	{ 0 }
#define RESERVED_DISK_START	{ offsetof(struct husk_disk_start, reserved) }
#define RESERVED_DISK_START_PVSCSI	{ offsetof(struct husk_disk_start_pvscsi, reserved) }
#define RESERVED_DISK_STOP	{ 0 }
#define RESERVED_DISK_SET_CALL	{ offsetof(struct husk_disk_call, reserved) }
#define RESERVED_DISK_KICK	{ offsetof(struct husk_disk_kick, reserved) }
#define RESERVED_DISK_GET_STATS	{ 0 }
#define RESERVED_DISK_SET_LIMIT	{ 0 }
#define RESERVED_DISK_WORK	{ offsetof(struct husk_disk_work, reserved) }
#define RESERVED_DISK_RUN	{ offsetof(struct husk_disk_run, reserved) }
#define RESERVED_VCPU_TRANSLATE	{ offsetof(struct husk_translate, reserved) }

static const struct command commands[] = {
#define X(name, nr, object, type, first, flags) \
	{ #name, HUSK_##name, object, sizeof(struct type), first, flags, (void (*)(void *))fill_##name, RESERVED_##name },
	HUSK_IOCTLS(X)
#undef X
};

static const struct command *now;	/* the command under test */

union argument {
	struct {
		__u32 size, flags;
	};
	unsigned char bytes[8192];
};

static union argument valid(__u32 size)
{
	union argument arg = {};

	now->fill(&arg);
	arg.size = size;
	return arg;
}

/* What must be there for a command */
static void arrange(struct fds *fds)
{
	struct husk_memory logged = {
		.size = sizeof(logged), .flags = HUSK_MEM_LOG_DIRTY, .length = 4096, .hva = (uintptr_t)backing,
	};

	struct husk_memory memory = { .size = sizeof(memory), .length = 4096, .hva = (uintptr_t)backing };
	struct husk_disk_start start = { .size = sizeof(start) };

	if (now->number == HUSK_VM_HARVEST)
		EXPECT(abi_call(fds->fd[VM], HUSK_VM_SET_MEMORY, &logged), 0);
	if (now->number == HUSK_DISK_START || now->number == HUSK_DISK_START_PVSCSI || now->number == HUSK_DISK_STOP)
		EXPECT(abi_call(fds->fd[VM], HUSK_VM_SET_MEMORY, &memory), 0);
	fill_DISK_START(&start);
	if (now->number == HUSK_DISK_STOP)
		EXPECT(abi_call(fds->fd[DISK], HUSK_DISK_START, &start), 0);
}

/* On fresh objects, so that no call depends on the one before it */
static int try(void *arg)
{
	struct fds fds = abi_open(now->object >= VCPU);
	int ret;

	arrange(&fds);
	ret = abi_call(fds.fd[now->object], now->number, arg);
	if (ret > 0) {		/* a new fd */
		close(ret);
		ret = 0;
	}
	abi_close(&fds);
	return ret;
}

static int try_size(__u32 size)
{
	union argument arg = valid(size);

	return try(&arg);
}

static void rule_valid(void)
{
	EXPECT(try_size(now->size), 0);
}

static void rule_short(void)
{
	EXPECT(try_size(0), -EINVAL);
	EXPECT(try_size(4), -EINVAL);
	EXPECT(try_size(now->first - 1), -EINVAL);
}

static void rule_long(void)
{
	union argument arg;

	EXPECT(try_size(now->size + 8), 0);
	EXPECT(try_size(4096), 0);
	EXPECT(try_size(4096 + 8), -E2BIG);
	EXPECT(try_size(~0U), -E2BIG);
	arg = valid(now->size + 64);
	arg.bytes[now->size] = 1;
	EXPECT(try(&arg), -E2BIG);
	arg = valid(now->size + 64);
	arg.bytes[now->size + 63] = 1;
	EXPECT(try(&arg), -E2BIG);
	arg = valid(now->size);
	arg.bytes[now->size] = 1;	/* outside of size: not looked at */
	EXPECT(try(&arg), 0);
}

static void rule_flags(void)
{
	for (int bit = 0; bit < 32; bit++) {
		union argument arg = valid(now->size);

		arg.flags |= 1U << bit;
		if (!(now->flags & 1U << bit))
			EXPECT(try(&arg), -EOPNOTSUPP);
	}
}

static void rule_reserved(void)
{
	for (int i = 0; now->reserved[i]; i++)
		for (int byte = 0; byte < 4; byte += 3) {
			union argument arg = valid(now->size);

			arg.bytes[now->reserved[i] + byte] = 1;
			EXPECT(try(&arg), -EINVAL);
		}
}

static void rule_pointer(void)
{
	unsigned char *edge = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	union argument arg = valid(now->size);

	EXPECT(try(NULL), -EFAULT);
	EXPECT(try((void *)1), -EFAULT);
	EXPECT(try((void *)0xffff800000000000), -EFAULT);
	EXPECT(try((void *)-8L), -EFAULT);
	munmap(edge + 4096, 4096);
	memcpy(edge + 4096 - 8, &arg, 8);
	EXPECT(try(edge + 4096 - 8), -EFAULT);
	memcpy(edge + 4096 - now->size, &arg, now->size);
	EXPECT(try(edge + 4096 - now->size), 0);
	munmap(edge, 4096);
}

static void rule_object(void)
{
	struct fds fds = abi_open(true);

	for (int object = 0; object < OBJECTS; object++) {
		union argument arg = valid(now->size);

		if (object != (int)now->object)
			EXPECT(abi_call(fds.fd[object], now->number, &arg), -ENOTTY);
	}
	abi_close(&fds);
}

/* A child has another address space: VM and vCPU are not its own */
static void rule_process(void)
{
	struct fds fds = abi_open(now->object >= VCPU);
	union argument arg = valid(now->size);
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		int ret = abi_call(fds.fd[now->object], now->number, &arg);

		_exit(ret < 0 ? -ret : 0);
	}
	waitpid(pid, &status, 0);
	EXPECT(WEXITSTATUS(status), now->object == DEV ? 0 : EPERM);
	abi_close(&fds);
}

static const struct {
	const char *name;
	void (*fn)(void);
} rules[] = {
	{ "valid", rule_valid }, { "short", rule_short }, { "long", rule_long }, { "flags", rule_flags },
	{ "reserved", rule_reserved }, { "pointer", rule_pointer }, { "object", rule_object },
	{ "process", rule_process },
};

static void every_command(void)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		for (size_t j = 0; j < sizeof(rules) / sizeof(rules[0]); j++) {
			char name[96];

			now = &commands[i];
			snprintf(name, sizeof(name), "abi_%s_%s", rules[j].name, now->name);
			abi_group(name, rules[j].fn);
		}
}

/* Numbers that no table has, on all kinds of objects */
static void unknown_numbers(void)
{
	struct fds fds = abi_open(true);
	unsigned char arg[4096] = { 64 };

	for (int object = 0; object < OBJECTS; object++) {
		for (unsigned int nr = 0x40; nr < 0x100; nr++)
			EXPECT(abi_call(fds.fd[object], _IOWR(HUSK_IOC_MAGIC, nr, __u64), arg), -ENOTTY);
		EXPECT(abi_call(fds.fd[object], 0, arg), -ENOTTY);
		EXPECT(abi_call(fds.fd[object], ~0UL, arg), -ENOTTY);
		EXPECT(abi_call(fds.fd[object], 0xae01, arg), -ENOTTY);		/* KVM's */
	}
	EXPECT(abi_call(fds.fd[VM], HUSK_VCPU_RUN, NULL), -ENOTTY);
	EXPECT(abi_call(fds.fd[DEV], HUSK_VCPU_RUN, NULL), -ENOTTY);
	abi_close(&fds);
}

int main(void)
{
	const char *disk = getenv("ABI_DISK");

	signals = eventfd(0, EFD_NONBLOCK);
	abi_disk = disk ? open(disk, O_RDWR | O_DIRECT | O_CLOEXEC) : -1;
	if (abi_disk < 0) {
		printf("not ok abi_disk: $ABI_DISK, %s, can't be opened\n", disk ? disk : "not set");
		return 1;
	}
	every_command();
	abi_group("abi_unknown_numbers", unknown_numbers);
	values_run();
	busy_run();
	printf("# abi: %d passed, %d failed\n", passed, failed);
	return failed ? 1 : 0;
}
