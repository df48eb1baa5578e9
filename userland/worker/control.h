/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The worker's connections to the outside, all served by the main thread:
 *
 * - the control socket: a client sends one line:
 *	console		the connection carries the console's raw bytes both ways,
 *			beginning with the last 64 KiB of output
 *	output		is answered with the last 64 KiB of the console's output
 *	quit		ends the VM
 *	show, show-json	is answered with the machine as the guest sees it
 *	balloon BYTES	sets the balloon's size; is answered "ok", or why not
 *	disk N CHANGES	changes the disk of that number: see block_change(); likewise. A connection to
 *			a back-end may come with the line, if a disk has one
 * - the lifeline, a seqpacket socket to the process that started the worker:
 *   it is told "ready NAME" when the guest runs, and may send "detach". When
 *   it closes without that, the VM ends with it.
 * - the last word, a file that the daemon has given: one line tells it how the VM ended,
 *   "STATUS ASKED TEXT", where ASKED is 1 if somebody outside wanted that
 * - SIGTERM, SIGINT and SIGHUP end the VM.
 */
#ifndef HUSK_WORKER_CONTROL_H
#define HUSK_WORKER_CONTROL_H

#include <sys/types.h>

#include "worker/machine.h"

#define CONTROL_CLIENTS	8
#define CONTROL_LINE	64

struct client {
	int fd;			/* -1: free */
	bool console;		/* it said so */
	bool done;		/* everything was sent and our end is shut */
	char line[CONTROL_LINE];
	size_t line_len;
	int passed;		/* a descriptor that came with the line; -1: none */
	uint64_t cursor;	/* in the console's output */
};

struct control {
	struct console *console;
	struct config *config;
	int listener, signals, null;
	int log;		/* for after the terminal; -1: none is needed */
	ino_t inode;		/* of the socket file we made */
	struct client client[CONTROL_CLIENTS];
	uint8_t input[4096];	/* bytes typed for the guest */
	size_t input_len;
	bool detached;
	bool attached;		/* a console was there, once */
};

enum husk_status control_init(struct control *ctl, struct config *config, struct console *console);
/* Make the socket; once the kernel has given us the name. */
enum husk_status control_listen(struct control *ctl);
/* Tell the lifeline that the guest runs. */
void control_ready(struct control *ctl);
/* Serve until the machine ends. */
void control_serve(struct control *ctl, struct machine *m);
/* Let clients have the rest of the output, and hang up. */
void control_flush(struct control *ctl, struct machine *m);
void control_fini(struct control *ctl, bool keep_log);

#endif
