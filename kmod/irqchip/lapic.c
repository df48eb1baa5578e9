// SPDX-License-Identifier: GPL-2.0
/*
 * Local APIC: registers, by MMIO (xAPIC) and MSR (x2APIC), modes and reset
 * (SDM 3A chapter 11).
 *
 * The APIC id is the vCPU's number and can't be changed, as on CPUs since
 * Nehalem. CMCI is not there.
 */
#include <linux/nospec.h>
#include <linux/slab.h>

#include "irqchip/chips.h"

/* Integrated APIC with 6 local vectors; EOI broadcasts can be suppressed (SDM 3A 11.4.8) */
#define LAPIC_VERSION_VALUE	(0x14 | (LVT_COUNT - 1) << 16 | BIT(24))

#define LAPIC_MSR_BASE		0x800
#define LAPIC_MSR_LAST		0x8ff
#define LAPIC_MSR_APIC_BASE	0x1b
#define LAPIC_MSR_DEADLINE	0x6e0

#define ICR_WRITABLE		0xccfff
#define ICR_BUSY		BIT(12)

/* ---- the register map (SDM 3A tables 11-1 and 11-6) ---- */

enum {
	LREG_XR = BIT(0), LREG_XW = BIT(1),	/* there in xAPIC mode: for reads, for writes */
	LREG_2R = BIT(2), LREG_2W = BIT(3),	/* in x2APIC mode */
	LREG_R = LREG_XR | LREG_2R, LREG_W = LREG_XW | LREG_2W, LREG_RW = LREG_R | LREG_W,
};

/**
 * struct lapic_reg - a register
 * @access: LREG_x
 * @writable: bits that software may set; others are reserved
 * @ignored: bits that are read-only but no error to write
 */
struct lapic_reg {
	u8 access;
	u32 writable;
	u32 ignored;
};

#define LVT_RO	(BIT(12) | BIT(14))

static const struct lapic_reg lapic_regs[LAPIC_REGS] = {
	[LAPIC_ID]		= { LREG_R },
	[LAPIC_VERSION]		= { LREG_R },
	[LAPIC_TPR]		= { LREG_RW, 0xff },
	[LAPIC_APR]		= { LREG_XR },
	[LAPIC_PPR]		= { LREG_R },
	[LAPIC_EOI]		= { LREG_W | LREG_XR },
	[LAPIC_LDR]		= { LREG_R | LREG_XW, 0xff000000 },
	[LAPIC_DFR]		= { LREG_XR | LREG_XW, 0xf0000000 },
	[LAPIC_SVR]		= { LREG_RW, 0x13ff },
	[LAPIC_ISR ... LAPIC_IRR + 7] = { LREG_R },
	[LAPIC_ESR]		= { LREG_RW },
	[LAPIC_ICR]		= { LREG_RW, ICR_WRITABLE, ICR_BUSY },
	[LAPIC_ICR2]		= { LREG_XR | LREG_XW, 0xff000000 },
	[LAPIC_LVTT]		= { LREG_RW, 0x700ff, LVT_RO },
	[LAPIC_LVTT + LVT_THERMAL] = { LREG_RW, 0x107ff, LVT_RO },
	[LAPIC_LVTT + LVT_PERF]	= { LREG_RW, 0x107ff, LVT_RO },
	[LAPIC_LVTT + LVT_LINT0] = { LREG_RW, 0x1a7ff, LVT_RO },
	[LAPIC_LVTT + LVT_LINT1] = { LREG_RW, 0x1a7ff, LVT_RO },
	[LAPIC_LVT_ERROR]	= { LREG_RW, 0x100ff, LVT_RO },
	[LAPIC_TMICT]		= { LREG_RW, 0xffffffff },
	[LAPIC_TMCCT]		= { LREG_R },
	[LAPIC_DCR]		= { LREG_RW, 0xb },
	[LAPIC_SELF_IPI]	= { LREG_2W, 0xff },
};

u32 husk_lapic_writable(const struct husk_lapic *l, u32 reg)
{
	u32 writable = lapic_regs[reg].writable;

	if (reg == LAPIC_LVTT && !l->has_deadline)
		writable &= ~LVT_TIMER_DEADLINE;
	return writable;
}

/* ---- reads ---- */

static u32 lapic_vectors(const unsigned long *map, u32 n)
{
	return READ_ONCE(map[n / 2 & 3]) >> (n & 1) * 32;
}

/* PPR or ISR, when the guest may have ended an interrupt without a word */
static noinline u32 lapic_read_settled(struct husk_lapic *l, u32 reg)
{
	husk_pv_eoi_settle(l->vcpu);
	return reg >= LAPIC_ISR ? lapic_vectors(l->isr, reg - LAPIC_ISR) : l->ppr;
}

/* reg is in bounds, and one that the mode has. The vCPU's thread only, after lapic_sync() if reg may be in the page. */
u32 husk_lapic_read(struct husk_lapic *l, u32 reg)
{
	switch (reg) {
	case LAPIC_ID:
		return lapic_x2apic(l) ? l->vcpu->id : l->vcpu->id << 24;
	case LAPIC_VERSION:
		return LAPIC_VERSION_VALUE;
	case LAPIC_TPR:
		return l->tpr;
	case LAPIC_APR:
	case LAPIC_PPR:
		return unlikely(l->offered) ? lapic_read_settled(l, reg) : l->ppr;
	case LAPIC_LDR:
		return l->ldr;
	case LAPIC_DFR:
		return l->dfr;
	case LAPIC_SVR:
		return l->svr;
	case LAPIC_ISR ... LAPIC_ISR + 7:
		if (unlikely(l->offered))
			return lapic_read_settled(l, reg);
		return lapic_vectors(l->isr, reg - LAPIC_ISR);
	case LAPIC_TMR ... LAPIC_TMR + 7:
		return lapic_vectors(l->tmr, reg - LAPIC_TMR);
	case LAPIC_IRR ... LAPIC_IRR + 7:
		return lapic_vectors(l->irr, reg - LAPIC_IRR);
	case LAPIC_ESR:
		return l->esr;
	case LAPIC_ICR:
		return l->icr;
	case LAPIC_ICR2:
		return l->icr2;
	case LAPIC_LVTT ... LAPIC_LVT_ERROR:
		return l->lvt[array_index_nospec(reg - LAPIC_LVTT, LVT_COUNT)];
	case LAPIC_TMICT:
		return l->timer.tmict;
	case LAPIC_TMCCT:
		return husk_lapic_timer_read_current(l);
	case LAPIC_DCR:
		return l->timer.dcr;
	default:
		return 0;
	}
}

/* ---- writes ---- */

static void lapic_write_lvt(struct husk_lapic *l, u32 entry, u32 value)
{
	/* A disabled APIC keeps all its local vectors masked (SDM 3A 11.4.7.2). */
	if (!(l->svr & SVR_ENABLE))
		value |= LVT_MASKED;
	if (entry == LVT_TIMER) {
		husk_lapic_timer_write_lvt(l, value);
		return;
	}
	WRITE_ONCE(l->lvt[entry], value);
	husk_lapic_recheck(l);	/* LINT0 may have let the 8259 through */
}

static noinline void lapic_write_svr(struct husk_lapic *l, u32 value)
{
	int n;

	WRITE_ONCE(l->svr, value);
	husk_lapic_choose(l);
	if (value & SVR_ENABLE)
		return;
	for (n = 0; n < LVT_COUNT; n++)
		lapic_write_lvt(l, n, l->lvt[n]);
}

/* reg is writable in this mode, and value has only bits that are. */
static void lapic_write(struct husk_lapic *l, u32 reg, u32 value)
{
	switch (reg) {
	case LAPIC_EOI:
		husk_lapic_eoi(l);
		break;
	case LAPIC_TMICT:
		husk_lapic_timer_write_initial(l, value);
		break;
	case LAPIC_TPR:
		husk_lapic_set_tpr(l, value);
		break;
	case LAPIC_LDR:
		WRITE_ONCE(l->ldr, value);
		break;
	case LAPIC_DFR:
		WRITE_ONCE(l->dfr, value | 0x0fffffff);
		break;
	case LAPIC_SVR:
		lapic_write_svr(l, value);
		break;
	case LAPIC_ESR:
		/* A write shows what was logged since the last one (SDM 3A 11.5.3). */
		l->esr = xchg(&l->esr_pending, 0);
		break;
	case LAPIC_ICR:
		l->icr = value;
		husk_lapic_write_icr(l, value, l->icr2 >> 24);
		break;
	case LAPIC_ICR2:
		l->icr2 = value;
		break;
	case LAPIC_LVTT ... LAPIC_LVT_ERROR:
		lapic_write_lvt(l, array_index_nospec(reg - LAPIC_LVTT, LVT_COUNT), value);
		break;
	case LAPIC_DCR:
		husk_lapic_timer_write_divide(l, value);
		break;
	case LAPIC_SELF_IPI:
		husk_lapic_self_ipi(l, value);
		break;
	}
}

/* ---- xAPIC: memory ---- */

/*
 * Reads of 1 to 4 bytes inside a register work, wider ones give its 4 bytes;
 * writes must be aligned and of 4 bytes, or are dropped (SDM 3A 11.4.1 leaves
 * all that undefined). Reserved bits are dropped, reserved registers logged.
 */
bool husk_lapic_mmio(struct husk_lapic *l, u64 gpa, u8 width, bool write, u64 *data)
{
	u32 offset = gpa & 0xfff;
	u32 reg = offset / 16;
	const struct lapic_reg *r;

	if ((l->base & (APIC_BASE_EN | APIC_BASE_EXTD)) != APIC_BASE_EN ||
	    gpa >> 12 != l->base >> 12)
		return false;
	if (!write)
		*data = 0;
	if (reg >= LAPIC_REGS)
		return true;
	reg = array_index_nospec(reg, LAPIC_REGS);
	r = &lapic_regs[reg];
	if (!(r->access & (LREG_XR | LREG_XW))) {
		husk_lapic_error(l, ESR_ILLEGAL_REGISTER, true);
		return true;
	}
	if (!write && (r->access & LREG_XR) && (offset & 15) < 4)
		*data = husk_lapic_read(l, reg) >> (offset & 3) * 8;
	else if (write && (r->access & LREG_XW) && !(offset & 15) && width >= 4)
		lapic_write(l, reg, *data & husk_lapic_writable(l, reg));
	return true;
}

/* ---- x2APIC: MSRs ---- */

static bool lapic_x2_read(struct husk_lapic *l, u32 index, u64 *value)
{
	u32 reg = index - LAPIC_MSR_BASE;

	if (!lapic_x2apic(l) || reg >= LAPIC_REGS)
		return false;
	reg = array_index_nospec(reg, LAPIC_REGS);
	if (!(lapic_regs[reg].access & LREG_2R))
		return false;
	*value = husk_lapic_read(l, reg);
	if (reg == LAPIC_ICR)
		*value |= (u64)l->icr2 << 32;
	return true;
}

static bool lapic_x2_write(struct husk_lapic *l, u32 index, u64 value)
{
	u32 reg = index - LAPIC_MSR_BASE;
	u64 allowed;

	if (!lapic_x2apic(l) || reg >= LAPIC_REGS)
		return false;
	if (reg == LAPIC_EOI && !value) {	/* the most frequent by far */
		husk_lapic_eoi(l);
		return true;
	}
	reg = array_index_nospec(reg, LAPIC_REGS);
	if (!(lapic_regs[reg].access & LREG_2W))
		return false;
	allowed = husk_lapic_writable(l, reg) | lapic_regs[reg].ignored;
	if (reg == LAPIC_ICR)
		allowed |= GENMASK_ULL(63, 32);
	if (value & ~allowed)
		return false;
	value &= ~(u64)lapic_regs[reg].ignored;
	if (reg != LAPIC_ICR) {
		lapic_write(l, reg, value);
		return true;
	}
	l->icr = value;
	l->icr2 = value >> 32;
	husk_lapic_write_icr(l, value, value >> 32);
	return true;
}

/* ---- IA32_APIC_BASE ---- */

bool husk_lapic_base_valid(const struct husk_lapic *l, u64 base)
{
	u64 reserved = 0x2ff | (l->has_x2apic ? 0 : APIC_BASE_EXTD);

	if (base & reserved || base >> husk_host.phys_bits)
		return false;
	return (base & APIC_BASE_EN) || !(base & APIC_BASE_EXTD);
}

/* Registers as after power-on or INIT, but the base. */
static void lapic_reset_registers(struct husk_lapic *l)
{
	int n;

	lapic_sync(l);
	husk_pv_eoi_settle_slow(l->vcpu);
	husk_lapic_timer_reset(l);
	WRITE_ONCE(l->svr, 0xff);
	for (n = 0; n < LVT_COUNT; n++)
		WRITE_ONCE(l->lvt[n], LVT_MASKED);
	l->tpr = 0;
	WRITE_ONCE(l->ldr, lapic_x2apic(l) ? apic_x2_ldr(l->vcpu->id) : 0);
	WRITE_ONCE(l->dfr, 0xffffffff);
	l->icr = 0;
	l->icr2 = 0;
	l->esr = 0;
	xchg(&l->esr_pending, 0);
	husk_lapic_clear_vectors(l);
	husk_lapic_choose(l);
}

/* Mode transitions (SDM 3A figure 11-27); disabling loses the registers. */
static bool lapic_write_base(struct husk_lapic *l, u64 base)
{
	u64 old = l->base;

	if (!husk_lapic_base_valid(l, base))
		return false;
	if ((old & APIC_BASE_EXTD) && (base & APIC_BASE_EN) && !(base & APIC_BASE_EXTD))
		return false;
	if (!(old & APIC_BASE_EN) && (base & APIC_BASE_EXTD))
		return false;
	WRITE_ONCE(l->base, base);
	if ((old & APIC_BASE_EN) && !(base & APIC_BASE_EN)) {
		lapic_reset_registers(l);
		husk_lapic_recheck(l);	/* LINT0 is the CPU's INTR pin now */
	} else if (!(old & APIC_BASE_EXTD) && (base & APIC_BASE_EXTD)) {
		WRITE_ONCE(l->ldr, apic_x2_ldr(l->vcpu->id));
		l->icr2 = 0;
		husk_lapic_choose(l);
	}
	return true;
}

/* ---- the MSRs of the interface ---- */

bool husk_lapic_rdmsr(struct husk_vcpu *vcpu, u32 index, u64 *value)
{
	struct husk_lapic *l = vcpu->lapic;

	if (index >= LAPIC_MSR_BASE && index <= LAPIC_MSR_LAST)
		return lapic_x2_read(l, index, value);
	if (index == LAPIC_MSR_APIC_BASE) {
		*value = l->base;
		return true;
	}
	if (index != LAPIC_MSR_DEADLINE || !l->has_deadline)
		return false;
	*value = husk_lapic_timer_read_deadline(l);
	return true;
}

bool husk_lapic_wrmsr(struct husk_vcpu *vcpu, u32 index, u64 value)
{
	struct husk_lapic *l = vcpu->lapic;

	if (index >= LAPIC_MSR_BASE && index <= LAPIC_MSR_LAST)
		return lapic_x2_write(l, index, value);
	if (index == LAPIC_MSR_APIC_BASE)
		return lapic_write_base(l, value);
	if (index != LAPIC_MSR_DEADLINE || !l->has_deadline)
		return false;
	husk_lapic_timer_write_deadline(l, value);
	return true;
}

/* ---- life ---- */

/**
 * husk_lapic_create - make the local APIC of a vCPU
 * @vcpu: not yet published; vm->lock is held, the VM's CPUID is fixed
 *
 * Return: 0 or -ENOMEM.
 */
int husk_lapic_create(struct husk_vcpu *vcpu)
{
	struct husk_irqchip *chip = vcpu->vm->irqchip;
	struct husk_lapic *l = kzalloc(sizeof(*l), GFP_KERNEL_ACCOUNT);

	if (!l)
		return -ENOMEM;
	l->vcpu = vcpu;
	l->has_x2apic = husk_cpuid_has(vcpu->vm, 1, 0, 2, 21);
	l->has_deadline = husk_cpuid_has(vcpu->vm, 1, 0, 2, 24);
	l->tsc_to_ns = chip->tsc_to_ns;
	l->ns_to_tsc = chip->ns_to_tsc;
	husk_lapic_timer_init(l);
	vcpu->lapic = l;
	husk_lapic_reset(vcpu, false);
	if (vcpu->id >= chip->nr_ids)
		WRITE_ONCE(chip->nr_ids, vcpu->id + 1);
	return 0;
}

void husk_lapic_destroy(struct husk_vcpu *vcpu)
{
	if (!vcpu->lapic)
		return;
	husk_lapic_timer_fini(vcpu->lapic);
	kfree(vcpu->lapic);
	vcpu->lapic = NULL;
}

/**
 * husk_lapic_reset - power-on or INIT
 * @vcpu: its thread, or nobody runs it
 * @init: INIT: the base and its mode stay, and what is latched stays latched
 *	(a SIPI that follows INIT at once)
 *
 * At power-on LINT0 of vCPU 0 is not masked but ExtINT, as firmware leaves it
 * for the 8259 (virtual wire mode), so that kernels booted without firmware
 * find it too.
 */
void husk_lapic_reset(struct husk_vcpu *vcpu, bool init)
{
	struct husk_lapic *l = vcpu->lapic;

	if (!init) {
		WRITE_ONCE(l->base, HUSK_APIC_DEFAULT_BASE | APIC_BASE_EN | (vcpu->id ? 0 : APIC_BASE_BSP));
		clear_bit(LAPIC_EV_NMI, &l->events);
		clear_bit(LAPIC_EV_INIT, &l->events);
		clear_bit(LAPIC_EV_SIPI, &l->events);
	}
	lapic_reset_registers(l);
	l->pv_eoi = false;
	if (!init && !vcpu->id)
		WRITE_ONCE(l->lvt[LVT_LINT0], APIC_EXTINT << 8);
}
