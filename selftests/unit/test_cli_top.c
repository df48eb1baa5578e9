// SPDX-License-Identifier: GPL-2.0
/* husk top with VMs that are none: what it prints, and that it leaves a terminal as it was. */
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "cli/cli.h"
#include "cli/vm.h"

#define VMS		40
#define ENTER		"\033[?1049h"
#define LEAVE		"\033[?25h\033[?1049l"
#define SECOND		1000000000ULL

/*
 * ---- VMs: 12 % of a CPU, 1000 and 100 exits of 0.1 and 3 ms, a fifth of the time halted, 4096 bytes read
 * and 100 sent, a second each. Programs: of all VMs one that answers 300 times, of that a third other than
 * pass; one of VM 7 ----
 */

static int vms = VMS, fails_at = -1, lists;

void die(enum husk_status status, const char *fmt, ...)
{
	printf("died: %s\n", fmt);
	exit(status);
}

void usage(const char *text, bool asked)
{
	(void)text;
	exit(asked ? 0 : HUSK_STATUS_USAGE);
}

uint64_t vm_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return ts.tv_sec * SECOND + ts.tv_nsec;
}

struct husk_nl *vm_connect(void)
{
	return NULL;
}

void husk_nl_close(struct husk_nl *nl)
{
	(void)nl;
}

void vm_die(const struct husk_nl *nl, int err, const char *verb, const char *name)
{
	(void)nl;
	(void)verb;
	(void)name;
	printf("the list failed: %d\n", err);
	exit(HUSK_STATUS_HOST);
}

void vm_find(struct husk_nl *nl, const char *name, struct husk_nl_vm *vm)
{
	(void)nl;
	vm->id = atoi(name);
}

void vm_json(const struct husk_nl_vm *vm)
{
	printf("\"id\": %u", vm->id);
}

size_t vm_ask_for(const struct husk_nl_vm *vm, const char *line, char *answer, size_t room, unsigned int ms)
{
	uint64_t now = vm_now();

	(void)line;
	(void)ms;
	if (vm->id == 3)
		return 0;
	return snprintf(answer, room, "{\"file\": \"x\\\"read_bytes\\\": 7\", \"read_bytes\": %llu, \"b\": {\"read_bytes\": 5}, \"sent_bytes\": %llu}",
			(unsigned long long)(now / 1000 * 4096 / 1000000), (unsigned long long)(now / 1000 * 100 / 1000000));
}

int husk_nl_list(struct husk_nl *nl, int (*fn)(const struct husk_nl_vm *vm, void *arg), void *arg)
{
	(void)nl;
	if (lists++ == fails_at)
		return -19;
	for (int i = vms; i; i--) {
		struct husk_nl_vm vm = { .id = i, .run_ns = vm_now() / 100 * 12, .mapped_pages = i, .control = "/x" };

		snprintf(vm.name, sizeof(vm.name), "machine-with-a-name-%d", i);
		fn(&vm, arg);
	}
	return 0;
}

int husk_nl_vcpus(struct husk_nl *nl, uint32_t id, int (*fn)(const struct husk_nl_vcpu *vcpu, void *arg), void *arg)
{
	struct husk_nl_vcpu vcpu = { .id = 0 };

	(void)nl;
	(void)id;
	vcpu.exits[1][0] = vm_now() / 1000000;
	vcpu.exits[2][2] = vm_now() / 10000000;
	vcpu.entries = vcpu.exits[1][0] + vcpu.exits[2][2];
	vcpu.halted_ns = vm_now() / 5;
	return fn(&vcpu, arg);
}

int husk_nl_times(struct husk_nl *nl, uint32_t id, int (*fn)(const struct husk_nl_times *times, void *arg), void *arg)
{
	struct husk_nl_times times = { .tsc_khz = 1000000, .reason = 1, .ticks = vm_now() / 10 };

	(void)nl;
	(void)id;
	times.times[16] = vm_now() / 1000000;
	fn(&times, arg);
	times = (struct husk_nl_times){ .tsc_khz = 1000000, .reason = 2, .ticks = vm_now() / 10 * 3 };
	times.times[21] = vm_now() / 10000000;
	return fn(&times, arg);
}

int husk_nl_policies(struct husk_nl *nl, uint32_t vm_id, int (*fn)(const struct husk_nl_policy *policy, void *arg), void *arg)
{
	struct husk_nl_policy policy = { .id = 1, .prog_name = "for_all" };

	(void)nl;
	(void)vm_id;
	policy.counts[HUSK_POLICY_PASS] = vm_now() / 10000000;
	policy.counts[HUSK_POLICY_HANDLED] = vm_now() / 10000000;
	policy.counts[HUSK_POLICY_AFTER] = vm_now() / 10000000;
	fn(&policy, arg);
	policy = (struct husk_nl_policy){ .id = 2, .vm_id = 7, .vm_name = "machine-with-a-name-7", .prog_name = "for_7" };
	return fn(&policy, arg);
}

const char *husk_nl_error(const struct husk_nl *nl)
{
	(void)nl;
	return "";
}

const char *husk_vm_state_name(uint32_t state)
{
	return state ? "?" : "running";
}

/* ---- where it prints: a pipe, or a terminal ---- */

static struct {
	pid_t pid;
	int fd;
	char text[1 << 20];
	size_t n;
} run;

static void child(const char *arguments)
{
	char *argv[16] = { "husk top" }, *copy = strdup(arguments);
	int argc = 1;

	for (char *word; (word = strsep(&copy, " "));)
		if (*word)
			argv[argc++] = word;
	alarm(60);
	exit(cmd_top(argc, argv));
}

static void begin_pipe(const char *arguments)
{
	int fd[2];

	if (pipe(fd))
		_exit(1);
	fflush(stdout);
	run.n = 0;
	run.pid = fork();
	if (!run.pid) {
		dup2(fd[1], 1);
		close(fd[0]);
		child(arguments);
	}
	close(fd[1]);
	run.fd = fd[0];
}

static void begin_terminal(const char *arguments, unsigned short lines, unsigned short columns)
{
	struct winsize size = { .ws_row = lines, .ws_col = columns };

	fflush(stdout);
	run.n = 0;
	run.pid = forkpty(&run.fd, NULL, NULL, &size);
	if (!run.pid)
		child(arguments);
}

/* Read until there is that text after the first so many bytes, or the end. */
static bool await(size_t from, const char *text)
{
	struct pollfd fd = { .fd = run.fd, .events = POLLIN };
	ssize_t n;

	for (;;) {
		run.text[run.n] = 0;
		if (text && run.n >= from && strstr(run.text + from, text))
			return true;
		if (poll(&fd, 1, 30000) != 1)
			return false;
		n = read(run.fd, run.text + run.n, sizeof(run.text) - 1 - run.n);
		if (n <= 0)
			return !text;
		run.n += n;
	}
}

static int end(void)
{
	int status = -1;

	await(0, NULL);
	waitpid(run.pid, &status, 0);
	close(run.fd);
	return status;
}

static bool left_well(void)
{
	return run.n > strlen(LEAVE) && strstr(run.text, ENTER) && strstr(run.text, LEAVE);
}

/* The longest of the screen's lines and how many a frame has, without the sequences */
static void measure(unsigned int *columns, unsigned int *lines)
{
	unsigned int column = 0, line = 0;

	*columns = *lines = 0;
	for (size_t i = 0; i < run.n; i++) {
		if (run.text[i] == '\033') {
			if (!strncmp(run.text + i, "\033[H", 3))
				line = 1;
			while (i < run.n && !strchr("HJKhlm", run.text[i]))
				i++;
		} else if (run.text[i] == '\n') {
			line++;
		} else if (run.text[i] == '\r') {
			column = 0;
		} else {
			column++;
		}
		*columns = column > *columns ? column : *columns;
		*lines = line > *lines ? line : *lines;
	}
}

/* ---- tests ---- */

static double number(const char *at, const char *key)
{
	char name[64];
	const char *found;

	snprintf(name, sizeof(name), "\"%s\": ", key);
	found = at ? strstr(at, name) : NULL;
	return found ? strtod(found + strlen(name), NULL) : -1;
}

static bool near(double value, double wanted)
{
	return value > wanted * 0.9 && value < wanted * 1.1;
}

static void test_json(void)
{
	const char *second;

	begin_pipe("--json --count 2 --interval 0.3 --sort name");
	check("json_status", !end());
	second = strchr(run.text, '\n');
	second = second ? second + 1 : "";
	check("json_rounds", *run.text == '{' && *second == '{' && strchr(second, '\n') == run.text + run.n - 1);
	check_why("json_rates", near(number(second, "cpu_percent"), 12) && near(number(second, "exits_per_s"), 1100) &&
		  near(number(second, "fast_per_s"), 1000) && near(number(second, "worker_per_s"), 100), second);
	check_why("json_io", near(number(second, "read_bytes_per_s"), 4096) && near(number(second, "sent_bytes_per_s"), 100) &&
		  strstr(second, "\"write_bytes_per_s\": null"), second);
	check_why("json_time", near(number(second, "guest_percent"), 12) && near(number(second, "exit_percent"), 40) &&
		  near(number(second, "halted_percent"), 20), second);
	check_why("json_times", near(number(strstr(second, "\"times\""), "percent"), 10) &&
		  near(number(strstr(second, "\"times\""), "avg_ns"), 100000) && number(second, "p50_ns") == 131071 &&
		  number(second, "max_ns") == 131071, second);
	check_why("json_policies", near(number(strstr(second, "\"for_all\""), "answers_per_s"), 300) &&
		  near(number(strstr(second, "\"for_all\""), "decided_per_s"), 100) &&
		  number(strstr(second, "\"id\": 2, \"vm_id\": 7"), "answers_per_s") == 0, strstr(second, "\"policies\""));
	/* a worker that does not answer */
	second = strstr(second, "\"id\": 3,");
	check("json_silent", second && (second = strstr(second, "\"read_bytes_per_s\": ")) &&
	      !strncmp(second + 20, "null", 4));
}

static void test_batch(void)
{
	begin_pipe("--batch --count 1 --interval 0.2 7");
	check("batch_status", !end());
	check_why("batch_one", strstr(run.text, "\nmachine-with-a-name-7  running  1") && !strstr(run.text, "name-6") &&
		  strstr(run.text, "SENT/s\n"), run.text);
	check_why("batch_reasons", strstr(run.text, "\nREASON"), run.text);
	check_why("batch_time", strstr(run.text, "\nmachine-with-a-name-7: guest 1") && strstr(run.text, "TIME%"), run.text);
	check_why("batch_policies", strstr(run.text, "\nPOLICY") && strstr(run.text, " for_all ") && strstr(run.text, " for_7 "),
		  run.text);
	check("batch_no_escapes", !strchr(run.text, '\033'));
	begin_pipe("--batch --count 1 --interval 0.2 6");
	end();
	check_why("batch_policies_of", strstr(run.text, " for_all ") && !strstr(run.text, " for_7 "), run.text);
	begin_pipe("--count 1 --interval 0.2 --sort memory");
	end();
	check_why("sort_memory", strstr(run.text, "name-40") < strstr(run.text, "name-39") &&
		  strstr(run.text, "name-2 ") < strstr(run.text, "name-1 "), run.text);
}

static void test_screen(unsigned int lines, unsigned int columns)
{
	unsigned int most_columns, most_lines;
	char name[64], what[64];

	begin_terminal("--interval 0.2", lines, columns);
	await(0, "\033[J");
	await(run.n, "\033[J");
	if (write(run.fd, "q", 1) != 1)
		return;
	snprintf(name, sizeof(name), "screen_%ux%u", columns, lines);
	check(name, !end() && left_well());
	measure(&most_columns, &most_lines);
	snprintf(name, sizeof(name), "screen_%ux%u_fits", columns, lines);
	snprintf(what, sizeof(what), "%u columns, %u lines", most_columns, most_lines);
	check_why(name, most_columns <= columns && most_lines <= lines && most_lines > 3, what);
}

static void test_resize(void)
{
	struct winsize size = { .ws_row = 30, .ws_col = 170 };

	begin_terminal("--interval 600", 24, 80);
	check("resize_narrow", await(0, "\033[J") && !strstr(run.text, "RESIDENT"));
	ioctl(run.fd, TIOCSWINSZ, &size);
	check("resize_wide", await(run.n, "RESIDENT"));
	if (write(run.fd, "q", 1) == 1)
		end();
}

static void test_keys(void)
{
	begin_terminal("--interval 600 --sort name", 24, 140);
	check("key_first", await(0, "\033[J") && strstr(run.text, ">machine-with-a-name-1 "));
	if (write(run.fd, "\033[B", 3) == 3)
		check("key_down", await(run.n, ">machine-with-a-name-10 "));
	if (write(run.fd, "k", 1) == 1)
		check("key_up", await(run.n, ">machine-with-a-name-1 "));
	if (write(run.fd, "s", 1) == 1)
		check("key_sort", await(run.n, "by cpu"));
	if (write(run.fd, "q", 1) == 1)
		end();
}

static void test_ends(void)
{
	struct termios mode = {};
	int status;

	begin_terminal("--interval 600", 24, 80);
	await(0, "\033[J");
	kill(run.pid, SIGTERM);
	status = end();
	check("end_sigterm", WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM && left_well());

	begin_terminal("--interval 600", 24, 80);
	await(0, "\033[J");
	tcgetattr(run.fd, &mode);
	check("keys_unechoed", !(mode.c_lflag & ECHO));
	if (write(run.fd, "\003", 1) != 1)
		return;
	await(0, LEAVE);
	waitpid(run.pid, &status, 0);
	tcgetattr(run.fd, &mode);
	check("end_ctrl_c", WIFSIGNALED(status) && WTERMSIG(status) == SIGINT && left_well());
	check("end_mode", (mode.c_lflag & ECHO) && (mode.c_lflag & ICANON));
	close(run.fd);

	/* the module goes away: the complaint is seen on the screen that was there before */
	fails_at = 2;
	begin_terminal("--interval 0.1", 24, 80);
	status = end();
	check_why("end_error", WEXITSTATUS(status) == HUSK_STATUS_HOST && left_well() &&
		  strstr(strstr(run.text, LEAVE), "the list failed: -19"), run.text);
	fails_at = -1;
}

int main(void)
{
	setenv("TERM", "xterm", 1);
	setenv("LC_ALL", "C", 1);
	test_json();
	test_batch();
	test_screen(24, 80);
	test_screen(10, 40);
	test_screen(60, 200);
	test_screen(5, 20);
	vms = 1;
	test_screen(24, 80);
	vms = 0;
	test_screen(24, 80);
	vms = VMS;
	test_resize();
	test_keys();
	test_ends();
	setenv("TERM", "dumb", 1);
	begin_terminal("--interval 0.1 --count 1", 24, 80);
	check("dumb_terminal", !end() && !strchr(run.text, '\033') && strstr(run.text, "NAME"));
	printf("# %d passed, %d failed\n", passed, failed);
	return failed != 0;
}
