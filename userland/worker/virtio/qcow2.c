// SPDX-License-Identifier: GPL-2.0
/*
 * What of the host a qcow2 file names (docs/interop/qcow2.txt of QEMU): a backing file, which the
 * guest can read, and a file for its data, which the guest can write. qemu-nbd opens any
 * file of that name with the user's rights, so who made the image would choose among them.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "worker/virtio/disk.h"

#define MAGIC			0x514649fbU	/* QFI and 251 */
#define EXTERNAL_DATA		4ULL		/* incompatible feature; version 3 has features */

/* All big-endian */
struct header {
	uint32_t magic, version;
	uint64_t backing;		/* place of the name, or 0 */
	uint8_t ignored[56];
	uint64_t incompatible;
} __attribute__((packed));
_Static_assert(sizeof(struct header) == 80, "of version 3, as far as it matters");

static const char *refuse(const struct header *h, bool backing)
{
	if (be32toh(h->magic) != MAGIC)
		return NULL;		/* qemu-nbd says what it is */
	if (h->backing && !backing)
		return "it has a backing file; if you trust who named that, add ,backing";
	if (be32toh(h->version) > 2 && be64toh(h->incompatible) & EXTERNAL_DATA)
		return "its data is in another file, which could be any";
	return NULL;
}

const char *qcow2_refuse(const char *path, bool backing)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct header header = {};
	const char *why = NULL;

	if (fd < 0 || pread(fd, &header, sizeof(header), 0) < 0)
		why = strerror(errno);
	if (fd >= 0)
		close(fd);
	return why ? why : refuse(&header, backing);
}
