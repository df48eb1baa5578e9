// SPDX-License-Identifier: GPL-2.0
/*
 * stress [--kvm] create N	N VMs one after the other, each with a short run
 * stress [--kvm] kill N	N processes with a running VM, killed at a random moment
 * stress [--kvm] spin SEC	one VM after the other until then, or until SIGTERM
 * stress [--kvm] many N	N VMs alive at once
 * stress threads SEC		threads that do all that can be done to one VM, for so long
 * stress eventfds SEC		the same with eventfds, interrupt chips, and VMs that end
 *
 * Prints `ok NAME` or `not ok NAME: why`.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "stress.h"

extern const u8 guest_image[], guest_image_end[];

static const struct vmm_backend *be = &vmm_husk;

bool stress_vm(struct vmm *vm, enum guest_test test, u64 arg)
{
	if (vmm_create(vm, be))
		return false;
	vmm_load(vm, IMAGE_GPA, guest_image, guest_image_end - guest_image);
	return !vmm_long_mode(vm, 0, IMAGE_GPA, STACK_GPA, test, arg);
}

/* Answers the number of exits, -1 for one that should not be */
static long run(struct vmm *vm, u32 seconds)
{
	time_t end = time(NULL) + seconds;
	struct vmm_exit exit = {};
	long exits = 0;

	for (;; exits++) {
		be->run(vm, 0, &exit);
		if (exit.kind == VMM_PIO && exit.write && exit.addr == PORT_DONE)
			return exits;
		if (seconds && time(NULL) >= end)
			return exits;
		if (exit.kind == VMM_ERROR && exit.error == EINTR)
			continue;
		if (exit.kind != VMM_PIO && exit.kind != VMM_MMIO)
			return -1;
		if (!exit.write)
			vmm_answer(&exit, exits);
	}
}

static bool stress_create(long count)
{
	for (long i = 0; i < count; i++) {
		struct vmm vm;
		bool ok = stress_vm(&vm, i % 2 ? GUEST_mmio_mov : GUEST_pio_widths, 0) && run(&vm, 0) >= 0;

		vmm_destroy(&vm);
		if (!ok)
			return false;
	}
	return true;
}

static void victim(unsigned int seed)
{
	static const enum guest_test tests[] = { GUEST_spin, GUEST_mmio_alu, GUEST_timer_periodic, GUEST_memory_touch, GUEST_pio_strings };

	for (;;) {
		struct vmm vm;

		if (stress_vm(&vm, tests[rand_r(&seed) % 5], 0))
			run(&vm, 1);
		vmm_destroy(&vm);
	}
}

static bool stress_kill(long count)
{
	unsigned int seed = 7;

	for (long i = 0; i < count; i++) {
		pid_t pid = fork();
		int status;

		if (!pid)
			victim(i);
		usleep(rand_r(&seed) % 15000);
		kill(pid, SIGKILL);
		if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status))
			return false;
	}
	return true;
}

static bool stress_many(long count)
{
	struct vmm *vm = calloc(count, sizeof(*vm));
	bool ok = true;

	for (long i = 0; i < count; i++)
		ok &= stress_vm(&vm[i], GUEST_echo, 0);
	for (long i = 0; ok && i < count; i++)
		ok &= run(&vm[i], 0) >= 0;
	for (long i = 0; i < count; i++)
		vmm_destroy(&vm[i]);
	free(vm);
	return ok;
}

static volatile sig_atomic_t ended;

static void on_term(int sig)
{
	ended = sig;
}

static bool stress_spin(long seconds)
{
	struct sigaction act = { .sa_handler = on_term };
	time_t end = time(NULL) + seconds;
	bool ok = true;

	sigaction(SIGTERM, &act, NULL);
	while (ok && !ended && time(NULL) < end) {
		struct vmm vm;

		ok = stress_vm(&vm, GUEST_fpu_keep, 0) && run(&vm, 0) >= 0;
		vmm_destroy(&vm);
	}
	return ok;
}

static const struct {
	const char *name;
	bool (*fn)(long);
} modes[] = {
	{ "create", stress_create }, { "kill", stress_kill }, { "many", stress_many }, { "spin", stress_spin },
	{ "threads", stress_threads }, { "eventfds", stress_eventfds },
};

int main(int argc, char **argv)
{
	bool kvm = argc > 1 && !strcmp(argv[1], "--kvm");
	char **args = argv + 1 + kvm;

	if (kvm)
		be = &vmm_kvm;
	for (size_t i = 0; argc == 3 + kvm && i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(args[0], modes[i].name)) {
			bool ok = modes[i].fn(atol(args[1]));

			printf("%s %s_%s_%s%s\n", ok ? "ok" : "not ok", be->name, args[0], args[1], ok ? "" : ": see the console");
			return !ok;
		}
	fprintf(stderr, "usage: stress [--kvm] create|kill|many|spin|threads|eventfds N\n");
	return 2;
}
