// SPDX-License-Identifier: GPL-2.0
/*
 * The disk object: made by HUSK_VM_CREATE_DISK, alive as long as its fd is open; it holds the
 * VM. A doorbell that leads to it (HUSK_IOEVENTFD_DIRECT) does not keep it: it ends with the disk.
 *
 * Locks: vm->lock > none of the disk's; runner > lock; worker > lock.
 */
#include <linux/anon_inodes.h>
#include <linux/eventfd.h>
#include <linux/file.h>
#include <linux/nospec.h>
#include <linux/slab.h>

#include "ioctl.h"
#include "irqchip/irqchip.h"
#include "pvio/disk.h"

/* virtio 1.2, chapter 6 */
#define F_INDIRECT	BIT_ULL(28)
#define F_EVENT_INDEX	BIT_ULL(29)

struct disk_queue *disk_queue(struct husk_disk *disk, u32 index)
{
	return index < disk->queues ? &disk->queue[array_index_nospec(index, disk->queues)] : NULL;
}

/* ---- queues ---- */

/* All of the queue's requests, in one list */
static int disk_fill_pool(struct disk_queue *q, u32 count)
{
	u32 i;

	q->pool = kvcalloc(count, sizeof(*q->pool), GFP_KERNEL_ACCOUNT);
	if (!q->pool)
		return -ENOMEM;
	for (i = 0; i < count; i++)
		q->pool[i].next = i + 1 < count ? &q->pool[i + 1] : NULL;
	q->free = q->pool;
	return 0;
}

int disk_open_queue(struct disk_queue *q, u32 requests)
{
	int ret = disk_fill_pool(q, requests);

	if (ret)
		return ret;
	q->stuck = q->told = false;
	q->held_until = 0;
	q->on = q->busy = true;
	q->disk->served++;
	return 0;
}

static int disk_start_ring(struct disk_queue *q, const struct husk_disk_start *arg)
{
	q->ring = (struct pvio_ring) {
		.size = arg->entries, .desc_gpa = arg->desc, .avail_gpa = arg->avail, .used_gpa = arg->used_part,
		.indirect = arg->features & F_INDIRECT, .event_index = arg->features & F_EVENT_INDEX,
	};
	if (pvio_ring_start(&q->ring, &q->disk->memory))
		return -EFAULT;
	q->ring.last_avail = arg->last_avail;
	q->ring.used = q->ring.told = arg->used;
	return 0;
}

static int disk_start_queue(struct disk_queue *q, const struct husk_disk_start *arg)
{
	int ret;

	if (q->busy)
		return -EBUSY;
	q->block = (struct pvio_block){ .bytes = q->disk->bytes, .features = arg->features, .readonly = q->disk->readonly };
	ret = disk_start_ring(q, arg);
	return ret ? ret : disk_open_queue(q, arg->entries);
}

static long husk_disk_start(void *object, void *p)
{
	struct husk_disk_start *arg = p;
	struct husk_disk *disk = object;
	struct disk_queue *q = disk_queue(disk, arg->index);
	int ret;

	if (!q || arg->reserved[0] || arg->reserved[1] || arg->reserved[2] || !arg->entries ||
	    arg->entries > PVIO_RING_MAX || !is_power_of_2(arg->entries))
		return -EINVAL;
	if (mutex_lock_killable(&disk->lock))
		return -EINTR;
	ret = disk_start_queue(q, arg);
	mutex_unlock(&disk->lock);
	husk_disk_kick(disk);
	return ret;
}

/*
 * Until nothing is in flight, or another thread has stopped the queue and it is served again. The disk's thread need
 * not help: whoever has the lock gives back what is done.
 */
static int disk_drain(struct disk_queue *q)
{
	struct husk_disk *disk = q->disk;
	int ret = 0;

	for (;;) {
		disk_reap(disk);
		if (!q->in_flight || q->on)
			return 0;
		if (ret)
			return ret;
		mutex_unlock(&disk->lock);
		ret = wait_event_killable(disk->drained, !llist_empty(&disk->done) || !READ_ONCE(q->in_flight) ||
					  READ_ONCE(q->on));
		mutex_lock(&disk->lock);
	}
}

static int disk_stop_queue(struct disk_queue *q, struct husk_disk_stop *arg)
{
	struct husk_disk *disk = q->disk;

	if (!q->busy)
		return -EBUSY;
	if (q->on) {
		q->on = false;
		WRITE_ONCE(disk->served, disk->served - 1);	/* disk_work.c sleeps while there is one */
		rcuwait_wake_up(&disk->work_wait);
	}
	husk_disk_kick(disk);	/* it may have been the last one */
	if (disk_drain(q))
		return -EINTR;
	if (!q->busy || q->on)
		return -EBUSY;	/* another thread was faster */
	disk_log_ring(q);
	disk_notify(q);
	arg->last_avail = q->pvscsi ? 0 : q->ring.last_avail;
	arg->used = q->pvscsi ? 0 : q->ring.used;
	pvio_ring_stop(&q->ring);
	disk_pvscsi_stop(q);
	kvfree(q->pool);
	q->pool = q->free = NULL;
	q->busy = false;
	return 0;
}

static long husk_disk_stop(void *object, void *p)
{
	struct husk_disk_stop *arg = p;
	struct husk_disk *disk = object;
	struct disk_queue *q = disk_queue(disk, arg->index);
	int ret;

	if (!q)
		return -EINVAL;
	if (mutex_lock_killable(&disk->lock))
		return -EINTR;
	ret = disk_stop_queue(q, arg);
	mutex_unlock(&disk->lock);
	return ret;
}

static bool disk_call_valid(const struct husk_disk_call *arg)
{
	bool gsi = arg->flags & HUSK_DISK_CALL_GSI, eventfd = arg->flags & HUSK_DISK_CALL_EVENTFD;

	return !arg->reserved && !(gsi && eventfd) && (gsi ? arg->gsi < HUSK_GSI_COUNT : !arg->gsi) &&
	       (eventfd || !arg->fd);
}

static long husk_disk_set_call(void *object, void *p)
{
	struct husk_disk_call *arg = p;
	struct husk_disk *disk = object;
	struct disk_queue *q = disk_queue(disk, arg->index);
	struct eventfd_ctx *call = NULL;

	if (!q || !disk_call_valid(arg))
		return -EINVAL;
	if (arg->flags & HUSK_DISK_CALL_EVENTFD)
		call = eventfd_ctx_fdget(arg->fd);
	if (IS_ERR(call))
		return PTR_ERR(call);
	if (mutex_lock_killable(&disk->lock)) {
		if (call)
			eventfd_ctx_put(call);
		return -EINTR;
	}
	swap(q->call, call);
	q->gsi = arg->flags & HUSK_DISK_CALL_GSI ? arg->gsi : -1;
	mutex_unlock(&disk->lock);
	if (call)
		eventfd_ctx_put(call);
	return 0;
}

/* ---- the other commands ---- */

static long husk_disk_ioctl_kick(void *object, void *p)
{
	struct husk_disk_kick *arg = p;

	if (arg->reserved)
		return -EINVAL;
	husk_disk_kick(object);
	return 0;
}

static long husk_disk_get_stats(void *object, void *p)
{
	struct husk_disk_stats *arg = p, head = *arg;
	struct husk_disk *disk = object;
	long ret = 0;

	if (mutex_lock_killable(&disk->lock))
		return -EINTR;
	*arg = disk->stats;
	if (head.times && copy_to_user(u64_to_user_ptr(head.times), disk->times, sizeof(disk->times)))
		ret = -EFAULT;
	mutex_unlock(&disk->lock);
	arg->size = head.size;
	arg->flags = head.flags;
	arg->times = head.times;
	return ret;
}

static long husk_disk_set_limit(void *object, void *p)
{
	struct husk_disk_limit *arg = p;
	struct husk_disk *disk = object;
	u32 i;

	if (!pvio_limit_valid(arg->requests, arg->requests_burst, arg->bytes, arg->bytes_burst))
		return -EINVAL;
	if (mutex_lock_killable(&disk->lock))
		return -EINTR;
	pvio_limit_set(&disk->limit, arg->requests, arg->requests_burst, arg->bytes, arg->bytes_burst);
	for (i = 0; i < disk->queues; i++)
		disk->queue[i].held_until = 0;
	mutex_unlock(&disk->lock);
	husk_disk_kick(disk);
	return 0;
}

static long husk_disk_run(void *object, void *p)
{
	struct husk_disk_run *arg = p;
	struct husk_disk *disk = object;
	long ret;

	if (arg->reserved)
		return -EINVAL;
	if (!mutex_trylock(&disk->runner))
		return -EBUSY;
	ret = disk_run(disk, arg);
	mutex_unlock(&disk->runner);
	return ret;
}

static long husk_disk_work(void *object, void *p)
{
	struct husk_disk_work *arg = p;
	struct husk_disk *disk = object;
	long ret;

	if (arg->reserved)
		return -EINVAL;
	if (!mutex_trylock(&disk->worker))
		return -EBUSY;
	ret = disk_work(disk);
	mutex_unlock(&disk->worker);
	return ret;
}

static const struct husk_ioctl husk_disk_ioctls[] = {
	HUSK_IOCTL(HUSK_DISK_RUN, husk_disk_run, 0, 40, HUSK_LOCK_NONE, .fn = husk_disk_run, .out = true),
	HUSK_IOCTL(HUSK_DISK_WORK, husk_disk_work, 0, 16, HUSK_LOCK_NONE, .fn = husk_disk_work, .dead = true),
	HUSK_IOCTL(HUSK_DISK_KICK, husk_disk_kick, 0, 16, HUSK_LOCK_NONE, .fn = husk_disk_ioctl_kick),
	HUSK_IOCTL(HUSK_DISK_SET_LIMIT, husk_disk_limit, 0, 40, HUSK_LOCK_NONE, .fn = husk_disk_set_limit),
	HUSK_IOCTL(HUSK_DISK_SET_CALL, husk_disk_call, HUSK_DISK_CALL_GSI | HUSK_DISK_CALL_EVENTFD, 24, HUSK_LOCK_NONE,
		   .fn = husk_disk_set_call),
	HUSK_IOCTL(HUSK_DISK_START, husk_disk_start, 0, 56, HUSK_LOCK_NONE, .fn = husk_disk_start),
	HUSK_IOCTL(HUSK_DISK_START_PVSCSI, husk_disk_start_pvscsi, 0, 40, HUSK_LOCK_NONE, .fn = husk_disk_start_pvscsi),
	HUSK_IOCTL(HUSK_DISK_STOP, husk_disk_stop, 0, 16, HUSK_LOCK_NONE, .fn = husk_disk_stop, .out = true, .dead = true),
	HUSK_IOCTL(HUSK_DISK_GET_STATS, husk_disk_stats, 0, 112, HUSK_LOCK_NONE, .fn = husk_disk_get_stats, .out = true,
		   .dead = true),
};

static long husk_disk_fd_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct husk_disk *disk = file->private_data;

	return husk_ioctl(husk_disk_ioctls, ARRAY_SIZE(husk_disk_ioctls), disk, disk->vm, NULL, cmd, arg);
}

/* ---- life ---- */

/* Nobody can reach it but requests in flight; there may be no guest memory any more. */
static void disk_wait_all(struct husk_disk *disk)
{
	struct llist_node *done, *next;

	disk_drop_works(disk);
	while (disk->stats.in_flight) {
		wait_event(disk->drained, !llist_empty(&disk->done));
		llist_for_each_safe(done, next, llist_del_all(&disk->done)) {
			disk_drop_data(llist_entry(done, struct disk_request, done));
			disk->stats.in_flight--;
		}
	}
	synchronize_rcu();	/* disk_done() and doorbells */
}

static void disk_free(struct husk_disk *disk)
{
	u32 i;

	for (i = 0; i < disk->queues; i++) {
		kvfree(disk->queue[i].pool);
		disk_pvscsi_stop(&disk->queue[i]);
		if (disk->queue[i].call)
			eventfd_ctx_put(disk->queue[i].call);
	}
	fput(disk->file);
	kvfree(disk);
}

static int husk_disk_fd_release(struct inode *inode, struct file *file)
{
	struct husk_disk *disk = file->private_data;
	struct husk_vm *vm = disk->vm;

	mutex_lock(&vm->lock);
	husk_ioeventfd_forget(vm, disk);
	mutex_unlock(&vm->lock);
	disk_wait_all(disk);
	disk_free(disk);
	husk_vm_put(vm);
	return 0;
}

static const struct file_operations husk_disk_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = husk_disk_fd_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = husk_disk_fd_release,
	.llseek = noop_llseek,
};

struct husk_disk *husk_disk_get(struct husk_vm *vm, int fd, struct file **file)
{
	struct husk_disk *disk;

	*file = fget(fd);
	if (!*file)
		return ERR_PTR(-EBADF);
	disk = (*file)->private_data;
	if ((*file)->f_op == &husk_disk_fops && disk->vm == vm)
		return disk;
	fput(*file);
	return ERR_PTR(-EINVAL);
}

/* O_APPEND would send all writes to the end. */
static int disk_check_file(const struct file *file, bool readonly)
{
	umode_t mode = file_inode(file)->i_mode;

	if (!(S_ISREG(mode) || S_ISBLK(mode)) || (file->f_flags & (O_DIRECT | O_APPEND)) != O_DIRECT ||
	    !file->f_op->read_iter || (!readonly && !file->f_op->write_iter))
		return -EINVAL;
	return file->f_mode & FMODE_READ && (readonly || file->f_mode & FMODE_WRITE) ? 0 : -EACCES;
}

/* Takes over the file on success. */
static struct husk_disk *disk_alloc(struct husk_vm *vm, const struct husk_create_disk *arg, struct file *file)
{
	struct husk_disk *disk = kvzalloc(struct_size(disk, queue, arg->queues), GFP_KERNEL_ACCOUNT);
	u32 i;

	if (!disk)
		return ERR_PTR(-ENOMEM);
	disk->vm = vm;
	disk->asked.vm = vm;
	disk->number = arg->number;
	disk->file = file;
	disk->memory.vm = vm;
	disk->bytes = arg->bytes;
	disk->readonly = arg->flags & HUSK_DISK_READONLY;
	memcpy(disk->serial, arg->serial, sizeof(disk->serial));
	mutex_init(&disk->lock);
	mutex_init(&disk->runner);
	mutex_init(&disk->worker);
	init_llist_head(&disk->done);
	init_llist_head(&disk->works);
	rcuwait_init(&disk->wait);
	rcuwait_init(&disk->work_wait);
	init_waitqueue_head(&disk->drained);
	disk->queues = arg->queues;
	for (i = 0; i < disk->queues; i++) {
		disk->queue[i].disk = disk;
		disk->queue[i].gsi = -1;
	}
	return disk;
}

static struct husk_disk *disk_open(struct husk_vm *vm, const struct husk_create_disk *arg)
{
	struct file *file = fget(arg->fd);
	struct husk_disk *disk;
	int ret;

	if (!file)
		return ERR_PTR(-EBADF);
	ret = disk_check_file(file, arg->flags & HUSK_DISK_READONLY);
	disk = ret ? ERR_PTR(ret) : disk_alloc(vm, arg, file);
	if (IS_ERR(disk))
		fput(file);
	return disk;
}

/**
 * husk_disk_create - make a disk and its fd
 * @vm: its VM; vm->lock is held
 * @arg: the kernel's copy
 * @file: out, of the fd, to be installed by the caller
 *
 * Return: the fd, or -EBADF, -EINVAL, -EACCES, -ENOMEM, -EMFILE.
 */
long husk_disk_create(struct husk_vm *vm, struct husk_create_disk *arg, struct file **file)
{
	struct husk_disk *disk;
	int fd, ret;

	if (!arg->queues || arg->queues > HUSK_DISK_QUEUES_MAX || !arg->bytes ||
	    arg->bytes % PVIO_SECTOR || arg->bytes > LLONG_MAX)
		return -EINVAL;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	disk = disk_open(vm, arg);
	if (IS_ERR(disk)) {
		ret = PTR_ERR(disk);
		goto put_fd;
	}
	*file = anon_inode_getfile("[husk-disk]", &husk_disk_fops, disk, O_RDWR);
	if (IS_ERR(*file)) {
		ret = PTR_ERR(*file);
		*file = NULL;
		goto free;
	}
	kref_get(&vm->ref);	/* put by the file's release */
	return fd;

free:
	disk_free(disk);
put_fd:
	put_unused_fd(fd);
	return ret;
}
