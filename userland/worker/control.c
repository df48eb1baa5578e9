// SPDX-License-Identifier: GPL-2.0
/* The worker's connections to the outside. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "worker/control.h"
#include "worker/jail.h"
#include "worker/pvscsi/pvscsi.h"
#include "worker/show.h"
#include "worker/virtio/balloon.h"
#include "worker/virtio/block.h"
#include "worker/virtio/net.h"

#define FLUSH_MS	1000	/* how long clients may take for the rest of the output */
#define BATCH_NS	1000000	/* output is collected so long: one send for many bytes */

enum { FD_WAKE, FD_SIGNALS, FD_LIFELINE, FD_LISTENER, FD_LOOP, FD_CLIENTS };

static void log_path(const struct control *ctl, char *path, size_t room)
{
	int stem = strlen(ctl->config->control) - strlen(".sock");

	snprintf(path, room, "%.*s.log", stem, ctl->config->control);
}

/* Let go of the terminal: what we have to say later goes into a file beside the socket. */
static void detach(struct control *ctl)
{
	dup2(ctl->null, 0);
	dup2(ctl->null, 1);
	dup2(ctl->log, 2);
	ctl->detached = true;
}

/* The daemon has given us streams of its own already. */
static void let_go(struct control *ctl)
{
	if (ctl->config->last_word < 0)
		detach(ctl);
	close(ctl->config->lifeline);
	ctl->config->lifeline = -1;
}

static void serve_lifeline(struct control *ctl, struct machine *m)
{
	char line[CONTROL_LINE] = "";
	ssize_t n = recv(ctl->config->lifeline, line, sizeof(line) - 1, MSG_DONTWAIT);

	if (n > 0 && !strcmp(line, "detach"))
		let_go(ctl);
	else if (n >= 0 || (errno != EAGAIN && errno != EINTR))
		machine_end(m, END_QUIT);
}

static void client_close(struct client *client)
{
	close(client->fd);
	if (client->passed >= 0)
		close(client->passed);
	client->fd = client->passed = -1;
}

static void client_accept(struct control *ctl)
{
	int fd = accept4(ctl->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	for (int i = 0; i < CONTROL_CLIENTS; i++)
		if (ctl->client[i].fd < 0) {
			ctl->client[i] = (struct client){ .fd = fd, .passed = -1 };
			return;
		}
	close(fd);
}

static void say(struct client *client, const char *text, size_t n)
{
	/* The socket's buffer has room for all of it: it is empty. */
	if (send(client->fd, text, n, MSG_NOSIGNAL) < 0)
		return;
}

static void do_console(struct client *client, struct machine *m, const char *argument)
{
	(void)m;
	(void)argument;
	client->console = true;
}

static void do_quit(struct client *client, struct machine *m, const char *argument)
{
	(void)client;
	(void)argument;
	machine_end(m, END_QUIT);
}

static void show(struct client *client, struct machine *m, bool json)
{
	static char out[65536];
	size_t n;

	pthread_mutex_lock(&m->lock);
	n = machine_show(m, json, out, sizeof(out));
	pthread_mutex_unlock(&m->lock);
	say(client, out, n);
}

static void do_show(struct client *client, struct machine *m, const char *argument)
{
	(void)argument;
	show(client, m, false);
}

static void do_show_json(struct client *client, struct machine *m, const char *argument)
{
	(void)argument;
	show(client, m, true);
}

static void do_balloon(struct client *client, struct machine *m, const char *argument)
{
	const char *why = "ok";
	unsigned long long bytes;
	char *end;

	errno = 0;
	bytes = strtoull(argument, &end, 10);
	if (errno || end == argument || *end) {
		why = "not a number of bytes";
	} else {
		pthread_mutex_lock(&m->lock);
		why = balloon_set(m, bytes);
		pthread_mutex_unlock(&m->lock);
		why = why ? why : "ok";
	}
	say(client, why, strlen(why));
}

static void do_disk(struct client *client, struct machine *m, const char *argument)
{
	const char *why = "give a number of a disk, and what to change";
	char changes[CONTROL_LINE] = "";
	unsigned int number;

	if (sscanf(argument, "%u %s", &number, changes) == 2) {
		pthread_mutex_lock(&m->lock);
		if (!pvscsi_change(m, number, changes, &why))
			why = block_change(m, number, changes, &client->passed);
		pthread_mutex_unlock(&m->lock);
		why = why ? why : "ok";
	}
	say(client, why, strlen(why));
}

static void do_announce(struct client *client, struct machine *m, const char *argument)
{
	unsigned int cards;
	const char *answer;

	(void)argument;
	pthread_mutex_lock(&m->lock);
	cards = net_announce(m);
	pthread_mutex_unlock(&m->lock);
	answer = cards ? "ok" : "no network card whose driver announces the guest";
	say(client, answer, strlen(answer));
}

static void do_output(struct client *client, struct machine *m, const char *argument)
{
	static uint8_t out[CONSOLE_RING];
	uint64_t cursor = 0;
	size_t n = console_read(m->console, &cursor, out, sizeof(out));

	(void)argument;
	say(client, (const char *)out, n);
}

static const struct {
	const char *name;
	void (*run)(struct client *client, struct machine *m, const char *argument);
} commands[] = {
	{ "console", do_console },
	{ "output", do_output },
	{ "quit", do_quit },
	{ "show", do_show },
	{ "show-json", do_show_json },
	{ "balloon", do_balloon },
	{ "disk", do_disk },
	{ "announce", do_announce },
};

static void command(struct client *client, struct machine *m)
{
	char *argument = strchr(client->line, ' ');

	if (argument)
		*argument++ = 0;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(client->line, commands[i].name))
			commands[i].run(client, m, argument ? argument : "");
}

/* A byte of the line. A descriptor is taken only if the jail lets it through, and one only. */
static ssize_t line_byte(const struct control *ctl, struct client *client, char *c)
{
	union { struct cmsghdr head; char room[CMSG_SPACE(sizeof(int))]; } rights;
	struct iovec iov = { c, 1 };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &rights, .msg_controllen = CMSG_LEN(sizeof(int)) };
	ssize_t n;

	if (!(ctl->config->jail_devices & JAIL_VHOST_USER) || client->passed >= 0)
		return recv(client->fd, c, 1, 0);
	n = recvmsg(client->fd, &hdr, MSG_CMSG_CLOEXEC);
	if (n > 0 && hdr.msg_controllen >= CMSG_LEN(sizeof(int)) && rights.head.cmsg_level == SOL_SOCKET &&
	    rights.head.cmsg_type == SCM_RIGHTS)
		memcpy(&client->passed, CMSG_DATA(&rights.head), sizeof(int));
	return n;
}

/* Byte by byte: what follows the line is for the guest. */
static void client_line(struct control *ctl, struct client *client, struct machine *m)
{
	char c;

	for (;;) {
		if (line_byte(ctl, client, &c) != 1) {
			if (errno != EAGAIN && errno != EINTR)
				client_close(client);
			return;
		}
		if (c != '\n' && client->line_len + 1 < CONTROL_LINE) {
			client->line[client->line_len++] = c;
			continue;
		}
		client->line[client->line_len] = 0;
		if (c == '\n')
			command(client, m);
		ctl->attached |= client->console;
		if (!client->console)
			client_close(client);
		return;
	}
}

static void client_input(struct control *ctl, struct client *client, struct machine *m)
{
	ssize_t n;

	errno = 0;
	if (!client->console) {
		client_line(ctl, client, m);
		return;
	}
	n = recv(client->fd, ctl->input + ctl->input_len, sizeof(ctl->input) - ctl->input_len, 0);
	if (n > 0)
		ctl->input_len += n;
	else if (!n || (errno != EAGAIN && errno != EINTR))
		client_close(client);
}

/* Send what fits. false: the socket is full, or all is sent. */
static bool client_output(struct control *ctl, struct client *client)
{
	uint8_t chunk[4096];
	size_t n = console_read(ctl->console, &client->cursor, chunk, sizeof(chunk));
	ssize_t sent;

	if (!n)
		return false;
	sent = send(client->fd, chunk, n, MSG_NOSIGNAL);
	if (sent > 0)
		client->cursor += sent;
	else if (errno != EAGAIN && errno != EINTR)
		client_close(client);
	return sent == (ssize_t)n;
}

static bool client_behind(struct control *ctl, struct client *client)
{
	uint8_t byte;

	return client->fd >= 0 && client->console && console_read(ctl->console, &client->cursor, &byte, 1);
}

static void send_output(struct control *ctl)
{
	for (int i = 0; i < CONTROL_CLIENTS; i++)
		while (ctl->client[i].fd >= 0 && ctl->client[i].console &&
		       client_output(ctl, &ctl->client[i]))
			;
}

static void give_input(struct control *ctl, struct machine *m)
{
	size_t taken;

	if (!ctl->input_len)
		return;
	taken = machine_input(m, ctl->input, ctl->input_len);
	ctl->input_len -= taken;
	memmove(ctl->input, ctl->input + taken, ctl->input_len);
}

static void serve_wake(struct control *ctl)
{
	static const struct timespec batch = { .tv_nsec = BATCH_NS };
	uint64_t count;

	if (read(ctl->console->wake_fd, &count, sizeof(count)) < 0)
		return;
	if (console_looked(ctl->console)) {
		nanosleep(&batch, NULL);
		console_looked(ctl->console);
	}
}

static void fill_polls(struct control *ctl, struct machine *m, struct pollfd *fds)
{
	bool room = ctl->input_len < sizeof(ctl->input);

	fds[FD_WAKE] = (struct pollfd){ ctl->console->wake_fd, POLLIN, 0 };
	fds[FD_SIGNALS] = (struct pollfd){ ctl->signals, POLLIN, 0 };
	fds[FD_LIFELINE] = (struct pollfd){ ctl->config->lifeline, POLLIN, 0 };
	fds[FD_LISTENER] = (struct pollfd){ ctl->listener, POLLIN, 0 };
	fds[FD_LOOP] = (struct pollfd){ m->loop.epoll, POLLIN, 0 };
	for (int i = 0; i < CONTROL_CLIENTS; i++) {
		struct client *client = &ctl->client[i];

		fds[FD_CLIENTS + i] = (struct pollfd){ client->fd, 0, 0 };
		if (!client->console || room)
			fds[FD_CLIENTS + i].events |= POLLIN;
		if (client_behind(ctl, client))
			fds[FD_CLIENTS + i].events |= POLLOUT;
	}
}

static void serve_clients(struct control *ctl, struct machine *m, const struct pollfd *fds)
{
	for (int i = 0; i < CONTROL_CLIENTS; i++)
		if (ctl->client[i].fd >= 0 && fds[i].fd == ctl->client[i].fd &&
		    (fds[i].revents & (POLLIN | POLLHUP | POLLERR)))
			client_input(ctl, &ctl->client[i], m);
}

/* Milliseconds until a guest that was asked to stop has had its time; -1: never. */
static int stop_timeout(struct machine *m)
{
	long long deadline = atomic_load(&m->stop_deadline), left;

	if (!deadline)
		return -1;
	left = deadline - machine_now_ms();
	if (left <= 0)
		machine_end(m, END_STOPPED);
	return left <= 0 ? 0 : left > 1000000 ? 1000000 : left;
}

void control_serve(struct control *ctl, struct machine *m)
{
	struct pollfd fds[FD_CLIENTS + CONTROL_CLIENTS];

	while (atomic_load(&m->end) == END_NONE) {
		fill_polls(ctl, m, fds);
		if (poll(fds, FD_CLIENTS + CONTROL_CLIENTS, stop_timeout(m)) < 0)
			continue;
		if (fds[FD_LOOP].revents)
			loop_round(&m->loop);
		if (fds[FD_WAKE].revents)
			serve_wake(ctl);
		if (fds[FD_SIGNALS].revents)
			machine_end(m, END_QUIT);
		if (fds[FD_LIFELINE].revents && ctl->config->lifeline >= 0)
			serve_lifeline(ctl, m);
		serve_clients(ctl, m, fds + FD_CLIENTS);
		if (fds[FD_LISTENER].revents)
			client_accept(ctl);
		give_input(ctl, m);
		send_output(ctl);
	}
}

/* One round of sending the rest; true while a client is still there. */
static bool flush_round(struct control *ctl, int timeout)
{
	struct pollfd fds[CONTROL_CLIENTS];
	bool left = false;

	send_output(ctl);
	for (int i = 0; i < CONTROL_CLIENTS; i++) {
		struct client *client = &ctl->client[i];

		fds[i] = (struct pollfd){ client->fd, POLLIN, 0 };
		if (client->fd < 0)
			continue;
		left = true;
		if (client_behind(ctl, client)) {
			fds[i].events |= POLLOUT;
		} else if (!client->done) {
			shutdown(client->fd, SHUT_WR);
			client->done = true;
		}
	}
	if (left && poll(fds, CONTROL_CLIENTS, timeout) > 0)
		for (int i = 0; i < CONTROL_CLIENTS; i++)
			if (fds[i].fd >= 0 && (fds[i].revents & (POLLIN | POLLHUP | POLLERR))) {
				uint8_t ignored[256];

				if (recv(fds[i].fd, ignored, sizeof(ignored), 0) <= 0)
					client_close(&ctl->client[i]);
			}
	return left;
}

/*
 * The terminal of 'husk run' connects when it hears that the VM runs. A VM that is over by then
 * has output for it all the same.
 */
static void await_terminal(struct control *ctl, struct machine *m, long long deadline)
{
	struct pollfd fds[FD_CLIENTS + CONTROL_CLIENTS];
	long long left;

	while (!ctl->attached && ctl->config->lifeline >= 0 && (left = deadline - machine_now_ms()) > 0) {
		fill_polls(ctl, m, fds);
		fds[FD_WAKE].fd = fds[FD_SIGNALS].fd = fds[FD_LOOP].fd = -1;
		if (poll(fds, FD_CLIENTS + CONTROL_CLIENTS, left) < 0)
			continue;
		if (fds[FD_LIFELINE].revents & POLLHUP)
			return;
		if (fds[FD_LIFELINE].revents)
			serve_lifeline(ctl, m);
		serve_clients(ctl, m, fds + FD_CLIENTS);
		if (fds[FD_LISTENER].revents)
			client_accept(ctl);
	}
}

/* A client that has read everything closes its end: so its terminal is ours for a last word. */
void control_flush(struct control *ctl, struct machine *m)
{
	long long deadline = machine_now_ms() + FLUSH_MS, left;

	await_terminal(ctl, m, deadline);
	while ((left = deadline - machine_now_ms()) > 0 && flush_round(ctl, left))
		;
	for (int i = 0; i < CONTROL_CLIENTS; i++)
		if (ctl->client[i].fd >= 0)
			client_close(&ctl->client[i]);
}

void control_ready(struct control *ctl)
{
	char line[HUSK_NAME_LEN + 8];
	int n = snprintf(line, sizeof(line), "ready %s", ctl->config->name);

	if (ctl->config->lifeline >= 0)
		send(ctl->config->lifeline, line, n, MSG_NOSIGNAL);
}

/* For when we have no terminal any more: then it is too late to open it. */
static int open_log(struct control *ctl)
{
	char path[HUSK_CONTROL_LEN];

	log_path(ctl, path, sizeof(path));
	unlink(path);
	ctl->log = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	return ctl->log;
}

/* Clients see who listens, and want it to be the VM's owner. */
static int listen_for(struct control *ctl, const char *path)
{
	uid_t own = geteuid(), owner = ctl->config->owner;
	int ret;

	if ((owner != own && chown(path, owner, -1) < 0) || seteuid(owner) < 0)
		return -1;
	ret = listen(ctl->listener, CONTROL_CLIENTS);
	return seteuid(own) < 0 ? -1 : ret;
}

enum husk_status control_listen(struct control *ctl)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct stat st;
	mode_t mask;
	int err;

	strcpy(addr.sun_path, ctl->config->control);
	ctl->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (ctl->listener < 0)
		return fail(HUSK_STATUS_FAIL, "no control socket: %s", strerror(errno));
	/* The kernel gave us the name, so files that are there are of a worker that died. */
	unlink(addr.sun_path);
	if (ctl->config->last_word < 0 && open_log(ctl) < 0)	/* else the daemon has made one */
		return fail(HUSK_STATUS_FAIL, "no log beside %s: %s", addr.sun_path, strerror(errno));
	mask = umask(0177);
	err = bind(ctl->listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen_for(ctl, addr.sun_path) < 0 ||
	      stat(addr.sun_path, &st) < 0 ? errno : 0;
	umask(mask);
	if (err)
		return fail(HUSK_STATUS_FAIL, "%s: %s", addr.sun_path, strerror(err));
	ctl->inode = st.st_ino;
	return HUSK_STATUS_OK;
}

enum husk_status control_init(struct control *ctl, struct config *config, struct console *console)
{
	sigset_t set;

	memset(ctl, 0, sizeof(*ctl));
	ctl->config = config;
	ctl->console = console;
	ctl->listener = ctl->log = -1;
	for (int i = 0; i < CONTROL_CLIENTS; i++)
		ctl->client[i].fd = ctl->client[i].passed = -1;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	ctl->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	ctl->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (ctl->null < 0 || ctl->signals < 0)
		return fail(HUSK_STATUS_FAIL, "no %s: %s", ctl->null < 0 ? "/dev/null" : "signalfd", strerror(errno));
	return HUSK_STATUS_OK;
}

/* From the jail no file can be removed: what stays then, the command removes that ends the VM, or starts the next one. */
void control_fini(struct control *ctl, bool keep_log)
{
	char path[HUSK_CONTROL_LEN];
	struct stat st;

	/* Only our own file: after us the name may be another's. */
	if (ctl->inode && !stat(ctl->config->control, &st) && st.st_ino == ctl->inode)
		unlink(ctl->config->control);
	log_path(ctl, path, sizeof(path));
	if (ctl->log >= 0 && !(ctl->detached && keep_log))
		unlink(path);
	if (ctl->listener >= 0)
		close(ctl->listener);
	close(ctl->signals);
}
