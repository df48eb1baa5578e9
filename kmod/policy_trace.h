/* SPDX-License-Identifier: GPL-2.0 */
/* The writable tracepoint husk_policy: see uapi/husk_bpf.h. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM husk

#if !defined(HUSK_POLICY_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define HUSK_POLICY_TRACE_H

#include <linux/tracepoint.h>

#include "uapi/husk_bpf.h"

DECLARE_EVENT_CLASS(husk_policy_class,
	TP_PROTO(struct husk_exit_record *record),
	TP_ARGS(record),
	TP_STRUCT__entry(
		__field(u32, vm)
		__field(u32, vcpu)
		__field(u32, reason)
		__field(u32, verdict)
		__field(u64, rip)
		__field(u64, address)
		__field(u64, data)
	),
	TP_fast_assign(
		__entry->vm = record->vm;
		__entry->vcpu = record->vcpu;
		__entry->reason = record->reason;
		__entry->verdict = record->verdict;
		__entry->rip = record->rip;
		__entry->address = record->address;
		__entry->data = record->data;
	),
	TP_printk("vm=%u vcpu=%u reason=%u verdict=%u rip=0x%llx address=0x%llx data=0x%llx",
		  __entry->vm, __entry->vcpu, __entry->reason, __entry->verdict,
		  __entry->rip, __entry->address, __entry->data)
);

/* Only the header for BPF programs knows it. */
#ifdef DEFINE_EVENT_WRITABLE
#define HUSK_DEFINE_EVENT(name, proto, args, size) \
	DEFINE_EVENT_WRITABLE(husk_policy_class, name, PARAMS(proto), PARAMS(args), size)
#else
#define HUSK_DEFINE_EVENT(name, proto, args, size) \
	DEFINE_EVENT(husk_policy_class, name, PARAMS(proto), PARAMS(args))
#endif

HUSK_DEFINE_EVENT(husk_policy,
	TP_PROTO(struct husk_exit_record *record),
	TP_ARGS(record),
	sizeof(struct husk_exit_record)
);

#undef HUSK_DEFINE_EVENT
#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE policy_trace
#include <trace/define_trace.h>
