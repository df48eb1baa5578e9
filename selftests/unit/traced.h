/* SPDX-License-Identifier: GPL-2.0 */
/* kmod/traced.h and kmod/trace.h for unit tests: what is traced goes nowhere. */
#ifndef HUSK_TRACED_H
#define HUSK_TRACED_H

#define trace_husk_eoi_enabled()	false
#define husk_traced_eoi(vcpu, vector)	do { } while (0)
#define trace_husk_ipi_enabled()		false
#define trace_husk_ipi(vm, ...)		do { } while (0)
#define trace_husk_timer_enabled()	false
#define trace_husk_timer(vm, ...)	do { } while (0)

#endif
