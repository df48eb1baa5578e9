// SPDX-License-Identifier: GPL-2.0
/* The ioctls of husk as functions. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/libhusk.h"

#define PAGE	4096

int husk_open(void)
{
	return open(HUSK_DEVICE, O_RDWR | O_CLOEXEC);
}

int husk_get_caps(int dev, struct husk_caps *caps)
{
	memset(caps, 0, sizeof(*caps));
	caps->size = sizeof(*caps);
	return ioctl(dev, HUSK_GET_CAPS, caps);
}

int husk_get_cpuid(int dev, struct husk_cpuid_entry *entry, __u32 *count)
{
	struct husk_cpuid arg = {
		.size = sizeof(arg),
		.count = *count,
		.entries = (uintptr_t)entry,
	};
	int ret = ioctl(dev, HUSK_GET_CPUID, &arg);

	*count = arg.count;
	return ret;
}

int husk_vm_create(int dev, const char *name, const char *control, const __u8 *uuid, __u32 *id)
{
	struct husk_create_vm arg = { .size = sizeof(arg) };
	int vm;

	if (strlen(name) >= sizeof(arg.name) || (control && strlen(control) >= sizeof(arg.control))) {
		errno = EINVAL;
		return -1;
	}
	strcpy(arg.name, name);
	if (control)
		strcpy(arg.control, control);
	if (uuid)
		memcpy(arg.uuid, uuid, sizeof(arg.uuid));
	vm = ioctl(dev, HUSK_CREATE_VM, &arg);
	if (vm >= 0 && id)
		*id = arg.id;
	return vm;
}

int husk_vm_set_memory(int vm, __u32 slot, __u64 gpa, void *hva, __u64 length, __u32 flags)
{
	struct husk_memory arg = {
		.size = sizeof(arg),
		.flags = flags,
		.slot = slot,
		.gpa = gpa,
		.length = length,
		.hva = (uintptr_t)hva,
	};

	return ioctl(vm, HUSK_VM_SET_MEMORY, &arg);
}

int husk_vm_harvest(int vm, __u32 slot, __u64 first, __u64 pages, __u64 *bitmap, __u64 *dirty)
{
	struct husk_harvest arg = {
		.size = sizeof(arg),
		.slot = slot,
		.first = first,
		.pages = pages,
		.bitmap = (uintptr_t)bitmap,
	};

	if (ioctl(vm, HUSK_VM_HARVEST, &arg) < 0)
		return -1;
	if (dirty)
		*dirty = arg.dirty;
	return 0;
}

int husk_vm_set_cpuid(int vm, const struct husk_cpuid_entry *entry, __u32 count)
{
	struct husk_cpuid arg = {
		.size = sizeof(arg),
		.count = count,
		.entries = (uintptr_t)entry,
	};

	return ioctl(vm, HUSK_VM_SET_CPUID, &arg);
}

int husk_vm_create_vcpu(int vm, __u32 id)
{
	struct husk_create_vcpu arg = { .size = sizeof(arg), .id = id };

	return ioctl(vm, HUSK_VM_CREATE_VCPU, &arg);
}

int husk_vm_irq_line(int vm, __u32 gsi, __u32 level)
{
	struct husk_irq_line arg = { .size = sizeof(arg), .gsi = gsi, .level = level };

	return ioctl(vm, HUSK_VM_IRQ_LINE, &arg);
}

int husk_vm_signal_msi(int vm, __u64 address, __u32 data)
{
	struct husk_msi arg = { .size = sizeof(arg), .address = address, .data = data };

	return ioctl(vm, HUSK_VM_SIGNAL_MSI, &arg);
}

int husk_vm_set_routes(int vm, const struct husk_route *route, __u32 count)
{
	struct husk_routes arg = { .size = sizeof(arg), .count = count, .routes = (uintptr_t)route };

	return ioctl(vm, HUSK_VM_SET_ROUTES, &arg);
}

int husk_vm_irqfd(int vm, int fd, __u32 gsi, int resample, __u32 flags)
{
	struct husk_irqfd arg = { .size = sizeof(arg), .flags = flags, .fd = fd, .gsi = gsi };

	if (flags & HUSK_IRQFD_RESAMPLE)
		arg.resample = resample;
	return ioctl(vm, HUSK_VM_IRQFD, &arg);
}

int husk_vm_ioeventfd(int vm, int fd, __u64 addr, __u32 width, __u64 data, __u32 flags)
{
	struct husk_ioeventfd arg = {
		.size = sizeof(arg),
		.flags = flags,
		.fd = fd,
		.width = width,
		.addr = addr,
		.data = data,
	};

	return ioctl(vm, HUSK_VM_IOEVENTFD, &arg);
}

int husk_vm_reset(int vm)
{
	struct husk_reset arg = { .size = sizeof(arg) };

	return ioctl(vm, HUSK_VM_RESET, &arg);
}

int husk_vm_create_disk(int vm, const struct husk_create_disk *disk)
{
	struct husk_create_disk arg = *disk;

	arg.size = sizeof(arg);
	return ioctl(vm, HUSK_VM_CREATE_DISK, &arg);
}

int husk_disk_start(int disk, const struct husk_disk_start *queue)
{
	struct husk_disk_start arg = *queue;

	arg.size = sizeof(arg);
	return ioctl(disk, HUSK_DISK_START, &arg);
}

int husk_disk_start_pvscsi(int disk, const struct husk_disk_start_pvscsi *rings)
{
	struct husk_disk_start_pvscsi arg = *rings;

	arg.size = sizeof(arg);
	return ioctl(disk, HUSK_DISK_START_PVSCSI, &arg);
}

int husk_disk_stop(int disk, struct husk_disk_stop *queue)
{
	queue->size = sizeof(*queue);
	return ioctl(disk, HUSK_DISK_STOP, queue);
}

int husk_disk_set_call(int disk, __u32 index, __u32 flags, __u32 gsi, int fd)
{
	struct husk_disk_call arg = { .size = sizeof(arg), .flags = flags, .index = index };

	if (flags & HUSK_DISK_CALL_GSI)
		arg.gsi = gsi;
	if (flags & HUSK_DISK_CALL_EVENTFD)
		arg.fd = fd;
	return ioctl(disk, HUSK_DISK_SET_CALL, &arg);
}

int husk_disk_kick(int disk)
{
	struct husk_disk_kick arg = { .size = sizeof(arg) };

	return ioctl(disk, HUSK_DISK_KICK, &arg);
}

int husk_disk_set_limit(int disk, const struct husk_disk_limit *limit)
{
	struct husk_disk_limit arg = *limit;

	arg.size = sizeof(arg);
	return ioctl(disk, HUSK_DISK_SET_LIMIT, &arg);
}

int husk_disk_run(int disk, struct husk_disk_run *told)
{
	memset(told, 0, sizeof(*told));
	told->size = sizeof(*told);
	return ioctl(disk, HUSK_DISK_RUN, told);
}

int husk_disk_work(int disk)
{
	struct husk_disk_work arg = { .size = sizeof(arg) };

	return ioctl(disk, HUSK_DISK_WORK, &arg);
}

int husk_disk_get_stats(int disk, struct husk_disk_stats *stats, struct husk_disk_times times[HUSK_DISK_TIMES_COUNT])
{
	*stats = (struct husk_disk_stats){ .size = sizeof(*stats), .times = (uintptr_t)times };
	return ioctl(disk, HUSK_DISK_GET_STATS, stats);
}

static void *map(int vcpu, size_t bytes, int prot, off_t offset)
{
	void *at = mmap(NULL, bytes, prot, MAP_SHARED, vcpu, offset);

	return at == MAP_FAILED ? NULL : at;
}

struct husk_run *husk_vcpu_map_run(int vcpu)
{
	return map(vcpu, PAGE, PROT_READ | PROT_WRITE, 0);
}

const struct husk_stats *husk_vcpu_map_stats(int vcpu)
{
	return map(vcpu, HUSK_STATS_BYTES, PROT_READ, PAGE);
}

void husk_vcpu_unmap_run(struct husk_run *run)
{
	if (run)
		munmap(run, PAGE);
}

void husk_vcpu_unmap_stats(const struct husk_stats *stats)
{
	if (stats)
		munmap((void *)stats, HUSK_STATS_BYTES);
}

/* The classes of an object and its commands for them */
struct object {
	unsigned long get, set;
	unsigned int count;
	const struct class {
		__u32 size, version;
	} *classes;
};

static const struct object vcpu_object = {
	HUSK_VCPU_GET_STATE, HUSK_VCPU_SET_STATE, HUSK_STATE_COUNT,
	(const struct class[]) {
#define X(id, name, type, version) [HUSK_STATE_##id] = { sizeof(type), version },
		HUSK_STATES(X)
#undef X
	}
};

static const struct object vm_object = {
	HUSK_VM_GET_STATE, HUSK_VM_SET_STATE, HUSK_VM_CLASS_COUNT,
	(const struct class[]) {
#define X(id, name, type, version) [HUSK_VM_CLASS_##id] = { sizeof(type), version },
		HUSK_VM_CLASSES(X)
#undef X
	}
};

size_t husk_state_size(enum husk_state_class id)
{
	return id < HUSK_STATE_COUNT ? vcpu_object.classes[id].size : 0;
}

struct one_record {
	struct husk_state_record header;
	__u8 payload[];
};

static int state(int fd, unsigned long cmd, unsigned int id, size_t size, struct one_record *rec)
{
	struct husk_state arg = {
		.size = sizeof(arg),
		.classes = 1ULL << id,
		.length = sizeof(*rec) + size,
		.buffer = (uintptr_t)rec,
	};

	return ioctl(fd, cmd, &arg);
}

static struct one_record *record_alloc(const struct object *object, unsigned int id)
{
	struct one_record *rec;

	if (id >= object->count) {
		errno = EINVAL;
		return NULL;
	}
	rec = calloc(1, sizeof(*rec) + object->classes[id].size);
	if (rec)
		rec->header = (struct husk_state_record){
			.class_id = id,
			.version = object->classes[id].version,
			.length = object->classes[id].size,
		};
	return rec;
}

static int state_get(int fd, const struct object *object, unsigned int id, void *payload)
{
	struct one_record *rec = record_alloc(object, id);
	int ret;

	if (!rec)
		return -1;
	ret = state(fd, object->get, id, object->classes[id].size, rec);
	if (!ret)
		memcpy(payload, rec->payload, object->classes[id].size);
	free(rec);
	return ret;
}

static int state_set(int fd, const struct object *object, unsigned int id, const void *payload)
{
	struct one_record *rec = record_alloc(object, id);
	int ret;

	if (!rec)
		return -1;
	memcpy(rec->payload, payload, object->classes[id].size);
	ret = state(fd, object->set, id, object->classes[id].size, rec);
	free(rec);
	return ret;
}

int husk_vcpu_get(int vcpu, enum husk_state_class id, void *payload)
{
	return state_get(vcpu, &vcpu_object, id, payload);
}

int husk_vcpu_set(int vcpu, enum husk_state_class id, const void *payload)
{
	return state_set(vcpu, &vcpu_object, id, payload);
}

int husk_vm_get(int vm, enum husk_vm_class id, void *payload)
{
	return state_get(vm, &vm_object, id, payload);
}

int husk_vm_set(int vm, enum husk_vm_class id, const void *payload)
{
	return state_set(vm, &vm_object, id, payload);
}

int husk_vcpu_translate(int vcpu, __u64 gva, __u64 *gpa)
{
	struct husk_translate arg = { .size = sizeof(arg), .gva = gva };

	if (ioctl(vcpu, HUSK_VCPU_TRANSLATE, &arg) < 0)
		return -1;
	if (!arg.valid) {
		errno = EFAULT;
		return -1;
	}
	*gpa = arg.gpa;
	return 0;
}

int husk_vcpu_run(int vcpu)
{
	return ioctl(vcpu, HUSK_VCPU_RUN, 0);
}
