// SPDX-License-Identifier: GPL-2.0
/* What workers say, see huskd.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "huskd/huskd.h"

#define KEPT		65536		/* bytes, of one life of a VM */
#define LOG_MOST	(1 << 20)	/* then the log is NAME.log.1, and a new one begins */

int log_open(const char *name, const char *suffix)
{
	char path[HUSK_DEFINITION_PATH];

	husk_definition_path(path, HUSK_RUN_LOGS, name, suffix);
	unlink(path);
	return open(path, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
}

void make_plain(char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

size_t read_tail(const char *dir, const char *name, const char *suffix, char *text, size_t room)
{
	char path[HUSK_DEFINITION_PATH];
	struct stat st;
	ssize_t n = -1;
	int fd;

	husk_definition_path(path, dir, name, suffix);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (!fstat(fd, &st))
		n = pread(fd, text, room, st.st_size > (off_t)room ? st.st_size - (off_t)room : 0);
	close(fd);
	return n > 0 ? n : 0;
}

void log_last_line(const char *name, char *line, size_t room)
{
	char text[4096 + 1], *rest = text, *at;

	*line = 0;
	text[read_tail(HUSK_RUN_LOGS, name, ".log", text, sizeof(text) - 1)] = 0;
	while ((at = strsep(&rest, "\n")))
		if (*at)
			snprintf(line, room, "%s", strncmp(at, "husk: ", 6) ? at : at + 6);
	make_plain(line);
}

static int open_kept(const char *name, const char *suffix, int flags)
{
	char path[HUSK_DEFINITION_PATH], old[HUSK_DEFINITION_PATH + 2];
	struct stat st;

	husk_definition_path(path, HUSK_LOGS, name, suffix);
	snprintf(old, sizeof(old), "%s.1", path);
	if (flags & O_APPEND && !stat(path, &st) && st.st_size > LOG_MOST)
		rename(path, old);
	return open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0640);
}

static void keep(const char *name, const char *suffix, int flags, const char *head)
{
	char *text = malloc(KEPT);
	size_t n = text ? read_tail(HUSK_RUN_LOGS, name, suffix, text, KEPT) : 0;
	int fd = open_kept(name, suffix, flags);

	if (fd < 0 || write(fd, head, strlen(head)) < 0 || write(fd, text, n) < (ssize_t)n)
		say("%s: %s/%s%s is not whole: %s", name, HUSK_LOGS, name, suffix, strerror(errno));
	if (fd >= 0)
		close(fd);
	free(text);
}

static void forget(const char *name, const char *suffix)
{
	char path[HUSK_DEFINITION_PATH];

	husk_definition_path(path, HUSK_RUN_LOGS, name, suffix);
	unlink(path);
}

void logs_keep(const char *name, const char *what)
{
	char head[256], date[32] = "", path[HUSK_DEFINITION_PATH];
	time_t now = time(NULL);
	struct tm tm;

	husk_definition_path(path, HUSK_RUN_LOGS, name, ".log");
	if (access(path, F_OK) < 0) {
		forget(name, ".console");	/* kept already, by an earlier huskd, which may not have come further */
		return;
	}
	if (localtime_r(&now, &tm))
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
	snprintf(head, sizeof(head), "%s %s: %s\n", date, name, what);
	keep(name, ".log", O_APPEND, head);
	keep(name, ".console", O_TRUNC, "");
	forget(name, ".log");
	forget(name, ".console");
}
