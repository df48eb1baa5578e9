// SPDX-License-Identifier: GPL-2.0
/*
 * jail_try: goes into the worker's jail and tries to get out again; a line for each wall.
 *
 *	jail_try UID	as the daemon's workers are; 0: as those of 'husk run' are
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/vhost.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "uapi/husk.h"
#include "worker/jail.h"

static long parent;
static bool same_user;
static int file;		/* one that is open */

static void result(const char *name, int good, const char *why)
{
	printf(good ? "ok jail_%s%s\n" : "not ok jail_%s%s: %s\n", same_user ? "run_" : "", name, why);
}

/* What a system call must not do. 0 in place of an argument is the parent's process. */
#define PARENT	(-77)
#define TEXT(s)	((long)(s))

static char page[4096] __attribute__((aligned(4096)));

static const struct {
	const char *name;
	long call, args[6];
} attempts[] = {
	{ "open_by_handle", SYS_open_by_handle_at, { AT_FDCWD, TEXT(page), O_RDONLY } },
	{ "unlink", SYS_unlink, { TEXT("/tmp/outside") } },
	{ "unlinkat", SYS_unlinkat, { AT_FDCWD, TEXT("/tmp/outside"), 0 } },
	{ "rename", SYS_rename, { TEXT("/tmp/outside"), TEXT("/tmp/inside") } },
	{ "ftruncate", SYS_ftruncate, { 3, 1L << 40 } },
	{ "mmap_huge", SYS_mmap, { 0, 2 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0 } },
	{ "sendmsg", SYS_sendmsg, { 1, TEXT(page), 0 } },
	{ "mkdir", SYS_mkdir, { TEXT("/tmp/escaped"), 0755 } },
	{ "symlink", SYS_symlink, { TEXT("/etc/passwd"), TEXT("/tmp/escaped") } },
	{ "chmod", SYS_chmod, { TEXT("/"), 0777 } },
	{ "mknod", SYS_mknod, { TEXT("/tmp/escaped"), S_IFCHR | 0666, 0x101 } },
	{ "socket_inet", SYS_socket, { AF_INET, SOCK_STREAM, 0 } },
	{ "socket_unix", SYS_socket, { AF_UNIX, SOCK_STREAM, 0 } },
	{ "socket_netlink", SYS_socket, { AF_NETLINK, SOCK_RAW, 16 } },
	{ "socket_packet", SYS_socket, { AF_PACKET, SOCK_RAW, 0 } },
	{ "execve", SYS_execve, { TEXT("/bin/busybox"), TEXT(page), TEXT(page) } },
	{ "execveat", SYS_execveat, { AT_FDCWD, TEXT("/bin/busybox"), TEXT(page), TEXT(page), 0 } },
	{ "fork", SYS_fork, { } },
	{ "vfork", SYS_vfork, { } },
	{ "clone_process", SYS_clone, { SIGCHLD } },
	{ "clone_namespace", SYS_clone, { SIGCHLD | CLONE_NEWUSER } },
	{ "clone3", SYS_clone3, { TEXT(page), 88 } },
	{ "kill", SYS_kill, { PARENT, 0 } },
	{ "kill_all", SYS_kill, { -1, 0 } },
	{ "tgkill", SYS_tgkill, { PARENT, PARENT, 0 } },
	{ "pidfd_open", SYS_pidfd_open, { PARENT, 0 } },
	{ "ptrace", SYS_ptrace, { PTRACE_SEIZE, PARENT, 0, 0 } },
	{ "process_vm_readv", SYS_process_vm_readv, { PARENT, TEXT(page), 0, TEXT(page), 0, 0 } },
	{ "setuid", SYS_setuid, { 0 } },
	{ "setresuid", SYS_setresuid, { 0, 0, 0 } },
	{ "setgid", SYS_setgid, { 0 } },
	{ "capset", SYS_capset, { TEXT(page), 0 } },
	{ "unshare", SYS_unshare, { CLONE_NEWUSER } },
	{ "setns", SYS_setns, { 0, 0 } },
	{ "mount", SYS_mount, { TEXT("none"), TEXT("/"), TEXT("tmpfs"), 0, 0 } },
	{ "umount", SYS_umount2, { TEXT("/"), 2 } },
	{ "chroot", SYS_chroot, { TEXT("/") } },
	{ "pivot_root", SYS_pivot_root, { TEXT("/"), TEXT("/") } },
	{ "mmap_exec", SYS_mmap, { 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0 } },
	{ "mprotect_exec", SYS_mprotect, { TEXT(page), 4096, PROT_READ | PROT_WRITE | PROT_EXEC } },
	{ "pkey_mprotect", SYS_pkey_mprotect, { TEXT(page), 4096, PROT_READ | PROT_EXEC, -1 } },
	{ "memfd_create", SYS_memfd_create, { TEXT("escape"), 0 } },
	{ "io_uring_setup", SYS_io_uring_setup, { 8, TEXT(page) } },
	{ "io_uring_register", SYS_io_uring_register, { 0, 0, TEXT(page), 0 } },
	{ "bpf", SYS_bpf, { 0, TEXT(page), 120 } },
	{ "perf_event_open", SYS_perf_event_open, { TEXT(page), 0, -1, -1, 0 } },
	{ "userfaultfd", SYS_userfaultfd, { 0 } },
	{ "keyctl", SYS_keyctl, { 0, -3, 1 } },
	{ "init_module", SYS_init_module, { TEXT(page), 4096, TEXT("") } },
	{ "reboot", SYS_reboot, { 0xfee1dead, 672274793, 0, 0 } },
	{ "sethostname", SYS_sethostname, { TEXT("escaped"), 7 } },
	{ "iopl", SYS_iopl, { 3 } },
	{ "personality", SYS_personality, { 0x0040000 } },
	{ "prlimit", SYS_prlimit64, { 0, 7, TEXT(page), 0 } },
	{ "prctl_dumpable", SYS_prctl, { PR_SET_DUMPABLE, 1 } },
	{ "prctl_seccomp", SYS_seccomp, { 0, 0, 0 } },
	{ "tiocsti", SYS_ioctl, { 0, TIOCSTI, TEXT("x") } },
	{ "tunsetiff", SYS_ioctl, { 0, TUNSETIFF, TEXT(page) } },
	{ "tunsetowner", SYS_ioctl, { 0, TUNSETOWNER, 0 } },
	{ "vhost_owner", SYS_ioctl, { 0, VHOST_SET_OWNER, 0 } },
	{ "vhost_memory", SYS_ioctl, { 0, VHOST_SET_MEM_TABLE, TEXT(page) } },
	{ "vhost_log", SYS_ioctl, { 0, VHOST_SET_LOG_BASE, TEXT(page) } },
	{ "vhost_call", SYS_ioctl, { 0, VHOST_SET_VRING_CALL, TEXT(page) } },
	{ "high_ioctl", SYS_ioctl, { 0, (1L << 32) | TIOCSTI, TEXT("x") } },
};

static void try(unsigned int i)
{
	long a[6], ret;

	for (int n = 0; n < 6; n++)
		a[n] = attempts[i].args[n] == PARENT ? parent : attempts[i].args[n];
	errno = 0;
	ret = syscall(attempts[i].call, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (!ret && (attempts[i].call == SYS_fork || attempts[i].call == SYS_vfork || attempts[i].call == SYS_clone))
		_exit(0);
	result(attempts[i].name, ret == -1 && (errno == EPERM || (attempts[i].call == SYS_clone3 && errno == ENOSYS)),
	       ret == -1 ? strerror(errno) : "it works");
}

static void *thread(void *arg)
{
	*(int *)arg = 1;
	return NULL;
}

/* What a worker does all the time goes on. */
static void try_good(void)
{
	pthread_t id;
	int ran = 0;

	result("thread", !pthread_create(&id, NULL, thread, &ran) && !pthread_join(id, NULL) && ran, "no thread");
	result("memory", mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED, strerror(errno));
	result("ioctl", ioctl(-1, HUSK_VCPU_RUN, 0) < 0 && errno == EBADF, strerror(errno));
	result("tap", ioctl(-1, TUNSETOFFLOAD, 0) < 0 && errno == EBADF, strerror(errno));
	result("vhost", ioctl(-1, VHOST_NET_SET_BACKEND, page) < 0 && errno == EBADF, strerror(errno));
	result("signal", !raise(0), strerror(errno));
}

static int opens(const char *path, int flags)
{
	int fd = open(path, flags, 0600);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void try_files(void)
{
	static const char * const outside[] = { "/etc/passwd", "/proc/self/mem", "/dev/husk", "/dev/mem", "/proc/1/environ", "/" };
	char path[256];

	for (unsigned int i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
		snprintf(path, sizeof(path), "open%s", outside[i]);
		for (char *p = path; *p; p++)
			if (*p == '/')
				*p = '_';
		result(path, !opens(outside[i], O_RDONLY), "it can be opened");
	}
	result("long_file", pwrite(file, "x", 1, 2 << 20) < 0 && errno == EFBIG, "a file can be made as long as one likes");
	result("file", pwrite(file, "x", 1, 4096) == 1, strerror(errno));
}

int main(int argc, char **argv)
{
	struct jail jail = { .uid = argc > 1 ? strtoul(argv[1], NULL, 10) : 0, .file_max = 4096,
			     .devices = JAIL_TAP | JAIL_VHOST };

	setvbuf(stdout, NULL, _IOLBF, 0);
	parent = getppid();
	same_user = !jail.uid;
	file = open("/tmp/outside", O_RDWR | O_CREAT, 0600);
	if (jail_enter(&jail)) {
		result("enter", 0, "see above");
		return 1;
	}
	try_good();
	for (unsigned int i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++)
		try(i);
	try_files();
	return 0;
}
