/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The PCI device of --export, by which a guest serves a disk of another VM, the client: as its driver sees it.
 * It is EXPORT_VENDOR, EXPORT_DEVICE. BAR 0 is memory, a struct export_page. BAR 1 are doorbells, 32 bits each: writing the one of a queue, at
 * 4 times its number, interrupts the client; EXPORT_AT_NOTIFY says that the driver's half of the page has changed; EXPORT_AT_WAIT
 * asks for an interrupt (INTx), one, at the client's next kick or when @change becomes another number, and ends the one before it.
 * BAR 2 is the client's memory from its address 0 on, while there is one.
 *
 * The driver fills in config, features and queues, sets ready, and notifies. Then it looks at @change: when that is another
 * number, it reads session and the queues, stops those that run no more, starts those that do now, stores where the stopped
 * ones are, and at last the number into change_seen, and notifies. In an even session there is no client: when that is seen, BAR 2 is
 * let go of. Kicks from before EXPORT_AT_WAIT was written are forgotten: then the driver asks the rings for kicks, looks once more,
 * and waits.
 */
#ifndef HUSK_WORKER_EXPORT_PAGE_H
#define HUSK_WORKER_EXPORT_PAGE_H

#include <stdint.h>

#define EXPORT_VENDOR	0x4855
#define EXPORT_DEVICE	0x0001
#define EXPORT_MAGIC	0x6b737568	/* "husk" */
#define EXPORT_QUEUES	8
#define EXPORT_CONFIG	60		/* bytes: virtio 1.2, 5.2.4 */
#define EXPORT_WINDOW	(256U << 20)	/* size of BAR 2: how much memory a client can have */
#define EXPORT_AT_NOTIFY 0x100
#define EXPORT_AT_WAIT	0x104

/* Addresses are the client's */
struct export_queue {
	uint64_t desc, avail, used;
	uint16_t entries, base;		/* base: chains that were taken before */
	uint32_t running;
};

struct export_page {
	/* the device's half */
	uint32_t magic, change, session, writeback;
	uint64_t bytes, features;	/* of BAR 2 that are memory; features that the client's driver has accepted */
	struct export_queue queue[EXPORT_QUEUES];
	uint8_t pad[2048 - 32 - EXPORT_QUEUES * sizeof(struct export_queue)];
	/* the driver's */
	uint32_t ready, queues;
	uint64_t offered;
	uint8_t config[64];
	uint32_t change_seen;
	uint16_t stopped_at[EXPORT_QUEUES];
	uint8_t pad2[2048 - 84 - 2 * EXPORT_QUEUES];
};
_Static_assert(sizeof(struct export_page) == 4096 && sizeof(struct export_queue) == 32, "a page");

#endif
