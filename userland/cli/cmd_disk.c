// SPDX-License-Identifier: GPL-2.0
/* husk disk: change a disk of a VM that runs. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "format.h"
#include "vm.h"

static const char disk_usage[] =
	"usage: husk disk VM NUMBER KEY=VALUE[,KEY=VALUE]...\n"
	"\n"
	"Change a disk of a VM that runs. NUMBER is that of 'husk show': 0 for the first --disk.\n"
	"  where=kernel|worker  have it served there; the guest goes on, and notices nothing. Of a\n"
	"                       --disk that was given with movable\n"
	"  iops=N               requests a second; 0: no limit\n"
	"  iops-burst=N         at once; 0: as many as in a tenth of a second\n"
	"  bps=SIZE             bytes a second, as 10M; 0: no limit\n"
	"  bps-burst=SIZE       at once; 0: as many as in a tenth of a second\n";

static bool is_word(const char *text)
{
	return strlen(text) < 400 && !text[strcspn(text, " \t\n")];
}

int cmd_disk(int argc, char **argv)
{
	int arg = parse_plain(argc, argv, disk_usage, NULL, 3, 3);
	char line[512], answer[256], *end;
	unsigned long number = strtoul(argv[arg + 1], &end, 10);
	struct husk_nl_vm vm;
	struct husk_nl *nl;

	if (argv[arg + 1][0] < '0' || argv[arg + 1][0] > '9' || *end || number > 255)
		die(HUSK_STATUS_USAGE, "bad disk \"%s\": a number, as husk show has it", argv[arg + 1]);
	if (!strchr(argv[arg + 2], '=') || !is_word(argv[arg + 2]))
		die(HUSK_STATUS_USAGE, "bad change \"%s\": say for example where=kernel, or iops=100,bps=10M", argv[arg + 2]);
	nl = vm_connect();
	vm_find(nl, argv[arg], &vm);
	snprintf(line, sizeof(line), "disk %lu %s\n", number, argv[arg + 2]);
	if (!vm_ask(&vm, line, answer, sizeof(answer)))
		die(HUSK_STATUS_HOST, "%s: its worker does not answer; is it another user's?", vm.name);
	if (strcmp(answer, "ok"))
		die(HUSK_STATUS_INPUT, "%s: disk %lu: %s", vm.name, number, format_plain(answer, false));
	husk_nl_close(nl);
	return HUSK_STATUS_OK;
}
