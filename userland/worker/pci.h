/* SPDX-License-Identifier: GPL-2.0 */
/*
 * PCI (PCI Local Bus 3.0, PCI Express 3.0 chapter 7): bus 0 with up to 32 devices of
 * one function each. The machine's lock is held around every call.
 */
#ifndef HUSK_WORKER_PCI_H
#define HUSK_WORKER_PCI_H

#include <stdbool.h>
#include <stdint.h>

#include "worker/bus.h"

#define PCI_SLOTS	32
#define PCI_CONFIG	256
#define PCI_BARS	6
#define PCI_LINES	4		/* INTA..INTD */

/* Header type 0, PCI 3.0 6.1 */
#define PCI_VENDOR	0x00
#define PCI_DEVICE	0x02
#define PCI_COMMAND	0x04
#define PCI_STATUS	0x06
#define PCI_REVISION	0x08
#define PCI_CLASS	0x09		/* three bytes: interface, subclass, class */
#define PCI_HEADER_TYPE	0x0e
#define PCI_BAR0	0x10
#define PCI_SUBVENDOR	0x2c
#define PCI_SUBDEVICE	0x2e
#define PCI_CAPS	0x34
#define PCI_LINE	0x3c
#define PCI_PIN		0x3d
#define PCI_HEADER	0x40		/* the device's own registers begin */

#define PCI_COMMAND_IO		0x0001
#define PCI_COMMAND_MEMORY	0x0002
#define PCI_COMMAND_MASTER	0x0004
#define PCI_COMMAND_NO_INTX	0x0400
#define PCI_STATUS_INTX		0x0008
#define PCI_STATUS_CAPS		0x0010

enum pci_bar_kind { PCI_BAR_NONE, PCI_BAR_IO, PCI_BAR_MEM32, PCI_BAR_MEM64 };

struct pci;
struct pci_device;
struct show;

/**
 * struct pci_ops - what a device does beside being registers
 * @written: the guest wrote config space, which has the new values already. May be NULL
 * @read: the guest is about to read config space. May be NULL
 * @moved: a BAR is at another address now, or nowhere. May be NULL
 * @reset: to power-on state; config space has been. May be NULL
 * @show: more about the device. May be NULL
 * @destroy: by pci_destroy(). NULL: somebody else does
 */
struct pci_ops {
	void (*written)(struct pci_device *dev, unsigned int reg, unsigned int width);
	void (*read)(struct pci_device *dev, unsigned int reg, unsigned int width);
	void (*moved)(struct pci_device *dev);
	void (*reset)(struct pci_device *dev);
	void (*show)(struct pci_device *dev, struct show *show);
	void (*destroy)(struct pci_device *dev);
};

struct pci_bar {
	enum pci_bar_kind kind;
	struct bus_range range;		/* base: where it is, if mapped */
	bool mapped;
};

/* Members are set up before pci_add(), but those that say otherwise */
struct pci_device {
	const struct pci_ops *ops;
	const char *name;
	const char *boot_disk;		/* its disk, below it, as Open Firmware has it; NULL: none */
	struct pci *pci;		/* by pci_add() */
	uint8_t slot;			/* by pci_add() */
	uint8_t config[PCI_CONFIG];
	uint8_t power_on[PCI_CONFIG];	/* by pci_add(): config's content then */
	uint8_t writable[PCI_CONFIG];	/* bits that the guest can change */
	uint8_t last_cap, caps_end;	/* by pci_add_cap() */
	struct pci_bar bar[PCI_BARS];
	bool intx;			/* the level it wants */
	bool asserted;			/* the level it drives: @intx, unless the guest forbids */
};

/* What the bus is wired to */
struct pci_wires {
	struct bus *ports, *memory;
	void (*gsi)(void *ctx, unsigned int gsi, bool level);
	void *ctx;
};

struct pci {
	struct pci_wires wires;
	struct pci_device *device[PCI_SLOTS];
	uint32_t address;		/* CONFIG_ADDRESS, PCI 3.0 3.2.2.3.2 */
	struct bus_range config_ports, ecam;
	unsigned int asserted[PCI_LINES];	/* devices that drive INTA..INTD of the bus */
	uint8_t route[PCI_LINES];	/* ISA interrupt of each for the 8259; 0x80: none */
};

/* Fill in the registers that never change */
void pci_init_device(struct pci_device *dev, uint16_t vendor, uint16_t device, uint32_t class_code, uint8_t revision);
void pci_put16(struct pci_device *dev, unsigned int reg, uint16_t value);
void pci_put32(struct pci_device *dev, unsigned int reg, uint32_t value);
uint16_t pci_get16(const struct pci_device *dev, unsigned int reg);
uint32_t pci_get32(const struct pci_device *dev, unsigned int reg);
/* A capability of so many bytes, head included, all zero but the head; its place, 0: no room */
unsigned int pci_add_cap(struct pci_device *dev, uint8_t id, unsigned int length);
/* A base address register; size a power of two, 4 or more for ports, 16 for memory. MEM64 takes index + 1, too */
void pci_add_bar(struct pci_device *dev, unsigned int index, enum pci_bar_kind kind, const struct bus_range *range);

void pci_init(struct pci *pci, const struct pci_wires *wires);
/* Put a complete device into a slot; it stays for good. -1: no such slot, or taken */
int pci_add(struct pci *pci, struct pci_device *dev, unsigned int slot);
/* All to power-on state */
void pci_reset(struct pci *pci);
/* End the devices that know how */
void pci_destroy(struct pci *pci);
/* Give every BAR an address and switch it on, as a firmware does. */
void pci_assign(struct pci *pci);

/* The level that a device wants on its INTA */
void pci_set_intx(struct pci_device *dev, bool level);
/* GSI of a slot's INTA */
unsigned int pci_gsi(const struct pci_device *dev);
/* ISA interrupt to which an INTx of the bus also goes; 0x80: none */
void pci_route(struct pci *pci, unsigned int line, uint8_t irq);
/* Where the memory-mapped config space of bus 0 is; 0: nowhere */
void pci_set_ecam(struct pci *pci, uint64_t base);

#endif
