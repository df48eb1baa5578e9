/* SPDX-License-Identifier: GPL-2.0 */
/* What kmod/pvio needs of its surroundings: here guest memory is mapped, for good. */
#ifndef PVIO_PORT_H
#define PVIO_PORT_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/uio.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

/* Guest memory: @low bytes from address 0, and @high bytes from @high_base, which follow them in @ram */
struct pvio_memory {
	u8 *ram;
	u64 low, high_base, high;
};

#define __guest		/* a pointer into guest memory: an ordinary one */

/* Its bytes at a guest address, or NULL if they are not all in memory, of which all can be written to */
static inline void *pvio_map(const struct pvio_memory *m, u64 gpa, u64 length, bool write)
{
	(void)write;
	if (gpa < m->low && length <= m->low - gpa)
		return m->ram + gpa;
	if (gpa >= m->high_base && gpa - m->high_base < m->high && length <= m->high - (gpa - m->high_base))
		return m->ram + m->low + (gpa - m->high_base);
	return NULL;
}

/* Words that the guest may write at any time: one access each */
static inline u16 pvio_load16(const void *p)
{
	return __atomic_load_n((const u16 *)p, __ATOMIC_RELAXED);
}

static inline u32 pvio_load32(const void *p)
{
	return __atomic_load_n((const u32 *)p, __ATOMIC_RELAXED);
}

static inline u64 pvio_load64(const void *p)
{
	return __atomic_load_n((const u64 *)p, __ATOMIC_RELAXED);
}

static inline void pvio_store16(void *p, u16 value)
{
	__atomic_store_n((u16 *)p, value, __ATOMIC_RELAXED);
}

static inline void pvio_store32(void *p, u32 value)
{
	__atomic_store_n((u32 *)p, value, __ATOMIC_RELAXED);
}

#define pvio_rmb()	__atomic_thread_fence(__ATOMIC_ACQUIRE)
#define pvio_wmb()	__atomic_thread_fence(__ATOMIC_RELEASE)
#define pvio_mb()	__atomic_thread_fence(__ATOMIC_SEQ_CST)
#define pvio_copy_to(to, from, n)	memcpy(to, from, n)
#define pvio_copy_from(to, from, n)	memcpy(to, from, n)

#endif
