// SPDX-License-Identifier: GPL-2.0
/* The vCPU's thread: run, serve the exit, run again. */
#include <errno.h>
#include <string.h>

#include "worker/ioports.h"
#include "worker/machine.h"

#define MSR_MTRR_DEF_TYPE	0x2ff
#define MTRR_ENABLE		0x800
#define MTRR_FIXED_ENABLE	0x400
#define MTRR_WB			6ULL
#define MTRR_WB8		0x0606060606060606ULL
#define MTRR_UC8		0ULL

/*
 * Memory types as a BIOS leaves them: RAM is write-back, the VGA window is
 * not. Without it, Linux takes the MTRRs and then the PAT as switched off.
 */
static enum husk_status set_memory_types(struct machine *m)
{
	struct husk_msrs msrs = {
		.count = 4,
		.msr = {
			{ .index = 0x250, .value = MTRR_WB8 },	/* 0..512 KiB */
			{ .index = 0x258, .value = MTRR_WB8 },	/* 512..640 KiB */
			{ .index = 0x259, .value = MTRR_UC8 },	/* 640..768 KiB */
			{ .index = MSR_MTRR_DEF_TYPE,
			  .value = MTRR_ENABLE | MTRR_FIXED_ENABLE | MTRR_WB },
		},
	};

	for (__u32 i = 0x268; i <= 0x26f; i++)	/* 768 KiB..1 MiB */
		msrs.msr[msrs.count++] = (struct husk_msr){ .index = i, .value = MTRR_WB8 };
	if (husk_vcpu_set(m->vcpu, HUSK_STATE_MSRS, &msrs) < 0)
		return fail(HUSK_STATUS_FAIL, "the kernel refused the guest's MTRRs: %s", strerror(errno));
	return HUSK_STATUS_OK;
}

enum husk_status vcpu_set_boot_state(struct machine *m)
{
	struct husk_general regs;
	struct husk_system sys;

	boot_registers(&m->config->boot, &regs, &sys);
	if (husk_vcpu_set(m->vcpu, HUSK_STATE_SYSTEM, &sys) < 0 ||
	    husk_vcpu_set(m->vcpu, HUSK_STATE_GENERAL, &regs) < 0)
		return fail(HUSK_STATUS_FAIL, "the kernel refused the vCPU's state: %s", strerror(errno));
	return set_memory_types(m);
}

static void exit_none(struct machine *m)
{
	(void)m;
}

static void exit_pio(struct machine *m)
{
	struct husk_run *run = m->run;

	ioport_access(m, run->pio.port, run->pio.width, run->pio.write, &run->pio.data);
}

/* No device has memory of its own yet: a bus that nobody answers on. */
static void exit_mmio(struct machine *m)
{
	if (!m->run->mmio.write)
		m->run->mmio.data = ~0ULL;
}

static void exit_crash(struct machine *m)
{
	machine_end(m, END_CRASH);
}

static void exit_stop(struct machine *m)
{
	long long deadline = machine_now_ms() + m->run->stop.timeout_ms;

	pm_press_power_button(&m->pm);
	atomic_store(&m->stop_deadline, deadline);
	console_wake(m->console);
}

static void exit_killed(struct machine *m)
{
	machine_end(m, END_KILLED);
}

static void (*const exits[HUSK_EXIT_COUNT])(struct machine *m) = {
	[HUSK_EXIT_NONE] = exit_none,
	[HUSK_EXIT_PIO] = exit_pio,
	[HUSK_EXIT_MMIO] = exit_mmio,
	[HUSK_EXIT_SHUTDOWN] = exit_crash,
	[HUSK_EXIT_UNHANDLED] = exit_crash,
	[HUSK_EXIT_ENTRY_FAIL] = exit_crash,
	[HUSK_EXIT_STOP] = exit_stop,
	[HUSK_EXIT_KILLED] = exit_killed,
};

void *vcpu_thread(void *machine)
{
	struct machine *m = machine;

	while (atomic_load_explicit(&m->end, memory_order_relaxed) == END_NONE) {
		if (!husk_vcpu_run(m->vcpu)) {
			if (m->run->exit < HUSK_EXIT_COUNT)
				exits[m->run->exit](m);
			else
				exit_crash(m);
		} else if (errno == EIO) {
			machine_end(m, END_KILLED);
		} else if (errno != EINTR) {
			atomic_store(&m->error, errno);
			machine_end(m, END_FAIL);
		}
	}
	return NULL;
}
