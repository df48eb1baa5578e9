// SPDX-License-Identifier: GPL-2.0
/* The state of a VM, by classes: its interrupt chips and its clock. vm->lock is held throughout. */
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/timekeeping.h>
#include <asm/tsc.h>

#include "hostcpu.h"
#include "irqchip/irqchip.h"
#include "state_records.h"
#include "vm_state.h"

/* ---- clock ---- */

static void vm_state_get_clock(struct husk_vm *vm, void *payload)
{
	struct husk_vm_clock *clock = payload;
	unsigned long flags;

	local_irq_save(flags);
	clock->ns = ktime_get_ns();
	clock->tsc = husk_host_tsc() + vm->tsc_base;
	clock->pv_ns = husk_pv_clock_get(vm);
	local_irq_restore(flags);
	clock->tsc_khz = tsc_khz;
}

static int vm_state_verify_clock(struct husk_vm *vm, const void *payload)
{
	const struct husk_vm_clock *clock = payload;

	if (clock->reserved0 || memchr_inv(clock->reserved, 0, sizeof(clock->reserved)))
		return -EINVAL;
	if (clock->tsc_khz && clock->tsc_khz != tsc_khz)
		return -EINVAL;
	return clock->ns <= ktime_get_ns() ? 0 : -EINVAL;
}

/* As class CLOCK of a vCPU */
static void vm_state_set_clock(struct husk_vm *vm, const void *payload)
{
	const struct husk_vm_clock *clock = payload;
	u64 elapsed = 0, host;
	unsigned long flags;

	local_irq_save(flags);
	if (clock->ns)
		elapsed = ktime_get_ns() - clock->ns;
	host = husk_host_tsc();
	husk_pv_clock_set(vm, clock->pv_ns + elapsed);
	local_irq_restore(flags);
	vm->tsc_base = clock->tsc + mul_u64_u32_div(elapsed, tsc_khz, NSEC_PER_MSEC) - host;
}

/* ---- the classes together ---- */

struct vm_state_ops {
	void (*get)(struct husk_vm *vm, void *payload);
	int (*verify)(struct husk_vm *vm, const void *payload);
	void (*set)(struct husk_vm *vm, const void *payload);
};

static const struct vm_state_ops vm_state_ops[HUSK_VM_CLASS_COUNT] = {
	[HUSK_VM_CLASS_IOAPIC] = { husk_ioapic_get_state, husk_ioapic_check_state, husk_ioapic_set_state },
	[HUSK_VM_CLASS_PIC] = { husk_pic_get_state, husk_pic_check_state, husk_pic_set_state },
	[HUSK_VM_CLASS_PIT] = { husk_pit_get_state, husk_pit_check_state, husk_pit_set_state },
	[HUSK_VM_CLASS_CLOCK] = { vm_state_get_clock, vm_state_verify_clock, vm_state_set_clock },
};

static const struct husk_record_type vm_state_types[HUSK_VM_CLASS_COUNT] = {
#define X(id, name, type, version) [HUSK_VM_CLASS_##id] = { sizeof(type), version },
	HUSK_VM_CLASSES(X)
#undef X
};

static void vm_state_get_class(void *object, u32 id, void *payload)
{
	vm_state_ops[id].get(object, payload);
}

/**
 * husk_vm_state_get - HUSK_VM_GET_STATE
 * @vm: vm->lock is held
 * @arg: the kernel's copy; length becomes the bytes written or needed
 *
 * Return: as husk_records_get().
 */
long husk_vm_state_get(struct husk_vm *vm, struct husk_state *arg)
{
	return husk_records_get(vm_state_types, HUSK_VM_CLASS_COUNT, arg, vm_state_get_class, vm);
}

/**
 * husk_vm_state_set - HUSK_VM_SET_STATE
 * @vm: vm->lock is held
 * @arg: the kernel's copy
 *
 * Return: as husk_records_take(), or -EINVAL; then nothing has changed.
 */
long husk_vm_state_set(struct husk_vm *vm, const struct husk_state *arg)
{
	const void *payload[HUSK_VM_CLASS_COUNT];
	void *buffer;
	long ret;
	int id;

	ret = husk_records_take(vm_state_types, HUSK_VM_CLASS_COUNT, arg, payload, &buffer);
	if (ret)
		return ret;
	for (id = 0; !ret && id < HUSK_VM_CLASS_COUNT; id++)
		if (payload[id])
			ret = vm_state_ops[id].verify(vm, payload[id]);
	for (id = 0; !ret && id < HUSK_VM_CLASS_COUNT; id++)
		if (payload[id])
			vm_state_ops[id].set(vm, payload[id]);
	kvfree(buffer);
	return ret;
}
