/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A VM that huskd looks after. guest.c has the list of them, start.c how one begins, end.c
 * how it ends and begins again, adopt.c how a new huskd takes over.
 */
#ifndef HUSKD_GUEST_H
#define HUSKD_GUEST_H

#include "huskd/huskd.h"
#include "lib/tools.h"

#define START_MS	120000		/* a worker may take so long until its guest runs */
#define GONE_MS		30000		/* and so long to end when its VM is gone */
#define EVENT_LINES	20		/* that are said of a VM at most in EVENT_MS */
#define EVENT_MS	60000

enum phase { STARTING, RUNNING, WAITING };

struct guest {
	char name[HUSK_NAME_LEN];
	enum phase phase;
	struct watch end;		/* the worker's pidfd */
	struct watch lifeline;		/* while it is STARTING */
	pid_t pid;
	bool child;			/* ours to wait for: not adopted */
	bool half;			/* adopted before its guest ran: it is ended, and started again */
	bool asked;			/* somebody wants it to end */
	uid_t jail;
	uint64_t token;			/* of who wants to hear that it runs; 0: nobody */
	struct husk_nl_request then;	/* who wants it to be started when it is over; token 0: nobody */
	long long since;		/* ms: its start; 0: not by us */
	long long deadline;		/* ms: by then it runs, or has ended; 0: none */
	long long again, delay;		/* ms: while it is WAITING */
	long long lines_since;
	unsigned int lines;
	struct guest *next;
};

extern struct guest *guests;

struct guest *guest_find(const char *name);
struct guest *guest_add(const char *name);	/* or the one that is there; NULL: no memory */
void guest_drop(struct guest *g);
/* Answer who waits for it to run. */
void guest_answer(struct guest *g, int error, const char *message);

/* start.c: 0, or an errno with why; then nothing was started. */
int guest_start(const struct husk_nl_request *request, char *why, size_t room);

/* end.c */
void guest_on_end(struct watch *watch);
void guest_ended(struct guest *g, struct state *state);
/* One that has waited for it */
void guest_start_again(struct guest *g);

#endif
