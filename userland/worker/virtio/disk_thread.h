/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The thread of a disk that the module serves (HUSK_DISK_RUN), and what it has to tell. But for
 * the thread's own part the machine's lock is held around every call.
 */
#ifndef HUSK_WORKER_DISK_THREAD_H
#define HUSK_WORKER_DISK_THREAD_H

#include <pthread.h>

#include "lib/libhusk.h"
#include "worker/loop.h"
#include "worker/show.h"
#include "worker/virtio/disk.h"

/**
 * struct disk_thread - the thread
 * @broken: a queue's driver broke the rules
 * @thread: while @running
 * @attr: where it may run, which is not where --pin has a vCPU that makes it
 * @news: by it: there is some
 * @told: by @news_lock
 */
struct disk_thread {
	int fd;			/* of the disk; immutable, as the next three */
	struct disk *disk;
	void (*broken)(void *ctx);
	void *ctx;
	bool running;
	pthread_t thread;
	pthread_attr_t attr;
	struct watch news;
	pthread_mutex_t news_lock;
	struct husk_disk_run told;
};

/* Set up fd, disk, broken and ctx before. The main thread calls it, which is not pinned. -1 with errno */
int disk_thread_init(struct disk_thread *t);
void disk_thread_fini(struct disk_thread *t);
/* Serve the queues until none is served; then wait for its end. -1: there is no thread to be had */
int disk_thread_start(struct disk_thread *t);
void disk_thread_join(struct disk_thread *t);
/* What was done */
void disk_thread_show(const struct disk_thread *t, struct show *show);

#endif
