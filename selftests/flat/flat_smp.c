// SPDX-License-Identifier: GPL-2.0
/* Guests with several processors, a thread each: interrupts between them, how they come and go, reset, memory taken away. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "flat.h"

struct smp {
	struct guest g;
	u32 cpus;
	pthread_t thread[SMP_MAX];
	pthread_mutex_t lock;		/* of the guest's ports */
	volatile bool stop;
};

struct smp_thread {
	struct smp *smp;
	u32 id;
};

/* Its last exits, newest first */
static void tell_flight(struct smp *smp, u32 id)
{
	const struct husk_stats *stats = mmap(NULL, HUSK_STATS_BYTES, PROT_READ, MAP_SHARED, smp->g.vm.vcpu[id].fd, 4096);
	u32 last = 0;

	if (stats == MAP_FAILED)
		return;
	for (u32 i = 0; i < HUSK_FLIGHT_LEN; i++)
		if (stats->flight[i].sequence > last)
			last = stats->flight[i].sequence;
	for (u32 n = last; n && n + 6 > last; n--) {
		const struct husk_flight *f = &stats->flight[n % HUSK_FLIGHT_LEN];

		flat_fail("  exit %u: reason %u, %#x, info %#llx %#llx, rip %#llx", n, f->reason, f->hw_reason,
			  (unsigned long long)f->info0, (unsigned long long)f->info1, (unsigned long long)f->rip);
	}
	munmap((void *)stats, HUSK_STATS_BYTES);
}

static void unexpected(struct smp *smp, u32 id, const struct vmm_exit *exit)
{
	flat_fail("vCPU %u: exit kind %d, error %d (%s)", id, exit->kind, exit->error, strerror(exit->error));
	if (flat_backend == &vmm_husk)
		tell_flight(smp, id);
}

static void *smp_run(void *arg)
{
	struct smp_thread self = *(struct smp_thread *)arg;
	struct smp *smp = self.smp;
	struct vmm_exit exit;

	free(arg);
	while (!smp->stop) {
		bool served;

		guest_enter(&smp->g, self.id, &exit);
		if (exit.kind == VMM_NONE || (exit.kind == VMM_ERROR && (exit.error == EINTR || exit.error == EAGAIN)))
			continue;
		pthread_mutex_lock(&smp->lock);
		served = guest_serve(&smp->g, &exit);
		pthread_mutex_unlock(&smp->lock);
		if (served && !smp->g.done)
			continue;
		if (!served && !smp->stop)
			unexpected(smp, self.id, &exit);
		smp->g.done = true;
		if (!served)
			break;
	}
	return NULL;
}

static void smp_threads(struct smp *smp)
{
	smp->stop = false;
	for (u32 id = 0; id < smp->cpus; id++) {
		struct smp_thread *self = malloc(sizeof(*self));

		*self = (struct smp_thread) { smp, id };
		smp->g.vm.be->immediate_exit(&smp->g.vm, id, false);
		if (pthread_create(&smp->thread[id], NULL, smp_run, self))
			flat_fail("no thread for vCPU %u", id);
	}
}

static void smp_join(struct smp *smp)
{
	smp->stop = true;
	for (u32 id = 0; id < smp->cpus; id++) {
		int tries = 0;

		smp->g.vm.be->immediate_exit(&smp->g.vm, id, true);
		while (pthread_tryjoin_np(smp->thread[id], NULL)) {
			if (++tries > 3000) {
				flat_fail("vCPU %u does not leave RUN", id);
				_exit(1);
			}
			pthread_kill(smp->thread[id], SIGALRM);
			usleep(1000);
		}
		smp->g.vm.be->immediate_exit(&smp->g.vm, id, false);
	}
}

/* One that spins keeps the only CPU for 4 ms of the emulated time, thousands of times */
static void skip_slow(struct guest *g)
{
	const char *machine = getenv("LAB_MACHINE");

	if (machine && !strncmp(machine, "bochs", 5) && !(modes_usable(g) & 1ULL << HUSK_MODE_PAUSE_FILTER))
		flat_skip("without pause_filter this takes Bochs many minutes");
}

static struct smp *smp_create(enum guest_test test, u32 cpus, bool x2, u32 rounds)
{
	struct smp *smp = calloc(1, sizeof(*smp));

	pthread_mutex_init(&smp->lock, NULL);
	smp->cpus = cpus;
	guest_create(&smp->g, test, SMP_ARG(cpus, x2, rounds));
	skip_slow(&smp->g);
	for (u32 id = 1; id < cpus; id++) {
		int err = smp->g.vm.be->vcpu(&smp->g.vm, id);

		if (err) {
			flat_fail("no vCPU %u: %s", id, strerror(-err));
			_exit(1);
		}
	}
	return smp;
}

static void smp_destroy(struct smp *smp)
{
	guest_destroy(&smp->g);
	pthread_mutex_destroy(&smp->lock);
	free(smp);
}

static void wait_done(struct smp *smp)
{
	while (!*(volatile bool *)&smp->g.done)
		usleep(2000);
}

/* ---- figures: SMP_FIGURES=N prints how long a guest took for N rounds, and what it took ---- */

static u32 note_ms(struct guest *g, bool write, u32 data)
{
	if (write)
		*(u32 *)g->private = data;
	return 0;
}

static void tell_figures(struct smp *smp, u32 rounds, u32 ms)
{
	const struct husk_stats *stats = guest_stats(&smp->g);

	dprintf(1, "# %u vCPUs, %u rounds: %u ms; vCPU 0: %llu entries, %llu PAUSE exits, %llu yields, %llu polls hit, %llu missed\n",
		smp->cpus, rounds, ms, (unsigned long long)stats->entries,
		(unsigned long long)stats_exits(stats, HUSK_REASON_PAUSE), (unsigned long long)stats->yields,
		(unsigned long long)stats->poll_hits, (unsigned long long)stats->poll_misses);
}

static void smp_test(enum guest_test test, u32 cpus, bool x2, u32 rounds)
{
	const char *wish = getenv("SMP_FIGURES");
	struct smp *smp;
	u32 ms = 0;

	if (rounds && wish && atoi(wish))
		rounds = atoi(wish);
	smp = smp_create(test, cpus, x2, rounds);
	smp->g.private = &ms;
	smp->g.sync = note_ms;
	smp_threads(smp);
	wait_done(smp);
	smp_join(smp);
	if (wish && flat_backend == &vmm_husk)
		tell_figures(smp, rounds, ms);
	smp_destroy(smp);
}

/* ---- HLT by polling ---- */

#define POLL_PARAMETER	"/sys/module/husk/parameters/halt_poll_ns"

static bool set_poll(unsigned long ns)
{
	FILE *file = fopen(POLL_PARAMETER, "w");
	bool ok = file && fprintf(file, "%lu", ns) > 0;

	return file ? !fclose(file) && ok : false;
}

static unsigned long get_poll(void)
{
	FILE *file = fopen(POLL_PARAMETER, "r");
	unsigned long ns = 0;

	if (!file || fscanf(file, "%lu", &ns) != 1)
		flat_skip("no " POLL_PARAMETER);
	fclose(file);
	return ns;
}

/* Polls of a guest that sleeps for 1 ms, again and again, while a vCPU may poll for so long */
static u64 polls_with(unsigned long ns, bool hits)
{
	struct smp smp = { .cpus = 1 };
	const struct husk_stats *stats;
	u64 polls;
	u32 late = 0;

	guest_create(&smp.g, GUEST_halt_latency, 100);
	stats = guest_stats(&smp.g);
	smp.g.private = &late;
	smp.g.sync = note_ms;
	CHECK(set_poll(ns));
	guest_run(&smp.g);
	if (getenv("SMP_FIGURES"))
		dprintf(1, "# halt_poll_ns %lu: %u ticks late, %llu polls hit, %llu missed\n", ns, late,
			(unsigned long long)stats->poll_hits, (unsigned long long)stats->poll_misses);
	polls = hits ? stats->poll_hits : stats->poll_hits + stats->poll_misses;
	guest_destroy(&smp.g);
	return polls;
}

static void halt_poll(void)
{
	unsigned long usual = get_poll();
	u64 hits = 0;

	EXPECT(polls_with(0, false), 0);
	/* a deadline that is over before HLT is no hit: a slow machine has many */
	for (u32 tries = 0; hits <= 10 && tries < 20; tries++)
		hits += polls_with(100000000, true);
	CHECK(hits > 10);
	EXPECT(polls_with(20000, true), 0);	/* sleeps for longer than that: it gives up */
	CHECK(set_poll(usual));
}

/* ---- memory taken away while all use it ---- */

static u32 note_sync(struct guest *g, bool write, u32 data)
{
	(void)g;
	(void)write;
	return data;
}

static void wait_sync(struct smp *smp)
{
	while (!*(volatile u64 *)&smp->g.seen_sync && !*(volatile bool *)&smp->g.done)
		usleep(1000);
}

/* After madvise() each vCPU must write to the page that is there now, not to the one that was. */
static bool came_back(struct smp *smp, u32 page, u32 id)
{
	volatile u32 *word = (volatile u32 *)(smp->g.vm.ram + SCRATCH_GPA + page * 4096) + id;

	for (int ms = 0; ms < 5000; ms++) {
		if (*word)
			return true;
		usleep(1000);
	}
	return false;
}

static void take_away(u32 cpus, bool thp)
{
	struct smp *smp = smp_create(GUEST_smp_touch, cpus, true, 0);
	u8 *area = smp->g.vm.ram + SCRATCH_GPA;

	if (thp)
		madvise(smp->g.vm.ram, RAM_SIZE, MADV_HUGEPAGE);
	smp->g.sync = note_sync;
	smp_threads(smp);
	wait_sync(smp);
	for (u32 round = 0; round < 40; round++) {
		u32 page = round % SMP_PAGES;

		EXPECT(madvise(area + page * 4096, 4096, MADV_DONTNEED), 0);
		for (u32 id = 0; id < cpus; id++)
			if (!came_back(smp, page, id)) {
				flat_fail("round %u: vCPU %u writes no more to the page", round, id);
				round = 40;
			}
	}
	smp_join(smp);
	smp_destroy(smp);
}

/* ---- reset with vCPUs in any state ---- */

static int vm_reset(struct smp *smp)
{
	struct husk_reset arg = { .size = sizeof(arg) };

	return ioctl(smp->g.vm.fd, HUSK_VM_RESET, &arg) ? -errno : 0;
}

static u32 mp_state(struct smp *smp, u32 id)
{
	struct {
		struct husk_state_record head;
		struct husk_vcpu_events events;
	} record = {};
	struct husk_state arg = {
		.size = sizeof(arg), .classes = 1ULL << HUSK_STATE_EVENTS, .length = sizeof(record),
		.buffer = (uintptr_t)&record,
	};

	EXPECT(ioctl(smp->g.vm.vcpu[id].fd, HUSK_VCPU_GET_STATE, &arg), 0);
	return record.events.mp_state;
}

extern const u8 guest_image[], guest_image_end[];

static void start_again(struct smp *smp, enum guest_test test)
{
	memset(smp->g.vm.ram + SMP_CPU_GPA, 0, SMP_MAX * SMP_CPU_SIZE);
	vmm_tables(&smp->g.vm);
	vmm_load(&smp->g.vm, IMAGE_GPA, guest_image, guest_image_end - guest_image);
	EXPECT(vmm_long_mode(&smp->g.vm, 0, IMAGE_GPA, STACK_GPA, test, SMP_ARG(smp->cpus, 1, 0)), 0);
	smp->g.done = false;
	smp->g.seen_sync = 0;
	smp_threads(smp);
}

static void reset(u32 cpus, enum guest_test busy)
{
	struct smp *smp = smp_create(busy, cpus, true, 0);

	smp->g.sync = note_sync;
	for (int round = 0; round < 4; round++) {
		u32 *count = (u32 *)(smp->g.vm.ram + SMP_CPU_GPA + SMP_COUNT_AT), seen;

		start_again(smp, busy);
		wait_sync(smp);
		EXPECT(vm_reset(smp), -EBUSY);
		seen = *(volatile u32 *)count;
		for (int ms = 0; ms < 2000 && *(volatile u32 *)count == seen; ms++)
			usleep(1000);
		CHECK(*(volatile u32 *)count != seen);	/* vCPU 0 goes on */
		smp_join(smp);
		EXPECT(vm_reset(smp), 0);
		for (u32 id = 0; id < cpus; id++)
			EXPECT(mp_state(smp, id), id ? HUSK_MP_WAIT_INIT : HUSK_MP_RUNNABLE);
		start_again(smp, GUEST_smp_ipi);
		wait_done(smp);
		smp_join(smp);
		EXPECT(vm_reset(smp), 0);
	}
	smp_destroy(smp);
}

/* name, CPUs, x2APIC, rounds */
#define SMP_TESTS(X) \
	X(ipi, 2, 0, 0) X(ipi, 4, 0, 0) X(ipi, 8, 0, 0) X(ipi, 2, 1, 0) X(ipi, 8, 1, 0) \
	X(init, 2, 0, 0) X(init, 4, 1, 0) X(init_masked, 2, 1, 0) \
	X(storm, 2, 0, 300) X(storm, 2, 1, 300) X(storm, 4, 1, 100) X(storm, 8, 1, 40) \
	X(pingpong, 2, 1, 200) X(lock, 4, 1, 100)

#define X(name, cpus, x2, rounds) \
	static void name##_##cpus##_##x2(void) { smp_test(GUEST_smp_##name, cpus, x2, rounds); }
SMP_TESTS(X)
#undef X

/* As many as there may be, of which each is asked each time: fewer ways */
static void storm_64(void)
{
	smp_test(GUEST_smp_storm, 64, true, 3);
}

static void ipi_64(void)
{
	smp_test(GUEST_smp_ipi, 64, true, 0);
}

static void touch_4(void)
{
	take_away(4, false);
}

static void touch_2_huge(void)
{
	take_away(2, true);
}

static void reset_4(void)
{
	reset(4, GUEST_smp_states);
}

const struct flat_test flat_smp_tests[] = {
#define X(name, cpus, x2, rounds) { "smp_" #name "_" #cpus "_" #x2, name##_##cpus##_##x2, false, 60 },
	SMP_TESTS(X)
#undef X
	{ "halt_poll", halt_poll, true, 0 },
	{ "smp_touch_4", touch_4, false, 60 },
	{ "smp_touch_2_huge", touch_2_huge, false, 60 },
	{ "smp_reset_4", reset_4, true, 60 },
	{ "smp_storm_64", storm_64, false, 120 },
	{ "smp_ipi_64", ipi_64, false, 240 },
	FLAT_END
};
