// SPDX-License-Identifier: GPL-2.0
/*
 * A byte stream over vsock(7), as nc for TCP: what comes goes to standard output, standard input goes there.
 *
 *	vsock listen PORT	takes one connection
 *	vsock connect CID PORT	tries for 10 seconds
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <linux/vm_sockets.h>
#include <unistd.h>

static int take(unsigned int port)
{
	struct sockaddr_vm addr = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = port };
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 1) < 0)
		return -1;
	return accept(fd, NULL, NULL);
}

static int reach(unsigned int cid, unsigned int port)
{
	struct sockaddr_vm addr = { .svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port };

	for (int i = 0; i < 100; i++) {
		int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

		if (fd < 0 || !connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
			return fd;
		close(fd);
		usleep(100000);
	}
	return -1;
}

static int write_all(int fd, const char *data, ssize_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, data, n);

		if (done < 0)
			return -1;
		data += done;
		n -= done;
	}
	return 0;
}

static int relay(int fd)
{
	struct pollfd fds[2] = { { fd, POLLIN, 0 }, { 0, POLLIN, 0 } };
	static char data[65536];

	while (fds[0].fd >= 0 || fds[1].fd >= 0) {
		if (poll(fds, 2, -1) < 0)
			return -1;
		for (int i = 0; i < 2; i++) {
			ssize_t n;

			if (fds[i].fd < 0 || !fds[i].revents)
				continue;
			n = read(fds[i].fd, data, sizeof(data));
			if (n < 0 || write_all(i ? fd : 1, data, n) < 0)
				return -1;
			if (!n && i)
				shutdown(fd, SHUT_WR);
			if (!n)
				fds[i].fd = -1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	int fd = -1;

	if (argc == 3 && !strcmp(argv[1], "listen"))
		fd = take(strtoul(argv[2], NULL, 0));
	else if (argc == 4 && !strcmp(argv[1], "connect"))
		fd = reach(strtoul(argv[2], NULL, 0), strtoul(argv[3], NULL, 0));
	if (fd < 0 || relay(fd) < 0) {
		fprintf(stderr, "vsock: %s\n", strerror(errno));
		return 1;
	}
	return 0;
}
