/* SPDX-License-Identifier: GPL-2.0 */
/*
 * --export: a guest serves a disk of another VM. export.c is the device (export_page.h), and has the client's
 * memory; export_server.c speaks vhost-user with the client's worker. Neither guest is trusted by this worker: what comes from the
 * client is bounded here before the serving guest sees it, and what that says before the client does. The serving guest has all
 * of the client's memory, as any back-end of vhost-user.
 */
#ifndef HUSK_WORKER_EXPORT_H
#define HUSK_WORKER_EXPORT_H

#include "worker/export_page.h"
#include "worker/fail.h"
#include "worker/loop.h"
#include "worker/pci.h"
#include "worker/virtio/vhost_user_msg.h"

struct machine;
struct show;

/* A queue of the client's */
struct export_line {
	struct export *export;
	int call;		/* its eventfd; -1: none yet */
	struct watch kick;	/* by the client; fd -1: it gave none */
	bool watched;
	uint64_t address;	/* where the module signals it; 0: nowhere */
	struct export_queue queue;	/* to be, once it is enabled */
};

struct export {
	struct machine *machine;
	struct pci_device pci;
	struct export_page *page;	/* shared with the guest: its half is read once */
	uint64_t page_at, window_at;	/* where they are in the guest's memory; 0: nowhere */

	uint8_t *window;		/* where the client's memory is in the worker, and nothing else ever */
	uint8_t *memory;		/* the client's: window; NULL: none */
	uint64_t bytes, client_base;	/* how much; the address that the client's worker has it at */
	struct export_line line[EXPORT_QUEUES];

	struct watch listener, client;	/* fd -1: nobody */
	uint64_t protocol;
	struct message msg;		/* that comes */
	size_t have;			/* bytes of it */
	int fd;				/* that came with it; -1: none */
	bool waits;			/* for the guest to see a change, to answer msg */
	bool armed;			/* the guest wants an interrupt */
	uint32_t sessions;
};

/* export.c */
/* What the client may see of the guest's half: its queues, and features */
unsigned int export_queues(const struct export *e);
uint64_t export_features(const struct export *e);
/* Tell the guest */
void export_changed(struct export *e);
bool export_seen(const struct export *e);
/* The client's memory: a file that can't become shorter. -1 with errno */
int export_map(struct export *e, int fd, uint64_t offset, uint64_t bytes);
/* The client is gone: the guest is told; its memory goes when that was seen */
void export_leave(struct export *e);
/* An eventfd for a queue's interrupt, which is ours now, -1: none. -1: it is none */
int export_set_call(struct export *e, unsigned int queue, int fd);
/* One for its kicks; ours unless -1 is returned: it is none */
int export_set_kick(struct export *e, unsigned int queue, int fd);

/* export_server.c */
enum husk_status export_listen(struct export *e);
/* The guest has notified */
void export_look(struct export *e);
void export_hang_up(struct export *e);

#endif
