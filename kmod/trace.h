/* SPDX-License-Identifier: GPL-2.0 */
/*
 * husk's tracepoints. Fields only ever get appended; userland/husk.1 documents
 * them for users of bpftool, perf and bpftrace.
 *
 * The key values are scalars in TP_PROTO, so that raw tracepoint programs need
 * no type information: on 6.12 and later BPF takes pointers given by a module's
 * tracepoint for maybe-NULL.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM husk

#if !defined(HUSK_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define HUSK_TRACE_H

#include <linux/tracepoint.h>

#include "uapi/husk.h"
#include "uapi/husk_netlink.h"

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

/* The last row is there for the comma before it. */
#define HUSK_TRACE_REASON(id, name, what)	{ HUSK_REASON_##id, name },
#define HUSK_TRACE_REASONS	HUSK_REASONS(HUSK_TRACE_REASON) { HUSK_REASON_COUNT, "?" }
#define HUSK_TRACE_LEVEL(id, name, what)	{ HUSK_LEVEL_##id, name },
#define HUSK_TRACE_LEVELS	HUSK_LEVELS(HUSK_TRACE_LEVEL) { HUSK_LEVEL_COUNT, "?" }
#define HUSK_TRACE_LIFE(id, name, what)		{ HUSK_LIFE_##id, name },
#define HUSK_TRACE_EVENTS	HUSK_EVENTS(HUSK_TRACE_LIFE) { HUSK_LIFE_COUNT, "?" }
/* EVENTINJ types, APM2 15.20 */
#define HUSK_TRACE_TYPES \
	{ 0, "intr" }, { 2, "nmi" }, { 3, "exception" }, { 4, "soft" }

/**
 * husk_entry - a vCPU is about to enter the guest
 * @vm: VM id
 * @vcpu: vCPU id
 * @rip: guest rip
 * @event: what is injected with the entry: vector | type << 8 | 1 << 31 if any
 */
TRACE_EVENT(husk_entry,
	TP_PROTO(u32 vm, u32 vcpu, u64 rip, u32 event),
	TP_ARGS(vm, vcpu, rip, event),
	TP_STRUCT__entry(
		__field(u32, vm)
		__field(u32, vcpu)
		__field(u64, rip)
		__field(u32, event)
	),
	TP_fast_assign(
		__entry->vm = vm;
		__entry->vcpu = vcpu;
		__entry->rip = rip;
		__entry->event = event;
	),
	TP_printk("vm=%u vcpu=%u rip=0x%llx event=0x%x",
		  __entry->vm, __entry->vcpu, __entry->rip, __entry->event)
);

/**
 * husk_exit - an exit was served
 * @vm: VM id
 * @vcpu: vCPU id
 * @reason: HUSK_REASON_x
 * @rip: guest rip of the exit
 * @info0: the hardware's first information word (SVM: EXITINFO1, VMX: exit qualification)
 * @info1: the second (SVM: EXITINFO2, VMX: guest physical address)
 * @level: HUSK_LEVEL_x that served it
 * @ns: nanoseconds from the exit to the end of its service; for HLT this
 *	includes the sleep
 */
TRACE_EVENT(husk_exit,
	TP_PROTO(u32 vm, u32 vcpu, u32 reason, u64 rip, u64 info0, u64 info1, u32 level, u64 ns),
	TP_ARGS(vm, vcpu, reason, rip, info0, info1, level, ns),
	TP_STRUCT__entry(
		__field(u32, vm)
		__field(u32, vcpu)
		__field(u32, reason)
		__field(u32, level)
		__field(u64, rip)
		__field(u64, info0)
		__field(u64, info1)
		__field(u64, ns)
	),
	TP_fast_assign(
		__entry->vm = vm;
		__entry->vcpu = vcpu;
		__entry->reason = reason;
		__entry->level = level;
		__entry->rip = rip;
		__entry->info0 = info0;
		__entry->info1 = info1;
		__entry->ns = ns;
	),
	TP_printk("vm=%u vcpu=%u reason=%s level=%s rip=0x%llx info0=0x%llx info1=0x%llx ns=%llu",
		  __entry->vm, __entry->vcpu,
		  __print_symbolic(__entry->reason, HUSK_TRACE_REASONS),
		  __print_symbolic(__entry->level, HUSK_TRACE_LEVELS),
		  __entry->rip, __entry->info0, __entry->info1, __entry->ns)
);

/**
 * husk_inject - an interrupt, NMI or exception is given to the guest
 * @vm: VM id
 * @vcpu: vCPU id
 * @type: 0 interrupt, 2 NMI, 3 exception, 4 software interrupt
 * @vector: 0..255
 * @error: error code, 0 if the event has none
 */
TRACE_EVENT(husk_inject,
	TP_PROTO(u32 vm, u32 vcpu, u32 type, u32 vector, u32 error),
	TP_ARGS(vm, vcpu, type, vector, error),
	TP_STRUCT__entry(
		__field(u32, vm)
		__field(u32, vcpu)
		__field(u32, type)
		__field(u32, vector)
		__field(u32, error)
	),
	TP_fast_assign(
		__entry->vm = vm;
		__entry->vcpu = vcpu;
		__entry->type = type;
		__entry->vector = vector;
		__entry->error = error;
	),
	TP_printk("vm=%u vcpu=%u type=%s vector=%u error=0x%x",
		  __entry->vm, __entry->vcpu,
		  __print_symbolic(__entry->type, HUSK_TRACE_TYPES),
		  __entry->vector, __entry->error)
);

/**
 * husk_lifecycle - the same event as sent to the netlink group "lifecycle"
 * @vm: VM id
 * @kind: HUSK_LIFE_x
 * @detail: by kind
 */
TRACE_EVENT(husk_lifecycle,
	TP_PROTO(u32 vm, u32 kind, u64 detail),
	TP_ARGS(vm, kind, detail),
	TP_STRUCT__entry(
		__field(u32, vm)
		__field(u32, kind)
		__field(u64, detail)
	),
	TP_fast_assign(
		__entry->vm = vm;
		__entry->kind = kind;
		__entry->detail = detail;
	),
	TP_printk("vm=%u kind=%s detail=0x%llx", __entry->vm,
		  __print_symbolic(__entry->kind, HUSK_TRACE_EVENTS),
		  __entry->detail)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
