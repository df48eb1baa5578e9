/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The personality "kvm": the paravirtual interface that KVM has published
 * (Documentation/virt/kvm/x86/cpuid.rst, msr.rst, hypercalls.rst), so that stock
 * guests take their paravirtual paths. A VM has what its CPUID leaf 0x40000001
 * shows, below KVM's signature; without those leaves it has nothing of it.
 *
 * Guest memory that is shared (a clock page, a byte for EOIs, steal time) is
 * written through the slots each time. If it is not there, nothing is written:
 * that is the guest's loss alone.
 *
 * Not there, and why:
 *	ASYNC_PF: it lets a guest run something else while one of its pages comes from
 *		the host's disk. Other vCPUs run on anyway, and a host that swaps its
 *		guests has lost more than that gives back. To be looked at again with
 *		guests whose memory comes over a network.
 *	MSI_EXT_DEST_ID: there are no APIC ids above 254.
 */
#ifndef HUSK_PV_H
#define HUSK_PV_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include "unit_shim.h"
#endif

struct husk_vcpu;
struct husk_vm;

/* Places in husk_pv_vcpu.msr */
enum { HUSK_PV_WALL_CLOCK, HUSK_PV_CLOCK, HUSK_PV_STEAL, HUSK_PV_EOI, HUSK_PV_POLL, HUSK_PV_MSRS };
#define HUSK_PV_ON	1	/* bit 0 of all but the first; above it is an address, but in the last */

/**
 * struct husk_pv_vm - what the vCPUs of a VM share
 * @features: CPUID leaf 0x40000001, EAX; by vm->lock until the first vCPU, then immutable
 * @ns: the guest's clock at @tsc; this and the next two are written under vm->lock
 * @tsc: a moment, by husk_host_tsc()
 * @raw_ns: the same, by CLOCK_MONOTONIC_RAW
 * @mul: nanoseconds of a TSC tick (see pvclock_math.h); this and @shift are immutable
 * @shift: goes with it
 * @unsteady: the host did not trust its TSC at least once: its own clock is asked
 *	since then. READ_ONCE/WRITE_ONCE; never cleared
 */
struct husk_pv_vm {
	u32 features;
	u64 ns;
	u64 tsc;
	u64 raw_ns;
	u32 mul;
	s8 shift;
	bool unsteady;
};

/**
 * struct husk_pv_vcpu - of a vCPU, owned by its thread unless said otherwise
 * @msr: as the guest wrote them
 * @clock_due: jiffies at which the host's clock is to be looked at, 0: never
 * @clock_unsteady: the page was written without PVCLOCK_TSC_STABLE_BIT for the host's sake
 * @clock_write: the page is to be written. Any thread sets it, then HUSK_REQ_PV
 * @paused: the vCPU was stopped by the host: the guest is told, once
 * @kicked: KVM_HC_KICK_CPU came: the next HLT is over at once. Any thread sets it
 * @away: the guest's page says that the vCPU is preempted, or may say so
 * @steal_thread: whose run_delay it is
 * @run_delay: of that thread, what the guest knows of
 * @eoi_user: where the byte of PV EOI is in the worker, with @eoi_generation of the slots
 */
struct husk_pv_vcpu {
	u64 msr[HUSK_PV_MSRS];
	unsigned long clock_due;
	bool clock_unsteady;
	bool clock_write;
	bool paused;
	bool kicked;
	bool away;
	void *steal_thread;
	u64 run_delay;
	u8 __user *eoi_user;
	u32 eoi_generation;
};

/* ---- kvm.c ---- */
u32 husk_pv_features(void);	/* KVM_FEATURE_x bits that husk has on this host */
/* Power-on and INIT alike */
void husk_pv_reset(struct husk_vcpu *vcpu);
/* Serve HUSK_REQ_PV; may sleep */
void husk_pv_serve(struct husk_vcpu *vcpu);
/* The numbers of hypercalls that there may be: KVM_HC_KICK_CPU to KVM_HC_SCHED_YIELD */
#define HUSK_PV_HC_FIRST	5
#define HUSK_PV_HC_LAST		11
/* F: one of them, at CPL 0; in and out as the registers are. false: it needs interrupts on */
bool husk_pv_hypercall(struct husk_vcpu *vcpu);
void husk_pv_hypercall_slow(struct husk_vcpu *vcpu);	/* then that */

/* ---- MSR writes, by msr.c. After their check; but for the wall clock also by a state class ---- */
bool husk_pv_check_steal(struct husk_vcpu *vcpu, u32 index, u64 value);
bool husk_pv_check_poll(struct husk_vcpu *vcpu, u32 index, u64 value);
bool husk_pv_check_eoi(struct husk_vcpu *vcpu, u32 index, u64 value);
void husk_pv_write_wall_clock(struct husk_vcpu *vcpu, u32 index, u64 value);	/* may sleep */
void husk_pv_write_clock(struct husk_vcpu *vcpu, u32 index, u64 value);
void husk_pv_write_steal(struct husk_vcpu *vcpu, u32 index, u64 value);
void husk_pv_write_eoi(struct husk_vcpu *vcpu, u32 index, u64 value);		/* may sleep */

/* ---- kvmclock.c ---- */
int husk_pv_clock_init(void);
void husk_pv_clock_exit(void);
/* The guest's clock is ns now; vm->lock is held, or nobody else knows of the VM */
void husk_pv_clock_set(struct husk_vm *vm, u64 ns);
u64 husk_pv_clock_get(struct husk_vm *vm);
/* A vCPU's TSC was moved against the others' */
void husk_pv_tsc_moved(struct husk_vm *vm);
/* F: the vCPU came to another CPU, or its own slept */
void husk_pv_clock_moved(struct husk_vcpu *vcpu);
/* From time to time: is the host's TSC still to be trusted? */
void husk_pv_clock_look(struct husk_vcpu *vcpu);
void husk_pv_clock_update(struct husk_vcpu *vcpu);	/* may sleep */
/* The host had it stopped: the guest's watchdogs are to know (PVCLOCK_GUEST_STOPPED) */
void husk_pv_clock_paused(struct husk_vcpu *vcpu);

/* ---- steal.c ---- */
/* The thread is about to give up its CPU; may sleep */
void husk_pv_steal_leave(struct husk_vcpu *vcpu);
/* It is about to enter the guest; may sleep */
void husk_pv_steal_enter(struct husk_vcpu *vcpu);

/* ---- eoi.c ---- */
/* F: vector was just acknowledged and is the only one in service */
void husk_pv_eoi_offer(struct husk_vcpu *vcpu, u8 vector);
/* F: has the guest taken the offer? It is over. HUSK_REQ_PV if the page is not there right now */
void husk_pv_eoi_settle(struct husk_vcpu *vcpu);
void husk_pv_eoi_settle_slow(struct husk_vcpu *vcpu);	/* the same; may sleep */

#endif
