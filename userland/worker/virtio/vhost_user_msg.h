/* SPDX-License-Identifier: GPL-2.0 */
/* The messages of vhost-user (docs/interop/vhost-user.rst of QEMU), those of them that we use. */
#ifndef HUSK_WORKER_VHOST_USER_MSG_H
#define HUSK_WORKER_VHOST_USER_MSG_H

#include <stdint.h>

#include "worker/virtio/vhost_user.h"

enum {
	GET_FEATURES = 1, SET_FEATURES = 2, SET_OWNER = 3, SET_MEM_TABLE = 5, SET_VRING_NUM = 8, SET_VRING_ADDR = 9, SET_VRING_BASE = 10,
	GET_VRING_BASE = 11, SET_VRING_KICK = 12, SET_VRING_CALL = 13, GET_PROTOCOL_FEATURES = 15,
	SET_PROTOCOL_FEATURES = 16, GET_QUEUE_NUM = 17, SET_VRING_ENABLE = 18, GET_CONFIG = 24, SET_CONFIG = 25,
};

#define F_PROTOCOL_FEATURES	(1ULL << 30)	/* among the device's features */
#define P_MQ			(1ULL << 0)
#define P_REPLY_ACK		(1ULL << 3)
#define P_CONFIG		(1ULL << 9)

#define VERSION			1	/* flags of a message */
#define VERSION_MASK		3
#define REPLY			4
#define NEED_REPLY		8

struct message {
	uint32_t request, flags, size;
	union {
		uint64_t number;
		struct { uint32_t index, number; } state;
		struct { uint32_t index, flags; uint64_t desc, used, avail, log; } addr;
		struct { uint32_t offset, size, flags; uint8_t bytes[VHOST_USER_CONFIG_MAX]; } config;
		struct {
			uint32_t count, padding;
			struct { uint64_t gpa, size, address, offset; } region[2];
		} memory;
	};
} __attribute__((packed));
#define HEAD		12
_Static_assert(sizeof(((struct message *)0)->memory) == 72 && sizeof(((struct message *)0)->addr) == 40, "vhost-user.rst");

#endif
