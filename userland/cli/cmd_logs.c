// SPDX-License-Identifier: GPL-2.0
/* husk logs: what a VM's worker and its console have said. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "defined.h"
#include "vm.h"

#define CONSOLE_MOST	(1 << 20)

static const char logs_usage[] =
	"usage: husk logs [--console] NAME\n"
	"\n"
	"Print what the workers of a VM that is defined have said: how each of its lives\n"
	"ended, reports of crashes. With --console the last 64 KiB of output of its console,\n"
	"of the VM that runs or of its last life.\n";

/* What a worker says may be its guest's doing: nothing that a terminal acts on. A console is as it is. */
static void print_text(char *data, size_t n, bool plain)
{
	for (size_t i = 0; plain && i < n; i++)
		if (((unsigned char)data[i] < ' ' && data[i] != '\n' && data[i] != '\t') || (unsigned char)data[i] > '~')
			data[i] = '?';
	fwrite(data, 1, n, stdout);
}

/* false: there is no such file */
static bool print_file(const char *dir, const char *name, const char *suffix, bool plain)
{
	char path[HUSK_DEFINITION_PATH], data[4096];
	ssize_t n;
	int fd;

	husk_definition_path(path, dir, name, suffix);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return false;
	if (fd < 0)
		die(errno == EACCES ? HUSK_STATUS_HOST : HUSK_STATUS_FAIL, "%s: %s%s", path, strerror(errno),
		    errno == EACCES ? ": run as root" : "");
	while ((n = read(fd, data, sizeof(data))) > 0)
		print_text(data, n, plain);
	close(fd);
	return true;
}

/* Of the VM that runs, if there is one that is ours to ask */
static bool print_console(const char *name)
{
	struct husk_nl *nl;
	struct husk_nl_vm vm;
	char *text;
	size_t n;

	if (husk_nl_open(&nl) || husk_nl_show(nl, name, &vm)) {
		husk_nl_close(nl);
		return false;
	}
	husk_nl_close(nl);
	text = malloc(CONSOLE_MOST);
	n = text ? vm_ask(&vm, "output\n", text, CONSOLE_MOST) : 0;
	fwrite(text, 1, n, stdout);
	free(text);
	return true;
}

int cmd_logs(int argc, char **argv)
{
	static const struct option options[] = {
		{ "console", no_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	bool console = false, any;
	const char *name;
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c != 'c')
			usage(logs_usage, c == 'h');
		console = true;
	}
	if (argc - optind != 1)
		usage(logs_usage, false);
	name = argv[optind];
	defined_check_name(name);
	if (console) {
		any = print_console(name) || print_file(HUSK_LOGS, name, ".console", false);
	} else {
		any = print_file(HUSK_LOGS, name, ".log.1", true);
		any |= print_file(HUSK_LOGS, name, ".log", true);
		any |= print_file(HUSK_RUN_LOGS, name, ".log", true);
	}
	if (!any && !defined_exists(name))
		die(HUSK_STATUS_NAME, "there is no VM %s, and was none that the daemon had started", name);
	return HUSK_STATUS_OK;
}
