/* SPDX-License-Identifier: GPL-2.0 */
/* capabilities(7), given up for good */
#ifndef HUSK_WORKER_PRIVILEGES_H
#define HUSK_WORKER_PRIVILEGES_H

#include <sys/capability.h>

/* Both: -1 with errno. The bounding set: what this process and the programs that it executes can ever have again */
int privileges_bound(const cap_value_t *keep, int count);
/* What it has now */
int privileges_set(const cap_value_t *keep, int count);

#endif
