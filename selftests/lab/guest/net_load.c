// SPDX-License-Identifier: GPL-2.0
/*
 * A network's load, between a guest and its host.
 *
 *	net_load peer					the host's side: serves tests until it is killed
 *	net_load guest CARD ADDRESS PEER NAME:OP:BYTES:COUNT...
 *
 * The guest gives its card the address (/24). For each test it says "ready NAME", waits for a line, and says "done NAME
 * TICKS" of its TSC, which in the lab's counting mode is a ns each, and waits for another. OP, by TCP: rr (so many bytes
 * and the same back, one after the other), out and in (a stream in pieces of so many, from the guest or to it). By UDP:
 * packets_out, packets_in: 64 are under way at most, each 32nd is answered, so none is lost for want of room.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <x86intrin.h>

#define PORT		7000
#define BYTES_MAX	65536
#define UNDER_WAY	64
#define ANSWERED	32
#define WAIT_SECONDS	20

/* What the guest sends first */
struct test {
	char name[32], op[16];
	uint64_t bytes, count;
};

/* Both are connected to the other side */
struct link {
	int tcp, udp;
};

static char buffer[BYTES_MAX];

static int all(int fd, uint64_t bytes, bool out)
{
	while (bytes) {
		size_t piece = bytes < BYTES_MAX ? bytes : BYTES_MAX;
		ssize_t n = out ? write(fd, buffer, piece) : read(fd, buffer, piece);

		if (n <= 0)
			return -1;
		bytes -= n;
	}
	return 0;
}

/* ---- what each side does; the other end of a stream says that it has all ---- */

static int ask(const struct link *l, const struct test *t)
{
	for (uint64_t i = 0; i < t->count; i++)
		if (all(l->tcp, t->bytes, true) || all(l->tcp, t->bytes, false))
			return -1;
	return 0;
}

static int answer(const struct link *l, const struct test *t)
{
	for (uint64_t i = 0; i < t->count; i++)
		if (all(l->tcp, t->bytes, false) || all(l->tcp, t->bytes, true))
			return -1;
	return 0;
}

static int stream(const struct link *l, const struct test *t)
{
	for (uint64_t i = 0; i < t->count; i++)
		if (all(l->tcp, t->bytes, true))
			return -1;
	return all(l->tcp, 1, false);
}

static int take(const struct link *l, const struct test *t)
{
	return all(l->tcp, t->bytes * t->count, false) || all(l->tcp, 1, true) ? -1 : 0;
}

static int packets(const struct link *l, const struct test *t)
{
	uint64_t answered = 0;
	char byte;

	for (uint64_t i = 0; i < t->count; i++) {
		if (i - answered >= UNDER_WAY) {
			if (recv(l->udp, &byte, 1, 0) != 1)
				return -1;
			answered += ANSWERED;
		}
		if (send(l->udp, buffer, t->bytes, 0) != (ssize_t)t->bytes)
			return -1;
	}
	return all(l->tcp, 1, false);
}

static int take_packets(const struct link *l, const struct test *t)
{
	for (uint64_t i = 1; i <= t->count; i++)
		if (recv(l->udp, buffer, BYTES_MAX, 0) != (ssize_t)t->bytes || (i % ANSWERED == 0 && send(l->udp, buffer, 1, 0) != 1))
			return -1;
	return all(l->tcp, 1, true);
}

static const struct op {
	const char *name;
	int (*guest)(const struct link *l, const struct test *t);
	int (*peer)(const struct link *l, const struct test *t);
} ops[] = {
	{ "rr", ask, answer },
	{ "out", stream, take },
	{ "in", take, stream },
	{ "packets_out", packets, take_packets },
	{ "packets_in", take_packets, packets },
};

static const struct op *find(const struct test *t)
{
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		if (!strcmp(ops[i].name, t->op) && t->bytes && t->bytes <= BYTES_MAX)
			return &ops[i];
	return NULL;
}

/* ---- the link ---- */

static int new_socket(int type)
{
	struct timeval wait = { .tv_sec = WAIT_SECONDS };
	int fd = socket(AF_INET, type, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	return fd;
}

static struct sockaddr_in place(in_addr_t address)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = address };
}

static int no_delay(int fd)
{
	int one = 1;

	return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

/* @tcp is connected; datagrams go to the same place */
static int link_up(struct link *l, int tcp, struct sockaddr_in to)
{
	struct sockaddr_in here = place(INADDR_ANY);

	l->tcp = tcp;
	l->udp = new_socket(SOCK_DGRAM);
	to.sin_port = htons(PORT);
	return no_delay(tcp) || bind(l->udp, (void *)&here, sizeof(here)) || connect(l->udp, (void *)&to, sizeof(to));
}

static void link_down(struct link *l)
{
	close(l->tcp);
	close(l->udp);
}

static int card_up(const char *card, in_addr_t address)
{
	struct ifreq request = { };
	struct sockaddr_in *in = (void *)&request.ifr_addr;
	int fd = socket(AF_INET, SOCK_DGRAM, 0), ret;

	strncpy(request.ifr_name, card, IFNAMSIZ - 1);
	*in = place(address);
	ret = ioctl(fd, SIOCSIFADDR, &request);
	*in = place(htonl(0xffffff00));
	ret = ret ?: ioctl(fd, SIOCSIFNETMASK, &request);
	request.ifr_flags = IFF_UP | IFF_RUNNING;
	ret = ret ?: ioctl(fd, SIOCSIFFLAGS, &request);
	close(fd);
	return ret;
}

/* ---- the guest ---- */

static int run(in_addr_t peer, const struct test *t)
{
	struct sockaddr_in to = place(peer);
	struct link l = { .tcp = new_socket(SOCK_STREAM), .udp = -1 };
	char line[64];
	uint64_t start;
	int ret = -1;

	if (connect(l.tcp, (void *)&to, sizeof(to)) || link_up(&l, l.tcp, to) || all(l.tcp, 1, false)) {
		perror("net_load: connect");
		goto out;
	}
	printf("ready %s\n", t->name);
	if (!fgets(line, sizeof(line), stdin))
		goto out;
	start = __rdtsc();
	ret = write(l.tcp, t, sizeof(*t)) == sizeof(*t) ? find(t)->guest(&l, t) : -1;
	printf("done %s %lu %s\n", t->name, (unsigned long)(__rdtsc() - start), ret ? "failed" : "ok");
	fgets(line, sizeof(line), stdin);
out:
	link_down(&l);
	return ret;
}

static int guest(int argc, char **argv)
{
	in_addr_t peer = inet_addr(argv[4]);
	int failed = 0;

	if (card_up(argv[2], inet_addr(argv[3])))
		return perror(argv[2]), 1;
	for (int i = 5; i < argc; i++) {
		struct test t = { };

		if (sscanf(argv[i], "%31[^:]:%15[^:]:%lu:%lu", t.name, t.op, &t.bytes, &t.count) != 4 || !find(&t))
			return fprintf(stderr, "net_load: %s is no test\n", argv[i]), 2;
		failed |= run(peer, &t);
	}
	return !!failed;
}

/* ---- the peer ---- */

static void serve(int tcp, const struct sockaddr_in *from)
{
	struct link l;
	struct test t;

	/* a byte says that datagrams will be taken */
	if (link_up(&l, tcp, *from) || all(tcp, 1, true))
		perror("net_load: peer");
	else if (recv(tcp, &t, sizeof(t), MSG_WAITALL) != sizeof(t))
		perror("net_load: no test");
	else if (!find(&t) || find(&t)->peer(&l, &t))
		fprintf(stderr, "net_load: peer: %.31s failed\n", t.name);
	link_down(&l);
}

static int peer(void)
{
	struct sockaddr_in here = place(INADDR_ANY), from;
	int fd = new_socket(SOCK_STREAM);

	if (bind(fd, (void *)&here, sizeof(here)) || listen(fd, 1))
		return perror("net_load: peer"), 1;
	for (;;) {
		socklen_t length = sizeof(from);
		int tcp = accept(fd, (void *)&from, &length);

		if (tcp >= 0)
			serve(tcp, &from);
	}
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 2 && !strcmp(argv[1], "peer"))
		return peer();
	if (argc > 5 && !strcmp(argv[1], "guest"))
		return guest(argc, argv);
	fprintf(stderr, "net_load: peer, or guest CARD ADDRESS PEER TEST...\n");
	return 2;
}
