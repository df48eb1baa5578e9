// SPDX-License-Identifier: GPL-2.0
/*
 * husk help --list COMMAND: its options and operands, for the shells' completion,
 * taken from its --help, so that they are written once. A line each, in columns that
 * tabs separate: "option", its name, its argument if it takes one, after a = if it may
 * be left out and is part of the same word; "operand", its name.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"

#define HELP_ROOM	32768
#define OPTIONS		128

struct list {
	struct {
		char *name, *argument;	/* NULL: takes none */
	} option[OPTIONS];
	int count;
};

/* The first word about an option counts. */
static void add_option(struct list *list, char *name, char *argument)
{
	for (int i = 0; i < list->count; i++)
		if (!strcmp(list->option[i].name, name))
			return;
	if (list->count == OPTIONS)
		die(HUSK_STATUS_FAIL, "too many options");
	list->option[list->count].name = name;
	list->option[list->count++].argument = argument;
}

/* "  --name ARGUMENT  text", at that place, where the argument may have single spaces in it; or "  --name[=ARGUMENT]" */
static void parse_line(struct list *list, char *line)
{
	char *name = line + 2, *end, *argument;

	if (strncmp(line, "  --", 4))
		return;
	end = strstr(name, "  ");
	if (end)
		*end = 0;
	argument = strchr(name, ' ');
	if (argument)
		*argument++ = 0;
	end = strstr(name, "[=");
	if (end) {
		*end = 0;
		argument = end + 1;
		argument[strcspn(argument, "]")] = 0;
	}
	add_option(list, name, argument);
}

/* A word of the line of usage, without brackets; *last: it was the end of an option */
static char *next_word(char **at, bool *last)
{
	char *word = strsep(at, " \n"), *end;

	if (!word)
		return NULL;
	word += strspn(word, "[");
	end = strchr(word, ']');
	*last = end;
	/* not those of "FILE[,more]" */
	if (end && !memchr(word, '[', end - word))
		*end = 0;
	return word;
}

/* "usage: husk NAME [--option ARGUMENT] [--one | --other] VM", maybe again below: the operands are printed */
static void parse_usage(struct list *list, char *usage_text)
{
	char *word, *argument;
	bool last;

	while ((word = next_word(&usage_text, &last))) {
		if (!strcmp(word, "husk")) {
			next_word(&usage_text, &last);
		} else if (!strncmp(word, "--", 2)) {
			argument = NULL;
			if (!last && usage_text && *usage_text != '|' && *usage_text != '[')
				argument = next_word(&usage_text, &last);
			add_option(list, word, argument);
		} else if (*word && *word != '|' && strcmp(word, "usage:") && strcmp(word, "OPTIONS")) {
			printf("operand\t%s\n", word);
		}
	}
}

static void read_help(int argc, char **argv, int (*fn)(int argc, char **argv), char *text)
{
	size_t n = 0;
	ssize_t got;
	int pipe_fd[2], status;
	pid_t pid;

	if (pipe(pipe_fd) < 0 || (pid = fork()) < 0)
		die(HUSK_STATUS_FAIL, "can't read the help: %m");
	if (!pid) {
		dup2(pipe_fd[1], STDOUT_FILENO);
		close(pipe_fd[0]);
		close(pipe_fd[1]);
		exit(fn(argc, argv));
	}
	close(pipe_fd[1]);
	while (n < HELP_ROOM - 1 && (got = read(pipe_fd[0], text + n, HELP_ROOM - 1 - n)) > 0)
		n += got;
	text[n] = 0;
	close(pipe_fd[0]);
	waitpid(pid, &status, 0);
}

int help_list(char *name, int (*fn)(int argc, char **argv))
{
	static char text[HELP_ROOM];
	char option[] = "--help", *args[] = { name, option, NULL }, *rest = text, *line, *end;
	struct list list = {};

	read_help(2, args, fn, text);
	end = strstr(text, "\n\n");
	if (end) {
		*end = 0;
		rest = end + 2;
		while ((line = strsep(&rest, "\n")))
			parse_line(&list, line);
	}
	parse_usage(&list, text);
	add_option(&list, option, NULL);
	for (int i = 0; i < list.count; i++)
		printf(list.option[i].argument ? "option\t%s\t%s\n" : "option\t%s\n", list.option[i].name,
		       list.option[i].argument);
	return HUSK_STATUS_OK;
}
