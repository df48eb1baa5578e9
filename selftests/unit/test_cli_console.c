// SPDX-License-Identifier: GPL-2.0
/* A console on a terminal, with a guest that is a socket: keys, --read-only, --log. */
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "check.h"
#include "cli/cli.h"
#include "cli/vm.h"

static int guest, ours;		/* the two ends of the console's connection */

int husk_control_connect(const char *path, uid_t owner, const char *line)
{
	(void)path;
	(void)owner;
	(void)line;
	return ours;
}

/* What console.c has beside console_attach() */
void die(enum husk_status status, const char *fmt, ...)
{
	(void)fmt;
	exit(status);
}

void complain(const char *fmt, ...)
{
	(void)fmt;
}

void usage(const char *text, bool asked)
{
	(void)text;
	exit(asked);
}

struct husk_nl *vm_connect(void)
{
	return NULL;
}

void husk_nl_close(struct husk_nl *nl)
{
	(void)nl;
}

void vm_find(struct husk_nl *nl, const char *name, struct husk_nl_vm *vm)
{
	(void)nl;
	(void)name;
	(void)vm;
}

/* ---- a session ---- */

static pid_t session;
static int terminal;

static void begin(const struct console_options *options)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		_exit(1);
	guest = pair[0];
	ours = pair[1];
	fflush(stdout);
	session = forkpty(&terminal, NULL, NULL, NULL);
	if (!session) {
		close(guest);
		alarm(30);
		_exit(100 + console_attach("", 0, options));
	}
	close(ours);
}

/* Is that what comes next there? */
static bool hears(int fd, const char *text)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	char got[512];
	size_t n = 0;

	while (n < strlen(text)) {
		ssize_t more;

		if (poll(&wait, 1, 10000) != 1)
			return false;
		more = read(fd, got + n, sizeof(got) - n);
		if (more <= 0)
			return false;
		n += more;
	}
	return n == strlen(text) && !memcmp(got, text, n);
}

static bool quiet(int fd)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };

	return !poll(&wait, 1, 100);
}

static bool type(const char *keys)
{
	return write(terminal, keys, strlen(keys)) == (ssize_t)strlen(keys);
}

/* The guest says something, so that the terminal is known to be in its mode. */
static bool greet(void)
{
	return write(guest, "hello", 5) == 5 && hears(terminal, "hello");
}

static int end(void)
{
	int status = -1;

	waitpid(session, &status, 0);
	close(guest);
	close(terminal);
	return WIFEXITED(status) ? WEXITSTATUS(status) - 100 : -1;
}

/* ---- tests ---- */

static void test_keys(void)
{
	begin(&console_plain);
	check("console_output", greet());
	check("console_input", type("ab\003") && hears(guest, "ab\003"));
	check("console_escaped", type("\035\035x") && hears(guest, "\035x"));
	check("console_help", type("\035?") && hears(terminal, "\r\nCtrl-] d  leave the VM running\r\nCtrl-] q  end the VM\r\n"
							       "Ctrl-] Ctrl-]  send Ctrl-]\r\nCtrl-] ?  this text\r\n"));
	check("console_detach", type("\035d") && end() == CONSOLE_DETACHED);
	begin(&console_plain);
	greet();
	check("console_quit", type("\035q") && end() == CONSOLE_QUIT);
	begin(&console_plain);
	greet();
	kill(session, SIGTERM);
	check("console_signal", end() == CONSOLE_SIGNAL);
	begin(&console_plain);
	greet();
	shutdown(guest, SHUT_RDWR);
	check("console_eof", end() == CONSOLE_EOF);
}

static void test_escape(void)
{
	struct console_options options = console_plain;

	options.escape = 1;
	begin(&options);
	greet();
	check("escape_other", type("\035d\001\001") && hears(guest, "\035d\001"));
	check("escape_other_detach", type("\001d") && end() == CONSOLE_DETACHED);
	options.escape = '~';
	begin(&options);
	greet();
	check("escape_letter_help", type("~?") && hears(terminal, "\r\n~ d  leave the VM running\r\n~ q  end the VM\r\n"
								  "~ ~  send ~\r\n~ ?  this text\r\n"));
	check("escape_letter", type("~d") && end() == CONSOLE_DETACHED);
	options.escape = -1;
	begin(&options);
	greet();
	check("escape_none", type("\035d\377") && hears(guest, "\035d\377"));
	kill(session, SIGTERM);
	check("escape_none_signal", end() == CONSOLE_SIGNAL);
}

static void test_read_only(void)
{
	struct console_options options = console_plain;

	options.read_only = true;
	begin(&options);
	check("read_only_output", greet());
	check("read_only_quiet", type("ab\n\035d") && quiet(guest));
	check("read_only_ctrl_c", type("\003") && end() == CONSOLE_SIGNAL);
}

static void test_log(void)
{
	char path[] = "/tmp/husk-console-XXXXXX", text[64] = "";
	struct console_options options = console_plain;

	options.log = mkstemp(path);
	if (options.log < 0 || write(options.log, "old ", 4) != 4) {
		printf("skip console_log: no file in /tmp\n");
		return;
	}
	begin(&options);
	check("log_shown", greet());
	check("log_unlogged", type("x\035d") && end() == CONSOLE_DETACHED);
	check("log", pread(options.log, text, sizeof(text), 0) == 9 && !memcmp(text, "old hello", 9));
	close(options.log);
	unlink(path);

	options.log = open("/dev/full", O_WRONLY);
	begin(&options);
	if (write(guest, "hello", 5) == 5)
		check("log_full", end() == CONSOLE_LOG);
	close(options.log);
}

int main(void)
{
	test_keys();
	test_escape();
	test_read_only();
	test_log();
	printf("# %d passed, %d failed\n", passed, failed);
	return failed != 0;
}
