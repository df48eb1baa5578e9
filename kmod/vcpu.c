// SPDX-License-Identifier: GPL-2.0
/*
 * The vCPU object: made under vm->lock, published last, destroyed with its VM.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <asm/tsc.h>

#include "emulate.h"
#include "hostcpu.h"
#include "ioctl.h"
#include "irqchip/irqchip.h"
#include "uapi/husk_netlink.h"
#include "vendor.h"

/* ---- requests and kicks ---- */

void husk_vcpu_kick(struct husk_vcpu *vcpu)
{
	int cpu;

	/* Pairs with the barrier after mode = HUSK_INSIDE in the fast loop. */
	smp_mb();
	preempt_disable();	/* a CPU where it is inside can't go offline now */
	if (smp_load_acquire(&vcpu->mode) == HUSK_INSIDE) {
		cpu = READ_ONCE(vcpu->cpu);
		if (cpu != smp_processor_id())
			smp_send_reschedule(cpu);
	}
	preempt_enable();
	rcuwait_wake_up(&vcpu->wait);
}

void husk_vcpu_request(struct husk_vcpu *vcpu, int req)
{
	set_bit(req, &vcpu->requests);
	husk_vcpu_kick(vcpu);
}

static void husk_ack_ipi(void *unused)
{
	/* Taking the interrupt was all: the guest is left. */
}

void husk_vm_request_sync(struct husk_vm *vm, int req)
{
	struct husk_vcpu *vcpu;
	int i, cpu;

	husk_for_each_vcpu(i, vcpu, vm) {
		set_bit(req, &vcpu->requests);
		smp_mb();	/* as in husk_vcpu_kick */
		if (smp_load_acquire(&vcpu->mode) == HUSK_INSIDE) {
			cpu = READ_ONCE(vcpu->cpu);
			/*
			 * The handler runs with interrupts on, after the fast
			 * loop was left; a vCPU that moved on meanwhile has
			 * seen the request at its next entry.
			 */
			smp_call_function_single(cpu, husk_ack_ipi, NULL, 1);
		}
		rcuwait_wake_up(&vcpu->wait);
	}
}

/* ---- when the thread leaves its CPU ---- */

static void husk_preempt_in(struct preempt_notifier *notifier, int cpu)
{
	/* The next stay sees where it is. */
}

static void husk_preempt_out(struct preempt_notifier *notifier, struct task_struct *next)
{
	husk_vendor->depart(container_of(notifier, struct husk_vcpu, preempt));
}

static struct preempt_ops husk_preempt_ops = {
	.sched_in = husk_preempt_in,
	.sched_out = husk_preempt_out,
};

void husk_vcpu_guard(struct husk_vcpu *vcpu)
{
	if (vcpu->leaving & HUSK_LEAVING_GUARDED)
		return;
	vcpu->leaving |= HUSK_LEAVING_GUARDED;
	preempt_notifier_register(&vcpu->preempt);
}

void husk_vcpu_unguard(struct husk_vcpu *vcpu)
{
	preempt_disable();
	preempt_notifier_unregister(&vcpu->preempt);
	vcpu->leaving &= ~HUSK_LEAVING_GUARDED;
	husk_vendor->depart(vcpu);
	preempt_enable();
}

/* ---- commands of the vCPU fd ---- */

static long husk_vcpu_get_state(void *object, void *arg)
{
	return husk_state_get(object, arg);
}

static long husk_vcpu_set_state(void *object, void *arg)
{
	return husk_state_set(object, arg);
}

static long husk_vcpu_translate(void *object, void *p)
{
	struct husk_translate *arg = p;
	struct husk_walk_fault fault;
	u64 gpa = 0;

	if (arg->reserved)
		return -EINVAL;
	arg->valid = !husk_translate_gva(object, arg->gva, HUSK_ACCESS_READ, &gpa, &fault);
	arg->gpa = arg->valid ? gpa : 0;
	return 0;
}

static const struct husk_ioctl husk_vcpu_ioctls[] = {
	HUSK_IOCTL(HUSK_VCPU_GET_STATE, husk_state, 0, 32, HUSK_LOCK_VCPU, .fn = husk_vcpu_get_state,
		   .dead = true, .out = true),
	HUSK_IOCTL(HUSK_VCPU_SET_STATE, husk_state, 0, 32, HUSK_LOCK_VCPU, .fn = husk_vcpu_set_state),
	HUSK_IOCTL(HUSK_VCPU_TRANSLATE, husk_translate, 0, 32, HUSK_LOCK_VCPU, .fn = husk_vcpu_translate,
		   .dead = true, .out = true),
};

static long husk_vcpu_ioctl_run(struct husk_vcpu *vcpu, unsigned long arg)
{
	long ret;

	if (arg)
		return -EINVAL;
	if (vcpu->vm->mm != current->mm)
		return -EPERM;
	if (!mutex_trylock(&vcpu->mutex))
		return -EBUSY;
	ret = husk_vcpu_run(vcpu);
	mutex_unlock(&vcpu->mutex);
	return ret;
}

static long husk_vcpu_fd_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct husk_vcpu *vcpu = file->private_data;

	if (cmd == HUSK_VCPU_RUN)
		return husk_vcpu_ioctl_run(vcpu, arg);
	return husk_ioctl(husk_vcpu_ioctls, ARRAY_SIZE(husk_vcpu_ioctls), vcpu, vcpu->vm, vcpu, cmd, arg);
}

static int husk_vcpu_map_stats(struct husk_vcpu *vcpu, struct vm_area_struct *vma)
{
	unsigned long at;
	int ret = 0;

	if (vma->vm_flags & VM_WRITE)
		return -EPERM;
	vm_flags_clear(vma, VM_MAYWRITE);
	for (at = 0; !ret && at < vma->vm_end - vma->vm_start; at += PAGE_SIZE)
		ret = vm_insert_page(vma, vma->vm_start + at, virt_to_page((void *)vcpu->stats + at));
	return ret;
}

/* At 0 the run page, shared; behind it the statistics, read-only. */
static int husk_vcpu_fd_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct husk_vcpu *vcpu = file->private_data;

	if (vma->vm_pgoff > 1 || vma->vm_end - vma->vm_start != (vma->vm_pgoff ? HUSK_STATS_BYTES : PAGE_SIZE))
		return -EINVAL;
	if (!(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (vma->vm_flags & VM_EXEC)
		return -EPERM;
	vm_flags_clear(vma, VM_MAYEXEC);
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	if (vma->vm_pgoff)
		return husk_vcpu_map_stats(vcpu, vma);
	return vm_insert_page(vma, vma->vm_start, vcpu->run_page);
}

static int husk_vcpu_fd_release(struct inode *inode, struct file *file)
{
	struct husk_vcpu *vcpu = file->private_data;

	husk_vm_put(vcpu->vm);
	return 0;
}

static const struct file_operations husk_vcpu_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = husk_vcpu_fd_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = husk_vcpu_fd_mmap,
	.release = husk_vcpu_fd_release,
	.llseek = noop_llseek,
};

/* ---- lifetime ---- */

/* Both are just above a power of two. */
static struct kmem_cache *husk_vcpu_cache, *husk_fpu_cache;

int husk_vcpu_caches_init(void)
{
	size_t size = husk_vendor->vcpu_size;

	/* Instructions and page-directory pointers are copied from the worker's memory straight into it. */
	husk_vcpu_cache = kmem_cache_create_usercopy("husk_vcpu", size, 0, SLAB_HWCACHE_ALIGN | SLAB_ACCOUNT,
						     0, size, NULL);
	/* XSAVE wants 64 (SDM 1 13.4) */
	husk_fpu_cache = kmem_cache_create("husk_fpu", husk_host.xsave_size, 64, SLAB_ACCOUNT, NULL);
	if (husk_vcpu_cache && husk_fpu_cache)
		return 0;
	husk_vcpu_caches_exit();
	return -ENOMEM;
}

void husk_vcpu_caches_exit(void)
{
	kmem_cache_destroy(husk_vcpu_cache);
	kmem_cache_destroy(husk_fpu_cache);
}

static int husk_vcpu_alloc_pages(struct husk_vcpu *vcpu)
{
	vcpu->run_page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	vcpu->stats = alloc_pages_exact(HUSK_STATS_BYTES, GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!vcpu->run_page || !vcpu->stats)
		return -ENOMEM;
	vcpu->run = page_address(vcpu->run_page);
	vcpu->stats->tsc_khz = tsc_khz;
	return 0;
}

static void husk_vcpu_free_pages(struct husk_vcpu *vcpu)
{
	/* A mapping may outlive the vCPU: it holds the pages by its own references. */
	if (vcpu->run_page)
		put_page(vcpu->run_page);
	if (vcpu->stats)
		free_pages_exact(vcpu->stats, HUSK_STATS_BYTES);
}

void husk_vcpu_power_on(struct husk_vcpu *vcpu)
{
	vcpu->tsc_offset = vcpu->vm->tsc_base;
	husk_dirty(vcpu, HUSK_SYS_TSC);
	husk_vcpu_reset_state(vcpu, false);
	vcpu->mp_state = vcpu->id ? HUSK_MP_WAIT_INIT : HUSK_MP_RUNNABLE;
	vcpu->io_pending = HUSK_IO_NONE;
	vcpu->triple_fault = false;
}

static struct husk_vcpu *husk_vcpu_alloc(struct husk_vm *vm, u32 id)
{
	struct husk_vcpu *vcpu;
	int ret = -ENOMEM;

	BUILD_BUG_ON(sizeof(struct husk_run) > PAGE_SIZE);

	vcpu = kmem_cache_zalloc(husk_vcpu_cache, GFP_KERNEL);
	if (!vcpu)
		return ERR_PTR(-ENOMEM);
	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->key = (u64)vm->id << 32 | (id + 1);	/* VM ids are never used twice */
	vcpu->cpu = -1;
	vcpu->requests = BIT(HUSK_REQ_PAUSE);	/* the first run looks whether others came before */
	mutex_init(&vcpu->mutex);
	rcuwait_init(&vcpu->wait);
	spin_lock_init(&vcpu->runner_lock);
	vcpu->pause_window = husk_vendor->pause_window;
	preempt_notifier_init(&vcpu->preempt, &husk_preempt_ops);

	if (husk_vcpu_alloc_pages(vcpu))
		goto free_pages;
	vcpu->fpu = kmem_cache_zalloc(husk_fpu_cache, GFP_KERNEL);
	if (!vcpu->fpu)
		goto free_pages;
	ret = husk_emul_create(vcpu);
	if (ret)
		goto free_fpu;
	ret = husk_lapic_create(vcpu);
	if (ret)
		goto free_emul;
	ret = husk_vendor->vcpu_init(vcpu);
	if (ret)
		goto free_lapic;
	husk_vcpu_power_on(vcpu);
	preempt_notifier_inc();
	return vcpu;

free_lapic:
	husk_lapic_destroy(vcpu);
free_emul:
	husk_emul_destroy(vcpu);
free_fpu:
	kmem_cache_free(husk_fpu_cache, vcpu->fpu);
free_pages:
	husk_vcpu_free_pages(vcpu);
	kmem_cache_free(husk_vcpu_cache, vcpu);
	return ERR_PTR(ret);
}

void husk_vcpu_destroy(struct husk_vcpu *vcpu)
{
	preempt_notifier_dec();
	put_pid(vcpu->runner);
	husk_vendor->vcpu_fini(vcpu);
	husk_lapic_destroy(vcpu);
	husk_emul_destroy(vcpu);
	memzero_explicit(vcpu->fpu, husk_host.xsave_size);
	kmem_cache_free(husk_fpu_cache, vcpu->fpu);
	husk_vcpu_free_pages(vcpu);
	kmem_cache_free(husk_vcpu_cache, vcpu);
}

/**
 * husk_vcpu_create - make a vCPU and its fd
 * @vm: its VM; vm->lock is held
 * @arg: the id
 * @file: out, of the fd, to be installed by the caller
 *
 * Return: the fd, or -EINVAL, -EEXIST, -ENOMEM, -EMFILE.
 */
long husk_vcpu_create(struct husk_vm *vm, struct husk_create_vcpu *arg, struct file **file)
{
	struct husk_vcpu *vcpu;
	int fd, ret;

	lockdep_assert_held(&vm->lock);
	if (arg->reserved || arg->id >= husk_max_vcpus)
		return -EINVAL;
	if (vm->vcpus[arg->id])
		return -EEXIST;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	vcpu = husk_vcpu_alloc(vm, arg->id);
	if (IS_ERR(vcpu)) {
		ret = PTR_ERR(vcpu);
		goto put_fd;
	}
	*file = anon_inode_getfile("[husk-vcpu]", &husk_vcpu_fops, vcpu, O_RDWR);
	if (IS_ERR(*file)) {
		ret = PTR_ERR(*file);
		*file = NULL;
		goto destroy;
	}
	kref_get(&vm->ref);	/* put by the file's release */
	vm->nr_vcpus++;
	smp_store_release(&vm->vcpus[arg->id], vcpu);
	/* A kill, a pause or a log may have come before this vCPU could be asked. */
	if (READ_ONCE(vm->dead))
		husk_vcpu_request(vcpu, HUSK_REQ_KILL);
	if (READ_ONCE(vm->paused))
		husk_vcpu_request(vcpu, HUSK_REQ_PAUSE);
	if (vm->mem.logged && husk_vendor->log)
		husk_vcpu_request(vcpu, HUSK_REQ_LOG);
	husk_event_send(vm, HUSK_LIFE_VCPU_CREATED, arg->id);
	return fd;

destroy:
	husk_vcpu_destroy(vcpu);
put_fd:
	put_unused_fd(fd);
	return ret;
}
