/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * husk's tracepoints, husk:husk_NAME: the one list of them. kmod/trace.h makes
 * the tracepoints of it, the manual page husk-trace(7) is made of it, and a test
 * compares it with what the kernel says of them.
 *
 * It is a stable interface. A tracepoint only ever gets more fields, at the end;
 * nothing is renamed, moved, made wider or given another meaning, and numbers
 * keep their names. selftests/lab/trace.golden has the layout.
 *
 *	X(NAME, FIELDS, "when")
 *	F(SHOW, TYPE, NAME, "meaning")	SHOW: DEC, HEX, or a table of names below
 *	N(NUMBER, NAME, "meaning")
 *
 * Each tracepoint begins with the field `u32 vm`, the VM's id; `vcpu` is the
 * vCPU's, which is its APIC id, too. Raw tracepoint programs get the fields as
 * arguments in this order, but those of husk_exit: vm, vcpu, reason, rip, info0,
 * info1, level, ns.
 */
#ifndef HUSK_TRACE_UAPI_H
#define HUSK_TRACE_UAPI_H

#define HUSK_TRACEPOINTS(X) \
	X(entry, HUSK_TRACE_ENTRY, "A vCPU is about to enter the guest.") \
	X(exit, HUSK_TRACE_EXIT, "An exit has been served.") \
	X(inject, HUSK_TRACE_INJECT, "An interrupt, NMI or exception is given to the guest with the next entry. " \
		"What the CPU delivers by itself (mode apic_accel) is not seen.") \
	X(lifecycle, HUSK_TRACE_LIFECYCLE, "The event that netlink's group lifecycle gets, too.") \
	X(pio, HUSK_TRACE_PIO, "An access to a port: a write when it is done or given to the worker, a read when its data is " \
		"there. Each element of a string instruction is one.") \
	X(mmio, HUSK_TRACE_MMIO, "An access to memory that is a device's: as husk_pio.") \
	X(msr, HUSK_TRACE_MSR, "RDMSR or WRMSR has been served, or refused.") \
	X(cpuid, HUSK_TRACE_CPUID, "CPUID has been answered.") \
	X(hypercall, HUSK_TRACE_HYPERCALL, "A hypercall has been served, or refused.") \
	X(eoi, HUSK_TRACE_EOI, "The local APIC ended an interrupt. What the CPU does by itself (mode apic_accel) is not seen, " \
		"but of level-triggered interrupts; one that was ended by kvm_pv_eoi, later.") \
	X(ipi, HUSK_TRACE_IPI, "A vCPU sends a message to others, or to itself.") \
	X(fault2, HUSK_TRACE_FAULT2, "The guest touched an address that the second level does not map, and that was looked up.") \
	X(timer, HUSK_TRACE_TIMER, "The timer of the local APIC fired. How it was set, husk_msr or husk_mmio shows.") \
	X(halt, HUSK_TRACE_HALT, "A vCPU's wait, in HLT or for its start, ends or is interrupted.") \
	X(doorbell, HUSK_TRACE_DOORBELL, "A write of the guest signalled an eventfd (ioeventfd): to vhost, for one.") \
	X(virtio_begin, HUSK_TRACE_VIRTIO_BEGIN, "A request to a disk that the kernel serves has been taken.") \
	X(virtio_end, HUSK_TRACE_VIRTIO_END, "It is done.")

#define HUSK_TRACE_ENTRY(F) \
	F(DEC, u32, vcpu, "vCPU") \
	F(HEX, u64, rip, "guest's rip") \
	F(HEX, u32, event, "what is injected: vector, type from bit 8 on as in husk_inject, bit 31 if there is any")

#define HUSK_TRACE_EXIT(F) \
	F(DEC, u32, vcpu, "vCPU") \
	F(REASON, u32, reason, "why") \
	F(LEVEL, u32, level, "who served it") \
	F(HEX, u64, rip, "guest's rip at the exit") \
	F(HEX, u64, info0, "the CPU's first word about it: EXITINFO1, or the exit qualification") \
	F(HEX, u64, info1, "the second: EXITINFO2, or the guest physical address") \
	F(DEC, u64, ns, "nanoseconds from the exit to the end of its service")

#define HUSK_TRACE_INJECT(F) \
	F(DEC, u32, vcpu, "vCPU") \
	F(TYPE, u32, type, "what kind") \
	F(DEC, u32, vector, "0 to 255") \
	F(HEX, u32, error, "error code; 0 if there is none")

#define HUSK_TRACE_LIFECYCLE(F) \
	F(LIFE, u32, kind, "what happened") \
	F(HEX, u64, detail, "by kind")

#define HUSK_TRACE_PIO(F) \
	F(DEC, u32, vcpu, "vCPU") \
	F(HEX, u32, port, "first port") \
	F(DEC, u32, width, "bytes: 1, 2 or 4") \
	F(DEC, u32, write, "1: OUT, 0: IN") \
	F(LEVEL, u32, level, "who answers") \
	F(HEX, u32, data, "what was read or written")

#define HUSK_TRACE_MMIO(F) \
	F(DEC, u32, vcpu, "vCPU") \
	F(HEX, u64, gpa, "guest physical address") \
	F(DEC, u32, width, "bytes: 1, 2, 4 or 8") \
	F(DEC, u32, write, "1: a write, 0: a read") \
	F(LEVEL, u32, level, "who answers") \
	F(HEX, u64, data, "what was read or written")

#define HUSK_TRACE_MSR(F) \
	F(DEC, u32, vcpu, "vCPU") \
	F(HEX, u32, index, "the MSR") \
	F(DEC, u32, write, "1: WRMSR, 0: RDMSR") \
	F(DEC, u32, fault, "1: refused, the guest gets #GP") \
	F(HEX, u64, data, "what was read or is to be written; 0 for a refused read")

#define HUSK_TRACE_CPUID(F) \
	F(DEC, u32, vcpu, "vCPU") \
	F(HEX, u32, function, "eax that was asked for") \
	F(HEX, u32, index, "ecx that was asked for") \
	F(HEX, u32, eax, "answer") \
	F(HEX, u32, ebx, "answer") \
	F(HEX, u32, ecx, "answer") \
	F(HEX, u32, edx, "answer")

#define HUSK_TRACE_HYPERCALL(F) \
	F(DEC, u32, vcpu, "vCPU") \
	F(DEC, u64, number, "rax") \
	F(HEX, u64, a0, "rbx") \
	F(HEX, u64, a1, "rcx") \
	F(HEX, u64, a2, "rdx") \
	F(HEX, u64, a3, "rsi") \
	F(DEC, s64, result, "rax afterwards; outside of 64-bit mode its lower half")

#define HUSK_TRACE_EOI(F) \
	F(DEC, u32, vcpu, "vCPU") \
	F(DEC, u32, vector, "of the interrupt")

#define HUSK_TRACE_IPI(F) \
	F(DEC, u32, vcpu, "the sender") \
	F(DELIVERY, u32, mode, "delivery mode of the ICR") \
	F(DEC, u32, vector, "vector of the ICR") \
	F(DEST, u32, to, "how the destination is given") \
	F(HEX, u32, dest, "APIC id, logical destination, or first APIC id of a set") \
	F(HEX, u64, set, "of a set: bit n for the APIC id dest + n; else 0")

#define HUSK_TRACE_FAULT2(F) \
	F(DEC, u32, vcpu, "vCPU") \
	F(HEX, u64, gpa, "guest physical address") \
	F(HEX, u32, access, "bits 1 read, 2 write, 4 execute, 16 by a walk of the guest's page tables") \
	F(FAULT, u32, result, "what came of it")

#define HUSK_TRACE_TIMER(F) \
	F(DEC, u32, vcpu, "vCPU") \
	F(TIMER, u32, mode, "how it was set") \
	F(DEC, u32, vector, "of the local vector table's entry") \
	F(DEC, u64, late, "guest's TSC ticks since it was due")

#define HUSK_TRACE_HALT(F) \
	F(DEC, u32, vcpu, "vCPU") \
	F(WAIT, u32, state, "what it waited in") \
	F(DEC, u32, slept, "1: its thread slept, 0: it polled, or what it waited for was there") \
	F(DEC, u32, over, "1: the wait is over, 0: it was interrupted and may go on") \
	F(DEC, u64, ns, "nanoseconds that it took")

#define HUSK_TRACE_DOORBELL(F) \
	F(DEC, u32, vcpu, "vCPU") \
	F(SPACE, u32, space, "where") \
	F(HEX, u64, addr, "port, or guest physical address") \
	F(DEC, u32, width, "bytes: 1, 2, 4 or 8") \
	F(HEX, u64, data, "what was written")

#define HUSK_TRACE_VIRTIO(F) \
	F(DEC, u32, disk, "number of the disk: of --disk, from 0 on") \
	F(DEC, u32, queue, "queue") \
	F(REQUEST, u32, type, "what is to be done") \
	F(DEC, u32, chain, "head of its descriptors: no other request in flight has the same") \
	F(HEX, u64, offset, "first byte on the disk") \
	F(DEC, u64, length, "bytes; of a flush those of the disk")

#define HUSK_TRACE_VIRTIO_BEGIN(F) HUSK_TRACE_VIRTIO(F)

#define HUSK_TRACE_VIRTIO_END(F) \
	HUSK_TRACE_VIRTIO(F) \
	F(DEC, u32, error, "errno; 0: it has succeeded") \
	F(DEC, u64, ns, "nanoseconds that it took")

/* ---- names of numbers. REASON, LEVEL and LIFE are lists of husk.h and husk_netlink.h ---- */

#define HUSK_TRACE_TYPES(N) \
	N(0, "intr", "interrupt") \
	N(2, "nmi", "NMI") \
	N(3, "exception", "exception") \
	N(4, "soft", "software interrupt")

#define HUSK_TRACE_DELIVERIES(N) \
	N(0, "fixed", "the vector") \
	N(1, "lowest", "the vector, to one of the destinations") \
	N(2, "smi", "SMI, which nobody takes") \
	N(4, "nmi", "NMI") \
	N(5, "init", "INIT") \
	N(6, "sipi", "start at page `vector`")

#define HUSK_TRACE_DESTS(N) \
	N(0, "physical", "APIC id") \
	N(1, "logical", "logical destination") \
	N(2, "self", "the sender") \
	N(3, "all", "all, the sender too") \
	N(4, "others", "all but the sender") \
	N(5, "set", "a set of APIC ids, by hypercall")

#define HUSK_TRACE_FAULTS(N) \
	N(0, "mapped", "memory: enter again") \
	N(1, "noslot", "no memory: a device's") \
	N(2, "readonly", "a write to memory that is read-only: a device's") \
	N(3, "hwpoison", "the host's page is broken") \
	N(4, "bad", "what should back it is gone or not permitted") \
	N(5, "signal", "a signal came first: enter again")

#define HUSK_TRACE_TIMERS(N) \
	N(0, "oneshot", "a count, once") \
	N(1, "periodic", "a count, again and again") \
	N(2, "deadline", "a value of the TSC")

#define HUSK_TRACE_WAITS(N) \
	N(0, "hlt", "HLT") \
	N(1, "startup", "for INIT or SIPI")

#define HUSK_TRACE_REQUESTS(N) \
	N(0, "in", "read") \
	N(1, "out", "write") \
	N(4, "flush", "make stable what was written") \
	N(11, "discard", "is not needed") \
	N(13, "write_zeroes", "write zeroes")

#define HUSK_TRACE_SPACES(N) \
	N(0, "port", "a port") \
	N(1, "memory", "an address")

#endif
