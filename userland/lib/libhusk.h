/* SPDX-License-Identifier: GPL-2.0 */
/*
 * libhusk: the ioctls of /dev/husk as functions. Each fills in the size field,
 * answers 0 or a file descriptor, or -1 with errno.
 */
#ifndef LIBHUSK_H
#define LIBHUSK_H

#include <stddef.h>
#include <sys/types.h>

#include "lib/status.h"
#include "uapi/husk.h"

#define HUSK_DEVICE	"/dev/husk"

int husk_open(void);
int husk_get_caps(int dev, struct husk_caps *caps);
/* *count: room at entry, number of entries after; E2BIG sets it to the number needed. */
int husk_get_cpuid(int dev, struct husk_cpuid_entry *entry, __u32 *count);
/* control may be NULL. id may be NULL. uuid: NULL for one that the kernel makes. Answers the VM fd. */
int husk_vm_create(int dev, const char *name, const char *control, const __u8 *uuid, __u32 *id);

int husk_vm_set_memory(int vm, __u32 slot, __u64 gpa, void *hva, __u64 length, __u32 flags);
int husk_vm_set_cpuid(int vm, const struct husk_cpuid_entry *entry, __u32 count);
/* Answers the vCPU fd. */
int husk_vm_create_vcpu(int vm, __u32 id);
int husk_vm_irq_line(int vm, __u32 gsi, __u32 level);
int husk_vm_signal_msi(int vm, __u64 address, __u32 data);
int husk_vm_set_routes(int vm, const struct husk_route *route, __u32 count);
/* resample counts with HUSK_IRQFD_RESAMPLE only */
int husk_vm_irqfd(int vm, int fd, __u32 gsi, int resample, __u32 flags);
int husk_vm_ioeventfd(int vm, int fd, __u64 addr, __u32 width, __u64 data, __u32 flags);
int husk_vm_reset(int vm);
/* One class of the VM's chips; payload has the size of the class's struct */
int husk_vm_get(int vm, enum husk_vm_class id, void *payload);
int husk_vm_set(int vm, enum husk_vm_class id, const void *payload);

/* Map the run page, read-write, and the statistics page, read-only; NULL with errno. */
struct husk_run *husk_vcpu_map_run(int vcpu);
const struct husk_stats *husk_vcpu_map_stats(int vcpu);
void husk_vcpu_unmap(const void *page);
/* One class; payload has the size of the class's struct. */
int husk_vcpu_get(int vcpu, enum husk_state_class id, void *payload);
int husk_vcpu_set(int vcpu, enum husk_state_class id, const void *payload);
size_t husk_state_size(enum husk_state_class id);
int husk_vcpu_translate(int vcpu, __u64 gva, __u64 *gpa);	/* EFAULT: not mapped */
int husk_vcpu_run(int vcpu);

const char *husk_reason_name(unsigned int reason);
const char *husk_level_name(unsigned int level);
const char *husk_exit_name(unsigned int exit);
const char *husk_mode_name(unsigned int mode);

/*
 * What to tell the user when husk_open() failed with this errno: what is wrong
 * and what to do, in one line.
 */
const char *husk_open_error(int err);
/* The same for husk_vm_create(). */
const char *husk_create_error(int err);

/*
 * The folder of this user's control sockets, made if it is not there:
 * /run/husk for root, else husk/ in XDG_RUNTIME_DIR or /run/user/UID, else
 * /tmp/husk-UID. NULL with errno.
 */
const char *husk_rundir(void);
/* Path of a VM's control socket. -1 with ENAMETOOLONG or husk_rundir()'s errno. */
int husk_control_path(char path[HUSK_CONTROL_LEN], const char *name);
/* Connect to a control socket of that user's, send one line. Answers the socket, or -1: EPERM if it is another's. */
int husk_control_connect(const char *path, uid_t owner, const char *line);
/* husk-vm, beside the program that asks or in ../libexec/husk from there. -1 with errno */
int husk_worker_path(char path[4096]);
/* What --firmware knows by name, which is its package's, too, the default first; path ends with NULL */
#define HUSK_FIRMWARE	2
struct husk_firmware {
	const char *name, *path[3];
};
extern const struct husk_firmware husk_firmware[HUSK_FIRMWARE];
/* The first of its files that is there and can be read, or NULL */
const char *husk_firmware_path(const struct husk_firmware *firmware);
/* Bytes from "512K", "256M", "2G"; a bare number is MiB. 0: no size */
__u64 husk_parse_size(const char *text);
/* Is it a name the kernel takes: 1..63 of [A-Za-z0-9._-], not starting with '-' or '.'? */
int husk_name_valid(const char *name);

#endif
