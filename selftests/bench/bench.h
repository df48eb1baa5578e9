/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include "tests.h"
#include "vmm.h"

extern const struct vmm_backend *bench_backend;

_Noreturn void bench_die(const char *what, int err);
/* Of a class, the empty loop included; 0: the guest skipped it. @prepare, if there is one, is called before the guest runs. */
u64 bench_measure(enum bench_class class, void (*prepare)(struct vmm *vm, const void *arg), const void *arg);

/* bells.c: doorbells, with few and many of them; @empty is the empty loop's */
void bench_bells(const char *label, u64 empty);

#endif
