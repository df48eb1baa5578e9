// SPDX-License-Identifier: GPL-2.0
/* Nothing of one VM's, the host's or the worker's FPU state is seen by another. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "flat.h"

/* The guest's own view, with its memory all zero after a VM that filled every register */
static void fpu_clean(void)
{
	struct guest *g = malloc(sizeof(*g));

	guest_create(g, GUEST_fpu_keep, 0);
	guest_run(g);
	guest_destroy(g);
	guest_create(g, GUEST_fpu_clean, 0);
	guest_run(g);
	guest_destroy(g);
	free(g);
}

static void fpu_swap(void)
{
	static const u8 seeds[3] = { 0x15, 0x6a, 0xb3 };
	struct guest *g = calloc(3, sizeof(*g));
	bool all = false;

	for (int i = 0; i < 3; i++)
		guest_create(&g[i], GUEST_fpu_swap, seeds[i]);
	while (!all) {
		all = true;
		for (int i = 0; i < 3; i++) {
			struct vmm_exit exit = guest_run_raw(&g[i], true);

			if (!g[i].done && exit.kind != VMM_PIO) {
				flat_fail("exit kind %d error %d", exit.kind, exit.error);
				g[i].done = true;
			}
			all &= g[i].done;
		}
	}
	for (int i = 0; i < 3; i++)
		guest_destroy(&g[i]);
	free(g);
}

struct worker_fpu {
	u8 xmm[16][16];
	u16 control;
	u32 mxcsr;
	u64 st0;
} __attribute__((aligned(16)));

/* Load all XMM registers, MXCSR and x87 state, make the call, look what is in them now */
static long call_with_poison(int fd, unsigned long command, const struct worker_fpu *in, struct worker_fpu *out)
{
	long ret = SYS_ioctl;

	asm volatile("fninit\n\tfldcw %[cw]\n\tldmxcsr %[mx]\n\tfildll %[st]\n\t"
		     ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n\tmovdqa 16*\\n(%[in]), %%xmm\\n\n\t.endr\n\t"
		     "syscall\n\t"
		     ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n\tmovdqa %%xmm\\n, 16*\\n(%[out])\n\t.endr\n\t"
		     "fnstcw %[ocw]\n\tstmxcsr %[omx]\n\tfistpll %[ost]\n\tfninit"
		     : "+a"(ret), [ocw] "=m"(out->control), [omx] "=m"(out->mxcsr), [ost] "=m"(out->st0)
		     : "D"((long)fd), "S"(command), "d"(0L), [in] "r"(in->xmm), [out] "r"(out->xmm),
		       [cw] "m"(in->control), [mx] "m"(in->mxcsr), [st] "m"(in->st0)
		     : "rcx", "r11", "memory", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
		       "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
	return ret;
}

/* The worker's registers survive RUN, and the guest's survive the worker's */
static void fpu_worker(void)
{
	unsigned long command = flat_backend == &vmm_husk ? HUSK_VCPU_RUN : 0xae80 /* KVM_RUN */;
	struct guest *g = malloc(sizeof(*g));
	struct worker_fpu in, out;
	long ret;
	u32 control = 0x1f80;

	guest_create(g, GUEST_fpu_keep, 0);
	for (int round = 0; round < 60; round++) {
		memset(&in, 0x30 + round, sizeof(in));
		for (int i = 0; i < 16; i++)
			in.xmm[i][0] = i;
		in.control = 0x27f;
		in.mxcsr = 0x1f80 | (round & 3) << 13;
		in.st0 = 12345 + round;
		memset(&out, 0, sizeof(out));
		ret = call_with_poison(g->vm.vcpu[0].fd, command, &in, &out);
		CHECK(!ret || ret == -EINTR);
		asm volatile("ldmxcsr %0" :: "m"(control));
		if (memcmp(in.xmm, out.xmm, sizeof(in.xmm)))
			flat_fail("the worker's XMM registers changed across RUN, round %d", round);
		EXPECT(out.control, in.control);
		EXPECT(out.mxcsr, in.mxcsr);
		EXPECT(out.st0, in.st0);
	}
	/* Its port reads were not answered (they read whatever is in the page): let the guest compare */
	guest_run(g);
	guest_destroy(g);
	free(g);
}

const struct flat_test flat_fpu_tests[] = {
	{ "fpu_clean", fpu_clean, false, 0 },
	{ "fpu_swap", fpu_swap, false, 0 },
	{ "fpu_worker", fpu_worker, false, 0 },
	FLAT_END
};
