// SPDX-License-Identifier: GPL-2.0
/* husk announce: have a guest tell the network where it is. */
#include <string.h>

#include "cli.h"
#include "format.h"
#include "lib/tools.h"
#include "vm.h"

static const char announce_usage[] =
	"usage: husk announce VM\n"
	"\n"
	"Have the guest announce its addresses on all its networks, so that switches learn\n"
	"anew where it is: after its tap interface has moved from one bridge to another, say.\n";

int cmd_announce(int argc, char **argv)
{
	struct husk_nl_vm vm;
	struct husk_nl *nl;
	char answer[256];
	int arg;

	arg = parse_plain(argc, argv, announce_usage, NULL, 1, 1);
	nl = vm_connect();
	vm_find(nl, argv[arg], &vm);
	if (!vm_ask(&vm, "announce\n", answer, sizeof(answer)))
		die(HUSK_STATUS_HOST, "%s: its worker does not answer; is it another user's?", vm.name);
	if (strcmp(answer, "ok"))
		die(HUSK_STATUS_INPUT, "%s: %s", vm.name, format_plain(answer, false));
	husk_nl_close(nl);
	return HUSK_STATUS_OK;
}
