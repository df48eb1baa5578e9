// SPDX-License-Identifier: GPL-2.0
/* Where a VM's control socket is, and how to reach it. */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/tools.h"

/* Ours alone, or ours to make: anyone may have put something at a path in /tmp. */
static int use_folder(const char *path)
{
	struct stat st;

	/* root's has the control sockets of other owners' VMs, too */
	if (mkdir(path, geteuid() ? 0700 : 0711) < 0 && errno != EEXIST)
		return -1;
	if (lstat(path, &st) < 0)
		return -1;
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022)) {
		errno = EPERM;
		return -1;
	}
	return 0;
}

const char *husk_rundir(void)
{
	static char path[PATH_MAX];
	const char *base = getenv("XDG_RUNTIME_DIR");
	uid_t uid = geteuid();

	if (!uid) {
		strcpy(path, "/run/husk");
		return use_folder(path) < 0 ? NULL : path;
	}
	if (base && base[0] == '/') {
		snprintf(path, sizeof(path), "%s/husk", base);
		if (!use_folder(path))
			return path;
	}
	snprintf(path, sizeof(path), "/run/user/%u/husk", uid);
	if (!use_folder(path))
		return path;
	snprintf(path, sizeof(path), "/tmp/husk-%u", uid);
	return use_folder(path) < 0 ? NULL : path;
}

int husk_control_path(char path[HUSK_CONTROL_LEN], const char *name)
{
	const char *dir = husk_rundir();

	if (!dir)
		return -1;
	if (snprintf(path, HUSK_CONTROL_LEN, "%s/%s.sock", dir, name) >= HUSK_CONTROL_LEN) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return 0;
}

/* Whoever made the VM said where its socket is: that may be somebody else's. */
static int check_peer(int fd, uid_t owner)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return -1;
	if (peer.uid == owner)
		return 0;
	errno = EPERM;
	return -1;
}

int husk_unix_connect(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || !connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	err = errno;
	close(fd);
	errno = err;
	return -1;
}

int husk_export_connect(const char *name)
{
	char path[HUSK_CONTROL_LEN];

	if (strchr(name, '/')) {
		errno = EINVAL;
		return -1;
	}
	if (husk_control_path(path, name) < 0)
		return -1;
	strcpy(path + strlen(path) - strlen(".sock"), ".disk");
	return husk_unix_connect(path);
}

static bool send_line(int fd, const char *line, int pass)
{
	union { struct cmsghdr head; char room[CMSG_SPACE(sizeof(int))]; } rights = {
		.head = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) },
	};
	struct iovec iov = { (char *)line, strlen(line) };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (pass >= 0) {
		memcpy(CMSG_DATA(&rights.head), &pass, sizeof(pass));
		hdr.msg_control = &rights;
		hdr.msg_controllen = sizeof(rights);
	}
	return sendmsg(fd, &hdr, MSG_NOSIGNAL) == (ssize_t)iov.iov_len;
}

int husk_control_pass(const char *path, uid_t owner, const char *line, int pass)
{
	/* A VM's process that was stopped takes no connections: its queue of them may be full. */
	const struct timeval patience = { .tv_sec = 2 }, no_limit = {};
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (!connect(fd, (struct sockaddr *)&addr, sizeof(addr)) && !check_peer(fd, owner) &&
	    send_line(fd, line, pass)) {
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &no_limit, sizeof(no_limit));
		return fd;
	}
	err = errno;
	close(fd);
	errno = err;
	return -1;
}

int husk_control_connect(const char *path, uid_t owner, const char *line)
{
	return husk_control_pass(path, owner, line, -1);
}
