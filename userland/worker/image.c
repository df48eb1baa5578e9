// SPDX-License-Identifier: GPL-2.0
/* A file given by the user. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/fail.h"
#include "worker/image.h"

enum husk_status image_open(struct image *image, const char *option, const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return fail(HUSK_STATUS_INPUT, "--%s %s: %s", option, path, strerror(errno));
	*image = (struct image){ .path = path, .fd = fd };
	if (fstat(fd, &st) < 0)
		return fail(HUSK_STATUS_INPUT, "--%s %s: %s", option, path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fail(HUSK_STATUS_INPUT, "--%s %s: not a regular file", option, path);
	if (!st.st_size)
		return fail(HUSK_STATUS_INPUT, "--%s %s: the file is empty", option, path);
	image->size = st.st_size;
	return HUSK_STATUS_OK;
}

void image_close(struct image *image)
{
	if (image->fd >= 0)
		close(image->fd);
	image->fd = -1;
}

const char *image_read(const struct image *image, uint64_t offset, void *to, uint64_t size)
{
	while (size) {
		ssize_t n = pread(image->fd, to, size, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? strerror(errno) : "the file is shorter than what it says, or became so";
		to = (uint8_t *)to + n;
		offset += n;
		size -= n;
	}
	return NULL;
}
