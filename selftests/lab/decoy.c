// SPDX-License-Identifier: GPL-2.0
/*
 * What a user can put where the CLI expects a worker.
 *
 *	decoy vm NAME PATH		a VM whose control socket is said to be at PATH
 *	decoy socket PATH ANSWER	a socket there; prints what it is told, and answers
 *
 * Until killed.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "husk.h"

static int make_vm(const char *name, const char *path)
{
	struct husk_create_vm arg = { .size = sizeof(arg) };
	int dev = open("/dev/husk", O_RDWR);

	snprintf(arg.name, sizeof(arg.name), "%s", name);
	snprintf(arg.control, sizeof(arg.control), "%s", path);
	if (dev < 0 || ioctl(dev, HUSK_CREATE_VM, &arg) < 0)
		return perror("decoy"), 1;
	puts("ready");
	fflush(stdout);
	return pause();
}

static int serve(const char *path, const char *answer)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), fd;
	char line[64];
	ssize_t n;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (bind(listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(listener, 8) < 0)
		return perror("decoy"), 1;
	puts("ready");
	fflush(stdout);
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		n = recv(fd, line, sizeof(line) - 1, 0);
		if (n > 0 && write(STDOUT_FILENO, line, n) == n)
			send(fd, answer, strlen(answer), MSG_NOSIGNAL);
		close(fd);
	}
	return 1;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "vm"))
		return make_vm(argv[2], argv[3]);
	if (argc == 4 && !strcmp(argv[1], "socket"))
		return serve(argv[2], argv[3]);
	fprintf(stderr, "usage: decoy vm NAME PATH | socket PATH ANSWER\n");
	return 2;
}
