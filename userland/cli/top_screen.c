// SPDX-License-Identifier: GPL-2.0
/*
 * The screen, see top_screen.h, by the sequences of ECMA-48 and xterm's alternate screen.
 * Signals are blocked but while we wait, so that what they do never comes in the middle of
 * something; the one that ended us then ends us as it always would.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "top_screen.h"
#include "vm.h"

#define ENTER	"\033[?1049h\033[?25l"
#define LEAVE	"\033[?25h\033[?1049l"

static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH };
#define SIGNALS	(sizeof(signals) / sizeof(signals[0]))

static struct {
	bool taken, keys, input_over;
	struct termios saved;
	sigset_t before;
} screen;

static volatile sig_atomic_t arrived;

static void on_signal(int number)
{
	arrived = number;
}

bool screen_usable(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && term && *term && strcmp(term, "dumb");
}

void screen_write(const char *text, size_t n)
{
	while (n) {
		ssize_t done = write(STDOUT_FILENO, text, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return;		/* the terminal is gone: SIGHUP is on its way */
		text += done;
		n -= done;
	}
}

static void take(void)
{
	struct termios keys;

	screen.keys = !tcgetattr(STDIN_FILENO, &screen.saved);
	if (screen.keys) {
		keys = screen.saved;
		keys.c_lflag &= ~(ICANON | ECHO);
		keys.c_cc[VMIN] = 1;
		keys.c_cc[VTIME] = 0;
		tcsetattr(STDIN_FILENO, TCSADRAIN, &keys);
	}
	screen_write(ENTER, strlen(ENTER));
	screen.taken = true;
}

void screen_leave(void)
{
	if (!screen.taken)
		return;
	screen.taken = false;
	screen_write(LEAVE, strlen(LEAVE));
	if (screen.keys)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &screen.saved);
}

void screen_enter(void)
{
	const struct sigaction action = { .sa_handler = on_signal };
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < SIGNALS; i++)
		sigaddset(&set, signals[i]);
	sigprocmask(SIG_BLOCK, &set, &screen.before);
	for (size_t i = 0; i < SIGNALS; i++)
		sigaction(signals[i], &action, NULL);
	atexit(screen_leave);
	take();
}

/* End, or stop, by a signal as without us; after a stop the screen is taken again. */
static enum screen_key obey(int number)
{
	sigset_t one;

	if (number == SIGWINCH)
		return SCREEN_REDRAW;
	screen_leave();
	signal(number, SIG_DFL);
	raise(number);
	sigemptyset(&one);
	sigaddset(&one, number);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	/* only a stop comes here */
	sigprocmask(SIG_BLOCK, &one, NULL);
	signal(number, on_signal);
	take();
	return SCREEN_REDRAW;
}

static enum screen_key read_key(void)
{
	static const struct {
		const char *text;
		enum screen_key key;
	} keys[] = {
		{ "q", SCREEN_QUIT }, { "s", SCREEN_SORT },
		{ "\033[A", SCREEN_UP }, { "\033OA", SCREEN_UP }, { "k", SCREEN_UP },
		{ "\033[B", SCREEN_DOWN }, { "\033OB", SCREEN_DOWN }, { "j", SCREEN_DOWN },
	};
	char text[16];
	ssize_t n = read(STDIN_FILENO, text, sizeof(text) - 1);

	if (n <= 0) {
		screen.input_over = n == 0 || (errno != EINTR && errno != EAGAIN);
		return SCREEN_REDRAW;
	}
	text[n] = 0;
	/* of several keys at once the first one counts */
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (!strncmp(text, keys[i].text, strlen(keys[i].text)))
			return keys[i].key;
	return SCREEN_REDRAW;
}

enum screen_key screen_wait(uint64_t until_ns)
{
	struct pollfd fd = { .fd = screen.keys && !screen.input_over ? STDIN_FILENO : -1, .events = POLLIN };
	uint64_t now = vm_now(), left = until_ns > now ? until_ns - now : 0;
	struct timespec timeout = { .tv_sec = left / 1000000000, .tv_nsec = left % 1000000000 };
	int n, number;

	n = ppoll(&fd, 1, &timeout, &screen.before);
	number = arrived;
	arrived = 0;
	if (number)
		return obey(number);
	return n > 0 ? read_key() : n < 0 ? SCREEN_REDRAW : SCREEN_TIME;
}
