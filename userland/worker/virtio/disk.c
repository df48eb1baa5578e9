// SPDX-License-Identifier: GPL-2.0
/* What all kinds of disks share. */
#include <stdio.h>
#include <string.h>

#include "worker/machine.h"
#include "worker/virtio/disk.h"

#define QUIET_MS	10000

void disk_complain(struct disk *disk, const struct disk_request *request)
{
	static const char * const names[] = {
		[DISK_READ] = "read", [DISK_WRITE] = "write", [DISK_FLUSH] = "flush",
		[DISK_TRIM] = "discard", [DISK_ZERO] = "write of zeroes",
	};
	long long now = machine_now_ms();
	char more[48] = "";

	if (now < disk->quiet_until) {
		disk->unsaid++;
		return;
	}
	if (disk->unsaid)
		snprintf(more, sizeof(more), " (and %u errors since the last line)", disk->unsaid);
	fail(HUSK_STATUS_FAIL, "disk %s: %s of %llu bytes at %llu: %s%s", disk->options->path, names[request->op],
	     (unsigned long long)request->length, (unsigned long long)request->offset, strerror(request->error), more);
	disk->unsaid = 0;
	disk->quiet_until = now + QUIET_MS;
}

void disk_done(struct disk *disk, struct disk_request *request, int error)
{
	request->error = error;
	disk->in_flight--;
	if (error)
		disk_complain(disk, request);
	disk->done(disk->ctx, request);
}

void disk_advance(struct disk_request *request, uint64_t bytes)
{
	while (request->iovs && bytes >= request->iov->iov_len) {
		bytes -= request->iov->iov_len;
		request->iov++;
		request->iovs--;
	}
	if (request->iovs) {
		request->iov->iov_base = (char *)request->iov->iov_base + bytes;
		request->iov->iov_len -= bytes;
	}
}
