/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The two PCI devices that are the board: the host bridge of Intel's Q35 (3 Series
 * Express Chipset, 319966) and the LPC bridge of the ICH9 (316972). Of their registers
 * those that firmware uses to find its way; what else it writes there has no effect.
 */
#ifndef HUSK_WORKER_Q35_H
#define HUSK_WORKER_Q35_H

#include "worker/pci.h"

#define Q35_LPC_SLOT	31

struct q35 {
	struct pci_device host, lpc;
};

void q35_init(struct q35 *q35, struct pci *pci);

#endif
