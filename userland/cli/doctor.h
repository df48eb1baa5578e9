/* SPDX-License-Identifier: GPL-2.0 */
/* husk doctor: checks of the host (doctor_host.c) and of husk itself (doctor.c), a line each. */
#ifndef HUSK_CLI_DOCTOR_H
#define HUSK_CLI_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

/* From good to bad. X(id, name, status of the command) */
#define DOCTOR_VERDICTS(X) \
	X(OK,	"ok",	HUSK_STATUS_OK) \
	X(INFO,	"info",	HUSK_STATUS_OK) \
	X(WARN,	"warn",	HUSK_STATUS_OK) \
	X(FAIL,	"fail",	HUSK_STATUS_HOST)

enum verdict {
#define X(id, name, status) DOCTOR_##id,
	DOCTOR_VERDICTS(X)
#undef X
};

struct doctor {
	bool json;
	int lines;
	enum verdict worst;
};

/* A line; todo: what to do, which each WARN and FAIL has, or NULL */
void doctor_say(struct doctor *d, enum verdict verdict, const char *subject, const char *todo, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/* Before the paths of files of the kernel's: "", or a test's folder */
extern const char *doctor_root;
/* The first bytes of such a file, to its first newline if line; -1 with errno */
int doctor_read(const char *path, char *text, size_t room, bool line);
/* Is such a file there? */
bool doctor_there(const char *path);

void doctor_host(struct doctor *d);

#endif
