/* SPDX-License-Identifier: GPL-2.0 */
/* virtio-blk. */
#ifndef HUSK_WORKER_BLOCK_H
#define HUSK_WORKER_BLOCK_H

#include "lib/status.h"

struct machine;

/* options: a struct disk_options */
enum husk_status block_create(struct machine *m, void *options);

#endif
