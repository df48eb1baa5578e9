/* SPDX-License-Identifier: GPL-2.0 */
/* Port accesses of the guest that reach the worker. */
#ifndef HUSK_WORKER_IOPORTS_H
#define HUSK_WORKER_IOPORTS_H

#include <stdbool.h>
#include <stdint.h>

struct machine;

/* One access; width is 1, 2 or 4. A read stores *data, zero-extended. vCPU thread. */
void ioport_access(struct machine *m, uint16_t port, uint8_t width, bool write, uint32_t *data);

#endif
