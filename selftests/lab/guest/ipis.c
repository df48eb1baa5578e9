// SPDX-License-Identifier: GPL-2.0
/*
 * ipis SECONDS: in a guest, have its CPUs interrupt each other as fast as they can.
 *
 * A thread on each CPU. Each in turn asks for a memory barrier on all others, takes
 * a page away that the others write to (TLB shootdowns), and wakes its neighbour,
 * who has slept: IPIs of all three kinds of Linux. Exit 0 if all made progress.
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CPUS	64

static int cpus;
static volatile int over;
static unsigned int baton[CPUS];
static unsigned long barriers[CPUS], zaps[CPUS], wakes[CPUS];
static volatile char *page;

static void futex(unsigned int *word, int op, unsigned int value, const struct timespec *limit)
{
	syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, limit, NULL, 0);
}

static void *work(void *arg)
{
	long me = (long)arg;
	unsigned int *next = &baton[(me + 1) % cpus];
	const struct timespec limit = { .tv_nsec = 2000000 };
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(me, &set);
	sched_setaffinity(0, sizeof(set), &set);	/* fails while that CPU is offline: then anywhere */
	while (!over) {
		unsigned int seen = __atomic_load_n(&baton[me], __ATOMIC_ACQUIRE);

		page[me * 8]++;
		if (!syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0))
			barriers[me]++;
		if (!madvise((void *)page, 4096, MADV_DONTNEED))
			zaps[me]++;
		__atomic_add_fetch(next, 1, __ATOMIC_RELEASE);
		futex(next, FUTEX_WAKE, 1, NULL);
		futex(&baton[me], FUTEX_WAIT, seen, &limit);
		wakes[me]++;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread[CPUS];
	unsigned long b = 0, z = 0, w = 0;
	int bad = 0;

	cpus = sysconf(_SC_NPROCESSORS_CONF);
	if (argc != 2 || cpus < 1 || cpus > CPUS)
		return 2;
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED || syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0))
		return 2;
	for (long i = 0; i < cpus; i++)
		if (pthread_create(&thread[i], NULL, work, (void *)i))
			return 2;
	sleep(atoi(argv[1]));
	over = 1;
	for (int i = 0; i < cpus; i++) {
		pthread_join(thread[i], NULL);
		bad |= !barriers[i] || !zaps[i] || !wakes[i];
		b += barriers[i];
		z += zaps[i];
		w += wakes[i];
	}
	printf("ipis: %d CPUs, %lu barriers, %lu pages taken away, %lu wakes\n", cpus, b, z, w);
	return bad;
}
