// SPDX-License-Identifier: GPL-2.0
/* husk start: a VM that the daemon knows. */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "vm.h"

static const char start_usage[] =
	"usage: husk start [--timeout S] [--json] NAME\n"
	"\n"
	"Have the daemon start the VM that it knows by that name, and wait until it runs,\n"
	"S seconds (30) at most.\n";

static uint32_t start_timeout(const char *arg)
{
	char *end;
	double s = strtod(arg, &end);

	if (end == arg || *end || !isfinite(s) || s < 0 || s > HUSK_START_TIMEOUT_MAX_MS / 1000)
		die(HUSK_STATUS_USAGE, "bad timeout \"%s\": a number of seconds, 0 to %d", arg, HUSK_START_TIMEOUT_MAX_MS / 1000);
	return s * 1000;
}

int cmd_start(int argc, char **argv)
{
	static const struct option options[] = {
		{ "timeout", required_argument, NULL, 't' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	uint32_t timeout_ms = HUSK_START_TIMEOUT_MS, id = 0;
	struct husk_nl *nl;
	bool json = false;
	int c, err;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 't':
			timeout_ms = start_timeout(optarg);
			break;
		case 'j':
			json = true;
			break;
		default:
			usage(start_usage, c == 'h');
		}
	}
	if (argc - optind != 1)
		usage(start_usage, false);
	nl = vm_connect();
	err = husk_nl_start(nl, argv[optind], timeout_ms, &id);
	if (err)
		vm_die(nl, err, "start", argv[optind]);
	if (json) {
		printf("{\"id\": %u, \"name\": ", id);
		json_string(argv[optind]);
		printf(", \"done\": \"started\"}\n");
	}
	husk_nl_close(nl);
	return HUSK_STATUS_OK;
}
