// SPDX-License-Identifier: GPL-2.0
/* The list of VMs, and what happens to them with time, see guest.h. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>

#include "huskd/guest.h"

struct guest *guests;

struct guest *guest_find(const char *name)
{
	struct guest *g;

	for (g = guests; g && strcmp(g->name, name); g = g->next)
		;
	return g;
}

struct guest *guest_add(const char *name)
{
	struct guest *g = guest_find(name);

	if (g)
		return g;
	g = calloc(1, sizeof(*g));
	if (!g)
		return NULL;
	snprintf(g->name, sizeof(g->name), "%s", name);
	g->end = (struct watch){ -1, guest_on_end };
	g->lifeline.fd = -1;
	g->phase = WAITING;
	g->next = guests;
	guests = g;
	return g;
}

void guest_drop(struct guest *g)
{
	struct guest **at;

	for (at = &guests; *at != g; at = &(*at)->next)
		;
	*at = g->next;
	loop_remove(&g->end);
	loop_remove(&g->lifeline);
	free(g);
}

void guest_answer(struct guest *g, int error, const char *message)
{
	if (g->token)
		answer(g->token, error, error ? 0 : vm_id_of(g->name), message);
	g->token = 0;
}

/* ---- what the kernel tells of it ---- */

/* Its owner may make as many events as he likes: not as many lines. */
static bool may_say(struct guest *g)
{
	if (now_ms() - g->lines_since > EVENT_MS) {
		g->lines_since = now_ms();
		g->lines = 0;
	}
	return g->lines++ < EVENT_LINES;
}

void guest_event(const char *name, uint32_t kind)
{
	struct guest *g = guest_find(name);

	if (!g || g->phase != RUNNING)
		return;
	switch (kind) {
	case HUSK_LIFE_KILLED:
	case HUSK_LIFE_STOP_REQUESTED:
		g->asked = true;
		break;
	case HUSK_LIFE_DESTROYED:
		if (!vm_id_of(name))	/* else it was an earlier one */
			g->deadline = now_ms() + GONE_MS;
		return;
	case HUSK_LIFE_PAUSED:
	case HUSK_LIFE_RESUMED:
	case HUSK_LIFE_CRASHED:
	case HUSK_LIFE_RESET:
		break;
	default:
		return;
	}
	if (may_say(g))
		say("%s: %s", name, husk_life_name(kind));
}

void guests_look_again(void)
{
	for (struct guest *g = guests; g; g = g->next)
		if (g->phase == RUNNING && !g->deadline && !vm_id_of(g->name))
			g->deadline = now_ms() + GONE_MS;
}

/* ---- time ---- */

static long long due(const struct guest *g)
{
	return g->phase == WAITING ? g->again : g->deadline;
}

int guests_timeout(void)
{
	long long now = now_ms(), least = -1;

	for (struct guest *g = guests; g; g = g->next) {
		long long left = due(g) - now;

		if (due(g) && (least < 0 || left < least))
			least = left > 0 ? left : 0;
	}
	return least;
}

/* A worker that hangs; what follows is done when it has ended. */
static void end_worker(struct guest *g)
{
	say("%s: %s: its worker is ended", g->name, g->phase == STARTING ? "does not come to run" : "the VM is gone, its worker stays");
	g->deadline = 0;
	pidfd_send_signal(g->end.fd, SIGKILL, NULL, 0);
}

void guests_look(void)
{
	struct guest *g = guests, *next;

	for (; g; g = next) {
		next = g->next;
		if (!due(g) || due(g) > now_ms())
			continue;
		if (g->phase != WAITING) {
			end_worker(g);
			continue;
		}
		guest_start_again(g);
		return;		/* the list may be another now; we are asked again at once */
	}
}
