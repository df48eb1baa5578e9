// SPDX-License-Identifier: GPL-2.0
/* How a VM ends: what is known of it, what is left of it, whether it begins again. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "huskd/guest.h"

#define DELAY_MIN_MS	1000		/* before a VM is started again: doubled each time, up to */
#define DELAY_MAX_MS	60000
#define STEADY_MS	60000		/* a VM that ran so long was well */

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

/* Is it to be started again, after this end if there is one? A definition that can't be read may be right again soon. */
static bool restarts(const char *name, const struct state *s)
{
	char path[HUSK_DEFINITION_PATH], why[256];
	struct husk_definition d;
	bool yes;
	int err;

	husk_definition_path(path, HUSK_DEFINITIONS, name, ".conf");
	err = husk_definition_read(&d, path, name, why, sizeof(why));
	if (err && err != -ENOENT)
		say("%s: is it to be started again? %s", name, why);
	yes = err ? err != -ENOENT : d.restart == HUSK_RESTART_ALWAYS ||
	      (d.restart == HUSK_RESTART_ON_FAILURE && (!s || s->status == HUSK_STATUS_CRASH || s->status == HUSK_STATUS_FAIL));
	husk_definition_free(&d);
	return yes;
}

/* The state file stays while it waits: who removes it does not want it to be started again. */
static void wait_again(struct guest *g)
{
	bool steady = g->since && now_ms() - g->since > STEADY_MS;

	g->delay = steady || !g->delay ? DELAY_MIN_MS : g->delay * 2 > DELAY_MAX_MS ? DELAY_MAX_MS : g->delay * 2;
	g->again = now_ms() + g->delay;
	g->deadline = 0;
	g->phase = WAITING;
	say("%s: is started again in %lld s", g->name, g->delay / 1000);
}

static void clean(const char *name, const char *what)
{
	char path[HUSK_DEFINITION_PATH];

	cgroup_remove(name);
	logs_keep(name, what);
	husk_definition_path(path, HUSK_RUN, name, ".sock");
	unlink(path);
	husk_definition_path(path, HUSK_RUN, name, ".disk");
	unlink(path);
}

/* Without its state file it is not to run any more. */
static bool goes_on(const struct guest *g, const struct state *s)
{
	if (!state_exists(g->name))
		return false;
	if (g->half)
		return true;
	if (g->asked || s->asked)
		return false;
	return g->phase == RUNNING ? restarts(g->name, s) : g->delay && restarts(g->name, NULL);
}

void guest_ended(struct guest *g, struct state *s)
{
	struct husk_nl_request then = g->then;

	if (!s->over)
		guess(g, s);
	else if (g->child)
		waitpid(g->pid, NULL, WNOHANG);
	say("%s: has ended: %s", g->name, s->text);
	guest_answer(g, EIO, s->text);
	clean(g->name, s->text);
	if (!then.token && goes_on(g, s)) {
		wait_again(g);
		return;
	}
	state_remove(g->name);
	guest_drop(g);
	if (then.token)
		guest_request(&then);
}

void guest_on_end(struct watch *watch)
{
	struct guest *g = (struct guest *)((char *)watch - offsetof(struct guest, end));
	struct state s;

	state_read(g->name, &s);
	/* what it said last may be here still */
	if (g->lifeline.fd >= 0)
		g->lifeline.ready(&g->lifeline);
	loop_remove(&g->lifeline);
	loop_remove(&g->end);
	guest_ended(g, &s);
}

void guest_start_again(struct guest *g)
{
	struct husk_nl_request request = {};	/* by root, who hears no answer */
	char why[HUSK_START_MESSAGE_LEN] = "";

	strcpy(request.name, g->name);
	if (!state_exists(g->name)) {
		say("%s: is not started again", g->name);
		guest_drop(g);
		return;
	}
	if (!guest_start(&request, why, sizeof(why)))
		return;
	say("%s: can't be started again: %s", request.name, why);
	if (restarts(request.name, NULL)) {
		wait_again(g);
	} else {
		state_remove(request.name);
		guest_drop(g);
	}
}
