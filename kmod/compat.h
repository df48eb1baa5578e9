/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All differences between the kernels that husk is built for: 6.1 and newer.
 * Code outside this file uses the newest kernel's names; what is missing in an
 * older kernel is made here. HUSK_HAVE_x come from kmod/conftest.sh.
 *
 * Where the newest name can't be given to the older kernel, a name with husk_
 * stands for both:
 *	husk_assign_str()	__assign_str() of TRACE_EVENT
 *	husk_young_t		what the mmu_notifier's *_young callbacks return
 *	HUSK_SYSCORE()		define a struct syscore, and husk_(un)register_syscore()
 */
#ifndef HUSK_COMPAT_H
#define HUSK_COMPAT_H

#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error husk needs Linux 6.1 or newer
#endif

#include <linux/eventfd.h>
#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <linux/smp.h>
#include <linux/syscore_ops.h>
#include <asm/msr.h>

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

/* since 6.10 without the source */
#ifdef HUSK_HAVE_ASSIGN_STR_1
#define husk_assign_str(dst, src) __assign_str(dst)
#else
#define husk_assign_str(dst, src) __assign_str(dst, src)
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

/* renamed from entry-kvm.h, and the vcpu argument is gone, since 6.18 or so */
#ifdef HUSK_HAVE_ENTRY_VIRT
#include <linux/entry-virt.h>
#else
#include <linux/entry-kvm.h>
/* x86 ignores the vcpu */
#define xfer_to_guest_mode_handle_work() xfer_to_guest_mode_handle_work(NULL)
#endif

/* renamed from ...l since 6.16 */
#ifndef HUSK_HAVE_RDMSRQ
#define rdmsrq rdmsrl
#define wrmsrq wrmsrl
#define rdmsrq_safe rdmsrl_safe
#define wrmsrq_safe wrmsrl_safe
#endif

/* since 6.12; before, follow_pte() with the mmap lock held */
#ifndef HUSK_HAVE_FOLLOW_PFNMAP
struct follow_pfnmap_args {
	struct vm_area_struct *vma;
	unsigned long address;
	spinlock_t *lock;
	pte_t *ptep;
	unsigned long pfn;
	pgprot_t pgprot;
	bool writable;
};

static inline int follow_pfnmap_start(struct follow_pfnmap_args *args)
{
	int err = follow_pte(args->vma->vm_mm, args->address, &args->ptep, &args->lock);

	if (err)
		return err;
	args->pfn = pte_pfn(*args->ptep);
	args->pgprot = pte_pgprot(*args->ptep);
	args->writable = pte_write(*args->ptep);
	return 0;
}

static inline void follow_pfnmap_end(struct follow_pfnmap_args *args)
{
	pte_unmap_unlock(args->ptep, args->lock);
}
#endif

#ifdef HUSK_HAVE_YOUNG_BOOL
typedef bool husk_young_t;
#else
typedef int husk_young_t;
#endif

/*
 * HUSK_SYSCORE(name, suspend, resume, shutdown): callbacks in the newest form,
 * int suspend(void *), void resume(void *), void shutdown(void *); all given.
 */
#ifdef HUSK_HAVE_REGISTER_SYSCORE
#define HUSK_SYSCORE(name, suspend_fn, resume_fn, shutdown_fn)			\
	static const struct syscore_ops name##_ops = {				\
		.suspend = suspend_fn, .resume = resume_fn, .shutdown = shutdown_fn,	\
	};									\
	static struct syscore name = { .ops = &name##_ops }
#define husk_register_syscore(s) register_syscore(s)
#define husk_unregister_syscore(s) unregister_syscore(s)
#else
#define HUSK_SYSCORE(name, suspend_fn, resume_fn, shutdown_fn)			\
	static int name##_suspend(void) { return suspend_fn(NULL); }		\
	static void name##_resume(void) { resume_fn(NULL); }			\
	static void name##_shutdown(void) { shutdown_fn(NULL); }		\
	static struct syscore_ops name = {					\
		.suspend = name##_suspend, .resume = name##_resume,		\
		.shutdown = name##_shutdown,					\
	}
#define husk_register_syscore(s) register_syscore_ops(s)
#define husk_unregister_syscore(s) unregister_syscore_ops(s)
#endif

/* the marks of kfuncs, since 6.3, 6.7 and 6.9 */
#ifndef HUSK_HAVE_BPF_KFUNC
#define __bpf_kfunc __used noinline
#endif
#ifndef HUSK_HAVE_BPF_KFUNC_DEFS
#define __bpf_kfunc_start_defs()						\
	__diag_push();								\
	__diag_ignore_all("-Wmissing-declarations", "kfuncs are global for BTF only");	\
	__diag_ignore_all("-Wmissing-prototypes", "kfuncs are global for BTF only")
#define __bpf_kfunc_end_defs() __diag_pop()
#endif
#ifndef HUSK_HAVE_BTF_KFUNCS
#define BTF_KFUNCS_START(name) BTF_SET8_START(name)
#define BTF_KFUNCS_END(name) BTF_SET8_END(name)
#endif

#endif
