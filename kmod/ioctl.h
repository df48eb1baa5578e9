/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ioctl engine: one table per kind of fd, one copy in, one copy out.
 */
#ifndef HUSK_IOCTL_H
#define HUSK_IOCTL_H

#include "husk.h"

/* Largest argument struct; it lives on the kernel stack */
#define HUSK_IOCTL_MAX	256

/* What the engine takes around a command */
enum husk_ioctl_lock {
	HUSK_LOCK_NONE,
	HUSK_LOCK_VM,		/* vm->lock */
	HUSK_LOCK_VCPU,		/* vcpu->mutex, EBUSY if the vCPU runs */
};

/**
 * struct husk_ioctl - one command
 * @cmd: the number, HUSK_x
 * @size: of the struct as this kernel knows it
 * @min_size: of its first version
 * @flags: flag bits that this kernel knows
 * @lock: taken by the engine
 * @dead: also allowed on a dead VM
 * @out: the struct has fields that the command fills in
 * @fn: gets the copied struct
 * @make: instead of @fn, for a command that makes an fd: answers the reserved
 *	number and the file, which is installed when nothing can fail any more
 */
struct husk_ioctl {
	unsigned int cmd;
	u16 size, min_size;
	u32 flags;
	u8 lock;
	bool dead, out;
	long (*fn)(void *object, void *arg);
	long (*make)(void *object, void *arg, struct file **file);
};

#define HUSK_IOCTL(nr, type, known_flags, first_size, locking, ...) \
	{ .cmd = nr, .size = sizeof(struct type), .min_size = first_size, \
	  .flags = known_flags, .lock = locking, __VA_ARGS__ }

/**
 * husk_ioctl - look up, check, copy and run a command
 * @table: the commands of this kind of fd
 * @count: entries in @table
 * @object: handed to the command
 * @vm: the VM behind the fd, or NULL for the device
 * @vcpu: the vCPU behind the fd, or NULL
 *
 * The meaning of each error is fixed in uapi/husk.h.
 */
long husk_ioctl(const struct husk_ioctl *table, unsigned int count, void *object,
		struct husk_vm *vm, struct husk_vcpu *vcpu, unsigned int cmd, unsigned long arg);

/* vm.c, vcpu.c: make the object, reserve its fd; see struct husk_ioctl.make */
long husk_vm_create(struct husk_create_vm *arg, struct file **file);
int husk_vcpu_caches_init(void);	/* after the vendor and the host's state are known */
void husk_vcpu_caches_exit(void);
long husk_vcpu_create(struct husk_vm *vm, struct husk_create_vcpu *arg, struct file **file);
void husk_vcpu_destroy(struct husk_vcpu *vcpu);
/* All of its state as at power-on; it does not run, and vcpu->mutex is held or it is not published yet */
void husk_vcpu_power_on(struct husk_vcpu *vcpu);

#endif
