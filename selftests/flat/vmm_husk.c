// SPDX-License-Identifier: GPL-2.0
/* The husk back end: nothing but the ioctls and the run page. */
#include <errno.h>
#include <string.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "vmm.h"

static int husk_call(int fd, unsigned long command, void *arg)
{
	int ret = ioctl(fd, command, arg);

	return ret < 0 ? -errno : ret;
}

bool vmm_bare;

static u32 drop_hypervisor(struct husk_cpuid_entry *entry, u32 count)
{
	u32 left = 0;

	for (u32 i = 0; i < count; i++)
		if (entry[i].function >> 28 != 4)
			entry[left++] = entry[i];
	return left;
}

static int husk_create(struct vmm *vm)
{
	struct husk_create_vm arg = { .size = sizeof(arg) };
	struct husk_cpuid_entry entry[HUSK_CPUID_MAX] = {};
	struct husk_cpuid cpuid = {
		.size = sizeof(cpuid), .count = HUSK_CPUID_MAX, .entries = (uintptr_t)entry,
	};
	int err;

	vm->fd = husk_call(vm->dev, HUSK_CREATE_VM, &arg);
	if (vm->fd < 0)
		return vm->fd;
	err = husk_call(vm->dev, HUSK_GET_CPUID, &cpuid);
	if (err)
		return err;
	if (vmm_bare)
		cpuid.count = drop_hypervisor(entry, cpuid.count);
	return husk_call(vm->fd, HUSK_VM_SET_CPUID, &cpuid);
}

static int husk_memory(struct vmm *vm, u32 slot, u64 gpa, u64 length, void *hva, u32 flags)
{
	struct husk_memory arg = {
		.size = sizeof(arg), .flags = flags, .slot = slot, .gpa = gpa,
		.length = length, .hva = (uintptr_t)hva,
	};

	return husk_call(vm->fd, HUSK_VM_SET_MEMORY, &arg);
}

static int husk_harvest(struct vmm *vm, u32 slot, u64 pages, u64 *bitmap)
{
	struct husk_harvest arg = {
		.size = sizeof(arg), .slot = slot, .pages = pages, .bitmap = (uintptr_t)bitmap,
	};

	return husk_call(vm->fd, HUSK_VM_HARVEST, &arg);
}

static int husk_vcpu(struct vmm *vm, u32 id)
{
	struct husk_create_vcpu arg = { .size = sizeof(arg), .id = id };
	struct vmm_vcpu *vcpu = &vm->vcpu[id];
	void *run;

	vcpu->fd = husk_call(vm->fd, HUSK_VM_CREATE_VCPU, &arg);
	if (vcpu->fd < 0)
		return vcpu->fd;
	run = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (run == MAP_FAILED)
		return -errno;
	vcpu->run = run;
	vcpu->run_size = 4096;
	return 0;
}

struct both {
	struct husk_state_record general_head;
	struct husk_general general;
	struct husk_state_record system_head;
	struct husk_system system;
};

static const u64 both_classes = 1ULL << HUSK_STATE_GENERAL | 1ULL << HUSK_STATE_SYSTEM;

/* Others than vCPU 0 wait for INIT at first */
static int husk_runnable(struct vmm *vm, u32 id)
{
	struct {
		struct husk_state_record head;
		struct husk_vcpu_events events;
	} record = { .head = { HUSK_STATE_EVENTS, 1, sizeof(record.events), 0 } };
	struct husk_state arg = {
		.size = sizeof(arg), .classes = 1ULL << HUSK_STATE_EVENTS, .length = sizeof(record),
		.buffer = (uintptr_t)&record,
	};

	return husk_call(vm->vcpu[id].fd, HUSK_VCPU_SET_STATE, &arg);
}

static int husk_set(struct vmm *vm, u32 id, const struct husk_general *regs, const struct husk_system *sys)
{
	struct both both = {
		.general_head = { HUSK_STATE_GENERAL, 1, sizeof(both.general), 0 },
		.general = *regs,
		.system_head = { HUSK_STATE_SYSTEM, 1, sizeof(both.system), 0 },
		.system = *sys,
	};
	struct husk_state arg = {
		.size = sizeof(arg), .classes = both_classes, .length = sizeof(both),
		.buffer = (uintptr_t)&both,
	};

	int err = husk_call(vm->vcpu[id].fd, HUSK_VCPU_SET_STATE, &arg);

	return err || !id ? err : husk_runnable(vm, id);
}

static int husk_get(struct vmm *vm, u32 id, struct husk_general *regs, struct husk_system *sys)
{
	struct both both;
	struct husk_state arg = {
		.size = sizeof(arg), .classes = both_classes, .length = sizeof(both),
		.buffer = (uintptr_t)&both,
	};
	int err = husk_call(vm->vcpu[id].fd, HUSK_VCPU_GET_STATE, &arg);

	*regs = both.general;
	*sys = both.system;
	return err;
}

static int husk_irq_line(struct vmm *vm, u32 gsi, u32 level)
{
	struct husk_irq_line arg = { .size = sizeof(arg), .gsi = gsi, .level = level };

	return husk_call(vm->fd, HUSK_VM_IRQ_LINE, &arg);
}

static int husk_msi(struct vmm *vm, u64 address, u32 data)
{
	struct husk_msi arg = { .size = sizeof(arg), .address = address, .data = data };

	return husk_call(vm->fd, HUSK_VM_SIGNAL_MSI, &arg);
}

static int husk_routes(struct vmm *vm, const struct husk_route *route, u32 count)
{
	struct husk_routes arg = { .size = sizeof(arg), .count = count, .routes = (uintptr_t)route };

	return husk_call(vm->fd, HUSK_VM_SET_ROUTES, &arg);
}

static int husk_irqfd(struct vmm *vm, int fd, u32 gsi, int resample, u32 flags)
{
	struct husk_irqfd arg = { .size = sizeof(arg), .flags = flags, .fd = fd, .gsi = gsi, .resample = resample };

	return husk_call(vm->fd, HUSK_VM_IRQFD, &arg);
}

static int husk_ioeventfd(struct vmm *vm, int fd, u64 addr, u32 width, u64 data, u32 flags)
{
	struct husk_ioeventfd arg = {
		.size = sizeof(arg), .flags = flags, .fd = fd, .width = width, .addr = addr, .data = data,
	};

	return husk_call(vm->fd, HUSK_VM_IOEVENTFD, &arg);
}

static void husk_immediate_exit(struct vmm *vm, u32 id, bool on)
{
	struct husk_run *run = vm->vcpu[id].run;

	run->immediate_exit = on;
}

static void husk_run(struct vmm *vm, u32 id, struct vmm_exit *exit)
{
	static const enum vmm_kind kinds[HUSK_EXIT_COUNT] = {
		[HUSK_EXIT_NONE] = VMM_NONE, [HUSK_EXIT_PIO] = VMM_PIO, [HUSK_EXIT_MMIO] = VMM_MMIO,
		[HUSK_EXIT_SHUTDOWN] = VMM_SHUTDOWN, [HUSK_EXIT_UNHANDLED] = VMM_UNHANDLED,
		[HUSK_EXIT_ENTRY_FAIL] = VMM_ENTRY_FAIL, [HUSK_EXIT_STOP] = VMM_STOP,
		[HUSK_EXIT_KILLED] = VMM_KILLED, [HUSK_EXIT_POLICY] = VMM_POLICY,
	};
	struct husk_run *run = vm->vcpu[id].run;

	exit->error = 0;
	if (ioctl(vm->vcpu[id].fd, HUSK_VCPU_RUN, 0)) {
		exit->kind = VMM_ERROR;
		exit->error = errno;
		return;
	}
	exit->kind = run->exit < HUSK_EXIT_COUNT ? kinds[run->exit] : VMM_ERROR;
	if (exit->kind == VMM_PIO) {
		exit->addr = run->pio.port;
		exit->width = run->pio.width;
		exit->write = run->pio.write;
		exit->data = run->pio.data;
		exit->answer = &run->pio.data;
	} else if (exit->kind == VMM_MMIO) {
		exit->addr = run->mmio.gpa;
		exit->width = run->mmio.width;
		exit->write = run->mmio.write;
		exit->data = run->mmio.data;
		exit->answer = &run->mmio.data;
	}
	if (exit->width < 8)
		exit->data &= (1ULL << exit->width * 8) - 1;
}

const struct vmm_backend vmm_husk = {
	.name = "husk",
	.device = "/dev/husk",
	.create = husk_create,
	.memory = husk_memory,
	.harvest = husk_harvest,
	.vcpu = husk_vcpu,
	.set = husk_set,
	.get = husk_get,
	.irq_line = husk_irq_line,
	.msi = husk_msi,
	.routes = husk_routes,
	.irqfd = husk_irqfd,
	.ioeventfd = husk_ioeventfd,
	.immediate_exit = husk_immediate_exit,
	.run = husk_run,
};
