// SPDX-License-Identifier: GPL-2.0
/*
 * The VM object: made by HUSK_CREATE_VM, alive as long as its fd or one of its
 * vCPU fds is open. The id and the name only label it.
 */
#include <linux/anon_inodes.h>
#include <linux/cred.h>
#include <linux/ctype.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hashtable.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/stringhash.h>
#include <linux/uaccess.h>
#include <linux/user_namespace.h>
#include <linux/xarray.h>
#include <asm/tsc.h>

#include "hostcpu.h"
#include "policy.h"
#include "ioctl.h"
#include "irqchip/irqchip.h"
#include "pvio/disk.h"
#include "uapi/husk_netlink.h"
#include "vendor.h"
#include "vm_state.h"

/* All VMs that are listed, by id and by name; what follows is by the lock. */
static DEFINE_MUTEX(husk_vms_lock);
static DEFINE_XARRAY(husk_vms);
static DEFINE_HASHTABLE(husk_vm_names, 10);
static u32 husk_vms_count;
static u32 husk_vms_last_id;

/* ---- memory slots, interrupts, cpuid: commands of the VM fd ---- */

static long husk_vm_set_memory(void *object, void *arg)
{
	return husk_mem_set_slot(object, arg);
}

static long husk_vm_harvest(void *object, void *arg)
{
	return husk_mem_harvest(object, arg);
}

static long husk_vm_create_vcpu(void *object, void *arg, struct file **file)
{
	return husk_vcpu_create(object, arg, file);
}

static long husk_vm_create_disk(void *object, void *arg, struct file **file)
{
	return husk_disk_create(object, arg, file);
}

static long husk_vm_set_cpuid(void *object, void *p)
{
	struct husk_vm *vm = object;
	struct husk_cpuid *arg = p;
	struct husk_cpuid_entry *entry;
	int ret;

	if (arg->reserved || !arg->count || arg->count > HUSK_CPUID_MAX)
		return -EINVAL;
	if (vm->nr_vcpus)
		return -EBUSY;
	entry = vmemdup_user(u64_to_user_ptr(arg->entries), arg->count * sizeof(*entry));
	if (IS_ERR(entry))
		return PTR_ERR(entry);
	ret = husk_cpuid_set(vm, entry, arg->count);
	if (ret)
		kvfree(entry);
	return ret;
}

static long husk_vm_irq_line(void *object, void *p)
{
	struct husk_irq_line *arg = p;

	if (arg->gsi >= HUSK_GSI_COUNT || arg->level > 1)
		return -EINVAL;
	return husk_irq_set(object, arg->gsi, HUSK_IRQ_USER, arg->level);
}

static long husk_vm_set_routes(void *object, void *p)
{
	struct husk_routes *arg = p;
	struct husk_route *route;
	int ret;

	if (arg->reserved || arg->count > HUSK_GSI_COUNT)
		return -EINVAL;
	route = vmemdup_user(u64_to_user_ptr(arg->routes), arg->count * sizeof(*route));
	if (IS_ERR(route))
		return PTR_ERR(route);
	ret = husk_routes_set(object, route, arg->count);
	kvfree(route);
	return ret;
}

static long husk_vm_get_state(void *object, void *arg)
{
	return husk_vm_state_get(object, arg);
}

static long husk_vm_set_state(void *object, void *arg)
{
	return husk_vm_state_set(object, arg);
}

static long husk_vm_irqfd(void *object, void *arg)
{
	return husk_irqfd(object, arg);
}

static long husk_vm_ioeventfd(void *object, void *arg)
{
	return husk_ioeventfd(object, arg);
}

static long husk_vm_signal_msi(void *object, void *p)
{
	struct husk_msi *arg = p;

	if (arg->reserved)
		return -EINVAL;
	return husk_irq_msi(object, arg->address, arg->data);
}

/* Does any vCPU run, or is its state being looked at? None that is seen idle here enters the guest while vm->resetting. */
static bool husk_vm_busy(struct husk_vm *vm)
{
	struct husk_vcpu *vcpu;
	int i;

	husk_for_each_vcpu(i, vcpu, vm) {
		if (!mutex_trylock(&vcpu->mutex))
			return true;
		set_bit(HUSK_REQ_PAUSE, &vcpu->requests);	/* look at vm->resetting */
		mutex_unlock(&vcpu->mutex);
	}
	return false;
}

/* 64 mutexes are more than lockdep lets a task hold: one after the other. */
static int husk_vm_reset_all(struct husk_vm *vm)
{
	struct husk_vcpu *vcpu;
	int i;

	if (husk_vm_busy(vm))
		return -EBUSY;
	vm->tsc_base = -(s64)husk_host_tsc();
	husk_pv_clock_set(vm, 0);
	husk_for_each_vcpu(i, vcpu, vm) {
		if (mutex_lock_killable(&vcpu->mutex))
			return -EINTR;
		husk_vcpu_power_on(vcpu);
		mutex_unlock(&vcpu->mutex);
	}
	husk_irqchip_reset(vm);
	return 0;
}

static long husk_vm_reset(void *object, void *p)
{
	struct husk_vm *vm = object;
	struct husk_reset *arg = p;
	int ret;

	if (arg->reserved)
		return -EINVAL;
	WRITE_ONCE(vm->resetting, true);
	ret = husk_vm_reset_all(vm);
	WRITE_ONCE(vm->resetting, false);
	if (!ret) {
		WRITE_ONCE(vm->crashed, false);
		husk_event_send(vm, HUSK_LIFE_RESET, 0);
	}
	return ret;
}

static const struct husk_ioctl husk_vm_ioctls[] = {
	HUSK_IOCTL(HUSK_VM_SET_MEMORY, husk_memory, HUSK_MEM_READONLY | HUSK_MEM_LOG_DIRTY, 40, HUSK_LOCK_VM,
		   .fn = husk_vm_set_memory),
	HUSK_IOCTL(HUSK_VM_CREATE_VCPU, husk_create_vcpu, 0, 16, HUSK_LOCK_VM, .make = husk_vm_create_vcpu),
	HUSK_IOCTL(HUSK_VM_CREATE_DISK, husk_create_disk, HUSK_DISK_READONLY, 48, HUSK_LOCK_VM, .make = husk_vm_create_disk),
	HUSK_IOCTL(HUSK_VM_SET_CPUID, husk_cpuid, 0, 24, HUSK_LOCK_VM, .fn = husk_vm_set_cpuid),
	HUSK_IOCTL(HUSK_VM_IRQ_LINE, husk_irq_line, 0, 16, HUSK_LOCK_NONE, .fn = husk_vm_irq_line),
	HUSK_IOCTL(HUSK_VM_SIGNAL_MSI, husk_msi, 0, 24, HUSK_LOCK_NONE, .fn = husk_vm_signal_msi),
	HUSK_IOCTL(HUSK_VM_RESET, husk_reset, 0, 16, HUSK_LOCK_VM, .fn = husk_vm_reset),
	HUSK_IOCTL(HUSK_VM_SET_ROUTES, husk_routes, 0, 24, HUSK_LOCK_VM, .fn = husk_vm_set_routes),
	HUSK_IOCTL(HUSK_VM_IRQFD, husk_irqfd, HUSK_IRQFD_DEASSIGN | HUSK_IRQFD_RESAMPLE, 24, HUSK_LOCK_VM,
		   .fn = husk_vm_irqfd),
	HUSK_IOCTL(HUSK_VM_IOEVENTFD, husk_ioeventfd,
		   HUSK_IOEVENTFD_PIO | HUSK_IOEVENTFD_MATCH | HUSK_IOEVENTFD_DEASSIGN | HUSK_IOEVENTFD_DIRECT, 32, HUSK_LOCK_VM,
		   .fn = husk_vm_ioeventfd),
	HUSK_IOCTL(HUSK_VM_GET_STATE, husk_state, 0, 32, HUSK_LOCK_VM, .fn = husk_vm_get_state,
		   .dead = true, .out = true),
	HUSK_IOCTL(HUSK_VM_SET_STATE, husk_state, 0, 32, HUSK_LOCK_VM, .fn = husk_vm_set_state),
	HUSK_IOCTL(HUSK_VM_HARVEST, husk_harvest, 0, 48, HUSK_LOCK_VM, .fn = husk_vm_harvest, .out = true),
};

/* ---- lifetime ---- */

bool husk_vm_name_ok(const char *name)
{
	const char *c;

	if (strnlen(name, HUSK_NAME_LEN) == HUSK_NAME_LEN || name[0] == '-' || name[0] == '.')
		return false;
	for (c = name; *c; c++)
		if (!isascii(*c) || (!isalnum(*c) && !strchr("._-", *c)))
			return false;
	return true;
}

static u32 husk_vm_name_hash(const char *name)
{
	return full_name_hash(&husk_vms, name, strlen(name));
}

static struct husk_vm *husk_vm_find_name(const char *name)
{
	struct husk_vm *vm;

	lockdep_assert_held(&husk_vms_lock);
	hash_for_each_possible(husk_vm_names, vm, node, husk_vm_name_hash(name))
		if (!strcmp(vm->name, name))
			return vm;
	return NULL;
}

static struct husk_vm *husk_vm_alloc(const struct husk_create_vm *arg)
{
	struct husk_vm *vm = kzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	int ret = -ENOMEM;

	if (!vm)
		return ERR_PTR(-ENOMEM);
	kref_init(&vm->ref);
	mutex_init(&vm->lock);
	INIT_HLIST_NODE(&vm->node);
	husk_irqfd_init(vm);
	husk_limit_init(vm);
	husk_policy_init(vm);
	import_uuid(&vm->uuid, arg->uuid);
	if (uuid_is_null(&vm->uuid))
		uuid_gen(&vm->uuid);
	memcpy(vm->name, arg->name, sizeof(vm->name));
	memcpy(vm->control, arg->control, sizeof(vm->control));
	vm->owner = current_euid();
	vm->created_ns = ktime_get_boottime_ns();
	vm->tsc_base = -(s64)husk_host_tsc();

	ret = husk_irqchip_create(vm);
	if (ret)
		goto free;
	husk_pv_clock_set(vm, 0);	/* the frequency of the TSC is known */
	vm->mm = current->mm;
	mmgrab(vm->mm);
	ret = husk_mem_init(vm);
	if (ret)
		goto irqchip;
	vm->pid = get_pid(task_tgid(current));
	vm->user_ns = get_user_ns(current_user_ns());
	return vm;

irqchip:
	mmdrop(vm->mm);
	husk_irqchip_destroy(vm);
free:
	kfree(vm);
	return ERR_PTR(ret);
}

static void husk_vm_free(struct husk_vm *vm)
{
	int i;

	/* From here on nobody interrupts a vCPU. */
	husk_irqfd_fini(vm);
	husk_irqchip_quiesce(vm);
	husk_ioeventfd_fini(vm);
	husk_policy_fini(vm);
	put_user_ns(vm->user_ns);
	put_pid(vm->pid);
	/* The notifier goes first: nothing may zap a table that is being freed. */
	husk_mem_fini(vm);
	mmdrop(vm->mm);
	for (i = 0; i < HUSK_MAX_VCPUS; i++)
		if (vm->vcpus[i])
			husk_vcpu_destroy(vm->vcpus[i]);
	husk_irqchip_destroy(vm);
	husk_cpuid_free(vm);
	kfree(vm);
}

/* Enter the VM in the list under its final id and name. */
static int husk_vm_publish(struct husk_vm *vm)
{
	int ret = 0;

	mutex_lock(&husk_vms_lock);
	vm->id = ++husk_vms_last_id;
	if (!vm->name[0])
		snprintf(vm->name, sizeof(vm->name), "vm%u", vm->id);
	if (husk_vms_count >= husk_max_vms)
		ret = -ENOSPC;
	else if (husk_vm_find_name(vm->name))
		ret = -EEXIST;
	else
		ret = xa_insert(&husk_vms, vm->id, vm, GFP_KERNEL_ACCOUNT);
	if (!ret) {
		husk_vms_count++;
		hash_add(husk_vm_names, &vm->node, husk_vm_name_hash(vm->name));
	}
	mutex_unlock(&husk_vms_lock);
	return ret;
}

/* Files are closed by the last thread of a process that ends: of which signal, 0 for none. wait(2)'s low bits */
static u32 husk_dying_of(void)
{
	return current->flags & PF_EXITING ? current->exit_code & 0x7f : 0;
}

/* A worker that was killed says nothing about its VM any more: what its vCPUs did last. */
static void husk_vm_died(struct husk_vm *vm, u32 signal)
{
	struct husk_vcpu *vcpu;
	int i;

	husk_event_send(vm, HUSK_LIFE_DESTROYED, signal);
	husk_for_each_vcpu(i, vcpu, vm)
		if (signal && vcpu->stats->entries)
			husk_fault_send(vcpu, signal);
}

static void husk_vm_release(struct kref *ref)
{
	struct husk_vm *vm = container_of(ref, struct husk_vm, ref);
	bool listed;

	husk_limit_fini(vm);	/* its events come before the last one */
	mutex_lock(&husk_vms_lock);
	listed = hash_hashed(&vm->node);
	if (listed) {
		hash_del(&vm->node);
		xa_erase(&husk_vms, vm->id);
		husk_vms_count--;
	}
	mutex_unlock(&husk_vms_lock);
	if (listed)
		husk_vm_died(vm, husk_dying_of());
	husk_vm_free(vm);
}

void husk_vm_put(struct husk_vm *vm)
{
	kref_put(&vm->ref, husk_vm_release);
}

struct husk_vm *husk_vm_get(u32 id)
{
	struct husk_vm *vm;

	mutex_lock(&husk_vms_lock);
	vm = xa_load(&husk_vms, id);
	if (vm && !kref_get_unless_zero(&vm->ref))
		vm = NULL;
	mutex_unlock(&husk_vms_lock);
	return vm;
}

struct husk_vm *husk_vm_get_next(u32 id)
{
	unsigned long index = id;
	struct husk_vm *vm;

	mutex_lock(&husk_vms_lock);
	vm = xa_find(&husk_vms, &index, ULONG_MAX, XA_PRESENT);
	while (vm && !kref_get_unless_zero(&vm->ref))
		vm = xa_find_after(&husk_vms, &index, ULONG_MAX, XA_PRESENT);
	mutex_unlock(&husk_vms_lock);
	return vm;
}

struct husk_vm *husk_vm_get_by_name(const char *name)
{
	struct husk_vm *vm;

	mutex_lock(&husk_vms_lock);
	vm = husk_vm_find_name(name);
	if (vm && !kref_get_unless_zero(&vm->ref))
		vm = NULL;
	mutex_unlock(&husk_vms_lock);
	return vm;
}

static long husk_vm_fd_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct husk_vm *vm = file->private_data;

	return husk_ioctl(husk_vm_ioctls, ARRAY_SIZE(husk_vm_ioctls), vm, vm, NULL, cmd, arg);
}

static int husk_vm_fd_release(struct inode *inode, struct file *file)
{
	husk_vm_put(file->private_data);
	return 0;
}

static const struct file_operations husk_vm_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = husk_vm_fd_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.release = husk_vm_fd_release,
	.llseek = noop_llseek,
};

/**
 * husk_vm_create - make a VM and its fd
 * @arg: name, uuid, control path; the id is filled in
 * @file: out, of the fd, to be installed by the caller
 *
 * The file comes first, since nothing may fail once the VM is listed.
 *
 * Return: the fd, or -EINVAL, -EEXIST, -ENOSPC, -ENOMEM, -EMFILE.
 */
long husk_vm_create(struct husk_create_vm *arg, struct file **file)
{
	struct husk_vm *vm;
	int fd, ret;

	if (arg->reserved || !husk_vm_name_ok(arg->name) ||
	    strnlen(arg->control, HUSK_CONTROL_LEN) == HUSK_CONTROL_LEN)
		return -EINVAL;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	vm = husk_vm_alloc(arg);
	if (IS_ERR(vm)) {
		ret = PTR_ERR(vm);
		goto put_fd;
	}
	*file = anon_inode_getfile("[husk-vm]", &husk_vm_fops, vm, O_RDWR);
	if (IS_ERR(*file)) {
		husk_vm_put(vm);
		ret = PTR_ERR(*file);
		*file = NULL;
		goto put_fd;
	}
	ret = husk_vm_publish(vm);
	if (ret)
		goto put_file;
	arg->id = vm->id;
	husk_event_send(vm, HUSK_LIFE_CREATED, 0);
	return fd;

put_file:
	fput(*file);	/* the last reference to the VM goes with it */
	*file = NULL;
put_fd:
	put_unused_fd(fd);
	return ret;
}

/* ---- control, from netlink ---- */

struct husk_vcpu *husk_vm_vcpu(struct husk_vm *vm, u32 id)
{
	return id < HUSK_MAX_VCPUS ? smp_load_acquire(&vm->vcpus[id]) : NULL;
}

void husk_vm_request_all(struct husk_vm *vm, int req)
{
	struct husk_vcpu *vcpu;
	int i;

	husk_for_each_vcpu(i, vcpu, vm)
		husk_vcpu_request(vcpu, req);
}

/* Not under vm->lock: its holder may sleep in a page fault for as long as the VM's owner likes. */
static int husk_vm_set_paused(struct husk_vm *vm, bool paused)
{
	if (READ_ONCE(vm->dead))
		return -EIO;
	if (cmpxchg(&vm->paused, !paused, paused) == paused)
		return -EBUSY;
	husk_vm_request_sync(vm, HUSK_REQ_PAUSE);
	husk_event_send(vm, paused ? HUSK_LIFE_PAUSED : HUSK_LIFE_RESUMED, 0);
	return 0;
}

int husk_vm_pause(struct husk_vm *vm)
{
	return husk_vm_set_paused(vm, true);
}

int husk_vm_resume(struct husk_vm *vm)
{
	return husk_vm_set_paused(vm, false);
}

/* Its vCPUs wait, or no longer. As a pause, but nobody has to be told. */
void husk_vm_hold(struct husk_vm *vm, bool held)
{
	WRITE_ONCE(vm->held, held);
	husk_vm_request_all(vm, HUSK_REQ_PAUSE);
}

/* Only vCPU 0's thread is asked: one thread shall press the power button. */
int husk_vm_ask(struct husk_vm *vm, enum husk_stop what, u32 timeout_ms)
{
	static const u32 kinds[HUSK_STOP_COUNT] = {
		[HUSK_STOP_POWER_OFF] = HUSK_LIFE_STOP_REQUESTED,
		[HUSK_STOP_BUTTON] = HUSK_LIFE_BUTTON,
		[HUSK_STOP_RESET] = HUSK_LIFE_RESET_REQUESTED,
	};
	struct husk_vcpu *vcpu = husk_vm_vcpu(vm, 0);

	if (READ_ONCE(vm->dead))
		return -EIO;
	if (!vcpu)
		return -EBUSY;
	WRITE_ONCE(vm->asked, (u64)what << 32 | timeout_ms);
	husk_vcpu_request(vcpu, HUSK_REQ_STOP);
	husk_event_send(vm, kinds[what], timeout_ms);
	return 0;
}

void husk_vm_kill(struct husk_vm *vm)
{
	if (xchg(&vm->dead, true))
		return;
	husk_vm_request_all(vm, HUSK_REQ_KILL);
	husk_event_send(vm, HUSK_LIFE_KILLED, 0);
}
