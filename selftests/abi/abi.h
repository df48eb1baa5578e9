/* SPDX-License-Identifier: GPL-2.0 */
/* The ABI suite's few helpers. */
#ifndef ABI_H
#define ABI_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "husk.h"

enum object { DEV, VM, VCPU, DISK, OBJECTS };

struct fds {
	int fd[OBJECTS];
};

/* A device, a VM and, if asked for, its vCPU 0 and a disk. Ends the program on failure */
struct fds abi_open(bool all);
void abi_close(struct fds *fds);
/* ioctl: 0 or more, or -errno */
int abi_call(int fd, unsigned long command, void *arg);
/* Report a check; name is printed with its result once, by abi_group() */
void abi_check(bool ok, const char *format, ...) __attribute__((format(printf, 2, 3)));
#define EXPECT(call, want) do { int r_ = (call); \
	abi_check(r_ == (want), "%s:%d: %s is %d (%s), not %d", __FILE__, __LINE__, #call, r_, \
		  r_ < 0 ? strerror(-r_) : "-", want); } while (0)
void abi_group(const char *name, void (*fn)(void));

/* What is behind disks: $ABI_DISK, open with O_DIRECT */
extern int abi_disk;

void values_run(void);
void busy_run(void);

#endif
