/* SPDX-License-Identifier: GPL-2.0 */
/* Programs that a device has beside the worker. */
#ifndef HUSK_WORKER_CHILD_H
#define HUSK_WORKER_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#define CHILD_FD	3	/* the descriptor that the child is given, as that number */

#define CHILD_LISTENING		(1U << 0)	/* it is told of fd as systemd does it (sd_listen_fds(3)) */
#define CHILD_UNPRIVILEGED	(1U << 1)	/* if we are root, it has no capability but that to open its file */

/*
 * Start a program of PATH, which inherits standard streams and fd only, and gets no
 * privileges that we don't have. log: what it says on its standard error, beginning with why there
 * is no such program. -1 with errno
 */
pid_t child_start(const char *const argv[], int fd, unsigned int how, int log);

/* Wait until it has ended, 10 seconds at most; its exit status, or -1 */
int child_end(pid_t pid);

/* A file in memory to be such a log; -1 with errno */
int child_log(void);
/* The last line of it that is not empty, or else */
const char *child_said(int log, const char *otherwise);

#endif
