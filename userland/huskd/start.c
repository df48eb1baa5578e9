// SPDX-License-Identifier: GPL-2.0
/* How a VM begins: from a request, its definition and its rights to a worker that says that its guest runs. */
#include <errno.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "huskd/guest.h"

#define JAIL_UIDS	0x70010000U	/* users that systemd's list of ranges leaves free */

/* The lowest that no VM has; 0: no memory */
static uid_t free_uid(void)
{
	unsigned int count = 0, at = 0;
	struct guest *g;
	bool *used;

	for (g = guests; g; g = g->next)
		count++;
	used = calloc(count + 1, sizeof(*used));
	if (!used)
		return 0;
	for (g = guests; g; g = g->next)
		if (g->phase != WAITING && g->jail - JAIL_UIDS < count)
			used[g->jail - JAIL_UIDS] = true;
	while (used[at])
		at++;
	free(used);
	return JAIL_UIDS + at;
}

/* It says that the guest runs, or that it has ended; then guest_on_end() knows more. */
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
		g->deadline = 0;
		state_write(g->name, g->pid, g->jail, true);
		say("%s: runs, process %d", g->name, g->pid);
		guest_answer(g, 0, "");
	}
	loop_remove(watch);
}

static int watch_worker(struct guest *g, const struct worker *w, uid_t jail)
{
	g->jail = jail;
	g->pid = w->pid;
	g->child = true;
	g->half = g->asked = false;
	g->phase = STARTING;
	g->since = now_ms();
	g->deadline = g->since + START_MS;
	g->end.fd = w->pidfd;
	g->lifeline = (struct watch){ w->lifeline, on_lifeline };
	return loop_add(&g->end) < 0 || loop_add(&g->lifeline) < 0 ? -1 : 0;
}

/* The state file's lock keeps a second worker away, also one of another huskd's. */
static int launch(const struct husk_definition *d, uid_t owner, uint64_t token, char *why, size_t room)
{
	struct guest *g = guest_add(d->name);
	uid_t jail = free_uid();
	struct worker w;
	bool locked = false;
	int state = g && jail ? state_open(d->name, true, &locked) : -1, err = 0;

	/* no room for its state is known before there is a worker */
	if (state < 0 || (locked && (state_write(d->name, 0, jail, false) < 0 || worker_start(&w, d, state, jail, owner) < 0))) {
		err = g && jail ? errno : ENOMEM;
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
		guest_drop(g);
	}
	return err;
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

static int start_defined(const struct husk_definition *d, const struct husk_nl_request *r, char *why, size_t room)
{
	struct guest *g = guest_find(d->name);
	struct husk_nl_vm vm;
	uid_t owner;
	int err = owner_of(d, &owner, why, room);

	if (err)
		return err;
	if (r->uid && r->uid != owner) {
		snprintf(why, room, "%s is not yours: root starts it, or the user whom its definition names as owner", d->name);
		return EPERM;
	}
	if (g && g->phase == RUNNING && r->token && !g->then.token && !vm_id_of(d->name)) {
		/* The VM is gone already, its worker is not: husk restart is that quick. */
		g->then = *r;
		return 0;
	}
	if (g && g->phase != WAITING) {
		snprintf(why, room, "%s %s", d->name, g->phase == STARTING ? "is being started" : "is running");
		return EEXIST;
	}
	if (vm_of(d->name, &vm)) {
		snprintf(why, room, "a VM that is called %s runs already, and is not the daemon's: user %u has it", d->name, vm.owner_uid);
		return EEXIST;
	}
	return launch(d, owner, r->token, why, room);
}

int guest_start(const struct husk_nl_request *r, char *why, size_t room)
{
	char path[HUSK_DEFINITION_PATH];
	struct husk_definition d = {};
	int err = ENOENT;

	husk_definition_path(path, HUSK_DEFINITIONS, r->name, ".conf");
	if (husk_name_valid(r->name))
		err = -husk_definition_read(&d, path, r->name, why, room);
	if (err == ENOENT)
		snprintf(why, room, "no VM is defined as %s: 'husk create' does it, 'husk ls --all' lists them", r->name);
	if (!err)
		err = start_defined(&d, r, why, room);
	husk_definition_free(&d);
	return err;
}

void guest_request(const struct husk_nl_request *request)
{
	char why[HUSK_START_MESSAGE_LEN] = "";
	int err = guest_start(request, why, sizeof(why));

	if (err)
		answer(request->token, err, 0, why);
}
