// SPDX-License-Identifier: GPL-2.0
/* Exceptions for the guest: queued here, injected with the next entry. */
#include <linux/percpu.h>
#include <linux/processor.h>
#include <asm/debugreg.h>

#include "exits.h"

/* A second fault while one is on its way: APM2 8.2.9, SDM 3A 6.15 */
static bool husk_contributory(u8 vector)
{
	return vector == 0 || (vector >= 10 && vector <= 13);
}

void husk_inject_exception(struct husk_vcpu *vcpu, u8 vector, bool has_error, u32 error, u64 cr2)
{
	struct husk_event *event = &vcpu->event;

	if (event->pending && event->type == HUSK_EVENT_EXCEPTION) {
		if (event->vector == 8) {
			vcpu->triple_fault = true;
			husk_vcpu_request(vcpu, HUSK_REQ_INIT);
			return;
		}
		if ((husk_contributory(event->vector) && husk_contributory(vector)) ||
		    (event->vector == 14 && (vector == 14 || husk_contributory(vector)))) {
			vector = 8;
			has_error = true;
			error = 0;
		}
	}
	if (vector == 14) {
		husk_fetch(vcpu, HUSK_SYS_CR);
		vcpu->sys.cr2 = cr2;
		husk_dirty(vcpu, HUSK_SYS_CR);
	}
	/* What was on its way is gone: it is an exception, or the guest's #DB or #AC hit the delivery of an interrupt. */
	*event = (struct husk_event) {
		.pending = true,
		.type = HUSK_EVENT_EXCEPTION,
		.vector = vector,
		.has_error = has_error,
		.error = error,
	};
}

void husk_single_step_trap(struct husk_vcpu *vcpu)
{
	husk_fetch(vcpu, HUSK_SYS_DR);
	vcpu->sys.dr6 |= DR_STEP;
	husk_dirty(vcpu, HUSK_SYS_DR);
	husk_inject_exception(vcpu, 1, false, 0, 0);
}
