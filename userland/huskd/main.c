// SPDX-License-Identifier: GPL-2.0
/*
 * huskd: starts the VMs that are defined, each in a worker of its own, and starts them
 * again as their definitions say. It holds no guest's memory and no state: it may be killed
 * and started again at any time, and the guests run on.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "huskd/huskd.h"
#include "lib/status.h"

static const char usage[] =
	"usage: huskd [--help] [--version]\n"
	"\n"
	"The daemon of husk: starts the VMs that are defined in " HUSK_DEFINITIONS " when 'husk start'\n"
	"asks for it, at boot those with a link in " HUSK_AUTOSTART ", and again as each\n"
	"definition's restart= says. It stays in the foreground; SIGTERM and SIGINT end it, and the\n"
	"VMs run on: the next huskd finds them. There is one on a host. husk.conf(5) tells more.\n";

static struct husk_nl *relay, *events, *asking;
static bool over, failed;

void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

/* ---- the kernel module ---- */

void answer(uint64_t token, int error, uint32_t vm_id, const char *message)
{
	struct husk_nl_start start = { .error = error, .vm_id = vm_id };

	snprintf(start.message, sizeof(start.message), "%s", message);
	husk_nl_answer(relay, token, &start);
}

bool vm_of(const char *name, struct husk_nl_vm *vm)
{
	/* a name of digits is an id, too */
	return !husk_nl_show(asking, name, vm) && !strcmp(vm->name, name);
}

uint32_t vm_id_of(const char *name)
{
	struct husk_nl_vm vm;

	return vm_of(name, &vm) ? vm.id : 0;
}

static void on_request(const struct husk_nl_request *request, void *arg)
{
	(void)arg;
	guest_request(request);
}

static void on_relay(struct watch *watch)
{
	int err;

	(void)watch;
	do
		err = husk_nl_read_requests(relay, on_request, NULL);
	while (!err);
	if (err == -ENOBUFS)
		say("requests were lost: who sent them is told so in time");
	else if (err != -EAGAIN) {
		say("no requests any more: %s", husk_nl_error(relay));
		failed = over = true;
	}
}

static void on_event(const struct husk_nl_event *event, void *arg)
{
	(void)arg;
	if (event->group == HUSK_NL_LIFECYCLE)
		guest_event(event->name, event->life.kind);
}

static void on_events(struct watch *watch)
{
	int err;

	do
		err = husk_nl_read_events(events, on_event, NULL);
	while (!err);
	if (err == -EAGAIN)
		return;
	if (err == -ENOBUFS) {
		guests_look_again();
		return;
	}
	say("no events any more: %s", husk_nl_error(events));
	(void)watch;
	failed = over = true;
}

/* Complain, and answer the status. */
static enum husk_status no_kernel(int err, struct husk_nl *nl)
{
	say("huskd: %s", husk_nl_error(nl));
	return err == -ENODEV || err == -EPERM ? HUSK_STATUS_HOST : HUSK_STATUS_FAIL;
}

static enum husk_status connect_kernel(void)
{
	int err = husk_nl_open(&asking);

	if (err)
		return no_kernel(err, asking);
	err = husk_nl_open(&relay);
	if (!err)
		err = husk_nl_daemon(relay);
	if (err)
		return no_kernel(err, relay);
	err = husk_nl_open(&events);
	if (!err)
		err = husk_nl_subscribe(events, HUSK_NL_LIFECYCLE);
	return err ? no_kernel(err, events) : HUSK_STATUS_OK;
}

/* ---- this process ---- */

static void on_signal(struct watch *watch)
{
	struct signalfd_siginfo info;

	if (read(watch->fd, &info, sizeof(info)) == sizeof(info))
		over = true;
}

/* Once a boot */
static int mount_logs(void)
{
	struct stat logs, run;

	if (stat(HUSK_RUN_LOGS, &logs) < 0 || stat("/run/husk", &run) < 0 ||
	    (logs.st_dev == run.st_dev &&
	     mount("none", HUSK_RUN_LOGS, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=64m,mode=0700") < 0)) {
		say("huskd: %s: %s", HUSK_RUN_LOGS, strerror(errno));
		return -1;
	}
	return 0;
}

static int make_folders(void)
{
	static const struct {
		const char *path;
		mode_t mode;
	} folders[] = {
		{ "/run/husk", 0711 }, { HUSK_RUN, 0711 }, { HUSK_RUN_LOGS, 0700 },
		{ "/etc/husk", 0755 }, { HUSK_DEFINITIONS, 0755 }, { HUSK_AUTOSTART, 0755 }, { "/var/log", 0755 },
		{ HUSK_LOGS, 0750 },
	};

	umask(0022);
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (mkdir(folders[i].path, folders[i].mode) < 0 && errno != EEXIST) {
			say("huskd: %s: %s", folders[i].path, strerror(errno));
			return -1;
		}
	/* owners of VMs that are not root come by here to their control sockets */
	return chmod("/run/husk", 0711) < 0 ? -1 : mount_logs();
}

static int watch_all(void)
{
	static struct watch signals = { -1, on_signal }, requests = { -1, on_relay }, happenings = { -1, on_events };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);	/* definitions are read when they are needed */
	signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	requests.fd = husk_nl_fd(relay);
	happenings.fd = husk_nl_fd(events);
	if (signals.fd < 0 || loop_add(&signals) < 0 || loop_add(&requests) < 0 || loop_add(&happenings) < 0) {
		say("huskd: %s", strerror(errno));
		return -1;
	}
	return 0;
}

/* A module that was unloaded and loaded again says nothing of it. */
static bool still_registered(void)
{
	static long long last;
	struct husk_nl_caps caps;

	if (now_ms() - last < BEAT_MS / 2)
		return true;
	last = now_ms();
	return !husk_nl_caps(asking, &caps) && caps.daemon_pid == (uint32_t)getpid();
}

static void serve(void)
{
	int beat = watchdog_ms();

	while (!over) {
		int ms = guests_timeout();

		loop_round(ms < 0 || ms > beat ? beat : ms);
		guests_look();
		if (!still_registered()) {
			say("huskd: the kernel module does not know me any more: was it loaded anew? Start me again");
			failed = over = true;
		}
		notify("WATCHDOG=1");
	}
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c == 'v')
			printf("huskd %s, ABI %d\n", HUSK_VERSION, HUSK_ABI_VERSION);
		else
			fputs(usage, c == 'h' ? stdout : stderr);
		exit(c == 'h' || c == 'v' ? HUSK_STATUS_OK : HUSK_STATUS_USAGE);
	}
	if (optind < argc) {
		fputs(usage, stderr);
		exit(HUSK_STATUS_USAGE);
	}
}

int main(int argc, char **argv)
{
	enum husk_status status;

	setvbuf(stderr, NULL, _IOLBF, 0);
	parse(argc, argv);
	if (geteuid()) {
		say("huskd: run it as root: it gives each VM a user of its own");
		return HUSK_STATUS_HOST;
	}
	status = connect_kernel();
	if (status)
		return status;
	if (make_folders() < 0 || loop_init() < 0 || watch_all() < 0)
		return HUSK_STATUS_FAIL;
	guests_adopt();
	guests_autostart();
	say("huskd: ready");
	notify("READY=1");
	serve();
	notify("STOPPING=1");
	say("huskd: ends; the VMs run on");
	return failed ? HUSK_STATUS_FAIL : HUSK_STATUS_OK;
}
