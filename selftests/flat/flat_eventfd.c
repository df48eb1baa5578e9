// SPDX-License-Identifier: GPL-2.0
/* ioeventfd and irqfd: signals between a guest and whoever has the eventfds. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "flat.h"

/* Signals since the last look */
static u64 taken(int fd)
{
	eventfd_t value;

	return eventfd_read(fd, &value) ? 0 : value;
}

static int bell(struct guest *g, u64 addr, u32 width, u64 data, u32 flags)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	EXPECT(g->vm.be->ioeventfd(&g->vm, fd, addr, width, data, flags), 0);
	return fd;
}

/* To the next PORT_SYNC; the doorbells' accesses that the host sees */
static u32 run_bells(struct guest *g)
{
	struct vmm_exit exit;
	u32 seen = 0;
	u64 sync = g->seen_sync;

	while (g->seen_sync == sync && !g->done) {
		guest_enter(g, 0, &exit);
		if ((exit.kind == VMM_PIO && (exit.addr & ~0x1fULL) == PORT_BELL) ||
		    (exit.kind == VMM_MMIO && exit.addr >> 12 == BELL_GPA >> 12))
			seen++;
		if (!guest_serve(g, &exit)) {
			flat_fail("exit kind %d, error %d", exit.kind, exit.error);
			break;
		}
	}
	return seen;
}

static const struct {
	u64 addr;
	u32 width;
	u64 data;
	u32 flags;
	u32 after[7];		/* signals seen at each step */
} bells[] = {
	{ PORT_BELL, 2, 1, HUSK_IOEVENTFD_PIO | HUSK_IOEVENTFD_MATCH, { 0, 1, 0, 2 } },
	{ PORT_BELL, 2, 2, HUSK_IOEVENTFD_PIO | HUSK_IOEVENTFD_MATCH, { 0, 2, 0, 2 } },
	{ PORT_BELL, 2, 0, HUSK_IOEVENTFD_PIO | HUSK_IOEVENTFD_MATCH, {} },
	{ PORT_BELL + 2, 2, 0, HUSK_IOEVENTFD_PIO, {} },
	{ PORT_BELL_ANY, 0, 0, HUSK_IOEVENTFD_PIO, { 0, 0, 0, 3 } },
	{ BELL_GPA, 2, 0, 0, { 0, 0, 0, 0, 2 } },
	{ BELL_GPA + 8, 8, 0x1122334455667788, HUSK_IOEVENTFD_MATCH, { 0, 0, 0, 0, 1 } },
	{ BELL_GPA + 16, 0, 0, 0, { 0, 0, 0, 0, 2 } },
};
#define BELLS (sizeof(bells) / sizeof(bells[0]))

/* Many others all around, which must not be hit: a set is searched, not walked */
static int crowd(struct guest *g)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	for (u32 i = 0; i < 500; i++) {
		EXPECT(g->vm.be->ioeventfd(&g->vm, fd, 0x1000 + (i * 7919) % 0x1000, i & 1 ? 2 : 0, 0, HUSK_IOEVENTFD_PIO), 0);
		EXPECT(g->vm.be->ioeventfd(&g->vm, fd, PORT_BELL, 2, 1000 + (i * 7919) % 30000,
					   HUSK_IOEVENTFD_PIO | HUSK_IOEVENTFD_MATCH), 0);
		EXPECT(g->vm.be->ioeventfd(&g->vm, fd, BELL_GPA + 0x1000 + i * 64, 4, 0, 0), 0);
		EXPECT(g->vm.be->ioeventfd(&g->vm, fd, BELL_GPA - 4 - i * 64, 4, 0, 0), 0);
	}
	return fd;
}

static void doorbells(void)
{
	static const u32 host_sees[7] = { 0, 0, 5, 0, 0, 3, 2 };
	struct guest *g = malloc(sizeof(*g));
	int fd[BELLS], others = -1;

	guest_create(g, GUEST_doorbells, 0);
	for (u32 i = 0; i < BELLS; i++)
		fd[i] = bell(g, bells[i].addr, bells[i].width, bells[i].data, bells[i].flags);
	if (flat_backend == &vmm_husk)		/* KVM has no room for so many */
		others = crowd(g);
	for (u32 step = 1; step <= 6; step++) {
		u32 seen = run_bells(g);

		if (seen != host_sees[step])
			flat_fail("step %u: the host sees %u, not %u", step, seen, host_sees[step]);
		for (u32 i = 0; i < BELLS; i++) {
			u64 signals = taken(fd[i]);

			if (signals != bells[i].after[step])
				flat_fail("step %u: doorbell %u has %llu signals", step, i, (unsigned long long)signals);
		}
		for (u32 i = 0; step == 5 && i < BELLS; i++)
			EXPECT(g->vm.be->ioeventfd(&g->vm, fd[i], bells[i].addr, bells[i].width, bells[i].data,
						   bells[i].flags | HUSK_IOEVENTFD_DEASSIGN), 0);
	}
	guest_run(g);
	EXPECT(others < 0 ? 0 : taken(others), 0);
	for (u32 i = 0; i < BELLS; i++)
		close(fd[i]);
	if (others >= 0)
		close(others);
	guest_destroy(g);
	free(g);
}

/* Ports are served in the fast loop, memory in the kernel the first time; the worker sees neither */
static void bell_levels(void)
{
	struct guest *g = malloc(sizeof(*g));
	const struct husk_stats *stats;
	int fd[BELLS];

	guest_create(g, GUEST_doorbells, 0);
	stats = guest_stats(g);
	for (u32 i = 0; i < BELLS; i++)
		fd[i] = bell(g, bells[i].addr, bells[i].width, bells[i].data, bells[i].flags);
	run_bells(g);
	EXPECT(stats->reason[HUSK_REASON_PIO].exits[HUSK_LEVEL_FAST], 3);
	run_bells(g);
	run_bells(g);
	EXPECT(stats->reason[HUSK_REASON_PIO].exits[HUSK_LEVEL_FAST], 6);
	EXPECT(stats->reason[HUSK_REASON_MMIO].exits[HUSK_LEVEL_KERNEL], 0);
	run_bells(g);
	EXPECT(stats->reason[HUSK_REASON_MMIO].exits[HUSK_LEVEL_KERNEL], 5);
	EXPECT(stats->reason[HUSK_REASON_MMIO].exits[HUSK_LEVEL_WORKER], 0);
	for (u32 i = 0; i < BELLS; i++)
		close(fd[i]);
	guest_destroy(g);
	free(g);
}

static const struct husk_route routes[] = {
	{ .gsi = IRQFD_EDGE, .kind = HUSK_ROUTE_IOAPIC, .pin = IRQFD_EDGE },
	{ .gsi = IRQFD_LEVEL, .kind = HUSK_ROUTE_IOAPIC, .pin = IRQFD_LEVEL },
	{ .gsi = IRQFD_MSI, .kind = HUSK_ROUTE_MSI, .address = 0xfee00000, .data = IRQFD_MSI_VECTOR },
	/* edge and message change places */
	{ .gsi = IRQFD_MSI, .kind = HUSK_ROUTE_IOAPIC, .pin = IRQFD_EDGE },
	{ .gsi = IRQFD_LEVEL, .kind = HUSK_ROUTE_IOAPIC, .pin = IRQFD_LEVEL },
	{ .gsi = IRQFD_EDGE, .kind = HUSK_ROUTE_MSI, .address = 0xfee00000, .data = IRQFD_MSI_VECTOR },
};

struct irqfds {
	int edge, msi, level[2], resample[2];
};

static void irqfd(struct guest *g, int fd, u32 gsi, int resample, u32 flags)
{
	EXPECT(g->vm.be->irqfd(&g->vm, fd, gsi, resample, flags), 0);
}

static void irqfds_step(struct guest *g, struct irqfds *f, u32 n)
{
	switch (n) {
	case 1:
		eventfd_write(f->edge, 1);
		break;
	case 2:
		eventfd_write(f->edge, 1);
		eventfd_write(f->msi, 1);
		eventfd_write(f->msi, 1);
		break;
	case 3:
		EXPECT(taken(f->edge), 0);	/* the irqfd has read them */
		EXPECT(taken(f->msi), 0);
		eventfd_write(f->level[0], 1);
		break;
	case 4:
		EXPECT(taken(f->resample[0]), 1);
		eventfd_write(f->level[0], 3);
		break;
	case 5:
		if (flat_backend == &vmm_husk)		/* KVM's does not wait for the EOI here */
			EXPECT(taken(f->resample[0]), 0);
		eventfd_write(f->level[0], 1);
		break;
	case 6:
		EXPECT(taken(f->resample[0]), 1);
		break;
	case 7:
		irqfd(g, f->level[1], IRQFD_LEVEL, f->resample[1], HUSK_IRQFD_RESAMPLE);
		eventfd_write(f->level[0], 1);
		eventfd_write(f->level[1], 1);
		EXPECT(g->vm.be->irq_line(&g->vm, IRQFD_LEVEL, 1), 0);
		EXPECT(g->vm.be->irq_line(&g->vm, IRQFD_LEVEL, 0), 0);	/* does not lower it: they hold it */
		break;
	case 8:
		EXPECT(taken(f->resample[0]), 1);
		EXPECT(taken(f->resample[1]), 1);
		EXPECT(g->vm.be->routes(&g->vm, routes + 3, 3), 0);
		close(f->level[0]);
		eventfd_write(f->level[1], 1);
		eventfd_write(f->edge, 1);
		eventfd_write(f->msi, 1);
		break;
	case 9:
		EXPECT(taken(f->resample[0]), 0);
		EXPECT(taken(f->resample[1]), 1);
		irqfd(g, f->edge, IRQFD_EDGE, 0, HUSK_IRQFD_DEASSIGN);
		irqfd(g, f->msi, IRQFD_MSI, 0, HUSK_IRQFD_DEASSIGN);
		irqfd(g, f->level[1], IRQFD_LEVEL, 0, HUSK_IRQFD_DEASSIGN);
		eventfd_write(f->edge, 1);
		eventfd_write(f->msi, 1);
		eventfd_write(f->level[1], 1);
		break;
	default:
		EXPECT(taken(f->edge), 1);
		EXPECT(taken(f->resample[1]), 0);
	}
}

static u32 irqfds_sync(struct guest *g, bool write, u32 n)
{
	irqfds_step(g, g->private, n);
	return 0;
}

static void irqfds(void)
{
	struct guest *g = malloc(sizeof(*g));
	struct irqfds f = {
		eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK),
		{ eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK) },
		{ eventfd(0, EFD_NONBLOCK), eventfd(0, EFD_NONBLOCK) },
	};

	guest_create(g, GUEST_irqfds, 0);
	g->sync = irqfds_sync;
	g->private = &f;
	EXPECT(g->vm.be->routes(&g->vm, routes, 3), 0);
	irqfd(g, f.edge, IRQFD_EDGE, 0, 0);
	irqfd(g, f.msi, IRQFD_MSI, 0, 0);
	irqfd(g, f.level[0], IRQFD_LEVEL, f.resample[0], HUSK_IRQFD_RESAMPLE);
	guest_run(g);
	close(f.edge);
	close(f.msi);
	close(f.level[1]);
	close(f.resample[0]);
	close(f.resample[1]);
	guest_destroy(g);
	free(g);
}

/* ---- a device of another thread: answers each doorbell by an interrupt ---- */

struct ponger {
	int bell[3], irq[3], resample, end;
	u32 pings, resamples;
};

static void *pong(void *arg)
{
	struct ponger *p = arg;
	struct pollfd fds[5];

	for (u32 i = 0; i < 5; i++)
		fds[i] = (struct pollfd) { i < 3 ? p->bell[i] : i == 3 ? p->resample : p->end, POLLIN, 0 };
	while (poll(fds, 5, -1) > 0 && !fds[4].revents) {
		for (u32 i = 0; i < 3; i++)
			if (fds[i].revents && taken(p->bell[i])) {
				p->pings++;
				eventfd_write(p->irq[i], 1);
			}
		if (fds[3].revents)
			p->resamples += taken(p->resample);
	}
	return NULL;
}

#define PINGS	200

static void ping(void)
{
	static const u32 gsi[3] = { IRQFD_EDGE, IRQFD_LEVEL, IRQFD_MSI };
	struct guest *g = malloc(sizeof(*g));
	struct ponger p = { .resample = eventfd(0, EFD_NONBLOCK), .end = eventfd(0, 0) };
	pthread_t thread;
	u64 before;

	guest_create(g, GUEST_ping, PINGS);
	EXPECT(g->vm.be->routes(&g->vm, routes, 3), 0);
	for (u32 i = 0; i < 3; i++) {
		p.irq[i] = eventfd(0, EFD_NONBLOCK);
		p.bell[i] = bell(g, PORT_BELL, 2, i, HUSK_IOEVENTFD_PIO | HUSK_IOEVENTFD_MATCH);
		EXPECT(g->vm.be->ioeventfd(&g->vm, p.bell[i], BELL_GPA + 2 * i, 2, 0, 0), 0);
		irqfd(g, p.irq[i], gsi[i], i == 1 ? p.resample : 0, i == 1 ? HUSK_IRQFD_RESAMPLE : 0);
	}
	pthread_create(&thread, NULL, pong, &p);
	guest_run_raw(g, true);
	before = flat_backend == &vmm_husk ? guest_stats(g)->reason[HUSK_REASON_PIO].exits[HUSK_LEVEL_WORKER] : 0;
	guest_run_raw(g, true);
	if (flat_backend == &vmm_husk)		/* the last PORT_SYNC */
		EXPECT(guest_stats(g)->reason[HUSK_REASON_PIO].exits[HUSK_LEVEL_WORKER] - before, 1);
	guest_run(g);
	/* The same instruction again is not decoded again. */
	if (flat_backend == &vmm_husk && guest_stats(g)->reason[HUSK_REASON_MMIO].exits[HUSK_LEVEL_FAST] < PINGS)
		flat_fail("%llu doorbells in memory were fast", (unsigned long long)guest_stats(g)->reason[HUSK_REASON_MMIO].exits[HUSK_LEVEL_FAST]);
	eventfd_write(p.end, 1);
	pthread_join(thread, NULL);
	EXPECT(p.pings, 3 * PINGS);
	p.resamples += taken(p.resample);
	EXPECT(p.resamples, PINGS);
	for (u32 i = 0; i < 3; i++) {
		close(p.irq[i]);
		close(p.bell[i]);
	}
	close(p.resample);
	close(p.end);
	guest_destroy(g);
	free(g);
}

/* ---- eventfds that come and go while they are signalled ---- */

struct churn {
	struct guest *g;
	int slot[8];		/* -1, or an eventfd; the signaller may find it closed */
	volatile bool end_signal, end_change;
};

static void *churn_signal(void *arg)
{
	struct churn *c = arg;

	for (u32 i = 0; !c->end_signal; i++) {
		int fd = __atomic_load_n(&c->slot[i % 8], __ATOMIC_RELAXED);

		if (fd >= 0)
			eventfd_write(fd, 1);
	}
	return NULL;
}

static void *churn_change(void *arg)
{
	struct churn *c = arg;
	struct vmm *vm = &c->g->vm;
	int resample = eventfd(0, EFD_NONBLOCK);

	for (u32 i = 0; !c->end_change; i++) {
		int *slot = &c->slot[i % 8], fd = *slot;
		u32 gsi = (i % 8) % 3 == 0 ? IRQFD_EDGE : (i % 8) % 3 == 1 ? IRQFD_LEVEL : IRQFD_MSI;

		if (fd >= 0) {
			__atomic_store_n(slot, -1, __ATOMIC_RELAXED);
			if (i / 8 % 3 == 0)
				irqfd(c->g, fd, gsi, 0, HUSK_IRQFD_DEASSIGN);
			close(fd);
			taken(resample);
			continue;
		}
		fd = eventfd(0, EFD_NONBLOCK);
		if (gsi == IRQFD_LEVEL)
			irqfd(c->g, fd, gsi, resample, HUSK_IRQFD_RESAMPLE);
		else
			irqfd(c->g, fd, gsi, 0, 0);
		__atomic_store_n(slot, fd, __ATOMIC_RELAXED);
		EXPECT(vm->be->routes(vm, routes + 3 * (i / 16 % 2), 3), 0);
	}
	close(resample);
	return NULL;
}

static void churn(void)
{
	struct guest *g = malloc(sizeof(*g));
	struct churn c = { .g = g, .slot = { -1, -1, -1, -1, -1, -1, -1, -1 } };
	pthread_t thread[2];
	struct vmm_exit exit;

	guest_create(g, GUEST_take_all, 0);
	EXPECT(g->vm.be->routes(&g->vm, routes, 3), 0);
	guest_run_raw(g, true);
	pthread_create(&thread[0], NULL, churn_signal, &c);
	pthread_create(&thread[1], NULL, churn_change, &c);
	flat_alarm(500);
	do {
		guest_enter(g, 0, &exit);
	} while (guest_serve(g, &exit));
	EXPECT(exit.error, EINTR);
	flat_alarm(0);
	c.end_change = true;
	pthread_join(thread[1], NULL);
	guest_destroy(g);		/* while it is signalled */
	c.end_signal = true;
	pthread_join(thread[0], NULL);
	for (u32 i = 0; i < 8; i++)
		if (c.slot[i] >= 0)
			close(c.slot[i]);
	free(g);
}

const struct flat_test flat_eventfd_tests[] = {
	{ "doorbells", doorbells, false, 0 },
	{ "doorbell_levels", bell_levels, true, 0 },
	{ "irqfds", irqfds, false, 0 },
	{ "irqfd_ping", ping, false, 0 },
	{ "irqfd_churn", churn, true, 0 },
	FLAT_END
};
