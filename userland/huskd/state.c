// SPDX-License-Identifier: GPL-2.0
/*
 * A VM's state: NAME.vm has "PID UID START RAN", written by us alone: the worker, when its process began, whether its
 * guest has run. The worker holds a lock on it as long as it lives. It is there while the VM is to run: from the start to an end that is none to start again after.
 * NAME.end is the worker's to write, "STATUS ASKED TEXT" at its end: hostile, if a guest has taken it over.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "huskd/huskd.h"

static void path_of(char path[HUSK_DEFINITION_PATH], const char *name)
{
	husk_definition_path(path, HUSK_RUN, name, ".vm");
}

int state_open(const char *name, bool create, bool *locked)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[HUSK_DEFINITION_PATH];
	int fd;

	path_of(path, name);
	/* for reading only, since the worker inherits it */
	fd = open(path, O_RDONLY | O_CLOEXEC | (create ? O_CREAT : 0), 0600);
	if (fd < 0)
		return -1;
	/* A lock for reading is what a descriptor for reading can have; one for writing would be in its way. */
	if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
		goto fail;
	*locked = lock.l_type == F_UNLCK;
	lock = (struct flock){ .l_type = F_RDLCK, .l_whence = SEEK_SET };
	if (!*locked || !fcntl(fd, F_OFD_SETLK, &lock))
		return fd;
fail:
	close(fd);
	return -1;
}

long long process_start(pid_t pid)
{
	char path[32], text[1024] = "", *at;
	long long start = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	/* proc(5): the 22nd member; the second one is a name in brackets, which may have some itself */
	at = read(fd, text, sizeof(text) - 1) > 0 ? strrchr(text, ')') : NULL;
	if (!at || sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %lld", &start) != 1)
		start = -1;
	close(fd);
	return start;
}

int state_write(const char *name, pid_t pid, uid_t jail, bool ran)
{
	char path[HUSK_DEFINITION_PATH];
	int fd, ret;

	path_of(path, name);
	/* always as long, in place: what was written once stays where it is, also when /run is full */
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ret = dprintf(fd, "%-10d %-10u %-20lld %d\n", pid, jail, process_start(pid), ran);
	close(fd);
	return ret < 0 ? -1 : 0;
}

/* @text has what the worker says last. */
static void read_word(const char *text, struct state *state)
{
	int asked, n = 0;

	if (sscanf(text, "%d %d %n", &state->status, &asked, &n) != 2 || !n)
		return;
	state->over = true;
	state->asked = asked;
	text += n;
	snprintf(state->text, sizeof(state->text), "%.*s", (int)strcspn(text, "\n"), text);
	make_plain(state->text);
}

void state_read(const char *name, struct state *state)
{
	char text[256];
	int ran = 0;

	*state = (struct state){};
	text[read_tail(HUSK_RUN, name, ".vm", text, sizeof(text) - 1)] = 0;
	if (sscanf(text, "%d %u %lld %d", &state->pid, &state->jail, &state->start, &ran) != 4)
		state->pid = 0;
	state->ran = ran;
	text[read_tail(HUSK_RUN_LOGS, name, ".end", text, sizeof(text) - 1)] = 0;
	read_word(text, state);
}

void state_remove(const char *name)
{
	char path[HUSK_DEFINITION_PATH];

	path_of(path, name);
	unlink(path);
	husk_definition_path(path, HUSK_RUN_LOGS, name, ".end");
	unlink(path);
}

bool state_exists(const char *name)
{
	char path[HUSK_DEFINITION_PATH];

	path_of(path, name);
	return !access(path, F_OK);
}

static int is_state(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return dot && dot != entry->d_name && !strcmp(dot, ".vm");
}

int state_names(int (*fn)(const char *name, void *arg), void *arg)
{
	struct dirent **entry;
	int n = scandir(HUSK_RUN, &entry, is_state, alphasort), ret = 0;

	for (int i = 0; i < n; i++) {
		*strrchr(entry[i]->d_name, '.') = 0;
		if (!ret && strlen(entry[i]->d_name) < HUSK_NAME_LEN)
			ret = fn(entry[i]->d_name, arg);
		free(entry[i]);
	}
	if (n >= 0)
		free(entry);
	return ret;
}
