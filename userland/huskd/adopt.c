// SPDX-License-Identifier: GPL-2.0
/* A new huskd: the VMs that an earlier one has left, and those that are started at boot. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "huskd/guest.h"

#define AUTOSTARTED	HUSK_RUN "/autostarted"	/* since the boot */

/* The process of that number is the worker if it began when that did, and holds the lock still. */
static bool take(struct guest *g, const struct state *s)
{
	bool locked;
	int fd;

	g->end.fd = s->pid > 0 ? pidfd_open(s->pid, 0) : -1;
	if (g->end.fd < 0)
		return false;
	fd = state_open(g->name, false, &locked);
	if (fd >= 0)
		close(fd);
	if (fd >= 0 && !locked && process_start(s->pid) == s->start && loop_add(&g->end) == 0)
		return true;
	loop_remove(&g->end);
	return false;
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
	g = guest_add(name);
	if (!g)
		return 0;
	g->pid = s.pid;
	g->jail = s.jail;
	g->phase = RUNNING;
	/* Its huskd was gone before its guest ran, of which it ends: what was begun is begun again. */
	g->half = !s.ran;
	s.asked &= s.ran;
	if (locked || !take(g, &s)) {
		/* it ended while nobody looked; or it waits to be started again, and has been cleaned up after */
		guest_ended(g, &s);
	} else if (g->half) {
		pidfd_send_signal(g->end.fd, SIGKILL, NULL, 0);
	} else {
		say("%s: runs on, process %d", name, g->pid);
		if (!vm_id_of(name))	/* it is about to end */
			g->deadline = now_ms() + GONE_MS;
	}
	return 0;
}

void guests_adopt(void)
{
	state_names(adopt, NULL);
}

static int autostart(const char *name, void *arg)
{
	struct husk_nl_request request = {};
	char why[HUSK_START_MESSAGE_LEN] = "";

	(void)arg;
	strcpy(request.name, name);
	if (!guest_find(name) && guest_start(&request, why, sizeof(why)))
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
