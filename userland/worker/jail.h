/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The worker's jail. Everything that it needs is open when it goes in, just before the
 * guest runs for the first time: from then on a guest that has taken over the worker has
 * the descriptors of its own VM, and no way to more. See jail_enter().
 */
#ifndef HUSK_WORKER_JAIL_H
#define HUSK_WORKER_JAIL_H

#include <stdint.h>
#include <sys/types.h>

#include "worker/fail.h"

/* What a machine's devices use, beyond what each machine does */
#define JAIL_DISK	(1U << 0)	/* io_uring */
#define JAIL_TAP	(1U << 1)
#define JAIL_VHOST	(1U << 2)
#define JAIL_CHILD	(1U << 3)	/* a program beside the worker, to be waited for */
#define JAIL_VHOST_USER	(1U << 4)	/* a back-end of a disk, and another one later */

/**
 * struct jail - what is left outside of it
 * @uid: user and group to become, which have nothing else; 0: stay who we are
 * @devices: JAIL_x
 * @file_max: how long a file that is open may become, in bytes
 */
struct jail {
	uid_t uid;
	unsigned int devices;
	uint64_t file_max;
};

/**
 * jail_enter - give up all rights but those to what is open
 * @jail: what to keep
 *
 * With a uid, which root alone can give: a mount, an IPC, a network and a UTS namespace of our own,
 * an empty file system as root, another user and group. In any case: no capabilities, no new privileges,
 * no access to files by landlock if the kernel has it, and a list of system calls that are allowed; others
 * answer EPERM. One thread only may be there; those that it makes are in the jail with it.
 *
 * Return: OK, or FAIL with one line printed. There is no way back.
 */
enum husk_status jail_enter(const struct jail *jail);

#endif
