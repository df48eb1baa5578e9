// SPDX-License-Identifier: GPL-2.0
/* A vCPU and its thread: run, serve the exit, run again. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "worker/machine.h"
#include "worker/pin.h"

#define MSR_MTRR_DEF_TYPE	0x2ff
#define MTRR_ENABLE		0x800
#define MTRR_FIXED_ENABLE	0x400
#define MTRR_WB			6ULL
#define MTRR_WB8		0x0606060606060606ULL
#define MTRR_UC8		0ULL

static enum husk_status refused(const struct vcpu *v, const char *what)
{
	if (errno == EIO)	/* the VM is dead, so soon */
		return fail(HUSK_STATUS_ENDED, "%s: the VM was killed", v->machine->config->name);
	return fail(HUSK_STATUS_FAIL, "the kernel refused the %s: %s", what, strerror(errno));
}

/*
 * Memory types as a BIOS leaves them: RAM is write-back, the VGA window is
 * not. Without it, Linux takes the MTRRs and then the PAT as switched off.
 */
static enum husk_status set_memory_types(struct vcpu *v)
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
	if (husk_vcpu_set(v->fd, HUSK_STATE_MSRS, &msrs) < 0)
		return refused(v, "guest's MTRRs");
	return HUSK_STATUS_OK;
}

enum husk_status vcpu_set_boot_state(struct vcpu *v, const struct boot_state *state)
{
	if (state && (husk_vcpu_set(v->fd, HUSK_STATE_SYSTEM, &state->system) < 0 ||
		      husk_vcpu_set(v->fd, HUSK_STATE_GENERAL, &state->general) < 0))
		return refused(v, "vCPU's state");
	return set_memory_types(v);
}

static void exit_none(struct vcpu *v)
{
	(void)v;
}

static void exit_pio(struct vcpu *v)
{
	struct machine *m = v->machine;
	struct husk_run *run = v->run;

	pthread_mutex_lock(&m->lock);
	if (run->pio.write)
		bus_write(&m->ports, run->pio.port, run->pio.width, run->pio.data);
	else
		run->pio.data = bus_read(&m->ports, run->pio.port, run->pio.width);
	pthread_mutex_unlock(&m->lock);
}

static void exit_mmio(struct vcpu *v)
{
	struct machine *m = v->machine;
	struct husk_run *run = v->run;

	pthread_mutex_lock(&m->lock);
	if (run->mmio.write)
		bus_write(&m->memory, run->mmio.gpa, run->mmio.width, run->mmio.data);
	else
		run->mmio.data = bus_read(&m->memory, run->mmio.gpa, run->mmio.width);
	pthread_mutex_unlock(&m->lock);
}

static void exit_crash(struct vcpu *v)
{
	int none = -1;

	atomic_compare_exchange_strong(&v->machine->crashed, &none, v->id);
	machine_end(v->machine, END_CRASH);
}

static void exit_stop(struct vcpu *v)
{
	struct machine *m = v->machine;

	if (v->run->stop.action == HUSK_STOP_RESET) {
		machine_end(m, END_RESET);
		return;
	}
	pthread_mutex_lock(&m->lock);
	pm_press_power_button(&m->chipset.pm);
	pthread_mutex_unlock(&m->lock);
	if (v->run->stop.action != HUSK_STOP_POWER_OFF)
		return;
	atomic_store(&m->stop_deadline, machine_now_ms() + v->run->stop.timeout_ms);
	console_wake(m->console);
}

static void exit_killed(struct vcpu *v)
{
	machine_end(v->machine, END_KILLED);
}

static void (*const exits[HUSK_EXIT_COUNT])(struct vcpu *v) = {
	[HUSK_EXIT_NONE] = exit_none,
	[HUSK_EXIT_PIO] = exit_pio,
	[HUSK_EXIT_MMIO] = exit_mmio,
	[HUSK_EXIT_SHUTDOWN] = exit_crash,
	[HUSK_EXIT_UNHANDLED] = exit_crash,
	[HUSK_EXIT_ENTRY_FAIL] = exit_crash,
	[HUSK_EXIT_STOP] = exit_stop,
	[HUSK_EXIT_KILLED] = exit_killed,
	[HUSK_EXIT_POLICY] = exit_none,		/* it has no opinion: pass, as the kernel has put it there */
};

static void *vcpu_thread(void *vcpu)
{
	struct vcpu *v = vcpu;
	struct machine *m = v->machine;
	char name[16];

	/* by the thread itself: for another one it takes a file of /proc */
	snprintf(name, sizeof(name), "vcpu%u", v->id);
	pthread_setname_np(pthread_self(), name);
	while (atomic_load_explicit(&m->end, memory_order_relaxed) == END_NONE) {
		if (!husk_vcpu_run(v->fd)) {
			if (v->run->exit < HUSK_EXIT_COUNT)
				exits[v->run->exit](v);
			else
				exit_crash(v);
		} else if (errno == EIO) {
			machine_end(m, END_KILLED);
		} else if (errno != EINTR) {
			atomic_store(&m->error, errno);
			machine_end(m, END_FAIL);
		}
	}
	return NULL;
}

enum husk_status vcpu_start(struct vcpu *v)
{
	pthread_attr_t attr;
	int err;

	v->run->immediate_exit = 0;
	pthread_attr_init(&attr);
	err = pin_apply(v->machine->config, v->id, &attr);
	if (!err)
		err = pthread_create(&v->thread, &attr, vcpu_thread, v);
	pthread_attr_destroy(&attr);
	if (err)
		return fail(HUSK_STATUS_FAIL, "no thread for vCPU %u: %s", v->id, strerror(err));
	v->started = true;
	return HUSK_STATUS_OK;
}

/* The machine has ended. */
void vcpu_join(struct vcpu *v)
{
	if (!v->started)
		return;
	*(volatile uint8_t *)&v->run->immediate_exit = 1;
	pthread_kill(v->thread, SIGUSR1);
	pthread_join(v->thread, NULL);
	v->started = false;
}

enum husk_status vcpu_create(struct vcpu *v, struct machine *m, uint32_t id)
{
	v->machine = m;
	v->id = id;
	v->fd = husk_vm_create_vcpu(m->vm, id);
	if (v->fd < 0)
		return fail(HUSK_STATUS_FAIL, "no vCPU %u: %s", id, strerror(errno));
	v->run = husk_vcpu_map_run(v->fd);
	v->stats = husk_vcpu_map_stats(v->fd);
	if (!v->run || !v->stats)
		return fail(HUSK_STATUS_FAIL, "no run page: %s", strerror(errno));
	return HUSK_STATUS_OK;
}

void vcpu_destroy(struct vcpu *v)
{
	husk_vcpu_unmap_stats(v->stats);
	husk_vcpu_unmap_run(v->run);
	if (v->fd >= 0)
		close(v->fd);
}
