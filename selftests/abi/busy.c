// SPDX-License-Identifier: GPL-2.0
/* While a vCPU runs: what is refused (EBUSY), and what must work; several threads at once. */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi.h"

static volatile int running, stopping;

static void on_signal(int sig)
{
	(void)sig;
}

static void *run(void *arg)
{
	int fd = *(int *)arg;
	long ret;

	running = 1;
	do
		ret = abi_call(fd, HUSK_VCPU_RUN, NULL);
	while (ret == -EINTR && !stopping);	/* RUN gives way to the thread's own work */
	return (void *)ret;
}

/* `sti; cli; jmp` at the reset vector: CLI is in STI's shadow (why: test_spin() of the flat guests) */
static struct fds spinning(pthread_t *thread)
{
	static unsigned char rom[4096] __attribute__((aligned(4096)));
	static struct fds f;
	struct husk_memory memory = {
		.size = sizeof(memory), .gpa = 0xfffff000, .length = 4096, .hva = (uintptr_t)rom,
	};
	struct sigaction act = { .sa_handler = on_signal };

	memcpy(rom + 0xff0, "\xfb\xfa\xeb\xfc", 4);
	sigaction(SIGUSR1, &act, NULL);
	f = abi_open(true);
	EXPECT(abi_call(f.fd[VM], HUSK_VM_SET_MEMORY, &memory), 0);
	running = stopping = 0;
	pthread_create(thread, NULL, run, &f.fd[VCPU]);
	while (!running)
		usleep(100);
	usleep(30000);
	return f;
}

static void stop(pthread_t thread)
{
	void *ret;

	stopping = 1;
	while (pthread_tryjoin_np(thread, &ret)) {
		pthread_kill(thread, SIGUSR1);
		usleep(1000);
	}
	/* EBADF: the fd was closed meanwhile */
	abi_check((long)ret == -EINTR || (long)ret == -EBADF, "RUN ended by a signal: %ld", (long)ret);
}

/* Between two of the thread's calls it is not busy for a moment: that is no failure */
static void expect_busy(int fd, unsigned long command, void *arg)
{
	int ret = 0;

	for (int i = 0; i < 20 && ret != -EBUSY; i++)
		ret = abi_call(fd, command, arg);
	abi_check(ret == -EBUSY, "command %#lx of a running vCPU: %d", command, ret);
}

static void busy(void)
{
	static unsigned char buffer[65536];
	struct husk_state state = {
		.size = sizeof(state), .classes = 1, .length = sizeof(buffer), .buffer = (uintptr_t)buffer,
	};
	struct husk_translate translate = { .size = sizeof(translate) };
	struct husk_irq_line line = { .size = sizeof(line), .gsi = 5, .level = 1 };
	struct husk_memory memory = { .size = sizeof(memory), .slot = 1, .length = 4096, .hva = (uintptr_t)buffer & ~4095UL };
	pthread_t thread;
	struct fds f = spinning(&thread);

	for (int i = 0; i < 50; i++) {
		expect_busy(f.fd[VCPU], HUSK_VCPU_GET_STATE, &state);
		EXPECT(abi_call(f.fd[VCPU], HUSK_VCPU_SET_STATE, &state), -EBUSY);
		expect_busy(f.fd[VCPU], HUSK_VCPU_TRANSLATE, &translate);
		EXPECT(abi_call(f.fd[VCPU], HUSK_VCPU_RUN, NULL), -EBUSY);
		EXPECT(abi_call(f.fd[VM], HUSK_VM_IRQ_LINE, &line), 0);
		line.level ^= 1;
		memory.length = i % 2 ? 0 : 4096;
		EXPECT(abi_call(f.fd[VM], HUSK_VM_SET_MEMORY, &memory), 0);
	}
	stop(thread);
	EXPECT(abi_call(f.fd[VCPU], HUSK_VCPU_GET_STATE, &state), 0);
	abi_close(&f);
}

/* The fds go while the thread is inside: it holds them until it comes back */
static void close_running(void)
{
	pthread_t thread;
	struct fds f = spinning(&thread);

	close(f.fd[DEV]);
	close(f.fd[VM]);
	close(f.fd[VCPU]);
	usleep(5000);
	stop(thread);
}

static void *churn(void *arg)
{
	(void)arg;
	for (int i = 0; i < 40; i++) {
		struct fds f = abi_open(true);

		abi_close(&f);
	}
	return NULL;
}

static void parallel(void)
{
	pthread_t thread[4];

	for (int i = 0; i < 4; i++)
		pthread_create(&thread[i], NULL, churn, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
}

void busy_run(void)
{
	abi_group("abi_busy", busy);
	abi_group("abi_close_running", close_running);
	abi_group("abi_parallel", parallel);
}
