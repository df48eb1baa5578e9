// SPDX-License-Identifier: GPL-2.0
/* How a stay in the guest ends other than by device access: faults, signals, requests; waking. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "flat.h"

static void triple_fault(void)
{
	struct guest *g = malloc(sizeof(*g));
	struct vmm_exit exit;

	guest_create(g, GUEST_triple_fault, 0);
	exit = guest_run_raw(g, false);
	EXPECT(exit.kind, VMM_SHUTDOWN);
	guest_destroy(g);
	free(g);
}

static struct husk_run *run_page(struct guest *g)
{
	return g->vm.vcpu[0].run;
}

static void unhandled(void)
{
	static const u8 insn[] = { 0xdb, 0x28 };	/* fldt (%rax) or another register */
	struct guest *g = malloc(sizeof(*g));
	struct vmm_exit exit;

	guest_create(g, GUEST_unhandled, MMIO_GPA);
	exit = guest_run_raw(g, false);
	EXPECT(exit.kind, VMM_UNHANDLED);
	CHECK(run_page(g)->unhandled.insn_length >= 2);
	EXPECT(run_page(g)->unhandled.insn[0], insn[0]);
	EXPECT(run_page(g)->unhandled.insn[1] & 0xf8, insn[1]);
	CHECK(run_page(g)->rip >= IMAGE_GPA && run_page(g)->rip < IMAGE_GPA + 0x40000);
	guest_destroy(g);
	free(g);
}

/* Execution where there is no memory */
static void jump_nowhere(void)
{
	struct guest *g = malloc(sizeof(*g));
	struct vmm_exit exit;

	guest_create(g, GUEST_jump, 0xa0000000);
	exit = guest_run_raw(g, false);
	if (exit.kind != VMM_UNHANDLED && exit.kind != VMM_SHUTDOWN)
		flat_fail("exit kind %d error %d", exit.kind, exit.error);
	guest_destroy(g);
	free(g);
}

/* States that no CPU enters: refused when set, or at the entry; never run, never worse */
static void invalid_state(void)
{
	static const struct { u64 cr0, cr4, efer; u16 cs_attr; } bad[] = {
		{ 0x80010030, 0x620, 0xd00, 0xa9b },	/* PG without PE */
		{ 0x80010031, 0x600, 0xd00, 0xa9b },	/* long mode without PAE */
		{ 0x80010031, 0x620, 0xd00, 0xe9b },	/* L and D */
		{ 0x20010031, 0x620, 0xd00, 0xa9b },	/* NW without CD */
		{ 0x80010031, 0x620 | 1ULL << 50, 0xd00, 0xa9b },
		{ 0x80010031, 0x620, 0xd00 | 1ULL << 50, 0xa9b },
		{ 0x180010031ULL, 0x620, 0xd00, 0xa9b },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct guest *g = malloc(sizeof(*g));
		struct husk_general regs = { .rip = IMAGE_GPA, .rflags = 2 };
		struct husk_system sys = vmm_long_system();
		struct vmm_exit exit = {};
		int err;

		guest_create(g, GUEST_spin, 0);
		sys.cr0 = bad[i].cr0;
		sys.cr4 = bad[i].cr4;
		sys.efer = bad[i].efer;
		sys.cs.attr = bad[i].cs_attr;
		err = g->vm.be->set(&g->vm, 0, &regs, &sys);
		if (!err) {
			flat_alarm(500);
			exit = guest_run_raw(g, false);
			flat_alarm(0);
			if (exit.kind != VMM_ENTRY_FAIL && exit.error != EINVAL)
				flat_fail("case %zu: exit kind %d error %d", i, exit.kind, exit.error);
		} else if (err != -EINVAL) {
			flat_fail("case %zu: error %d", i, err);
		}
		guest_destroy(g);
		free(g);
	}
}

static void immediate_exit(void)
{
	struct guest *g = malloc(sizeof(*g));
	struct vmm_exit exit = {};
	struct husk_general before, after;
	struct husk_system sys;

	guest_create(g, GUEST_echo, 5);
	exit = guest_run_raw(g, true);
	EXPECT(exit.data, 6);
	g->vm.be->immediate_exit(&g->vm, 0, true);
	for (int i = 0; i < 5; i++) {
		guest_enter(g, 0, &exit);
		EXPECT(exit.kind, VMM_NONE);
		g->vm.be->get(&g->vm, 0, i ? &after : &before, &sys);
		if (i)
			CHECK(before.rip == after.rip);
	}
	g->vm.be->immediate_exit(&g->vm, 0, false);
	guest_run(g);
	guest_destroy(g);
	free(g);
}

/* A signal ends RUN of a spinning guest with EINTR, again and again */
static void signals_to(enum guest_test test)
{
	struct guest *g = malloc(sizeof(*g));
	struct vmm_exit exit = {};

	guest_create(g, test, 0);
	flat_alarm(5);
	for (int i = 0; i < 50; i++) {
		exit = guest_run_raw(g, false);
		if (exit.kind != VMM_ERROR || exit.error != EINTR) {
			flat_fail("exit kind %d error %d", exit.kind, exit.error);
			break;
		}
	}
	flat_alarm(0);
	guest_destroy(g);
	free(g);
}

static void signals(void)
{
	signals_to(GUEST_spin);
}

static void signals_masked(void)
{
	signals_to(GUEST_spin_masked);
}

static void *pulse(void *arg)
{
	struct guest *g = arg;

	for (;;) {
		usleep(3000);
		if (g->done)
			return NULL;
		g->vm.be->irq_line(&g->vm, 5, 1);
		g->vm.be->irq_line(&g->vm, 5, 0);
	}
}

static u32 count_sync(struct guest *g, bool write, u32 data)
{
	(void)g;
	(void)write;
	return data;
}

/* HLT ended by another thread's interrupt line */
static void halt_wake(void)
{
	struct guest *g = malloc(sizeof(*g));
	pthread_t thread;
	struct vmm_exit exit;

	guest_create(g, GUEST_halt, 20);
	g->sync = count_sync;
	exit = guest_run_raw(g, true);	/* its IOAPIC is set up */
	EXPECT(exit.data, 1);
	pthread_create(&thread, NULL, pulse, g);
	guest_run(g);
	g->done = true;
	pthread_join(thread, NULL);
	guest_destroy(g);
	free(g);
}

static void *run_same(void *arg)
{
	struct guest *g = arg;

	for (int i = 0; i < 200; i++) {
		if (!ioctl(g->vm.vcpu[0].fd, HUSK_VCPU_RUN, 0))
			flat_fail("a second thread entered the running vCPU");
		else if (errno != EBUSY && errno != EINTR)
			flat_fail("a second thread's RUN: %s", strerror(errno));
	}
	return NULL;
}

/* Two threads, one vCPU; and the state of a running vCPU can't be had */
static void run_twice(void)
{
	struct guest *g = malloc(sizeof(*g));
	pthread_t thread;
	struct vmm_exit exit;

	guest_create(g, GUEST_spin, 1);
	exit = guest_run_raw(g, true);
	EXPECT(exit.kind, VMM_PIO);
	pthread_create(&thread, NULL, run_same, g);
	flat_alarm(300);
	exit = guest_run_raw(g, false);
	flat_alarm(0);
	if (exit.error != EINTR && exit.error != EBUSY)
		flat_fail("exit kind %d error %d", exit.kind, exit.error);
	/* It may have got in while this thread was out for a moment */
	while (pthread_tryjoin_np(thread, NULL)) {
		pthread_kill(thread, SIGALRM);
		usleep(1000);
	}
	guest_destroy(g);
	free(g);
}

/* Closing the VM's fd while a vCPU is open and used: the vCPU's fd keeps it */
static void close_order(void)
{
	struct guest *g = malloc(sizeof(*g));

	guest_create(g, GUEST_echo, 0);
	close(g->vm.fd);
	close(g->vm.dev);
	g->vm.fd = g->vm.dev = -1;
	guest_run(g);
	guest_destroy(g);
	free(g);
}

const struct flat_test flat_control_tests[] = {
	{ "control_triple_fault", triple_fault, false, 0 },
	{ "control_unhandled", unhandled, true, 0 },
	{ "control_jump_nowhere", jump_nowhere, false, 0 },
	{ "control_invalid_state", invalid_state, false, 0 },
	{ "control_immediate_exit", immediate_exit, false, 0 },
	{ "control_signal", signals, false, 0 },
	{ "control_signal_masked", signals_masked, false, 0 },
	{ "control_halt_wake", halt_wake, false, 0 },
	{ "control_run_twice", run_twice, true, 0 },
	{ "control_close_order", close_order, false, 0 },
	FLAT_END
};
