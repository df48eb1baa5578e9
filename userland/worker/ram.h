/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest's RAM. It is anonymous memory, to which Debian's kernels give huge pages; where another process
 * serves a device it is a file without a name, which that process maps.
 */
#ifndef HUSK_WORKER_RAM_H
#define HUSK_WORKER_RAM_H

#include <stddef.h>

#include "worker/fail.h"

struct machine;

/* Map the RAM of m->config, shared if that says so; on failure one line is printed */
enum husk_status ram_map(struct machine *m);
void ram_unmap(struct machine *m);
/* Give whole pages of it back to the host: at their next use they are new, and zero */
void ram_release(const struct machine *m, void *start, size_t length);

#endif
