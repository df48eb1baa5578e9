// SPDX-License-Identifier: GPL-2.0
/* Defined VMs, see defined.h. */
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "cli.h"
#include "defined.h"
#include "lib/tools.h"

void defined_check_name(const char *name)
{
	if (!husk_name_valid(name))
		die(HUSK_STATUS_USAGE, "\"%s\" is no name for a VM: give 1 to 63 of A-Z a-z 0-9 . _ -, not beginning with . or -", name);
}

static bool has_file(const char *dir, const char *name)
{
	char path[HUSK_DEFINITION_PATH];

	husk_definition_path(path, dir, name, ".conf");
	return husk_name_valid(name) && !access(path, F_OK);
}

bool defined_exists(const char *name)
{
	return has_file(HUSK_DEFINITIONS, name);
}

bool defined_autostart(const char *name)
{
	return has_file(HUSK_AUTOSTART, name);
}

unsigned int defined_stop_timeout(const char *name)
{
	char path[HUSK_DEFINITION_PATH], why[256];
	struct husk_definition d;
	unsigned int timeout;

	husk_definition_path(path, HUSK_DEFINITIONS, name, ".conf");
	timeout = husk_definition_read(&d, path, name, why, sizeof(why)) ? HUSK_STOP_TIMEOUT : d.stop_timeout;
	husk_definition_free(&d);
	return timeout;
}

/* The state file's lock is the worker's while it lives, and the daemon's while it starts one. */
static enum defined_state look(const char *path, bool forget)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	enum defined_state state = DEFINED_LIVE;

	if (fd < 0)
		return DEFINED_OFF;
	if (!flock(fd, LOCK_EX | LOCK_NB)) {
		state = DEFINED_WAITING;
		if (forget)
			unlink(path);
	}
	close(fd);
	return state;
}

enum defined_state defined_state(const char *name)
{
	char path[HUSK_DEFINITION_PATH];

	if (!husk_name_valid(name))
		return DEFINED_OFF;
	husk_definition_path(path, HUSK_RUN, name, ".vm");
	return look(path, false);
}

bool defined_forget(const char *name)
{
	char path[HUSK_DEFINITION_PATH];

	if (!husk_name_valid(name))
		return false;
	husk_definition_path(path, HUSK_RUN, name, ".vm");
	return look(path, true) == DEFINED_WAITING;
}

void defined_forget_all(void)
{
	glob_t all;

	if (glob(HUSK_RUN "/*.vm", 0, NULL, &all))
		return;
	for (size_t i = 0; i < all.gl_pathc; i++)
		look(all.gl_pathv[i], true);
	globfree(&all);
}
