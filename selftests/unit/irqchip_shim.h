/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel around kmod/irqchip/ for the unit test: one thread, a clock that
 * the test moves, hrtimers that fire when it does, locks that find recursion.
 */
#ifndef HUSK_IRQCHIP_SHIM_H
#define HUSK_IRQCHIP_SHIM_H

#include "unit_shim.h"

#define HUSK_H			/* kmod/husk.h is replaced by what follows */
#define __KERNEL__

#define __user
#define HUSK_MAX_VCPUS		64
#define HUSK_GSI_COUNT		4096

enum { HUSK_REQ_EVENT, HUSK_REQ_TIMER, HUSK_REQ_INIT, HUSK_REQ_PV };
#include "pv/pv.h"

struct husk_lapic;
struct husk_irqchip;
struct husk_vm;

struct husk_vcpu {
	unsigned long requests;
	struct husk_vm *vm;
	u32 id;
	int cpu, last_cpu;
	struct husk_lapic *lapic;
	struct husk_pv_vcpu pv;
	u64 tsc_offset, deadline;
	struct {
		struct {
			u16 offset;
			u8 vector;
		} apic;
	} exit;
};

/* The only mode that the irqchip asks for */
static bool unit_preempt_timer;
#define husk_mode(mode)		((mode) == HUSK_MODE_PREEMPT_TIMER && unit_preempt_timer)

#define HUSK_VENDOR_H		/* of kmod/vendor.h this is enough */
struct husk_apic_view;
struct husk_vendor {
	void (*apic)(struct husk_vcpu *vcpu, const struct husk_apic_view *view);
};
static const struct husk_vendor *husk_vendor;

struct husk_vm {
	struct husk_vcpu *vcpus[HUSK_MAX_VCPUS];
	struct husk_irqchip *irqchip;
	struct { u32 slots_generation; } mem;
};

/* irqfd.c: what it was told, by enum husk_route_kind */
static u32 unit_acked[HUSK_ROUTE_KIND_COUNT];

void husk_irqfd_acked(struct husk_vm *vm, enum husk_route_kind chip, u32 inputs)
{
	unit_acked[chip] |= inputs;
}

#define HUSK_IOEVENTFD_H
enum husk_ioeventfd_space { HUSK_IOEVENTFD_PORTS };

static struct { u32 phys_bits; } husk_host = { 40 };
static unsigned int tsc_khz = 2500000;

#define smp_mb__after_atomic()	do { } while (0)
#define smp_mb__before_atomic()	do { } while (0)
#define smp_load_acquire(p)	(*(p))
#define xchg(p, v)		__atomic_exchange_n(p, v, __ATOMIC_SEQ_CST)
#define container_of(p, t, m)	((t *)((char *)(p) - offsetof(t, m)))
#define preempt_disable()	do { } while (0)
#define preempt_enable()	do { } while (0)
#define GFP_KERNEL_ACCOUNT	0
#define kzalloc(size, flags)	calloc(1, size)
#define kfree(p)		free(p)
#define USEC_PER_SEC		1000000ULL

static inline const void *memchr_inv(const void *at, int c, size_t n)
{
	const u8 *p = at;

	for (; n && *p == (u8)c; n--)
		p++;
	return n ? p : NULL;
}

static inline bool test_bit(unsigned int n, const unsigned long *map)
{
	return map[n / 64] >> n % 64 & 1;
}

static inline void set_bit(unsigned int n, unsigned long *map)
{
	map[n / 64] |= 1UL << n % 64;
}

static inline void clear_bit(unsigned int n, unsigned long *map)
{
	map[n / 64] &= ~(1UL << n % 64);
}

static inline bool test_and_set_bit(unsigned int n, unsigned long *map)
{
	bool was = test_bit(n, map);

	set_bit(n, map);
	return was;
}

static inline bool test_and_clear_bit(unsigned int n, unsigned long *map)
{
	bool was = test_bit(n, map);

	clear_bit(n, map);
	return was;
}

#define try_cmpxchg(p, old, new) \
	__atomic_compare_exchange_n(p, old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

#define __test_and_clear_bit	test_and_clear_bit
#define __set_bit		set_bit
#define __clear_bit		clear_bit

static inline void husk_vcpu_request(struct husk_vcpu *vcpu, int req)
{
	set_bit(req, &vcpu->requests);
}

static inline bool husk_cpuid_has(struct husk_vm *vm, u32 function, u32 index, int reg, int bit)
{
	return true;
}

/* ---- tables under RCU: nobody reads beside the test ---- */

#define __rcu
#define rcu_read_lock()			do { } while (0)
#define rcu_read_unlock()		do { } while (0)
#define rcu_dereference(p)		(p)
#define rcu_dereference_protected(p, c)	(p)
#define RCU_INIT_POINTER(p, v)		((p) = (v))
#define lockdep_is_held(lock)		true
#define rcu_replace_pointer(p, v, c) ({ \
	__typeof__(p) _old = (p); \
	(p) = (v); \
	_old; \
})
#define kvmalloc(size, flags)		malloc(size)
#define kvfree(p)			free(p)
#define kvfree_rcu(p, head)		free(p)
#define struct_size(p, member, n)	(sizeof(*(p)) + sizeof((p)->member[0]) * (n))
#define sort(base, n, size, compare, swap) qsort(base, n, size, compare)
/* ---- guest memory: one page, which may be absent for those who can't sleep, or altogether ---- */

static u8 unit_page[4096];
static bool unit_page_absent, unit_page_gone;
static u32 unit_page_writes;

#define IS_ALIGNED(x, a)	(!((x) & ((a) - 1)))
#define pagefault_disable()	do { } while (0)
#define pagefault_enable()	do { } while (0)
#define __get_user(x, p)	(unit_page_absent || unit_page_gone ? -EFAULT : ((x) = *(p), 0))
#define __put_user(x, p)	(unit_page_absent || unit_page_gone ? -EFAULT : (*(p) = (x), 0))

static inline u8 *husk_gpa_to_user_write(struct husk_vm *vm, u64 gpa)
{
	return unit_page_gone || gpa >= sizeof(unit_page) ? NULL : unit_page + gpa;
}

static inline void husk_log_written(struct husk_vm *vm, u64 gpa, u32 len)
{
	unit_page_writes++;
}

static inline int husk_read_gpa(struct husk_vm *vm, u64 gpa, void *data, u32 len)
{
	if (!husk_gpa_to_user_write(vm, gpa))
		return -EFAULT;
	memcpy(data, unit_page + gpa, len);
	unit_page_absent = false;
	return 0;
}

static inline int husk_write_gpa(struct husk_vm *vm, u64 gpa, const void *data, u32 len)
{
	if (!husk_gpa_to_user_write(vm, gpa))
		return -EFAULT;
	memcpy(unit_page + gpa, data, len);
	unit_page_absent = false;
	husk_log_written(vm, gpa, len);
	return 0;
}

/* ---- locks ---- */

typedef struct {
	bool held;
} raw_spinlock_t;

#define raw_spin_lock_init(lock)	((void)((lock)->held = false))
#define raw_spin_lock_irqsave(lock, flags) do { \
	(flags) = 0; \
	if ((lock)->held) \
		abort(); \
	(lock)->held = true; \
} while (0)
#define raw_spin_unlock_irqrestore(lock, flags) do { \
	(void)(flags); \
	(lock)->held = false; \
} while (0)
#define lockdep_assert_held(lock)	((lock)->held ? (void)0 : abort())

/* ---- time ---- */

typedef s64 ktime_t;
enum hrtimer_restart { HRTIMER_NORESTART };
#define CLOCK_MONOTONIC			0
#define HRTIMER_MODE_ABS_PINNED_HARD	0

struct hrtimer {
	enum hrtimer_restart (*function)(struct hrtimer *timer);
	ktime_t expires;
	bool active;
};

static u64 unit_now = 1000000;		/* ns */
static u32 unit_starts;			/* calls of hrtimer_start */
static struct hrtimer *unit_timers[8];
static u32 unit_timer_count;

static inline ktime_t ktime_get(void)
{
	return unit_now;
}

static inline u64 ktime_get_ns(void)
{
	return unit_now;
}

#define ktime_add_ns(time, ns)	((time) + (ktime_t)(ns))
#define ns_to_ktime(ns)		((ktime_t)(ns))

static inline void hrtimer_setup(struct hrtimer *timer, enum hrtimer_restart (*function)(struct hrtimer *),
				 int clock, int mode)
{
	timer->function = function;
	timer->active = false;
	unit_timers[unit_timer_count++] = timer;
}

static inline void hrtimer_start(struct hrtimer *timer, ktime_t expires, int mode)
{
	timer->expires = expires;
	timer->active = true;
	unit_starts++;
}

#define hrtimer_start_expires(timer, mode) hrtimer_start(timer, (timer)->expires, mode)

static inline int hrtimer_cancel(struct hrtimer *timer)
{
	bool was = timer->active;

	timer->active = false;
	return was;
}

#define hrtimer_try_to_cancel	hrtimer_cancel
#define hrtimer_active(timer)	((timer)->active)

/* Let time pass; timers fire in their order. */
static inline void unit_sleep(u64 ns)
{
	u64 end = unit_now + ns;

	for (;;) {
		struct hrtimer *first = NULL;
		u32 n;

		for (n = 0; n < unit_timer_count; n++)
			if (unit_timers[n]->active && (!first || unit_timers[n]->expires < first->expires))
				first = unit_timers[n];
		if (!first || first->expires > (ktime_t)end)
			break;
		unit_now = max(unit_now, (u64)first->expires);
		first->active = false;
		first->function(first);
	}
	unit_now = max(unit_now, end);
}

/* A TSC of 2.5 GHz that keeps in step with the clock */
static inline u64 unit_host_tsc(void)
{
	return unit_now * 5 / 2;
}

static inline u64 husk_guest_tsc(struct husk_vcpu *vcpu)
{
	return unit_host_tsc() + vcpu->tsc_offset;
}

#endif
