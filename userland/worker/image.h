/* SPDX-License-Identifier: GPL-2.0 */
/* A file given by the user; stays open, so that a reset reads it again. */
#ifndef HUSK_WORKER_IMAGE_H
#define HUSK_WORKER_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/status.h"

struct image {
	const char *path;
	int fd;			/* -1: none */
	uint64_t size;
};

/* @option names it in the line that is printed if it can't be read, is empty or no regular file. */
enum husk_status image_open(struct image *image, const char *option, const char *path);
void image_close(struct image *image);
/* NULL, or why not all of it could be read */
const char *image_read(const struct image *image, uint64_t offset, void *to, uint64_t size);

#endif
