// SPDX-License-Identifier: GPL-2.0
/*
 * A VM's state file: "PID UID" by us, then "STATUS ASKED TEXT" by the worker at its end. Its lock
 * is the worker's as long as that lives. It is there while the VM is to run: from
 * the start to an end that is none to start again after.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "huskd/huskd.h"

static void path_of(char path[HUSK_DEFINITION_PATH], const char *name)
{
	husk_definition_path(path, HUSK_RUN, name, ".vm");
}

int state_open(const char *name, bool create, bool *locked)
{
	char path[HUSK_DEFINITION_PATH];
	int fd;

	path_of(path, name);
	fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC | (create ? O_CREAT : 0), 0600);
	if (fd < 0)
		return -1;
	*locked = !flock(fd, LOCK_EX | LOCK_NB);
	if (*locked || errno == EWOULDBLOCK)
		return fd;
	close(fd);
	return -1;
}

void state_read(int fd, struct state *state)
{
	char text[512] = "", *line;
	int asked, n = 0;
	ssize_t len = pread(fd, text, sizeof(text) - 1, 0);

	*state = (struct state){};
	if (len <= 0 || sscanf(text, "%d %u", &state->pid, &state->jail) != 2)
		return;
	line = strchr(text, '\n');
	if (!line || sscanf(line, "%d %d %n", &state->status, &asked, &n) != 2 || !n)
		return;
	state->over = true;
	state->asked = asked;
	line += n;
	line[strcspn(line, "\n")] = 0;
	snprintf(state->text, sizeof(state->text), "%s", line);
}

void state_remove(const char *name)
{
	char path[HUSK_DEFINITION_PATH];

	path_of(path, name);
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
