// SPDX-License-Identifier: GPL-2.0
/* Defined VMs, see defined.h. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
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

/* The worker holds a lock on the state file while it lives, the daemon while it starts one. */
static enum defined_state look(const char *path)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool locked;

	if (fd < 0)
		return errno == EACCES ? DEFINED_UNKNOWN : DEFINED_OFF;
	locked = !fcntl(fd, F_OFD_GETLK, &lock) && lock.l_type != F_UNLCK;
	close(fd);
	return locked ? DEFINED_LIVE : DEFINED_WAITING;
}

enum defined_state defined_state(const char *name)
{
	char path[HUSK_DEFINITION_PATH];

	if (!husk_name_valid(name))
		return DEFINED_OFF;
	husk_definition_path(path, HUSK_RUN, name, ".vm");
	return look(path);
}

bool defined_forget(const char *name)
{
	char path[HUSK_DEFINITION_PATH];

	if (defined_state(name) != DEFINED_WAITING)
		return false;
	husk_definition_path(path, HUSK_RUN, name, ".vm");
	return !unlink(path);
}

pid_t defined_worker(const char *name)
{
	char path[HUSK_DEFINITION_PATH];
	int pid = 0;
	FILE *f;

	if (defined_state(name) != DEFINED_LIVE)
		return 0;
	husk_definition_path(path, HUSK_RUN, name, ".vm");
	f = fopen(path, "re");
	if (!f || fscanf(f, "%d", &pid) != 1)
		pid = 0;
	if (f)
		fclose(f);
	return pid;
}

/* It goes before the worker does, so that the daemon does not start it again. */
bool defined_kill(const char *name)
{
	char path[HUSK_DEFINITION_PATH];
	pid_t pid = defined_worker(name);
	int fd = pid ? pidfd_open(pid, 0) : -1;
	bool done;

	/* while the lock is held the number is the worker's */
	if (fd < 0 || defined_worker(name) != pid)
		return false;
	husk_definition_path(path, HUSK_RUN, name, ".vm");
	unlink(path);
	done = !pidfd_send_signal(fd, SIGKILL, NULL, 0);
	close(fd);
	return done;
}

int defined_each_state(int (*fn)(const char *name, void *arg), void *arg)
{
	char name[HUSK_NAME_LEN];
	const char *base;
	int ret = 0;
	glob_t all;

	if (glob(HUSK_RUN "/*.vm", 0, NULL, &all))
		return 0;
	for (size_t i = 0; i < all.gl_pathc && !ret; i++) {
		base = strrchr(all.gl_pathv[i], '/') + 1;
		if (strlen(base) - 3 >= sizeof(name))
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)strlen(base) - 3, base);
		ret = fn(name, arg);
	}
	globfree(&all);
	return ret;
}
