/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The seam to the CPU vendor: one table, chosen once at load. Vendor code
 * decodes the hardware's exits into struct husk_exit_info; common code acts.
 */
#ifndef HUSK_VENDOR_H
#define HUSK_VENDOR_H

#include <linux/static_call.h>

#include "husk.h"

struct husk_pt_format;
struct husk_apic_view;

/**
 * struct husk_vendor - a CPU vendor's operations
 * @name: "svm" or "vmx"
 * @vcpu_size: bytes of the vendor's vCPU struct, which begins with struct husk_vcpu
 * @format: of the second-level page table
 * @pause_window: how long a guest may spin on PAUSE before that is an exit, at
 *	first: in TSC ticks (VT-x) or PAUSEs (AMD-V)
 * @setup: once at load, after the mode table is known; process context
 * @cleanup: the reverse
 * @cpu_init: once at load, for each possible CPU, so that hotplug needs no care;
 *	0 or -ENOMEM
 * @cpu_fini: the reverse, also of one that failed or was not done
 * @foreign: another hypervisor has the mode on, on this CPU, now
 * @vcpu_init: vendor part of a zeroed vCPU; 0 or -ENOMEM
 * @vcpu_fini: the reverse
 * @moved: the next stay is the first on another CPU; interrupts off
 * @depart: the thread of a guarded vCPU leaves its CPU; preemption off. NULL: open
 *	guards none
 * @open: interrupts off: take the CPU's virtualization mode and load the guest
 *	state that stays over several exits
 * @close: give back what @open took; host state is whole again
 * @enter: one round: write changed state, enter, decode the exit into
 *	vcpu->exit, vcpu->regs is current after it
 * @fetch: make HUSK_SYS_x classes valid in vcpu->sys
 * @inject: give vcpu->event to the hardware for the next entry
 * @can_intr: the guest can take an interrupt now (IF, shadow)
 * @can_nmi: the guest can take an NMI now
 * @flush: drop all TLB entries of this vCPU before the next entry
 * @window: ask for an exit as soon as the guest can take an interrupt or NMI
 * @apic: the APIC's page was filled or changed, or (NULL) the CPU shall virtualize
 *	the APIC no longer; only after husk_lapic_virtualize(). NULL: no CPU here can
 * @skip: retire the current instruction: rip after it, interrupt shadow off.
 *	false: its length is not known (the caller emulates or gives up)
 * @set_shadow: set or clear the interrupt shadow
 * @get_shadow: read it
 * @set_dr_live: switch DR interception off (true) or on
 * @log: have the CPU list the pages that this vCPU writes, and tell
 *	husk_log_page() by the end of each stay; or no longer. NULL: no CPU here has
 *	such a list. By the vCPU's thread outside of a stay; 0 or -ENOMEM
 * @host_msr: an MSR that the hardware switches with the guest (FS_BASE,
 *	GS_BASE, KERNEL_GS_BASE, STAR, LSTAR, CSTAR, SFMASK, SYSENTER_x): where
 *	its guest value is kept outside of a stay, or NULL
 */
struct husk_vendor {
	const char *name;
	size_t vcpu_size;
	const struct husk_pt_format *format;
	u32 pause_window;
	int (*setup)(void);
	void (*cleanup)(void);
	int (*cpu_init)(int cpu);
	void (*cpu_fini)(int cpu);
	bool (*foreign)(void);
	int (*vcpu_init)(struct husk_vcpu *vcpu);
	void (*vcpu_fini)(struct husk_vcpu *vcpu);
	void (*moved)(struct husk_vcpu *vcpu);
	void (*depart)(struct husk_vcpu *vcpu);
	void (*open)(struct husk_vcpu *vcpu);
	void (*close)(struct husk_vcpu *vcpu);
	void (*enter)(struct husk_vcpu *vcpu);
	void (*fetch)(struct husk_vcpu *vcpu, u8 classes);
	void (*inject)(struct husk_vcpu *vcpu);
	bool (*can_intr)(struct husk_vcpu *vcpu);
	bool (*can_nmi)(struct husk_vcpu *vcpu);
	void (*flush)(struct husk_vcpu *vcpu);
	void (*window)(struct husk_vcpu *vcpu, bool intr, bool nmi);
	void (*apic)(struct husk_vcpu *vcpu, const struct husk_apic_view *view);
	bool (*skip)(struct husk_vcpu *vcpu);
	void (*set_shadow)(struct husk_vcpu *vcpu, bool on);
	bool (*get_shadow)(struct husk_vcpu *vcpu);
	void (*set_dr_live)(struct husk_vcpu *vcpu, bool live);
	int (*log)(struct husk_vcpu *vcpu, bool on);
	u64 *(*host_msr)(struct husk_vcpu *vcpu, u32 index);
};

extern const struct husk_vendor *husk_vendor;	/* immutable after load */

/* Those on the path of each exit are called directly: husk_call(enter)(vcpu). */
#define HUSK_HOT_OPS(X) X(open) X(close) X(enter) X(skip)
#define X(op) DECLARE_STATIC_CALL(husk_vendor_##op, *((struct husk_vendor *)NULL)->op);
HUSK_HOT_OPS(X)
#undef X
#define husk_call(op) static_call(husk_vendor_##op)
extern struct husk_vendor husk_svm, husk_vmx;	/* read-only once set up */

/**
 * struct husk_probe - what of a vendor's virtualization this machine has; probe.c
 * @mode: HUSK_MODE_SVM or HUSK_MODE_VMX
 * @tags: what its TLB tags are called
 * @brand: what its virtualization is called
 * @setting: what firmware calls it
 * @there: does CPUID say that the CPU has it
 * @probe: answers the modes that are present, and the number of TLB tags
 * @refusal: what of husk_mode_refusal() only the vendor knows. After @probe
 *
 * All in process context at load.
 */
struct husk_probe {
	enum husk_mode mode;
	const char *tags, *brand, *setting;
	bool (*there)(void);
	u64 (*probe)(u32 *tags);
	const char *(*refusal)(void);
};

extern const struct husk_probe husk_svm_probe, husk_vmx_probe;

/*
 * A bit of CPUID. reg: 0 eax 1 ebx 2 ecx 3 edx. Load-time only: the raw
 * instruction, since the kernel may hide bits that it does not use itself.
 */
bool husk_mode_cpuid_bit(u32 function, int reg, int bit);

#endif
