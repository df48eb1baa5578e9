// SPDX-License-Identifier: GPL-2.0
/* Telling systemd that we are ready, and alive: one datagram each. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "huskd/huskd.h"

void notify(const char *state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path ? strlen(path) : 0;
	int fd;

	if (!len || len >= sizeof(addr.sun_path) || (*path != '/' && *path != '@'))
		return;
	memcpy(addr.sun_path, path, len);
	if (*path == '@')	/* of the abstract kind */
		addr.sun_path[0] = 0;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	/* systemd that does not hear it ends us: nothing else to do about it */
	sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&addr, offsetof(struct sockaddr_un, sun_path) + len);
	close(fd);
}

int watchdog_ms(void)
{
	const char *usec = getenv("WATCHDOG_USEC");
	long long ms = usec ? atoll(usec) / 1000 : 0;

	return ms <= 0 || ms / 2 > BEAT_MS ? BEAT_MS : (int)(ms / 2);
}
