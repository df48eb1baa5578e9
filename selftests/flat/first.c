// SPDX-License-Identifier: GPL-2.0
/*
 * The smallest guest: CPUID, OUT to the worker, hypercall, IN, MMIO, HLT. Says
 * what it does at each step, for bring-up. "first --kvm" runs it on KVM.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vmm.h"

extern const u8 first_guest[], first_guest_end[];

static volatile bool late;

static void alarmed(int sig)
{
	late = sig;
}

static int failures;

static void expect(const char *what, bool ok, u64 value)
{
	printf("%s first_%s%s %#llx\n", ok ? "ok" : "not ok", what, ok ? "" : ": value", (unsigned long long)value);
	failures += !ok;
}

static int round_trip(struct vmm *vm, struct vmm_exit *exit)
{
	struct husk_general regs;
	struct husk_system sys;

	fflush(stdout);
	do {
		memset(exit, 0, sizeof(*exit));
		vm->be->run(vm, 0, exit);
	} while (exit->error == EINTR && !late);	/* RUN gives way to the thread's own work */
	vm->be->get(vm, 0, &regs, &sys);
	printf("# exit %d error %d (%s) addr %#llx width %u %s data %#llx; rip %#llx rax %#llx rflags %#llx cr0 %#llx\n",
	       exit->kind, exit->error, exit->error ? strerror(exit->error) : "-",
	       (unsigned long long)exit->addr, exit->width, exit->write ? "write" : "read",
	       (unsigned long long)exit->data, (unsigned long long)regs.rip,
	       (unsigned long long)regs.gpr[0], (unsigned long long)regs.rflags, (unsigned long long)sys.cr0);
	return exit->kind;
}

int main(int argc, char **argv)
{
	const struct vmm_backend *be = argc > 1 && !strcmp(argv[1], "--kvm") ? &vmm_kvm : &vmm_husk;
	struct sigaction act = { .sa_handler = alarmed };
	struct vmm_exit exit;
	struct vmm vm;
	int err;

	sigaction(SIGALRM, &act, NULL);
	err = vmm_create(&vm, be);
	if (err) {
		printf("not ok first_create: %s\n", strerror(-err));
		return 1;
	}
	vmm_load(&vm, IMAGE_GPA, first_guest, first_guest_end - first_guest);
	err = vmm_long_mode(&vm, 0, IMAGE_GPA, STACK_GPA, 0, 0);
	expect("set_state", !err, -err);

	round_trip(&vm, &exit);		/* out %eax, $0x80 after CPUID leaf 0 */
	expect("out", exit.kind == VMM_PIO && exit.addr == 0x80 && exit.width == 4 && exit.write, exit.data);
	round_trip(&vm, &exit);		/* out after hypercall 0xdead: -1000 */
	expect("hypercall", exit.kind == VMM_PIO && exit.data == (u32)-1000, exit.data);
	round_trip(&vm, &exit);		/* in (%dx), %al */
	expect("in", exit.kind == VMM_PIO && exit.addr == 0x3f8 && !exit.write && exit.width == 1, exit.addr);
	if (exit.kind == VMM_PIO)
		vmm_answer(&exit, 0x5a);
	round_trip(&vm, &exit);		/* mov %al, 0xd0000000 */
	expect("mmio", exit.kind == VMM_MMIO && exit.addr == 0xd0000000 && exit.write && exit.data == 0x5a, exit.data);
	alarm(1);
	round_trip(&vm, &exit);		/* HLT for ever, ended by the signal */
	expect("hlt", exit.kind == VMM_ERROR && exit.error == 4, exit.error);
	vmm_destroy(&vm);
	return failures ? 1 : 0;
}
