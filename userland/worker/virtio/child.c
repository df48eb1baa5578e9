// SPDX-License-Identifier: GPL-2.0
/* Programs that a device has beside the worker. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "worker/privileges.h"
#include "worker/virtio/child.h"

#define LOG_SIZE	4096
#define END_MS		10000

/* What stays is for a file of another user's, which root has been told to open. */
static int drop_privileges(void)
{
	static const cap_value_t keep[] = { CAP_DAC_OVERRIDE };

	return privileges_bound(keep, 1) < 0 ? -1 : privileges_set(keep, 1);
}

/* Signals that the worker takes by a descriptor are not blocked there. */
static void become(const char *const argv[], int fd, unsigned int how, int log)
{
	char pid[16];
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (how & CHILD_UNPRIVILEGED && !geteuid() && drop_privileges() < 0)
		_exit(127);
	if (dup2(log, STDERR_FILENO) < 0 || dup2(fd, CHILD_FD) < 0)
		_exit(127);
	close_range(CHILD_FD + 1, ~0U, 0);
	if (how & CHILD_LISTENING) {
		snprintf(pid, sizeof(pid), "%d", getpid());
		setenv("LISTEN_PID", pid, 1);
		setenv("LISTEN_FDS", "1", 1);
	}
	execvp(argv[0], (char *const *)argv);
	fprintf(stderr, "%s: %s", argv[0], errno == ENOENT ? "it is not installed" : strerror(errno));
	_exit(127);
}

pid_t child_start(const char *const argv[], int fd, unsigned int how, int log)
{
	/* dup2() of a number onto itself would leave it close-on-exec */
	int other = fd == CHILD_FD ? dup(fd) : fd;
	pid_t pid = fork();

	if (!pid)
		become(argv, other, how, log);
	if (other != fd)
		close(other);
	return pid;
}

int child_end(pid_t pid)
{
	struct pollfd ended = { pidfd_open(pid, 0), POLLIN, 0 };
	int status, n;

	do
		n = poll(&ended, 1, END_MS);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		kill(pid, SIGKILL);
	close(ended.fd);
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* In memory, and of one size: what a child says may be its guest's doing, and have no end. */
int child_log(void)
{
	int log = memfd_create("log", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (log >= 0 && (ftruncate(log, LOG_SIZE) < 0 || fcntl(log, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) < 0)) {
		close(log);
		return -1;
	}
	return log;
}

const char *child_said(int log, const char *otherwise)
{
	static char text[LOG_SIZE + 1];
	const char *last = otherwise;
	char *rest = text, *line;

	if (pread(log, text, LOG_SIZE, 0) < 0)
		return otherwise;
	while ((line = strsep(&rest, "\n")))
		if (*line)
			last = line;
	return last;
}
