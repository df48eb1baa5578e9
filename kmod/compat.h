/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All differences between the kernels that husk is built for: 6.1 and newer.
 * Code outside this file uses the newest kernel's names; what is missing in an
 * older kernel is made here. HUSK_HAVE_x come from kmod/conftest.sh.
 *
 * Where the newest name can't be given to the older kernel, a name with husk_
 * stands for both:
 *	HUSK_KF_TRUSTED		KF_TRUSTED_ARGS, after linux/btf.h
 *	husk_young_t		what the mmu_notifier's *_young callbacks return
 */
#ifndef HUSK_COMPAT_H
#define HUSK_COMPAT_H

#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error husk needs Linux 6.1 or newer
#endif

#include <linux/eventfd.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <linux/smp.h>

/* cpuid_eax() and its like: in asm/processor.h before 6.14 */
#ifdef HUSK_HAVE_CPUID_API
#include <asm/cpuid/api.h>
#endif

/* smp_send_reschedule() is a macro with a trace point since 6.4 */
#if defined(HUSK_HAVE_IPI_TRACE) && !defined(CREATE_TRACE_POINTS)
#include <trace/events/ipi.h>
#endif

/* since 6.13 (6.15 has it alone) */
#ifndef HUSK_HAVE_HRTIMER_SETUP
static inline void hrtimer_setup(struct hrtimer *timer, enum hrtimer_restart (*function)(struct hrtimer *),
				 clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = function;
}
#endif

/* since 6.8 without a count */
#ifndef HUSK_HAVE_EVENTFD_SIGNAL_1
#define eventfd_signal(ctx) ((void)eventfd_signal(ctx, 1))
#endif

/* since 6.3 */
#ifndef HUSK_HAVE_VM_FLAGS_SET
static inline void vm_flags_set(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags |= flags;
}

static inline void vm_flags_clear(struct vm_area_struct *vma, vm_flags_t flags)
{
	vma->vm_flags &= ~flags;
}
#endif

/* since 6.6: a write that goes on when its system call is over holds off a freeze of its file system */
#ifndef HUSK_HAVE_KIOCB_WRITE
static inline void kiocb_start_write(struct kiocb *iocb)
{
	struct super_block *sb = file_inode(iocb->ki_filp)->i_sb;

	sb_start_write(sb);
	__sb_writers_release(sb, SB_FREEZE_WRITE);
}

static inline void kiocb_end_write(struct kiocb *iocb)
{
	struct super_block *sb = file_inode(iocb->ki_filp)->i_sb;

	__sb_writers_acquired(sb, SB_FREEZE_WRITE);
	sb_end_write(sb);
}
#endif

/* since 6.8 with kiocb_start_write(), and the end if it is over by then */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
static inline ssize_t husk_iocb_iter_write(struct file *file, struct kiocb *iocb, struct iov_iter *iter)
{
	ssize_t ret;

	kiocb_start_write(iocb);
	ret = vfs_iocb_iter_write(file, iocb, iter);
	if (ret != -EIOCBQUEUED)
		kiocb_end_write(iocb);
	return ret;
}
#define vfs_iocb_iter_write husk_iocb_iter_write
#endif

/* renamed from entry-kvm.h since 6.18 or so */
#ifdef HUSK_HAVE_ENTRY_VIRT
#include <linux/entry-virt.h>
#else
#include <linux/entry-kvm.h>
#endif

#ifdef HUSK_HAVE_YOUNG_BOOL
typedef bool husk_young_t;
#else
typedef int husk_young_t;
#endif

/* All arguments of a kfunc are trusted ones since 7.0 or so */
#ifdef HUSK_HAVE_KF_TRUSTED
#define HUSK_KF_TRUSTED	KF_TRUSTED_ARGS
#else
#define HUSK_KF_TRUSTED	0
#endif

#endif
