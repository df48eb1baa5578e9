// SPDX-License-Identifier: GPL-2.0
/* husk pause, resume, button, reset, nmi: control of a live VM. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "vm.h"

void done_json(bool json, const struct husk_nl_vm *vm, const char *what)
{
	if (!json)
		return;
	printf("{\"id\": %" PRIu32 ", \"name\": ", vm->id);
	json_string(vm->name);
	printf(", \"done\": \"%s\"}\n", what);
}

static int cmd_plain(int argc, char **argv, const char *text, int (*fn)(struct husk_nl *nl, uint32_t id),
		     const char *verb, const char *done)
{
	struct husk_nl_vm vm;
	struct husk_nl *nl;
	bool json = false;
	int arg, err;

	arg = parse_plain(argc, argv, text, &json, 1, 1);
	nl = vm_connect();
	vm_find(nl, argv[arg], &vm);
	err = fn(nl, vm.id);
	if (err)
		vm_die(nl, err, verb, argv[arg]);
	done_json(json, &vm, done);
	husk_nl_close(nl);
	return HUSK_STATUS_OK;
}

int cmd_pause(int argc, char **argv)
{
	return cmd_plain(argc, argv,
			 "usage: husk pause [--json] VM\n"
			 "\n"
			 "Stop the vCPUs of a VM, by name or id, until husk resume.\n", husk_nl_pause, "pause", "paused");
}

int cmd_resume(int argc, char **argv)
{
	return cmd_plain(argc, argv,
			 "usage: husk resume [--json] VM\n"
			 "\n"
			 "Let the vCPUs of a paused VM, by name or id, go on.\n", husk_nl_resume, "resume", "resumed");
}

int cmd_button(int argc, char **argv)
{
	return cmd_plain(argc, argv,
			 "usage: husk button [--json] VM\n"
			 "\n"
			 "Press the power button of a VM, by name or id, and wait for nothing: what the\n"
			 "guest does then is its own affair. husk stop presses it and waits.\n",
			 husk_nl_button, "press the power button of", "pressed");
}

int cmd_reset(int argc, char **argv)
{
	return cmd_plain(argc, argv,
			 "usage: husk reset [--json] VM\n"
			 "\n"
			 "Reset a VM, by name or id, as its reset button would: it boots anew. What the\n"
			 "guest has not written to its disks is lost. One that was started with\n"
			 "--no-reboot ends instead.\n", husk_nl_reset, "reset", "reset");
}

static const char nmi_usage[] =
	"usage: husk nmi [--vcpu N] [--json] VM\n"
	"\n"
	"Send an NMI to a VM, by name or id: to one vCPU, or to all. Linux guests say\n"
	"where they are, or panic, as kernel.unknown_nmi_panic has it.\n";

int cmd_nmi(int argc, char **argv)
{
	static const struct option options[] = {
		{ "vcpu", required_argument, NULL, 'v' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	struct husk_nl_vm vm;
	struct husk_nl *nl;
	bool json = false;
	long vcpu = -1;
	char *end;
	int c, err;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'v':
			vcpu = strtol(optarg, &end, 10);
			if (*optarg < '0' || *optarg > '9' || *end || vcpu > 63)
				die(HUSK_STATUS_USAGE, "bad vCPU \"%s\": a number, 0 to 63", optarg);
			break;
		case 'j':
			json = true;
			break;
		default:
			usage(nmi_usage, c == 'h');
		}
	}
	if (argc - optind != 1)
		usage(nmi_usage, false);
	nl = vm_connect();
	vm_find(nl, argv[optind], &vm);
	err = husk_nl_nmi(nl, vm.id, vcpu);
	if (err)
		vm_die(nl, err, "send an NMI to", argv[optind]);
	done_json(json, &vm, "sent");
	husk_nl_close(nl);
	return HUSK_STATUS_OK;
}
