/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the commands of husk share. A command is one function in one file,
 * cmd_NAME.c or the file that says what it does, and one row of the table in
 * main.c. argv[0] is "husk NAME"; the answer is the exit status.
 *
 * The shells' completion reads each --help (help_list.c): "usage: husk NAME [--option
 * ARGUMENT] OPERAND", an empty line, and then, if there are such, lines of two spaces,
 * "--option ARGUMENT", or "--option[=ARGUMENT]", two spaces and text. The word VM is
 * completed with those that run, an operand NAME with those that have a definition,
 * FILE and COMMAND as they say, REASON with those of husk trace, a|b with these words.
 */
#ifndef HUSK_CLI_H
#define HUSK_CLI_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "lib/status.h"

int cmd_run(int argc, char **argv);
int cmd_console(int argc, char **argv);
int cmd_ls(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_show(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_debug(int argc, char **argv);
int cmd_balloon(int argc, char **argv);
int cmd_disk(int argc, char **argv);
int cmd_announce(int argc, char **argv);
int cmd_pause(int argc, char **argv);
int cmd_resume(int argc, char **argv);
int cmd_button(int argc, char **argv);
int cmd_reset(int argc, char **argv);
int cmd_nmi(int argc, char **argv);
int cmd_set(int argc, char **argv);
int cmd_start(int argc, char **argv);
int cmd_create(int argc, char **argv);
int cmd_edit(int argc, char **argv);
int cmd_delete(int argc, char **argv);
int cmd_autostart(int argc, char **argv);
int cmd_logs(int argc, char **argv);
int cmd_restart(int argc, char **argv);
int cmd_stop(int argc, char **argv);
int cmd_kill(int argc, char **argv);
int cmd_events(int argc, char **argv);
int cmd_trace(int argc, char **argv);
int cmd_policy(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_version(int argc, char **argv);
int cmd_help(int argc, char **argv);

/* Print "husk: MESSAGE" on stderr and exit with status. */
void die(enum husk_status status, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 2, 3)));

/* Print "husk: MESSAGE" on stderr. */
void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Print usage and exit: with status OK if asked for by --help, else USAGE. */
void usage(const char *text, bool asked) __attribute__((noreturn));

/*
 * For commands whose only options are --json and --help: set *json, answer the
 * index of the first operand. Exits on a bad option, or if there are fewer
 * than min or more than max operands.
 */
int parse_plain(int argc, char **argv, const char *usage_text, bool *json, int min, int max);

/* husk help --list COMMAND: what its --help has, for programs */
int help_list(char *name, int (*fn)(int argc, char **argv));

/* Print s as a JSON string, quotes included, in ASCII without control characters. */
void json_string(const char *s);
void json_string_to(FILE *out, const char *s);
/* Print what another wrote and format_is_object() has seen: the same in ASCII */
void json_ascii(const char *json);

/* Connect this terminal to the console of a user's VM by its control socket, until: */
enum console_end {
	CONSOLE_EOF,		/* the VM ended */
	CONSOLE_DETACHED,	/* the user detached */
	CONSOLE_QUIT,		/* the user wants the VM to end */
	CONSOLE_SIGNAL,		/* a signal wants us to end */
	CONSOLE_LOST,		/* our own terminal is gone */
	CONSOLE_LOG,		/* the log can't be written; errno */
	CONSOLE_NONE,		/* could not connect; errno */
};
struct console_options {
	int log;		/* what is shown is written there, too; -1: nowhere */
	int escape;		/* the key before a command's; -1: none */
	bool read_only;		/* the guest hears nothing; Ctrl-C leaves */
};
extern const struct console_options console_plain;
enum console_end console_attach(const char *path, uid_t owner, const struct console_options *options);

#endif
