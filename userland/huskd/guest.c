// SPDX-License-Identifier: GPL-2.0
/*
 * The VMs that huskd looks after: from a request, or a link in the autostart folder, to
 * the worker's end and what follows from it. What must outlive huskd is in state
 * files and in the kernel: a new huskd finds them there and goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "huskd/huskd.h"
#include "lib/tools.h"

#define JAIL_UIDS	0x70010000U	/* 65,536 users that systemd's list of ranges leaves free */
#define DELAY_MIN_MS	1000		/* before a VM is started again: doubled each time, up to */
#define DELAY_MAX_MS	60000
#define STEADY_MS	60000		/* a VM that ran so long was well */
#define AUTOSTARTED	HUSK_RUN "/autostarted"	/* since the boot */

enum phase { STARTING, RUNNING, WAITING };

struct guest {
	char name[HUSK_NAME_LEN];
	enum phase phase;
	struct watch end;		/* the worker's pidfd */
	struct watch lifeline;		/* while it is STARTING */
	pid_t pid;
	bool child;			/* ours to wait for: not adopted */
	uid_t jail;
	uint64_t token;			/* of who wants to hear that it runs; 0: nobody */
	uint64_t then_token;		/* of who wants it to be started when it is over; 0: nobody */
	uid_t then_who;
	long long since, again;		/* ms: the start; when to start again */
	long long delay;
	struct guest *next;
};

static struct guest *guests;

static struct guest *find(const char *name)
{
	struct guest *g;

	for (g = guests; g && strcmp(g->name, name); g = g->next)
		;
	return g;
}

static void on_end(struct watch *watch);
static void on_lifeline(struct watch *watch);

bool vm_is_ours(const char *name)
{
	struct guest *g = find(name);

	return g && g->phase != WAITING;
}

static struct guest *add(const char *name)
{
	struct guest *g = find(name);

	if (g)
		return g;
	g = calloc(1, sizeof(*g));
	if (!g)
		return NULL;
	snprintf(g->name, sizeof(g->name), "%s", name);
	g->end = (struct watch){ -1, on_end };
	g->lifeline = (struct watch){ -1, on_lifeline };
	g->phase = WAITING;
	g->next = guests;
	guests = g;
	return g;
}

static void drop(struct guest *g)
{
	struct guest **at;

	for (at = &guests; *at != g; at = &(*at)->next)
		;
	*at = g->next;
	loop_remove(&g->end);
	loop_remove(&g->lifeline);
	free(g);
}

static void done(struct guest *g, int error, const char *message)
{
	if (g->token)
		answer(g->token, error, error ? 0 : vm_id_of(g->name), message);
	g->token = 0;
}

/* ---- starting ---- */

/* The lowest that no VM has */
static uid_t free_uid(void)
{
	uid_t uid = JAIL_UIDS;
	struct guest *g = guests;

	while (g) {
		if (g->phase != WAITING && g->jail == uid) {
			uid++;
			g = guests;
		} else {
			g = g->next;
		}
	}
	return uid;
}

static int owner_of(const struct husk_definition *d, uid_t *uid, char *why, size_t room)
{
	struct passwd *user = *d->owner ? getpwnam(d->owner) : NULL;

	*uid = user ? user->pw_uid : 0;
	if (user || !*d->owner)
		return 0;
	snprintf(why, room, "%s: owner = %s: there is no such user", d->name, d->owner);
	return EINVAL;
}

static int watch_worker(struct guest *g, const struct worker *w, uid_t jail)
{
	g->jail = jail;
	g->pid = w->pid;
	g->child = true;
	g->phase = STARTING;
	g->since = now_ms();
	g->end.fd = w->pidfd;
	g->lifeline.fd = w->lifeline;
	return loop_add(&g->end) < 0 || loop_add(&g->lifeline) < 0 ? -1 : 0;
}

/* The state file's lock keeps a second worker away, also one of another huskd's. */
static int launch(const struct husk_definition *d, uid_t owner, uint64_t token, char *why, size_t room)
{
	struct guest *g = add(d->name);
	uid_t jail = free_uid();
	struct worker w;
	bool locked = false;
	int state = g ? state_open(d->name, true, &locked) : -1, err = 0;

	if (state < 0 || (locked && worker_start(&w, d, state, jail, owner) < 0)) {
		err = g ? errno : ENOMEM;
		snprintf(why, room, "%s: no worker: %s", d->name, strerror(err));
	} else if (!locked) {
		err = EEXIST;
		snprintf(why, room, "%s: it has a worker already", d->name);
	} else if (watch_worker(g, &w, jail) < 0) {
		/* it ends with its lifeline */
		err = errno;
		snprintf(why, room, "%s: it can't be looked after: %s", d->name, strerror(err));
		g->phase = WAITING;
	}
	if (state >= 0)
		close(state);
	if (!err) {
		g->token = token;
	} else if (g && !g->delay) {
		if (locked)
			state_remove(d->name);
		drop(g);
	}
	return err;
}

static bool may_start(uid_t who, uid_t owner)
{
	return !who || who == owner;
}

/* 0, or an errno with why; then nothing was started. */
static int start(const char *name, uid_t who, uint64_t token, char *why, size_t room)
{
	char path[HUSK_DEFINITION_PATH];
	struct husk_definition d;
	struct guest *g = find(name);
	uid_t owner;
	int err;

	husk_definition_path(path, HUSK_DEFINITIONS, name, ".conf");
	err = husk_name_valid(name) ? -husk_definition_read(&d, path, name, why, room) : ENOENT;
	if (err) {
		if (err == ENOENT)
			snprintf(why, room, "no VM is defined as %s: 'husk create' does it, 'husk ls --all' lists them", name);
		goto free;
	}
	err = owner_of(&d, &owner, why, room);
	if (!err && !may_start(who, owner)) {
		snprintf(why, room, "%s is not yours: root starts it, or the user whom its definition names as owner", name);
		err = EPERM;
	}
	if (!err && g && g->phase == RUNNING && token && !g->then_token && !vm_id_of(name)) {
		/* The VM is gone already, its worker is not: husk restart is that quick. */
		g->then_token = token;
		g->then_who = who;
		goto free;
	}
	if (!err && g && g->phase != WAITING) {
		snprintf(why, room, "%s %s", name, g->phase == STARTING ? "is being started" : "is running");
		err = EEXIST;
	}
	if (!err)
		err = launch(&d, owner, token, why, room);
free:
	if (husk_name_valid(name))
		husk_definition_free(&d);
	return err;
}

void guest_request(const struct husk_nl_request *request)
{
	char why[HUSK_START_MESSAGE_LEN] = "";
	int err = start(request->name, request->uid, request->token, why, sizeof(why));

	if (err)
		answer(request->token, err, 0, why);
}

/* It says that the guest runs, or that it has ended; then on_end() knows more. */
static void on_lifeline(struct watch *watch)
{
	struct guest *g = (struct guest *)((char *)watch - offsetof(struct guest, lifeline));
	char line[HUSK_NAME_LEN + 8] = "";
	ssize_t n = recv(watch->fd, line, sizeof(line) - 1, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0 && !strncmp(line, "ready ", 6)) {
		send(watch->fd, "detach", 6, MSG_NOSIGNAL);	/* if it fails, the guest is over already */
		g->phase = RUNNING;
		say("%s: runs, process %d", g->name, g->pid);
		done(g, 0, "");
	}
	loop_remove(watch);
}

/* ---- ends ---- */

/* It left no word: what else is known */
static void guess(struct guest *g, struct state *s)
{
	int status = 0;

	s->status = HUSK_STATUS_FAIL;
	if (g->child && waitpid(g->pid, &status, WNOHANG) == g->pid && WIFEXITED(status)) {
		s->status = WEXITSTATUS(status);
		log_last_line(g->name, s->text, sizeof(s->text));
	} else if (g->child && WIFSIGNALED(status)) {
		snprintf(s->text, sizeof(s->text), "the worker was ended by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	}
	if (!*s->text)
		strcpy(s->text, "the worker ended without a word");
}

static bool again(const char *name, const struct state *s)
{
	char path[HUSK_DEFINITION_PATH], why[256];
	struct husk_definition d;
	bool yes = false;

	husk_definition_path(path, HUSK_DEFINITIONS, name, ".conf");
	if (!husk_definition_read(&d, path, name, why, sizeof(why)) && !s->asked)
		yes = d.restart == HUSK_RESTART_ALWAYS ||
		      (d.restart == HUSK_RESTART_ON_FAILURE && (s->status == HUSK_STATUS_CRASH || s->status == HUSK_STATUS_FAIL));
	husk_definition_free(&d);
	return yes;
}

static void clean(const char *name, const char *what)
{
	char path[HUSK_DEFINITION_PATH];

	cgroup_remove(name);
	logs_keep(name, what);
	husk_definition_path(path, HUSK_RUN, name, ".sock");
	unlink(path);
}

/* The state file stays while it waits: who removes it does not want it to be started again. */
static void wait_again(struct guest *g)
{
	bool steady = g->since && now_ms() - g->since > STEADY_MS;

	g->delay = steady || !g->delay ? DELAY_MIN_MS : g->delay * 2 > DELAY_MAX_MS ? DELAY_MAX_MS : g->delay * 2;
	g->again = now_ms() + g->delay;
	g->phase = WAITING;
	say("%s: is started again in %lld s", g->name, g->delay / 1000);
}

static void ended(struct guest *g, struct state *s)
{
	bool ran = g->phase == RUNNING;
	struct husk_nl_request then = { .token = g->then_token, .uid = g->then_who };

	if (!s->over)
		guess(g, s);
	else if (g->child)
		waitpid(g->pid, NULL, WNOHANG);
	say("%s: has ended: %s", g->name, s->text);
	done(g, EIO, s->text);
	clean(g->name, s->text);
	if (then.token) {
		strcpy(then.name, g->name);
		state_remove(g->name);
		drop(g);
		guest_request(&then);
		return;
	}
	if (ran && again(g->name, s)) {
		wait_again(g);
		return;
	}
	/* one that was to be started again, and can't: it goes on waiting */
	if (!ran && g->delay && state_exists(g->name)) {
		wait_again(g);
		return;
	}
	state_remove(g->name);
	drop(g);
}

static void on_end(struct watch *watch)
{
	struct guest *g = (struct guest *)((char *)watch - offsetof(struct guest, end));
	struct state s;

	state_read(g->name, &s);
	/* what it said last may be here still */
	if (g->lifeline.fd >= 0)
		on_lifeline(&g->lifeline);
	loop_remove(&g->lifeline);
	loop_remove(&g->end);
	ended(g, &s);
}

/* ---- time ---- */

int guests_timeout(void)
{
	long long now = now_ms(), least = -1;

	for (struct guest *g = guests; g; g = g->next) {
		long long left = g->again > now ? g->again - now : 0;

		if (g->phase == WAITING && (least < 0 || left < least))
			least = left;
	}
	return least;
}

static bool is_defined(const char *name)
{
	char path[HUSK_DEFINITION_PATH];

	husk_definition_path(path, HUSK_DEFINITIONS, name, ".conf");
	return !access(path, F_OK);
}

static void start_again(struct guest *g)
{
	char why[HUSK_START_MESSAGE_LEN] = "", name[HUSK_NAME_LEN];

	strcpy(name, g->name);
	if (!state_exists(name)) {
		say("%s: is not started again", name);
		drop(g);
		return;
	}
	if (!start(name, 0, 0, why, sizeof(why)))
		return;
	say("%s: can't be started again: %s", name, why);
	g = find(name);
	if (g && is_defined(name)) {
		wait_again(g);
	} else if (g) {
		state_remove(name);
		drop(g);
	}
}

void guests_look(void)
{
	struct guest *g = guests, *next;

	for (; g; g = next) {
		next = g->next;
		if (g->phase == WAITING && g->again <= now_ms()) {
			start_again(g);
			return;		/* the list may be another now; we are asked again at once */
		}
	}
}

/* ---- a new huskd ---- */

/* A worker that had not said that its guest runs ends by itself when its huskd is gone. */
static void end_half_started(struct guest *g)
{
	struct pollfd fd = { g->end.fd, POLLIN, 0 };

	pidfd_send_signal(g->end.fd, SIGKILL, NULL, 0);
	poll(&fd, 1, 5000);
}

static bool runs(const struct guest *g)
{
	return vm_id_of(g->name) != 0;
}

/* If the lock is still held when we have the process, it is the process that holds it. */
static bool take(struct guest *g, const struct state *s)
{
	bool locked;
	int fd, pidfd = s->pid > 0 ? pidfd_open(s->pid, 0) : -1;

	if (pidfd < 0)
		return false;
	fd = state_open(g->name, false, &locked);
	if (fd >= 0)
		close(fd);
	g->end.fd = pidfd;
	if (fd < 0 || locked || loop_add(&g->end) < 0) {
		loop_remove(&g->end);
		return false;
	}
	return true;
}

static int adopt(const char *name, void *arg)
{
	struct state s;
	struct guest *g;
	bool locked;
	int fd = state_open(name, false, &locked);

	(void)arg;
	if (fd < 0)
		return 0;
	state_read(name, &s);
	close(fd);
	g = add(name);
	if (!g)
		return 0;
	g->pid = s.pid;
	g->jail = s.jail;
	g->phase = RUNNING;
	if (!locked && take(g, &s)) {
		if (runs(g)) {
			say("%s: runs on, process %d", name, g->pid);
			return 0;
		}
		g->phase = STARTING;
		end_half_started(g);
		on_end(&g->end);
		return 0;
	}
	/* it ended while nobody looked; or it waits to be started again, and has been cleaned up after */
	ended(g, &s);
	return 0;
}

void guests_adopt(void)
{
	state_names(adopt, NULL);
}

static int autostart(const char *name, void *arg)
{
	char why[HUSK_START_MESSAGE_LEN] = "";

	(void)arg;
	if (!find(name) && start(name, 0, 0, why, sizeof(why)))
		say("%s: does not start: %s", name, why);
	return 0;
}

/* Once a boot: who stops a VM does not want it back because huskd is started again. */
void guests_autostart(void)
{
	int fd, err;

	if (!access(AUTOSTARTED, F_OK))
		return;
	err = husk_definition_names(HUSK_AUTOSTART, autostart, NULL);
	if (err < 0)
		say("%s: %s", HUSK_AUTOSTART, strerror(-err));
	fd = open(AUTOSTARTED, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
}
