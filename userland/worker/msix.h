/* SPDX-License-Identifier: GPL-2.0 */
/* MSI-X (PCI 3.0, 6.8.2): a device's table of messages. The machine's lock is held around every call. */
#ifndef HUSK_WORKER_MSIX_H
#define HUSK_WORKER_MSIX_H

#include "worker/pci.h"

#define MSIX_VECTORS	32	/* at most, of a device: bits of @pending */
#define MSIX_PBA	0x800	/* in the BAR; the table is at 0 */
#define MSIX_BAR_SIZE	0x1000

struct msix_entry {
	uint64_t address;
	uint32_t data;
	uint32_t control;		/* bit 0: masked */
};

/* Where messages go. All but send may be NULL */
struct msix_ops {
	void (*send)(void *ctx, uint64_t address, uint32_t data);
	/* a message's address, data or mask, or the switch of them all, may have changed */
	void (*changed)(void *ctx);
};

struct msix {
	struct pci_device *dev;
	const struct msix_ops *ops;
	void *ctx;
	unsigned int cap, count;
	struct msix_entry entry[MSIX_VECTORS];
	uint32_t pending;		/* bit for each vector */
};

/* Give the device the capability and the BAR; vectors 1..MSIX_VECTORS. ctx: of ops */
void msix_init(struct msix *msix, struct pci_device *dev, unsigned int bar, unsigned int vectors,
	       const struct msix_ops *ops, void *ctx);
void msix_reset(struct msix *msix);
/* To be called by pci_ops.written */
void msix_written(struct msix *msix, unsigned int reg, unsigned int width);
/* Has the guest switched it on? Then there is no INTx. */
bool msix_enabled(const struct msix *msix);
/* Is the message one that may be sent now? */
bool msix_open(const struct msix *msix, unsigned int vector);
/* Send the message, or remember it while it is masked. A vector that is not there: nothing */
void msix_notify(struct msix *msix, unsigned int vector);

#endif
