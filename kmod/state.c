// SPDX-License-Identifier: GPL-2.0
/*
 * The state of a vCPU, by classes: out, in, and its values at power-on. The
 * same records are the snapshot format. vcpu->mutex is held throughout.
 */
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>
#include <uapi/asm/kvm_para.h>
#include <asm/debugreg.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <asm/tsc.h>

#include "hostcpu.h"
#include "irqchip/irqchip.h"
#include "state_check.h"
#include "state_records.h"
#include "vendor.h"

/* ---- general, system ---- */

int husk_state_check_general(const struct husk_general *regs)
{
	return husk_general_valid(regs) ? 0 : -EINVAL;
}

int husk_state_check_system(struct husk_vcpu *vcpu, const struct husk_system *sys)
{
	const struct husk_state_limits limits = {
		.cr4 = husk_cr4_allowed(vcpu->vm),
		.efer = husk_efer_allowed(),
		.xcr0 = husk_host.guest_xcr0,
	};

	return husk_system_valid(sys, &limits) ? 0 : -EINVAL;
}

int husk_state_check_mode(const struct husk_general *regs, const struct husk_system *sys)
{
	return husk_mode_valid(regs, sys) ? 0 : -EINVAL;
}

void husk_state_collect_system(struct husk_vcpu *vcpu, struct husk_system *sys)
{
	husk_fetch(vcpu, HUSK_SYS_ALL);
	*sys = vcpu->sys;
	sys->cr8 = husk_lapic_read_cr8(vcpu);
	sys->xcr0 = vcpu->xcr0;
}

void husk_state_apply_system(struct husk_vcpu *vcpu, const struct husk_system *sys)
{
	bool dr_live = sys->dr7 & DR_GLOBAL_ENABLE_MASK;

	dr_live |= sys->dr7 & DR_LOCAL_ENABLE_MASK;
	vcpu->sys = *sys;
	vcpu->sys_cached = HUSK_SYS_ALL;
	husk_dirty(vcpu, HUSK_SYS_ALL);
	husk_paging_changed(vcpu);
	vcpu->xcr0 = sys->xcr0 | 1;
	husk_lapic_set_cr8(vcpu, sys->cr8);
	if (dr_live != vcpu->dr_live) {
		vcpu->dr_live = dr_live;
		husk_vendor->set_dr_live(vcpu, dr_live);
	}
	/* CR3 and all that decides how tables are read may be new. */
	set_bit(HUSK_REQ_FLUSH, &vcpu->requests);
	set_bit(HUSK_REQ_EVENT, &vcpu->requests);
}

static void husk_state_get_general(struct husk_vcpu *vcpu, void *payload)
{
	*(struct husk_general *)payload = vcpu->regs;
}

static int husk_state_verify_general(struct husk_vcpu *vcpu, const void *payload)
{
	return husk_state_check_general(payload);
}

static void husk_state_set_general(struct husk_vcpu *vcpu, const void *payload)
{
	vcpu->regs = *(const struct husk_general *)payload;
	vcpu->io_pending = HUSK_IO_NONE;	/* the answer was for another rip */
}

static void husk_state_get_system(struct husk_vcpu *vcpu, void *payload)
{
	husk_state_collect_system(vcpu, payload);
}

static int husk_state_verify_system(struct husk_vcpu *vcpu, const void *payload)
{
	return husk_state_check_system(vcpu, payload);
}

static void husk_state_set_system(struct husk_vcpu *vcpu, const void *payload)
{
	husk_state_apply_system(vcpu, payload);
}

/* ---- fpu ---- */

static void husk_state_get_fpu(struct husk_vcpu *vcpu, void *payload)
{
	struct husk_fpu *fpu = payload;

	fpu->length = husk_host.xsave_size;
	memcpy(fpu->data, vcpu->fpu, husk_host.xsave_size);
}

static int husk_state_verify_fpu(struct husk_vcpu *vcpu, const void *payload)
{
	const struct husk_fpu *fpu = payload;

	if (fpu->reserved || fpu->length > sizeof(fpu->data) ||
	    memchr_inv(fpu->data + fpu->length, 0, sizeof(fpu->data) - fpu->length))
		return -EINVAL;
	return husk_fpu_check(fpu->data, fpu->length);
}

static void husk_state_set_fpu(struct husk_vcpu *vcpu, const void *payload)
{
	const struct husk_fpu *fpu = payload;

	memcpy(vcpu->fpu, fpu->data, husk_host.xsave_size);
}

/* ---- msrs ---- */

static void husk_state_get_msrs(struct husk_vcpu *vcpu, void *payload)
{
	struct husk_msrs *msrs = payload;
	u32 index[HUSK_MSRS_MAX], n = husk_msr_list(index, ARRAY_SIZE(index)), i;

	for (i = 0; i < n; i++) {
		struct husk_msr *msr = &msrs->msr[msrs->count];

		msr->index = index[i];
		if (!husk_msr_get(vcpu, index[i], &msr->value))
			msrs->count++;
	}
}

static int husk_state_verify_msrs(struct husk_vcpu *vcpu, const void *payload)
{
	const struct husk_msrs *msrs = payload;
	u32 i;

	if (msrs->reserved || msrs->count > HUSK_MSRS_MAX)
		return -EINVAL;
	for (i = 0; i < msrs->count; i++)
		if (msrs->msr[i].reserved || husk_msr_set(vcpu, msrs->msr[i].index, msrs->msr[i].value, false))
			return -EINVAL;
	return 0;
}

static void husk_state_set_msrs(struct husk_vcpu *vcpu, const void *payload)
{
	const struct husk_msrs *msrs = payload;
	u32 i;

	for (i = 0; i < msrs->count; i++)
		husk_msr_set(vcpu, msrs->msr[i].index, msrs->msr[i].value, true);
}

/* ---- lapic ---- */

static void husk_state_get_lapic(struct husk_vcpu *vcpu, void *payload)
{
	husk_lapic_get_state(vcpu, payload);
}

static int husk_state_verify_lapic(struct husk_vcpu *vcpu, const void *payload)
{
	return husk_lapic_check_state(vcpu, payload);
}

static void husk_state_set_lapic(struct husk_vcpu *vcpu, const void *payload)
{
	husk_lapic_set_state(vcpu, payload);
}

/* ---- events ---- */

static void husk_state_get_events(struct husk_vcpu *vcpu, void *payload)
{
	const struct husk_event *event = &vcpu->event;
	struct husk_vcpu_events *e = payload;

	e->nmi_pending = vcpu->nmi_pending;
	e->nmi_masked = vcpu->nmi_masked;
	e->interrupt_shadow = husk_vendor->get_shadow(vcpu);
	e->mp_state = vcpu->mp_state;
	/* A kick on its way is not in the state: see husk_state_set_events(). */
	if (vcpu->mp_state == HUSK_MP_HALTED && READ_ONCE(vcpu->pv.kicked))
		e->mp_state = HUSK_MP_RUNNABLE;
	if (!event->pending)
		return;
	switch (event->type) {
	case HUSK_EVENT_EXCEPTION:
		e->exception_pending = 1;
		e->exception_vector = event->vector;
		e->exception_has_error = event->has_error;
		e->exception_error = event->error;
		husk_fetch(vcpu, HUSK_SYS_CR);
		e->exception_cr2 = vcpu->sys.cr2;
		break;
	case HUSK_EVENT_INTR:
		e->interrupt_pending = 1;
		e->interrupt_vector = event->vector;
		break;
	case HUSK_EVENT_NMI:
		/* given back: it is taken again at the next entry */
		e->nmi_pending = 1;
		e->nmi_masked = 0;
		break;
	}
	/* HUSK_EVENT_SOFT: rip is still at the INTn, which runs again */
}

static int husk_state_verify_events(struct husk_vcpu *vcpu, const void *payload)
{
	return husk_events_valid(payload) ? 0 : -EINVAL;
}

static void husk_state_set_events(struct husk_vcpu *vcpu, const void *payload)
{
	const struct husk_vcpu_events *e = payload;

	memset(&vcpu->event, 0, sizeof(vcpu->event));
	if (e->exception_pending)
		husk_inject_exception(vcpu, e->exception_vector, e->exception_has_error, e->exception_error,
				      e->exception_cr2);
	else if (e->interrupt_pending)
		vcpu->event = (struct husk_event) {
			.pending = true, .type = HUSK_EVENT_INTR, .vector = e->interrupt_vector,
		};
	vcpu->nmi_pending = e->nmi_pending;
	vcpu->nmi_masked = e->nmi_masked;
	husk_vendor->set_shadow(vcpu, e->interrupt_shadow);
	vcpu->mp_state = e->mp_state;
	/* One may have been on its way to a vCPU that was about to halt. A HLT that is over too early does no harm. */
	if (e->mp_state == HUSK_MP_RUNNABLE && (vcpu->vm->pv.features & BIT(KVM_FEATURE_PV_UNHALT)))
		WRITE_ONCE(vcpu->pv.kicked, true);
	set_bit(HUSK_REQ_EVENT, &vcpu->requests);
}

/* ---- clock ---- */

static void husk_state_get_clock(struct husk_vcpu *vcpu, void *payload)
{
	struct husk_clock *clock = payload;
	unsigned long flags;

	local_irq_save(flags);
	clock->ns = ktime_get_ns();
	clock->tsc = husk_guest_tsc(vcpu);
	local_irq_restore(flags);
}

static int husk_state_verify_clock(struct husk_vcpu *vcpu, const void *payload)
{
	const struct husk_clock *clock = payload;

	return clock->ns <= ktime_get_ns() ? 0 : -EINVAL;
}

/* The guest's TSC was clock->tsc at clock->ns (0: is it now) and has run on since. */
static void husk_state_set_clock(struct husk_vcpu *vcpu, const void *payload)
{
	const struct husk_clock *clock = payload;
	u64 elapsed = 0, host;
	unsigned long flags;

	local_irq_save(flags);
	if (clock->ns)
		elapsed = ktime_get_ns() - clock->ns;
	host = husk_host_tsc();
	local_irq_restore(flags);
	WRITE_ONCE(vcpu->tsc_offset, clock->tsc + mul_u64_u32_div(elapsed, tsc_khz, NSEC_PER_MSEC) - host);
	husk_dirty(vcpu, HUSK_SYS_TSC);
	husk_lapic_tsc_changed(vcpu);
	husk_pv_tsc_moved(vcpu->vm);
}

/* ---- the classes together ---- */

/* One state class. get() finds its payload zeroed; verify() comes before any set(). */
struct husk_state_ops {
	void (*get)(struct husk_vcpu *vcpu, void *payload);
	int (*verify)(struct husk_vcpu *vcpu, const void *payload);
	void (*set)(struct husk_vcpu *vcpu, const void *payload);
};

#define HUSK_STATE_OPS(id, fn) [HUSK_STATE_##id] = { \
	husk_state_get_##fn, husk_state_verify_##fn, husk_state_set_##fn }

static const struct husk_state_ops husk_state_ops[HUSK_STATE_COUNT] = {
	HUSK_STATE_OPS(GENERAL, general),
	HUSK_STATE_OPS(SYSTEM, system),
	HUSK_STATE_OPS(FPU, fpu),
	HUSK_STATE_OPS(MSRS, msrs),
	HUSK_STATE_OPS(LAPIC, lapic),
	HUSK_STATE_OPS(EVENTS, events),
	HUSK_STATE_OPS(CLOCK, clock),
};

static const struct husk_record_type husk_state_types[HUSK_STATE_COUNT] = {
#define X(id, name, type, version) [HUSK_STATE_##id] = { sizeof(type), version },
	HUSK_STATES(X)
#undef X
};

static void husk_state_get_class(void *object, u32 id, void *payload)
{
	husk_state_ops[id].get(object, payload);
}

/**
 * husk_state_get - HUSK_VCPU_GET_STATE
 * @vcpu: with its mutex held
 * @arg: the kernel's copy; length becomes the bytes written or needed
 *
 * Return: as husk_records_get().
 */
long husk_state_get(struct husk_vcpu *vcpu, struct husk_state *arg)
{
	return husk_records_get(husk_state_types, HUSK_STATE_COUNT, arg, husk_state_get_class, vcpu);
}

static int husk_state_verify(struct husk_vcpu *vcpu, const void *const payload[HUSK_STATE_COUNT])
{
	const struct husk_general *regs = payload[HUSK_STATE_GENERAL] ?: &vcpu->regs;
	const struct husk_system *sys = payload[HUSK_STATE_SYSTEM] ?: &vcpu->sys;
	int id, ret;

	for (id = 0; id < HUSK_STATE_COUNT; id++) {
		ret = payload[id] ? husk_state_ops[id].verify(vcpu, payload[id]) : 0;
		if (ret)
			return ret;
	}
	if (!payload[HUSK_STATE_GENERAL] && !payload[HUSK_STATE_SYSTEM])
		return 0;
	husk_fetch(vcpu, HUSK_SYS_ALL);
	return husk_state_check_mode(regs, sys);
}

/**
 * husk_state_set - HUSK_VCPU_SET_STATE
 * @vcpu: with its mutex held, so it does not run
 * @arg: the kernel's copy
 *
 * Return: 0, or -EOPNOTSUPP unknown class or version, -EINVAL, -ENOMEM,
 * -EFAULT; then nothing has changed.
 */
long husk_state_set(struct husk_vcpu *vcpu, struct husk_state *arg)
{
	/* the clock before the APIC, whose deadline counts by it */
	static const u8 order[] = {
		HUSK_STATE_GENERAL, HUSK_STATE_SYSTEM, HUSK_STATE_FPU, HUSK_STATE_MSRS,
		HUSK_STATE_CLOCK, HUSK_STATE_LAPIC, HUSK_STATE_EVENTS,
	};
	const void *payload[HUSK_STATE_COUNT] = {};
	void *buffer;
	long ret;
	int i;

	BUILD_BUG_ON(ARRAY_SIZE(order) != HUSK_STATE_COUNT);
	ret = husk_records_take(husk_state_types, HUSK_STATE_COUNT, arg, payload, &buffer);
	if (ret)
		return ret;
	ret = husk_state_verify(vcpu, payload);
	for (i = 0; !ret && i < ARRAY_SIZE(order); i++)
		if (payload[order[i]])
			husk_state_ops[order[i]].set(vcpu, payload[order[i]]);
	kvfree(buffer);
	return ret;
}

/* ---- power-on and INIT ---- */

static void husk_reset_segment(struct husk_segment *s, u16 attr)
{
	*s = (struct husk_segment) { .limit = 0xffff, .attr = attr };
}

/* APM2 table 14-1, SDM 3A table 9-1 */
static void husk_reset_system(struct husk_system *sys, bool init)
{
	struct husk_segment *const data[] = { &sys->es, &sys->ss, &sys->ds, &sys->fs, &sys->gs };
	u64 cache = init ? sys->cr0 & (X86_CR0_CD | X86_CR0_NW) : X86_CR0_CD | X86_CR0_NW;
	u64 xcr0 = init ? sys->xcr0 : 1;
	int i;

	memset(sys, 0, sizeof(*sys));
	for (i = 0; i < ARRAY_SIZE(data); i++)
		husk_reset_segment(data[i], 0x93);	/* present, writable data, accessed */
	husk_reset_segment(&sys->cs, 0x9b);		/* present, readable code, accessed */
	sys->cs.selector = 0xf000;
	sys->cs.base = 0xffff0000;
	husk_reset_segment(&sys->ldtr, 0x82);
	husk_reset_segment(&sys->tr, 0x8b);		/* busy, as VMX wants it */
	sys->gdtr.limit = 0xffff;
	sys->idtr.limit = 0xffff;
	sys->cr0 = X86_CR0_ET | cache;
	sys->dr6 = DR6_RESERVED;
	sys->dr7 = 0x400;
	sys->xcr0 = xcr0;
}

/**
 * husk_vcpu_reset_state - power-on state, or that after INIT
 * @vcpu: owned by the caller, not running
 * @init: INIT: the FPU, XCR0, MSRs, TSC and the caches' mode stay as they are
 *
 * Everything but mp_state, which is the caller's.
 */
void husk_vcpu_reset_state(struct husk_vcpu *vcpu, bool init)
{
	const struct husk_cpuid_entry *leaf1 = husk_cpuid_table_find(&vcpu->vm->cpuid, 1, 0);
	struct husk_system sys;

	husk_state_collect_system(vcpu, &sys);
	husk_reset_system(&sys, init);
	husk_lapic_reset(vcpu, init);
	husk_state_apply_system(vcpu, &sys);

	memset(&vcpu->regs, 0, sizeof(vcpu->regs));
	vcpu->regs.rip = 0xfff0;
	vcpu->regs.rflags = X86_EFLAGS_FIXED;
	vcpu->regs.gpr[2] = leaf1 ? leaf1->eax : 0;	/* the processor's signature */
	memset(&vcpu->event, 0, sizeof(vcpu->event));
	vcpu->nmi_pending = false;
	vcpu->nmi_masked = false;
	husk_vendor->set_shadow(vcpu, false);
	if (!init) {
		husk_fpu_reset(vcpu);
		husk_msr_reset(vcpu);
	}
	husk_pv_reset(vcpu);
}
