/* SPDX-License-Identifier: GPL-2.0 */
/* What husk's own programs share, beside libhusk: not for others, not installed. */
#ifndef HUSK_LIB_TOOLS_H
#define HUSK_LIB_TOOLS_H

#include <sys/types.h>

#include "lib/libhusk.h"
#include "lib/status.h"

/*
 * The folder of this user's control sockets, made if it is not there:
 * /run/husk for root, else husk/ in XDG_RUNTIME_DIR or /run/user/UID, else
 * /tmp/husk-UID. NULL with errno.
 */
const char *husk_rundir(void);
/* Path of a VM's control socket. -1 with ENAMETOOLONG or husk_rundir()'s errno. */
int husk_control_path(char path[HUSK_CONTROL_LEN], const char *name);
/* Connect to a control socket of that user's, send one line. Answers the socket, or -1: EPERM if it is another's. */
int husk_control_connect(const char *path, uid_t owner, const char *line);
/* The same, and a descriptor goes with the line; -1: none */
int husk_control_pass(const char *path, uid_t owner, const char *line, int pass);
/* A connection to a socket, which does not block, or -1 with errno. Who listens there and takes none does not keep us */
int husk_unix_connect(const char *path);
/* Likewise, to what the VM of that name serves, of the same user: see --export */
int husk_export_connect(const char *name);

/* husk-vm, beside the program that asks or in ../libexec/husk from there. -1 with errno */
int husk_worker_path(char path[4096]);

/* What --firmware knows by name, which is its package's, too, the default first; path ends with NULL */
#define HUSK_FIRMWARE	2
struct husk_firmware {
	const char *name, *path[3];
};
extern const struct husk_firmware husk_firmware[HUSK_FIRMWARE];
/* The first of its files that is there and can be read, or NULL */
const char *husk_firmware_path(const struct husk_firmware *firmware);

#endif
