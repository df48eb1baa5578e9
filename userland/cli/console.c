// SPDX-License-Identifier: GPL-2.0
/* A VM's console on this terminal; husk console. */
#include <errno.h>
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
#include "lib/libhusk.h"
#include "vm.h"

#define ESCAPE	0x1d	/* Ctrl-] */

static const char escape_help[] =
	"\r\n"
	"Ctrl-] d       leave the VM running\r\n"
	"Ctrl-] q       end the VM\r\n"
	"Ctrl-] Ctrl-]  send Ctrl-]\r\n"
	"Ctrl-] ?       this text\r\n";

struct terminal {
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

/* One typed byte. -1: go on, else how the session ends. */
static int typed(struct terminal *t, char c)
{
	if (!t->escaped && c == ESCAPE && t->raw) {
		t->escaped = true;
		return -1;
	}
	if (t->escaped) {
		t->escaped = false;
		switch (c) {
		case 'd':
			return CONSOLE_DETACHED;
		case 'q':
			return CONSOLE_QUIT;
		case '?':
			return write_all(1, escape_help, sizeof(escape_help) - 1) ? -1 : CONSOLE_LOST;
		case ESCAPE:
			break;
		default:
			return -1;
		}
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
		fds[2].fd = t->input_over ? -1 : 0;
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
enum console_end console_attach(const char *path, uid_t owner)
{
	struct terminal t = { .console = husk_control_connect(path, owner, "console\n") };
	sigset_t set, old;
	int end;

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
	terminal_raw(&t);
	end = relay(&t);
	terminal_restore(&t);
	close(t.signals);
	close(t.console);
	/* SIGPIPE may be pending: it stays blocked, and with it a second SIGTERM until we exit. */
	return end;
}

static const char console_usage[] =
	"usage: husk console VM\n"
	"\n"
	"Connect the terminal to the console of a VM, by name or id; its last 64 KiB of\n"
	"output come first.\n"
	"Ctrl-] d leaves, Ctrl-] q ends the VM, Ctrl-] ? helps. A signal only leaves.\n";

int cmd_console(int argc, char **argv)
{
	const char *name = argv[parse_plain(argc, argv, console_usage, NULL, 1, 1)];
	struct husk_nl *nl = vm_connect();
	struct husk_nl_vm vm;
	int fd;

	vm_find(nl, name, &vm);
	husk_nl_close(nl);
	switch (console_attach(vm.control, vm.owner_uid)) {
	case CONSOLE_NONE:
		die(HUSK_STATUS_FAIL, "%s: no console at \"%s\": %s", vm.name, format_plain(vm.control, false), strerror(errno));
	case CONSOLE_LOST:
		die(HUSK_STATUS_FAIL, "the terminal is gone; %s runs on", vm.name);
	case CONSOLE_DETACHED:
		complain("detached; %s runs on", vm.name);
		break;
	case CONSOLE_QUIT:
		fd = husk_control_connect(vm.control, vm.owner_uid, "quit\n");
		if (fd >= 0)
			close(fd);
		break;
	default:
		break;
	}
	return HUSK_STATUS_OK;
}
