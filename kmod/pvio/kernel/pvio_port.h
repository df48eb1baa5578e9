/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What kmod/pvio needs of its surroundings: in the kernel guest memory is the worker's,
 * by its slots, and reached as any user memory: the caller's mm is the VM's, and may fault.
 * A word that is not there reads as 0, and is not written: the worker's own fault, which
 * harms its own guest only.
 */
#ifndef PVIO_PORT_H
#define PVIO_PORT_H

#include <linux/errno.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "husk.h"

struct pvio_memory {
	struct husk_vm *vm;
};

#define __guest	__user

/* Where guest memory is in the worker, or NULL if it is not all there in one piece (and can be written to) */
static inline void __user *pvio_map(const struct pvio_memory *m, u64 gpa, u32 length, bool write)
{
	return husk_gpa_range_to_user(m->vm, gpa, length, write);
}

static inline u16 pvio_load16(const void __user *p)
{
	u16 value;

	return get_user(value, (const u16 __user *)p) ? 0 : value;
}

static inline u32 pvio_load32(const void __user *p)
{
	u32 value;

	return get_user(value, (const u32 __user *)p) ? 0 : value;
}

static inline u64 pvio_load64(const void __user *p)
{
	u64 value;

	return get_user(value, (const u64 __user *)p) ? 0 : value;
}

static inline void pvio_store16(void __user *p, u16 value)
{
	if (put_user(value, (u16 __user *)p))
		return;
}

static inline void pvio_store32(void __user *p, u32 value)
{
	if (put_user(value, (u32 __user *)p))
		return;
}

#define pvio_rmb()	smp_rmb()
#define pvio_wmb()	smp_wmb()
#define pvio_mb()	smp_mb()

/* What was not there reads as 0. */
static inline void pvio_copy_from(void *to, const void __user *from, size_t n)
{
	size_t left = copy_from_user(to, from, n);

	memset(to + n - left, 0, left);
}

static inline void pvio_copy_to(void __user *to, const void *from, size_t n)
{
	if (copy_to_user(to, from, n))
		return;
}

#endif
