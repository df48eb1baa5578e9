/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The entry points of the flat guest, by number in rdi. The guest expands this
 * to its table, the host programs to an enum. X(name)
 */
#ifndef FLAT_TESTS_H
#define FLAT_TESTS_H

/* Need nothing of the host but the ports below */
#define GUEST_SELF_TESTS(X) \
	X(cpuid) X(msr_known) X(msr_unknown) X(hypercall) X(virt_insns) X(cr_access) X(xsetbv) X(tsc_monotonic) X(debug_registers) \
	X(exceptions) X(page_fault) X(user_mode) X(single_step) X(single_step_exits) X(sti_shadow) \
	X(hlt_oneshot_xapic) X(hlt_oneshot_x2apic) X(timer_periodic) X(timer_deadline) X(timer_masked) \
	X(timer_spin) X(timer_hlt_spin) \
	X(self_ipi_xapic) X(self_ipi_x2apic) X(tpr_xapic) X(cr8_x2apic) X(interrupt_window) X(nmi_self) X(nmi_masked) \
	X(x2apic_order) X(x2apic_nested) X(x2apic_values) X(x2apic_modes) X(x2apic_level) \
	X(pit_pic) X(ioapic_edge) X(ioapic_level) X(pic_level) X(pit_counter) \
	X(ioapic_directed_eoi) X(ioapic_modes) X(lint0_modes) X(pic_auto_eoi) X(pic_rotate) X(pic_special_mask) \
	X(pic_nested) X(pic_poll) X(pit_modes) X(pit_gate) X(pit_read_back) \
	X(pio_widths) X(pio_strings) X(pio_string_fault) X(mmio_mov) X(mmio_alu) X(mmio_strings) X(mmio_unaligned) \
	X(fpu_keep) X(avx_keep) X(memory_touch) X(msi) \
	X(pv_clock) X(pv_wall_clock) X(pv_msrs) X(pv_hypercalls)

/* Driven by a host function of the same name */
#define GUEST_HOST_TESTS(X) \
	X(fpu_swap) X(fpu_clean) X(memory_walk) X(read_only) X(triple_fault) X(unhandled) X(spin) X(spin_masked) X(jump) X(echo) \
	X(timer_ticks) X(bench) X(halt) X(state_loop) X(fresh_touch) X(in_service) X(apic_rounds) X(x2apic_stack) \
	X(write_pages) X(window_storm) X(doorbells) X(irqfds) X(ping) X(take_all) X(chips_kept) \
	X(smp_ipi) X(smp_init) X(smp_init_masked) X(smp_storm) X(smp_pingpong) X(smp_lock) X(smp_touch) X(smp_states) X(halt_latency) \
	X(pv_eoi) X(pv_smp) X(pv_hostile)

#define GUEST_TESTS(X) GUEST_SELF_TESTS(X) GUEST_HOST_TESTS(X)

/* Self tests take 0 in rsi, or 1: tolerate KVM's known differences */
enum guest_test {
#define X(name) GUEST_##name,
	GUEST_TESTS(X)
#undef X
	GUEST_TEST_COUNT,
	GUEST_FIRST_HOST_TEST = GUEST_fpu_swap
};

/* Ports */
#define PORT_DONE	0xf4	/* out: number of failures; ends the test */
#define PORT_FAIL	0xf5	/* out: address of a message */
#define PORT_VALUE	0xf6	/* out: a number for the report of the next failure, low then high half */
#define PORT_SYNC	0xe8	/* out: tells the host function where the guest is; in: its answer */
#define PORT_ECHO	0xe0	/* four bytes of scratch; in reads back, any width */
#define PORT_STREAM	0xe4	/* in: 0, 1, 2... ; out: added up */
#define PORT_STREAM_SUM	0xe6	/* in: the sum so far, and resets both */
#define PORT_LINE	0x2000	/* out to 0x2000 + n: level of interrupt line n */
#define PORT_MSI	0x2100	/* out: sends an MSI with this data to APIC 0 */
#define PORT_SKIP	0xf7	/* out: address of the reason; ends the test */

/* doorbells, ping: what signals eventfds, and what does not fit any */
#define PORT_BELL	0x2200
#define PORT_BELL_ANY	0x2210
#define BELL_GPA	0xd8000000UL
/* irqfds, ping: GSIs and the vectors that the guest gives them */
#define IRQFD_EDGE	5
#define IRQFD_LEVEL	11
#define IRQFD_MSI	40
#define IRQFD_EDGE_VECTOR	0x55
#define IRQFD_LEVEL_VECTOR	0x56
#define IRQFD_MSI_VECTOR	0x57

/* Memory that the host answers access by access, one page and then nothing */
#define MMIO_GPA	0xd0000000UL
#define MMIO_SIZE	0x2000UL
/* RAM that tests may use freely */
#define SCRATCH_GPA	0x800000UL
#define SCRATCH_SIZE	0x400000UL
/* bench: results, one u64 per round */
#define RESULT_GPA	0xc00000UL

#define BENCH_ROUNDS	512
/* The bench's classes: X(name, what) */
#define BENCH_CLASSES(X) \
	X(null,		"two TSC reads") \
	X(cpuid,	"CPUID") \
	X(hypercall,	"hypercall, unknown number") \
	X(rdmsr,	"RDMSR TSC_ADJUST") \
	X(pio_out,	"PIO out to the worker") \
	X(pio_in,	"PIO in from the worker") \
	X(mmio_write,	"MMIO write to the worker") \
	X(mmio_read,	"MMIO read from the worker") \
	X(x2apic_read,	"x2APIC read (ID)") \
	X(x2apic_tmict,	"x2APIC timer write (TMICT)") \
	X(tsc_deadline,	"TSC-deadline write") \
	X(x2apic_eoi,	"x2APIC EOI") \
	X(cpuid_timer,	"CPUID while a deadline is pending") \
	X(timer_tick,	"a busy guest's TSC deadline, from its write to the EOI") \
	X(bell_pio,	"doorbell, a port") \
	X(bell_mmio,	"doorbell, memory and a value") \
	X(bell_notify,	"doorbell, memory: a virtio device's notify register") \
	X(fault_known,	"second-level fault 4K, host page present") \
	X(fault_fresh,	"second-level fault 4K, fresh page") \
	X(log_write,	"first write to a page of a logged slot")

enum bench_class {
#define X(name, what) BENCH_##name,
	BENCH_CLASSES(X)
#undef X
	BENCH_CLASS_COUNT
};

/* smp_*: what they are told in rsi: how many processors, with the local APICs in which mode, how many rounds */
#define SMP_ARG(cpus, x2, rounds)	((cpus) | (x2) << 8 | (unsigned long)(rounds) << 16)
#define SMP_MAX		64
/* Each processor's counters; smp_touch: each adds to its word in each of these pages */
#define SMP_CPU_GPA	0x680000UL
#define SMP_CPU_SIZE	0x800UL
#define SMP_COUNT_AT	0x408UL		/* struct smp_cpu.count */
#define SMP_PAGES	4

/* fresh_touch and the fault benches use memory here: a slot of its own */
#define FAULT_GPA	0x40000000UL
#define FAULT_SIZE	(BENCH_ROUNDS * 4096UL)

/* write_pages: what the host asks of it, in the scratch memory */
enum { LOG_END, LOG_READ, LOG_WRITE, LOG_MOVE, LOG_INS, LOG_STORM };
struct log_box {
	unsigned long op, addr, count, step;
};

#endif
