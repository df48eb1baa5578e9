// SPDX-License-Identifier: GPL-2.0
/* husk disk: change a disk of a VM that runs. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "format.h"
#include "lib/tools.h"
#include "vm.h"

static const char disk_usage[] =
	"usage: husk disk VM NUMBER KEY=VALUE[,KEY=VALUE]...\n"
	"\n"
	"Change a disk of a VM that runs. NUMBER is that of 'husk show': 0 for the first --disk.\n"
	"  where=kernel|worker  have it served there; the guest goes on, and notices nothing. Of a\n"
	"                       --disk that was given with movable\n"
	"  where=vhost-user:SOCKET  have the back-end serve it that listens there, of the same disk.\n"
	"                       Of a --disk that was given with where=vhost-user:, or vm:\n"
	"  where=vm:NAME        likewise, the VM of that name\n"
	"  iops=N               requests a second; 0: no limit\n"
	"  iops-burst=N         at once; 0: as many as in a tenth of a second\n"
	"  bps=SIZE             bytes a second, as 10M; 0: no limit\n"
	"  bps-burst=SIZE       at once; 0: as many as in a tenth of a second\n";

static bool is_word(const char *text)
{
	return strlen(text) < 400 && !text[strcspn(text, " \t\n")];
}

/* where=vhost-user:SOCKET and where=vm:NAME: a connection to there, and *change names none; of all others -1 */
static int back_end(const char **change)
{
	static const struct {
		const char *key;
		int (*connect)(const char *to);
	} places[] = { { "where=vhost-user:", husk_unix_connect }, { "where=vm:", husk_export_connect } };
	int fd = -1;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		const char *to = *change + strlen(places[i].key);

		if (strncmp(*change, places[i].key, strlen(places[i].key)))
			continue;
		fd = places[i].connect(to);
		if (fd < 0)
			die(HUSK_STATUS_INPUT, "%s: no back-end there: %s", to, strerror(errno));
		*change = "where=vhost-user";
		break;
	}
	return fd;
}

int cmd_disk(int argc, char **argv)
{
	int arg = parse_plain(argc, argv, disk_usage, NULL, 3, 3);
	char line[512], answer[256], *end;
	const char *change = argv[arg + 2];
	unsigned long number = strtoul(argv[arg + 1], &end, 10);
	struct husk_nl_vm vm;
	struct husk_nl *nl;
	int pass;

	if (argv[arg + 1][0] < '0' || argv[arg + 1][0] > '9' || *end || number > 255)
		die(HUSK_STATUS_USAGE, "bad disk \"%s\": a number, as husk show has it", argv[arg + 1]);
	if (!strchr(argv[arg + 2], '=') || !is_word(argv[arg + 2]))
		die(HUSK_STATUS_USAGE, "bad change \"%s\": say for example where=kernel, or iops=100,bps=10M", argv[arg + 2]);
	nl = vm_connect();
	vm_find(nl, argv[arg], &vm);
	pass = back_end(&change);
	snprintf(line, sizeof(line), "disk %lu %s\n", number, change);
	if (!vm_pass(&vm, line, pass, answer, sizeof(answer)))
		die(HUSK_STATUS_HOST, "%s: its worker does not answer; is it another user's?", vm.name);
	if (strcmp(answer, "ok"))
		die(HUSK_STATUS_INPUT, "%s: disk %lu: %s", vm.name, number, format_plain(answer, false));
	if (pass >= 0)
		close(pass);
	husk_nl_close(nl);
	return HUSK_STATUS_OK;
}
