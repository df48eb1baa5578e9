/* SPDX-License-Identifier: GPL-2.0 */
#ifndef BENCH_STRESS_H
#define BENCH_STRESS_H

#include "tests.h"
#include "vmm.h"

/* A VM whose vCPU 0 is about to enter a test of the flat guest */
bool stress_vm(struct vmm *vm, enum guest_test test, u64 arg);
/* stress_threads.c */
bool stress_threads(long seconds);
/* stress_eventfds.c */
bool stress_eventfds(long seconds);

#endif
