// SPDX-License-Identifier: GPL-2.0
/*
 * eventfds, routes and chips under races: eventfds are signalled, closed and made
 * anew while VMs take and give them up, are reset, change their routes and chips,
 * run, and end. As in stress_threads.c a sanitizer kernel is what finds most.
 *
 * An eventfd's number may be anything else's by the time it is used: so EINVAL
 * and EBADF are answers like others.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "stress.h"

#define EVENTS		24
#define RUNNERS		2
#define ROUTES		48

static struct vmm vm;
static volatile bool over, wrong;
static int events[EVENTS];
static pthread_t runners[RUNNERS];

/* What the threads got through, for the report */
enum { DONE_RENEW, DONE_SIGNAL, DONE_IRQFD, DONE_BELL, DONE_ROUTES, DONE_CHIPS, DONE_VM, DONE_RUN, DONE_KINDS };
static volatile unsigned long done[DONE_KINDS];

static void judge(const char *what, int ret, int kind, const int *allowed)
{
	int err = errno;

	if (ret >= 0) {
		done[kind]++;
		return;
	}
	for (; *allowed; allowed++)
		if (err == *allowed)
			return;
	fprintf(stderr, "# %s: error %d\n", what, err);
	wrong = true;
}
#define JUDGE(what, ret, kind, ...) judge(what, ret, kind, (const int[]){ __VA_ARGS__, 0 })

static int an_event(unsigned int *seed)
{
	return __atomic_load_n(&events[rand_r(seed) % EVENTS], __ATOMIC_ACQUIRE);
}

static void *renewer(void *arg)
{
	unsigned int seed = (uintptr_t)arg;

	while (!over) {
		int fd = eventfd(rand_r(&seed) & 1, EFD_NONBLOCK | EFD_CLOEXEC);

		if (fd < 0)
			break;
		close(__atomic_exchange_n(&events[rand_r(&seed) % EVENTS], fd, __ATOMIC_ACQ_REL));
		done[DONE_RENEW]++;
		usleep(rand_r(&seed) % 400);
	}
	return NULL;
}

static void *signaller(void *arg)
{
	unsigned int seed = (uintptr_t)arg;

	while (!over) {
		done[DONE_SIGNAL] += !eventfd_write(an_event(&seed), 1);
		usleep(rand_r(&seed) % 100);
	}
	return NULL;
}

static void any_irqfd(int of, unsigned int *seed)
{
	struct husk_irqfd arg = {
		.size = sizeof(arg), .flags = rand_r(seed) & 3, .fd = an_event(seed), .gsi = rand_r(seed) % 24,
	};

	if (arg.flags & HUSK_IRQFD_RESAMPLE)
		arg.resample = an_event(seed);
	JUDGE("IRQFD", ioctl(of, HUSK_VM_IRQFD, &arg), DONE_IRQFD, EINVAL, EBADF, EBUSY, ENOENT, ENOSPC);
}

static void any_bell(int of, unsigned int *seed)
{
	struct husk_ioeventfd arg = {
		.size = sizeof(arg), .flags = rand_r(seed) & 7, .fd = an_event(seed), .width = 2,
	};

	arg.addr = arg.flags & HUSK_IOEVENTFD_PIO ? PORT_BELL : BELL_GPA;
	arg.data = arg.flags & HUSK_IOEVENTFD_MATCH ? rand_r(seed) % 4 : 0;
	JUDGE("IOEVENTFD", ioctl(of, HUSK_VM_IOEVENTFD, &arg), DONE_BELL, EINVAL, EBADF, EEXIST, ENOENT);
}

static void *assigner(void *arg)
{
	unsigned int seed = (uintptr_t)arg;

	while (!over) {
		any_irqfd(vm.fd, &seed);
		if (rand_r(&seed) % 2)
			any_bell(vm.fd, &seed);
		usleep(rand_r(&seed) % 200);
	}
	return NULL;
}

/* Pins of the IOAPIC for the most part; more than one GSI may go to one */
static void *router(void *arg)
{
	static struct husk_route route[ROUTES];
	struct husk_routes routes = { .size = sizeof(routes), .routes = (uintptr_t)route };
	unsigned int seed = (uintptr_t)arg;

	while (!over) {
		routes.count = rand_r(&seed) % ROUTES;
		for (u32 i = 0; i < routes.count; i++) {
			route[i] = (struct husk_route) { .gsi = i % 24, .kind = HUSK_ROUTE_IOAPIC, .pin = rand_r(&seed) % 24 };
			if (i >= 24)
				route[i] = (struct husk_route) { .gsi = i % 24, .kind = HUSK_ROUTE_PIC_SLAVE, .pin = rand_r(&seed) % 8 };
		}
		JUDGE("SET_ROUTES", ioctl(vm.fd, HUSK_VM_SET_ROUTES, &routes), DONE_ROUTES, EINVAL);
		usleep(rand_r(&seed) % 1000);
	}
	return NULL;
}

struct chips {
	struct husk_state_record io_head;
	struct husk_ioapic_state io;
	struct husk_state_record pic_head;
	struct husk_pic_state pic;
	struct husk_state_record pit_head;
	struct husk_pit_state pit;
};

static int chips(int of, unsigned long command, struct chips *c)
{
	struct husk_state arg = { .size = sizeof(arg), .classes = 7, .length = sizeof(*c), .buffer = (uintptr_t)c };

	return ioctl(of, command, &arg);
}

/* Level-triggered entries to either vCPU, lines and resamples at random; a fast 8254 */
static void any_chips(int of, unsigned int *seed)
{
	struct chips c;

	if (chips(of, HUSK_VM_GET_STATE, &c))
		return;
	for (int pin = 0; pin < 24; pin++)
		c.io.entry[pin] = (u64)(rand_r(seed) & 1) << 56 | (rand_r(seed) & 1) << 15 | (0x30 + rand_r(seed) % 16);
	c.io.lines = rand_r(seed) & 0xffffff;
	c.io.resample = rand_r(seed) & 0xffffff;
	c.pic.chip[0].imr = rand_r(seed);
	c.pic.chip[1].resample = rand_r(seed);
	c.pic.chip[1].elcr = rand_r(seed) & 0xde;
	c.pit.channel[0].count = 1 + rand_r(seed) % 300;
	c.pit.channel[0].mode = 2;
	c.pit.channel[0].elapsed = 0;
	c.pit.channel[0].next = rand_r(seed) & 1;
	c.pit.channel[0].flags = HUSK_PIT_GATE | HUSK_PIT_COUNTING;
	JUDGE("SET_STATE", chips(of, HUSK_VM_SET_STATE, &c), DONE_CHIPS, 0);
}

static void *chipper(void *arg)
{
	struct husk_reset reset = { .size = sizeof(reset) };
	unsigned int seed = (uintptr_t)arg;

	while (!over) {
		any_chips(vm.fd, &seed);
		usleep(rand_r(&seed) % 1000);
		if (!(rand_r(&seed) % 16))
			ioctl(vm.fd, HUSK_VM_RESET, &reset);	/* EBUSY, nearly always */
	}
	return NULL;
}

/* VMs that end with all they have, which others signal and close at that moment */
static void *ender(void *arg)
{
	unsigned int seed = (uintptr_t)arg;

	while (!over) {
		struct husk_create_vm make = { .size = sizeof(make) };
		int fd = ioctl(vm.dev, HUSK_CREATE_VM, &make);

		JUDGE("CREATE_VM", fd, DONE_VM, 0);
		for (int i = rand_r(&seed) % 20; i > 0 && fd >= 0; i--) {
			any_irqfd(fd, &seed);
			any_bell(fd, &seed);
		}
		any_chips(fd, &seed);
		usleep(rand_r(&seed) % 500);
		close(fd);
	}
	return NULL;
}

static void *runner(void *arg)
{
	unsigned int seed = (uintptr_t)arg;
	u32 id = seed % RUNNERS;

	for (unsigned long n = 0; !over; n++) {
		/* Doorbells, ends of interrupts, HLT: what the guest is told instead of answers does not matter. */
		if (n % 100 == 0)
			vmm_long_mode(&vm, id, IMAGE_GPA, STACK_GPA + 4096 * id, rand_r(&seed) % GUEST_TEST_COUNT, 0);
		JUDGE("RUN", ioctl(vm.vcpu[id].fd, HUSK_VCPU_RUN, 0), DONE_RUN, EINTR, EBUSY);
	}
	return NULL;
}

static void on_kick(int sig)
{
	(void)sig;
}

static void run_threads(long seconds)
{
	static void *(*const others[])(void *) = {
		renewer, renewer, signaller, signaller, assigner, assigner, router, chipper, ender, ender,
	};
	pthread_t thread[sizeof(others) / sizeof(others[0])];
	time_t end = time(NULL) + seconds;
	uintptr_t seed = 1;

	for (size_t i = 0; i < RUNNERS; i++)
		pthread_create(&runners[i], NULL, runner, (void *)seed++);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		pthread_create(&thread[i], NULL, others[i], (void *)seed++);
	while (time(NULL) < end) {
		for (size_t i = 0; i < RUNNERS; i++)
			pthread_kill(runners[i], SIGUSR1);
		usleep(2000);
	}
	over = true;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		pthread_join(thread[i], NULL);
	for (size_t i = 0; i < RUNNERS; i++)
		while (pthread_tryjoin_np(runners[i], NULL)) {
			pthread_kill(runners[i], SIGUSR1);
			usleep(1000);
		}
}

bool stress_eventfds(long seconds)
{
	struct sigaction act = { .sa_handler = on_kick };

	sigaction(SIGUSR1, &act, NULL);
	if (!stress_vm(&vm, GUEST_spin, 0) || vm.be->vcpu(&vm, 1))
		return false;
	for (int i = 0; i < EVENTS; i++)
		events[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	run_threads(seconds);
	vmm_destroy(&vm);
	for (int i = 0; i < EVENTS; i++)
		close(events[i]);
	printf("# %lu eventfds, %lu signals, %lu irqfds, %lu doorbells, %lu routes, %lu states, %lu VMs, %lu runs\n", done[0], done[1],
	       done[2], done[3], done[4], done[5], done[6], done[7]);
	for (int i = 0; i < DONE_KINDS; i++)
		wrong |= !done[i];
	return !wrong;
}
