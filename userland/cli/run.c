// SPDX-License-Identifier: GPL-2.0
/* husk run: start a worker, be its terminal. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli.h"
#include "lib/tools.h"
#include "lib/run_options.h"
#include "run_help.h"
#include "vm.h"

static const char run_head[] =
	"usage: husk run --disk FILE | --kernel FILE | --firmware NAME [OPTIONS]\n"
	"\n"
	"Boot a guest in a new VM; the terminal is its serial console.\n";

static const char run_tail[] =
	"\n"
	"On a terminal: Ctrl-] d leaves the VM running, Ctrl-] q ends it, Ctrl-] ? helps.\n"
	"SIGTERM, SIGINT and SIGHUP end the VM. 'husk help' lists the exit statuses.\n";

/* A value each: getopt takes an abbreviation of two options that have the same value for the first of them. */
#define SECTION(title)
#define OPTION(id, name, argument, text) OPT_##id,
enum { OPT_HELP = 'h', OPT_DETACH = 1000, HUSK_RUN_OPTIONS(SECTION, OPTION) };
#undef OPTION

/* But for the last two they are the worker's. */
static const struct option options[] = {
#define OPTION(id, name, argument, text) { name, argument ? required_argument : no_argument, NULL, OPT_##id },
	HUSK_RUN_OPTIONS(SECTION, OPTION)
#undef OPTION
#undef SECTION
	{ "detach", no_argument, NULL, OPT_DETACH },
	{ "help", no_argument, NULL, OPT_HELP },
	{ }
};

void help_option(const char *name, const char *argument, const char *text)
{
	enum { TEXT = 22 };
	int n = printf("  --%s%s%s", name, argument ? " " : "", argument ? argument : "");

	/* a long name has a line of its own */
	if (n >= TEXT - 1) {
		putchar('\n');
		n = 0;
	}
	for (const char *end; ; text = end + 1, n = 0) {
		end = strchr(text, '\n');
		printf("%*s%.*s\n", TEXT - n, "", (int)(end ? end - text : (long)strlen(text)), text);
		if (!end)
			return;
	}
}

void help_run_options(void)
{
#define SECTION(title) printf("\n%s:\n", title);
#define OPTION(id, name, argument, text) help_option(name, argument, text);
	HUSK_RUN_OPTIONS(SECTION, OPTION)
#undef OPTION
#undef SECTION
}

static void help(void)
{
	fputs(run_head, stdout);
	help_run_options();
	help_option("detach", NULL, "return when the guest runs, print the name;\n'husk console NAME' connects");
	usage(run_tail, true);
}

struct worker_args {
	char *argv[256];
	int argc;
	bool detach;
};

static void add_arg(struct worker_args *args, const char *name, const char *value)
{
	char *text;
	int n;

	if (args->argc + 2 > (int)(sizeof(args->argv) / sizeof(args->argv[0])))
		die(HUSK_STATUS_USAGE, "too many options");
	n = value ? asprintf(&text, "--%s=%s", name, value) : asprintf(&text, "--%s", name);
	if (n < 0)
		die(HUSK_STATUS_FAIL, "out of memory");
	args->argv[args->argc++] = text;
}

static void parse(struct worker_args *args, int argc, char **argv)
{
	int opt, index;

	while ((opt = getopt_long(argc, argv, "h", options, &index)) != -1)
		switch (opt) {
		case OPT_HELP:
			help();
			break;
		case OPT_DETACH:
			args->detach = true;
			break;
		case '?':
			die(HUSK_STATUS_USAGE, "'husk run --help' lists the options");
		default:
			add_arg(args, options[index].name, optarg);
		}
	if (optind < argc)
		die(HUSK_STATUS_USAGE, "\"%s\" is no option: 'husk run --help' lists them", argv[optind]);
}

/* The worker has a session of its own: the terminal's signals are ours. */
static pid_t start_worker(struct worker_args *args, int *lifeline)
{
	char path[PATH_MAX], number[16];
	int pair[2];
	pid_t pid;

	if (husk_worker_path(path) < 0)
		die(HUSK_STATUS_FAIL, "husk-vm is neither beside husk nor in ../libexec/husk from there (or is /proc not mounted?)");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		die(HUSK_STATUS_FAIL, "no socket: %s", strerror(errno));
	snprintf(number, sizeof(number), "%d", pair[1]);
	add_arg(args, "lifeline", number);
	args->argv[0] = "husk-vm";
	args->argv[args->argc] = NULL;
	pid = fork();
	if (pid < 0)
		die(HUSK_STATUS_FAIL, "no process for the VM: %s", strerror(errno));
	if (!pid) {
		setsid();
		fcntl(pair[1], F_SETFD, 0);
		execv(path, args->argv);
		complain("%s: %s", path, strerror(errno));
		_exit(HUSK_STATUS_FAIL);
	}
	close(pair[1]);
	*lifeline = pair[0];
	return pid;
}

static int worker_status(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return HUSK_STATUS_FAIL;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	complain("the VM's process ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	return HUSK_STATUS_ENDED;
}

/* The worker says "ready NAME", or dies. */
static bool wait_ready(int lifeline, char name[HUSK_NAME_LEN])
{
	char line[HUSK_NAME_LEN + 8];
	ssize_t n;

	do
		n = recv(lifeline, line, sizeof(line) - 1, 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return false;
	line[n] = 0;
	return sscanf(line, "ready %63s", name) == 1;
}

/* The worker closes the lifeline when it has let go of the terminal. */
static int detach(pid_t pid, int lifeline, const char *name, bool say_name)
{
	char ignored;
	int status;

	if (send(lifeline, "detach", 6, MSG_NOSIGNAL) == 6)
		while (recv(lifeline, &ignored, 1, 0) > 0)
			;
	if (waitpid(pid, &status, WNOHANG) == pid)
		return WIFEXITED(status) ? WEXITSTATUS(status) : HUSK_STATUS_ENDED;
	if (say_name)
		printf("%s\n", name);
	else
		fprintf(stderr, "husk: detached; 'husk console %s' connects again\n", name);
	return HUSK_STATUS_OK;
}

static int be_terminal(pid_t pid, int lifeline, const char *name)
{
	char path[HUSK_CONTROL_LEN];
	enum console_end end;

	end = husk_control_path(path, name) < 0 ? CONSOLE_NONE : console_attach(path, geteuid(), &console_plain);
	if (end == CONSOLE_DETACHED)
		return detach(pid, lifeline, name, false);
	if (end == CONSOLE_LOST)
		complain("the terminal is gone: ending %s", name);
	close(lifeline);
	return worker_status(pid);
}

int cmd_run(int argc, char **argv)
{
	struct worker_args args = { .argc = 1 };
	char name[HUSK_NAME_LEN];
	int lifeline, status;
	pid_t pid;

	parse(&args, argc, argv);
	pid = start_worker(&args, &lifeline);
	if (!wait_ready(lifeline, name))
		status = worker_status(pid);
	else if (args.detach)
		status = detach(pid, lifeline, name, true);
	else
		status = be_terminal(pid, lifeline, name);
	sweep();
	return status;
}
