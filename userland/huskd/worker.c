// SPDX-License-Identifier: GPL-2.0
/* Starting a worker: a process with seven descriptors, in its cgroup, that knows who to become. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "huskd/huskd.h"
#include "lib/tools.h"

/* In the worker; up to stderr the usual ones */
enum { WORKER_LIFELINE = 3, WORKER_LAST_WORD, WORKER_LAST_CONSOLE, WORKER_LOCK, WORKER_FDS };

#define ARGS_OWN	16

struct birth {
	const struct husk_definition *d;
	char path[4096];
	int fd[WORKER_FDS];
	uid_t jail, owner;
	bool limited;
};

/* Numbers that are ours may be those of the worker: away with them first. */
static void arrange(const struct birth *b)
{
	int high[WORKER_FDS];

	for (int i = 0; i < WORKER_FDS; i++)
		high[i] = fcntl(b->fd[i], F_DUPFD, 100);
	for (int i = 0; i < WORKER_FDS; i++)
		if (high[i] < 0 || dup2(high[i], i) < 0)
			_exit(127);
	close_range(WORKER_FDS, ~0U, 0);
}

static void make_args(const struct birth *b, char **argv)
{
	static char text[ARGS_OWN][128];
	const struct {
		const char *name;
		unsigned int value;
	} number[] = {
		{ "lifeline", WORKER_LIFELINE }, { "last-word", WORKER_LAST_WORD }, { "last-console", WORKER_LAST_CONSOLE },
		{ "jail-uid", b->jail }, { "owner", b->owner },
	};
	int n = 0;

	argv[n++] = "husk-vm";
	snprintf(text[0], sizeof(text[0]), "--name=%s", b->d->name);
	argv[n++] = text[0];
	for (size_t i = 0; i < sizeof(number) / sizeof(number[0]); i++) {
		snprintf(text[n], sizeof(text[n]), "--%s=%u", number[i].name, number[i].value);
		argv[n] = text[n];
		n++;
	}
	memcpy(argv + n, b->d->argv, b->d->argc * sizeof(*argv));
	argv[n + b->d->argc] = NULL;
}

static void become(const struct birth *b)
{
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", *env[] = { path, NULL };
	char **argv = calloc(b->d->argc + ARGS_OWN, sizeof(*argv));
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	if (b->limited && cgroup_join(b->d->name) < 0)
		dprintf(b->fd[2], "husk: its memory and CPU time are not limited: %s\n", strerror(errno));
	/* after this the state file is a VM's, whatever becomes of huskd */
	if (state_write(b->d->name, getpid(), b->jail, false) < 0)
		_exit(127);
	arrange(b);
	if (argv)
		make_args(b, argv);
	if (argv)
		execve(b->path, argv, env);
	dprintf(2, "husk: %s: %s\n", b->path, strerror(errno));
	_exit(127);
}

static int start(struct birth *b, struct worker *w)
{
	int pair[2], ret = -1;

	if (husk_worker_path(b->path) < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	b->fd[WORKER_LIFELINE] = pair[1];
	w->lifeline = pair[0];
	w->pid = fork();
	if (!w->pid)
		become(b);
	if (w->pid > 0) {
		w->pidfd = pidfd_open(w->pid, 0);
		ret = w->pidfd < 0 ? -1 : 0;
	}
	close(pair[1]);
	if (ret < 0)
		close(pair[0]);
	return ret;
}

int worker_start(struct worker *worker, const struct husk_definition *d, int state, uid_t jail, uid_t owner)
{
	struct birth b = { .d = d, .jail = jail, .owner = owner };
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), log = log_open(d->name, ".log");
	int console = log_open(d->name, ".console"), word = log_open(d->name, ".end"), ret = -1, err;

	b.limited = !cgroup_make(d);
	err = errno;
	b.fd[0] = b.fd[1] = null;
	b.fd[2] = log;
	b.fd[WORKER_LOCK] = state;
	b.fd[WORKER_LAST_WORD] = word;
	b.fd[WORKER_LAST_CONSOLE] = console;
	/* limits that were asked for are kept, or there is no VM */
	if (!b.limited && (d->cpu_max || d->memory_max)) {
		errno = err;
	} else if (null >= 0 && log >= 0 && console >= 0 && word >= 0) {
		ret = start(&b, worker);
	}
	err = errno;
	close(null);
	close(log);
	close(console);
	close(word);
	errno = err;
	return ret;
}
