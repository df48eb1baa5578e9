/* SPDX-License-Identifier: GPL-2.0 */
/* huskd: what its files share. One thread, one epoll(7) set. */
#ifndef HUSKD_H
#define HUSKD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/definition.h"
#include "lib/netlink.h"


/* main.c: a line for the journal, or the terminal */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* loop.c: descriptors that are waited for */
struct watch {
	int fd;
	void (*ready)(struct watch *watch);
};

int loop_init(void);				/* 0, or -1 with errno */
int loop_add(struct watch *watch);		/* the same */
void loop_remove(struct watch *watch);		/* and close it; -1 is none */
/* Wait, ms at most (-1: for ever), and call what is ready. */
void loop_round(int ms);
long long now_ms(void);				/* CLOCK_MONOTONIC */

/* notify.c: systemd, if it has started us; see sd_notify(3) */
void notify(const char *state);
#define BEAT_MS	10000
int watchdog_ms(void);				/* how often to say so; BEAT_MS at most */

/* cgroup.c: each VM's own, HUSK_CGROUPS/vm-NAME, without which huskd works, too */
#define HUSK_CGROUPS	"/sys/fs/cgroup/husk"
/* 0, or -1 with errno: it can't be limited, and that has been said */
int cgroup_make(const struct husk_definition *d);
int cgroup_join(const char *name);		/* the calling process; -1 with errno */
void cgroup_remove(const char *name);		/* with all processes that are left in it */

/* worker.c: a VM's process and its descriptors */
struct worker {
	pid_t pid;
	int pidfd;
	int lifeline;
};
/*
 * Start one. @state: the VM's state file, locked, for reading; the worker holds the lock as long as
 * it lives. @owner: whose the VM is. -1 with errno
 */
int worker_start(struct worker *worker, const struct husk_definition *d, int state, uid_t jail, uid_t owner);

/*
 * logs.c: what a worker says goes to files of its own in HUSK_RUN_LOGS, a small file system in memory
 * for nothing else: it can't fill a disk, or /run. At the end the last of it is added to NAME.log in HUSK_LOGS, and the last
 * of its console replaces NAME.console there.
 */
int log_open(const char *name, const char *suffix);	/* a new one; -1 with errno */
/* The end of a file; how much, 0 also if there is none */
size_t read_tail(const char *dir, const char *name, const char *suffix, char *text, size_t room);
void make_plain(char *text);				/* bytes that are not printable ASCII become '?' */
/* The last line that the worker has said, or "" */
void log_last_line(const char *name, char *line, size_t room);
/* Keep them, with @what happened at the end, and remove those of HUSK_RUN_LOGS */
void logs_keep(const char *name, const char *what);

/* state.c: /run/husk/NAME.vm and NAME.end, what has to outlive huskd */
struct state {
	pid_t pid;		/* 0: none was started */
	uid_t jail;
	long long start;	/* as process_start() has it */
	bool ran;		/* its guest */
	bool over;		/* the worker has left a word */
	int status;		/* HUSK_STATUS_x */
	bool asked;		/* somebody wanted it to end */
	char text[128];
};
/* Open it for reading, made if @create; -1 with errno. *@locked: is it ours, i.e. is no worker there? */
int state_open(const char *name, bool create, bool *locked);
int state_write(const char *name, pid_t pid, uid_t jail, bool ran);	/* -1 with errno */
long long process_start(pid_t pid);	/* when it began, in ticks since the boot; -1: there is none */
void state_read(const char *name, struct state *state);
void state_remove(const char *name);
bool state_exists(const char *name);
/* The VMs that have one */
int state_names(int (*fn)(const char *name, void *arg), void *arg);

/* guest.c, start.c, end.c, adopt.c: the VMs that huskd looks after, see guest.h */
void guests_adopt(void);
void guests_autostart(void);
/* ms until something is to be done, -1: never */
int guests_timeout(void);
void guests_look(void);
/* A start was asked for; the answer goes out by answer(), now or later. */
void guest_request(const struct husk_nl_request *request);
/* Something that the kernel tells of a VM: HUSK_LIFE_x; and it may have told what was lost */
void guest_event(const char *name, uint32_t kind);
void guests_look_again(void);

/* main.c */
void answer(uint64_t token, int error, uint32_t vm_id, const char *message);
bool vm_of(const char *name, struct husk_nl_vm *vm);	/* a live VM; false: none */
uint32_t vm_id_of(const char *name);			/* 0: none */

#endif
