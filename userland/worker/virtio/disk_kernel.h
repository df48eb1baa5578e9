/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A raw disk that the module serves (HUSK_VM_CREATE_DISK), whatever the guest sees of it: its file, the
 * thread that is lent to the module, and what that has to tell. But for the thread's own part the machine's
 * lock is held around every call.
 */
#ifndef HUSK_WORKER_DISK_KERNEL_H
#define HUSK_WORKER_DISK_KERNEL_H

#include <pthread.h>

#include "lib/libhusk.h"
#include "worker/loop.h"
#include "worker/show.h"
#include "worker/virtio/disk.h"

struct machine;

/**
 * struct disk_kernel - the disk
 * @fd: the module's
 * @broken: a queue's driver broke the rules; with @ctx, both set up by the caller
 * @thread: while @running
 * @worker: while @working, which it need not: the thread for what may take long
 * @attr: where it may run, which is not where --pin has a vCPU that makes it
 * @news: by it: there is some
 * @told: by @news_lock
 */
struct disk_kernel {
	struct disk disk;
	int fd;
	void (*broken)(void *ctx);
	void *ctx;
	bool running, working;
	pthread_t thread, worker;
	pthread_attr_t attr;
	struct watch news;
	pthread_mutex_t news_lock;
	struct husk_disk_run told;
};

/* Called by the main thread, which is not pinned. On failure one line is printed, and disk_kernel_close() is called anyway. */
enum husk_status disk_kernel_open(struct disk_kernel *k, struct machine *m, const struct disk_options *options,
				  unsigned int queues, unsigned int number);
void disk_kernel_close(struct disk_kernel *k);
/* Another descriptor that the module signals */
enum husk_status disk_kernel_watch(struct disk_kernel *k, struct watch *watch, void (*ready)(void *ctx, uint32_t events), void *ctx);
void disk_kernel_unwatch(struct disk_kernel *k, struct watch *watch);
/* true: it has been signalled */
bool disk_kernel_take(const struct watch *watch);

/* Have the queues that were started served; false: there is no thread to be had. When all have stopped, wait for its end */
bool disk_kernel_run(struct disk_kernel *k);
void disk_kernel_join(struct disk_kernel *k);
/* The options have another limit */
void disk_kernel_limit(struct disk_kernel *k);
/* How long requests took */
void disk_kernel_show(const struct disk_kernel *k, struct show *show);

#endif
