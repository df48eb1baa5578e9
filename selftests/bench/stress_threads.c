// SPDX-License-Identifier: GPL-2.0
/*
 * Many threads on one VM, each with a command of its own, at the same time: vCPUs
 * are made, run, got and set, interrupted and reset, memory comes and goes. What
 * is looked for are reports of a sanitizer kernel; here, only answers that no
 * race explains.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "stress.h"

#define VCPUS		12
#define RUNNERS		4
#define STATE_BUFFER	16384

static struct vmm vm;
static volatile bool over, wrong, hold;
static int fds[VCPUS];			/* of vCPUs, -1: not made yet */
static pthread_t runners[RUNNERS];
static volatile unsigned long done[8];	/* what each kind of thread got through, for the report */

enum { DONE_RUN, DONE_RESET, DONE_MSI, DONE_STATE, DONE_MEMORY, DONE_VCPU };

static void judge(const char *what, int ret, const int *allowed)
{
	int err = errno;

	if (ret >= 0)
		return;
	for (; *allowed; allowed++)
		if (err == *allowed)
			return;
	printf("# %s: %s\n", what, strerror(err));
	wrong = true;
}
#define JUDGE(what, ret, ...) judge(what, ret, (const int[]){ __VA_ARGS__, 0 })

static int a_vcpu(unsigned int *seed)
{
	return __atomic_load_n(&fds[rand_r(seed) % VCPUS], __ATOMIC_ACQUIRE);
}

static void *creator(void *arg)
{
	unsigned int seed = (uintptr_t)arg;

	while (!over) {
		struct husk_create_vcpu make = { .size = sizeof(make), .id = rand_r(&seed) % VCPUS };
		int fd = ioctl(vm.fd, HUSK_VM_CREATE_VCPU, &make);

		JUDGE("CREATE_VCPU", fd, EEXIST, EBUSY);
		if (fd >= 0) {
			__atomic_store_n(&fds[make.id], fd, __ATOMIC_RELEASE);
			done[DONE_VCPU]++;
		}
		usleep(3000);
	}
	return NULL;
}

/* Whatever thread it is: any vCPU, for a while */
static void *runner(void *arg)
{
	unsigned int seed = (uintptr_t)arg;

	while (!over) {
		int ret, fd = a_vcpu(&seed);

		if (fd < 0 || hold) {
			usleep(200);
			continue;
		}
		ret = ioctl(fd, HUSK_VCPU_RUN, 0);
		JUDGE("RUN", ret, EINTR, EBUSY);
		done[DONE_RUN] += !ret;
	}
	return NULL;
}

/* Once while they run, then with all vCPUs outside, if the others let it: no RUN begins while hold is set. */
static void *resetter(void *arg)
{
	(void)arg;
	for (int n = 0; !over; n++) {
		struct husk_reset reset = { .size = sizeof(reset) };
		int ret;

		hold = n % 50 > 25;
		ret = ioctl(vm.fd, HUSK_VM_RESET, &reset);
		JUDGE("RESET", ret, EBUSY);
		done[DONE_RESET] += !ret;
		usleep(1000);
	}
	return NULL;
}

/* INIT, NMI, lowest priority, to one, a set or all; and lines */
static void *messenger(void *arg)
{
	unsigned int seed = (uintptr_t)arg;

	while (!over) {
		struct husk_msi msi = {
			.size = sizeof(msi),
			.address = 0xfee00000 | (rand_r(&seed) % 4 ? rand_r(&seed) % VCPUS : 0xff) << 12 | (rand_r(&seed) & 0xc),
			.data = (rand_r(&seed) & 0xc7ff),
		};
		struct husk_irq_line line = { .size = sizeof(line), .gsi = rand_r(&seed) % 24, .level = rand_r(&seed) & 1 };

		JUDGE("SIGNAL_MSI", ioctl(vm.fd, HUSK_VM_SIGNAL_MSI, &msi), EINVAL);
		JUDGE("IRQ_LINE", ioctl(vm.fd, HUSK_VM_IRQ_LINE, &line), EINVAL, ENOENT);	/* no route, such as the cascade */
		done[DONE_MSI]++;
		usleep(100);
	}
	return NULL;
}

/* Get all of a vCPU's state and load it into another; or have it start over in the guest's code */
static void *stater(void *arg)
{
	unsigned int seed = (uintptr_t)arg;
	char *buffer = malloc(STATE_BUFFER);

	while (!over) {
		u32 id = rand_r(&seed) % VCPUS;
		struct husk_state state = {
			.size = sizeof(state), .classes = (1ULL << HUSK_STATE_COUNT) - 1, .length = STATE_BUFFER,
			.buffer = (uintptr_t)buffer,
		};
		int to = a_vcpu(&seed), fd = __atomic_load_n(&fds[id], __ATOMIC_ACQUIRE), err;

		usleep(500);
		if (to < 0 || fd < 0)
			continue;
		if (!ioctl(fd, HUSK_VCPU_GET_STATE, &state))
			JUDGE("SET_STATE", ioctl(to, HUSK_VCPU_SET_STATE, &state), EBUSY, EINVAL);
		vm.vcpu[id].fd = fd;
		err = vmm_long_mode(&vm, id, IMAGE_GPA, STACK_GPA, rand_r(&seed) % GUEST_TEST_COUNT, SMP_ARG(VCPUS, 1, 9));
		errno = -err;
		JUDGE("SET_STATE", err, EBUSY);
		done[DONE_STATE] += !err;
	}
	free(buffer);
	return NULL;
}

static void *mapper(void *arg)
{
	unsigned int seed = (uintptr_t)arg;

	while (!over) {
		bool make = rand_r(&seed) & 1;
		struct husk_memory memory = {
			.size = sizeof(memory), .slot = 1, .gpa = FAULT_GPA, .length = make ? FAULT_SIZE : 0,
			.hva = (uintptr_t)vm.ram, .flags = rand_r(&seed) & HUSK_MEM_LOG_DIRTY,
		};

		JUDGE("SET_MEMORY", ioctl(vm.fd, HUSK_VM_SET_MEMORY, &memory), ENOENT);
		madvise(vm.ram + SCRATCH_GPA + (rand_r(&seed) % 256) * 4096, 65536, MADV_DONTNEED);
		done[DONE_MEMORY]++;
		usleep(700);
	}
	return NULL;
}

static void *kicker(void *arg)
{
	(void)arg;
	while (!over) {
		for (int i = 0; i < RUNNERS; i++)
			pthread_kill(runners[i], SIGUSR1);
		usleep(2000);
	}
	return NULL;
}

static void on_kick(int sig)
{
	(void)sig;
}

static void run_threads(long seconds)
{
	static void *(*const others[])(void *) = { creator, resetter, messenger, messenger, stater, mapper };
	pthread_t thread[sizeof(others) / sizeof(others[0])], kick;
	uintptr_t seed = 1;

	for (size_t i = 0; i < RUNNERS; i++)
		pthread_create(&runners[i], NULL, runner, (void *)seed++);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		pthread_create(&thread[i], NULL, others[i], (void *)seed++);
	pthread_create(&kick, NULL, kicker, NULL);
	sleep(seconds);
	over = true;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		pthread_join(thread[i], NULL);
	pthread_join(kick, NULL);
	for (size_t i = 0; i < RUNNERS; i++)
		while (pthread_tryjoin_np(runners[i], NULL)) {
			pthread_kill(runners[i], SIGUSR1);
			usleep(1000);
		}
}

bool stress_threads(long seconds)
{
	struct sigaction act = { .sa_handler = on_kick };

	sigaction(SIGUSR1, &act, NULL);
	if (!stress_vm(&vm, GUEST_spin, 0))
		return false;
	fds[0] = vm.vcpu[0].fd;
	for (int i = 1; i < VCPUS; i++)
		fds[i] = -1;
	run_threads(seconds);
	for (int i = 1; i < VCPUS; i++)
		vm.vcpu[i].fd = fds[i];
	vmm_destroy(&vm);
	printf("# %lu runs, %lu resets, %lu messages, %lu states, %lu slots, %lu vCPUs\n", done[DONE_RUN], done[DONE_RESET],
	       done[DONE_MSI], done[DONE_STATE], done[DONE_MEMORY], done[DONE_VCPU]);
	for (int i = 0; i < DONE_VCPU; i++)
		wrong |= !done[i];
	return !wrong;
}
