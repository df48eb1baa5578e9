// SPDX-License-Identifier: GPL-2.0
#include <linux/file.h>
#include <linux/nospec.h>
#include <linux/uaccess.h>

#include "ioctl.h"

/* Every argument begins so. */
struct husk_ioctl_head {
	__u32 size;
	__u32 flags;
};

static const struct husk_ioctl *husk_ioctl_find(const struct husk_ioctl *table, unsigned int count,
						unsigned int cmd)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (table[i].cmd == cmd)
			return &table[array_index_nospec(i, count)];
	return NULL;
}

static long husk_ioctl_copy_in(const struct husk_ioctl *command, void *arg, void __user *user, u32 *user_size)
{
	struct husk_ioctl_head *head = arg;
	int ret;

	if (get_user(*user_size, (u32 __user *)user))
		return -EFAULT;
	if (*user_size < command->min_size)
		return -EINVAL;
	if (*user_size > PAGE_SIZE)
		return -E2BIG;
	ret = copy_struct_from_user(arg, command->size, user, *user_size);
	if (ret)
		return ret;
	if (head->flags & ~command->flags)
		return -EOPNOTSUPP;
	head->size = command->size;	/* the user may have changed it since */
	return 0;
}

static long husk_ioctl_call(const struct husk_ioctl *command, void *object, void *arg, struct file **file)
{
	return command->make ? command->make(object, arg, file) : command->fn(object, arg);
}

static long husk_ioctl_locked(const struct husk_ioctl *command, void *object, void *arg,
			      struct husk_vm *vm, struct husk_vcpu *vcpu, struct file **file)
{
	long ret;

	switch (command->lock) {
	case HUSK_LOCK_VM:
		mutex_lock(&vm->lock);
		ret = husk_ioctl_call(command, object, arg, file);
		mutex_unlock(&vm->lock);
		return ret;
	case HUSK_LOCK_VCPU:
		if (!mutex_trylock(&vcpu->mutex))
			return -EBUSY;
		ret = husk_ioctl_call(command, object, arg, file);
		mutex_unlock(&vcpu->mutex);
		return ret;
	default:
		return husk_ioctl_call(command, object, arg, file);
	}
}

/* Copy the answer out. E2BIG is answered with the size that is needed. */
static long husk_ioctl_copy_out(const struct husk_ioctl *command, void *arg, void __user *user,
				u32 user_size, long ret)
{
	if (!command->out || (ret < 0 && ret != -E2BIG))
		return ret;
	((struct husk_ioctl_head *)arg)->size = user_size;
	if (copy_to_user(user, arg, min_t(u32, user_size, command->size)))
		return -EFAULT;
	return ret;
}

long husk_ioctl(const struct husk_ioctl *table, unsigned int count, void *object,
		struct husk_vm *vm, struct husk_vcpu *vcpu, unsigned int cmd, unsigned long arg)
{
	const struct husk_ioctl *command = husk_ioctl_find(table, count, cmd);
	u64 buffer[HUSK_IOCTL_MAX / sizeof(u64)];
	void __user *user = (void __user *)arg;
	struct file *file = NULL;
	u32 user_size;
	long ret, fd;

	if (!command)
		return -ENOTTY;
	/* Guest memory is named by the creator's addresses: nobody else may. */
	if (vm && vm->mm != current->mm)
		return -EPERM;
	if (vm && READ_ONCE(vm->dead) && !command->dead)
		return -EIO;

	ret = husk_ioctl_copy_in(command, buffer, user, &user_size);
	if (ret)
		return ret;
	fd = husk_ioctl_locked(command, object, buffer, vm, vcpu, &file);
	ret = husk_ioctl_copy_out(command, buffer, user, user_size, fd);
	if (file && ret >= 0) {
		fd_install(fd, file);
	} else if (file) {
		fput(file);	/* the object goes with it */
		put_unused_fd(fd);
	}
	return ret;
}
