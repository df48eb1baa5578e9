/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Inside of irqchip/: the chips' state and what they call of each other.
 *
 * Messages to a local APIC are accepted by atomic bit operations from any
 * context; no lock is needed to interrupt a vCPU. Of the locks of the VM-wide
 * chips only the IOAPIC's is taken inside another, that of the 8259 pair.
 */
#ifndef HUSK_IRQCHIP_CHIPS_H
#define HUSK_IRQCHIP_CHIPS_H

#include <linux/hrtimer.h>
#include <linux/spinlock.h>

#include "irqchip/apic_math.h"
#include "irqchip/irqchip.h"
#include "irqchip/pic.h"
#include "irqchip/pit.h"

/* ---- local APIC ---- */

/* Registers, by xAPIC offset / 16, which is x2APIC MSR - 0x800 (SDM 3A table 11-6) */
enum {
	LAPIC_ID = 0x02, LAPIC_VERSION = 0x03, LAPIC_TPR = 0x08, LAPIC_APR = 0x09, LAPIC_PPR = 0x0a,
	LAPIC_EOI = 0x0b, LAPIC_LDR = 0x0d, LAPIC_DFR = 0x0e, LAPIC_SVR = 0x0f, LAPIC_ISR = 0x10,
	LAPIC_TMR = 0x18, LAPIC_IRR = 0x20, LAPIC_ESR = 0x28, LAPIC_ICR = 0x30, LAPIC_ICR2 = 0x31,
	LAPIC_LVTT = 0x32, LAPIC_LVT_ERROR = 0x37, LAPIC_TMICT = 0x38, LAPIC_TMCCT = 0x39,
	LAPIC_DCR = 0x3e, LAPIC_SELF_IPI = 0x3f, LAPIC_REGS = 0x40
};

/* Index in husk_lapic.lvt: the registers 32h..37h in their order */
enum { LVT_TIMER, LVT_THERMAL, LVT_PERF, LVT_LINT0, LVT_LINT1, LVT_ERROR, LVT_COUNT };
#define LVT_MASKED		BIT(16)
#define LVT_TIMER_PERIODIC	BIT(17)
#define LVT_TIMER_DEADLINE	BIT(18)
#define SVR_ENABLE		BIT(8)
#define SVR_NO_BROADCAST	BIT(12)	/* of EOIs: the guest tells the IOAPIC itself */

#define APIC_BASE_BSP		BIT(8)
#define APIC_BASE_EXTD		BIT(10)
#define APIC_BASE_EN		BIT(11)

/* Delivery modes (SDM 3A 11.6.1) */
enum {
	APIC_FIXED, APIC_LOWEST, APIC_SMI, APIC_RESERVED3, APIC_NMI, APIC_INIT, APIC_SIPI, APIC_EXTINT
};

/* Bits of the error status register (SDM 3A 11.5.3) */
enum { ESR_SEND_ILLEGAL = 5, ESR_RECEIVE_ILLEGAL = 6, ESR_ILLEGAL_REGISTER = 7 };

/* Bits of husk_lapic.attention. 0..3: a word of irr may be non-zero */
enum {
	LAPIC_ATT_INTR = 8,	/* level of LINT0: the 8259's output */
	LAPIC_ATT_EXTINT = 9,	/* an ExtINT message came */
};
#define LAPIC_ATT_IRR	0xfUL

/* Bits of husk_lapic.events */
enum { LAPIC_EV_NMI, LAPIC_EV_INIT, LAPIC_EV_SIPI };

/* husk_irq_pending() internally: the vector is the 8259's */
#define LAPIC_FROM_PIC	0x100

/**
 * struct husk_lapic_timer - see lapic_timer.c
 * @hrtimer: wakes the host for the expiry; see @armed
 * @armed: guest TSC for which @hrtimer is set, or 0. Written by the vCPU's
 *	thread, cleared by the callback. The hrtimer may fire earlier.
 * @target: guest TSC of the next expiry, or 0
 * @period: the initial count in TSC ticks
 * @offset: vcpu->tsc_offset that the @target of a count was made with
 * @tmict: the initial count register
 * @dcr: the divide configuration register
 * @shift: what @dcr divides by, as a power of two
 */
struct husk_lapic_timer {
	struct hrtimer hrtimer;
	u64 armed;
	u64 target;
	u64 period;
	u64 offset;
	u32 tmict, dcr;
	u8 shift;
};

/*
 * struct husk_lapic - a local APIC
 *
 * Members are owned by the vCPU's thread unless it says atomic. Senders read
 * @base, @svr, @ldr, @dfr, @lvt and @ppr with READ_ONCE: a message that races
 * with a change of them may meet the old or the new value, as on a bus.
 */
struct husk_lapic {
	unsigned long attention;	/* atomic; 0: nothing can be pending */
	unsigned long irr[APIC_WORDS];	/* atomic */
	unsigned long tmr[APIC_WORDS];	/* atomic */
	unsigned long isr[APIC_WORDS];
	s16 isr_high;			/* highest vector in isr, or -1 */
	u8 tpr;
	u8 ppr;				/* of tpr and isr_high, always current */
	u8 sipi_vector;
	bool has_x2apic, has_deadline;	/* immutable: as the guest's CPUID says */
	bool accel;			/* the CPU virtualizes it: lapic_accel.c */
	bool live;			/* @page has tpr, ppr, isr and irr; READ_ONCE by senders */
	bool pv_eoi;			/* the guest takes offers: pv/eoi.c */
	bool offered;			/* one stands, for @offered_vector, which is in isr */
	u8 offered_vector;
	void *page;			/* immutable; NULL: the CPU can't virtualize it */
	u32 svr, ldr, dfr, esr;
	u32 icr, icr2;
	u32 lvt[LVT_COUNT];
	u64 base;			/* IA32_APIC_BASE */
	struct husk_vcpu *vcpu;		/* immutable */
	unsigned long events;		/* atomic */
	unsigned long esr_pending;	/* atomic */
	u64 tsc_to_ns, ns_to_tsc;	/* immutable: ratios for apic_scale() */
	struct husk_lapic_timer timer;
};

static inline bool lapic_enabled(const struct husk_lapic *l)
{
	return READ_ONCE(l->base) & APIC_BASE_EN;
}

static inline bool lapic_x2apic(const struct husk_lapic *l)
{
	return READ_ONCE(l->base) & APIC_BASE_EXTD;
}

/* lapic_accel.c */
void husk_lapic_pull(struct husk_lapic *l);
void husk_lapic_choose(struct husk_lapic *l);

/* Before looking at tpr, ppr, isr or irr: have them in the struct, until the next entry. The vCPU's thread only. */
static inline void lapic_sync(struct husk_lapic *l)
{
	if (unlikely(l->live))
		husk_lapic_pull(l);
}

/* A message on the way to local APICs */
struct lapic_msg {
	u32 dest;
	u8 vector;
	u8 mode;	/* APIC_x */
	bool logical;
	bool wide;	/* dest has 32 bits */
	bool level;	/* level triggered */
	bool lowest;	/* one of the destinations only */
};

/* lapic_irq.c */
/* Send to all that match; was it accepted by one? Any context. src: sender if it is the current thread's APIC, or NULL */
bool husk_lapic_send(struct husk_vm *vm, struct husk_lapic *src, const struct lapic_msg *msg);
bool husk_lapic_accept(struct husk_lapic *l, const struct lapic_msg *msg, bool own);
void husk_lapic_write_icr(struct husk_lapic *l, u32 low, u32 dest);
void husk_lapic_self_ipi(struct husk_lapic *l, u8 vector);
void husk_lapic_error(struct husk_lapic *l, int bit, bool own);
void husk_lapic_deliver_lvt(struct husk_lapic *l, int entry, bool own);
void husk_lapic_eoi(struct husk_lapic *l);
void husk_lapic_broadcast_eoi(struct husk_lapic *l, u8 vector);
void husk_lapic_set_tpr(struct husk_lapic *l, u8 tpr);
void husk_lapic_recheck(struct husk_lapic *l);
void husk_lapic_clear_vectors(struct husk_lapic *l);
void husk_lapic_count_isr(struct husk_lapic *l);
/* The 8259's output changed. Any context. */
void husk_lapic_set_lint0(struct husk_vm *vm, bool level);

/* lapic_timer.c */
void husk_lapic_timer_init(struct husk_lapic *l);
void husk_lapic_timer_fini(struct husk_lapic *l);
void husk_lapic_timer_reset(struct husk_lapic *l);
void husk_lapic_timer_write_lvt(struct husk_lapic *l, u32 value);
void husk_lapic_timer_write_initial(struct husk_lapic *l, u32 value);
void husk_lapic_timer_write_divide(struct husk_lapic *l, u32 value);
void husk_lapic_timer_write_deadline(struct husk_lapic *l, u64 value);
u64 husk_lapic_timer_read_deadline(struct husk_lapic *l);
u32 husk_lapic_timer_read_current(struct husk_lapic *l);
void husk_lapic_timer_restore(struct husk_lapic *l, u32 initial, u32 left, u64 deadline);

/* lapic.c */
bool husk_lapic_mmio(struct husk_lapic *l, u64 gpa, u8 width, bool write, u64 *data);
bool husk_lapic_base_valid(const struct husk_lapic *l, u64 base);
u32 husk_lapic_read(struct husk_lapic *l, u32 reg);
/* Bits of a register that a write can set */
u32 husk_lapic_writable(const struct husk_lapic *l, u32 reg);

/* ---- IOAPIC ---- */

#define IOAPIC_PINS	24

struct husk_ioapic {
	raw_spinlock_t lock;		/* protects all of it */
	u32 lines;			/* levels of the inputs: asserted or not */
	u8 source[IOAPIC_PINS];		/* who asserts them: bits HUSK_IRQ_x */
	u8 select;
	u8 id;
	u64 entry[IOAPIC_PINS];		/* redirection table */
};

void husk_ioapic_reset(struct husk_vm *vm);
void husk_ioapic_set_line(struct husk_vm *vm, u32 pin, enum husk_irq_source source, bool level);
/* A redirection entry that can be: chips_state.c */
bool husk_ioapic_entry_valid(u64 entry);
/* All of it was set: send what waits. Locked */
void husk_ioapic_look(struct husk_vm *vm);
void husk_ioapic_eoi(struct husk_vm *vm, u8 vector);
bool husk_ioapic_mmio(struct husk_vm *vm, u64 gpa, u8 width, bool write, u64 *data);

/* ---- 8254 and port 61h ---- */

struct husk_pit_timer {
	raw_spinlock_t lock;		/* protects all of it; outer to no other lock */
	struct husk_pit pit;
	u8 port61;			/* bits 3:0 as written */
	bool stopped;			/* the VM is going away */
	u64 epoch;			/* CLOCK_MONOTONIC at tick 0 */
	u64 due;			/* tick of the next interrupt, or PIT_NEVER */
	struct hrtimer hrtimer;
	struct husk_vm *vm;		/* immutable */
};

void husk_pit_timer_init(struct husk_vm *vm);
void husk_pit_timer_stop(struct husk_vm *vm);
void husk_pit_timer_reset(struct husk_vm *vm);
bool husk_pit_timer_owns(u16 port);
u8 husk_pit_timer_read(struct husk_vm *vm, u16 port);
/* The counters and bits 3:0 of port 61h. Answers the tick at which they are so */
u64 husk_pit_timer_save(struct husk_vm *vm, struct husk_pit *pit, u8 *port61);
/* What counts has done so for @frozen ticks */
void husk_pit_timer_load(struct husk_vm *vm, const struct husk_pit *pit, u8 port61);
void husk_pit_timer_write(struct husk_vm *vm, u16 port, u8 value);

/* ---- the VM's chips ---- */

struct husk_irqchip {
	u32 nr_ids;			/* APIC ids in use are below; by vm->lock, READ_ONCE by senders */
	u64 tsc_to_ns, ns_to_tsc;	/* immutable */
	struct husk_routes_table __rcu *routes;	/* by vm->lock */
	raw_spinlock_t pic_lock;	/* protects pic and pic_source */
	struct husk_pic pic;
	u8 pic_source[16];		/* who asserts its inputs: bits HUSK_IRQ_x */
	struct husk_ioapic ioapic;
	struct husk_pit_timer pit;
};

/* Of the bits of an input: does anyone assert it after this? */
static inline bool irq_source_set(u8 *sources, enum husk_irq_source source, bool level)
{
	if (level)
		*sources |= BIT(source);
	else
		*sources &= ~BIT(source);
	return *sources;
}

/* routes.c */
void husk_routes_init(struct husk_vm *vm);
void husk_routes_fini(struct husk_vm *vm);

/* irqchip.c: may it be sent (husk_irq_msi)? */
bool husk_msi_valid(u64 address, u32 data);
/* irq 0..15, not the cascade. Any context */
void husk_irqchip_pic_line(struct husk_vm *vm, u32 irq, enum husk_irq_source source, bool level);
/* The pair was set as a whole: its wires follow. Locked */
void husk_irqchip_pic_look(struct husk_vm *vm);
/* the 8259 pair's vector, and its INTA cycle */
u8 husk_irqchip_pic_vector(struct husk_vm *vm);
u8 husk_irqchip_pic_ack(struct husk_vm *vm);

#endif
