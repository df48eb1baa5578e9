// SPDX-License-Identifier: GPL-2.0
/*
 * PV EOI (MSR_KVM_PV_EOI_EN): with an interrupt the guest is offered, by a bit of
 * its memory, to end it by clearing the bit instead of writing the APIC's
 * register, which would exit.
 *
 * An offer is made only if nothing waits for the end of the interrupt and nothing else
 * is in service. So while it stands nobody needs to know whether the guest has
 * taken it; for the local APIC the interrupt is in service all the time, and
 * it asks when the next one has arrived, or before it shows what is in service.
 * Then the offer is over: the bit, if it is still set, goes, and the guest will
 * write the register.
 */
#include <linux/uaccess.h>
#include <asm/kvm_para.h>

#include "irqchip/chips.h"
#include "traced.h"

bool husk_pv_check_eoi(struct husk_vcpu *vcpu, u32 index, u64 value)
{
	return IS_ALIGNED(value & ~(u64)HUSK_PV_ON, 4);
}

void husk_pv_write_eoi(struct husk_vcpu *vcpu, u32 index, u64 value)
{
	husk_pv_eoi_settle_slow(vcpu);
	vcpu->pv.msr[HUSK_PV_EOI] = value;
	vcpu->pv.eoi_user = NULL;
	vcpu->lapic->pv_eoi = value & HUSK_PV_ON;
}

static u64 pv_eoi_gpa(const struct husk_vcpu *vcpu)
{
	return vcpu->pv.msr[HUSK_PV_EOI] & ~(u64)HUSK_PV_ON;
}

/* Where the byte is, by the slots of now; NULL if it can't be written to. No sleep. */
static u8 __user *pv_eoi_user(struct husk_vcpu *vcpu)
{
	struct husk_pv_vcpu *pv = &vcpu->pv;
	u32 generation = READ_ONCE(vcpu->vm->mem.slots_generation);

	if (unlikely(!pv->eoi_user || pv->eoi_generation != generation)) {
		pv->eoi_generation = generation;
		pv->eoi_user = husk_gpa_to_user_write(vcpu->vm, pv_eoi_gpa(vcpu));
	}
	return pv->eoi_user;
}

/* Without sleep. false: the page is not there right now */
static bool pv_eoi_put(struct husk_vcpu *vcpu, u8 __user *user, u8 value)
{
	bool ok;

	pagefault_disable();
	ok = !__put_user(value, user);
	pagefault_enable();
	if (ok)
		husk_log_written(vcpu->vm, pv_eoi_gpa(vcpu), 1);
	return ok;
}

void husk_pv_eoi_offer(struct husk_vcpu *vcpu, u8 vector)
{
	struct husk_lapic *l = vcpu->lapic;
	u8 __user *user = pv_eoi_user(vcpu);

	if (user && pv_eoi_put(vcpu, user, KVM_PV_EOI_ENABLED)) {
		l->offered = true;
		l->offered_vector = vector;
	}
}

/* The guest has ended it, unless it has also written the register */
static void pv_eoi_taken(struct husk_lapic *l)
{
	l->offered = false;
	if (!__test_and_clear_bit(l->offered_vector, l->isr))
		return;
	husk_lapic_count_isr(l);
	if (trace_husk_eoi_enabled())
		husk_traced_eoi(l->vcpu, l->offered_vector);
	husk_lapic_recheck(l);
}

void husk_pv_eoi_settle(struct husk_vcpu *vcpu)
{
	u8 __user *user = pv_eoi_user(vcpu);
	bool known = false;
	u8 value = 0;

	if (user) {
		pagefault_disable();
		known = !__get_user(value, user);
		pagefault_enable();
	}
	if (known && !(value & KVM_PV_EOI_ENABLED))
		pv_eoi_taken(vcpu->lapic);
	else if (known && pv_eoi_put(vcpu, user, 0))
		vcpu->lapic->offered = false;
	else
		set_bit(HUSK_REQ_PV, &vcpu->requests);
}

/*
 * If the page is gone for good, the interrupt has been ended: else nothing below
 * it could come in any more. Once too often does no harm.
 */
void husk_pv_eoi_settle_slow(struct husk_vcpu *vcpu)
{
	struct husk_lapic *l = vcpu->lapic;
	u8 value = 0;

	if (!l->offered)
		return;
	if (!husk_read_gpa(vcpu->vm, pv_eoi_gpa(vcpu), &value, 1) && (value & KVM_PV_EOI_ENABLED)) {
		value = 0;
		if (!husk_write_gpa(vcpu->vm, pv_eoi_gpa(vcpu), &value, 1)) {
			l->offered = false;
			return;
		}
	}
	pv_eoi_taken(l);
}
