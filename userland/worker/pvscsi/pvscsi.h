/* SPDX-License-Identifier: GPL-2.0 */
/*
 * VMware's paravirtual SCSI adapter (PCI 15ad:07c0), as Linux's drivers/scsi/vmw_pvscsi.h describes
 * it, with one disk, target 0: registers and commands here, rings and SCSI in the module.
 */
#ifndef HUSK_WORKER_PVSCSI_H
#define HUSK_WORKER_PVSCSI_H

#include <stdbool.h>

#include "lib/status.h"

struct machine;

/* options: a struct disk_options */
enum husk_status pvscsi_create(struct machine *m, void *options);

/* Change the limits of the disk of a number, as block_change() does. false: it is no disk of ours */
bool pvscsi_change(struct machine *m, unsigned int number, char *changes, const char **why);

#endif
