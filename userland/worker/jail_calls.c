// SPDX-License-Identifier: GPL-2.0
/* The system calls that a worker in its jail may make: one list, by libseccomp. */
#include <errno.h>
#include <linux/if_tun.h>
#include <linux/vhost.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "uapi/husk.h"
#include "worker/jail_calls.h"

#define ANY	0		/* of all machines */

static const struct {
	int call;
	unsigned int who;	/* JAIL_x or ANY: one of them is enough */
} calls[] = {
	/* descriptors that are there */
	{ SCMP_SYS(read), ANY }, { SCMP_SYS(write), ANY }, { SCMP_SYS(readv), ANY }, { SCMP_SYS(writev), ANY },
	{ SCMP_SYS(preadv2), JAIL_VHOST_USER }, { SCMP_SYS(pread64), ANY }, { SCMP_SYS(pwrite64), ANY }, { SCMP_SYS(lseek), ANY }, { SCMP_SYS(close), ANY },
	{ SCMP_SYS(dup2), ANY }, { SCMP_SYS(fstat), ANY }, { SCMP_SYS(newfstatat), ANY }, { SCMP_SYS(fcntl), ANY },
	{ SCMP_SYS(poll), ANY }, { SCMP_SYS(ppoll), ANY },
	{ SCMP_SYS(epoll_wait), ANY }, { SCMP_SYS(epoll_pwait), ANY }, { SCMP_SYS(epoll_ctl), ANY },
	{ SCMP_SYS(timerfd_settime), ANY }, { SCMP_SYS(timerfd_gettime), ANY },
	/* sockets that are there, and those that connect to the control socket */
	{ SCMP_SYS(accept4), ANY }, { SCMP_SYS(recvfrom), ANY }, { SCMP_SYS(sendto), ANY },
	{ SCMP_SYS(shutdown), ANY }, { SCMP_SYS(getsockopt), ANY },
	/* memory; none that can be run or is of the host's huge pages, see below */
	{ SCMP_SYS(munmap), ANY }, { SCMP_SYS(mremap), ANY }, { SCMP_SYS(madvise), ANY }, { SCMP_SYS(brk), ANY },
	/* threads */
	{ SCMP_SYS(futex), ANY }, { SCMP_SYS(set_robust_list), ANY }, { SCMP_SYS(rseq), ANY }, { SCMP_SYS(exit), ANY },
	{ SCMP_SYS(exit_group), ANY }, { SCMP_SYS(sched_yield), ANY }, { SCMP_SYS(sched_setaffinity), ANY },
	{ SCMP_SYS(sched_getaffinity), ANY }, { SCMP_SYS(gettid), ANY }, { SCMP_SYS(getpid), ANY },
	/* signals */
	{ SCMP_SYS(rt_sigaction), ANY }, { SCMP_SYS(rt_sigprocmask), ANY }, { SCMP_SYS(rt_sigreturn), ANY },
	{ SCMP_SYS(restart_syscall), ANY },
	/* time and chance */
	{ SCMP_SYS(nanosleep), ANY }, { SCMP_SYS(clock_nanosleep), ANY }, { SCMP_SYS(clock_gettime), ANY },
	{ SCMP_SYS(gettimeofday), ANY }, { SCMP_SYS(time), ANY }, { SCMP_SYS(getrandom), ANY },
	/* disks: what a ring may be asked for is settled, see disk_raw.c */
	{ SCMP_SYS(io_uring_enter), JAIL_DISK },
	{ SCMP_SYS(wait4), JAIL_CHILD }, { SCMP_SYS(recvmsg), JAIL_CHILD | JAIL_VHOST_USER },
	{ SCMP_SYS(sendmsg), JAIL_CHILD | JAIL_VHOST_USER }, { SCMP_SYS(fstatfs), JAIL_VHOST_USER },
};

/* ioctl(2): husk's; a tap's that a driver may ask for; of vhost's where the rings are and that it runs: the rest is set */
static int allow_ioctls(scmp_filter_ctx ctx, unsigned int devices)
{
	static const struct {
		unsigned int call, who;
	} others[] = {
		{ TUNSETOFFLOAD, JAIL_TAP }, { TUNSETQUEUE, JAIL_TAP },
		{ VHOST_SET_FEATURES, JAIL_VHOST }, { VHOST_SET_VRING_NUM, JAIL_VHOST }, { VHOST_SET_VRING_BASE, JAIL_VHOST },
		{ VHOST_SET_VRING_ADDR, JAIL_VHOST }, { VHOST_VSOCK_SET_RUNNING, JAIL_VHOST }, { VHOST_NET_SET_BACKEND, JAIL_VHOST },
	};
	int err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				   SCMP_A1_32(SCMP_CMP_MASKED_EQ, ~(uint32_t)_IOC_NRMASK, (uint32_t)HUSK_GET_CAPS & ~(uint32_t)_IOC_NRMASK));

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]) && !err; i++)
		if (devices & others[i].who)
			err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, SCMP_A1_32(SCMP_CMP_EQ, others[i].call));
	return err;
}

/* Calls with a condition on an argument. clone3(2) keeps its flags in memory: glibc takes clone(2) if there is none. */
static int allow_some(scmp_filter_ctx ctx)
{
	const uint64_t thread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
	const uint64_t namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
	int err = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
				       SCMP_A0_64(SCMP_CMP_MASKED_EQ, thread | namespaces, thread));
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 2, SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
				       SCMP_A3_64(SCMP_CMP_MASKED_EQ, MAP_HUGETLB, 0));
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, SCMP_A2_64(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	/* to a thread of ours, which leaves the guest for it */
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, SCMP_A0_32(SCMP_CMP_EQ, (uint32_t)getpid()));
	/* the names of threads */
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(prctl), 1, SCMP_A0_32(SCMP_CMP_EQ, PR_SET_NAME));
	return err;
}

int jail_calls(const struct jail *jail)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int err = ctx ? 0 : -ENOMEM;

	/* HUSK_VCPU_RUN is the call that counts. */
	if (!err)
		err = seccomp_syscall_priority(ctx, SCMP_SYS(ioctl), 255);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]) && !err; i++)
		if (calls[i].who == ANY || calls[i].who & jail->devices)
			err = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i].call, 0);
	if (!err)
		err = allow_ioctls(ctx, jail->devices);
	if (!err)
		err = allow_some(ctx);
	if (!err)
		err = seccomp_load(ctx);
	if (ctx)
		seccomp_release(ctx);
	if (err)
		errno = -err;
	return err ? -1 : 0;
}
