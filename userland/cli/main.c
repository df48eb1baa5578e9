// SPDX-License-Identifier: GPL-2.0
/* husk: the command line. One row a command. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "uapi/husk.h"

static const struct {
	const char *name;
	int (*fn)(int argc, char **argv);
	const char *help;
} commands[] = {
	{ "run",	cmd_run,	"boot a guest in a new VM" },
	{ "console",	cmd_console,	"connect the terminal to a VM's console" },
	{ "ls",		cmd_ls,		"list the VMs" },
	{ "top",	cmd_top,	"show what VMs use, as it goes on" },
	{ "show",	cmd_show,	"show one VM: state, memory, exits, devices" },
	{ "stat",	cmd_stat,	"count and time a VM's exits by reason" },
	{ "debug",	cmd_debug,	"print a VM's last exits" },
	{ "balloon",	cmd_balloon,	"ask a guest to give memory back" },
	{ "disk",	cmd_disk,	"limit a disk of a VM, or have it served elsewhere" },
	{ "announce",	cmd_announce,	"have a guest tell the network where it is" },
	{ "pause",	cmd_pause,	"stop a VM's vCPUs for a while" },
	{ "resume",	cmd_resume,	"let a paused VM go on" },
	{ "create",	cmd_create,	"define a VM for the daemon" },
	{ "edit",	cmd_edit,	"change the definition of a VM" },
	{ "delete",	cmd_delete,	"remove the definition of a VM" },
	{ "autostart",	cmd_autostart,	"which VMs the daemon starts at boot" },
	{ "start",	cmd_start,	"have the daemon start a VM that is defined" },
	{ "restart",	cmd_restart,	"stop a VM and have the daemon start it anew" },
	{ "logs",	cmd_logs,	"what a VM's worker and its console have said" },
	{ "set",	cmd_set,	"limit a VM's CPU time and exits; its statistics" },
	{ "button",	cmd_button,	"press a VM's power button" },
	{ "reset",	cmd_reset,	"reset a VM: it boots anew" },
	{ "nmi",	cmd_nmi,	"send an NMI to a VM" },
	{ "stop",	cmd_stop,	"press a VM's power button, end it after a timeout" },
	{ "kill",	cmd_kill,	"end a VM at once" },
	{ "events",	cmd_events,	"print lifecycle events as they happen" },
	{ "trace",	cmd_trace,	"count and time exits by a BPF program" },
	{ "policy",	cmd_policy,	"have BPF programs decide a VM's exits" },
	{ "doctor",	cmd_doctor,	"check this host, say what to do" },
	{ "version",	cmd_version,	"print version and ABI version" },
	{ "help",	cmd_help,	"print this text, or that of a command" },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void vcomplain(const char *fmt, va_list ap)
{
	fflush(stdout);
	fputs("husk: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
}

void complain(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vcomplain(fmt, ap);
	va_end(ap);
}

void die(enum husk_status status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vcomplain(fmt, ap);
	va_end(ap);
	exit(status);
}

void usage(const char *text, bool asked)
{
	if (asked)
		fputs(text, stdout);
	else	/* its first line: what was wrong is seen beside it */
		fprintf(stderr, "%.*s\n", (int)strcspn(text, "\n"), text);
	exit(asked ? HUSK_STATUS_OK : HUSK_STATUS_USAGE);
}

int parse_plain(int argc, char **argv, const char *usage_text, bool *json, int min, int max)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", json ? options : options + 1, NULL)) != -1) {
		if (c != 'j')
			usage(usage_text, c == 'h');
		*json = true;
	}
	if (argc - optind < min || argc - optind > max)
		usage(usage_text, false);
	return optind;
}

int cmd_version(int argc, char **argv)
{
	bool json = false;

	parse_plain(argc, argv, "usage: husk version [--json]\n", &json, 0, 0);
	if (json)
		printf("{\"version\": \"%s\", \"abi\": %d}\n", HUSK_VERSION, HUSK_ABI_VERSION);
	else
		printf("husk %s, ABI %d\n", HUSK_VERSION, HUSK_ABI_VERSION);
	return HUSK_STATUS_OK;
}

static void print_help(FILE *out)
{
	fputs("usage: husk COMMAND [OPTIONS]\n\n", out);
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].help);
	fputs("\n'husk COMMAND --help' tells more. Exit statuses:\n", out);
#define X(id, number, what) fprintf(out, "  %d  %s\n", number, what);
	HUSK_STATUSES(X)
#undef X
}

typedef int command_fn(int argc, char **argv);

static command_fn *find_command(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (!strcmp(name, commands[i].name))
			return commands[i].fn;
	die(HUSK_STATUS_USAGE, "unknown command \"%s\": 'husk help' lists them", name);
}

static int run_command(int argc, char **argv)
{
	command_fn *fn = find_command(argv[0]);
	static char called[32];

	/* what getopt puts before its complaints */
	snprintf(called, sizeof(called), "husk %s", argv[0]);
	argv[0] = called;
	return fn(argc, argv);
}

static const char help_usage[] =
	"usage: husk help [--list] [COMMAND]\n"
	"\n"
	"Print what husk or a command does. With --list, for programs such as the shells'\n"
	"completion: the commands, or the options and operands of one, a line each, in\n"
	"columns that tabs separate.\n";

static int list_commands(void)
{
	for (size_t i = 0; i < COMMANDS; i++)
		printf("%s\t%s\n", commands[i].name, commands[i].help);
	return HUSK_STATUS_OK;
}

int cmd_help(int argc, char **argv)
{
	static const struct option options[] = {
		{ "list", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	char option[] = "--help", *args[] = { NULL, option, NULL };
	bool list = false;
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c != 'l')
			usage(help_usage, c == 'h');
		list = true;
	}
	if (argc - optind > 1)
		usage(help_usage, false);
	args[0] = argv[optind];
	optind = 0;	/* getopt begins anew */
	if (list)
		return args[0] ? help_list(args[0], find_command(args[0])) : list_commands();
	if (args[0])
		return run_command(2, args);
	print_help(stdout);
	return HUSK_STATUS_OK;
}

/* No file of ours takes the number of a closed standard stream: output would end up in it. */
static void fill_streams(void)
{
	int fd;

	do
		fd = open("/", O_PATH);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	int status;

	fill_streams();
	if (argc < 2) {
		print_help(stderr);
		return HUSK_STATUS_USAGE;
	}
	if (!strcmp(argv[1], "-h"))
		argv[1] = "help";
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "--version"))
		argv[1] += 2;
	status = run_command(argc - 1, argv + 1);
	if (!status && (fflush(stdout) || ferror(stdout)))
		die(HUSK_STATUS_FAIL, "can't write the output: %s", strerror(errno));
	return status;
}
