// SPDX-License-Identifier: GPL-2.0
/*
 * nl_daemon: takes requests to start VMs, as a daemon does, and says a line for each.
 * What it answers is in the name: good-N runs as VM N, bad is refused, late has no answer,
 * wrong has one for another token and then its own, again has two, quit ends it.
 * With "twice" it only tries to be the daemon.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/netlink.h"

static void on_request(const struct husk_nl_request *r, void *arg)
{
	struct husk_nl_start start = {};
	struct husk_nl *nl = arg;

	printf("request %s uid %u timeout %u\n", r->name, r->uid, r->timeout_ms);
	fflush(stdout);
	if (!strcmp(r->name, "quit"))
		exit(0);
	if (!strcmp(r->name, "late"))
		return;
	if (!strcmp(r->name, "bad")) {
		start.error = EACCES;
		strcpy(start.message, "it is not yours");
	}
	if (!strncmp(r->name, "good-", 5))
		start.vm_id = atoi(r->name + 5);
	if (!strcmp(r->name, "wrong"))
		husk_nl_answer(nl, r->token + 1000, &start);
	husk_nl_answer(nl, r->token, &start);
	if (!strcmp(r->name, "again")) {
		start.error = EIO;
		husk_nl_answer(nl, r->token, &start);
	}
}

int main(int argc, char **argv)
{
	struct husk_nl *nl;
	struct pollfd fd = { .events = POLLIN };
	int err;

	(void)argv;
	if (husk_nl_open(&nl) || husk_nl_daemon(nl)) {
		fprintf(stderr, "nl_daemon: %s\n", husk_nl_error(nl));
		return 1;
	}
	if (argc > 1)
		return 0;
	puts("ready");
	fflush(stdout);
	fd.fd = husk_nl_fd(nl);
	for (;;) {
		err = husk_nl_read_requests(nl, on_request, nl);
		if (err == -EAGAIN) {
			poll(&fd, 1, -1);
		} else if (err) {
			fprintf(stderr, "nl_daemon: %s\n", husk_nl_error(nl));
			return 1;
		}
	}
}
