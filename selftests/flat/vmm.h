/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A few hundred lines of virtual machine monitor for the tests: flat guests, no
 * devices, two back ends (husk's ioctls; KVM's, to validate the guests and to
 * compare). Only the ABI headers are used, so that a bug in libhusk can't hide
 * one in the module.
 */
#ifndef FLAT_VMM_H
#define FLAT_VMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "husk.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;

/* Guest physical layout, also known to guest/guest.h */
#define RAM_SIZE	(32UL << 20)
#define GDT_GPA		0x9000UL
#define PML4_GPA	0x10000UL	/* identity map of 4 GiB by 2 MiB pages: 6 pages */
#define STACK_GPA	0x80000UL
#define IMAGE_GPA	0x100000UL

#define VMM_VCPUS	64

enum vmm_kind {
	VMM_PIO, VMM_MMIO, VMM_SHUTDOWN, VMM_UNHANDLED, VMM_ENTRY_FAIL,
	VMM_NONE,		/* immediate exit */
	VMM_STOP, VMM_KILLED,
	VMM_POLICY,		/* husk: run->policy is to be answered */
	VMM_ERROR,		/* the run call failed: error is errno */
};

struct vmm_exit {
	enum vmm_kind kind;
	int error;
	bool write;
	u8 width;
	u64 addr;		/* port or guest physical address */
	u64 data;		/* written; or to be filled in for a read */
	void *answer;		/* where the data of a read goes, vmm_answer() */
};

struct vmm_vcpu {
	int fd;
	void *run;
	size_t run_size;
	u32 batch, batch_done;	/* KVM hands over string I/O in batches */
};

struct vmm {
	const struct vmm_backend *be;
	int dev, fd;
	u8 *ram;
	size_t ram_size;
	struct vmm_vcpu vcpu[VMM_VCPUS];
};

/* All answer 0 or -errno */
struct vmm_backend {
	const char *name;
	const char *device;
	int (*create)(struct vmm *vm);
	int (*memory)(struct vmm *vm, u32 slot, u64 gpa, u64 length, void *hva, u32 flags);
	/* The log of a slot's first pages (husk: of at most HUSK_HARVEST_MAX; KVM: of all), a bit each */
	int (*harvest)(struct vmm *vm, u32 slot, u64 pages, u64 *bitmap);
	int (*vcpu)(struct vmm *vm, u32 id);
	int (*set)(struct vmm *vm, u32 id, const struct husk_general *regs, const struct husk_system *sys);
	int (*get)(struct vmm *vm, u32 id, struct husk_general *regs, struct husk_system *sys);
	int (*irq_line)(struct vmm *vm, u32 gsi, u32 level);
	int (*msi)(struct vmm *vm, u64 address, u32 data);
	int (*routes)(struct vmm *vm, const struct husk_route *route, u32 count);
	/* As in husk.h; of flags HUSK_IRQFD_x, HUSK_IOEVENTFD_x */
	int (*irqfd)(struct vmm *vm, int fd, u32 gsi, int resample, u32 flags);
	int (*ioeventfd)(struct vmm *vm, int fd, u64 addr, u32 width, u64 data, u32 flags);
	void (*immediate_exit)(struct vmm *vm, u32 id, bool on);
	void (*run)(struct vmm *vm, u32 id, struct vmm_exit *exit);
};

extern const struct vmm_backend vmm_husk, vmm_kvm;
extern bool vmm_bare;	/* husk: VMs have no hypervisor's leaves in CPUID */

/* Device only: 0 or -errno */
int vmm_open(struct vmm *vm, const struct vmm_backend *be);
/* A VM with RAM_SIZE of memory at 0 and vCPU 0 in its reset state */
int vmm_create(struct vmm *vm, const struct vmm_backend *be);
void vmm_destroy(struct vmm *vm);
void vmm_answer(struct vmm_exit *exit, u64 data);
/* Ready states of vCPU 0 */
void vmm_tables(struct vmm *vm);
int vmm_long_mode(struct vmm *vm, u32 id, u64 rip, u64 rsp, u64 rdi, u64 rsi);
int vmm_protected_mode(struct vmm *vm, u32 id, u64 rip, u64 rsp);
void vmm_load(struct vmm *vm, u64 gpa, const void *data, size_t length);
struct husk_system vmm_long_system(void);

#endif
