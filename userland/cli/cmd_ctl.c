// SPDX-License-Identifier: GPL-2.0
/* husk pause, resume, button, reset, nmi, stop, kill: control of a live VM. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "vm.h"

#define SECOND_NS	UINT64_C(1000000000)
#define POLL_NS		20000000L		/* how often a VM is looked for */
#define QUIET_NS	(2 * SECOND_NS)		/* silence before the progress line */
#define WORKER_NS	(5 * SECOND_NS)		/* what the worker may need after the guest's time is over */
#define KILL_NS		(2 * SECOND_NS)		/* what a killed VM may need to go away */

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	interrupted = number;
}

static void done_json(bool json, const struct husk_nl_vm *vm, const char *what)
{
	if (!json)
		return;
	printf("{\"id\": %" PRIu32 ", \"name\": ", vm->id);
	json_string(vm->name);
	printf(", \"done\": \"%s\"}\n", what);
}

/* ---- waiting until a VM is gone ---- */

/* Does this very VM still exist? *vm is brought up to date. */
static bool vm_exists(struct husk_nl *nl, struct husk_nl_vm *vm)
{
	struct husk_nl_vm now;
	int err = husk_nl_show_id(nl, vm->id, &now);

	if (err == -ENOENT)
		return false;
	if (err)
		vm_die(nl, err, "watch", vm->name);
	*vm = now;
	return true;
}

/* One line, rewritten on a terminal */
static void progress(const struct husk_nl_vm *vm, uint64_t waited, uint64_t limit, bool *shown)
{
	bool tty = isatty(STDERR_FILENO);

	if (!tty && *shown)
		return;
	fprintf(stderr, "%swaiting for %s (%s) to power off: %" PRIu64 " of %" PRIu64 " s%s",
		tty ? "\r" : "", vm->name, husk_vm_state_name(vm->state),
		waited / SECOND_NS, limit / SECOND_NS, tty ? "\033[K" : "\n");
	*shown = true;
}

static void progress_end(bool shown)
{
	if (shown && isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

/* Wait until the VM is gone, @grace longer than what is shown; @shows: with a progress line. False: it is still there. */
static bool wait_gone(struct husk_nl *nl, struct husk_nl_vm *vm, uint64_t limit, uint64_t grace, bool shows)
{
	const struct timespec poll = { .tv_nsec = POLL_NS };
	uint64_t start = vm_now(), waited = 0;
	bool shown = false, gone;

	while (!(gone = !vm_exists(nl, vm)) && waited < limit + grace && !interrupted) {
		nanosleep(&poll, NULL);
		waited = vm_now() - start;
		if (shows && waited > QUIET_NS)
			progress(vm, waited, limit, &shown);
	}
	progress_end(shown);
	return gone;
}

/* ---- pause, resume, button, reset, nmi ---- */

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

/* ---- stop ---- */

static const char stop_usage[] =
	"usage: husk stop [--timeout S] [--json] VM\n"
	"\n"
	"Press the power button of a VM, by name or id, and wait until it is gone. The\n"
	"guest has S seconds (30) to power off, then its worker ends it.\n";

static uint32_t stop_timeout(const char *arg)
{
	char *end;
	double s = strtod(arg, &end);

	if (end == arg || *end || !isfinite(s) || s < 0 || s > HUSK_STOP_TIMEOUT_MAX_MS / 1000)
		die(HUSK_STATUS_USAGE, "bad timeout \"%s\": a number of seconds, 0 to %d",
		    arg, HUSK_STOP_TIMEOUT_MAX_MS / 1000);
	return s * 1000;
}

static int stop_parse(int argc, char **argv, uint32_t *timeout_ms, bool *json)
{
	static const struct option options[] = {
		{ "timeout", required_argument, NULL, 't' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 't':
			*timeout_ms = stop_timeout(optarg);
			break;
		case 'j':
			*json = true;
			break;
		default:
			usage(stop_usage, c == 'h');
		}
	}
	if (argc - optind != 1)
		usage(stop_usage, false);
	return optind;
}

/* Let Ctrl-C end the waiting, with a line about what stands; and ourselves as it always would. */
static void stop_interrupted(const struct husk_nl_vm *vm)
{
	int number = interrupted;

	complain("no longer waiting: %s is still asked to power off", vm->name);
	signal(number, SIG_DFL);
	raise(number);
}

int cmd_stop(int argc, char **argv)
{
	uint32_t timeout_ms = HUSK_STOP_TIMEOUT_MS;
	const struct sigaction action = { .sa_handler = on_signal };
	struct husk_nl_vm vm;
	struct husk_nl *nl;
	bool json = false;
	int arg, err;

	arg = stop_parse(argc, argv, &timeout_ms, &json);
	nl = vm_connect();
	vm_find(nl, argv[arg], &vm);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	err = husk_nl_stop(nl, vm.id, timeout_ms);
	if (err && err != -ENOENT)
		vm_die(nl, err, "stop", argv[arg]);
	if (!wait_gone(nl, &vm, timeout_ms * UINT64_C(1000000), WORKER_NS, true)) {
		if (interrupted)
			stop_interrupted(&vm);
		die(HUSK_STATUS_FAIL, "%s did not go away: husk kill %s ends it", vm.name, vm.name);
	}
	done_json(json, &vm, "stopped");
	husk_nl_close(nl);
	return HUSK_STATUS_OK;
}

/* ---- kill ---- */

/*
 * A killed VM is there as long as its process holds it. End that process, if it
 * is the caller's to end. The pid is looked at again after it has been pinned by
 * a pidfd, since it might have been given to another process in between.
 */
static void kill_owner(struct husk_nl *nl, struct husk_nl_vm *vm)
{
	uint32_t pid = vm->owner_pid;
	int fd = pid ? syscall(SYS_pidfd_open, pid, 0) : -1;

	if (fd < 0)
		return;
	if (vm_exists(nl, vm) && vm->owner_pid == pid &&
	    syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0))
		complain("cannot end process %" PRIu32 ", which holds %s: %s", pid, vm->name, strerror(errno));
	close(fd);
}

int cmd_kill(int argc, char **argv)
{
	struct husk_nl_vm vm;
	struct husk_nl *nl;
	bool json = false;
	int arg, err;

	arg = parse_plain(argc, argv,
			  "usage: husk kill [--json] VM\n"
			  "\n"
			  "End a VM, by name or id, at once, and wait until it is gone. What the guest has\n"
			  "not written to its disks is lost.\n", &json, 1, 1);
	nl = vm_connect();
	vm_find(nl, argv[arg], &vm);
	err = husk_nl_kill(nl, vm.id);
	if (err && err != -ENOENT)
		vm_die(nl, err, "kill", argv[arg]);
	if (!wait_gone(nl, &vm, KILL_NS, 0, false)) {
		kill_owner(nl, &vm);
		if (!wait_gone(nl, &vm, KILL_NS, 0, false))
			die(HUSK_STATUS_FAIL, "%s is dead, but process %" PRIu32 " still holds it",
			    vm.name, vm.owner_pid);
	}
	done_json(json, &vm, "killed");
	husk_nl_close(nl);
	return HUSK_STATUS_OK;
}
