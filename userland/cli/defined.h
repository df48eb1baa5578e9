/* SPDX-License-Identifier: GPL-2.0 */
/* What the commands know of VMs that are defined, and of those that the daemon looks after. */
#ifndef HUSK_CLI_DEFINED_H
#define HUSK_CLI_DEFINED_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/definition.h"

/* Die with USAGE if it is no name for a VM. */
void defined_check_name(const char *name);
bool defined_exists(const char *name);
bool defined_autostart(const char *name);
/* Seconds: what its definition says, or what it is without one */
unsigned int defined_stop_timeout(const char *name);

/* Is there a worker of the daemon's for that name, or does one wait to be started again? For root to know */
enum defined_state { DEFINED_OFF, DEFINED_WAITING, DEFINED_LIVE, DEFINED_UNKNOWN };
enum defined_state defined_state(const char *name);
/* If the daemon waits to start it again: it does not any more. true: it did wait */
bool defined_forget(const char *name);
/* The worker's process, 0: there is none */
pid_t defined_worker(const char *name);
/* End it by force; it is not started again. false: there is none, or it is not ours to end */
bool defined_kill(const char *name);
/* Names with a worker, or that wait; what @fn answers other than 0 ends it and is returned */
int defined_each_state(int (*fn)(const char *name, void *arg), void *arg);

#endif
