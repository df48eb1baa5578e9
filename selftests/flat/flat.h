/* SPDX-License-Identifier: GPL-2.0 */
/* The flat suite: each test is a function that runs in its own process. */
#ifndef FLAT_FLAT_H
#define FLAT_FLAT_H

#include "tests.h"
#include "vmm.h"

/* One guest and what its ports know */
struct guest {
	struct vmm vm;
	const struct husk_stats *stats;		/* guest_stats() */
	u8 echo[4];
	u8 mmio[MMIO_SIZE];
	u64 stream_next, stream_sum;
	u64 value;
	/* Called at PORT_SYNC: write: data is the guest's; read: the answer. NULL: ignored */
	u32 (*sync)(struct guest *g, bool write, u32 data);
	void *private;
	u64 seen_sync;
	bool done;
};

/* Of vCPU 0, until guest_destroy() */
const struct husk_stats *guest_stats(struct guest *g);
/* Exits for a reason, by whatever level served them */
u64 stats_exits(const struct husk_stats *stats, enum husk_reason reason);
/* HUSK_GET_CAPS: bits HUSK_MODE_x that the module uses; 0 on KVM */
u64 modes_usable(struct guest *g);

/* Report: a test fails by flat_fail(), any number of times; the first reason is printed */
void flat_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void flat_skip(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
#define CHECK(cond) do { if (!(cond)) flat_fail("%s:%d: %s", __FILE__, __LINE__, #cond); } while (0)
#define EXPECT(value, want) do { long long v_ = (value), w_ = (want); \
	if (v_ != w_) flat_fail("%s:%d: %s is %lld, not %lld", __FILE__, __LINE__, #value, v_, w_); } while (0)

extern const struct vmm_backend *flat_backend;
extern u32 flat_seed;

/* A guest with the image loaded, about to enter a test. Ends the process on failure. */
void guest_create(struct guest *g, enum guest_test test, u64 arg);
void guest_destroy(struct guest *g);
/* Serve one exit. True: it was a device access and is answered; false: the caller's to look at */
bool guest_serve(struct guest *g, struct vmm_exit *exit);
/* Run to PORT_DONE, or to an exit that nobody expects (a failure) */
void guest_run(struct guest *g);
/* Run until something guest_serve() does not know, or PORT_SYNC or PORT_DONE if stop_at_sync */
struct vmm_exit guest_run_raw(struct guest *g, bool stop_at_sync);
/* One stay in the guest. EINTR without a flat_alarm() (husk gives way to the thread's own work so) goes on */
void guest_enter(struct guest *g, u32 id, struct vmm_exit *exit);
/* EINTR for the run call in ms milliseconds, again every ms until flat_alarm(0) */
void flat_alarm(unsigned int ms);

struct flat_test {
	const char *name;
	void (*fn)(void);
	bool husk_only;
	u32 seconds;		/* deadline; 0: 20 */
};
#define FLAT_END { NULL, NULL, false, 0 }

extern const struct flat_test flat_mem_tests[], flat_fpu_tests[], flat_control_tests[], flat_mode_tests[],
	flat_hostile_tests[], flat_state_tests[], flat_apic_tests[], flat_log_tests[], flat_eventfd_tests[], flat_smp_tests[],
	flat_pv_tests[];

#endif
