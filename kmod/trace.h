/* SPDX-License-Identifier: GPL-2.0 */
/*
 * husk's tracepoints, made of the list in uapi/husk_trace.h, which says what
 * they mean and that they are a stable interface.
 *
 * The values are scalars in TP_PROTO, so that raw tracepoint programs need no
 * type information: on 6.12 and later BPF takes pointers given by a module's
 * tracepoint for maybe-NULL.
 *
 * A new one: its line and fields in the list, a line at the end of this file,
 * and its lines in selftests/lab/trace.golden.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM husk

#if !defined(HUSK_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define HUSK_TRACE_H

#include <linux/tracepoint.h>

#include "uapi/husk.h"
#include "uapi/husk_netlink.h"
#include "uapi/husk_trace.h"

/* Names of enum values: exported for perf, and as { value, name } for printing */
#define X(id, name, what) TRACE_DEFINE_ENUM(HUSK_REASON_##id);
HUSK_REASONS(X)
#undef X
#define X(id, name, what) TRACE_DEFINE_ENUM(HUSK_LEVEL_##id);
HUSK_LEVELS(X)
#undef X
#define X(id, name, what) TRACE_DEFINE_ENUM(HUSK_LIFE_##id);
HUSK_EVENTS(X)
#undef X

TRACE_DEFINE_ENUM(HUSK_REASON_COUNT);
TRACE_DEFINE_ENUM(HUSK_LEVEL_COUNT);
TRACE_DEFINE_ENUM(HUSK_LIFE_COUNT);

/* ---- how a field is shown: its format, and what is printed ---- */

#define HUSK_FORMAT_DEC_u32		"%u"
#define HUSK_FORMAT_DEC_u64		"%llu"
#define HUSK_FORMAT_DEC_s64		"%lld"
#define HUSK_FORMAT_HEX_u32		"0x%x"
#define HUSK_FORMAT_HEX_u64		"0x%llx"
#define HUSK_FORMAT_REASON_u32		"%s"
#define HUSK_FORMAT_LEVEL_u32		"%s"
#define HUSK_FORMAT_LIFE_u32		"%s"
#define HUSK_FORMAT_TYPE_u32		"%s"
#define HUSK_FORMAT_DELIVERY_u32	"%s"
#define HUSK_FORMAT_DEST_u32		"%s"
#define HUSK_FORMAT_FAULT_u32		"%s"
#define HUSK_FORMAT_TIMER_u32		"%s"
#define HUSK_FORMAT_WAIT_u32		"%s"
#define HUSK_FORMAT_SPACE_u32		"%s"
#define HUSK_FORMAT_REQUEST_u32		"%s"

/* The last row is there for the comma before it. */
#define HUSK_ROW_REASON(id, name, what)	{ HUSK_REASON_##id, name },
#define HUSK_ROW_LEVEL(id, name, what)	{ HUSK_LEVEL_##id, name },
#define HUSK_ROW_LIFE(id, name, what)	{ HUSK_LIFE_##id, name },
#define HUSK_ROW(number, name, what)	{ number, name },
#define HUSK_ROW_LAST			{ 1 << 30, "?" }

#define HUSK_SHOW_DEC(value)		value
#define HUSK_SHOW_HEX(value)		value
#define HUSK_SHOW_REASON(value)		__print_symbolic(value, HUSK_REASONS(HUSK_ROW_REASON) { HUSK_REASON_COUNT, "?" })
#define HUSK_SHOW_LEVEL(value)		__print_symbolic(value, HUSK_LEVELS(HUSK_ROW_LEVEL) { HUSK_LEVEL_COUNT, "?" })
#define HUSK_SHOW_LIFE(value)		__print_symbolic(value, HUSK_EVENTS(HUSK_ROW_LIFE) { HUSK_LIFE_COUNT, "?" })
#define HUSK_SHOW_TYPE(value)		__print_symbolic(value, HUSK_TRACE_TYPES(HUSK_ROW) HUSK_ROW_LAST)
#define HUSK_SHOW_DELIVERY(value)	__print_symbolic(value, HUSK_TRACE_DELIVERIES(HUSK_ROW) HUSK_ROW_LAST)
#define HUSK_SHOW_DEST(value)		__print_symbolic(value, HUSK_TRACE_DESTS(HUSK_ROW) HUSK_ROW_LAST)
#define HUSK_SHOW_FAULT(value)		__print_symbolic(value, HUSK_TRACE_FAULTS(HUSK_ROW) HUSK_ROW_LAST)
#define HUSK_SHOW_TIMER(value)		__print_symbolic(value, HUSK_TRACE_TIMERS(HUSK_ROW) HUSK_ROW_LAST)
#define HUSK_SHOW_WAIT(value)		__print_symbolic(value, HUSK_TRACE_WAITS(HUSK_ROW) HUSK_ROW_LAST)
#define HUSK_SHOW_SPACE(value)		__print_symbolic(value, HUSK_TRACE_SPACES(HUSK_ROW) HUSK_ROW_LAST)
#define HUSK_SHOW_REQUEST(value)	__print_symbolic(value, HUSK_TRACE_REQUESTS(HUSK_ROW) HUSK_ROW_LAST)

/* ---- the parts of TRACE_EVENT() that a field makes ---- */

#define HUSK_PARAMETER(show, type, name, what)	, type name
#define HUSK_ARGUMENT(show, type, name, what)	, name
#define HUSK_FIELD(show, type, name, what)	__field(type, name)
#define HUSK_ASSIGN(show, type, name, what)	__entry->name = name;
#define HUSK_FORMAT(show, type, name, what)	" " #name "=" HUSK_FORMAT_##show##_##type
#define HUSK_PRINT(show, type, name, what)	, HUSK_SHOW_##show(__entry->name)

#define HUSK_TRACE_EVENT_AS(event, FIELDS, proto, args) \
TRACE_EVENT(event, \
	TP_PROTO(proto), \
	TP_ARGS(args), \
	TP_STRUCT__entry( \
		__field(u32, vm) \
		FIELDS(HUSK_FIELD) \
	), \
	TP_fast_assign( \
		__entry->vm = vm; \
		FIELDS(HUSK_ASSIGN) \
	), \
	TP_printk("vm=%u" FIELDS(HUSK_FORMAT), __entry->vm FIELDS(HUSK_PRINT)) \
)

/* The arguments are the fields */
#define HUSK_TRACE_EVENT(event, FIELDS) \
	HUSK_TRACE_EVENT_AS(event, FIELDS, PARAMS(u32 vm FIELDS(HUSK_PARAMETER)), PARAMS(vm FIELDS(HUSK_ARGUMENT)))

/* ---- the tracepoints; named in full, so that they can be searched for ---- */

/* Its arguments were there before the list: programs know their order. */
HUSK_TRACE_EVENT_AS(husk_exit, HUSK_TRACE_EXIT,
	PARAMS(u32 vm, u32 vcpu, u32 reason, u64 rip, u64 info0, u64 info1, u32 level, u64 ns),
	PARAMS(vm, vcpu, reason, rip, info0, info1, level, ns));

HUSK_TRACE_EVENT(husk_entry, HUSK_TRACE_ENTRY);
HUSK_TRACE_EVENT(husk_inject, HUSK_TRACE_INJECT);
HUSK_TRACE_EVENT(husk_lifecycle, HUSK_TRACE_LIFECYCLE);
HUSK_TRACE_EVENT(husk_pio, HUSK_TRACE_PIO);
HUSK_TRACE_EVENT(husk_mmio, HUSK_TRACE_MMIO);
HUSK_TRACE_EVENT(husk_msr, HUSK_TRACE_MSR);
HUSK_TRACE_EVENT(husk_cpuid, HUSK_TRACE_CPUID);
HUSK_TRACE_EVENT(husk_hypercall, HUSK_TRACE_HYPERCALL);
HUSK_TRACE_EVENT(husk_eoi, HUSK_TRACE_EOI);
HUSK_TRACE_EVENT(husk_ipi, HUSK_TRACE_IPI);
HUSK_TRACE_EVENT(husk_fault2, HUSK_TRACE_FAULT2);
HUSK_TRACE_EVENT(husk_timer, HUSK_TRACE_TIMER);
HUSK_TRACE_EVENT(husk_halt, HUSK_TRACE_HALT);
HUSK_TRACE_EVENT(husk_doorbell, HUSK_TRACE_DOORBELL);
HUSK_TRACE_EVENT(husk_virtio_begin, HUSK_TRACE_VIRTIO_BEGIN);
HUSK_TRACE_EVENT(husk_virtio_end, HUSK_TRACE_VIRTIO_END);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
