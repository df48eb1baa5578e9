// SPDX-License-Identifier: GPL-2.0
/*
 * kvmclock: a page of memory for each vCPU that says how its TSC becomes
 * nanoseconds since the VM was started, and the time of day when that was.
 *
 * Where the host trusts its TSC, that is one function for all vCPUs, fixed when
 * the VM is made: a page is written when the guest asks for it, and when a TSC or
 * the clock was moved, and never again. Readings of different vCPUs are then in order by
 * themselves, which PVCLOCK_TSC_STABLE_BIT tells the guest, unless the guest has moved
 * the TSC of one of them (then each is right by its own page, but no page
 * holds for all).
 *
 * Where the host does not, or no longer, a page is good for a short time on one
 * CPU: it is written from the host's own clock when the vCPU has moved, has
 * slept, and every now and then. Guests keep such readings in order themselves.
 */
#include <linux/ktime.h>
#include <linux/pvclock_gtod.h>
#include <linux/timekeeper_internal.h>
#include <asm/pvclock-abi.h>
#include <asm/tsc.h>
#include <uapi/asm/kvm_para.h>

#include "hostcpu.h"
#include "husk.h"
#include "irqchip/irqchip.h"
#include "pv/pvclock_math.h"

#define PV_CLOCK_STEADY_LOOK	HZ
#define PV_CLOCK_UNSTEADY_LOOK	(HZ / 20)
#define PV_TSC_BACK_MS		1000	/* less than that is no restart */

/* ---- the host's clock ---- */

static bool pv_host_by_tsc;	/* the host keeps time by its TSC; READ_ONCE/WRITE_ONCE */
static u64 pv_host_tsc;		/* at the last look; by the timekeeper's lock */

/*
 * At each tick of the timekeeper, and once when it is registered; with the timekeeper locked.
 * Last when the host is suspended, and first when it goes on: where its TSC has restarted
 * meanwhile, guests' go on as CLOCK_MONOTONIC_RAW and the hrtimers do.
 */
static int pv_clock_timekeeper(struct notifier_block *nb, unsigned long stepped, void *data)
{
	const struct timekeeper *tk = data;
	bool by_tsc = tk->tkr_mono.clock->vdso_clock_mode == VDSO_CLOCKMODE_TSC;

	if (by_tsc != READ_ONCE(pv_host_by_tsc))
		WRITE_ONCE(pv_host_by_tsc, by_tsc);
	if (by_tsc) {
		u64 now = tk->tkr_mono.cycle_last, back = pvclock_back(pv_host_tsc, now, (u64)tsc_khz * PV_TSC_BACK_MS);

		if (unlikely(back))
			husk_host_tsc_restarted(back);
		pv_host_tsc = now;
	}
	return 0;
}

static struct notifier_block pv_clock_notifier = { .notifier_call = pv_clock_timekeeper };

int husk_pv_clock_init(void)
{
	return pvclock_gtod_register_notifier(&pv_clock_notifier);
}

void husk_pv_clock_exit(void)
{
	pvclock_gtod_unregister_notifier(&pv_clock_notifier);
}

static bool pv_clock_unsteady(struct husk_vm *vm)
{
	if (!READ_ONCE(vm->pv.unsteady) && (!READ_ONCE(pv_host_by_tsc) || check_tsc_unstable()))
		WRITE_ONCE(vm->pv.unsteady, true);
	return READ_ONCE(vm->pv.unsteady);
}

/* ---- the guest's ---- */

/* As its pages tell it */
u64 husk_pv_clock_get(struct husk_vm *vm)
{
	if (pv_clock_unsteady(vm))
		return vm->pv.ns + ktime_get_raw_ns() - vm->pv.raw_ns;
	return vm->pv.ns + pvclock_ns(husk_host_tsc() - vm->pv.tsc, vm->pv.mul, vm->pv.shift);
}

void husk_pv_clock_set(struct husk_vm *vm, u64 ns)
{
	unsigned long flags;

	if (!vm->pv.mul)
		pvclock_scale((u64)tsc_khz * 1000, &vm->pv.mul, &vm->pv.shift);
	local_irq_save(flags);
	vm->pv.ns = ns;
	vm->pv.tsc = husk_host_tsc();
	vm->pv.raw_ns = ktime_get_raw_ns();
	local_irq_restore(flags);
	husk_pv_tsc_moved(vm);
}

/* ---- when ---- */

static void pv_clock_request(struct husk_vcpu *vcpu)
{
	WRITE_ONCE(vcpu->pv.clock_write, true);
	husk_vcpu_request(vcpu, HUSK_REQ_PV);
}

void husk_pv_tsc_moved(struct husk_vm *vm)
{
	struct husk_vcpu *vcpu;
	int i;

	smp_mb();	/* who switches his clock on now sees the new offset */
	husk_for_each_vcpu(i, vcpu, vm)
		if (READ_ONCE(vcpu->pv.msr[HUSK_PV_CLOCK]) & HUSK_PV_ON)
			pv_clock_request(vcpu);
}

void husk_pv_clock_moved(struct husk_vcpu *vcpu)
{
	if (vcpu->pv.clock_unsteady)
		pv_clock_request(vcpu);
}

void husk_pv_clock_look(struct husk_vcpu *vcpu)
{
	struct husk_pv_vcpu *pv = &vcpu->pv;

	pv->clock_due = 0;
	if (!(pv->msr[HUSK_PV_CLOCK] & HUSK_PV_ON))
		return;
	pv->clock_due = jiffies + PV_CLOCK_STEADY_LOOK;
	if (pv->clock_unsteady || pv_clock_unsteady(vcpu->vm))
		pv_clock_request(vcpu);
}

void husk_pv_clock_paused(struct husk_vcpu *vcpu)
{
	vcpu->pv.paused = true;
	pv_clock_request(vcpu);
}

void husk_pv_write_clock(struct husk_vcpu *vcpu, u32 index, u64 value)
{
	WRITE_ONCE(vcpu->pv.msr[HUSK_PV_CLOCK], value);
	pv_clock_request(vcpu);
}

/* ---- the pages ---- */

/*
 * Write what follows the version, which is odd meanwhile: a reader that saw an odd
 * one or two different ones reads again. The words of the guest's version are
 * believed, so that it goes on over a restore; they are the guest's own loss.
 */
static void pv_clock_publish(struct husk_vm *vm, u64 gpa, u32 old, const void *data, u32 len)
{
	u32 version = (old | 1) + (old & 1 ? 2 : 0);

	if (husk_write_gpa(vm, gpa, &version, sizeof(version)))
		return;
	smp_wmb();
	if (husk_write_gpa(vm, gpa + sizeof(version), data + sizeof(version), len - sizeof(version)))
		return;
	smp_wmb();
	version++;
	husk_write_gpa(vm, gpa, &version, sizeof(version));
}

/* Do the TSCs of all vCPUs show the same as this one's? */
static bool pv_clock_together(const struct husk_vcpu *self)
{
	struct husk_vcpu *vcpu;
	int i;

	husk_for_each_vcpu(i, vcpu, self->vm)
		if (READ_ONCE(vcpu->tsc_offset) != self->tsc_offset)
			return false;
	return true;
}

static void pv_clock_fill(struct husk_vcpu *vcpu, struct pvclock_vcpu_time_info *info)
{
	struct husk_vm *vm = vcpu->vm;
	unsigned long flags;

	info->tsc_to_system_mul = vm->pv.mul;
	info->tsc_shift = vm->pv.shift;
	if (!vcpu->pv.clock_unsteady) {
		info->tsc_timestamp = vm->pv.tsc + vcpu->tsc_offset;
		info->system_time = vm->pv.ns;
		info->flags |= pv_clock_together(vcpu) ? PVCLOCK_TSC_STABLE_BIT : 0;
		return;
	}
	local_irq_save(flags);
	info->tsc_timestamp = husk_guest_tsc(vcpu);
	info->system_time = vm->pv.ns + ktime_get_raw_ns() - vm->pv.raw_ns;
	local_irq_restore(flags);
}

/* Is there something that can be written to: 4-byte aligned, as the interface has it */
static bool pv_clock_page(u64 msr, u64 *gpa)
{
	*gpa = msr & ~(u64)HUSK_PV_ON;
	return (msr & HUSK_PV_ON) && IS_ALIGNED(*gpa, 4);
}

void husk_pv_clock_update(struct husk_vcpu *vcpu)
{
	struct pvclock_vcpu_time_info old, info = {};
	struct husk_pv_vcpu *pv = &vcpu->pv;
	u64 gpa;

	/* First: a move that comes from now on is asked for anew. */
	WRITE_ONCE(pv->clock_write, false);
	smp_mb();
	if (!pv_clock_page(pv->msr[HUSK_PV_CLOCK], &gpa) || husk_read_gpa(vcpu->vm, gpa, &old, sizeof(old)))
		return;
	pv->clock_unsteady = pv_clock_unsteady(vcpu->vm);
	pv->clock_due = jiffies + (pv->clock_unsteady ? PV_CLOCK_UNSTEADY_LOOK : PV_CLOCK_STEADY_LOOK);
	/* The guest clears it when it has seen it. */
	info.flags = old.flags & PVCLOCK_GUEST_STOPPED;
	if (pv->paused)
		info.flags |= PVCLOCK_GUEST_STOPPED;
	pv->paused = false;
	pv_clock_fill(vcpu, &info);
	pv_clock_publish(vcpu->vm, gpa, old.version, &info, sizeof(info));
}

/* A write has the page filled, once: the time of day at which the guest's clock was 0 */
void husk_pv_write_wall_clock(struct husk_vcpu *vcpu, u32 index, u64 value)
{
	struct pvclock_wall_clock wall = {};
	unsigned long flags;
	u32 version;
	u64 ns;

	vcpu->pv.msr[HUSK_PV_WALL_CLOCK] = value;
	if (!IS_ALIGNED(value, 4) || husk_read_gpa(vcpu->vm, value, &version, sizeof(version)))
		return;
	local_irq_save(flags);
	ns = ktime_get_real_ns() - husk_pv_clock_get(vcpu->vm);
	local_irq_restore(flags);
	wall.sec = div_u64_rem(ns, NSEC_PER_SEC, &wall.nsec);
	pv_clock_publish(vcpu->vm, value, version, &wall, sizeof(wall));
}
