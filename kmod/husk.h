/* SPDX-License-Identifier: GPL-2.0 */
/*
 * husk's common objects. Vendor code (kmod/vmx, kmod/svm) embeds struct
 * husk_vcpu and is reached only through struct husk_vendor (vendor.h).
 *
 * Names: gva, gpa, hva, hpa are guest virtual, guest physical, host virtual
 * and host physical addresses; gfn is gpa >> 12.
 *
 * Lock order, outermost first:
 *	husk_vms_lock > vm->lock > vcpu->mutex > mmap_lock > vm->mem.lock (rwlock)
 *	vm->irqchip's raw locks are leaves, taken with interrupts off; for those
 *	around eventfds see irqchip/irqfd.c.
 */
#ifndef HUSK_H
#define HUSK_H

#include <linux/types.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/uuid.h>
#include <linux/rcuwait.h>
#include <linux/mm_types.h>
#include <linux/uidgid.h>
#include <linux/pid.h>
#include <linux/jiffies.h>
#include <linux/sched.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "uapi/husk.h"
#include "uapi/husk_bpf.h"
#include "ept_npt/mem.h"
#include "irqchip/ioeventfd.h"
#include "irqchip/irqfd.h"
#include "cpuid_table.h"
#include "pv/pv.h"

#define HUSK_MAX_VCPUS	64
#define HUSK_GSI_COUNT	4096	/* and limit of routes */

struct husk_vcpu;
struct husk_vm;
struct husk_irqchip;
struct husk_lapic;

/*
 * What is to be done with an exit. Returned by leaf and table handlers, never
 * mixed with errno values.
 */
enum husk_verdict {
	HUSK_RESUME,		/* enter again at the same rip */
	HUSK_RETIRE,		/* skip the instruction, then enter again */
	HUSK_DISPATCH,		/* leaf only: not mine, hand to the common table */
	HUSK_TO_USER,		/* vcpu->run is filled in; return to the worker */
	HUSK_DEAD,		/* the VM can't go on; vcpu->run says why */
	HUSK_ASK,		/* fast loop only: husk_policy_serve() */
};

/* vcpu->requests: one word that the fast loop tests once. Atomic bit operations. */
enum {
	HUSK_REQ_EVENT,		/* look for interrupts, NMIs, exceptions to inject */
	HUSK_REQ_FLUSH,		/* flush second-level and guest TLB entries of this vCPU */
	HUSK_REQ_TIMER,		/* the local APIC timer fired: husk_lapic_timer_fired() */
	HUSK_REQ_PAUSE,		/* vm->paused may have changed */
	HUSK_REQ_STOP,		/* report HUSK_EXIT_STOP to the worker, once */
	HUSK_REQ_KILL,		/* vm->dead is set; never cleared */
	HUSK_REQ_INIT,		/* INIT or SIPI is latched in the local APIC */
	HUSK_REQ_LOG,		/* end the stay, which hands over what it has logged; vm->mem.logged may have changed */
	HUSK_REQ_PDPTE,		/* read the top entries of PAE paging from the guest's memory */
	HUSK_REQ_CHARGE,	/* begin to clock the thread's time, or tell it so far: limit.c */
	HUSK_REQ_PV,		/* the paravirtual interface has something to do in the guest's memory */
};
/* Requests that the fast loop serves by itself; all others leave it. */
#define HUSK_REQ_FAST (BIT(HUSK_REQ_EVENT) | BIT(HUSK_REQ_FLUSH) | BIT(HUSK_REQ_TIMER))

/* vcpu->mode: who may need an IPI. Written by the vCPU's thread, read by kickers. */
enum {
	HUSK_OUTSIDE,		/* not in the guest: a request bit is enough */
	HUSK_INSIDE,		/* may be in the guest: request bit, then IPI */
};

/**
 * struct husk_exit_info - one exit, decoded by the vendor into neutral terms
 * @reason: HUSK_REASON_x
 * @insn_len: how many bytes of @insn are valid
 * @hw_reason: the hardware's exit code
 * @info: the hardware's two information words
 * @next_rip: rip after the instruction, 0 if the CPU did not say
 * @insn: instruction bytes if the CPU gave them
 * @pio: for PIO; begins like struct husk_run.pio. @string: INS/OUTS, to be emulated
 * @cr: for CR_ACCESS and DR_ACCESS. @gpr < 0: not a plain MOV, to be emulated
 * @gpa: for FAULT2/MMIO
 * @access: of it, HUSK_ACCESS_x
 * @exception: for EXCEPTION
 * @apic: for APIC_ACCESS: the register written, and of EOI what it ended
 * @msr: what RDMSR read
 *
 * RDMSR, WRMSR, CPUID, XSETBV and hypercalls take their operands from
 * vcpu->regs.
 */
struct husk_exit_info {
	u8 reason;
	u8 insn_len;
	u64 hw_reason;
	u64 info[2];
	u64 next_rip;
	u8 insn[16];
	union {
		struct {
			u16 port;
			u8 width;
			bool write;
			bool string;
		} pio;
		struct {
			u8 number;
			bool write;
			s8 gpr;
		} cr;
		struct {
			u64 gpa;
			u32 access;	/* HUSK_ACCESS_x */
		};
		struct {
			u8 vector;
			bool has_error;
			u32 error;
		} exception;
		struct {
			u16 offset;
			u8 vector;
		} apic;
		u64 msr;
	};
};

/* gpa access bits, also rights in the guest page walk */
#define HUSK_ACCESS_READ	BIT(0)
#define HUSK_ACCESS_WRITE	BIT(1)
#define HUSK_ACCESS_EXEC	BIT(2)
#define HUSK_ACCESS_USER	BIT(3)	/* by CPL 3; guest page walk only */
#define HUSK_ACCESS_WALK	BIT(4)	/* FAULT2: hit while the CPU walked the guest's tables */

/* Guest state beyond the general registers, fetched from the vendor on demand */
#define HUSK_SYS_CR	BIT(0)	/* cr0 cr2 cr3 cr4 efer, and cs, ss (for the mode and CPL) */
#define HUSK_SYS_SEG	BIT(1)	/* the other segments and the tables */
#define HUSK_SYS_DR	BIT(2)	/* dr6 dr7 (dr0..3 live in vcpu->sys.dr always) */
#define HUSK_SYS_CPL	BIT(5)	/* only the DPL in ss.attr; HUSK_SYS_CR has it too */
#define HUSK_SYS_TSC	BIT(3)	/* sys_dirty only: vcpu->tsc_offset changed */
#define HUSK_SYS_PDPTE	BIT(4)	/* sys_dirty only: vcpu->pdpte was filled */
#define HUSK_SYS_PAUSE	BIT(6)	/* sys_dirty only: vcpu->pause_window changed */
#define HUSK_SYS_ALL	(HUSK_SYS_CR | HUSK_SYS_CPL | HUSK_SYS_SEG | HUSK_SYS_DR)

/* A code page and the entries that map it, by their places in the worker */
struct husk_code_page {
	u64 cr3, page;
	u32 generation;			/* of the memory slots */
	u8 levels;			/* entries; 0: nothing is remembered */
	u64 entry[5];
	const u64 __user *user[5];
	const u8 __user *bytes;
};

/* An event on its way into the guest; owned by the vCPU's thread */
struct husk_event {
	bool pending;
	bool has_error;
	u8 vector;
	u8 type;		/* HUSK_EVENT_x */
	u32 error;
};
enum { HUSK_EVENT_INTR = 0, HUSK_EVENT_NMI = 2, HUSK_EVENT_EXCEPTION = 3, HUSK_EVENT_SOFT = 4 }; /* as in EVENTINJ, APM2 15.20 */

/*
 * struct husk_vcpu - a virtual CPU
 *
 * Unless said otherwise a member is owned by the thread that holds @mutex.
 */
struct husk_vcpu {
	/* touched on every exit */
	union {
		struct husk_general regs;	/* always current outside of vendor->enter() */
		struct husk_exit_record record;	/* begins with them; policy.c */
	};
	struct husk_vm *vm;		/* immutable; after record: struct husk_asked */
	unsigned long requests;		/* atomic bits HUSK_REQ_x */
	struct husk_stats *stats;	/* immutable; mapped read-only by the owner */
	u8 sys_cached, sys_dirty;	/* HUSK_SYS_x: valid in @sys; to be written back */
	u8 mode;			/* HUSK_OUTSIDE/INSIDE; READ_ONCE/WRITE_ONCE with barriers */
	struct husk_exit_info exit;
	struct husk_flight *flight;	/* the current exit's, in @stats */
	bool untimed;			/* the worker has the exit, whose time is not over */

	u64 key;			/* immutable: no vCPU ever had or will have the same */
	u32 id;				/* immutable; also the APIC id */
	int cpu;			/* host CPU of its last stay in the guest, -1: none yet */
	struct husk_run *run;		/* immutable; page shared with the worker: read once, trust never */
	struct page *run_page;
	struct mutex mutex;
	struct preempt_notifier preempt;	/* registered while guarded */
	u8 leaving;			/* HUSK_LEAVING_x */

	struct husk_system sys;		/* see sys_cached */
	u64 pdpte[4];			/* written to the hardware only; see husk_paging_changed() */
	u64 xcr0;
	u64 tsc_offset;			/* the guest's TSC is husk_host_tsc() and this */
	u64 tsc_shift;			/* husk_host_tsc_shift that the hardware is to be told */
	u64 tsc_aux;
	u64 tsc_adjust;
	u64 pat;
	u64 mtrr_def_type;
	u64 misc_msrs[32];		/* msr.c; HUSK_MISC_x of msr.h */
	bool dr_live;			/* guest uses dr0..3: they are switched */
	bool nmi_pending, nmi_masked;	/* nmi_pending: set by the thread itself on HUSK_REQ_EVENT */
	u8 mp_state;			/* HUSK_MP_x */
	bool intr_window, nmi_window;	/* windows asked of the vendor */
	u8 tpr_threshold;		/* CR8 below this lets an interrupt in; 0: none waits */
	bool told_killed;		/* the worker knows that the VM is dead */
	bool triple_fault;		/* a fault while delivering #DF was emulated */
	struct husk_event event;	/* to be injected at the next entry */
	u32 told;			/* number of the last entry that a tracer was told of: traced.c */
	u64 deadline;			/* host TSC at which the guest is left, 0: none; see irqchip/lapic_timer.c */

	void *fpu;			/* XSAVE area, 64-byte aligned, husk_host.xsave_size bytes */

	struct husk_lapic *lapic;
	struct husk_pv_vcpu pv;
	struct rcuwait wait;		/* the thread sleeps here in HLT, paused, or waiting for SIPI */

	struct husk_emul *emul;		/* emulator context, emulate.h */
	struct husk_code_page code;	/* code_page.c: of the last emulated instruction */
	u64 length_page, length_cr3;	/* insn_length.c: code page of the last leaf exit, where it is in the worker */
	const u8 __user *length_user;
	u8 io_pending;			/* HUSK_IO_x: what to complete at the next RUN */

	u32 halt_poll_ns;		/* how long the next HLT polls */
	u32 pause_window;		/* how long the guest may spin on PAUSE, in the CPU's units */
	spinlock_t runner_lock;		/* protects runner */
	struct pid *runner;		/* the thread that ran it last, NULL: none yet. Written by the thread itself */
	u64 charged_from, charged_delay;	/* limit.c, while HUSK_LEAVING_CHARGED: time and run_delay at its start */
};

/* vcpu->leaving: what is to be done before RUN returns */
#define HUSK_LEAVING_GUARDED	BIT(0)	/* see husk_vcpu_guard() */
#define HUSK_LEAVING_CHARGED	BIT(1)	/* its time is clocked: husk_limit_stop() */

enum { HUSK_IO_NONE, HUSK_IO_PIO_IN, HUSK_IO_RETIRE, HUSK_IO_EMULATE, HUSK_IO_POLICY };

/**
 * struct husk_limit - how much a VM may use, and what it tells of that by itself
 * @lock: serializes changes of the next four
 * @used_ns: since the last look
 * @cpu: percent of one CPU, 0: no limit
 * @exits: a second, 0: no limit
 * @stats_ms: interval of statistics, 0: none
 * @by_admin: an administrator has set @cpu or @exits: nobody else may change them
 * @held_ns: time for which the VM was held back. READ_ONCE/WRITE_ONCE
 * @work: looks at the limits; owns the following
 * @cpu_left: ns that may be used now; below 0 the VM is held
 * @exits_left: likewise
 * @entries: of all vCPUs, at the last look
 * @at: time of the last look
 * @told: time of the last event about it
 * @stats_work: sends statistics
 */
struct husk_limit {
	struct mutex lock;
	u32 cpu;
	u32 exits;
	u32 stats_ms;
	bool by_admin;
	atomic64_t used_ns;
	u64 held_ns;
	struct delayed_work work;
	s64 cpu_left;
	s64 exits_left;
	u64 entries;
	u64 at;
	u64 told;
	struct delayed_work stats_work;
};

enum { HUSK_POLICY_SLOW, HUSK_POLICY_FAST, HUSK_POLICY_DOORS };

/**
 * struct husk_policy_set - programs that decide exits, see policy_list.c
 * @list: NULL: none. SLOW: they may sleep; FAST: they are asked in the fast loop
 * @reasons: bits of all reasons that they are to be asked about. READ_ONCE/WRITE_ONCE
 */
struct husk_policy_set {
	struct husk_policies __rcu *list[HUSK_POLICY_DOORS];
	u64 reasons[HUSK_POLICY_DOORS];
};

/*
 * struct husk_vm - a virtual machine
 * @lock: serializes memory slots, vCPU creation, cpuid
 */
struct husk_vm {
	struct kref ref;
	u32 id;				/* immutable */
	uuid_t uuid;			/* immutable */
	char name[HUSK_NAME_LEN];	/* immutable */
	char control[HUSK_CONTROL_LEN];	/* immutable */
	kuid_t owner;			/* immutable: creator's euid */
	struct pid *pid;		/* immutable: creator's thread group */
	struct user_namespace *user_ns;	/* immutable: creator's */
	u64 created_ns;			/* immutable: CLOCK_BOOTTIME */
	struct hlist_node node;		/* in vm.c's names, by its lock */
	struct mm_struct *mm;		/* immutable: creator's; ioctls from another mm get EPERM */

	struct mutex lock;
	struct husk_vcpu *vcpus[HUSK_MAX_VCPUS];	/* by id; smp_store_release once, never replaced */
	u32 nr_vcpus;			/* by lock */
	struct husk_cpuid_table cpuid;	/* by lock until the first vCPU, then immutable */
	struct husk_mem mem;
	struct husk_irqchip *irqchip;	/* immutable */
	struct husk_irqfds irqfds;
	struct husk_ioeventfd_set __rcu *ioeventfds[HUSK_IOEVENTFD_SPACES];	/* by lock; NULL: none */
	s64 tsc_base;			/* guest TSC = host TSC + tsc_base */
	struct husk_pv_vm pv;

	bool paused;			/* READ_ONCE/WRITE_ONCE; with HUSK_REQ_PAUSE */
	bool dead;			/* likewise; never cleared */
	bool resetting;			/* likewise; set under lock: RUN answers EBUSY */
	bool started, crashed;		/* an event said so; xchg */
	bool held;			/* likewise; written by limit.c's work */
	u64 asked;			/* of the last stop request: HUSK_STOP_x << 32 | timeout in ms */
	struct husk_limit limit;
	struct {
		struct husk_policy_set set;
		struct work_struct work;	/* pauses or kills it, with a reference of its own */
		bool kill;			/* READ_ONCE/WRITE_ONCE; never cleared */
	} policy;
	u32 spin_last;			/* id of the vCPU that a spinning one gave its time to last; a hint */
};

/* ---- vm.c ---- */
struct husk_vm *husk_vm_get(u32 id);		/* a reference or NULL */
struct husk_vm *husk_vm_get_next(u32 id);	/* likewise, to the one with the lowest id from there */
struct husk_vm *husk_vm_get_by_name(const char *name);
void husk_vm_put(struct husk_vm *vm);
int husk_vm_pause(struct husk_vm *vm);		/* EBUSY if it already is */
int husk_vm_resume(struct husk_vm *vm);		/* EBUSY if not paused */
int husk_vm_ask(struct husk_vm *vm, enum husk_stop what, u32 timeout_ms);	/* EBUSY: nobody to ask */
void husk_vm_hold(struct husk_vm *vm, bool held);	/* by limit.c */
void husk_vm_request_all(struct husk_vm *vm, int req);
bool husk_vm_name_ok(const char *name);		/* of 64 bytes: empty, or what a VM can be called */
void husk_vm_kill(struct husk_vm *vm);
struct husk_vcpu *husk_vm_vcpu(struct husk_vm *vm, u32 id); /* published vCPU or NULL */

#define husk_for_each_vcpu(i, vcpu, vm) \
	for ((i) = 0; (i) < HUSK_MAX_VCPUS; (i)++) \
		if (((vcpu) = smp_load_acquire(&(vm)->vcpus[i])))

/* ---- vcpu.c ---- */
/* Set a request bit and make sure that the vCPU sees it soon. Any context. */
void husk_vcpu_request(struct husk_vcpu *vcpu, int req);
/* Only make it leave the guest or wake it. Any context, interrupts on or off. */
void husk_vcpu_kick(struct husk_vcpu *vcpu);
/* All vCPUs of vm that are in the guest leave it before this returns. Process context, IRQs on. */
void husk_vm_request_sync(struct husk_vm *vm, int req);
/*
 * From now to the end of this run call vendor->depart() is called whenever the
 * thread leaves its CPU, and at the end. Preemption off.
 */
void husk_vcpu_guard(struct husk_vcpu *vcpu);
void husk_vcpu_unguard(struct husk_vcpu *vcpu);

/* ---- halt.c, spin.c ---- */
int husk_halt(struct husk_vcpu *vcpu);
void husk_spin_runner(struct husk_vcpu *vcpu);
bool husk_spin_yield_to(struct husk_vcpu *vcpu);	/* may sleep */

/* The thread that ran it last, with a reference, or NULL */
struct task_struct *husk_spin_task(struct husk_vcpu *vcpu);

/* ---- limit.c ---- */
void husk_limit_init(struct husk_vm *vm);
void husk_limit_fini(struct husk_vm *vm);
/* Which of the limits change, and to what */
struct husk_limits {
	u32 what;		/* HUSK_LIMIT_x */
	u32 cpu, exits, stats_ms;
	bool admin;		/* who asks has CAP_SYS_ADMIN in the initial user namespace */
};
#define HUSK_LIMIT_CPU		BIT(0)
#define HUSK_LIMIT_EXITS	BIT(1)
#define HUSK_LIMIT_STATS	BIT(2)
int husk_limit_set(struct husk_vm *vm, const struct husk_limits *change);
u64 husk_limit_run_ns(struct husk_vm *vm);	/* CPU time of the threads that ran its vCPUs last */
void husk_limit_start(struct husk_vcpu *vcpu);
void husk_limit_stop(struct husk_vcpu *vcpu);

/* ---- run.c, exception.c ---- */
int husk_vcpu_run(struct husk_vcpu *vcpu);
/* Queue a fault for injection at the next entry; cr2 counts for #PF only. */
void husk_inject_exception(struct husk_vcpu *vcpu, u8 vector, bool has_error, u32 error, u64 cr2);
#define husk_inject_gp(vcpu)	husk_inject_exception(vcpu, 13, true, 0, 0)
#define husk_inject_ud(vcpu)	husk_inject_exception(vcpu, 6, false, 0, 0)

/* Make HUSK_SYS_x classes valid in vcpu->sys; mark them changed after writing. */
void husk_fetch_slow(struct husk_vcpu *vcpu, u8 classes);
static inline void husk_fetch(struct husk_vcpu *vcpu, u8 classes)
{
	if (classes & ~vcpu->sys_cached)
		husk_fetch_slow(vcpu, classes);
}
static inline void husk_dirty(struct husk_vcpu *vcpu, u8 classes)
{
	vcpu->sys_dirty |= classes;
}
/* 0..3; the vendor puts it in ss.attr where the DPL is, also if it keeps them apart (APM2 15.5.1) */
static inline int husk_cpl(struct husk_vcpu *vcpu)
{
	if (!(vcpu->sys_cached & HUSK_SYS_CR))
		husk_fetch(vcpu, HUSK_SYS_CPL);
	return (vcpu->sys.ss.attr >> 5) & 3;
}

/* Fill run->unhandled and answer HUSK_DEAD with HUSK_EXIT_UNHANDLED. */
enum husk_verdict husk_unhandled(struct husk_vcpu *vcpu);

/* ---- exits.c, leaf.c ---- */
/* CR and XCR0 writes with the architecture's checks; false: inject #GP */
bool husk_write_cr0(struct husk_vcpu *vcpu, u64 value);
bool husk_write_cr4(struct husk_vcpu *vcpu, u64 value);
bool husk_write_efer(struct husk_vcpu *vcpu, u64 value);
u64 husk_efer_allowed(void);	/* bits that a guest may set on this host */
/* After CR0, CR3, CR4 or EFER were set other than by the guest's own instruction */
void husk_paging_changed(struct husk_vcpu *vcpu);
u64 husk_read_cr(struct husk_vcpu *vcpu, u8 number);			/* 0, 2, 3, 4, 8 */
bool husk_write_cr(struct husk_vcpu *vcpu, u8 number, u64 value);

/* ---- cpuid.c ---- */
void husk_cpuid_setup(void);	/* at load, after husk_host_setup(); nothing to undo */
int husk_cpuid_supported(struct husk_cpuid_entry *out, u32 room);	/* count or -E2BIG */
int husk_cpuid_set(struct husk_vm *vm, struct husk_cpuid_entry *entry, u32 count); /* takes over entry (kvmalloc) on success */
void husk_cpuid_free(struct husk_vm *vm);
/* Fast loop: no lock, no CPUID instruction. Reads regs rax, rcx; writes rax..rdx zero-extended. */
void husk_cpuid(struct husk_vcpu *vcpu);
bool husk_cpuid_has(struct husk_vm *vm, u32 function, u32 index, int reg, int bit); /* reg: 0 eax 1 ebx 2 ecx 3 edx */

/* ---- msr.c ---- */
/* Fast loop: both answer HUSK_RETIRE, HUSK_RESUME (fault queued) or HUSK_DISPATCH (needs interrupts on). */
enum husk_verdict husk_rdmsr_fast(struct husk_vcpu *vcpu);
enum husk_verdict husk_wrmsr_fast(struct husk_vcpu *vcpu);
enum husk_verdict husk_rdmsr(struct husk_vcpu *vcpu);
enum husk_verdict husk_wrmsr(struct husk_vcpu *vcpu);
/* For state classes: by index, no fault. 0 or -ENOENT, -EINVAL */
int husk_msr_get(struct husk_vcpu *vcpu, u32 index, u64 *value);
int husk_msr_set(struct husk_vcpu *vcpu, u32 index, u64 value, bool commit);
u32 husk_msr_list(u32 *index, u32 room);	/* the MSRs of class MSRS */
void husk_msr_reset(struct husk_vcpu *vcpu);

/* ---- state.c ---- */
long husk_state_get(struct husk_vcpu *vcpu, struct husk_state *arg);
long husk_state_set(struct husk_vcpu *vcpu, struct husk_state *arg);
/* Check a whole class as a user gave it; 0 or -EINVAL */
int husk_state_check_system(struct husk_vcpu *vcpu, const struct husk_system *sys);
int husk_state_check_general(const struct husk_general *regs);
/* Both together, after each: virtual-8086 and real mode, 64-bit rip */
int husk_state_check_mode(const struct husk_general *regs, const struct husk_system *sys);
void husk_state_apply_system(struct husk_vcpu *vcpu, const struct husk_system *sys);
void husk_state_collect_system(struct husk_vcpu *vcpu, struct husk_system *sys);	/* the whole class, with CR8 and XCR0 */
bool husk_xcr0_valid(u64 value);		/* may a guest set XCR0 to it (SDM 1 13.3) */
u64 husk_cr4_allowed(struct husk_vm *vm);	/* CR4 bits that the host has and the VM's CPUID shows */
/* Power-on state, or the state after INIT, of everything but the local APIC (which is reset too); mp_state is the caller's */
void husk_vcpu_reset_state(struct husk_vcpu *vcpu, bool init);

/* ---- guest memory, ept_npt/access.c: by gpa, process context, may fault ---- */
int husk_read_gpa(struct husk_vm *vm, u64 gpa, void *data, u32 len);	/* 0, -EFAULT */
int husk_write_gpa(struct husk_vm *vm, u64 gpa, const void *data, u32 len);
/* Interrupts off, no sleep: -EFAULT also if the page is not there right now. Only the vCPU's own thread. */
int husk_read_gpa_atomic(struct husk_vm *vm, u64 gpa, void *data, u32 len);
/* Where gpa is in the worker, or NULL; any context. It may be gone when it is used. */
const void __user *husk_gpa_to_user(struct husk_vm *vm, u64 gpa);
/* The same to write there; NULL also if the slot is READONLY. husk_log_written() after it */
void __user *husk_gpa_to_user_write(struct husk_vm *vm, u64 gpa);
void __user *husk_gpa_range_to_user(struct husk_vm *vm, u64 gpa, u32 len, bool write);
void husk_log_written(struct husk_vm *vm, u64 gpa, u32 len);
void husk_log_written_user(struct husk_vm *vm, const void __user *user, u64 len);
/* Atomic update of a naturally aligned word of 1, 2, 4 or 8 bytes: 0, -EAGAIN (*old was not there), -EFAULT */
int husk_cmpxchg_gpa(struct husk_vm *vm, u64 gpa, u64 old, u64 new, u32 width);

/* ---- pv/: see pv/pv.h; what the paths of each exit and stay ask ---- */
/* Before the thread gives up its CPU, and before each stay: does the guest want to know? */
static inline void husk_pv_leave(struct husk_vcpu *vcpu)
{
	if (vcpu->pv.msr[HUSK_PV_STEAL] & HUSK_PV_ON)
		husk_pv_steal_leave(vcpu);
}
static inline void husk_pv_enter(struct husk_vcpu *vcpu)
{
	if ((vcpu->pv.msr[HUSK_PV_STEAL] & HUSK_PV_ON) &&
	    (vcpu->pv.away || vcpu->pv.run_delay != current->sched_info.run_delay))
		husk_pv_steal_enter(vcpu);
}
/* At the host's interrupts and after HLT: the clock's turn, now and then */
static inline void husk_pv_tick(struct husk_vcpu *vcpu)
{
	if (vcpu->pv.clock_due && time_after(jiffies, vcpu->pv.clock_due))
		husk_pv_clock_look(vcpu);
}
/* May the host poll for the end of a HLT? */
static inline bool husk_pv_may_poll(const struct husk_vcpu *vcpu)
{
	return vcpu->pv.msr[HUSK_PV_POLL] & HUSK_PV_ON;
}
/* Did KVM_HC_KICK_CPU come? Taken by the vCPU's thread */
static inline bool husk_pv_take_kick(struct husk_vcpu *vcpu)
{
	return READ_ONCE(vcpu->pv.kicked) && xchg(&vcpu->pv.kicked, false);
}

/* ---- netlink.c, events.c: may sleep ---- */
int husk_netlink_init(void);
void husk_netlink_exit(void);
/* Multicast a lifecycle event of vm. kind: HUSK_LIFE_x of uapi/husk_netlink.h. Any process context. */
void husk_event_send(struct husk_vm *vm, u32 kind, u64 detail);
/* Multicast that the guest can't go on: vcpu->run and vcpu->exit say why. Its own thread. */
void husk_fault_send(struct husk_vcpu *vcpu, u32 signal);
/* Multicast the VM's counters. */
void husk_stats_send(struct husk_vm *vm);

/* ---- irqchip/: see irqchip/irqchip.h ---- */

/* ---- mode.c: what this CPU has ---- */
struct husk_vendor;
struct husk_modes {
	u64 present;		/* BIT_ULL(HUSK_MODE_x) */
	u64 usable;		/* present and not masked by the parameter mask= */
};
extern struct husk_modes husk_modes;
static inline bool husk_mode(enum husk_mode m)
{
	return husk_modes.usable & BIT_ULL(m);
}
int husk_mode_probe(const struct husk_vendor **vendor);	/* 0, or an error after one line that says why */
void husk_mode_print(void);		/* the one dmesg line */

/* ---- hostcpu.c: all contact with the host's CPU state ---- */
struct husk_host {
	u64 xcr0;		/* host's XCR0 */
	u64 guest_xcr0;		/* bits a guest may set; 0: no XSAVE */
	u32 xsave_size;		/* bytes of a standard-format area for guest_xcr0 (512 without XSAVE) */
	u64 xss;		/* host's IA32_XSS */
	u32 phys_bits;
};
extern struct husk_host husk_host;

/* ---- limits, main.c: module parameters ---- */
extern struct workqueue_struct *husk_wq;	/* unbound */
extern unsigned int husk_max_vms, husk_max_vcpus, husk_max_slots;

#endif
