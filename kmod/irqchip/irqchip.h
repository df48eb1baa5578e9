/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The interrupt hardware of a VM: per vCPU a local APIC (xAPIC and x2APIC,
 * SDM 3A chapter 11), per VM an IOAPIC (82093AA), two 8259A and an 8254 with
 * port 61h.
 *
 * Context: functions marked F run in the fast loop, interrupts off, and take
 * no lock that sleeps. The others may be called from any process context.
 */
#ifndef HUSK_IRQCHIP_H
#define HUSK_IRQCHIP_H

#include "husk.h"

#define HUSK_APIC_DEFAULT_BASE	0xfee00000ULL
#define HUSK_IOAPIC_BASE	0xfec00000ULL

/* ---- VM ---- */
int husk_irqchip_create(struct husk_vm *vm);
void husk_irqchip_destroy(struct husk_vm *vm);
/* Stop the VM's timers (8254): after it nothing of the irqchip touches a vCPU by itself. Before the vCPUs are destroyed. */
void husk_irqchip_quiesce(struct husk_vm *vm);
/* Back to power-on state (a guest reset). */
void husk_irqchip_reset(struct husk_vm *vm);

/* Who may assert an interrupt input: it is asserted while one of them does */
enum husk_irq_source {
	HUSK_IRQ_USER,		/* HUSK_VM_IRQ_LINE */
	HUSK_IRQ_PIT,		/* the 8254 */
	HUSK_IRQ_PIC,		/* the 8259 pair's output */
	HUSK_IRQ_IRQFD,		/* an irqfd's pulse */
	HUSK_IRQ_RESAMPLE,	/* an irqfd that waits for the EOI */
};

/* Raise or lower a GSI. Any context, any CPU. 0, or -ENOENT: it has no route */
int husk_irq_set(struct husk_vm *vm, u32 gsi, enum husk_irq_source source, bool level);
/* Replace all routes; vm->lock is held. 0, -EINVAL, -ENOMEM */
int husk_routes_set(struct husk_vm *vm, const struct husk_route *route, u32 count);
/* Does the GSI go to one of these inputs (a bit each) of a chip? Under RCU */
bool husk_routes_reach(struct husk_vm *vm, u32 gsi, enum husk_route_kind chip, u32 inputs);
/* Deliver a message. 0, or -EINVAL for a reserved delivery mode */
int husk_irq_msi(struct husk_vm *vm, u64 address, u32 data);
#define HUSK_NMI_ALL	(~0U)
/* Send an NMI to a vCPU, or to all (HUSK_NMI_ALL). 0, or -ENOENT: there is none */
int husk_irq_nmi(struct husk_vm *vm, u32 id);

/* ---- eventfds: irqfd.c, ioeventfd.c ---- */
long husk_irqfd(struct husk_vm *vm, const struct husk_irqfd *arg);	/* HUSK_VM_IRQFD */
void husk_irqfd_init(struct husk_vm *vm);
void husk_irqfd_fini(struct husk_vm *vm);
/* F: the guest ended interrupts of a chip's inputs (a bit each) */
void husk_irqfd_acked(struct husk_vm *vm, enum husk_route_kind chip, u32 inputs);
long husk_ioeventfd(struct husk_vm *vm, const struct husk_ioeventfd *arg);	/* HUSK_VM_IOEVENTFD */
struct husk_disk;
struct husk_ioeventfd_set;
/* A disk ends: doorbells that lead to it are undone; under vm->lock */
void husk_ioeventfd_forget(struct husk_vm *vm, const struct husk_disk *disk);
void husk_ioeventfd_fini(struct husk_vm *vm);
/* F: a guest's write. true: it signalled an eventfd, and is done */
bool husk_ioeventfd_write_fast(struct husk_vcpu *vcpu, const struct husk_ioeventfd_set *set, u64 addr, u8 width, u64 data);
bool husk_ioeventfd_write(struct husk_vcpu *vcpu, enum husk_ioeventfd_space space, u64 addr, u8 width, u64 data);

/*
 * F: is the port one of the kernel's devices? 8259: 20h, 21h, A0h, A1h, 4D0h,
 * 4D1h; 8254: 40h..43h, 61h. Every port access of a guest asks.
 */
static __always_inline bool husk_irqchip_owns_port(u16 port)
{
	if (likely(port >= 0x100))
		return (port & ~1) == 0x4d0;
	if (port >= 0x40 && port < 0x80)
		return port <= 0x43 || port == 0x61;
	return (port & 0x7e) == 0x20;
}

/* F: port access of a device in the kernel. false: not one of ours.
 * A read fills *data (zero-extended); width 1, 2 or 4. */
bool husk_irqchip_pio(struct husk_vcpu *vcpu, u16 port, u8 width, bool write, u32 *data);
/* F: memory access of the local APIC (at its current base, if it is in xAPIC mode)
 * or the IOAPIC. false: not one of ours. width 1, 2, 4, 8 */
bool husk_irqchip_mmio(struct husk_vcpu *vcpu, u64 gpa, u8 width, bool write, u64 *data);

/* ---- local APIC of a vCPU ---- */
int husk_lapic_create(struct husk_vcpu *vcpu);
void husk_lapic_destroy(struct husk_vcpu *vcpu);
void husk_lapic_reset(struct husk_vcpu *vcpu, bool init);	/* init: INIT, keeps the APIC id and base */

/* F: x2APIC MSRs 0x800..0x8ff, IA32_APIC_BASE, IA32_TSC_DEADLINE. false: #GP */
bool husk_lapic_rdmsr(struct husk_vcpu *vcpu, u32 index, u64 *value);
bool husk_lapic_wrmsr(struct husk_vcpu *vcpu, u32 index, u64 value);

/* F: the vector that is to be injected into the guest now (ExtINT of the 8259 included), or -1.
 * One cached word in the common case of nothing pending. */
int husk_irq_pending(struct husk_vcpu *vcpu);
/* F: is there one, be it for the CPU to deliver (lapic_accel.c)? Ends a HLT, if IF is set */
bool husk_irq_waits(struct husk_vcpu *vcpu);
/* F: acknowledge it: IRR to ISR, or the 8259's INTA cycle; answers the vector or -1 (spurious 8259: its vector) */
int husk_irq_ack(struct husk_vcpu *vcpu);
/* F: is an interrupt there that only TPR holds back? Answers its priority class for the CR8 threshold, or 0 */
u8 husk_lapic_tpr_threshold(struct husk_vcpu *vcpu);
/* F: CR8 is TPR bits 7:4; at an entry, of no meaning to a CPU that virtualizes the APIC */
u8 husk_lapic_get_cr8(struct husk_vcpu *vcpu);
/* F: the same at any other time */
u8 husk_lapic_read_cr8(struct husk_vcpu *vcpu);
void husk_lapic_set_cr8(struct husk_vcpu *vcpu, u8 cr8);
/* F: serve HUSK_REQ_TIMER or the exit at vcpu->deadline; deliver LVTT, reload if periodic */
void husk_lapic_timer_fired(struct husk_vcpu *vcpu);
/* The vCPU is about to sleep: have an hrtimer wake it. Deliver what is due already */
void husk_lapic_timer_block(struct husk_vcpu *vcpu);
/* Bring the timer to this CPU; interrupts off */
void husk_lapic_moved(struct husk_vcpu *vcpu);
/* Latched by other vCPUs; taken by the vCPU's thread */
bool husk_lapic_take_nmi(struct husk_vcpu *vcpu);
bool husk_lapic_take_init(struct husk_vcpu *vcpu);
int husk_lapic_take_sipi(struct husk_vcpu *vcpu);	/* vector or -1. After husk_lapic_take_init() */
/* F: one message to many; see there */
s64 husk_lapic_send_set(struct husk_vcpu *vcpu, u64 low, u64 high, u64 first, u64 icr);
/* the guest TSC was moved: re-arm a pending deadline */
void husk_lapic_tsc_changed(struct husk_vcpu *vcpu);

/* ---- a local APIC that the CPU virtualizes: lapic_accel.c ---- */

/**
 * struct husk_apic_view - what the CPU is to know beside the page of registers
 * @irr: highest vector in its IRR, 0 if there is none
 * @isr: the same of its ISR
 * @eoi_exit: vectors whose EOI must exit
 */
struct husk_apic_view {
	u8 irr, isr;
	u64 eoi_exit[4];
};

void husk_lapic_virtualize(struct husk_vcpu *vcpu, void *page);
/* F */
void husk_lapic_hand_over(struct husk_vcpu *vcpu);
void husk_lapic_exit(struct husk_vcpu *vcpu);

/* State class LAPIC */
void husk_lapic_get_state(struct husk_vcpu *vcpu, struct husk_lapic_state *state);
int husk_lapic_check_state(struct husk_vcpu *vcpu, const struct husk_lapic_state *state);	/* 0, -EINVAL */
void husk_lapic_set_state(struct husk_vcpu *vcpu, const struct husk_lapic_state *state);

/* State classes of the VM, chips_state.c; vm->lock is held. check: 0, -EINVAL */
void husk_ioapic_get_state(struct husk_vm *vm, void *payload);
int husk_ioapic_check_state(struct husk_vm *vm, const void *payload);
void husk_ioapic_set_state(struct husk_vm *vm, const void *payload);
void husk_pic_get_state(struct husk_vm *vm, void *payload);
int husk_pic_check_state(struct husk_vm *vm, const void *payload);
void husk_pic_set_state(struct husk_vm *vm, const void *payload);
void husk_pit_get_state(struct husk_vm *vm, void *payload);
int husk_pit_check_state(struct husk_vm *vm, const void *payload);
void husk_pit_set_state(struct husk_vm *vm, const void *payload);

/* Guest TSC now (hostcpu.c) */
u64 husk_guest_tsc(struct husk_vcpu *vcpu);

#endif
