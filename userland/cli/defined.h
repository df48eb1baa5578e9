/* SPDX-License-Identifier: GPL-2.0 */
/* What the commands know of VMs that are defined, and of those that the daemon looks after. */
#ifndef HUSK_CLI_DEFINED_H
#define HUSK_CLI_DEFINED_H

#include <stdbool.h>

#include "lib/definition.h"

/* Die with USAGE if it is no name for a VM. */
void defined_check_name(const char *name);
bool defined_exists(const char *name);
bool defined_autostart(const char *name);
/* Seconds: what its definition says, or what it is without one */
unsigned int defined_stop_timeout(const char *name);

/* Is there a worker of the daemon's for that name, or does one wait to be started again? For root to know */
enum defined_state { DEFINED_OFF, DEFINED_WAITING, DEFINED_LIVE };
enum defined_state defined_state(const char *name);
/* If the daemon waits to start it again: it does not any more. true: it did wait */
bool defined_forget(const char *name);
void defined_forget_all(void);

#endif
