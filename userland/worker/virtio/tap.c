// SPDX-License-Identifier: GPL-2.0
/* A tap interface of the host. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "worker/fail.h"
#include "worker/virtio/net.h"
#include "worker/virtio/tap.h"

/* TUN_F_USO4 and TUN_F_USO6, since Linux 6.2: one goes with the other only. The headers of Debian 12 don't have them. */
#define BOTH_USO	(0x20 | 0x40)

/* What it does alike for all kernels that have husk */
#define FEATURES	(NET_F_CSUM | NET_F_GUEST_CSUM | NET_F_GUEST_TSO4 | NET_F_GUEST_TSO6 | NET_F_GUEST_ECN | NET_F_GUEST_UFO | \
			 NET_F_HOST_TSO4 | NET_F_HOST_TSO6 | NET_F_HOST_ECN | NET_F_HOST_UFO)
#define USO_FEATURES	(NET_F_GUEST_USO4 | NET_F_GUEST_USO6 | NET_F_HOST_USO)

/* For one queue an interface that can have several does, too. */
static int attach(int fd, const char *name, bool many)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };

	strcpy(request.ifr_name, name);
	if (!many && !ioctl(fd, TUNSETIFF, &request))
		return 0;
	if (!many && errno != EINVAL)
		return -1;
	request.ifr_flags |= IFF_MULTI_QUEUE;
	return ioctl(fd, TUNSETIFF, &request);
}

static enum husk_status open_queue(const char *name, int *fd, bool many)
{
	int header = NET_HEADER;

	*fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (*fd < 0)
		return fail(HUSK_STATUS_HOST, "--net tap=%s: /dev/net/tun: %s (modprobe tun)", name, strerror(errno));
	if (attach(*fd, name, many) < 0)
		return fail(HUSK_STATUS_HOST, "--net tap=%s: %s", name,
			    errno == EPERM ? "no right to it; root can make it yours: ip tuntap add NAME mode tap user YOU" :
			    errno == EBUSY ? "in use by another VM or program" :
			    errno != EINVAL ? strerror(errno) : !many ? "no tap interface" :
			    "no tap interface of several queues: ip tuntap add NAME mode tap multi_queue");
	if (ioctl(*fd, TUNSETVNETHDRSZ, &header) < 0)
		return fail(HUSK_STATUS_HOST, "--net tap=%s: TUNSETVNETHDRSZ: %s", name, strerror(errno));
	return HUSK_STATUS_OK;
}

enum husk_status tap_open(const char *name, int *fd, unsigned int queues)
{
	enum husk_status status = HUSK_STATUS_OK;

	for (unsigned int i = 0; i < queues; i++)
		fd[i] = -1;
	for (unsigned int i = 0; i < queues && !status; i++) {
		status = open_queue(name, &fd[i], queues > 1);
		if (!status && i)
			tap_use_queue(fd[i], false);
	}
	return status;
}

uint64_t tap_features(int fd)
{
	bool uso = !ioctl(fd, TUNSETOFFLOAD, (unsigned long)(TUN_F_CSUM | BOTH_USO));

	ioctl(fd, TUNSETOFFLOAD, 0UL);
	return FEATURES | (uso ? USO_FEATURES : 0);
}

void tap_offload(int fd, uint64_t features)
{
	static const struct {
		uint64_t features;
		unsigned int flag;
	} map[] = {
		{ NET_F_GUEST_CSUM, TUN_F_CSUM },
		{ NET_F_GUEST_TSO4, TUN_F_TSO4 },
		{ NET_F_GUEST_TSO6, TUN_F_TSO6 },
		{ NET_F_GUEST_ECN, TUN_F_TSO_ECN },
		{ NET_F_GUEST_UFO, TUN_F_UFO },
		{ NET_F_GUEST_USO4 | NET_F_GUEST_USO6, BOTH_USO },
	};
	unsigned long flags = 0;

	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
		if ((features & map[i].features) == map[i].features)
			flags |= map[i].flag;
	/* It refuses what makes no sense, segments without checksums: then there are none. */
	if (ioctl(fd, TUNSETOFFLOAD, flags) < 0)
		ioctl(fd, TUNSETOFFLOAD, 0UL);
}

void tap_use_queue(int fd, bool on)
{
	struct ifreq request = { .ifr_flags = on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

	ioctl(fd, TUNSETQUEUE, &request);	/* refused: it is so already */
}

/* ---- counters ---- */

static bool read_count(const struct tap_count *c, uint64_t *value)
{
	char text[32];
	ssize_t n = c->fd < 0 ? -1 : pread(c->fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return false;
	text[n] = 0;
	*value = strtoull(text, NULL, 10);
	return true;
}

void tap_open_counts(const char *name, struct tap_count counts[TAP_COUNTS])
{
	/* what it transmits is what we receive */
	static const char * const files[TAP_COUNTS] = {
		[TAP_RECEIVED] = "tx_packets", [TAP_RECEIVED_BYTES] = "tx_bytes", [TAP_SENT] = "rx_packets", [TAP_SENT_BYTES] = "rx_bytes",
	};
	char path[128];

	for (int i = 0; i < TAP_COUNTS; i++) {
		snprintf(path, sizeof(path), "/sys/class/net/%s/statistics/%s", name, files[i]);
		counts[i].fd = open(path, O_RDONLY | O_CLOEXEC);
		if (!read_count(&counts[i], &counts[i].before))
			counts[i].before = 0;
	}
}

void tap_show_counts(const struct tap_count counts[TAP_COUNTS], struct show *show)
{
	static const char * const names[TAP_COUNTS] = { "received", "received_bytes", "sent", "sent_bytes" };
	uint64_t value;

	for (int i = 0; i < TAP_COUNTS; i++)
		if (read_count(&counts[i], &value))
			show_number(show, names[i], value - counts[i].before);
}

void tap_close_counts(struct tap_count counts[TAP_COUNTS])
{
	for (int i = 0; i < TAP_COUNTS; i++)
		if (counts[i].fd >= 0)
			close(counts[i].fd);
}
