// SPDX-License-Identifier: GPL-2.0
/* A VM's console on this terminal; husk console. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "cli.h"
#include "format.h"
#include "lib/tools.h"
#include "vm.h"

#define ESCAPE	0x1d	/* Ctrl-] */

const struct console_options console_plain = { .log = -1, .escape = ESCAPE };

struct terminal {
	const struct console_options *options;
	struct termios saved;
	bool raw;		/* stdin is a terminal and in raw mode */
	bool escaped;		/* the last byte was the escape */
	bool input_over;
	int console, signals;
};

static void terminal_restore(struct terminal *t)
{
	if (t->raw)
		tcsetattr(0, TCSADRAIN, &t->saved);
	t->raw = false;
}

static void terminal_raw(struct terminal *t)
{
	struct termios raw;

	if (tcgetattr(0, &t->saved) < 0)
		return;
	raw = t->saved;
	cfmakeraw(&raw);
	t->raw = !tcsetattr(0, TCSADRAIN, &raw);
}

static bool write_all(int fd, const char *data, size_t n)
{
	while (n) {
		ssize_t done = write(fd, data, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0 && errno == EAGAIN) {
			struct pollfd wait = { .fd = fd, .events = POLLOUT };

			poll(&wait, 1, -1);
			continue;
		}
		if (done <= 0)
			return false;
		data += done;
		n -= done;
	}
	return true;
}

static bool print_keys(int escape)
{
	char key[8], text[256];
	int n;

	snprintf(key, sizeof(key), escape < 0x20 ? "Ctrl-%c" : "%c", escape < 0x20 ? escape + '@' : escape);
	n = snprintf(text, sizeof(text),
		     "\r\n"
		     "%s d  leave the VM running\r\n"
		     "%s q  end the VM\r\n"
		     "%s %s  send %s\r\n"
		     "%s ?  this text\r\n", key, key, key, key, key, key);
	return write_all(1, text, n);
}

/* One typed byte. -1: go on, else how the session ends. */
static int typed(struct terminal *t, unsigned char c)
{
	int escape = t->options->escape;

	if (!t->escaped && c == escape && t->raw) {
		t->escaped = true;
		return -1;
	}
	if (t->escaped) {
		t->escaped = false;
		if (c == 'd')
			return CONSOLE_DETACHED;
		if (c == 'q')
			return CONSOLE_QUIT;
		if (c == '?')
			return print_keys(escape) ? -1 : CONSOLE_LOST;
		if (c != escape)
			return -1;
	}
	return send(t->console, &c, 1, MSG_NOSIGNAL) == 1 ? -1 : CONSOLE_EOF;
}

static int relay_input(struct terminal *t)
{
	char data[256];
	ssize_t n = read(0, data, sizeof(data));
	int end = -1;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return -1;
	if (n <= 0) {
		t->input_over = true;
		return t->raw ? CONSOLE_LOST : -1;
	}
	if (!t->raw)
		return send(t->console, data, n, MSG_NOSIGNAL) == n ? -1 : CONSOLE_EOF;
	for (ssize_t i = 0; i < n && end < 0; i++)
		end = typed(t, data[i]);
	return end;
}

static int relay_output(struct terminal *t)
{
	char data[4096];
	ssize_t n = recv(t->console, data, sizeof(data), 0);

	if (n < 0 && errno == EINTR)
		return -1;
	if (n <= 0)
		return CONSOLE_EOF;
	if (t->options->log >= 0 && !write_all(t->options->log, data, n))
		return CONSOLE_LOG;
	return write_all(1, data, n) ? -1 : CONSOLE_LOST;
}

static int relay(struct terminal *t)
{
	struct pollfd fds[3] = {
		{ .fd = t->console, .events = POLLIN },
		{ .fd = t->signals, .events = POLLIN },
		{ .fd = 0, .events = POLLIN },
	};
	int end = -1;

	while (end < 0) {
		fds[2].fd = t->input_over || t->options->read_only ? -1 : 0;
		if (poll(fds, 3, -1) < 0)
			continue;
		if (fds[0].revents)
			end = relay_output(t);
		if (end < 0 && fds[1].revents)
			end = CONSOLE_SIGNAL;
		if (end < 0 && fds[2].revents)
			end = relay_input(t);
	}
	return end;
}

/* A dying CLI restores the terminal: signals come as data, not in the middle of something. */
enum console_end console_attach(const char *path, uid_t owner, const struct console_options *options)
{
	struct terminal t = { .options = options, .console = husk_control_connect(path, owner, "console\n") };
	sigset_t set, old;
	int end, err;

	if (t.console < 0)
		return CONSOLE_NONE;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGPIPE);
	sigaddset(&set, SIGQUIT);
	sigprocmask(SIG_BLOCK, &set, &old);
	sigdelset(&set, SIGPIPE);	/* seen as EPIPE */
	t.signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (!options->read_only)
		terminal_raw(&t);
	end = relay(&t);
	err = errno;
	terminal_restore(&t);
	close(t.signals);
	close(t.console);
	/* SIGPIPE may be pending: it stays blocked, and with it a second SIGTERM until we exit. */
	errno = err;
	return end;
}

static const char console_usage[] =
	"usage: husk console [--log FILE] [--read-only] [--escape KEY] VM\n"
	"\n"
	"Connect the terminal to the console of a VM, by name or id; its last 64 KiB of\n"
	"output come first. Several terminals may be connected.\n"
	"  --log FILE    append what is shown to that file\n"
	"  --read-only   show only: the guest hears nothing, Ctrl-C leaves\n"
	"  --escape KEY  instead of Ctrl-]: a character, ^A to ^_ for Ctrl-A and so on, or none\n"
	"Ctrl-] d leaves, Ctrl-] q ends the VM, Ctrl-] ? helps. A signal only leaves.\n";

/* "a", "^A", "none" */
static int parse_escape(const char *text)
{
	if (!strcmp(text, "none"))
		return -1;
	if (text[0] > ' ' && text[0] < 0x7f && !text[1])
		return text[0];
	if (text[0] == '^' && text[1] && !text[2] && toupper(text[1]) >= 'A' && toupper(text[1]) <= '_')
		return toupper(text[1]) - '@';
	die(HUSK_STATUS_USAGE, "bad key \"%s\": a character, ^A to ^_, or none", text);
}

static const char *console_parse(int argc, char **argv, struct console_options *o, const char **log)
{
	static const struct option options[] = {
		{ "log", required_argument, NULL, 'l' },
		{ "read-only", no_argument, NULL, 'r' },
		{ "escape", required_argument, NULL, 'e' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'l':
			*log = optarg;
			break;
		case 'r':
			o->read_only = true;
			break;
		case 'e':
			o->escape = parse_escape(optarg);
			break;
		default:
			usage(console_usage, c == 'h');
		}
	}
	if (argc - optind != 1)
		usage(console_usage, false);
	return argv[optind];
}

static void quit(const struct husk_nl_vm *vm)
{
	int fd = husk_control_connect(vm->control, vm->owner_uid, "quit\n");

	if (fd >= 0)
		close(fd);
}

int cmd_console(int argc, char **argv)
{
	struct console_options options = console_plain;
	const char *log = NULL, *name = console_parse(argc, argv, &options, &log);
	struct husk_nl *nl = vm_connect();
	struct husk_nl_vm vm;

	vm_find(nl, name, &vm);
	husk_nl_close(nl);
	/* what a guest prints may be nobody else's business */
	if (log)
		options.log = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
	if (log && options.log < 0)
		die(HUSK_STATUS_INPUT, "%s: %s", log, strerror(errno));
	switch (console_attach(vm.control, vm.owner_uid, &options)) {
	case CONSOLE_NONE:
		die(HUSK_STATUS_FAIL, "%s: no console at \"%s\": %s", vm.name, format_plain(vm.control, false), strerror(errno));
	case CONSOLE_LOST:
		die(HUSK_STATUS_FAIL, "the terminal is gone; %s runs on", vm.name);
	case CONSOLE_LOG:
		die(HUSK_STATUS_FAIL, "%s: %s; %s runs on", log, strerror(errno), vm.name);
	case CONSOLE_DETACHED:
		complain("detached; %s runs on", vm.name);
		break;
	case CONSOLE_QUIT:
		quit(&vm);
		break;
	default:
		break;
	}
	return HUSK_STATUS_OK;
}
