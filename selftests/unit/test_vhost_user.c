// SPDX-License-Identifier: GPL-2.0
/* vhost-user, the front-end's side, against a back-end that does harm: every answer is bounded, and comes in time. */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "check.h"
#include "worker/virtio/vhost_user.c"

#define LATE	30		/* seconds */
#define FASTER	25		/* than time goes: a second is enough for all patience */

static struct machine machine;
static int theirs = -1;
static char name[80];

static void crashed(int signo)
{
	static const char text[] = "not ok vhost_user: it crashed, or hangs\n";

	(void)signo;
	_exit(write(1, text, sizeof(text) - 1) < 0 ? 2 : 1);
}

long long machine_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec * 1000LL + now.tv_nsec / 1000000) * FASTER;
}

/* What the back-end does otherwise than it should, from an answer of this request on */
static struct {
	const char *what;
	uint32_t request;
	enum { GOOD, OTHER_REQUEST, NO_REPLY_FLAG, OTHER_VERSION, LONGER, HUGE_LENGTH, SHORT, NOTHING, HANG_UP, TRICKLE, REFUSE, FDS, SLOW } how;
} harm;

static uint64_t features, protocol, queues;

static void answer(struct message *msg, uint32_t size)
{
	int fds[8], how = msg->request == harm.request ? (int)harm.how : GOOD;
	union { struct cmsghdr head; char room[CMSG_SPACE(sizeof(fds))]; } rights = {
		.head = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(fds)) },
	};
	struct iovec iov = { msg, HEAD + size };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };

	for (int i = 0; i < 8; i++)
		fds[i] = 1;
	memcpy(CMSG_DATA(&rights.head), fds, sizeof(fds));
	msg->flags = VERSION | REPLY;
	msg->size = size;
	if (how == OTHER_REQUEST)
		msg->request ^= 64;
	if (how == NO_REPLY_FLAG)
		msg->flags = VERSION;
	if (how == OTHER_VERSION)
		msg->flags = 2 | REPLY;
	if (how == LONGER)
		msg->size = size + 8;
	if (how == HUGE_LENGTH)
		msg->size = 0xfffffff0;
	if (how == SHORT)
		iov.iov_len = HEAD + size - 1;
	if (how == REFUSE)
		msg->number = 5;
	if (how == FDS) {
		hdr.msg_control = &rights;
		hdr.msg_controllen = sizeof(rights);
	}
	if (harm.how == SLOW)
		nanosleep(&(struct timespec){ .tv_nsec = 60000000 }, NULL);
	if (how == HANG_UP)
		shutdown(theirs, SHUT_RDWR);
	for (size_t i = 0; how == TRICKLE && i < iov.iov_len; i++) {
		struct timespec pause = { .tv_nsec = 90000000 };

		send(theirs, (char *)msg + i, 1, MSG_NOSIGNAL);
		nanosleep(&pause, NULL);
	}
	if (how != NOTHING && how != HANG_UP && how != TRICKLE)
		sendmsg(theirs, &hdr, MSG_NOSIGNAL);
}

/* A back-end as it should be, but for that */
static void *serve(void *ctx)
{
	struct message msg;

	(void)ctx;
	for (;;) {
		memset(&msg, 0, sizeof(msg));
		if (recv(theirs, &msg, HEAD, MSG_WAITALL) != HEAD || msg.size > sizeof(msg) - HEAD ||
		    (msg.size && recv(theirs, (char *)&msg + HEAD, msg.size, MSG_WAITALL) != (ssize_t)msg.size))
			return NULL;
		switch (msg.request) {
		case GET_FEATURES: msg.number = features; answer(&msg, 8); break;
		case GET_PROTOCOL_FEATURES: msg.number = protocol; answer(&msg, 8); break;
		case GET_QUEUE_NUM: msg.number = queues; answer(&msg, 8); break;
		case GET_VRING_BASE: msg.state.number = msg.request == harm.request && harm.how == REFUSE ? 1 << 16 : 77; answer(&msg, 8); break;
		case GET_CONFIG: memset(msg.config.bytes, 0xab, msg.config.size); answer(&msg, msg.size); break;
		default:
			if (msg.flags & NEED_REPLY) {
				msg.number = 0;
				answer(&msg, 8);
			}
		}
	}
}

static unsigned int open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* All that is said to a back-end. errno, or 0 */
static int talk(void)
{
	struct vhost_user u = {};
	struct pvio_ring ring = { .size = 256 };
	unsigned int before = open_fds();
	uint16_t base = 0;
	uint8_t config[60];
	pthread_t thread;
	int ends[2], err;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
		return errno;
	u.fd = ends[0];
	theirs = ends[1];
	pthread_create(&thread, NULL, serve, NULL);
	errno = 0;
	err = vhost_user_begin(&u, &machine) < 0 || vhost_user_get_config(&u, config, sizeof(config)) < 0 ? errno : 0;
	if (!err && harm.how != SLOW)
		vhost_user_task(&u);
	if (!err && (vhost_user_set_features(&u, 1ULL << 32) < 0 || vhost_user_start(&u, 3, &ring, 1, 1) < 0 ||
	    vhost_user_stop(&u, 3, &base) < 0))
		err = errno;
	if (!err && (config[59] != 0xab || base != 77 || !vhost_user_quiet(&u) || u.queues > HUSK_DISK_QUEUES_MAX))
		err = EINVAL;
	shutdown(ends[0], SHUT_RDWR);
	pthread_join(thread, NULL);
	close(ends[0]);
	close(ends[1]);
	return open_fds() == before ? err : EMFILE;
}

static void expect(const char *what, int wanted)
{
	int err = talk();

	snprintf(name, sizeof(name), "vhost_user_%s", what);
	check(name, err == wanted);
	if (err != wanted)
		printf("# %s, not %s\n", strerror(err), strerror(wanted));
}

static void set_good(void)
{
	features = 0x175007e46;
	protocol = 0x8f2b;
	queues = 2;
	memset(&harm, 0, sizeof(harm));
}

static void test_harm(void)
{
	static const uint32_t requests[] = { GET_FEATURES, GET_PROTOCOL_FEATURES, SET_MEM_TABLE, GET_CONFIG, SET_VRING_KICK, GET_VRING_BASE };
	static const struct { const char *what; int how, err; } harms[] = {
		{ "other_request", OTHER_REQUEST, EPROTO }, { "no_reply", NO_REPLY_FLAG, EPROTO }, { "version", OTHER_VERSION, EPROTO },
		{ "longer", LONGER, EPROTO }, { "huge", HUGE_LENGTH, EPROTO }, { "hang_up", HANG_UP, ECONNRESET }, { "fds", FDS, 0 },
	};
	char what[64];

	for (unsigned int i = 0; i < sizeof(harms) / sizeof(harms[0]); i++)
		for (unsigned int j = 0; j < sizeof(requests) / sizeof(requests[0]); j++) {
			set_good();
			harm.request = requests[j];
			harm.how = harms[i].how;
			snprintf(what, sizeof(what), "%s_%u", harms[i].what, requests[j]);
			expect(what, harms[i].err);
		}
}

static void expect_harm(const char *what, uint32_t request, int how, int err)
{
	set_good();
	harm.request = request;
	harm.how = how;
	expect(what, err);
}

int main(void)
{
	signal(SIGALRM, crashed);
	signal(SIGSEGV, crashed);
	alarm(LATE);
	machine.ram_fd = open("/dev/null", O_RDWR);
	machine.low = 1 << 20;
	set_good();
	expect("good", 0);
	machine.high = 1 << 20;
	expect("high", 0);
	set_good();
	queues = ~0ULL;
	expect("many_queues", 0);
	set_good();
	protocol &= ~P_REPLY_ACK;
	expect("no_ack", 0);
	set_good();
	protocol &= ~P_CONFIG;
	expect("no_config", ENOTSUP);
	set_good();
	features &= ~F_PROTOCOL_FEATURES;
	expect("no_protocol", ENOTSUP);
	test_harm();
	expect_harm("nothing", GET_CONFIG, NOTHING, ETIMEDOUT);
	expect_harm("short", GET_CONFIG, SHORT, ETIMEDOUT);
	expect_harm("trickle", GET_CONFIG, TRICKLE, ETIMEDOUT);
	/* each of its answers would be in time */
	expect_harm("slow", 0, SLOW, ETIMEDOUT);
	expect_harm("refuse", SET_MEM_TABLE, REFUSE, EREMOTEIO);
	printf("%d passed, %d failed\n", passed, failed);
	return failed != 0;
}
