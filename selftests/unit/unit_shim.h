/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What husk's pure logic needs of the kernel, for the unit tests in user
 * space: kernel types, a few macros, the uapi structs, and the report lines.
 */
#ifndef HUSK_UNIT_SHIM_H
#define HUSK_UNIT_SHIM_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/types.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s8 s8;
typedef __s16 s16;
typedef __s32 s32;
typedef __s64 s64;

#ifndef BIT
#define BIT(n)			(1UL << (n))
#endif
#define BIT_ULL(n)		(1ULL << (n))
#define GENMASK_ULL(h, l)	((~0ULL << (l)) & (~0ULL >> (63 - (h))))
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)
#define noinline		__attribute__((__noinline__))
#define fallthrough		__attribute__((__fallthrough__))
#define min(a, b)		({ __typeof__(a) _a = (a); __typeof__(b) _b = (b); _a < _b ? _a : _b; })
#define max(a, b)		({ __typeof__(a) _a = (a); __typeof__(b) _b = (b); _a > _b ? _a : _b; })
#define min_t(t, a, b)		min((t)(a), (t)(b))
#define max_t(t, a, b)		max((t)(a), (t)(b))
#define READ_ONCE(x)		(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v)	(*(volatile __typeof__(x) *)&(x) = (v))
#define array_index_nospec(i, n) (i)

struct rcu_head {
	void *next[2];
};

#include "uapi/husk.h"

/* ---- report: `ok NAME`, `not ok NAME: why`, and the last line ---- */

static int unit_passed, unit_failed;

static inline __attribute__((format(printf, 3, 4), unused))
void unit_report(bool ok, const char *name, const char *why, ...)
{
	va_list ap;

	if (ok) {
		unit_passed++;
		printf("ok %s\n", name);
		return;
	}
	unit_failed++;
	printf("not ok %s: ", name);
	va_start(ap, why);
	vprintf(why, ap);
	va_end(ap);
	printf("\n");
}

/* The last line; the program's exit status. */
static inline __attribute__((unused)) int unit_done(void)
{
	printf("%d passed, %d failed\n", unit_passed, unit_failed);
	return unit_failed ? 1 : 0;
}

#endif
