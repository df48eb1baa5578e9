// SPDX-License-Identifier: GPL-2.0
/* vhost-user: the messages. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "worker/machine.h"
#include "worker/virtio/vhost_user.h"
#include "worker/virtio/vhost_user_msg.h"

#define PATIENCE_MS	5000	/* with all answers of a task: the machine stands still meanwhile */

/*
 * The back-end knows rings and memory by addresses of ours. They need not be those where the memory is mapped, which
 * are nobody's business: this one and the guest's address.
 */
#define FIRST_ADDRESS		(1ULL << 40)

#define FDS_MAX		2

/* Until the connection is ready for events. -1: it took too long */
static int wait_for(int fd, short events, long long deadline)
{
	struct pollfd poll_fd = { fd, events, 0 };
	long long left = deadline - machine_now_ms();

	if (left > 0 && poll(&poll_fd, 1, left) >= 0 && deadline > machine_now_ms())
		return 0;
	errno = ETIMEDOUT;
	return -1;
}

static int send_message(const struct vhost_user *u, const struct message *msg, const int *fds, unsigned int count)
{
	union { struct cmsghdr head; char room[CMSG_SPACE(FDS_MAX * sizeof(int))]; } rights = {
		.head = { .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(count * sizeof(int)) },
	};
	size_t length = HEAD + msg->size, done = 0;

	if (count)
		memcpy(CMSG_DATA(&rights.head), fds, count * sizeof(int));
	while (done < length) {
		struct iovec iov = { (char *)msg + done, length - done };
		struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1 };
		ssize_t n;

		if (count && !done) {
			hdr.msg_control = &rights;
			hdr.msg_controllen = CMSG_SPACE(count * sizeof(int));
		}
		n = sendmsg(u->fd, &hdr, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0)
			done += n;
		else if ((errno != EAGAIN && errno != EINTR) || wait_for(u->fd, POLLOUT, u->deadline) < 0)
			return -1;
	}
	return 0;
}

/* Descriptors that come along are not taken. */
static int receive(const struct vhost_user *u, void *to, size_t length)
{
	size_t done = 0;

	while (done < length) {
		ssize_t n = recv(u->fd, (char *)to + done, length - done, MSG_DONTWAIT);

		if (!n)
			errno = ECONNRESET;
		if (n > 0)
			done += n;
		else if (!n || (errno != EAGAIN && errno != EINTR) || wait_for(u->fd, POLLIN, u->deadline) < 0)
			return -1;
	}
	return 0;
}

/* An answer of this length, or none that counts */
static int receive_reply(const struct vhost_user *u, struct message *msg, uint32_t size)
{
	uint32_t request = msg->request;

	if (receive(u, msg, HEAD) < 0)
		return -1;
	if (msg->request == request && (msg->flags & (VERSION_MASK | REPLY)) == (VERSION | REPLY) && msg->size == size)
		return receive(u, (char *)msg + HEAD, size);
	errno = EPROTO;
	return -1;
}

/* A question: the answer replaces the payload, and is as long if size is not 0 */
static int ask(const struct vhost_user *u, struct message *msg, uint32_t size, uint32_t reply_size)
{
	msg->flags = VERSION;
	msg->size = size;
	return send_message(u, msg, NULL, 0) < 0 ? -1 : receive_reply(u, msg, reply_size);
}

static int ask_number(const struct vhost_user *u, uint32_t request, uint64_t *number)
{
	struct message msg = { .request = request };

	if (ask(u, &msg, 0, sizeof(msg.number)) < 0)
		return -1;
	*number = msg.number;
	return 0;
}

/* An order. Where the back-end can, it says whether it was carried out. */
static int order(const struct vhost_user *u, struct message *msg, uint32_t size, const int *fds, unsigned int count)
{
	bool reply = u->protocol & P_REPLY_ACK;

	msg->flags = VERSION | (reply ? NEED_REPLY : 0);
	msg->size = size;
	if (send_message(u, msg, fds, count) < 0)
		return -1;
	if (!reply)
		return 0;
	if (receive_reply(u, msg, sizeof(msg->number)) < 0)
		return -1;
	if (!msg->number)
		return 0;
	errno = EREMOTEIO;
	return -1;
}

static int order_number(const struct vhost_user *u, uint32_t request, uint64_t number)
{
	struct message msg = { .request = request, .number = number };

	return order(u, &msg, sizeof(msg.number), NULL, 0);
}

static int order_state(const struct vhost_user *u, uint32_t request, uint32_t index, uint32_t number)
{
	struct message msg = { .request = request, .state = { index, number } };

	return order(u, &msg, sizeof(msg.state), NULL, 0);
}

static int order_fd(const struct vhost_user *u, uint32_t request, uint32_t index, int fd)
{
	struct message msg = { .request = request, .number = index };

	return order(u, &msg, sizeof(msg.number), &fd, 1);
}

static int set_memory(struct vhost_user *u, const struct machine *m)
{
	struct message msg = {
		.request = SET_MEM_TABLE,
		.memory = {
			.count = m->high ? 2 : 1,
			.region = { { 0, m->low, FIRST_ADDRESS, 0 }, { RAM_HIGH_BASE, m->high, FIRST_ADDRESS + RAM_HIGH_BASE, m->low } },
		},
	};
	const int fds[] = { m->ram_fd, m->ram_fd };
	uint32_t unused = m->high ? 0 : sizeof(msg.memory.region[1]);

	return order(u, &msg, sizeof(msg.memory) - unused, fds, msg.memory.count);
}

void vhost_user_task(struct vhost_user *u)
{
	u->deadline = machine_now_ms() + PATIENCE_MS;
}

int vhost_user_begin(struct vhost_user *u, const struct machine *m)
{
	uint64_t theirs, queues = 1;

	vhost_user_task(u);
	u->protocol = 0;
	if (order(u, &(struct message){ .request = SET_OWNER }, 0, NULL, 0) < 0 || ask_number(u, GET_FEATURES, &u->features) < 0)
		return -1;
	errno = ENOTSUP;
	if (!(u->features & F_PROTOCOL_FEATURES) || ask_number(u, GET_PROTOCOL_FEATURES, &theirs) < 0)
		return -1;
	errno = ENOTSUP;
	theirs &= P_MQ | P_REPLY_ACK | P_CONFIG;
	if (!(theirs & P_CONFIG) || order_number(u, SET_PROTOCOL_FEATURES, theirs) < 0)
		return -1;
	u->protocol = theirs;
	if (theirs & P_MQ && ask_number(u, GET_QUEUE_NUM, &queues) < 0)
		return -1;
	u->queues = queues < HUSK_DISK_QUEUES_MAX ? queues : HUSK_DISK_QUEUES_MAX;
	return set_memory(u, m);
}

int vhost_user_get_config(const struct vhost_user *u, void *config, unsigned int size)
{
	const uint32_t all = sizeof(((struct message *)0)->config) - VHOST_USER_CONFIG_MAX + size;
	struct message msg = { .request = GET_CONFIG, .config.size = size };

	if (ask(u, &msg, all, all) < 0)
		return -1;
	memcpy(config, msg.config.bytes, size);
	return 0;
}

int vhost_user_set_config(const struct vhost_user *u, unsigned int offset, uint8_t value)
{
	struct message msg = { .request = SET_CONFIG, .config = { .offset = offset, .size = 1, .bytes = { value } } };

	return order(u, &msg, sizeof(msg.config) - VHOST_USER_CONFIG_MAX + 1, NULL, 0);
}

int vhost_user_set_features(const struct vhost_user *u, uint64_t features)
{
	return order_number(u, SET_FEATURES, features | F_PROTOCOL_FEATURES);
}

int vhost_user_start(const struct vhost_user *u, unsigned int index, const struct pvio_ring *ring, int kick, int call)
{
	struct message addr = {
		.request = SET_VRING_ADDR,
		.addr = {
			.index = index, .desc = FIRST_ADDRESS + ring->desc_gpa, .used = FIRST_ADDRESS + ring->used_gpa,
			.avail = FIRST_ADDRESS + ring->avail_gpa,
		},
	};

	if (order_state(u, SET_VRING_NUM, index, ring->size) < 0 || order_state(u, SET_VRING_BASE, index, ring->last_avail) < 0 ||
	    order(u, &addr, sizeof(addr.addr), NULL, 0) < 0 || order_fd(u, SET_VRING_CALL, index, call) < 0 ||
	    order_fd(u, SET_VRING_KICK, index, kick) < 0)
		return -1;
	return order_state(u, SET_VRING_ENABLE, index, 1);
}

int vhost_user_stop(const struct vhost_user *u, unsigned int index, uint16_t *base)
{
	struct message msg = { .request = GET_VRING_BASE, .state.index = index };

	if (ask(u, &msg, sizeof(msg.state), sizeof(msg.state)) < 0)
		return -1;
	if (msg.state.index != index || msg.state.number > UINT16_MAX) {
		errno = EPROTO;
		return -1;
	}
	*base = msg.state.number;
	return 0;
}

bool vhost_user_quiet(const struct vhost_user *u)
{
	char byte;

	return recv(u->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EINTR);
}
