// SPDX-License-Identifier: GPL-2.0
/* husk balloon: ask a guest to give memory back. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "format.h"
#include "lib/tools.h"
#include "vm.h"

static const char balloon_usage[] =
	"usage: husk balloon VM SIZE\n"
	"\n"
	"Ask a guest that was started with --balloon to give SIZE of its memory back to the\n"
	"host, in all; 0 lets it have all again. SIZE is with K, M, G or T; without, in MiB.\n"
	"The guest does as it can: 'husk show' tells how far it is.\n";

int cmd_balloon(int argc, char **argv)
{
	struct husk_nl_vm vm;
	struct husk_nl *nl;
	char line[64], answer[256];
	uint64_t size;
	int arg;

	arg = parse_plain(argc, argv, balloon_usage, NULL, 2, 2);
	size = husk_parse_size(argv[arg + 1]);
	if (!size && strcmp(argv[arg + 1], "0"))
		die(HUSK_STATUS_USAGE, "bad size \"%s\": say for example 64M, or 0", argv[arg + 1]);
	nl = vm_connect();
	vm_find(nl, argv[arg], &vm);
	snprintf(line, sizeof(line), "balloon %" PRIu64 "\n", size);
	if (!vm_ask(&vm, line, answer, sizeof(answer)))
		die(HUSK_STATUS_HOST, "%s: its worker does not answer; is it another user's?", vm.name);
	if (strcmp(answer, "ok"))
		die(HUSK_STATUS_INPUT, "%s: %s", vm.name, format_plain(answer, false));
	husk_nl_close(nl);
	return HUSK_STATUS_OK;
}
