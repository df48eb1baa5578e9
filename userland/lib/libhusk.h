/* SPDX-License-Identifier: GPL-2.0 */
/*
 * libhusk: the ioctls of /dev/husk as functions, and the names of what they report.
 * netlink.h beside it has the control of live VMs.
 *
 * Functions that are ioctls fill in the size field, and answer 0 or a file descriptor
 * (close-on-exec), or -1 with errno. What errno means for all of them is in husk.h, at
 * the top; below are those that are a function's own. Addresses and lengths are in bytes.
 * Any thread may call any function; a vCPU is run by one at a time.
 */
#ifndef LIBHUSK_H
#define LIBHUSK_H

#include <stddef.h>

#include <husk/husk.h>

#define HUSK_DEVICE	"/dev/husk"

/* ---- the device --------------------------------------------------------- */

/**
 * husk_open - open /dev/husk
 *
 * Return: the device's fd; -1 with errno, which husk_open_error() explains.
 */
int husk_open(void);

/**
 * husk_get_caps - what this host and the module can do
 * @dev: of husk_open()
 * @caps: out
 *
 * Return: 0; -1 with errno.
 */
int husk_get_caps(int dev, struct husk_caps *caps);

/**
 * husk_get_cpuid - the CPUID leaves that a guest can have on this host
 * @dev: of husk_open()
 * @entry: out
 * @count: in: room at @entry, HUSK_CPUID_MAX is enough; out: number of entries
 *
 * Return: 0; -1 with errno, E2BIG if the room is too small: @count is what it takes.
 */
int husk_get_cpuid(int dev, struct husk_cpuid_entry *entry, __u32 *count);

/**
 * husk_vm_create - make a VM; it is there until the last fd of it is closed
 * @dev: of husk_open()
 * @name: as husk_name_valid() says; empty: "vm" and its id
 * @control: path of a socket at which its process is to be reached, below
 *	HUSK_CONTROL_LEN bytes; NULL: none
 * @uuid: 16 bytes in the order of RFC 4122; NULL: the kernel makes one
 * @id: out, its number; may be NULL
 *
 * The guest's memory is to be the calling process's, and only this process may use the fd.
 *
 * Return: the VM's fd; -1 with errno, which husk_create_error() explains.
 */
int husk_vm_create(int dev, const char *name, const char *control, const __u8 *uuid, __u32 *id);

/* ---- a VM --------------------------------------------------------------- */

/**
 * husk_vm_set_memory - make, replace or delete a slot of guest memory
 * @vm: VM fd
 * @slot: its number, 0 .. husk_caps.max_slots - 1
 * @gpa: guest physical address, a multiple of 4096
 * @hva: memory of this process behind it, likewise
 * @length: a multiple of 4096; 0 deletes the slot
 * @flags: HUSK_MEM_x
 *
 * Return: 0; -1 with errno: EINVAL, EEXIST overlap, ENOENT no slot to delete, ENOMEM.
 */
int husk_vm_set_memory(int vm, __u32 slot, __u64 gpa, void *hva, __u64 length, __u32 flags);

/**
 * husk_vm_harvest - get and clear a part of the log of a slot's written pages
 * @vm: VM fd
 * @slot: one that was set with HUSK_MEM_LOG_DIRTY
 * @first: first page, counted from the slot's start; a multiple of 64
 * @pages: 1 .. HUSK_HARVEST_MAX; a multiple of 64, unless it ends with the slot
 * @bitmap: out, a bit for each page, 64 in a word
 * @dirty: out, number of bits that are set; may be NULL
 *
 * Return: 0; -1 with errno: ENOENT no such slot, EBUSY it has no log, EINVAL, ENOMEM.
 */
int husk_vm_harvest(int vm, __u32 slot, __u64 first, __u64 pages, __u64 *bitmap, __u64 *dirty);

/**
 * husk_vm_set_cpuid - fix what CPUID tells the guest; before the first vCPU is made
 * @vm: VM fd
 * @entry: leaves, some or all of husk_get_cpuid()'s
 * @count: of them, up to HUSK_CPUID_MAX
 *
 * Return: 0; -1 with errno: EBUSY there is a vCPU, EINVAL.
 */
int husk_vm_set_cpuid(int vm, const struct husk_cpuid_entry *entry, __u32 count);

/**
 * husk_vm_create_vcpu - make a vCPU
 * @vm: VM fd
 * @id: its number, which is its APIC id, too; 0 .. husk_caps.max_vcpus - 1
 *
 * vCPU 0 is at the reset vector, the others wait for INIT and SIPI.
 *
 * Return: the vCPU's fd; -1 with errno: EEXIST, EINVAL, ENOMEM.
 */
int husk_vm_create_vcpu(int vm, __u32 id);

/**
 * husk_vm_irq_line - set the level of an interrupt input
 * @vm: VM fd
 * @gsi: 0 .. husk_caps.gsi_count - 1
 * @level: 0 or 1
 *
 * Return: 0; -1 with errno: ENOENT it has no route, EINVAL.
 */
int husk_vm_irq_line(int vm, __u32 gsi, __u32 level);

/**
 * husk_vm_signal_msi - deliver one message-signalled interrupt
 * @vm: VM fd
 * @address: as a device would write it
 * @data: likewise
 *
 * Return: 0; -1 with errno.
 */
int husk_vm_signal_msi(int vm, __u64 address, __u32 data);

/**
 * husk_vm_set_routes - replace all routes of interrupts
 * @vm: VM fd
 * @route: in any order
 * @count: of them, up to husk_caps.gsi_count
 *
 * Return: 0; -1 with errno: EINVAL, ENOMEM; then the routes stay as they were.
 */
int husk_vm_set_routes(int vm, const struct husk_route *route, __u32 count);

/**
 * husk_vm_irqfd - make the signals of an eventfd an interrupt, or undo that
 * @vm: VM fd
 * @fd: the eventfd
 * @gsi: 0 .. husk_caps.gsi_count - 1
 * @resample: with HUSK_IRQFD_RESAMPLE an eventfd, which tells that the interrupt was served; else unused
 * @flags: HUSK_IRQFD_x
 *
 * Return: 0; -1 with errno: EBADF, EINVAL, EBUSY in use already, ENOENT nothing to undo, ENOSPC too many, ENOMEM.
 */
int husk_vm_irqfd(int vm, int fd, __u32 gsi, int resample, __u32 flags);

/**
 * husk_vm_ioeventfd - have a write of the guest's signal an eventfd, or undo that
 * @vm: VM fd
 * @fd: the eventfd; with HUSK_IOEVENTFD_DIRECT a disk fd
 * @addr: guest physical address outside of the slots, or a port
 * @width: bytes: 1, 2, 4, 8 (not of a port), or 0 for any
 * @data: with HUSK_IOEVENTFD_MATCH the value; else 0
 * @flags: HUSK_IOEVENTFD_x
 *
 * Return: 0; -1 with errno: EBADF, EINVAL, EEXIST, ENOENT nothing to undo, ENOSPC too many, ENOMEM.
 */
int husk_vm_ioeventfd(int vm, int fd, __u64 addr, __u32 width, __u64 data, __u32 flags);

/**
 * husk_vm_reset - set vCPUs and interrupt hardware to their state at power-on
 * @vm: VM fd
 *
 * Return: 0; -1 with errno: EBUSY a vCPU runs, nothing is reset.
 */
int husk_vm_reset(int vm);

/**
 * husk_vm_get - read one class of the state of the VM's chips
 * @vm: VM fd
 * @id: HUSK_VM_CLASS_x
 * @payload: out, the struct that HUSK_VM_CLASSES names for it
 *
 * Return: 0; -1 with errno: EINVAL no such class, ENOMEM.
 */
int husk_vm_get(int vm, enum husk_vm_class id, void *payload);

/**
 * husk_vm_set - set one class of the state of the VM's chips
 * @vm: VM fd
 * @id: HUSK_VM_CLASS_x
 * @payload: the struct that HUSK_VM_CLASSES names for it
 *
 * Return: 0; -1 with errno: EINVAL no such class, or no such state; ENOMEM.
 */
int husk_vm_set(int vm, enum husk_vm_class id, const void *payload);

/* ---- a disk that the kernel serves -------------------------------------- */

/**
 * husk_vm_create_disk - make the data path of a virtio block device, or of a pvSCSI adapter
 * @vm: VM fd
 * @disk: what it is like; the size field is filled in here
 *
 * Return: the disk's fd; -1 with errno: EBADF, EINVAL, EACCES, ENOMEM, EMFILE.
 */
int husk_vm_create_disk(int vm, const struct husk_create_disk *disk);

/**
 * husk_disk_start - serve a queue
 * @disk: disk fd
 * @queue: which, and where it is; the size field is filled in here
 *
 * Return: 0; -1 with errno: EBUSY it is served, EINVAL, EFAULT not in guest memory, ENOMEM.
 */
int husk_disk_start(int disk, const struct husk_disk_start *queue);

/**
 * husk_disk_start_pvscsi - serve a queue, by the rings of a pvSCSI adapter
 * @disk: disk fd
 * @rings: which queue, and where they are; the size field is filled in here
 *
 * Return: 0; -1 with errno: EBUSY it is served, EINVAL, EFAULT not in guest memory, ENOMEM.
 */
int husk_disk_start_pvscsi(int disk, const struct husk_disk_start_pvscsi *rings);

/**
 * husk_disk_stop - do not serve a queue any longer, and wait for what is in flight
 * @disk: disk fd
 * @queue: in: index; out: where it stands
 *
 * Return: 0; -1 with errno: EINVAL, EBUSY it is not served.
 */
int husk_disk_stop(int disk, struct husk_disk_stop *queue);

/**
 * husk_disk_set_call - how a queue interrupts its driver
 * @disk: disk fd
 * @index: of the queue
 * @flags: HUSK_DISK_CALL_x, or 0: not at all
 * @gsi: with HUSK_DISK_CALL_GSI; else unused
 * @fd: with HUSK_DISK_CALL_EVENTFD; else unused
 *
 * Return: 0; -1 with errno: EINVAL, EBADF.
 */
int husk_disk_set_call(int disk, __u32 index, __u32 flags, __u32 gsi, int fd);

/**
 * husk_disk_kick - have the disk's thread look at the queues
 * @disk: disk fd
 *
 * Return: 0; -1 with errno.
 */
int husk_disk_kick(int disk);

/**
 * husk_disk_set_limit - how much a second
 * @disk: disk fd
 * @limit: size is filled in
 *
 * Return: 0; -1 with errno: EINVAL.
 */
int husk_disk_set_limit(int disk, const struct husk_disk_limit *limit);

/**
 * husk_disk_run - serve the queues, as long as there is one that is served and nothing to tell
 * @disk: disk fd
 * @told: out
 *
 * Return: 0; -1 with errno: EBUSY another thread is at it, EINTR a signal: call again, EIO.
 */
int husk_disk_run(int disk, struct husk_disk_run *told);

/**
 * husk_disk_work - flush, discard and write zeroes, as long as there is a queue that is served
 * @disk: disk fd
 *
 * For a second thread, beside the one in husk_disk_run().
 *
 * Return: 0; -1 with errno: EBUSY another thread is at it, EINTR a signal: call again, EIO.
 */
int husk_disk_work(int disk);

/**
 * husk_disk_get_stats - what was done
 * @disk: disk fd
 * @stats: out
 * @times: out: how long it took; or NULL
 *
 * Return: 0; -1 with errno.
 */
int husk_disk_get_stats(int disk, struct husk_disk_stats *stats, struct husk_disk_times times[HUSK_DISK_TIMES_COUNT]);

/* ---- a vCPU ------------------------------------------------------------- */

/**
 * husk_vcpu_map_run - map the page that is shared with the kernel
 * @vcpu: vCPU fd
 *
 * Return: the page, for husk_vcpu_unmap_run(); NULL with errno.
 */
struct husk_run *husk_vcpu_map_run(int vcpu);

/**
 * husk_vcpu_map_stats - map the counters and the flight recorder, read-only
 * @vcpu: vCPU fd
 *
 * Return: them, for husk_vcpu_unmap_stats(); NULL with errno.
 */
const struct husk_stats *husk_vcpu_map_stats(int vcpu);

/**
 * husk_vcpu_unmap_run - undo husk_vcpu_map_run()
 * @run: what it gave; NULL is fine
 */
void husk_vcpu_unmap_run(struct husk_run *run);

/**
 * husk_vcpu_unmap_stats - undo husk_vcpu_map_stats()
 * @stats: what it gave; NULL is fine
 */
void husk_vcpu_unmap_stats(const struct husk_stats *stats);

/**
 * husk_vcpu_get - read one class of a vCPU's state
 * @vcpu: vCPU fd
 * @id: HUSK_STATE_x
 * @payload: out, the struct that HUSK_STATES names for it, husk_state_size() bytes
 *
 * Return: 0; -1 with errno: EBUSY the vCPU runs, EINVAL no such class, ENOMEM.
 */
int husk_vcpu_get(int vcpu, enum husk_state_class id, void *payload);

/**
 * husk_vcpu_set - set one class of a vCPU's state
 * @vcpu: vCPU fd
 * @id: HUSK_STATE_x
 * @payload: the struct that HUSK_STATES names for it, husk_state_size() bytes
 *
 * Return: 0; -1 with errno: EBUSY the vCPU runs, EINVAL no such class, or no such state; ENOMEM.
 */
int husk_vcpu_set(int vcpu, enum husk_state_class id, const void *payload);

/**
 * husk_state_size - how large a class of a vCPU's state is
 * @id: HUSK_STATE_x
 *
 * Return: bytes; 0: no such class.
 */
size_t husk_state_size(enum husk_state_class id);

/**
 * husk_vcpu_translate - walk the guest's page tables
 * @vcpu: vCPU fd
 * @gva: guest virtual address
 * @gpa: out, guest physical address
 *
 * Return: 0; -1 with errno: EFAULT not mapped, EBUSY the vCPU runs.
 */
int husk_vcpu_translate(int vcpu, __u64 gva, __u64 *gpa);

/**
 * husk_vcpu_run - run a vCPU until this process is needed
 * @vcpu: vCPU fd
 *
 * What for is in the run page: husk_run.exit, HUSK_EXIT_x.
 *
 * Return: 0; -1 with errno: EINTR call again, EIO the VM is dead, EBUSY someone else has the vCPU, EINVAL the run
 * page asks for what is not there, ENOMEM.
 */
int husk_vcpu_run(int vcpu);

/* ---- names and texts ---------------------------------------------------- */

/**
 * husk_reason_name - name of an exit reason
 * @reason: HUSK_REASON_x
 *
 * Return: the name; "?" for a value that this build does not know.
 */
const char *husk_reason_name(unsigned int reason);

/**
 * husk_level_name - name of who serves exits
 * @level: HUSK_LEVEL_x
 *
 * Return: the name; "?" for a value that this build does not know.
 */
const char *husk_level_name(unsigned int level);

/**
 * husk_exit_name - name of what husk_vcpu_run() came back for
 * @exit: HUSK_EXIT_x
 *
 * Return: the name; "?" for a value that this build does not know.
 */
const char *husk_exit_name(unsigned int exit);

/**
 * husk_mode_name - name of a feature of the CPU
 * @mode: HUSK_MODE_x
 *
 * Return: the name; "?" for a value that this build does not know.
 */
const char *husk_mode_name(unsigned int mode);

/**
 * husk_open_error - what to tell the user when husk_open() has failed
 * @err: its errno
 *
 * Return: what is wrong and what to do, in one line.
 */
const char *husk_open_error(int err);

/**
 * husk_create_error - what to tell the user when husk_vm_create() has failed
 * @err: its errno
 *
 * Return: what is wrong and what to do, in one line.
 */
const char *husk_create_error(int err);

/**
 * husk_name_valid - does the kernel take this name for a VM?
 * @name: 1 .. 63 of [A-Za-z0-9._-], not starting with '-' or '.', is one
 *
 * Return: 1 or 0.
 */
int husk_name_valid(const char *name);

/**
 * husk_parse_size - read a size as the tools take it
 * @text: "512K", "256M", "2G"; a bare number is MiB
 *
 * Return: bytes; 0: it is none.
 */
__u64 husk_parse_size(const char *text);

#endif
