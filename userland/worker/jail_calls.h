/* SPDX-License-Identifier: GPL-2.0 */
/* The system calls that a worker in its jail may make. */
#ifndef HUSK_WORKER_JAIL_CALLS_H
#define HUSK_WORKER_JAIL_CALLS_H

#include "worker/jail.h"

/* Allow them and no others, for this thread and those it makes. -1 with errno */
int jail_calls(const struct jail *jail);

#endif
