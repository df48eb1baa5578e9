// SPDX-License-Identifier: GPL-2.0
/* husk stop, restart, kill: the end of VMs, waited for. */
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
#include "defined.h"
#include "vm.h"

#define SECOND_NS	UINT64_C(1000000000)
#define POLL_NS		20000000L		/* how often VMs are looked for */
#define QUIET_NS	(2 * SECOND_NS)		/* silence before the progress line */
#define WORKER_NS	(5 * SECOND_NS)		/* what the worker may need after the guest's time is over */
#define START_NS	(10 * SECOND_NS)	/* what the daemon may need until a VM is there */
#define KILL_NS		(2 * SECOND_NS)		/* what a killed VM may need to go away */

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	interrupted = number;
}

/* ---- waiting until VMs are gone ---- */

struct stopping {
	struct husk_nl_vm vm;
	uint64_t limit;		/* ns that the guest has */
	bool gone;
};

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
static void progress(const struct stopping *first, size_t left, uint64_t waited, bool *shown)
{
	bool tty = isatty(STDERR_FILENO);

	if (!tty && *shown)
		return;
	fprintf(stderr, "%swaiting for %s (%s)", tty ? "\r" : "", first->vm.name, husk_vm_state_name(first->vm.state));
	if (left > 1)
		fprintf(stderr, " and %zu more", left - 1);
	fprintf(stderr, " to power off: %" PRIu64 " of %" PRIu64 " s%s", waited / SECOND_NS, first->limit / SECOND_NS,
		tty ? "\033[K" : "\n");
	*shown = true;
}

static void progress_end(bool shown)
{
	if (shown && isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

/* Look at those that are left: how many, and the first of them; those whose time and @grace is over don't count */
static size_t look(struct husk_nl *nl, struct stopping *s, size_t count, uint64_t waited, uint64_t grace,
		   const struct stopping **first)
{
	size_t left = 0;

	for (size_t i = 0; i < count; i++) {
		if (s[i].gone || !vm_exists(nl, &s[i].vm)) {
			s[i].gone = true;
			continue;
		}
		if (waited < s[i].limit + grace && !left++)
			*first = &s[i];
	}
	return left;
}

/* Until they are gone, @grace longer than what is shown; @shows: with a progress line */
static void wait_gone(struct husk_nl *nl, struct stopping *s, size_t count, uint64_t grace, bool shows)
{
	const struct timespec poll = { .tv_nsec = POLL_NS };
	uint64_t start = vm_now(), waited = 0;
	const struct stopping *first = s;
	bool shown = false;
	size_t left;

	while ((left = look(nl, s, count, waited, grace, &first)) && !interrupted) {
		nanosleep(&poll, NULL);
		waited = vm_now() - start;
		if (shows && waited > QUIET_NS)
			progress(first, left, waited, &shown);
	}
	progress_end(shown);
}

/* ---- stop ---- */

#define NO_TIMEOUT	UINT32_MAX

static const char stop_usage[] =
	"usage: husk stop [--timeout S] [--json] VM...\n"
	"       husk stop [--timeout S] [--json] --all\n"
	"\n"
	"Press the power button of VMs, by name or id, or of all that are yours, and wait\n"
	"until they are gone. A guest has S seconds to power off (what its definition says,\n"
	"or 30), then its worker ends it. The daemon does not start them again.\n";

static uint32_t stop_timeout(const char *arg)
{
	char *end;
	double s = strtod(arg, &end);

	if (end == arg || *end || !isfinite(s) || s < 0 || s > HUSK_STOP_TIMEOUT_MAX_MS / 1000)
		die(HUSK_STATUS_USAGE, "bad timeout \"%s\": a number of seconds, 0 to %d",
		    arg, HUSK_STOP_TIMEOUT_MAX_MS / 1000);
	return s * 1000;
}

struct stop_options {
	uint32_t timeout_ms;
	bool all, json;
};

static int stop_parse(int argc, char **argv, const struct option *options, const char *text, struct stop_options *o)
{
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c == 't')
			o->timeout_ms = stop_timeout(optarg);
		else if (c == 'j')
			o->json = true;
		else if (c == 'a')
			o->all = true;
		else
			usage(text, c == 'h');
	}
	if ((argc > optind) == o->all)
		usage(text, false);
	return optind;
}

enum found { FOUND, NOT_THERE, FORGOTTEN };

/*
 * A VM that the daemon is starting will be there soon; one that it waits to start again is not there, and
 * that is over, too.
 */
static enum found look_for(struct husk_nl *nl, const char *name, struct husk_nl_vm *vm)
{
	const struct timespec poll = { .tv_nsec = POLL_NS };
	uint64_t start = vm_now();
	int err;

	while ((err = husk_nl_show(nl, name, vm)) == -ENOENT && defined_state(name) == DEFINED_LIVE && !interrupted) {
		if (vm_now() - start > START_NS)
			die(HUSK_STATUS_FAIL, "%s is being started, and does not come to run: 'husk kill %s' ends it", name, name);
		nanosleep(&poll, NULL);
	}
	if (err && err != -ENOENT)
		vm_die(nl, err, "find", name);
	if (!err)
		return FOUND;
	return defined_forget(name) ? FORGOTTEN : NOT_THERE;
}

static void ask(struct husk_nl *nl, const struct stop_options *o, struct stopping *s, bool dies)
{
	uint32_t ms = o->timeout_ms == NO_TIMEOUT ? defined_stop_timeout(s->vm.name) * 1000 : o->timeout_ms;
	int err = husk_nl_stop(nl, s->vm.id, ms);

	s->limit = ms * UINT64_C(1000000);
	/* one that goes away by itself meanwhile is no error */
	if (!err || err == -ENOENT)
		return;
	if (dies)
		vm_die(nl, err, "stop", s->vm.name);
	complain("cannot stop %s: %s", s->vm.name, husk_nl_error(nl));
}

/* All are found before any is asked. */
static struct stopping *stop_named(struct husk_nl *nl, char **names, size_t count, const struct stop_options *o, size_t *found)
{
	struct stopping *s = calloc(count, sizeof(*s));
	size_t n = 0;

	for (size_t i = 0; s && i < count; i++)
		switch (look_for(nl, names[i], &s[n].vm)) {
		case FOUND:
			n++;
			break;
		case FORGOTTEN:
			complain("%s was not running; it is not started again", names[i]);
			break;
		case NOT_THERE:
			vm_die(nl, -ENOENT, "find", names[i]);
		}
	for (size_t i = 0; i < n; i++)
		ask(nl, o, &s[i], true);
	*found = n;
	return s;
}

static int settle(const char *name, void *nl)
{
	struct husk_nl_vm vm;

	look_for(nl, name, &vm);
	return 0;
}

static struct stopping *stop_all(struct husk_nl *nl, const struct stop_options *o, size_t *count)
{
	struct husk_nl_vm *vm;
	struct stopping *s;

	/* those that are being started are there then, and none waits any more */
	defined_each_state(settle, nl);
	vm = vm_list(nl, count);
	s = calloc(*count + 1, sizeof(*s));
	for (size_t i = 0; s && i < *count; i++) {
		s[i].vm = vm[i];
		ask(nl, o, &s[i], false);
	}
	free(vm);
	return s;
}

/* Let Ctrl-C end the waiting, with a line about what stands; and ourselves as it always would. */
static void stop_interrupted(const struct stopping *s, size_t count)
{
	int number = interrupted;

	for (size_t i = 0; i < count; i++)
		if (!s[i].gone)
			complain("no longer waiting: %s is still asked to power off", s[i].vm.name);
	signal(number, SIG_DFL);
	raise(number);
}

static int stop_wait(struct husk_nl *nl, struct stopping *s, size_t count, bool json, const char *done)
{
	int status = HUSK_STATUS_OK;

	wait_gone(nl, s, count, WORKER_NS, true);
	if (interrupted)
		stop_interrupted(s, count);
	for (size_t i = 0; i < count; i++) {
		if (s[i].gone) {
			done_json(json, &s[i].vm, done);
			continue;
		}
		complain("%s did not go away: husk kill %s ends it", s[i].vm.name, s[i].vm.name);
		status = HUSK_STATUS_FAIL;
	}
	return status;
}

static void hear_signals(void)
{
	const struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

int cmd_stop(int argc, char **argv)
{
	static const struct option options[] = {
		{ "timeout", required_argument, NULL, 't' },
		{ "all", no_argument, NULL, 'a' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	struct stop_options o = { .timeout_ms = NO_TIMEOUT };
	int arg = stop_parse(argc, argv, options, stop_usage, &o), status;
	struct husk_nl *nl = vm_connect();
	struct stopping *s;
	size_t count;

	hear_signals();
	s = o.all ? stop_all(nl, &o, &count) : stop_named(nl, argv + arg, argc - arg, &o, &count);
	if (!s)
		die(HUSK_STATUS_FAIL, "out of memory");
	status = stop_wait(nl, s, count, o.json, "stopped");
	free(s);
	sweep();
	husk_nl_close(nl);
	return status;
}

/* ---- restart ---- */

/* Not one that 'husk run' has started, perhaps another user's: only the name would be the same. */
static void check_defined(const struct husk_nl_vm *vm)
{
	if (geteuid() ? vm->owner_uid != geteuid() : defined_worker(vm->name) != (pid_t)vm->owner_pid)
		die(HUSK_STATUS_FAIL, "the VM %s that runs is not the daemon's: user %" PRIu32 " has started it", vm->name, vm->owner_uid);
}

int cmd_restart(int argc, char **argv)
{
	static const char text[] =
		"usage: husk restart [--timeout S] [--json] NAME\n"
		"\n"
		"Stop a VM that is defined, as husk stop does, and have the daemon start it anew:\n"
		"with what its definition says now. One that is off is started. husk reset is\n"
		"another thing: the same VM boots again, at once.\n";
	static const struct option options[] = {
		{ "timeout", required_argument, NULL, 't' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	struct stop_options o = { .timeout_ms = NO_TIMEOUT };
	int arg = stop_parse(argc, argv, options, text, &o), status;
	struct husk_nl *nl = vm_connect();
	struct stopping s = {};
	uint32_t id;
	int err;

	if (argc - arg != 1)
		usage(text, false);
	hear_signals();
	if (look_for(nl, argv[arg], &s.vm) == FOUND) {
		check_defined(&s.vm);
		ask(nl, &o, &s, true);
		status = stop_wait(nl, &s, 1, false, "");
		if (status)
			return status;
	}
	err = husk_nl_start(nl, argv[arg], HUSK_START_TIMEOUT_MS, &id);
	if (err)
		vm_die(nl, err, "start", argv[arg]);
	s.vm.id = id;
	snprintf(s.vm.name, sizeof(s.vm.name), "%s", argv[arg]);
	done_json(o.json, &s.vm, "restarted");
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
	int fd;

	if (pid && defined_worker(vm->name) == (pid_t)pid && defined_kill(vm->name))
		return;
	fd = pid ? syscall(SYS_pidfd_open, pid, 0) : -1;

	if (fd < 0)
		return;
	if (vm_exists(nl, vm) && vm->owner_pid == pid &&
	    syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0))
		complain("cannot end process %" PRIu32 ", which holds %s: %s", pid, vm->name, strerror(errno));
	close(fd);
}

/* Of the daemon's, without a VM: it is being started, or waits to be */
static bool kill_defined(const char *name, bool json)
{
	struct husk_nl_vm vm = {};

	if (!defined_kill(name) && !defined_forget(name))
		return false;
	snprintf(vm.name, sizeof(vm.name), "%s", name);
	done_json(json, &vm, "killed");
	return true;
}

int cmd_kill(int argc, char **argv)
{
	struct stopping s = { .limit = KILL_NS };
	struct husk_nl *nl;
	bool json = false;
	int arg, err;

	arg = parse_plain(argc, argv,
			  "usage: husk kill [--json] VM\n"
			  "\n"
			  "End a VM, by name or id, at once, and wait until it is gone. What the guest has\n"
			  "not written to its disks is lost. The daemon does not start it again.\n", &json, 1, 1);
	nl = vm_connect();
	if (husk_nl_show(nl, argv[arg], &s.vm) == -ENOENT && kill_defined(argv[arg], json))
		return HUSK_STATUS_OK;
	vm_find(nl, argv[arg], &s.vm);
	err = husk_nl_kill(nl, s.vm.id);
	if (err && err != -ENOENT)
		vm_die(nl, err, "kill", argv[arg]);
	wait_gone(nl, &s, 1, 0, false);
	if (!s.gone) {
		kill_owner(nl, &s.vm);
		wait_gone(nl, &s, 1, 0, false);
	}
	if (!s.gone)
		die(HUSK_STATUS_FAIL, "%s is dead, but process %" PRIu32 " still holds it", s.vm.name, s.vm.owner_pid);
	done_json(json, &s.vm, "killed");
	husk_nl_close(nl);
	sweep();
	return HUSK_STATUS_OK;
}
