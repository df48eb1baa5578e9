// SPDX-License-Identifier: GPL-2.0
/*
 * What a network card can do, as ethtool says it, and packets of UDP that are cut on the way.
 *
 *	net_try features CARD			names of those that are on
 *	net_try set CARD FEATURE on|off
 *	net_try channels CARD [N]		pairs of queues in use, and how many there are; use N
 *	net_try push ADDRESS PORT		standard input, by TCP and in large pieces
 *	net_try send ADDRESS PORT SIZE COUNT	COUNT datagrams of SIZE bytes, 20 to a call (UDP_SEGMENT)
 *	net_try receive PORT COUNT		how many of COUNT came within 5 seconds, and of which size
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define FEATURES_MAX	256
#define AT_ONCE		20
#define WAIT_MS		5000

static int card_ioctl(const char *card, void *data)
{
	struct ifreq request = { .ifr_data = data };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), ret;

	strncpy(request.ifr_name, card, IFNAMSIZ - 1);
	ret = ioctl(fd, SIOCETHTOOL, &request);
	close(fd);
	return ret;
}

/* Their names; how many, 0: an error */
static unsigned int feature_names(const char *card, struct ethtool_gstrings *names)
{
	struct {
		struct ethtool_sset_info head;
		__u32 count;
	} info = { .head = { .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ULL << ETH_SS_FEATURES } };

	if (card_ioctl(card, &info) < 0 || info.count > FEATURES_MAX)
		return 0;
	names->cmd = ETHTOOL_GSTRINGS;
	names->string_set = ETH_SS_FEATURES;
	names->len = info.count;
	return card_ioctl(card, names) < 0 ? 0 : info.count;
}

static struct ethtool_gstrings *new_names(void)
{
	return calloc(1, sizeof(struct ethtool_gstrings) + FEATURES_MAX * ETH_GSTRING_LEN);
}

static int features(const char *card)
{
	struct {
		struct ethtool_gfeatures head;
		struct ethtool_get_features_block block[FEATURES_MAX / 32];
	} get = { .head = { .cmd = ETHTOOL_GFEATURES, .size = FEATURES_MAX / 32 } };
	struct ethtool_gstrings *names = new_names();
	unsigned int count = names ? feature_names(card, names) : 0;

	if (!count || card_ioctl(card, &get) < 0)
		return -1;
	for (unsigned int i = 0; i < count; i++)
		if (get.block[i / 32].active & 1U << i % 32)
			printf("%s ", (const char *)names->data + i * ETH_GSTRING_LEN);
	printf("\n");
	return 0;
}

static int set_feature(const char *card, const char *name, bool on)
{
	struct {
		struct ethtool_sfeatures head;
		struct ethtool_set_features_block block[FEATURES_MAX / 32];
	} set = { .head = { .cmd = ETHTOOL_SFEATURES } };
	struct ethtool_gstrings *names = new_names();
	unsigned int count = names ? feature_names(card, names) : 0;

	set.head.size = (count + 31) / 32;
	for (unsigned int i = 0; i < count; i++)
		if (!strcmp((const char *)names->data + i * ETH_GSTRING_LEN, name)) {
			set.block[i / 32].valid = 1U << i % 32;
			set.block[i / 32].requested = on ? 1U << i % 32 : 0;
			return card_ioctl(card, &set) ? -1 : 0;
		}
	errno = ENOENT;
	return -1;
}

static int channels(const char *card, const char *count)
{
	struct ethtool_channels c = { .cmd = ETHTOOL_GCHANNELS };

	if (card_ioctl(card, &c) < 0)
		return -1;
	if (count) {
		c.cmd = ETHTOOL_SCHANNELS;
		c.combined_count = atoi(count);
		return card_ioctl(card, &c);
	}
	printf("%u of %u\n", c.combined_count, c.max_combined);
	return 0;
}

/* Until the other side has it all, and closes */
static int push(const char *address, int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = inet_addr(address) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	static char data[65536];
	ssize_t n;

	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -1;
	while ((n = read(0, data, sizeof(data))) > 0)
		for (ssize_t done = 0; done < n;) {
			ssize_t part = send(fd, data + done, n - done, MSG_NOSIGNAL);

			if (part < 0)
				return -1;
			done += part;
		}
	shutdown(fd, SHUT_WR);
	return read(fd, data, 1) < 0 ? -1 : 0;
}

static int send_datagrams(const char *address, int port, int size, int count)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = inet_addr(address) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	static char data[65000];

	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 || size * AT_ONCE > (int)sizeof(data) ||
	    setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)) < 0)
		return -1;
	memset(data, 'd', sizeof(data));
	for (int i = 0; i < count; i += AT_ONCE) {
		if (send(fd, data, (size_t)size * AT_ONCE, 0) < 0)
			return -1;
		usleep(20000);
	}
	return 0;
}

static int receive_datagrams(int port, int count)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct pollfd pollfd = { .fd = socket(AF_INET, SOCK_DGRAM, 0), .events = POLLIN };
	int got = 0, size = 0, room = 4 << 20;
	static char data[65536];

	setsockopt(pollfd.fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	if (bind(pollfd.fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		return -1;
	while (got < count && poll(&pollfd, 1, WAIT_MS) > 0) {
		ssize_t n = recv(pollfd.fd, data, sizeof(data), 0);

		if (n < 0 || (size && n != size) || n != (ssize_t)strspn(data, "d"))
			break;
		memset(data, 0, n);
		size = n;
		got++;
	}
	printf("%d of %d bytes\n", got, size);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	int ret = -1;

	errno = EINVAL;
	if (!strcmp(what, "features"))
		ret = features(argv[2]);
	else if (!strcmp(what, "set") && argc == 5)
		ret = set_feature(argv[2], argv[3], !strcmp(argv[4], "on"));
	else if (!strcmp(what, "channels"))
		ret = channels(argv[2], argc == 4 ? argv[3] : NULL);
	else if (!strcmp(what, "push") && argc == 4)
		ret = push(argv[2], atoi(argv[3]));
	else if (!strcmp(what, "send") && argc == 6)
		ret = send_datagrams(argv[2], atoi(argv[3]), atoi(argv[4]), atoi(argv[5]));
	else if (!strcmp(what, "receive") && argc == 4)
		ret = receive_datagrams(atoi(argv[2]), atoi(argv[3]));
	if (ret < 0) {
		fprintf(stderr, "net_try: %s\n", strerror(errno));
		return 1;
	}
	return 0;
}
