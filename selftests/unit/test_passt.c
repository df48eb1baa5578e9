// SPDX-License-Identifier: GPL-2.0
/* --net user before the guest runs: programs of our own stand in for passt. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/fail.h"
#include "worker/virtio/net.h"

static int passed, failed;
static char said[512], folder[] = "/tmp/passt-XXXXXX", program[64], mark[64];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct loop loop;
static unsigned int free_port;

static void check(const char *name, int good)
{
	if (good)
		passed++;
	else
		failed++;
	printf("%s passt_%s%s%s\n", good ? "ok" : "not ok", name, good ? "" : ": it said: ", good ? "" : said);
}

enum husk_status fail(enum husk_status status, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(said, sizeof(said), fmt, ap);
	va_end(ap);
	return status;
}

static void stand_in(const char *text)
{
	FILE *f = fopen(program, "w");

	fprintf(f, "#!/bin/sh\n%s\n", text);
	fclose(f);
	chmod(program, 0755);
}

static bool refuses(const struct net_options *o, const char *text)
{
	struct net_backend *b = NULL;

	*said = 0;
	return net_open_passt(&b, o, &loop) == HUSK_STATUS_FAIL && !b && strstr(said, text);
}

/* A socket of the host's at any address of IPv4, or of IPv6 alone; its port */
static unsigned int take(int *fd, int family, int type)
{
	struct sockaddr_in6 at = { .sin6_family = family };
	socklen_t len = sizeof(at);

	*fd = socket(family, type, 0);
	if (family == AF_INET6)
		setsockopt(*fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){ 1 }, sizeof(int));
	if (*fd < 0 || bind(*fd, (struct sockaddr *)&at, len) < 0 || (type == SOCK_STREAM && listen(*fd, 1) < 0) ||
	    getsockname(*fd, (struct sockaddr *)&at, &len) < 0)
		return 0;
	return ntohs(at.sin6_port);
}

static void test_port(const char *name, int family, int type)
{
	struct net_options o = {};
	unsigned int port;
	char text[64];
	int fd;

	port = take(&fd, family, type);
	if (!port) {
		printf("skip passt_%s: %s\n", name, strerror(errno));
		return;
	}
	snprintf(type == SOCK_STREAM ? o.tcp : o.udp, NET_FORWARD, "%u:22,%u:22", free_port, port);
	snprintf(text, sizeof(text), "%s:%u of the host", type == SOCK_STREAM ? "tcp" : "udp", port);
	check(name, refuses(&o, text));
	close(fd);
}

/* It stays until the socket ends, and a little longer. */
static void test_start(void)
{
	const struct net_options o = {};
	struct net_backend *b = NULL;

	stand_in("(cat <&3 >/dev/null; sleep 0.2; : >\"$MARK\") 2>/dev/null &\nexit 0");
	check("starts", !net_open_passt(&b, &o, &loop) && b);
	check("stays", access(mark, F_OK) < 0);
	if (b)
		b->ops->close(b);
	check("gone_when_closed", !access(mark, F_OK));
}

int main(void)
{
	const struct net_options none = {};
	char path[64];
	int fd;

	if (!mkdtemp(folder) || loop_init(&loop, &lock) < 0)
		return 2;
	snprintf(program, sizeof(program), "%s/passt", folder);
	snprintf(mark, sizeof(mark), "%s/mark", folder);
	setenv("PATH", folder, 1);
	setenv("MARK", mark, 1);
	check("not_installed", refuses(&none, "not installed"));
	snprintf(path, sizeof(path), "%s:/usr/bin:/bin", folder);
	setenv("PATH", path, 1);
	stand_in("printf 'first\\nno such port\\n' >&2; exit 1");
	check("says_why", refuses(&none, "no network: no such port"));
	stand_in("kill -9 $$");
	check("killed", refuses(&none, "does not start"));
	test_start();
	free_port = take(&fd, AF_INET6, SOCK_STREAM);
	close(fd);
	test_port("tcp_taken", AF_INET, SOCK_STREAM);
	test_port("tcp6_taken", AF_INET6, SOCK_STREAM);
	test_port("udp_taken", AF_INET, SOCK_DGRAM);
	unlink(mark);
	unlink(program);
	rmdir(folder);
	loop_fini(&loop);
	printf("# %d passed, %d failed\n", passed, failed);
	return failed != 0;
}
